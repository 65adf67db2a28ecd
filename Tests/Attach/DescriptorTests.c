#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "Netlink.h"
#include "Tests.h"

static void expect_answers(int socket) { EXPECT_EQUAL(family_id(socket, "nlctrl"), GENL_ID_CTRL); }

static void expect_success(pid_t child) {
    int status;
    EXPECT(child > 0);
    EXPECT(waitpid(child, &status, 0) == child);
    EXPECT_EQUAL(status, 0);
}

// The socket descriptors of this process that are not in the list.
static int other_sockets(int *found, int limit, const int *known, int known_count) {
    int count = 0;
    for (int descriptor = 3; descriptor < 6000; descriptor++) {
        struct stat status;
        if (fstat(descriptor, &status) != 0 || !S_ISSOCK(status.st_mode)) continue;
        bool is_known = false;
        for (int index = 0; index < known_count; index++) is_known |= known[index] == descriptor;
        if (!is_known && count < limit) found[count++] = descriptor;
    }
    return count;
}

// The sockets of the process that are not in the list, by a number that tells them from each other.
static int identities(ino_t *found, const int *known, int known_count) {
    int others[16];
    int count = other_sockets(others, 16, known, known_count);
    for (int index = 0; index < count; index++) {
        struct stat status;
        EXPECT(fstat(others[index], &status) == 0);
        found[index] = status.st_ino;
    }
    return count;
}

// Expects that the process, a child, has nothing beside the socket that its parent had.
static void expect_nothing_of_the_parents(int socket, const ino_t *parents, int parents_count) {
    ino_t own[16];
    int count = identities(own, &socket, 1);
    EXPECT_EQUAL(count, parents_count);
    for (int index = 0; index < count * count; index++) EXPECT(own[index / count] != parents[index % count]);
}

void test_duplicates(void) {
    int socket = open_socket();
    uint32_t port = port_id(socket);
    int copies[] = {
        dup(socket),
        dup2(socket, 50),
        dup3(socket, 51, O_CLOEXEC),
        fcntl(socket, F_DUPFD, 60),
        fcntl(socket, F_DUPFD_CLOEXEC, 61),
        dup(50),
    };
    int flags[] = {0, 0, FD_CLOEXEC, 0, FD_CLOEXEC, 0};
    for (int index = 0; index < 6; index++) {
        EXPECT(copies[index] >= 0);
        EXPECT_EQUAL(fcntl(copies[index], F_GETFD), flags[index]);
        EXPECT_EQUAL(port_id(copies[index]), port);
        expect_answers(copies[index]);
    }
    EXPECT_EQUAL(copies[1], 50);
    EXPECT_EQUAL(copies[2], 51);
    EXPECT(copies[3] >= 60 && copies[4] >= 61);
    // A request through one is answered through all.
    struct request request;
    uint8_t reply[8192];
    request_family(&request, "nlctrl");
    send(copies[0], request.bytes, request.length, 0);
    EXPECT(recv(copies[4], reply, sizeof reply, MSG_DONTWAIT) > 0);
    EXPECT(close(socket) == 0);
    EXPECT_FAILS(close(socket), EBADF);
    EXPECT_FAILS(send(socket, request.bytes, request.length, 0), EBADF);
    for (int index = 0; index < 6; index++) {
        expect_answers(copies[index]);
        EXPECT(close(copies[index]) == 0);
    }
    // The last close ended the connection: the port ID is free again.
    int other = socket = open_socket();
    EXPECT_EQUAL(port_id(other), port);
    close(other);
}

