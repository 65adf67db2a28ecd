#!/usr/bin/env python3
"""Shows what a datapath has, and then what happens on it: ports that come and go, and packets that no flow matched.

    watch.py [--count LINES]

The same as examples/c/watch.c without any library: only what docs/device.md says of the Unix socket. It changes nothing.
"""

import argparse
import os
import select
import socket
import struct
import sys

# I/O controls, statuses, families, groups.
DUMP, SUBSCRIBE, PEND, READ_EVENT = 0xAFC86002, 0xAFC86004, 0xAFC86008, 0xAFC8440A
SUCCESS, OVERFLOW = 0, 0x80000005
DATAPATH, PACKET, VPORT, FLOW = 18, 19, 20, 21
VPORT_GROUP, PACKET_GROUP = 101, 104
# Of Netlink, and of linux/openvswitch.h.
ERROR, DONE, REQUEST_DUMP = 2, 3, 0x301
NEW, DELETE, GET, MISS = 1, 2, 3, 1
IN_PORT = 3


class Device:
    """A handle."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.connect(path)
        greeting = self.socket.recv(64)
        if len(greeting) < 32 or greeting[:8] != b"MARTLET\0" or struct.unpack_from("=I", greeting, 8) != (1,):
            sys.exit(f"watch: what listens at {path} is not a device that is known here")
        status, = struct.unpack_from("=I", greeting, 12)
        if status != SUCCESS:
            sys.exit(f"watch: {path} refuses: status 0x{status:08x}")
        self.largest_output, = struct.unpack_from("=I", greeting, 28)
        self.tag = 0
        self.pended = None  # the tag of the request that is pended
        self.is_ready = False  # whether it has ended

    def send(self, code, data, size):
        self.tag = self.tag + 1 & 0xFFFFFFFF
        self.socket.send(struct.pack("=4I", self.tag, code, size, len(data)) + data)
        return self.tag

    def receive(self):
        """An answer: its tag, status, information and output. That of the pended request is kept in mind."""
        answer = self.socket.recv(16 + self.largest_output)
        if not answer:
            sys.exit("watch: the datapath has ended")
        tag, status, information, _ = struct.unpack_from("=4I", answer)
        if tag == self.pended:
            self.pended, self.is_ready = None, True
            if status != SUCCESS:
                sys.exit(f"watch: cannot wait: status 0x{status:08x}")
        return tag, status, information, answer[16:]

    def control(self, code, data=b"", size=0):
        """Carries out an I/O control, and returns its status, information and output."""
        sent = self.send(code, data, size)
        while True:
            tag, *result = self.receive()
            if tag == sent:
                return result

    def must(self, code, data=b"", size=0):
        status, information, output = self.control(code, data, size)
        if status != SUCCESS:
            sys.exit(f"watch: I/O control 0x{code:08x} failed with status 0x{status:08x} ({information})")
        return output

    def dump(self, family, version, ifindex=0):
        """The records of a family: of each the number of its datapath, and its attributes."""
        request = struct.pack("=IHHIIBBHi", 24, family, REQUEST_DUMP, 1, 0, GET, version, 0, ifindex)
        cursor = bytes(16)
        while True:
            output = self.must(DUMP, cursor + request, self.largest_output)
            cursor, rest = output[:16], output[16:]
            while len(rest) >= 16:
                length, kind = struct.unpack_from("=IH", rest)
                if kind in (ERROR, DONE):
                    error, = struct.unpack_from("=i", rest, 16)
                    if error:
                        print(f"watch: the datapath refused: {os.strerror(-error)}", file=sys.stderr)
                else:
                    yield struct.unpack_from("=i", rest, 20)[0], attributes(rest[24:length])
                rest = rest[length + 3 & ~3:]
            if not any(cursor):
                return

    # Events

    def subscribe(self, group):
        self.must(SUBSCRIBE, struct.pack("=3I", 0, group, 1))
        self.pend()

    def pend(self):
        self.is_ready = False
        self.pended = self.send(PEND, struct.pack("=I", 0), 0)

    def events(self):
        """What is queued."""
        while True:
            status, information, output = self.control(READ_EVENT, b"", self.largest_output)
            if status == OVERFLOW:
                print(f"lost  {information} messages", flush=True)
            elif status != SUCCESS:
                sys.exit(f"watch: cannot read: status 0x{status:08x}")
            elif not output:
                return
            else:
                yield output


def attributes(data):
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        found[kind & 0x3FFF] = data[4:length]
        data = data[max(length, 4) + 3 & ~3:]
    return found


def number(payload):
    return struct.unpack_from("=I", payload)[0]


def show_vport(vport):
    print(f"  port {number(vport[1])}: {vport[3].rstrip(bytes(1)).decode()}", flush=True)


def show_flow(flow):
    packets, octets = struct.unpack_from("=2Q", flow[3]) if 3 in flow else (0, 0)
    print(f"  flow: key of {len(flow[1])} bytes, actions of {len(flow[2])}, {packets} packets, {octets} bytes")


def show_event(event):
    kind, = struct.unpack_from("=H", event, 4)
    command, found = event[16], attributes(event[24:])
    if kind == VPORT:
        print({NEW: "new", DELETE: "gone"}.get(command, "changed"), end="")
        show_vport(found)
    elif kind == PACKET:
        port = number(attributes(found[2])[IN_PORT])
        print(f"{'miss' if command == MISS else 'action'}  port {port}: {len(found[1])} bytes", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=sys.maxsize, help="end after so many events and misses")
    left = parser.parse_args().count
    path = os.environ.get("MARTLET_SOCKET", "/run/martlet/device.sock")
    try:
        vports, packets = Device(path), Device(path)
    except OSError as error:
        sys.exit(f"watch: cannot open the device at {path}: {error.strerror}")
    vports.subscribe(VPORT_GROUP)
    packets.subscribe(PACKET_GROUP)
    for ifindex, datapath in vports.dump(DATAPATH, 2):
        print(datapath[1].rstrip(bytes(1)).decode())
        for _, vport in vports.dump(VPORT, 1, ifindex):
            show_vport(vport)
        for _, flow in vports.dump(FLOW, 1, ifindex):
            show_flow(flow)
    print("watching", flush=True)

    poll = select.poll()
    for device in (vports, packets):
        poll.register(device.socket, select.POLLIN)
    while left > 0:
        # The answer may have come with that to another request.
        if not any(device.is_ready for device in (vports, packets)):
            ready = {descriptor for descriptor, _ in poll.poll()}
            for device in (vports, packets):
                if device.socket.fileno() in ready:
                    device.receive()
        for device in (vports, packets):
            if not device.is_ready:
                continue
            for event in device.events():
                show_event(event)
                left -= 1
                if left == 0:
                    return
            device.pend()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
