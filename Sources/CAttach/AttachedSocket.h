// A netlink socket of the program that Martlet serves: what is remembered of it.
//
// What the program holds is a real netlink socket, of protocol NETLINK_USERSOCK and connected to Martlet's, so that
// port ID, receive queue and poll are the kernel's. Beside it stands a connection to Martlet, over which what the
// program sends goes: Martlet has put the replies into the receive queue when the answer is back.

#ifndef CATTACH_ATTACHEDSOCKET_H
#define CATTACH_ATTACHEDSOCKET_H

#include <linux/netlink.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "Door.h"

enum { MAXIMUM_GROUPS = 32 };

// A dump whose next piece Martlet puts into the receive queue when asked.
struct dump {
    uint8_t *request;  // NULL: none is under way
    size_t length;
    uint8_t cursor[DOOR_CURSOR_SIZE];
};

// Upcalls that came in one datagram, which the program receives one by one (Pack.c).
struct pack {
    pthread_mutex_t lock;
    uint8_t *buffer;   // NULL: there never were any
    size_t length;     // of the datagram in the buffer; 0: there is none
    size_t position;   // of the message that comes next
    bool is_taken;     // the datagram is not in the receive queue any more
    struct sockaddr_nl sender;
    size_t control_length;
    // What came beside the datagram: at most a struct timespec or timeval, the network namespace, the port ID and groups
    // of the sender, its credentials and its security context.
    _Alignas(size_t) uint8_t control[512];
};

struct attached_socket {
    atomic_uint references;  // one for each descriptor and for each call under way; see retain
    struct attached_socket *next;  // all that there ever were: the memory is used again, never given back

    // Read and written without the lock.
    atomic_bool has_lost;           // the next receive says ENOBUFS
    atomic_bool has_more;           // a dump is under way, ours or the kernel's
    atomic_uint largest_receive;    // bytes of the largest receive buffer that the program has shown
    atomic_uint acknowledgements;   // DOOR_EXTENDED_ACK, DOOR_CAPPED_ACK
    atomic_uint user_peer;          // the port ID that the program connected to, if not to the kernel's

    atomic_bool wants_packs;        // Martlet has been asked to put several upcalls into a datagram, or will not
    atomic_bool has_packs;          // what is in the receive queue is looked at before it is taken
    atomic_bool has_rest;           // a datagram of upcalls has been taken, and some of them have not been received
    struct pack pack;               // with its own lock

    pthread_mutex_t lock;  // for all that follows
    int cancel_state;      // that of the thread which has the lock

    int channel;              // to Martlet; private; -1: none
    bool channel_is_bound;    // Martlet knows whose it is
    int inherited_channel;    // in a forked child: the parent's, not used, but held until there is another; or -1
    struct door_opened door;  // what Martlet said when the channel was opened
    uint64_t namespace_device, namespace_inode;  // the network namespace of the netlink socket
    uint32_t port_id;         // 0: Martlet was never told
    bool speaks_to_martlet;   // has been used with one of Martlet's families
    uint32_t groups[MAXIMUM_GROUPS];  // joined; the device's numbers
    size_t group_count;
    struct dump dump;

    int kernel_socket;             // private; a real NETLINK_GENERIC socket for the kernel's families; -1: none
    uint32_t kernel_port_id;
    uint8_t *kernel_buffer;        // for its answers
    size_t kernel_buffer_size;
    struct nlmsghdr kernel_dump;   // of the request whose dump is under way there; length 0: none

    uint8_t *buffer;  // for what is sent
    size_t buffer_size;
};

// Returns a socket with one reference and no connection to Martlet; NULL if there is no memory.
struct attached_socket *attached_create(void);

// Takes a reference, unless the socket has none any more.
bool attached_retain(struct attached_socket *socket);

// Gives a reference back. With the last one the connection to Martlet ends.
void attached_release(struct attached_socket *socket);

// While a thread has the lock it is not cancelled.
void attached_lock(struct attached_socket *socket);
void attached_unlock(struct attached_socket *socket);

// Returns the socket's buffer, enlarged to at least so many bytes; NULL if there is no memory. With the lock.
uint8_t *attached_buffer(struct attached_socket *socket, size_t size);

// Makes all sockets those of a forked child, which is this process.
void attached_after_fork(void);

#endif
