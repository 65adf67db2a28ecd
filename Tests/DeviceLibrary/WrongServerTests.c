#define _GNU_SOURCE

#include <grp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "Server.h"
#include "Tests.h"

static void check_refused(const char *path, uint32_t status, const char *words) {
    CHECK_EQUAL(martlet_device_open(path), 0);
    CHECK_EQUAL(martlet_last_error(), status);
    check_words(words);
}

void test_paths(void) {
    check_refused("", MARTLET_STATUS_INVALID_PARAMETER, "empty");
    char path[200];
    memset(path, 'x', sizeof path);
    path[0] = '/';
    path[108] = 0;
    check_refused(path, MARTLET_STATUS_INVALID_PARAMETER, "has 108 bytes, and a socket's has 107 at most");
    path[107] = 0;  // as long as may be: it is looked for
    check_refused(path, MARTLET_STATUS_NOT_FOUND, "no datapath is running");
    check_refused("/nowhere/device.sock", MARTLET_STATUS_NOT_FOUND, "start one with `martlet run`");
    check_refused("/dev/null/device.sock", MARTLET_STATUS_NOT_FOUND, "no datapath is running");
    check_refused("/dev/null", MARTLET_STATUS_NOT_FOUND, "no datapath is running");

    setenv("MARTLET_SOCKET", "/nowhere/at-all", 1);
    check_refused(NULL, MARTLET_STATUS_NOT_FOUND, "/nowhere/at-all");

    // A socket of another kind.
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/tmp/martlet-device-test-stream"};
    unlink(address.sun_path);
    int stream = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(stream, (struct sockaddr *)&address, sizeof address) == 0 && listen(stream, 1) == 0);
    check_refused(address.sun_path, MARTLET_STATUS_PROTOCOL_ERROR, "another kind of socket");
    close(stream);
    unlink(address.sun_path);
}

// What the server sends first.
static struct wire_greeting served;
static size_t served_length;
static pthread_mutex_t served_lock = PTHREAD_MUTEX_INITIALIZER;

static void set_greeting(struct wire_greeting greeting, size_t length) {
    pthread_mutex_lock(&served_lock);
    served = greeting;
    served_length = length;
    pthread_mutex_unlock(&served_lock);
}

static void serve_greeting(int connection) {
    pthread_mutex_lock(&served_lock);
    struct wire_greeting greeting = served;
    size_t length = served_length;
    pthread_mutex_unlock(&served_lock);
    if (length > 0) send(connection, &greeting, length, MSG_NOSIGNAL);
    struct wire_request request;
    // Until the client goes; one that is refused goes at once.
    if (length > 0) wire_receive(connection, &request);
}

static void try_greeting(struct wire_greeting greeting, size_t length, uint32_t status, const char *words) {
    set_greeting(greeting, length);
    check_refused(server_path, status, words);
}