void test_replacing(void) {
    int socket = open_socket(), null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int ends[2];
    uint8_t bytes[8192];
    EXPECT_FAILS(dup2(-1, socket), EBADF);
    EXPECT_FAILS(dup2(999, socket), EBADF);
    EXPECT_FAILS(dup3(socket, socket, 0), EINVAL);
    EXPECT_FAILS(dup2(socket, -1), EBADF);
    EXPECT_FAILS(dup3(socket, 50, 0x12345), EINVAL);
    EXPECT_EQUAL(dup2(socket, socket), socket);
    expect_answers(socket);
    // A file in the place of a socket is a file.
    EXPECT_EQUAL(dup2(null, socket), socket);
    EXPECT_EQUAL(write(socket, bytes, sizeof bytes), sizeof bytes);
    EXPECT_EQUAL(read(socket, bytes, sizeof bytes), 0);
    EXPECT_FAILS(send(socket, bytes, 4, 0), ENOTSOCK);
    // A socket in the place of a file, and of another socket.
    int other = open_socket();
    EXPECT_EQUAL(dup2(other, socket), socket);
    expect_answers(socket);
    int third = open_socket();
    uint32_t port = port_id(other);
    EXPECT_EQUAL(dup2(other, third), third);
    EXPECT_EQUAL(port_id(third), port);
    close(other);
    expect_answers(third);
    expect_answers(socket);
    close(socket);
    close(third);
    // The numbers are used again, by others.
    EXPECT(pipe2(ends, O_CLOEXEC) == 0);
    EXPECT_EQUAL(ends[0], socket);
    EXPECT_EQUAL(write(ends[1], "x", 1), 1);
    EXPECT_EQUAL(read(ends[0], bytes, sizeof bytes), 1);
    EXPECT_FAILS(send(ends[1], bytes, 4, 0), ENOTSOCK);
    close(ends[0]);
    close(ends[1]);
    close(null);
}

void test_ranges(void) {
    int sockets[4];
    for (int index = 0; index < 4; index++) sockets[index] = open_socket();
    EXPECT_EQUAL(sockets[3], sockets[0] + 3);
    EXPECT_FAILS(close_range(5, 4, 0), EINVAL);
    EXPECT_FAILS(close_range(4, 5, 0x1234), EINVAL);
    EXPECT(close_range((unsigned)sockets[1], (unsigned)sockets[2], 0) == 0);
    expect_answers(sockets[0]);
    expect_answers(sockets[3]);
    EXPECT_FAILS(fcntl(sockets[1], F_GETFD), EBADF);
    EXPECT_FAILS(fcntl(sockets[2], F_GETFD), EBADF);
    EXPECT(close_range((unsigned)sockets[3], ~0u, CLOSE_RANGE_CLOEXEC) == 0);
    expect_answers(sockets[3]);
    // All that are above: what the library keeps for the others stays.
    EXPECT(close_range((unsigned)sockets[0] + 1, ~0u, 0) == 0);
    EXPECT_FAILS(fcntl(sockets[3], F_GETFD), EBADF);
    expect_answers(sockets[0]);
    int private[16];
    // One connection, and one for the kernel's families; or none.
    EXPECT(other_sockets(private, 16, sockets, 1) <= 2);
    closefrom(sockets[0] + 1);
    expect_answers(sockets[0]);
    for (int descriptor = sockets[0] + 1; descriptor < 10000; descriptor++) EXPECT_FAILS(close(descriptor), EBADF);
    expect_answers(sockets[0]);
    sockets[1] = open_socket();
    expect_answers(sockets[1]);
    closefrom(sockets[0]);
    EXPECT_FAILS(fcntl(sockets[0], F_GETFD), EBADF);
    EXPECT_FAILS(fcntl(sockets[1], F_GETFD), EBADF);
    EXPECT_EQUAL(other_sockets(private, 16, NULL, 0), 0);
}

void test_fork(void) {
    int socket = open_socket();
    uint32_t port = port_id(socket);
    ino_t parents[16];
    expect_answers(socket);
    int count = identities(parents, &socket, 1);
    for (int round = 0; round < 3; round++) {
        pid_t child = fork();
        if (child == 0) {
            EXPECT_EQUAL(port_id(socket), port);
            expect_answers(socket);
            expect_nothing_of_the_parents(socket, parents, count);
            int other = open_socket();
            expect_answers(other);
            close(other);
            expect_answers(socket);
            close(socket);
            _exit(0);
        }
        expect_success(child);
        expect_answers(socket);
    }
    // A child that only closes.
    pid_t child = fork();
    if (child == 0) {
        closefrom(3);
        _exit(0);
    }
    expect_success(child);
    expect_answers(socket);
    close(socket);
}

