// Pended requests: how they begin, and how they end.

#include "Check.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

static const uint32_t reading[] = {MARTLET_IOCTL_READ_EVENT, MARTLET_IOCTL_READ_PACKET};

/// A handle with both queues: group 105 in one, the misses of p1 in the other.
static conformance_handle make_waiter(struct check *check) {
    conformance_handle handle = open_handle(check);
    int32_t datapath = make_datapath(check, handle, "br0");
    add_port(check, handle, datapath, "p1", port_id(check, handle));
    EXPECT_NOTHING(join(check, handle, MARTLET_GROUP_NETDEV));
    EXPECT_NOTHING(join_packets(check, handle));
    return handle;
}

/// Makes something come to a queue of `make_waiter`.
static void provoke(struct check *check, uint32_t queue) {
    // What stays as it is has no event.
    static atomic_uint mtu = 2000;
    if (queue == MARTLET_QUEUE_PACKET) send_frame(check, "p1", 60, 1);
    else set_mtu(check, "p1", atomic_fetch_add(&mtu, 1));
}

static void not_subscribed(struct check *check) {
    conformance_handle handle = open_handle(check);
    for (uint32_t queue = 0; queue < 2; queue++) {
        in_case(check, "queue %u", queue);
        EXPECT_CALL(result(check, start_pend(check, handle, queue), SOON), MARTLET_STATUS_INVALID_PARAMETER, 0);
    }
    // One queue is not the other.
    EXPECT_NOTHING(join(check, handle, MARTLET_GROUP_VPORT));
    EXPECT_CALL(result(check, start_pend(check, handle, MARTLET_QUEUE_PACKET), SOON),
                MARTLET_STATUS_INVALID_PARAMETER, 0);
}

static void bad_inputs(struct check *check) {
    conformance_handle handle = make_waiter(check);
    const uint32_t input[] = {MARTLET_QUEUE_EVENT, 0};
    for (size_t length = 0; length <= sizeof input; length++) {
        if (length == 4) continue;
        in_case(check, "an input of %zu bytes", length);
        uint32_t status = length < 4 ? MARTLET_STATUS_INVALID_LENGTH : MARTLET_STATUS_INVALID_PARAMETER;
        uint32_t demanded = length < 4 ? 4 : 0;
        EXPECT_CALL(result(check, start(check, handle, MARTLET_IOCTL_PEND, input, length), SOON), status, demanded);
        // Cancelling may name no queue.
        if (length > 0)
            EXPECT_CALL(control(check, handle, MARTLET_IOCTL_CANCEL, input, length, 0), status, demanded);
    }
    in_case(check, "a queue that is none");
    const uint32_t none = 2;
    EXPECT_CALL(control(check, handle, MARTLET_IOCTL_CANCEL, &none, sizeof none, 0), MARTLET_STATUS_INVALID_PARAMETER,
                0);
    EXPECT_CALL(result(check, start_pend(check, handle, 2), SOON), MARTLET_STATUS_INVALID_PARAMETER, 0);
}

static void completes_on_a_message(struct check *check) {
    conformance_handle handle = make_waiter(check);
    for (uint32_t round = 0; round < 20; round++) {
        uint32_t queue = round % 2;
        in_case(check, "queue %u", queue);
        struct conformance_request *pend = start_pend(check, handle, queue);
        EXPECT(is_pended(check, handle, pend));
        // What comes to the other queue does not wake it.
        provoke(check, 1 - queue);
        EXPECT(is_pended(check, handle, pend));
        EXPECT(control_code(check, handle, reading[1 - queue], LARGE).information > 0);
        provoke(check, queue);
        EXPECT_CALL(result(check, pend, SOON), MARTLET_STATUS_SUCCESS, 0);
        // The result stays what it is.
        EXPECT_CALL(result(check, pend, 0), MARTLET_STATUS_SUCCESS, 0);
        EXPECT(control_code(check, handle, reading[queue], LARGE).information > 0);
        EXPECT_NOTHING(control_code(check, handle, reading[queue], LARGE));
    }
}

static void completes_at_once(struct check *check) {
    conformance_handle handle = make_waiter(check);
    for (uint32_t queue = 0; queue < 2; queue++) {
        in_case(check, "queue %u", queue);
        provoke(check, queue);
        // As often as it is asked, until the message has been read.
        for (int time = 0; time < 3; time++)
            EXPECT_CALL(result(check, start_pend(check, handle, queue), SOON), MARTLET_STATUS_SUCCESS, 0);
        EXPECT(control_code(check, handle, reading[queue], LARGE).information > 0);
        EXPECT(is_pended(check, handle, start_pend(check, handle, queue)));
        control_code(check, handle, MARTLET_IOCTL_CANCEL, 0);
    }
}

