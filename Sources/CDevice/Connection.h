// A connection to a device: one handle. Its threads share it: whoever waits first receives for all (the leader), the
// others (followers) sleep until their answer is there or the lead is theirs. The tag tells whose answer it is.

#ifndef CDEVICE_CONNECTION_H
#define CDEVICE_CONNECTION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "Error.h"

#define BUCKETS 64  // of requests, by their tag; a power of two

// A request that has been sent, or is about to be. Guarded by its connection's lock while it is under way.
struct request {
    uint32_t tag;
    uint32_t code;
    void *output;
    size_t output_size;
    bool may_pend;  // the device may keep it until something happens
    uint32_t queue;  // MARTLET_QUEUE_*: if it may pend, what it waits for
    bool has_ended;
    uint32_t status;
    uint32_t information;
    int event;  // an event counter to raise when it ends; -1: none
    char reason[ERROR_TEXT_SIZE];  // why the connection was given up, if that is how it ended
    struct request *next;  // in its bucket
};

// A follower.
struct waiter {
    pthread_cond_t wake;
    const struct request *request;
    struct waiter *next;
};

struct connection {
    _Atomic unsigned references;
    int socket;
    uint32_t port_id;
    uint32_t access;
    size_t largest_input;
    size_t largest_output;

    pthread_mutex_t lock;
    uint32_t end;  // why nothing goes any more: MARTLET_STATUS_SUCCESS while it goes
    char end_reason[ERROR_TEXT_SIZE];
    uint32_t last_tag;
    struct request *requests[BUCKETS];
    struct waiter *waiters;

    bool is_receiving;  // somebody has the lead, and with it the buffer
    uint8_t *buffer;    // for one answer
    size_t buffer_size;

    // Who cancels must know what is pended: meanwhile no request that may pend is begun.
    bool is_cancelling;
    unsigned may_pend;         // under way
    unsigned may_pend_unsent;  // of these, those that are not sent yet
    pthread_cond_t pending_changed;

    struct connection *previous, *next;  // among all of this process
};

// Connects and reads the greeting. NULL and the last error on failure. The caller owns a reference.
struct connection *connection_open(const char *path);

struct connection *connection_retain(struct connection *connection);
void connection_release(struct connection *connection);

// Ends everything that is under way, and what comes. The first reason stays.
void connection_end(struct connection *connection, uint32_t status, const char *reason);

// Sends a request. Returns MARTLET_STATUS_PENDING if it is under way, or a failure, which is the last error. The
// request's code, output, output_size and event are set.
uint32_t connection_begin(struct connection *connection, struct request *request, const void *input,
                          size_t input_length, uint32_t *information);

// Waits until a request has ended, for so many milliseconds at most (-1: for ever). Returns whether it has.
bool connection_wait(struct connection *connection, struct request *request, int milliseconds);

// Whether a request has ended.
bool connection_has_ended(struct connection *connection, const struct request *request);

// Makes the end of a request the result of a call: a failure becomes the last error.
uint32_t connection_result(const struct request *request, uint32_t *information);

// Begins a request, waits for its end, and makes that the result of the call.
uint32_t connection_carry_out(struct connection *connection, struct request *request, const void *input,
                              size_t input_length, uint32_t *information);

// Cancels a request if the device has pended it, and no other.
uint32_t connection_cancel(struct connection *connection, const struct request *request);

// The fork handler: what the parent has is not the child's.
void connections_lock(void);
void connections_unlock(void);
void connections_abandon(void);

#endif
