// The bpf system call, as far as dropping frames at an interface's ingress needs it.

#ifndef CLINUX_BPF_H
#define CLINUX_BPF_H

#include <stdint.h>

enum {
    // BPF_TCX_INGRESS of enum bpf_attach_type; Linux 6.6.
    CLINUX_BPF_TCX_INGRESS = 46,
    // TCX_DROP of enum tcx_action_base.
    CLINUX_BPF_TCX_DROP = 2,
    // The most programs that one attach point holds (BPF_MPROG_MAX).
    CLINUX_BPF_MAX_PROGRAMS = 64,
};

// Loads the program "return value" for TCX (BPF_PROG_LOAD, BPF_PROG_TYPE_SCHED_CLS); the name has at most 15 bytes.
int clinux_bpf_load_return(int32_t value, const char *name, const char *license);

// Puts a program in front of all others of an interface's TCX hook (BPF_LINK_CREATE) and gives the link's descriptor.
// Fails with ESTALE if the hook has changed since `revision`; 0 takes any.
int clinux_bpf_link_tcx(int program, uint32_t ifindex, uint32_t attach_type, uint64_t revision);

// Takes a link's program off, although the link's descriptor is still open somewhere (BPF_LINK_DETACH).
int clinux_bpf_link_detach(int link);

// The IDs of the programs at an interface's TCX hook (BPF_PROG_QUERY). `count` is the array's size before and the
// number of programs after the call.
int clinux_bpf_query_tcx(
    uint32_t ifindex, uint32_t attach_type, uint32_t *identifiers, uint32_t *count, uint64_t *revision);

// A descriptor for the program with this ID (BPF_PROG_GET_FD_BY_ID).
int clinux_bpf_open_program(uint32_t identifier);

// The name a program was loaded with (BPF_OBJ_GET_INFO_BY_FD), NUL-terminated.
int clinux_bpf_program_name(int program, char name[16]);

#endif
