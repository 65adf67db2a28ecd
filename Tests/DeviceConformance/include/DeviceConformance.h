// The conformance test of the device: each rule of docs/device.md as a check, driven through a table of functions.
//
// A transport is a way to the device: in the same process, over the Unix socket, or through the C library. A bed is what
// is around the device: interfaces of its host, and the far ends of their cables. The rules know neither; they have to hold
// on every way. Each is run on a fresh bed.

#ifndef DEVICE_CONFORMANCE_H
#define DEVICE_CONFORMANCE_H

#include <stddef.h>
#include <stdint.h>

/// A handle of the transport; 0 is none.
typedef uint64_t conformance_handle;

/// A request that has been started, and may be under way.
struct conformance_request;

/// A way to the device. Every function may be called from several threads.
struct conformance_transport {
    const char *name;
    void *context;
    /// The largest input that the transport takes; 0 if it has no limit of its own.
    uint32_t largest_input;
    /// Opens a handle with an access (MARTLET_ACCESS_*). 0, and a status, if it is refused.
    conformance_handle (*open)(void *context, uint32_t access, uint32_t *status);
    /// Closes a handle.
    uint32_t (*close)(void *context, conformance_handle);
    uint32_t (*port_id)(void *context, conformance_handle);
    uint32_t (*access)(void *context, conformance_handle);
    /// Carries out an I/O control and waits for its end.
    uint32_t (*control)(void *context, conformance_handle, uint32_t code, const void *input, size_t input_length,
                        void *output, size_t output_size, uint32_t *information);
    /// Starts an I/O control, which may pend. Input and output stay until it has ended.
    struct conformance_request *(*start)(void *context, conformance_handle, uint32_t code, const void *input,
                                         size_t input_length, void *output, size_t output_size);
    /// The status of a request; MARTLET_STATUS_PENDING if it has not ended within the milliseconds (-1: waits for ever).
    uint32_t (*result)(void *context, struct conformance_request *, uint32_t *information, int milliseconds);
    /// Asks for the request to be cancelled. It may end otherwise meanwhile.
    uint32_t (*cancel)(void *context, struct conformance_request *);
    /// A descriptor that can be read when there may be news of the request.
    int (*descriptor)(void *context, struct conformance_request *);
    /// Forgets a request, which has ended.
    void (*release)(void *context, struct conformance_request *);
};

/// What is around the device.
struct conformance_bed {
    void *context;
    /// Makes an interface of the host.
    void (*plug)(void *context, const char *name, uint64_t mac, uint32_t mtu);
    /// Takes it away.
    void (*unplug)(void *context, const char *name);
    /// Sets whether its link is there.
    void (*set_carrier)(void *context, const char *name, int has_carrier);
    /// Switches it on or off.
    void (*set_up)(void *context, const char *name, int is_up);
    void (*set_mac)(void *context, const char *name, uint64_t mac);
    void (*set_mtu)(void *context, const char *name, uint32_t mtu);
    /// Gives it another name.
    void (*rename)(void *context, const char *name, const char *new_name);
    /// Sends a frame into the switch from the far end of an interface. When it returns the frame has crossed the switch.
    void (*send)(void *context, const char *name, const void *frame, size_t length);
    /// Takes the oldest frame that has come out of the switch at the far end of an interface.
    /// Returns its length, which may be more than `size`; 0 if there is none.
    size_t (*receive)(void *context, const char *name, void *frame, size_t size);
    /// Handles that are open at both devices.
    size_t (*open_handles)(void *context);
};

/// Takes the words of a failure: "transport: rule: expected … got …".
typedef void conformance_report(void *context, const char *failure);

/// What a rule needs of a transport.
enum {
    /// Handles that may only read.
    CONFORMANCE_NEEDS_READING = 1,
    /// A way to the legacy device, in the place of one to the Netlink device.
    CONFORMANCE_NEEDS_LEGACY = 2,
};

size_t conformance_rule_count(void);
/// The part of the interface that a rule is about.
const char *conformance_rule_topic(size_t rule);
/// The rule, in words.
const char *conformance_rule_name(size_t rule);
uint32_t conformance_rule_needs(size_t rule);

/// Checks one rule and reports everything that is not as it should be.
/// Returns how many expectations were looked at, so that a rule that looks at nothing can be told from one that holds.
size_t conformance_check(size_t rule, const struct conformance_transport *, const struct conformance_bed *,
                         conformance_report *, void *report_context);

#endif
