"""Random flows in the text of `ovs-dpctl`: keys and masks of the whole language, and actions that fit them."""

import ipaddress
import random

MPLS, NSH, VLANS = (0x8847, 0x8848), 0x894F, (0x8100, 0x88A8)
CT_STATES = ("new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat")
TCP_FLAGS = ("fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns")
SLOW_PATHS = ("cfm", "bfd", "lacp", "stp", "lldp", "action", "match")


class Packet:
    """What is known of a packet at a place of an action list."""

    def __init__(self):
        self.ethernet, self.tags, self.type, self.protocol, self.fragment, self.labels = True, 0, None, None, "no", 0
        # What follows a network service header, if the flow matches it.
        self.next = None

    def copy(self):
        other = Packet()
        other.__dict__.update(self.__dict__)
        return other


class Flow:
    def __init__(self, key, actions, ufid):
        self.key, self.actions, self.ufid = key, actions, ufid

    @property
    def text(self):
        return f"ufid:{self.ufid},{self.key}" if self.ufid else self.key


class RandomFlows:
    def __init__(self, seed):
        self.random = random.Random(seed)
        # What is being made is a set action.
        self.sets = False

    def flow(self, number):
        """A flow that no other number has: its recirculation is its own."""
        packet = Packet()
        parts = [f"recirc_id({number:#x})", *self._metadata(), *self._connection(),
                 f"in_port({self._of(1, 'p2', 3, 77, 65534)})", self._tunnel()]
        self._shuffle(parts)
        headers, tuple_text = self._headers(packet)
        key = ",".join(part for part in [*parts, tuple_text, headers] if part)
        actions = ",".join(self._actions(packet)) or ","
        ufid = self.random.randbytes(16).hex() if self._is(0.4) else None
        if ufid:
            ufid = "-".join((ufid[:8], ufid[8:12], ufid[12:16], ufid[16:20], ufid[20:]))
        return Flow(key, actions, ufid)

    # Chance

    def _is(self, probability):
        return self.random.random() < probability

    def _of(self, *values):
        return self.random.choice(values)

    def _shuffle(self, parts):
        self.random.shuffle(parts)

    def _number(self, bits):
        top = (1 << bits) - 1
        return self._of(0, top, self.random.getrandbits(bits), self.random.getrandbits(bits))

    # Values and masks

    def _field(self, name, value, bits, show=str, mask=hex, least=0):
        """`name=value`, with a mask or without, or nothing. `least`: bits that the mask has."""
        form = self.random.randrange(4)
        if form == 0 and not least:
            return []
        if form < 3:
            return [f"{name}={show(value)}"]
        bits_of_mask = self._number(bits) | least
        # A set action has no bits outside its mask.
        return [f"{name}={show(value & bits_of_mask if self.sets else value)}/{mask(bits_of_mask)}"]

    def _decimal(self, name, bits, value=None):
        return self._field(name, self._number(bits) if value is None else value, bits)

    def _hex(self, name, bits, value=None):
        return self._field(name, self._number(bits) if value is None else value, bits, hex)

    def _mac(self, name):
        return self._field(name, self._number(48), 48, mac, mac)

    def _ipv4(self, name, least=0):
        return self._field(name, self._number(32) | least, 32, ipv4, ipv4, least)

    def _ipv6(self, name, least=0):
        return self._field(name, self._number(128) | least, 128, ipv6, ipv6, least)

    def _group(self, name, *fields):
        """Fields in any order; as they stand they may all be missing."""
        flat = [each for field in fields for each in field]
        self._shuffle(flat)
        return f"{name}({','.join(flat)})"

    def _masked(self, name, bits):
        """An attribute that is one number."""
        # A set action without a mask has no text.
        value, mask = self._number(bits), self._number(bits) | self.sets
        if self._is(0.5):
            return f"{name}({value:#x})"
        return f"{name}({value & mask if self.sets else value:#x}/{mask:#x})"

    def _signed(self, names):
        """Flags that must be there, and flags that must not."""
        chosen = self.random.sample(names, self.random.randrange(1, len(names)))
        return "".join(self._of("+", "-") + name for name in chosen)

    # Keys

    def _metadata(self):
        names = (("dp_hash", 32), ("skb_priority", 32), ("skb_mark", 32))
        return [self._masked(name, bits) for name, bits in names if self._is(0.4)]

    def _connection(self):
        parts = []
        if self._is(0.4):
            # Without a mask ovs-dpctl 3.1 asks for all 32 bits, of which a datapath has eight.
            parts.append(f"ct_state({self._of(self._signed(CT_STATES), f'{self._number(8):#x}/{self._number(8):#x}')})")
        names = (("ct_zone", 16), ("ct_mark", 32), ("ct_label", 128))
        return parts + [self._masked(name, bits) for name, bits in names if self._is(0.3)]

    def _tunnel(self):
        if self._is(0.6):
            return ""
        # A masked key needs a destination too.
        addresses = ([self._ipv4("src"), self._ipv4("dst", least=1)] if self._is(0.5) else
                     [self._ipv6("ipv6_src"), self._ipv6("ipv6_dst", least=1)])
        ttl = [f"ttl={self._number(8)}" + self._of("", f"/{self._number(8):#x}")]
        fields = [*addresses, ttl, self._hex("tun_id", 64), self._hex("tos", 8), self._decimal("tp_src", 16),
                  self._decimal("tp_dst", 16), self._of([], self._vxlan(), self._geneve(), self._erspan())]
        if self._is(0.5):
            fields.append([f"flags({self._signed(('df', 'csum', 'oam'))})"])
        return self._group("tunnel", *fields)

    def _vxlan(self):
        # A group policy of 0 is left out of the key that ovs-dpctl sends.
        policy = f"{self._number(16) | 1}" + self._of("", f"/{self._number(16) | 1:#x}")
        flags = f"{self._number(8):#x}" + self._of("", f"/{self._number(8):#x}")
        return [f"vxlan(gbp(id={policy},flags={flags}))"]

    def _geneve(self):
        options = ""
        for _ in range(self._of(1, 1, 2, 3)):
            size = 4 * self.random.randrange(6)
            data = f",0x{self.random.randbytes(size).hex()}" if size else ""
            if data and self._is(0.5):
                data += f"/0x{self.random.randbytes(size).hex()}"
            kind = f"class={self._number(16):#x}" + self._of("", f"/{self._number(16):#x}")
            kind += f",type={self._number(8):#x}" + self._of("", f"/{self._number(8):#x}")
            options += f"{{{kind},len={size}{data}}}"
        return [f"geneve({options})"]

    def _erspan(self):
        if self._is(0.5):
            return [f"erspan(ver=1,idx={self._number(20):#x}{self._of('', f'/{self._number(20):#x}')})"]
        return [f"erspan(ver=2,dir={self._of(0, 1)},hwid={self._number(4):#x})"]

    def _headers(self, packet):
        """From the Ethernet header on, and the tuple of the connection that the packet is of."""
        packet.ethernet = self._is(0.85)
        packet.type = self._of(0x0800, 0x0800, 0x86DD, 0x86DD, 0x0806, 0x8035, *MPLS, NSH, 0x88B5)
        inner = ",".join([f"eth_type({packet.type:#06x})", *self._network(packet)])
        if packet.ethernet:
            packet.tags = self._of(0, 0, 1, 2)
            if packet.tags == 2 and self._is(0.1):
                # A third tag, of which nothing but its TPID is looked at.
                packet.type, packet.protocol, inner = 0x8100, None, "eth_type(0x8100)"
            for _ in range(packet.tags):
                tag = self._group("vlan", self._decimal("vid", 12), self._decimal("pcp", 3))
                inner = f"eth_type({self._of(*VLANS):#06x}),{tag},encap({inner})"
            inner = self._group("eth", self._mac("src"), self._mac("dst")) + "," + inner
        return inner, self._tuple(packet)

    def _tuple(self, packet):
        if packet.type not in (0x0800, 0x86DD) or packet.protocol == "nd" or self._is(0.7):
            return ""
        address, version = (self._ipv4, 4) if packet.type == 0x0800 else (self._ipv6, 6)
        return self._group(f"ct_tuple{version}", address("src"), address("dst"), [f"proto={self._of(1, 6, 17)}"],
                           self._decimal("tp_src", 16), self._decimal("tp_dst", 16))

    def _network(self, packet):
        if packet.type in (0x0800, 0x86DD):
            return self._ip(packet)
        if packet.type in (0x0806, 0x8035):
            return [self._group("arp", self._ipv4("sip"), self._ipv4("tip"), self._decimal("op", 8), self._mac("sha"),
                                self._mac("tha"))]
        if packet.type in MPLS:
            packet.labels = self.random.randrange(1, 4)
            return [f"mpls({','.join(self._label() for _ in range(packet.labels))})"]
        if packet.type == NSH:
            context = [self._hex(f"c{index}", 32) for index in (1, 2, 3, 4)] if self._is(0.5) else []
            packet.next = self._of(None, 1, 2, 3, 4, 5)
            next_protocol = [f"np={packet.next}"] if packet.next else self._decimal("np", 8)
            return [self._group("nsh", self._decimal("flags", 2), self._decimal("ttl", 6),
                                [f"mdtype={1 if context else 2}"], next_protocol, self._hex("spi", 24),
                                self._decimal("si", 8), *context)]
        return []

    def _label(self):
        # A stack of which nothing is matched has one entry in the mask, whatever the key has.
        fields = [f"label={self._number(20)}"]
        for name, bits in (("tc", 3), ("ttl", 8), ("bos", 1)):
            fields += self._decimal(name, bits) or [f"{name}=0/0"]
        return ",".join(fields)

    def _ip(self, packet):
        version6 = packet.type == 0x86DD
        protocol = self._of(6, 17, 132, 58 if version6 else 1, 47)
        packet.fragment = self._of("no", "no", "no", "first", "later")
        exact = self._is(0.8)
        packet.protocol = protocol if exact else None
        proto = [f"proto={protocol}" + ("" if exact else f"/{self._of(0, 0xf0, 0x7f):#x}")]
        frag = [f"frag={packet.fragment}"]
        if version6:
            network = self._group("ipv6", self._ipv6("src"), self._ipv6("dst"), self._hex("label", 20), proto,
                                  self._hex("tclass", 8), self._decimal("hlimit", 8), frag)
        else:
            network = self._group("ipv4", self._ipv4("src"), self._ipv4("dst"), proto, self._hex("tos", 8),
                                  self._decimal("ttl", 8), frag)
        if packet.fragment == "later":
            return [network]
        if not exact:
            # The key has ports, as its protocol does, and the mask has none.
            return [network, *{6: ("tcp()", "tcp_flags(0/0)"), 17: ("udp()",), 132: ("sctp()",), 1: ("icmp()",),
                               58: ("icmpv6()",)}.get(protocol, ())]
        return [network, *self._transport(packet, protocol)]

    def _transport(self, packet, protocol):
        names = {6: "tcp", 17: "udp", 132: "sctp"}
        if protocol in names:
            ports = self._group(names[protocol], self._decimal("src", 16), self._decimal("dst", 16))
            if protocol != 6:
                return [ports]
            flags = self._of(self._signed(TCP_FLAGS), "|".join(self.random.sample(TCP_FLAGS, 2)), "0",
                             f"{self._number(12):#x}/{self._number(12) & 0xfff:#x}")
            return [ports, f"tcp_flags({flags})"]
        if protocol == 1:
            return [self._group("icmp", self._decimal("type", 8), self._decimal("code", 8))]
        if protocol != 58:
            return []
        if self._is(0.5):
            # Whatever the mask leaves of 128 is not 135 or 136.
            return [self._group("icmpv6", self._decimal("type", 8, 128), self._decimal("code", 8))]
        packet.protocol = "nd"
        return [self._group("icmpv6", [f"type={self._of(135, 136)}"], self._decimal("code", 8)),
                self._group("nd", self._ipv6("target"), self._mac("sll"), self._mac("tll"))]

    # Actions

    def _actions(self, packet, depth=0):
        return [self._action(packet, depth) for _ in range(self._of(0, 1, 1, 2, 3, 4))]

    def _action(self, packet, depth):
        kinds = [self._output] * 4 + [self._plain] * 2 + [self._userspace] * 2
        kinds += [lambda: self._set(packet)] * 4 + [lambda: self._push_or_pop(packet)] * 3
        if depth < 3:
            kinds += [lambda: self._list(packet, depth)] * 3
        return self._of(*kinds)()

    def _output(self):
        return self._of("1", "2", "3", "77", "65534")

    def _plain(self):
        makers = [
            lambda: f"trunc({self._of(14, 100, 0xffffffff)})", lambda: f"meter({self._number(32)})",
            lambda: f"recirc({self._number(32)})",
            lambda: f"hash({self._of('l4', 'sym_l4')}({self._number(32)}))", lambda: "ct_clear"]
        return self._of(*makers)()

    def _userspace(self):
        port = self._of(1, 4294967295, self._number(32) or 5)
        cookie = self._of(
            lambda: "",
            lambda: f",sFlow(vid={self._number(12)},pcp={self._number(3)},output={self._number(32)})",
            lambda: f",slow_path({self._of('0', '|'.join(self.random.sample(SLOW_PATHS, self._of(1, 2, 7))))})",
            lambda: (f",flow_sample(probability={self._number(16)},collector_set_id={self._number(32)},"
                     f"obs_domain_id={self._number(32)},obs_point_id={self._number(32)},"
                     f"output_port={self._number(32)}{self._of('', ',ingress', ',egress')})"),
            lambda: f",ipfix(output_port={self._number(32)})",
            lambda: (f",controller(reason={self._number(8)},dont_send={self._of(0, 1)},continuation={self._of(0, 1)},"
                     f"recirc_id={self._number(32)},rule_cookie={self._number(64):#x},"
                     f"controller_id={self._number(16)},max_len={self._number(16)})"),
            lambda: f",userdata({self.random.randbytes(self.random.randrange(1, 60)).hex()})")()
        actions = self._of("", "", ",actions")
        return f"userspace(pid={port}{cookie}{actions}{self._of('', '', f',tunnel_out_port={self._number(32)}')})"

    def _set(self, packet):
        # Those of the connection can be installed, though a packet that comes to them is dropped.
        makers = [lambda: self._masked(*self._of(("skb_priority", 32), ("skb_mark", 32), ("ct_mark", 32),
                                                 ("ct_label", 128)))] * 2
        if packet.ethernet:
            makers.append(lambda: self._setting("eth", self._mac("src"), self._mac("dst")))
        if packet.type == 0x0800:
            makers.append(lambda: self._setting("ipv4", self._ipv4("src"), self._ipv4("dst"), self._hex("tos", 8),
                                                self._decimal("ttl", 8)))
        if packet.type == 0x86DD:
            makers.append(lambda: self._setting("ipv6", self._ipv6("src"), self._ipv6("dst"), self._hex("label", 20),
                                                self._hex("tclass", 8), self._decimal("hlimit", 8)))
        name = {6: "tcp", 17: "udp", 132: "sctp"}.get(packet.protocol)
        if name and packet.type in (0x0800, 0x86DD) and packet.fragment != "later":
            makers.append(lambda: self._setting(name, self._decimal("src", 16), self._decimal("dst", 16)))
        if packet.type in MPLS:
            makers.append(lambda: f"mpls({self._label()})")
        self.sets = True
        text = self._of(*makers)()
        self.sets = False
        return f"set({text})"

    def _setting(self, name, *fields):
        """At least one field: a set action that sets nothing has no text."""
        text = self._group(name, *fields)
        return text if "=" in text else self._masked("skb_mark", 32)

    def _push_or_pop(self, packet):
        makers = []
        if packet.ethernet:
            makers += [self._push_vlan, self._pop_vlan, self._add_mpls]
        if not packet.tags:
            if packet.type in (0x0800, 0x86DD, 0x0806, 0x8035, *MPLS):
                makers.append(self._push_mpls)
            if packet.type in MPLS:
                makers += [self._pop_mpls] * 2
        if packet.ethernet and not packet.tags:
            makers.append(self._pop_eth)
        if not packet.ethernet:
            makers.append(self._push_eth)
        if packet.ethernet or packet.type in (0x0800, 0x86DD, NSH, MPLS[0]):
            makers.append(self._push_nsh)
        if packet.type == NSH and packet.next and not packet.ethernet:
            makers.append(self._pop_nsh)
        return self._of(*makers)(packet) if makers else self._output()

    def _push_vlan(self, packet):
        packet.tags += 1
        return (f"push_vlan({self._of('', f'tpid={self._of(*VLANS):#x},')}vid={self._number(12)},"
                f"pcp={self._number(3)})")

    def _pop_vlan(self, packet):
        # As in the kernel, one is enough for a datapath to believe that there is none any more.
        packet.tags = 0
        return "pop_vlan"

    def _push_mpls(self, packet):
        packet.type, packet.protocol = self._of(*MPLS), None
        packet.labels += 1
        return (f"push_mpls(label={self._number(20)},tc={self._number(3)},ttl={self._number(8)},"
                f"bos={self._number(1)},eth_type={packet.type:#x})")

    def _add_mpls(self, packet):
        """Without a flag, which the text has no word for: the frame becomes what the label stack carries."""
        text = self._push_mpls(packet).replace("push", "add")
        packet.ethernet, packet.tags, packet.type = False, 0, None
        return text

    def _pop_mpls(self, packet):
        packet.labels -= 1
        kind = self._of(*MPLS) if packet.labels > 0 else self._of(0x0800, 0x86DD, 0x88B5)
        packet.type = kind if packet.labels > 0 else None
        return f"pop_mpls(eth_type={kind:#x})"

    def _push_eth(self, packet):
        packet.ethernet = True
        return f"push_eth(src={mac(self._number(48))},dst={mac(self._number(48))})"

    def _pop_eth(self, packet):
        packet.ethernet = False
        return "pop_eth"

    def _push_nsh(self, packet):
        packet.type, packet.protocol, packet.tags, packet.ethernet, packet.next = None, None, 0, False, None
        fields = (f"flags={self._number(2)},ttl={self._number(6)},mdtype=1,np={self._of(1, 2, 3)},"
                  f"spi={self._number(24):#x},si={self._number(8)}")
        return f"push_nsh({fields}," + ",".join(f"c{index}={self._number(32):#x}" for index in (1, 2, 3, 4)) + ")"

    def _pop_nsh(self, packet):
        packet.type, packet.ethernet, packet.next = None, packet.next == 3, None
        return "pop_nsh()"

    def _list(self, packet, depth):
        # There is no dec_ttl: Open vSwitch 3.1 has another action of that number.
        def actions():
            return ",".join(self._actions(packet.copy(), depth + 1))

        return self._of(
            lambda: f"clone({actions()})",
            lambda: f"sample(sample={self._of(0, 100, self.random.randrange(1000) / 10)}%,actions({actions()}))",
            lambda: (f"check_pkt_len(size={self._of(64, 1500, 65535)},gt({actions() or 'drop'}),"
                     f"le({actions() or 'drop'}))"))()


def mac(value):
    text = f"{value:012x}"
    return ":".join(text[index:index + 2] for index in range(0, 12, 2))


def ipv4(value):
    return str(ipaddress.IPv4Address(value))


def ipv6(value):
    return str(ipaddress.IPv6Address(value))
