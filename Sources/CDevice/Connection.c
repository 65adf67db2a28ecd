#define _GNU_SOURCE

#include "Connection.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "Greeting.h"

// What travels over the socket (docs/device.md).
struct request_header {
    uint32_t tag;
    uint32_t code;
    uint32_t output_size;
    uint32_t input_length;
};

struct answer_header {
    uint32_t tag;
    uint32_t status;
    uint32_t information;
    uint32_t output_length;
};

_Static_assert(sizeof(struct request_header) == MARTLET_REQUEST_HEADER_SIZE, "a request's header");
_Static_assert(sizeof(struct answer_header) == MARTLET_ANSWER_HEADER_SIZE, "an answer's header");

// No device has more; a greeting that says so is not believed.
#define MOST_OUTPUT ((size_t)16 << 20)

#define GONE "the device has gone away: open it again when it is back"

// How long to wait for room to send, while another thread receives, before looking again whether it still does.
#define ROOM_MILLISECONDS 20

// MARK: All connections of this process

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct connection *all;

void connections_lock(void) { pthread_mutex_lock(&all_lock); }

void connections_unlock(void) { pthread_mutex_unlock(&all_lock); }

void connections_abandon(void) {
    // The threads that used them are not there in the child. Nothing is said to the device: the handles are the
    // parent's.
    for (struct connection *next, *connection = all; connection != NULL; connection = next) {
        next = connection->next;
        close(connection->socket);
        free(connection->buffer);
        free(connection);
    }
    all = NULL;
}

static void enlist(struct connection *connection) {
    pthread_mutex_lock(&all_lock);
    connection->next = all;
    if (all != NULL) all->previous = connection;
    all = connection;
    pthread_mutex_unlock(&all_lock);
}

static void delist(struct connection *connection) {
    pthread_mutex_lock(&all_lock);
    if (connection->previous != NULL) connection->previous->next = connection->next;
    else all = connection->next;
    if (connection->next != NULL) connection->next->previous = connection->previous;
    pthread_mutex_unlock(&all_lock);
}

// MARK: Coming and going

static bool condition_init(pthread_cond_t *condition) {
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0) return false;
    bool is_done = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
        pthread_cond_init(condition, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    return is_done;
}

struct connection *connection_open(const char *path) {
    struct greeting greeting;
    int socket = greeting_await(path, &greeting);
    if (socket < 0) return NULL;
    struct connection *connection = calloc(1, sizeof *connection);
    size_t largest_output = greeting.largest_output < MOST_OUTPUT ? greeting.largest_output : MOST_OUTPUT;
    size_t buffer_size = sizeof(struct answer_header) + largest_output;
    uint8_t *buffer = malloc(buffer_size);
    bool has_condition = connection != NULL && buffer != NULL && condition_init(&connection->pending_changed);
    if (!has_condition || pthread_mutex_init(&connection->lock, NULL) != 0) {
        if (has_condition) pthread_cond_destroy(&connection->pending_changed);
        free(buffer);
        free(connection);
        close(socket);
        martlet_fail(MARTLET_STATUS_INSUFFICIENT_RESOURCES, "there is no memory for another handle");
        return NULL;
    }
    atomic_init(&connection->references, 1);
    connection->socket = socket;
    connection->port_id = greeting.port_id;
    connection->access = greeting.access;
    connection->largest_input = greeting.largest_input;
    connection->largest_output = largest_output;
    connection->buffer = buffer;
    connection->buffer_size = buffer_size;
    enlist(connection);
    return connection;
}

struct connection *connection_retain(struct connection *connection) {
    atomic_fetch_add_explicit(&connection->references, 1, memory_order_relaxed);
    return connection;
}

void connection_release(struct connection *connection) {
    if (atomic_fetch_sub_explicit(&connection->references, 1, memory_order_acq_rel) != 1) return;
    delist(connection);
    close(connection->socket);
    pthread_cond_destroy(&connection->pending_changed);
    pthread_mutex_destroy(&connection->lock);
    free(connection->buffer);
    free(connection);
}

// MARK: Requests under way. These are called with the lock.

static struct request **bucket_of(struct connection *connection, uint32_t tag) {
    return &connection->requests[tag % BUCKETS];
}

// The place where a request with this tag hangs, or where NULL does.
static struct request **find(struct connection *connection, uint32_t tag) {
    struct request **place = bucket_of(connection, tag);
    while (*place != NULL && (*place)->tag != tag) place = &(*place)->next;
    return place;
}

