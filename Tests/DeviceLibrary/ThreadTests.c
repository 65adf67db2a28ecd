#define _GNU_SOURCE

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "Server.h"
#include "Tests.h"

#define THREADS 8

static martlet_handle shared;
static _Atomic unsigned counter;

static uint32_t pend(martlet_handle handle, martlet_overlapped *overlapped) {
    uint32_t queue = MARTLET_QUEUE_EVENT;
    return martlet_device_control(handle, MARTLET_IOCTL_PEND, &queue, sizeof queue, NULL, 0, NULL, overlapped);
}

static uint32_t plain(martlet_handle handle, uint32_t code) {
    return martlet_device_control(handle, code, NULL, 0, NULL, 0, NULL, NULL);
}

static void start(pthread_t *threads, int count, void *(*run)(void *)) {
    for (int index = 0; index < count; index++) {
        CHECK(pthread_create(&threads[index], NULL, run, (void *)(intptr_t)index) == 0);
    }
}

static void join(pthread_t *threads, int count) {
    for (int index = 0; index < count; index++) CHECK(pthread_join(threads[index], NULL) == 0);
}

static void *hang(void *argument) {
    (void)argument;
    counter++;
    CHECK_EQUAL(plain(shared, TEST_HANG), MARTLET_STATUS_CANCELLED);
    CHECK_EQUAL(martlet_last_error(), MARTLET_STATUS_CANCELLED);
    CHECK_EQUAL(plain(shared, TEST_HANG), MARTLET_STATUS_INVALID_HANDLE);
    return NULL;
}

void test_closing_while_others_wait(void) {
    server_start(serve_well);
    for (unsigned turn = 0; turn < 50; turn++) {
        pthread_t threads[THREADS];
        shared = martlet_device_open(server_path);
        counter = 0;
        start(threads, THREADS, hang);
        // Once all are sure to wait, and otherwise in the middle of it; whoever comes too late has no handle.
        while (counter < THREADS) usleep(100);
        if (turn == 0) usleep(200000);
        else usleep(20000);
        CHECK_EQUAL(martlet_device_close(shared), MARTLET_STATUS_SUCCESS);
        join(threads, THREADS);
    }
    server_stop();
}

static void *wait_for_version(void *argument) {
    (void)argument;
    counter++;
    plain(shared, TEST_HANG);
    return NULL;
}

void test_another_thread_takes_the_answer(void) {
    server_start(serve_well);
    shared = martlet_device_open(server_path);
    martlet_overlapped *overlapped = martlet_overlapped_create();
    pthread_t thread;
    counter = 0;
    CHECK_EQUAL(pend(shared, overlapped), MARTLET_STATUS_PENDING);
    start(&thread, 1, wait_for_version);
    while (counter < 1) usleep(100);
    usleep(50000);
    // That thread receives all answers. The descriptor of this one's wakes by the counter.
    for (int turn = 0; turn < 100; turn++) {
        CHECK_EQUAL(plain(shared, TEST_RAISE), MARTLET_STATUS_SUCCESS);
        struct pollfd entry = {.fd = martlet_overlapped_descriptor(overlapped), .events = POLLIN};
        uint32_t status = MARTLET_STATUS_PENDING;
        while (status == MARTLET_STATUS_PENDING) {
            CHECK(poll(&entry, 1, 1000) == 1);
            status = martlet_overlapped_result(overlapped, NULL, 0);
        }
        CHECK_EQUAL(status, MARTLET_STATUS_SUCCESS);
        CHECK(poll(&entry, 1, 0) == 0);
        CHECK_EQUAL(pend(shared, overlapped), MARTLET_STATUS_PENDING);
    }
    martlet_device_close(shared);
    join(&thread, 1);
    martlet_overlapped_destroy(overlapped);
    server_stop();
}

static void *wait_shortly(void *argument) {
    martlet_overlapped *overlapped = martlet_overlapped_create();
    int index = (int)(intptr_t)argument;
    CHECK_EQUAL(martlet_device_control(shared, TEST_HANG, NULL, 0, NULL, 0, NULL, overlapped), MARTLET_STATUS_PENDING);
    counter++;
    CHECK_EQUAL(martlet_overlapped_result(overlapped, NULL, 30 + 20 * index), MARTLET_STATUS_PENDING);
    counter++;
    CHECK_EQUAL(martlet_overlapped_result(overlapped, NULL, -1), MARTLET_STATUS_CANCELLED);
    martlet_overlapped_destroy(overlapped);
    return NULL;
}

static void *wait_for_pend(void *argument) {
    CHECK_EQUAL(pend(shared, NULL), MARTLET_STATUS_SUCCESS);
    *(_Atomic int *)argument = 1;
    return NULL;
}

