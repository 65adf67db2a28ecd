// Joining and leaving groups and queues.

#include "Check.h"

#include <string.h>

enum { FIRST_GROUP = MARTLET_GROUP_VPORT, LAST_GROUP = MARTLET_GROUP_CT_LIMIT };

static void groups(struct check *check) {
    conformance_handle handle = open_handle(check);
    for (uint32_t group = FIRST_GROUP; group <= LAST_GROUP; group++) {
        in_case(check, "group %u", group);
        EXPECT_NOTHING(join(check, handle, group));
        EXPECT_NOTHING(leave(check, handle, group));
        // Leaving what was never joined is nothing.
        EXPECT_NOTHING(leave(check, handle, group));
    }
    static const uint32_t unknown[] = {0, 1, 100, 109, 0x7fffffff, UINT32_MAX};
    for (size_t each = 0; each < sizeof unknown / sizeof *unknown; each++) {
        in_case(check, "group %u", unknown[each]);
        EXPECT_CALL(join(check, handle, unknown[each]), MARTLET_STATUS_INVALID_PARAMETER, 0);
        EXPECT_CALL(leave(check, handle, unknown[each]), MARTLET_STATUS_INVALID_PARAMETER, 0);
        // Of packets there is one queue, and the group has no meaning.
        EXPECT_NOTHING(subscribe(check, handle, MARTLET_QUEUE_PACKET, unknown[each], 1));
    }
}

static void bad_inputs(struct check *check) {
    conformance_handle handle = open_handle(check);
    const uint32_t input[] = {MARTLET_QUEUE_EVENT, MARTLET_GROUP_VPORT, 1, 0};
    for (size_t length = 0; length <= sizeof input; length++) {
        if (length == 12) continue;
        in_case(check, "an input of %zu bytes", length);
        struct answer answer = control(check, handle, MARTLET_IOCTL_SUBSCRIBE, input, length, 0);
        if (length < 12) EXPECT_CALL(answer, MARTLET_STATUS_INVALID_LENGTH, 12);
        else EXPECT_CALL(answer, MARTLET_STATUS_INVALID_PARAMETER, 0);
    }
    in_case(check, "a queue that is none");
    EXPECT_CALL(subscribe(check, handle, 2, MARTLET_GROUP_VPORT, 1), MARTLET_STATUS_INVALID_PARAMETER, 0);
    in_case(check, "neither joining nor leaving");
    EXPECT_CALL(subscribe(check, handle, MARTLET_QUEUE_EVENT, MARTLET_GROUP_VPORT, 2),
                MARTLET_STATUS_INVALID_PARAMETER, 0);
    // None of it was a subscription.
    plug(check, "p1");
    EXPECT_EQUAL(drain(check, handle, MARTLET_IOCTL_READ_EVENT), 0);
}

static void twice_is_once(struct check *check) {
    conformance_handle handle = open_handle(check);
    for (int time = 0; time < 3; time++) EXPECT_NOTHING(join(check, handle, MARTLET_GROUP_NETDEV));
    plug(check, "p1");
    EXPECT_EQUAL(drain(check, handle, MARTLET_IOCTL_READ_EVENT), 1);
    // And leaving once is leaving.
    EXPECT_NOTHING(leave(check, handle, MARTLET_GROUP_NETDEV));
    plug(check, "p2");
    EXPECT_EQUAL(drain(check, handle, MARTLET_IOCTL_READ_EVENT), 0);
}

static void joining_again_keeps_the_queue(struct check *check) {
    conformance_handle handle = open_handle(check);
    EXPECT_NOTHING(join(check, handle, MARTLET_GROUP_NETDEV));
    plug(check, "p1");
    EXPECT_NOTHING(join(check, handle, MARTLET_GROUP_NETDEV));
    EXPECT_NOTHING(join(check, handle, MARTLET_GROUP_VPORT));
    EXPECT_EQUAL(drain(check, handle, MARTLET_IOCTL_READ_EVENT), 1);
}

