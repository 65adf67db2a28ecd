// Transactions: one request or several in a buffer, and what is no request.

#include "Check.h"

#include <errno.h>
#include <string.h>

/// Messages behind each other in one input.
struct batch {
    uint8_t bytes[16384];
    size_t length;
};

/// Appends a message and pads it to a four-byte boundary.
static void add(struct batch *batch, const struct message *message) {
    memcpy(batch->bytes + batch->length, message->bytes, header_of(message)->nlmsg_len);
    batch->length += NLMSG_ALIGN(header_of(message)->nlmsg_len);
}

static struct answer transact_batch(struct check *check, conformance_handle handle, const struct batch *batch) {
    return control(check, handle, MARTLET_IOCTL_TRANSACT, batch->bytes, batch->length, LARGE);
}

static bool answers(const struct nlmsghdr *reply, const struct message *request) {
    return reply != NULL && reply->nlmsg_seq == header_of(request)->nlmsg_seq;
}

static void one_reply(struct check *check) {
    conformance_handle handle = open_handle(check);
    int32_t datapath = make_datapath(check, handle, "br0");
    EXPECT(datapath != 0);
    struct message get = get_datapath("br0");
    struct answer answer = transact(check, handle, &get);
    EXPECT_REPLY(answer, &get);
    const struct nlmsghdr *reply = first(answer);
    if (reply == NULL) return;
    EXPECT_EQUAL(reply->nlmsg_pid, port_id(check, handle));
    EXPECT_EQUAL(reply->nlmsg_len, answer.information);
    EXPECT_EQUAL(generic_of(reply)->cmd, OVS_DP_CMD_GET);
    EXPECT_EQUAL(generic_of(reply)->version, OVS_DATAPATH_VERSION);
    EXPECT_EQUAL(datapath_of(reply), datapath);
    EXPECT(is_string(attribute(reply, OVS_DP_ATTR_NAME), "br0"));
}

static void several(struct check *check) {
    conformance_handle handle = open_handle(check);
    int32_t datapath = make_datapath(check, handle, "br0");
    struct message requests[] = {
        get_datapath("br0"), get_vport(datapath, 0, 0), get_vport(datapath, 7, 0), get_datapath("br1"),
        get_vport(datapath, 0, NLM_F_ACK), get_datapath("br0"),
    };
    struct batch batch = {.length = 0};
    for (size_t each = 0; each < sizeof requests / sizeof *requests; each++) add(&batch, &requests[each]);
    struct answer answer = transact_batch(check, handle, &batch);
    EXPECT_EQUAL(count_messages(answer.bytes, answer.information), 7);
    const struct nlmsghdr *reply = first(answer);
    EXPECT(answers(reply, &requests[0]) && reply->nlmsg_type == MARTLET_FAMILY_DATAPATH);
    if (reply == NULL) return;
    EXPECT(answers(reply = behind(answer, reply), &requests[1]) && reply->nlmsg_type == MARTLET_FAMILY_VPORT);
    EXPECT_ERROR_MESSAGE(reply = behind(answer, reply), &requests[2], ENODEV);
    EXPECT_ERROR_MESSAGE(reply = behind(answer, reply), &requests[3], ENODEV);
    EXPECT(answers(reply = behind(answer, reply), &requests[4]) && reply->nlmsg_type == MARTLET_FAMILY_VPORT);
    EXPECT_ERROR_MESSAGE(reply = behind(answer, reply), &requests[4], 0);
    EXPECT(answers(reply = behind(answer, reply), &requests[5]) && reply->nlmsg_type == MARTLET_FAMILY_DATAPATH);
}

static void padded(struct check *check) {
    conformance_handle handle = open_handle(check);
    // A name's last attribute without its padding: the next message begins on the boundary all the same.
    for (uint32_t missing = 0; missing < 4; missing++) {
        char name[8] = "brx";
        name[3 - missing] = 0;
        if (missing == 3) strcpy(name, "brxy");
        in_case(check, "the name %s", name);
        struct message get = get_datapath(name), behind_it = get_datapath("other");
        header(&get)->nlmsg_len -= NLMSG_ALIGN(strlen(name) + 1) - (uint32_t)strlen(name) - 1;
        struct batch batch = {.length = 0};
        add(&batch, &get);
        add(&batch, &behind_it);
        struct answer answer = transact_batch(check, handle, &batch);
        EXPECT_EQUAL(count_messages(answer.bytes, answer.information), 2);
        if (first(answer) == NULL) continue;
        EXPECT_ERROR_MESSAGE(first(answer), &get, ENODEV);
        EXPECT_ERROR_MESSAGE(behind(answer, first(answer)), &behind_it, ENODEV);
        // The last message of a buffer needs no padding.
        EXPECT_ERROR(transact(check, handle, &get), &get, ENODEV);
    }
}