// The leaders give up one after the other; whoever is left receives.
void test_lead_is_handed_on(void) {
    server_start(serve_well);
    shared = martlet_device_open(server_path);
    pthread_t threads[3], waiting;
    counter = 0;
    start(threads, 3, wait_shortly);
    while (counter < 3) usleep(100);
    _Atomic int is_done = 0;
    CHECK(pthread_create(&waiting, NULL, wait_for_pend, &is_done) == 0);
    while (counter < 6) usleep(100);
    usleep(20000);
    // Its answer wakes it, whichever of the four receives; the request is sent without waiting.
    martlet_overlapped *raise = martlet_overlapped_create();
    CHECK_EQUAL(martlet_device_control(shared, TEST_RAISE, NULL, 0, NULL, 0, NULL, raise), MARTLET_STATUS_PENDING);
    for (int attempt = 0; !is_done && attempt < 5000; attempt++) usleep(1000);
    CHECK(is_done);
    CHECK(pthread_join(waiting, NULL) == 0);
    martlet_device_close(shared);
    join(threads, 3);
    martlet_overlapped_destroy(raise);
    server_stop();
}

static void nothing(int number) { (void)number; }

static void *transact_many(void *argument) {
    uint32_t thread = (uint32_t)(intptr_t)argument;
    for (uint32_t turn = 0; turn < 3000; turn++) {
        uint32_t input[64], output[64], information;
        size_t words = 1 + turn % 64;
        for (size_t index = 0; index < words; index++) input[index] = thread << 24 ^ turn << 8 ^ (uint32_t)index;
        CHECK_EQUAL(martlet_device_control(shared, MARTLET_IOCTL_TRANSACT, input, 4 * words, output, sizeof output,
                                           &information, NULL), MARTLET_STATUS_SUCCESS);
        CHECK_EQUAL(information, 4 * words);
        CHECK(memcmp(input, output, 4 * words) == 0);
    }
    return NULL;
}

void test_signals(void) {
    server_start(serve_well);
    shared = martlet_device_open(server_path);
    struct sigaction action = {.sa_handler = nothing};  // without SA_RESTART
    sigaction(SIGALRM, &action, NULL);
    struct itimerval often = {{0, 500}, {0, 500}}, never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &often, NULL);
    pthread_t threads[4];
    start(threads, 4, transact_many);
    for (int turn = 0; turn < 100; turn++) {
        martlet_handle handle = martlet_device_open(server_path);
        CHECK(handle != 0);
        martlet_overlapped *overlapped = martlet_overlapped_create();
        CHECK_EQUAL(pend(handle, overlapped), MARTLET_STATUS_PENDING);
        struct timespec begin, end;
        clock_gettime(CLOCK_MONOTONIC, &begin);
        CHECK_EQUAL(martlet_overlapped_result(overlapped, NULL, 5), MARTLET_STATUS_PENDING);
        clock_gettime(CLOCK_MONOTONIC, &end);
        CHECK((end.tv_sec - begin.tv_sec) * 1000000000LL + end.tv_nsec - begin.tv_nsec >= 5000000);
        martlet_overlapped_destroy(overlapped);
        martlet_device_close(handle);
    }
    join(threads, 4);
    setitimer(ITIMER_REAL, &never, NULL);
    alarm(120);
    martlet_device_close(shared);
    server_stop();
}

static void *hang_until_cancelled(void *argument) {
    (void)argument;
    counter++;
    plain(shared, TEST_HANG);
    pthread_testcancel();
    CHECK(!"a thread that was cancelled goes on");
    return NULL;
}

// A thread that is cancelled inside a call leaves it as it should be.
void test_thread_cancellation(void) {
    server_start(serve_well);
    shared = martlet_device_open(server_path);
    pthread_t threads[2];
    counter = 0;
    start(threads, 2, hang_until_cancelled);
    while (counter < 2) usleep(100);
    usleep(20000);
    for (int index = 0; index < 2; index++) pthread_cancel(threads[index]);
    for (int turn = 0; turn < 100; turn++) CHECK_EQUAL(plain(shared, MARTLET_IOCTL_CANCEL), MARTLET_STATUS_SUCCESS);
    martlet_device_close(shared);
    join(threads, 2);
    server_stop();
}