static void leaving(struct check *check) {
    conformance_handle handle = open_handle(check);
    EXPECT_NOTHING(join(check, handle, MARTLET_GROUP_NETDEV));
    EXPECT_NOTHING(join(check, handle, MARTLET_GROUP_VPORT));
    plug(check, "p1");
    // While another group is left, what is queued stays.
    EXPECT_NOTHING(leave(check, handle, MARTLET_GROUP_NETDEV));
    plug(check, "p2");
    EXPECT_EQUAL(drain(check, handle, MARTLET_IOCTL_READ_EVENT), 1);
    EXPECT_NOTHING(join(check, handle, MARTLET_GROUP_NETDEV));
    plug(check, "p3");
    EXPECT_NOTHING(leave(check, handle, MARTLET_GROUP_NETDEV));
    EXPECT_NOTHING(leave(check, handle, MARTLET_GROUP_VPORT));
    EXPECT_EQUAL(drain(check, handle, MARTLET_IOCTL_READ_EVENT), 0);
    // Nor is it there when the queue comes back.
    EXPECT_NOTHING(join(check, handle, MARTLET_GROUP_VPORT));
    EXPECT_EQUAL(drain(check, handle, MARTLET_IOCTL_READ_EVENT), 0);
}

static void leaving_packets(struct check *check) {
    conformance_handle handle = open_handle(check);
    int32_t datapath = make_datapath(check, handle, "br0");
    add_port(check, handle, datapath, "p1", port_id(check, handle));
    EXPECT_NOTHING(join_packets(check, handle));
    EXPECT_NOTHING(join_packets(check, handle));
    send_frame(check, "p1", 60, 1);
    EXPECT_NOTHING(subscribe(check, handle, MARTLET_QUEUE_PACKET, 0, 0));
    EXPECT_NOTHING(read_packet(check, handle));
    EXPECT_NOTHING(join_packets(check, handle));
    EXPECT_NOTHING(read_packet(check, handle));
    send_frame(check, "p1", 60, 1);
    EXPECT(read_packet(check, handle).information > 0);
    EXPECT_NOTHING(read_packet(check, handle));
}

static void leaving_cancels(struct check *check) {
    conformance_handle handle = open_handle(check);
    EXPECT_NOTHING(join(check, handle, MARTLET_GROUP_VPORT));
    EXPECT_NOTHING(join(check, handle, MARTLET_GROUP_NETDEV));
    struct conformance_request *pend = start_pend(check, handle, MARTLET_QUEUE_EVENT);
    EXPECT(is_pended(check, handle, pend));
    // Not while there is another group.
    EXPECT_NOTHING(leave(check, handle, MARTLET_GROUP_VPORT));
    EXPECT(is_pended(check, handle, pend));
    EXPECT_NOTHING(leave(check, handle, MARTLET_GROUP_NETDEV));
    EXPECT_CALL(result(check, pend, SOON), MARTLET_STATUS_CANCELLED, 0);
    EXPECT_NOTHING(join_packets(check, handle));
    pend = start_pend(check, handle, MARTLET_QUEUE_PACKET);
    EXPECT(is_pended(check, handle, pend));
    EXPECT_NOTHING(subscribe(check, handle, MARTLET_QUEUE_PACKET, 0, 0));
    EXPECT_CALL(result(check, pend, SOON), MARTLET_STATUS_CANCELLED, 0);
}

static void independent_queues(struct check *check) {
    conformance_handle handle = open_handle(check);
    int32_t datapath = make_datapath(check, handle, "br0");
    add_port(check, handle, datapath, "p1", port_id(check, handle));
    EXPECT_NOTHING(join_packets(check, handle));
    EXPECT_NOTHING(join(check, handle, MARTLET_GROUP_NETDEV));
    send_frame(check, "p1", 60, 1);
    plug(check, "p2");
    // Each is read with its own code, and leaving one leaves the other.
    EXPECT_NOTHING(leave(check, handle, MARTLET_GROUP_NETDEV));
    EXPECT_NOTHING(read_event(check, handle));
    struct answer upcall = read_packet(check, handle);
    EXPECT(first(upcall) != NULL && first(upcall)->nlmsg_type == MARTLET_FAMILY_PACKET);
}

static const struct rule rules[] = {
    {"every group can be joined and left, and a group that is not there is invalidParameter", groups, 0},
    {"an input that is too short is invalidLength, and one that is no subscription invalidParameter", bad_inputs, 0},
    {"joining twice is joining once", twice_is_once, 0},
    {"joining another group keeps what is queued", joining_again_keeps_the_queue, 0},
    {"leaving the last group drops what is queued, and leaving another does not", leaving, 0},
    {"leaving the packet queue drops what is queued", leaving_packets, 0},
    {"leaving the last group, or the packet queue, cancels the request that is pended on it", leaving_cancels, 0},
    {"the two queues are independent", independent_queues, 0},
};

TOPIC(subscriptions_topic, "subscriptions", rules);
