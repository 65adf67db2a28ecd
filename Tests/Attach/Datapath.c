#include "Datapath.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

void datapath_request(const struct datapath *datapath, struct request *request, int family, uint16_t flags,
                      uint8_t command) {
    request_begin(request, (uint16_t)family, flags, command);
    struct ovs_header header = {.dp_ifindex = datapath->ifindex};
    memcpy(request->bytes + request->length, &header, sizeof header);
    request->length += sizeof header;
    ((struct nlmsghdr *)request->bytes)->nlmsg_len = (uint32_t)request->length;
}

void datapath_create(struct datapath *datapath) {
    *datapath = (struct datapath){.socket = open_socket()};
    datapath->port = port_id(datapath->socket);
    datapath->datapath_family = family_id(datapath->socket, OVS_DATAPATH_FAMILY);
    datapath->vport_family = family_id(datapath->socket, OVS_VPORT_FAMILY);
    datapath->flow_family = family_id(datapath->socket, OVS_FLOW_FAMILY);
    datapath->packet_family = family_id(datapath->socket, OVS_PACKET_FAMILY);
    struct request request;
    datapath_request(datapath, &request, datapath->datapath_family, NLM_F_ECHO, OVS_DP_CMD_NEW);
    request_put_string(&request, OVS_DP_ATTR_NAME, "testdp");
    request_put_u32(&request, OVS_DP_ATTR_UPCALL_PID, 0);
    _Alignas(8) uint8_t reply[4096];
    EXPECT(transact(datapath->socket, &request, reply, sizeof reply) > 0);
    EXPECT_EQUAL(((struct nlmsghdr *)reply)->nlmsg_type, datapath->datapath_family);
    memcpy(&datapath->ifindex, reply + NLMSG_HDRLEN + GENL_HDRLEN, sizeof datapath->ifindex);
}

void datapath_remove(struct datapath *datapath) {
    struct request request;
    uint8_t reply[4096];
    datapath_request(datapath, &request, datapath->datapath_family, 0, OVS_DP_CMD_DEL);
    EXPECT_EQUAL(transact(datapath->socket, &request, reply, sizeof reply), 0);
    close(datapath->socket);
}

void datapath_change(const struct datapath *datapath) {
    struct request request;
    uint8_t reply[4096];
    datapath_request(datapath, &request, datapath->datapath_family, NLM_F_ACK, OVS_DP_CMD_SET);
    request_put_u32(&request, OVS_DP_ATTR_USER_FEATURES, OVS_DP_F_UNALIGNED);
    EXPECT_EQUAL(transact(datapath->socket, &request, reply, sizeof reply), 0);
}

static void put_match(struct request *request, uint16_t attribute, uint32_t port, const uint8_t *source,
                      uint16_t type) {
    size_t nest = request_nest(request, attribute);
    struct ovs_key_ethernet ethernet = {0};
    memcpy(ethernet.eth_src, source, sizeof ethernet.eth_src);
    request_put_u32(request, OVS_KEY_ATTR_IN_PORT, port);
    request_put(request, OVS_KEY_ATTR_ETHERNET, &ethernet, sizeof ethernet);
    request_put(request, OVS_KEY_ATTR_ETHERTYPE, &type, sizeof type);
    request_nest_end(request, nest);
}

void datapath_add_flows(const struct datapath *datapath, uint32_t count) {
    for (uint32_t number = 0; number < count; number++) {
        uint8_t source[6] = {2}, mask[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, reply[4096];
        memcpy(source + 2, &number, sizeof number);
        struct request request;
        datapath_request(datapath, &request, datapath->flow_family, NLM_F_CREATE, OVS_FLOW_CMD_NEW);
        put_match(&request, OVS_FLOW_ATTR_KEY, 0, source, htons(0x88b5));
        put_match(&request, OVS_FLOW_ATTR_MASK, 0xffffffff, mask, 0xffff);
        request_put(&request, OVS_FLOW_ATTR_ACTIONS, NULL, 0);
        EXPECT_EQUAL(transact(datapath->socket, &request, reply, sizeof reply), 0);
    }
}

uint32_t flow_number(const void *message) {
    size_t length, ethernet_length;
    const uint8_t *key = attribute(message, OVS_HEADER_LENGTH, OVS_FLOW_ATTR_KEY, &length);
    EXPECT(key);
    for (size_t offset = 0; offset < length;) {
        const struct nlattr *inner = (const struct nlattr *)(key + offset);
        ethernet_length = inner->nla_len - sizeof *inner;
        if (inner->nla_type == OVS_KEY_ATTR_ETHERNET) {
            EXPECT_EQUAL(ethernet_length, sizeof(struct ovs_key_ethernet));
            uint32_t number;
            memcpy(&number, ((const struct ovs_key_ethernet *)(inner + 1))->eth_src + 2, sizeof number);
            return number;
        }
        offset += NLA_ALIGN(inner->nla_len);
    }
    unexpected(__FILE__, __LINE__, "a flow without Ethernet addresses");
}

uint32_t group_id(int socket, const char *family) {
    struct request request;
    request_family(&request, family);
    _Alignas(8) uint8_t reply[8192];
    EXPECT(transact(socket, &request, reply, sizeof reply) > 0);
    size_t length;
    const uint8_t *groups = attribute(reply, NLMSG_HDRLEN + GENL_HDRLEN, CTRL_ATTR_MCAST_GROUPS, &length);
    EXPECT(groups && length >= 12);
    // The first attribute of the first group, or the one behind its name.
    for (size_t offset = sizeof(struct nlattr); offset < length;) {
        const struct nlattr *inner = (const struct nlattr *)(groups + offset);
        uint32_t number;
        memcpy(&number, inner + 1, sizeof number);
        if (inner->nla_type == CTRL_ATTR_MCAST_GRP_ID) return number;
        offset += NLA_ALIGN(inner->nla_len);
    }
    unexpected(__FILE__, __LINE__, "a group without a number");
}