static void rubbish_behind(struct check *check) {
    conformance_handle handle = open_handle(check);
    make_datapath(check, handle, "br0");
    struct message get = get_datapath("br0");
    for (size_t rubbish = 1; rubbish <= 64; rubbish++) {
        in_case(check, "%zu bytes of rubbish", rubbish);
        struct batch batch = {.length = 0};
        add(&batch, &get);
        // As a length it is far too long.
        memset(batch.bytes + batch.length, 0xee, rubbish);
        batch.length += rubbish;
        EXPECT_REPLY(transact_batch(check, handle, &batch), &get);
    }
    // Zeros are a message with a length that lies.
    struct batch batch = {.length = 0};
    add(&batch, &get);
    batch.length += 256;
    EXPECT_REPLY(transact_batch(check, handle, &batch), &get);
}

static void lying_lengths(struct check *check) {
    conformance_handle handle = open_handle(check);
    make_datapath(check, handle, "br0");
    struct message get = get_datapath("br0");
    uint32_t right = header(&get)->nlmsg_len;
    const uint32_t lies[] = {0, 1, 4, 15, right + 1, right + 4, 65536, 0x7fffffff, 0x80000000, UINT32_MAX};
    for (size_t each = 0; each < sizeof lies / sizeof *lies; each++) {
        in_case(check, "a length of %u", lies[each]);
        struct message liar = get;
        header(&liar)->nlmsg_len = lies[each];
        EXPECT_CALL(control(check, handle, MARTLET_IOCTL_TRANSACT, liar.bytes, right, LARGE),
                    MARTLET_STATUS_INVALID_PARAMETER, 0);
        // Behind a sound message, that one has been carried out.
        struct batch batch = {.length = 0};
        add(&batch, &get);
        memcpy(batch.bytes + batch.length, liar.bytes, right);
        batch.length += right;
        EXPECT_REPLY(transact_batch(check, handle, &batch), &get);
    }
}

static void short_inputs(struct check *check) {
    conformance_handle handle = open_handle(check);
    struct message get = get_datapath("br0");
    for (size_t length = 0; length < NLMSG_HDRLEN; length++) {
        in_case(check, "an input of %zu bytes", length);
        EXPECT_CALL(control(check, handle, MARTLET_IOCTL_TRANSACT, get.bytes, length, LARGE),
                    MARTLET_STATUS_INVALID_LENGTH, NLMSG_HDRLEN);
    }
    for (uint32_t length = NLMSG_HDRLEN; length < ATTRIBUTES; length++) {
        in_case(check, "a message of %u bytes", length);
        header(&get)->nlmsg_len = length;
        EXPECT_ERROR(transact(check, handle, &get), &get, EINVAL);
    }
}

static void no_requests(struct check *check) {
    conformance_handle handle = open_handle(check);
    // Types of Netlink itself.
    for (uint16_t type = 0; type < NLMSG_MIN_TYPE; type++) {
        in_case(check, "type %u", type);
        struct message control_message = request(type, 0, 0, 0);
        EXPECT_NOTHING(transact(check, handle, &control_message));
    }
    no_case(check);
    // A reply that strays in, and a change that is no request.
    struct message stray = new_datapath("br0", 0), get = get_datapath("br0");
    header(&stray)->nlmsg_flags = 0;
    EXPECT_NOTHING(transact(check, handle, &stray));
    EXPECT_ERROR(transact(check, handle, &get), &get, ENODEV);
}

static void without_the_flag(struct check *check) {
    conformance_handle handle = open_handle(check);
    plug(check, "p1");
    struct message properties = message(MARTLET_FAMILY_CONTROL, MARTLET_CONTROL_CMD_SOCKET_PROPERTIES, 0, 0);
    struct message get = message(MARTLET_FAMILY_NETDEV, MARTLET_NETDEV_CMD_GET, 0, 0);
    put_string(&get, MARTLET_NETDEV_ATTR_NAME, "p1");
    EXPECT_REPLY(transact(check, handle, &properties), &properties);
    EXPECT_REPLY(transact(check, handle, &get), &get);
}

static void unknown_families(struct check *check) {
    conformance_handle handle = open_handle(check);
    static const struct {
        uint16_t family;
        int error;
    } unknown[] = {
        {16, ENOENT}, {26, ENOENT}, {100, ENOENT}, {0x200, ENOENT}, {1042, ENOENT}, {UINT16_MAX, ENOENT},
        // Connection tracking: of this interface, and of netfilter.
        {23, EOPNOTSUPP}, {0x100, EOPNOTSUPP}, {0x101, EOPNOTSUPP}, {0x102, EOPNOTSUPP}, {0x1ff, EOPNOTSUPP},
    };
    for (size_t each = 0; each < sizeof unknown / sizeof *unknown; each++) {
        in_case(check, "family %u", unknown[each].family);
        struct message stray = request(unknown[each].family, 1, 0, 0);
        EXPECT_ERROR(transact(check, handle, &stray), &stray, unknown[each].error);
    }
}