// Pends by overlapped requests, ended in all ways, beside transactions.
static void *pend_many(void *argument) {
    unsigned random = (unsigned)(intptr_t)argument;
    martlet_overlapped *overlapped = martlet_overlapped_create();
    for (int turn = 0; turn < 1500; turn++) {
        uint32_t status = pend(shared, overlapped);
        CHECK_EQUAL(status, MARTLET_STATUS_PENDING);
        switch (rand_r(&random) % 4) {
            case 0: plain(shared, TEST_RAISE); break;
            case 1: CHECK_EQUAL(martlet_overlapped_cancel(overlapped), MARTLET_STATUS_SUCCESS); break;
            case 2: {
                struct pollfd entry = {.fd = martlet_overlapped_descriptor(overlapped), .events = POLLIN};
                poll(&entry, 1, 1);
                if (martlet_overlapped_result(overlapped, NULL, 0) == MARTLET_STATUS_PENDING) {
                    CHECK_EQUAL(martlet_overlapped_cancel(overlapped), MARTLET_STATUS_SUCCESS);
                }
                break;
            }
            default:
                if (martlet_overlapped_result(overlapped, NULL, 1) == MARTLET_STATUS_PENDING) {
                    martlet_overlapped_destroy(overlapped);
                    overlapped = martlet_overlapped_create();
                    continue;
                }
        }
        // Who raises may have done it for another; then this one is still pended, and the cancel ends it.
        if (martlet_overlapped_result(overlapped, NULL, 0) == MARTLET_STATUS_PENDING) {
            martlet_overlapped_cancel(overlapped);
        }
        status = martlet_overlapped_result(overlapped, NULL, -1);
        CHECK(status == MARTLET_STATUS_SUCCESS || status == MARTLET_STATUS_CANCELLED ||
              status == MARTLET_STATUS_DEVICE_BUSY);
        counter += status == MARTLET_STATUS_SUCCESS;
    }
    martlet_overlapped_destroy(overlapped);
    return NULL;
}

void test_transactions_and_pends(void) {
    server_start(serve_well);
    shared = martlet_device_open(server_path);
    pthread_t transacting[THREADS / 2], pending[THREADS / 2];
    counter = 0;
    start(transacting, THREADS / 2, transact_many);
    start(pending, THREADS / 2, pend_many);
    join(transacting, THREADS / 2);
    join(pending, THREADS / 2);
    CHECK(counter > 0);
    start(transacting, THREADS / 2, transact_many);
    join(transacting, THREADS / 2);
    martlet_device_close(shared);
    server_stop();
}

static _Atomic int is_over;

// Each cancels only its own, so what is pended here is never cancelled by the others' work.
static void *pend_in_vain(void *argument) {
    (void)argument;
    martlet_overlapped *overlapped = martlet_overlapped_create();
    while (!is_over) {
        CHECK_EQUAL(pend(shared, overlapped), MARTLET_STATUS_PENDING);
        CHECK_EQUAL(martlet_overlapped_cancel(overlapped), MARTLET_STATUS_SUCCESS);
        CHECK_EQUAL(martlet_overlapped_result(overlapped, NULL, -1), MARTLET_STATUS_DEVICE_BUSY);
        counter++;
    }
    martlet_overlapped_destroy(overlapped);
    return NULL;
}

void test_cancelling_one_of_many(void) {
    server_start(serve_well);
    shared = martlet_device_open(server_path);
    martlet_overlapped *overlapped = martlet_overlapped_create();
    CHECK_EQUAL(pend(shared, overlapped), MARTLET_STATUS_PENDING);
    CHECK_EQUAL(plain(shared, TEST_HANG + 0x100000), MARTLET_STATUS_INVALID_DEVICE_REQUEST);  // it has arrived
    pthread_t threads[4];
    counter = 0;
    is_over = 0;
    start(threads, 4, pend_in_vain);
    while (counter < 4000) {
        CHECK_EQUAL(martlet_overlapped_result(overlapped, NULL, 1), MARTLET_STATUS_PENDING);
    }
    is_over = 1;
    join(threads, 4);
    CHECK_EQUAL(martlet_overlapped_result(overlapped, NULL, 0), MARTLET_STATUS_PENDING);
    CHECK_EQUAL(plain(shared, TEST_RAISE), MARTLET_STATUS_SUCCESS);
    CHECK_EQUAL(martlet_overlapped_result(overlapped, NULL, 0), MARTLET_STATUS_SUCCESS);
    martlet_overlapped_destroy(overlapped);
    martlet_device_close(shared);
    server_stop();
}

static _Atomic martlet_handle places[4];

