// The connection to Martlet's Unix socket: one for each attached socket, one request at a time.

#ifndef CATTACH_CHANNEL_H
#define CATTACH_CHANNEL_H

#include <stddef.h>
#include <stdint.h>

#include "Door.h"

// The path of the Unix socket: $MARTLET_SOCKET or the usual one.
const char *channel_path(void);

// Connects a socket (AF_UNIX, SOCK_SEQPACKET), takes the greeting and opens the netlink door. Returns 0 or an error
// number: ENOENT, nobody is there; EACCES, not for this user; EPROTO, who is there has no such door; or what the door
// lacks (ENFILE).
int channel_open(int channel, struct door_opened *opened);

// Carries out one I/O control and waits for its answer.
//
// `request` begins with room for a struct door_request, which is filled in here, and has `length` bytes with it. The
// output is copied to `output` and must have exactly that size. Returns 0 or an error number; ECONNRESET says that the
// connection is of no more use.
int channel_control(int channel, enum door_code code, void *request, size_t length, void *output, size_t output_size);

#endif