static void news_of_a_loss(struct check *check) {
    conformance_handle handle = make_waiter(check);
    for (uint16_t each = 0; each < 100; each++) send_frame(check, "p1", 60000, each);
    EXPECT_CALL(result(check, start_pend(check, handle, MARTLET_QUEUE_PACKET), SOON), MARTLET_STATUS_SUCCESS, 0);
    EXPECT_EQUAL(read_packet(check, handle).status, MARTLET_STATUS_OVERFLOW);
    drain(check, handle, MARTLET_IOCTL_READ_PACKET);
    EXPECT(is_pended(check, handle, start_pend(check, handle, MARTLET_QUEUE_PACKET)));
}

static void busy(struct check *check) {
    conformance_handle handle = make_waiter(check);
    for (uint32_t queue = 0; queue < 2; queue++) {
        in_case(check, "queue %u", queue);
        struct conformance_request *pend = start_pend(check, handle, queue);
        EXPECT(is_pended(check, handle, pend));
        EXPECT_CALL(result(check, start_pend(check, handle, queue), SOON), MARTLET_STATUS_DEVICE_BUSY, 0);
        struct message write = request(MARTLET_FAMILY_CONTROL, (uint8_t)queue, 0, 0);
        EXPECT_CALL(result(check, start(check, handle, MARTLET_IOCTL_WRITE, write.bytes, ATTRIBUTES), SOON),
                    MARTLET_STATUS_DEVICE_BUSY, 0);
        // The first has not noticed.
        EXPECT(is_pended(check, handle, pend));
        provoke(check, queue);
        EXPECT_CALL(result(check, pend, SOON), MARTLET_STATUS_SUCCESS, 0);
        EXPECT(control_code(check, handle, reading[queue], LARGE).information > 0);
    }
}

static void both_queues(struct check *check) {
    conformance_handle handle = make_waiter(check);
    for (uint32_t round = 0; round < 8; round++) {
        uint32_t one = round % 2;
        in_case(check, "round %u", round);
        struct conformance_request *pends[2];
        for (uint32_t queue = 0; queue < 2; queue++) pends[queue] = start_pend(check, handle, queue);
        EXPECT(is_pended(check, handle, pends[0]) && is_pended(check, handle, pends[1]));
        // One ends, in one way or another, and the other goes on.
        if (round < 4) provoke(check, one);
        else if (round < 6) cancel(check, pends[one]);
        else EXPECT_NOTHING(control(check, handle, MARTLET_IOCTL_CANCEL, &one, sizeof one, 0));
        EXPECT_CALL(result(check, pends[one], SOON), round < 4 ? MARTLET_STATUS_SUCCESS : MARTLET_STATUS_CANCELLED, 0);
        EXPECT(is_pended(check, handle, pends[1 - one]));
        provoke(check, 1 - one);
        EXPECT_CALL(result(check, pends[1 - one], SOON), MARTLET_STATUS_SUCCESS, 0);
        for (uint32_t queue = 0; queue < 2; queue++) drain(check, handle, reading[queue]);
    }
    // Without a queue both are cancelled.
    struct conformance_request *event = start_pend(check, handle, MARTLET_QUEUE_EVENT);
    struct conformance_request *packet = start_pend(check, handle, MARTLET_QUEUE_PACKET);
    EXPECT(is_pended(check, handle, event) && is_pended(check, handle, packet));
    EXPECT_NOTHING(control_code(check, handle, MARTLET_IOCTL_CANCEL, 0));
    EXPECT_CALL(result(check, event, SOON), MARTLET_STATUS_CANCELLED, 0);
    EXPECT_CALL(result(check, packet, SOON), MARTLET_STATUS_CANCELLED, 0);
}

