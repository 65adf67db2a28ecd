// Dumps that are self-contained: a cursor and a request in, a cursor and messages out.

#include "Check.h"

#include <errno.h>
#include <string.h>

static const uint8_t zero[16];

/// The records of a dump, without its end.
static int records(struct answer dump) {
    int count = 0;
    for (const struct nlmsghdr *each = first(dump); each != NULL; each = behind(dump, each))
        if (each->nlmsg_type != NLMSG_DONE && each->nlmsg_type != NLMSG_ERROR) count++;
    return count;
}

/// The last message; NULL if there is none.
static const struct nlmsghdr *last(struct answer dump) {
    const struct nlmsghdr *result = NULL;
    for (const struct nlmsghdr *each = first(dump); each != NULL; each = behind(dump, each)) result = each;
    return result;
}

/// How often the flow of a source is among the records.
static int count_flow(struct answer dump, uint16_t source) {
    int count = 0;
    for (const struct nlmsghdr *each = first(dump); each != NULL; each = behind(dump, each)) {
        const struct nlattr *ethernet = nested(attribute(each, OVS_FLOW_ATTR_KEY), OVS_KEY_ATTR_ETHERNET);
        if (ethernet == NULL) continue;
        const struct ovs_key_ethernet *key = payload(ethernet);
        if (key->eth_src[4] == source >> 8 && key->eth_src[5] == (source & 0xff)) count++;
    }
    return count;
}

static bool has_flag(struct answer dump, uint16_t flag) {
    for (const struct nlmsghdr *each = first(dump); each != NULL; each = behind(dump, each))
        if (each->nlmsg_flags & flag) return true;
    return false;
}

/// A datapath with two more ports and flows, and an interface that is no port.
static int32_t make_bed(struct check *check, conformance_handle handle, int flows) {
    int32_t datapath = make_datapath(check, handle, "br0");
    add_port(check, handle, datapath, "p1", 0);
    add_port(check, handle, datapath, "p2", 0);
    add_flows(check, handle, datapath, flows);
    plug(check, "spare");
    return datapath;
}

/// The four dumps, and how many records they have on the bed with 20 flows.
enum { DUMPS = 4 };
static void make_dumps(struct message dumps[DUMPS], int32_t datapath) {
    dumps[0] = message(MARTLET_FAMILY_DATAPATH, OVS_DP_CMD_GET, DUMP, 0);
    dumps[1] = message(MARTLET_FAMILY_VPORT, OVS_VPORT_CMD_GET, DUMP, datapath);
    dumps[2] = message(MARTLET_FAMILY_FLOW, OVS_FLOW_CMD_GET, DUMP, datapath);
    dumps[3] = message(MARTLET_FAMILY_NETDEV, MARTLET_NETDEV_CMD_GET, DUMP, 0);
}
static const int sizes[DUMPS] = {1, 3, 20, 4};

static void each_family(struct check *check) {
    conformance_handle handle = open_handle(check);
    struct message dumps[DUMPS];
    make_dumps(dumps, make_bed(check, handle, 20));
    for (size_t each = 0; each < DUMPS; each++) {
        in_case(check, "family %u", header(&dumps[each])->nlmsg_type);
        uint8_t cursor[16] = {0};
        struct answer dump = dump_step(check, handle, &dumps[each], cursor, LARGE);
        EXPECT_EQUAL(dump.status, MARTLET_STATUS_SUCCESS);
        EXPECT(memcmp(cursor, zero, sizeof zero) == 0);
        EXPECT_EQUAL(records(dump), sizes[each]);
        EXPECT_EQUAL(count_messages(dump.bytes, dump.information), sizes[each] + 1);
        for (const struct nlmsghdr *message = first(dump); message != NULL; message = behind(dump, message)) {
            EXPECT(message->nlmsg_flags & NLM_F_MULTI);
            EXPECT_EQUAL(message->nlmsg_seq, header(&dumps[each])->nlmsg_seq);
            if (message->nlmsg_type != NLMSG_DONE)
                EXPECT_EQUAL(message->nlmsg_type, header(&dumps[each])->nlmsg_type);
        }
        const struct nlmsghdr *done = last(dump);
        EXPECT(done != NULL && done->nlmsg_type == NLMSG_DONE && done->nlmsg_len == 20 && error_of(done) == 0);
    }
}

