#include "Messages.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

// Building.

static void append(struct message *message, const void *bytes, size_t length) {
    struct nlmsghdr *head = header(message);
    // A rule that builds more than there is room for is wrong itself.
    if (head->nlmsg_len + length + NLA_ALIGNTO > sizeof message->bytes) abort();
    if (length > 0) memcpy(message->bytes + head->nlmsg_len, bytes, length);
    head->nlmsg_len += (uint32_t)length;
    while (head->nlmsg_len % NLA_ALIGNTO != 0) message->bytes[head->nlmsg_len++] = 0;
}

struct message message(uint16_t family, uint8_t command, uint16_t flags, int32_t datapath) {
    static atomic_uint sequence = 1;
    struct message result = {.bytes = {0}};
    *header(&result) = (struct nlmsghdr){.nlmsg_len = NLMSG_HDRLEN, .nlmsg_type = family, .nlmsg_flags = flags,
                                         .nlmsg_seq = atomic_fetch_add(&sequence, 1)};
    struct genlmsghdr generic = {.cmd = command, .version = family == MARTLET_FAMILY_DATAPATH ? 2 : 1};
    append(&result, &generic, sizeof generic);
    append(&result, &datapath, sizeof datapath);
    return result;
}

struct message request(uint16_t family, uint8_t command, uint16_t flags, int32_t datapath) {
    return message(family, command, NLM_F_REQUEST | flags, datapath);
}

void put(struct message *message, uint16_t attribute, const void *payload, size_t length) {
    struct nlattr head = {.nla_len = (uint16_t)(sizeof head + length), .nla_type = attribute};
    append(message, &head, sizeof head);
    append(message, payload, length);
}

void put_u8(struct message *message, uint16_t attribute, uint8_t number) {
    put(message, attribute, &number, sizeof number);
}

void put_u16(struct message *message, uint16_t attribute, uint16_t number) {
    put(message, attribute, &number, sizeof number);
}

void put_u32(struct message *message, uint16_t attribute, uint32_t number) {
    put(message, attribute, &number, sizeof number);
}

void put_string(struct message *message, uint16_t attribute, const char *string) {
    put(message, attribute, string, strlen(string) + 1);
}

size_t nest(struct message *message, uint16_t attribute) {
    size_t start = header(message)->nlmsg_len;
    put(message, attribute, NULL, 0);
    return start;
}

void end_nest(struct message *message, size_t start) {
    ((struct nlattr *)(message->bytes + start))->nla_len = (uint16_t)(header(message)->nlmsg_len - start);
}

// Reading.

static const struct nlattr *find(const uint8_t *bytes, size_t length, uint16_t type) {
    size_t at = 0;
    while (length - at >= sizeof(struct nlattr)) {
        const struct nlattr *attribute = (const struct nlattr *)(bytes + at);
        if (attribute->nla_len < sizeof *attribute || attribute->nla_len > length - at) return NULL;
        if ((attribute->nla_type & NLA_TYPE_MASK) == type) return attribute;
        size_t step = NLA_ALIGN(attribute->nla_len);
        if (step > length - at) return NULL;
        at += step;
    }
    return NULL;
}

const struct nlattr *attribute(const struct nlmsghdr *message, uint16_t type) {
    if (message == NULL || message->nlmsg_len < ATTRIBUTES) return NULL;
    return find((const uint8_t *)message + ATTRIBUTES, message->nlmsg_len - ATTRIBUTES, type);
}

const struct nlattr *nested(const struct nlattr *attribute, uint16_t type) {
    return attribute == NULL ? NULL : find(payload(attribute), payload_length(attribute), type);
}

uint32_t u32_of(const struct nlattr *attribute) {
    uint32_t number = 0;
    if (attribute != NULL && payload_length(attribute) >= sizeof number)
        memcpy(&number, payload(attribute), sizeof number);
    return number;
}

bool is_string(const struct nlattr *attribute, const char *string) {
    return attribute != NULL && payload_length(attribute) == strlen(string) + 1
           && memcmp(payload(attribute), string, strlen(string) + 1) == 0;
}

const struct nlattr *extended(const struct nlmsghdr *error, uint16_t type) {
    if (!(error->nlmsg_flags & NLM_F_ACK_TLVS) || error->nlmsg_len < ERROR_SIZE) return NULL;
    const struct nlmsgerr *content = (const void *)((const uint8_t *)error + NLMSG_HDRLEN);
    size_t start = ERROR_SIZE;
    if (!(error->nlmsg_flags & NLM_F_CAPPED)) start += NLMSG_ALIGN(content->msg.nlmsg_len) - NLMSG_HDRLEN;
    if (start > error->nlmsg_len) return NULL;
    return find((const uint8_t *)error + start, error->nlmsg_len - start, type);
}

