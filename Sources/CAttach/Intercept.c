// The names that take the place of libc's. A descriptor that is not attached goes on to the next function after one look
// into the table.

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>

#include "Calls.h"
#include "Descriptors.h"
#include "Next.h"

#define INTERCEPTED __attribute__((visibility("default")))

// Of libc: ends the program, because a buffer is smaller than what is to be read into it.
__attribute__((noreturn)) void __chk_fail(void);

// What the compiler calls in the place of the functions without `_chk` when it knows the size of the buffer.
ssize_t __read_chk(int descriptor, void *buffer, size_t size, size_t buffer_size);
ssize_t __recv_chk(int descriptor, void *buffer, size_t size, size_t buffer_size, int flags);
ssize_t __recvfrom_chk(int descriptor, void *buffer, size_t size, size_t buffer_size, int flags,
                       struct sockaddr *address, socklen_t *address_length);

// Gives the reference back and hands the result on; errno is as the call left it.
static ssize_t done(struct attached_socket *socket, ssize_t result) {
    attached_release(socket);
    return result;
}

static struct msghdr message_of(struct iovec *pieces, size_t count) {
    return (struct msghdr){.msg_iov = pieces, .msg_iovlen = count};
}

// Sockets and their addresses

INTERCEPTED int socket(int domain, int type, int protocol) {
    int kind = type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (domain == AF_NETLINK && protocol == NETLINK_GENERIC && (kind == SOCK_RAW || kind == SOCK_DGRAM)) {
        return attached_open(type);
    }
    return NEXT(socket)(domain, type, protocol);
}

INTERCEPTED int bind(int descriptor, const struct sockaddr *address, socklen_t length) {
    struct attached_socket *socket = descriptor_acquire(descriptor);
    if (!socket) return NEXT(bind)(descriptor, address, length);
    return (int)done(socket, attached_bind(socket, descriptor, address, length));
}

INTERCEPTED int connect(int descriptor, const struct sockaddr *address, socklen_t length) {
    struct attached_socket *socket = descriptor_acquire(descriptor);
    if (!socket) return NEXT(connect)(descriptor, address, length);
    return (int)done(socket, attached_connect(socket, descriptor, address, length));
}

INTERCEPTED int getpeername(int descriptor, struct sockaddr *address, socklen_t *length) {
    struct attached_socket *socket = descriptor_acquire(descriptor);
    if (!socket) return NEXT(getpeername)(descriptor, address, length);
    return (int)done(socket, attached_getpeername(socket, descriptor, address, length));
}

INTERCEPTED int setsockopt(int descriptor, int level, int option, const void *value, socklen_t length) {
    struct attached_socket *socket = descriptor_acquire(descriptor);
    if (!socket) return NEXT(setsockopt)(descriptor, level, option, value, length);
    return (int)done(socket, attached_setsockopt(socket, descriptor, level, option, value, length));
}

INTERCEPTED int getsockopt(int descriptor, int level, int option, void *value, socklen_t *length) {
    struct attached_socket *socket = descriptor_acquire(descriptor);
    if (!socket) return NEXT(getsockopt)(descriptor, level, option, value, length);
    return (int)done(socket, attached_getsockopt(socket, descriptor, level, option, value, length));
}

// Sending

INTERCEPTED ssize_t sendto(int descriptor, const void *buffer, size_t size, int flags, const struct sockaddr *address,
                           socklen_t address_length) {
    struct attached_socket *socket = descriptor_acquire(descriptor);
    if (!socket) return NEXT(sendto)(descriptor, buffer, size, flags, address, address_length);
    struct iovec piece = {(void *)(uintptr_t)buffer, size};
    struct msghdr message = message_of(&piece, 1);
    message.msg_name = (void *)(uintptr_t)address;
    message.msg_namelen = address_length;
    return done(socket, attached_send(socket, descriptor, &message, flags));
}

INTERCEPTED ssize_t send(int descriptor, const void *buffer, size_t size, int flags) {
    struct attached_socket *socket = descriptor_acquire(descriptor);
    if (!socket) return NEXT(send)(descriptor, buffer, size, flags);
    struct iovec piece = {(void *)(uintptr_t)buffer, size};
    struct msghdr message = message_of(&piece, 1);
    return done(socket, attached_send(socket, descriptor, &message, flags));
}

INTERCEPTED ssize_t sendmsg(int descriptor, const struct msghdr *message, int flags) {
    struct attached_socket *socket = descriptor_acquire(descriptor);
    if (!socket) return NEXT(sendmsg)(descriptor, message, flags);
    return done(socket, attached_send(socket, descriptor, message, flags));
}

INTERCEPTED int sendmmsg(int descriptor, struct mmsghdr *messages, unsigned count, int flags) {
    struct attached_socket *socket = descriptor_acquire(descriptor);
    if (!socket) return NEXT(sendmmsg)(descriptor, messages, count, flags);
    return (int)done(socket, attached_sendmmsg(socket, descriptor, messages, count, flags));
}

INTERCEPTED ssize_t write(int descriptor, const void *buffer, size_t size) {
    struct attached_socket *socket = descriptor_acquire(descriptor);
    if (!socket) return NEXT(write)(descriptor, buffer, size);
    struct iovec piece = {(void *)(uintptr_t)buffer, size};
    struct msghdr message = message_of(&piece, 1);
    return done(socket, attached_send(socket, descriptor, &message, 0));
}

INTERCEPTED ssize_t writev(int descriptor, const struct iovec *pieces, int count) {
    struct attached_socket *socket = count >= 0 && count <= IOV_MAX ? descriptor_acquire(descriptor) : NULL;
    if (!socket) return NEXT(writev)(descriptor, pieces, count);
    struct msghdr message = message_of((struct iovec *)(uintptr_t)pieces, (size_t)count);
    return done(socket, attached_send(socket, descriptor, &message, 0));
}

