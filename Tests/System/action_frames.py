"""Random frames for the tests of actions, and what is right about any frame.

`random_frame` makes the bytes of a frame and its `Headers`, which a generator of actions follows from action to action.
`check` reads bytes and fails where a length or a checksum is wrong. It shares nothing with a datapath.
"""

import copy
import dataclasses
import struct

from frames import (ARP, ICMP, ICMPV6, IPV4, IPV6, MPLS, MPLS_MULTICAST, QINQ, SCTP, TCP, UDP, VLAN, Malformed,
                    pseudo_header, check_transport, crc32c, internet_checksum, ones_complement_sum)

OTHER, NSH, SNAP = 0x88B5, 0x894F, b"\xaa\xaa\x03\0\0\0"
EXTENSIONS = HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION = 0, 43, 44, 51, 60
TRANSPORT_HEADER = {TCP: 20, UDP: 8, SCTP: 12, ICMP: 8, ICMPV6: 8}
TRANSPORT_NAME = {TCP: "tcp", UDP: "udp", SCTP: "sctp", ICMP: "icmp", ICMPV6: "icmpv6"}


@dataclasses.dataclass
class Headers:
    """What a frame has, from the outside in; and what must be known of it beside that."""

    vlans: list = dataclasses.field(default_factory=list)  # (TPID, TCI without the bit 0x1000)
    snap: bool = False
    mpls_type: int = MPLS
    mpls: list = dataclasses.field(default_factory=list)  # entries, as numbers
    layer3: int = OTHER  # IPV4, IPV6, ARP or OTHER
    protocol: int = 0  # as a flow key has it: FRAGMENT for a later fragment of IPv6
    fragment: str = "no"  # no, first, later; or any: an atomic fragment, which datapaths take for one or the other
    routed: bool = False  # a routing header has segments left
    padding: int = 0  # bytes behind the IP packet, where a datapath knows how long that is
    eligible: bool = False  # the outermost tag has the drop eligible indicator
    wrong: bool = False  # a checksum of the transport layer that does not fit, and is to stay so

    def copy(self):
        return copy.deepcopy(self)

    @property
    def ether_type(self):
        return self.mpls_type if self.mpls else self.layer3

    @property
    def transport(self):
        """The name of the transport header that a flow key has; None if it has none."""
        return None if self.fragment == "later" or self.mpls else TRANSPORT_NAME.get(self.protocol)

    def key(self):
        """The part of a flow key from the EtherType on, as text: what the headers are, not their fields."""
        text = f"eth_type({self.ether_type:#06x})"
        if self.mpls:
            entries = (f"label={each >> 12},tc={each >> 9 & 7},ttl={each & 0xFF},bos={each >> 8 & 1}"
                       for each in self.mpls[:3])
            text += f",mpls({','.join(entries)})"
        elif self.layer3 in (IPV4, IPV6):
            text += f",ipv{4 if self.layer3 == IPV4 else 6}(proto={self.protocol}"
            text += ")" if self.fragment == "any" else f",frag={self.fragment})"
            if self.transport:
                text += f",{self.transport}()" + (",tcp_flags(0/0)" if self.transport == "tcp" else "")
        elif self.layer3 == ARP:
            text += ",arp()"
        for tpid, tci in reversed(self.vlans):
            text = f"eth_type({tpid:#06x}),vlan(vid={tci & 0xFFF},pcp={tci >> 13}),encap({text})"
        return text


# Frames


def random_frame(rng, source):
    """A frame from a MAC address (bytes), and its headers."""
    headers = Headers(layer3=rng.choices((IPV4, IPV6, ARP, OTHER), (50, 40, 5, 5))[0])
    body = random_network(rng, headers)
    kind = headers.layer3
    if rng.random() < 0.12 and headers.layer3 != OTHER:
        headers.mpls_type = kind = rng.choice((MPLS, MPLS, MPLS_MULTICAST))
        headers.mpls = [rng.getrandbits(32) & ~0x100 for _ in range(rng.choice((1, 1, 2, 3)))]
        headers.mpls[-1] |= 0x100
        body = b"".join(struct.pack(">I", each) for each in headers.mpls) + body
    if rng.random() < 0.25:
        for _ in range(rng.choice((1, 1, 2))):
            # Now and then with the drop eligible indicator, 0x1000, which no flow key tells from the presence of a tag.
            tci = rng.getrandbits(16) & (0xFFFF if rng.random() < 0.1 else 0xEFFF)
            headers.vlans.append((rng.choice((VLAN, QINQ)), tci))
        headers.eligible = headers.vlans[0][1] & 0x1000 != 0
    if rng.random() < 0.03 and not headers.mpls and not headers.vlans:
        headers.snap = True
    frame = rng.randbytes(6) + source
    frame = bytes((frame[0] & 0xFE,)) + frame[1:] + b"".join(struct.pack(">HH", *tag) for tag in headers.vlans)
    frame += struct.pack(">H", len(body) + 8) + SNAP if headers.snap else b""
    frame += struct.pack(">H", kind) + body
    headers.vlans = [(tpid, tci & 0xEFFF) for tpid, tci in headers.vlans]
    size = len(frame)
    if len(frame) < 60 and rng.random() < 0.5:
        frame += bytes(60 - len(frame))
    elif rng.random() < 0.04 and headers.layer3 in (IPV4, IPV6) and not headers.snap:
        frame += rng.randbytes(rng.randrange(1, 9))  # a trailer that no length counts
    if headers.layer3 in (IPV4, IPV6) and not headers.mpls:
        headers.padding = len(frame) - size
    return frame, headers


