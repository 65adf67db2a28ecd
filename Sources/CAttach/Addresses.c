// Opening attached sockets, and the addresses that the program gives and sees: Martlet's port ID is the kernel's, 0.

#include <errno.h>
#include <string.h>

#include "Calls.h"
#include "Connection.h"
#include "Descriptors.h"
#include "KernelFamilies.h"
#include "Next.h"
#include "Process.h"

static int fail(int error) {
    errno = error;
    return -1;
}

// Opens the netlink socket of `socket`, whose reference becomes the descriptor's.
static int open_netlink_socket(struct attached_socket *socket, int type) {
    int descriptor = NEXT(socket)(AF_NETLINK, type, NETLINK_USERSOCK);
    if (descriptor < 0) return -1;
    if (descriptor_attach(descriptor, socket)) return descriptor;
    NEXT(close)(descriptor);
    return fail(EMFILE);
}

int attached_open(int type) {
    if (process_borrows_memory()) return NEXT(socket)(AF_NETLINK, type, NETLINK_GENERIC);
    struct attached_socket *socket = attached_create();
    if (!socket) return fail(ENOMEM);
    attached_lock(socket);
    int error = connection_open(socket);
    attached_unlock(socket);
    int descriptor = error == 0 ? open_netlink_socket(socket, type) : fail(error);
    if (descriptor >= 0) return descriptor;
    attached_release(socket);
    return error == ENOENT ? NEXT(socket)(AF_NETLINK, type, NETLINK_GENERIC) : -1;
}

// The address in an argument; false, with errno, if it is none of netlink.
static bool take_address(const struct sockaddr *address, socklen_t length, struct sockaddr_nl *taken) {
    if (length < sizeof *taken || address->sa_family != AF_NETLINK) {
        errno = EINVAL;
        return false;
    }
    memcpy(taken, address, sizeof *taken);
    return true;
}

int attached_bind(struct attached_socket *socket, int descriptor, const struct sockaddr *address, socklen_t length) {
    struct sockaddr_nl wanted;
    if (!take_address(address, length, &wanted)) return -1;
    if (wanted.nl_groups != 0) {
        // The groups that fit here are all the kernel's.
        attached_lock(socket);
        int error = kernel_take_over(socket, descriptor);
        attached_unlock(socket);
        return error == 0 ? NEXT(bind)(descriptor, address, length) : fail(error);
    }
    if (NEXT(bind)(descriptor, address, length) != 0) return -1;
    int error = errno;
    attached_lock(socket);
    // If Martlet has just ended, the first send says so.
    connection_bind(socket, descriptor);
    attached_unlock(socket);
    errno = error;
    return 0;
}

int attached_connect(struct attached_socket *socket, int descriptor, const struct sockaddr *address, socklen_t length) {
    struct sockaddr_nl peer = {0};
    if (length < sizeof address->sa_family) return fail(EINVAL);
    bool disconnects = address->sa_family == AF_UNSPEC;
    if (!disconnects && !take_address(address, length, &peer)) return -1;
    int error = errno;
    attached_lock(socket);
    struct sockaddr_nl target = {.nl_family = AF_NETLINK, .nl_pid = peer.nl_pid ? peer.nl_pid : socket->door.port_id};
    // A socket that has never been connected to anyone stays without a port ID when it is disconnected.
    bool changes = !disconnects || atomic_load(&socket->user_peer) != 0;
    int result = changes ? NEXT(connect)(descriptor, (struct sockaddr *)&target, sizeof target) : 0;
    if (result == 0) {
        atomic_store(&socket->user_peer, peer.nl_pid);
        // If Martlet has just ended, the first send says so.
        if (!disconnects) connection_bind(socket, descriptor);
        errno = error;
    }
    attached_unlock(socket);
    return result;
}

int attached_getpeername(struct attached_socket *socket, int descriptor, struct sockaddr *address, socklen_t *length) {
    struct sockaddr_nl peer;
    socklen_t size = sizeof peer;
    if (NEXT(getpeername)(descriptor, (struct sockaddr *)&peer, &size) != 0) return -1;
    peer.nl_pid = atomic_load(&socket->user_peer);
    memcpy(address, &peer, *length < size ? *length : size);
    *length = size;
    return 0;
}
