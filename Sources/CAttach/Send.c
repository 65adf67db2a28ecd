// Sending: a datagram goes to Martlet, and what in it is the kernel's goes to the kernel.

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "Calls.h"
#include "Connection.h"
#include "Dump.h"
#include "KernelFamilies.h"
#include "Next.h"

// In front of the datagram in the request to Martlet.
struct prelude {
    struct door_request header;
    struct door_send send;
};

// The message at the beginning; its header is copied, because nothing is said about its alignment.
static bool next_message(const uint8_t *bytes, size_t length, struct nlmsghdr *header) {
    if (length < sizeof *header) return false;
    memcpy(header, bytes, sizeof *header);
    return header->nlmsg_len >= sizeof *header && header->nlmsg_len <= length;
}

static size_t aligned(size_t length, size_t limit) {
    return NLMSG_ALIGN(length) < limit ? NLMSG_ALIGN(length) : limit;
}

static bool has_message_for_martlet(const uint8_t *datagram, size_t length) {
    struct nlmsghdr header;
    while (next_message(datagram, length, &header)) {
        if (header.nlmsg_type >= DOOR_FIRST_NUMBER) return true;
        size_t step = aligned(header.nlmsg_len, length);
        datagram += step;
        length -= step;
    }
    return false;
}

// Sends the rest of a datagram to Martlet; the room for the prelude in front of it is overwritten.
static int send_to_martlet(struct attached_socket *socket, int descriptor, uint8_t *rest, size_t length,
                           struct door_sent *sent) {
    struct prelude prelude = {.send = {
        .flags = atomic_load(&socket->acknowledgements) | (dump_is_under_way(socket) ? DOOR_DUMP_UNDER_WAY : 0),
        .piece_size = dump_piece_size(socket),
    }};
    memcpy(rest - sizeof prelude, &prelude, sizeof prelude);
    int error = connection_control(socket, descriptor, DOOR_NETLINK_SEND, rest - sizeof prelude,
                                   sizeof prelude + length, sent, sizeof *sent);
    if (error != 0) return error;
    bool is_whole = sent->consumed <= length && sent->request_offset <= length
        && sent->request_length <= length - sent->request_offset;
    return is_whole ? 0 : EPROTO;
}

// Has a datagram carried out, in order. There is room for a prelude in front of it.
static int carry_out(struct attached_socket *socket, int descriptor, uint8_t *datagram, size_t length) {
    if (!socket->speaks_to_martlet) socket->speaks_to_martlet = has_message_for_martlet(datagram, length);
    while (length > 0) {
        struct door_sent sent;
        int error = send_to_martlet(socket, descriptor, datagram, length, &sent);
        if (error != 0) return error;
        if (sent.flags & DOOR_NO_ROOM) atomic_store(&socket->has_lost, true);
        if (sent.flags & DOOR_DUMP_BEGUN && sent.request_length >= sizeof(struct nlmsghdr)) {
            dump_begin(socket, descriptor, datagram + sent.request_offset, sent.request_length, sent.cursor);
        }
        datagram += sent.consumed;
        length -= sent.consumed;
        struct nlmsghdr header;
        if (!(sent.flags & DOOR_KERNELS) || !next_message(datagram, length, &header)) return 0;
        error = kernel_request(socket, descriptor, datagram, header.nlmsg_len);
        if (error != 0) return error;
        size_t step = aligned(header.nlmsg_len, length);
        datagram += step;
        length -= step;
    }
    return 0;
}

// The length of a message's pieces together.
static size_t length_of(const struct msghdr *message) {
    size_t length = 0;
    for (size_t index = 0; index < message->msg_iovlen; index++) length += message->msg_iov[index].iov_len;
    return length;
}

static void gather(uint8_t *into, const struct msghdr *message) {
    for (size_t index = 0; index < message->msg_iovlen; index++) {
        const struct iovec *piece = &message->msg_iov[index];
        if (piece->iov_len > 0) memcpy(into, piece->iov_base, piece->iov_len);
        into += piece->iov_len;
    }
}

// Whom a message is for: 0 or another process's port ID. False, with errno, if its address is none of netlink.
static bool take_destination(const struct attached_socket *socket, const struct msghdr *message, uint32_t *port_id) {
    if (message->msg_namelen == 0 || !message->msg_name) {
        *port_id = atomic_load(&socket->user_peer);
        return true;
    }
    struct sockaddr_nl address;
    if (message->msg_namelen < sizeof address) {
        errno = EINVAL;
        return false;
    }
    memcpy(&address, message->msg_name, sizeof address);
    *port_id = address.nl_pid;
    if (address.nl_family == AF_NETLINK) return true;
    errno = EINVAL;
    return false;
}

ssize_t attached_send(struct attached_socket *socket, int descriptor, const struct msghdr *message, int flags) {
    uint32_t destination;
    if (!take_destination(socket, message, &destination)) return -1;
    size_t length = message->msg_iovlen <= IOV_MAX ? length_of(message) : 0;
    // The kernel's to refuse, or for another process.
    if (length == 0 || flags & MSG_OOB || destination != 0) return NEXT(sendmsg)(descriptor, message, flags);

    int saved_error = errno;
    int error = EMSGSIZE;
    attached_lock(socket);
    if (length <= DOOR_LARGEST_INPUT - sizeof(struct door_send)) {
        uint8_t *request = attached_buffer(socket, sizeof(struct prelude) + length);
        error = request ? 0 : ENOMEM;
        if (request) {
            gather(request + sizeof(struct prelude), message);
            error = carry_out(socket, descriptor, request + sizeof(struct prelude), length);
        }
    }
    attached_unlock(socket);
    errno = error == 0 ? saved_error : error;
    return error == 0 ? (ssize_t)length : -1;
}
