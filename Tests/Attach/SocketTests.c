#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "Netlink.h"
#include "Tests.h"

#define SOL_NETLINK 270

static const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
static const struct sockaddr *const kernel_address = (const struct sockaddr *)&kernel;

static int new_socket(int flags) {
    int opened = socket(AF_NETLINK, SOCK_RAW | flags, NETLINK_GENERIC);
    EXPECT(opened >= 0);
    return opened;
}

static int socket_option(int socket, int level, int option) {
    int value = -1;
    socklen_t length = sizeof value;
    EXPECT(getsockopt(socket, level, option, &value, &length) == 0);
    EXPECT_EQUAL(length, sizeof value);
    return value;
}

void test_addresses(void) {
    int socket = new_socket(0);
    EXPECT_EQUAL(fcntl(socket, F_GETFD), 0);
    EXPECT_EQUAL(socket_option(socket, SOL_SOCKET, SO_PROTOCOL), NETLINK_GENERIC);
    EXPECT_EQUAL(socket_option(socket, SOL_SOCKET, SO_TYPE), SOCK_RAW);
    EXPECT_EQUAL(socket_option(socket, SOL_SOCKET, SO_DOMAIN), AF_NETLINK);
    EXPECT_EQUAL(port_id(socket), 0);

    struct sockaddr_nl peer;
    for (int round = 0; round < 2; round++) {
        memset(&peer, 0xff, sizeof peer);
        socklen_t length = sizeof peer;
        EXPECT(getpeername(socket, (struct sockaddr *)&peer, &length) == 0);
        EXPECT_EQUAL(length, sizeof peer);
        EXPECT(memcmp(&peer, &kernel, sizeof peer) == 0);
        length = 6;
        memset(&peer, 0xff, sizeof peer);
        EXPECT(getpeername(socket, (struct sockaddr *)&peer, &length) == 0);
        EXPECT_EQUAL(length, sizeof peer);
        EXPECT_EQUAL(peer.nl_pid, 0xffff0000);
        EXPECT_EQUAL(peer.nl_groups, 0xffffffff);
        // With a port ID it is the same.
        EXPECT(connect(socket, kernel_address, sizeof kernel) == 0);
    }

    struct request request;
    _Alignas(8) uint8_t reply[8192];
    request_family(&request, "nlctrl");
    EXPECT_EQUAL(sendto(socket, request.bytes, request.length, 0, kernel_address, sizeof kernel), request.length);
    memset(&peer, 0xff, sizeof peer);
    socklen_t length = sizeof peer;
    EXPECT(recvfrom(socket, reply, sizeof reply, MSG_DONTWAIT, (struct sockaddr *)&peer, &length) > 0);
    EXPECT_EQUAL(length, sizeof peer);
    EXPECT(memcmp(&peer, &kernel, sizeof peer) == 0);

    struct sockaddr_nl bad = {.nl_family = AF_INET};
    EXPECT_FAILS(sendto(socket, request.bytes, request.length, 0, (struct sockaddr *)&bad, sizeof bad), EINVAL);
    EXPECT_FAILS(sendto(socket, request.bytes, request.length, 0, kernel_address, 8), EINVAL);
    EXPECT_FAILS(send(socket, request.bytes, request.length, MSG_OOB), EOPNOTSUPP);
    EXPECT_FAILS(recv(socket, reply, sizeof reply, MSG_OOB), EOPNOTSUPP);
    EXPECT_FAILS(send(socket, request.bytes, 0, 0), ENODATA);
    EXPECT_FAILS(send(socket, request.bytes, 0, 0), ENODATA);
    close(socket);

    socket = new_socket(SOCK_CLOEXEC | SOCK_NONBLOCK);
    EXPECT_EQUAL(fcntl(socket, F_GETFD), FD_CLOEXEC);
    EXPECT(fcntl(socket, F_GETFL) & O_NONBLOCK);
    close(socket);
}

