#ifndef CCOUNTERS_H
#define CCOUNTERS_H

#include <stdint.h>

/* Allocations by malloc and its kin since the program began. */
uint64_t counters_allocations(void);

/* Retains and releases by the Swift runtime while they were watched. Watch only what is measured: the runtime's hooks do
 * not know every kind of object that printing uses. */
uint64_t counters_references(void);
void counters_watch_references(_Bool on);

/* Whether instructions are counted: the program runs under callgrind, and was built where valgrind's headers are. */
_Bool counters_have_instructions(void);
/* From the one to the other instructions are counted; the second writes a file whose description is `name`. Between two
 * of these the program runs about as fast as valgrind can. */
void counters_begin_instructions(void);
void counters_end_instructions(const char *name);

/* Does nothing with it, which the compiler does not know: so it has to be computed. */
void counters_use(const void *value);

#endif
