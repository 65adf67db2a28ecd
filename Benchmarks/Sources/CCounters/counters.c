#include "CCounters.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* The allocator: these stand in front of glibc's, which keeps a second name for each. */

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static _Atomic uint64_t allocations;

static void count(void) { atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed); }

void *malloc(size_t size) { count(); return __libc_malloc(size); }
void *calloc(size_t n, size_t size) { count(); return __libc_calloc(n, size); }
void *realloc(void *old, size_t size) { count(); return __libc_realloc(old, size); }
void *memalign(size_t alignment, size_t size) { count(); return __libc_memalign(alignment, size); }
void *aligned_alloc(size_t alignment, size_t size) { count(); return __libc_memalign(alignment, size); }
int posix_memalign(void **out, size_t alignment, size_t size) {
    count();
    *out = __libc_memalign(alignment, size);
    return *out ? 0 : ENOMEM;
}

uint64_t counters_allocations(void) { return atomic_load(&allocations); }

/* The Swift runtime: it calls through these pointers once the switch is thrown. */

extern void *(*_swift_retain)(void *);
extern void (*_swift_release)(void *);
extern void *(*_swift_retain_n)(void *, uint32_t);
extern void (*_swift_release_n)(void *, uint32_t);
extern _Atomic(bool) _swift_enableSwizzlingOfAllocationAndRefCountingFunctions_forInstrumentsOnly;

static _Atomic uint64_t references;
static void *(*old_retain)(void *);
static void (*old_release)(void *);
static void *(*old_retain_n)(void *, uint32_t);
static void (*old_release_n)(void *, uint32_t);

static void *retain(void *object) {
    atomic_fetch_add_explicit(&references, 1, memory_order_relaxed);
    return old_retain(object);
}
static void release(void *object) {
    atomic_fetch_add_explicit(&references, 1, memory_order_relaxed);
    old_release(object);
}
static void *retain_n(void *object, uint32_t n) {
    atomic_fetch_add_explicit(&references, n, memory_order_relaxed);
    return old_retain_n(object, n);
}
static void release_n(void *object, uint32_t n) {
    atomic_fetch_add_explicit(&references, n, memory_order_relaxed);
    old_release_n(object, n);
}

void counters_watch_references(_Bool on) {
    if (!old_retain) {
        old_retain = _swift_retain;
        old_release = _swift_release;
        old_retain_n = _swift_retain_n;
        old_release_n = _swift_release_n;
        _swift_retain = retain;
        _swift_release = release;
        _swift_retain_n = retain_n;
        _swift_release_n = release_n;
    }
    atomic_store(&_swift_enableSwizzlingOfAllocationAndRefCountingFunctions_forInstrumentsOnly, on);
}

uint64_t counters_references(void) { return atomic_load(&references); }

/* Instructions: requests to callgrind, which are a few instructions without effect where there is none. */

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>

_Bool counters_have_instructions(void) { return RUNNING_ON_VALGRIND != 0; }
void counters_begin_instructions(void) {
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_ZERO_STATS;
}
void counters_end_instructions(const char *name) {
    CALLGRIND_DUMP_STATS_AT(name);
    CALLGRIND_STOP_INSTRUMENTATION;
}
#else
_Bool counters_have_instructions(void) { return 0; }
void counters_begin_instructions(void) {}
void counters_end_instructions(const char *name) { (void)name; }
#endif

void counters_use(const void *value) { (void)value; }
