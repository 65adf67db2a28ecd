// The families of the switch: datapaths, vports, flows and packets.

#include "Check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

/// A request that is to be refused, or with error 0 to succeed.
struct case_of {
    const char *words;
    struct message message;
    int error;
};

static void expect_cases(struct check *check, conformance_handle handle, const struct case_of *cases, size_t count) {
    for (size_t each = 0; each < count; each++) {
        in_case(check, "%s", cases[each].words);
        struct message asked = cases[each].message;
        header(&asked)->nlmsg_flags |= NLM_F_ACK;
        struct answer answer = transact(check, handle, &asked);
        const struct nlmsghdr *last = NULL;
        for (const struct nlmsghdr *next = first(answer); next != NULL; next = behind(answer, next)) last = next;
        EXPECT_ERROR_MESSAGE(last, &asked, cases[each].error);
    }
    no_case(check);
}

#define EXPECT_CASES(cases) expect_cases(check, handle, cases, sizeof(cases) / sizeof *(cases))

// Each of these gives a message another attribute, so that a table can be written down.

static struct message with_u32(struct message message, uint16_t type, uint32_t number) {
    put_u32(&message, type, number);
    return message;
}
static struct message with_string(struct message message, uint16_t type, const char *string) {
    put_string(&message, type, string);
    return message;
}
static struct message with_bytes(struct message message, uint16_t type, const void *bytes, size_t length) {
    put(&message, type, bytes, length);
    return message;
}
static struct message with_nest(struct message message, uint16_t type) {
    end_nest(&message, nest(&message, type));
    return message;
}

// MARK: Datapaths

static struct message datapath_request(uint8_t command, int32_t number) {
    return request(MARTLET_FAMILY_DATAPATH, command, 0, number);
}

static void datapath_life(struct check *check) {
    conformance_handle handle = open_handle(check);
    int32_t number = make_datapath(check, handle, "br0");
    // By its name, and by the interface index of its LOCAL port.
    struct message gets[] = {get_datapath("br0"), datapath_request(OVS_DP_CMD_GET, number)};
    for (int each = 0; each < 2; each++) {
        struct answer answer = transact(check, handle, &gets[each]);
        EXPECT_REPLY(answer, &gets[each]);
        const struct nlmsghdr *reply = first(answer);
        if (reply == NULL) continue;
        EXPECT_EQUAL(datapath_of(reply), number);
        EXPECT(is_string(attribute(reply, OVS_DP_ATTR_NAME), "br0"));
        const struct nlattr *stats = attribute(reply, OVS_DP_ATTR_STATS);
        EXPECT(stats != NULL && payload_length(stats) == sizeof(struct ovs_dp_stats));
        EXPECT(attribute(reply, OVS_DP_ATTR_MEGAFLOW_STATS) != NULL);
        EXPECT(attribute(reply, OVS_DP_ATTR_USER_FEATURES) != NULL);
    }
    struct message set = with_u32(datapath_request(OVS_DP_CMD_SET, number), OVS_DP_ATTR_USER_FEATURES,
                                  OVS_DP_F_UNALIGNED | OVS_DP_F_VPORT_PIDS);
    header(&set)->nlmsg_flags |= NLM_F_ECHO;
    struct answer answer = transact(check, handle, &set);
    EXPECT_REPLY(answer, &set);
    EXPECT_EQUAL(u32_of(attribute(first(answer), OVS_DP_ATTR_USER_FEATURES)), OVS_DP_F_UNALIGNED | OVS_DP_F_VPORT_PIDS);
    // With it go its ports.
    add_port(check, handle, number, "p1", 0);
    struct message delete = with_string(datapath_request(OVS_DP_CMD_DEL, 0), OVS_DP_ATTR_NAME, "br0");
    EXPECT_NOTHING(transact(check, handle, &delete));
    struct message vport = with_string(request(MARTLET_FAMILY_VPORT, OVS_VPORT_CMD_GET, 0, 0), OVS_VPORT_ATTR_NAME, "p1");
    EXPECT_ERROR(transact(check, handle, &vport), &vport, ENODEV);
    EXPECT_ERROR(transact(check, handle, &gets[0]), &gets[0], ENODEV);
    EXPECT_ERROR(transact(check, handle, &gets[1]), &gets[1], ENODEV);
}