def random_network(rng, headers):
    """What stands behind the EtherType `headers.layer3`."""
    if headers.layer3 == ARP:
        return struct.pack(">HHBBH", 1, IPV4, 6, 4, rng.choice((1, 2))) + rng.randbytes(20)
    if headers.layer3 == OTHER:
        return rng.randbytes(rng.randrange(120))
    return _ipv4(rng, headers) if headers.layer3 == IPV4 else _ipv6(rng, headers)


def _ipv4(rng, headers):
    options = b"\x01" * (4 * rng.choice((1, 2, 10))) if rng.random() < 0.2 else b""
    addresses = bytes([10]) + rng.randbytes(3) + bytes([rng.choice((10, 224))]) + rng.randbytes(3)
    offset = rng.choice((0x4000, 0, 0, 0))
    if rng.random() < 0.12:
        headers.fragment = rng.choice(("first", "later"))
        offset = 0x2000 if headers.fragment == "first" else rng.choice((0x2000, 0)) | rng.randrange(1, 100)
    number, body = _transport(rng, headers, addresses[:4], addresses[4:], ICMP)
    headers.protocol = number
    size = 20 + len(options)
    header = struct.pack(">BBHHHBBH", 0x40 | size // 4, rng.getrandbits(8), size + len(body), rng.getrandbits(16),
                         offset, rng.choice((0, 1, 64, 255, rng.getrandbits(8))), number, 0) + addresses + options
    return header[:10] + struct.pack(">H", internet_checksum(header)) + header[12:] + body


def _ipv6(rng, headers):
    source, destination, final = (b"\xfd" + rng.randbytes(15) for _ in range(3))
    chain = []
    if rng.random() < 0.25:
        if rng.random() < 0.3:
            chain.append((HOP_BY_HOP, b"\0\x01\x04\0\0\0\0"))
        if rng.random() < 0.3:
            chain.append((DESTINATION, b"\x01\x01\x0c" + bytes(12)))
        if rng.random() < 0.4:
            left = rng.choice((0, 1))
            headers.routed = left != 0
            chain.append((ROUTING, bytes((2, 0, left)) + bytes(4) + final))
            final = final if left else destination
        else:
            final = destination
        if rng.random() < 0.5:
            headers.fragment = rng.choice(("first", "first", "later", "later", "any"))
            offset = {"first": 1, "any": 0}.get(headers.fragment, rng.randrange(1, 100) << 3 | rng.choice((0, 1)))
            chain.append((FRAGMENT, struct.pack(">BHI", 0, offset, rng.getrandbits(32))))
        if rng.random() < 0.1:
            chain.append((AUTHENTICATION, b"\x01" + bytes(2) + rng.randbytes(8)))
    else:
        final = destination
    number, body = _transport(rng, headers, source, final, ICMPV6)
    headers.protocol = FRAGMENT if headers.fragment == "later" else number
    for kind, rest in reversed(chain):
        body = bytes((number,)) + rest + body
        number = kind
    first = 6 << 28 | rng.getrandbits(8) << 20 | rng.getrandbits(20)
    hop_limit = rng.choice((0, 1, 64, 255, rng.getrandbits(8)))
    return struct.pack(">IHBB", first, len(body), number, hop_limit) + source + destination + body


