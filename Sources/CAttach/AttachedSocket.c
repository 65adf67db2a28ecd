#include "AttachedSocket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "Descriptors.h"
#include "Next.h"

// In `references` while the last one is being given back: the socket is neither in use nor to be used again.
#define ENDING 0x80000000u

static _Atomic(struct attached_socket *) all;

static struct attached_socket *take_unused(void) {
    for (struct attached_socket *socket = atomic_load(&all); socket; socket = socket->next) {
        unsigned unused = 0;
        if (atomic_compare_exchange_strong(&socket->references, &unused, 1)) return socket;
    }
    struct attached_socket *socket = calloc(1, sizeof *socket);
    if (!socket) return NULL;
    atomic_init(&socket->references, 1);
    pthread_mutex_init(&socket->lock, NULL);
    pthread_mutex_init(&socket->pack.lock, NULL);
    socket->next = atomic_load(&all);
    while (!atomic_compare_exchange_weak(&all, &socket->next, socket)) continue;
    return socket;
}

struct attached_socket *attached_create(void) {
    struct attached_socket *socket = take_unused();
    if (!socket) return NULL;
    atomic_store(&socket->has_lost, false);
    atomic_store(&socket->has_more, false);
    atomic_store(&socket->largest_receive, 0);
    atomic_store(&socket->acknowledgements, 0);
    atomic_store(&socket->user_peer, 0);
    atomic_store(&socket->wants_packs, false);
    atomic_store(&socket->has_packs, false);
    atomic_store(&socket->has_rest, false);
    socket->pack.length = 0;
    socket->channel = -1;
    socket->channel_is_bound = false;
    socket->inherited_channel = -1;
    socket->door = (struct door_opened){0};
    socket->namespace_device = socket->namespace_inode = 0;
    socket->port_id = 0;
    socket->speaks_to_martlet = false;
    socket->group_count = 0;
    socket->dump = (struct dump){0};
    socket->kernel_socket = -1;
    socket->kernel_dump = (struct nlmsghdr){0};
    socket->buffer = socket->kernel_buffer = NULL;
    socket->buffer_size = socket->kernel_buffer_size = 0;
    return socket;
}

static void end(struct attached_socket *socket) {
    int error = errno;
    if (socket->channel >= 0) descriptor_close_private(socket->channel);
    if (socket->inherited_channel >= 0) descriptor_close_private(socket->inherited_channel);
    if (socket->kernel_socket >= 0) descriptor_close_private(socket->kernel_socket);
    free(socket->dump.request);
    free(socket->buffer);
    free(socket->kernel_buffer);
    free(socket->pack.buffer);
    socket->pack.buffer = NULL;
    atomic_store(&socket->references, 0);
    errno = error;
}

bool attached_retain(struct attached_socket *socket) {
    unsigned references = atomic_load(&socket->references);
    do {
        if (references == 0 || references == ENDING) return false;
    } while (!atomic_compare_exchange_weak(&socket->references, &references, references + 1));
    return true;
}

void attached_release(struct attached_socket *socket) {
    unsigned references = atomic_load(&socket->references);
    while (!atomic_compare_exchange_weak(&socket->references, &references,
                                         references == 1 ? ENDING : references - 1)) {
        continue;
    }
    if (references == 1) end(socket);
}

void attached_lock(struct attached_socket *socket) {
    int state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    pthread_mutex_lock(&socket->lock);
    socket->cancel_state = state;
}

void attached_unlock(struct attached_socket *socket) {
    int state = socket->cancel_state;
    pthread_mutex_unlock(&socket->lock);
    pthread_setcancelstate(state, NULL);
}

uint8_t *attached_buffer(struct attached_socket *socket, size_t size) {
    if (socket->buffer_size < size) {
        uint8_t *larger = realloc(socket->buffer, size);
        if (!larger) return NULL;
        socket->buffer = larger;
        socket->buffer_size = size;
    }
    return socket->buffer;
}

void attached_after_fork(void) {
    struct attached_socket *first = atomic_load(&all);
    for (struct attached_socket *socket = first; socket; socket = socket->next) {
        // Another thread of the parent may have had the lock, and its calls under way are not the child's.
        pthread_mutex_init(&socket->lock, NULL);
        pthread_mutex_init(&socket->pack.lock, NULL);
        if (atomic_exchange(&socket->references, 1) == 0) continue;
        if (socket->channel >= 0) {
            if (socket->inherited_channel >= 0) descriptor_close_private(socket->inherited_channel);
            socket->inherited_channel = socket->channel;
            socket->channel = -1;
            socket->channel_is_bound = false;
        }
        atomic_store(&socket->has_more, false);
        // What the parent has begun to receive it goes on to receive. The child takes whole datagrams, so that none is left
        // for the other in part.
        atomic_store(&socket->has_packs, false);
        atomic_store(&socket->has_rest, false);
        atomic_store(&socket->wants_packs, true);
        socket->pack.length = 0;
        // What another thread was about to change is not followed, and lost.
        socket->dump = (struct dump){0};
        socket->buffer = socket->kernel_buffer = NULL;
        socket->buffer_size = socket->kernel_buffer_size = 0;
        if (socket->kernel_socket >= 0) descriptor_close_private(socket->kernel_socket);
        socket->kernel_socket = -1;
        socket->kernel_dump = (struct nlmsghdr){0};
    }
    descriptor_count_references();
    for (struct attached_socket *socket = first; socket; socket = socket->next) attached_release(socket);
}