static void datapath_refusals(struct check *check) {
    conformance_handle handle = open_handle(check);
    int32_t number = make_datapath(check, handle, "br0");
    add_port(check, handle, number, "p1", 0);
    plug(check, "host");
    struct message bare = datapath_request(OVS_DP_CMD_NEW, 0);
    struct message named = with_string(bare, OVS_DP_ATTR_NAME, "br1");
    struct message new = with_u32(named, OVS_DP_ATTR_UPCALL_PID, 0), set = datapath_request(OVS_DP_CMD_SET, number);
    const struct case_of cases[] = {
        {"NEW without a name", with_u32(bare, OVS_DP_ATTR_UPCALL_PID, 0), EINVAL},
        {"NEW without an upcall port ID", named, EINVAL},
        {"NEW with an upcall port ID of two bytes",
         with_bytes(named, OVS_DP_ATTR_UPCALL_PID, "\0", 2), ERANGE},
        {"NEW of a datapath that is there", new_datapath("br0", 0), EEXIST},
        {"NEW with the name of a vport", new_datapath("p1", 0), EEXIST},
        {"NEW with the name of an interface", new_datapath("host", 0), EEXIST},
        {"NEW with a name of 16 letters", new_datapath("abcdefghijklmnop", 0), EINVAL},
        {"NEW with features that are not there", with_u32(new, OVS_DP_ATTR_USER_FEATURES, 0x8000), EOPNOTSUPP},
        {"NEW with a mask cache of 3", with_u32(new, OVS_DP_ATTR_MASKS_CACHE_SIZE, 3), EINVAL},
        {"NEW with a mask cache of 8192", with_u32(new, OVS_DP_ATTR_MASKS_CACHE_SIZE, 8192), ERANGE},
        {"SET with features that are not there", with_u32(set, OVS_DP_ATTR_USER_FEATURES, 0x8000), EOPNOTSUPP},
        {"SET of one that is not there", datapath_request(OVS_DP_CMD_SET, 4711), ENODEV},
        {"SET by a name that is not there",
         with_string(datapath_request(OVS_DP_CMD_SET, number), OVS_DP_ATTR_NAME, "br9"), ENODEV},
        {"GET without name and number", datapath_request(OVS_DP_CMD_GET, 0), ENODEV},
        {"GET by the name of another port", get_datapath("p1"), ENODEV},
        {"DEL of one that is not there", datapath_request(OVS_DP_CMD_DEL, 4711), ENODEV},
        {"DEL by a name that is not there",
         with_string(datapath_request(OVS_DP_CMD_DEL, number), OVS_DP_ATTR_NAME, "br9"), ENODEV},
    };
    struct answer before = snapshot(check, handle, number);
    EXPECT_CASES(cases);
    EXPECT(is_same(before, snapshot(check, handle, number)));
}

static const struct rule datapath_rules[] = {
    {"NEW, GET, SET and DEL of a datapath, by name and by number", datapath_life, 0},
    {"what is wrong with a datapath's request is refused and changes nothing", datapath_refusals, 0},
};

TOPIC(datapaths_topic, "family ovs_datapath", datapath_rules);

// MARK: Vports

static struct message vport_request(uint8_t command, int32_t datapath) {
    return request(MARTLET_FAMILY_VPORT, command, 0, datapath);
}

static struct message vport_named(uint8_t command, int32_t datapath, const char *name) {
    return with_string(vport_request(command, datapath), OVS_VPORT_ATTR_NAME, name);
}

