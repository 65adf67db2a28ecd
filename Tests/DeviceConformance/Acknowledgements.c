// Acknowledgements, echoes and errors.

#include "Check.h"

#include <errno.h>
#include <string.h>

static void acknowledged(struct check *check) {
    conformance_handle handle = open_handle(check);
    struct message new = new_datapath("br0", NLM_F_ACK);
    struct answer answer = transact(check, handle, &new);
    EXPECT_ERROR(answer, &new, 0);
    EXPECT_EQUAL(answer.information, ERROR_SIZE);
    if (first(answer) == NULL) return;
    EXPECT_EQUAL(first(answer)->nlmsg_flags, NLM_F_CAPPED);
}

static void echoed(struct check *check) {
    conformance_handle handle = open_handle(check);
    struct message new = new_datapath("br0", NLM_F_ECHO);
    struct answer answer = transact(check, handle, &new);
    EXPECT_REPLY(answer, &new);
    if (first(answer) == NULL) return;
    EXPECT_EQUAL(generic_of(first(answer))->cmd, OVS_DP_CMD_NEW);
    EXPECT_EQUAL(first(answer)->nlmsg_pid, port_id(check, handle));
    EXPECT(is_string(attribute(first(answer), OVS_DP_ATTR_NAME), "br0"));
}

static void reply_then_acknowledgement(struct check *check) {
    conformance_handle handle = open_handle(check);
    struct message requests[] = {new_datapath("br0", NLM_F_ECHO | NLM_F_ACK), get_datapath("br0")};
    header(&requests[1])->nlmsg_flags |= NLM_F_ACK;
    for (size_t each = 0; each < 2; each++) {
        in_case(check, "command %u", generic_of(header(&requests[each]))->cmd);
        struct answer answer = transact(check, handle, &requests[each]);
        EXPECT_EQUAL(count_messages(answer.bytes, answer.information), 2);
        if (first(answer) == NULL) continue;
        EXPECT_EQUAL(first(answer)->nlmsg_type, MARTLET_FAMILY_DATAPATH);
        EXPECT_EQUAL(first(answer)->nlmsg_seq, header(&requests[each])->nlmsg_seq);
        EXPECT_ERROR_MESSAGE(behind(answer, first(answer)), &requests[each], 0);
    }
}

static void errors_whatever_the_flags(struct check *check) {
    conformance_handle handle = open_handle(check);
    static const uint16_t flags[] = {0, NLM_F_ACK, NLM_F_ECHO, NLM_F_ECHO | NLM_F_ACK};
    for (size_t each = 0; each < sizeof flags / sizeof *flags; each++) {
        in_case(check, "flags 0x%x", flags[each]);
        struct message get = get_datapath("nobody");
        header(&get)->nlmsg_flags |= flags[each];
        EXPECT_ERROR(transact(check, handle, &get), &get, ENODEV);
    }
}

static void words(struct check *check) {
    conformance_handle handle = open_handle(check);
    struct message get = get_datapath("nobody");
    struct answer answer = transact(check, handle, &get);
    EXPECT_ERROR(answer, &get, ENODEV);
    const struct nlmsghdr *error = first(answer);
    if (error == NULL) return;
    EXPECT(error->nlmsg_flags & NLM_F_ACK_TLVS);
    // The whole request follows, and then the words, which name what was not found.
    EXPECT(!(error->nlmsg_flags & NLM_F_CAPPED));
    EXPECT(memcmp((const uint8_t *)error + 20, get.bytes, header(&get)->nlmsg_len) == 0);
    const struct nlattr *text = extended(error, NLMSGERR_ATTR_MSG);
    EXPECT(text != NULL);
    if (text == NULL) return;
    const char *string = payload(text);
    EXPECT(payload_length(text) > 1 && memchr(string, 0, payload_length(text)) == string + payload_length(text) - 1);
    EXPECT(memmem(string, payload_length(text), "nobody", 6) != NULL);
}

static void place_of_the_fault(struct check *check) {
    conformance_handle handle = open_handle(check);
    int32_t datapath = make_datapath(check, handle, "br0");
    // A port number of two bytes, behind a sound name: the second attribute is at fault.
    struct message get = request(MARTLET_FAMILY_VPORT, OVS_VPORT_CMD_GET, 0, datapath);
    put_string(&get, OVS_VPORT_ATTR_NAME, "br0");
    uint32_t place = header(&get)->nlmsg_len;
    put_u16(&get, OVS_VPORT_ATTR_PORT_NO, 1);
    struct answer answer = transact(check, handle, &get);
    EXPECT_ERROR(answer, &get, ERANGE);
    if (first(answer) != NULL) EXPECT_EQUAL(u32_of(extended(first(answer), NLMSGERR_ATTR_OFFS)), place);
    // An action that is not allowed, deep inside.
    struct message new = flow(OVS_FLOW_CMD_NEW, datapath, 1, 0);
    size_t actions = header(&new)->nlmsg_len - 12;
    ((struct nlattr *)(new.bytes + actions + 4))->nla_type = 999;
    answer = transact(check, handle, &new);
    EXPECT_ERROR(answer, &new, EINVAL);
    if (first(answer) != NULL) EXPECT_EQUAL(u32_of(extended(first(answer), NLMSGERR_ATTR_OFFS)), actions + 4);
}

static void errors_in_small_buffers(struct check *check) {
    conformance_handle handle = open_handle(check);
    struct message get = get_datapath("nobody");
    uint32_t whole = transact(check, handle, &get).information;
    EXPECT(whole > ERROR_SIZE);
    for (size_t capacity = ERROR_SIZE; capacity <= whole; capacity++) {
        in_case(check, "a buffer of %zu", capacity);
        struct answer answer = transact_into(check, handle, &get, capacity);
        EXPECT_ERROR(answer, &get, ENODEV);
        const struct nlmsghdr *error = first(answer);
        if (error == NULL) continue;
        // Where the words do not fit they are left out, and the flags say so.
        const struct nlattr *text = extended(error, NLMSGERR_ATTR_MSG);
        EXPECT((text != NULL) == ((error->nlmsg_flags & NLM_F_ACK_TLVS) != 0));
        EXPECT(capacity < whole || text != NULL);
    }
}

static const struct rule rules[] = {
    {"NLM_F_ACK: success is acknowledged by NLMSG_ERROR with error 0", acknowledged, 0},
    {"NLM_F_ECHO: a change is answered with what it came to", echoed, 0},
    {"a reply comes before the acknowledgement", reply_then_acknowledgement, 0},
    {"a refusal is answered by NLMSG_ERROR whatever the flags are", errors_whatever_the_flags, 0},
    {"an error has the whole request, and says in words what was wrong", words, 0},
    {"an error tells the place of the fault in the request", place_of_the_fault, 0},
    {"an error fits every buffer of 36 bytes and more", errors_in_small_buffers, 0},
};

TOPIC(acknowledgements_topic, "acknowledgements and errors", rules);
