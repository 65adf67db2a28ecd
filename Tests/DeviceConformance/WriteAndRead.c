// The older pair of I/O controls: write and read.

#include "Check.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

static struct answer read_into(struct check *check, conformance_handle handle, size_t capacity) {
    return control_code(check, handle, MARTLET_IOCTL_READ, capacity);
}

/// What reads give until one gives nothing, as one run of messages. Counts the records in it.
static struct answer read_all(struct check *check, conformance_handle handle, size_t capacity, int *count) {
    struct answer whole = {.status = MARTLET_STATUS_SUCCESS};
    uint8_t *bytes = keep(check, 1 << 20);
    whole.bytes = bytes;
    *count = 0;
    for (int step = 0; step < 10000; step++) {
        struct answer piece = read_into(check, handle, capacity);
        if (piece.status != MARTLET_STATUS_SUCCESS) return piece;
        if (piece.information == 0 || whole.information + piece.information > 1 << 20) break;
        memcpy(bytes + whole.information, piece.bytes, piece.information);
        whole.information += piece.information;
    }
    for (const struct nlmsghdr *each = first(whole); each != NULL; each = behind(whole, each))
        *count += each->nlmsg_type >= NLMSG_MIN_TYPE;
    return whole;
}

static int32_t make_bed(struct check *check, conformance_handle handle, int flows) {
    int32_t datapath = make_datapath(check, handle, "br0");
    add_port(check, handle, datapath, "p1", 0);
    add_flows(check, handle, datapath, flows);
    return datapath;
}

static void short_messages(struct check *check) {
    conformance_handle handle = open_handle(check);
    struct message dump = message(MARTLET_FAMILY_DATAPATH, OVS_DP_CMD_GET, DUMP, 0);
    for (size_t length = 0; length < ATTRIBUTES; length++) {
        in_case(check, "%zu bytes", length);
        EXPECT_CALL(control(check, handle, MARTLET_IOCTL_WRITE, dump.bytes, length, 0), MARTLET_STATUS_INVALID_LENGTH,
                    ATTRIBUTES);
    }
    static const uint32_t lies[] = {0, 15, 23, ATTRIBUTES + 1, UINT32_MAX};
    for (size_t each = 0; each < sizeof lies / sizeof *lies; each++) {
        in_case(check, "a length of %u", lies[each]);
        header(&dump)->nlmsg_len = lies[each];
        EXPECT_CALL(control(check, handle, MARTLET_IOCTL_WRITE, dump.bytes, ATTRIBUTES, 0),
                    MARTLET_STATUS_INVALID_PARAMETER, 0);
    }
    EXPECT_NOTHING(read_into(check, handle, LARGE));
}

static void port_ids(struct check *check) {
    conformance_handle handle = open_handle(check), other = open_handle(check);
    struct message dump = message(MARTLET_FAMILY_DATAPATH, OVS_DP_CMD_GET, DUMP, 0);
    header(&dump)->nlmsg_pid = port_id(check, other);
    EXPECT_CALL(write_message(check, handle, &dump), MARTLET_STATUS_INVALID_PARAMETER, 0);
    header(&dump)->nlmsg_pid = port_id(check, handle);
    EXPECT_NOTHING(write_message(check, handle, &dump));
}

static void headers(struct check *check) {
    conformance_handle handle = open_handle(check);
    EXPECT_NOTHING(join(check, handle, MARTLET_GROUP_NETDEV));
    plug(check, "p1");
    // A control command is of a handle and not of a datapath; its flags do not matter.
    for (int32_t datapath = 0; datapath < 2; datapath++) {
        in_case(check, "dp_ifindex %d", datapath);
        struct message pend = message(MARTLET_FAMILY_CONTROL, MARTLET_CONTROL_CMD_PEND_REQUEST, 0, datapath);
        EXPECT_CALL(write_message(check, handle, &pend),
                    datapath == 0 ? MARTLET_STATUS_SUCCESS : MARTLET_STATUS_INVALID_PARAMETER, 0);
        pend.bytes[17] = 0;
        EXPECT_CALL(write_message(check, handle, &pend), MARTLET_STATUS_INVALID_PARAMETER, 0);
    }
    no_case(check);
    // Bytes behind the message are not looked at.
    struct message dump = message(MARTLET_FAMILY_DATAPATH, OVS_DP_CMD_GET, DUMP, 0);
    EXPECT_NOTHING(control(check, handle, MARTLET_IOCTL_WRITE, dump.bytes, 77, 0));
    // A dump that is going to fail is refused when it begins.
    struct message bad = message(MARTLET_FAMILY_FLOW, OVS_FLOW_CMD_GET, DUMP, 0);
    put_u16(&bad, OVS_FLOW_ATTR_UFID_FLAGS, 1);
    EXPECT_CALL(write_message(check, handle, &bad), MARTLET_STATUS_INVALID_PARAMETER, 0);
}

