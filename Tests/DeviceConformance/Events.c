// Events: who is told of what, and as whose doing.

#include "Check.h"

#include <string.h>

/// The next event: of this family and command, with this sequence number and port ID.
static void expect_event(struct check *check, const char *file, int line, conformance_handle handle, uint16_t family,
                         uint8_t command, uint32_t sequence, uint32_t port_id) {
    struct answer answer = read_event(check, handle);
    const struct nlmsghdr *event = first(answer);
    expect_true(check, file, line, "an event", event != NULL);
    if (event == NULL) return;
    expect_equal(check, file, line, "events in one read", count_messages(answer.bytes, answer.information), 1);
    expect_equal(check, file, line, "the event's family", event->nlmsg_type, family);
    expect_equal(check, file, line, "the event's command", generic_of(event)->cmd, command);
    expect_equal(check, file, line, "the event's sequence number", event->nlmsg_seq, sequence);
    expect_equal(check, file, line, "the event's port ID", event->nlmsg_pid, port_id);
}

#define EXPECT_EVENT(handle, family, command, sequence, port_id) \
    expect_event(check, __FILE__, __LINE__, handle, family, command, sequence, port_id)

static uint32_t sequence_of(const struct message *message) { return header_of(message)->nlmsg_seq; }

/// Carries out a change that has an event of the same family and command, and looks for it at `watcher`.
#define EXPECT_CHANGE_AND_EVENT(handle, watcher, change) \
    do { \
        struct message asked = change; \
        EXPECT_ERROR(transact(check, handle, &asked), &asked, 0); \
        EXPECT_EVENT(watcher, header(&asked)->nlmsg_type, generic_of(header(&asked))->cmd, sequence_of(&asked), \
                     port_id(check, handle)); \
        EXPECT_NOTHING(read_event(check, watcher)); \
    } while (0)

static struct message named(uint16_t family, uint8_t command, int32_t datapath, uint16_t type, const char *name) {
    struct message result = request(family, command, NLM_F_ACK, datapath);
    put_string(&result, type, name);
    return result;
}

static void datapath_events(struct check *check) {
    conformance_handle handle = open_handle(check), watcher = open_handle(check);
    EXPECT_NOTHING(join(check, watcher, MARTLET_GROUP_DATAPATH));
    EXPECT_CHANGE_AND_EVENT(handle, watcher, new_datapath("br0", NLM_F_ACK));
    EXPECT_CHANGE_AND_EVENT(handle, watcher, named(MARTLET_FAMILY_DATAPATH, OVS_DP_CMD_SET, 0, OVS_DP_ATTR_NAME, "br0"));
    EXPECT_CHANGE_AND_EVENT(handle, watcher, named(MARTLET_FAMILY_DATAPATH, OVS_DP_CMD_DEL, 0, OVS_DP_ATTR_NAME, "br0"));
}

static void vport_events(struct check *check) {
    conformance_handle handle = open_handle(check), watcher = open_handle(check);
    int32_t datapath = make_datapath(check, handle, "br0");
    plug(check, "p1");
    EXPECT_NOTHING(join(check, watcher, MARTLET_GROUP_VPORT));
    EXPECT_CHANGE_AND_EVENT(handle, watcher, new_vport(datapath, "p1", 0, NLM_F_ACK));
    EXPECT_CHANGE_AND_EVENT(
        handle, watcher, named(MARTLET_FAMILY_VPORT, OVS_VPORT_CMD_SET, datapath, OVS_VPORT_ATTR_NAME, "p1"));
    EXPECT_CHANGE_AND_EVENT(
        handle, watcher, named(MARTLET_FAMILY_VPORT, OVS_VPORT_CMD_DEL, datapath, OVS_VPORT_ATTR_NAME, "p1"));
}

static void flow_events(struct check *check) {
    conformance_handle handle = open_handle(check), watcher = open_handle(check);
    int32_t datapath = make_datapath(check, handle, "br0");
    EXPECT_NOTHING(join(check, watcher, MARTLET_GROUP_FLOW));
    EXPECT_CHANGE_AND_EVENT(handle, watcher, flow(OVS_FLOW_CMD_NEW, datapath, 1, NLM_F_CREATE | NLM_F_ACK));
    EXPECT_CHANGE_AND_EVENT(handle, watcher, flow(OVS_FLOW_CMD_SET, datapath, 1, NLM_F_ACK));
    EXPECT_CHANGE_AND_EVENT(handle, watcher, flow(OVS_FLOW_CMD_DEL, datapath, 1, NLM_F_ACK));
}

