#define _GNU_SOURCE

#include "Greeting.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "Error.h"

_Static_assert(sizeof(struct greeting) == MARTLET_GREETING_SIZE, "a greeting");

// Seconds that a device has to take the connection, and then to greet.
#define PATIENCE 5

// Bytes on their way to the device: some requests of full size.
#define SEND_BUFFER (512 << 10)

// Whom to ask: the socket's group may, and often has a name.
static uint32_t deny(const char *path) {
    struct stat file;
    char names[4096];
    struct group entry, *group = NULL;
    if (stat(path, &file) != 0) {
        return martlet_fail(MARTLET_STATUS_ACCESS_DENIED,
                            "permission to use the device at %s denied: this process may not even see it; run it "
                            "as root", path);
    }
    if (file.st_gid == 0) {
        return martlet_fail(MARTLET_STATUS_ACCESS_DENIED,
                            "permission to use the device at %s denied: run this as root, or ask root to start the "
                            "datapath with --group or --open-reading", path);
    }
    if (getgrgid_r(file.st_gid, &entry, names, sizeof names, &group) != 0) group = NULL;
    char number[16];
    snprintf(number, sizeof number, "%u", (unsigned)file.st_gid);
    return martlet_fail(MARTLET_STATUS_ACCESS_DENIED,
                        "permission to use the device at %s denied: run this as root or as a member of the group "
                        "%s, to which root can add you", path, group != NULL ? group->gr_name : number);
}

static uint32_t explain(const char *path, int error) {
    char text[128];
    switch (error) {
        case ENOENT: case ENOTDIR: case ECONNREFUSED: case ECONNRESET: case EPIPE:
            return martlet_fail(MARTLET_STATUS_NOT_FOUND,
                                "no datapath is running at %s: start one with `martlet run`", path);
        case EACCES: case EPERM: return deny(path);
        case EMFILE: case ENFILE: case ENOMEM: case ENOBUFS:
            return martlet_fail(MARTLET_STATUS_INSUFFICIENT_RESOURCES,
                                "this process cannot open another connection to %s: %s", path,
                                strerror_r(error, text, sizeof text));
        case EPROTOTYPE:
            return martlet_fail(MARTLET_STATUS_PROTOCOL_ERROR,
                                "what listens at %s is not a device: it is another kind of socket",
                                path);
        case EAGAIN: case ETIMEDOUT:
            return martlet_fail(MARTLET_STATUS_PROTOCOL_ERROR,
                                "what listens at %s has not greeted within %d seconds", path, PATIENCE);
        default:
            return martlet_fail(MARTLET_STATUS_NOT_FOUND,
                                "cannot connect to %s: %s", path, strerror_r(error, text, sizeof text));
    }
}

// Connects, for so long. Returns 0 or an error number.
static int connect_to(int socket, const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    struct timeval patience = {.tv_sec = PATIENCE}, endless = {0};
    setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    int size = SEND_BUFFER;
    setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    while (connect(socket, (const struct sockaddr *)&address, sizeof address) != 0) {
        if (errno != EINTR) return errno;
    }
    setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &endless, sizeof endless);
    return 0;
}

// Receives the greeting. Returns its length, or a negative error number.
static ssize_t receive(int socket, void *buffer, size_t size) {
    struct timespec begin, now;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (;;) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        long long passed = (now.tv_sec - begin.tv_sec) * 1000LL + (now.tv_nsec - begin.tv_nsec) / 1000000;
        if (passed >= PATIENCE * 1000LL) return -ETIMEDOUT;
        struct pollfd entry = {.fd = socket, .events = POLLIN};
        if (poll(&entry, 1, (int)(PATIENCE * 1000LL - passed)) < 0 && errno != EINTR) return -errno;
        ssize_t length = recv(socket, buffer, size, MSG_DONTWAIT);
        if (length >= 0) return length;
        if (errno != EAGAIN && errno != EINTR) return -errno;
    }
}

// Whether this is the greeting of a device that lets us in.
static uint32_t check(const char *path, const struct greeting *greeting, size_t length) {
    if (length == 0) return martlet_fail(MARTLET_STATUS_NOT_FOUND, "the datapath at %s has ended", path);
    if (length < sizeof *greeting || memcmp(greeting->magic, MARTLET_GREETING_MAGIC, sizeof greeting->magic) != 0) {
        return martlet_fail(MARTLET_STATUS_PROTOCOL_ERROR,
                            "what listens at %s is not a device: it greets in another way", path);
    }
    if (greeting->version != MARTLET_GREETING_VERSION) {
        return martlet_fail(MARTLET_STATUS_PROTOCOL_ERROR,
                            "the device at %s speaks version %u, and this library version %u: take the library that "
                            "was installed with it", path, greeting->version, MARTLET_GREETING_VERSION);
    }
    switch (greeting->status) {
        case MARTLET_STATUS_SUCCESS: break;
        case MARTLET_STATUS_ACCESS_DENIED: return deny(path);
        case MARTLET_STATUS_INSUFFICIENT_RESOURCES:
            return martlet_fail(greeting->status, "the device at %s has no more handles: close some", path);
        default:
            return martlet_fail(MARTLET_STATUS_PROTOCOL_ERROR, "the device at %s refused with status 0x%08x: %s", path,
                                greeting->status, martlet_status_text(greeting->status));
    }
    if (greeting->port_id == 0 ||
        (greeting->access != MARTLET_ACCESS_READ && greeting->access != MARTLET_ACCESS_CHANGE)) {
        return martlet_fail(MARTLET_STATUS_PROTOCOL_ERROR,
                            "the device at %s greets with port ID %u and access %u, which cannot be",
                            path, greeting->port_id, greeting->access);
    }
    return MARTLET_STATUS_SUCCESS;
}

int greeting_await(const char *path, struct greeting *greeting) {
    size_t length = strlen(path), longest = sizeof((struct sockaddr_un *)NULL)->sun_path - 1;
    if (length == 0) {
        martlet_fail(MARTLET_STATUS_INVALID_PARAMETER, "the path of the device's socket is empty");
        return -1;
    }
    if (length > longest) {
        martlet_fail(MARTLET_STATUS_INVALID_PARAMETER,
                     "the path of the device's socket has %zu bytes, and a socket's has %zu at most",
                     length, longest);
        return -1;
    }
    int descriptor = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    int error = descriptor < 0 ? errno : connect_to(descriptor, path);
    if (error == 0) {
        memset(greeting, 0, sizeof *greeting);
        ssize_t received = receive(descriptor, greeting, sizeof *greeting);
        if (received >= 0 && check(path, greeting, (size_t)received) == MARTLET_STATUS_SUCCESS) return descriptor;
        if (received < 0) error = (int)-received;
    }
    if (error != 0) explain(path, error);
    if (descriptor >= 0) close(descriptor);
    return -1;
}
