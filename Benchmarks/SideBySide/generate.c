// Sends UDP frames from an interface as fast as it takes them, or at a rate, and prints how many it took in how many seconds
// and by which socket.
//
// Usage: generate INTERFACE DESTINATION-MAC SIZE FLOWS SECONDS [RATE [SOCKET]]
//
// SOCKET is xdp, packet, or any, which is xdp if the kernel has it: it saves a quarter of the time that a packet socket takes
// for a frame. (A packet socket with a ring takes more, as its frames are lists of pages.) Either way the kernel makes an
// ordinary buffer of each frame and carries it to the cable's other end. RATE 0 is none.
//
// SIZE is that of the frame, without its check sequence. The flows differ in their UDP ports: flow N has N's lower 16 bits as
// source and its upper bits as destination. With FLOWS 0 each frame is of a new flow.

#define _GNU_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, LARGEST = 1514, ETHERNET = 14, IP = 20, UDP = 8 };

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void put16(uint8_t *place, uint32_t value) {
    place[0] = (uint8_t)(value >> 8);
    place[1] = (uint8_t)value;
}

// A frame with the IP header's checksum; that of UDP is 0, which says that there is none.
static void build(uint8_t *frame, size_t size, const uint8_t *source, const uint8_t *destination) {
    memset(frame, 0, size);
    memcpy(frame, destination, 6);
    memcpy(frame + 6, source, 6);
    put16(frame + 12, 0x0800);
    uint8_t *ip = frame + ETHERNET;
    ip[0] = 0x45;
    put16(ip + 2, (uint32_t)(size - ETHERNET));
    ip[8] = 64;
    ip[9] = 17;
    memcpy(ip + 12, (const uint8_t[]){10, 78, 0, 1, 10, 78, 0, 2}, 8);
    uint32_t sum = 0;
    for (int index = 0; index < IP; index += 2) sum += (uint32_t)(ip[index] << 8 | ip[index + 1]);
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    put16(ip + 10, ~sum & 0xffff);
    put16(ip + IP + 4, (uint32_t)(size - ETHERNET - IP));
}

// What is sent.
static size_t size;
static uint32_t flows, flow;
static uint8_t source[6], destination[6];

// The next flow's ports.
static void stamp(uint8_t *frame) {
    put16(frame + ETHERNET + IP, flow & 0xffff);
    put16(frame + ETHERNET + IP + 2, flow >> 16);
    flow++;
    if (flow == flows) flow = 0;
}

// A packet socket

static int packet_socket;
static uint8_t frames[BATCH][LARGEST];
static struct iovec vectors[BATCH];
static struct mmsghdr messages[BATCH];

static void open_packet(unsigned interface) {
    packet_socket = socket(AF_PACKET, SOCK_RAW, 0);
    if (packet_socket < 0) fail("socket");
    struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_ifindex = (int)interface};
    if (bind(packet_socket, (struct sockaddr *)&address, sizeof address) != 0) fail("bind");
    int on = 1;
    if (setsockopt(packet_socket, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on) != 0) fail("PACKET_QDISC_BYPASS");
    for (int index = 0; index < BATCH; index++) {
        build(frames[index], size, source, destination);
        vectors[index] = (struct iovec){.iov_base = frames[index], .iov_len = size};
        messages[index].msg_hdr.msg_iov = &vectors[index];
        messages[index].msg_hdr.msg_iovlen = 1;
    }
}

// How many frames of a batch were taken.
static unsigned send_packet(void) {
    for (int index = 0; index < BATCH; index++) stamp(frames[index]);
    int done = sendmmsg(packet_socket, messages, BATCH, 0);
    if (done < 0 && errno != ENOBUFS && errno != EAGAIN) fail("sendmmsg");
    return done > 0 ? (unsigned)done : 0;
}

// An AF_XDP socket, which only sends: frames lie in memory that is shared with the kernel, and two rings of descriptors say
// which are to be sent and which have been.

enum { FRAMES = 4096, ROOM = 2048 };
#ifndef XDP_MAX_TX_SKB_BUDGET
#define XDP_MAX_TX_SKB_BUDGET 9
#endif

static int xdp_socket = -1;
static uint8_t *memory;
static struct {
    uint32_t *producer, *consumer, position;
    struct xdp_desc *descriptors;
} transmit;
static struct {
    uint32_t *producer, *consumer, position;
    uint64_t *addresses;
} completed;
static uint64_t idle[FRAMES];
static unsigned idle_count;

static bool option(int name, int value) { return setsockopt(xdp_socket, SOL_XDP, name, &value, sizeof value) == 0; }

