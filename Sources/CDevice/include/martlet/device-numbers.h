/* The numbers and names that Martlet's device adds to <linux/openvswitch.h>.
 *
 * This file is made by scripts/make-device-numbers from the definitions in Sources/OpenvSwitch and Sources/Doors.
 * Do not edit it; a test fails if it is not up to date.
 */

#ifndef MARTLET_DEVICE_NUMBERS_H
#define MARTLET_DEVICE_NUMBERS_H

/* The Unix socket. */

/* Where a datapath listens unless it was told otherwise. */
#define MARTLET_DEVICE_PATH "/run/martlet/device.sock"
/* The same for the legacy device, which takes no Netlink. */
#define MARTLET_LEGACY_DEVICE_PATH "/run/martlet/legacy.sock"
#define MARTLET_STATISTICS_SIZE 88u
/* The greeting begins with this and its zero: 8 bytes. */
#define MARTLET_GREETING_MAGIC "MARTLET"
#define MARTLET_GREETING_VERSION 1u
/* Bytes of a greeting, at least. */
#define MARTLET_GREETING_SIZE 32u
#define MARTLET_REQUEST_HEADER_SIZE 16u
#define MARTLET_ANSWER_HEADER_SIZE 16u
/* Of this version's device; the greeting tells that of the one at hand. */
#define MARTLET_LARGEST_INPUT 131072u
#define MARTLET_LARGEST_OUTPUT 196608u

/* I/O controls. */

#define MARTLET_DEVICE_TYPE 45000u
/* How a code is composed, for codes with names that are not below. */
#define MARTLET_CTL_CODE(function, method, access) \
    (MARTLET_DEVICE_TYPE << 16 | (access) << 14 | (function) << 2 | (method))
/* Bytes of a dump's cursor. */
#define MARTLET_CURSOR_SIZE 16u
/* Bytes of a subscription. */
#define MARTLET_SUBSCRIPTION_SIZE 12u

/* The codes. Where the input is a number, it is a u32 in host byte order. */

/* No input; output is the handle's port ID, a u32. */
#define MARTLET_IOCTL_GET_PORT_ID 0xafc88400u
/* No input; output is the next piece of the dump that WRITE began. */
#define MARTLET_IOCTL_READ 0xafc84406u
/* No input; output is one event, or nothing. */
#define MARTLET_IOCTL_READ_EVENT 0xafc8440au
/* No input; output is one upcall, or nothing. */
#define MARTLET_IOCTL_READ_PACKET 0xafc8440eu
/* Input is a message: the start of a dump, or a control command; no output. */
#define MARTLET_IOCTL_WRITE 0xafc84411u
/* Input is one or more requests; output is their answers. */
#define MARTLET_IOCTL_TRANSACT 0xafc88416u
/* Input is a cursor and a dump request; output is a cursor and messages. */
#define MARTLET_IOCTL_DUMP 0xafc86002u
/* Input is struct martlet_subscription; no output. */
#define MARTLET_IOCTL_SUBSCRIBE 0xafc86004u
/* Input is a queue; no output. Ends when that queue is not empty. */
#define MARTLET_IOCTL_PEND 0xafc86008u
/* No input, no output. The pended request ends as cancelled. */
#define MARTLET_IOCTL_CANCEL 0xafc8600cu
/* No input; output is the interface's version, a u32. */
#define MARTLET_IOCTL_GET_VERSION 0xafc86010u
/* No input; output is struct martlet_statistics. Of the legacy device alone. */
#define MARTLET_IOCTL_GET_STATISTICS 0xafc86080u
/* This and those below are of the Netlink door. */
#define MARTLET_IOCTL_NETLINK_OPEN 0xafc86040u
#define MARTLET_IOCTL_NETLINK_BIND 0xafc86044u
#define MARTLET_IOCTL_NETLINK_SEND 0xafc86048u
#define MARTLET_IOCTL_NETLINK_PULL 0xafc8604cu
#define MARTLET_IOCTL_NETLINK_FORWARD 0xafc86050u
#define MARTLET_IOCTL_NETLINK_PACK 0xafc86054u

/* How an I/O control ends. */