void test_fork_of_fork(void) {
    int socket = open_socket(), ends[2];
    uint32_t port = port_id(socket);
    EXPECT(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        pid_t grandchild = fork();
        if (grandchild == 0) {
            close(ends[1]);
            // Until all others have closed the socket.
            char byte;
            EXPECT_EQUAL(read(ends[0], &byte, 1), 0);
            expect_answers(socket);
            EXPECT_EQUAL(port_id(socket), port);
            _exit(0);
        }
        close(socket);
        close(ends[1]);
        expect_success(grandchild);
        _exit(0);
    }
    close(socket);
    close(ends[0]);
    close(ends[1]);
    expect_success(child);
}

void test_bare_clone(void) {
    int socket = open_socket();
    ino_t parents[16];
    expect_answers(socket);
    int count = identities(parents, &socket, 1);
    for (int round = 0; round < 2; round++) {
        pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
        if (child == 0) {
            expect_answers(socket);
            expect_nothing_of_the_parents(socket, parents, count);
            int other = open_socket();
            expect_answers(other);
            close(other);
            close(socket);
            _exit(0);
        }
        expect_success(child);
        expect_answers(socket);
    }
    close(socket);
}

void test_vfork(void) {
    int socket = open_socket(), other = open_socket(), ends[2];
    EXPECT(pipe2(ends, O_CLOEXEC) == 0);
    pid_t child = vfork();
    if (child == 0) {
        // What a program does between vfork and exec, and more.
        dup2(ends[1], 1);
        dup2(socket, 77);
        dup2(ends[0], other);
        close(socket);
        for (int descriptor = 3; descriptor < 6000; descriptor++) close(descriptor);
        closefrom(3);
        execlp("echo", "echo", "hello", NULL);
        _exit(1);
    }
    close(ends[1]);
    char line[16] = "";
    EXPECT_EQUAL(read(ends[0], line, sizeof line), 6);
    EXPECT_EQUAL(read(ends[0], line, sizeof line), 0);
    expect_success(child);
    EXPECT_FAILS(fcntl(77, F_GETFD), EBADF);
    expect_answers(socket);
    expect_answers(other);
    close(ends[0]);
    close(socket);
    close(other);
}

