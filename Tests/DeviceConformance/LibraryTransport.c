// The C library, as a program uses it.

#include <martlet/device.h>
#include <stdlib.h>

#include "Rights.h"
#include "Transports.h"

struct conformance_request {
    martlet_overlapped *overlapped;
    /// How it ended if it was not even sent; else pending.
    uint32_t status, information;
};

struct attempt {
    const char *path;
    martlet_handle handle;
    uint32_t status;
};

static void open_device(void *argument) {
    struct attempt *attempt = argument;
    attempt->handle = martlet_device_open(attempt->path);
    // The last error is that of this thread.
    attempt->status = attempt->handle == 0 ? martlet_last_error() : MARTLET_STATUS_SUCCESS;
}

static conformance_handle open_handle(void *context, uint32_t access, uint32_t *status) {
    struct attempt attempt = {.path = context};
    if (access == MARTLET_ACCESS_READ) without_rights(open_device, &attempt);
    else open_device(&attempt);
    *status = attempt.status;
    return attempt.handle;
}

static uint32_t close_handle(void *context, conformance_handle handle) {
    (void)context;
    return martlet_device_close(handle);
}

static uint32_t port_id(void *context, conformance_handle handle) {
    (void)context;
    return martlet_device_port_id(handle);
}

static uint32_t access_of(void *context, conformance_handle handle) {
    (void)context;
    return martlet_device_access(handle);
}

static uint32_t control(void *context, conformance_handle handle, uint32_t code, const void *input,
                        size_t input_length, void *output, size_t output_size, uint32_t *information) {
    (void)context;
    return martlet_device_control(handle, code, input, input_length, output, output_size, information, NULL);
}

static struct conformance_request *start(void *context, conformance_handle handle, uint32_t code, const void *input,
                                         size_t input_length, void *output, size_t output_size) {
    (void)context;
    struct conformance_request *request = calloc(1, sizeof *request);
    if (request == NULL || (request->overlapped = martlet_overlapped_create()) == NULL) abort();
    request->status = martlet_device_control(handle, code, input, input_length, output, output_size,
                                             &request->information, request->overlapped);
    return request;
}

static uint32_t result(void *context, struct conformance_request *request, uint32_t *information, int milliseconds) {
    (void)context;
    *information = request->information;
    if (request->status != MARTLET_STATUS_PENDING) return request->status;
    return martlet_overlapped_result(request->overlapped, information, milliseconds);
}

static uint32_t cancel(void *context, struct conformance_request *request) {
    (void)context;
    return martlet_overlapped_cancel(request->overlapped);
}

static int descriptor(void *context, struct conformance_request *request) {
    (void)context;
    return martlet_overlapped_descriptor(request->overlapped);
}

static void release(void *context, struct conformance_request *request) {
    (void)context;
    martlet_overlapped_destroy(request->overlapped);
    free(request);
}

struct conformance_transport conformance_library_transport(const char *path) {
    return (struct conformance_transport){
        .name = "C library",
        .context = (void *)(uintptr_t)path,
        .largest_input = MARTLET_LARGEST_INPUT,
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