static void insert(struct connection *connection, struct request *request) {
    // A request may be pended for as long as it takes the numbers to come round.
    do connection->last_tag++; while (*find(connection, connection->last_tag) != NULL);
    request->tag = connection->last_tag;
    struct request **bucket = bucket_of(connection, request->tag);
    request->next = *bucket;
    *bucket = request;
    if (request->may_pend) connection->may_pend++;
}

static void take_out(struct connection *connection, struct request **place) {
    struct request *request = *place;
    *place = request->next;
    request->next = NULL;
    if (request->may_pend) connection->may_pend--;
}

// Ends a request, and wakes those who wait for it. After this nothing of it is touched.
static void finish(struct connection *connection, struct request **place, uint32_t status, uint32_t information) {
    struct request *request = *place;
    take_out(connection, place);
    request->status = status;
    request->information = information;
    request->has_ended = true;
    for (struct waiter *waiter = connection->waiters; waiter != NULL; waiter = waiter->next) {
        if (waiter->request == request) pthread_cond_signal(&waiter->wake);
    }
    // The counter has room for one: it is raised once, and lowered before the request is used again.
    if (request->event >= 0) {
        ssize_t written = write(request->event, &(uint64_t){1}, sizeof(uint64_t));
        (void)written;
    }
}

static void end_locked(struct connection *connection, uint32_t status, const char *reason) {
    if (connection->end != MARTLET_STATUS_SUCCESS) return;
    connection->end = status;
    snprintf(connection->end_reason, sizeof connection->end_reason, "%s", reason);
    // Whoever receives or sends returns from it, and the device lets the handle go. The descriptor stays until all have
    // left.
    shutdown(connection->socket, SHUT_RDWR);
    for (size_t index = 0; index < BUCKETS; index++) {
        while (connection->requests[index] != NULL) {
            struct request *request = connection->requests[index];
            memcpy(request->reason, connection->end_reason, sizeof request->reason);
            finish(connection, &connection->requests[index], status, 0);
        }
    }
    pthread_cond_broadcast(&connection->pending_changed);
}

void connection_end(struct connection *connection, uint32_t status, const char *reason) {
    pthread_mutex_lock(&connection->lock);
    end_locked(connection, status, reason);
    pthread_mutex_unlock(&connection->lock);
}

// What the device sends is not to be trusted more than its header: the connection is given up for what is no answer.
static void deliver(struct connection *connection, size_t length) {
    if (length == 0) {
        return end_locked(connection, MARTLET_STATUS_NOT_FOUND, GONE);
    }
    struct answer_header header;
    char reason[ERROR_TEXT_SIZE];
    if (length < sizeof header) {
        snprintf(reason, sizeof reason, "the device sent %zu bytes, which are no answer: an answer's header has %zu",
                 length, sizeof header);
        return end_locked(connection, MARTLET_STATUS_PROTOCOL_ERROR, reason);
    }
    memcpy(&header, connection->buffer, sizeof header);
    size_t output_length = length - sizeof header;
    struct request **place = find(connection, header.tag);
    struct request *request = *place;
    if (request == NULL) {
        snprintf(reason, sizeof reason, "the device answered a request that was not made (tag %u)", header.tag);
    } else if (header.output_length != output_length) {
        snprintf(reason, sizeof reason, "the device's answer says that it has %u bytes of output, and it has %zu",
                 header.output_length, output_length);
    } else if (output_length > request->output_size || length > connection->buffer_size) {
        snprintf(reason, sizeof reason, "the device's answer has %zu bytes of output, and the buffer has room for %zu",
                 output_length, request->output_size);
    } else if (header.status == MARTLET_STATUS_PENDING) {
        snprintf(reason, sizeof reason, "the device answered that the request has not ended");
    } else {
        if (output_length > 0) {
            memcpy(request->output, connection->buffer + sizeof header, output_length);
        }
        bool is_success = header.status == MARTLET_STATUS_SUCCESS;
        return finish(connection, place, header.status, is_success ? (uint32_t)output_length : header.information);
    }
    end_locked(connection, MARTLET_STATUS_PROTOCOL_ERROR, reason);
}

// MARK: Receiving

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * (int64_t)1000000000 + time.tv_nsec;
}

// When to stop waiting, in nanoseconds of the monotonic clock.
static int64_t deadline_in(int milliseconds) {
    return milliseconds < 0 ? INT64_MAX : now() + milliseconds * (int64_t)1000000;
}

