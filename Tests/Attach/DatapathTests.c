#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "Datapath.h"
#include "Tests.h"

#define SOL_NETLINK 270

void test_families(void) {
    int socket = open_socket();
    const char *names[] = {"ovs_datapath", "ovs_vport", "ovs_flow", "ovs_packet", "ovs_meter", "ovs_ct_limit"};
    for (size_t index = 0; index < 6; index++) {
        int id = family_id(socket, names[index]);
        EXPECT(id >= 1024);
        // By number it is the same.
        struct request request;
        uint16_t number = (uint16_t)id;
        _Alignas(8) uint8_t reply[8192];
        request_begin(&request, GENL_ID_CTRL, 0, CTRL_CMD_GETFAMILY);
        request_put(&request, CTRL_ATTR_FAMILY_ID, &number, sizeof number);
        EXPECT(transact(socket, &request, reply, sizeof reply) > 0);
        size_t length;
        const char *name = attribute(reply, NLMSG_HDRLEN + GENL_HDRLEN, CTRL_ATTR_FAMILY_NAME, &length);
        EXPECT(name && strcmp(name, names[index]) == 0);
        EXPECT_EQUAL(((struct nlmsghdr *)reply)->nlmsg_pid, port_id(socket));
    }
    struct request request;
    uint8_t reply[8192];
    request_begin(&request, 1023 + 1024, 0, 1);
    EXPECT_EQUAL(transact(socket, &request, reply, sizeof reply), -ENOENT);
    // One datagram with messages for both, whose replies come in order.
    uint8_t datagram[4096];
    uint32_t sequences[4];
    const char *mixed[] = {"ovs_flow", "nlctrl", "no_such_family", "ovs_vport"};
    size_t length = 0;
    for (int index = 0; index < 4; index++) {
        request_family(&request, mixed[index]);
        sequences[index] = request_sequence(&request);
        memcpy(datagram + length, request.bytes, request.length);
        length += request.length;
    }
    EXPECT_EQUAL(send(socket, datagram, length, 0), length);
    for (int index = 0; index < 4; index++) {
        EXPECT(recv(socket, reply, sizeof reply, MSG_DONTWAIT) > 0);
        EXPECT_EQUAL(((struct nlmsghdr *)reply)->nlmsg_seq, sequences[index]);
        EXPECT_EQUAL(((struct nlmsghdr *)reply)->nlmsg_type, index == 2 ? NLMSG_ERROR : GENL_ID_CTRL);
    }
    close(socket);
}

// A dump that is read, and what of it has come.
struct reading {
    uint32_t sequence;
    uint32_t count;
    bool is_done;
    bool *has_come;
};

static void begin_dump(struct datapath *datapath, int socket, struct reading *reading, uint32_t flows) {
    struct request request;
    datapath_request(datapath, &request, datapath->flow_family, NLM_F_DUMP | NLM_F_ACK, OVS_FLOW_CMD_GET);
    EXPECT_EQUAL(send(socket, request.bytes, request.length, 0), request.length);
    *reading = (struct reading){.sequence = request_sequence(&request), .has_come = calloc(flows, 1)};
}

static int events_of(int socket) {
    struct pollfd polled = {.fd = socket, .events = POLLIN};
    EXPECT(poll(&polled, 1, 0) >= 0);
    return polled.revents;
}

// Reads a datagram, which must be there; what is not of the dump is passed over.
static void read_piece(int socket, struct reading *reading, size_t size) {
    _Alignas(8) static uint8_t piece[65536];
    EXPECT_EQUAL(events_of(socket), POLLIN);
    ssize_t length = recv(socket, piece, size, MSG_DONTWAIT | MSG_TRUNC);
    EXPECT(length > 0 && (size_t)length <= size);
    for (size_t offset = 0; offset < (size_t)length;) {
        const struct nlmsghdr *header = (struct nlmsghdr *)(piece + offset);
        offset += NLMSG_ALIGN(header->nlmsg_len);
        if (header->nlmsg_seq != reading->sequence) continue;
        EXPECT(!reading->is_done);
        EXPECT_EQUAL(header->nlmsg_pid, port_id(socket));
        EXPECT(header->nlmsg_flags & NLM_F_MULTI);
        if (header->nlmsg_type == NLMSG_DONE) {
            reading->is_done = true;
        } else {
            uint32_t number = flow_number(header);
            EXPECT(!reading->has_come[number]);
            reading->has_come[number] = true;
            reading->count++;
        }
    }
}

static void finish_dump(int socket, struct reading *reading, size_t size, uint32_t flows) {
    uint8_t byte;
    while (!reading->is_done) read_piece(socket, reading, size);
    EXPECT_EQUAL(reading->count, flows);
    EXPECT_FAILS(recv(socket, &byte, 1, MSG_DONTWAIT), EAGAIN);
    free(reading->has_come);
}