static void each_family(struct check *check) {
    conformance_handle handle = open_handle(check);
    int32_t datapath = make_bed(check, handle, 20);
    const struct {
        struct message dump;
        int records;
    } dumps[] = {
        {message(MARTLET_FAMILY_DATAPATH, OVS_DP_CMD_GET, DUMP, 0), 1},
        {message(MARTLET_FAMILY_VPORT, OVS_VPORT_CMD_GET, DUMP, datapath), 2},
        {message(MARTLET_FAMILY_FLOW, OVS_FLOW_CMD_GET, DUMP, datapath), 20},
        {message(MARTLET_FAMILY_NETDEV, MARTLET_NETDEV_CMD_GET, DUMP, 0), 2},
    };
    static const size_t capacities[] = {400, 1000, LARGE};
    for (size_t each = 0; each < sizeof dumps / sizeof *dumps; each++) {
        struct answer self_contained = dump_all(check, handle, &dumps[each].dump, LARGE);
        for (size_t size = 0; size < sizeof capacities / sizeof *capacities; size++) {
            in_case(check, "family %u, reads of %zu", header_of(&dumps[each].dump)->nlmsg_type, capacities[size]);
            EXPECT_NOTHING(write_message(check, handle, &dumps[each].dump));
            int count;
            struct answer whole = read_all(check, handle, capacities[size], &count);
            EXPECT_EQUAL(count, dumps[each].records);
            // It is the same dump, with its end.
            EXPECT(is_same(whole, self_contained));
            EXPECT_NOTHING(read_into(check, handle, LARGE));
        }
    }
}

static void without_a_dump(struct check *check) {
    conformance_handle handle = open_handle(check);
    for (uint32_t capacity = 0; capacity < ERROR_SIZE; capacity++)
        EXPECT_CALL(read_into(check, handle, capacity), MARTLET_STATUS_INVALID_LENGTH, ERROR_SIZE);
    EXPECT_NOTHING(read_into(check, handle, ERROR_SIZE));
}

static void replaced(struct check *check) {
    conformance_handle handle = open_handle(check);
    int32_t datapath = make_bed(check, handle, 20);
    struct message flows = message(MARTLET_FAMILY_FLOW, OVS_FLOW_CMD_GET, DUMP, datapath);
    struct message vports = message(MARTLET_FAMILY_VPORT, OVS_VPORT_CMD_GET, DUMP, datapath);
    EXPECT_NOTHING(write_message(check, handle, &flows));
    EXPECT(read_into(check, handle, 500).information > 0);
    EXPECT_NOTHING(write_message(check, handle, &vports));
    int count;
    struct answer whole = read_all(check, handle, LARGE, &count);
    EXPECT_EQUAL(count, 2);
    EXPECT(first(whole) != NULL && first(whole)->nlmsg_seq == header(&vports)->nlmsg_seq);
    // What is refused replaces nothing.
    EXPECT_NOTHING(write_message(check, handle, &flows));
    struct message strange = request(MARTLET_FAMILY_VPORT, OVS_VPORT_CMD_GET, 0, datapath);
    EXPECT_CALL(write_message(check, handle, &strange), MARTLET_STATUS_INVALID_PARAMETER, 0);
    read_all(check, handle, LARGE, &count);
    EXPECT_EQUAL(count, 20);
}

static void small_reads(struct check *check) {
    conformance_handle handle = open_handle(check);
    struct message dump = message(MARTLET_FAMILY_FLOW, OVS_FLOW_CMD_GET, DUMP, make_bed(check, handle, 20));
    EXPECT_NOTHING(write_message(check, handle, &dump));
    int count = 0;
    for (int step = 0; step < 1000; step++) {
        struct answer piece = read_into(check, handle, ERROR_SIZE);
        if (piece.status == MARTLET_STATUS_BUFFER_TOO_SMALL) {
            // As often as it is tried, the record stays.
            EXPECT_CALL(read_into(check, handle, ERROR_SIZE), MARTLET_STATUS_BUFFER_TOO_SMALL, piece.information);
            piece = read_into(check, handle, piece.information);
            count++;
        }
        EXPECT_EQUAL(piece.status, MARTLET_STATUS_SUCCESS);
        if (piece.information == 0 || piece.status != MARTLET_STATUS_SUCCESS) break;
    }
    EXPECT_EQUAL(count, 20);
}

