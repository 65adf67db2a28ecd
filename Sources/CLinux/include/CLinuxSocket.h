// Unix sockets, and waiting for descriptors: what needs _GNU_SOURCE or is not among the platform's Swift modules.

#ifndef CLINUX_SOCKET_H
#define CLINUX_SOCKET_H

#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

// Takes a connection; the new descriptor does not block and does not outlive an exec.
int clinux_accept(int descriptor);

// The credentials the peer of a Unix socket had when it connected (SO_PEERCRED); of a listener, those of its process.
int clinux_peer_credentials(int descriptor, uint32_t *process, uint32_t *user, uint32_t *group);

// The supplementary groups the peer had when it connected (SO_PEERGROUPS). `size` is the array's size in bytes before
// and what the groups take after the call; ERANGE if that is more.
int clinux_peer_groups(int descriptor, uint32_t *groups, uint32_t *size);

#endif
