// The last error of a thread.

#ifndef CDEVICE_ERROR_H
#define CDEVICE_ERROR_H

#include <stdint.h>

#include "Device.h"

#define ERROR_TEXT_SIZE 512

// Keeps a status and a sentence, as printf makes it, as the calling thread's last error. Returns the status.
uint32_t martlet_fail(uint32_t status, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
