// What this library says to the person at the terminal: a line on standard error for each reason, once per process.

#ifndef CATTACH_NOTICE_H
#define CATTACH_NOTICE_H

enum notice {
    NOTICE_ABSENT,
    NOTICE_DENIED,
    NOTICE_OTHER_NAMESPACE,
    NOTICE_UNFIT,
    NOTICE_ENDED,
    NOTICE_COUNT,
};

// `path` is the socket that it is about.
void notice(enum notice reason, const char *path);

#endif
