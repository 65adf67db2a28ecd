"""Collectors of sFlow and IPFIX: they receive datagrams from ovs-vswitchd and read them."""

import socket
import struct
import time


class Collector:
    """A UDP socket in the switch's namespace."""

    def __init__(self, ovs):
        def listen():
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            udp.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
            udp.bind(("127.0.0.1", 0))
            return udp

        self.socket = ovs.socket("sw", listen)
        self.target = f"127.0.0.1:{self.socket.getsockname()[1]}"

    def close(self):
        self.socket.close()

    def read(self, datagram):
        """The samples of a datagram."""
        raise NotImplementedError

    def collect(self, enough, seconds=5):
        """Receives until `enough`, given the list of samples, says so; fails if it does not in time."""
        samples, deadline = [], time.monotonic() + seconds
        while not enough(samples):
            self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                samples += self.read(self.socket.recv(65536))
            except TimeoutError:
                raise AssertionError(f"not enough samples within {seconds} s: {len(samples)}") from None
        return samples

    def collect_all(self, quiet=1.2):
        """Receives until there has been nothing for a while; ovs-vswitchd sends at least once a second."""
        samples = []
        self.socket.settimeout(quiet)
        while True:
            try:
                samples += self.read(self.socket.recv(65536))
            except TimeoutError:
                return samples


class SFlow(Collector):
    """sFlow version 5 (sflow.org): samples of flows, as dictionaries."""

    def read(self, datagram):
        version, family = struct.unpack_from(">II", datagram)
        if (version, family) != (5, 1):
            raise AssertionError(f"sFlow version {version}, agent's address of type {family}")
        count, = struct.unpack_from(">I", datagram, 24)
        at, samples = 28, []
        for _ in range(count):
            kind, length = struct.unpack_from(">II", datagram, at)
            if kind == 1:
                samples.append(self.flow_sample(datagram[at + 8:at + 8 + length]))
            at += 8 + length
        return samples

    @staticmethod
    def flow_sample(data):
        _, _, rate, pool, drops, source, destination, count = struct.unpack_from(">8I", data)
        sample, at = {"rate": rate, "pool": pool, "drops": drops, "input": source, "output": destination}, 32
        for _ in range(count):
            kind, length = struct.unpack_from(">II", data, at)
            record = data[at + 8:at + 8 + length]
            if kind == 1:
                _, sample["length"], sample["stripped"], size = struct.unpack_from(">4I", record)
                sample["header"] = record[16:16 + size]
            elif kind == 1001:
                sample["vlans"] = struct.unpack_from(">4I", record)
            at += 8 + length
        return sample


class IPFIX(Collector):
    """IPFIX (RFC 7011): data records as dictionaries from an information element's number to its bytes.

    Numbers of an enterprise are pairs (enterprise, number).
    """

    def __init__(self, ovs):
        super().__init__(ovs)
        self.templates = {}

    def read(self, datagram):
        version, length, _, _, domain = struct.unpack_from(">HHIII", datagram)
        if (version, length) != (10, len(datagram)):
            raise AssertionError(f"IPFIX version {version}, length {length} of {len(datagram)}")
        records, at = [], 16
        while at < len(datagram):
            kind, length = struct.unpack_from(">HH", datagram, at)
            body = datagram[at + 4:at + length]
            if kind == 2:
                self.read_templates(domain, body)
            elif (domain, kind) in self.templates:
                records += [{"domain": domain, **record} for record in self.read_records(domain, kind, body)]
            at += length
        return records

    def read_templates(self, domain, body):
        at = 0
        while at + 4 <= len(body):
            number, count = struct.unpack_from(">HH", body, at)
            at, fields = at + 4, []
            for _ in range(count):
                element, length = struct.unpack_from(">HH", body, at)
                at += 4
                if element & 0x8000:
                    element = (struct.unpack_from(">I", body, at)[0], element & 0x7FFF)
                    at += 4
                fields.append((element, length))
            self.templates[domain, number] = fields

    def read_records(self, domain, number, body):
        at, fields = 0, self.templates[domain, number]
        while at < len(body):
            record = {}
            for element, length in fields:
                if length == 0xFFFF:
                    length, at = body[at], at + 1
                    if length == 0xFF:
                        length, at = struct.unpack_from(">H", body, at)[0], at + 2
                record[element] = body[at:at + length]
                at += length
            yield record
