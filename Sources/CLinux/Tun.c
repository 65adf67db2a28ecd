#include "CLinuxTun.h"
#include <linux/if.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>

int clinux_tun_create(int descriptor, const char *name, int flags) {
    struct ifreq request;
    memset(&request, 0, sizeof request);
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    request.ifr_flags = (short)flags;
    return ioctl(descriptor, TUNSETIFF, &request);
}

int clinux_tun_set_ifindex(int descriptor, int ifindex) { return ioctl(descriptor, TUNSETIFINDEX, &ifindex); }

int clinux_tun_set_offload(int descriptor, unsigned int flags) {
    return ioctl(descriptor, TUNSETOFFLOAD, (unsigned long)flags);
}

int clinux_tun_set_header_size(int descriptor, int size) { return ioctl(descriptor, TUNSETVNETHDRSZ, &size); }