static void others_go_on(struct check *check) {
    conformance_handle handle = make_waiter(check);
    struct conformance_request *pend = start_pend(check, handle, MARTLET_QUEUE_EVENT);
    EXPECT(is_pended(check, handle, pend));
    struct message get = get_datapath("br0"), dump = message(MARTLET_FAMILY_VPORT, OVS_VPORT_CMD_GET, DUMP, 0);
    EXPECT_REPLY(transact(check, handle, &get), &get);
    EXPECT_EQUAL(dump_all(check, handle, &dump, LARGE).status, MARTLET_STATUS_SUCCESS);
    EXPECT_NOTHING(write_message(check, handle, &dump));
    EXPECT(control_code(check, handle, MARTLET_IOCTL_READ, LARGE).information > 0);
    EXPECT_NOTHING(read_event(check, handle));
    EXPECT_NOTHING(join(check, handle, MARTLET_GROUP_FLOW));
    EXPECT(is_pended(check, handle, pend));
    provoke(check, MARTLET_QUEUE_EVENT);
    EXPECT_CALL(result(check, pend, SOON), MARTLET_STATUS_SUCCESS, 0);
}

static void waitable(struct check *check) {
    conformance_handle handle = make_waiter(check);
    for (uint32_t round = 0; round < 10; round++) {
        struct conformance_request *pend = start_pend(check, handle, MARTLET_QUEUE_EVENT);
        EXPECT(is_pended(check, handle, pend));
        struct pollfd entry = {.fd = descriptor(check, pend), .events = POLLIN};
        EXPECT(entry.fd >= 0);
        EXPECT_CALL(result(check, pend, MOMENT), MARTLET_STATUS_PENDING, 0);
        if (round % 2 == 0) provoke(check, MARTLET_QUEUE_EVENT);
        else cancel(check, pend);
        // It may wake for nothing, so more than once.
        struct answer answer = result(check, pend, 0);
        for (int wake = 0; wake < 1000 && answer.status == MARTLET_STATUS_PENDING; wake++) {
            EXPECT_EQUAL(poll(&entry, 1, SOON), 1);
            answer = result(check, pend, 0);
        }
        EXPECT_CALL(answer, round % 2 == 0 ? MARTLET_STATUS_SUCCESS : MARTLET_STATUS_CANCELLED, 0);
        drain(check, handle, MARTLET_IOCTL_READ_EVENT);
    }
}

static void cancelled(struct check *check) {
    conformance_handle handle = make_waiter(check);
    EXPECT_NOTHING(control_code(check, handle, MARTLET_IOCTL_CANCEL, 0));
    for (uint32_t round = 0; round < 10; round++) {
        uint32_t queue = round % 2;
        in_case(check, "queue %u", queue);
        struct conformance_request *pend = start_pend(check, handle, queue);
        EXPECT(is_pended(check, handle, pend));
        if (round < 4) cancel(check, pend);
        else EXPECT_NOTHING(control_code(check, handle, MARTLET_IOCTL_CANCEL, 0));
        EXPECT_CALL(result(check, pend, SOON), MARTLET_STATUS_CANCELLED, 0);
        // The subscription has stayed.
        provoke(check, queue);
        EXPECT(control_code(check, handle, reading[queue], LARGE).information > 0);
    }
    // Nothing to cancel is left.
    EXPECT_NOTHING(control_code(check, handle, MARTLET_IOCTL_CANCEL, 0));
}

static void cancelled_too_late(struct check *check) {
    conformance_handle handle = make_waiter(check);
    struct conformance_request *pend = start_pend(check, handle, MARTLET_QUEUE_EVENT);
    EXPECT(is_pended(check, handle, pend));
    provoke(check, MARTLET_QUEUE_EVENT);
    EXPECT_CALL(result(check, pend, SOON), MARTLET_STATUS_SUCCESS, 0);
    control_code(check, handle, MARTLET_IOCTL_CANCEL, 0);
    EXPECT_CALL(result(check, pend, 0), MARTLET_STATUS_SUCCESS, 0);
}

/// A thread that provokes messages until it is told to stop.
struct provoker {
    struct check *check;
    uint32_t queue;
    /// Raised for each message that is wanted.
    atomic_int wanted;
    atomic_bool stops;
};

static void *provoke_when_wanted(void *argument) {
    struct provoker *provoker = argument;
    while (!atomic_load(&provoker->stops)) {
        if (atomic_load(&provoker->wanted) == 0) continue;
        atomic_fetch_sub(&provoker->wanted, 1);
        provoke(provoker->check, provoker->queue);
    }
    return NULL;
}