static void pieces(struct check *check) {
    conformance_handle handle = open_handle(check);
    int32_t datapath = make_bed(check, handle, 100);
    struct message dump = message(MARTLET_FAMILY_FLOW, OVS_FLOW_CMD_GET, DUMP, datapath);
    struct answer whole = dump_all(check, handle, &dump, LARGE);
    EXPECT_EQUAL(records(whole), 100);
    // Whatever the buffers are, what comes out is the same.
    static const size_t capacities[] = {400, 777, 1000, 4096};
    for (size_t each = 0; each < sizeof capacities / sizeof *capacities; each++) {
        in_case(check, "buffers of %zu", capacities[each]);
        EXPECT(is_same(dump_all(check, handle, &dump, capacities[each]), whole));
    }
    // A buffer of another size for each step.
    uint8_t cursor[16] = {0};
    int count = 0, steps = 0;
    do {
        struct answer piece = dump_step(check, handle, &dump, cursor, 400 + (size_t)(steps * 391 % 1500));
        EXPECT_EQUAL(piece.status, MARTLET_STATUS_SUCCESS);
        count += records(piece);
    } while (memcmp(cursor, zero, sizeof zero) != 0 && ++steps < 1000);
    EXPECT_EQUAL(count, 100);
    EXPECT(steps > 5);
}

static void repeated(struct check *check) {
    conformance_handle handle = open_handle(check), other = open_handle(check);
    int32_t datapath = make_bed(check, handle, 60);
    struct message dump = message(MARTLET_FAMILY_FLOW, OVS_FLOW_CMD_GET, DUMP, datapath);
    uint8_t cursor[16] = {0};
    for (int step = 0; step == 0 || memcmp(cursor, zero, sizeof zero) != 0; step++) {
        uint8_t again[16], elsewhere[16];
        memcpy(again, cursor, 16);
        memcpy(elsewhere, cursor, 16);
        struct answer piece = dump_step(check, handle, &dump, cursor, 900);
        EXPECT(is_same(dump_step(check, handle, &dump, again, 900), piece));
        // The device keeps nothing: another handle may go on with it.
        EXPECT(is_same(dump_step(check, other, &dump, elsewhere, 900), piece));
        EXPECT(memcmp(again, cursor, 16) == 0 && memcmp(elsewhere, cursor, 16) == 0);
        if (piece.status != MARTLET_STATUS_SUCCESS || step > 1000) break;
    }
}

static void tiny_buffers(struct check *check) {
    conformance_handle handle = open_handle(check);
    struct message dumps[DUMPS];
    make_dumps(dumps, make_bed(check, handle, 20));
    for (size_t each = 0; each < DUMPS; each++) {
        in_case(check, "family %u", header(&dumps[each])->nlmsg_type);
        uint8_t cursor[16] = {0};
        int count = 0;
        for (int step = 0; step == 0 || memcmp(cursor, zero, sizeof zero) != 0; step++) {
            uint8_t before[16];
            memcpy(before, cursor, 16);
            struct answer piece = dump_step(check, handle, &dumps[each], cursor, 52);
            if (piece.status == MARTLET_STATUS_BUFFER_TOO_SMALL) {
                EXPECT(piece.information > 52);
                EXPECT(memcmp(before, cursor, 16) == 0);
                piece = dump_step(check, handle, &dumps[each], cursor, piece.information);
                // The size that was told is for one message.
                EXPECT_EQUAL(records(piece), 1);
            }
            EXPECT_EQUAL(piece.status, MARTLET_STATUS_SUCCESS);
            if (piece.status != MARTLET_STATUS_SUCCESS || step > 1000) break;
            count += records(piece);
        }
        EXPECT_EQUAL(count, sizes[each]);
    }
}