#define MARTLET_STATUS_SUCCESS 0x00000000u
/* It has not ended yet. */
#define MARTLET_STATUS_PENDING 0x00000103u
/* The input is none that this code takes. */
#define MARTLET_STATUS_INVALID_PARAMETER 0xc000000du
/* There is no such code. */
#define MARTLET_STATUS_INVALID_DEVICE_REQUEST 0xc0000010u
/* The handle may not. */
#define MARTLET_STATUS_ACCESS_DENIED 0xc0000022u
/* Nothing has changed; the information is the size that suffices. */
#define MARTLET_STATUS_BUFFER_TOO_SMALL 0xc0000023u
/* Input or output is shorter than the code demands. */
#define MARTLET_STATUS_INVALID_LENGTH 0xc0230014u
/* Too many handles. */
#define MARTLET_STATUS_INSUFFICIENT_RESOURCES 0xc000009au
/* A request is pended on this handle already. */
#define MARTLET_STATUS_DEVICE_BUSY 0x80000011u
/* The request was cancelled, or its handle closed. */
#define MARTLET_STATUS_CANCELLED 0xc0000120u
/* The device is gone. */
#define MARTLET_STATUS_NOT_FOUND 0xc0000225u
/* The queue was full and messages were lost; the information is how many. */
#define MARTLET_STATUS_OVERFLOW 0x80000005u

/* What a handle may do. */

/* Requests that change nothing, and events. */
#define MARTLET_ACCESS_READ 1u
/* Everything. */
#define MARTLET_ACCESS_CHANGE 2u

/* A handle's queues. */

/* Events of the groups joined. */
#define MARTLET_QUEUE_EVENT 0u
/* Upcalls to the handle's port ID. */
#define MARTLET_QUEUE_PACKET 1u

/* Families: the nlmsg_type of their messages, and the version in genlmsghdr. */

#define MARTLET_FAMILY_CONTROL 17u
#define MARTLET_FAMILY_CONTROL_NAME "ovs_win_control"
#define MARTLET_FAMILY_CONTROL_VERSION 1u
#define MARTLET_FAMILY_DATAPATH 18u
#define MARTLET_FAMILY_DATAPATH_NAME "ovs_datapath"
#define MARTLET_FAMILY_DATAPATH_VERSION 2u
#define MARTLET_FAMILY_PACKET 19u
#define MARTLET_FAMILY_PACKET_NAME "ovs_packet"
#define MARTLET_FAMILY_PACKET_VERSION 1u
#define MARTLET_FAMILY_VPORT 20u
#define MARTLET_FAMILY_VPORT_NAME "ovs_vport"
#define MARTLET_FAMILY_VPORT_VERSION 1u
#define MARTLET_FAMILY_FLOW 21u
#define MARTLET_FAMILY_FLOW_NAME "ovs_flow"
#define MARTLET_FAMILY_FLOW_VERSION 1u
#define MARTLET_FAMILY_NETDEV 22u
#define MARTLET_FAMILY_NETDEV_NAME "ovs_win_netdev"
#define MARTLET_FAMILY_NETDEV_VERSION 1u
#define MARTLET_FAMILY_METER 25u
#define MARTLET_FAMILY_METER_NAME "ovs_meter"
#define MARTLET_FAMILY_METER_VERSION 1u
#define MARTLET_FAMILY_CT_LIMIT 24u
#define MARTLET_FAMILY_CT_LIMIT_NAME "ovs_ct_limit"
#define MARTLET_FAMILY_CT_LIMIT_VERSION 1u

/* Multicast groups. */

/* Vports made, changed and deleted. */
#define MARTLET_GROUP_VPORT 101u
/* Datapaths made, changed and deleted. */
#define MARTLET_GROUP_DATAPATH 102u
/* Flows made, changed and deleted by requests. */
#define MARTLET_GROUP_FLOW 103u
/* A copy of every upcall. */
#define MARTLET_GROUP_PACKET 104u
/* Interfaces of the host: come, gone, changed. */
#define MARTLET_GROUP_NETDEV 105u
/* Every I/O control on other handles; needs MARTLET_ACCESS_CHANGE. */
#define MARTLET_GROUP_TRACE 106u
/* Nothing is sent to it, as in the kernel. */
#define MARTLET_GROUP_METER 107u
/* Nothing is sent to it, as in the kernel. */
#define MARTLET_GROUP_CT_LIMIT 108u

/* Commands of the control family. */

#define MARTLET_CONTROL_CMD_PEND_REQUEST 0u
#define MARTLET_CONTROL_CMD_PEND_PACKET_REQUEST 1u
#define MARTLET_CONTROL_CMD_MULTICAST_SUBSCRIBE 2u
#define MARTLET_CONTROL_CMD_PACKET_SUBSCRIBE 3u
#define MARTLET_CONTROL_CMD_EVENT_NOTIFY 4u
#define MARTLET_CONTROL_CMD_READ_NOTIFY 5u
#define MARTLET_CONTROL_CMD_SOCKET_PROPERTIES 6u
/* From the device: an I/O control was carried out. */
#define MARTLET_CONTROL_CMD_TRACE 7u

/* Attributes of the control family; each command has its own, and they begin at 0. */