// Waits until the socket has one of the events. Returns those that it has; 0 after the deadline.
static short await(int socket, short events, int64_t deadline) {
    for (;;) {
        int timeout = -1;
        if (deadline != INT64_MAX) {
            int64_t left = deadline - now();
            timeout = left <= 0 ? 0 : (int)((left + 999999) / 1000000);
        }
        struct pollfd entry = {.fd = socket, .events = events};
        int count = poll(&entry, 1, timeout);
        if (count > 0) return entry.revents;
        if (count == 0 && timeout >= 0) return 0;
        // Interrupted, or short of memory: the clock tells how much longer.
    }
}

// Receives one datagram into the connection's buffer. Returns its length, 0 at the end, -1 if there is none.
static ssize_t receive(struct connection *connection, int flags) {
    for (;;) {
        ssize_t length = recv(connection->socket, connection->buffer, connection->buffer_size, flags | MSG_TRUNC);
        if (length >= 0) return length;
        // A reset is told once; behind it are the answers that came before, and then the end.
        if (errno == EINTR || errno == ECONNRESET) continue;
        return errno == EAGAIN ? -1 : 0;
    }
}

static ssize_t receive_before(struct connection *connection, int64_t deadline) {
    if (deadline == INT64_MAX) return receive(connection, 0);
    for (;;) {
        ssize_t length = receive(connection, MSG_DONTWAIT);
        if (length >= 0 || await(connection->socket, POLLIN, deadline) == 0) return length;
    }
}

// Takes the lead for one datagram: called, and returns, with the lock. Returns whether there was one.
static bool lead(struct connection *connection, int64_t deadline) {
    connection->is_receiving = true;
    pthread_mutex_unlock(&connection->lock);
    ssize_t length = receive_before(connection, deadline);
    pthread_mutex_lock(&connection->lock);
    connection->is_receiving = false;
    if (length < 0) return false;
    deliver(connection, (size_t)length);
    return true;
}

// Somebody must have the lead as long as somebody waits.
static void hand_on(struct connection *connection) {
    if (!connection->is_receiving && connection->waiters != NULL) pthread_cond_signal(&connection->waiters->wake);
}

// Sleeps until the request has ended or the lead is to be had. Returns false after the deadline.
static bool follow(struct connection *connection, struct waiter *waiter, int64_t deadline) {
    if (deadline == INT64_MAX) return pthread_cond_wait(&waiter->wake, &connection->lock) == 0;
    struct timespec time = {.tv_sec = deadline / 1000000000, .tv_nsec = deadline % 1000000000};
    return pthread_cond_timedwait(&waiter->wake, &connection->lock, &time) == 0;
}

static bool wait_locked(struct connection *connection, struct request *request, int milliseconds) {
    if (request->has_ended) return true;
    int64_t deadline = deadline_in(milliseconds);
    struct waiter waiter = {.request = request};
    bool is_waiter = false;
    while (!request->has_ended) {
        if (!connection->is_receiving) {
            if (!lead(connection, deadline)) break;
            continue;
        }
        if (milliseconds == 0) break;
        if (!is_waiter) {
            if (!condition_init(&waiter.wake)) break;
            waiter.next = connection->waiters;
            connection->waiters = &waiter;
            is_waiter = true;
        }
        if (!follow(connection, &waiter, deadline)) break;
    }
    if (is_waiter) {
        struct waiter **place = &connection->waiters;
        while (*place != &waiter) place = &(*place)->next;
        *place = waiter.next;
        pthread_cond_destroy(&waiter.wake);
    }
    hand_on(connection);
    return request->has_ended;
}

bool connection_wait(struct connection *connection, struct request *request, int milliseconds) {
    pthread_mutex_lock(&connection->lock);
    bool has_ended = wait_locked(connection, request, milliseconds);
    pthread_mutex_unlock(&connection->lock);
    return has_ended;
}

bool connection_has_ended(struct connection *connection, const struct request *request) {
    pthread_mutex_lock(&connection->lock);
    bool has_ended = request->has_ended;
    pthread_mutex_unlock(&connection->lock);
    return has_ended;
}

// MARK: Sending

