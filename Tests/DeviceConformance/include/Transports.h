// The ways to the device that are written in C.

#ifndef CONFORMANCE_TRANSPORTS_H
#define CONFORMANCE_TRANSPORTS_H

#include "DeviceConformance.h"

/// The Unix socket, spoken by hand as docs/device.md describes it. The path must stay.
///
/// Handles that may only read need this process to be root's: they are connections of nobody.
struct conformance_transport conformance_socket_transport(const char *path);

/// The C library, martlet/device.h. As above.
struct conformance_transport conformance_library_transport(const char *path);

#endif
