#include "Dump.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "Connection.h"
#include "Next.h"

#define SMALLEST_PIECE 4096u
#define LARGEST_PIECE 32768u

bool dump_is_under_way(const struct attached_socket *socket) {
    return socket->dump.request || socket->kernel_dump.nlmsg_len != 0;
}

uint32_t dump_piece_size(const struct attached_socket *socket) {
    uint32_t size = atomic_load(&socket->largest_receive);
    return size < SMALLEST_PIECE ? SMALLEST_PIECE : size > LARGEST_PIECE ? LARGEST_PIECE : size;
}

static bool is_complete(const uint8_t cursor[DOOR_CURSOR_SIZE]) {
    static const uint8_t zero[DOOR_CURSOR_SIZE];
    return memcmp(cursor, zero, sizeof zero) == 0;
}

static void end(struct attached_socket *socket) {
    free(socket->dump.request);
    socket->dump = (struct dump){0};
    atomic_store(&socket->has_more, dump_is_under_way(socket));
}

// Puts an error into the receive queue, in place of what the program waits for. The socket sends it to itself, which it
// can only while it is not connected.
static void queue_error(struct attached_socket *socket, int descriptor, const struct nlmsghdr *request, int error) {
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
    } datagram = {
        .header = {.nlmsg_len = sizeof datagram, .nlmsg_type = NLMSG_ERROR, .nlmsg_flags = NLM_F_CAPPED,
                   .nlmsg_seq = request->nlmsg_seq, .nlmsg_pid = socket->port_id},
        .error = {.error = -error, .msg = *request},
    };
    struct sockaddr_nl itself = {.nl_family = AF_NETLINK, .nl_pid = socket->port_id};
    uint32_t user_peer = atomic_load(&socket->user_peer);
    struct sockaddr_nl peer = {.nl_family = AF_NETLINK, .nl_pid = user_peer ? user_peer : socket->door.port_id};
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    NEXT(connect)(descriptor, &nobody, sizeof nobody);
    if (NEXT(sendto)(descriptor, &datagram, sizeof datagram, MSG_DONTWAIT, (struct sockaddr *)&itself,
                     sizeof itself) < 0) {
        atomic_store(&socket->has_lost, true);
    }
    NEXT(connect)(descriptor, (struct sockaddr *)&peer, sizeof peer);
}

void dump_begin(struct attached_socket *socket, int descriptor, const uint8_t *request, size_t length,
                const uint8_t cursor[DOOR_CURSOR_SIZE]) {
    end(socket);
    if (is_complete(cursor)) return;
    socket->dump.request = malloc(length);
    if (!socket->dump.request) {
        queue_error(socket, descriptor, (const struct nlmsghdr *)request, ENOMEM);
        return;
    }
    memcpy(socket->dump.request, request, length);
    memcpy(socket->dump.cursor, cursor, DOOR_CURSOR_SIZE);
    socket->dump.length = length;
    atomic_store(&socket->has_more, true);
}

void dump_continue(struct attached_socket *socket, int descriptor) {
    struct dump *dump = &socket->dump;
    if (!dump->request) return;
    struct {
        struct door_request header;
        struct door_pull pull;
    } begin = {.pull = {.flags = atomic_load(&socket->acknowledgements), .piece_size = dump_piece_size(socket)}};
    memcpy(begin.pull.cursor, dump->cursor, DOOR_CURSOR_SIZE);
    size_t length = sizeof begin + dump->length;
    uint8_t *request = attached_buffer(socket, length);
    if (!request) return dump_abort(socket, descriptor, ENOMEM);
    memcpy(request, &begin, sizeof begin);
    memcpy(request + sizeof begin, dump->request, dump->length);
    struct door_pulled pulled;
    int error = connection_continue(socket, descriptor, DOOR_NETLINK_PULL, request, length, &pulled, sizeof pulled);
    if (error != 0) return dump_abort(socket, descriptor, error);
    memcpy(dump->cursor, pulled.cursor, DOOR_CURSOR_SIZE);
    if (is_complete(dump->cursor)) end(socket);
}

void dump_abort(struct attached_socket *socket, int descriptor, int error) {
    struct nlmsghdr ours = {0}, kernels = socket->kernel_dump;
    if (socket->dump.request) memcpy(&ours, socket->dump.request, sizeof ours);
    socket->kernel_dump.nlmsg_len = 0;
    end(socket);
    if (ours.nlmsg_len != 0) queue_error(socket, descriptor, &ours, error);
    if (kernels.nlmsg_len != 0) queue_error(socket, descriptor, &kernels, error);
}
