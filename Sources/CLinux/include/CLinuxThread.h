// Threads.

#ifndef CLINUX_THREAD_H
#define CLINUX_THREAD_H

// Names the calling thread for tools that list threads; at most 15 bytes count (PR_SET_NAME).
int clinux_set_thread_name(const char *name);

// How many processors the calling thread may run on (sched_getaffinity).
int clinux_processor_count(void);

#endif
