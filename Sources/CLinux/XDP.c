#include "CLinuxXDP.h"
#include <linux/bpf.h>
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

_Static_assert(sizeof(struct bpf_insn) == sizeof(uint64_t), "size of an instruction");

int clinux_bpf_make_socket_map(uint32_t size) {
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.map_type = BPF_MAP_TYPE_XSKMAP;
    attributes.key_size = 4;
    attributes.value_size = 4;
    attributes.max_entries = size;
    return (int)syscall(SYS_bpf, BPF_MAP_CREATE, &attributes, sizeof attributes);
}

int clinux_bpf_set_socket(int map, uint32_t queue, int socket) {
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.map_fd = (uint32_t)map;
    attributes.key = (uint64_t)(uintptr_t)&queue;
    attributes.value = (uint64_t)(uintptr_t)&socket;
    return (int)syscall(SYS_bpf, BPF_MAP_UPDATE_ELEM, &attributes, sizeof attributes);
}

int clinux_bpf_load_xdp(
    const uint64_t *instructions, uint32_t count, const char *name, const char *license, uint32_t flags, uint32_t ifindex) {
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.prog_type = BPF_PROG_TYPE_XDP;
    attributes.expected_attach_type = BPF_XDP;
    attributes.insn_cnt = count;
    attributes.insns = (uint64_t)(uintptr_t)instructions;
    attributes.license = (uint64_t)(uintptr_t)license;
    attributes.prog_flags = flags;
    attributes.prog_ifindex = flags & CLINUX_BPF_DEVICE_BOUND ? ifindex : 0;
    strncpy(attributes.prog_name, name, sizeof attributes.prog_name - 1);
    return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes);
}

int clinux_bpf_link_xdp(int program, uint32_t ifindex, uint32_t mode) {
    // The first members of union bpf_attr's link_create, which are all that this type of link has.
    struct {
        uint32_t program;
        uint32_t ifindex;
        uint32_t attach_type;
        uint32_t flags;
    } attributes = {(uint32_t)program, ifindex, BPF_XDP, mode};
    return (int)syscall(SYS_bpf, BPF_LINK_CREATE, &attributes, sizeof attributes);
}

int clinux_strips_vlan_tags(int socket, const char *name) {
    struct ethtool_value value = {.cmd = ETHTOOL_GFLAGS};
    struct ifreq request;
    memset(&request, 0, sizeof request);
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    request.ifr_data = (void *)&value;
    if (ioctl(socket, SIOCETHTOOL, &request) != 0) return -1;
    return (value.data & ETH_FLAG_RXVLAN) != 0;
}
