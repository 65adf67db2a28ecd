#include "KernelFamilies.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "Connection.h"
#include "Descriptors.h"
#include "Dump.h"
#include "Next.h"

// What is off or zero in a socket that was just opened; the sizes of the buffers are apart.
static const struct {
    int level, option;
} copied_options[] = {
    {SOL_SOCKET, SO_RCVTIMEO},
    {SOL_SOCKET, SO_SNDTIMEO},
    {SOL_SOCKET, SO_PASSCRED},
    {SOL_SOCKET, SO_TIMESTAMP},
    {SOL_SOCKET, SO_TIMESTAMPNS},
    {SOL_SOCKET, SO_PRIORITY},
    {SOL_NETLINK, NETLINK_PKTINFO},
    {SOL_NETLINK, NETLINK_BROADCAST_ERROR},
    {SOL_NETLINK, NETLINK_NO_ENOBUFS},
    {SOL_NETLINK, NETLINK_LISTEN_ALL_NSID},
    {SOL_NETLINK, NETLINK_CAP_ACK},
    {SOL_NETLINK, NETLINK_EXT_ACK},
    {SOL_NETLINK, NETLINK_GET_STRICT_CHK},
};

static void copy_buffer_size(int from, int to, int option, int forced_option) {
    int size;
    socklen_t length = sizeof size;
    if (NEXT(getsockopt)(from, SOL_SOCKET, option, &size, &length) != 0) return;
    size /= 2;  // the kernel doubles what it is given
    if (NEXT(setsockopt)(to, SOL_SOCKET, forced_option, &size, sizeof size) == 0) return;
    NEXT(setsockopt)(to, SOL_SOCKET, option, &size, sizeof size);
}

static void copy_options(int from, int to) {
    copy_buffer_size(from, to, SO_RCVBUF, SO_RCVBUFFORCE);
    copy_buffer_size(from, to, SO_SNDBUF, SO_SNDBUFFORCE);
    for (size_t index = 0; index < sizeof copied_options / sizeof *copied_options; index++) {
        int level = copied_options[index].level, option = copied_options[index].option;
        static const uint8_t zero[16];
        uint8_t value[16];
        socklen_t length = sizeof value;
        if (NEXT(getsockopt)(from, level, option, value, &length) != 0 || memcmp(value, zero, length) == 0) continue;
        NEXT(setsockopt)(to, level, option, value, length);
    }
}

static uint32_t port_id_of(int descriptor) {
    struct sockaddr_nl address = {0};
    socklen_t length = sizeof address;
    return getsockname(descriptor, (struct sockaddr *)&address, &length) == 0 ? address.nl_pid : 0;
}

// The kernel's socket gets the port ID of the attached one if it has one and nobody else has it; else another.
static void bind_as(int descriptor, uint32_t port_id) {
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_pid = port_id};
    if (NEXT(bind)(descriptor, (struct sockaddr *)&address, sizeof address) == 0) return;
    address.nl_pid = 0;
    NEXT(bind)(descriptor, (struct sockaddr *)&address, sizeof address);
}

