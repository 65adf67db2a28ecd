// What is driven from outside: a line on standard output for each step, and where there is a question mark a line on
// standard input lets it go on.

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "Datapath.h"
#include "Tests.h"

static void say(const char *what) {
    puts(what);
    fflush(stdout);
}

static void ask(const char *what) {
    char line[64];
    say(what);
    if (!fgets(line, sizeof line, stdin)) exit(0);
}

// Asks for a family with several sockets.
void show_family(void) {
    for (int round = 0; round < 3; round++) {
        int socket = open_socket();
        int id = family_id(socket, OVS_DATAPATH_FAMILY);
        say(id >= 1024 ? "found" : strerror(-id));
        close(socket);
    }
}

// Asks again and again, on the same socket; a listener joins before the first time.
void show_outages(void) {
    int socket = open_socket(), listener = open_socket();
    uint32_t group = group_id(listener, OVS_DATAPATH_FAMILY);
    EXPECT(setsockopt(listener, 270, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) == 0);
    uint32_t port = port_id(socket);
    for (int round = 0; round < 6; round++) {
        int id = family_id(socket, OVS_DATAPATH_FAMILY);
        int listeners = family_id(listener, OVS_VPORT_FAMILY);
        EXPECT_EQUAL(id >= 1024, listeners >= 1024);
        EXPECT_EQUAL(port_id(socket), port);
        if (id >= 1024) {
            // The groups have been joined again.
            struct datapath datapath;
            uint8_t event[4096];
            datapath_create(&datapath);
            struct pollfd polled = {.fd = listener, .events = POLLIN};
            EXPECT_EQUAL(poll(&polled, 1, 1000), 1);
            EXPECT(recv(listener, event, sizeof event, 0) > 0);
            datapath_remove(&datapath);
            EXPECT(recv(listener, event, sizeof event, 0) > 0);
        }
        ask(id >= 1024 ? "found?" : id == -ENOENT ? "missing?" : strerror(-id));
    }
    close(listener);
    close(socket);
}

// Begins a dump, and goes on with it when the other side is gone.
void show_broken_dump(void) {
    struct datapath datapath;
    datapath_create(&datapath);
    datapath_add_flows(&datapath, 3000);
    struct request request;
    datapath_request(&datapath, &request, datapath.flow_family, NLM_F_DUMP, OVS_FLOW_CMD_GET);
    EXPECT_EQUAL(send(datapath.socket, request.bytes, request.length, 0), request.length);
    ask("begun?");
    for (;;) {
        _Alignas(8) uint8_t piece[65536];
        struct pollfd polled = {.fd = datapath.socket, .events = POLLIN};
        EXPECT_EQUAL(poll(&polled, 1, 1000), 1);
        struct sockaddr_nl sender;
        socklen_t length = sizeof sender;
        EXPECT(recvfrom(datapath.socket, piece, sizeof piece, 0, (struct sockaddr *)&sender, &length) > 0);
        EXPECT_EQUAL(sender.nl_pid, 0);
        const struct nlmsghdr *header = (struct nlmsghdr *)piece;
        EXPECT_EQUAL(header->nlmsg_seq, request_sequence(&request));
        if (header->nlmsg_type == NLMSG_ERROR) {
            printf("error %d\n", -((struct nlmsgerr *)(header + 1))->error);
            break;
        }
        EXPECT(header->nlmsg_type != NLMSG_DONE);
    }
    ask("again?");
    // Where there is a datapath again, the same socket is good for it.
    close(datapath.socket);
    datapath_create(&datapath);
    datapath_remove(&datapath);
    say("done");
}

static void *ask_until_it_fails(void *unused) {
    int socket = open_socket();
    static bool is_said;
    for (int number = 0;; number++) {
        int id = family_id(socket, number % 2 ? OVS_FLOW_FAMILY : "nlctrl");
        if (number == 100 && !__atomic_exchange_n(&is_said, true, __ATOMIC_RELAXED)) say("asking");
        if (id >= 0) continue;
        EXPECT_EQUAL(id, -ENOENT);
        close(socket);
        return unused;
    }
}

// Asks from several threads for as long as there are answers.
void show_storm(void) {
    pthread_t threads[3];
    for (int index = 0; index < 3; index++) pthread_create(&threads[index], NULL, ask_until_it_fails, NULL);
    for (int index = 0; index < 3; index++) pthread_join(threads[index], NULL);
    say(strerror(ENOENT));
}

// Nanoseconds for a byte written to and read from a socket that is none of Martlet's.
void show_overhead(void) {
    int ends[2], rounds = 1000000;
    EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    int attached = open_socket();
    for (int repeat = 0; repeat < 5; repeat++) {
        char byte = 0;
        double begin = now();
        for (int round = 0; round < rounds; round++) {
            EXPECT(write(ends[0], &byte, 1) == 1);
            EXPECT(read(ends[1], &byte, 1) == 1);
        }
        printf("%.1f\n", (now() - begin) / rounds);
    }
    close(attached);
    close(ends[0]);
    close(ends[1]);
}

// Nanoseconds for a transaction: GETFAMILY of the family whose name is in FAMILY.
void show_latency(void) {
    const char *name = getenv("FAMILY");
    int socket = open_socket(), rounds = 20000;
    EXPECT(name && family_id(socket, name) > 0);
    for (int repeat = 0; repeat < 5; repeat++) {
        double begin = now();
        for (int round = 0; round < rounds; round++) {
            struct request request;
            uint8_t reply[8192];
            request_family(&request, name);
            EXPECT(send(socket, request.bytes, request.length, 0) > 0);
            EXPECT(recv(socket, reply, sizeof reply, MSG_DONTWAIT) > 0);
        }
        printf("%.0f\n", (now() - begin) / rounds);
    }
    close(socket);
}