static void netdev_events(struct check *check) {
    conformance_handle watcher = open_handle(check);
    EXPECT_NOTHING(join(check, watcher, MARTLET_GROUP_NETDEV));
    plug(check, "p1");
    EXPECT_EVENT(watcher, MARTLET_FAMILY_NETDEV, MARTLET_NETDEV_CMD_NEW, 0, 0);
    set_carrier(check, "p1", false);
    EXPECT_EVENT(watcher, MARTLET_FAMILY_NETDEV, MARTLET_NETDEV_CMD_SET, 0, 0);
    unplug(check, "p1");
    EXPECT_EVENT(watcher, MARTLET_FAMILY_NETDEV, MARTLET_NETDEV_CMD_DEL, 0, 0);
    EXPECT_NOTHING(read_event(check, watcher));
}

#define CHANGE(name) MARTLET_NETDEV_CHANGE_##name

static void netdev_changes(struct check *check) {
    conformance_handle watcher = open_handle(check);
    EXPECT_NOTHING(join(check, watcher, MARTLET_GROUP_NETDEV));
    plug(check, "p1");
    set_up(check, "p1", false);
    set_up(check, "p1", true);
    set_carrier(check, "p1", false);
    set_carrier(check, "p1", true);
    set_mac(check, "p1", 0x020000000001);
    set_mtu(check, "p1", 9000);
    rename_interface(check, "p1", "p2");
    unplug(check, "p2");
    static const struct {
        uint8_t command;
        uint32_t changes;
        const char *name;
    } events[] = {
        {MARTLET_NETDEV_CMD_NEW, CHANGE(CREATED) | CHANGE(CONNECTED) | CHANGE(LINK_UP), "p1"},
        {MARTLET_NETDEV_CMD_SET, CHANGE(DISCONNECTED), "p1"},
        {MARTLET_NETDEV_CMD_SET, CHANGE(CONNECTED), "p1"},
        {MARTLET_NETDEV_CMD_SET, CHANGE(LINK_DOWN), "p1"},
        {MARTLET_NETDEV_CMD_SET, CHANGE(LINK_UP), "p1"},
        {MARTLET_NETDEV_CMD_SET, CHANGE(MAC_ADDRESS), "p1"},
        {MARTLET_NETDEV_CMD_SET, CHANGE(MTU), "p1"},
        {MARTLET_NETDEV_CMD_SET, CHANGE(RENAMED), "p2"},
        {MARTLET_NETDEV_CMD_DEL, CHANGE(DELETED) | CHANGE(DISCONNECTED) | CHANGE(LINK_DOWN), "p2"},
    };
    for (size_t each = 0; each < sizeof events / sizeof *events; each++) {
        in_case(check, "event %zu", each);
        struct answer answer = read_event(check, watcher);
        const struct nlmsghdr *event = first(answer);
        EXPECT(event != NULL);
        if (event == NULL) return;
        EXPECT_EQUAL(generic_of(event)->cmd, events[each].command);
        EXPECT_EQUAL(u32_of(attribute(event, MARTLET_NETDEV_ATTR_CHANGES)), events[each].changes);
        EXPECT(is_string(attribute(event, MARTLET_NETDEV_ATTR_NAME), events[each].name));
        const struct nlattr *former = attribute(event, MARTLET_NETDEV_ATTR_FORMER_NAME);
        EXPECT(events[each].changes & CHANGE(RENAMED) ? is_string(former, "p1") : former == NULL);
    }
    EXPECT_NOTHING(read_event(check, watcher));
}

static void a_vport_follows(struct check *check) {
    conformance_handle handle = open_handle(check), watcher = open_handle(check);
    int32_t datapath = make_datapath(check, handle, "br0");
    uint32_t number = add_port(check, handle, datapath, "p1", 0);
    EXPECT_NOTHING(join(check, watcher, MARTLET_GROUP_VPORT));
    EXPECT_NOTHING(join(check, watcher, MARTLET_GROUP_NETDEV));
    rename_interface(check, "p1", "p2");
    // The vport's event comes in front of the interface's.
    struct answer answer = read_event(check, watcher);
    const struct nlmsghdr *event = first(answer);
    EXPECT(event != NULL && event->nlmsg_type == MARTLET_FAMILY_VPORT && generic_of(event)->cmd == OVS_VPORT_CMD_SET);
    if (event == NULL) return;
    EXPECT(is_string(attribute(event, OVS_VPORT_ATTR_NAME), "p2"));
    EXPECT_EQUAL(u32_of(attribute(event, OVS_VPORT_ATTR_PORT_NO)), number);
    EXPECT_EVENT(watcher, MARTLET_FAMILY_NETDEV, MARTLET_NETDEV_CMD_SET, 0, 0);
    // Nothing else that happens to an interface changes its vport.
    set_carrier(check, "p2", false);
    set_up(check, "p2", false);
    EXPECT_EVENT(watcher, MARTLET_FAMILY_NETDEV, MARTLET_NETDEV_CMD_SET, 0, 0);
    EXPECT_EVENT(watcher, MARTLET_FAMILY_NETDEV, MARTLET_NETDEV_CMD_SET, 0, 0);
    struct message get = get_vport(datapath, number, 0);
    EXPECT_REPLY(transact(check, handle, &get), &get);
}

