#define _GNU_SOURCE

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "Server.h"
#include "Tests.h"

static uint32_t pend(martlet_handle handle, martlet_overlapped *overlapped) {
    uint32_t queue = MARTLET_QUEUE_EVENT;
    return martlet_device_control(handle, MARTLET_IOCTL_PEND, &queue, sizeof queue, NULL, 0, NULL, overlapped);
}

static uint32_t plain(martlet_handle handle, uint32_t code) {
    return martlet_device_control(handle, code, NULL, 0, NULL, 0, NULL, NULL);
}

// Whether the waitable descriptor can be read, within so many milliseconds.
static int is_readable(const martlet_overlapped *overlapped, int milliseconds) {
    struct pollfd entry = {.fd = martlet_overlapped_descriptor(overlapped), .events = POLLIN};
    return poll(&entry, 1, milliseconds) == 1;
}

static void wait_for_ended(unsigned count) {
    for (int attempt = 0; server_ended() < count && attempt < 5000; attempt++) usleep(1000);
    CHECK_EQUAL(server_ended(), count);
}

void test_handles(void) {
    server_start(serve_well);
    martlet_handle invalid[] = {0, 1, UINT64_MAX, (martlet_handle)1 << 20, 0x123456789abcdef0};
    for (size_t index = 0; index < sizeof invalid / sizeof *invalid; index++) {
        CHECK_EQUAL(plain(invalid[index], 1), MARTLET_STATUS_INVALID_HANDLE);
        CHECK_EQUAL(martlet_last_error(), MARTLET_STATUS_INVALID_HANDLE);
        CHECK_EQUAL(martlet_device_close(invalid[index]), MARTLET_STATUS_INVALID_HANDLE);
        CHECK_EQUAL(martlet_device_port_id(invalid[index]), 0);
        CHECK_EQUAL(martlet_device_access(invalid[index]), 0);
    }
    // The numbers are never given twice, and those that are closed stay invalid.
    martlet_handle last = 0, old[200];
    for (unsigned index = 0; index < 200; index++) {
        old[index] = martlet_device_open(server_path);
        CHECK(old[index] > last);
        last = old[index];
        CHECK_EQUAL(martlet_device_port_id(last), 0x40000001);
        CHECK_EQUAL(martlet_device_access(last), MARTLET_ACCESS_CHANGE);
        CHECK_EQUAL(plain(last, MARTLET_IOCTL_CANCEL), MARTLET_STATUS_SUCCESS);
        CHECK_EQUAL(martlet_device_close(last), MARTLET_STATUS_SUCCESS);
        CHECK_EQUAL(martlet_device_close(last), MARTLET_STATUS_INVALID_HANDLE);
        for (unsigned before = 0; before <= index; before++) {
            CHECK_EQUAL(plain(old[before], 1), MARTLET_STATUS_INVALID_HANDLE);
        }
    }
    // Many at once.
    for (unsigned index = 0; index < 200; index++) CHECK((old[index] = martlet_device_open(server_path)) != 0);
    for (unsigned index = 0; index < 200; index++) {
        CHECK_EQUAL(plain(old[index], MARTLET_IOCTL_CANCEL), MARTLET_STATUS_SUCCESS);
    }
    for (unsigned index = 0; index < 200; index++) {
        CHECK_EQUAL(martlet_device_close(old[index]), MARTLET_STATUS_SUCCESS);
    }
    wait_for_ended(400);
    server_stop();
}

