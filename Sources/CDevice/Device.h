// The public header, as the library itself sees it: what it declares is all that the shared library exports.

#ifndef CDEVICE_DEVICE_H
#define CDEVICE_DEVICE_H

#define MARTLET_API __attribute__((visibility("default")))

#include "martlet/device.h"

#endif
