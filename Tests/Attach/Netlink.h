// Generic netlink as a program speaks it, and what a test needs to say that something is not as it should be.

#ifndef ATTACH_TEST_NETLINK_H
#define ATTACH_TEST_NETLINK_H

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

// Ends the program, unless the condition holds, with the line and errno.
#define EXPECT(condition) ((condition) ? (void)0 : unexpected(__FILE__, __LINE__, #condition))
// The same for two numbers, which are shown.
#define EXPECT_EQUAL(left, right) expect_equal(__FILE__, __LINE__, #left, (long long)(left), (long long)(right))
// The same for a call that fails with this error.
#define EXPECT_FAILS(call, error) ((void)(errno = 0), EXPECT((call) == -1), EXPECT_EQUAL(errno, error))

_Noreturn void unexpected(const char *file, int line, const char *what);
void expect_equal(const char *file, int line, const char *what, long long left, long long right);

// A request that grows; the sequence number is one that no other has.
struct request {
    _Alignas(8) uint8_t bytes[4096];
    size_t length;
};

void request_begin(struct request *request, uint16_t type, uint16_t flags, uint8_t command);
void request_put(struct request *request, uint16_t attribute, const void *payload, size_t length);
void request_put_u32(struct request *request, uint16_t attribute, uint32_t number);
void request_put_string(struct request *request, uint16_t attribute, const char *string);
// Attributes put between begin and end are nested in this one.
size_t request_nest(struct request *request, uint16_t attribute);
void request_nest_end(struct request *request, size_t nest);
uint32_t request_sequence(const struct request *request);

// The payload of an attribute behind `header_length` bytes of a message; NULL if there is none.
const void *attribute(const void *message, size_t header_length, uint16_t type, size_t *length);

// A generic netlink socket with a port ID.
int open_socket(void);
uint32_t port_id(int socket);

// Sends a request and receives what has been queued then, as Open vSwitch does it. Returns the length of the reply, 0 if
// there is none; or -errno of an error message, 0 if it is an acknowledgement.
ssize_t transact(int socket, struct request *request, void *reply, size_t size);

// The number of a family; -errno if there is none.
int family_id(int socket, const char *name);
void request_family(struct request *request, const char *name);

// Nanoseconds of the monotonic clock.
double now(void);

#endif