// Receiving

INTERCEPTED ssize_t recvfrom(int descriptor, void *buffer, size_t size, int flags, struct sockaddr *address,
                             socklen_t *address_length) {
    struct attached_socket *socket = descriptor_acquire(descriptor);
    if (!socket) return NEXT(recvfrom)(descriptor, buffer, size, flags, address, address_length);
    struct iovec piece = {buffer, size};
    struct msghdr message = message_of(&piece, 1);
    message.msg_name = address;
    if (address) message.msg_namelen = *address_length;
    ssize_t received = attached_receive(socket, descriptor, &message, flags);
    if (received >= 0 && address) *address_length = message.msg_namelen;
    return done(socket, received);
}

INTERCEPTED ssize_t recv(int descriptor, void *buffer, size_t size, int flags) {
    struct attached_socket *socket = descriptor_acquire(descriptor);
    if (!socket) return NEXT(recv)(descriptor, buffer, size, flags);
    struct iovec piece = {buffer, size};
    struct msghdr message = message_of(&piece, 1);
    return done(socket, attached_receive(socket, descriptor, &message, flags));
}

INTERCEPTED ssize_t recvmsg(int descriptor, struct msghdr *message, int flags) {
    struct attached_socket *socket = descriptor_acquire(descriptor);
    if (!socket) return NEXT(recvmsg)(descriptor, message, flags);
    return done(socket, attached_receive(socket, descriptor, message, flags));
}

INTERCEPTED int recvmmsg(int descriptor, struct mmsghdr *messages, unsigned count, int flags,
                         struct timespec *timeout) {
    struct attached_socket *socket = descriptor_acquire(descriptor);
    if (!socket) return NEXT(recvmmsg)(descriptor, messages, count, flags, timeout);
    return (int)done(socket, attached_recvmmsg(socket, descriptor, messages, count, flags, timeout));
}

INTERCEPTED ssize_t read(int descriptor, void *buffer, size_t size) {
    // To read nothing takes nothing from a socket.
    struct attached_socket *socket = size > 0 ? descriptor_acquire(descriptor) : NULL;
    if (!socket) return NEXT(read)(descriptor, buffer, size);
    struct iovec piece = {buffer, size};
    struct msghdr message = message_of(&piece, 1);
    return done(socket, attached_receive(socket, descriptor, &message, 0));
}

INTERCEPTED ssize_t readv(int descriptor, const struct iovec *pieces, int count) {
    struct attached_socket *socket = count >= 0 && count <= IOV_MAX ? descriptor_acquire(descriptor) : NULL;
    if (!socket) return NEXT(readv)(descriptor, pieces, count);
    struct msghdr message = message_of((struct iovec *)(uintptr_t)pieces, (size_t)count);
    return done(socket, attached_receive(socket, descriptor, &message, 0));
}

INTERCEPTED ssize_t __read_chk(int descriptor, void *buffer, size_t size, size_t buffer_size) {
    if (size > buffer_size) __chk_fail();
    return read(descriptor, buffer, size);
}

INTERCEPTED ssize_t __recv_chk(int descriptor, void *buffer, size_t size, size_t buffer_size, int flags) {
    if (size > buffer_size) __chk_fail();
    return recv(descriptor, buffer, size, flags);
}

INTERCEPTED ssize_t __recvfrom_chk(int descriptor, void *buffer, size_t size, size_t buffer_size, int flags,
                                   struct sockaddr *address, socklen_t *address_length) {
    if (size > buffer_size) __chk_fail();
    return recvfrom(descriptor, buffer, size, flags, address, address_length);
}

// Descriptors

INTERCEPTED int close(int descriptor) {
    return descriptor_is_known(descriptor) ? descriptor_close(descriptor) : NEXT(close)(descriptor);
}

INTERCEPTED int close_range(unsigned first, unsigned last, int flags) {
    return descriptor_close_range(first, last, flags);
}

INTERCEPTED void closefrom(int lowest) {
    descriptor_close_range(lowest < 0 ? 0 : (unsigned)lowest, UINT_MAX, 0);
}

INTERCEPTED int dup(int descriptor) {
    return descriptor_is_known(descriptor) ? descriptor_dup(descriptor) : NEXT(dup)(descriptor);
}

INTERCEPTED int dup2(int descriptor, int onto) {
    if (!descriptor_is_known(descriptor) && !descriptor_is_known(onto)) return NEXT(dup2)(descriptor, onto);
    return descriptor_dup_onto(descriptor, onto, -1);
}

INTERCEPTED int dup3(int descriptor, int onto, int flags) {
    if (!descriptor_is_known(descriptor) && !descriptor_is_known(onto)) return NEXT(dup3)(descriptor, onto, flags);
    return descriptor_dup_onto(descriptor, onto, flags);
}

// The argument of a command, whatever its type, is passed on as libc itself does it.
#define INTERCEPT_FCNTL(name)                                                                                          \
    INTERCEPTED int name(int descriptor, int command, ...) {                                                           \
        va_list arguments;                                                                                             \
        va_start(arguments, command);                                                                                  \
        void *argument = va_arg(arguments, void *);                                                                    \
        va_end(arguments);                                                                                             \
        if ((command == F_DUPFD || command == F_DUPFD_CLOEXEC) && descriptor_is_known(descriptor)) {                   \
            return descriptor_dup_from(descriptor, command, (int)(intptr_t)argument);                                  \
        }                                                                                                              \
        return NEXT(name)(descriptor, command, argument);                                                              \
    }
INTERCEPT_FCNTL(fcntl)
INTERCEPT_FCNTL(fcntl64)
