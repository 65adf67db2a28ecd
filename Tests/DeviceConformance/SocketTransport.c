// The Unix socket, written from docs/device.md with nothing but the C library.
//
// There is no thread: whoever waits for an answer receives for all who wait on the connection, one at a time.

#include <errno.h>
#include <martlet/device-numbers.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "Rights.h"
#include "Transports.h"

enum { VERSION = 1, GREETING_SIZE = 32, LARGEST_INPUT = 131072, LARGEST_OUTPUT = 196608 };

struct greeting {
    uint8_t magic[8];
    uint32_t version, status, port_id, access, largest_input, largest_output;
};

struct request_header {
    uint32_t tag, code, output_size, input_length;
};

struct answer_header {
    uint32_t tag, status, information, output_length;
};

struct connection {
    int socket;
    struct greeting greeting;
    pthread_mutex_t lock;
    /// Somebody has received something, or has stopped to receive.
    pthread_cond_t news;
    /// One for the handle, and one for each request.
    int references;
    bool is_received_from;
    /// Why there are no more answers; success while there are.
    uint32_t end;
    uint32_t last_tag;
    /// Requests that have no answer yet.
    struct conformance_request *waiting;
    uint8_t *buffer;
};

struct conformance_request {
    struct connection *connection;
    struct conformance_request *next;
    uint32_t tag, status, information;
    /// What it waits for, if it is one that waits.
    uint32_t queue;
    uint8_t *output;
    size_t output_size;
};

static void let_go(struct connection *connection) {
    pthread_mutex_lock(&connection->lock);
    bool is_last = --connection->references == 0;
    pthread_mutex_unlock(&connection->lock);
    if (!is_last) return;
    close(connection->socket);
    pthread_mutex_destroy(&connection->lock);
    pthread_cond_destroy(&connection->news);
    free(connection->buffer);
    free(connection);
}

// MARK: Connecting

struct attempt {
    const char *path;
    int socket;
    bool is_connected;
};

static void connect_socket(void *argument) {
    struct attempt *attempt = argument;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, attempt->path, sizeof address.sun_path - 1);
    attempt->is_connected = connect(attempt->socket, (struct sockaddr *)&address, sizeof address) == 0;
}

static conformance_handle open_handle(void *context, uint32_t access, uint32_t *status) {
    struct attempt attempt = {.path = context, .socket = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)};
    *status = MARTLET_STATUS_NOT_FOUND;
    if (attempt.socket < 0) return 0;
    if (access == MARTLET_ACCESS_READ) without_rights(connect_socket, &attempt);
    else connect_socket(&attempt);
    struct greeting greeting;
    if (!attempt.is_connected || recv(attempt.socket, &greeting, sizeof greeting, 0) != GREETING_SIZE
        || memcmp(greeting.magic, "MARTLET", 8) != 0 || greeting.version != VERSION
        || greeting.largest_input != LARGEST_INPUT || greeting.largest_output != LARGEST_OUTPUT
        || greeting.status != MARTLET_STATUS_SUCCESS) {
        if (attempt.is_connected) *status = greeting.status;
        close(attempt.socket);
        return 0;
    }
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) abort();
    *connection = (struct connection){.socket = attempt.socket, .greeting = greeting, .references = 1,
                                      .buffer = malloc(sizeof(struct answer_header) + LARGEST_OUTPUT)};
    pthread_mutex_init(&connection->lock, NULL);
    pthread_cond_init(&connection->news, NULL);
    *status = MARTLET_STATUS_SUCCESS;
    return (uintptr_t)connection;
}

static struct connection *connection_of(conformance_handle handle) { return (struct connection *)(uintptr_t)handle; }

static uint32_t port_id(void *context, conformance_handle handle) {
    (void)context;
    return connection_of(handle)->greeting.port_id;
}

static uint32_t access_of(void *context, conformance_handle handle) {
    (void)context;
    return connection_of(handle)->greeting.access;
}

// MARK: Requests

/// Sends a request. Whatever goes wrong is its status.
static void send_request(struct conformance_request *request, struct connection *connection, uint32_t code,
                         const void *input, size_t input_length) {
    request->connection = connection;
    request->status = MARTLET_STATUS_PENDING;
    pthread_mutex_lock(&connection->lock);
    if (connection->end != MARTLET_STATUS_SUCCESS) {
        request->status = connection->end;
        pthread_mutex_unlock(&connection->lock);
        return;
    }
    connection->references++;
    request->tag = ++connection->last_tag;
    request->next = connection->waiting;
    connection->waiting = request;
    pthread_mutex_unlock(&connection->lock);

    struct request_header header = {request->tag, code, (uint32_t)request->output_size, (uint32_t)input_length};
    struct iovec parts[] = {{&header, sizeof header}, {(void *)(uintptr_t)input, input_length}};
    struct msghdr datagram = {.msg_iov = parts, .msg_iovlen = 2};
    // If it cannot be sent the connection has ended, and whoever receives finds that out.
    (void)!sendmsg(connection->socket, &datagram, MSG_NOSIGNAL);
}

