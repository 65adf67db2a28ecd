// The options of attached sockets: groups are Martlet's matter, the rest is the kernel's.

#include <errno.h>
#include <string.h>

#include "Calls.h"
#include "Connection.h"
#include "KernelFamilies.h"
#include "Next.h"

// Joins or leaves a group. One of the kernel's needs a socket of the kernel's.
static int change_membership(struct attached_socket *socket, int descriptor, int option, const void *value,
                             socklen_t length) {
    uint32_t group = 0;
    if (length >= sizeof group) memcpy(&group, value, sizeof group);
    bool is_ours = group >= DOOR_FIRST_NUMBER;
    attached_lock(socket);
    int error = group == 0 ? EINVAL
        : is_ours ? connection_subscribe(socket, descriptor, group, option == NETLINK_ADD_MEMBERSHIP)
        : kernel_take_over(socket, descriptor);
    attached_unlock(socket);
    if (error == 0 && !is_ours) return NEXT(setsockopt)(descriptor, SOL_NETLINK, option, value, length);
    if (error == 0) return 0;
    errno = error;
    return -1;
}

int attached_setsockopt(struct attached_socket *socket, int descriptor, int level, int option, const void *value,
                        socklen_t length) {
    if (level != SOL_NETLINK) return NEXT(setsockopt)(descriptor, level, option, value, length);
    if (option == NETLINK_ADD_MEMBERSHIP || option == NETLINK_DROP_MEMBERSHIP) {
        int error = errno;
        int result = change_membership(socket, descriptor, option, value, length);
        if (result == 0) errno = error;
        return result;
    }
    if (NEXT(setsockopt)(descriptor, level, option, value, length) != 0) return -1;
    int error = errno;
    int is_on = 0;
    if (length >= sizeof is_on) memcpy(&is_on, value, sizeof is_on);
    uint32_t flag = option == NETLINK_EXT_ACK ? DOOR_EXTENDED_ACK : option == NETLINK_CAP_ACK ? DOOR_CAPPED_ACK : 0;
    if (is_on) atomic_fetch_or(&socket->acknowledgements, flag);
    else atomic_fetch_and(&socket->acknowledgements, ~flag);
    attached_lock(socket);
    kernel_set_option(socket, option, value, length);
    attached_unlock(socket);
    errno = error;
    return 0;
}

int attached_getsockopt(struct attached_socket *socket, int descriptor, int level, int option, void *value,
                        socklen_t *length) {
    (void)socket;
    int result = NEXT(getsockopt)(descriptor, level, option, value, length);
    if (result == 0 && level == SOL_SOCKET && option == SO_PROTOCOL) {
        int protocol = NETLINK_GENERIC;
        memcpy(value, &protocol, *length < sizeof protocol ? *length : sizeof protocol);
    }
    return result;
}
