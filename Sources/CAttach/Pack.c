#include "Pack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "Connection.h"
#include "Next.h"

// The datagram that is being received, and behind it room for the one that is taken when it has been.
#define BUFFER_SIZE (2 * DOOR_LARGEST_PACK)

static struct nlmsghdr header_at(const uint8_t *bytes) {
    struct nlmsghdr header;
    memcpy(&header, bytes, sizeof header);
    return header;
}

// A datagram of upcalls begins with a message of a header alone that says nothing but its number.
static bool is_pack(const uint8_t *datagram, size_t length) {
    if (length <= sizeof(struct nlmsghdr) || length > DOOR_LARGEST_PACK) return false;
    struct nlmsghdr header = header_at(datagram);
    return header.nlmsg_type == NLMSG_NOOP && header.nlmsg_len == sizeof header;
}

// The length of the message at the position; 0 if there is none.
static size_t next_length(const struct pack *pack) {
    if (pack->length - pack->position < sizeof(struct nlmsghdr)) return 0;
    size_t length = header_at(pack->buffer + pack->position).nlmsg_len;
    bool fits = length >= sizeof(struct nlmsghdr) && length <= pack->length - pack->position;
    return fits ? length : 0;
}

static void begin(struct attached_socket *socket, size_t length, bool is_taken) {
    struct pack *pack = &socket->pack;
    pack->length = length;
    pack->position = sizeof(struct nlmsghdr);
    pack->is_taken = is_taken;
    atomic_store(&socket->has_rest, is_taken);
}

static bool has_buffer(struct pack *pack) { return pack->buffer || (pack->buffer = malloc(BUFFER_SIZE)); }

// Takes the datagram whose messages have been received. Where another process shares the socket it may have been quicker:
// then another one has been taken.
static void finish(struct attached_socket *socket, int descriptor) {
    struct pack *pack = &socket->pack;
    size_t length = pack->length;
    pack->length = 0;
    atomic_store(&socket->has_rest, false);
    if (pack->is_taken) return;
    uint8_t *taken = pack->buffer + DOOR_LARGEST_PACK;
    ssize_t taken_length = NEXT(recv)(descriptor, taken, DOOR_LARGEST_PACK, MSG_DONTWAIT | MSG_TRUNC);
    if (taken_length < 0) return;
    if ((size_t)taken_length == length && memcmp(taken, pack->buffer, sizeof(struct nlmsghdr)) == 0) return;
    if (is_pack(taken, (size_t)taken_length)) {
        memcpy(pack->buffer, taken, (size_t)taken_length);
        pack->control_length = 0;
        begin(socket, (size_t)taken_length, true);
    } else {
        atomic_store(&socket->has_lost, true);
    }
}

// Looks at the datagram at the head of the receive queue.
static enum pack_result look(struct attached_socket *socket, int descriptor) {
    struct pack *pack = &socket->pack;
    if (!has_buffer(pack)) return PACK_OTHER;
    struct iovec piece = {pack->buffer, DOOR_LARGEST_PACK};
    struct msghdr message = {
        .msg_name = &pack->sender, .msg_namelen = sizeof pack->sender, .msg_iov = &piece, .msg_iovlen = 1,
        .msg_control = pack->control, .msg_controllen = sizeof pack->control};
    ssize_t length = NEXT(recvmsg)(descriptor, &message, MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC);
    if (length < 0) return errno == EAGAIN ? PACK_NOTHING : PACK_OTHER;
    if (!is_pack(pack->buffer, (size_t)length)) return PACK_OTHER;
    pack->control_length = message.msg_controllen;
    begin(socket, (size_t)length, false);
    return PACK_MESSAGE;
}

static size_t copy_out(const struct msghdr *message, const uint8_t *from, size_t length) {
    size_t copied = 0;
    for (size_t index = 0; index < message->msg_iovlen && copied < length; index++) {
        const struct iovec *piece = &message->msg_iov[index];
        size_t part = piece->iov_len < length - copied ? piece->iov_len : length - copied;
        if (part > 0) memcpy(piece->iov_base, from + copied, part);
        copied += part;
    }
    return copied;
}

// What the kernel tells beside the data: the sender, and what the socket's options ask for.
static void describe(const struct pack *pack, struct msghdr *message) {
    bool has_room = message->msg_controllen >= pack->control_length;
    message->msg_flags = has_room ? 0 : MSG_CTRUNC;
    message->msg_controllen = has_room ? pack->control_length : 0;
    if (message->msg_controllen > 0) memcpy(message->msg_control, pack->control, pack->control_length);
    if (!message->msg_name) return;
    size_t room = message->msg_namelen;
    memcpy(message->msg_name, &pack->sender, room < sizeof pack->sender ? room : sizeof pack->sender);
    message->msg_namelen = sizeof pack->sender;
}