// False if the kernel has no such sockets.
static bool open_xdp(unsigned interface) {
    xdp_socket = socket(AF_XDP, SOCK_RAW, 0);
    if (xdp_socket < 0) return false;
    memory = mmap(NULL, FRAMES * ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) fail("mmap");
    struct xdp_umem_reg area = {.addr = (uintptr_t)memory, .len = FRAMES * ROOM, .chunk_size = ROOM};
    if (setsockopt(xdp_socket, SOL_XDP, XDP_UMEM_REG, &area, sizeof area) != 0) return false;
    if (!option(XDP_UMEM_FILL_RING, FRAMES) || !option(XDP_UMEM_COMPLETION_RING, FRAMES) || !option(XDP_TX_RING, FRAMES))
        return false;
    struct xdp_mmap_offsets offsets;
    socklen_t length = sizeof offsets;
    if (getsockopt(xdp_socket, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &length) != 0) return false;
    uint8_t *sent = mmap(NULL, offsets.tx.desc + FRAMES * sizeof(struct xdp_desc), PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_POPULATE, xdp_socket, XDP_PGOFF_TX_RING);
    uint8_t *done = mmap(NULL, offsets.cr.desc + FRAMES * sizeof(uint64_t), PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_POPULATE, xdp_socket, XDP_UMEM_PGOFF_COMPLETION_RING);
    if (sent == MAP_FAILED || done == MAP_FAILED) fail("mmap");
    transmit.producer = (uint32_t *)(void *)(sent + offsets.tx.producer);
    transmit.consumer = (uint32_t *)(void *)(sent + offsets.tx.consumer);
    transmit.descriptors = (struct xdp_desc *)(void *)(sent + offsets.tx.desc);
    completed.producer = (uint32_t *)(void *)(done + offsets.cr.producer);
    completed.consumer = (uint32_t *)(void *)(done + offsets.cr.consumer);
    completed.addresses = (uint64_t *)(void *)(done + offsets.cr.desc);
    struct sockaddr_xdp address = {.sxdp_family = AF_XDP, .sxdp_ifindex = interface, .sxdp_flags = XDP_COPY};
    // The kernel takes a while to part with the socket of the one who sent before.
    for (int tries = 0; bind(xdp_socket, (struct sockaddr *)&address, sizeof address) != 0; tries++) {
        if (errno != EBUSY || tries == 200) return false;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    option(XDP_MAX_TX_SKB_BUDGET, BATCH);  // an older kernel takes 32 at a time
    for (uint64_t index = 0; index < FRAMES; index++) {
        build(memory + index * ROOM, size, source, destination);
        idle[idle_count++] = index * ROOM;
    }
    return true;
}

// How many frames the kernel took from the ring.
static unsigned send_xdp(void) {
    uint32_t end = __atomic_load_n(completed.producer, __ATOMIC_ACQUIRE);
    for (; completed.position != end; completed.position++)
        idle[idle_count++] = completed.addresses[completed.position & (FRAMES - 1)];
    __atomic_store_n(completed.consumer, completed.position, __ATOMIC_RELEASE);
    uint32_t begin = __atomic_load_n(transmit.consumer, __ATOMIC_ACQUIRE);
    // What was left over goes first.
    while (idle_count > 0 && transmit.position - begin < BATCH) {
        uint64_t frame = idle[--idle_count];
        stamp(memory + frame);
        transmit.descriptors[transmit.position++ & (FRAMES - 1)] = (struct xdp_desc){.addr = frame, .len = (uint32_t)size};
    }
    __atomic_store_n(transmit.producer, transmit.position, __ATOMIC_RELEASE);
    if (sendto(xdp_socket, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 && errno != EAGAIN && errno != EBUSY && errno != ENOBUFS)
        fail("sendto");
    return __atomic_load_n(transmit.consumer, __ATOMIC_ACQUIRE) - begin;
}

int main(int count, char **arguments) {
    if (count < 6) {
        fprintf(stderr, "usage: %s INTERFACE DESTINATION-MAC SIZE FLOWS SECONDS [RATE [SOCKET]]\n", arguments[0]);
        return 64;
    }
    const char *interface = arguments[1];
    struct ether_addr *address = ether_aton(arguments[2]);
    size = strtoul(arguments[3], NULL, 10);
    flows = (uint32_t)strtoul(arguments[4], NULL, 10);
    double seconds = strtod(arguments[5], NULL);
    double rate = count > 6 ? strtod(arguments[6], NULL) : 0;
    const char *wanted = count > 7 ? arguments[7] : "any";
    if (address == NULL || size < ETHERNET + IP + UDP || size > LARGEST) {
        fprintf(stderr, "%s: the address or the size is wrong\n", arguments[0]);
        return 64;
    }
    memcpy(destination, address->ether_addr_octet, sizeof destination);
    struct ifreq request = {0};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", interface);
    int any = socket(AF_INET, SOCK_DGRAM, 0);
    if (ioctl(any, SIOCGIFHWADDR, &request) != 0) fail(interface);
    close(any);
    memcpy(source, request.ifr_hwaddr.sa_data, sizeof source);

    unsigned index = if_nametoindex(interface);
    bool is_xdp = strcmp(wanted, "packet") != 0 && open_xdp(index);
    if (!is_xdp && strcmp(wanted, "xdp") == 0) fail("AF_XDP");
    if (!is_xdp) open_packet(index);

    uint64_t sent = 0;
    double begin = now(), end = begin + seconds, time;
    while ((time = now()) < end) {
        if (rate > 0 && (double)sent > (time - begin) * rate) {
            nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
            continue;
        }
        sent += is_xdp ? send_xdp() : send_packet();
    }
    printf("%llu %.6f %s\n", (unsigned long long)sent, now() - begin, is_xdp ? "xdp" : "packet");
    return 0;
}
