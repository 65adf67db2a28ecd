#define _GNU_SOURCE

#include "Server.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void check(int condition, const char *text, const char *file, int line) {
    if (condition) return;
    fprintf(stderr, "%s:%d: %s does not hold; the last error: %s\n", file, line, text, martlet_last_error_text());
    _exit(1);
}

void check_equal(uint64_t value, uint64_t expected, const char *text, const char *file, int line) {
    if (value == expected) return;
    fprintf(stderr, "%s:%d: %s is 0x%llx and not 0x%llx; the last error: %s\n", file, line, text,
            (unsigned long long)value, (unsigned long long)expected, martlet_last_error_text());
    _exit(1);
}

void check_words(const char *words) {
    if (strstr(martlet_last_error_text(), words) != NULL) return;
    fprintf(stderr, "the last error does not say \"%s\": %s\n", words, martlet_last_error_text());
    _exit(1);
}

const struct wire_greeting good_greeting = {
    .magic = MARTLET_GREETING_MAGIC, .version = 1, .port_id = 0x40000001, .access = MARTLET_ACCESS_CHANGE,
    .largest_input = 131072, .largest_output = 196608,
};

char server_path[108];

static int listener = -1;
static pthread_t acceptor;
static void (*behaviour)(int);
static _Atomic unsigned begun, ended;
static _Atomic int stopping;

static void *run(void *argument) {
    int connection = (int)(intptr_t)argument;
    behaviour(connection);
    close(connection);
    ended++;
    return NULL;
}

static void *accept_all(void *argument) {
    (void)argument;
    for (;;) {
        int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (stopping) {
            if (connection >= 0) close(connection);
            return NULL;
        }
        if (connection < 0) continue;
        begun++;
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, run, (void *)(intptr_t)connection) == 0);
        pthread_detach(thread);
    }
}

void server_start(void (*serve)(int)) {
    behaviour = serve;
    stopping = 0;
    snprintf(server_path, sizeof server_path, "/tmp/martlet-device-test-%d", (int)getpid());
    unlink(server_path);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, server_path);
    listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    CHECK(bind(listener, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(listen(listener, 64) == 0);
    // Signals are the library's to bear. The threads for the connections inherit this from the one that accepts.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    CHECK(pthread_create(&acceptor, NULL, accept_all, NULL) == 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void server_stop(void) {
    stopping = 1;
    shutdown(listener, SHUT_RDWR);
    pthread_join(acceptor, NULL);
    close(listener);
    unlink(server_path);
    for (int attempt = 0; begun != ended && attempt < 5000; attempt++) usleep(1000);
    CHECK_EQUAL(ended, begun);
}

unsigned server_ended(void) { return ended; }

int wire_receive(int connection, struct wire_request *request) {
    ssize_t length = recv(connection, request, sizeof *request, 0);
    if (length <= 0) return 0;
    CHECK(length >= 16);
    CHECK_EQUAL(request->input_length, (uint64_t)length - 16);
    return 1;
}

void wire_answer(int connection, uint32_t tag, uint32_t status, const void *output, uint32_t length) {
    uint32_t header[4] = {tag, status, length, length};
    struct iovec parts[2] = {{header, sizeof header}, {(void *)(uintptr_t)output, length}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    sendmsg(connection, &message, MSG_NOSIGNAL);
}

void serve_well(int connection) {
    struct wire_request *request = malloc(sizeof *request);
    uint32_t pended = 0;
    int is_pended = 0;
    send(connection, &good_greeting, sizeof good_greeting, MSG_NOSIGNAL);
    while (wire_receive(connection, request)) {
        switch (request->code) {
            case MARTLET_IOCTL_TRANSACT:
                CHECK(request->output_size >= request->input_length);
                wire_answer(connection, request->tag, 0, request->input, request->input_length);
                break;
            case MARTLET_IOCTL_GET_VERSION:
                wire_answer(connection, request->tag, 0, &(uint32_t){1}, 4);
                break;
            case MARTLET_IOCTL_PEND:
                if (is_pended) {
                    wire_answer(connection, request->tag, MARTLET_STATUS_DEVICE_BUSY, NULL, 0);
                } else {
                    is_pended = 1;
                    pended = request->tag;
                }
                break;
            case MARTLET_IOCTL_CANCEL: case TEST_RAISE:
                if (is_pended) {
                    uint32_t status = request->code == TEST_RAISE ? 0 : MARTLET_STATUS_CANCELLED;
                    is_pended = 0;
                    wire_answer(connection, pended, status, NULL, 0);
                }
                wire_answer(connection, request->tag, 0, NULL, 0);
                break;
            case TEST_HANG: break;
            default: wire_answer(connection, request->tag, MARTLET_STATUS_INVALID_DEVICE_REQUEST, NULL, 0);
        }
    }
    free(request);
}
