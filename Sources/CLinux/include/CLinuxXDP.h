// AF_XDP sockets and the XDP program in front of them: the kernel's structures and numbers, and what the bpf system call
// does for them.

#ifndef CLINUX_XDP_H
#define CLINUX_XDP_H

#include <linux/if_xdp.h>
#include <stdint.h>

enum {
    CLINUX_AF_XDP = 44,
    CLINUX_SOL_XDP = 283,
    // Linux 6.17: how many frames one sendto takes at most.
    CLINUX_XDP_MAX_TX_SKB_BUDGET = 9,
    // How a program is attached (XDP_FLAGS_*).
    CLINUX_XDP_GENERIC_MODE = 1 << 1,
    CLINUX_XDP_NATIVE_MODE = 1 << 2,
    // A program that is bound to one device, whose metadata it may ask for (BPF_F_XDP_DEV_BOUND_ONLY; Linux 6.3).
    CLINUX_BPF_DEVICE_BOUND = 1 << 6,
};

// Where the rings are mapped (XDP_PGOFF_*, XDP_UMEM_PGOFF_*).
#define CLINUX_XDP_RECEIVE_RING 0
#define CLINUX_XDP_TRANSMIT_RING 0x80000000LL
#define CLINUX_XDP_FILL_RING 0x100000000LL
#define CLINUX_XDP_COMPLETION_RING 0x180000000LL

// Makes a map from receive queues to AF_XDP sockets (BPF_MAP_CREATE, BPF_MAP_TYPE_XSKMAP).
int clinux_bpf_make_socket_map(uint32_t size);

// Puts a queue's socket in the map (BPF_MAP_UPDATE_ELEM).
int clinux_bpf_set_socket(int map, uint32_t queue, int socket);

// Loads an XDP program (BPF_PROG_LOAD, BPF_PROG_TYPE_XDP) of `count` instructions; the name has at most 15 bytes.
// `ifindex` counts with CLINUX_BPF_DEVICE_BOUND alone.
int clinux_bpf_load_xdp(
    const uint64_t *instructions, uint32_t count, const char *name, const char *license, uint32_t flags, uint32_t ifindex);

// Attaches a program to an interface (BPF_LINK_CREATE, BPF_XDP) and gives the link's descriptor.
int clinux_bpf_link_xdp(int program, uint32_t ifindex, uint32_t mode);

// Whether the interface takes VLAN tags out of the frames it receives (ETHTOOL_GFLAGS, ETH_FLAG_RXVLAN): 1, 0 or -1.
int clinux_strips_vlan_tags(int socket, const char *name);

#endif