static int open_kernel_socket(struct attached_socket *socket, int descriptor) {
    if (socket->kernel_socket >= 0) return 0;
    int kernel_socket = NEXT(socket)(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
    if (kernel_socket < 0) return errno;
    kernel_socket = descriptor_make_private(kernel_socket, socket);
    if (kernel_socket < 0) return errno;
    copy_options(descriptor, kernel_socket);
    uint32_t port_id = port_id_of(descriptor);
    if (port_id != 0) bind_as(kernel_socket, port_id);
    socket->kernel_socket = kernel_socket;
    socket->kernel_port_id = port_id_of(kernel_socket);
    return 0;
}

static void set_kernel_dump(struct attached_socket *socket, const struct nlmsghdr *request) {
    socket->kernel_dump = request ? *request : (struct nlmsghdr){0};
    atomic_store(&socket->has_more, dump_is_under_way(socket));
}

// Looks at the kernel's next answer without taking it, behind room for a request to Martlet. Returns its length, or -1
// and errno. The buffer that is shown is no larger than the program's own, because the kernel makes pieces to measure.
static ssize_t peek_answer(struct attached_socket *socket) {
    const size_t begin = sizeof(struct door_request);
    size_t shown = dump_piece_size(socket);
    for (;;) {
        if (socket->kernel_buffer_size < begin + shown) {
            uint8_t *larger = realloc(socket->kernel_buffer, begin + shown);
            if (!larger) return -1;
            socket->kernel_buffer = larger;
            socket->kernel_buffer_size = begin + shown;
        }
        ssize_t length = NEXT(recv)(socket->kernel_socket, socket->kernel_buffer + begin, shown,
                                    MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
        if (length < 0 || (size_t)length <= shown) return length;
        shown = (size_t)length;
    }
}

static void take_answer(const struct attached_socket *socket) {
    uint8_t byte;
    NEXT(recv)(socket->kernel_socket, &byte, sizeof byte, MSG_DONTWAIT);
}

// Gives the messages of an answer the attached socket's port ID. Returns whether they end the kernel's dump.
static bool stamp(const struct attached_socket *socket, uint8_t *answer, size_t length) {
    bool ends_dump = false;
    for (size_t offset = 0; length - offset >= sizeof(struct nlmsghdr);) {
        struct nlmsghdr *header = (struct nlmsghdr *)(answer + offset);
        if (header->nlmsg_pid == socket->kernel_port_id) header->nlmsg_pid = socket->port_id;
        if ((header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR)
            && header->nlmsg_seq == socket->kernel_dump.nlmsg_seq) {
            ends_dump = true;
        }
        if (header->nlmsg_len < sizeof *header || NLMSG_ALIGN(header->nlmsg_len) >= length - offset) break;
        offset += NLMSG_ALIGN(header->nlmsg_len);
    }
    return ends_dump;
}

// Has the answer in the buffer queued. A dump's piece is of no use to another Martlet than the one that has the others.
static int forward(struct attached_socket *socket, int descriptor, size_t length, bool *has_no_room) {
    bool is_dump = socket->kernel_dump.nlmsg_len != 0;
    uint32_t flags = 0;
    int error = (is_dump ? connection_continue : connection_control)(
        socket, descriptor, DOOR_NETLINK_FORWARD, socket->kernel_buffer, sizeof(struct door_request) + length, &flags,
        sizeof flags);
    *has_no_room = flags & DOOR_NO_ROOM;
    return error;
}

// Has the kernel's answers queued: one if a dump is under way, all that there are otherwise. One that finds no room
// waits if it is a dump's, and is lost otherwise. Returns 0 or an error number.
static int forward_answers(struct attached_socket *socket, int descriptor) {
    do {
        ssize_t length = peek_answer(socket);
        if (length < 0 && errno == ENOBUFS) {
            atomic_store(&socket->has_lost, true);
            continue;
        }
        if (length < 0) {
            set_kernel_dump(socket, NULL);
            return errno == EAGAIN ? 0 : errno;
        }
        bool is_dump = socket->kernel_dump.nlmsg_len != 0;
        bool ends_dump = stamp(socket, socket->kernel_buffer + sizeof(struct door_request), (size_t)length);
        bool has_no_room;
        int error = forward(socket, descriptor, (size_t)length, &has_no_room);
        // With the connection the dump has ended, and an error for the program is in its place.
        if (error != 0) return is_dump && error == ECONNRESET ? 0 : error;
        if (is_dump && has_no_room) return 0;
        if (has_no_room) atomic_store(&socket->has_lost, true);
        take_answer(socket);
        if (ends_dump) set_kernel_dump(socket, NULL);
    } while (socket->kernel_dump.nlmsg_len == 0);
    return 0;
}

int kernel_request(struct attached_socket *socket, int descriptor, const uint8_t *message, size_t length) {
    int error = open_kernel_socket(socket, descriptor);
    if (error != 0) return error;
    if (NEXT(send)(socket->kernel_socket, message, length, 0) < 0) return errno;
    const struct nlmsghdr *header = (const struct nlmsghdr *)message;
    bool is_dump = (header->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
    if (is_dump && socket->kernel_dump.nlmsg_len == 0) set_kernel_dump(socket, header);
    return forward_answers(socket, descriptor);
}

void kernel_dump_continue(struct attached_socket *socket, int descriptor) {
    if (socket->kernel_dump.nlmsg_len == 0) return;
    int error = forward_answers(socket, descriptor);
    if (error != 0) dump_abort(socket, descriptor, error);
}

void kernel_set_option(struct attached_socket *socket, int option, const void *value, socklen_t length) {
    if (socket->kernel_socket >= 0) NEXT(setsockopt)(socket->kernel_socket, SOL_NETLINK, option, value, length);
}

int kernel_take_over(struct attached_socket *socket, int descriptor) {
    if (socket->speaks_to_martlet || socket->group_count > 0) return EOPNOTSUPP;
    int error = open_kernel_socket(socket, descriptor);
    if (error != 0) return error;
    if (socket->kernel_port_id != port_id_of(descriptor)) return EADDRINUSE;
    copy_options(descriptor, socket->kernel_socket);
    NEXT(fcntl)(socket->kernel_socket, F_SETFL, NEXT(fcntl)(descriptor, F_GETFL));
    descriptor_replace_all(socket, socket->kernel_socket);
    return 0;
}
