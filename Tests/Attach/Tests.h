// The tests, each a function that ends the program if something is not as it should be.

#ifndef ATTACH_TEST_TESTS_H
#define ATTACH_TEST_TESTS_H

// SocketTests.c: what holds for the kernel's own sockets and for attached ones.
void test_addresses(void);
void test_binding(void);
void test_transactions(void);
void test_errors(void);
void test_several_messages(void);
void test_peeking_and_truncation(void);
void test_small_pieces(void);
void test_batches(void);
void test_waiting(void);
void test_dumps(void);
void test_memberships(void);

// DescriptorTests.c: the same, for descriptors, processes and threads.
void test_duplicates(void);
void test_replacing(void);
void test_ranges(void);
void test_fork(void);
void test_fork_of_fork(void);
void test_bare_clone(void);
void test_vfork(void);
void test_spawn(void);
void test_threads_with_sockets_of_their_own(void);
void test_threads_with_one_socket(void);
void test_closing_meanwhile(void);
void test_cancelling(void);
void test_private_numbers(void);

// DatapathTests.c: what only Martlet answers.
void test_families(void);
void test_long_dump(void);
void test_dump_with_a_small_queue(void);
void test_busy(void);
void test_transaction_during_a_dump(void);
void test_lost_reply(void);
void test_lost_events(void);
void test_events(void);
void test_events_after_fork(void);
void test_upcall(void);
void test_upcalls_together(void);
void test_upcalls_among_others(void);
void test_upcalls_of_threads(void);
void test_upcalls_after_fork(void);
void test_lost_upcalls(void);
void test_foreign_group(void);
void test_taken_port_id(void);

// LifeTests.c: driven from outside, by lines on standard input.
void show_family(void);
void show_outages(void);
void show_broken_dump(void);
void show_storm(void);
void show_overhead(void);
void show_latency(void);

#endif