static void an_interface_that_goes(struct check *check) {
    conformance_handle handle = open_handle(check), watcher = open_handle(check);
    int32_t datapath = make_datapath(check, handle, "br0");
    uint32_t number = add_port(check, handle, datapath, "p1", 0);
    EXPECT_NOTHING(join(check, watcher, MARTLET_GROUP_VPORT));
    unplug(check, "p1");
    struct answer answer = read_event(check, watcher);
    const struct nlmsghdr *event = first(answer);
    EXPECT(event != NULL);
    if (event == NULL) return;
    EXPECT_EQUAL(generic_of(event)->cmd, OVS_VPORT_CMD_DEL);
    EXPECT_EQUAL(event->nlmsg_seq, 0);
    EXPECT_EQUAL(event->nlmsg_pid, 0);
    EXPECT_EQUAL(datapath_of(event), datapath);
    EXPECT_EQUAL(u32_of(attribute(event, OVS_VPORT_ATTR_PORT_NO)), number);
    EXPECT(is_string(attribute(event, OVS_VPORT_ATTR_NAME), "p1"));
}

static void no_event_of_an_echo(struct check *check) {
    conformance_handle handle = open_handle(check), watcher = open_handle(check);
    EXPECT_NOTHING(join(check, handle, MARTLET_GROUP_DATAPATH));
    EXPECT_NOTHING(join(check, watcher, MARTLET_GROUP_DATAPATH));
    struct message echoed = new_datapath("br0", NLM_F_ECHO), silent = new_datapath("br1", 0);
    EXPECT_REPLY(transact(check, handle, &echoed), &echoed);
    EXPECT_NOTHING(read_event(check, handle));
    EXPECT_EVENT(watcher, MARTLET_FAMILY_DATAPATH, OVS_DP_CMD_NEW, sequence_of(&echoed), port_id(check, handle));
    // Without the echo it is an event for the requester too.
    EXPECT_NOTHING(transact(check, handle, &silent));
    EXPECT_EVENT(handle, MARTLET_FAMILY_DATAPATH, OVS_DP_CMD_NEW, sequence_of(&silent), port_id(check, handle));
    EXPECT_EVENT(watcher, MARTLET_FAMILY_DATAPATH, OVS_DP_CMD_NEW, sequence_of(&silent), port_id(check, handle));
}

static void no_event_of_a_refusal(struct check *check) {
    conformance_handle handle = open_handle(check), watcher = open_handle(check);
    make_datapath(check, handle, "br0");
    for (uint32_t group = MARTLET_GROUP_VPORT; group <= MARTLET_GROUP_FLOW; group++) join(check, watcher, group);
    struct message again = new_datapath("br0", 0), get = get_datapath("br0");
    transact(check, handle, &again);
    transact(check, handle, &get);
    EXPECT_NOTHING(read_event(check, watcher));
}

static void every_upcall(struct check *check) {
    conformance_handle handle = open_handle(check), watcher = open_handle(check);
    int32_t datapath = make_datapath(check, handle, "br0");
    add_port(check, handle, datapath, "p1", port_id(check, handle));
    add_port(check, handle, datapath, "p2", 0);
    EXPECT_NOTHING(join_packets(check, handle));
    EXPECT_NOTHING(join(check, watcher, MARTLET_GROUP_PACKET));
    send_frame(check, "p1", 60, 1);
    // Nobody takes this one's misses, but who watches sees them.
    send_frame(check, "p2", 60, 1);
    EXPECT_EVENT(watcher, MARTLET_FAMILY_PACKET, OVS_PACKET_CMD_MISS, 0, 0);
    EXPECT_EVENT(watcher, MARTLET_FAMILY_PACKET, OVS_PACKET_CMD_MISS, 0, 0);
    EXPECT_NOTHING(read_event(check, watcher));
    EXPECT(read_packet(check, handle).information > 0);
    EXPECT_NOTHING(read_packet(check, handle));
}

