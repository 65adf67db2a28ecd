#include "CLinuxBPF.h"
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// Parts of union bpf_attr that are newer than many systems' headers.
struct link_create {
    uint32_t program;
    uint32_t ifindex;
    uint32_t attach_type;
    uint32_t flags;
    uint32_t relative;
    uint32_t padding;
    uint64_t expected_revision;
};

struct query {
    uint32_t ifindex;
    uint32_t attach_type;
    uint32_t query_flags;
    uint32_t attach_flags;
    uint64_t program_ids;
    uint32_t count;
    uint32_t padding;
    uint64_t program_attach_flags;
    uint64_t link_ids;
    uint64_t link_attach_flags;
    uint64_t revision;
};

enum { BEFORE_OTHERS = 1 << 3 };  // BPF_F_BEFORE

int clinux_bpf_load_return(int32_t value, const char *name, const char *license) {
    const struct bpf_insn program[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = value},
        {.code = BPF_JMP | BPF_EXIT},
    };
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.prog_type = BPF_PROG_TYPE_SCHED_CLS;
    attributes.insn_cnt = sizeof program / sizeof program[0];
    attributes.insns = (uint64_t)(uintptr_t)program;
    attributes.license = (uint64_t)(uintptr_t)license;
    strncpy(attributes.prog_name, name, sizeof attributes.prog_name - 1);
    return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes);
}

int clinux_bpf_link_tcx(int program, uint32_t ifindex, uint32_t attach_type, uint64_t revision) {
    struct link_create attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.program = (uint32_t)program;
    attributes.ifindex = ifindex;
    attributes.attach_type = attach_type;
    attributes.flags = BEFORE_OTHERS;
    attributes.expected_revision = revision;
    return (int)syscall(SYS_bpf, BPF_LINK_CREATE, &attributes, sizeof attributes);
}

int clinux_bpf_link_detach(int link) {
    struct {
        uint32_t link;
    } attributes = {.link = (uint32_t)link};
    return (int)syscall(SYS_bpf, BPF_LINK_DETACH, &attributes, sizeof attributes);
}

int clinux_bpf_query_tcx(
    uint32_t ifindex, uint32_t attach_type, uint32_t *identifiers, uint32_t *count, uint64_t *revision) {
    struct query attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.ifindex = ifindex;
    attributes.attach_type = attach_type;
    attributes.program_ids = (uint64_t)(uintptr_t)identifiers;
    attributes.count = *count;
    int result = (int)syscall(SYS_bpf, BPF_PROG_QUERY, &attributes, sizeof attributes);
    *count = attributes.count;
    *revision = attributes.revision;
    return result;
}

int clinux_bpf_open_program(uint32_t identifier) {
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.prog_id = identifier;
    return (int)syscall(SYS_bpf, BPF_PROG_GET_FD_BY_ID, &attributes, sizeof attributes);
}

int clinux_bpf_program_name(int program, char name[16]) {
    struct bpf_prog_info information;
    union bpf_attr attributes;
    memset(&information, 0, sizeof information);
    memset(&attributes, 0, sizeof attributes);
    attributes.info.bpf_fd = (uint32_t)program;
    attributes.info.info_len = sizeof information;
    attributes.info.info = (uint64_t)(uintptr_t)&information;
    int result = (int)syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attributes, sizeof attributes);
    memcpy(name, information.name, 16);
    name[15] = 0;
    return result;
}