// The device serves nobody who does not read: while there is no room to send, this receives for those who have not yet.
static void make_room(struct connection *connection) {
    pthread_mutex_lock(&connection->lock);
    if (connection->is_receiving || connection->end != MARTLET_STATUS_SUCCESS) {
        pthread_mutex_unlock(&connection->lock);
        await(connection->socket, POLLOUT, deadline_in(ROOM_MILLISECONDS));
        return;
    }
    connection->is_receiving = true;
    pthread_mutex_unlock(&connection->lock);
    await(connection->socket, POLLIN | POLLOUT, INT64_MAX);
    ssize_t length = receive(connection, MSG_DONTWAIT);
    pthread_mutex_lock(&connection->lock);
    connection->is_receiving = false;
    if (length >= 0) deliver(connection, (size_t)length);
    hand_on(connection);
    pthread_mutex_unlock(&connection->lock);
}

// Returns 0 or an error number.
static int send_request(struct connection *connection, const struct request *request, const void *input,
                        size_t input_length) {
    struct request_header header = {
        .tag = request->tag,
        .code = request->code,
        .output_size = (uint32_t)request->output_size,
        .input_length = (uint32_t)input_length,
    };
    struct iovec parts[2] = {
        {.iov_base = &header, .iov_len = sizeof header},
        // sendmsg does not write to it.
        {.iov_base = (void *)(uintptr_t)input, .iov_len = input_length},
    };
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = input_length > 0 ? 2 : 1};
    while (sendmsg(connection->socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        if (errno == EAGAIN) make_room(connection);
        else if (errno != EINTR) return errno;
    }
    return 0;
}

// Gives the request its tag, unless nothing goes any more.
static uint32_t enter(struct connection *connection, struct request *request) {
    pthread_mutex_lock(&connection->lock);
    while (request->may_pend && connection->is_cancelling && connection->end == MARTLET_STATUS_SUCCESS) {
        pthread_cond_wait(&connection->pending_changed, &connection->lock);
    }
    uint32_t status = connection->end;
    if (status == MARTLET_STATUS_SUCCESS) {
        insert(connection, request);
        if (request->may_pend) connection->may_pend_unsent++;
    } else {
        martlet_fail(status, "%s", connection->end_reason);
    }
    pthread_mutex_unlock(&connection->lock);
    return status;
}

// The device reads no more. What it has answered before is still there to be received. Called with the lock.
static uint32_t give_up(struct connection *connection, struct request *request) {
    int64_t deadline = deadline_in(0);
    while (connection->end == MARTLET_STATUS_SUCCESS && !connection->is_receiving && lead(connection, deadline)) {}
    hand_on(connection);
    // Another thread that receives comes to the end by itself.
    if (!connection->is_receiving) end_locked(connection, MARTLET_STATUS_NOT_FOUND, GONE);
    if (connection->end != MARTLET_STATUS_SUCCESS) return martlet_fail(connection->end, "%s", connection->end_reason);
    if (!request->has_ended) take_out(connection, find(connection, request->tag));
    return martlet_fail(MARTLET_STATUS_NOT_FOUND, GONE);
}

// What is left to do when the request was sent, or could not be.
static uint32_t leave(struct connection *connection, struct request *request, int error) {
    pthread_mutex_lock(&connection->lock);
    if (request->may_pend) {
        connection->may_pend_unsent--;
        pthread_cond_broadcast(&connection->pending_changed);
    }
    uint32_t status = MARTLET_STATUS_PENDING;
    if (error == EMSGSIZE || error == ENOBUFS || error == ENOMEM) {
        if (!request->has_ended) take_out(connection, find(connection, request->tag));
        status = error == EMSGSIZE
            ? martlet_fail(MARTLET_STATUS_INVALID_PARAMETER, "the input is larger than this system lets a datagram be")
            : martlet_fail(MARTLET_STATUS_INSUFFICIENT_RESOURCES, "the system has no memory to send the request");
    } else if (error != 0) {
        status = give_up(connection, request);
    }
    pthread_mutex_unlock(&connection->lock);
    return status;
}

// What a request that may pend waits for: PEND has the queue as its input, and of the commands of WRITE the first two have
// the queues' numbers. Of any other input it does not matter, as the device does not pend it.
static uint32_t queue_of(uint32_t code, const void *input, size_t input_length) {
    uint32_t queue = MARTLET_QUEUE_EVENT;
    if (code == MARTLET_IOCTL_PEND && input_length >= sizeof queue) memcpy(&queue, input, sizeof queue);
    if (code == MARTLET_IOCTL_WRITE && input_length >= sizeof(struct martlet_message) &&
        ((const uint8_t *)input)[offsetof(struct martlet_message, generic)] == MARTLET_CONTROL_CMD_PEND_PACKET_REQUEST) {
        queue = MARTLET_QUEUE_PACKET;
    }
    return queue;
}

