#define _GNU_SOURCE

#include "Overlapped.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "Handles.h"

// MARK: Its life

martlet_overlapped *martlet_overlapped_create(void) {
    martlet_overlapped *overlapped = calloc(1, sizeof *overlapped);
    if (overlapped == NULL) {
        martlet_fail(MARTLET_STATUS_INSUFFICIENT_RESOURCES, "there is no memory for an overlapped request");
        return NULL;
    }
    overlapped->epoll = epoll_create1(EPOLL_CLOEXEC);
    overlapped->counter = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN};
    bool is_ready = overlapped->epoll >= 0 && overlapped->counter >= 0 &&
        epoll_ctl(overlapped->epoll, EPOLL_CTL_ADD, overlapped->counter, &event) == 0;
    int error = errno;
    if (!is_ready || pthread_mutex_init(&overlapped->lock, NULL) != 0) {
        if (overlapped->epoll >= 0) close(overlapped->epoll);
        if (overlapped->counter >= 0) close(overlapped->counter);
        free(overlapped);
        char text[128];
        martlet_fail(MARTLET_STATUS_INSUFFICIENT_RESOURCES, "there are no descriptors for an overlapped request: %s",
                     strerror_r(error, text, sizeof text));
        return NULL;
    }
    overlapped->forks = handle_forks();
    return overlapped;
}

int martlet_overlapped_descriptor(const martlet_overlapped *overlapped) {
    return overlapped == NULL ? -1 : overlapped->epoll;
}

// Whether it is one of this process. One that the parent made shares its descriptors with the parent's.
static bool is_own(const martlet_overlapped *overlapped) {
    if (overlapped == NULL) {
        martlet_fail(MARTLET_STATUS_INVALID_PARAMETER, "the overlapped request is NULL");
        return false;
    }
    if (overlapped->forks == handle_forks()) return true;
    martlet_fail(MARTLET_STATUS_INVALID_HANDLE,
                 "the overlapped request is that of the parent of this process: make another");
    return false;
}

// MARK: Requests. With its lock.

// Lets the connection go.
static void detach(martlet_overlapped *overlapped) {
    epoll_ctl(overlapped->epoll, EPOLL_CTL_DEL, overlapped->connection->socket, NULL);
    uint64_t count;
    ssize_t length = read(overlapped->counter, &count, sizeof count);
    (void)length;
    connection_release(overlapped->connection);
    overlapped->connection = NULL;
}

uint32_t overlapped_begin(martlet_overlapped *overlapped, struct connection *connection, const struct request *request,
                          const void *input, size_t input_length, uint32_t *information) {
    if (!is_own(overlapped)) return martlet_last_error();
    pthread_mutex_lock(&overlapped->lock);
    uint32_t status = MARTLET_STATUS_SUCCESS;
    if (overlapped->connection != NULL) {
        if (connection_has_ended(overlapped->connection, &overlapped->request)) detach(overlapped);
        else status = martlet_fail(MARTLET_STATUS_INVALID_PARAMETER,
                                   "the overlapped request is under way: make another");
    }
    if (status == MARTLET_STATUS_SUCCESS) {
        overlapped->request = *request;
        overlapped->request.event = overlapped->counter;
        overlapped->has_request = false;
        struct epoll_event event = {.events = EPOLLIN};
        if (epoll_ctl(overlapped->epoll, EPOLL_CTL_ADD, connection->socket, &event) != 0) {
            char text[128];
            status = martlet_fail(MARTLET_STATUS_INSUFFICIENT_RESOURCES,
                                  "the overlapped request cannot watch the connection: %s",
                                  strerror_r(errno, text, sizeof text));
        }
    }
    if (status == MARTLET_STATUS_SUCCESS) {
        overlapped->connection = connection_retain(connection);
        status = connection_begin(connection, &overlapped->request, input, input_length, information);
        if (status == MARTLET_STATUS_PENDING) overlapped->has_request = true;
        else detach(overlapped);
    }
    pthread_mutex_unlock(&overlapped->lock);
    return status;
}

// The connection of the request that is under way, or has ended unseen, with a reference for the caller; NULL if there
// is none.
static struct connection *connection_of(martlet_overlapped *overlapped) {
    pthread_mutex_lock(&overlapped->lock);
    struct connection *connection = overlapped->connection == NULL ? NULL : connection_retain(overlapped->connection);
    pthread_mutex_unlock(&overlapped->lock);
    return connection;
}

// What has been found out of a request that has ended.
static uint32_t seen(martlet_overlapped *overlapped, const struct connection *connection, uint32_t *information) {
    pthread_mutex_lock(&overlapped->lock);
    if (connection != NULL && overlapped->connection == connection) detach(overlapped);
    uint32_t status = overlapped->has_request
        ? connection_result(&overlapped->request, information)
        : martlet_fail(MARTLET_STATUS_INVALID_PARAMETER, "the overlapped request has not been used");
    pthread_mutex_unlock(&overlapped->lock);
    return status;
}

static uint32_t result(martlet_overlapped *overlapped, uint32_t *information, int milliseconds) {
    struct connection *connection = connection_of(overlapped);
    uint32_t status = MARTLET_STATUS_PENDING;
    if (connection == NULL || connection_wait(connection, &overlapped->request, milliseconds)) {
        status = seen(overlapped, connection, information);
    }
    if (connection != NULL) connection_release(connection);
    return status;
}

static uint32_t cancel(martlet_overlapped *overlapped) {
    struct connection *connection = connection_of(overlapped);
    if (connection == NULL) return MARTLET_STATUS_SUCCESS;
    uint32_t status = connection_cancel(connection, &overlapped->request);
    connection_release(connection);
    return status;
}

// MARK: The interface. A thread that is cancelled inside would leave the others without a leader.

uint32_t martlet_overlapped_result(martlet_overlapped *overlapped, uint32_t *information, int milliseconds) {
    if (information != NULL) *information = 0;
    if (!is_own(overlapped)) return martlet_last_error();
    int state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    uint32_t status = result(overlapped, information, milliseconds);
    pthread_setcancelstate(state, NULL);
    return status;
}

uint32_t martlet_overlapped_cancel(martlet_overlapped *overlapped) {
    if (!is_own(overlapped)) return martlet_last_error();
    int state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    uint32_t status = cancel(overlapped);
    pthread_setcancelstate(state, NULL);
    return status;
}

void martlet_overlapped_destroy(martlet_overlapped *overlapped) {
    if (overlapped == NULL) return;
    if (overlapped->forks == handle_forks()) {
        int state;
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
        cancel(overlapped);
        struct connection *connection = connection_of(overlapped);
        if (connection != NULL) {
            connection_wait(connection, &overlapped->request, -1);
            detach(overlapped);
            connection_release(connection);
        }
        pthread_mutex_destroy(&overlapped->lock);
        pthread_setcancelstate(state, NULL);
    }
    close(overlapped->epoll);
    close(overlapped->counter);
    free(overlapped);
}
