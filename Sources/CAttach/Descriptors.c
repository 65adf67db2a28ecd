#include "Descriptors.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "AttachedSocket.h"
#include "Next.h"
#include "Process.h"

#define PAGE_SLOTS (1u << DESCRIPTOR_PAGE_BITS)
#define PRIVATE ((uintptr_t)1)

// Private descriptors begin here, or at half of what the process may have if that is less.
#define LOWEST_PRIVATE 4096

_Atomic(descriptor_slot *) descriptor_pages[DESCRIPTOR_PAGES];

static bool is_private(uintptr_t content) { return content & PRIVATE; }
static struct attached_socket *socket_of(uintptr_t content) { return (struct attached_socket *)(content & ~PRIVATE); }

// NULL if the number is beyond the table, or no descriptor of its page was ever known.
static descriptor_slot *find_slot(int descriptor) {
    unsigned number = (unsigned)descriptor;
    if (number >> DESCRIPTOR_PAGE_BITS >= DESCRIPTOR_PAGES) return NULL;
    descriptor_slot *page = atomic_load(&descriptor_pages[number >> DESCRIPTOR_PAGE_BITS]);
    return page ? &page[number % PAGE_SLOTS] : NULL;
}

// The same, but makes the page; NULL if the number is beyond the table or there is no memory.
static descriptor_slot *make_slot(int descriptor) {
    unsigned number = (unsigned)descriptor;
    if (number >> DESCRIPTOR_PAGE_BITS >= DESCRIPTOR_PAGES) return NULL;
    _Atomic(descriptor_slot *) *page = &descriptor_pages[number >> DESCRIPTOR_PAGE_BITS];
    if (!atomic_load(page)) {
        descriptor_slot *none = NULL, *made = calloc(PAGE_SLOTS, sizeof *made);
        if (!made) return NULL;
        if (!atomic_compare_exchange_strong(page, &none, made)) free(made);
    }
    return find_slot(descriptor);
}

static uintptr_t content_of(int descriptor) {
    descriptor_slot *slot = find_slot(descriptor);
    return slot ? atomic_load(slot) : 0;
}

// The socket that a slot names, whether as its own or as its owner, with a reference.
static struct attached_socket *retain_content(descriptor_slot *slot, bool private) {
    for (;;) {
        uintptr_t content = atomic_load(slot);
        if (content == 0 || is_private(content) != private) return NULL;
        struct attached_socket *socket = socket_of(content);
        if (!attached_retain(socket)) continue;
        // It may have been closed and used again in between.
        if (atomic_load(slot) == content) return socket;
        attached_release(socket);
    }
}

struct attached_socket *descriptor_acquire_known(int descriptor) {
    process_notice_fork();
    descriptor_slot *slot = find_slot(descriptor);
    return slot ? retain_content(slot, false) : NULL;
}

bool descriptor_attach(int descriptor, struct attached_socket *socket) {
    descriptor_slot *slot = make_slot(descriptor);
    if (!slot) return false;
    atomic_store(slot, (uintptr_t)socket);
    return true;
}

// Takes an attached descriptor out of the table, and gives back its reference.
static void detach(descriptor_slot *slot) {
    uintptr_t content = atomic_load(slot);
    do {
        if (content == 0 || is_private(content)) return;
    } while (!atomic_compare_exchange_weak(slot, &content, 0));
    attached_release(socket_of(content));
}

// Private descriptors

static int lowest_private(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur / 2 >= LOWEST_PRIVATE) return LOWEST_PRIVATE;
    return (int)(limit.rlim_cur / 2);
}

int descriptor_make_private(int descriptor, struct attached_socket *owner) {
    int private = NEXT(fcntl)(descriptor, F_DUPFD_CLOEXEC, lowest_private());
    if (private < 0) private = descriptor;  // no number up there is free
    else NEXT(close)(descriptor);
    descriptor_slot *slot = make_slot(private);
    if (slot) {
        atomic_store(slot, (uintptr_t)owner | PRIVATE);
        return private;
    }
    NEXT(close)(private);
    errno = EMFILE;
    return -1;
}

void descriptor_close_private(int descriptor) {
    descriptor_slot *slot = find_slot(descriptor);
    uintptr_t content = atomic_load(slot);
    if (is_private(content) && atomic_compare_exchange_strong(slot, &content, 0)) NEXT(close)(descriptor);
}

// The program wants this number: what is private there goes to another. With the owner's lock no call uses it.
static void move_away(int descriptor) {
    descriptor_slot *slot = find_slot(descriptor);
    struct attached_socket *owner = slot ? retain_content(slot, true) : NULL;
    if (!owner) return;
    attached_lock(owner);
    int *holder = owner->channel == descriptor ? &owner->channel
        : owner->inherited_channel == descriptor ? &owner->inherited_channel
        : owner->kernel_socket == descriptor ? &owner->kernel_socket : NULL;
    if (holder) {
        atomic_store(slot, 0);
        *holder = descriptor_make_private(descriptor, owner);
    }
    attached_unlock(owner);
    attached_release(owner);
}