void test_binding(void) {
    struct sockaddr_nl wanted = {.nl_family = AF_NETLINK, .nl_pid = 0x40000000u + (uint32_t)getpid()};
    struct sockaddr *address = (struct sockaddr *)&wanted;
    int socket = new_socket(0);
    EXPECT_FAILS(bind(socket, address, 8), EINVAL);
    EXPECT_FAILS(connect(socket, kernel_address, 1), EINVAL);
    EXPECT_FAILS(connect(socket, kernel_address, 8), EINVAL);
    EXPECT(bind(socket, address, sizeof wanted) == 0);
    EXPECT_EQUAL(port_id(socket), wanted.nl_pid);
    EXPECT(bind(socket, address, sizeof wanted) == 0);
    EXPECT_FAILS(bind(socket, kernel_address, sizeof kernel), EINVAL);
    EXPECT(connect(socket, kernel_address, sizeof kernel) == 0);
    EXPECT_EQUAL(port_id(socket), wanted.nl_pid);
    EXPECT_EQUAL(family_id(socket, "nlctrl"), GENL_ID_CTRL);
    int other = new_socket(0);
    EXPECT_FAILS(bind(other, address, sizeof wanted), EADDRINUSE);
    // As a kernel socket has it: whoever is connected has a port ID.
    EXPECT(connect(other, kernel_address, sizeof kernel) == 0);
    EXPECT(port_id(other) != 0 && port_id(other) != wanted.nl_pid);
    EXPECT_FAILS(bind(other, kernel_address, sizeof kernel), EINVAL);
    EXPECT_EQUAL(family_id(other, "nlctrl"), GENL_ID_CTRL);
    close(other);
    close(socket);

    // Without bind or connect the first send makes a port ID.
    socket = new_socket(0);
    EXPECT_EQUAL(family_id(socket, "nlctrl"), GENL_ID_CTRL);
    EXPECT(port_id(socket) != 0);
    // Connected to nobody is connected to the kernel.
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    EXPECT(connect(socket, &nobody, sizeof nobody) == 0);
    EXPECT_EQUAL(family_id(socket, "nlctrl"), GENL_ID_CTRL);
    close(socket);

    socket = new_socket(0);
    EXPECT(connect(socket, &nobody, sizeof nobody) == 0);
    EXPECT_EQUAL(port_id(socket), 0);
    EXPECT(bind(socket, kernel_address, sizeof kernel) == 0);
    EXPECT(port_id(socket) != 0);
    EXPECT_EQUAL(family_id(socket, "nlctrl"), GENL_ID_CTRL);
    close(socket);

    // Groups that are named with the address.
    socket = new_socket(0);
    wanted.nl_groups = 1u << (GENL_ID_CTRL - 1);
    EXPECT(bind(socket, address, sizeof wanted) == 0);
    struct sockaddr_nl bound;
    socklen_t length = sizeof bound;
    EXPECT(getsockname(socket, (struct sockaddr *)&bound, &length) == 0);
    EXPECT(memcmp(&bound, &wanted, sizeof bound) == 0);
    EXPECT_EQUAL(socket_option(socket, SOL_SOCKET, SO_PROTOCOL), NETLINK_GENERIC);
    EXPECT_EQUAL(family_id(socket, "nlctrl"), GENL_ID_CTRL);
    close(socket);
}

void test_transactions(void) {
    int socket = open_socket();
    struct request request;
    _Alignas(8) uint8_t reply[8192];
    for (int round = 0; round < 100; round++) {
        request_family(&request, "nlctrl");
        errno = 12345;
        ssize_t length = transact(socket, &request, reply, sizeof reply);
        const struct nlmsghdr *header = (struct nlmsghdr *)reply;
        EXPECT_EQUAL(length, header->nlmsg_len);
        EXPECT_EQUAL(header->nlmsg_type, GENL_ID_CTRL);
        EXPECT_EQUAL(header->nlmsg_seq, request_sequence(&request));
        EXPECT_EQUAL(header->nlmsg_pid, port_id(socket));
        EXPECT_EQUAL(errno, 12345);
    }
    EXPECT_EQUAL(family_id(socket, "no_such_family"), -ENOENT);

    // The calls that files have.
    ssize_t expected = transact(socket, &request, reply, sizeof reply);
    EXPECT_EQUAL(write(socket, request.bytes, request.length), request.length);
    EXPECT_EQUAL(read(socket, reply, 0), 0);
    EXPECT_EQUAL(read(socket, reply, sizeof reply), expected);
    struct iovec pieces[] = {{request.bytes, 7}, {NULL, 0}, {request.bytes + 7, request.length - 7}};
    EXPECT_EQUAL(writev(socket, pieces, 3), request.length);
    struct iovec room[] = {{reply, 5}, {reply + 5, sizeof reply - 5}};
    EXPECT_EQUAL(readv(socket, room, 2), expected);
    EXPECT_EQUAL(((struct nlmsghdr *)reply)->nlmsg_len, expected);
    EXPECT_FAILS(recv(socket, reply, sizeof reply, MSG_DONTWAIT), EAGAIN);
    close(socket);
}

