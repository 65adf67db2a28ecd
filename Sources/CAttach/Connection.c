#include "Connection.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "Channel.h"
#include "Descriptors.h"
#include "Dump.h"
#include "Next.h"
#include "Notice.h"

// How often, a millisecond apart, to try to send where the receiver's queue is full.
#define SEND_ATTEMPTS 1000

// Tells why there is no Martlet for this program; other errors are its to see.
static int report(const struct attached_socket *socket, int error) {
    enum notice reason;
    switch (error) {
        case ENOENT: reason = socket->door.port_id ? NOTICE_ENDED : NOTICE_ABSENT; break;
        case EACCES: reason = NOTICE_DENIED; break;
        case EPROTO: reason = NOTICE_UNFIT; break;
        case EXDEV: reason = NOTICE_OTHER_NAMESPACE; break;
        default: return error;
    }
    notice(reason, channel_path());
    return ENOENT;
}

// Whether Martlet's network namespace is the netlink socket's. Without /proc nobody knows: then the nonce does not
// arrive.
static bool is_in_namespace(struct attached_socket *socket, const struct door_opened *door) {
    if (socket->namespace_inode == 0) {
        struct stat namespace;
        if (stat("/proc/thread-self/ns/net", &namespace) != 0) return true;
        socket->namespace_device = namespace.st_dev;
        socket->namespace_inode = namespace.st_ino;
    }
    return socket->namespace_device == door->namespace_device && socket->namespace_inode == door->namespace_inode;
}

static void close_channel(struct attached_socket *socket) {
    if (socket->channel >= 0) descriptor_close_private(socket->channel);
    socket->channel = -1;
    socket->channel_is_bound = false;
}

int connection_open(struct attached_socket *socket) {
    int channel = NEXT(socket)(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (channel < 0) return errno;
    // Before it is connected: a thread that still uses the low number, which it knew as another file's, does no harm.
    channel = descriptor_make_private(channel, socket);
    if (channel < 0) return errno;
    struct door_opened door;
    int error = channel_open(channel, &door);
    if (error == 0 && !is_in_namespace(socket, &door)) error = EXDEV;
    if (error != 0) {
        descriptor_close_private(channel);
        return report(socket, error);
    }
    close_channel(socket);
    socket->channel = channel;
    socket->door = door;
    return 0;
}

// Shows Martlet that the netlink socket is this connection's: the kernel tells it who sent the nonce.
static int send_nonce(const struct attached_socket *socket, int descriptor) {
    struct {
        struct nlmsghdr header;
        uint8_t nonce[DOOR_NONCE_SIZE];
    } datagram = {.header = {.nlmsg_len = sizeof datagram, .nlmsg_type = NLMSG_NOOP}};
    memcpy(datagram.nonce, socket->door.nonce, sizeof datagram.nonce);
    struct sockaddr_nl martlet = {.nl_family = AF_NETLINK, .nl_pid = socket->door.port_id};
    const struct sockaddr *address = (const struct sockaddr *)&martlet;
    // Connected, the netlink socket takes nothing from others.
    if (atomic_load(&socket->user_peer) == 0 && NEXT(connect)(descriptor, address, sizeof martlet) != 0) return errno;
    for (int attempt = 0; attempt < SEND_ATTEMPTS; attempt++) {
        if (NEXT(sendto)(descriptor, &datagram, sizeof datagram, MSG_DONTWAIT, address, sizeof martlet) >= 0) return 0;
        if (errno != EAGAIN && errno != EINTR) break;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return errno;
}

static int subscribe(const struct attached_socket *socket, uint32_t group, bool joins) {
    struct {
        struct door_request header;
        struct door_subscription subscription;
    } request = {.subscription = {.queue = 0, .group = group, .join = joins}};
    return channel_control(socket->channel, DOOR_SUBSCRIBE, &request, sizeof request, NULL, 0);
}

static int bind_channel(struct attached_socket *socket, int descriptor) {
    int error = send_nonce(socket, descriptor);
    if (error != 0) return error == ECONNREFUSED ? report(socket, ENOENT) : error;
    struct door_request request;
    error = channel_control(socket->channel, DOOR_NETLINK_BIND, &request, sizeof request, &socket->port_id,
                            sizeof socket->port_id);
    if (error != 0) return error == EINVAL ? report(socket, EXDEV) : error;
    for (size_t index = 0; index < socket->group_count && error == 0; index++) {
        error = subscribe(socket, socket->groups[index], true);
    }
    if (error == 0) {
        socket->channel_is_bound = true;
        atomic_store(&socket->wants_packs, false);
    }
    return error;
}

int connection_bind(struct attached_socket *socket, int descriptor) {
    int error = ECONNRESET;
    for (int attempt = 0; attempt < 2 && error == ECONNRESET; attempt++) {
        if (socket->channel_is_bound) return 0;
        error = socket->channel < 0 ? connection_open(socket) : 0;
        if (error == 0) error = bind_channel(socket, descriptor);
        if (error != 0) close_channel(socket);
    }
    if (error != 0) return error == ECONNRESET ? ENOENT : error;
    // The handle lives on in this connection.
    if (socket->inherited_channel >= 0) descriptor_close_private(socket->inherited_channel);
    socket->inherited_channel = -1;
    return 0;
}

// The other side has ended, and with it what it had begun for this socket.
static void lose_channel(struct attached_socket *socket, int descriptor) {
    close_channel(socket);
    dump_abort(socket, descriptor, ECONNRESET);
}

int connection_continue(struct attached_socket *socket, int descriptor, enum door_code code, void *request,
                        size_t length, void *output, size_t output_size) {
    int error = socket->channel_is_bound
        ? channel_control(socket->channel, code, request, length, output, output_size) : ECONNRESET;
    if (error == ECONNRESET) lose_channel(socket, descriptor);
    return error;
}

int connection_control(struct attached_socket *socket, int descriptor, enum door_code code, void *request,
                       size_t length, void *output, size_t output_size) {
    int error = ECONNRESET;
    for (int attempt = 0; attempt < 2 && error == ECONNRESET; attempt++) {
        error = connection_bind(socket, descriptor);
        if (error == 0) error = connection_continue(socket, descriptor, code, request, length, output, output_size);
    }
    return error == ECONNRESET ? ENOENT : error;
}

static size_t index_of_group(const struct attached_socket *socket, uint32_t group) {
    size_t index = 0;
    while (index < socket->group_count && socket->groups[index] != group) index++;
    return index;
}

int connection_subscribe(struct attached_socket *socket, int descriptor, uint32_t group, bool joins) {
    group -= DOOR_FIRST_NUMBER;
    size_t index = index_of_group(socket, group);
    if (joins && index == MAXIMUM_GROUPS) return ENOBUFS;
    int error = ECONNRESET;
    for (int attempt = 0; attempt < 2 && error == ECONNRESET; attempt++) {
        error = socket->port_id ? connection_bind(socket, descriptor)
            : socket->channel < 0 ? connection_open(socket) : 0;
        if (error != 0) return error;
        error = subscribe(socket, group, joins);
        if (error == ECONNRESET) lose_channel(socket, descriptor);
    }
    if (error != 0) return error == ECONNRESET ? ENOENT : error;
    if (joins && index == socket->group_count) socket->groups[socket->group_count++] = group;
    if (!joins && index < socket->group_count) socket->groups[index] = socket->groups[--socket->group_count];
    return 0;
}
