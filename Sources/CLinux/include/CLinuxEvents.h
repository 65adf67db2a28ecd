// Waiting for descriptors: epoll and eventfd.

#ifndef CLINUX_EVENTS_H
#define CLINUX_EVENTS_H

#include <sys/epoll.h>
#include <sys/eventfd.h>

#endif