void test_inputs_and_outputs(void) {
    server_start(serve_well);
    martlet_handle handle = martlet_device_open(server_path);
    uint8_t *input = malloc(300000), *output = malloc(300000);
    for (size_t index = 0; index < 300000; index++) input[index] = (uint8_t)(index * 7 + index / 256);
    size_t lengths[] = {0, 1, 3, 4, 15, 16, 4096, 65536, 131071, 131072};
    for (size_t index = 0; index < sizeof lengths / sizeof *lengths; index++) {
        size_t length = lengths[index];
        for (int is_roomy = 0; is_roomy < 2; is_roomy++) {
            uint32_t information = 12345;
            size_t size = is_roomy ? 300000 : length;
            memset(output, 0x55, 300000);
            CHECK_EQUAL(martlet_device_control(handle, MARTLET_IOCTL_TRANSACT, input, length, output, size,
                                               &information, NULL), MARTLET_STATUS_SUCCESS);
            CHECK_EQUAL(information, length);
            CHECK(memcmp(input, output, length) == 0);
            CHECK_EQUAL(output[length], 0x55);
        }
    }
    // Too much is told, and does no harm.
    uint32_t information = 0;
    for (size_t length = 131073; length < 300000; length += 50000) {
        CHECK_EQUAL(martlet_device_control(handle, MARTLET_IOCTL_TRANSACT, input, length, output, 300000, &information,
                                           NULL), MARTLET_STATUS_INVALID_PARAMETER);
        CHECK_EQUAL(information, 131072);
        check_words("takes 131072 at most");
    }
    CHECK_EQUAL(martlet_device_control(handle, MARTLET_IOCTL_TRANSACT, NULL, 1, output, 1, NULL, NULL),
                MARTLET_STATUS_INVALID_PARAMETER);
    check_words("the input is NULL");
    CHECK_EQUAL(martlet_device_control(handle, MARTLET_IOCTL_TRANSACT, "", 1, NULL, 1, NULL, NULL),
                MARTLET_STATUS_INVALID_PARAMETER);
    check_words("the output is NULL");
    CHECK_EQUAL(martlet_device_control(handle, MARTLET_IOCTL_TRANSACT, NULL, 0, NULL, SIZE_MAX, NULL, NULL),
                MARTLET_STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(plain(handle, 77), MARTLET_STATUS_INVALID_DEVICE_REQUEST);
    check_words("0x0000004d");
    CHECK_EQUAL(martlet_device_control(handle, MARTLET_IOCTL_GET_VERSION, NULL, 0, &information, 4, NULL, NULL), 0);
    CHECK_EQUAL(information, 1);
    CHECK(strlen(martlet_status_text(0xdeadbeef)) > 0);
    martlet_device_close(handle);
    free(input);
    free(output);
    server_stop();
}

void test_overlapped(void) {
    server_start(serve_well);
    martlet_handle handle = martlet_device_open(server_path), other = martlet_device_open(server_path);
    martlet_overlapped *overlapped = martlet_overlapped_create();
    CHECK_EQUAL(martlet_overlapped_result(overlapped, NULL, 0), MARTLET_STATUS_INVALID_PARAMETER);
    check_words("has not been used");
    CHECK_EQUAL(martlet_overlapped_cancel(overlapped), MARTLET_STATUS_SUCCESS);
    CHECK(!is_readable(overlapped, 0));
    int descriptor = martlet_overlapped_descriptor(overlapped);
    // It may be used again, also with another handle; its descriptor wakes when there is news, and only then.
    for (int turn = 0; turn < 6; turn++) {
        martlet_handle used = turn % 2 == 0 ? handle : other;
        CHECK_EQUAL(pend(used, overlapped), MARTLET_STATUS_PENDING);
        CHECK(!is_readable(overlapped, 20));
        CHECK_EQUAL(martlet_overlapped_result(overlapped, NULL, 0), MARTLET_STATUS_PENDING);
        CHECK_EQUAL(pend(used, overlapped), MARTLET_STATUS_INVALID_PARAMETER);
        check_words("is under way");
        if (turn < 4) {
            // The answer is received by this thread's call, or not by anybody until the result is asked for.
            uint32_t raise = TEST_RAISE;
            martlet_overlapped *second = martlet_overlapped_create();
            CHECK_EQUAL(martlet_device_control(used, raise, NULL, 0, NULL, 0, NULL, turn < 2 ? NULL : second),
                        turn < 2 ? MARTLET_STATUS_SUCCESS : MARTLET_STATUS_PENDING);
            CHECK(is_readable(overlapped, 1000));
            CHECK_EQUAL(martlet_overlapped_result(overlapped, NULL, turn % 2 == 0 ? 0 : 1000), MARTLET_STATUS_SUCCESS);
            martlet_overlapped_destroy(second);
        } else {
            CHECK_EQUAL(plain(used, MARTLET_IOCTL_CANCEL), MARTLET_STATUS_SUCCESS);
            CHECK(is_readable(overlapped, 1000));
            CHECK_EQUAL(martlet_overlapped_result(overlapped, NULL, -1), MARTLET_STATUS_CANCELLED);
        }
        CHECK(!is_readable(overlapped, 0));
        CHECK_EQUAL(martlet_overlapped_result(overlapped, NULL, 0),
                    turn < 4 ? MARTLET_STATUS_SUCCESS : MARTLET_STATUS_CANCELLED);
        CHECK_EQUAL(martlet_overlapped_descriptor(overlapped), (uint64_t)descriptor);
    }
    // Anything may be overlapped, and several may be.
    martlet_overlapped *several[50];
    uint64_t inputs[50], outputs[50];
    for (uint64_t index = 0; index < 50; index++) {
        several[index] = martlet_overlapped_create();
        inputs[index] = index << 33;
        CHECK_EQUAL(martlet_device_control(handle, MARTLET_IOCTL_TRANSACT, &inputs[index], 8, &outputs[index], 8, NULL,
                                           several[index]), MARTLET_STATUS_PENDING);
        // It is not needed any more.
        inputs[index] = 0;
    }
    for (uint64_t index = 50; index-- > 0;) {
        uint32_t information = 0;
        CHECK(is_readable(several[index], 1000));
        CHECK_EQUAL(martlet_overlapped_result(several[index], &information, -1), MARTLET_STATUS_SUCCESS);
        CHECK_EQUAL(information, 8);
        CHECK_EQUAL(outputs[index], index << 33);
    }
    // A result that nobody has asked for does not stand in the way.
    CHECK_EQUAL(martlet_device_control(handle, MARTLET_IOCTL_TRANSACT, NULL, 0, NULL, 0, NULL, several[0]),
                MARTLET_STATUS_PENDING);
    CHECK_EQUAL(plain(handle, MARTLET_IOCTL_CANCEL), MARTLET_STATUS_SUCCESS);
    CHECK_EQUAL(pend(other, several[0]), MARTLET_STATUS_PENDING);
    CHECK(!is_readable(several[0], 20));
    for (int index = 0; index < 50; index++) martlet_overlapped_destroy(several[index]);
    martlet_overlapped_destroy(overlapped);
    martlet_overlapped_destroy(NULL);
    CHECK_EQUAL(martlet_overlapped_result(NULL, NULL, 0), MARTLET_STATUS_INVALID_PARAMETER);
    CHECK_EQUAL(martlet_overlapped_cancel(NULL), MARTLET_STATUS_INVALID_PARAMETER);
    martlet_device_close(handle);
    martlet_device_close(other);
    server_stop();
}

void test_cancelling(void) {
    server_start(serve_well);
    martlet_handle handle = martlet_device_open(server_path);
    martlet_overlapped *first = martlet_overlapped_create(), *second = martlet_overlapped_create();
    for (int turn = 0; turn < 200; turn++) {
        CHECK_EQUAL(pend(handle, first), MARTLET_STATUS_PENDING);
        // The second cannot be pended. Cancelling it must not cancel the first.
        CHECK_EQUAL(pend(handle, second), MARTLET_STATUS_PENDING);
        CHECK_EQUAL(martlet_overlapped_cancel(second), MARTLET_STATUS_SUCCESS);
        CHECK_EQUAL(martlet_overlapped_result(second, NULL, -1), MARTLET_STATUS_DEVICE_BUSY);
        CHECK_EQUAL(martlet_overlapped_result(first, NULL, 0), MARTLET_STATUS_PENDING);
        // One that is not pended ends by itself.
        uint32_t output;
        CHECK_EQUAL(martlet_device_control(handle, MARTLET_IOCTL_GET_VERSION, NULL, 0, &output, 4, NULL, second),
                    MARTLET_STATUS_PENDING);
        CHECK_EQUAL(martlet_overlapped_cancel(second), MARTLET_STATUS_SUCCESS);
        CHECK_EQUAL(martlet_overlapped_result(second, NULL, -1), MARTLET_STATUS_SUCCESS);
        CHECK_EQUAL(martlet_overlapped_result(first, NULL, 0), MARTLET_STATUS_PENDING);

        CHECK_EQUAL(martlet_overlapped_cancel(first), MARTLET_STATUS_SUCCESS);
        CHECK_EQUAL(martlet_overlapped_result(first, NULL, -1), MARTLET_STATUS_CANCELLED);
        CHECK_EQUAL(martlet_last_error(), MARTLET_STATUS_CANCELLED);
        CHECK_EQUAL(martlet_overlapped_cancel(first), MARTLET_STATUS_SUCCESS);
        // It may have ended otherwise.
        CHECK_EQUAL(pend(handle, first), MARTLET_STATUS_PENDING);
        CHECK_EQUAL(plain(handle, TEST_RAISE), MARTLET_STATUS_SUCCESS);
        CHECK_EQUAL(martlet_overlapped_cancel(first), MARTLET_STATUS_SUCCESS);
        CHECK_EQUAL(martlet_overlapped_result(first, NULL, -1), MARTLET_STATUS_SUCCESS);
    }
    martlet_overlapped_destroy(first);
    martlet_overlapped_destroy(second);
    martlet_device_close(handle);
    server_stop();
}

void test_closing_with_pended_requests(void) {
    server_start(serve_well);
    martlet_overlapped *overlapped[3];
    for (int index = 0; index < 3; index++) overlapped[index] = martlet_overlapped_create();
    for (unsigned turn = 0; turn < 200; turn++) {
        martlet_handle handle = martlet_device_open(server_path);
        CHECK_EQUAL(pend(handle, overlapped[0]), MARTLET_STATUS_PENDING);
        for (int index = 1; index < 3; index++) {
            CHECK_EQUAL(martlet_device_control(handle, TEST_HANG, NULL, 0, NULL, 0, NULL, overlapped[index]),
                        MARTLET_STATUS_PENDING);
        }
        CHECK_EQUAL(martlet_device_close(handle), MARTLET_STATUS_SUCCESS);
        for (int index = 0; index < 3; index++) {
            CHECK(is_readable(overlapped[index], 1000));
            // The third is not asked: it is used again as it is.
            if (index == 2) continue;
            CHECK_EQUAL(martlet_overlapped_result(overlapped[index], NULL, 0), MARTLET_STATUS_CANCELLED);
            check_words("closed before");
        }
        // The device lets the handle go at once.
        wait_for_ended(turn + 1);
    }
    for (int index = 0; index < 3; index++) martlet_overlapped_destroy(overlapped[index]);
    server_stop();
}

void test_destroying(void) {
    server_start(serve_well);
    martlet_handle handle = martlet_device_open(server_path);
    for (int turn = 0; turn < 200; turn++) {
        martlet_overlapped *overlapped = martlet_overlapped_create();
        CHECK_EQUAL(pend(handle, overlapped), MARTLET_STATUS_PENDING);
        martlet_overlapped_destroy(overlapped);
        // The device has nothing pended: another may be.
        overlapped = martlet_overlapped_create();
        CHECK_EQUAL(pend(handle, overlapped), MARTLET_STATUS_PENDING);
        CHECK_EQUAL(martlet_overlapped_result(overlapped, NULL, turn % 20 == 0 ? 5 : 0), MARTLET_STATUS_PENDING);
        martlet_overlapped_destroy(overlapped);
    }
    martlet_device_close(handle);
    server_stop();
}

static double seconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

void test_timeouts(void) {
    server_start(serve_well);
    martlet_handle handle = martlet_device_open(server_path);
    martlet_overlapped *overlapped = martlet_overlapped_create();
    CHECK_EQUAL(pend(handle, overlapped), MARTLET_STATUS_PENDING);
    double begin = seconds();
    for (int turn = 0; turn < 1000; turn++) {
        CHECK_EQUAL(martlet_overlapped_result(overlapped, NULL, 0), MARTLET_STATUS_PENDING);
    }
    CHECK(seconds() - begin < 1);
    begin = seconds();
    CHECK_EQUAL(martlet_overlapped_result(overlapped, NULL, 150), MARTLET_STATUS_PENDING);
    CHECK(seconds() - begin >= 0.15 && seconds() - begin < 5);
    martlet_overlapped_destroy(overlapped);
    martlet_device_close(handle);
    server_stop();
}

// More requests, and more bytes, than fit any queue between the two, and nobody reads until all are sent.
void test_flood(void) {
    enum { COUNT = 400, SIZE = 65536 };
    server_start(serve_well);
    struct rlimit limit = {.rlim_cur = 4096, .rlim_max = 4096};
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    martlet_handle handle = martlet_device_open(server_path);
    martlet_overlapped **requests = calloc(COUNT, sizeof *requests);
    uint8_t *input = malloc(SIZE), *outputs = malloc((size_t)COUNT * SIZE);
    for (int index = 0; index < COUNT; index++) {
        memset(input, index, SIZE);
        requests[index] = martlet_overlapped_create();
        CHECK_EQUAL(martlet_device_control(handle, MARTLET_IOCTL_TRANSACT, input, SIZE, outputs + (size_t)index * SIZE,
                                           SIZE, NULL, requests[index]), MARTLET_STATUS_PENDING);
    }
    for (int index = 0; index < COUNT; index++) {
        CHECK_EQUAL(martlet_overlapped_result(requests[index], NULL, -1), MARTLET_STATUS_SUCCESS);
        for (size_t byte = 0; byte < SIZE; byte++) CHECK_EQUAL(outputs[(size_t)index * SIZE + byte], (uint8_t)index);
        martlet_overlapped_destroy(requests[index]);
    }
    // Without descriptors and memory to be had, the call says so.
    limit.rlim_cur = 3;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(martlet_overlapped_create() == NULL);
    CHECK_EQUAL(martlet_last_error(), MARTLET_STATUS_INSUFFICIENT_RESOURCES);
    CHECK_EQUAL(martlet_device_open(server_path), 0);
    CHECK_EQUAL(martlet_last_error(), MARTLET_STATUS_INSUFFICIENT_RESOURCES);
    limit.rlim_cur = 4096;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    free(requests);
    free(input);
    free(outputs);
    martlet_device_close(handle);
    server_stop();
}

static int ends_well(pid_t child) {
    int status;
    return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void test_forks(void) {
    server_start(serve_well);
    martlet_handle handle = martlet_device_open(server_path), closed = martlet_device_open(server_path);
    martlet_overlapped *overlapped = martlet_overlapped_create(), *idle = martlet_overlapped_create();
    CHECK_EQUAL(pend(handle, overlapped), MARTLET_STATUS_PENDING);
    int pipes[2];
    CHECK(pipe2(pipes, O_CLOEXEC) == 0);
    pid_t child = fork();
    if (child == 0) {
        CHECK_EQUAL(plain(handle, MARTLET_IOCTL_CANCEL), MARTLET_STATUS_INVALID_HANDLE);
        CHECK_EQUAL(martlet_device_close(handle), MARTLET_STATUS_INVALID_HANDLE);
        CHECK_EQUAL(martlet_overlapped_result(overlapped, NULL, -1), MARTLET_STATUS_INVALID_HANDLE);
        CHECK_EQUAL(martlet_overlapped_cancel(overlapped), MARTLET_STATUS_INVALID_HANDLE);
        martlet_handle own = martlet_device_open(server_path);
        CHECK(own > closed);
        CHECK_EQUAL(pend(own, idle), MARTLET_STATUS_INVALID_HANDLE);
        check_words("the parent of this process");
        martlet_overlapped_destroy(overlapped);
        martlet_overlapped_destroy(idle);
        overlapped = martlet_overlapped_create();
        CHECK_EQUAL(pend(own, overlapped), MARTLET_STATUS_PENDING);
        CHECK_EQUAL(martlet_overlapped_cancel(overlapped), MARTLET_STATUS_SUCCESS);
        CHECK_EQUAL(martlet_overlapped_result(overlapped, NULL, -1), MARTLET_STATUS_CANCELLED);
        // A child of the child: its parent's are not its own either.
        pid_t grandchild = fork();
        if (grandchild == 0) {
            CHECK_EQUAL(plain(own, MARTLET_IOCTL_CANCEL), MARTLET_STATUS_INVALID_HANDLE);
            CHECK_EQUAL(martlet_overlapped_result(overlapped, NULL, -1), MARTLET_STATUS_INVALID_HANDLE);
            _exit(0);
        }
        CHECK(ends_well(grandchild));
        martlet_overlapped_destroy(overlapped);
        martlet_device_close(own);
        // The child has no descriptor of the parent's connections: while it lives, the parent closes one.
        close(pipes[1]);
        char byte;
        CHECK(read(pipes[0], &byte, 1) == 0);
        _exit(0);
    }
    // All that the child has opened has ended.
    wait_for_ended(1);
    CHECK_EQUAL(martlet_device_close(closed), MARTLET_STATUS_SUCCESS);
    wait_for_ended(2);
    close(pipes[1]);
    CHECK(ends_well(child));
    close(pipes[0]);
    // What the child did has not touched what is pended here.
    CHECK_EQUAL(martlet_overlapped_result(overlapped, NULL, 0), MARTLET_STATUS_PENDING);
    CHECK_EQUAL(plain(handle, TEST_RAISE), MARTLET_STATUS_SUCCESS);
    CHECK(is_readable(overlapped, 1000));
    CHECK_EQUAL(martlet_overlapped_result(overlapped, NULL, -1), MARTLET_STATUS_SUCCESS);
    martlet_overlapped_destroy(overlapped);
    martlet_overlapped_destroy(idle);
    martlet_device_close(handle);
    wait_for_ended(3);

    // If the parent is killed, the device learns of it, although a child of it lives.
    CHECK(pipe2(pipes, O_CLOEXEC) == 0);
    pid_t parent = fork();
    if (parent == 0) {
        martlet_handle own = martlet_device_open(server_path);
        CHECK(own != 0);
        pid_t orphan = fork();
        if (orphan == 0) {
            char byte;
            close(pipes[1]);
            _exit(read(pipes[0], &byte, 1) == 0 ? 0 : 1);
        }
        kill(getpid(), SIGKILL);
    }
    int status;
    CHECK(waitpid(parent, &status, 0) == parent && WIFSIGNALED(status));
    wait_for_ended(4);
    close(pipes[1]);
    close(pipes[0]);
    server_stop();
}

// Nothing that the library opens outlives an exec.
void test_descriptors(void) {
    server_start(serve_well);
    martlet_handle handle = martlet_device_open(server_path);
    martlet_overlapped *overlapped = martlet_overlapped_create();
    CHECK_EQUAL(pend(handle, overlapped), MARTLET_STATUS_PENDING);
    int found = 0;
    for (int descriptor = 3; descriptor < 100; descriptor++) {
        char path[64], target[200] = "";
        snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
        if (readlink(path, target, sizeof target - 1) < 0) continue;
        if (strstr(target, "socket:") == NULL && strstr(target, "anon_inode:") == NULL) continue;
        found++;
        CHECK(fcntl(descriptor, F_GETFD) & FD_CLOEXEC);
    }
    CHECK(found >= 4);
    martlet_overlapped_destroy(overlapped);
    martlet_device_close(handle);
    server_stop();
}
