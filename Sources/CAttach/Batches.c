// Several messages in one call.

#include <errno.h>
#include <limits.h>
#include <time.h>

#include "Calls.h"

#define NANOSECONDS INT64_C(1000000000)

int attached_sendmmsg(struct attached_socket *socket, int descriptor, struct mmsghdr *messages, unsigned count,
                      int flags) {
    if (count > IOV_MAX) count = IOV_MAX;
    int error = errno;
    unsigned sent = 0;
    while (sent < count) {
        ssize_t length = attached_send(socket, descriptor, &messages[sent].msg_hdr, flags);
        if (length < 0) break;
        messages[sent++].msg_len = (unsigned)length;
    }
    if (sent == 0 && count > 0) return -1;
    errno = error;
    return (int)sent;
}

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * NANOSECONDS + time.tv_nsec;
}

int attached_recvmmsg(struct attached_socket *socket, int descriptor, struct mmsghdr *messages, unsigned count,
                      int flags, struct timespec *timeout) {
    int64_t end = timeout ? now() + timeout->tv_sec * NANOSECONDS + timeout->tv_nsec : 0;
    int error = errno;
    unsigned received = 0;
    while (received < count) {
        ssize_t length = attached_receive(socket, descriptor, &messages[received].msg_hdr, flags & ~MSG_WAITFORONE);
        if (length < 0) {
            if (received == 0) return -1;
            if (errno == ENOBUFS) atomic_store(&socket->has_lost, true);
            break;
        }
        messages[received++].msg_len = (unsigned)length;
        if (flags & MSG_WAITFORONE) flags |= MSG_DONTWAIT;
        if (timeout) {
            // What is left goes back to the caller.
            int64_t left = end - now();
            if (left < 0) left = 0;
            *timeout = (struct timespec){.tv_sec = left / NANOSECONDS, .tv_nsec = left % NANOSECONDS};
            if (left == 0) break;
        }
    }
    errno = error;
    return (int)received;
}
