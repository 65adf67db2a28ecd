// The I/O controls themselves: codes, buffers, and what needs no Netlink.

#include "Check.h"

#include <string.h>

/// Every code of the device, the smallest output that it takes, and an input that is right for it.
static const struct {
    uint32_t code, least;
} codes[] = {
    {MARTLET_IOCTL_GET_PORT_ID, 4}, {MARTLET_IOCTL_GET_VERSION, 4}, {MARTLET_IOCTL_TRANSACT, 36},
    {MARTLET_IOCTL_DUMP, 52},       {MARTLET_IOCTL_SUBSCRIBE, 0},   {MARTLET_IOCTL_PEND, 0},
    {MARTLET_IOCTL_CANCEL, 0},      {MARTLET_IOCTL_READ_EVENT, 36}, {MARTLET_IOCTL_READ_PACKET, 36},
    {MARTLET_IOCTL_WRITE, 0},       {MARTLET_IOCTL_READ, 36},
};
enum { CODES = sizeof codes / sizeof *codes };

/// Carries out a code with an input that is right for it.
static struct answer carry_out(struct check *check, conformance_handle handle, uint32_t code, size_t capacity) {
    struct message dump = message(MARTLET_FAMILY_DATAPATH, OVS_DP_CMD_GET, DUMP, 0);
    const uint32_t subscription[] = {MARTLET_QUEUE_EVENT, MARTLET_GROUP_VPORT, 0}, queue = MARTLET_QUEUE_EVENT;
    uint8_t cursor_and_dump[16 + ATTRIBUTES] = {0};
    memcpy(cursor_and_dump + 16, dump.bytes, ATTRIBUTES);
    struct message get = get_datapath("br0");
    switch (code) {
    case MARTLET_IOCTL_TRANSACT: return transact_into(check, handle, &get, capacity);
    case MARTLET_IOCTL_DUMP:
        return control(check, handle, code, cursor_and_dump, sizeof cursor_and_dump, capacity);
    case MARTLET_IOCTL_SUBSCRIBE:
        return control(check, handle, code, subscription, sizeof subscription, capacity);
    case MARTLET_IOCTL_PEND: return control(check, handle, code, &queue, sizeof queue, capacity);
    case MARTLET_IOCTL_WRITE: return control(check, handle, code, dump.bytes, ATTRIBUTES, capacity);
    case MARTLET_IOCTL_READ:
        EXPECT_NOTHING(write_message(check, handle, &dump));
        return control_code(check, handle, code, capacity);
    default: return control_code(check, handle, code, capacity);
    }
}

static void get_port_id(struct check *check) {
    conformance_handle handle = open_handle(check);
    struct answer answer = control_code(check, handle, MARTLET_IOCTL_GET_PORT_ID, 4);
    EXPECT_CALL(answer, MARTLET_STATUS_SUCCESS, 4);
    uint32_t number;
    memcpy(&number, answer.bytes, sizeof number);
    EXPECT_EQUAL(number, port_id(check, handle));
    EXPECT(number >= 1u << 30 && number <= 0x7fffffff);
    // What is given without being asked for does not matter.
    answer = control(check, handle, MARTLET_IOCTL_GET_PORT_ID, "rubbish", 7, LARGE);
    EXPECT_CALL(answer, MARTLET_STATUS_SUCCESS, 4);
    EXPECT(memcmp(answer.bytes, &number, sizeof number) == 0);
}

static void get_version(struct check *check) {
    conformance_handle handle = open_handle(check);
    struct answer answer = control_code(check, handle, MARTLET_IOCTL_GET_VERSION, 4);
    EXPECT_CALL(answer, MARTLET_STATUS_SUCCESS, 4);
    uint32_t version;
    memcpy(&version, answer.bytes, sizeof version);
    EXPECT_EQUAL(version, 1);
}

static void smallest_outputs(struct check *check) {
    conformance_handle handle = open_handle(check);
    make_datapath(check, handle, "br0");
    for (size_t each = 0; each < CODES; each++) {
        for (uint32_t capacity = 0; capacity < codes[each].least; capacity++) {
            in_case(check, "code 0x%08x with a buffer of %u", codes[each].code, capacity);
            EXPECT_CALL(carry_out(check, handle, codes[each].code, capacity), MARTLET_STATUS_INVALID_LENGTH,
                        codes[each].least);
        }
    }
}

static void smallest_inputs(struct check *check) {
    conformance_handle handle = open_handle(check);
    static const struct {
        uint32_t code, least;
    } inputs[] = {
        {MARTLET_IOCTL_TRANSACT, 16}, {MARTLET_IOCTL_DUMP, 32}, {MARTLET_IOCTL_SUBSCRIBE, 12},
        {MARTLET_IOCTL_PEND, 4},      {MARTLET_IOCTL_WRITE, 24},
    };
    static const uint8_t zeros[32];
    for (size_t each = 0; each < sizeof inputs / sizeof *inputs; each++) {
        for (uint32_t length = 0; length < inputs[each].least; length++) {
            in_case(check, "code 0x%08x with an input of %u", inputs[each].code, length);
            EXPECT_CALL(control(check, handle, inputs[each].code, zeros, length, LARGE), MARTLET_STATUS_INVALID_LENGTH,
                        inputs[each].least);
        }
    }
    // The output is looked at first.
    in_case(check, "neither input nor output");
    EXPECT_CALL(control_code(check, handle, MARTLET_IOCTL_TRANSACT, 0), MARTLET_STATUS_INVALID_LENGTH, 36);
    EXPECT_CALL(control_code(check, handle, MARTLET_IOCTL_DUMP, 0), MARTLET_STATUS_INVALID_LENGTH, 52);
}

