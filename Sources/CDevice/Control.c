#define _GNU_SOURCE

#include <stdlib.h>

#include "Handles.h"
#include "Overlapped.h"

// What the header says of bytes that the device makes or takes.
_Static_assert(sizeof(struct martlet_statistics) == MARTLET_STATISTICS_SIZE, "the statistics have fixed places");
_Static_assert(sizeof(struct martlet_subscription) == MARTLET_SUBSCRIPTION_SIZE, "a subscription is three numbers");
_Static_assert(sizeof(struct martlet_cursor) == MARTLET_CURSOR_SIZE, "a cursor has a fixed size");
_Static_assert(sizeof(struct martlet_message) == 24, "attributes begin at byte 24");

// MARK: A thread that is cancelled inside one of these would leave the others without a leader, or keep what it holds.

static martlet_handle open_at(const char *path) {
    struct connection *connection = connection_open(path);
    if (connection == NULL) return 0;
    martlet_handle handle = handle_make(connection);
    if (handle == 0) connection_release(connection);
    return handle;
}

martlet_handle martlet_device_open(const char *path) {
    if (path == NULL) path = secure_getenv("MARTLET_SOCKET");
    if (path == NULL) path = MARTLET_DEVICE_PATH;
    int state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    martlet_handle handle = open_at(path);
    pthread_setcancelstate(state, NULL);
    return handle;
}

uint32_t martlet_device_close(martlet_handle handle) {
    struct connection *connection = handle_take(handle);
    if (connection == NULL) return MARTLET_STATUS_INVALID_HANDLE;
    connection_end(connection, MARTLET_STATUS_CANCELLED, "the handle was closed before the request had ended");
    connection_release(connection);
    return MARTLET_STATUS_SUCCESS;
}

uint32_t martlet_device_port_id(martlet_handle handle) {
    struct connection *connection = handle_connection(handle);
    if (connection == NULL) return 0;
    uint32_t port_id = connection->port_id;
    connection_release(connection);
    return port_id;
}

uint32_t martlet_device_access(martlet_handle handle) {
    struct connection *connection = handle_connection(handle);
    if (connection == NULL) return 0;
    uint32_t access = connection->access;
    connection_release(connection);
    return access;
}

uint32_t martlet_device_control(martlet_handle handle, uint32_t code, const void *input, size_t input_length,
                                void *output, size_t output_size, uint32_t *information,
                                martlet_overlapped *overlapped) {
    if (information != NULL) *information = 0;
    struct connection *connection = handle_connection(handle);
    if (connection == NULL) return MARTLET_STATUS_INVALID_HANDLE;
    int state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    struct request request = {.code = code, .output = output, .output_size = output_size, .event = -1};
    uint32_t status = overlapped == NULL
        ? connection_carry_out(connection, &request, input, input_length, information)
        : overlapped_begin(overlapped, connection, &request, input, input_length, information);
    connection_release(connection);
    pthread_setcancelstate(state, NULL);
    return status;
}
