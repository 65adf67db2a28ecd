// A device in the test itself, which does as the test wants, also what is wrong.

#ifndef DEVICE_TEST_SERVER_H
#define DEVICE_TEST_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include <martlet/device.h>

#define CHECK(condition) check(condition, #condition, __FILE__, __LINE__)
#define CHECK_EQUAL(value, expected) check_equal(value, expected, #value, __FILE__, __LINE__)

void check(int condition, const char *text, const char *file, int line);
void check_equal(uint64_t value, uint64_t expected, const char *text, const char *file, int line);

// Checks that the last error's sentence has these words.
void check_words(const char *words);

struct wire_greeting {
    char magic[8];
    uint32_t version, status, port_id, access, largest_input, largest_output;
};

struct wire_request {
    uint32_t tag, code, output_size, input_length;
    uint8_t input[131072];
};

struct wire_answer {
    uint32_t tag, status, information, output_length;
    uint8_t output[300000];
};

// I/O controls that only this device has.
#define TEST_HANG MARTLET_CTL_CODE(0x900, 0, 1)   // never answered
#define TEST_RAISE MARTLET_CTL_CODE(0x901, 0, 1)  // what is pended ends well

extern const struct wire_greeting good_greeting;

// Where the device listens.
extern char server_path[108];

// Starts the device: a thread for each connection runs this function, and closes the connection when it returns.
void server_start(void (*serve)(int connection));
void server_stop(void);

// Connections that have ended so far.
unsigned server_ended(void);

// A connection of a device that is right: TRANSACT gives the input back. It greets by itself.
void serve_well(int connection);

// Receives a request. Returns 0 at the end.
int wire_receive(int connection, struct wire_request *request);
void wire_answer(int connection, uint32_t tag, uint32_t status, const void *output, uint32_t length);

#endif
