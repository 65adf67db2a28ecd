// Handles: what they may, and several of them at a time.

#include "Check.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

// MARK: Handles that may only read

static void reading_is_allowed(struct check *check) {
    conformance_handle owner = open_handle(check), reader = open_reader(check);
    int32_t datapath = make_datapath(check, owner, "br0");
    add_port(check, owner, datapath, "p1", 0);
    add_flows(check, owner, datapath, 3);
    struct message requests[] = {
        get_datapath("br0"), get_vport(datapath, 1, 0), flow(OVS_FLOW_CMD_GET, datapath, 1, 0),
        request(MARTLET_FAMILY_NETDEV, MARTLET_NETDEV_CMD_GET, 0, 0),
        request(MARTLET_FAMILY_METER, OVS_METER_CMD_FEATURES, 0, datapath),
        request(MARTLET_FAMILY_CT_LIMIT, OVS_CT_LIMIT_CMD_GET, 0, datapath),
        request(MARTLET_FAMILY_CONTROL, MARTLET_CONTROL_CMD_SOCKET_PROPERTIES, 0, 0),
    };
    put_string(&requests[3], MARTLET_NETDEV_ATTR_NAME, "p1");
    for (size_t each = 0; each < sizeof requests / sizeof *requests; each++) {
        in_case(check, "family %u", header(&requests[each])->nlmsg_type);
        EXPECT_REPLY(transact(check, reader, &requests[each]), &requests[each]);
    }
    struct message dump = message(MARTLET_FAMILY_FLOW, OVS_FLOW_CMD_GET, DUMP, datapath);
    struct answer whole = dump_all(check, reader, &dump, LARGE);
    EXPECT_EQUAL(count_messages(whole.bytes, whole.information), 4);
    EXPECT_NOTHING(write_message(check, reader, &dump));
    EXPECT(control_code(check, reader, MARTLET_IOCTL_READ, LARGE).information > 0);
    EXPECT_CALL(control_code(check, reader, MARTLET_IOCTL_GET_PORT_ID, 4), MARTLET_STATUS_SUCCESS, 4);
    EXPECT_CALL(control_code(check, reader, MARTLET_IOCTL_GET_VERSION, 4), MARTLET_STATUS_SUCCESS, 4);
    for (uint32_t group = MARTLET_GROUP_VPORT; group <= MARTLET_GROUP_CT_LIMIT; group++) {
        in_case(check, "group %u", group);
        if (group != MARTLET_GROUP_TRACE) EXPECT_NOTHING(join(check, reader, group));
    }
    no_case(check);
    struct conformance_request *pend = start_pend(check, reader, MARTLET_QUEUE_EVENT);
    EXPECT(is_pended(check, reader, pend));
    plug(check, "p2");
    EXPECT_CALL(result(check, pend, SOON), MARTLET_STATUS_SUCCESS, 0);
    EXPECT(read_event(check, reader).information > 0);
}

static void changing_is_refused(struct check *check) {
    conformance_handle owner = open_handle(check), reader = open_reader(check);
    int32_t datapath = make_datapath(check, owner, "br0");
    add_port(check, owner, datapath, "p1", 0);
    add_flows(check, owner, datapath, 3);
    struct answer before = snapshot(check, owner, datapath);
    static const struct {
        uint16_t family;
        uint8_t command;
    } changes[] = {
        {MARTLET_FAMILY_DATAPATH, OVS_DP_CMD_NEW}, {MARTLET_FAMILY_DATAPATH, OVS_DP_CMD_DEL},
        {MARTLET_FAMILY_DATAPATH, OVS_DP_CMD_SET}, {MARTLET_FAMILY_VPORT, OVS_VPORT_CMD_NEW},
        {MARTLET_FAMILY_VPORT, OVS_VPORT_CMD_DEL}, {MARTLET_FAMILY_VPORT, OVS_VPORT_CMD_SET},
        {MARTLET_FAMILY_FLOW, OVS_FLOW_CMD_NEW},   {MARTLET_FAMILY_FLOW, OVS_FLOW_CMD_DEL},
        {MARTLET_FAMILY_FLOW, OVS_FLOW_CMD_SET},   {MARTLET_FAMILY_PACKET, OVS_PACKET_CMD_EXECUTE},
        {MARTLET_FAMILY_METER, OVS_METER_CMD_SET}, {MARTLET_FAMILY_METER, OVS_METER_CMD_DEL},
        {MARTLET_FAMILY_CT_LIMIT, OVS_CT_LIMIT_CMD_SET}, {MARTLET_FAMILY_CT_LIMIT, OVS_CT_LIMIT_CMD_DEL},
    };
    for (size_t each = 0; each < sizeof changes / sizeof *changes; each++) {
        in_case(check, "family %u, command %u", changes[each].family, changes[each].command);
        // Nothing else is looked at: without attributes as with them.
        struct message change = request(changes[each].family, changes[each].command, 0, datapath);
        EXPECT_ERROR(transact(check, reader, &change), &change, EPERM);
    }
    in_case(check, "a flow that is sound");
    struct message new = flow(OVS_FLOW_CMD_NEW, datapath, 9, 0);
    EXPECT_ERROR(transact(check, reader, &new), &new, EPERM);
    no_case(check);
    EXPECT(is_same(before, snapshot(check, owner, datapath)));
}