static void vport_life(struct check *check) {
    conformance_handle handle = open_handle(check);
    int32_t datapath = make_datapath(check, handle, "br0");
    EXPECT_EQUAL(add_port(check, handle, datapath, "p1", 77), 1);
    EXPECT_EQUAL(add_port(check, handle, datapath, "p2", 0), 2);
    plug(check, "p9");
    struct message wanted = with_u32(new_vport(datapath, "p9", 0, NLM_F_ECHO), OVS_VPORT_ATTR_PORT_NO, 9);
    EXPECT_EQUAL(u32_of(attribute(first(transact(check, handle, &wanted)), OVS_VPORT_ATTR_PORT_NO)), 9);
    struct message internal = vport_named(OVS_VPORT_CMD_NEW, datapath, "in1");
    header(&internal)->nlmsg_flags |= NLM_F_ECHO;
    put_u32(&internal, OVS_VPORT_ATTR_TYPE, OVS_VPORT_TYPE_INTERNAL);
    put_u32(&internal, OVS_VPORT_ATTR_UPCALL_PID, 0);
    EXPECT_EQUAL(u32_of(attribute(first(transact(check, handle, &internal)), OVS_VPORT_ATTR_TYPE)),
                 OVS_VPORT_TYPE_INTERNAL);

    struct message gets[] = {get_vport(datapath, 1, 0), vport_named(OVS_VPORT_CMD_GET, datapath, "p1"),
                             vport_named(OVS_VPORT_CMD_GET, 0, "p1")};
    for (int each = 0; each < 3; each++) {
        struct answer answer = transact(check, handle, &gets[each]);
        EXPECT_REPLY(answer, &gets[each]);
        const struct nlmsghdr *reply = first(answer);
        if (reply == NULL) continue;
        EXPECT_EQUAL(datapath_of(reply), datapath);
        EXPECT_EQUAL(u32_of(attribute(reply, OVS_VPORT_ATTR_PORT_NO)), 1);
        EXPECT_EQUAL(u32_of(attribute(reply, OVS_VPORT_ATTR_TYPE)), OVS_VPORT_TYPE_NETDEV);
        EXPECT(is_string(attribute(reply, OVS_VPORT_ATTR_NAME), "p1"));
        EXPECT_EQUAL(u32_of(attribute(reply, OVS_VPORT_ATTR_UPCALL_PID)), 77);
        const struct nlattr *stats = attribute(reply, OVS_VPORT_ATTR_STATS);
        EXPECT(stats != NULL && payload_length(stats) == sizeof(struct ovs_vport_stats));
    }
    struct message set = with_u32(vport_named(OVS_VPORT_CMD_SET, datapath, "p1"), OVS_VPORT_ATTR_UPCALL_PID, 78);
    EXPECT_NOTHING(transact(check, handle, &set));
    EXPECT_EQUAL(u32_of(attribute(first(transact(check, handle, &gets[0])), OVS_VPORT_ATTR_UPCALL_PID)), 78);
    // DEL tells what it was, and its number and its interface are free again.
    struct message delete = with_u32(vport_request(OVS_VPORT_CMD_DEL, datapath), OVS_VPORT_ATTR_PORT_NO, 1);
    header(&delete)->nlmsg_flags |= NLM_F_ECHO;
    EXPECT(is_string(attribute(first(transact(check, handle, &delete)), OVS_VPORT_ATTR_NAME), "p1"));
    EXPECT_ERROR(transact(check, handle, &gets[0]), &gets[0], ENODEV);
    struct message again = with_u32(new_vport(datapath, "p1", 0, NLM_F_ACK), OVS_VPORT_ATTR_PORT_NO, 1);
    EXPECT_ERROR(transact(check, handle, &again), &again, 0);
}

