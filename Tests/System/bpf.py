"""Small BPF programs at an interface's TCX or XDP hook, for what a test cannot have otherwise."""

import ctypes
import os
import socket
import struct

_LIBC = ctypes.CDLL(None, use_errno=True)
_SYS_BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
_PROG_LOAD, _LINK_CREATE = 5, 28
SCHED_CLS, XDP = 3, 6
TCX_INGRESS, TCX_EGRESS, AT_XDP = 46, 47, 37
TCX_DROP, XDP_PASS = 2, 2


def instruction(code, to=0, source=0, offset=0, value=0):
    return struct.pack("<BBhi", code, source << 4 | to, offset, value)


def returns(value):
    """The program that answers so for every frame."""
    return instruction(0xB7, 0, value=value) + instruction(0x95)


def pushes_tag(mark, tpid, tci):
    """The program that gives packets with a mark (SO_MARK) a VLAN tag, as a VLAN interface would: beside the frame."""
    return b"".join([
        instruction(0x61, 2, 1, 8),  # r2 = skb->mark
        instruction(0x55, 2, offset=3, value=mark),  # leaves out the next three
        instruction(0xB7, 2, value=socket.htons(tpid)),
        instruction(0xB7, 3, value=tci),
        instruction(0x85, value=18),  # bpf_skb_vlan_push
        *[returns(0)],
    ])


def _bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    result = _LIBC.syscall(_SYS_BPF, command, buffer, len(attributes))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "bpf")
    return result


def attach(interface, program, kind, hook, flags=0):
    """Attaches a program to an interface of the namespace of the calling thread; returns the descriptor that holds it."""
    code, license = ctypes.create_string_buffer(program, len(program)), ctypes.create_string_buffer(b"GPL")
    loaded = _bpf(_PROG_LOAD, struct.pack(
        "<IIQQIIQII16sIII", kind, len(program) // 8, ctypes.addressof(code), ctypes.addressof(license), 0, 0, 0, 0, 0,
        b"test", 0, hook if kind == XDP else 0, 0))
    try:
        return _bpf(_LINK_CREATE, struct.pack("<IIIIIIQ", loaded, socket.if_nametoindex(interface), hook, flags, 0, 0, 0)
                    if kind != XDP else struct.pack("<IIII", loaded, socket.if_nametoindex(interface), hook, flags))
    finally:
        os.close(loaded)