static void side_by_side(struct check *check) {
    conformance_handle handles[3];
    for (int each = 0; each < 3; each++) handles[each] = open_handle(check);
    struct message dump = message(MARTLET_FAMILY_FLOW, OVS_FLOW_CMD_GET, DUMP, make_bed(check, handles[0], 30));
    for (int each = 0; each < 3; each++) EXPECT_NOTHING(write_message(check, handles[each], &dump));
    int counts[3] = {0};
    struct message get = get_datapath("br0");
    for (int step = 0; step < 600; step++) {
        int each = step % 3;
        struct answer piece = read_into(check, handles[each], 500);
        for (const struct nlmsghdr *record = first(piece); record != NULL; record = behind(piece, record))
            counts[each] += record->nlmsg_type >= NLMSG_MIN_TYPE;
        // Neither does a transaction disturb, nor another dump.
        EXPECT_REPLY(transact(check, handles[each], &get), &get);
        dump_all(check, handles[each], &dump, 4096);
    }
    for (int each = 0; each < 3; each++) EXPECT_EQUAL(counts[each], 30);
}

/// A thread that reads until there is nothing.
struct reader {
    struct check *check;
    conformance_handle handle;
    int records;
};

static void *read_to_the_end(void *argument) {
    struct reader *reader = argument;
    // While the other one has the dump in its hands there is nothing to be had, so ask some more times.
    for (int empty = 0; empty < 200;) {
        struct answer piece = read_into(reader->check, reader->handle, 500);
        if (piece.information == 0) empty++;
        for (const struct nlmsghdr *record = first(piece); record != NULL; record = behind(piece, record))
            reader->records += record->nlmsg_type >= NLMSG_MIN_TYPE;
    }
    return NULL;
}

static void two_readers(struct check *check) {
    conformance_handle handle = open_handle(check);
    struct message dump = message(MARTLET_FAMILY_FLOW, OVS_FLOW_CMD_GET, DUMP, make_bed(check, handle, 100));
    EXPECT_NOTHING(write_message(check, handle, &dump));
    struct reader readers[2];
    pthread_t threads[2];
    for (int each = 0; each < 2; each++) {
        readers[each] = (struct reader){.check = check, .handle = handle};
        pthread_create(&threads[each], NULL, read_to_the_end, &readers[each]);
    }
    for (int each = 0; each < 2; each++) pthread_join(threads[each], NULL);
    EXPECT_EQUAL(readers[0].records + readers[1].records, 100);
}

static void missing_datapath(struct check *check) {
    conformance_handle handle = open_handle(check);
    struct message dump = message(MARTLET_FAMILY_FLOW, OVS_FLOW_CMD_GET, DUMP, 4711);
    EXPECT_NOTHING(write_message(check, handle, &dump));
    struct answer piece = read_into(check, handle, LARGE);
    EXPECT_EQUAL(count_messages(piece.bytes, piece.information), 1);
    const struct nlmsghdr *done = first(piece);
    EXPECT(done != NULL && done->nlmsg_type == NLMSG_DONE && error_of(done) == -ENODEV);
    EXPECT_NOTHING(read_into(check, handle, LARGE));
}

/// A control command by write.
static struct message control_command(uint8_t command) { return request(MARTLET_FAMILY_CONTROL, command, 0, 0); }

static struct message multicast(uint32_t group, uint8_t join) {
    struct message result = control_command(MARTLET_CONTROL_CMD_MULTICAST_SUBSCRIBE);
    put_u32(&result, MARTLET_CONTROL_ATTR_MULTICAST_GROUP, group);
    put_u8(&result, MARTLET_CONTROL_ATTR_MULTICAST_JOIN, join);
    return result;
}

static struct message packet_subscription(uint32_t port_id, uint8_t join) {
    struct message result = control_command(MARTLET_CONTROL_CMD_PACKET_SUBSCRIBE);
    put_u8(&result, MARTLET_CONTROL_ATTR_PACKET_SUBSCRIBE, join);
    put_u32(&result, MARTLET_CONTROL_ATTR_PACKET_PORT_ID, port_id);
    return result;
}