static void changed_tables(struct check *check) {
    conformance_handle handle = open_handle(check);
    int32_t datapath = make_bed(check, handle, 20);
    struct message dumps[DUMPS];
    make_dumps(dumps, datapath);
    for (size_t each = 0; each < DUMPS; each++) {
        in_case(check, "family %u", header(&dumps[each])->nlmsg_type);
        uint8_t cursor[16] = {0};
        // A piece without the end of the dump, large enough for one record of any family.
        struct answer piece = dump_step(check, handle, &dumps[each], cursor, 320);
        if (each == 0) {
            // One datapath and the end of the dump fit; without the end they do not.
            memset(cursor, 0, 16);
            piece = dump_step(check, handle, &dumps[each], cursor, 16 + first(piece)->nlmsg_len);
        }
        EXPECT(memcmp(cursor, zero, 16) != 0);
        EXPECT(!has_flag(piece, NLM_F_DUMP_INTR));
        struct message new = flow(OVS_FLOW_CMD_NEW, datapath, (uint16_t)(500 + each), NLM_F_CREATE | NLM_F_ACK);
        if (each == 2) EXPECT_ERROR(transact(check, handle, &new), &new, 0);
        else if (each == 3) plug(check, "newcomer");
        else make_datapath(check, handle, each == 0 ? "br1" : "br2");
        piece = dump_step(check, handle, &dumps[each], cursor, LARGE);
        EXPECT(memcmp(cursor, zero, 16) == 0);
        EXPECT_EQUAL(has_flag(piece, NLM_F_DUMP_INTR), each != 3);
        const struct nlmsghdr *done = last(piece);
        EXPECT(done != NULL && done->nlmsg_type == NLMSG_DONE);
        // The next dump is of the table as it is.
        EXPECT(!has_flag(dump_all(check, handle, &dumps[each], LARGE), NLM_F_DUMP_INTR));
    }
}

static void once_each(struct check *check) {
    conformance_handle handle = open_handle(check);
    int32_t datapath = make_bed(check, handle, 60);
    struct message dump = message(MARTLET_FAMILY_FLOW, OVS_FLOW_CMD_GET, DUMP, datapath);
    uint8_t cursor[16] = {0};
    int counts[60] = {0};
    for (int step = 0; step == 0 || memcmp(cursor, zero, sizeof zero) != 0; step++) {
        struct answer piece = dump_step(check, handle, &dump, cursor, 600);
        if (piece.status != MARTLET_STATUS_SUCCESS || step > 1000) break;
        for (uint16_t source = 0; source < 60; source++) counts[source] += count_flow(piece, source);
        // Every odd flow goes and comes again; the even ones are there throughout.
        uint16_t moving = (uint16_t)(step * 2 % 60 + 1);
        struct message delete = flow(OVS_FLOW_CMD_DEL, datapath, moving, NLM_F_ACK);
        struct message new = flow(OVS_FLOW_CMD_NEW, datapath, moving, NLM_F_CREATE | NLM_F_ACK);
        EXPECT_ERROR(transact(check, handle, &delete), &delete, 0);
        EXPECT_ERROR(transact(check, handle, &new), &new, 0);
        // A flow that is put in at the end each time would make the dump go on for ever if this were not a bound.
        if (step == 200) break;
    }
    for (int source = 0; source < 60; source += 2) {
        in_case(check, "flow %d", source);
        EXPECT_EQUAL(counts[source], 1);
    }
}

static void hostile_cursors(struct check *check) {
    conformance_handle handle = open_handle(check);
    struct message dumps[DUMPS];
    make_dumps(dumps, make_bed(check, handle, 20));
    uint64_t random = 20140805;
    for (int round = 0; round < 400; round++) {
        uint8_t cursor[16];
        for (size_t byte = 0; byte < 16; byte++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            // Some bytes of small numbers, some of large ones.
            cursor[byte] = round % 3 == 0 ? 0xff : round % 3 == 1 && byte % 8 > 0 ? 0 : (uint8_t)(random >> 56);
        }
        in_case(check, "round %d", round);
        struct answer piece = dump_step(check, handle, &dumps[round % DUMPS], cursor, LARGE);
        EXPECT_EQUAL(piece.status, MARTLET_STATUS_SUCCESS);
        EXPECT(count_messages(piece.bytes, piece.information) >= 1);
        EXPECT(records(piece) <= sizes[round % DUMPS]);
        const struct nlmsghdr *end = last(piece);
        EXPECT(end != NULL && end->nlmsg_type == NLMSG_DONE && memcmp(cursor, zero, 16) == 0);
    }
    no_case(check);
    // The handle serves as before.
    EXPECT_EQUAL(records(dump_all(check, handle, &dumps[2], 400)), 20);
}

