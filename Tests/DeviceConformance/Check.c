#include "Check.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_HANDLES = 512, CASE_LENGTH = 160 };

/// Memory that a rule has asked for.
struct kept {
    struct kept *next;
    _Alignas(16) uint8_t bytes[];
};

/// A request that a rule has started.
struct started {
    struct started *next;
    struct conformance_request *request;
    struct answer answer;
    uint8_t input[512];
};

struct check {
    const struct conformance_transport *transport;
    const struct conformance_bed *bed;
    const char *rule;
    conformance_report *report;
    void *report_context;
    /// For what follows: rules may use several threads.
    pthread_mutex_t lock;
    char in_case[CASE_LENGTH];
    size_t expectations;
    conformance_handle handles[MOST_HANDLES];
    struct kept *kept;
    struct started *started;
};

// MARK: Expectations

__attribute__((format(printf, 4, 5)))
static void expectation(struct check *check, bool is_so, const char *place, const char *format, ...) {
    pthread_mutex_lock(&check->lock);
    check->expectations++;
    if (!is_so) {
        char words[1024], text[2048];
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(words, sizeof words, format, arguments);
        va_end(arguments);
        snprintf(text, sizeof text, "%s: %s: %s%s%s (%s)", check->transport->name, check->rule, check->in_case,
                 check->in_case[0] != 0 ? ": " : "", words, place);
        check->report(check->report_context, text);
    }
    pthread_mutex_unlock(&check->lock);
}

/// File and line, as failures end with them.
struct place {
    char text[96];
};

static struct place place(const char *file, int line) {
    struct place place;
    const char *slash = strrchr(file, '/');
    snprintf(place.text, sizeof place.text, "%s, %d", slash != NULL ? slash + 1 : file, line);
    return place;
}

#define PLACE place(file, line).text

void expect_equal(struct check *check, const char *file, int line, const char *what, long long got,
                  long long expected) {
    expectation(check, got == expected, PLACE, "%s: expected %lld (0x%llx), got %lld (0x%llx)", what, expected,
                (unsigned long long)expected, got, (unsigned long long)got);
}

void expect_true(struct check *check, const char *file, int line, const char *what, bool is_so) {
    expectation(check, is_so, PLACE, "expected %s, got the contrary", what);
}

void in_case(struct check *check, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    pthread_mutex_lock(&check->lock);
    vsnprintf(check->in_case, sizeof check->in_case, format, arguments);
    pthread_mutex_unlock(&check->lock);
    va_end(arguments);
}

void no_case(struct check *check) { check->in_case[0] = 0; }

static const char *name_of(uint32_t status) {
    switch (status) {
    case MARTLET_STATUS_SUCCESS: return "success";
    case MARTLET_STATUS_PENDING: return "pending";
    case MARTLET_STATUS_INVALID_PARAMETER: return "invalidParameter";
    case MARTLET_STATUS_INVALID_DEVICE_REQUEST: return "invalidDeviceRequest";
    case MARTLET_STATUS_ACCESS_DENIED: return "accessDenied";
    case MARTLET_STATUS_BUFFER_TOO_SMALL: return "bufferTooSmall";
    case MARTLET_STATUS_INVALID_LENGTH: return "invalidLength";
    case MARTLET_STATUS_INSUFFICIENT_RESOURCES: return "insufficientResources";
    case MARTLET_STATUS_DEVICE_BUSY: return "deviceBusy";
    case MARTLET_STATUS_CANCELLED: return "cancelled";
    case MARTLET_STATUS_NOT_FOUND: return "notFound";
    case MARTLET_STATUS_OVERFLOW: return "overflow";
    default: return "a status without a name";
    }
}

void expect_call(struct check *check, const char *file, int line, struct answer answer, uint32_t status,
                 uint32_t information) {
    expectation(check, answer.status == status && answer.information == information, PLACE,
                "expected %s (0x%08x) with information %u, got %s (0x%08x) with %u", name_of(status), status,
                information, name_of(answer.status), answer.status, answer.information);
}