uint32_t connection_begin(struct connection *connection, struct request *request, const void *input,
                          size_t input_length, uint32_t *information) {
    if (information != NULL) *information = 0;
    if ((input == NULL && input_length > 0) || (request->output == NULL && request->output_size > 0)) {
        return martlet_fail(MARTLET_STATUS_INVALID_PARAMETER, "the %s is NULL, and its length is not 0",
                            input == NULL && input_length > 0 ? "input" : "output");
    }
    if (input_length > connection->largest_input) {
        if (information != NULL) *information = (uint32_t)connection->largest_input;
        return martlet_fail(MARTLET_STATUS_INVALID_PARAMETER,
                            "the input has %zu bytes, and the device takes %zu at most",
                            input_length, connection->largest_input);
    }
    // More is as good as that.
    if (request->output_size > connection->largest_output) request->output_size = connection->largest_output;
    request->may_pend = request->code == MARTLET_IOCTL_PEND || request->code == MARTLET_IOCTL_WRITE;
    request->queue = queue_of(request->code, input, input_length);
    request->has_ended = false;
    request->reason[0] = 0;
    uint32_t status = enter(connection, request);
    if (status != MARTLET_STATUS_SUCCESS) return status;
    return leave(connection, request, send_request(connection, request, input, input_length));
}

uint32_t connection_result(const struct request *request, uint32_t *information) {
    if (information != NULL) *information = request->information;
    switch (request->status) {
        case MARTLET_STATUS_SUCCESS: return MARTLET_STATUS_SUCCESS;
        case MARTLET_STATUS_BUFFER_TOO_SMALL:
        case MARTLET_STATUS_INVALID_LENGTH:
            if (request->information > 0) {
                return martlet_fail(request->status, "%s: I/O control 0x%08x needs %u bytes; the output has %zu",
                                    martlet_status_text(request->status), request->code, request->information,
                                    request->output_size);
            }
            break;
        case MARTLET_STATUS_OVERFLOW:
            return martlet_fail(request->status, "%s: %u; ask for the state anew", martlet_status_text(request->status),
                                request->information);
    }
    if (request->reason[0] != 0) return martlet_fail(request->status, "%s", request->reason);
    return martlet_fail(request->status, "I/O control 0x%08x failed with status 0x%08x: %s", request->code,
                        request->status, martlet_status_text(request->status));
}

uint32_t connection_carry_out(struct connection *connection, struct request *request, const void *input,
                              size_t input_length, uint32_t *information) {
    uint32_t status = connection_begin(connection, request, input, input_length, information);
    if (status != MARTLET_STATUS_PENDING) return status;
    connection_wait(connection, request, -1);
    return connection_result(request, information);
}

// MARK: Cancelling

// An I/O control whose output does not matter.
static uint32_t carry_out(struct connection *connection, uint32_t code, const void *input, size_t input_length) {
    uint32_t output;
    struct request request = {
        .code = code, .output = &output, .output_size = sizeof output, .event = -1,
    };
    return connection_carry_out(connection, &request, input, input_length, NULL);
}

uint32_t connection_cancel(struct connection *connection, const struct request *request) {
    pthread_mutex_lock(&connection->lock);
    while (!request->has_ended && (connection->is_cancelling || connection->may_pend_unsent > 0)) {
        pthread_cond_wait(&connection->pending_changed, &connection->lock);
    }
    if (request->has_ended || !request->may_pend) {
        pthread_mutex_unlock(&connection->lock);
        return MARTLET_STATUS_SUCCESS;
    }
    connection->is_cancelling = true;
    bool is_alone = connection->may_pend == 1;
    pthread_mutex_unlock(&connection->lock);

    // The device cancels what is pended for a queue, and a handle has one such request. If there are several here, all
    // but that one are about to be answered, and answers come in order: behind the answer to another request it is known
    // which it is.
    uint32_t status = is_alone ? MARTLET_STATUS_SUCCESS : carry_out(connection, MARTLET_IOCTL_GET_VERSION, NULL, 0);
    if (status == MARTLET_STATUS_SUCCESS && !connection_has_ended(connection, request)) {
        status = carry_out(connection, MARTLET_IOCTL_CANCEL, &request->queue, sizeof request->queue);
    }
    pthread_mutex_lock(&connection->lock);
    connection->is_cancelling = false;
    pthread_cond_broadcast(&connection->pending_changed);
    pthread_mutex_unlock(&connection->lock);
    return status;
}