static void no_datapath(struct check *check) {
    conformance_handle handle = open_handle(check);
    for (uint16_t family = MARTLET_FAMILY_VPORT; family <= MARTLET_FAMILY_FLOW; family++) {
        in_case(check, "family %u", family);
        struct message dump = message(family, OVS_VPORT_CMD_GET, DUMP, 4711);
        uint8_t cursor[16] = {0};
        struct answer piece = dump_step(check, handle, &dump, cursor, 52);
        EXPECT_EQUAL(count_messages(piece.bytes, piece.information), 1);
        EXPECT(memcmp(cursor, zero, 16) == 0);
        const struct nlmsghdr *done = last(piece);
        EXPECT(done != NULL && done->nlmsg_type == NLMSG_DONE && error_of(done) == -ENODEV);
    }
}

static struct message of_version_0(struct message message) {
    message.bytes[17] = 0;
    return message;
}

static struct message of_another(struct message message) {
    header(&message)->nlmsg_pid = 1;
    return message;
}

static void refused(struct check *check) {
    conformance_handle handle = open_handle(check);
    int32_t datapath = make_bed(check, handle, 1);
    const struct {
        struct message request;
        int error;
    } refusals[] = {
        {message(MARTLET_FAMILY_CONTROL, MARTLET_CONTROL_CMD_SOCKET_PROPERTIES, DUMP, 0), EOPNOTSUPP},
        {message(MARTLET_FAMILY_PACKET, OVS_PACKET_CMD_EXECUTE, DUMP, datapath), EOPNOTSUPP},
        {message(MARTLET_FAMILY_METER, OVS_METER_CMD_GET, DUMP, datapath), EOPNOTSUPP},
        {message(MARTLET_FAMILY_CT_LIMIT, OVS_CT_LIMIT_CMD_GET, DUMP, datapath), EOPNOTSUPP},
        {message(MARTLET_FAMILY_FLOW, OVS_FLOW_CMD_NEW, DUMP, datapath), EOPNOTSUPP},
        {message(MARTLET_FAMILY_VPORT, OVS_VPORT_CMD_SET, DUMP, datapath), EOPNOTSUPP},
        {message(MARTLET_FAMILY_NETDEV, MARTLET_NETDEV_CMD_NEW, DUMP, 0), EOPNOTSUPP},
        {message(99, 1, DUMP, 0), ENOENT},
        {message(23, 1, DUMP, 0), EOPNOTSUPP},
        {of_version_0(message(MARTLET_FAMILY_VPORT, OVS_VPORT_CMD_GET, DUMP, datapath)), EINVAL},
        {of_another(message(MARTLET_FAMILY_VPORT, OVS_VPORT_CMD_GET, DUMP, datapath)), EINVAL},
        {message(MARTLET_FAMILY_VPORT, OVS_VPORT_CMD_GET, NLM_F_REQUEST, datapath), EINVAL},
        {message(MARTLET_FAMILY_VPORT, OVS_VPORT_CMD_GET, NLM_F_REQUEST | NLM_F_ROOT, datapath), EINVAL},
        {message(MARTLET_FAMILY_VPORT, OVS_VPORT_CMD_GET, NLM_F_REQUEST | NLM_F_MATCH, datapath), EINVAL},
        {message(MARTLET_FAMILY_VPORT, OVS_VPORT_CMD_GET, NLM_F_DUMP, datapath), EINVAL},
    };
    for (size_t each = 0; each < sizeof refusals / sizeof *refusals; each++) {
        const struct nlmsghdr *asked = header_of(&refusals[each].request);
        in_case(check, "family %u, command %u, flags 0x%x", asked->nlmsg_type, generic_of(asked)->cmd,
                asked->nlmsg_flags);
        for (int tiny = 0; tiny < 2; tiny++) {
            uint8_t cursor[16] = {0};
            struct answer answer = dump_step(check, handle, &refusals[each].request, cursor, tiny ? 52 : LARGE);
            EXPECT_ERROR(answer, &refusals[each].request, refusals[each].error);
            EXPECT(memcmp(cursor, zero, 16) == 0);
        }
    }
}

