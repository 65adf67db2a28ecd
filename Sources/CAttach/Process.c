#include "Process.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "AttachedSocket.h"

// On a page of its own that the kernel fills with zeros in a forked child, but not in one that shares the memory.
struct mark {
    atomic_int owner;  // the process ID; 0 in a child that has not noticed the fork
    atomic_bool is_noticing;
};

static struct mark *mark;

static void take_over(void) {
    if (!atomic_exchange(&mark->is_noticing, true)) {
        attached_after_fork();
        atomic_store(&mark->owner, getpid());
    }
    // Another thread of the child is at it.
    while (atomic_load(&mark->owner) == 0) sched_yield();
}

static void after_fork(void) {
    atomic_store(&mark->owner, 0);
    atomic_store(&mark->is_noticing, false);
    take_over();
}

__attribute__((constructor)) static void begin(void) {
    static struct mark fallback;
    if (mark) return;
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        mark = &fallback;
    } else {
        madvise(page, size, MADV_WIPEONFORK);
        mark = page;
    }
    atomic_store(&mark->owner, getpid());
    pthread_atfork(NULL, NULL, after_fork);
}

void process_notice_fork(void) {
    if (!mark) begin();
    if (atomic_load_explicit(&mark->owner, memory_order_acquire) == 0) take_over();
}

bool process_borrows_memory(void) {
    process_notice_fork();
    return atomic_load_explicit(&mark->owner, memory_order_relaxed) != getpid();
}
