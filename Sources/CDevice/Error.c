#include "Error.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local uint32_t last_status;
static _Thread_local char last_text[ERROR_TEXT_SIZE];

uint32_t martlet_fail(uint32_t status, const char *format, ...) {
    last_status = status;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(last_text, sizeof last_text, format, arguments);
    va_end(arguments);
    return status;
}

uint32_t martlet_last_error(void) { return last_status; }

const char *martlet_last_error_text(void) { return last_text; }

const char *martlet_status_text(uint32_t status) {
    switch (status) {
        case MARTLET_STATUS_SUCCESS: return "done";
        case MARTLET_STATUS_PENDING: return "the request is under way";
        case MARTLET_STATUS_INVALID_PARAMETER: return "the request is not one this I/O control takes";
        case MARTLET_STATUS_INVALID_DEVICE_REQUEST: return "there is no such I/O control";
        case MARTLET_STATUS_ACCESS_DENIED: return "this needs root or membership in the group of the device's socket";
        case MARTLET_STATUS_BUFFER_TOO_SMALL: return "the output buffer is too small";
        case MARTLET_STATUS_INVALID_LENGTH: return "input or output is shorter than this I/O control demands";
        case MARTLET_STATUS_INSUFFICIENT_RESOURCES: return "there are no more handles, descriptors or memory";
        case MARTLET_STATUS_DEVICE_BUSY: return "a request is pended on this handle already";
        case MARTLET_STATUS_CANCELLED: return "the request was cancelled, or its handle closed";
        case MARTLET_STATUS_NOT_FOUND: return "the device is gone, or was never there";
        case MARTLET_STATUS_OVERFLOW: return "the queue was full and messages were lost";
        case MARTLET_STATUS_INVALID_HANDLE: return "the handle is closed, or was never opened by this process";
        case MARTLET_STATUS_PROTOCOL_ERROR: return "what the other side sends is not what a device sends";
        default: return "a status that this library does not know";
    }
}