void expect_nothing(struct check *check, const char *file, int line, struct answer answer) {
    expect_call(check, file, line, answer, MARTLET_STATUS_SUCCESS, 0);
}

/// What is found instead of the expected message, in words.
static const char *describe(char *text, size_t size, struct answer answer) {
    const struct nlmsghdr *message = first(answer);
    if (answer.status != MARTLET_STATUS_SUCCESS)
        snprintf(text, size, "the call failed: %s (0x%08x), %u", name_of(answer.status), answer.status,
                 answer.information);
    else if (message == NULL) snprintf(text, size, "%u bytes without a message", answer.information);
    else if (message->nlmsg_type == NLMSG_ERROR)
        snprintf(text, size, "error %d (%s), in %u bytes", -error_of(message), strerror(-error_of(message)),
                 answer.information);
    else snprintf(text, size, "a message of type %u, in %u bytes", message->nlmsg_type, answer.information);
    return text;
}

void expect_reply(struct check *check, const char *file, int line, struct answer answer,
                  const struct message *request) {
    const struct nlmsghdr *asked = header_of(request), *reply = first(answer);
    char text[160];
    bool is_reply = reply != NULL && count_messages(answer.bytes, answer.information) == 1
                    && reply->nlmsg_type == asked->nlmsg_type && reply->nlmsg_seq == asked->nlmsg_seq;
    expectation(check, is_reply, PLACE, "expected a reply of family %u with the sequence number %u, got %s",
                asked->nlmsg_type, asked->nlmsg_seq, describe(text, sizeof text, answer));
}

void expect_error_message(struct check *check, const char *file, int line, const struct nlmsghdr *message,
                          const struct message *request, int error) {
    const struct nlmsghdr *asked = header_of(request);
    bool is_error = message != NULL && message->nlmsg_type == NLMSG_ERROR && message->nlmsg_len >= ERROR_SIZE;
    if (!is_error) {
        expectation(check, false, PLACE, "expected NLMSG_ERROR with error %d, got a message of type %d", error,
                    message != NULL ? message->nlmsg_type : -1);
        return;
    }
    const struct nlmsgerr *content = (const void *)((const uint8_t *)message + NLMSG_HDRLEN);
    expectation(check, content->error == -error, PLACE, "expected error %d (%s), got %d (%s)", error, strerror(error),
                -content->error, strerror(-content->error));
    expectation(check, message->nlmsg_seq == asked->nlmsg_seq, PLACE,
                "expected the error with the request's sequence number %u, got %u", asked->nlmsg_seq,
                message->nlmsg_seq);
    expectation(check, memcmp(&content->msg, asked, sizeof *asked) == 0, PLACE,
                "expected the request's header in the error, got another");
}

void expect_error(struct check *check, const char *file, int line, struct answer answer,
                  const struct message *request, int error) {
    char text[160];
    int count = answer.status == MARTLET_STATUS_SUCCESS ? count_messages(answer.bytes, answer.information) : 0;
    if (count != 1 || first(answer)->nlmsg_type != NLMSG_ERROR)
        expectation(check, false, PLACE, "expected NLMSG_ERROR with error %d (%s), got %s", error, strerror(error),
                    describe(text, sizeof text, answer));
    else expect_error_message(check, file, line, first(answer), request, error);
}

// MARK: Memory

void *keep(struct check *check, size_t size) {
    struct kept *kept = calloc(1, sizeof *kept + size);
    if (kept == NULL) abort();
    pthread_mutex_lock(&check->lock);
    kept->next = check->kept;
    check->kept = kept;
    pthread_mutex_unlock(&check->lock);
    return kept->bytes;
}

// MARK: Handles

