// What Open vSwitch's own code takes for what Martlet's micro benchmark measures: a flow from a packet, and between a flow
// and the attributes of a Netlink message. Prints a line of JSON for each: the best of three rounds, in nanoseconds. Built
// and run by scripts/reference.

#include <config.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dp-packet.h"
#include "flow.h"
#include "odp-util.h"
#include "openvswitch/ofpbuf.h"

enum { ROUNDS = 3, TIMES = 200000 };

static uint8_t frame[64];
static struct dp_packet packet;
static struct {
    struct miniflow flow;
    uint64_t values[FLOW_U64S];
} extracted;
static struct flow flow, other;
static uint64_t room[ODPUTIL_FLOW_KEY_BYTES / 8 + 64];
static struct ofpbuf key;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

// The frame of the benchmark: TCP over IPv4, 64 bytes.
static void make_frame(void) {
    static const uint8_t addresses[] = {0, 0, 0, 0, 0, 0xff, 0, 0, 0, 0, 0, 1, 8, 0};
    static const uint8_t ip[] = {0x45, 0, 0, 50, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 2, 10, 0, 0, 3};
    static const uint8_t tcp[] = {0x30, 0x39, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x10, 0, 100, 0, 0, 0, 0};
    memset(frame, 0x55, sizeof frame);
    memcpy(frame, addresses, sizeof addresses);
    memcpy(frame + sizeof addresses, ip, sizeof ip);
    memcpy(frame + sizeof addresses + sizeof ip, tcp, sizeof tcp);
    dp_packet_use_stub(&packet, frame, sizeof frame);
    dp_packet_set_size(&packet, sizeof frame);
}

// The benchmark's flow of UDP over IPv4.
static void make_flow(void) {
    flow.in_port.odp_port = u32_to_odp(1);
    flow.dl_src = (struct eth_addr)ETH_ADDR_C(02, 00, 00, 00, 00, 01);
    flow.dl_dst = (struct eth_addr)ETH_ADDR_C(02, 00, 00, 00, 00, 02);
    flow.dl_type = htons(ETH_TYPE_IP);
    flow.nw_src = htonl(0x0a000001);
    flow.nw_dst = htonl(0x0a000002);
    flow.nw_proto = IPPROTO_UDP;
    flow.nw_ttl = 64;
    flow.tp_src = htons(1000);
    flow.tp_dst = htons(2000);
}

static void extract(void) { miniflow_extract(&packet, &extracted.flow); }

static void encode(void) {
    struct odp_flow_key_parms parameters = {
        .flow = &flow,
        .support = {.recirc = true, .ct_state = true, .ct_zone = true, .ct_mark = true, .ct_label = true},
    };
    ofpbuf_clear(&key);
    odp_flow_key_from_flow(&parameters, &key);
}

static void decode(void) {
    char *error = NULL;
    if (odp_flow_key_to_flow(key.data, key.size, &other, &error) == ODP_FIT_ERROR) {
        fprintf(stderr, "reference: the key is not taken: %s\n", error ? error : "");
        exit(1);
    }
}

static void measure(const char *name, void (*body)(void)) {
    double best = 0;
    for (int round = -1; round < ROUNDS; round++) {
        double begin = now();
        for (int index = 0; index < TIMES; index++) body();
        double time = (now() - begin) / TIMES;
        // The first round only warms up.
        if (round >= 0 && (best == 0 || time < best)) best = time;
    }
    printf("{\"case\": \"%s\", \"best\": %.2f}\n", name, best);
}

int main(void) {
    make_frame();
    make_flow();
    ofpbuf_use_stub(&key, room, sizeof room);
    measure("extract TCP over IPv4, 64 B", extract);
    measure("key to Netlink", encode);
    measure("key from Netlink", decode);
    if (!flow_equal(&flow, &other)) {
        fprintf(stderr, "reference: the flow that was read is another one\n");
        return 1;
    }
    return 0;
}
