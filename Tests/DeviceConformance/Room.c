// Output buffers that are too small for a reply.

#include "Check.h"

#include <errno.h>
#include <string.h>

/// Requests that change something and answer, in an order in which each can be carried out on the bed below.
enum { CHANGES = 11 };

static void make_changes(struct message changes[CHANGES], int32_t datapath) {
    changes[0] = new_datapath("br1", NLM_F_ECHO);
    changes[1] = request(MARTLET_FAMILY_DATAPATH, OVS_DP_CMD_SET, NLM_F_ECHO, datapath);
    put_u32(&changes[1], OVS_DP_ATTR_USER_FEATURES, OVS_DP_F_UNALIGNED);
    changes[2] = new_vport(datapath, "p1", 77, NLM_F_ECHO);
    changes[3] = request(MARTLET_FAMILY_VPORT, OVS_VPORT_CMD_SET, NLM_F_ECHO, datapath);
    put_string(&changes[3], OVS_VPORT_ATTR_NAME, "p1");
    put_u32(&changes[3], OVS_VPORT_ATTR_UPCALL_PID, 78);
    changes[4] = flow(OVS_FLOW_CMD_NEW, datapath, 1, NLM_F_ECHO | NLM_F_CREATE);
    changes[5] = request(MARTLET_FAMILY_FLOW, OVS_FLOW_CMD_SET, NLM_F_ECHO, datapath);
    put_flow_key(&changes[5], OVS_FLOW_ATTR_KEY, 1);
    put_flow_key(&changes[5], OVS_FLOW_ATTR_MASK, 1);
    put_output(&changes[5], OVS_FLOW_ATTR_ACTIONS, 0);
    changes[6] = flow(OVS_FLOW_CMD_DEL, datapath, 1, NLM_F_ECHO);
    changes[7] = request(MARTLET_FAMILY_METER, OVS_METER_CMD_SET, NLM_F_ACK, datapath);
    put_u32(&changes[7], OVS_METER_ATTR_ID, 1);
    end_nest(&changes[7], nest(&changes[7], OVS_METER_ATTR_BANDS));
    changes[8] = request(MARTLET_FAMILY_METER, OVS_METER_CMD_DEL, 0, datapath);
    put_u32(&changes[8], OVS_METER_ATTR_ID, 1);
    changes[9] = request(MARTLET_FAMILY_VPORT, OVS_VPORT_CMD_DEL, NLM_F_ECHO | NLM_F_ACK, datapath);
    put_string(&changes[9], OVS_VPORT_ATTR_NAME, "p1");
    changes[10] = request(MARTLET_FAMILY_DATAPATH, OVS_DP_CMD_DEL, NLM_F_ECHO, 0);
    put_string(&changes[10], OVS_DP_ATTR_NAME, "br1");
}

static void changes_nothing(struct check *check) {
    conformance_handle handle = open_handle(check), watcher = open_handle(check);
    int32_t datapath = make_datapath(check, handle, "br0");
    plug(check, "p1");
    for (uint32_t group = MARTLET_GROUP_VPORT; group <= MARTLET_GROUP_FLOW; group++)
        EXPECT_NOTHING(join(check, watcher, group));
    struct message changes[CHANGES];
    make_changes(changes, datapath);
    for (size_t each = 0; each < CHANGES; each++) {
        in_case(check, "family %u, command %u", header(&changes[each])->nlmsg_type,
                generic_of(header(&changes[each]))->cmd);
        struct answer before = snapshot(check, handle, datapath);
        struct answer answer = transact_into(check, handle, &changes[each], ERROR_SIZE);
        EXPECT_EQUAL(answer.status, MARTLET_STATUS_BUFFER_TOO_SMALL);
        EXPECT(answer.information > ERROR_SIZE);
        EXPECT(is_same(before, snapshot(check, handle, datapath)));
        EXPECT_NOTHING(read_event(check, watcher));
        // With the size that was told it succeeds.
        struct answer success = transact_into(check, handle, &changes[each], answer.information);
        EXPECT_EQUAL(success.status, MARTLET_STATUS_SUCCESS);
        EXPECT(success.information > ERROR_SIZE && success.information <= answer.information);
        EXPECT(first(success) != NULL && first(success)->nlmsg_type == header(&changes[each])->nlmsg_type);
        EXPECT(!is_same(before, snapshot(check, handle, datapath)));
        drain(check, watcher, MARTLET_IOCTL_READ_EVENT);
    }
}

