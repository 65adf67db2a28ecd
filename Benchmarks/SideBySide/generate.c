// Sends UDP frames from an interface as fast as it takes them, or at a rate, and prints how many it took in how many seconds.
//
// Usage: generate INTERFACE DESTINATION-MAC SIZE FLOWS SECONDS [RATE]
//
// SIZE is that of the frame, without its check sequence. The flows differ in their UDP ports: flow N has N's lower 16 bits as
// source and its upper bits as destination. With FLOWS 0 each frame is of a new flow.

#define _GNU_SOURCE

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

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

int main(int count, char **arguments) {
    if (count < 6) {
        fprintf(stderr, "usage: %s INTERFACE DESTINATION-MAC SIZE FLOWS SECONDS [RATE]\n", arguments[0]);
        return 64;
    }
    const char *interface = arguments[1];
    struct ether_addr *destination = ether_aton(arguments[2]);
    size_t size = strtoul(arguments[3], NULL, 10);
    uint32_t flows = (uint32_t)strtoul(arguments[4], NULL, 10);
    double seconds = strtod(arguments[5], NULL);
    double rate = count > 6 ? strtod(arguments[6], NULL) : 0;
    if (destination == NULL || size < ETHERNET + IP + UDP || size > LARGEST) {
        fprintf(stderr, "%s: the address or the size is wrong\n", arguments[0]);
        return 64;
    }

    int socket_ = socket(AF_PACKET, SOCK_RAW, 0);
    if (socket_ < 0) fail("socket");
    struct ifreq request = {0};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", interface);
    if (ioctl(socket_, SIOCGIFHWADDR, &request) != 0) fail(interface);
    uint8_t source[6];
    memcpy(source, request.ifr_hwaddr.sa_data, 6);
    struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(interface)};
    if (bind(socket_, (struct sockaddr *)&address, sizeof address) != 0) fail("bind");
    int on = 1;
    if (setsockopt(socket_, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on) != 0) fail("PACKET_QDISC_BYPASS");

    static uint8_t frames[BATCH][LARGEST];
    struct iovec vectors[BATCH];
    struct mmsghdr messages[BATCH] = {0};
    for (int index = 0; index < BATCH; index++) {
        build(frames[index], size, source, destination->ether_addr_octet);
        vectors[index] = (struct iovec){.iov_base = frames[index], .iov_len = size};
        messages[index].msg_hdr.msg_iov = &vectors[index];
        messages[index].msg_hdr.msg_iovlen = 1;
    }

    uint64_t sent = 0;
    uint32_t flow = 0;
    double begin = now(), end = begin + seconds, time;
    while ((time = now()) < end) {
        if (rate > 0 && (double)sent > (time - begin) * rate) {
            nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
            continue;
        }
        for (int index = 0; index < BATCH; index++) {
            put16(frames[index] + ETHERNET + IP, flow & 0xffff);
            put16(frames[index] + ETHERNET + IP + 2, flow >> 16);
            flow++;
            if (flow == flows) flow = 0;
        }
        int done = sendmmsg(socket_, messages, BATCH, 0);
        if (done < 0 && errno != ENOBUFS && errno != EAGAIN) fail("sendmmsg");
        if (done > 0) sent += (uint64_t)done;
    }
    printf("%llu %.6f\n", (unsigned long long)sent, now() - begin);
    return 0;
}