void test_long_dump(void) {
    const uint32_t flows = 3000;
    struct datapath datapath;
    datapath_create(&datapath);
    datapath_add_flows(&datapath, flows);
    for (size_t size = 4096; size <= 65536; size *= 2) {
        int socket = open_socket();
        struct reading reading;
        uint8_t peeked[16];
        begin_dump(&datapath, socket, &reading, flows);
        for (int round = 0; round < 5; round++) EXPECT_EQUAL(recv(socket, peeked, 16, MSG_PEEK), 16);
        EXPECT_EQUAL(reading.sequence, ((struct nlmsghdr *)peeked)->nlmsg_seq);
        finish_dump(socket, &reading, size, flows);
        // The socket is good for the next one.
        begin_dump(&datapath, socket, &reading, flows);
        finish_dump(socket, &reading, size, flows);
        close(socket);
    }
    // A client that goes away in the middle.
    int socket = open_socket();
    struct reading reading;
    begin_dump(&datapath, socket, &reading, flows);
    read_piece(socket, &reading, 65536);
    free(reading.has_come);
    close(socket);
    datapath_remove(&datapath);
}

void test_dump_with_a_small_queue(void) {
    const uint32_t flows = 1000;
    struct datapath datapath;
    datapath_create(&datapath);
    datapath_add_flows(&datapath, flows);
    int socket = open_socket(), size = 1;
    EXPECT(setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) == 0);
    struct reading reading;
    begin_dump(&datapath, socket, &reading, flows);
    finish_dump(socket, &reading, 65536, flows);
    close(socket);
    datapath_remove(&datapath);
}

void test_busy(void) {
    const uint32_t flows = 1000;
    struct datapath datapath;
    datapath_create(&datapath);
    datapath_add_flows(&datapath, flows);
    int socket = open_socket();
    struct reading reading;
    begin_dump(&datapath, socket, &reading, flows);
    read_piece(socket, &reading, 65536);
    struct request request;
    datapath_request(&datapath, &request, datapath.flow_family, NLM_F_DUMP, OVS_FLOW_CMD_GET);
    EXPECT_EQUAL(send(socket, request.bytes, request.length, 0), request.length);
    bool is_refused = false;
    _Alignas(8) uint8_t reply[65536];
    while (!is_refused) {
        ssize_t length = recv(socket, reply, sizeof reply, MSG_DONTWAIT);
        EXPECT(length > 0);
        const struct nlmsghdr *header = (struct nlmsghdr *)reply;
        if (header->nlmsg_seq != request_sequence(&request)) continue;
        EXPECT_EQUAL(header->nlmsg_type, NLMSG_ERROR);
        EXPECT_EQUAL(((struct nlmsgerr *)(header + 1))->error, -EBUSY);
        is_refused = true;
    }
    free(reading.has_come);
    close(socket);
    datapath_remove(&datapath);
}

static void *make_transactions(void *argument) {
    const struct datapath *datapath = argument;
    for (int round = 0; round < 100; round++) {
        struct request request;
        datapath_request(datapath, &request, datapath->datapath_family, 0, OVS_DP_CMD_GET);
        EXPECT_EQUAL(send(datapath->socket, request.bytes, request.length, 0), request.length);
    }
    return NULL;
}

void test_transaction_during_a_dump(void) {
    const uint32_t flows = 3000;
    struct datapath datapath;
    datapath_create(&datapath);
    datapath_add_flows(&datapath, flows);
    int size = 1 << 22;
    EXPECT(setsockopt(datapath.socket, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) == 0);
    struct reading reading;
    begin_dump(&datapath, datapath.socket, &reading, flows);
    pthread_t thread;
    EXPECT(pthread_create(&thread, NULL, make_transactions, &datapath) == 0);
    while (!reading.is_done) read_piece(datapath.socket, &reading, 8192);
    EXPECT_EQUAL(reading.count, flows);
    pthread_join(thread, NULL);
    free(reading.has_come);
    datapath_remove(&datapath);
}

// Receives until the queue is empty, and counts messages and losses.
static void drain(int socket, int *messages, int *losses) {
    uint8_t reply[65536];
    *messages = *losses = 0;
    for (;;) {
        ssize_t length = recv(socket, reply, sizeof reply, MSG_DONTWAIT);
        if (length > 16) ++*messages;
        else if (length < 0 && errno == ENOBUFS) ++*losses;
        else break;
    }
    EXPECT_EQUAL(errno, EAGAIN);
}