const struct nlmsghdr *next_message(const void *bytes, size_t length, const struct nlmsghdr *previous) {
    size_t at = 0;
    if (previous != NULL) at = (size_t)((const uint8_t *)previous - (const uint8_t *)bytes)
                               + NLMSG_ALIGN(previous->nlmsg_len);
    if (at > length || length - at < NLMSG_HDRLEN) return NULL;
    const struct nlmsghdr *message = (const void *)((const uint8_t *)bytes + at);
    return message->nlmsg_len < NLMSG_HDRLEN || message->nlmsg_len > length - at ? NULL : message;
}

int count_messages(const void *bytes, size_t length) {
    int count = 0;
    size_t end = 0;
    for (const struct nlmsghdr *each = NULL; (each = next_message(bytes, length, each)) != NULL; count++)
        end = (size_t)((const uint8_t *)each - (const uint8_t *)bytes) + NLMSG_ALIGN(each->nlmsg_len);
    // The last one may lack its padding.
    return end >= length ? count : -1;
}

// Messages that many rules need.

struct message get_datapath(const char *name) {
    struct message result = request(MARTLET_FAMILY_DATAPATH, OVS_DP_CMD_GET, 0, 0);
    put_string(&result, OVS_DP_ATTR_NAME, name);
    return result;
}

struct message new_datapath(const char *name, uint16_t flags) {
    struct message result = request(MARTLET_FAMILY_DATAPATH, OVS_DP_CMD_NEW, flags, 0);
    put_string(&result, OVS_DP_ATTR_NAME, name);
    put_u32(&result, OVS_DP_ATTR_UPCALL_PID, 0);
    return result;
}

struct message new_vport(int32_t datapath, const char *name, uint32_t port_id, uint16_t flags) {
    struct message result = request(MARTLET_FAMILY_VPORT, OVS_VPORT_CMD_NEW, flags, datapath);
    put_string(&result, OVS_VPORT_ATTR_NAME, name);
    put_u32(&result, OVS_VPORT_ATTR_TYPE, OVS_VPORT_TYPE_NETDEV);
    put_u32(&result, OVS_VPORT_ATTR_UPCALL_PID, port_id);
    return result;
}

struct message get_vport(int32_t datapath, uint32_t number, uint16_t flags) {
    struct message result = request(MARTLET_FAMILY_VPORT, OVS_VPORT_CMD_GET, flags, datapath);
    put_u32(&result, OVS_VPORT_ATTR_PORT_NO, number);
    return result;
}

void put_flow_key(struct message *message, uint16_t attribute, uint16_t source) {
    // As a key with its addresses, and as a mask with all bits of them.
    bool is_mask = attribute == OVS_FLOW_ATTR_MASK;
    struct ovs_key_ethernet ethernet;
    memset(&ethernet, is_mask ? 0xff : 0, sizeof ethernet);
    if (is_mask) memset(ethernet.eth_dst, 0, sizeof ethernet.eth_dst);
    else ethernet.eth_src[0] = 2, ethernet.eth_src[4] = (uint8_t)(source >> 8), ethernet.eth_src[5] = (uint8_t)source;
    size_t key = nest(message, attribute);
    put_u32(message, OVS_KEY_ATTR_IN_PORT, is_mask ? UINT32_MAX : 1);
    put(message, OVS_KEY_ATTR_ETHERNET, &ethernet, sizeof ethernet);
    put_u16(message, OVS_KEY_ATTR_ETHERTYPE, is_mask ? UINT16_MAX : htons(0x1234));
    end_nest(message, key);
}

void put_output(struct message *message, uint16_t attribute, uint32_t port) {
    size_t actions = nest(message, attribute);
    put_u32(message, OVS_ACTION_ATTR_OUTPUT, port);
    end_nest(message, actions);
}

struct message flow(uint8_t command, int32_t datapath, uint16_t source, uint16_t flags) {
    struct message result = request(MARTLET_FAMILY_FLOW, command, flags, datapath);
    put_flow_key(&result, OVS_FLOW_ATTR_KEY, source);
    if (command == OVS_FLOW_CMD_NEW || command == OVS_FLOW_CMD_SET) {
        put_flow_key(&result, OVS_FLOW_ATTR_MASK, source);
        put_output(&result, OVS_FLOW_ATTR_ACTIONS, 1);
    }
    return result;
}

void make_frame(uint8_t *frame, size_t length, uint16_t source) {
    memset(frame, 0xab, length);
    const uint8_t head[] = {2, 0, 0, 0, 0xff, 0xfe, 2, 0, 0, 0, (uint8_t)(source >> 8), (uint8_t)source, 0x12, 0x34};
    memcpy(frame, head, sizeof head);
}
