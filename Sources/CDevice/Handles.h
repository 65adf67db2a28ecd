// The handles of this process.

#ifndef CDEVICE_HANDLES_H
#define CDEVICE_HANDLES_H

#include "Connection.h"

// Gives a connection a handle, which takes over the reference. 0 and the last error if there is no room.
martlet_handle handle_make(struct connection *connection);

// The connection of a handle, with a reference for the caller. NULL and the last error if the handle is invalid.
struct connection *handle_connection(martlet_handle handle);

// The same, and from then on the handle is invalid. The caller gets the reference that the handle had.
struct connection *handle_take(martlet_handle handle);

// How many times this process is a fork of the one that loaded the library.
unsigned handle_forks(void);

#endif