static void multicast_by_write(struct check *check) {
    conformance_handle handle = open_handle(check);
    struct message join = multicast(MARTLET_GROUP_NETDEV, 1), leave = multicast(MARTLET_GROUP_NETDEV, 0);
    struct message unknown = multicast(100, 1), bare = control_command(MARTLET_CONTROL_CMD_MULTICAST_SUBSCRIBE), half = bare;
    put_u32(&half, MARTLET_CONTROL_ATTR_MULTICAST_GROUP, MARTLET_GROUP_NETDEV);
    struct message short_group = bare;
    put_u16(&short_group, MARTLET_CONTROL_ATTR_MULTICAST_GROUP, MARTLET_GROUP_NETDEV);
    put_u8(&short_group, MARTLET_CONTROL_ATTR_MULTICAST_JOIN, 1);
    const struct message *bad[] = {&unknown, &bare, &half, &short_group};
    for (size_t each = 0; each < sizeof bad / sizeof *bad; each++) {
        in_case(check, "bad message %zu", each);
        EXPECT_CALL(write_message(check, handle, bad[each]), MARTLET_STATUS_INVALID_PARAMETER, 0);
    }
    no_case(check);
    plug(check, "p1");
    EXPECT_NOTHING(read_event(check, handle));
    for (int time = 0; time < 2; time++) EXPECT_NOTHING(write_message(check, handle, &join));
    plug(check, "p2");
    EXPECT(read_event(check, handle).information > 0);
    EXPECT_NOTHING(read_event(check, handle));
    EXPECT_NOTHING(write_message(check, handle, &leave));
    plug(check, "p3");
    EXPECT_NOTHING(read_event(check, handle));
}

static void packets_by_write(struct check *check) {
    conformance_handle handle = open_handle(check), other = open_handle(check);
    int32_t datapath = make_datapath(check, handle, "br0");
    add_port(check, handle, datapath, "p1", port_id(check, handle));
    struct message wrong = packet_subscription(port_id(check, other), 1), bare = control_command(3), half = bare;
    put_u8(&half, MARTLET_CONTROL_ATTR_PACKET_SUBSCRIBE, 1);
    const struct message *bad[] = {&wrong, &bare, &half};
    for (size_t each = 0; each < sizeof bad / sizeof *bad; each++) {
        in_case(check, "bad message %zu", each);
        EXPECT_CALL(write_message(check, handle, bad[each]), MARTLET_STATUS_INVALID_PARAMETER, 0);
    }
    no_case(check);
    struct message join = packet_subscription(port_id(check, handle), 1);
    struct message leave = packet_subscription(port_id(check, handle), 0);
    for (int time = 0; time < 2; time++) EXPECT_NOTHING(write_message(check, handle, &join));
    send_frame(check, "p1", 60, 1);
    EXPECT(read_packet(check, handle).information > 0);
    EXPECT_NOTHING(read_packet(check, handle));
    EXPECT_NOTHING(write_message(check, handle, &leave));
    send_frame(check, "p1", 60, 1);
    EXPECT_NOTHING(read_packet(check, handle));
}

static void pend_by_write(struct check *check) {
    conformance_handle handle = open_handle(check);
    int32_t datapath = make_datapath(check, handle, "br0");
    add_port(check, handle, datapath, "p1", port_id(check, handle));
    for (uint8_t command = 0; command < 2; command++) {
        in_case(check, "command %u", command);
        struct message pend = control_command(command);
        EXPECT_CALL(result(check, start(check, handle, MARTLET_IOCTL_WRITE, pend.bytes, ATTRIBUTES), SOON),
                    MARTLET_STATUS_INVALID_PARAMETER, 0);
        if (command == 0) EXPECT_NOTHING(join(check, handle, MARTLET_GROUP_NETDEV));
        else EXPECT_NOTHING(join_packets(check, handle));
        for (int ending = 0; ending < 3; ending++) {
            struct conformance_request *request = start(check, handle, MARTLET_IOCTL_WRITE, pend.bytes, ATTRIBUTES);
            if (ending == 2) {
                // Its queue has something: at once.
                EXPECT_CALL(result(check, request, SOON), MARTLET_STATUS_SUCCESS, 0);
                continue;
            }
            EXPECT(is_pended(check, handle, request));
            if (ending == 0) cancel(check, request);
            else if (command == 0) set_carrier(check, "p1", false);
            else send_frame(check, "p1", 60, 1);
            EXPECT_CALL(result(check, request, SOON),
                        ending == 0 ? MARTLET_STATUS_CANCELLED : MARTLET_STATUS_SUCCESS, 0);
        }
    }
}