void test_spawn(void) {
    extern char **environ;
    int socket = open_socket();
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, socket, 0);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    char *arguments[] = {"true", NULL};
    pid_t child;
    EXPECT(posix_spawnp(&child, "true", &actions, NULL, arguments, environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    expect_success(child);
    expect_answers(socket);
    close(socket);
}

static void run_threads(int count, void *(*body)(void *), void *argument) {
    pthread_t threads[16];
    for (int index = 0; index < count; index++) {
        EXPECT(pthread_create(&threads[index], NULL, body, argument) == 0);
    }
    for (int index = 0; index < count; index++) EXPECT(pthread_join(threads[index], NULL) == 0);
}

static void *use_own_sockets(void *unused) {
    for (int round = 0; round < 20; round++) {
        int socket = open_socket();
        for (int step = 0; step < 20; step++) expect_answers(socket);
        int copy = dup(socket);
        close(socket);
        expect_answers(copy);
        close(copy);
    }
    return unused;
}

void test_threads_with_sockets_of_their_own(void) { run_threads(4, use_own_sockets, NULL); }

struct shared {
    int socket;
    atomic_int sent, received;
};

static void *use_shared_socket(void *argument) {
    struct shared *shared = argument;
    uint8_t reply[8192];
    for (int round = 0; round < 300; round++) {
        struct request request;
        request_family(&request, round % 3 ? "nlctrl" : "no_such_family");
        EXPECT_EQUAL(send(shared->socket, request.bytes, request.length, 0), request.length);
        atomic_fetch_add(&shared->sent, 1);
        // Not always its own: another thread may have taken that.
        while (recv(shared->socket, reply, sizeof reply, MSG_DONTWAIT) > 0) atomic_fetch_add(&shared->received, 1);
        EXPECT_EQUAL(errno, EAGAIN);
    }
    return NULL;
}

// Receives until an empty message, which nobody answers, would be the next.
static void *receive_blocking(void *argument) {
    struct shared *shared = argument;
    uint8_t reply[8192];
    while (atomic_load(&shared->received) < 4 * 300) {
        struct pollfd polled = {.fd = shared->socket, .events = POLLIN};
        EXPECT(poll(&polled, 1, 1000) == 1 || atomic_load(&shared->received) == 4 * 300);
        if (recv(shared->socket, reply, sizeof reply, MSG_DONTWAIT) > 0) atomic_fetch_add(&shared->received, 1);
    }
    return NULL;
}

void test_threads_with_one_socket(void) {
    struct shared shared = {.socket = open_socket()};
    pthread_t receiver;
    EXPECT(pthread_create(&receiver, NULL, receive_blocking, &shared) == 0);
    run_threads(4, use_shared_socket, &shared);
    pthread_join(receiver, NULL);
    EXPECT_EQUAL(atomic_load(&shared.sent), 4 * 300);
    EXPECT_EQUAL(atomic_load(&shared.received), 4 * 300);
    close(shared.socket);
}

static atomic_bool is_over;

static void *use_whatever_is_there(void *argument) {
    const atomic_int *current = argument;
    uint8_t reply[8192];
    while (!atomic_load(&is_over)) {
        struct request request;
        request_family(&request, "nlctrl");
        int socket = atomic_load(current);
        // It may have been closed meanwhile, and its number be another's.
        if (send(socket, request.bytes, request.length, MSG_DONTWAIT) < 0) {
            EXPECT(errno == EBADF || errno == ENOTSOCK);
        } else {
            recv(socket, reply, sizeof reply, MSG_DONTWAIT);
        }
        int copy = dup(socket);
        if (copy >= 0) EXPECT(close(copy) == 0);
    }
    return NULL;
}

static void *close_and_open(void *argument) {
    atomic_int *current = argument;
    struct timespec begin, now;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    do {
        int socket = open_socket();
        int old = atomic_exchange(current, socket);
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
        EXPECT(close(old) == 0);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec - begin.tv_sec < 2);
    atomic_store(&is_over, true);
    return NULL;
}

void test_closing_meanwhile(void) {
    atomic_int current = open_socket();
    pthread_t closer;
    EXPECT(pthread_create(&closer, NULL, close_and_open, &current) == 0);
    run_threads(3, use_whatever_is_there, &current);
    pthread_join(closer, NULL);
    expect_answers(atomic_load(&current));
    close(atomic_load(&current));
}

static void *wait_for_nothing(void *argument) {
    uint8_t reply[64];
    recv(*(int *)argument, reply, sizeof reply, 0);
    unexpected(__FILE__, __LINE__, "a receive ended");
}

void test_cancelling(void) {
    int socket = open_socket();
    pthread_t thread;
    EXPECT(pthread_create(&thread, NULL, wait_for_nothing, &socket) == 0);
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    EXPECT(pthread_cancel(thread) == 0);
    EXPECT(pthread_join(thread, NULL) == 0);
    expect_answers(socket);
    EXPECT(close(socket) == 0);
}

void test_private_numbers(void) {
    int sockets[] = {open_socket(), open_socket()};
    expect_answers(sockets[0]);
    expect_answers(sockets[1]);
    int private[8];
    int count = other_sockets(private, 8, sockets, 2);
    int ends[2];
    EXPECT(pipe2(ends, O_CLOEXEC) == 0);
    for (int index = 0; index < count; index++) {
        EXPECT(private[index] >= 256);
        EXPECT_EQUAL(fcntl(private[index], F_GETFD), FD_CLOEXEC);
        EXPECT_FAILS(close(private[index]), EBADF);
        // The program may have the number: what was there goes elsewhere.
        EXPECT_EQUAL(dup2(ends[1], private[index]), private[index]);
        EXPECT_EQUAL(write(private[index], "x", 1), 1);
        char byte;
        EXPECT_EQUAL(read(ends[0], &byte, 1), 1);
        expect_answers(sockets[0]);
        expect_answers(sockets[1]);
        EXPECT_EQUAL(close(private[index]), 0);
    }
    close(ends[0]);
    close(ends[1]);
    close(sockets[0]);
    close(sockets[1]);
    // Nothing is left of them.
    EXPECT_EQUAL(other_sockets(private, 8, NULL, 0), 0);
}
