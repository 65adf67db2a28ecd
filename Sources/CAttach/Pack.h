// Datagrams of several upcalls (docs/device.md), which the program receives one by one.
//
// Such a datagram stays in the receive queue while the program receives its messages from a copy, so that poll and epoll
// say what is true; it is taken with its last message.

#ifndef CATTACH_PACK_H
#define CATTACH_PACK_H

#include <stdbool.h>
#include <sys/socket.h>

#include "AttachedSocket.h"

enum pack_result {
    PACK_MESSAGE,  // one of the messages of such a datagram
    PACK_OTHER,    // another datagram, as it is, or an error
    PACK_NOTHING,  // the receive queue is empty
};

// Whether pack_receive is to be called.
static inline bool pack_is_used(struct attached_socket *socket) {
    return atomic_load_explicit(&socket->has_packs, memory_order_relaxed)
        || atomic_load_explicit(&socket->has_rest, memory_order_relaxed);
}

// Receives what comes next as recvmsg would with MSG_TRUNC, without waiting; `length` is what that returns.
enum pack_result pack_receive(struct attached_socket *socket, int descriptor, struct msghdr *message, int flags,
                              ssize_t *length);

// What recvmsg has received, `length` bytes, without pack_receive. Returns true if it is a datagram of upcalls: they are
// received one by one from now on.
bool pack_keep(struct attached_socket *socket, const struct msghdr *message, size_t length, int flags);

// After an upcall has been received alone: asks Martlet for several in a datagram, once for each connection.
void pack_ask(struct attached_socket *socket, int descriptor);

#endif