static void subscribing_is_refused(struct check *check) {
    conformance_handle reader = open_reader(check);
    EXPECT_CALL(join_packets(check, reader), MARTLET_STATUS_ACCESS_DENIED, 0);
    EXPECT_CALL(join(check, reader, MARTLET_GROUP_TRACE), MARTLET_STATUS_ACCESS_DENIED, 0);
    struct message packets = request(MARTLET_FAMILY_CONTROL, MARTLET_CONTROL_CMD_PACKET_SUBSCRIBE, 0, 0);
    put_u8(&packets, MARTLET_CONTROL_ATTR_PACKET_SUBSCRIBE, 1);
    put_u32(&packets, MARTLET_CONTROL_ATTR_PACKET_PORT_ID, port_id(check, reader));
    EXPECT_CALL(write_message(check, reader, &packets), MARTLET_STATUS_ACCESS_DENIED, 0);
    struct message trace = request(MARTLET_FAMILY_CONTROL, MARTLET_CONTROL_CMD_MULTICAST_SUBSCRIBE, 0, 0);
    put_u32(&trace, MARTLET_CONTROL_ATTR_MULTICAST_GROUP, MARTLET_GROUP_TRACE);
    put_u8(&trace, MARTLET_CONTROL_ATTR_MULTICAST_JOIN, 1);
    EXPECT_CALL(write_message(check, reader, &trace), MARTLET_STATUS_ACCESS_DENIED, 0);
    for (uint32_t queue = 0; queue < 2; queue++)
        EXPECT_CALL(result(check, start_pend(check, reader, queue), SOON), MARTLET_STATUS_INVALID_PARAMETER, 0);
}

static const struct rule access_rules[] = {
    {"a handle that may read: GET, dumps, events", reading_is_allowed, CONFORMANCE_NEEDS_READING},
    {"a handle that may only read: every change is EPERM", changing_is_refused, CONFORMANCE_NEEDS_READING},
    {"a handle that may only read: packets and the trace are accessDenied", subscribing_is_refused, CONFORMANCE_NEEDS_READING},
};

TOPIC(access_topic, "access", access_rules);

// MARK: Several handles, several threads

static void port_ids_differ(struct check *check) {
    enum { HANDLES = 200 };
    uint32_t *seen = keep(check, 2 * HANDLES * sizeof *seen);
    int count = 0;
    conformance_handle kept[HANDLES / 2];
    for (int each = 0; each < HANDLES; each++) {
        conformance_handle handle = open_handle(check);
        uint32_t number = port_id(check, handle);
        for (int other = 0; other < count; other++) EXPECT(seen[other] != number);
        seen[count++] = number;
        // Every second is closed, and its number is not used again.
        if (each % 2 == 0) close_handle(check, handle);
        else kept[each / 2] = handle;
    }
    for (int each = 0; each < HANDLES / 2; each++) EXPECT_EQUAL(port_id(check, kept[each]), seen[2 * each + 1]);
}

static void dead_port_ids(struct check *check) {
    conformance_handle handle = open_handle(check), gone = open_handle(check);
    int32_t datapath = make_datapath(check, handle, "br0");
    add_port(check, handle, datapath, "p1", port_id(check, gone));
    EXPECT_NOTHING(join_packets(check, gone));
    send_frame(check, "p1", 60, 1);
    close_handle(check, gone);
    EXPECT(has_handles(check, 1));
    // Upcalls for nobody are lost and counted, and no new handle gets them.
    send_frame(check, "p1", 60, 1);
    conformance_handle newcomer = open_handle(check);
    EXPECT_NOTHING(join_packets(check, newcomer));
    EXPECT_NOTHING(join_packets(check, handle));
    send_frame(check, "p1", 60, 1);
    EXPECT_NOTHING(read_packet(check, newcomer));
    EXPECT_NOTHING(read_packet(check, handle));
    struct message get = get_datapath("br0");
    const struct nlattr *stats = attribute(first(transact(check, handle, &get)), OVS_DP_ATTR_STATS);
    EXPECT(stats != NULL && ((const struct ovs_dp_stats *)payload(stats))->n_lost == 2);
}

