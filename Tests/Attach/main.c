// Runs the tests that are named, each in a process of its own; a test that leaves descriptors behind fails.

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "Netlink.h"
#include "Tests.h"

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {
#define TEST(name) {#name, test_##name},
    TEST(addresses) TEST(binding) TEST(transactions) TEST(errors) TEST(several_messages)
    TEST(peeking_and_truncation) TEST(small_pieces) TEST(batches) TEST(waiting) TEST(dumps)
    TEST(memberships)
    TEST(duplicates) TEST(replacing) TEST(ranges) TEST(fork) TEST(fork_of_fork) TEST(bare_clone) TEST(vfork)
    TEST(spawn) TEST(threads_with_sockets_of_their_own) TEST(threads_with_one_socket) TEST(closing_meanwhile)
    TEST(cancelling) TEST(private_numbers)
    TEST(families) TEST(long_dump) TEST(dump_with_a_small_queue) TEST(busy) TEST(transaction_during_a_dump)
    TEST(lost_reply) TEST(lost_events) TEST(events) TEST(events_after_fork) TEST(upcall) TEST(foreign_group)
    TEST(upcalls_together) TEST(upcalls_among_others) TEST(upcalls_of_threads) TEST(upcalls_after_fork) TEST(lost_upcalls)
    TEST(taken_port_id)
#undef TEST
#define SHOW(name) {#name, show_##name},
    SHOW(family) SHOW(outages) SHOW(broken_dump) SHOW(storm) SHOW(overhead) SHOW(latency)
#undef SHOW
};

static int count_descriptors(void) {
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    EXPECT(directory != NULL);
    while (readdir(directory)) count++;
    closedir(directory);
    return count;
}

static void run(void (*test)(void)) {
    alarm(60);
    int before = count_descriptors();
    test();
    EXPECT_EQUAL(count_descriptors(), before);
    exit(0);
}

int main(int count, char **names) {
    int failures = 0;
    // What this program was left by whoever started it is no test's.
    closefrom(3);
    for (int index = 1; index < count; index++) {
        size_t test = 0;
        while (test < sizeof tests / sizeof *tests && strcmp(tests[test].name, names[index]) != 0) test++;
        if (test == sizeof tests / sizeof *tests) {
            fprintf(stderr, "there is no test %s\n", names[index]);
            return 64;
        }
        pid_t child = fork();
        if (child == 0) run(tests[test].run);
        int status;
        EXPECT(waitpid(child, &status, 0) == child);
        if (status != 0) {
            fprintf(stderr, "%s failed: status 0x%x\n", names[index], (unsigned)status);
            failures++;
        }
    }
    return failures > 0;
}
