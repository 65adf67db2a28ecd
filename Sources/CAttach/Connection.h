// A socket's connection to Martlet. All functions are called with the socket's lock.

#ifndef CATTACH_CONNECTION_H
#define CATTACH_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "AttachedSocket.h"

// Connects to Martlet. Returns 0 or an error number; the person at the terminal has been told. ENOENT: for this program
// there is no Martlet, for whichever reason.
int connection_open(struct attached_socket *socket);

// Connects if there is no connection, tells Martlet the port ID of the netlink socket, which must have one or gets one
// here, and joins the groups. Does nothing if that has been done.
int connection_bind(struct attached_socket *socket, int descriptor);

// Carries out an I/O control on the bound connection (see channel_control). If Martlet has ended it looks once whether
// it is back. A dump that was under way ends then.
int connection_control(struct attached_socket *socket, int descriptor, enum door_code code, void *request,
                       size_t length, void *output, size_t output_size);

// The same without looking for another Martlet, for what has a meaning only to the one that began it.
int connection_continue(struct attached_socket *socket, int descriptor, enum door_code code, void *request,
                        size_t length, void *output, size_t output_size);

// Joins or leaves a group of Martlet's (the number that netlink clients see).
int connection_subscribe(struct attached_socket *socket, int descriptor, uint32_t group, bool join);

#endif
