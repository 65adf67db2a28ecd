"""Random OpenFlow rules for the actions that Open vSwitch 3.1 prints as text and does not parse: push_mpls, pop_mpls,
push_eth, pop_eth, set(nsh).

`ovs-vswitchd` makes flows of its datapath from them, whose text Martlet takes.
"""

import dataclasses
import random
import re
import struct

from action_frames import NSH, Headers, random_frame, random_network
from frames import IPV4, IPV6, MPLS, MPLS_MULTICAST, mac_text

PORTS = ("p2", "p3", "p4")


@dataclasses.dataclass
class RuleCase:
    """A frame and the rules that it takes; `flows` are the datapath's, which come of them."""

    seed: str
    number: int
    frame: bytes
    headers: Headers
    rules: list
    flows: list = dataclasses.field(default_factory=list)  # (key, actions)
    cut, notes = False, frozenset()

    def describe(self):
        return "\n  ".join((f"case {self.number} of ACTION_SEED={self.seed}", f"frame {self.frame.hex()}", *self.rules,
                            *(f"{key}\n    actions: {actions}" for key, actions in self.flows)))


def make_rule_case(seed, number):
    rng = random.Random(f"{seed}/rules/{number}")
    source = bytes((6, 0)) + number.to_bytes(4, "big")
    maker = _Maker(rng, f"in_port=p1,dl_src={mac_text(source)}")
    kind = rng.choice((maker.mpls, maker.mpls, maker.encap, maker.decap, maker.ethernet, maker.add_mpls))
    frame, headers = kind(source)
    return RuleCase(seed, number, frame, headers, maker.rules)