static void vport_refusals(struct check *check) {
    conformance_handle handle = open_handle(check);
    int32_t datapath = make_datapath(check, handle, "br0"), other = make_datapath(check, handle, "br1");
    add_port(check, handle, datapath, "p1", 77);
    plug(check, "spare");
    struct message new = new_vport(datapath, "spare", 0, 0), set = vport_named(OVS_VPORT_CMD_SET, datapath, "p1");
    struct message without_type = with_u32(vport_named(OVS_VPORT_CMD_NEW, datapath, "spare"), OVS_VPORT_ATTR_UPCALL_PID, 0);
    struct message typed = with_u32(vport_request(OVS_VPORT_CMD_NEW, datapath), OVS_VPORT_ATTR_TYPE, OVS_VPORT_TYPE_NETDEV);
    const struct case_of cases[] = {
        {"NEW without a type", without_type, EINVAL},
        {"NEW without a name", with_u32(typed, OVS_VPORT_ATTR_UPCALL_PID, 0), EINVAL},
        {"NEW without an upcall port ID", with_string(typed, OVS_VPORT_ATTR_NAME, "spare"), EINVAL},
        {"NEW of an unknown type", with_u32(without_type, OVS_VPORT_ATTR_TYPE, 99), EAFNOSUPPORT},
        {"NEW of an interface that is not there", new_vport(datapath, "nowhere", 0, 0), ENODEV},
        {"NEW of an interface that is a vport", new_vport(datapath, "p1", 0, 0), EBUSY},
        {"NEW of an interface that is another datapath's vport", new_vport(other, "p1", 0, 0), EBUSY},
        {"NEW with a number that is taken", with_u32(new, OVS_VPORT_ATTR_PORT_NO, 1), EBUSY},
        {"NEW with the number 65535", with_u32(new, OVS_VPORT_ATTR_PORT_NO, 65535), EFBIG},
        {"NEW with the number 2^32 - 1", with_u32(new, OVS_VPORT_ATTR_PORT_NO, UINT32_MAX), EFBIG},
        {"NEW in a datapath that is not there", new_vport(4711, "spare", 0, 0), ENODEV},
        {"NEW with an upcall port ID of three bytes",
         with_bytes(with_string(typed, OVS_VPORT_ATTR_NAME, "spare"), OVS_VPORT_ATTR_UPCALL_PID, "\0\0", 3), EINVAL},
        {"GET without name and number", vport_request(OVS_VPORT_CMD_GET, datapath), EINVAL},
        {"GET of a number that is not there", get_vport(datapath, 99, 0), ENODEV},
        {"GET of the number 65536", get_vport(datapath, 65536, 0), EFBIG},
        {"GET of a number without a datapath", get_vport(0, 1, 0), ENODEV},
        {"GET of another datapath's vport", vport_named(OVS_VPORT_CMD_GET, other, "p1"), ENODEV},
        {"GET of a name that is not there", vport_named(OVS_VPORT_CMD_GET, 0, "nowhere"), ENODEV},
        {"SET of another type, with an upcall port ID",
         with_u32(with_u32(set, OVS_VPORT_ATTR_UPCALL_PID, 99), OVS_VPORT_ATTR_TYPE, OVS_VPORT_TYPE_INTERNAL), EINVAL},
        {"SET of options, with an upcall port ID",
         with_nest(with_u32(set, OVS_VPORT_ATTR_UPCALL_PID, 99), OVS_VPORT_ATTR_OPTIONS), EOPNOTSUPP},
        {"SET without name and number", vport_request(OVS_VPORT_CMD_SET, datapath), EINVAL},
        {"DEL without name and number", vport_request(OVS_VPORT_CMD_DEL, datapath), EINVAL},
        {"DEL of a vport that is not there", vport_named(OVS_VPORT_CMD_DEL, datapath, "nowhere"), ENODEV},
        {"DEL of the LOCAL port", vport_named(OVS_VPORT_CMD_DEL, datapath, "br0"), EINVAL},
    };
    struct answer before = snapshot(check, handle, datapath);
    EXPECT_CASES(cases);
    EXPECT(is_same(before, snapshot(check, handle, datapath)));
}

static const struct rule vport_rules[] = {
    {"NEW, GET, SET and DEL of a vport, by name and by number", vport_life, 0},
    {"what is wrong with a vport's request is refused and changes nothing", vport_refusals, 0},
};

TOPIC(vports_topic, "family ovs_vport", vport_rules);

// MARK: Flows

