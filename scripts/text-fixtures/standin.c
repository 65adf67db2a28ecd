// Stands in for the kernel's Open vSwitch families inside one run of ovs-dpctl, so that the real tool parses and prints
// attributes that this program hands it. Preloaded; the flows live in the file that STANDIN_FLOWS names, one a line:
// key, mask and actions in hex, "-" for an attribute that is absent. A flow that the tool sends is appended there.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/openvswitch.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { DATAPATH = 0x20, VPORT, FLOW, PACKET, MAX_FD = 256, DATAGRAM = 4096 };
struct datagram { struct datagram *next; size_t length; unsigned char bytes[]; };
static struct { int ours; struct datagram *first, **last; } sockets[MAX_FD];
static unsigned char out[1 << 18];
static size_t used;

static void *put(const void *bytes, size_t length) {
    void *at = out + used;
    memcpy(at, bytes, length);
    used += length;
    while (used & 3) out[used++] = 0;
    return at;
}
static size_t begin_attribute(uint16_t type) {
    struct nlattr header = { sizeof header, type };
    size_t at = used;
    put(&header, sizeof header);
    return at;
}
static void end_attribute(size_t at) { ((struct nlattr *)(out + at))->nla_len = used - at; }
static void attribute(uint16_t type, const void *bytes, size_t length) {
    struct nlattr header = { sizeof header + length, type };
    put(&header, sizeof header);
    put(bytes, length);
}
static void begin_message(const struct nlmsghdr *request, uint16_t type, uint16_t flags, uint8_t command, int is_ovs) {
    struct nlmsghdr header = { 0, type, flags, request->nlmsg_seq, request->nlmsg_pid };
    struct genlmsghdr generic = { command, 1, 0 };
    struct ovs_header ovs = { 7 };
    used = 0;
    put(&header, sizeof header);
    put(&generic, sizeof generic);
    if (is_ovs) put(&ovs, sizeof ovs);
}
static void queue(int fd) {
    struct datagram *datagram = malloc(sizeof *datagram + used);
    ((struct nlmsghdr *)out)->nlmsg_len = used;
    datagram->next = NULL;
    datagram->length = used;
    memcpy(datagram->bytes, out, used);
    *sockets[fd].last = datagram;
    sockets[fd].last = &datagram->next;
}
static void done_or_error(int fd, const struct nlmsghdr *request, uint16_t type, int error) {
    struct nlmsghdr header = { 0, type, type == NLMSG_DONE ? NLM_F_MULTI : 0, request->nlmsg_seq, request->nlmsg_pid };
    used = 0;
    put(&header, sizeof header);
    put(&error, sizeof error);
    if (type == NLMSG_ERROR) put(request, sizeof *request);
    queue(fd);
}
static const struct nlattr *find(const struct nlmsghdr *request, size_t offset, uint16_t type) {
    const char *at = (const char *)request + offset, *end = (const char *)request + request->nlmsg_len;
    while (at + sizeof(struct nlattr) <= end) {
        const struct nlattr *found = (const void *)at;
        if ((found->nla_type & NLA_TYPE_MASK) == type) return found;
        if (found->nla_len < sizeof *found) break;
        at += NLA_ALIGN(found->nla_len);
    }
    return NULL;
}
static void write_hex(FILE *file, const struct nlattr *of, char behind) {
    if (!of) fputc('-', file);
    else {
        if (of->nla_len == NLA_HDRLEN) fputc('.', file);
        for (int i = NLA_HDRLEN; i < of->nla_len; i++) fprintf(file, "%02x", ((const unsigned char *)of)[i]);
    }
    fputc(behind, file);
}
static void hex_attribute(uint16_t type, const char *hex) {
    size_t at;
    if (*hex == '-') return;
    at = begin_attribute(type);
    for (unsigned byte; *hex != '.' && sscanf(hex, "%2x", &byte) == 1; hex += 2) out[used++] = byte;
    end_attribute(at);
    while (used & 3) out[used++] = 0;
}
static void family(int fd, const struct nlmsghdr *request) {
    static const char *names[] = { OVS_DATAPATH_FAMILY, OVS_VPORT_FAMILY, OVS_FLOW_FAMILY, OVS_PACKET_FAMILY };
    const struct nlattr *name = find(request, NLMSG_HDRLEN + GENL_HDRLEN, CTRL_ATTR_FAMILY_NAME);
    for (int i = 0; name && i < 4; i++) {
        if (strcmp((const char *)(name + 1), names[i])) continue;
        uint16_t number = DATAPATH + i;
        uint32_t version = 2, group = 40 + i;
        size_t groups, one;
        begin_message(request, GENL_ID_CTRL, 0, CTRL_CMD_NEWFAMILY, 0);
        attribute(CTRL_ATTR_FAMILY_ID, &number, sizeof number);
        attribute(CTRL_ATTR_FAMILY_NAME, names[i], strlen(names[i]) + 1);
        attribute(CTRL_ATTR_VERSION, &version, sizeof version);
        groups = begin_attribute(CTRL_ATTR_MCAST_GROUPS);
        one = begin_attribute(1);
        attribute(CTRL_ATTR_MCAST_GRP_NAME, names[i], strlen(names[i]) + 1);
        attribute(CTRL_ATTR_MCAST_GRP_ID, &group, sizeof group);
        end_attribute(one);
        end_attribute(groups);
        queue(fd);
        return;
    }
    done_or_error(fd, request, NLMSG_ERROR, -ENOENT);
}
static void datapath(int fd, const struct nlmsghdr *request) {
    uint64_t zeros[8] = { 0 };
    uint32_t features = 0;
    int dump = request->nlmsg_flags & NLM_F_DUMP;
    begin_message(request, DATAPATH, dump ? NLM_F_MULTI : 0, OVS_DP_CMD_NEW, 1);
    attribute(OVS_DP_ATTR_NAME, "ovs-system", 11);
    attribute(OVS_DP_ATTR_STATS, zeros, sizeof(struct ovs_dp_stats));
    attribute(OVS_DP_ATTR_MEGAFLOW_STATS, zeros, sizeof(struct ovs_dp_megaflow_stats));
    attribute(OVS_DP_ATTR_USER_FEATURES, &features, sizeof features);
    queue(fd);
    if (dump) done_or_error(fd, request, NLMSG_DONE, 0);
}
static void vport(int fd, const struct nlmsghdr *request) {
    uint64_t zeros[8] = { 0 };
    for (uint32_t number = 0; number < 10; number++) {
        char name[16];
        uint32_t type = number ? OVS_VPORT_TYPE_NETDEV : OVS_VPORT_TYPE_INTERNAL, upcall = 0;
        snprintf(name, sizeof name, number ? "port%u" : "ovs-system", number);
        begin_message(request, VPORT, NLM_F_MULTI, OVS_VPORT_CMD_NEW, 1);
        attribute(OVS_VPORT_ATTR_PORT_NO, &number, sizeof number);
        attribute(OVS_VPORT_ATTR_TYPE, &type, sizeof type);
        attribute(OVS_VPORT_ATTR_NAME, name, strlen(name) + 1);
        attribute(OVS_VPORT_ATTR_UPCALL_PID, &upcall, sizeof upcall);
        attribute(OVS_VPORT_ATTR_STATS, zeros, sizeof zeros);
        if (request->nlmsg_flags & NLM_F_DUMP) { queue(fd); continue; }
        const struct nlattr *wanted = find(request, 24, OVS_VPORT_ATTR_NAME);
        const struct nlattr *wanted_number = find(request, 24, OVS_VPORT_ATTR_PORT_NO);
        if ((wanted && !strcmp((const char *)(wanted + 1), name))
            || (wanted_number && *(const uint32_t *)(wanted_number + 1) == number)) { queue(fd); return; }
    }
    if (request->nlmsg_flags & NLM_F_DUMP) done_or_error(fd, request, NLMSG_DONE, 0);
    else done_or_error(fd, request, NLMSG_ERROR, -ENODEV);
}
static void flow(int fd, const struct nlmsghdr *request) {
    const struct genlmsghdr *generic = NLMSG_DATA(request);
    const char *path = getenv("STANDIN_FLOWS");
    if (generic->cmd == OVS_FLOW_CMD_NEW || generic->cmd == OVS_FLOW_CMD_SET) {
        FILE *file = fopen(path, "a");
        if (!file) abort();
        write_hex(file, find(request, 24, OVS_FLOW_ATTR_KEY), ' ');
        write_hex(file, find(request, 24, OVS_FLOW_ATTR_MASK), ' ');
        write_hex(file, find(request, 24, OVS_FLOW_ATTR_ACTIONS), '\n');
        fclose(file);
        done_or_error(fd, request, NLMSG_ERROR, 0);
    } else if (generic->cmd == OVS_FLOW_CMD_GET) {
        static char line[1 << 20], key[1 << 18], mask[1 << 18], actions[1 << 18];
        FILE *file = fopen(path, "r");
        struct ovs_flow_stats stats = { 3, 252 };
        uint32_t row = 0;
        if (!file) abort();
        while (fgets(line, sizeof line, file)) {
            if (sscanf(line, "%262143s %262143s %262143s", key, mask, actions) != 3) abort();
            unsigned char ufid[16] = { 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc };
            memcpy(ufid + 12, &row, 4);
            begin_message(request, FLOW, NLM_F_MULTI, OVS_FLOW_CMD_NEW, 1);
            attribute(OVS_FLOW_ATTR_UFID, ufid, sizeof ufid);
            hex_attribute(OVS_FLOW_ATTR_KEY, key);
            hex_attribute(OVS_FLOW_ATTR_MASK, mask);
            hex_attribute(OVS_FLOW_ATTR_ACTIONS, actions);
            attribute(OVS_FLOW_ATTR_STATS, &stats, sizeof stats);
            queue(fd);
            row++;
        }
        fclose(file);
        done_or_error(fd, request, NLMSG_DONE, 0);
    } else done_or_error(fd, request, NLMSG_ERROR, -EOPNOTSUPP);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
static int is_ours(int fd) { return fd >= 0 && fd < MAX_FD && sockets[fd].ours; }

int socket(int domain, int type, int protocol) {
    if (domain != AF_NETLINK || protocol != NETLINK_GENERIC) return REAL(socket)(domain, type, protocol);
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd >= MAX_FD) abort();
    sockets[fd].ours = 1;
    sockets[fd].first = NULL;
    sockets[fd].last = &sockets[fd].first;
    return fd;
}
int close(int fd) {
    if (is_ours(fd)) sockets[fd].ours = 0;
    return REAL(close)(fd);
}
int connect(int fd, const struct sockaddr *address, socklen_t length) {
    return is_ours(fd) ? 0 : REAL(connect)(fd, address, length);
}
int setsockopt(int fd, int level, int option, const void *value, socklen_t length) {
    return is_ours(fd) ? 0 : REAL(setsockopt)(fd, level, option, value, length);
}
int getsockopt(int fd, int level, int option, void *value, socklen_t *length) {
    if (!is_ours(fd)) return REAL(getsockopt)(fd, level, option, value, length);
    *(int *)value = 1 << 20;
    return 0;
}
int getsockname(int fd, struct sockaddr *address, socklen_t *length) {
    if (!is_ours(fd)) return REAL(getsockname)(fd, address, length);
    *(struct sockaddr_nl *)address = (struct sockaddr_nl){ .nl_family = AF_NETLINK, .nl_pid = 1000 + fd };
    *length = sizeof(struct sockaddr_nl);
    return 0;
}
static ssize_t handle(int fd, unsigned char *bytes, size_t length) {
    for (size_t at = 0; at + NLMSG_HDRLEN <= length;) {
        struct nlmsghdr *request = (void *)(bytes + at);
        if (request->nlmsg_len < NLMSG_HDRLEN || at + request->nlmsg_len > length) break;
        switch (request->nlmsg_type) {
        case GENL_ID_CTRL: family(fd, request); break;
        case DATAPATH: datapath(fd, request); break;
        case VPORT: vport(fd, request); break;
        case FLOW: flow(fd, request); break;
        default: done_or_error(fd, request, NLMSG_ERROR, -EOPNOTSUPP);
        }
        at += NLMSG_ALIGN(request->nlmsg_len);
    }
    return length;
}
ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    if (!is_ours(fd)) return REAL(sendmsg)(fd, message, flags);
    size_t length = 0;
    for (size_t i = 0; i < message->msg_iovlen; i++) length += message->msg_iov[i].iov_len;
    unsigned char *bytes = malloc(length), *at = bytes;
    for (size_t i = 0; i < message->msg_iovlen; i++) {
        at = mempcpy(at, message->msg_iov[i].iov_base, message->msg_iov[i].iov_len);
    }
    ssize_t sent = handle(fd, bytes, length);
    free(bytes);
    return sent;
}
ssize_t send(int fd, const void *bytes, size_t length, int flags) {
    if (!is_ours(fd)) return REAL(send)(fd, bytes, length, flags);
    unsigned char *copy = malloc(length);
    memcpy(copy, bytes, length);
    ssize_t sent = handle(fd, copy, length);
    free(copy);
    return sent;
}
ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
    if (!is_ours(fd)) return REAL(recvmsg)(fd, message, flags);
    struct datagram *datagram = sockets[fd].first;
    if (!datagram) { errno = EAGAIN; return -1; }
    sockets[fd].first = datagram->next;
    if (!datagram->next) sockets[fd].last = &sockets[fd].first;
    size_t at = 0;
    for (size_t i = 0; i < message->msg_iovlen && at < datagram->length; i++) {
        size_t part = datagram->length - at;
        if (part > message->msg_iov[i].iov_len) part = message->msg_iov[i].iov_len;
        memcpy(message->msg_iov[i].iov_base, datagram->bytes + at, part);
        at += part;
    }
    message->msg_flags = at < datagram->length ? MSG_TRUNC : 0;
    message->msg_controllen = 0;
    free(datagram);
    return at;
}