static conformance_handle open_with(struct check *check, uint32_t access) {
    uint32_t status = MARTLET_STATUS_SUCCESS;
    conformance_handle handle = check->transport->open(check->transport->context, access, &status);
    expectation(check, handle != 0, "opening", "expected a handle, got %s (0x%08x)", name_of(status), status);
    if (handle == 0) return 0;
    EXPECT_EQUAL(check->transport->access(check->transport->context, handle), access);
    pthread_mutex_lock(&check->lock);
    size_t slot = 0;
    while (slot < MOST_HANDLES && check->handles[slot] != 0) slot++;
    if (slot == MOST_HANDLES) abort();
    check->handles[slot] = handle;
    pthread_mutex_unlock(&check->lock);
    return handle;
}

conformance_handle open_handle(struct check *check) { return open_with(check, MARTLET_ACCESS_CHANGE); }

conformance_handle open_reader(struct check *check) { return open_with(check, MARTLET_ACCESS_READ); }

void close_handle(struct check *check, conformance_handle handle) {
    pthread_mutex_lock(&check->lock);
    for (size_t slot = 0; slot < MOST_HANDLES; slot++)
        if (check->handles[slot] == handle) check->handles[slot] = 0;
    pthread_mutex_unlock(&check->lock);
    EXPECT_EQUAL(check->transport->close(check->transport->context, handle), MARTLET_STATUS_SUCCESS);
}

uint32_t port_id(struct check *check, conformance_handle handle) {
    return check->transport->port_id(check->transport->context, handle);
}

uint32_t largest_input(struct check *check) { return check->transport->largest_input; }

// MARK: I/O controls

struct answer control(struct check *check, conformance_handle handle, uint32_t code, const void *input,
                      size_t input_length, size_t capacity) {
    enum { FENCE = 64, UNTOUCHED = 0xa5 };
    uint8_t *output = keep(check, capacity + FENCE);
    memset(output, UNTOUCHED, capacity + FENCE);
    struct answer answer = {.information = UINT32_MAX, .bytes = output};
    answer.status = check->transport->control(check->transport->context, handle, code, input, input_length, output,
                                              capacity, &answer.information);
    size_t written = capacity + FENCE;
    while (written > 0 && output[written - 1] == UNTOUCHED) written--;
    size_t allowed = answer.status == MARTLET_STATUS_SUCCESS ? answer.information : 0;
    expectation(check, written <= allowed && allowed <= capacity, "any I/O control",
                "code 0x%08x: expected %zu bytes of output in a buffer of %zu, got %zu", code, allowed, capacity,
                written);
    if (allowed > capacity) answer.information = (uint32_t)capacity;
    return answer;
}

struct answer control_code(struct check *check, conformance_handle handle, uint32_t code, size_t capacity) {
    return control(check, handle, code, NULL, 0, capacity);
}

struct answer transact_into(struct check *check, conformance_handle handle, const struct message *request,
                            size_t capacity) {
    return control(check, handle, MARTLET_IOCTL_TRANSACT, request->bytes, header_of(request)->nlmsg_len, capacity);
}

struct answer transact(struct check *check, conformance_handle handle, const struct message *request) {
    return transact_into(check, handle, request, LARGE);
}

struct answer write_message(struct check *check, conformance_handle handle, const struct message *message) {
    return control(check, handle, MARTLET_IOCTL_WRITE, message->bytes, header_of(message)->nlmsg_len, 0);
}

struct answer subscribe(struct check *check, conformance_handle handle, uint32_t queue, uint32_t group,
                        uint32_t join) {
    const uint32_t input[] = {queue, group, join};
    return control(check, handle, MARTLET_IOCTL_SUBSCRIBE, input, sizeof input, 0);
}

struct answer read_event(struct check *check, conformance_handle handle) {
    return control_code(check, handle, MARTLET_IOCTL_READ_EVENT, LARGE);
}

struct answer read_packet(struct check *check, conformance_handle handle) {
    return control_code(check, handle, MARTLET_IOCTL_READ_PACKET, 72 << 10);
}

