// An overlapped request, and its waitable descriptor: an epoll descriptor over the connection's socket, which can be
// read while nobody receives, and an event counter, which is raised when another thread has received the answer.

#ifndef CDEVICE_OVERLAPPED_H
#define CDEVICE_OVERLAPPED_H

#include "Connection.h"

struct martlet_overlapped {
    int epoll;
    int counter;
    unsigned forks;  // of which process it is

    pthread_mutex_t lock;
    struct connection *connection;  // with a reference, until the result has been seen
    bool has_request;  // there is one, or was: `request` has its end
    struct request request;
};

// Sends a request with this overlapped request; as connection_begin.
uint32_t overlapped_begin(martlet_overlapped *overlapped, struct connection *connection, const struct request *request,
                          const void *input, size_t input_length, uint32_t *information);

#endif
