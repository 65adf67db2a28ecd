// What a rule is written with: handles, I/O controls, and expectations.
//
// Everything here belongs to the check of one rule. Handles that it opens and answers that it gets are given back when it
// ends.

#ifndef CHECK_H
#define CHECK_H

#include <stdarg.h>
#include <stdbool.h>

#include "DeviceConformance.h"
#include "Messages.h"

// As strict as the C of Martlet itself is compiled.
#pragma clang diagnostic error "-Wall"
#pragma clang diagnostic error "-Wextra"
#pragma clang diagnostic error "-Wconversion"
#pragma clang diagnostic error "-Wshadow"
#pragma clang diagnostic error "-Wstrict-prototypes"

// These names are this test's alone.
#pragma GCC visibility push(hidden)

/// The check of one rule under way.
struct check;

/// A rule: its name in words, and the function that looks whether it holds.
struct rule {
    const char *name;
    void (*check)(struct check *);
    uint32_t needs;
};

/// The rules of a topic.
struct topic {
    const char *name;
    const struct rule *rules;
    size_t count;
};

#define TOPIC(identifier, words, table) \
    const struct topic identifier = {words, table, sizeof(table) / sizeof *(table)}

// Expectations. Each says, when it is not so: "transport: rule: expected … got … (file, line)".

