#include "Stress.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "Messages.h"
#include "Transports.h"

/// One of the handles, and what is pended on it.
struct client {
    conformance_handle handle;
    struct conformance_request *pends[2];
    uint32_t inputs[2];
};

/// The wave under way.
struct wave {
    struct conformance_transport transport;
    const struct conformance_bed *bed;
    struct stress_figures *figures;
    struct client *clients;
    size_t count;
    uint8_t output[72 << 10];
};

static uint32_t control(struct wave *wave, conformance_handle handle, uint32_t code, const void *input, size_t length,
                        uint32_t *information) {
    return wave->transport.control(wave->transport.context, handle, code, input, length, wave->output,
                                   sizeof wave->output, information);
}

/// An I/O control that must succeed. Returns the bytes that it put out.
static uint32_t must(struct wave *wave, conformance_handle handle, uint32_t code, const void *input, size_t length) {
    uint32_t information = 0;
    if (control(wave, handle, code, input, length, &information) == MARTLET_STATUS_SUCCESS) return information;
    wave->figures->failures++;
    return 0;
}

static void transact(struct wave *wave, conformance_handle handle, const struct message *request) {
    uint32_t length = must(wave, handle, MARTLET_IOCTL_TRANSACT, request->bytes, header_of(request)->nlmsg_len);
    const struct nlmsghdr *answer = next_message(wave->output, length, NULL);
    if (answer != NULL && answer->nlmsg_type == NLMSG_ERROR && error_of(answer) != 0) wave->figures->failures++;
}

static void open_client(struct wave *wave, struct client *client) {
    uint32_t status;
    client->handle = wave->transport.open(wave->transport.context, MARTLET_ACCESS_CHANGE, &status);
    if (client->handle == 0) {
        wave->figures->failures++;
        return;
    }
    wave->figures->opened++;
    static const uint32_t subscriptions[][3] = {
        {MARTLET_QUEUE_PACKET, 0, 1},
        {MARTLET_QUEUE_EVENT, MARTLET_GROUP_PACKET, 1},
        {MARTLET_QUEUE_EVENT, MARTLET_GROUP_NETDEV, 1},
    };
    for (int each = 0; each < 3; each++)
        must(wave, client->handle, MARTLET_IOCTL_SUBSCRIBE, subscriptions[each], sizeof subscriptions[each]);
    for (uint32_t queue = 0; queue < 2; queue++) {
        client->inputs[queue] = queue;
        client->pends[queue] = wave->transport.start(wave->transport.context, client->handle, MARTLET_IOCTL_PEND,
                                                     &client->inputs[queue], sizeof queue, NULL, 0);
    }
}

/// Looks at a request that has to have ended by now, counts how, and forgets it.
static void end_request(struct wave *wave, struct conformance_request *request) {
    uint32_t information, status = wave->transport.result(wave->transport.context, request, &information, 10000);
    if (status == MARTLET_STATUS_SUCCESS) wave->figures->completed++;
    else if (status == MARTLET_STATUS_CANCELLED) wave->figures->cancelled++;
    else wave->figures->failures++;
    wave->transport.release(wave->transport.context, request);
}

/// A thread that lets frames flow until it is told to stop.
struct traffic {
    const struct conformance_bed *bed;
    atomic_bool stops;
};

static void *let_frames_flow(void *argument) {
    struct traffic *traffic = argument;
    uint8_t frame[200];
    for (uint16_t source = 0; !atomic_load(&traffic->stops); source++) {
        make_frame(frame, sizeof frame, source);
        traffic->bed->send(traffic->bed->context, source % 2 == 0 ? "p1" : "p2", frame, sizeof frame);
    }
    return NULL;
}

/// A datapath whose two ports send their misses to the first two of the clients.
static void make_switch(struct wave *wave) {
    conformance_handle handle = wave->clients[0].handle;
    struct message new = new_datapath("br0", 0), get = get_datapath("br0");
    transact(wave, handle, &new);
    uint32_t length = must(wave, handle, MARTLET_IOCTL_TRANSACT, get.bytes, header(&get)->nlmsg_len);
    const struct nlmsghdr *reply = next_message(wave->output, length, NULL);
    int32_t datapath = reply == NULL || length < ATTRIBUTES ? 0 : datapath_of(reply);
    static const char *const names[] = {"p1", "p2"};
    for (size_t each = 0; each < 2; each++) {
        uint32_t upcalls = wave->transport.port_id(wave->transport.context, wave->clients[each % wave->count].handle);
        wave->bed->plug(wave->bed->context, names[each], 0, 1500);
        struct message vport = new_vport(datapath, names[each], upcalls, 0);
        transact(wave, handle, &vport);
    }
}