static void unknown_commands(struct check *check) {
    conformance_handle handle = open_handle(check);
    int32_t datapath = make_datapath(check, handle, "br0");
    static const struct {
        uint16_t family;
        /// Bits of the commands from 0 to 7 that are transactions.
        uint8_t known;
    } families[] = {
        {MARTLET_FAMILY_CONTROL, 1 << 6}, {MARTLET_FAMILY_DATAPATH, 0x1e}, {MARTLET_FAMILY_PACKET, 1 << 3},
        {MARTLET_FAMILY_VPORT, 0x1e},     {MARTLET_FAMILY_FLOW, 0x1e},     {MARTLET_FAMILY_NETDEV, 1 << 1},
        {MARTLET_FAMILY_METER, 0x1e},     {MARTLET_FAMILY_CT_LIMIT, 0x0e},
    };
    for (size_t each = 0; each < sizeof families / sizeof *families; each++) {
        for (unsigned command = 0; command < 10; command++) {
            if (command < 8 && families[each].known & 1u << command) continue;
            uint8_t number = command == 9 ? 255 : (uint8_t)command;
            in_case(check, "family %u, command %u", families[each].family, number);
            struct message strange = request(families[each].family, number, 0, datapath);
            EXPECT_ERROR(transact(check, handle, &strange), &strange, EOPNOTSUPP);
        }
    }
}

static void port_ids(struct check *check) {
    conformance_handle handle = open_handle(check), other = open_handle(check);
    make_datapath(check, handle, "br0");
    struct message get = get_datapath("br0");
    header(&get)->nlmsg_pid = port_id(check, handle);
    EXPECT_REPLY(transact(check, handle, &get), &get);
    const uint32_t wrong[] = {1, port_id(check, other), port_id(check, handle) + 77, UINT32_MAX};
    for (size_t each = 0; each < sizeof wrong / sizeof *wrong; each++) {
        in_case(check, "port ID %u", wrong[each]);
        header(&get)->nlmsg_pid = wrong[each];
        struct answer answer = transact(check, handle, &get);
        EXPECT_ERROR(answer, &get, EINVAL);
        if (first(answer) != NULL)
            EXPECT_EQUAL(u32_of(extended(first(answer), NLMSGERR_ATTR_OFFS)), offsetof(struct nlmsghdr, nlmsg_pid));
    }
}

static void versions(struct check *check) {
    conformance_handle handle = open_handle(check);
    make_datapath(check, handle, "br0");
    for (unsigned version = 0; version < 256; version += version < 4 ? 1 : 126) {
        in_case(check, "version %u", version);
        struct message get = get_datapath("br0");
        ((struct genlmsghdr *)(get.bytes + NLMSG_HDRLEN))->version = (uint8_t)version;
        struct answer answer = transact(check, handle, &get);
        if (version > 0) EXPECT_REPLY(answer, &get);
        else {
            EXPECT_ERROR(answer, &get, EINVAL);
            if (first(answer) != NULL) EXPECT_EQUAL(u32_of(extended(first(answer), NLMSGERR_ATTR_OFFS)), 17);
        }
    }
}

static void order_of_checks(struct check *check) {
    conformance_handle handle = open_handle(check);
    // Each request has two faults, and the one that is looked for first is told.
    struct message requests[] = {
        request(100, 9, 0, 0), request(MARTLET_FAMILY_VPORT, 9, 0, 0), get_datapath("br0"), get_datapath("nobody"),
        request(100, 9, 0, 0),
    };
    static const int errors[] = {ENOENT, EOPNOTSUPP, EINVAL, EINVAL, ENOENT};
    static const uint32_t places[] = {4, 16, 17, 12, 4};
    header(&requests[0])->nlmsg_pid = 1;
    requests[1].bytes[17] = 0;
    requests[2].bytes[17] = 0;
    header(&requests[2])->nlmsg_pid = 1;
    header(&requests[3])->nlmsg_pid = 1;
    header(&requests[4])->nlmsg_len = NLMSG_HDRLEN;
    for (size_t each = 0; each < sizeof requests / sizeof *requests; each++) {
        in_case(check, "request %zu", each);
        struct answer answer = transact(check, handle, &requests[each]);
        EXPECT_ERROR(answer, &requests[each], errors[each]);
        if (first(answer) != NULL)
            EXPECT_EQUAL(u32_of(extended(first(answer), NLMSGERR_ATTR_OFFS)), places[each]);
    }
}