/// Gives an answer, or the end of the connection, to those who wait for it. Called with the lock held.
static void take_in(struct connection *connection, ssize_t length) {
    const struct answer_header *header = (const void *)connection->buffer;
    bool is_answer = length >= (ssize_t)sizeof *header && header->output_length == (size_t)length - sizeof *header;
    if (!is_answer && connection->end == MARTLET_STATUS_SUCCESS) connection->end = MARTLET_STATUS_NOT_FOUND;
    struct conformance_request **link = &connection->waiting;
    while (*link != NULL) {
        struct conformance_request *request = *link;
        if (is_answer && request->tag != header->tag) {
            link = &request->next;
            continue;
        }
        *link = request->next;
        request->status = is_answer ? header->status : connection->end;
        request->information = is_answer ? header->information : 0;
        // More than was asked for is not written, but the check of a rule shall see it in the information.
        if (is_answer && header->output_length <= request->output_size)
            memcpy(request->output, header + 1, header->output_length);
        if (is_answer) break;
    }
}

static int milliseconds_until(const struct timespec *deadline) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    long long left = (deadline->tv_sec - now.tv_sec) * 1000LL + (deadline->tv_nsec - now.tv_nsec) / 1000000;
    return left > 0 ? (int)left : 0;
}

/// Receives until the request has its answer or the time is over.
static void wait_for(struct conformance_request *request, int milliseconds) {
    struct connection *connection = request->connection;
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += milliseconds < 0 ? 1000000 : milliseconds / 1000;
    if (milliseconds > 0) deadline.tv_nsec += milliseconds % 1000 * 1000000L;
    if (deadline.tv_nsec >= 1000000000) deadline.tv_sec++, deadline.tv_nsec -= 1000000000;
    pthread_mutex_lock(&connection->lock);
    while (request->status == MARTLET_STATUS_PENDING) {
        if (connection->is_received_from) {
            if (pthread_cond_timedwait(&connection->news, &connection->lock, &deadline) == ETIMEDOUT) break;
            continue;
        }
        connection->is_received_from = true;
        pthread_mutex_unlock(&connection->lock);
        struct pollfd entry = {.fd = connection->socket, .events = POLLIN};
        bool has_news = poll(&entry, 1, milliseconds_until(&deadline)) > 0;
        ssize_t length = 0;
        if (has_news)
            length = recv(connection->socket, connection->buffer, sizeof(struct answer_header) + LARGEST_OUTPUT, 0);
        pthread_mutex_lock(&connection->lock);
        connection->is_received_from = false;
        if (has_news) take_in(connection, length);
        pthread_cond_broadcast(&connection->news);
        if (!has_news) break;
    }
    pthread_mutex_unlock(&connection->lock);
}

static uint32_t control(void *context, conformance_handle handle, uint32_t code, const void *input,
                        size_t input_length, void *output, size_t output_size, uint32_t *information) {
    (void)context;
    struct conformance_request request = {.output = output, .output_size = output_size};
    send_request(&request, connection_of(handle), code, input, input_length);
    wait_for(&request, -1);
    *information = request.information;
    if (request.tag != 0) let_go(request.connection);
    return request.status;
}

static struct conformance_request *start(void *context, conformance_handle handle, uint32_t code, const void *input,
                                         size_t input_length, void *output, size_t output_size) {
    (void)context;
    struct conformance_request *request = calloc(1, sizeof *request);
    if (request == NULL) abort();
    request->output = output;
    request->output_size = output_size;
    // `pend` has the queue as its input; commands 0 and 1 of `write` are the queues' numbers.
    if (code == MARTLET_IOCTL_PEND && input_length == sizeof request->queue) memcpy(&request->queue, input, 4);
    if (code == MARTLET_IOCTL_WRITE && input_length > 16) request->queue = ((const uint8_t *)input)[16];
    send_request(request, connection_of(handle), code, input, input_length);
    return request;
}

static uint32_t result(void *context, struct conformance_request *request, uint32_t *information, int milliseconds) {
    (void)context;
    wait_for(request, milliseconds);
    pthread_mutex_lock(&request->connection->lock);
    uint32_t status = request->status;
    *information = request->information;
    pthread_mutex_unlock(&request->connection->lock);
    return status;
}

static uint32_t cancel(void *context, struct conformance_request *request) {
    uint32_t information;
    return control(context, (uintptr_t)request->connection, MARTLET_IOCTL_CANCEL, &request->queue,
                   sizeof request->queue, NULL, 0, &information);
}

/// The connection's descriptor is the event to wait for.
static int descriptor(void *context, struct conformance_request *request) {
    (void)context;
    return request->connection->socket;
}

static void release(void *context, struct conformance_request *request) {
    (void)context;
    if (request->tag != 0) let_go(request->connection);
    free(request);
}

static uint32_t close_handle(void *context, conformance_handle handle) {
    (void)context;
    struct connection *connection = connection_of(handle);
    pthread_mutex_lock(&connection->lock);
    if (connection->end == MARTLET_STATUS_SUCCESS) connection->end = MARTLET_STATUS_CANCELLED;
    pthread_mutex_unlock(&connection->lock);
    // Who receives learns of it; the descriptor goes when nobody has it in hand any more.
    shutdown(connection->socket, SHUT_RDWR);
    let_go(connection);
    return MARTLET_STATUS_SUCCESS;
}

struct conformance_transport conformance_socket_transport(const char *path) {
    return (struct conformance_transport){
        .name = "Unix socket",
        .context = (void *)(uintptr_t)path,
        .largest_input = LARGEST_INPUT,
        .open = open_handle,
        .close = close_handle,
        .port_id = port_id,
        .access = access_of,
        .control = control,
        .start = start,
        .result = result,
        .cancel = cancel,
        .descriptor = descriptor,
        .release = release,
    };
}