static void all_are_told(struct check *check) {
    enum { HANDLES = 50 };
    conformance_handle handles[HANDLES];
    struct conformance_request *pends[HANDLES];
    for (int each = 0; each < HANDLES; each++) {
        handles[each] = open_handle(check);
        EXPECT_NOTHING(join(check, handles[each], MARTLET_GROUP_NETDEV));
        pends[each] = start_pend(check, handles[each], MARTLET_QUEUE_EVENT);
        EXPECT(is_pended(check, handles[each], pends[each]));
    }
    plug(check, "p1");
    for (int each = 0; each < HANDLES; each++) {
        EXPECT_CALL(result(check, pends[each], SOON), MARTLET_STATUS_SUCCESS, 0);
        EXPECT(read_event(check, handles[each]).information > 0);
        EXPECT_NOTHING(read_event(check, handles[each]));
    }
}

/// A thread that carries out transactions on a handle it shares.
struct worker {
    struct check *check;
    conformance_handle handle;
    int number, wrong;
};

enum { WORKERS = 4, ROUNDS = 150 };

static void *work(void *argument) {
    struct worker *worker = argument;
    for (int round = 0; round < ROUNDS; round++) {
        // Each has its own names, so that an answer for another shows.
        char name[16] = "w0-none";
        name[1] = (char)('0' + worker->number);
        struct message get = get_datapath(round % 2 == 0 ? "br0" : name);
        struct answer answer = transact(worker->check, worker->handle, &get);
        const struct nlmsghdr *reply = first(answer);
        if (reply == NULL || reply->nlmsg_seq != header(&get)->nlmsg_seq
            || (reply->nlmsg_type == NLMSG_ERROR) != (round % 2 != 0))
            worker->wrong++;
    }
    return NULL;
}

static void several_threads(struct check *check) {
    conformance_handle handle = open_handle(check);
    make_datapath(check, handle, "br0");
    EXPECT_NOTHING(join(check, handle, MARTLET_GROUP_NETDEV));
    plug(check, "p1");
    EXPECT(read_event(check, handle).information > 0);
    struct worker workers[WORKERS];
    pthread_t threads[WORKERS];
    for (int each = 0; each < WORKERS; each++) {
        workers[each] = (struct worker){.check = check, .handle = handle, .number = each};
        pthread_create(&threads[each], NULL, work, &workers[each]);
    }
    // Meanwhile the same handle waits for events, and they come.
    for (int round = 0; round < 50; round++) {
        struct conformance_request *pend = start_pend(check, handle, MARTLET_QUEUE_EVENT);
        EXPECT(is_pended(check, handle, pend));
        set_carrier(check, "p1", round % 2 != 0);
        EXPECT_CALL(result(check, pend, SOON), MARTLET_STATUS_SUCCESS, 0);
        EXPECT(read_event(check, handle).information > 0);
    }
    for (int each = 0; each < WORKERS; each++) {
        pthread_join(threads[each], NULL);
        EXPECT_EQUAL(workers[each].wrong, 0);
    }
}

/// A thread that opens handles, uses and closes them.
static void *open_and_close(void *argument) {
    struct worker *worker = argument;
    for (int round = 0; round < ROUNDS / 3; round++) {
        conformance_handle handle = open_handle(worker->check);
        struct message get = get_datapath("br0");
        struct answer answer = transact(worker->check, handle, &get);
        if (first(answer) == NULL || first(answer)->nlmsg_pid != port_id(worker->check, handle)) worker->wrong++;
        close_handle(worker->check, handle);
    }
    return NULL;
}

static void handles_of_threads(struct check *check) {
    conformance_handle handle = open_handle(check);
    make_datapath(check, handle, "br0");
    struct worker workers[WORKERS];
    pthread_t threads[WORKERS];
    for (int each = 0; each < WORKERS; each++) {
        workers[each] = (struct worker){.check = check};
        pthread_create(&threads[each], NULL, open_and_close, &workers[each]);
    }
    for (int each = 0; each < WORKERS; each++) {
        pthread_join(threads[each], NULL);
        EXPECT_EQUAL(workers[each].wrong, 0);
    }
    EXPECT(has_handles(check, 1));
}

static void closing_keeps_what_was_made(struct check *check) {
    conformance_handle maker = open_handle(check);
    int32_t datapath = make_datapath(check, maker, "br0");
    add_port(check, maker, datapath, "p1", 0);
    close_handle(check, maker);
    EXPECT(has_handles(check, 0));
    conformance_handle handle = open_handle(check);
    struct message get = get_vport(datapath, 1, 0);
    EXPECT_REPLY(transact(check, handle, &get), &get);
}

static const struct rule handle_rules[] = {
    {"port IDs differ, and are not used again", port_ids_differ, 0},
    {"upcalls for a handle that was closed are lost and counted", dead_port_ids, 0},
    {"an event completes the pended requests of all handles", all_are_told, 0},
    {"threads that share a handle get each its own answers, while it waits for events", several_threads, 0},
    {"threads open, use and close handles at the same time", handles_of_threads, 0},
    {"what a handle has made stays when it is closed", closing_keeps_what_was_made, 0},
};

TOPIC(handles_topic, "handles", handle_rules);
