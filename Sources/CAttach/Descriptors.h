// What each descriptor number of the process is to this library: nothing, one of the program's attached sockets, or
// private to the library.
//
// Looking a number up takes two loads and no lock. The program's close and dup calls keep the table right; a private
// descriptor is not the program's to close, and gives way when the program wants its number.

#ifndef CATTACH_DESCRIPTORS_H
#define CATTACH_DESCRIPTORS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct attached_socket;

enum { DESCRIPTOR_PAGE_BITS = 10, DESCRIPTOR_PAGES = 1024 };

// The address of a struct attached_socket; with the lowest bit, its owner's if the descriptor is private; or 0.
typedef _Atomic(uintptr_t) descriptor_slot;
extern _Atomic(descriptor_slot *) descriptor_pages[DESCRIPTOR_PAGES];

// Whether the table has this descriptor.
static inline bool descriptor_is_known(int descriptor) {
    unsigned number = (unsigned)descriptor;
    if (number >> DESCRIPTOR_PAGE_BITS >= DESCRIPTOR_PAGES) return false;
    descriptor_slot *page =
        atomic_load_explicit(&descriptor_pages[number >> DESCRIPTOR_PAGE_BITS], memory_order_acquire);
    return page && atomic_load_explicit(&page[number & ((1u << DESCRIPTOR_PAGE_BITS) - 1)], memory_order_relaxed) != 0;
}

// The attached socket behind a descriptor, with a reference that the caller releases; NULL if it is none.
struct attached_socket *descriptor_acquire_known(int descriptor);
static inline struct attached_socket *descriptor_acquire(int descriptor) {
    return __builtin_expect(descriptor_is_known(descriptor), 0) ? descriptor_acquire_known(descriptor) : NULL;
}

// Makes a new descriptor one of the socket's and takes over the caller's reference. Returns false, with the reference
// still the caller's, if there is no memory or the number is beyond the table.
bool descriptor_attach(int descriptor, struct attached_socket *socket);

// Takes a descriptor, which is closed on exec, into the library's keeping, under a high number that the program hardly
// wants; the old number is closed. Returns the new number, or -1 and errno (it is closed then, too).
int descriptor_make_private(int descriptor, struct attached_socket *owner);
void descriptor_close_private(int descriptor);

// Puts what `replacement` refers to in the place of each descriptor of the socket, which then has none.
void descriptor_replace_all(struct attached_socket *socket, int replacement);

// The program's calls.
int descriptor_close(int descriptor);
int descriptor_close_range(unsigned first, unsigned last, int flags);
int descriptor_dup(int descriptor);
int descriptor_dup_from(int descriptor, int command, int lowest);  // F_DUPFD or F_DUPFD_CLOEXEC
int descriptor_dup_onto(int descriptor, int onto, int flags);  // those of dup3; -1: dup2

// In a forked child: counts again which sockets have descriptors.
void descriptor_count_references(void);

#endif