// Gives the message at the position, which has this length.
static void give(struct attached_socket *socket, int descriptor, struct msghdr *message, int flags, size_t length) {
    struct pack *pack = &socket->pack;
    describe(pack, message);
    if (copy_out(message, pack->buffer + pack->position, length) < length) message->msg_flags |= MSG_TRUNC;
    if (flags & MSG_PEEK) return;
    size_t step = NLMSG_ALIGN(length), left = pack->length - pack->position;
    pack->position += step < left ? step : left;
    if (next_length(pack) == 0) finish(socket, descriptor);
}

static void lock(struct pack *pack, int *cancel_state) {
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, cancel_state);
    pthread_mutex_lock(&pack->lock);
}

static void unlock(struct pack *pack, int cancel_state) {
    pthread_mutex_unlock(&pack->lock);
    pthread_setcancelstate(cancel_state, NULL);
}

enum pack_result pack_receive(struct attached_socket *socket, int descriptor, struct msghdr *message, int flags,
                              ssize_t *length) {
    struct pack *pack = &socket->pack;
    int cancel_state;
    lock(pack, &cancel_state);
    enum pack_result result = PACK_MESSAGE;
    size_t next = 0;
    while (result == PACK_MESSAGE) {
        if (pack->length == 0) result = look(socket, descriptor);
        if (result != PACK_MESSAGE || (next = next_length(pack)) > 0) break;
        finish(socket, descriptor);
    }
    if (result == PACK_MESSAGE) {
        give(socket, descriptor, message, flags, next);
        *length = (ssize_t)next;
    } else if (result == PACK_OTHER) {
        // With the lock, so that it is the one that was looked at.
        *length = NEXT(recvmsg)(descriptor, message, flags | MSG_TRUNC | MSG_DONTWAIT);
    }
    unlock(pack, cancel_state);
    return result;
}

bool pack_keep(struct attached_socket *socket, const struct msghdr *message, size_t length, int flags) {
    uint8_t start[sizeof(struct nlmsghdr) + 1];
    size_t gathered = 0;
    for (size_t index = 0; index < message->msg_iovlen && gathered < sizeof start; index++) {
        const struct iovec *piece = &message->msg_iov[index];
        size_t part = piece->iov_len < sizeof start - gathered ? piece->iov_len : sizeof start - gathered;
        if (part > 0) memcpy(start + gathered, piece->iov_base, part);
        gathered += part;
    }
    if (length > DOOR_LARGEST_PACK || gathered < sizeof start || !is_pack(start, length)) return false;
    if (flags & MSG_PEEK) {
        atomic_store(&socket->has_packs, true);
        return true;
    }
    struct pack *pack = &socket->pack;
    int cancel_state;
    lock(pack, &cancel_state);
    // Another thread may have kept one meanwhile.
    bool has_room = pack->length == 0 && has_buffer(pack);
    gathered = 0;
    for (size_t index = 0; has_room && index < message->msg_iovlen && gathered < length; index++) {
        const struct iovec *piece = &message->msg_iov[index];
        size_t part = piece->iov_len < length - gathered ? piece->iov_len : length - gathered;
        if (part > 0) memcpy(pack->buffer + gathered, piece->iov_base, part);
        gathered += part;
    }
    if (has_room) {
        pack->sender = (struct sockaddr_nl){.nl_family = AF_NETLINK};
        pack->control_length = 0;
        begin(socket, gathered, true);
    }
    // What the program had no room for is lost.
    if (gathered < length) atomic_store(&socket->has_lost, true);
    unlock(pack, cancel_state);
    return true;
}

void pack_ask(struct attached_socket *socket, int descriptor) {
    if (atomic_load(&socket->wants_packs) || atomic_exchange(&socket->wants_packs, true)) return;
    attached_lock(socket);
    struct door_request request;
    // Before Martlet begins. Those of one that has ended may still be in the receive queue.
    bool had_packs = atomic_exchange(&socket->has_packs, true);
    int error = connection_continue(socket, descriptor, DOOR_NETLINK_PACK, &request, sizeof request, NULL, 0);
    if (error != 0) atomic_store(&socket->has_packs, had_packs);
    attached_unlock(socket);
}
