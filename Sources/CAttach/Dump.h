// Dumps that are under way. All functions are called with the socket's lock.
//
// Each receive of the program that takes a datagram has the next piece put into the receive queue, so that the queue is
// never empty while there is more, and never gets more than it holds.

#ifndef CATTACH_DUMP_H
#define CATTACH_DUMP_H

#include "AttachedSocket.h"

// Remembers a dump of which Martlet has queued the first piece. A zero cursor says that this was all.
void dump_begin(struct attached_socket *socket, int descriptor, const uint8_t *request, size_t length,
                const uint8_t cursor[DOOR_CURSOR_SIZE]);

// Has the next piece queued, if a dump is under way and there is room.
void dump_continue(struct attached_socket *socket, int descriptor);

// Ends the dump that is under way, ours or the kernel's; the program reads this error in its place.
void dump_abort(struct attached_socket *socket, int descriptor, int error);

// Whether a dump is under way.
bool dump_is_under_way(const struct attached_socket *socket);

// How many bytes a piece should have: what the program's receive buffers take, within the kernel's bounds.
uint32_t dump_piece_size(const struct attached_socket *socket);

#endif