void expect_equal(struct check *, const char *file, int line, const char *what, long long got, long long expected);
void expect_true(struct check *, const char *file, int line, const char *what, bool is_so);
/// Words in front of all failures that follow, for rules that go through a table; NULL for none.
void in_case(struct check *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void no_case(struct check *);

#define EXPECT_EQUAL(got, expected) \
    expect_equal(check, __FILE__, __LINE__, #got, (long long)(got), (long long)(expected))
#define EXPECT(what) expect_true(check, __FILE__, __LINE__, #what, (what))

// Handles.

conformance_handle open_handle(struct check *);
/// A handle that may only read.
conformance_handle open_reader(struct check *);
void close_handle(struct check *, conformance_handle);
uint32_t port_id(struct check *, conformance_handle);

// I/O controls.

/// How an I/O control ended.
struct answer {
    uint32_t status;
    uint32_t information;
    /// What was put out; as long as `information` says if the status is success.
    const uint8_t *bytes;
};

/// Room for whatever a request may put out.
enum { LARGE = 65536 };

/// Carries out an I/O control. Whatever it is, nothing may be written behind what `information` tells, and nothing at all
/// if the call fails.
struct answer control(struct check *, conformance_handle, uint32_t code, const void *input, size_t input_length,
                      size_t capacity);
/// An I/O control that takes and gives nothing.
struct answer control_code(struct check *, conformance_handle, uint32_t code, size_t capacity);
struct answer transact_into(struct check *, conformance_handle, const struct message *, size_t capacity);
struct answer transact(struct check *, conformance_handle, const struct message *);
struct answer write_message(struct check *, conformance_handle, const struct message *);
struct answer subscribe(struct check *, conformance_handle, uint32_t queue, uint32_t group, uint32_t join);
struct answer read_event(struct check *, conformance_handle);
struct answer read_packet(struct check *, conformance_handle);

/// Reads with a code until there is nothing. Returns how many messages there were.
int drain(struct check *, conformance_handle, uint32_t code);

static inline struct answer join(struct check *check, conformance_handle handle, uint32_t group) {
    return subscribe(check, handle, MARTLET_QUEUE_EVENT, group, 1);
}
static inline struct answer leave(struct check *check, conformance_handle handle, uint32_t group) {
    return subscribe(check, handle, MARTLET_QUEUE_EVENT, group, 0);
}
static inline struct answer join_packets(struct check *check, conformance_handle handle) {
    return subscribe(check, handle, MARTLET_QUEUE_PACKET, 0, 1);
}

/// The first message put out; NULL if there is none.
const struct nlmsghdr *first(struct answer);
/// The message behind another.
const struct nlmsghdr *behind(struct answer, const struct nlmsghdr *);

void expect_call(struct check *, const char *file, int line, struct answer, uint32_t status, uint32_t information);
void expect_nothing(struct check *, const char *file, int line, struct answer);
void expect_reply(struct check *, const char *file, int line, struct answer, const struct message *request);
void expect_error(struct check *, const char *file, int line, struct answer, const struct message *request, int error);
/// A message that is the error, or with error 0 the acknowledgement, of a request.
void expect_error_message(struct check *, const char *file, int line, const struct nlmsghdr *,
                          const struct message *request, int error);

/// The call ended with this status and this information.
#define EXPECT_CALL(answer, status, information) \
    expect_call(check, __FILE__, __LINE__, answer, status, (uint32_t)(information))
/// The call was a success that puts nothing out.
#define EXPECT_NOTHING(answer) expect_nothing(check, __FILE__, __LINE__, answer)
/// The output is one reply, of the request's family and with its sequence number.
#define EXPECT_REPLY(answer, request) expect_reply(check, __FILE__, __LINE__, answer, request)
/// The output is one NLMSG_ERROR with this (positive) error, or with 0 one acknowledgement.
#define EXPECT_ERROR(answer, request, error) expect_error(check, __FILE__, __LINE__, answer, request, error)
#define EXPECT_ERROR_MESSAGE(message, request, error) \
    expect_error_message(check, __FILE__, __LINE__, message, request, error)

// Requests that may pend.

/// Starts an I/O control that may pend.
struct conformance_request *start(struct check *, conformance_handle, uint32_t code, const void *input, size_t length);
struct conformance_request *start_pend(struct check *, conformance_handle, uint32_t queue);
/// The status after so many milliseconds at most.
struct answer result(struct check *, struct conformance_request *, int milliseconds);
void cancel(struct check *, struct conformance_request *);
int descriptor(struct check *, struct conformance_request *);
/// Whether the request is under way at the device, and not only on its way there.
bool is_pended(struct check *, conformance_handle, struct conformance_request *);

/// Milliseconds in which whatever is going to happen has happened.
enum { SOON = 10000 };
/// Milliseconds that are looked at for something that must not happen.
enum { MOMENT = 20 };

// The bed.

void plug(struct check *, const char *name);
void unplug(struct check *, const char *name);
void set_carrier(struct check *, const char *name, bool has_carrier);
void plug_with(struct check *, const char *name, uint64_t mac, uint32_t mtu);
void set_up(struct check *, const char *name, bool is_up);
void set_mac(struct check *, const char *name, uint64_t mac);
void set_mtu(struct check *, const char *name, uint32_t mtu);
void rename_interface(struct check *, const char *name, const char *new_name);
/// Sends a frame of this length into an interface.
void send_frame(struct check *, const char *name, size_t length, uint16_t source);
/// The length of the oldest frame that came out at an interface; 0 if there is none.
size_t receive_frame(struct check *, const char *name, uint8_t *frame, size_t size);
size_t open_handles(struct check *);
bool has_handles(struct check *, size_t count);

/// A datapath. Returns the interface index of its LOCAL port.
int32_t make_datapath(struct check *, conformance_handle, const char *name);
/// Plugs an interface and attaches it. Returns its port number.
uint32_t add_port(struct check *, conformance_handle, int32_t datapath, const char *name, uint32_t upcalls);
/// Adds flows with the sources 0 to `count` - 1.
void add_flows(struct check *, conformance_handle, int32_t datapath, int count);

/// All that the device knows, to be compared: the dumps of datapaths, vports, flows and meters.
struct answer snapshot(struct check *, conformance_handle, int32_t datapath);
bool is_same(struct answer, struct answer);

/// A dump to its end, with buffers of this size, as one run of messages. The last is the end of the dump.
struct answer dump_all(struct check *, conformance_handle, const struct message *request, size_t capacity);
/// One step of a dump: the cursor is read and written.
struct answer dump_step(struct check *, conformance_handle, const struct message *request, uint8_t cursor[16],
                        size_t capacity);

/// Memory that is given back at the end of the rule.
void *keep(struct check *, size_t size);

/// The transport's largest input, or 0.
uint32_t largest_input(struct check *);

#pragma GCC visibility pop

#endif
