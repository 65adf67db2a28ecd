"""Random lists of actions that are valid for a frame, as text of a datapath's flows.

A generator follows the frame's headers from action to action as the kernel's validation does, so that a datapath that
refuses a list is wrong. Each action is a pair of texts, theirs (Open vSwitch's own datapath) and ours. They differ
where Open vSwitch 3.1 has another action to the same effect, or where the kernel's datapath does another thing:

- `dec_ttl` is in 3.1 a set action to a TTL that is known here; `hash`, which no frame shows, is nothing.
- `trunc` limits the next output wherever that stands: in a nested list, behind a recirculation, when the packet has
  grown. 3.1 forgets the limit in copies of a packet, and remembers how many bytes it is to cut, not how many to leave.
  So their limit stands directly before that output.
- `check_pkt_len` counts what pads a frame. 3.1 does not, so that their limit is less.
"""

import dataclasses
import random
import re

from action_frames import Headers, random_frame
from frames import ICMPV6, IPV4, IPV6, QINQ, TCP, UDP, VLAN, ip_text, mac_text

LISTS_DEEP = 3
CHECKSUM = {TCP: 16, UDP: 6, ICMPV6: 2}  # Where a checksum is that covers IP addresses.


@dataclasses.dataclass
class Case:
    """A frame and the flows that it takes. The seed and the number make it anew."""

    seed: str
    number: int
    frame: bytes
    headers: Headers
    flows: list = dataclasses.field(default_factory=list)  # (key, their actions, our actions)
    notes: set = dataclasses.field(default_factory=set)  # what the rules in action_tests.py ask for

    @property
    def cut(self):
        return any("trunc(" in ours for _, _, ours in self.flows)

    def describe(self):
        flows = "\n".join(f"  {key}\n    actions: {ours}" + (f"\n    theirs:  {theirs}" if ours != theirs else "")
                          for key, theirs, ours in self.flows)
        return f"case {self.number} of ACTION_SEED={self.seed}\n  frame {self.frame.hex()}\n{flows}"


@dataclasses.dataclass
class State:
    """What a list has come to."""

    headers: Headers
    ttl: int
    limit: int = None  # that of a trunc which no output has used up

    def copy(self):
        return dataclasses.replace(self, headers=self.headers.copy())


def make_case(seed, number, in_port, ports):
    rng = random.Random(f"{seed}/{number}")
    source = bytes((6, 0)) + number.to_bytes(4, "big")
    frame, headers = random_frame(rng, source)
    case = Case(seed, number, frame, headers)
    network = 14 + 4 * len(headers.vlans) + 8 * headers.snap + 4 * len(headers.mpls)
    ttl = {IPV4: 8, IPV6: 7}.get(headers.layer3)
    state = State(headers.copy(), frame[network + ttl] if ttl else 0)
    generator = _Generator(rng, case, in_port, ports)
    generator.flow("recirc_id(0)", f"eth(src={mac_text(source)})", state, rng.choice((1, 2, 4, 7, 12)))
    return case


