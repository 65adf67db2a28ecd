#ifndef CLINUX_MEMORY_H
#define CLINUX_MEMORY_H

// Memory of the C library.

/// Takes blocks of so many bytes and more from the system, and gives them back when they are freed. 0 on success.
int clinux_return_large_blocks(int bytes);

#endif
