#define _GNU_SOURCE

#include "CLinuxSocket.h"

#include <sys/socket.h>

int clinux_accept(int descriptor) {
    return accept4(descriptor, 0, 0, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int clinux_peer_credentials(int descriptor, uint32_t *process, uint32_t *user, uint32_t *group) {
    struct ucred credentials = {0};
    socklen_t size = sizeof credentials;
    int result = getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &size);
    *process = (uint32_t)credentials.pid;
    *user = credentials.uid;
    *group = credentials.gid;
    return result;
}

int clinux_peer_groups(int descriptor, uint32_t *groups, uint32_t *size) {
    socklen_t length = *size;
    int result = getsockopt(descriptor, SOL_SOCKET, SO_PEERGROUPS, groups, &length);
    *size = length;
    return result;
}