// Receives the error to a request for a family that there is not, and returns its length.
static ssize_t receive_error(int socket, int flags, struct nlmsghdr *header) {
    struct request request;
    request_family(&request, "no_such_family");
    ((struct nlmsghdr *)request.bytes)->nlmsg_flags |= (uint16_t)flags;
    EXPECT_EQUAL(send(socket, request.bytes, request.length, 0), request.length);
    _Alignas(8) uint8_t reply[8192];
    ssize_t length = recv(socket, reply, sizeof reply, MSG_DONTWAIT);
    EXPECT(length > 0);
    memcpy(header, reply, sizeof *header);
    EXPECT_EQUAL(header->nlmsg_type, NLMSG_ERROR);
    EXPECT_EQUAL(header->nlmsg_pid, port_id(socket));
    const struct nlmsgerr *error = (const struct nlmsgerr *)(reply + sizeof *header);
    EXPECT_EQUAL(error->error, -ENOENT);
    EXPECT_EQUAL(error->msg.nlmsg_pid, 0);
    EXPECT_EQUAL(error->msg.nlmsg_seq, request_sequence(&request));
    return length;
}

void test_errors(void) {
    int socket = open_socket(), on = 1;
    struct nlmsghdr header;
    struct request request;
    request_family(&request, "no_such_family");
    EXPECT_EQUAL(receive_error(socket, 0, &header), 20 + request.length);
    EXPECT_EQUAL(header.nlmsg_flags, 0);
    EXPECT(setsockopt(socket, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on) == 0);
    EXPECT_EQUAL(receive_error(socket, 0, &header), 36);
    EXPECT_EQUAL(header.nlmsg_flags, NLM_F_CAPPED);
    EXPECT_EQUAL(socket_option(socket, SOL_NETLINK, NETLINK_CAP_ACK), 1);
    on = 0;
    EXPECT(setsockopt(socket, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on) == 0);
    EXPECT_EQUAL(receive_error(socket, 0, &header), 20 + request.length);
    // What is too short for a number is 0.
    on = 1;
    EXPECT(setsockopt(socket, SOL_NETLINK, NETLINK_CAP_ACK, &on, 1) == 0);
    EXPECT_EQUAL(receive_error(socket, 0, &header), 20 + request.length);
    EXPECT_FAILS(setsockopt(socket, SOL_NETLINK, 4711, &on, sizeof on), ENOPROTOOPT);
    close(socket);
}

void test_several_messages(void) {
    int socket = open_socket();
    uint8_t datagram[4096];
    size_t length = 0;
    uint32_t sequences[4];
    const char *names[] = {"nlctrl", "no_such_family", "nlctrl", "nlctrl"};
    for (int index = 0; index < 4; index++) {
        struct request request;
        request_family(&request, names[index]);
        if (index == 3) ((struct nlmsghdr *)request.bytes)->nlmsg_flags |= NLM_F_ACK;
        sequences[index] = request_sequence(&request);
        memcpy(datagram + length, request.bytes, request.length);
        length += request.length;
    }
    // Behind them is a header whose length lies.
    memset(datagram + length, 1, 16);
    EXPECT_EQUAL(send(socket, datagram, length + 16, 0), length + 16);
    _Alignas(8) uint8_t reply[8192];
    const struct nlmsghdr *header = (struct nlmsghdr *)reply;
    for (int index = 0; index < 4; index++) {
        EXPECT(recv(socket, reply, sizeof reply, MSG_DONTWAIT) > 0);
        EXPECT_EQUAL(header->nlmsg_seq, sequences[index]);
        EXPECT_EQUAL(header->nlmsg_type, index == 1 ? NLMSG_ERROR : GENL_ID_CTRL);
    }
    EXPECT_EQUAL(recv(socket, reply, sizeof reply, MSG_DONTWAIT), 36);
    EXPECT_EQUAL(header->nlmsg_seq, sequences[3]);
    EXPECT_EQUAL(header->nlmsg_type, NLMSG_ERROR);
    EXPECT_FAILS(recv(socket, reply, sizeof reply, MSG_DONTWAIT), EAGAIN);
    // Bytes that are no message at all.
    EXPECT_EQUAL(send(socket, datagram, 3, 0), 3);
    EXPECT_FAILS(recv(socket, reply, sizeof reply, MSG_DONTWAIT), EAGAIN);
    close(socket);
}

