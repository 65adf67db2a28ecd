"""What the kernel's datapath and Open vSwitch in user space make of a frame, written down a third time.

Both extract the same key from almost every frame. Where they do not, the code below asks `differs` with the name of the
rule, and both ways are written there: so each difference is predicted on both sides, and nothing else may differ.
`DIFFERENCES` says why, and docs/compatibility.md for people.

The sources are net/openvswitch/flow.c (`key_extract`, with `ipv6_find_hdr`) and lib/flow.c (`miniflow_extract`).
"""

import ipaddress
import struct

from key_text import DROPPED, NO_ETHER_TYPE, key

DIFFERENCES = {
    "short frame": "a frame shorter than an Ethernet header is dropped; user space gives it a key of zeros",
    "SNAP control byte": "a SNAP header counts whatever its control byte; user space wants 3",
    "IPv4 length impossible": "the total length is not looked at; where it is less than the header or more than the "
                              "frame has, user space leaves all of IP zero",
    "IPv4 padding": "the total length is not looked at; user space finds no transport header behind it",
    "IPv6 length impossible": "the payload length is not looked at; where it is more than the frame has, user space "
                              "leaves all of IP zero",
    "IPv6 padding": "the payload length is not looked at; user space finds no header behind it",
    "IPv6 extension header cut off": "two bytes of an extension header say what follows it, also behind the frame's "
                                     "end, and a chain without end is protocol 59; user space wants the whole header, "
                                     "and otherwise keeps the addresses alone",
    "atomic fragment": "an IPv6 packet with a fragment header is a first fragment; user space: only if more follow",
    "more than 32 extension headers": "protocol 59: Martlet's bound (the newest kernels have one of 12); user space "
                                      "walks on",
    "IGMP": "has no key of its own; user space takes its type and code for ports",
    "ICMP in IPv6": "is no ICMP; user space takes its type and code for ports",
    "ICMPv6 in IPv4": "is no ICMPv6; user space takes its type and code for ports",
    "NSH malformed": "the frame is dropped; user space leaves NSH zero",
    "NSH with another metadata type": "the frame is dropped; user space takes the base header",
    "NSH length below the base header": "is taken for metadata type 2; user space leaves NSH zero",
}

_EXTENSIONS = (0, 43, 44, 51, 60)
_FLAGS = ("fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns", "[200]", "[400]", "[800]")