static void take_switch_away(struct wave *wave) {
    struct message delete = request(MARTLET_FAMILY_DATAPATH, OVS_DP_CMD_DEL, 0, 0);
    put_string(&delete, OVS_DP_ATTR_NAME, "br0");
    transact(wave, wave->clients[0].handle, &delete);
    wave->bed->unplug(wave->bed->context, "p1");
    wave->bed->unplug(wave->bed->context, "p2");
}

/// What a client does while frames flow.
static void use(struct wave *wave, size_t number) {
    struct client *client = &wave->clients[number];
    uint32_t information;
    switch (number % 4) {
    case 0:
        // Cancels one, and pends again.
        wave->transport.cancel(wave->transport.context, client->pends[MARTLET_QUEUE_PACKET]);
        end_request(wave, client->pends[MARTLET_QUEUE_PACKET]);
        client->pends[MARTLET_QUEUE_PACKET] = wave->transport.start(
            wave->transport.context, client->handle, MARTLET_IOCTL_PEND, &client->inputs[MARTLET_QUEUE_PACKET], 4, NULL,
            0);
        break;
    case 1:
        // Waits, and reads some of what came.
        end_request(wave, client->pends[MARTLET_QUEUE_EVENT]);
        client->pends[MARTLET_QUEUE_EVENT] = NULL;
        for (int each = 0; each < 20; each++) {
            // A loss is news, too.
            control(wave, client->handle, MARTLET_IOCTL_READ_EVENT, NULL, 0, &information);
            if (information > 0) wave->figures->read++;
        }
        break;
    case 2: must(wave, client->handle, MARTLET_IOCTL_CANCEL, NULL, 0); break;
    default: break;
    }
}

void conformance_stress(const char *path, const struct conformance_bed *bed, size_t count,
                        struct stress_figures *figures) {
    struct wave *wave = calloc(1, sizeof *wave);
    struct client *clients = calloc(count, sizeof *clients);
    if (wave == NULL || clients == NULL) abort();
    wave->transport = conformance_socket_transport(path);
    wave->bed = bed;
    wave->figures = figures;
    wave->clients = clients;
    wave->count = count;
    struct traffic traffic = {.bed = bed};
    pthread_t thread;
    for (size_t each = 0; each < count; each++) open_client(wave, &clients[each]);
    size_t open = bed->open_handles(bed->context);
    if (open > figures->most) figures->most = open;
    if (figures->failures == 0) {
        make_switch(wave);
        pthread_create(&thread, NULL, let_frames_flow, &traffic);
        for (size_t each = 0; each < count; each++) use(wave, each);
        // The first closes last, and only when the frames have stopped.
        for (size_t each = count; each-- > 1;) {
            // A third leaves with an answer on its way, and a third with nothing said at all.
            if (each % 3 == 0) {
                struct message get = get_datapath("br0");
                struct conformance_request *request = wave->transport.start(
                    wave->transport.context, clients[each].handle, MARTLET_IOCTL_TRANSACT, get.bytes,
                    header(&get)->nlmsg_len, wave->output, sizeof wave->output);
                wave->transport.close(wave->transport.context, clients[each].handle);
                end_request(wave, request);
            } else {
                if (each % 3 == 1) must(wave, clients[each].handle, MARTLET_IOCTL_CANCEL, NULL, 0);
                wave->transport.close(wave->transport.context, clients[each].handle);
            }
            for (uint32_t queue = 0; queue < 2; queue++)
                if (clients[each].pends[queue] != NULL) end_request(wave, clients[each].pends[queue]);
        }
        atomic_store(&traffic.stops, true);
        pthread_join(thread, NULL);
        take_switch_away(wave);
        wave->transport.close(wave->transport.context, clients[0].handle);
        for (uint32_t queue = 0; queue < 2; queue++)
            if (clients[0].pends[queue] != NULL) end_request(wave, clients[0].pends[queue]);
    } else {
        for (size_t each = 0; each < count; each++) {
            if (clients[each].handle == 0) continue;
            wave->transport.close(wave->transport.context, clients[each].handle);
            for (uint32_t queue = 0; queue < 2; queue++) end_request(wave, clients[each].pends[queue]);
        }
    }
    free(clients);
    free(wave);
}
