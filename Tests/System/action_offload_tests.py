"""Actions on packets whose sender left work to be done: unfinished checksums, and segments not yet cut.

Such packets come from a cable with a virtio-net header, and the ports that send them take no offloads, so that the
kernel does what is left. What arrives is compared with frames made from fields.
"""

import socket
import struct
import unittest

import frames
from action_frames import Headers
from action_sides import PORTS, ours
from frames import IPV4, IPV6, MPLS, QINQ, TCP, UDP, VLAN
from openvswitch import needs_martlet
from wire import SOL_PACKET, in_namespace

PACKET_VNET_HDR = 15
NEEDS_CHECKSUM, TCP_V4, TCP_V6, UDP_SEGMENTS = 1, 1, 4, 5
CHECKSUM = {TCP: 16, UDP: 6}
SEGMENT = 500

# Actions, what they change, and the protocols or versions that they are for. {2} and {3} are ports.
EDITS = (
    ("set(eth(src=02:00:00:00:99:01))", {"eth_src": "02:00:00:00:99:01"}, None),
    ("set(ipv4(src=10.9.9.9,dst=0.1.2.3/0.255.255.255,tos=0x2c,ttl=9))",
     {"ip_src": "10.9.9.9", "ip_dst": "10.1.2.3", "tos": 0x2C, "ttl": 9}, IPV4),
    ("set(ipv6(src=fd09::9,dst=fd09::8,label=0x12345,tclass=0x2c,hlimit=9))",
     {"ip_src": "fd09::9", "ip_dst": "fd09::8", "label": 0x12345, "tos": 0x2C, "ttl": 9}, IPV6),
    ("set(tcp(src=7,dst=65535))", {"tp_src": 7, "tp_dst": 65535}, TCP),
    ("set(udp(src=7,dst=65535))", {"tp_src": 7, "tp_dst": 65535}, UDP),
    ("push_vlan(vid=5,pcp=3)", {"vlans": ((VLAN, 5, 3),)}, None),
    ("push_vlan(vid=5,pcp=3),push_vlan(tpid=0x88a8,vid=6,pcp=1)", {"vlans": ((QINQ, 6, 1), (VLAN, 5, 3))}, None),
    ("push_vlan(vid=5,pcp=3),set(tcp(dst=1)),pop_vlan", {"tp_dst": 1}, TCP),
    ("push_mpls(label=1000,tc=5,ttl=33,bos=1,eth_type=0x8847)", {"eth_type": MPLS, "mpls": ((1000, 5, 33),)}, None),
    ("set(ipv4(ttl=9)),push_mpls(label=1000,tc=5,ttl=33,bos=1,eth_type=0x8847)",
     {"ttl": 9, "eth_type": MPLS, "mpls": ((1000, 5, 33),)}, IPV4),
    ("push_mpls(label=1000,tc=5,ttl=33,bos=1,eth_type=0x8847),pop_mpls(eth_type=0x0800)", {}, IPV4),
    ("dec_ttl(le_1(drop))", {"ttl": 63}, None),
    ("clone(set(eth(src=02:00:00:00:99:01)),push_vlan(vid=5,pcp=3))", {}, None),
    (f"check_pkt_len(size={SEGMENT + 100},gt(drop),le(2)),set(udp(src=1))", {"tp_src": 1}, UDP),
)


@needs_martlet
class OVSActionOffloads(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.side = ours(cls.addClassCleanup, {number: number for number in PORTS})
        cls.side.start()
        for number in (2, 3):
            cls.side.world.inside("sw", "ethtool", "-K", f"p{number}", "tx", "off", "gso", "off", "tso", "off")
        cls.sender = in_namespace(f"{cls.side.world.id}-wires", cls.open_sender)
        cls.addClassCleanup(cls.sender.close)

    @staticmethod
    def open_sender():
        sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        sender.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        sender.bind(("w1", 0))
        return sender

    def send(self, fields, segments):
        """Sends a packet with an unfinished checksum, which is to be cut if there is more than one segment."""
        data, protocol = frames.build(**fields), fields["ip_proto"]
        network = 14 + 4 * len(fields["vlans"])
        start = network + (20 if fields["eth_type"] == IPV4 else 40)
        addresses = data[network + 12:start] if fields["eth_type"] == IPV4 else data[network + 8:start]
        half = len(addresses) // 2
        # What is there is the sum of the pseudo header; whoever finishes it adds the rest.
        pseudo = frames.ones_complement_sum(frames.pseudo_header(
            addresses[:half], addresses[half:], protocol, len(data) - start))
        at = start + CHECKSUM[protocol]
        data = data[:at] + struct.pack(">H", pseudo) + data[at + 2:]
        kind = 0
        if segments > 1:
            kind = UDP_SEGMENTS if protocol == UDP else TCP_V4 if fields["eth_type"] == IPV4 else TCP_V6
        header = len(data) - len(fields["payload"])
        self.sender.send(struct.pack("=BBHHHH", NEEDS_CHECKSUM, kind, header, SEGMENT if kind else 0, start,
                                     CHECKSUM[protocol]) + data)

    @staticmethod
    def cut(fields, segments):
        """The fields of each segment."""
        for index in range(segments):
            part = {**fields, "payload": fields["payload"][index * SEGMENT:(index + 1) * SEGMENT]}
            if "label" not in fields and index:
                part["ip_frag"] = (index, False, 0)
            if "tcp_rest" in fields:
                sequence, *rest = fields["tcp_rest"]
                part["tcp_rest"] = (sequence + index * SEGMENT, *rest)
                if index < segments - 1:
                    part["tcp_flags"] &= ~0x09  # PSH and FIN are the last one's.
            yield part

    def test_edits(self):
        number = 0
        for family in (IPV4, IPV6):
            for protocol in (TCP, UDP):
                for segments, vlans in ((1, ()), (3, ()), (3, ((VLAN, 9, 2),))):
                    for actions, changes, condition in EDITS:
                        if condition in (None, family, protocol) and not (vlans and "mpls" in actions):
                            number += 1
                            with self.subTest(actions, family=hex(family), protocol=protocol, segments=segments,
                                              vlans=vlans):
                                self.check(number, family, protocol, segments, vlans, actions, dict(changes))

    def check(self, number, family, protocol, segments, vlans, actions, changes):
        source = f"06:00:00:00:00:{number:02x}"
        sent = frames.complete(
            eth_src=source, eth_type=family, ip_proto=protocol, vlans=vlans,
            payload=bytes(index * 7 % 251 for index in range(SEGMENT * (segments - 1) + 123)))
        if protocol == TCP:
            sent["tcp_flags"] = 0x19
        headers = Headers(layer3=family, protocol=protocol, vlans=[(tpid, vid | priority << 13)
                                                                   for tpid, vid, priority in vlans])
        self.side.world.dpctl("add-flow", "dp0", f"recirc_id(0),in_port(1),eth(src={source}),{headers.key()}",
                              f"2,{actions},3")
        self.send(sent, segments)
        if "vlans" in changes:
            changes["vlans"] += vlans
        received = self.side.play()
        before, after = list(self.cut(sent, segments)), list(self.cut({**sent, **changes}, segments))
        # What was sent before the edit is as it came. A list that check_pkt_len chooses sends it once more.
        expected = before * 2 if "check_pkt_len" in actions else before
        for port, wanted in ((2, expected), (3, after)):
            got = [frames.parse(data) for data in received[port]]
            self.assertEqual(len(got), len(wanted), f"port {port}")
            for one, other in zip(wanted, got):
                self.assertEqual(one, other, f"port {port}: {frames.difference(one, other)}")
