/* The device of Martlet, an Open vSwitch datapath in user space, for programs in C.
 *
 * A program opens the device and gets a handle. A handle takes I/O controls: each has a code, an input and a buffer for
 * the output, and ends with a status. What the inputs and outputs say is Netlink, as <linux/openvswitch.h> has it;
 * which I/O controls there are, and what each takes, is in docs/device.md (installed as share/doc/martlet/device.md).
 *
 * Programs are compiled with `pkg-config --cflags --libs martlet-device`.
 */

#ifndef MARTLET_DEVICE_H
#define MARTLET_DEVICE_H

#include <stddef.h>
#include <stdint.h>

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/openvswitch.h>

#include <martlet/device-numbers.h>

#ifndef MARTLET_API
#define MARTLET_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Statuses that the device does not send: they are this library's. */

/* The handle is closed, was never opened, or belongs to the parent of this process. */
#define MARTLET_STATUS_INVALID_HANDLE 0xc0000008u
/* What came over the socket is not what a device sends. The connection is given up. */
#define MARTLET_STATUS_PROTOCOL_ERROR 0xc0000186u

/* What inputs and outputs begin with. */

/* Of every message: 24 bytes; the attributes are behind it. */
struct martlet_message {
    struct nlmsghdr netlink;
    struct genlmsghdr generic;
    struct ovs_header datapath;
};

/* Input of MARTLET_IOCTL_SUBSCRIBE. */
struct martlet_subscription {
    uint32_t queue; /* MARTLET_QUEUE_* */
    uint32_t group; /* MARTLET_GROUP_*; without meaning for packets */
    uint32_t join;  /* 1 to join, 0 to leave */
};

/* In front of the request and of the messages of MARTLET_IOCTL_DUMP. All zero begins a dump, and all zero in an output
 * says that the dump is complete; what else is inside is the device's business.
 */
struct martlet_cursor {
    uint32_t opaque[MARTLET_CURSOR_SIZE / 4];
};

/* A handle: a number that the same process never gets again. 0 is no handle.
 *
 * Any thread may use it at any time, also several at once. Using it after it was closed fails with
 * MARTLET_STATUS_INVALID_HANDLE and does no harm, also if another thread closes it in the middle of a call. In a forked
 * child it is invalid; the child opens its own.
 */
typedef uint64_t martlet_handle;

/* A request that may take time. It carries one request at a time, and may be used again when that has ended. */
typedef struct martlet_overlapped martlet_overlapped;

/* Opens the device that listens at a path. NULL stands for the environment variable MARTLET_SOCKET, or without it for
 * MARTLET_DEVICE_PATH.
 *
 * Returns 0 on failure. The last error is then one of
 *   MARTLET_STATUS_NOT_FOUND               no datapath is running there
 *   MARTLET_STATUS_ACCESS_DENIED           this process may not; the text says who may
 *   MARTLET_STATUS_INVALID_PARAMETER       the path is empty or too long for a socket
 *   MARTLET_STATUS_INSUFFICIENT_RESOURCES  the device has no more handles, or this process no more descriptors
 *   MARTLET_STATUS_PROTOCOL_ERROR          what listens there is no device of a version known here
 */
MARTLET_API martlet_handle martlet_device_open(const char *path);

/* Closes a handle. What is under way on it ends with MARTLET_STATUS_CANCELLED, also that of other threads. */
MARTLET_API uint32_t martlet_device_close(martlet_handle handle);

/* The handle's port ID, with which the device said hello. 0 if the handle is invalid. */
MARTLET_API uint32_t martlet_device_port_id(martlet_handle handle);

/* MARTLET_ACCESS_READ or MARTLET_ACCESS_CHANGE. 0 if the handle is invalid. */
MARTLET_API uint32_t martlet_device_access(martlet_handle handle);

/* Carries out an I/O control.
 *
 * information, if it is not NULL, gets the bytes put into the output on success, and otherwise what docs/device.md says
 * of the status: the size that suffices, or how many messages were lost.
 *
 * Without `overlapped` the call returns the status when the I/O control has ended; signals do not interrupt it. With it
 * the call returns MARTLET_STATUS_PENDING when the request is sent, and martlet_overlapped_result tells how it ended;
 * any other status says that it was not sent. Until it has ended, nobody touches the output buffer. The input is no
 * longer needed when the call returns.
 *
 * An input larger than the device takes fails with MARTLET_STATUS_INVALID_PARAMETER, and the information is the
 * largest. Once the device has gone away everything fails with MARTLET_STATUS_NOT_FOUND.
 */
MARTLET_API uint32_t martlet_device_control(martlet_handle handle, uint32_t code, const void *input,
                                            size_t input_length, void *output, size_t output_size,
                                            uint32_t *information, martlet_overlapped *overlapped);

/* Makes an overlapped request, which is not under way. NULL and the last error on failure. */
MARTLET_API martlet_overlapped *martlet_overlapped_create(void);

/* Takes it away. If it is under way it is cancelled, and its end is waited for. No other thread may be using it. */
MARTLET_API void martlet_overlapped_destroy(martlet_overlapped *overlapped);

/* A descriptor for poll, select or epoll: it can be read when martlet_overlapped_result may have news. It may also wake
 * for nothing. It stays the same for as long as the overlapped request is there. Never read it, never close it.
 */
MARTLET_API int martlet_overlapped_descriptor(const martlet_overlapped *overlapped);

/* How the request ended; MARTLET_STATUS_PENDING if that did not happen within the milliseconds. -1 waits for ever, 0
 * does not wait. May be called again; MARTLET_STATUS_INVALID_PARAMETER if there was no request.
 */
MARTLET_API uint32_t martlet_overlapped_result(martlet_overlapped *overlapped, uint32_t *information, int milliseconds);

/* Asks the device to cancel the request if it is pended there, and lets all others on the handle be. The request may
 * have ended otherwise meanwhile: its result says. One that is not pended ends by itself. Any thread may call this.
 */
MARTLET_API uint32_t martlet_overlapped_cancel(martlet_overlapped *overlapped);

/* The status of the calling thread's last call that failed, and a sentence that says what was wrong and what to do. The
 * sentence is there until that thread's next failure. MARTLET_STATUS_PENDING is no failure.
 */
MARTLET_API uint32_t martlet_last_error(void);
MARTLET_API const char *martlet_last_error_text(void);

/* What a status means, in words. Never NULL. */
MARTLET_API const char *martlet_status_text(uint32_t status);

#ifdef __cplusplus
}
#endif

#endif