void test_peeking_and_truncation(void) {
    int socket = open_socket();
    struct request request;
    _Alignas(8) uint8_t reply[8192], peeked[8192];
    request_family(&request, "nlctrl");
    ssize_t expected = transact(socket, &request, reply, sizeof reply);

    send(socket, request.bytes, request.length, 0);
    EXPECT_EQUAL(recv(socket, NULL, 0, MSG_PEEK | MSG_TRUNC), expected);
    EXPECT_EQUAL(recv(socket, peeked, 20, MSG_PEEK), 20);
    EXPECT_EQUAL(recv(socket, peeked, 20, MSG_PEEK | MSG_TRUNC), expected);
    EXPECT_EQUAL(recv(socket, peeked, sizeof peeked, MSG_PEEK), expected);
    EXPECT(memcmp(peeked, reply, (size_t)expected) == 0);
    memset(peeked, 0x55, sizeof peeked);
    struct iovec room = {peeked, 20};
    struct msghdr message = {.msg_iov = &room, .msg_iovlen = 1};
    EXPECT_EQUAL(recvmsg(socket, &message, 0), 20);
    EXPECT_EQUAL(message.msg_flags, MSG_TRUNC);
    EXPECT(memcmp(peeked, reply, 20) == 0);
    EXPECT_EQUAL(peeked[20], 0x55);
    // What did not fit is gone.
    EXPECT_FAILS(recv(socket, reply, sizeof reply, MSG_DONTWAIT), EAGAIN);
    EXPECT_FAILS(recv(socket, reply, sizeof reply, MSG_DONTWAIT | MSG_PEEK), EAGAIN);

    send(socket, request.bytes, request.length, 0);
    EXPECT_EQUAL(recv(socket, peeked, 20, MSG_TRUNC), expected);
    send(socket, request.bytes, request.length, 0);
    EXPECT_EQUAL(recv(socket, NULL, 0, 0), 0);
    EXPECT_FAILS(recv(socket, reply, sizeof reply, MSG_DONTWAIT), EAGAIN);

    // Exactly enough room is enough.
    send(socket, request.bytes, request.length, 0);
    room.iov_len = (size_t)expected;
    struct sockaddr_nl sender;
    memset(&sender, 0xff, sizeof sender);
    message = (struct msghdr){.msg_iov = &room, .msg_iovlen = 1, .msg_name = &sender, .msg_namelen = 6};
    EXPECT_EQUAL(recvmsg(socket, &message, 0), expected);
    EXPECT_EQUAL(message.msg_flags, 0);
    EXPECT_EQUAL(message.msg_namelen, sizeof sender);
    EXPECT_EQUAL(sender.nl_family, AF_NETLINK);
    EXPECT_EQUAL(sender.nl_pid, 0xffff0000);
    close(socket);
}

