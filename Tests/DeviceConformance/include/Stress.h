// Handles under load.

#ifndef CONFORMANCE_STRESS_H
#define CONFORMANCE_STRESS_H

#include "DeviceConformance.h"

/// What a wave of handles came to.
struct stress_figures {
    /// Handles that were opened.
    size_t opened;
    /// Pended requests that completed, and that were cancelled by a request or with their handle.
    size_t completed, cancelled;
    /// Events and upcalls that were read.
    size_t read;
    /// Handles that were open at the device at the most.
    size_t most;
    /// Anything that was not as it should be.
    size_t failures;
};

/// Opens handles, as many at once as `count` says, joins groups and queues with them, and pends on both queues of each. While
/// frames flow from p1 and p2, whose misses go to two of the handles and to all that watch, some requests are cancelled, some
/// complete and their messages are read. At last a third of the handles is closed as it should be, a third is dropped with
/// requests pended and messages unread, and a third leaves in the middle of a datagram that nobody will answer.
///
/// The transport is the Unix socket, at this path. Interfaces p1 and p2 must not be there yet, nor a datapath br0; the
/// datapath is gone at the end.
void conformance_stress(const char *path, const struct conformance_bed *, size_t count, struct stress_figures *);

#endif
