// TAP devices: the I/O controls of /dev/net/tun.

#ifndef CLINUX_TUN_H
#define CLINUX_TUN_H

// TUNSETIFF flags. IFF_TUN_EXCL makes an existing device an error (EBUSY).
enum {
    CLINUX_TUN_TAP = 0x0002,
    CLINUX_TUN_NO_PACKET_INFORMATION = 0x1000,
    CLINUX_TUN_VNET_HEADER = 0x4000,
    CLINUX_TUN_EXCLUSIVE = 0x8000,
};

// TUNSETOFFLOAD flags. Those of UDP segmentation are newer (Linux 6.2) than many systems' headers.
enum {
    CLINUX_TUN_OFFLOAD_CHECKSUM = 0x01,
    CLINUX_TUN_OFFLOAD_TSO4 = 0x02,
    CLINUX_TUN_OFFLOAD_TSO6 = 0x04,
    CLINUX_TUN_OFFLOAD_TSO_ECN = 0x08,
    CLINUX_TUN_OFFLOAD_USO4 = 0x20,
    CLINUX_TUN_OFFLOAD_USO6 = 0x40,
};

// TUNSETIFF: makes the device `name`, at most 15 bytes.
int clinux_tun_create(int descriptor, const char *name, int flags);
// TUNSETIFINDEX: the index the device is to get; before it is made.
int clinux_tun_set_ifindex(int descriptor, int ifindex);
// TUNSETOFFLOAD: what the reader can do with frames whose work is left undone.
int clinux_tun_set_offload(int descriptor, unsigned int flags);
// TUNSETVNETHDRSZ: bytes of the header in front of each frame.
int clinux_tun_set_header_size(int descriptor, int size);

#endif