int drain(struct check *check, conformance_handle handle, uint32_t code) {
    int count = 0;
    // A device that never stops to give must not keep the test for ever.
    while (count < 10000) {
        struct answer answer = control_code(check, handle, code, 72 << 10);
        if (answer.status != MARTLET_STATUS_SUCCESS || answer.information == 0) break;
        count++;
    }
    return count;
}

const struct nlmsghdr *first(struct answer answer) { return behind(answer, NULL); }

const struct nlmsghdr *behind(struct answer answer, const struct nlmsghdr *previous) {
    if (answer.status != MARTLET_STATUS_SUCCESS) return NULL;
    return next_message(answer.bytes, answer.information, previous);
}

// MARK: Requests that may pend

struct conformance_request *start(struct check *check, conformance_handle handle, uint32_t code, const void *input,
                                  size_t length) {
    struct started *started = keep(check, sizeof *started);
    if (length > sizeof started->input) abort();
    if (length > 0) memcpy(started->input, input, length);
    started->answer.status = MARTLET_STATUS_PENDING;
    started->request = check->transport->start(check->transport->context, handle, code, started->input, length, NULL,
                                               0);
    pthread_mutex_lock(&check->lock);
    started->next = check->started;
    check->started = started;
    pthread_mutex_unlock(&check->lock);
    return started->request;
}

struct conformance_request *start_pend(struct check *check, conformance_handle handle, uint32_t queue) {
    return start(check, handle, MARTLET_IOCTL_PEND, &queue, sizeof queue);
}

struct answer result(struct check *check, struct conformance_request *request, int milliseconds) {
    struct answer answer = {.information = 0};
    answer.status = check->transport->result(check->transport->context, request, &answer.information, milliseconds);
    return answer;
}

void cancel(struct check *check, struct conformance_request *request) {
    EXPECT_EQUAL(check->transport->cancel(check->transport->context, request), MARTLET_STATUS_SUCCESS);
}

int descriptor(struct check *check, struct conformance_request *request) {
    return check->transport->descriptor(check->transport->context, request);
}

bool is_pended(struct check *check, conformance_handle handle, struct conformance_request *request) {
    // Requests are carried out in their order: when this one has its answer, the other has been looked at.
    control_code(check, handle, MARTLET_IOCTL_GET_VERSION, 4);
    return result(check, request, 0).status == MARTLET_STATUS_PENDING;
}

// MARK: The bed

void plug(struct check *check, const char *name) { plug_with(check, name, 0, 1500); }

void plug_with(struct check *check, const char *name, uint64_t mac, uint32_t mtu) {
    check->bed->plug(check->bed->context, name, mac, mtu);
}

void unplug(struct check *check, const char *name) { check->bed->unplug(check->bed->context, name); }

void set_carrier(struct check *check, const char *name, bool has_carrier) {
    check->bed->set_carrier(check->bed->context, name, has_carrier);
}

void set_up(struct check *check, const char *name, bool is_up) {
    check->bed->set_up(check->bed->context, name, is_up);
}

void set_mac(struct check *check, const char *name, uint64_t mac) {
    check->bed->set_mac(check->bed->context, name, mac);
}

void set_mtu(struct check *check, const char *name, uint32_t mtu) {
    check->bed->set_mtu(check->bed->context, name, mtu);
}

void rename_interface(struct check *check, const char *name, const char *new_name) {
    check->bed->rename(check->bed->context, name, new_name);
}

void send_frame(struct check *check, const char *name, size_t length, uint16_t source) {
    uint8_t *frame = malloc(length);
    if (frame == NULL) abort();
    make_frame(frame, length, source);
    check->bed->send(check->bed->context, name, frame, length);
    free(frame);
}

size_t receive_frame(struct check *check, const char *name, uint8_t *frame, size_t size) {
    return check->bed->receive(check->bed->context, name, frame, size);
}

size_t open_handles(struct check *check) { return check->bed->open_handles(check->bed->context); }

