// Several messages in one system call.

#ifndef CLINUX_MESSAGES_H
#define CLINUX_MESSAGES_H

#include <sys/socket.h>

// The same as struct mmsghdr, which is seen only with _GNU_SOURCE.
struct clinux_mmsghdr {
    struct msghdr header;
    unsigned int length;
};

int clinux_recvmmsg(int descriptor, struct clinux_mmsghdr *messages, unsigned int count, int flags);
int clinux_sendmmsg(int descriptor, struct clinux_mmsghdr *messages, unsigned int count, int flags);

#endif