class _Generator:
    def __init__(self, rng, case, in_port, ports):
        self.rng, self.case, self.in_port, self.ports = rng, case, in_port, ports
        self.recirculations = 0
        self.ended = False  # No action of the list comes into effect any more.

    def flow(self, recirculation, ethernet, state, length):
        key = f"{recirculation},in_port({self.in_port}),{ethernet},{state.headers.key()}"
        place = len(self.case.flows)
        self.case.flows.append(None)
        theirs, ours = self.list(state, length, 0)
        # No list at all is no text.
        self.case.flows[place] = (key, theirs or "clone()", ours or "clone()")

    def list(self, state, length, depth):
        """Two texts of a list."""
        actions = []
        for _ in range(length):
            made = self.rng.choices(*self.choices(state, depth))[0](state, depth)
            actions += made if isinstance(made, list) else [(made, made)]
            if self.ended:
                break
        else:
            if self.rng.random() < 0.9:
                actions += self.output(state, depth)
        self.ended = False
        return ",".join(each for each, _ in actions if each), ",".join(each for _, each in actions if each)

    def choices(self, state, depth):
        """What may come next, and how often."""
        headers = state.headers
        what = {self.output: 6, self.set_ethernet: 3, self.trunc: 2, self.metadata: 0.7, self.hash: 0.3}
        if len(headers.vlans) < 3 and not headers.snap:
            what[self.push_vlan] = 2
        # Without a tag it does nothing.
        what[self.pop_vlan] = 2 if headers.vlans else 0.2
        if headers.mpls:
            what[self.set_mpls] = 5
        elif headers.layer3 in (IPV4, IPV6):
            what[self.set_ip] = 6
            if headers.transport in ("tcp", "udp", "sctp"):
                what[self.set_ports] = 5
        what[self.decrement_ttl] = 0.4
        if depth < LISTS_DEEP:
            what[self.clone] = what[self.sample] = what[self.check_length] = 1
            if self.recirculations < 4 and len(headers.vlans) < 3:
                what[self.recirculate] = 1
        return list(what), list(what.values())

    # Actions

    def output(self, state, _):
        ports = ",".join(str(each) for each in self.rng.choices(self.ports, k=self.rng.choice((1, 1, 2, 3))))
        limit, state.limit = state.limit, None
        return [(f"trunc({limit}),{ports}" if limit else ports, ports)]

    def set_ethernet(self, _, __):
        return self.fields("eth", {"src": 48, "dst": 48})

    def set_ip(self, state, _):
        headers, self.ttl = state.headers, None
        if headers.layer3 == IPV4:
            fixed = f",proto={headers.protocol},frag={headers.fragment}"
            text = self.fields("ipv4", {"src": 32, "dst": 32, "tos": 8, "ttl": 8}, fixed)
            if headers.fragment == "later" and headers.protocol in CHECKSUM and re.search("src|dst", text):
                self.case.notes.add("address of a later fragment")
        else:
            # The text of all fields has a mask, that of the label, and with a mask there must be no protocol.
            text = self.fields("ipv6", {"src": 128, "dst": 128, "label": 20, "tclass": 8, "hlimit": 8})
            if headers.protocol in CHECKSUM and re.search("src|dst", text):
                if headers.fragment == "any":
                    self.case.notes.add("address of an atomic fragment")
                elif headers.routed:
                    self.case.notes.add("source of a routed packet")
        if self.ttl is not None:
            state.ttl = self.ttl
        return text

    def set_ports(self, state, _):
        return self.fields(state.headers.transport, {"src": 16, "dst": 16})

    def set_mpls(self, state, _):
        entry, rng = state.headers.mpls[0], self.rng
        label, traffic_class, ttl = rng.getrandbits(20), rng.getrandbits(3), rng.getrandbits(8)
        if rng.random() < 0.5:
            state.headers.mpls[0] = label << 12 | traffic_class << 9 | entry & 0x100 | ttl
            return f"set(mpls(label={label},tc={traffic_class},ttl={ttl},bos={entry >> 8 & 1}))"
        state.headers.mpls[0] = entry & ~0xFF | ttl
        return f"set(mpls(label=0/0,tc=0/0,ttl={ttl}/0xff,bos=0/0))"

    def push_vlan(self, state, _):
        tpid, vid, priority = self.rng.choice((VLAN, QINQ)), self.rng.getrandbits(12), self.rng.getrandbits(3)
        state.headers.vlans.insert(0, (tpid, priority << 13 | vid))
        return f"push_vlan(tpid={tpid:#06x},vid={vid},pcp={priority})"

    def pop_vlan(self, state, _):
        if state.headers.vlans:
            state.headers.vlans.pop(0)
        return "pop_vlan"

    def trunc(self, state, _):
        state.limit = self.rng.choice((14, 15, 34, 60, self.rng.randrange(14, len(self.case.frame) + 20), 65535))
        return [("", f"trunc({state.limit})")]

    def metadata(self, _, __):
        return self.rng.choice(("meter(4242)", "set(skb_mark(0x5))", "set(skb_priority(7))"))

    def hash(self, _, __):
        return [("", self.rng.choice(("hash(l4(7))", "hash(sym_l4(7))")))]

    def decrement_ttl(self, state, depth):
        headers = state.headers
        theirs, ours = self.list(state.copy(), 2, depth + 1)
        ours = f"dec_ttl(le_1({ours or 'drop'}))"
        if headers.mpls or headers.layer3 not in (IPV4, IPV6):
            return [("", ours)]
        if state.ttl <= 1:
            self.ended = True
            return [(theirs, ours)]
        state.ttl -= 1
        name = "ipv4(ttl" if headers.layer3 == IPV4 else "ipv6(hlimit"
        return [(f"set({name}={state.ttl}))", ours)]

    # Lists

    def clone(self, state, depth):
        theirs, ours = self.list(state.copy(), self.rng.randrange(4), depth + 1)
        return [(f"clone({theirs})", f"clone({ours})")]

    def sample(self, state, depth):
        percent = self.rng.choice((0, 100, 100))
        lists = self.list(state.copy(), self.rng.randrange(1, 4), depth + 1)
        return [tuple(f"sample(sample={percent}.0%,actions({each or 'clone()'}))" for each in lists)]

    def check_length(self, state, depth):
        size = len(self.case.frame) + 4 * (len(state.headers.vlans) - len(self.case.headers.vlans))
        limit = max(size + self.rng.choice((-9, -4, -1, 0, 1, 4, 100)), 1)
        lists = [self.list(state.copy(), self.rng.randrange(3), depth + 1) for _ in range(2)]
        limits = max(limit - self.case.headers.padding, 1), limit
        return [tuple(f"check_pkt_len(size={limits[at]},gt({lists[0][at] or 'drop'}),le({lists[1][at] or 'drop'}))"
                      for at in (0, 1))]

    def recirculate(self, state, depth):
        number = 0x100000 + self.case.number * 8 + self.recirculations
        self.recirculations += 1
        self.flow(f"recirc_id({number:#x})", "eth()", state.copy(), self.rng.randrange(1, 5))
        return f"recirc({number})"

    # Fields

    def fields(self, name, widths, fixed=""):
        """set(NAME(…)) of fields with as many bits: all of them, with those that cannot be set, or some, now and then
        with a mask."""
        rng = self.rng
        if rng.random() < 0.3 and (fixed or name not in ("ipv4", "ipv6")):
            return f"set({name}({','.join(self.field(each, bits) for each, bits in widths.items())}{fixed}))"
        some = rng.sample(list(widths), rng.randrange(1, len(widths) + 1))
        return f"set({name}({','.join(self.field(each, widths[each], rng.random() < 0.2) for each in some)}))"

    def field(self, name, bits, masked=False):
        value = self.rng.choice((0, 1, (1 << bits) - 1, *[self.rng.getrandbits(bits)] * 9))
        if name in ("ttl", "hlimit"):
            self.ttl = value = self.rng.choice((1, 2, 64, 255))
        elif masked:
            # A mask is as random as a value, which has no bits outside of it.
            mask = self.rng.randrange(1, 1 << bits)
            return f"{name}={self.number(value & mask, bits)}/{self.number(mask, bits)}"
        return f"{name}={self.number(value, bits)}"

    @staticmethod
    def number(value, bits):
        if bits == 48:
            return mac_text(value.to_bytes(6, "big"))
        return ip_text(value.to_bytes(bits // 8, "big")) if bits in (32, 128) else hex(value)
