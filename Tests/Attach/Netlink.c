#include "Netlink.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void unexpected(const char *file, int line, const char *what) {
    fprintf(stderr, "%s:%d: %s: not so; errno %d (%s)\n", file, line, what, errno, strerror(errno));
    exit(1);
}

void expect_equal(const char *file, int line, const char *what, long long left, long long right) {
    if (left == right) return;
    fprintf(stderr, "%s:%d: %s is %lld and not %lld; errno %d (%s)\n", file, line, what, left, right, errno,
            strerror(errno));
    exit(1);
}

static void append(struct request *request, const void *bytes, size_t length) {
    EXPECT(request->length + length + NLA_ALIGNTO <= sizeof request->bytes);
    if (length > 0) memcpy(request->bytes + request->length, bytes, length);
    request->length += length;
    while (request->length % NLA_ALIGNTO != 0) request->bytes[request->length++] = 0;
    ((struct nlmsghdr *)request->bytes)->nlmsg_len = (uint32_t)request->length;
}

void request_begin(struct request *request, uint16_t type, uint16_t flags, uint8_t command) {
    static atomic_uint sequence = 1;
    request->length = 0;
    struct nlmsghdr header = {.nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | flags,
                              .nlmsg_seq = atomic_fetch_add(&sequence, 1)};
    struct genlmsghdr generic = {.cmd = command, .version = 1};
    append(request, &header, sizeof header);
    append(request, &generic, sizeof generic);
}

void request_put(struct request *request, uint16_t attribute, const void *payload, size_t length) {
    struct nlattr header = {.nla_len = (uint16_t)(sizeof header + length), .nla_type = attribute};
    append(request, &header, sizeof header);
    append(request, payload, length);
}

void request_put_u32(struct request *request, uint16_t attribute, uint32_t number) {
    request_put(request, attribute, &number, sizeof number);
}

void request_put_string(struct request *request, uint16_t attribute, const char *string) {
    request_put(request, attribute, string, strlen(string) + 1);
}

size_t request_nest(struct request *request, uint16_t attribute) {
    size_t nest = request->length;
    request_put(request, attribute, NULL, 0);
    return nest;
}

void request_nest_end(struct request *request, size_t nest) {
    ((struct nlattr *)(request->bytes + nest))->nla_len = (uint16_t)(request->length - nest);
}

uint32_t request_sequence(const struct request *request) {
    return ((const struct nlmsghdr *)request->bytes)->nlmsg_seq;
}

const void *attribute(const void *message, size_t header_length, uint16_t type, size_t *length) {
    size_t end = ((const struct nlmsghdr *)message)->nlmsg_len;
    for (size_t offset = header_length; offset + sizeof(struct nlattr) <= end;) {
        const struct nlattr *header = (const struct nlattr *)((const uint8_t *)message + offset);
        if (header->nla_len < sizeof *header || header->nla_len > end - offset) break;
        if ((header->nla_type & NLA_TYPE_MASK) == type) {
            *length = header->nla_len - sizeof *header;
            return header + 1;
        }
        offset += NLA_ALIGN(header->nla_len);
    }
    return NULL;
}

int open_socket(void) {
    int opened = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
    EXPECT(opened >= 0);
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    EXPECT(connect(opened, (struct sockaddr *)&kernel, sizeof kernel) == 0);
    return opened;
}

uint32_t port_id(int socket) {
    struct sockaddr_nl address;
    socklen_t length = sizeof address;
    EXPECT(getsockname(socket, (struct sockaddr *)&address, &length) == 0);
    return address.nl_pid;
}

ssize_t transact(int socket, struct request *request, void *reply, size_t size) {
    ssize_t sent = send(socket, request->bytes, request->length, 0);
    if (sent < 0) return -errno;
    EXPECT_EQUAL(sent, request->length);
    for (;;) {
        ssize_t length = recv(socket, reply, size, MSG_DONTWAIT);
        if (length < 0 && errno == EAGAIN) return 0;
        EXPECT(length >= (ssize_t)sizeof(struct nlmsghdr));
        const struct nlmsghdr *header = reply;
        if (header->nlmsg_seq != request_sequence(request)) continue;
        if (header->nlmsg_type != NLMSG_ERROR) return length;
        return ((const struct nlmsgerr *)(header + 1))->error;
    }
}

void request_family(struct request *request, const char *name) {
    request_begin(request, GENL_ID_CTRL, 0, CTRL_CMD_GETFAMILY);
    request_put_string(request, CTRL_ATTR_FAMILY_NAME, name);
}

int family_id(int socket, const char *name) {
    struct request request;
    request_family(&request, name);
    _Alignas(8) uint8_t reply[8192];
    ssize_t length = transact(socket, &request, reply, sizeof reply);
    if (length < 0) return (int)length;
    EXPECT(length > 0);
    size_t size;
    const uint16_t *id = attribute(reply, NLMSG_HDRLEN + GENL_HDRLEN, CTRL_ATTR_FAMILY_ID, &size);
    EXPECT(id && size == sizeof *id);
    return *id;
}

double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}