static void short_inputs(struct check *check) {
    conformance_handle handle = open_handle(check);
    struct message dump = message(MARTLET_FAMILY_DATAPATH, OVS_DP_CMD_GET, DUMP, 0);
    uint8_t input[16 + ATTRIBUTES] = {0};
    memcpy(input + 16, dump.bytes, ATTRIBUTES);
    for (size_t length = 0; length < sizeof input; length++) {
        in_case(check, "an input of %zu bytes", length);
        struct answer answer = control(check, handle, MARTLET_IOCTL_DUMP, input, length, LARGE);
        if (length < 32) EXPECT_CALL(answer, MARTLET_STATUS_INVALID_LENGTH, 32);
        else EXPECT_CALL(answer, MARTLET_STATUS_INVALID_PARAMETER, 0);
    }
    static const uint32_t lies[] = {0, 15, ATTRIBUTES + 1, UINT32_MAX};
    for (size_t each = 0; each < sizeof lies / sizeof *lies; each++) {
        in_case(check, "a length of %u", lies[each]);
        memcpy(input + 16, &lies[each], 4);
        EXPECT_CALL(control(check, handle, MARTLET_IOCTL_DUMP, input, sizeof input, LARGE),
                    MARTLET_STATUS_INVALID_PARAMETER, 0);
    }
}

static void attributes_stay(struct check *check) {
    conformance_handle handle = open_handle(check);
    int32_t datapath = make_bed(check, handle, 40);
    struct message dump = message(MARTLET_FAMILY_FLOW, OVS_FLOW_CMD_GET, DUMP, datapath);
    // Every record of every piece is without its actions.
    put_u32(&dump, OVS_FLOW_ATTR_UFID_FLAGS, OVS_UFID_F_OMIT_ACTIONS);
    struct answer whole = dump_all(check, handle, &dump, 500);
    EXPECT_EQUAL(records(whole), 40);
    for (const struct nlmsghdr *each = first(whole); each != NULL; each = behind(whole, each)) {
        if (each->nlmsg_type == NLMSG_DONE) continue;
        EXPECT(attribute(each, OVS_FLOW_ATTR_KEY) != NULL && attribute(each, OVS_FLOW_ATTR_ACTIONS) == NULL);
    }
}

static void left_in_the_middle(struct check *check) {
    conformance_handle handle = open_handle(check), client = open_handle(check);
    int32_t datapath = make_bed(check, handle, 60);
    struct message dump = message(MARTLET_FAMILY_FLOW, OVS_FLOW_CMD_GET, DUMP, datapath);
    uint8_t cursor[16] = {0};
    struct answer piece = dump_step(check, client, &dump, cursor, 600);
    int count = records(piece);
    EXPECT(count > 0 && count < 60);
    close_handle(check, client);
    EXPECT(has_handles(check, 1));
    // What it had can be gone on with, as the place was its own.
    while (memcmp(cursor, zero, 16) != 0) {
        piece = dump_step(check, handle, &dump, cursor, LARGE);
        if (piece.status != MARTLET_STATUS_SUCCESS) break;
        count += records(piece);
    }
    EXPECT_EQUAL(count, 60);
}

static const struct rule rules[] = {
    {"each family's dump gives its records with NLM_F_MULTI, and at its end NLMSG_DONE and a zero cursor", each_family, 0},
    {"a dump in pieces gives the same, whatever the buffers are", pieces, 0},
    {"a step can be repeated, also on another handle", repeated, 0},
    {"a buffer that is too small for a record is bufferTooSmall and the size, and loses nothing", tiny_buffers, 0},
    {"a table that has changed sets NLM_F_DUMP_INTR from then on, but for family 22", changed_tables, 0},
    {"a record that is there throughout is given exactly once", once_each, 0},
    {"a cursor of rubbish does no harm", hostile_cursors, 0},
    {"the dump of a datapath that is not there ends at once with ENODEV", no_datapath, 0},
    {"what cannot be dumped is refused with a zero cursor and an NLMSG_ERROR", refused, 0},
    {"too short an input is invalidLength, and a message that is not whole invalidParameter", short_inputs, 0},
    {"the request's attributes hold for all pieces", attributes_stay, 0},
    {"a client that goes away in the middle leaves nothing behind", left_in_the_middle, 0},
};

TOPIC(dumps_topic, "dumps", rules);
