// The functions behind the intercepted names: those of libc, or of the next preload library.

#ifndef CATTACH_NEXT_H
#define CATTACH_NEXT_H

#include <fcntl.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define FOR_EACH_INTERCEPTED(X)                                                                                        \
    X(socket) X(bind) X(connect) X(getpeername) X(setsockopt) X(getsockopt)                                            \
    X(send) X(sendto) X(sendmsg) X(sendmmsg) X(write) X(writev)                                                        \
    X(recv) X(recvfrom) X(recvmsg) X(recvmmsg) X(read) X(readv)                                                        \
    X(close) X(close_range) X(dup) X(dup2) X(dup3) X(fcntl) X(fcntl64)

struct next_functions {
#define DECLARE(name) __typeof__(name) *name;
    FOR_EACH_INTERCEPTED(DECLARE)
#undef DECLARE
};

extern struct next_functions next_functions;

// Looks all of them up. A constructor does it; a call that comes before that does it as well.
void next_resolve(void);

// NEXT(read) is the function that the program would have called without this library. Nothing in the library calls
// an intercepted name, only this.
#define NEXT(name) (next_functions.name ? next_functions.name : (next_resolve(), next_functions.name))

#endif
