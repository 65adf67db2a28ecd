// The program's calls on an attached socket. They return what the call returns, and set errno only if it fails.

#ifndef CATTACH_CALLS_H
#define CATTACH_CALLS_H

#include <sys/socket.h>
#include <sys/types.h>

#include "AttachedSocket.h"

// Opens an attached socket; `type` may have SOCK_CLOEXEC and SOCK_NONBLOCK. If there is no Martlet for this program it
// opens the kernel's own NETLINK_GENERIC socket.
int attached_open(int type);

int attached_bind(struct attached_socket *socket, int descriptor, const struct sockaddr *address, socklen_t length);
int attached_connect(struct attached_socket *socket, int descriptor, const struct sockaddr *address, socklen_t length);
int attached_getpeername(struct attached_socket *socket, int descriptor, struct sockaddr *address, socklen_t *length);
int attached_setsockopt(struct attached_socket *socket, int descriptor, int level, int option, const void *value,
                        socklen_t length);
int attached_getsockopt(struct attached_socket *socket, int descriptor, int level, int option, void *value,
                        socklen_t *length);

// Returns when Martlet has carried out what the message holds, and its replies are in the receive queue.
ssize_t attached_send(struct attached_socket *socket, int descriptor, const struct msghdr *message, int flags);
ssize_t attached_receive(struct attached_socket *socket, int descriptor, struct msghdr *message, int flags);

// Several messages, as the kernel does it: an error behind the first is told by the next call.
int attached_sendmmsg(struct attached_socket *socket, int descriptor, struct mmsghdr *messages, unsigned count,
                      int flags);
int attached_recvmmsg(struct attached_socket *socket, int descriptor, struct mmsghdr *messages, unsigned count,
                      int flags, struct timespec *timeout);

#endif
