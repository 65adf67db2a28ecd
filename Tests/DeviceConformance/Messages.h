// Netlink messages: building requests, and finding one's way in answers.

#ifndef MESSAGES_H
#define MESSAGES_H

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/openvswitch.h>
#include <martlet/device-numbers.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// These names are this test's alone.
#pragma GCC visibility push(hidden)

/// Bytes in front of the attributes: nlmsghdr, genlmsghdr, struct ovs_header.
enum { ATTRIBUTES = 24 };
/// Bytes of an error that carries the request's header and nothing more.
enum { ERROR_SIZE = 36 };

/// The flags of a dump's request.
enum { DUMP = NLM_F_REQUEST | NLM_F_DUMP };

/// A message under construction. Its length is in its header.
struct message {
    _Alignas(8) uint8_t bytes[4096];
};

static inline struct nlmsghdr *header(struct message *message) { return (struct nlmsghdr *)message->bytes; }
static inline const struct nlmsghdr *header_of(const struct message *message) {
    return (const struct nlmsghdr *)message->bytes;
}

/// A message of a family, with the family's version and a sequence number of its own.
struct message message(uint16_t family, uint8_t command, uint16_t flags, int32_t datapath);
/// The same, with the flag of a request.
struct message request(uint16_t family, uint8_t command, uint16_t flags, int32_t datapath);

void put(struct message *, uint16_t attribute, const void *payload, size_t length);
void put_u8(struct message *, uint16_t attribute, uint8_t);
void put_u16(struct message *, uint16_t attribute, uint16_t);
void put_u32(struct message *, uint16_t attribute, uint32_t);
void put_string(struct message *, uint16_t attribute, const char *);
/// Begins a nest; what is put next is inside it.
size_t nest(struct message *, uint16_t attribute);
void end_nest(struct message *, size_t nest);

/// The part of a message behind the three headers.
static inline int32_t datapath_of(const struct nlmsghdr *message) {
    return *(const int32_t *)((const uint8_t *)message + 20);
}
static inline const struct genlmsghdr *generic_of(const struct nlmsghdr *message) {
    return (const struct genlmsghdr *)((const uint8_t *)message + NLMSG_HDRLEN);
}

/// An attribute of a message of a family; NULL if it has none of this type.
const struct nlattr *attribute(const struct nlmsghdr *, uint16_t type);
/// An attribute in a nest.
const struct nlattr *nested(const struct nlattr *, uint16_t type);
static inline const void *payload(const struct nlattr *attribute) { return attribute + 1; }
static inline size_t payload_length(const struct nlattr *attribute) { return attribute->nla_len - sizeof *attribute; }
/// The attribute's number; 0 if the attribute is not there, or shorter.
uint32_t u32_of(const struct nlattr *);
/// Whether the attribute is there and is this string, with its NUL.
bool is_string(const struct nlattr *, const char *);

/// An attribute of the extended acknowledgement; NULL if there is none.
const struct nlattr *extended(const struct nlmsghdr *error, uint16_t type);
/// The number in an error or at the end of a dump.
static inline int32_t error_of(const struct nlmsghdr *message) {
    return *(const int32_t *)((const uint8_t *)message + NLMSG_HDRLEN);
}

/// Walks over the messages in a run of bytes: the first, and those behind another.
/// NULL at the end, and where a length lies.
const struct nlmsghdr *next_message(const void *bytes, size_t length, const struct nlmsghdr *previous);
/// How many messages there are; -1 if the bytes are not whole messages and nothing else.
int count_messages(const void *bytes, size_t length);

// Messages that many rules need.

struct message get_datapath(const char *name);
struct message new_datapath(const char *name, uint16_t flags);
struct message new_vport(int32_t datapath, const char *name, uint32_t port_id, uint16_t flags);
struct message get_vport(int32_t datapath, uint32_t number, uint16_t flags);
/// A flow for frames of an Ethernet source address and EtherType 0x1234 from port 1, with its mask and an output action.
/// - source: the last two bytes of the address.
struct message flow(uint8_t command, int32_t datapath, uint16_t source, uint16_t flags);
/// Puts the key of such a flow.
void put_flow_key(struct message *, uint16_t attribute, uint16_t source);
/// Puts actions: one output.
void put_output(struct message *, uint16_t attribute, uint32_t port);

/// A frame that such a flow takes: Ethernet header and `length` - 14 bytes.
void make_frame(uint8_t *frame, size_t length, uint16_t source);

#pragma GCC visibility pop

#endif
