// Reading events and upcalls, and their loss.

#include "Check.h"

#include <string.h>

/// Of each queue, its reading code.
static const uint32_t codes[] = {MARTLET_IOCTL_READ_EVENT, MARTLET_IOCTL_READ_PACKET};

/// A handle with both queues, and port p1 whose misses come to both: as events of group 104, and as upcalls.
static conformance_handle make_reader(struct check *check) {
    conformance_handle handle = open_handle(check);
    int32_t datapath = make_datapath(check, handle, "br0");
    add_port(check, handle, datapath, "p1", port_id(check, handle));
    EXPECT_NOTHING(join(check, handle, MARTLET_GROUP_PACKET));
    EXPECT_NOTHING(join_packets(check, handle));
    return handle;
}

/// The frame inside an upcall: its length, and the last byte of its source address.
static size_t frame_of(struct answer upcall, uint8_t *source) {
    const struct nlattr *packet = attribute(first(upcall), OVS_PACKET_ATTR_PACKET);
    if (packet == NULL || payload_length(packet) < 14) return 0;
    *source = ((const uint8_t *)payload(packet))[11];
    return payload_length(packet);
}

static void nothing_there(struct check *check) {
    conformance_handle handle = open_handle(check);
    for (int joined = 0; joined < 2; joined++) {
        for (int queue = 0; queue < 2; queue++) {
            in_case(check, "queue %d, %s", queue, joined ? "empty" : "not subscribed to");
            EXPECT_NOTHING(control_code(check, handle, codes[queue], ERROR_SIZE));
            EXPECT_NOTHING(control_code(check, handle, codes[queue], LARGE));
        }
        EXPECT_NOTHING(join(check, handle, MARTLET_GROUP_VPORT));
        EXPECT_NOTHING(join_packets(check, handle));
    }
}

static void small_buffers(struct check *check) {
    conformance_handle handle = make_reader(check);
    send_frame(check, "p1", 100, 1);
    for (int queue = 0; queue < 2; queue++) {
        in_case(check, "queue %d", queue);
        for (size_t capacity = 0; capacity < ERROR_SIZE; capacity++)
            EXPECT_CALL(control_code(check, handle, codes[queue], capacity), MARTLET_STATUS_INVALID_LENGTH,
                        ERROR_SIZE);
        struct answer refusal = control_code(check, handle, codes[queue], ERROR_SIZE);
        EXPECT_EQUAL(refusal.status, MARTLET_STATUS_BUFFER_TOO_SMALL);
        EXPECT(refusal.information > 100);
        EXPECT_CALL(control_code(check, handle, codes[queue], refusal.information - 4),
                    MARTLET_STATUS_BUFFER_TOO_SMALL, refusal.information);
        // The message has stayed, whole.
        struct answer message = control_code(check, handle, codes[queue], refusal.information);
        EXPECT_CALL(message, MARTLET_STATUS_SUCCESS, refusal.information);
        uint8_t source = 0;
        EXPECT_EQUAL(frame_of(message, &source), 100);
        EXPECT_NOTHING(control_code(check, handle, codes[queue], LARGE));
    }
}

static void order(struct check *check) {
    conformance_handle handle = make_reader(check);
    for (uint16_t each = 0; each < 200; each++) send_frame(check, "p1", 60u + each, each);
    for (int queue = 0; queue < 2; queue++) {
        for (size_t each = 0; each < 200; each++) {
            in_case(check, "queue %d, message %zu", queue, each);
            uint8_t source = 0;
            struct answer message = control_code(check, handle, codes[queue], LARGE);
            EXPECT_EQUAL(count_messages(message.bytes, message.information), 1);
            EXPECT_EQUAL(frame_of(message, &source), 60 + each);
            EXPECT_EQUAL(source, each);
        }
        EXPECT_NOTHING(control_code(check, handle, codes[queue], LARGE));
    }
}

static void overflow(struct check *check) {
    conformance_handle handle = make_reader(check);
    // 4 MiB hold some 69 upcalls of this length.
    enum { SENT = 100, LENGTH = 60000 };
    for (uint16_t each = 0; each < SENT; each++) send_frame(check, "p1", LENGTH, each);
    for (int queue = 0; queue < 2; queue++) {
        in_case(check, "queue %d", queue);
        // The loss comes first, once, with the number of messages; whatever the buffer is.
        struct answer loss = control_code(check, handle, codes[queue], ERROR_SIZE);
        EXPECT_EQUAL(loss.status, MARTLET_STATUS_OVERFLOW);
        uint32_t lost = loss.information, count = 0;
        EXPECT(lost > 20 && lost < 50);
        // Then the oldest, in order; what was lost is what came last.
        for (;; count++) {
            struct answer message = control_code(check, handle, codes[queue], 72 << 10);
            if (message.information == 0 || count > SENT) break;
            uint8_t source = 0;
            EXPECT_EQUAL(message.status, MARTLET_STATUS_SUCCESS);
            EXPECT_EQUAL(frame_of(message, &source), LENGTH);
            EXPECT_EQUAL(source, count);
        }
        EXPECT_EQUAL(count + lost, SENT);
    }
    no_case(check);
    // It goes on as before, and another loss is told again.
    send_frame(check, "p1", 60, 1);
    EXPECT(read_packet(check, handle).information > 0);
    for (uint16_t each = 0; each < SENT; each++) send_frame(check, "p1", LENGTH, each);
    EXPECT_EQUAL(read_packet(check, handle).status, MARTLET_STATUS_OVERFLOW);
    EXPECT_EQUAL(read_packet(check, handle).status, MARTLET_STATUS_SUCCESS);
}

static void losses_are_ones_own(struct check *check) {
    conformance_handle handle = make_reader(check), other = open_handle(check);
    EXPECT_NOTHING(join(check, other, MARTLET_GROUP_PACKET));
    for (uint16_t each = 0; each < 100; each++) {
        send_frame(check, "p1", 60000, each);
        // This one reads in time.
        EXPECT(control_code(check, other, MARTLET_IOCTL_READ_EVENT, 72 << 10).information > 60000);
    }
    EXPECT_EQUAL(read_event(check, handle).status, MARTLET_STATUS_OVERFLOW);
    EXPECT_NOTHING(read_event(check, other));
}

static void largest_upcall(struct check *check) {
    conformance_handle handle = make_reader(check);
    send_frame(check, "p1", 65000, 1);
    uint8_t source = 0;
    EXPECT_EQUAL(frame_of(control_code(check, handle, MARTLET_IOCTL_READ_PACKET, 72 << 10), &source), 65000);
}

static const struct rule rules[] = {
    {"a read with nothing there is a success without output", nothing_there, 0},
    {"a buffer that is too small leaves the message where it is and tells its size", small_buffers, 0},
    {"each read gives one message, the oldest", order, 0},
    {"a loss is told once, with its number, before the oldest message that is left", overflow, 0},
    {"who reads in time loses nothing, whatever others do", losses_are_ones_own, 0},
    {"72 KiB hold any upcall", largest_upcall, 0},
};

TOPIC(reading_topic, "reading", rules);