static void dumps_are_none(struct check *check) {
    conformance_handle handle = open_handle(check);
    make_datapath(check, handle, "br0");
    struct message get = get_datapath("br0");
    header(&get)->nlmsg_flags |= NLM_F_DUMP;
    EXPECT_ERROR(transact(check, handle, &get), &get, EOPNOTSUPP);
    // One of the two bits is no dump: NLM_F_ROOT means something else for each command.
    header(&get)->nlmsg_flags = NLM_F_REQUEST | NLM_F_MATCH;
    EXPECT_REPLY(transact(check, handle, &get), &get);
}

static void refusals_stop_nobody(struct check *check) {
    conformance_handle handle = open_handle(check);
    struct message requests[] = {new_datapath("br0", 0), new_datapath("br0", 0), new_datapath("br1", NLM_F_ACK)};
    struct batch batch = {.length = 0};
    for (size_t each = 0; each < 3; each++) add(&batch, &requests[each]);
    struct answer answer = transact_batch(check, handle, &batch);
    EXPECT_EQUAL(count_messages(answer.bytes, answer.information), 2);
    if (first(answer) == NULL) return;
    EXPECT_ERROR_MESSAGE(first(answer), &requests[1], EEXIST);
    EXPECT_ERROR_MESSAGE(behind(answer, first(answer)), &requests[2], 0);
    struct message get = get_datapath("br1");
    EXPECT_REPLY(transact(check, handle, &get), &get);
}

static void success_without_output(struct check *check) {
    conformance_handle handle = open_handle(check);
    struct message new = new_datapath("br0", 0);
    EXPECT_NOTHING(transact(check, handle, &new));
    struct message get = get_datapath("br0");
    struct answer answer = transact(check, handle, &get);
    EXPECT_REPLY(answer, &get);
    int32_t datapath = first(answer) != NULL ? datapath_of(first(answer)) : 0;
    plug(check, "p1");
    struct message changes[] = {
        new_vport(datapath, "p1", 0, 0), flow(OVS_FLOW_CMD_NEW, datapath, 1, 0), flow(OVS_FLOW_CMD_SET, datapath, 1, 0),
        flow(OVS_FLOW_CMD_DEL, datapath, 1, 0), request(MARTLET_FAMILY_VPORT, OVS_VPORT_CMD_SET, 0, datapath),
        request(MARTLET_FAMILY_VPORT, OVS_VPORT_CMD_DEL, 0, datapath),
        request(MARTLET_FAMILY_DATAPATH, OVS_DP_CMD_SET, 0, datapath),
        request(MARTLET_FAMILY_DATAPATH, OVS_DP_CMD_DEL, 0, datapath),
    };
    put_string(&changes[4], OVS_VPORT_ATTR_NAME, "p1");
    put_string(&changes[5], OVS_VPORT_ATTR_NAME, "p1");
    for (size_t each = 0; each < sizeof changes / sizeof *changes; each++) {
        in_case(check, "family %u, command %u", header(&changes[each])->nlmsg_type,
                generic_of(header(&changes[each]))->cmd);
        // The smallest buffer that is taken suffices.
        EXPECT_NOTHING(transact_into(check, handle, &changes[each], ERROR_SIZE));
    }
    no_case(check);
    EXPECT_ERROR(transact(check, handle, &get), &get, ENODEV);
}

static const struct rule rules[] = {
    {"a GET has one reply, with the request's sequence number and the handle's port ID", one_reply, 0},
    {"several requests in a buffer are carried out and answered in order", several, 0},
    {"messages are padded to four bytes, and the last need not be", padded, 0},
    {"rubbish behind the last message ends the call without harm", rubbish_behind, 0},
    {"a length that lies is invalidParameter, and behind a sound message the end of the call", lying_lengths, 0},
    {"an input without a header is invalidLength, and a message without its headers EINVAL", short_inputs, 0},
    {"what is no request is passed over", no_requests, 0},
    {"families 17 and 22 do not need NLM_F_REQUEST", without_the_flag, 0},
    {"a family that is not there is ENOENT, and connection tracking EOPNOTSUPP", unknown_families, 0},
    {"a command that the family has not by transactions is EOPNOTSUPP", unknown_commands, 0},
    {"nlmsg_pid is 0 or the handle's port ID, and another is EINVAL with its place", port_ids, 0},
    {"the version is at least 1, and 0 is EINVAL with its place", versions, 0},
    {"family, command, version and port ID are looked at in this order", order_of_checks, 0},
    {"a dump is no transaction: EOPNOTSUPP", dumps_are_none, 0},
    {"a refused request does not stop those behind it", refusals_stop_nobody, 0},
    {"a change without NLM_F_ECHO and NLM_F_ACK that succeeds puts nothing out", success_without_output, 0},
};

TOPIC(transactions_topic, "transactions", rules);
