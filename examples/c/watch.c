/* Shows what a datapath has, and then what happens on it: ports that come and go, and packets that no flow matched.
 *
 *     watch [--count LINES]
 *
 * It ends with Ctrl-C, or after so many events and misses. It changes nothing: reading suffices, and nobody else loses
 * an upcall. The device is that of MARTLET_SOCKET, or /run/martlet/device.sock.
 */

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <martlet/device.h>

/* A handle with events of one group, and the request that waits for them. */
static struct source {
    martlet_handle device;
    martlet_overlapped *pended;
} sources[2];

static void fail(const char *what) {
    fprintf(stderr, "watch: %s: %s\n", what, martlet_last_error_text());
    exit(1);
}

/* The payload of an attribute among others, and its length; NULL and 0 if it is not there. */
static const void *attribute(const void *attributes, size_t size, unsigned type, size_t *length) {
    const char *place = attributes;
    while (size >= NLA_HDRLEN) {
        const struct nlattr *header = (const void *)place;
        size_t step = NLA_ALIGN(header->nla_len);
        if (header->nla_len < NLA_HDRLEN || header->nla_len > size) break;
        *length = header->nla_len - NLA_HDRLEN;
        if ((header->nla_type & NLA_TYPE_MASK) == type) return place + NLA_HDRLEN;
        size -= step < size ? step : size;
        place += step;
    }
    *length = 0;
    return NULL;
}

static const void *of_message(const struct martlet_message *message, unsigned type, size_t *length) {
    return attribute(message + 1, message->netlink.nlmsg_len - sizeof *message, type, length);
}

static uint32_t number(const void *payload, size_t length) {
    uint32_t value = 0;
    if (length >= sizeof value) memcpy(&value, payload, sizeof value);
    return value;
}

/* Dumps a family's records of a datapath, and shows each. */
static void dump(int family, int version, int datapath, void (*show)(const struct martlet_message *record)) {
    static const struct martlet_cursor zero;
    struct {
        struct martlet_cursor cursor;
        struct martlet_message request;
    } input = {zero, {
        .netlink = {sizeof input.request, (uint16_t)family, NLM_F_REQUEST | NLM_F_DUMP, 0, 0},
        .generic = {.cmd = OVS_FLOW_CMD_GET, .version = (uint8_t)version}, /* all families number it alike */
        .datapath = {datapath},
    }};
    char *output = malloc(MARTLET_LARGEST_OUTPUT);
    do {
        uint32_t length;
        if (output == NULL ||
            martlet_device_control(sources[0].device, MARTLET_IOCTL_DUMP, &input, sizeof input, output,
                                   MARTLET_LARGEST_OUTPUT, &length, NULL) != 0) fail("cannot dump");
        memcpy(&input.cursor, output, sizeof input.cursor);
        length -= (uint32_t)sizeof input.cursor;
        for (const struct nlmsghdr *message = (const void *)(output + sizeof input.cursor); NLMSG_OK(message, length);
             message = NLMSG_NEXT(message, length)) {
            if (message->nlmsg_type == NLMSG_DONE || message->nlmsg_type == NLMSG_ERROR) {
                int error = (int)number(NLMSG_DATA(message), message->nlmsg_len - NLMSG_HDRLEN);
                if (error != 0) fprintf(stderr, "watch: the datapath refused: %s\n", strerror(-error));
            } else if (message->nlmsg_len >= sizeof(struct martlet_message)) {
                show((const void *)message);
            }
        }
    } while (memcmp(&input.cursor, &zero, sizeof zero) != 0);
    free(output);
}

static void show_vport(const struct martlet_message *vport) {
    size_t name_length, length;
    const char *name = of_message(vport, OVS_VPORT_ATTR_NAME, &name_length);
    const void *port = of_message(vport, OVS_VPORT_ATTR_PORT_NO, &length);
    printf("  port %u: %.*s\n", number(port, length), (int)name_length, name != NULL ? name : "");
}

static void show_flow(const struct martlet_message *flow) {
    size_t key, actions, length;
    struct ovs_flow_stats statistics = {0, 0};
    const void *payload = of_message(flow, OVS_FLOW_ATTR_STATS, &length);
    if (length >= sizeof statistics) memcpy(&statistics, payload, sizeof statistics);
    of_message(flow, OVS_FLOW_ATTR_KEY, &key);
    of_message(flow, OVS_FLOW_ATTR_ACTIONS, &actions);
    printf("  flow: key of %zu bytes, actions of %zu, %llu packets, %llu bytes\n", key, actions,
           (unsigned long long)statistics.n_packets, (unsigned long long)statistics.n_bytes);
}