void descriptor_replace_all(struct attached_socket *socket, int replacement) {
    for (unsigned page = 0; page < DESCRIPTOR_PAGES; page++) {
        descriptor_slot *slots = atomic_load(&descriptor_pages[page]);
        for (unsigned index = 0; slots && index < PAGE_SLOTS; index++) {
            if (atomic_load(&slots[index]) != (uintptr_t)socket) continue;
            int descriptor = (int)(page * PAGE_SLOTS + index);
            int flags = NEXT(fcntl)(descriptor, F_GETFD);
            NEXT(dup3)(replacement, descriptor, flags > 0 && flags & FD_CLOEXEC ? O_CLOEXEC : 0);
            detach(&slots[index]);
        }
    }
}

// The program's calls

int descriptor_close(int descriptor) {
    if (is_private(content_of(descriptor))) {
        errno = EBADF;
        return -1;
    }
    // Out of the table first: once it is closed the number may be another thread's.
    if (!process_borrows_memory()) detach(find_slot(descriptor));
    return NEXT(close)(descriptor);
}

// Gives back the references of a range, and closes what is not private in it.
int descriptor_close_range(unsigned first, unsigned last, int flags) {
    bool closes = (flags & ~(int)CLOSE_RANGE_UNSHARE) == 0 && first <= last;
    if (!closes || process_borrows_memory()) {
        return NEXT(close_range)(first, last, flags);
    }
    unsigned end = DESCRIPTOR_PAGES * PAGE_SLOTS;
    for (unsigned number = first; number <= last && number < end; number++) {
        descriptor_slot *slot = find_slot((int)number);
        if (slot) detach(slot);
        else number |= PAGE_SLOTS - 1;
    }
    // What is private is no more than what sockets outside the range need.
    unsigned begin = first;
    for (unsigned number = first; number <= last && number < end; number++) {
        descriptor_slot *slot = find_slot((int)number);
        if (!slot) {
            number |= PAGE_SLOTS - 1;
        } else if (is_private(atomic_load(slot))) {
            if (begin < number) NEXT(close_range)(begin, number - 1, flags);
            begin = number + 1;
        }
    }
    return begin <= last ? NEXT(close_range)(begin, last, flags) : 0;
}

// Enters what a dup call made of `descriptor`.
static int enter_duplicate(int descriptor, int duplicate) {
    if (duplicate < 0 || process_borrows_memory()) return duplicate;
    struct attached_socket *socket = descriptor_acquire(descriptor);
    if (!socket || descriptor_attach(duplicate, socket)) return duplicate;
    attached_release(socket);
    NEXT(close)(duplicate);
    errno = EMFILE;
    return -1;
}

int descriptor_dup(int descriptor) { return enter_duplicate(descriptor, NEXT(dup)(descriptor)); }

int descriptor_dup_from(int descriptor, int command, int lowest) {
    return enter_duplicate(descriptor, NEXT(fcntl)(descriptor, command, lowest));
}

static int dup_onto(int descriptor, int onto, int flags) {
    return flags < 0 ? NEXT(dup2)(descriptor, onto) : NEXT(dup3)(descriptor, onto, flags);
}

int descriptor_dup_onto(int descriptor, int onto, int flags) {
    if (descriptor == onto || process_borrows_memory()) return dup_onto(descriptor, onto, flags);
    if (is_private(content_of(onto))) move_away(onto);
    struct attached_socket *socket = descriptor_acquire(descriptor);
    descriptor_slot *slot = socket ? make_slot(onto) : find_slot(onto);
    if (socket && !slot) {
        attached_release(socket);
        errno = EBADF;
        return -1;
    }
    uintptr_t previous = slot ? atomic_exchange(slot, 0) : 0;
    int result = dup_onto(descriptor, onto, flags);
    if (result < 0) {
        if (previous) atomic_store(slot, previous);
        if (socket) attached_release(socket);
    } else {
        if (socket) atomic_store(slot, (uintptr_t)socket);
        if (previous) attached_release(socket_of(previous));
    }
    return result;
}

void descriptor_count_references(void) {
    for (unsigned page = 0; page < DESCRIPTOR_PAGES; page++) {
        descriptor_slot *slots = atomic_load(&descriptor_pages[page]);
        for (unsigned index = 0; slots && index < PAGE_SLOTS; index++) {
            uintptr_t content = atomic_load(&slots[index]);
            if (content != 0 && !is_private(content)) attached_retain(socket_of(content));
        }
    }
}