static void flow_life(struct check *check) {
    conformance_handle handle = open_handle(check);
    int32_t datapath = make_datapath(check, handle, "br0");
    add_port(check, handle, datapath, "p1", 0);
    add_port(check, handle, datapath, "p2", 0);
    struct message new = request(MARTLET_FAMILY_FLOW, OVS_FLOW_CMD_NEW, NLM_F_CREATE | NLM_F_ECHO, datapath);
    put_flow_key(&new, OVS_FLOW_ATTR_KEY, 7);
    put_flow_key(&new, OVS_FLOW_ATTR_MASK, 7);
    put_output(&new, OVS_FLOW_ATTR_ACTIONS, 2);
    EXPECT_REPLY(transact(check, handle, &new), &new);
    // A frame takes it.
    uint8_t frame[100];
    send_frame(check, "p1", sizeof frame, 7);
    send_frame(check, "p1", sizeof frame, 8);
    EXPECT_EQUAL(receive_frame(check, "p2", frame, sizeof frame), sizeof frame);
    EXPECT_EQUAL(frame[11], 7);
    EXPECT_EQUAL(receive_frame(check, "p2", frame, sizeof frame), 0);
    struct message get = flow(OVS_FLOW_CMD_GET, datapath, 7, 0);
    struct answer answer = transact(check, handle, &get);
    EXPECT_REPLY(answer, &get);
    const struct nlmsghdr *reply = first(answer);
    const struct nlattr *stats = attribute(reply, OVS_FLOW_ATTR_STATS);
    EXPECT(stats != NULL && ((const struct ovs_flow_stats *)payload(stats))->n_packets == 1);
    EXPECT(attribute(reply, OVS_FLOW_ATTR_KEY) != NULL && attribute(reply, OVS_FLOW_ATTR_MASK) != NULL);
    EXPECT_EQUAL(u32_of(nested(attribute(reply, OVS_FLOW_ATTR_ACTIONS), OVS_ACTION_ATTR_OUTPUT)), 2);
    EXPECT(attribute(reply, OVS_FLOW_ATTR_USED) != NULL);
    // SET without actions leaves them; CLEAR sets the statistics back.
    struct message clear = with_nest(flow(OVS_FLOW_CMD_GET, datapath, 7, NLM_F_ACK), OVS_FLOW_ATTR_CLEAR);
    ((struct genlmsghdr *)(clear.bytes + NLMSG_HDRLEN))->cmd = OVS_FLOW_CMD_SET;
    EXPECT_ERROR(transact(check, handle, &clear), &clear, 0);
    reply = first(transact(check, handle, &get));
    EXPECT_EQUAL(u32_of(nested(attribute(reply, OVS_FLOW_ATTR_ACTIONS), OVS_ACTION_ATTR_OUTPUT)), 2);
    EXPECT(attribute(reply, OVS_FLOW_ATTR_USED) == NULL);
    // NEW without CREATE or EXCL replaces the actions; so does SET.
    struct message replace = flow(OVS_FLOW_CMD_NEW, datapath, 7, 0);
    EXPECT_NOTHING(transact(check, handle, &replace));
    reply = first(transact(check, handle, &get));
    EXPECT_EQUAL(u32_of(nested(attribute(reply, OVS_FLOW_ATTR_ACTIONS), OVS_ACTION_ATTR_OUTPUT)), 1);
    struct message delete = flow(OVS_FLOW_CMD_DEL, datapath, 7, NLM_F_ECHO);
    answer = transact(check, handle, &delete);
    EXPECT_REPLY(answer, &delete);
    EXPECT(attribute(first(answer), OVS_FLOW_ATTR_KEY) != NULL);
    EXPECT_ERROR(transact(check, handle, &get), &get, ENOENT);
    // DEL without key takes all.
    add_flows(check, handle, datapath, 10);
    struct message flush = request(MARTLET_FAMILY_FLOW, OVS_FLOW_CMD_DEL, NLM_F_ACK, datapath);
    struct message dump = message(MARTLET_FAMILY_FLOW, OVS_FLOW_CMD_GET, DUMP, datapath);
    EXPECT_ERROR(transact(check, handle, &flush), &flush, 0);
    answer = dump_all(check, handle, &dump, LARGE);
    EXPECT_EQUAL(count_messages(answer.bytes, answer.information), 1);
}

