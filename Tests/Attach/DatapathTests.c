#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
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

static bool becomes_readable(int socket, int milliseconds) {
    struct pollfd polled = {.fd = socket, .events = POLLIN};
    return poll(&polled, 1, milliseconds) == 1;
}

// As `drain`, and what comes until nothing has come for longer than the news of a loss takes.
static void drain_all(int socket, int *messages, int *losses) {
    drain(socket, messages, losses);
    while (becomes_readable(socket, 300)) {
        int more_messages, more_losses;
        drain(socket, &more_messages, &more_losses);
        *messages += more_messages;
        *losses += more_losses;
    }
}

// How often a reader is told of losses at most: once of those between which there is no pause of a millisecond.
static int most_losses(double begin) {
    return 1 + (int)((now() - begin) / 1e6);
}

void test_lost_reply(void) {
    struct datapath datapath;
    datapath_create(&datapath);
    int size = 1, messages, losses, on = 1;
    EXPECT(setsockopt(datapath.socket, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) == 0);
    for (int round = 0; round < 2; round++) {
        double begin = now();
        make_transactions(&datapath);
        int most = most_losses(begin);
        drain(datapath.socket, &messages, &losses);
        EXPECT(messages > 0 && messages < 100);
        // It is the first that the reader hears.
        EXPECT(round == 0 ? losses >= 1 && losses <= most : losses == 0);
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

void test_lost_events(void) {
    struct datapath datapath;
    datapath_create(&datapath);
    int listener = open_socket(), size = 1, messages, losses, all_losses = 0;
    EXPECT(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) == 0);
    set_membership(listener, group_id(listener, OVS_DATAPATH_FAMILY), NETLINK_ADD_MEMBERSHIP);
    double begin = now();
    for (int round = 0; round < 100; round++) datapath_change(&datapath);
    int most = most_losses(begin);
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
    drain_all(listener, &messages, &losses);
    all_losses += losses;
    EXPECT(all_losses >= 1 && all_losses <= most);
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

// Has upcalls made for a receiver, all by one datagram of requests. Each is of a frame with its number in it.
static void make_upcalls(const struct datapath *datapath, int receiver, uint32_t first, uint32_t count, size_t size) {
    static uint8_t datagram[120000];
    size_t length = 0;
    for (uint32_t number = first; number < first + count; number++) {
        uint8_t frame[3000] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5};
        memcpy(frame + 14, &number, sizeof number);
        struct request request;
        datapath_request(datapath, &request, datapath->packet_family, 0, OVS_PACKET_CMD_EXECUTE);
        request_put(&request, OVS_PACKET_ATTR_PACKET, frame, size);
        size_t key = request_nest(&request, OVS_PACKET_ATTR_KEY);
        request_put_u32(&request, OVS_KEY_ATTR_IN_PORT, 0);
        request_nest_end(&request, key);
        size_t actions = request_nest(&request, OVS_PACKET_ATTR_ACTIONS);
        size_t userspace = request_nest(&request, OVS_ACTION_ATTR_USERSPACE);
        request_put_u32(&request, OVS_USERSPACE_ATTR_PID, port_id(receiver));
        request_nest_end(&request, userspace);
        request_nest_end(&request, actions);
        EXPECT(length + request.length <= sizeof datagram);
        memcpy(datagram + length, request.bytes, request.length);
        length += request.length;
    }
    EXPECT_EQUAL(send(datapath->socket, datagram, length, 0), length);
    uint8_t reply[4096];
    EXPECT_FAILS(recv(datapath->socket, reply, sizeof reply, MSG_DONTWAIT), EAGAIN);
}

// The number of an upcall that has been received whole.
static uint32_t upcall_number(const struct datapath *datapath, const void *upcall, ssize_t received) {
    const struct nlmsghdr *header = upcall;
    EXPECT_EQUAL(header->nlmsg_type, datapath->packet_family);
    EXPECT_EQUAL(header->nlmsg_len, received);
    size_t length;
    const uint8_t *packet = attribute(upcall, OVS_HEADER_LENGTH, OVS_PACKET_ATTR_PACKET, &length);
    uint32_t number;
    EXPECT(packet && length >= 60);
    memcpy(&number, packet + 14, sizeof number);
    return number;
}

static void expect_upcall(const struct datapath *datapath, int receiver, uint32_t number) {
    _Alignas(8) uint8_t upcall[4096];
    EXPECT(becomes_readable(receiver, 0));
    EXPECT_EQUAL(upcall_number(datapath, upcall, recv(receiver, upcall, sizeof upcall, MSG_DONTWAIT)), number);
}

static void expect_none(int receiver) {
    uint8_t byte;
    EXPECT(!becomes_readable(receiver, 0));
    EXPECT_FAILS(recv(receiver, &byte, sizeof byte, MSG_DONTWAIT), EAGAIN);
}

// What the kernel has at the head of the queue, which the library does not show; 0 if there is nothing.
static ssize_t look_behind(int receiver) {
    uint8_t datagram[65536];
    ssize_t length = syscall(SYS_recvfrom, receiver, datagram, sizeof datagram, MSG_PEEK | MSG_DONTWAIT, NULL, NULL);
    return length < 0 ? 0 : length;
}

// Makes a datapath and a socket that has received an upcall, so that others come together.
static int open_receiver(struct datapath *datapath) {
    datapath_create(datapath);
    int receiver = open_socket();
    make_upcalls(datapath, receiver, 1, 1, 60);
    expect_upcall(datapath, receiver, 1);
    expect_none(receiver);
    return receiver;
}

void test_upcall(void) {
    struct datapath datapath;
    datapath_create(&datapath);
    int receiver = open_socket();
    for (uint32_t round = 0; round < 3; round++) {
        make_upcalls(&datapath, receiver, round, 1, 60);
        // It is there already.
        expect_upcall(&datapath, receiver, round);
        expect_none(receiver);
    }
    close(receiver);
    datapath_remove(&datapath);
}

void test_upcalls_together(void) {
    struct datapath datapath;
    int receiver = open_receiver(&datapath), poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    EXPECT(epoll_ctl(poller, EPOLL_CTL_ADD, receiver, &event) == 0);
    // The socket is readable as long as there is one, however many are in a datagram.
    make_upcalls(&datapath, receiver, 100, 60, 60);
    EXPECT(look_behind(receiver) > 1000);
    for (uint32_t number = 100; number < 160; number++) {
        EXPECT_EQUAL(epoll_wait(poller, &event, 1, 0), 1);
        expect_upcall(&datapath, receiver, number);
    }
    EXPECT_EQUAL(epoll_wait(poller, &event, 1, 0), 0);
    expect_none(receiver);
    // Every call gives one.
    make_upcalls(&datapath, receiver, 200, 40, 60);
    _Alignas(8) uint8_t upcall[4096], small[20], rest[4096], several[8][512];
    for (int time = 0; time < 2; time++) {
        ssize_t length = recv(receiver, upcall, sizeof upcall, MSG_PEEK);
        EXPECT_EQUAL(upcall_number(&datapath, upcall, length), 200);
    }
    EXPECT_EQUAL(recv(receiver, small, sizeof small, MSG_PEEK), sizeof small);
    ssize_t whole = recv(receiver, small, sizeof small, MSG_TRUNC);
    EXPECT_EQUAL(((struct nlmsghdr *)small)->nlmsg_len, whole);
    struct sockaddr_nl sender = {.nl_pid = 77};
    struct iovec pieces[2] = {{small, sizeof small}, {rest, sizeof rest}};
    struct msghdr message = {
        .msg_name = &sender, .msg_namelen = sizeof sender, .msg_iov = pieces, .msg_iovlen = 2, .msg_flags = MSG_TRUNC};
    ssize_t length = recvmsg(receiver, &message, 0);
    memcpy(upcall, small, sizeof small);
    memcpy(upcall + sizeof small, rest, (size_t)length - sizeof small);
    EXPECT_EQUAL(upcall_number(&datapath, upcall, length), 201);
    EXPECT_EQUAL(message.msg_flags, 0);
    EXPECT(sender.nl_family == AF_NETLINK && sender.nl_pid == 0 && message.msg_namelen == sizeof sender);
    message.msg_iovlen = 1;
    EXPECT_EQUAL(recvmsg(receiver, &message, 0), sizeof small);
    EXPECT_EQUAL(message.msg_flags, MSG_TRUNC);
    EXPECT_EQUAL(upcall_number(&datapath, upcall, read(receiver, upcall, sizeof upcall)), 203);
    struct mmsghdr messages[8] = {0};
    struct iovec vectors[8];
    for (int index = 0; index < 8; index++) {
        vectors[index] = (struct iovec){several[index], sizeof several[index]};
        messages[index].msg_hdr = (struct msghdr){.msg_iov = &vectors[index], .msg_iovlen = 1};
    }
    EXPECT_EQUAL(recvmmsg(receiver, messages, 8, MSG_DONTWAIT, NULL), 8);
    for (uint32_t index = 0; index < 8; index++) {
        EXPECT_EQUAL(upcall_number(&datapath, several[index], messages[index].msg_len), 204 + index);
    }
    // Two descriptors of a socket have one queue.
    int other = dup(receiver);
    for (uint32_t number = 212; number < 230; number++) {
        expect_upcall(&datapath, number % 2 ? receiver : other, number);
    }
    close(other);
    // Those that nobody receives go with the socket.
    close(receiver);
    close(poller);
    receiver = open_socket();
    expect_none(receiver);
    make_upcalls(&datapath, receiver, 300, 3, 60);
    for (uint32_t number = 300; number < 303; number++) expect_upcall(&datapath, receiver, number);
    expect_none(receiver);
    // What the program wants to be told beside the data comes with each.
    int on = 1;
    EXPECT(setsockopt(receiver, SOL_NETLINK, NETLINK_PKTINFO, &on, sizeof on) == 0);
    make_upcalls(&datapath, receiver, 400, 10, 60);
    for (uint32_t number = 400; number < 410; number++) {
        _Alignas(size_t) uint8_t control[64];
        bool has_room = number != 405;
        struct iovec piece = {upcall, sizeof upcall};
        message = (struct msghdr){.msg_iov = &piece, .msg_iovlen = 1, .msg_control = control,
                                  .msg_controllen = has_room ? sizeof control : 4};
        EXPECT_EQUAL(upcall_number(&datapath, upcall, recvmsg(receiver, &message, 0)), number);
        const struct cmsghdr *told = CMSG_FIRSTHDR(&message);
        EXPECT(!has_room || (told && told->cmsg_level == SOL_NETLINK && told->cmsg_type == NETLINK_PKTINFO));
        EXPECT_EQUAL(message.msg_flags, has_room ? 0 : MSG_CTRUNC);
    }
    expect_none(receiver);
    close(receiver);
    datapath_remove(&datapath);
}

void test_upcalls_among_others(void) {
    struct datapath datapath;
    int receiver = open_receiver(&datapath);
    set_membership(receiver, group_id(receiver, OVS_DATAPATH_FAMILY), NETLINK_ADD_MEMBERSHIP);
    // In the order in which they came, whether alone, together, or too large for that.
    make_upcalls(&datapath, receiver, 10, 20, 60);
    datapath_change(&datapath);
    make_upcalls(&datapath, receiver, 30, 5, 2500);
    make_upcalls(&datapath, receiver, 35, 1, 60);
    for (uint32_t number = 10; number < 30; number++) expect_upcall(&datapath, receiver, number);
    expect_event(&datapath, receiver);
    for (uint32_t number = 30; number < 36; number++) expect_upcall(&datapath, receiver, number);
    expect_none(receiver);
    // Transactions of the same socket, while upcalls wait: their replies come behind.
    make_upcalls(&datapath, receiver, 40, 20, 60);
    expect_upcall(&datapath, receiver, 40);
    struct request request;
    request_family(&request, "ovs_flow");
    EXPECT_EQUAL(send(receiver, request.bytes, request.length, 0), request.length);
    for (uint32_t number = 41; number < 60; number++) expect_upcall(&datapath, receiver, number);
    _Alignas(8) uint8_t reply[8192];
    EXPECT(becomes_readable(receiver, 0));
    EXPECT(recv(receiver, reply, sizeof reply, MSG_DONTWAIT) > 0);
    EXPECT_EQUAL(((struct nlmsghdr *)reply)->nlmsg_seq, request_sequence(&request));
    expect_none(receiver);
    close(receiver);
    datapath_remove(&datapath);
}

enum { THREADS = 4, UPCALLS_OF_THREADS = 2000, LAST_UPCALL = 1000000 };

static struct datapath threads_datapath;
static int threads_receiver;
static _Atomic int received_numbers[UPCALLS_OF_THREADS];

static void *receive_upcalls(void *unused) {
    (void)unused;
    for (;;) {
        _Alignas(8) uint8_t upcall[4096];
        // It waits.
        ssize_t length = recv(threads_receiver, upcall, sizeof upcall, 0);
        uint32_t number = upcall_number(&threads_datapath, upcall, length);
        if (number == LAST_UPCALL) return NULL;
        EXPECT(number < UPCALLS_OF_THREADS);
        received_numbers[number]++;
    }
}

void test_upcalls_of_threads(void) {
    threads_receiver = open_receiver(&threads_datapath);
    pthread_t threads[THREADS];
    for (int index = 0; index < THREADS; index++) {
        EXPECT(pthread_create(&threads[index], NULL, receive_upcalls, NULL) == 0);
    }
    for (uint32_t number = 0; number < UPCALLS_OF_THREADS; number += 40) {
        make_upcalls(&threads_datapath, threads_receiver, number, 40, 60);
    }
    for (int index = 0; index < THREADS; index++) {
        make_upcalls(&threads_datapath, threads_receiver, LAST_UPCALL, 1, 60);
    }
    for (int index = 0; index < THREADS; index++) pthread_join(threads[index], NULL);
    for (int number = 0; number < UPCALLS_OF_THREADS; number++) EXPECT_EQUAL(received_numbers[number], 1);
    close(threads_receiver);
    datapath_remove(&threads_datapath);
}

void test_upcalls_after_fork(void) {
    struct datapath datapath;
    int receiver = open_receiver(&datapath), status;
    make_upcalls(&datapath, receiver, 10, 60, 60);
    for (uint32_t number = 10; number < 13; number++) expect_upcall(&datapath, receiver, number);
    // A child that does not care changes nothing.
    pid_t child = fork();
    if (child == 0) {
        close(receiver);
        _exit(0);
    }
    EXPECT(waitpid(child, &status, 0) == child && status == 0);
    for (uint32_t number = 13; number < 16; number++) expect_upcall(&datapath, receiver, number);
    // One that receives what waits: the parent has only what it had begun with, and nothing that comes later is lost.
    child = fork();
    if (child == 0) {
        _Alignas(8) uint8_t upcall[4096];
        uint32_t count = 0, last = 0;
        ssize_t length;
        // Looked at first, it is the same.
        EXPECT(recv(receiver, upcall, sizeof upcall, MSG_PEEK | MSG_DONTWAIT) > 0);
        while ((length = recv(receiver, upcall, sizeof upcall, MSG_DONTWAIT)) > 0) {
            uint32_t number = upcall_number(&datapath, upcall, length);
            EXPECT(count == 0 || number == last + 1);
            last = number;
            count++;
        }
        EXPECT_EQUAL(errno, EAGAIN);
        EXPECT_EQUAL(last, 69);
        EXPECT(count >= 54);
        _exit(0);
    }
    EXPECT(waitpid(child, &status, 0) == child);
    EXPECT_EQUAL(status, 0);
    // What comes meanwhile stands where the datagram was that the parent has begun with.
    make_upcalls(&datapath, receiver, 100, 60, 60);
    _Alignas(8) uint8_t upcall[4096];
    uint32_t number = 16, next = 100;
    ssize_t length;
    while ((length = recv(receiver, upcall, sizeof upcall, MSG_DONTWAIT)) > 0) {
        uint32_t received = upcall_number(&datapath, upcall, length);
        EXPECT_EQUAL(received, received < 100 ? number++ : next++);
    }
    EXPECT(errno == EAGAIN && number < 40);
    EXPECT_EQUAL(next, 160);
    make_upcalls(&datapath, receiver, 200, 60, 60);
    for (number = 200; number < 260; number++) expect_upcall(&datapath, receiver, number);
    expect_none(receiver);
    close(receiver);
    datapath_remove(&datapath);
}

void test_lost_upcalls(void) {
    struct datapath datapath;
    int receiver = open_receiver(&datapath), size = 20000, messages, losses;
    EXPECT(setsockopt(receiver, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) == 0);
    for (int round = 0; round < 2; round++) {
        double begin = now();
        for (uint32_t number = 0; number < 2000; number += 50) make_upcalls(&datapath, receiver, number, 50, 60);
        int most = most_losses(begin);
        // The reader learns of it, also if nothing follows.
        drain_all(receiver, &messages, &losses);
        EXPECT(messages >= 19 && messages < 1000);
        EXPECT(losses >= 1 && losses <= most);
        // Then all is as it was.
        make_upcalls(&datapath, receiver, 5000, 20, 60);
        for (uint32_t number = 5000; number < 5020; number++) expect_upcall(&datapath, receiver, number);
        expect_none(receiver);
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
