// The tests, each a function that ends the program if something is not as it should be.

#ifndef DEVICE_TEST_TESTS_H
#define DEVICE_TEST_TESTS_H

// WrongServerTests.c: what is no device, or is a wrong one.
void test_paths(void);
void test_greetings(void);
void test_refusals(void);
void test_silent_server(void);
void test_wrong_answers(void);
void test_second_answer(void);
void test_server_goes_away(void);

// CallTests.c: the calls, one thread.
void test_handles(void);
void test_inputs_and_outputs(void);
void test_overlapped(void);
void test_cancelling(void);
void test_closing_with_pended_requests(void);
void test_destroying(void);
void test_timeouts(void);
void test_flood(void);
void test_forks(void);
void test_descriptors(void);

// ThreadTests.c: several threads with one handle.
void test_closing_while_others_wait(void);
void test_another_thread_takes_the_answer(void);
void test_lead_is_handed_on(void);
void test_signals(void);
void test_thread_cancellation(void);
void test_transactions_and_pends(void);
void test_cancelling_one_of_many(void);
void test_opening_and_closing(void);

// The same threads with the device at MARTLET_SOCKET.
void test_real_device(void);

#endif