static void flow_identifiers(struct check *check) {
    conformance_handle handle = open_handle(check);
    int32_t datapath = make_datapath(check, handle, "br0");
    static const uint8_t ufid[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    struct message new = with_bytes(flow(OVS_FLOW_CMD_NEW, datapath, 1, NLM_F_CREATE), OVS_FLOW_ATTR_UFID, ufid, 16);
    EXPECT_NOTHING(transact(check, handle, &new));
    struct message get = with_bytes(request(MARTLET_FAMILY_FLOW, OVS_FLOW_CMD_GET, 0, datapath), OVS_FLOW_ATTR_UFID,
                                    ufid, 16);
    put_u32(&get, OVS_FLOW_ATTR_UFID_FLAGS, OVS_UFID_F_OMIT_KEY | OVS_UFID_F_OMIT_MASK | OVS_UFID_F_OMIT_ACTIONS);
    struct answer answer = transact(check, handle, &get);
    EXPECT_REPLY(answer, &get);
    const struct nlattr *told = attribute(first(answer), OVS_FLOW_ATTR_UFID);
    EXPECT(told != NULL && payload_length(told) == 16 && memcmp(payload(told), ufid, 16) == 0);
    EXPECT(attribute(first(answer), OVS_FLOW_ATTR_KEY) == NULL);
    EXPECT(attribute(first(answer), OVS_FLOW_ATTR_ACTIONS) == NULL);
    struct message delete = with_bytes(request(MARTLET_FAMILY_FLOW, OVS_FLOW_CMD_DEL, 0, datapath),
                                       OVS_FLOW_ATTR_UFID, ufid, 16);
    EXPECT_NOTHING(transact(check, handle, &delete));
    EXPECT_ERROR(transact(check, handle, &get), &get, ENOENT);
}

static void flow_refusals(struct check *check) {
    conformance_handle handle = open_handle(check);
    int32_t datapath = make_datapath(check, handle, "br0");
    add_flows(check, handle, datapath, 1);
    struct message bare = request(MARTLET_FAMILY_FLOW, OVS_FLOW_CMD_NEW, 0, datapath), keyed = bare, acting = bare;
    put_flow_key(&keyed, OVS_FLOW_ATTR_KEY, 5);
    put_output(&acting, OVS_FLOW_ATTR_ACTIONS, 1);
    struct message set = request(MARTLET_FAMILY_FLOW, OVS_FLOW_CMD_SET, 0, datapath);
    struct message unknown_action = with_nest(keyed, OVS_FLOW_ATTR_ACTIONS);
    header(&unknown_action)->nlmsg_len -= NLA_HDRLEN;
    size_t actions = nest(&unknown_action, OVS_FLOW_ATTR_ACTIONS);
    put_u32(&unknown_action, 999, 1);
    end_nest(&unknown_action, actions);
    const struct case_of cases[] = {
        {"NEW without a key", acting, EINVAL},
        {"NEW without actions", keyed, EINVAL},
        {"NEW with an empty key", with_nest(with_nest(bare, OVS_FLOW_ATTR_KEY), OVS_FLOW_ATTR_ACTIONS), EINVAL},
        {"NEW with an action that is not there", unknown_action, EINVAL},
        {"NEW with CREATE of a flow that is there", flow(OVS_FLOW_CMD_NEW, datapath, 0, NLM_F_CREATE), EEXIST},
        {"NEW with EXCL of a flow that is there", flow(OVS_FLOW_CMD_NEW, datapath, 0, NLM_F_EXCL), EEXIST},
        {"NEW in a datapath that is not there", flow(OVS_FLOW_CMD_NEW, 4711, 9, 0), ENODEV},
        {"SET without key and UFID", set, EINVAL},
        {"SET of a flow that is not there", flow(OVS_FLOW_CMD_SET, datapath, 9, 0), ENOENT},
        {"GET without key and UFID", request(MARTLET_FAMILY_FLOW, OVS_FLOW_CMD_GET, 0, datapath), EINVAL},
        {"GET of a flow that is not there", flow(OVS_FLOW_CMD_GET, datapath, 9, 0), ENOENT},
        {"DEL of a flow that is not there", flow(OVS_FLOW_CMD_DEL, datapath, 9, 0), ENOENT},
        {"DEL of all in a datapath that is not there", request(MARTLET_FAMILY_FLOW, OVS_FLOW_CMD_DEL, 0, 4711), ENODEV},
    };
    struct answer before = snapshot(check, handle, datapath);
    EXPECT_CASES(cases);
    EXPECT(is_same(before, snapshot(check, handle, datapath)));
}

static const struct rule flow_rules[] = {
    {"NEW, GET, SET and DEL of a flow, and what frames make of it", flow_life, 0},
    {"a flow is found by its UFID, and replies leave out what they are told to", flow_identifiers, 0},
    {"what is wrong with a flow's request is refused and changes nothing", flow_refusals, 0},
};

TOPIC(flows_topic, "family ovs_flow", flow_rules);

// MARK: Packets

/// EXECUTE of a frame from port 1 with an output action; what `without` names is left out.
static struct message execute(int32_t datapath, uint32_t port, uint16_t without) {
    struct message result = request(MARTLET_FAMILY_PACKET, OVS_PACKET_CMD_EXECUTE, 0, datapath);
    uint8_t frame[60];
    make_frame(frame, sizeof frame, 1);
    if (without != OVS_PACKET_ATTR_PACKET) put(&result, OVS_PACKET_ATTR_PACKET, frame, sizeof frame);
    if (without != OVS_PACKET_ATTR_KEY) {
        size_t key = nest(&result, OVS_PACKET_ATTR_KEY);
        put_u32(&result, OVS_KEY_ATTR_IN_PORT, 1);
        end_nest(&result, key);
    }
    if (without != OVS_PACKET_ATTR_ACTIONS) put_output(&result, OVS_PACKET_ATTR_ACTIONS, port);
    return result;
}

static void executed(struct check *check) {
    conformance_handle handle = open_handle(check);
    int32_t datapath = make_datapath(check, handle, "br0");
    add_port(check, handle, datapath, "p1", 0);
    add_port(check, handle, datapath, "p2", 0);
    struct message run = execute(datapath, 2, 0);
    EXPECT_NOTHING(transact(check, handle, &run));
    uint8_t frame[60];
    EXPECT_EQUAL(receive_frame(check, "p2", frame, sizeof frame), sizeof frame);
    EXPECT_EQUAL(receive_frame(check, "p1", frame, sizeof frame), 0);
}

static void execute_refusals(struct check *check) {
    conformance_handle handle = open_handle(check);
    int32_t datapath = make_datapath(check, handle, "br0");
    struct message runt = request(MARTLET_FAMILY_PACKET, OVS_PACKET_CMD_EXECUTE, 0, datapath);
    put(&runt, OVS_PACKET_ATTR_PACKET, "a frame", 7);
    runt = with_nest(runt, OVS_PACKET_ATTR_KEY);
    put_output(&runt, OVS_PACKET_ATTR_ACTIONS, 1);
    const struct case_of cases[] = {
        {"without a packet", execute(datapath, 1, OVS_PACKET_ATTR_PACKET), EINVAL},
        {"without a key", execute(datapath, 1, OVS_PACKET_ATTR_KEY), EINVAL},
        {"without actions", execute(datapath, 1, OVS_PACKET_ATTR_ACTIONS), EINVAL},
        {"with a packet that is too short", runt, ERANGE},
        {"in a datapath that is not there", execute(4711, 1, 0), ENODEV},
    };
    EXPECT_CASES(cases);
}

static void misses(struct check *check) {
    conformance_handle handle = open_handle(check), other = open_handle(check);
    int32_t datapath = make_datapath(check, handle, "br0");
    add_port(check, handle, datapath, "p1", port_id(check, handle));
    EXPECT_NOTHING(join_packets(check, handle));
    EXPECT_NOTHING(join_packets(check, other));
    send_frame(check, "p1", 77, 3);
    struct answer answer = read_packet(check, handle);
    EXPECT_NOTHING(read_packet(check, other));
    const struct nlmsghdr *upcall = first(answer);
    EXPECT(upcall != NULL);
    if (upcall == NULL) return;
    EXPECT_EQUAL(upcall->nlmsg_type, MARTLET_FAMILY_PACKET);
    EXPECT_EQUAL(upcall->nlmsg_seq, 0);
    EXPECT_EQUAL(upcall->nlmsg_pid, 0);
    EXPECT_EQUAL(generic_of(upcall)->cmd, OVS_PACKET_CMD_MISS);
    EXPECT_EQUAL(datapath_of(upcall), datapath);
    const struct nlattr *key = attribute(upcall, OVS_PACKET_ATTR_KEY);
    EXPECT_EQUAL(u32_of(nested(key, OVS_KEY_ATTR_IN_PORT)), 1);
    uint8_t frame[77];
    make_frame(frame, sizeof frame, 3);
    const struct nlattr *packet = attribute(upcall, OVS_PACKET_ATTR_PACKET);
    EXPECT(packet != NULL && payload_length(packet) == 77 && memcmp(payload(packet), frame, 77) == 0);
    // The packet is the last attribute.
    EXPECT((const uint8_t *)packet + NLA_ALIGN(packet->nla_len) >= (const uint8_t *)upcall + upcall->nlmsg_len);
    // A flow is made of the key as it came, and then there is no miss any more.
    struct message new = request(MARTLET_FAMILY_FLOW, OVS_FLOW_CMD_NEW, NLM_F_CREATE | NLM_F_ACK, datapath);
    put(&new, OVS_FLOW_ATTR_KEY, payload(key), payload_length(key));
    new = with_nest(new, OVS_FLOW_ATTR_ACTIONS);
    EXPECT_ERROR(transact(check, handle, &new), &new, 0);
    send_frame(check, "p1", 77, 3);
    EXPECT_NOTHING(read_packet(check, handle));
}

static void userspace_actions(struct check *check) {
    conformance_handle handle = open_handle(check), other = open_handle(check);
    int32_t datapath = make_datapath(check, handle, "br0");
    add_port(check, handle, datapath, "p1", port_id(check, other));
    EXPECT_NOTHING(join_packets(check, handle));
    EXPECT_NOTHING(join_packets(check, other));
    struct message new = request(MARTLET_FAMILY_FLOW, OVS_FLOW_CMD_NEW, NLM_F_CREATE, datapath);
    put_flow_key(&new, OVS_FLOW_ATTR_KEY, 1);
    put_flow_key(&new, OVS_FLOW_ATTR_MASK, 1);
    size_t actions = nest(&new, OVS_FLOW_ATTR_ACTIONS), action = nest(&new, OVS_ACTION_ATTR_USERSPACE);
    put_u32(&new, OVS_USERSPACE_ATTR_PID, port_id(check, handle));
    put(&new, OVS_USERSPACE_ATTR_USERDATA, "cookie", 6);
    end_nest(&new, action);
    end_nest(&new, actions);
    EXPECT_NOTHING(transact(check, handle, &new));
    send_frame(check, "p1", 60, 1);
    // To the one that the action names, not to the vport's.
    EXPECT_NOTHING(read_packet(check, other));
    struct answer answer = read_packet(check, handle);
    EXPECT(first(answer) != NULL);
    if (first(answer) == NULL) return;
    EXPECT_EQUAL(generic_of(first(answer))->cmd, OVS_PACKET_CMD_ACTION);
    const struct nlattr *cookie = attribute(first(answer), OVS_PACKET_ATTR_USERDATA);
    EXPECT(cookie != NULL && payload_length(cookie) == 6 && memcmp(payload(cookie), "cookie", 6) == 0);
}

static const struct rule packet_rules[] = {
    {"EXECUTE carries actions out on a packet", executed, 0},
    {"what is wrong with EXECUTE is refused", execute_refusals, 0},
    {"a packet that no flow matches comes to the handle of its vport, with its key", misses, 0},
    {"a userspace action sends a packet to the handle that it names, with its cookie", userspace_actions, 0},
};

TOPIC(packets_topic, "family ovs_packet", packet_rules);