void test_small_pieces(void) {
    int socket = open_socket();
    struct request request;
    _Alignas(8) uint8_t reply[8192], whole[8192];
    request_family(&request, "nlctrl");
    ssize_t expected = transact(socket, &request, whole, sizeof whole);
    struct iovec bytes[2048], room[2048];
    for (size_t index = 0; index < request.length; index++) bytes[index] = (struct iovec){request.bytes + index, 1};
    for (size_t index = 0; index < 1024; index++) {
        // Every second one has no room.
        room[index] = (struct iovec){reply + index / 2 * 3, index % 2 ? 3 : 0};
    }
    struct msghdr message = {.msg_iov = bytes, .msg_iovlen = request.length};
    EXPECT_EQUAL(sendmsg(socket, &message, 0), request.length);
    message = (struct msghdr){.msg_iov = room, .msg_iovlen = 1024};
    EXPECT_EQUAL(recvmsg(socket, &message, 0), expected);
    EXPECT(memcmp(reply, whole, (size_t)expected) == 0);
    // Nothing to receive into.
    send(socket, request.bytes, request.length, 0);
    message = (struct msghdr){0};
    EXPECT_EQUAL(recvmsg(socket, &message, 0), 0);
    EXPECT_EQUAL(message.msg_flags, MSG_TRUNC);
    // More pieces than there may be.
    EXPECT_FAILS(readv(socket, room, 1025), EINVAL);
    volatile int negative = -1;
    EXPECT_FAILS(readv(socket, room, negative), EINVAL);
    EXPECT_FAILS(writev(socket, bytes, 1025), EINVAL);
    message = (struct msghdr){.msg_iov = bytes, .msg_iovlen = 1025};
    EXPECT_FAILS(sendmsg(socket, &message, 0), EMSGSIZE);
    EXPECT_FAILS(recvmsg(socket, &message, 0), EMSGSIZE);
    close(socket);
}

void test_batches(void) {
    int socket = open_socket();
    struct request requests[5];
    struct iovec pieces[5], rooms[8];
    static uint8_t replies[8][8192];
    struct mmsghdr messages[8] = {0};
    for (int index = 0; index < 5; index++) {
        request_family(&requests[index], "nlctrl");
        pieces[index] = (struct iovec){requests[index].bytes, requests[index].length};
        messages[index].msg_hdr = (struct msghdr){.msg_iov = &pieces[index], .msg_iovlen = 1};
    }
    EXPECT_EQUAL(sendmmsg(socket, messages, 5, 0), 5);
    for (int index = 0; index < 5; index++) EXPECT_EQUAL(messages[index].msg_len, requests[index].length);
    for (int index = 0; index < 8; index++) {
        rooms[index] = (struct iovec){replies[index], sizeof replies[index]};
        messages[index] = (struct mmsghdr){.msg_hdr = {.msg_iov = &rooms[index], .msg_iovlen = 1}};
    }
    EXPECT_EQUAL(recvmmsg(socket, messages, 2, 0, NULL), 2);
    EXPECT_EQUAL(recvmmsg(socket, messages + 2, 6, MSG_WAITFORONE, NULL), 3);
    for (int index = 0; index < 5; index++) {
        const struct nlmsghdr *header = (struct nlmsghdr *)replies[index];
        EXPECT_EQUAL(messages[index].msg_len, header->nlmsg_len);
        EXPECT_EQUAL(header->nlmsg_seq, request_sequence(&requests[index]));
    }
    EXPECT_FAILS(recvmmsg(socket, messages, 8, MSG_DONTWAIT, NULL), EAGAIN);
    EXPECT_EQUAL(recvmmsg(socket, messages, 0, MSG_DONTWAIT, NULL), 0);
    // A time that has passed ends it after the first.
    send(socket, requests[0].bytes, requests[0].length, 0);
    send(socket, requests[0].bytes, requests[0].length, 0);
    struct timespec timeout = {.tv_nsec = 1};
    EXPECT_EQUAL(recvmmsg(socket, messages, 8, 0, &timeout), 1);
    EXPECT(timeout.tv_sec == 0 && timeout.tv_nsec == 0);
    EXPECT(recv(socket, replies[0], sizeof replies[0], MSG_DONTWAIT) > 0);
    // The second message has no sound address: the first is sent all the same.
    struct sockaddr_nl bad = {.nl_family = AF_INET};
    for (int index = 0; index < 2; index++) {
        messages[index].msg_hdr = (struct msghdr){.msg_iov = &pieces[index], .msg_iovlen = 1};
    }
    messages[1].msg_hdr.msg_name = &bad;
    messages[1].msg_hdr.msg_namelen = sizeof bad;
    EXPECT_EQUAL(sendmmsg(socket, messages, 2, 0), 1);
    EXPECT_FAILS(sendmmsg(socket, messages + 1, 1, 0), EINVAL);
    EXPECT(recv(socket, replies[0], sizeof replies[0], MSG_DONTWAIT) > 0);
    close(socket);
}

