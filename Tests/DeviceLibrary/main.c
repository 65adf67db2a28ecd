// Runs the tests that are named, or all that need no datapath, each in a process of its own; a test that leaves
// descriptors behind fails.

#define _GNU_SOURCE

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "Tests.h"

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {
#define TEST(name) {#name, test_##name},
    TEST(paths) TEST(greetings) TEST(refusals) TEST(silent_server) TEST(wrong_answers) TEST(second_answer)
    TEST(server_goes_away)
    TEST(handles) TEST(inputs_and_outputs) TEST(overlapped) TEST(cancelling) TEST(closing_with_pended_requests)
    TEST(destroying) TEST(timeouts) TEST(flood) TEST(forks) TEST(descriptors)
    TEST(closing_while_others_wait) TEST(another_thread_takes_the_answer) TEST(lead_is_handed_on) TEST(signals)
    TEST(thread_cancellation) TEST(transactions_and_pends) TEST(cancelling_one_of_many) TEST(opening_and_closing)
    TEST(real_device)
};

static int descriptors(void) {
    DIR *directory = opendir("/proc/self/fd");
    int count = 0;
    while (readdir(directory) != NULL) count++;
    closedir(directory);
    return count;
}

static int run(size_t index) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        alarm(120);
        int before = descriptors();
        tests[index].run();
        int after = descriptors();
        if (after != before) {
            fprintf(stderr, "%d descriptors are left\n", after - before);
            _exit(1);
        }
        exit(0);  // with what the sanitizers have to say
    }
    int status;
    waitpid(child, &status, 0);
    printf("%s: ", tests[index].name);
    if (status == 0) printf("passed\n");
    else if (WIFSIGNALED(status)) printf("FAILED (signal %d)\n", WTERMSIG(status));
    else printf("FAILED (%d)\n", WEXITSTATUS(status));
    return status == 0;
}

int main(int count, char **names) {
    int failed = 0, found = 0;
    for (size_t index = 0; index < sizeof tests / sizeof *tests; index++) {
        int is_wanted = count == 1 && strcmp(tests[index].name, "real_device") != 0;
        for (int name = 1; name < count; name++) is_wanted |= strcmp(names[name], tests[index].name) == 0;
        if (!is_wanted) continue;
        found++;
        failed += !run(index);
    }
    if (found < count - 1) fprintf(stderr, "some of these are no tests\n");
    return failed > 0 || found == 0 || found < count - 1;
}