static void silent_groups(struct check *check) {
    conformance_handle handle = open_handle(check), watcher = open_handle(check);
    int32_t datapath = make_datapath(check, handle, "br0");
    EXPECT_NOTHING(join(check, watcher, MARTLET_GROUP_METER));
    EXPECT_NOTHING(join(check, watcher, MARTLET_GROUP_CT_LIMIT));
    struct message meter = request(MARTLET_FAMILY_METER, OVS_METER_CMD_SET, NLM_F_ECHO, datapath);
    put_u32(&meter, OVS_METER_ATTR_ID, 1);
    end_nest(&meter, nest(&meter, OVS_METER_ATTR_BANDS));
    EXPECT_REPLY(transact(check, handle, &meter), &meter);
    EXPECT_NOTHING(read_event(check, watcher));
}

static void trace(struct check *check) {
    conformance_handle handle = open_handle(check), watcher = open_handle(check);
    EXPECT_NOTHING(join(check, watcher, MARTLET_GROUP_TRACE));
    control_code(check, handle, MARTLET_IOCTL_GET_VERSION, 4);
    control(check, handle, MARTLET_IOCTL_SUBSCRIBE, "bad", 3, 0);
    static const uint32_t codes[] = {MARTLET_IOCTL_GET_VERSION, MARTLET_IOCTL_SUBSCRIBE};
    static const uint32_t statuses[] = {MARTLET_STATUS_SUCCESS, MARTLET_STATUS_INVALID_LENGTH};
    static const size_t inputs[] = {0, 3}, outputs[] = {4, 0};
    for (int each = 0; each < 2; each++) {
        struct answer answer = read_event(check, watcher);
        const struct nlmsghdr *event = first(answer);
        in_case(check, "call %d", each);
        EXPECT(event != NULL);
        if (event == NULL) return;
        EXPECT_EQUAL(event->nlmsg_type, MARTLET_FAMILY_CONTROL);
        EXPECT_EQUAL(generic_of(event)->cmd, MARTLET_CONTROL_CMD_TRACE);
        EXPECT_EQUAL(u32_of(attribute(event, MARTLET_CONTROL_ATTR_TRACE_PORT_ID)), port_id(check, handle));
        EXPECT_EQUAL(u32_of(attribute(event, MARTLET_CONTROL_ATTR_TRACE_CODE)), codes[each]);
        const struct nlattr *status = attribute(event, MARTLET_CONTROL_ATTR_TRACE_STATUS);
        const struct nlattr *input = attribute(event, MARTLET_CONTROL_ATTR_TRACE_INPUT);
        const struct nlattr *output = attribute(event, MARTLET_CONTROL_ATTR_TRACE_OUTPUT);
        EXPECT(status != NULL && u32_of(status) == statuses[each]);
        EXPECT(input != NULL && payload_length(input) == inputs[each]);
        EXPECT(output != NULL && payload_length(output) == outputs[each]);
    }
    no_case(check);
    // What those do who watch is not told: reading events would never end.
    EXPECT_NOTHING(read_event(check, watcher));
}

static const struct rule rules[] = {
    {"group 102 brings datapaths made, changed and deleted, with the request's numbers", datapath_events, 0},
    {"group 101 brings vports made, changed and deleted, with the request's numbers", vport_events, 0},
    {"group 103 brings flows made, changed and deleted, with the request's numbers", flow_events, 0},
    {"group 105 brings interfaces that come, change and go, with zeros", netdev_events, 0},
    {"an event of group 105 says what has happened, bit by bit", netdev_changes, 0},
    {"a vport follows its interface to another name, and group 101 is told", a_vport_follows, 0},
    {"an interface that goes takes its vport with it, and group 101 is told", an_interface_that_goes, 0},
    {"with NLM_F_ECHO the requester has the change as its reply and not as an event", no_event_of_an_echo, 0},
    {"what changes nothing has no event", no_event_of_a_refusal, 0},
    {"group 104 brings a copy of every upcall, also of those that nobody takes", every_upcall, 0},
    {"groups 107 and 108 bring nothing", silent_groups, 0},
    {"group 106 brings every I/O control of other handles", trace, 0},
};

TOPIC(events_topic, "events", rules);
