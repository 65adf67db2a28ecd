#include "Handles.h"

#include <stdlib.h>

// A handle is a serial number that is never given twice, and below it the place in the table.
#define PLACE_BITS 20
#define PLACE_MASK (((uint64_t)1 << PLACE_BITS) - 1)

struct entry {
    martlet_handle handle;  // 0: the place is free
    struct connection *connection;
    size_t next_free;  // of a free place
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry *entries;
static size_t capacity, used;  // places that there are, and that were ever taken
static size_t first_free = SIZE_MAX;
static uint64_t last_serial;
static _Atomic unsigned forks;

// MARK: Forking

static void before_fork(void) {
    pthread_mutex_lock(&lock);
    connections_lock();
}

static void in_parent(void) {
    connections_unlock();
    pthread_mutex_unlock(&lock);
}

static void in_child(void) {
    forks++;
    connections_abandon();
    // The serial numbers go on: the parent's handles are never the child's.
    used = 0;
    first_free = SIZE_MAX;
    in_parent();
}

__attribute__((constructor)) static void prepare(void) { pthread_atfork(before_fork, in_parent, in_child); }

unsigned handle_forks(void) { return forks; }

// MARK: The table

// A free place, or SIZE_MAX.
static size_t free_place(void) {
    if (first_free != SIZE_MAX) {
        size_t place = first_free;
        first_free = entries[place].next_free;
        return place;
    }
    if (used == capacity) {
        size_t more = capacity == 0 ? 16 : capacity * 2;
        if (more > PLACE_MASK + 1) return SIZE_MAX;
        struct entry *grown = realloc(entries, more * sizeof *entries);
        if (grown == NULL) return SIZE_MAX;
        entries = grown;
        capacity = more;
    }
    return used++;
}

martlet_handle handle_make(struct connection *connection) {
    martlet_handle handle = 0;
    pthread_mutex_lock(&lock);
    size_t place = free_place();
    if (place != SIZE_MAX) {
        handle = ++last_serial << PLACE_BITS | place;
        entries[place] = (struct entry){.handle = handle, .connection = connection};
    }
    pthread_mutex_unlock(&lock);
    if (handle == 0) martlet_fail(MARTLET_STATUS_INSUFFICIENT_RESOURCES, "this process has no room for another handle");
    return handle;
}

static struct entry *find(martlet_handle handle) {
    size_t place = handle & PLACE_MASK;
    return handle != 0 && place < used && entries[place].handle == handle ? &entries[place] : NULL;
}

static struct connection *refuse(martlet_handle handle) {
    martlet_fail(MARTLET_STATUS_INVALID_HANDLE, "%llu is no handle of this process, or it is closed",
                 (unsigned long long)handle);
    return NULL;
}

struct connection *handle_connection(martlet_handle handle) {
    pthread_mutex_lock(&lock);
    struct entry *entry = find(handle);
    struct connection *connection = entry == NULL ? NULL : connection_retain(entry->connection);
    pthread_mutex_unlock(&lock);
    return connection == NULL ? refuse(handle) : connection;
}

struct connection *handle_take(martlet_handle handle) {
    pthread_mutex_lock(&lock);
    struct entry *entry = find(handle);
    struct connection *connection = NULL;
    if (entry != NULL) {
        connection = entry->connection;
        *entry = (struct entry){.next_free = first_free};
        first_free = handle & PLACE_MASK;
    }
    pthread_mutex_unlock(&lock);
    return connection == NULL ? refuse(handle) : connection;
}
