// Which process this is: the one whose memory the tables are in, a fork of it, or a child that borrows its memory.

#ifndef CATTACH_PROCESS_H
#define CATTACH_PROCESS_H

#include <stdbool.h>

// To be called before the table or a socket is used. In a forked child it makes them the child's, once: the child has
// a copy of everything, but must not use the parent's connections. It notices children of a bare clone() as well.
void process_notice_fork(void);

// Whether this is a child that runs in its parent's memory, as after vfork: it must change no table there.
bool process_borrows_memory(void);

#endif