static void gets(struct check *check) {
    conformance_handle handle = open_handle(check);
    int32_t datapath = make_datapath(check, handle, "br0");
    add_port(check, handle, datapath, "p1", 0);
    add_flows(check, handle, datapath, 1);
    struct message requests[] = {
        get_datapath("br0"), get_vport(datapath, 1, 0), flow(OVS_FLOW_CMD_GET, datapath, 0, 0),
        request(MARTLET_FAMILY_NETDEV, MARTLET_NETDEV_CMD_GET, 0, 0),
        request(MARTLET_FAMILY_METER, OVS_METER_CMD_FEATURES, 0, datapath),
        request(MARTLET_FAMILY_CONTROL, MARTLET_CONTROL_CMD_SOCKET_PROPERTIES, 0, 0),
    };
    put_string(&requests[3], MARTLET_NETDEV_ATTR_NAME, "p1");
    for (size_t each = 0; each < sizeof requests / sizeof *requests; each++) {
        for (int ack = 0; ack < 2; ack++) {
            in_case(check, "family %u%s", header(&requests[each])->nlmsg_type, ack ? " with NLM_F_ACK" : "");
            if (ack) header(&requests[each])->nlmsg_flags |= NLM_F_ACK;
            uint32_t whole = transact(check, handle, &requests[each]).information;
            EXPECT(whole > ERROR_SIZE);
            for (size_t capacity = ERROR_SIZE; capacity < whole; capacity += 4) {
                struct answer answer = transact_into(check, handle, &requests[each], capacity);
                EXPECT_EQUAL(answer.status, MARTLET_STATUS_BUFFER_TOO_SMALL);
                EXPECT(answer.information >= whole);
                EXPECT_EQUAL(transact_into(check, handle, &requests[each], answer.information).information, whole);
            }
            EXPECT_EQUAL(transact_into(check, handle, &requests[each], whole).information, whole);
        }
    }
}

static void later_requests(struct check *check) {
    conformance_handle handle = open_handle(check);
    make_datapath(check, handle, "br0");
    struct message get = get_datapath("br0"), new = new_datapath("br1", NLM_F_ECHO), more = get_datapath("br1");
    uint32_t one = transact(check, handle, &get).information;
    // Room for the first reply, and not for the second: the call ends before the second request.
    uint8_t input[1024];
    size_t first_length = header(&get)->nlmsg_len, length = first_length + header(&new)->nlmsg_len;
    memcpy(input, get.bytes, first_length);
    memcpy(input + first_length, new.bytes, header(&new)->nlmsg_len);
    for (uint32_t room = one; room < one + 44; room++) {
        in_case(check, "room for one reply and %u bytes", room - one);
        EXPECT_REPLY(control(check, handle, MARTLET_IOCTL_TRANSACT, input, length, room), &get);
        EXPECT_ERROR(transact(check, handle, &more), &more, ENODEV);
    }
    no_case(check);
    // The rest is sent again.
    EXPECT_REPLY(transact(check, handle, &new), &new);
    EXPECT_REPLY(transact(check, handle, &more), &more);
}

static const struct rule rules[] = {
    {"bufferTooSmall changes nothing and tells the size that suffices: changes", changes_nothing, 0},
    {"bufferTooSmall tells the size that suffices: GET", gets, 0},
    {"a call ends before a later request whose reply does not fit, and that is not carried out", later_requests, 0},
};

TOPIC(room_topic, "buffers that are too small", rules);
