"""Sockets in network namespaces, and cables' ends as packet sockets."""

import ctypes
import errno
import os
import socket
import struct
import threading
import time

import frames

_LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
ETH_P_ALL = 3
SOL_PACKET, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING = 263, 8, 23
TP_STATUS_CSUMNOTREADY, TP_STATUS_VLAN_VALID, TP_STATUS_VLAN_TPID_VALID = 1 << 3, 1 << 4, 1 << 6
SO_RCVBUFFORCE = 33


def in_namespace(name, function, *arguments):
    """Calls a function in a network namespace and returns what it returns. A socket that it makes stays there."""
    results = []

    def call():
        try:
            with open(f"/run/netns/{name}") as namespace:
                if _LIBC.setns(namespace.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), name)
            results.append((function(*arguments), None))
        except BaseException as error:
            results.append((None, error))

    # The namespace is the thread's, so that the thread takes it away when it ends.
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    result, error = results[0]
    if error:
        raise error
    return result


class Wire:
    """A cable's end: sends frames as they are, and receives frames with their VLAN tags where they were.

    The kernel takes the outermost tag out of a frame that it receives; it is put back here.
    """

    def __init__(self, namespace, interface):
        self.interface = interface
        self.socket = in_namespace(namespace, self._open)

    def _open(self):
        packet = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        packet.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        packet.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        packet.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        packet.bind((self.interface, ETH_P_ALL))
        return packet

    def close(self):
        self.socket.close()

    def send(self, *data):
        for frame in data:
            self.socket.send(frame)

    def receive(self, seconds=5):
        """The next frame's bytes; None if there is none in time."""
        self.socket.settimeout(seconds)
        try:
            data, ancillary, _, _ = self.socket.recvmsg(1 << 17, socket.CMSG_SPACE(20))
        except (TimeoutError, BlockingIOError):
            return None
        except OSError as error:
            if error.errno != errno.ENETDOWN:
                raise
            # Told once after the interface went down.
            return self.receive(seconds)
        for level, kind, content in ancillary:
            if (level, kind) != (SOL_PACKET, PACKET_AUXDATA):
                continue
            status, _, _, _, _, tci, tpid = struct.unpack("=IIIHHHH", content)
            if status & TP_STATUS_CSUMNOTREADY:
                raise frames.Malformed(f"{self.interface}: the checksum is not finished: {data.hex()}")
            if status & TP_STATUS_VLAN_VALID:
                tpid = tpid if status & TP_STATUS_VLAN_TPID_VALID else frames.VLAN
                data = data[:12] + struct.pack(">HH", tpid, tci) + data[12:]
        return data

    def receive_all(self, quiet=0.2):
        """The frames that have come and those that follow, until there has been none for a while."""
        received = []
        while (data := self.receive(quiet)) is not None:
            received.append(data)
        return received

    def take(self, count, seconds=5):
        """The next `count` frames; fails if they do not come in time."""
        deadline, received = time.monotonic() + seconds, []
        while len(received) < count:
            data = self.receive(max(deadline - time.monotonic(), 0))
            if data is None:
                raise AssertionError(f"{self.interface}: {len(received)} of {count} frames within {seconds} s")
            received.append(data)
        return received