void test_greetings(void) {
    server_start(serve_greeting);
    struct wire_greeting greeting = good_greeting;
    size_t size = sizeof greeting;
    try_greeting(greeting, 0, MARTLET_STATUS_NOT_FOUND, "has ended");
    for (size_t length = 1; length < size; length++) {
        try_greeting(greeting, length, MARTLET_STATUS_PROTOCOL_ERROR, "not a device");
    }
    greeting.magic[7] = '!';
    try_greeting(greeting, size, MARTLET_STATUS_PROTOCOL_ERROR, "not a device");
    greeting = good_greeting;
    greeting.version = 2;
    try_greeting(greeting, size, MARTLET_STATUS_PROTOCOL_ERROR, "speaks version 2");
    greeting = good_greeting;
    greeting.access = 3;
    try_greeting(greeting, size, MARTLET_STATUS_PROTOCOL_ERROR, "access 3");
    greeting = good_greeting;
    greeting.port_id = 0;
    try_greeting(greeting, size, MARTLET_STATUS_PROTOCOL_ERROR, "port ID 0");

    // One that boasts is not believed, and one that has little is taken at its word.
    greeting = good_greeting;
    greeting.largest_input = greeting.largest_output = UINT32_MAX;
    set_greeting(greeting, size);
    martlet_handle handle = martlet_device_open(server_path);
    CHECK(handle != 0);
    martlet_device_close(handle);
    greeting.largest_input = greeting.largest_output = 0;
    set_greeting(greeting, size);
    handle = martlet_device_open(server_path);
    uint32_t information;
    CHECK_EQUAL(martlet_device_control(handle, 1, "x", 1, NULL, 0, &information, NULL),
                MARTLET_STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(information, 0);
    martlet_device_close(handle);
    server_stop();
}

void test_refusals(void) {
    server_start(serve_greeting);
    struct wire_greeting greeting = good_greeting;
    size_t size = sizeof greeting;
    greeting.status = MARTLET_STATUS_ACCESS_DENIED;
    CHECK(chown(server_path, 0, 6) == 0);  // disk, everywhere on Debian
    try_greeting(greeting, size, MARTLET_STATUS_ACCESS_DENIED, "member of the group disk");
    CHECK(chown(server_path, 0, 54321) == 0);
    try_greeting(greeting, size, MARTLET_STATUS_ACCESS_DENIED, "member of the group 54321");
    CHECK(chown(server_path, 0, 0) == 0);
    try_greeting(greeting, size, MARTLET_STATUS_ACCESS_DENIED, "--group");
    greeting.status = MARTLET_STATUS_INSUFFICIENT_RESOURCES;
    try_greeting(greeting, size, MARTLET_STATUS_INSUFFICIENT_RESOURCES, "no more handles");
    greeting.status = 0x12345678;
    try_greeting(greeting, size, MARTLET_STATUS_PROTOCOL_ERROR, "0x12345678");
    server_stop();
    // The system itself refuses.
    server_start(serve_greeting);
    CHECK(chown(server_path, 0, 6) == 0 && chmod(server_path, 0660) == 0);
    pid_t child = fork();
    if (child == 0) {
        CHECK(setgroups(0, NULL) == 0 && setgid(65534) == 0 && setuid(65534) == 0);
        check_refused(server_path, MARTLET_STATUS_ACCESS_DENIED, "run this as root or as a member of the group disk");
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    server_stop();
}

static void serve_silence(int connection) {
    struct wire_request request;
    wire_receive(connection, &request);
}

void test_silent_server(void) {
    server_start(serve_silence);
    check_refused(server_path, MARTLET_STATUS_PROTOCOL_ERROR, "has not greeted within 5 seconds");
    server_stop();
}

// What the server sends in the place of a right answer.
enum { SHORT, WRONG_TAG, LENGTH_TOO_LARGE, LENGTH_TOO_SMALL, TOO_LONG, HUGE_ANSWER, PENDING, END, KINDS };
static _Atomic int kind;

static void serve_wrong_answer(int connection) {
    struct wire_request request;
    struct wire_answer *answer = calloc(1, sizeof *answer);
    send(connection, &good_greeting, sizeof good_greeting, MSG_NOSIGNAL);
    while (wire_receive(connection, &request)) {
        *answer = (struct wire_answer){.tag = request.tag, .information = 8, .output_length = 8};
        size_t length = 16 + 8;
        memset(answer->output, 0xee, sizeof answer->output);
        switch (kind) {
            case SHORT: length = 15; break;
            case WRONG_TAG: answer->tag += 1; break;
            case LENGTH_TOO_LARGE: answer->output_length = 0xffffffff; break;
            case LENGTH_TOO_SMALL: answer->output_length = 4; break;
            // Its own length is right, but more than was asked for.
            case TOO_LONG: answer->output_length = 9; length = 16 + 9; break;
            case HUGE_ANSWER: answer->output_length = 196609; length = 16 + 196609; break;
            case PENDING: answer->status = MARTLET_STATUS_PENDING; break;
            case END: case KINDS: length = 0; break;
        }
        if (length == 0) break;
        send(connection, answer, length, MSG_NOSIGNAL);
    }
    free(answer);
}

void test_wrong_answers(void) {
    const char *words[KINDS] = {
        [SHORT] = "15 bytes", [WRONG_TAG] = "was not made", [LENGTH_TOO_LARGE] = "says that it has 4294967295",
        [LENGTH_TOO_SMALL] = "says that it has 4", [TOO_LONG] = "has room for 8", [HUGE_ANSWER] = "has room for 8",
        [PENDING] = "has not ended", [END] = "gone away",
    };
    server_start(serve_wrong_answer);
    for (kind = 0; kind < KINDS; kind++) {
        uint32_t expected = kind == END ? MARTLET_STATUS_NOT_FOUND : MARTLET_STATUS_PROTOCOL_ERROR;
        for (int is_overlapped = 0; is_overlapped < 2; is_overlapped++) {
            martlet_handle handle = martlet_device_open(server_path);
            CHECK(handle != 0);
            martlet_overlapped *overlapped = is_overlapped ? martlet_overlapped_create() : NULL;
            uint8_t output[16];
            memset(output, 0x11, sizeof output);
            uint32_t information = 1;
            uint32_t status = martlet_device_control(handle, MARTLET_IOCTL_TRANSACT, "request", 7, output, 8,
                                                     &information, overlapped);
            if (is_overlapped) {
                CHECK_EQUAL(status, MARTLET_STATUS_PENDING);
                status = martlet_overlapped_result(overlapped, &information, -1);
            }
            CHECK_EQUAL(status, expected);
            CHECK_EQUAL(martlet_last_error(), expected);
            check_words(words[kind]);
            CHECK_EQUAL(information, 0);
            for (size_t index = 0; index < sizeof output; index++) CHECK_EQUAL(output[index], 0x11);
            // The handle is dead, and says why; it can be closed.
            status = martlet_device_control(handle, MARTLET_IOCTL_TRANSACT, "request", 7, output, 8, NULL, NULL);
            CHECK_EQUAL(status, expected);
            check_words(words[kind]);
            martlet_overlapped_destroy(overlapped);
            CHECK_EQUAL(martlet_device_close(handle), MARTLET_STATUS_SUCCESS);
        }
    }
    server_stop();
}

static void serve_twice(int connection) {
    struct wire_request request;
    send(connection, &good_greeting, sizeof good_greeting, MSG_NOSIGNAL);
    while (wire_receive(connection, &request)) {
        wire_answer(connection, request.tag, 0, NULL, 0);
        wire_answer(connection, request.tag, 0, NULL, 0);
    }
}

void test_second_answer(void) {
    server_start(serve_twice);
    martlet_handle handle = martlet_device_open(server_path);
    CHECK_EQUAL(martlet_device_control(handle, 1, NULL, 0, NULL, 0, NULL, NULL), MARTLET_STATUS_SUCCESS);
    CHECK_EQUAL(martlet_device_control(handle, 1, NULL, 0, NULL, 0, NULL, NULL), MARTLET_STATUS_PROTOCOL_ERROR);
    check_words("was not made");
    martlet_device_close(handle);
    server_stop();
}

static void serve_three(int connection) {
    struct wire_request request;
    send(connection, &good_greeting, sizeof good_greeting, MSG_NOSIGNAL);
    for (int count = 0; count < 3 && wire_receive(connection, &request); count++) {
        wire_answer(connection, request.tag, 0, request.input, request.input_length);
    }
}

void test_server_goes_away(void) {
    server_start(serve_three);
    // Answers that had been sent before the end arrive, also if the server had not read all.
    martlet_handle handle = martlet_device_open(server_path);
    martlet_overlapped *requests[20];
    uint32_t outputs[20];
    for (uint32_t index = 0; index < 20; index++) {
        requests[index] = martlet_overlapped_create();
        uint32_t status = martlet_device_control(handle, 1, &index, 4, &outputs[index], 4, NULL, requests[index]);
        CHECK(status == MARTLET_STATUS_PENDING || (index >= 3 && status == MARTLET_STATUS_NOT_FOUND));
        if (index == 1) usleep(10000);
    }
    for (uint32_t index = 0; index < 20; index++) {
        uint32_t status = martlet_overlapped_result(requests[index], NULL, -1);
        if (index < 3 && status == MARTLET_STATUS_SUCCESS) CHECK_EQUAL(outputs[index], index);
        if (index < 2) CHECK_EQUAL(status, MARTLET_STATUS_SUCCESS);
        CHECK(index < 3 || status == MARTLET_STATUS_NOT_FOUND || status == MARTLET_STATUS_INVALID_PARAMETER);
    }
    // No signal for writing to what is closed, however often.
    for (int attempt = 0; attempt < 100; attempt++) {
        CHECK_EQUAL(martlet_device_control(handle, 1, NULL, 0, NULL, 0, NULL, NULL), MARTLET_STATUS_NOT_FOUND);
    }
    check_words("open it again");
    CHECK_EQUAL(martlet_device_control(handle, 1, NULL, 0, NULL, 0, NULL, requests[0]), MARTLET_STATUS_NOT_FOUND);
    CHECK(martlet_device_port_id(handle) == good_greeting.port_id);
    for (uint32_t index = 0; index < 20; index++) martlet_overlapped_destroy(requests[index]);
    martlet_device_close(handle);
    server_stop();
}
