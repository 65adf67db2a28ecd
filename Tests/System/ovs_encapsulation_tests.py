"""Open vSwitch: OpenFlow rules that put frames into network service headers and labels, and take them out.

Every frame is compared byte for byte with what RFC 8300 and RFC 3032 say.
"""

import struct
import unittest

import frames
from frames import ARP, IPV6, TCP, VLAN
from openvswitch import Forwarding, flow_packets, launch

NSH = 0x894F
OUTER = {"eth_src": "02:00:00:00:aa:01", "eth_dst": "02:00:00:00:aa:02"}
TO_OUTER = "set_field:02:00:00:00:aa:01->eth_src,set_field:02:00:00:00:aa:02->eth_dst"
CONTEXT = (0x11223344, 0x55667788, 0x99AABBCC, 0xDDEEFF00)
SET_CONTEXT = ",".join(f"set_field:{word:#x}->nsh_c{number}" for number, word in enumerate(CONTEXT, 1))
ETHERNET, WITHIN = 3, 4


def ethernet(kind, payload):
    return frames.mac_bytes(OUTER["eth_dst"]) + frames.mac_bytes(OUTER["eth_src"]) + struct.pack(">H", kind) + payload


def nsh(payload, metadata=struct.pack(">IIII", *CONTEXT), md_type=1, following=ETHERNET, ttl=63, flags=0, spi=0x1234,
        si=255):
    words = 2 + len(metadata) // 4
    return struct.pack(">HBBI", flags << 12 | ttl << 6 | words, md_type, following, spi << 8 | si) + metadata + payload