def _transport(rng, headers, source, destination, icmp):
    """A protocol number and what stands behind the network header."""
    number = rng.choices((TCP, UDP, SCTP, icmp, 47), (30, 30, 15, 10, 5))[0]
    payload = rng.randbytes(rng.choice((0, 1, rng.randrange(60), rng.randrange(200), rng.randrange(900))))
    if headers.fragment == "later":
        return number, payload
    if headers.fragment == "first" and rng.random() < 0.3:
        payload = payload[:len(payload) // 8 * 8]
    ports = rng.randbytes(4)
    if number == TCP:
        options = b"\x01" * (4 * rng.choice((0, 0, 1, 3, 10)))
        body, at = ports + rng.randbytes(8) + bytes((5 + len(options) // 4 << 4, rng.getrandbits(8))) \
            + rng.randbytes(2) + bytes(2) + rng.randbytes(2) + options + payload, 16
    elif number == UDP:
        body, at = ports + struct.pack(">HH", 8 + len(payload), 0) + payload, 6
        if len(source) == 4 and rng.random() < 0.15:
            return number, body
    elif number == SCTP:
        body = ports + rng.randbytes(4) + bytes(4) + payload
        return number, body[:8] + struct.pack("<I", crc32c(body)) + body[12:]
    elif number == icmp:
        body, at = bytes((rng.choice((0, 8, 128, 129, 135, 136)), rng.choice((0, 0, 3)))) + bytes(2) \
            + rng.randbytes(4) + payload, 2
    else:
        return number, payload
    pseudo = b"" if number == ICMP else pseudo_header(source, destination, number, len(body))
    checksum = internet_checksum(pseudo + body)
    if number == UDP:
        checksum = checksum or 0xFFFF
    if rng.random() < 0.03:
        headers.wrong, checksum = True, checksum ^ 0x0F00 or 1
    return number, body[:at] + struct.pack(">H", checksum) + body[at + 2:]


def transport_offset(frame):
    """Where the payload of a frame's IPv4 header, or of its IPv6 header and what extends it, begins; its
    end if that is not there."""
    size, frame, at = len(frame), frame + bytes(64), 12
    while (kind := int.from_bytes(frame[at:at + 2], "big")) in (VLAN, QINQ):
        at += 4
    at += 2 if kind >= 0x600 else 10
    if frame[at] >> 4 == 4:
        return at + (frame[at] & 15) * 4
    number, at = frame[at + 6], at + 40
    while number in EXTENSIONS and at < size:
        number, at = frame[at], at + extension_size(number, frame[at + 1])
    return at


def extension_size(number, length):
    """The bytes of an extension header of IPv6, by what its length field says."""
    return {FRAGMENT: 8, AUTHENTICATION: (length + 2) * 4}.get(number, (length + 1) * 8)


# What is right


def check(frame, cut=False, wrong=False):
    """Fails unless all lengths and checksums of a frame are right.

    `cut`: something may be missing at its end. `wrong`: the checksum of the transport layer was never right.
    """
    try:
        at = 12
        while (kind := struct.unpack_from(">H", frame, at)[0]) in (VLAN, QINQ):
            at += 4
        at += 2
        if kind < 0x600:
            if kind > len(frame) - at and not cut:
                raise Malformed(f"IEEE 802.3 length {kind} of {len(frame) - at}: {frame.hex()}")
            if frame[at:at + 6] == SNAP:
                kind, = struct.unpack_from(">H", frame, at + 6)
                at += 8
        _check_network(kind, frame[at:], cut, wrong)
    except (struct.error, IndexError) as error:
        if not cut:
            raise Malformed(f"cut short ({error}): {frame.hex()}") from None
    except Malformed as error:
        raise Malformed(f"{error}; in {frame.hex()}") from None


def _check_network(kind, data, cut, wrong):
    if kind == NSH:
        size = (data[1] & 0x3F) * 4
        inner = {1: IPV4, 2: IPV6, 4: NSH}.get(data[3])
        return check(data[size:], cut, wrong) if data[3] == 3 else _check_network(inner, data[size:], cut, wrong)
    if kind in (MPLS, MPLS_MULTICAST):
        while not data[2] & 1:
            data = data[4:]
        data = data[4:]
        kind = {4: IPV4, 6: IPV6}.get(data[0] >> 4)
    if kind == IPV4:
        size, (length, _, fragment), number = (data[0] & 15) * 4, struct.unpack_from(">HHH", data, 2), data[9]
        if len(data) < size:
            return cut or _fail("IPv4 header cut short")
        if ones_complement_sum(data[:size]) != 0xFFFF:
            raise Malformed("IPv4 header checksum")
        if length > len(data):
            return cut or _fail(f"IPv4 total length {length} of {len(data)}")
        if not fragment & 0x3FFF and not wrong and number in TRANSPORT_HEADER:
            check_transport(number, data[size:length], data[12:16], data[16:20])
    elif kind == IPV6:
        length, number = struct.unpack_from(">HB", data, 4)
        if length > len(data) - 40:
            return cut or _fail(f"IPv6 payload length {length} of {len(data) - 40}")
        body, destination = data[40:40 + length], data[24:40]
        while number in EXTENSIONS:
            if number == FRAGMENT and body[2:4] != b"\0\0":
                return None
            if number == ROUTING and body[3]:
                destination = body[8:24]
            number, body = body[0], body[extension_size(number, body[1]):]
        if not wrong and number in TRANSPORT_HEADER:
            check_transport(number, body, data[8:24], destination)
    return None


def _fail(message):
    raise Malformed(message)
