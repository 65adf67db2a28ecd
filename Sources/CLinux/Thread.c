#define _GNU_SOURCE

#include "CLinuxThread.h"

#include <sched.h>
#include <sys/prctl.h>

int clinux_set_thread_name(const char *name) { return prctl(PR_SET_NAME, name, 0, 0, 0); }

int clinux_processor_count(void) {
    cpu_set_t processors;
    int result = sched_getaffinity(0, sizeof processors, &processors);
    return result < 0 ? result : CPU_COUNT(&processors);
}