static int events_of(int socket) {
    struct pollfd polled = {.fd = socket, .events = POLLIN | POLLOUT};
    EXPECT(poll(&polled, 1, 0) >= 0);
    return polled.revents;
}

void test_waiting(void) {
    int socket = open_socket();
    struct request request;
    uint8_t reply[8192];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    EXPECT(epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event) == 0);
    EXPECT_EQUAL(events_of(socket), POLLOUT);
    EXPECT_EQUAL(epoll_wait(epoll, &event, 1, 0), 0);
    request_family(&request, "nlctrl");
    for (int round = 0; round < 3; round++) {
        send(socket, request.bytes, request.length, 0);
        EXPECT_EQUAL(events_of(socket), POLLIN | POLLOUT);
        EXPECT_EQUAL(epoll_wait(epoll, &event, 1, 0), 1);
        EXPECT_EQUAL(epoll_wait(epoll, &event, 1, 0), 0);
        EXPECT(recv(socket, reply, sizeof reply, 0) > 0);
        EXPECT_EQUAL(events_of(socket), POLLOUT);
    }
    close(epoll);

    struct timeval timeout = {.tv_usec = 50000};
    EXPECT(setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) == 0);
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    EXPECT_FAILS(recv(socket, reply, sizeof reply, 0), EAGAIN);
    clock_gettime(CLOCK_MONOTONIC, &end);
    EXPECT((end.tv_sec - begin.tv_sec) * 1000000000 + end.tv_nsec - begin.tv_nsec >= 45000000);

    EXPECT(fcntl(socket, F_SETFL, O_NONBLOCK) == 0);
    EXPECT_FAILS(recv(socket, reply, sizeof reply, 0), EAGAIN);
    EXPECT_FAILS(read(socket, reply, sizeof reply), EAGAIN);
    // A send waits for the answer all the same.
    for (int round = 0; round < 1000; round++) EXPECT_EQUAL(family_id(socket, "nlctrl"), GENL_ID_CTRL);
    close(socket);
}

// Sends the request of a dump and reads it with buffers of one size, in which every piece must fit: however little is
// read at a time, there is something to be read until the end. Returns the number of messages, and with `name` of those
// that have this family name.
static int read_dump(struct request *request, size_t size, int receive_buffer, const char *name, int *with_name) {
    int socket = open_socket(), messages = 0;
    bool is_done = false;
    _Alignas(8) static uint8_t piece[65536];
    EXPECT(setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer) == 0);
    EXPECT_EQUAL(send(socket, request->bytes, request->length, 0), request->length);
    while (!is_done) {
        EXPECT_EQUAL(events_of(socket), POLLIN | POLLOUT);
        EXPECT(recv(socket, piece, 4, MSG_PEEK) > 0);
        ssize_t length = recv(socket, piece, size, MSG_DONTWAIT | MSG_TRUNC);
        EXPECT(length > 0 && (size_t)length <= size);
        for (size_t offset = 0; offset < (size_t)length;) {
            const struct nlmsghdr *header = (struct nlmsghdr *)(piece + offset);
            offset += NLMSG_ALIGN(header->nlmsg_len);
            EXPECT(!is_done);
            EXPECT_EQUAL(header->nlmsg_seq, request_sequence(request));
            EXPECT_EQUAL(header->nlmsg_pid, port_id(socket));
            EXPECT(header->nlmsg_flags & NLM_F_MULTI);
            is_done = header->nlmsg_type == NLMSG_DONE;
            if (is_done) continue;
            messages++;
            size_t name_size;
            const char *found = attribute(header, NLMSG_HDRLEN + GENL_HDRLEN, CTRL_ATTR_FAMILY_NAME, &name_size);
            if (name && found && strcmp(found, name) == 0) ++*with_name;
        }
    }
    EXPECT_FAILS(recv(socket, piece, size, MSG_DONTWAIT), EAGAIN);
    EXPECT_EQUAL(family_id(socket, "nlctrl"), GENL_ID_CTRL);
    close(socket);
    return messages;
}

