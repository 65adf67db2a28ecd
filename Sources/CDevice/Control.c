#define _GNU_SOURCE

#include <stdlib.h>

#include "Handles.h"
#include "Overlapped.h"

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

static uint32_t control(struct connection *connection, struct request *request, const void *input, size_t input_length,
                        uint32_t *information) {
    uint32_t status = connection_begin(connection, request, input, input_length, information);
    if (status != MARTLET_STATUS_PENDING) return status;
    connection_wait(connection, request, -1);
    return connection_result(request, information);
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
        ? control(connection, &request, input, input_length, information)
        : overlapped_begin(overlapped, connection, &request, input, input_length, information);
    connection_release(connection);
    pthread_setcancelstate(state, NULL);
    return status;
}