class Reference:
    """A frame's key: `Reference(frame, user=False).key` as the kernel's datapath has it, `user=True` as user space.

    `rules` are the differences that the frame met, `kinds` the branches it took. What a key of Martlet tells and the
    text of OpenFlow does not is in `tpids` and `mpls_count`.
    """

    def __init__(self, frame, user):
        self.user = user
        self.rules, self.kinds = set(), set()
        self.tpids, self.mpls_count = (), 0
        self.fields = {}
        self.key = DROPPED if self._extract(frame) is DROPPED else key(**self.fields)

    def differs(self, rule):
        """Notes that the frame is one on which the two differ; says whether this is the way of user space."""
        assert rule in DIFFERENCES, rule
        self.rules.add(rule)
        return self.user

    def _note(self, kind):
        self.kinds.add(kind)

    # Link layer

    def _extract(self, frame):
        if len(frame) < 14:
            self._note("short frame")
            if not self.differs("short frame"):
                return DROPPED
            self.fields["eth_type"] = 0
            return None
        self.fields.update(eth_dst=frame[:6].hex(":"), eth_src=frame[6:12].hex(":"))
        at, vlans = 12, []
        kind, = struct.unpack_from(">H", frame, at)
        while kind in (0x8100, 0x88A8) and len(vlans) < 2:
            if len(frame) - at < 6:
                self._note("tag cut off")
                break
            tci, following = struct.unpack_from(">HH", frame, at + 2)
            vlans.append((tci & 0xFFF, tci >> 13))
            self.tpids += (kind,)
            kind, at = following, at + 4
        self._note(f"{len(vlans)} tags")
        if kind in (0x8100, 0x88A8) and len(vlans) == 2:
            self._note("third tag")
        at += 2
        if kind < 0x600:
            kind, at = self._link_control(frame, at)
        self.fields.update(vlans=tuple(vlans), eth_type=kind)
        reader = {0x0800: self._ipv4, 0x86DD: self._ipv6, 0x0806: self._arp, 0x8035: self._arp, 0x8847: self._mpls,
                  0x8848: self._mpls, 0x894F: self._nsh}.get(kind)
        if not reader:
            self._note("other EtherType")
            return None
        return reader(frame[at:])

    def _link_control(self, frame, at):
        header = frame[at:at + 8]
        if len(header) < 8 or header[:2] != b"\xaa\xaa" or header[3:6] != bytes(3):
            self._note("802.2")
            return NO_ETHER_TYPE, at
        kind, = struct.unpack_from(">H", header, 6)
        if kind < 0x600:
            self._note("SNAP without EtherType")
            return NO_ETHER_TYPE, at
        if header[2] != 3 and self.differs("SNAP control byte"):
            return NO_ETHER_TYPE, at
        self._note("SNAP")
        return kind, at + 8

    # Network layer

    def _ipv4(self, data):
        size = (data[0] & 0x0F) * 4 if data else 0
        if len(data) < 20 or not 20 <= size <= len(data):
            self._note("IPv4 cut off" if len(data) < 20 else "IPv4 header length lies")
            return
        length, = struct.unpack_from(">H", data, 2)
        if not size <= length <= len(data):
            self._note("IPv4 length impossible")
            if self.differs("IPv4 length impossible"):
                return
        elif length < len(data):
            self._note("IPv4 padding")
            if self.differs("IPv4 padding"):
                data = data[:length]
        if size > 20:
            self._note("IPv4 options")
        tos, fragment, ttl, protocol = data[1], struct.unpack_from(">H", data, 6)[0], data[8], data[9]
        self.fields.update(src=_ip(data[12:16]), dst=_ip(data[16:20]), proto=protocol, tos=tos, ttl=ttl)
        if fragment & 0x1FFF:
            self._note("IPv4 later fragment")
            self.fields["frag"] = "later"
            return
        if fragment & 0x2000:
            self._note("IPv4 first fragment")
            self.fields["frag"] = "first"
        self._transport(4, protocol, data[size:])

    def _ipv6(self, data):
        if len(data) < 40:
            self._note("IPv6 cut off")
            return
        first, length, following, ttl = struct.unpack_from(">IHBB", data)
        if 40 + length > len(data):
            self._note("IPv6 length impossible")
            if self.differs("IPv6 length impossible"):
                return
        elif 40 + length < len(data):
            self._note("IPv6 padding")
            if self.differs("IPv6 padding"):
                data = data[:40 + length]
        self.fields.update(src=_ip(data[8:24]), dst=_ip(data[24:40]))
        chain = self._chain(data[40:], following)
        if chain is None:
            return
        protocol, body = chain
        self.fields.update(proto=protocol, tos=first >> 20 & 0xFF, ttl=ttl, label=first & 0xFFFFF)
        if body is not None:
            self._transport(6, protocol, body)

    def _chain(self, data, following):
        """The protocol behind the extension headers, and what follows them if it is to be looked at.

        None if user space gives up.
        """
        headers = 0
        while following in _EXTENSIONS:
            headers += 1
            if headers > 32 and not self.differs("more than 32 extension headers"):
                self._note("IPv6 endless chain")
                return 59, None
            size = 8
            if len(data) >= 2:
                size = {44: 8, 51: (data[1] + 2) * 4}.get(following, (data[1] + 1) * 8)
            if len(data) < max(size, 8):
                self._note("IPv6 extension header cut off")
                if self.differs("IPv6 extension header cut off"):
                    # It has the fragment flag in hand, and does not put it into the key.
                    self.fields.pop("frag", None)
                    return None
            if following == 44 and len(data) >= 2:
                self._note("IPv6 fragment header")
                offset = struct.unpack_from(">H", data, 2)[0] if len(data) >= 4 else None
                # Where Martlet does not follow the kernel: there an extension header must not come next.
                if offset is not None and offset & 0xFFF8:
                    self._note("IPv6 later fragment")
                    self.fields["frag"] = "later"
                    return 44, None
                if offset != 0 or not self.differs("atomic fragment"):
                    self.fields["frag"] = "first"
            if len(data) < {43: 4, 44: 4}.get(following, 2):
                return 59, None
            self._note(f"IPv6 extension {following}")
            following, data = data[0], data[size:]
        if headers > 1:
            self._note("IPv6 chain")
        return following, data

    def _arp(self, data):
        if len(data) < 28 or data[:6] != bytes.fromhex("000108000604"):
            self._note("ARP cut off" if len(data) < 28 else "ARP of something else")
            return
        operation, sha, source, tha, target = struct.unpack_from(">H6s4s6s4s", data, 6)
        self._note("ARP" if operation < 256 else "ARP with a large operation")
        self.fields.update(proto=operation if operation < 256 else 0, src=_ip(source), dst=_ip(target),
                           sha=sha.hex(":"), tha=tha.hex(":"))

    def _mpls(self, data):
        entries = []
        while len(entries) < 3 and len(data) >= 4:
            entries += struct.unpack_from(">I", data)
            data = data[4:]
            if entries[-1] & 0x100:
                break
        self._note(f"{len(entries)} label stack entries")
        # A stack without one whole entry is one of zeros.
        self.mpls_count = max(len(entries), 1)
        self.fields["mpls"] = tuple(entries + [0] * (3 - len(entries)))

    def _nsh(self, data):
        word, metadata, following, path = struct.unpack_from(">HBBI", data.ljust(8, b"\0"))
        size = (word & 0x3F) * 4
        if len(data) < max(size, 8) or word >> 14 or metadata == 1 and size != 24:
            self._note("NSH malformed")
            return None if self.differs("NSH malformed") else DROPPED
        self._note(f"NSH of metadata type {metadata if metadata in (1, 2) else 'other'}")
        if metadata not in (1, 2) and not self.differs("NSH with another metadata type"):
            return DROPPED
        if metadata == 2 and size < 8 and self.differs("NSH length below the base header"):
            return None
        contexts = struct.unpack_from(">IIII", data, 8) if metadata == 1 else (0,) * 4
        self.fields["nsh"] = (word >> 12 & 3, word >> 6 & 0x3F, metadata, following, path >> 8, path & 0xFF, *contexts)
        return None

    # Transport layer

    def _transport(self, version, protocol, data):
        def ports(size, name):
            if len(data) < size:
                self._note(name + " cut off")
                return False
            self._note(f"{name} over IPv{version}")
            self.fields["tp_src"], self.fields["tp_dst"] = struct.unpack_from(">HH", data)
            return True

        def type_and_code(name):
            if len(data) < 8:
                self._note(name + " cut off")
                return False
            self._note(name)
            self.fields["tp_src"], self.fields["tp_dst"] = data[0], data[1]
            return True

        if protocol == 6:
            size = (data[12] >> 4) * 4 if len(data) >= 20 else 20
            if not 20 <= size <= max(len(data), 20):
                self._note("TCP data offset lies")
            elif ports(20, "TCP"):
                bits = struct.unpack_from(">H", data, 12)[0]
                self.fields["tcp_flags"] = frozenset(name for bit, name in enumerate(_FLAGS) if bits >> bit & 1)
                if size > 20:
                    self._note("TCP options")
        elif protocol == 17:
            ports(8, "UDP")
        elif protocol == 132:
            ports(12, "SCTP")
        elif (version, protocol) == (4, 1):
            type_and_code("ICMP")
        elif (version, protocol) == (6, 58):
            if type_and_code("ICMPv6") and data[0] in (135, 136) and data[1] == 0:
                self._neighbour(data[8:])
        elif protocol in (1, 2, 58):
            rule = {1: "ICMP in IPv6", 2: "IGMP", 58: "ICMPv6 in IPv4"}[protocol]
            if self.differs(rule):
                type_and_code(rule)
        else:
            self._note("other protocol")

    def _neighbour(self, data):
        if len(data) < 16:
            self._note("ND cut off")
            return
        self._note("ND")
        target, data, found = data[:16], data[16:], {}
        while len(data) >= 8:
            kind, size = data[0], data[1] * 8
            if size == 0 or size > len(data):
                self._note("ND option length lies")
                break
            if kind in (1, 2) and size == 8:
                name = {1: "nd_sll", 2: "nd_tll"}[kind]
                if found.get(name, bytes(6)) != bytes(6):
                    self._note("ND option twice")
                    return
                self._note(name)
                found[name] = data[2:8]
            else:
                self._note("other ND option")
            data = data[size:]
        self.fields.update(nd_target=_ip(target), **{name: value.hex(":") for name, value in found.items()})


def _ip(data):
    return str(ipaddress.ip_address(data))