bool has_handles(struct check *check, size_t count) {
    // A door notices that a connection has ended, but not at once.
    for (int attempt = 0; attempt < SOON; attempt++) {
        if (open_handles(check) == count) return true;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return open_handles(check) == count;
}

int32_t make_datapath(struct check *check, conformance_handle handle, const char *name) {
    struct message new = new_datapath(name, NLM_F_ECHO);
    struct answer answer = transact(check, handle, &new);
    EXPECT_REPLY(answer, &new);
    return first(answer) != NULL ? datapath_of(first(answer)) : 0;
}

uint32_t add_port(struct check *check, conformance_handle handle, int32_t datapath, const char *name,
                  uint32_t upcalls) {
    plug(check, name);
    struct message new = new_vport(datapath, name, upcalls, NLM_F_ECHO);
    struct answer answer = transact(check, handle, &new);
    EXPECT_REPLY(answer, &new);
    return u32_of(attribute(first(answer), OVS_VPORT_ATTR_PORT_NO));
}

void add_flows(struct check *check, conformance_handle handle, int32_t datapath, int count) {
    for (int source = 0; source < count; source++) {
        struct message new = flow(OVS_FLOW_CMD_NEW, datapath, (uint16_t)source, NLM_F_CREATE | NLM_F_ACK);
        EXPECT_ERROR(transact(check, handle, &new), &new, 0);
    }
}

struct answer dump_step(struct check *check, conformance_handle handle, const struct message *request,
                        uint8_t cursor[16], size_t capacity) {
    uint8_t input[16 + sizeof request->bytes];
    memcpy(input, cursor, 16);
    memcpy(input + 16, request->bytes, header_of(request)->nlmsg_len);
    struct answer answer = control(check, handle, MARTLET_IOCTL_DUMP, input, 16 + header_of(request)->nlmsg_len,
                                   capacity);
    if (answer.status == MARTLET_STATUS_SUCCESS && answer.information >= 16) {
        memcpy(cursor, answer.bytes, 16);
        answer.bytes += 16;
        answer.information -= 16;
    }
    return answer;
}

struct answer dump_all(struct check *check, conformance_handle handle, const struct message *request,
                       size_t capacity) {
    static const uint8_t zero[16];
    uint8_t cursor[16] = {0};
    struct answer whole = {.status = MARTLET_STATUS_SUCCESS};
    uint8_t *bytes = keep(check, 1 << 20);
    whole.bytes = bytes;
    for (int step = 0; step < 100000; step++) {
        struct answer piece = dump_step(check, handle, request, cursor, capacity);
        if (piece.status != MARTLET_STATUS_SUCCESS) return piece;
        if (whole.information + piece.information > 1 << 20) break;
        memcpy(bytes + whole.information, piece.bytes, piece.information);
        whole.information += piece.information;
        if (memcmp(cursor, zero, sizeof zero) == 0) return whole;
    }
    expectation(check, false, "any dump", "expected the dump to end, got no end");
    return whole;
}

struct answer snapshot(struct check *check, conformance_handle handle, int32_t datapath) {
    const struct message requests[] = {
        message(MARTLET_FAMILY_DATAPATH, OVS_DP_CMD_GET, DUMP, 0),
        message(MARTLET_FAMILY_VPORT, OVS_VPORT_CMD_GET, DUMP, datapath),
        message(MARTLET_FAMILY_FLOW, OVS_FLOW_CMD_GET, DUMP, datapath),
    };
    struct answer whole = {.status = MARTLET_STATUS_SUCCESS};
    uint8_t *bytes = keep(check, 1 << 20);
    whole.bytes = bytes;
    for (size_t each = 0; each < sizeof requests / sizeof *requests; each++) {
        struct message asked = requests[each];
        header(&asked)->nlmsg_seq = 1;
        struct answer part = dump_all(check, handle, &asked, LARGE);
        if (whole.information + part.information > 1 << 20) break;
        memcpy(bytes + whole.information, part.bytes, part.information);
        whole.information += part.information;
    }
    struct message limits = request(MARTLET_FAMILY_CT_LIMIT, OVS_CT_LIMIT_CMD_GET, 0, 0);
    struct message meter = request(MARTLET_FAMILY_METER, OVS_METER_CMD_GET, 0, datapath);
    header(&limits)->nlmsg_seq = header(&meter)->nlmsg_seq = 1;
    put_u32(&meter, OVS_METER_ATTR_ID, 1);
    for (int each = 0; each < 2; each++) {
        struct answer part = transact_into(check, handle, each == 0 ? &limits : &meter, 4096);
        memcpy(bytes + whole.information, part.bytes, part.information);
        whole.information += part.information;
    }
    return whole;
}

bool is_same(struct answer one, struct answer other) {
    return one.status == other.status && one.information == other.information
           && memcmp(one.bytes, other.bytes, one.information) == 0;
}

// MARK: The rules

extern const struct topic codes_topic, transactions_topic, acknowledgements_topic, room_topic, dumps_topic,
    subscriptions_topic, events_topic, reading_topic, waiting_topic, write_and_read_topic, control_topic,
    datapaths_topic, vports_topic, flows_topic, packets_topic, netdevs_topic, meters_topic, limits_topic, access_topic,
    handles_topic, legacy_topic;

static const struct topic *const topics[] = {
    &codes_topic, &transactions_topic, &acknowledgements_topic, &room_topic, &dumps_topic, &subscriptions_topic,
    &events_topic, &reading_topic, &waiting_topic, &write_and_read_topic, &control_topic, &datapaths_topic,
    &vports_topic, &flows_topic, &packets_topic, &netdevs_topic, &meters_topic, &limits_topic, &access_topic,
    &handles_topic, &legacy_topic,
};

static const struct rule *rule_at(size_t index, const struct topic **topic) {
    for (size_t each = 0; each < sizeof topics / sizeof *topics; each++) {
        *topic = topics[each];
        if (index < topics[each]->count) return &topics[each]->rules[index];
        index -= topics[each]->count;
    }
    abort();
}

size_t conformance_rule_count(void) {
    size_t count = 0;
    for (size_t each = 0; each < sizeof topics / sizeof *topics; each++) count += topics[each]->count;
    return count;
}

const char *conformance_rule_topic(size_t index) {
    const struct topic *topic;
    rule_at(index, &topic);
    return topic->name;
}

const char *conformance_rule_name(size_t index) {
    const struct topic *topic;
    return rule_at(index, &topic)->name;
}

uint32_t conformance_rule_needs(size_t index) {
    const struct topic *topic;
    return rule_at(index, &topic)->needs;
}

size_t conformance_check(size_t index, const struct conformance_transport *transport,
                         const struct conformance_bed *bed, conformance_report *report, void *report_context) {
    const struct topic *topic;
    const struct rule *rule = rule_at(index, &topic);
    struct check state = {.transport = transport, .bed = bed, .rule = rule->name, .report = report,
                          .report_context = report_context};
    struct check *check = &state;
    pthread_mutex_init(&check->lock, NULL);
    rule->check(check);
    no_case(check);
    for (size_t slot = 0; slot < MOST_HANDLES; slot++)
        if (check->handles[slot] != 0) transport->close(transport->context, check->handles[slot]);
    // Whatever the rule has left under way has ended with its handle.
    for (struct started *each = check->started; each != NULL; each = each->next) {
        expectation(check, result(check, each->request, SOON).status != MARTLET_STATUS_PENDING, "at the end",
                    "expected a request to end with its handle, got none");
        transport->release(transport->context, each->request);
    }
    expectation(check, has_handles(check, 0), "at the end", "expected no open handle, got %zu", open_handles(check));
    while (check->kept != NULL) {
        struct kept *next = check->kept->next;
        free(check->kept);
        check->kept = next;
    }
    pthread_mutex_destroy(&check->lock);
    return check->expectations;
}
