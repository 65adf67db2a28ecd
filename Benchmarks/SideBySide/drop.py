"""Drops every frame that an interface receives, as early as the kernel can: a program of two instructions on TCX ingress."""

import ctypes
import os
import platform
import socket
import struct
import sys
import time

BPF_PROG_LOAD, BPF_LINK_CREATE = 5, 28
BPF_PROG_TYPE_SCHED_CLS, BPF_TCX_INGRESS = 3, 46
TC_ACT_SHOT = 2
NUMBERS = {"x86_64": 321, "aarch64": 280, "riscv64": 280}


def bpf(command, attributes):
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(attributes.ljust(128, b"\0"), 128)
    result = libc.syscall(NUMBERS[platform.machine()], command, buffer, 128)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def attach(interface):
    """Frames are dropped for as long as the descriptor that this returns is open."""
    # r0 = TC_ACT_SHOT; exit
    code = ctypes.create_string_buffer(struct.pack("<BBhi", 0xB7, 0, 0, TC_ACT_SHOT) + struct.pack("<BBhi", 0x95, 0, 0, 0))
    license_ = ctypes.create_string_buffer(b"Apache-2.0")
    program = bpf(BPF_PROG_LOAD, struct.pack("=IIQQ", BPF_PROG_TYPE_SCHED_CLS, 2, ctypes.addressof(code),
                                             ctypes.addressof(license_)))
    return bpf(BPF_LINK_CREATE, struct.pack("=IIII", program, socket.if_nametoindex(interface), BPF_TCX_INGRESS, 0))


if __name__ == "__main__":
    attach(sys.argv[1])
    print("ready", flush=True)
    while True:
        time.sleep(3600)
