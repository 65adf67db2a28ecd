#ifndef CCOUNTERS_H
#define CCOUNTERS_H

#include <stdint.h>

/* Allocations by malloc and its kin since the program began. */
uint64_t counters_allocations(void);

/* Retains and releases by the Swift runtime while they were watched. Watch only what is measured: the runtime's hooks do
 * not know every kind of object that printing uses. */
uint64_t counters_references(void);
void counters_watch_references(_Bool on);

#endif