void test_dumps(void) {
    int controllers = 0, none = 0;
    struct request request;
    request_begin(&request, GENL_ID_CTRL, NLM_F_DUMP, CTRL_CMD_GETFAMILY);
    int families = read_dump(&request, 65536, 1 << 20, "nlctrl", &controllers);
    EXPECT(families > 1);
    EXPECT_EQUAL(controllers, 1);
    // With room for one piece at a time.
    EXPECT_EQUAL(read_dump(&request, 4096, 1, NULL, &none), families);
    // One that has several pieces: the policies of the largest family that most kernels have.
    int socket = open_socket();
    request_begin(&request, GENL_ID_CTRL, NLM_F_DUMP, CTRL_CMD_GETPOLICY);
    request_put_string(&request, CTRL_ATTR_FAMILY_NAME, family_id(socket, "ethtool") > 0 ? "ethtool" : "nlctrl");
    close(socket);
    int policies = read_dump(&request, 65536, 1 << 20, NULL, &none);
    EXPECT(policies > 1);
    for (size_t size = 4096; size <= 16384; size *= 2) {
        EXPECT_EQUAL(read_dump(&request, size, 1, NULL, &none), policies);
        EXPECT_EQUAL(read_dump(&request, size, 1 << 20, NULL, &none), policies);
    }
}

void test_memberships(void) {
    int socket = open_socket(), group = GENL_ID_CTRL, none = 0, beyond = 1000;
    int size = 300000;
    EXPECT(setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) == 0);
    int kernels_size = socket_option(socket, SOL_SOCKET, SO_RCVBUF);
    int on = 1;
    EXPECT(setsockopt(socket, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on) == 0);
    EXPECT(fcntl(socket, F_SETFL, O_NONBLOCK) == 0);
    int copy = fcntl(socket, F_DUPFD, 40);
    uint32_t port = port_id(socket);
    EXPECT_FAILS(setsockopt(socket, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &none, sizeof none), EINVAL);
    EXPECT_FAILS(setsockopt(socket, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, 2), EINVAL);
    EXPECT_EQUAL(family_id(socket, "nlctrl"), GENL_ID_CTRL);
    EXPECT(setsockopt(socket, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) == 0);
    EXPECT_FAILS(setsockopt(socket, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &beyond, sizeof beyond), EINVAL);
    EXPECT_EQUAL(port_id(socket), port);
    EXPECT_EQUAL(socket_option(socket, SOL_SOCKET, SO_PROTOCOL), NETLINK_GENERIC);
    EXPECT_EQUAL(socket_option(socket, SOL_SOCKET, SO_RCVBUF), kernels_size);
    EXPECT_EQUAL(socket_option(socket, SOL_NETLINK, NETLINK_CAP_ACK), 1);
    EXPECT_EQUAL(fcntl(socket, F_GETFD), FD_CLOEXEC);
    EXPECT(fcntl(socket, F_GETFL) & O_NONBLOCK);
    uint32_t joined[64] = {0};
    socklen_t length = sizeof joined;
    EXPECT(getsockopt(socket, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, joined, &length) == 0);
    EXPECT_EQUAL(joined[0], 1u << (GENL_ID_CTRL - 1));
    EXPECT_EQUAL(family_id(socket, "nlctrl"), GENL_ID_CTRL);
    // The other descriptor is still the same socket, and what it had is open.
    EXPECT_EQUAL(port_id(copy), port);
    EXPECT_EQUAL(fcntl(copy, F_GETFD), 0);
    EXPECT_EQUAL(family_id(copy, "nlctrl"), GENL_ID_CTRL);
    EXPECT(setsockopt(copy, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &group, sizeof group) == 0);
    length = sizeof joined;
    EXPECT(getsockopt(socket, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, joined, &length) == 0);
    EXPECT_EQUAL(joined[0], 0);
    close(copy);
    close(socket);
}