void test_lost_reply(void) {
    struct datapath datapath;
    datapath_create(&datapath);
    int size = 1, messages, losses, on = 1;
    EXPECT(setsockopt(datapath.socket, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) == 0);
    for (int round = 0; round < 2; round++) {
        make_transactions(&datapath);
        drain(datapath.socket, &messages, &losses);
        EXPECT(messages > 0 && messages < 100);
        // Once, and the first that the reader hears.
        EXPECT_EQUAL(losses, round == 0 ? 1 : 0);
        EXPECT(setsockopt(datapath.socket, SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof on) == 0);
    }
    make_transactions(&datapath);
    size = 0;
    EXPECT(setsockopt(datapath.socket, SOL_NETLINK, NETLINK_NO_ENOBUFS, &size, sizeof size) == 0);
    uint8_t reply[4096];
    EXPECT_FAILS(recv(datapath.socket, reply, sizeof reply, MSG_DONTWAIT | MSG_PEEK), ENOBUFS);
    EXPECT(recv(datapath.socket, reply, sizeof reply, MSG_DONTWAIT) > 0);
    drain(datapath.socket, &messages, &losses);
    EXPECT_EQUAL(losses, 0);
    datapath_remove(&datapath);
}

static void set_membership(int socket, uint32_t group, int option) {
    EXPECT(setsockopt(socket, SOL_NETLINK, option, &group, sizeof group) == 0);
}

static bool becomes_readable(int socket, int milliseconds) {
    struct pollfd polled = {.fd = socket, .events = POLLIN};
    return poll(&polled, 1, milliseconds) == 1;
}

void test_lost_events(void) {
    struct datapath datapath;
    datapath_create(&datapath);
    int listener = open_socket(), size = 1, messages, losses, all_losses = 0;
    EXPECT(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) == 0);
    set_membership(listener, group_id(listener, OVS_DATAPATH_FAMILY), NETLINK_ADD_MEMBERSHIP);
    for (int round = 0; round < 100; round++) datapath_change(&datapath);
    drain(listener, &messages, &losses);
    EXPECT(messages > 0 && messages < 100);
    all_losses += losses;
    // If nothing follows, the news comes by itself; a look at the queue does not take it away from the reader.
    uint8_t reply[4096];
    if (all_losses == 0) {
        EXPECT(becomes_readable(listener, 2000));
        EXPECT_FAILS(recv(listener, reply, sizeof reply, MSG_PEEK | MSG_DONTWAIT), ENOBUFS);
        all_losses++;
    }
    EXPECT_EQUAL(all_losses, 1);
    EXPECT(!becomes_readable(listener, 300));
    datapath_change(&datapath);
    drain(listener, &messages, &losses);
    EXPECT_EQUAL(messages, 1);
    EXPECT_EQUAL(losses, 0);
    close(listener);
    datapath_remove(&datapath);
}

// Receives an event, which is there or comes soon.
static void expect_event(const struct datapath *datapath, int listener) {
    _Alignas(8) uint8_t event[4096];
    struct sockaddr_nl sender;
    socklen_t length = sizeof sender;
    memset(&sender, 0xff, sizeof sender);
    EXPECT(becomes_readable(listener, 1000));
    EXPECT(recvfrom(listener, event, sizeof event, 0, (struct sockaddr *)&sender, &length) > 0);
    EXPECT_EQUAL(sender.nl_pid, 0);
    EXPECT_EQUAL(((struct nlmsghdr *)event)->nlmsg_type, datapath->datapath_family);
}

void test_events(void) {
    struct datapath datapath;
    datapath_create(&datapath);
    int listener = open_socket();
    uint32_t group = group_id(listener, OVS_DATAPATH_FAMILY);
    EXPECT(group >= 1024);
    datapath_change(&datapath);
    EXPECT(!becomes_readable(listener, 50));
    set_membership(listener, group, NETLINK_ADD_MEMBERSHIP);
    set_membership(listener, group, NETLINK_ADD_MEMBERSHIP);
    datapath_change(&datapath);
    expect_event(&datapath, listener);
    EXPECT(!becomes_readable(listener, 0));
    set_membership(listener, group, NETLINK_DROP_MEMBERSHIP);
    datapath_change(&datapath);
    EXPECT(!becomes_readable(listener, 50));
    uint32_t nobodys = 2047;
    EXPECT_FAILS(setsockopt(listener, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &nobodys, sizeof nobodys), EINVAL);
    close(listener);

    // A member before there is a port ID; bind makes it.
    listener = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
    set_membership(listener, group, NETLINK_ADD_MEMBERSHIP);
    struct sockaddr_nl address = {.nl_family = AF_NETLINK};
    EXPECT(bind(listener, (struct sockaddr *)&address, sizeof address) == 0);
    EXPECT(port_id(listener) != 0);
    datapath_change(&datapath);
    expect_event(&datapath, listener);
    close(listener);
    datapath_remove(&datapath);
}

