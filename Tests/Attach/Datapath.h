// A datapath as a client makes and uses it.

#ifndef ATTACH_TEST_DATAPATH_H
#define ATTACH_TEST_DATAPATH_H

#include <linux/openvswitch.h>

#include "Netlink.h"

#define OVS_HEADER_LENGTH (NLMSG_HDRLEN + GENL_HDRLEN + (size_t)sizeof(struct ovs_header))

struct datapath {
    int socket;     // for transactions
    uint32_t port;  // its port ID
    int ifindex;
    int datapath_family, vport_family, flow_family, packet_family;
};

// Makes a datapath for a test, and removes it with everything in it.
void datapath_create(struct datapath *datapath);
void datapath_remove(struct datapath *datapath);

// Begins a request to one of the families, with the datapath's interface index.
void datapath_request(const struct datapath *datapath, struct request *request, int family, uint16_t flags,
                      uint8_t command);

// Makes so many flows, each of an Ethernet source that is its number, and 12 bytes of `actions` if there are any.
void datapath_add_flows(const struct datapath *datapath, uint32_t count);

// Changes the datapath, so that there is an event.
void datapath_change(const struct datapath *datapath);

// The number of a flow in a message of a dump.
uint32_t flow_number(const void *message);

// The number of a family's only group.
uint32_t group_id(int socket, const char *family);

#endif
