// The bytes that travel over Martlet's Unix socket, as far as this library uses them (docs/device.md). All numbers are
// in host byte order.

#ifndef CATTACH_DOOR_H
#define CATTACH_DOOR_H

#include <assert.h>
#include <stdint.h>

#define DOOR_DEFAULT_PATH "/run/martlet/device.sock"
#define DOOR_MAGIC "MARTLET"  // and its zero: eight bytes
#define DOOR_VERSION 1u
#define DOOR_LARGEST_INPUT 131072u

struct door_greeting {
    char magic[8];
    uint32_t version;
    uint32_t status;
    uint32_t port_id;
    uint32_t access;
    uint32_t largest_input;
    uint32_t largest_output;
};

struct door_request {
    uint32_t tag;
    uint32_t code;
    uint32_t output_size;
    uint32_t input_length;
};

struct door_answer {
    uint32_t tag;
    uint32_t status;
    uint32_t information;
    uint32_t output_length;
};

enum door_status {
    DOOR_SUCCESS = 0,
    DOOR_INVALID_PARAMETER = 0xc000000d,
    DOOR_INVALID_REQUEST = 0xc0000010,
    DOOR_ACCESS_DENIED = 0xc0000022,
    DOOR_NO_RESOURCES = 0xc000009a,
};

// The I/O controls.
enum door_code {
    DOOR_SUBSCRIBE = 0xafc86004,
    DOOR_NETLINK_OPEN = 0xafc86040,
    DOOR_NETLINK_BIND = 0xafc86044,
    DOOR_NETLINK_SEND = 0xafc86048,
    DOOR_NETLINK_PULL = 0xafc8604c,
    DOOR_NETLINK_FORWARD = 0xafc86050,
    DOOR_NETLINK_PACK = 0xafc86054,
};

#define DOOR_NONCE_SIZE 16
#define DOOR_CURSOR_SIZE 16

// The answer to DOOR_NETLINK_OPEN.
struct door_opened {
    uint32_t port_id;  // of Martlet's own netlink socket
    uint32_t reserved;
    uint64_t namespace_device;  // st_dev and st_ino of Martlet's network namespace
    uint64_t namespace_inode;
    uint8_t nonce[DOOR_NONCE_SIZE];
};

struct door_subscription {
    uint32_t queue;  // 0: events
    uint32_t group;  // the device's number
    uint32_t join;
};

// What clients see as the device's family and group numbers begins here; numbers below are the kernel's.
#define DOOR_FIRST_NUMBER 1024u

// Upcalls: the device's number of ovs_packet, and the most bytes of a datagram that has several of them.
#define DOOR_PACKET_FAMILY (DOOR_FIRST_NUMBER + 19u)
#define DOOR_LARGEST_PACK 4096u

// Flags of DOOR_NETLINK_SEND and DOOR_NETLINK_PULL.
#define DOOR_EXTENDED_ACK 1u
#define DOOR_CAPPED_ACK 2u
#define DOOR_DUMP_UNDER_WAY 4u

// In front of the datagram in DOOR_NETLINK_SEND.
struct door_send {
    uint32_t flags;
    uint32_t piece_size;  // bytes of a dump's piece
};

// Flags of the answers.
#define DOOR_NO_ROOM 1u   // the client's receive queue is full
#define DOOR_KERNELS 2u   // the message at `consumed` is the kernel's to answer
#define DOOR_DUMP_BEGUN 4u

struct door_sent {
    uint32_t consumed;
    uint32_t flags;
    uint32_t request_offset;  // of the dump's request in the datagram
    uint32_t request_length;
    uint8_t cursor[DOOR_CURSOR_SIZE];  // zero: the dump is complete
};

// In front of the dump's request in DOOR_NETLINK_PULL.
struct door_pull {
    uint32_t flags;
    uint32_t piece_size;
    uint8_t cursor[DOOR_CURSOR_SIZE];
};

struct door_pulled {
    uint32_t flags;
    uint32_t reserved;
    uint8_t cursor[DOOR_CURSOR_SIZE];
};

static_assert(sizeof(struct door_greeting) == 32, "the greeting has 32 bytes");
static_assert(sizeof(struct door_opened) == 40, "the answer to open has 40 bytes");
static_assert(sizeof(struct door_sent) == 32, "the answer to send has 32 bytes");
static_assert(sizeof(struct door_pulled) == 24, "the answer to pull has 24 bytes");

#endif