void test_events_after_fork(void) {
    struct datapath datapath;
    datapath_create(&datapath);
    int listener = open_socket(), ends[2];
    set_membership(listener, group_id(listener, OVS_DATAPATH_FAMILY), NETLINK_ADD_MEMBERSHIP);
    EXPECT(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[1]);
        char byte;
        // The parent, who made the socket, has closed it, and the child has not used it yet.
        EXPECT_EQUAL(read(ends[0], &byte, 1), 0);
        expect_event(&datapath, listener);
        struct datapath child_datapath = datapath;
        child_datapath.socket = open_socket();
        datapath_change(&child_datapath);
        expect_event(&datapath, listener);
        EXPECT_EQUAL(family_id(listener, "nlctrl"), GENL_ID_CTRL);
        datapath_change(&child_datapath);
        expect_event(&datapath, listener);
        _exit(0);
    }
    close(listener);
    datapath_change(&datapath);
    close(ends[0]);
    close(ends[1]);
    int status;
    EXPECT(waitpid(child, &status, 0) == child);
    EXPECT_EQUAL(status, 0);
    datapath_remove(&datapath);
}

void test_upcall(void) {
    struct datapath datapath;
    datapath_create(&datapath);
    int receiver = open_socket();
    uint8_t frame[60] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5}, reply[4096];
    for (int round = 0; round < 3; round++) {
        struct request request;
        datapath_request(&datapath, &request, datapath.packet_family, 0, OVS_PACKET_CMD_EXECUTE);
        request_put(&request, OVS_PACKET_ATTR_PACKET, frame, sizeof frame);
        size_t key = request_nest(&request, OVS_PACKET_ATTR_KEY);
        request_put_u32(&request, OVS_KEY_ATTR_IN_PORT, 0);
        request_nest_end(&request, key);
        size_t actions = request_nest(&request, OVS_PACKET_ATTR_ACTIONS);
        size_t userspace = request_nest(&request, OVS_ACTION_ATTR_USERSPACE);
        request_put_u32(&request, OVS_USERSPACE_ATTR_PID, port_id(receiver));
        request_nest_end(&request, userspace);
        request_nest_end(&request, actions);
        EXPECT_EQUAL(transact(datapath.socket, &request, reply, sizeof reply), 0);
        // It is there already.
        _Alignas(8) uint8_t upcall[4096];
        EXPECT(recv(receiver, upcall, sizeof upcall, MSG_DONTWAIT) > 0);
        EXPECT_EQUAL(((struct nlmsghdr *)upcall)->nlmsg_type, datapath.packet_family);
        size_t length;
        const uint8_t *packet = attribute(upcall, OVS_HEADER_LENGTH, OVS_PACKET_ATTR_PACKET, &length);
        EXPECT(packet && length == sizeof frame && memcmp(packet, frame, sizeof frame) == 0);
    }
    close(receiver);
    datapath_remove(&datapath);
}

void test_foreign_group(void) {
    struct datapath datapath;
    datapath_create(&datapath);
    datapath_change(&datapath);
    // A socket is Martlet's or the kernel's; this one has been used with Martlet's families.
    uint32_t group = GENL_ID_CTRL;
    EXPECT_FAILS(setsockopt(datapath.socket, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group), EOPNOTSUPP);
    int listener = open_socket();
    set_membership(listener, group_id(listener, OVS_DATAPATH_FAMILY), NETLINK_ADD_MEMBERSHIP);
    EXPECT_FAILS(setsockopt(listener, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group), EOPNOTSUPP);
    close(listener);
    datapath_remove(&datapath);
}

void test_taken_port_id(void) {
    // A kernel socket of this process has the port ID, which is still free for an attached one.
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_pid = 0x40000000u + (uint32_t)getpid()};
    uint32_t group = GENL_ID_CTRL;
    int kernels = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
    EXPECT(bind(kernels, (struct sockaddr *)&address, sizeof address) == 0);
    set_membership(kernels, group, NETLINK_ADD_MEMBERSHIP);
    int attached = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
    EXPECT(bind(attached, (struct sockaddr *)&address, sizeof address) == 0);
    struct request request;
    _Alignas(8) uint8_t reply[8192];
    request_family(&request, "nlctrl");
    EXPECT(transact(attached, &request, reply, sizeof reply) > 0);
    EXPECT_EQUAL(((struct nlmsghdr *)reply)->nlmsg_pid, address.nl_pid);
    EXPECT_FAILS(setsockopt(attached, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group), EADDRINUSE);
    EXPECT(transact(attached, &request, reply, sizeof reply) > 0);
    close(attached);
    close(kernels);
}