static void anything_else(struct check *check) {
    conformance_handle handle = open_handle(check);
    int32_t datapath = make_bed(check, handle, 1);
    struct answer before = snapshot(check, handle, datapath);
    static const struct {
        uint16_t family, flags;
        uint8_t command;
    } strange[] = {
        {MARTLET_FAMILY_CONTROL, NLM_F_REQUEST, 4}, {MARTLET_FAMILY_CONTROL, NLM_F_REQUEST, 5},
        {MARTLET_FAMILY_CONTROL, NLM_F_REQUEST, 6}, {MARTLET_FAMILY_CONTROL, NLM_F_REQUEST, 7},
        {MARTLET_FAMILY_CONTROL, NLM_F_REQUEST, 255},
        {MARTLET_FAMILY_DATAPATH, NLM_F_REQUEST, OVS_DP_CMD_NEW}, {MARTLET_FAMILY_DATAPATH, DUMP, OVS_DP_CMD_SET},
        {MARTLET_FAMILY_DATAPATH, NLM_F_REQUEST, OVS_DP_CMD_GET}, {MARTLET_FAMILY_DATAPATH, DUMP, OVS_DP_CMD_DEL},
        {MARTLET_FAMILY_PACKET, NLM_F_REQUEST, OVS_PACKET_CMD_EXECUTE}, {MARTLET_FAMILY_PACKET, DUMP, 3},
        {MARTLET_FAMILY_VPORT, NLM_F_REQUEST, OVS_VPORT_CMD_DEL}, {MARTLET_FAMILY_VPORT, NLM_F_REQUEST, 3},
        {MARTLET_FAMILY_VPORT, NLM_F_REQUEST | NLM_F_ROOT, OVS_VPORT_CMD_GET},
        {MARTLET_FAMILY_FLOW, NLM_F_REQUEST, OVS_FLOW_CMD_DEL}, {MARTLET_FAMILY_FLOW, DUMP, OVS_FLOW_CMD_DEL},
        {MARTLET_FAMILY_NETDEV, NLM_F_REQUEST, MARTLET_NETDEV_CMD_GET}, {MARTLET_FAMILY_METER, DUMP, 4},
        {MARTLET_FAMILY_CT_LIMIT, DUMP, 3}, {99, DUMP, 3}, {NLMSG_NOOP, NLM_F_REQUEST, 0},
    };
    for (size_t each = 0; each < sizeof strange / sizeof *strange; each++) {
        in_case(check, "family %u, command %u, flags 0x%x", strange[each].family, strange[each].command,
                strange[each].flags);
        struct message sent = message(strange[each].family, strange[each].command, strange[each].flags, datapath);
        EXPECT_CALL(write_message(check, handle, &sent), MARTLET_STATUS_INVALID_PARAMETER, 0);
        EXPECT_NOTHING(read_into(check, handle, LARGE));
    }
    no_case(check);
    EXPECT(is_same(before, snapshot(check, handle, datapath)));
}

static const struct rule rules[] = {
    {"write takes 24 bytes at least, else invalidLength, and a message that is whole", short_messages, 0},
    {"write takes the handle's port ID, and no other", port_ids, 0},
    {"write looks at version and dp_ifindex, and at nothing behind the message", headers, 0},
    {"write begins a dump of each family and read goes on with it, in buffers of any size", each_family, 0},
    {"read without a dump is a success without output", without_a_dump, 0},
    {"a second write takes the place of the dump under way", replaced, 0},
    {"a read with too small a buffer is bufferTooSmall and loses nothing", small_reads, 0},
    {"the dumps of several handles, and other I/O controls, do not disturb each other", side_by_side, 0},
    {"two threads that read have each record once between them", two_readers, 0},
    {"a dump of a datapath that is not there ends with ENODEV", missing_datapath, 0},
    {"write 2 joins and leaves a group", multicast_by_write, 0},
    {"write 3 subscribes to packets with the handle's port ID, and no other", packets_by_write, 0},
    {"write 0 and 1 are pend on the event queue and the packet queue", pend_by_write, 0},
    {"write of anything else is invalidParameter and does nothing", anything_else, 0},
};

TOPIC(write_and_read_topic, "write and read", rules);
