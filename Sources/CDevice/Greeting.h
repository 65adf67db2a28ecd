// How a connection begins: the device speaks first.

#ifndef CDEVICE_GREETING_H
#define CDEVICE_GREETING_H

#include <stdint.h>

struct greeting {
    char magic[8];
    uint32_t version;
    uint32_t status;
    uint32_t port_id;
    uint32_t access;
    uint32_t largest_input;
    uint32_t largest_output;
};

// Connects to a path and reads the greeting. Returns the socket, or -1 and the last error if there is no handle.
int greeting_await(const char *path, struct greeting *greeting);

#endif