class OVSEncapsulation(unittest.TestCase, Forwarding):
    """A frame comes in on port 1, a rule changes it, port 2 sends it."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.world, cls.ovs = launch(cls.addClassCleanup)
        cls.wires = {number: cls.ovs.wire(number) for number in (1, 2)}
        cls.ovs.add_bridge("br0", "p1", "p2", fail_mode="secure")
        cls.samples = [frames.build(**fields) for fields in (
            {}, {"eth_type": IPV6, "ip_proto": TCP}, {"eth_type": ARP}, {"eth_type": 0x88B5})]
        # Open vSwitch makes no flow for a tag that no rule looks at: it leaves the tag's mask empty, and that of what is
        # behind it full, which Linux refuses.
        cls.tagged = frames.build(vlans=((VLAN, 5, 3),))

    def check(self, sent, match, actions, expected, *contained, behind=None):
        """A rule makes of these bytes those, for the first frame, which is ovs-vswitchd's, and for the next ones.

        `behind` is a rule of the next table, which sends the frame instead.
        """
        with self.subTest(actions, match=match):
            self.ovs.set_flows("br0", f"in_port=1,{match} actions={actions},{'resubmit(,1)' if behind else 'output:2'}",
                               *([f"table=1,{behind}"] if behind else []))
            for _ in range(4):
                self.wires[1].send(sent)
                received, = self.wires[2].take(1)
                self.assertEqual(received.hex(), expected.hex())
            self.assert_silence()
            flows = self.ovs.datapath_flows()
            for text in contained:
                self.assertIn(text, "\n".join(flows))
            # Nothing is left to ovs-vswitchd.
            self.assertNotIn("userspace", "\n".join(flows))
            first = [line for line in flows if "recirc_id(0)" in line]
            self.assertEqual([flow_packets(line) for line in first], [3], flows)

    def test_encap_nsh(self):
        encap = f"set_field:0x1234->nsh_spi,set_field:255->nsh_si,{SET_CONTEXT},encap(ethernet),{TO_OUTER}"
        for frame in self.samples:
            self.check(frame, "", f"encap(nsh(md_type=1)),{encap}", ethernet(NSH, nsh(frame)), "push_nsh(", "push_eth(")
        self.check(self.tagged, "dl_vlan=5", f"encap(nsh(md_type=1)),{encap}", ethernet(NSH, nsh(self.tagged)))
        frame = self.samples[0]
        for value in ("set_field:30->nsh_ttl", "set_field:2->nsh_flags"):
            changed = {"ttl": 30} if "ttl" in value else {"flags": 2}
            self.check(frame, "", f"encap(nsh(md_type=1)),{value},{encap}", ethernet(NSH, nsh(frame, **changed)))

    def test_encap_nsh_with_other_metadata(self):
        frame = self.samples[0]
        for properties, metadata in (
                ("tlv(0x1000,10,0x12345678)", "10000a0412345678"),
                ("tlv(0x1000,10,0x12345678),tlv(0x2000,20,0xfedcba9876543210)",
                 "10000a041234567820001408fedcba9876543210")):
            self.check(frame, "", f"encap(nsh(md_type=2,{properties})),set_field:0x1234->nsh_spi,"
                       f"encap(ethernet),{TO_OUTER}", ethernet(NSH, nsh(frame, bytes.fromhex(metadata), 2)), "mdtype=2")

    def test_nsh_in_nsh(self):
        frame = self.samples[0]
        inner = nsh(frame, bytes(16), spi=0x1111)
        self.check(
            frame, "", "encap(nsh(md_type=1)),set_field:0x1111->nsh_spi,"
            f"encap(nsh(md_type=1)),set_field:0x1234->nsh_spi,{SET_CONTEXT},encap(ethernet),{TO_OUTER}",
            ethernet(NSH, nsh(inner, following=WITHIN)))

    def test_decap_nsh(self):
        for frame in self.samples:
            for metadata, md_type in ((bytes(range(16)), 1), (b"", 2), (bytes(244), 2)):
                self.check(ethernet(NSH, nsh(frame, metadata, md_type)), f"dl_type={NSH:#x},nsh_spi=0x1234",
                           "decap(),decap()", frame, "pop_eth", "pop_nsh")
        self.check(ethernet(NSH, nsh(self.tagged)), f"dl_type={NSH:#x},nsh_spi=0x1234", "decap(),decap()",
                   self.samples[0], behind="dl_vlan=5 actions=pop_vlan,output:2")
        frame = self.samples[0]
        inner = nsh(frame, bytes(16), spi=0x1111)
        self.check(ethernet(NSH, nsh(inner, following=WITHIN)), f"dl_type={NSH:#x},nsh_spi=0x1234",
                   f"decap(),decap(),encap(ethernet),{TO_OUTER}", ethernet(NSH, inner))

    def test_the_next_hop(self):
        """What a service function and a forwarder do to a header that is there."""
        frame = self.samples[0]
        sent = ethernet(NSH, nsh(frame))
        match = f"dl_type={NSH:#x},nsh_spi=0x1234,nsh_si=255"
        for actions, changed in (
                ("set_field:254->nsh_si", {"si": 254}), ("dec_nsh_ttl", {"ttl": 62}),
                ("set_field:0x4321->nsh_spi", {"spi": 0x4321}), ("set_field:1->nsh_ttl", {"ttl": 1}),
                ("set_field:2->nsh_flags", {"flags": 2}),
                ("set_field:7->nsh_c3", {"metadata": struct.pack(">IIII", *CONTEXT[:2], 7, CONTEXT[3])}),
                ("dec_nsh_ttl,set_field:0xffffff->nsh_spi,set_field:0->nsh_si",
                 {"ttl": 62, "spi": 0xFFFFFF, "si": 0})):
            self.check(sent, match, actions, ethernet(NSH, nsh(frame, **changed)), "set(nsh(")

    def test_a_frame_behind_a_label(self):
        entry = struct.pack(">I", 100 << 12 | 1 << 8 | 64)
        for frame in self.samples:
            inside = ethernet(0x8847, entry + frame)
            self.check(frame, "", "encap(mpls),set_field:100->mpls_label,set_mpls_ttl(64),"
                       f"encap(ethernet),{TO_OUTER}", inside, "add_mpls(")
            self.check(inside, "mpls,mpls_label=100", "decap(),decap(packet_type(ns=0,type=0))", frame,
                       "pop_mpls(eth_type=0x6558)")

    def test_another_ethernet_header(self):
        for frame in self.samples:
            self.check(frame, "vlan_tci=0", f"decap(),encap(ethernet),{TO_OUTER}",
                       frames.mac_bytes(OUTER["eth_dst"]) + frames.mac_bytes(OUTER["eth_src"]) + frame[12:],
                       "pop_eth,push_eth(")
