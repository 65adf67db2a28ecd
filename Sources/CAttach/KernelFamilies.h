// Requests for families that are not Martlet's. All functions are called with the socket's lock.
//
// The kernel is asked through a real NETLINK_GENERIC socket of the program's, so that the program's own privileges
// count; Martlet puts the answers into the receive queue of the attached socket.

#ifndef CATTACH_KERNELFAMILIES_H
#define CATTACH_KERNELFAMILIES_H

#include "AttachedSocket.h"

// Asks the kernel, and has its answers queued: all of them, or a dump's first piece. Returns 0 or an error number.
int kernel_request(struct attached_socket *socket, int descriptor, const uint8_t *message, size_t length);

// Has the next piece of the kernel's dump queued, if one is under way and there is room.
void kernel_dump_continue(struct attached_socket *socket, int descriptor);

// The program sets an option that the kernel's answers follow.
void kernel_set_option(struct attached_socket *socket, int option, const void *value, socklen_t length);

// Puts a real NETLINK_GENERIC socket with the same port ID and options in the place of the attached one, which has not
// been used with one of Martlet's families. Returns 0 or an error number: EOPNOTSUPP, it has been.
int kernel_take_over(struct attached_socket *socket, int descriptor);

#endif
