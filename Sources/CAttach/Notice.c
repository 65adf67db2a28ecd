#include "Notice.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

#include "Next.h"

static const char *const sentences[NOTICE_COUNT] = {
    [NOTICE_ABSENT] = "martlet: nobody listens on %s, so there is no datapath: start `martlet run`, or set "
                      "MARTLET_SOCKET\n",
    [NOTICE_DENIED] = "martlet: %s is not open to this user, so there is no datapath: be root or in the socket's "
                      "group\n",
    [NOTICE_OTHER_NAMESPACE] = "martlet: %s is of another network namespace, so there is no datapath: run this program "
                               "in that of `martlet run`\n",
    [NOTICE_UNFIT] = "martlet: who answers on %s has no netlink door of this version, so there is no datapath: use the "
                     "library that came with it\n",
    [NOTICE_ENDED] = "martlet: the datapath on %s has ended: requests fail until `martlet run` is there again\n",
};

void notice(enum notice reason, const char *path) {
    static atomic_bool said[NOTICE_COUNT];
    if (atomic_exchange(&said[reason], true)) return;
    char line[512];
    int length = snprintf(line, sizeof line, sentences[reason], path);
    if (length >= (int)sizeof line) {
        length = sizeof line - 1;
        line[length - 1] = '\n';
    }
    if (length > 0) (void)!NEXT(write)(STDERR_FILENO, line, (size_t)length);
}