static void *open_and_close(void *argument) {
    unsigned random = 100 + (unsigned)(intptr_t)argument;
    martlet_overlapped *overlapped = martlet_overlapped_create();
    for (int turn = 0; turn < 1000; turn++) {
        martlet_handle handle = places[rand_r(&random) % 4], opened = 0;
        uint32_t status = MARTLET_STATUS_SUCCESS, output = 0;
        switch (rand_r(&random) % 5) {
            case 0:
                CHECK((opened = martlet_device_open(server_path)) != 0);
                handle = atomic_exchange(&places[rand_r(&random) % 4], opened);
                status = martlet_device_close(handle);
                break;
            case 1: status = martlet_device_control(handle, MARTLET_IOCTL_GET_VERSION, NULL, 0, &output, 4, NULL, NULL);
                CHECK(status != 0 || output == 1);
                break;
            case 2: martlet_device_port_id(handle); break;
            case 3: status = plain(handle, TEST_RAISE); break;
            default:
                if (pend(handle, overlapped) == MARTLET_STATUS_PENDING) {
                    martlet_overlapped_result(overlapped, NULL, 0);
                    status = martlet_overlapped_cancel(overlapped);
                    uint32_t result = martlet_overlapped_result(overlapped, NULL, -1);
                    CHECK(result == MARTLET_STATUS_SUCCESS || result == MARTLET_STATUS_CANCELLED ||
                          result == MARTLET_STATUS_DEVICE_BUSY);
                }
        }
        CHECK(status == MARTLET_STATUS_SUCCESS || status == MARTLET_STATUS_CANCELLED ||
              status == MARTLET_STATUS_INVALID_HANDLE);
    }
    martlet_overlapped_destroy(overlapped);
    return NULL;
}

void test_opening_and_closing(void) {
    server_start(serve_well);
    pthread_t threads[THREADS];
    start(threads, THREADS, open_and_close);
    join(threads, THREADS);
    for (int index = 0; index < 4; index++) martlet_device_close(places[index]);
    server_stop();
}

// A datapath's device, with requests that change nothing.
static void *ask_the_device(void *argument) {
    unsigned random = 200 + (unsigned)(intptr_t)argument;
    martlet_overlapped *overlapped = martlet_overlapped_create();
    for (int turn = 0; turn < 3000; turn++) {
        uint32_t output[1024] = {0}, information = 0;
        if (rand_r(&random) % 8 == 0) {
            CHECK_EQUAL(pend(shared, overlapped), MARTLET_STATUS_PENDING);
            martlet_overlapped_result(overlapped, NULL, 0);
            CHECK_EQUAL(martlet_overlapped_cancel(overlapped), MARTLET_STATUS_SUCCESS);
            uint32_t status = martlet_overlapped_result(overlapped, NULL, -1);
            CHECK(status == MARTLET_STATUS_CANCELLED || status == MARTLET_STATUS_DEVICE_BUSY);
            counter += status == MARTLET_STATUS_CANCELLED;
            continue;
        }
        if (turn % 2 == 0) {
            CHECK_EQUAL(martlet_device_control(shared, MARTLET_IOCTL_GET_PORT_ID, NULL, 0, output, 4, &information,
                                               NULL), MARTLET_STATUS_SUCCESS);
            CHECK_EQUAL(output[0], martlet_device_port_id(shared));
            continue;
        }
        // A vport of a datapath that is not there: refused, with the sequence number of the request.
        struct martlet_message request = {
            .netlink = {.nlmsg_len = sizeof request, .nlmsg_type = MARTLET_FAMILY_VPORT, .nlmsg_flags = NLM_F_REQUEST,
                        .nlmsg_seq = rand_r(&random)},
            .generic = {.cmd = OVS_VPORT_CMD_GET, .version = OVS_VPORT_VERSION}, .datapath = {.dp_ifindex = 0x7ffffff0},
        };
        CHECK_EQUAL(martlet_device_control(shared, MARTLET_IOCTL_TRANSACT, &request, sizeof request, output,
                                           sizeof output, &information, NULL), MARTLET_STATUS_SUCCESS);
        struct nlmsghdr answer;
        memcpy(&answer, output, sizeof answer);
        CHECK(information >= 36);
        CHECK_EQUAL(answer.nlmsg_type, NLMSG_ERROR);
        CHECK_EQUAL(answer.nlmsg_seq, request.netlink.nlmsg_seq);
    }
    martlet_overlapped_destroy(overlapped);
    return NULL;
}

void test_real_device(void) {
    shared = martlet_device_open(NULL);
    CHECK(shared != 0);
    struct martlet_subscription subscription = {
        .queue = MARTLET_QUEUE_EVENT, .group = MARTLET_GROUP_VPORT, .join = 1,
    };
    CHECK_EQUAL(martlet_device_control(shared, MARTLET_IOCTL_SUBSCRIBE, &subscription, sizeof subscription, NULL, 0,
                                       NULL, NULL), MARTLET_STATUS_SUCCESS);
    pthread_t threads[THREADS];
    counter = 0;
    start(threads, THREADS, ask_the_device);
    join(threads, THREADS);
    CHECK(counter > 0);
    martlet_device_close(shared);
}
