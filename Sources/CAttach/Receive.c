// Receiving: from the real receive queue; what Martlet left there for this library is not shown.

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>

#include "Calls.h"
#include "Dump.h"
#include "KernelFamilies.h"
#include "Next.h"
#include "Pack.h"

static size_t room_of(const struct msghdr *message) {
    size_t room = 0;
    for (size_t index = 0; index < message->msg_iovlen; index++) room += message->msg_iov[index].iov_len;
    return room;
}

static void remember_room(struct attached_socket *socket, size_t room) {
    unsigned known = atomic_load_explicit(&socket->largest_receive, memory_order_relaxed);
    unsigned shown = room > UINT16_MAX ? UINT16_MAX : (unsigned)room;
    while (known < shown && !atomic_compare_exchange_weak(&socket->largest_receive, &known, shown)) continue;
}

// The header of what was received, `length` bytes; where the program had no room for it, it stays as it is given.
static struct nlmsghdr header_of(const struct msghdr *message, size_t length, struct nlmsghdr header) {
    uint8_t *into = (uint8_t *)&header;
    if (length < sizeof header) return header;
    size_t missing = sizeof header;
    for (size_t index = 0; index < message->msg_iovlen && missing > 0; index++) {
        const struct iovec *piece = &message->msg_iov[index];
        size_t part = piece->iov_len < missing ? piece->iov_len : missing;
        if (part > 0) memcpy(into, piece->iov_base, part);
        into += part;
        missing -= part;
    }
    return header;
}

// Whether what was received is Martlet's notice that messages were lost: a header alone, which no answer is.
static bool is_notice_of_loss(const struct msghdr *message, size_t length) {
    if (length != sizeof(struct nlmsghdr)) return false;
    return header_of(message, length, (struct nlmsghdr){.nlmsg_type = NLMSG_OVERRUN}).nlmsg_type == NLMSG_OVERRUN;
}

static bool is_upcall(const struct msghdr *message, size_t length) {
    return header_of(message, length, (struct nlmsghdr){0}).nlmsg_type == DOOR_PACKET_FAMILY;
}

// Puts the kernel's port ID, 0, in the place of the sender's, as far as there was room for it.
static void show_kernel_as_sender(const struct attached_socket *socket, const struct msghdr *message, size_t room) {
    const size_t begin = offsetof(struct sockaddr_nl, nl_pid), end = begin + sizeof(uint32_t);
    if (!message->msg_name || message->msg_namelen < end || atomic_load(&socket->user_peer) != 0) return;
    if (room > begin) memset((uint8_t *)message->msg_name + begin, 0, (room < end ? room : end) - begin);
}

// A datagram has been taken from the queue: while a dump is under way another takes its place.
static void refill(struct attached_socket *socket, int descriptor) {
    if (!atomic_load_explicit(&socket->has_more, memory_order_acquire)) return;
    attached_lock(socket);
    dump_continue(socket, descriptor);
    kernel_dump_continue(socket, descriptor);
    attached_unlock(socket);
}

static void release(void *socket) { attached_release(socket); }

// A thread that is cancelled while it waits gives its reference back.
static ssize_t receive_message(struct attached_socket *socket, int descriptor, struct msghdr *message, int flags) {
    ssize_t length;
    pthread_cleanup_push(release, socket);
    length = NEXT(recvmsg)(descriptor, message, flags);
    pthread_cleanup_pop(0);
    return length;
}

// Waits until the receive queue has something, as the call with these flags would.
static ssize_t wait_for_message(struct attached_socket *socket, int descriptor, int flags) {
    uint8_t byte;
    struct iovec piece = {&byte, sizeof byte};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    return receive_message(socket, descriptor, &message, (flags & MSG_DONTWAIT) | MSG_PEEK);
}

// Whether losses are to be told: once, and not to a program that does not want to hear of them.
static bool tells_loss(struct attached_socket *socket, int descriptor) {
    if (!atomic_load_explicit(&socket->has_lost, memory_order_relaxed)) return false;
    int is_deaf = 0;
    socklen_t length = sizeof is_deaf;
    NEXT(getsockopt)(descriptor, SOL_NETLINK, NETLINK_NO_ENOBUFS, &is_deaf, &length);
    return atomic_exchange(&socket->has_lost, false) && !is_deaf;
}

ssize_t attached_receive(struct attached_socket *socket, int descriptor, struct msghdr *message, int flags) {
    if (message->msg_iovlen > IOV_MAX) return NEXT(recvmsg)(descriptor, message, flags);
    int saved_error = errno;
    size_t room = room_of(message);
    const struct msghdr given = *message;
    remember_room(socket, room);
    for (;; *message = given) {
        if (tells_loss(socket, descriptor)) {
            errno = ENOBUFS;
            return -1;
        }
        ssize_t length;
        bool looks = pack_is_used(socket) && !(flags & MSG_ERRQUEUE);
        enum pack_result result = PACK_OTHER;
        if (looks) result = pack_receive(socket, descriptor, message, flags, &length);
        else length = receive_message(socket, descriptor, message, flags | MSG_TRUNC);
        if (result == PACK_NOTHING) {
            if (wait_for_message(socket, descriptor, flags) < 0) return -1;
            continue;
        }
        if (length < 0) return -1;
        if (result == PACK_OTHER) {
            if (!looks && pack_keep(socket, message, (size_t)length, flags)) continue;
            bool is_loss = is_notice_of_loss(message, (size_t)length);
            if (is_loss && flags & MSG_PEEK) {
                // It is told now, and was only looked at.
                uint8_t byte;
                NEXT(recv)(descriptor, &byte, sizeof byte, MSG_DONTWAIT);
            }
            if (is_loss || !(flags & MSG_PEEK)) refill(socket, descriptor);
            if (is_loss) {
                atomic_store(&socket->has_lost, true);
                continue;
            }
            if (is_upcall(message, (size_t)length)) pack_ask(socket, descriptor);
        }
        show_kernel_as_sender(socket, message, given.msg_namelen);
        errno = saved_error;
        return flags & MSG_TRUNC || (size_t)length <= room ? length : (ssize_t)room;
    }
}
