#include "Channel.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>

#include "Next.h"

// How long to look for the answer before sleeping: a transaction takes Martlet about 3 µs, while waking up an idle
// processor takes 15 µs and more.
#define SPIN_NANOSECONDS 50000
// Bytes of a request up to which the answer comes so soon. A longer one is a batch, which Martlet can use the processor for.
#define SPIN_LENGTH 1024
// Where the answer does not come so soon, because Martlet has others or no processor, it is looked for ever more rarely: after
// so many times in vain, one time in 64.
#define SPIN_MOST_VAIN 6

static bool several_processors;
static const char *path = DOOR_DEFAULT_PATH;

__attribute__((constructor)) static void look_around(void) {
    cpu_set_t processors;
    // It fails where there are more processors than the set has room for.
    several_processors = sched_getaffinity(0, sizeof processors, &processors) != 0 || CPU_COUNT(&processors) > 1;
    const char *named = getenv("MARTLET_SOCKET");
    if (named && *named) path = named;
}

const char *channel_path(void) { return path; }

static int64_t nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static ssize_t receive(int channel, void *buffer, size_t size, bool spins) {
    static _Thread_local __attribute__((tls_model("initial-exec"))) unsigned vain, skips;
    ssize_t length;
    if (spins && several_processors && skips == 0) {
        int64_t deadline = nanoseconds() + SPIN_NANOSECONDS;
        do {
            length = NEXT(recv)(channel, buffer, size, MSG_DONTWAIT);
            if (length < 0 && (errno == EAGAIN || errno == EINTR)) continue;
            vain = 0;
            return length;
        } while (nanoseconds() < deadline);
        if (vain < SPIN_MOST_VAIN) vain++;
        skips = (1u << vain) - 1;
    } else if (spins && skips > 0) {
        skips--;
    }
    do length = NEXT(recv)(channel, buffer, size, 0);
    while (length < 0 && errno == EINTR);
    return length;
}

static int error_of_status(uint32_t status) {
    switch (status) {
        case DOOR_SUCCESS: return 0;
        case DOOR_INVALID_PARAMETER: return EINVAL;
        case DOOR_INVALID_REQUEST: return EPROTO;
        case DOOR_ACCESS_DENIED: return EPERM;
        case DOOR_NO_RESOURCES: return ENFILE;
        default: return EIO;
    }
}

int channel_control(int channel, enum door_code code, void *request, size_t length, void *output, size_t output_size) {
    static atomic_uint last_tag;
    struct door_request header = {
        .tag = atomic_fetch_add(&last_tag, 1) + 1,
        .code = code,
        .output_size = (uint32_t)output_size,
        .input_length = (uint32_t)(length - sizeof header),
    };
    memcpy(request, &header, sizeof header);
    ssize_t sent;
    do sent = NEXT(send)(channel, request, length, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0) return errno == EMSGSIZE || errno == ENOBUFS || errno == ENOMEM ? errno : ECONNRESET;

    struct {
        struct door_answer header;
        uint8_t output[sizeof(struct door_opened)];  // the largest
    } answer;
    ssize_t received = receive(channel, &answer, sizeof answer, length <= SPIN_LENGTH);
    if (received < (ssize_t)sizeof answer.header || answer.header.tag != header.tag) return ECONNRESET;
    if (answer.header.status != DOOR_SUCCESS) return error_of_status(answer.header.status);
    if (answer.header.output_length != output_size || (size_t)received != sizeof answer.header + output_size) {
        return ECONNRESET;
    }
    if (output_size > 0) memcpy(output, answer.output, output_size);
    return 0;
}

static int connect_to_door(int channel) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) return ENOENT;
    strcpy(address.sun_path, path);
    int result;
    do result = NEXT(connect)(channel, (const struct sockaddr *)&address, sizeof address);
    while (result < 0 && errno == EINTR);
    if (result == 0) return 0;
    return errno == EACCES || errno == EPERM ? EACCES : ENOENT;
}

// The error number that a greeting stands for.
static int error_of_greeting(const struct door_greeting *greeting, ssize_t length) {
    if (length <= 0) return ENOENT;
    if (length < (ssize_t)sizeof *greeting || memcmp(greeting->magic, DOOR_MAGIC, sizeof greeting->magic) != 0
        || greeting->version != DOOR_VERSION) {
        return EPROTO;
    }
    int error = error_of_status(greeting->status);
    return error == EPERM ? EACCES : error;
}

int channel_open(int channel, struct door_opened *opened) {
    int error = connect_to_door(channel);
    if (error != 0) return error;
    struct door_greeting greeting = {0};
    error = error_of_greeting(&greeting, receive(channel, &greeting, sizeof greeting, true));
    if (error != 0) return error;
    struct door_request request;
    error = channel_control(channel, DOOR_NETLINK_OPEN, &request, sizeof request, opened, sizeof *opened);
    return error == ECONNRESET ? ENOENT : error == EINVAL || error == EIO ? EPROTO : error;
}