static void codes_without_output(struct check *check) {
    conformance_handle handle = open_handle(check);
    static const size_t capacities[] = {0, 1, 36, LARGE};
    for (size_t each = 0; each < sizeof capacities / sizeof *capacities; each++) {
        in_case(check, "a buffer of %zu", capacities[each]);
        EXPECT_NOTHING(carry_out(check, handle, MARTLET_IOCTL_SUBSCRIBE, capacities[each]));
        EXPECT_NOTHING(carry_out(check, handle, MARTLET_IOCTL_CANCEL, capacities[each]));
        EXPECT_NOTHING(carry_out(check, handle, MARTLET_IOCTL_WRITE, capacities[each]));
        EXPECT_CALL(carry_out(check, handle, MARTLET_IOCTL_PEND, capacities[each]), MARTLET_STATUS_INVALID_PARAMETER,
                    0);
    }
}

static void huge_outputs(struct check *check) {
    conformance_handle handle = open_handle(check);
    make_datapath(check, handle, "br0");
    for (size_t each = 0; each < CODES; each++) {
        in_case(check, "code 0x%08x", codes[each].code);
        struct answer small = carry_out(check, handle, codes[each].code, LARGE);
        struct answer huge = carry_out(check, handle, codes[each].code, 8 << 20);
        EXPECT_CALL(huge, small.status, small.information);
    }
}

static void unknown_codes(struct check *check) {
    conformance_handle handle = open_handle(check);
    // Neighbours of the known ones, those of the device before Netlink (functions 0x100 of methods it never had), others.
    static const uint32_t unknown[] = {
        0, 1, UINT32_MAX, 0xafc88401, 0xafc88402, 0xafc88403, 0xafc8041a, 0xafc88418, 0xafc86014, 0xafc86012, 0xafc9840a,
        0xafc78400, 0x0fc88400, 0xafc80400,
    };
    for (size_t each = 0; each < sizeof unknown / sizeof *unknown; each++) {
        in_case(check, "code 0x%08x", unknown[each]);
        EXPECT_CALL(control_code(check, handle, unknown[each], 0), MARTLET_STATUS_INVALID_DEVICE_REQUEST, 0);
        EXPECT_CALL(control(check, handle, unknown[each], "some input", 10, LARGE),
                    MARTLET_STATUS_INVALID_DEVICE_REQUEST, 0);
    }
}

static void huge_inputs(struct check *check) {
    conformance_handle handle = open_handle(check);
    make_datapath(check, handle, "br0");
    // Messages that are no requests are passed over, and in front of the last one there can be as many as fit.
    enum { WHOLE = 128 << 10 };
    uint8_t *input = keep(check, WHOLE + 16);
    const struct nlmsghdr nothing = {.nlmsg_len = NLMSG_HDRLEN, .nlmsg_type = NLMSG_NOOP};
    struct message get = get_datapath("br0");
    size_t last = WHOLE - header(&get)->nlmsg_len;
    for (size_t at = 0; at + NLMSG_HDRLEN <= last; at += NLMSG_HDRLEN) memcpy(input + at, &nothing, NLMSG_HDRLEN);
    // What is left in front of the last message belongs to the message before it.
    size_t rest = last % NLMSG_HDRLEN;
    ((struct nlmsghdr *)(input + last - rest - NLMSG_HDRLEN))->nlmsg_len += (uint32_t)rest;
    memcpy(input + last, get.bytes, header(&get)->nlmsg_len);
    EXPECT_REPLY(control(check, handle, MARTLET_IOCTL_TRANSACT, input, WHOLE, LARGE), &get);
    // One byte more is rubbish behind the last message; but a transport may have a limit.
    struct answer answer = control(check, handle, MARTLET_IOCTL_TRANSACT, input, WHOLE + 1, LARGE);
    if (largest_input(check) == 0) EXPECT_REPLY(answer, &get);
    else {
        EXPECT_EQUAL(largest_input(check), WHOLE);
        EXPECT_CALL(answer, MARTLET_STATUS_INVALID_PARAMETER, WHOLE);
    }
    // The handle has not suffered.
    EXPECT_REPLY(transact(check, handle, &get), &get);
}

static const struct rule rules[] = {
    {"getPortID tells the handle's port ID, which is from 2^30 to 2^31 - 1", get_port_id, 0},
    {"getVersion tells 1", get_version, 0},
    {"an output buffer that is smaller than the code demands is invalidLength and the size", smallest_outputs, 0},
    {"an input that is shorter than the code demands is invalidLength and the size", smallest_inputs, 0},
    {"codes without output take any output buffer and put nothing out", codes_without_output, 0},
    {"a huge output buffer is as good as a large one", huge_outputs, 0},
    {"a code that the device does not know is invalidDeviceRequest", unknown_codes, 0},
    {"an input of 131072 bytes is taken, and a larger one is refused in order", huge_inputs, 0},
};

TOPIC(codes_topic, "I/O controls", rules);