static void show_datapath(const struct martlet_message *datapath) {
    size_t length;
    const char *name = of_message(datapath, OVS_DP_ATTR_NAME, &length);
    printf("%.*s\n", (int)length, name != NULL ? name : "");
    dump(MARTLET_FAMILY_VPORT, OVS_VPORT_VERSION, datapath->datapath.dp_ifindex, show_vport);
    dump(MARTLET_FAMILY_FLOW, OVS_FLOW_VERSION, datapath->datapath.dp_ifindex, show_flow);
}

static void show_event(const struct martlet_message *event) {
    unsigned command = event->generic.cmd;
    if (event->netlink.nlmsg_type == MARTLET_FAMILY_VPORT) {
        printf("%s", command == OVS_VPORT_CMD_NEW ? "new" : command == OVS_VPORT_CMD_DEL ? "gone" : "changed");
        show_vport(event);
    } else if (event->netlink.nlmsg_type == MARTLET_FAMILY_PACKET) {
        size_t length, key_length, packet_length;
        const void *key = of_message(event, OVS_PACKET_ATTR_KEY, &key_length);
        const void *port = attribute(key, key_length, OVS_KEY_ATTR_IN_PORT, &length);
        of_message(event, OVS_PACKET_ATTR_PACKET, &packet_length);
        printf("%s  port %u: %zu bytes\n", command == OVS_PACKET_CMD_MISS ? "miss" : "action", number(port, length),
               packet_length);
    }
    fflush(stdout);
}

static void pend(struct source *source) {
    uint32_t queue = MARTLET_QUEUE_EVENT;
    if (martlet_device_control(source->device, MARTLET_IOCTL_PEND, &queue, sizeof queue, NULL, 0, NULL,
                               source->pended) != MARTLET_STATUS_PENDING) fail("cannot wait");
}

static void open_and_subscribe(struct source *source, uint32_t group) {
    struct martlet_subscription subscription = {MARTLET_QUEUE_EVENT, group, 1};
    source->device = martlet_device_open(NULL);
    source->pended = martlet_overlapped_create();
    if (source->device == 0 || source->pended == NULL) fail("cannot open the device");
    if (martlet_device_control(source->device, MARTLET_IOCTL_SUBSCRIBE, &subscription, sizeof subscription, NULL, 0,
                               NULL, NULL) != 0) fail("cannot subscribe");
    pend(source);
}

/* Shows what is queued, `most` messages at most. Returns how many there were. */
static long read_all(struct source *source, long most) {
    static uint32_t output[MARTLET_LARGEST_OUTPUT / 4];
    uint32_t length;
    long count = 0;
    while (count < most) {
        uint32_t status = martlet_device_control(source->device, MARTLET_IOCTL_READ_EVENT, NULL, 0, output,
                                                 sizeof output, &length, NULL);
        if (status == MARTLET_STATUS_OVERFLOW) printf("lost  %u messages\n", length);
        else if (status != MARTLET_STATUS_SUCCESS) fail("cannot read");
        else if (length < sizeof(struct martlet_message)) break;
        else show_event((const void *)output), count++;
    }
    return count;
}

int main(int count, char **arguments) {
    struct pollfd entries[2];
    long left = count == 3 && strcmp(arguments[1], "--count") == 0 ? atol(arguments[2]) : count == 1 ? 0x7fffffff : 0;
    if (left <= 0) {
        fprintf(stderr, "usage: watch [--count LINES]\n");
        return 64;
    }
    open_and_subscribe(&sources[0], MARTLET_GROUP_VPORT);
    open_and_subscribe(&sources[1], MARTLET_GROUP_PACKET);
    dump(MARTLET_FAMILY_DATAPATH, OVS_DATAPATH_VERSION, 0, show_datapath);
    printf("watching\n");
    fflush(stdout);

    for (int index = 0; index < 2; index++) {
        entries[index].fd = martlet_overlapped_descriptor(sources[index].pended);
        entries[index].events = POLLIN;
    }
    while (left > 0 && poll(entries, 2, -1) >= 0) {
        for (int index = 0; index < 2; index++) {
            uint32_t status = martlet_overlapped_result(sources[index].pended, NULL, 0);
            if (status == MARTLET_STATUS_PENDING) continue; /* woken for nothing, or for the other */
            if (status != MARTLET_STATUS_SUCCESS) fail("cannot wait");
            left -= read_all(&sources[index], left);
            pend(&sources[index]);
        }
    }
    for (int index = 0; index < 2; index++) {
        martlet_device_close(sources[index].device);
        martlet_overlapped_destroy(sources[index].pended);
    }
    return 0;
}
