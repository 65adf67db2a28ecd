"""Random frames for the extraction of flow keys: right ones, and such that lie or are cut off.

A frame is made from the inside out. Each header remembers which of its bytes say how it is to be read (lengths, types,
offsets), and a frame that is to be wrong is changed there more often than anywhere else.
"""

import struct

ETHER_TYPES = (0x88B5, 0x0600, 0x0601, 0x88CC, 0x8863, 0x9100, 0xFFFF)


class Part:
    """Bytes, and the places in them (offset, size) that decide how they are read."""

    def __init__(self, data=b"", marks=()):
        self.data, self.marks = data, list(marks)

    def behind(self, header, *marks):
        """This part with a header in front of it."""
        return Part(header + self.data, [*marks, *((offset + len(header), size) for offset, size in self.marks)])


class RandomFrames:
    def __init__(self, random):
        self.random = random

    def frame(self):
        """The bytes of a frame; at least one, as a capture of Open vSwitch's cannot have less."""
        part = self._ethernet()
        data = bytearray(part.data)
        if self._is(0.5):
            for _ in range(self.random.choice((1, 1, 1, 2, 3))):
                self._spoil(data, part.marks)
        return bytes(data) or b"\0"

    def _is(self, probability):
        return self.random.random() < probability

    def _bytes(self, count):
        return self.random.randbytes(count)

    def _choose(self, *makers):
        """What one of the functions makes; (weight, function) each."""
        weights, functions = zip(*makers)
        return self.random.choices(functions, weights)[0]()

    # Lies

    def _spoil(self, data, marks):
        """Makes a frame wrong in one way."""
        self._choose(
            (6, lambda: self._lie(data, marks)),
            (4, lambda: self._cut(data, marks)),
            (1, lambda: data.extend(self._bytes(self.random.choice((1, 6, 46, 300))))),
            (1, lambda: self._flip(data)))

    def _lie(self, data, marks):
        places = [(offset, size) for offset, size in marks if offset + size <= len(data)]
        if not places:
            return
        offset, size = self.random.choice(places)
        old, top = int.from_bytes(data[offset:offset + size]), (1 << 8 * size) - 1
        less, any_value = self.random.randint(0, old), self.random.randint(0, top)
        new = self.random.choice((0, 1, old - 1, old + 1, old - 8, old + 8, less, less, old * 2,
                                  old ^ 1 << 8 * size - 1, top, any_value))
        data[offset:offset + size] = (new & top).to_bytes(size)

    def _cut(self, data, marks):
        """Cuts a frame off, anywhere or near a place that matters."""
        end = self.random.randrange(1, len(data) + 1)
        if marks and self._is(0.5):
            end = self.random.choice(marks)[0] + self.random.randint(-1, 12)
        del data[max(min(end, len(data)), 1):]

    def _flip(self, data):
        for _ in range(self.random.randint(1, 4)):
            data[self.random.randrange(len(data))] ^= 1 << self.random.randrange(8)

    # Link layer

    def _ethernet(self):
        kind, part = self._choose(
            (40, lambda: (0x0800, self._ipv4())), (50, lambda: (0x86DD, self._ipv6())),
            (8, lambda: (self.random.choice((0x0806, 0x0806, 0x8035)), self._arp())),
            (12, lambda: (self.random.choice((0x8847, 0x8848)), self._mpls())), (8, lambda: (0x894F, self._nsh())),
            (3, lambda: (self.random.choice(ETHER_TYPES), Part(self._bytes(self.random.randrange(60))))))
        if self._is(0.08):
            kind, part = self._link_control(kind, part)
        part = part.behind(struct.pack(">H", kind), (0, 2))
        for _ in range(self.random.choices((0, 1, 2, 3), (60, 20, 17, 3))[0]):
            tci = self.random.choice((0, 0xFFFF, 0x1000, self.random.randrange(65536)))
            part = part.behind(struct.pack(">HH", self.random.choice((0x8100, 0x8100, 0x88A8)), tci), (0, 2))
        return part.behind(self._bytes(12))

    def _link_control(self, kind, part):
        """An IEEE 802.3 length, and 802.2 behind it, mostly with SNAP."""
        length = self.random.choice((min(len(part.data) + 8, 0x5DC), 0, 0x5FF))
        header = self.random.choice((b"\xaa\xaa", b"\xaa\xaa", b"\xaa\xaa", b"\x42\x42", b"\xaa\xab"))
        header += self.random.choice((b"\3", b"\3", b"\3", b"\0", b"\x43"))
        header += (1 << self.random.randrange(24) if self._is(0.2) else 0).to_bytes(3)
        kind = self.random.choice((kind, kind, kind, kind, kind, 0x5FF, 0))
        return length, part.behind(header + struct.pack(">H", kind), (0, 1), (1, 1), (2, 1), (3, 3), (6, 2))

    # Network layer

    def _ipv4(self):
        protocol, part = self._upper(4)
        options = self._bytes(4 * self.random.choice((0, 0, 0, 0, 1, 2, 10)))
        size = 20 + len(options)
        offset = self.random.choice((1 << self.random.randrange(13), self.random.randint(1, 0x1FFF)))
        fragment = self.random.choices((0, 0x4000, 0x2000, 0x2000 | offset, offset, 0x8000), (40, 20, 8, 6, 6, 2))[0]
        header = struct.pack(">BBHHHBB", 0x40 | size // 4, self.random.randrange(256), size + len(part.data),
                             self.random.randrange(65536), fragment, self.random.randrange(256), protocol)
        return part.behind(header + self._bytes(10) + options, (0, 1), (0, 1), (2, 2), (2, 2), (6, 2), (9, 1))

    def _ipv6(self):
        following, part = self._upper(6)
        count = self.random.choices((0, 1, 2, 4, 8, 32, 33, 40), (50, 25, 15, 6, 3, 1, 2, 1))[0]
        for _ in range(count):
            # A chain that is long because it is long, and not ended by a fragment's offset.
            kind = self.random.choice((0, 43, 51, 60, *((44, 44) if count <= 8 else ())))
            part = self._extension(kind, following, part)
            following = kind
        header = struct.pack(">IHBB", self.random.choice((6, 6, 6, 4)) << 28 | self.random.randrange(1 << 28),
                             len(part.data), following, self.random.randrange(256))
        return part.behind(header + self._bytes(32), (4, 2), (4, 2), (6, 1))

    def _extension(self, kind, following, part):
        if kind == 44:
            offset = self.random.choice((0, 0, 1, 1, 6, 1 << self.random.randrange(16), self.random.randrange(65536)))
            return part.behind(struct.pack(">BBHI", following, self.random.choice((0, 0, 255)), offset,
                                           self.random.randrange(1 << 32)), (0, 1), (2, 2))
        words = self.random.choice((0, 0, 0, 1, 2, 5))
        # The length is in units of eight bytes without the first; of an authentication header, four without two.
        size = (words + 2) * 4 if kind == 51 else (words + 1) * 8
        return part.behind(struct.pack("BB", following, words) + self._bytes(size - 2), (0, 1), (1, 1))

    def _arp(self):
        operation = self.random.choice((1, 2, 3, 4, 255, 256, self.random.randrange(65536)))
        header = struct.pack(">HHBBH", 1, 0x0800, 6, 4, operation)
        return Part(header + self._bytes(20 + self.random.choice((0, 0, 18))), ((0, 2), (2, 2), (4, 1), (5, 1), (6, 2)))

    def _mpls(self):
        part = self._choose((2, self._ipv4), (1, self._ipv6), (1, Part))
        for position in range(self.random.choice((1, 1, 2, 2, 3, 3, 4, 5))):
            entry = self.random.randrange(1 << 32) & ~0x100 | (position == 0) << 8
            part = part.behind(struct.pack(">I", entry), (0, 1), (2, 1))
        return part

    def _nsh(self):
        """RFC 8300: two bits of version, two of flags, six of time to live, six of length in units of four bytes."""
        metadata = self.random.choices((1, 2, self.random.randrange(256)), (6, 4, 1))[0]
        contexts = self._bytes(16 if metadata == 1 else 4 * self.random.choice((0, 0, 1, 4, 20)))
        size = self.random.choice((0, 1)) if self._is(0.05) else 2 + len(contexts) // 4
        following, part = self._choose((2, lambda: (1, self._ipv4())), (1, lambda: (2, self._ipv6())),
                                       (1, lambda: (3, Part(self._bytes(30)))))
        word = self.random.randrange(4) << 12 | self.random.randrange(64) << 6 | size
        header = struct.pack(">HBBI", word, metadata, following, self.random.randrange(1 << 32))
        return part.behind(header + contexts, (0, 2), (1, 1), (2, 1), (2, 1))

    # Transport layer

    def _upper(self, version):
        """A protocol's number, and its header and payload."""
        icmp, other = (1, 58) if version == 4 else (58, 1)
        protocol, part = self._choose(
            (5, lambda: (6, self._tcp())), (4, lambda: (17, self._udp())), (3, lambda: (132, self._sctp())),
            (3, lambda: (icmp, self._icmp())), (6 if version == 6 else 0.5, lambda: (58, self._neighbour())),
            (1, lambda: (other, self._icmp())), (1, lambda: (2, self._icmp())),
            (1, lambda: (self.random.choice((59, 50, 4, 41, 47, 136, 255, self.random.randrange(256))),
                         Part(self._payload()))))
        if self._is(0.08):
            # All lengths in front of it are right, and there is too little.
            part.data = part.data[:self.random.randrange(24)]
        return protocol, part

    def _payload(self):
        return self._bytes(self.random.choice((0, 0, 1, 7, 20, 100)))

    def _tcp(self):
        options = self._bytes(4 * self.random.choice((0, 0, 3, 10)))
        flags = self.random.choice((0x002, 0x012, 0x010, 0x018, 0x000, 0xFFF, self.random.randrange(4096)))
        header = self._bytes(12) + struct.pack(">H", (5 + len(options) // 4) << 12 | flags) + self._bytes(6)
        return Part(header + options + self._payload(), ((12, 1), (12, 1), (12, 2)))

    def _udp(self):
        payload = self._payload()
        return Part(self._bytes(4) + struct.pack(">H", 8 + len(payload)) + self._bytes(2) + payload, ((4, 2),))

    def _sctp(self):
        return Part(self._bytes(12) + self._payload(), ((8, 4),))

    def _icmp(self):
        kind = self.random.choice((0, 3, 8, 128, 129, 135, 136, 255))
        code = self.random.choice((0, 0, 1, 255))
        return Part(bytes((kind, code)) + self._bytes(6) + self._payload(), ((0, 1), (1, 1)))

    def _neighbour(self):
        """A neighbour solicitation or advertisement with options (RFC 4861)."""
        part = Part()
        for _ in range(self.random.choice((0, 1, 1, 2, 2, 3))):
            kind, units = self.random.choice((1, 1, 1, 2, 2, 2, 14)), self.random.choice((1, 1, 1, 1, 1, 2, 4))
            value = bytes(6) if self._is(0.05) else self._bytes(8 * units - 2)
            part = part.behind(struct.pack("BB", kind, units) + value.ljust(8 * units - 2, b"\0"), (0, 1), (1, 1))
        code = self.random.choice((0, 0, 0, 0, 0, 0, 1))
        return part.behind(bytes((self.random.choice((135, 136)), code)) + self._bytes(6 + 16), (0, 1), (1, 1))