class _Maker:
    def __init__(self, rng, match):
        self.rng, self.match, self.rules = rng, match, []

    def rule(self, match, *actions, table=0):
        text = f"table={table},{self.match}{match} actions={','.join(filter(None, actions))}"
        self.rules.append(text)

    def frame(self, source, **demands):
        """A random frame whose headers have the fields that are demanded."""
        while True:
            frame, headers = random_frame(self.rng, source)
            if all(getattr(headers, name) == value for name, value in demands.items()) \
                    and headers.fragment in ("no", "first") and not headers.eligible and not headers.routed:
                return frame, headers

    def output(self, chance=1.0):
        return f"output:{self.rng.choice(PORTS)}" if self.rng.random() < chance else ""

    def addresses(self, chance=0.7):
        mac = [mac_text(bytes((2,)) + self.rng.randbytes(5)) for _ in range(2)]
        return ",".join(f"set_field:{each}->eth_{field}" for each, field in zip(mac, ("src", "dst"))
                        if self.rng.random() < chance)

    # Label stacks

    def mpls(self, source):
        rng = self.rng
        frame, headers = self.frame(source, layer3=rng.choice((IPV4, IPV6)), vlans=[], snap=False)
        inner = headers.layer3
        labels, actions = len(headers.mpls), []
        for _ in range(rng.randrange(1, 7)):
            step = rng.random()
            if labels == 0 or labels < 3 and step < 0.3:
                actions.append(f"push_mpls:{rng.choice((MPLS, MPLS_MULTICAST)):#x}")
                labels += 1
            elif step < 0.5:
                actions.append(rng.choice((f"set_field:{rng.getrandbits(20)}->mpls_label",
                                           f"set_field:{rng.getrandbits(3)}->mpls_tc",
                                           f"set_mpls_ttl({rng.getrandbits(8)})")))
            elif step < 0.7:
                actions.append(self.output())
            elif step < 0.9:
                labels -= 1
                actions.append(f"pop_mpls:{rng.choice((MPLS, MPLS_MULTICAST)) if labels else inner:#x}")
                if not labels:
                    break
        if labels:
            if rng.random() < 0.3:
                actions.append(f"push_vlan:0x8100,set_field:{rng.randrange(1, 4095) | 0x1000}->vlan_vid")
            actions.append(self.output())
        else:
            # What is inside can be changed when the packet has been looked at again.
            actions.append("resubmit(,1)")
            name = "ip" if inner == IPV4 else "ipv6"
            edits = [f"set_field:{'10.9.8.7' if inner == IPV4 else 'fd09::7'}->{name}_{rng.choice(('src', 'dst'))}",
                     "set_field:7->nw_ttl", f"set_field:{rng.getrandbits(6)}->ip_dscp"]
            self.rule(f",{name}", ",".join(rng.sample(edits, rng.randrange(1, 4))), self.output(0.5),
                      self.addresses(0.4), self.output(), table=1)
        self.rule(f",dl_type={headers.ether_type:#x}", *actions)
        return frame, headers

    # Packets in packets

    def nsh(self):
        rng = self.rng
        if rng.random() < 0.5:
            fields = [f"set_field:{rng.getrandbits(32):#x}->nsh_c{number}" for number in range(1, 5)]
            header = "encap(nsh(md_type=1))"
        else:
            fields = []
            # 3.1 prints no leading zeros.
            options = "".join(",tlv({:#x},{},0x{})".format(
                rng.randrange(0x8000, 0x10000), rng.getrandbits(7), rng.randbytes(size).hex())
                for size in rng.choices((4, 8, 12), k=rng.choice((1, 2))))
            header = f"encap(nsh(md_type=2{options}))"
        fields += [f"set_field:{rng.getrandbits(24):#x}->nsh_spi", f"set_field:{rng.getrandbits(8)}->nsh_si",
                   f"set_field:{rng.choice((1, 2, 63))}->nsh_ttl"]
        return ",".join([header, *rng.sample(fields, rng.randrange(len(fields)))])

    def encap(self, source):
        frame, headers = self.frame(source, snap=False)
        strip = not headers.vlans and headers.layer3 in (IPV4, IPV6) and not headers.mpls and self.rng.random() < 0.4
        self.rule(f",dl_type={headers.ether_type:#x}" if not headers.vlans else "", self.output(0.3),
                  "decap()" if strip else self.addresses(0.3), self.nsh(),
                  # The kernel takes a second header only if it has a number for what is inside the first.
                  self.nsh() if headers.ether_type in (IPV4, IPV6) and self.rng.random() < 0.2 else "",
                  "encap(ethernet)", self.addresses(), self.output(), self.addresses(0.3), self.output(0.4))
        return frame, headers

    def decap(self, source):
        rng = self.rng
        kind = rng.choice((1, 2, 3))
        while True:
            headers = Headers(layer3={1: IPV4, 2: IPV6}.get(kind))
            if kind == 3:
                inner, headers = random_frame(rng, rng.randbytes(6))
            else:
                inner = random_network(rng, headers)
            if headers.fragment != "any":
                break
        options = rng.choice((b"", b"\x10\0\x0a\x04\x12\x34\x56\x78", bytes.fromhex("20001408fedcba9876543210")))
        md_type = rng.choice((1, 2))
        context = rng.randbytes(16) if md_type == 1 else options
        header = struct.pack(">HBBI", rng.choice((1, 2, 63)) << 6 | (8 + len(context)) // 4, md_type, kind,
                             rng.getrandbits(32)) + context
        frame = b"\2\0\0\0\0\2" + source + struct.pack(">H", NSH) + header + inner
        edits = self.output(0.3), rng.choice(("", f"set_field:{rng.getrandbits(8)}->nsh_si", "set_field:9->nsh_ttl"))
        if rng.random() < 0.3:
            self.rule(f",dl_type={NSH:#x}", *edits, self.output())
        elif kind == 3:
            self.rule(f",dl_type={NSH:#x}", *edits, "decap(),decap()", self.output())
        else:
            self.rule(f",dl_type={NSH:#x}", *edits, "decap(),decap()", "encap(ethernet)", self.output())
        return frame, headers

    def ethernet(self, source):
        frame, headers = self.frame(source, vlans=[], snap=False)
        self.rule(f",dl_type={headers.ether_type:#x}", self.output(0.4), "decap(),encap(ethernet)", self.addresses(),
                  self.output(), self.addresses(0.3), self.output(0.4))
        return frame, headers

    def add_mpls(self, source):
        frame, headers = self.frame(source, snap=False, mpls=[])
        while frame[0] >> 4 in (4, 6):
            # Behind a label stack that would be the version of IP.
            frame, headers = self.frame(source, snap=False, mpls=[])
        label = f"set_field:{self.rng.getrandbits(20)}->mpls_label,set_field:{self.rng.getrandbits(3)}->mpls_tc"
        self.rule(f",dl_type={headers.ether_type:#x}" if not headers.vlans else "", self.output(0.3), "encap(mpls)",
                  label, "encap(ethernet)", self.addresses(), self.output())
        return frame, headers


# Flows of the datapath


def datapath_flows(lines):
    """Keys and actions of `dump-flows -m`, as the kernel's datapath takes them."""
    flows = []
    for line in lines:
        key, actions = re.fullmatch(r"ufid:[-0-9a-f]+, (.*), packets:.*, actions:(.*?)(?:, dp-extra-info:.*)?",
                                    line).groups()
        # A packet type is whether there is an Ethernet header; what has no mask may be what a datapath has not; the
        # flags of TCP are always with TCP.
        key = re.sub(r"packet_type\([^)]*\),|\w+\(0/0\),", "", key)
        # The kernel wants the rest of a neighbour discovery whatever the code is, which Open vSwitch has for 0 alone.
        key = re.sub(r"icmpv6\(type=13[56]/0,code=[1-9]\d*/0\)", "icmpv6()", key)
        if "tcp(" in key and "tcp_flags(" not in key:
            key = re.sub(r"(tcp\([^)]*\))", r"\1,tcp_flags(0/0)", key)
        flows.append((key, actions))
    return flows


def flows_of(case, flows):
    """Those of a case: by its source address, and by recirculation."""
    source = mac_text(case.frame[6:12])
    found = [flow for flow in flows if f"eth(src={source}" in flow[0] and "recirc_id(0)" in flow[0]]
    for _, actions in found:
        for number in re.findall(r"recirc\((0x[0-9a-f]+)\)", actions):
            found += [flow for flow in flows if f"recirc_id({number})" in flow[0] and flow not in found]
    return found