static void race_of_cancel_and_message(struct check *check) {
    conformance_handle handle = make_waiter(check);
    struct provoker provoker = {.check = check};
    pthread_t thread;
    int completed = 0, cancelled = 0;
    for (provoker.queue = 0; provoker.queue < 2; provoker.queue++) {
        atomic_store(&provoker.stops, false);
        pthread_create(&thread, NULL, provoke_when_wanted, &provoker);
        for (int round = 0; round < 300; round++) {
            struct conformance_request *pend = start_pend(check, handle, provoker.queue);
            EXPECT(is_pended(check, handle, pend));
            atomic_fetch_add(&provoker.wanted, 1);
            // Now a little before the message, now a little behind it.
            for (volatile int spin = 0; spin < round * 40; spin++) continue;
            control_code(check, handle, MARTLET_IOCTL_CANCEL, 0);
            struct answer answer = result(check, pend, SOON);
            EXPECT(answer.status == MARTLET_STATUS_SUCCESS || answer.status == MARTLET_STATUS_CANCELLED);
            completed += answer.status == MARTLET_STATUS_SUCCESS;
            cancelled += answer.status == MARTLET_STATUS_CANCELLED;
            // However it ended, the message comes, once.
            int messages = 0;
            for (int attempt = 0; attempt < SOON && messages == 0; attempt++) {
                messages += control_code(check, handle, reading[provoker.queue], LARGE).information > 0;
                if (messages == 0) nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
            }
            EXPECT_EQUAL(messages, 1);
            EXPECT_NOTHING(control_code(check, handle, reading[provoker.queue], LARGE));
            EXPECT_CALL(result(check, pend, 0), answer.status, 0);
        }
        atomic_store(&provoker.stops, true);
        pthread_join(thread, NULL);
    }
    EXPECT_EQUAL(completed + cancelled, 600);
}

static void closed(struct check *check) {
    for (uint32_t queue = 0; queue < 2; queue++) {
        in_case(check, "queue %u", queue);
        conformance_handle handle = open_handle(check);
        EXPECT_NOTHING(join(check, handle, MARTLET_GROUP_NETDEV));
        EXPECT_NOTHING(join_packets(check, handle));
        struct conformance_request *pend = start_pend(check, handle, queue);
        EXPECT(is_pended(check, handle, pend));
        close_handle(check, handle);
        EXPECT_CALL(result(check, pend, SOON), MARTLET_STATUS_CANCELLED, 0);
        EXPECT(has_handles(check, 0));
    }
}

struct waiter {
    struct check *check;
    struct conformance_request *request;
    struct answer answer;
};

static void *wait_for_result(void *argument) {
    struct waiter *waiter = argument;
    waiter->answer = result(waiter->check, waiter->request, SOON);
    return NULL;
}

static void closed_while_others_wait(struct check *check) {
    for (int round = 0; round < 50; round++) {
        conformance_handle handle = open_handle(check);
        EXPECT_NOTHING(join(check, handle, MARTLET_GROUP_NETDEV));
        struct waiter waiter = {.check = check, .request = start_pend(check, handle, MARTLET_QUEUE_EVENT)};
        EXPECT(is_pended(check, handle, waiter.request));
        pthread_t thread;
        pthread_create(&thread, NULL, wait_for_result, &waiter);
        if (round % 2 == 0) nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
        close_handle(check, handle);
        pthread_join(thread, NULL);
        EXPECT_CALL(waiter.answer, MARTLET_STATUS_CANCELLED, 0);
    }
    EXPECT(has_handles(check, 0));
}

static const struct rule rules[] = {
    {"pend on a queue that was not subscribed to is invalidParameter", not_subscribed, 0},
    {"pend and cancel with an input that names no queue are invalidLength or invalidParameter", bad_inputs, 0},
    {"pend completes when its queue gets something", completes_on_a_message, 0},
    {"pend completes at once if its queue has something", completes_at_once, 0},
    {"the news of a loss completes pend", news_of_a_loss, 0},
    {"a second request to wait for a queue is deviceBusy, by either code", busy, 0},
    {"each queue has a pended request of its own, and they end one by one", both_queues, 0},
    {"other I/O controls go on while a request is pended", others_go_on, 0},
    {"a pended request has a descriptor to wait for", waitable, 0},
    {"cancel completes the pended request with cancelled, and does nothing without one", cancelled, 0},
    {"a request that has completed cannot be cancelled", cancelled_too_late, 0},
    {"whichever is first, cancel or a message, a pended request ends once and loses nothing", race_of_cancel_and_message, 0},
    {"closing cancels the pended request", closed, 0},
    {"closing cancels the pended request that another thread waits for", closed_while_others_wait, 0},
};

TOPIC(waiting_topic, "waiting", rules);