/* Of SOCKET_PROPERTIES: u32. */
#define MARTLET_CONTROL_ATTR_SOCKET_PROTOCOL 0u
/* Of SOCKET_PROPERTIES: u32. */
#define MARTLET_CONTROL_ATTR_SOCKET_PORT_ID 1u
/* Of MULTICAST_SUBSCRIBE: u32. */
#define MARTLET_CONTROL_ATTR_MULTICAST_GROUP 0u
/* Of MULTICAST_SUBSCRIBE: u8, 1 to join, 0 to leave. */
#define MARTLET_CONTROL_ATTR_MULTICAST_JOIN 1u
/* Of PACKET_SUBSCRIBE: u8, 1 to subscribe, 0 to leave. */
#define MARTLET_CONTROL_ATTR_PACKET_SUBSCRIBE 2u
/* Of PACKET_SUBSCRIBE: u32, the handle's port ID. */
#define MARTLET_CONTROL_ATTR_PACKET_PORT_ID 3u
/* Of TRACE: u32, port ID of the handle that made the call. */
#define MARTLET_CONTROL_ATTR_TRACE_PORT_ID 4u
/* Of TRACE: u32, the I/O control. */
#define MARTLET_CONTROL_ATTR_TRACE_CODE 5u
/* Of TRACE: u32. */
#define MARTLET_CONTROL_ATTR_TRACE_STATUS 6u
/* Of TRACE: the input's bytes. */
#define MARTLET_CONTROL_ATTR_TRACE_INPUT 7u
/* Of TRACE: the output's bytes. */
#define MARTLET_CONTROL_ATTR_TRACE_OUTPUT 8u
/* Of TRACE: u64, milliseconds of the host's monotonic clock. */
#define MARTLET_CONTROL_ATTR_TRACE_TIME 9u

/* Commands of the netdev family. */

#define MARTLET_NETDEV_CMD_GET 1u
/* Event: an interface has come. */
#define MARTLET_NETDEV_CMD_NEW 2u
/* Event: it has gone. */
#define MARTLET_NETDEV_CMD_DEL 3u
/* Event: it has changed: link, address, MTU, name. */
#define MARTLET_NETDEV_CMD_SET 4u

/* Attributes of the netdev family. */

/* u32: the vport's number if the interface is one. */
#define MARTLET_NETDEV_ATTR_PORT_NO 1u
/* u32: OVS_VPORT_TYPE_*. */
#define MARTLET_NETDEV_ATTR_TYPE 2u
/* String. */
#define MARTLET_NETDEV_ATTR_NAME 3u
/* 6 bytes. */
#define MARTLET_NETDEV_ATTR_MAC_ADDRESS 4u
/* u32. */
#define MARTLET_NETDEV_ATTR_MTU 5u
/* u32: MARTLET_NETDEV_FLAG_*. */
#define MARTLET_NETDEV_ATTR_FLAGS 6u
/* u32. */
#define MARTLET_NETDEV_ATTR_IFINDEX 7u
/* Of an event: u32, what has happened: MARTLET_NETDEV_CHANGE_*. */
#define MARTLET_NETDEV_ATTR_CHANGES 8u
/* Of an event with MARTLET_NETDEV_CHANGE_RENAMED: the name before. */
#define MARTLET_NETDEV_ATTR_FORMER_NAME 9u

/* Bits of MARTLET_NETDEV_ATTR_FLAGS. */

/* It is administratively up. */
#define MARTLET_NETDEV_FLAG_UP 1u
/* It takes frames for all addresses. */
#define MARTLET_NETDEV_FLAG_PROMISCUOUS 2u
/* The link is there. */
#define MARTLET_NETDEV_FLAG_CARRIER 4u
/* It is Ethernet and may become a vport. */
#define MARTLET_NETDEV_FLAG_ETHERNET 8u

/* Bits of MARTLET_NETDEV_ATTR_CHANGES. */

/* It was switched on. */
#define MARTLET_NETDEV_CHANGE_CONNECTED 1u
/* It was switched off. */
#define MARTLET_NETDEV_CHANGE_DISCONNECTED 2u
/* The link has come. */
#define MARTLET_NETDEV_CHANGE_LINK_UP 4u
/* The link has gone. */
#define MARTLET_NETDEV_CHANGE_LINK_DOWN 8u
/* It has another MAC address. */
#define MARTLET_NETDEV_CHANGE_MAC_ADDRESS 16u
/* It has another MTU. */
#define MARTLET_NETDEV_CHANGE_MTU 32u
/* It has come. */
#define MARTLET_NETDEV_CHANGE_CREATED 64u
/* It has gone, or moved to another network namespace. */
#define MARTLET_NETDEV_CHANGE_DELETED 128u
/* It has another name. */
#define MARTLET_NETDEV_CHANGE_RENAMED 256u

#endif
