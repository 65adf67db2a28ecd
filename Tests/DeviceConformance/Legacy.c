// The legacy device: three codes without Netlink, on a device of its own.

#include "Check.h"

#include <string.h>

#include <martlet/device.h>

static const struct {
    uint32_t code, size;
} known[] = {{MARTLET_IOCTL_GET_PORT_ID, 4}, {MARTLET_IOCTL_GET_VERSION, 4},
             {MARTLET_IOCTL_GET_STATISTICS, MARTLET_STATISTICS_SIZE}};
enum { KNOWN = sizeof known / sizeof *known };

static void answers(struct check *check) {
    conformance_handle handle = open_reader(check);
    struct answer answer = control_code(check, handle, MARTLET_IOCTL_GET_PORT_ID, 4);
    uint32_t number = 0;
    EXPECT_CALL(answer, MARTLET_STATUS_SUCCESS, 4);
    memcpy(&number, answer.bytes, 4);
    EXPECT_EQUAL(number, port_id(check, handle));
    EXPECT(number >= 1u << 29 && number < 1u << 30);
    answer = control_code(check, handle, MARTLET_IOCTL_GET_VERSION, 4);
    EXPECT_CALL(answer, MARTLET_STATUS_SUCCESS, 4);
    memcpy(&number, answer.bytes, 4);
    EXPECT_EQUAL(number, 1);
}

static void statistics(struct check *check) {
    conformance_handle handle = open_reader(check);
    struct martlet_statistics first, second;
    struct answer answer = control_code(check, handle, MARTLET_IOCTL_GET_STATISTICS, LARGE);
    EXPECT_CALL(answer, MARTLET_STATUS_SUCCESS, sizeof first);
    memcpy(&first, answer.bytes, sizeof first);
    EXPECT_EQUAL(first.size, sizeof first);
    EXPECT_EQUAL(first.version, 1);
    EXPECT_EQUAL(first.datapaths + first.vports + first.flows + first.masks, 0);
    EXPECT_EQUAL(first.hit + first.missed + first.lost, 0);
    EXPECT_EQUAL(first.handles, 0);
    EXPECT_EQUAL(first.legacy_handles, 1);
    open_reader(check);
    open_reader(check);
    answer = control_code(check, handle, MARTLET_IOCTL_GET_STATISTICS, sizeof second);
    memcpy(&second, answer.bytes, sizeof second);
    EXPECT_EQUAL(second.legacy_handles, 3);
    EXPECT(second.uptime >= first.uptime);
}

static void short_outputs(struct check *check) {
    conformance_handle handle = open_reader(check);
    for (size_t each = 0; each < KNOWN; each++) {
        in_case(check, "code 0x%08x", known[each].code);
        for (size_t capacity = 0; capacity < known[each].size; capacity++)
            EXPECT_CALL(control_code(check, handle, known[each].code, capacity), MARTLET_STATUS_INVALID_LENGTH,
                        known[each].size);
        EXPECT_CALL(control_code(check, handle, known[each].code, 8 << 20), MARTLET_STATUS_SUCCESS, known[each].size);
    }
}

static void inputs_do_not_matter(struct check *check) {
    conformance_handle handle = open_reader(check);
    uint8_t *input = keep(check, 128 << 10);
    for (size_t each = 0; each < KNOWN; each++) {
        in_case(check, "code 0x%08x", known[each].code);
        EXPECT_CALL(control(check, handle, known[each].code, input, 1, LARGE), MARTLET_STATUS_SUCCESS,
                    known[each].size);
        EXPECT_CALL(control(check, handle, known[each].code, input, 128 << 10, LARGE), MARTLET_STATUS_SUCCESS,
                    known[each].size);
    }
}

static void no_netlink(struct check *check) {
    conformance_handle handle = open_reader(check);
    static const uint32_t codes[] = {
        MARTLET_IOCTL_TRANSACT, MARTLET_IOCTL_DUMP, MARTLET_IOCTL_SUBSCRIBE, MARTLET_IOCTL_PEND, MARTLET_IOCTL_CANCEL,
        MARTLET_IOCTL_READ_EVENT, MARTLET_IOCTL_READ_PACKET, MARTLET_IOCTL_WRITE, MARTLET_IOCTL_READ,
        MARTLET_IOCTL_NETLINK_OPEN, MARTLET_IOCTL_NETLINK_BIND, MARTLET_IOCTL_NETLINK_SEND,
        MARTLET_IOCTL_NETLINK_PULL, MARTLET_IOCTL_NETLINK_FORWARD, 0, 0xafc86084, UINT32_MAX,
    };
    struct message request_ = new_datapath("br0", NLM_F_ACK);
    for (size_t each = 0; each < sizeof codes / sizeof *codes; each++) {
        in_case(check, "code 0x%08x", codes[each]);
        EXPECT_CALL(control_code(check, handle, codes[each], LARGE), MARTLET_STATUS_INVALID_DEVICE_REQUEST, 0);
        EXPECT_CALL(control(check, handle, codes[each], request_.bytes, header(&request_)->nlmsg_len, LARGE),
                    MARTLET_STATUS_INVALID_DEVICE_REQUEST, 0);
    }
}

static void handles(struct check *check) {
    uint32_t last = 0;
    for (int round = 0; round < 300; round++) {
        conformance_handle handle = open_reader(check);
        EXPECT(port_id(check, handle) > last);
        last = port_id(check, handle);
        close_handle(check, handle);
    }
}

/// Whoever may connect may read.
enum { LEGACY = CONFORMANCE_NEEDS_LEGACY | CONFORMANCE_NEEDS_READING };

static const struct rule rules[] = {
    {"getPortID and getVersion", answers, LEGACY},
    {"getStatistics: the structure, and what it counts", statistics, LEGACY},
    {"an output buffer that is too small is invalidLength and the size", short_outputs, LEGACY},
    {"inputs are not looked at", inputs_do_not_matter, LEGACY},
    {"codes of the Netlink device and of its door are invalidDeviceRequest", no_netlink, LEGACY},
    {"handles come and go, and port IDs are not used again", handles, LEGACY},
};

TOPIC(legacy_topic, "the legacy device", rules);
