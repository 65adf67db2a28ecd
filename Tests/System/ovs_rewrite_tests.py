"""Open vSwitch: OpenFlow rules that change packets, for each field that can be set.

Each frame is read from the wire, and all its checksums are verified.
"""

import unittest

import frames
from frames import ARP, ICMP, ICMPV6, IPV4, IPV6, MPLS, MPLS_MULTICAST, QINQ, SCTP, TCP, UDP, VLAN
from hosts import run
from openvswitch import NETDEV, Forwarding, OVSTest, flow_packets, launch


class OVSRewrite(unittest.TestCase, Forwarding):
    """A frame comes in on port 1, a rule changes it, port 2 sends it."""

    @classmethod
    def setUpClass(cls):
        cls.world, cls.ovs = launch(cls.addClassCleanup)
        cls.wires = {number: cls.ovs.wire(number) for number in (1, 2)}
        cls.ovs.vsctl("set", "Open_vSwitch", ".", "other_config:vlan-limit=2")
        cls.ovs.add_bridge("br0", "p1", "p2", fail_mode="secure")

    def check(self, sent, match, actions, changed, slow=False, version="OpenFlow15"):
        """A rule makes of a frame what it should, in the datapath's flows or, if `slow`, in ovs-vswitchd."""
        with self.subTest(actions, match=match):
            self.ovs.set_flows("br0", f"in_port=1,{match} actions={actions},output:2", version=version)
            self.assert_forwards(1, sent, {2: changed}, times=4)
            flows = [line for line in self.ovs.datapath_flows() if "recirc_id(0)" in line]
            self.assertEqual(len(flows), 1, flows)
            # The first packet is ovs-vswitchd's.
            self.assertEqual(flow_packets(flows[0]), 3, flows)
            self.assertEqual("slow_path(action)" in flows[0], slow, flows)

    def test_ethernet(self):
        self.check({}, "", "mod_dl_src:02:00:00:00:99:01", {"eth_src": "02:00:00:00:99:01"})
        self.check({}, "", "mod_dl_dst:02:00:00:00:99:02", {"eth_dst": "02:00:00:00:99:02"})
        self.check({"eth_type": 0x88B5}, "", "set_field:06:00:00:00:00:00/0e:00:00:00:00:00->eth_src",
                   {"eth_src": "06:00:00:00:00:01"})
        self.check({"eth_type": 0x88B5}, "", "set_field:00:00:00:00:0f:00/00:00:00:00:ff:00->eth_dst",
                   {"eth_dst": "02:00:00:00:0f:02"})
        self.check({"eth_type": IPV6}, "", "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]", {"eth_dst": "02:00:00:00:00:01"})

    def test_vlan(self):
        tagged = {"vlans": ((VLAN, 5, 3),)}
        for sent in ({}, {"eth_type": IPV6, "ip_proto": TCP}, {"eth_type": ARP}, {"eth_type": 0x88B5}):
            self.check(sent, "vlan_tci=0", "push_vlan:0x8100,set_field:4196->vlan_vid", {"vlans": ((VLAN, 100, 0),)})
            self.check({**sent, **tagged}, "dl_vlan=5", "pop_vlan", {"vlans": ()})
        self.check({}, "vlan_tci=0", "push_vlan:0x88a8,set_field:4196->vlan_vid,set_field:6->vlan_pcp",
                   {"vlans": ((QINQ, 100, 6),)})
        self.check({}, "", "mod_vlan_vid:77", {"vlans": ((VLAN, 77, 0),)}, version="OpenFlow10")
        self.check({}, "", "mod_vlan_pcp:4", {"vlans": ((VLAN, 0, 4),)}, version="OpenFlow10")
        self.check(tagged, "", "mod_vlan_vid:77", {"vlans": ((VLAN, 77, 3),)}, version="OpenFlow10")
        self.check(tagged, "", "mod_vlan_pcp:4", {"vlans": ((VLAN, 5, 4),)}, version="OpenFlow10")
        self.check(tagged, "vlan_tci=0x1000/0x1000", "set_field:0x1001/0x1001->vlan_vid", {"vlans": ((VLAN, 5, 3),)})
        self.check(tagged, "", "strip_vlan", {"vlans": ()}, version="OpenFlow10")
        # Two tags.
        both = {"vlans": ((QINQ, 100, 1), (VLAN, 5, 3))}
        self.check(tagged, "", "push_vlan:0x88a8,set_field:4196->vlan_vid,set_field:1->vlan_pcp", both)
        self.check(both, "dl_vlan=100", "pop_vlan", tagged)
        self.check(both, "dl_vlan=100", "strip_vlan,strip_vlan", {"vlans": ()}, version="OpenFlow10")
        self.check(both, "dl_vlan=100", "mod_vlan_vid:200", {"vlans": ((QINQ, 200, 1), (VLAN, 5, 3))})
        # What is inside of a tag is changed as well as what has none.
        self.check(tagged, "ip,dl_vlan=5", "mod_nw_src:10.9.9.9", {"ip_src": "10.9.9.9"})
        self.check(both, "udp,dl_vlan=100", "mod_tp_dst:9", {"tp_dst": 9})

    def test_ipv4(self):
        for protocol in (TCP, UDP, SCTP, ICMP, 47):
            sent = {"ip_proto": protocol, "tos": 0x0A}
            self.check(sent, "ip", "mod_nw_src:10.9.9.9", {"ip_src": "10.9.9.9"})
            self.check(sent, "ip", "mod_nw_dst:224.9.9.8", {"ip_dst": "224.9.9.8"})
            self.check(sent, "ip", "set_field:0.9.0.0/0.255.0.0->ip_dst", {"ip_dst": "10.9.0.2"})
            self.check(sent, "ip", "mod_nw_tos:184", {"tos": 184 | 2})
            self.check(sent, "ip", "dec_ttl", {"ttl": 63})
        sent = {"ip_proto": UDP, "tos": 0x0A}
        self.check(sent, "ip", "set_field:46->ip_dscp", {"tos": 46 << 2 | 2})
        self.check(sent, "ip", "set_field:1->nw_ecn", {"tos": 0x09})
        self.check(sent, "ip", "mod_nw_ttl:255", {"ttl": 255})
        self.check(sent, "ip", "dec_ttl,dec_ttl,dec_ttl", {"ttl": 61})
        # A datagram without a checksum is still without one; a checksum that comes out as 0 is written 0xffff.
        self.check({"udp_checksum": 0}, "ip", "mod_nw_src:10.9.9.9", {"ip_src": "10.9.9.9"})
        # Fragments: the first has the ports, a later one has only payload.
        self.check({"ip_frag": (7, True, 0)}, "ip", "mod_nw_src:10.9.9.9", {"ip_src": "10.9.9.9"})
        later = {"ip_frag": (7, False, 64)}
        self.check(later, "ip", "dec_ttl", {"ttl": 63})
        if not NETDEV:
            # Open vSwitch 3.1 itself takes a later fragment's payload for a UDP header, and mends a checksum in it.
            self.check(later, "ip", "mod_nw_src:10.9.9.9", {"ip_src": "10.9.9.9"})

    def test_ipv6(self):
        for protocol in (TCP, UDP, SCTP, ICMPV6, 47):
            sent = {"eth_type": IPV6, "ip_proto": protocol, "tos": 0x0A, "label": 0x54321}
            self.check(sent, "ipv6", "set_field:fd99:1:2:3:4:5:6:7->ipv6_src", {"ip_src": "fd99:1:2:3:4:5:6:7"})
            self.check(sent, "ipv6", "set_field:ff02::1:ff00:9->ipv6_dst", {"ip_dst": "ff02::1:ff00:9"})
            self.check(sent, "ipv6", "set_field:::77:0/::ffff:0->ipv6_dst", {"ip_dst": "fd01::77:2"})
            self.check(sent, "ipv6", "set_field:0x12345->ipv6_label", {"label": 0x12345})
            self.check(sent, "ipv6", "dec_ttl", {"ttl": 63})
        self.check(sent, "ipv6", "set_field:0x00300/0x00f00->ipv6_label", {"label": 0x54321})
        self.check(sent, "ipv6", "set_field:0x00500/0x00f00->ipv6_label", {"label": 0x54521})
        self.check(sent, "ipv6", "set_field:46->ip_dscp", {"tos": 46 << 2 | 2})
        self.check(sent, "ipv6", "set_field:1->nw_ecn", {"tos": 0x09})
        self.check(sent, "ipv6", "mod_nw_tos:184,mod_nw_ttl:255", {"tos": 184 | 2, "ttl": 255})

    def test_ports(self):
        for family, suffix in ((IPV4, ""), (IPV6, "6")):
            for protocol, name in ((TCP, "tcp"), (UDP, "udp"), (SCTP, "sctp")):
                sent = {"eth_type": family, "ip_proto": protocol}
                self.check(sent, name + suffix, f"set_field:60000->{name}_src", {"tp_src": 60000})
                self.check(sent, name + suffix, f"set_field:7->{name}_dst", {"tp_dst": 7})
                self.check(sent, name + suffix, f"set_field:0x1200/0xff00->{name}_dst", {"tp_dst": 0x12D2})
                self.check(sent, name + suffix, "mod_tp_src:1,mod_tp_dst:2", {"tp_src": 1, "tp_dst": 2})
        self.check({"udp_checksum": 0}, "udp", "mod_tp_src:1", {"tp_src": 1})
        # With this port the checksum comes out as 0, which UDP writes as 0xffff.
        zero = int.from_bytes(frames.build(tp_src=0)[40:42], "big")
        self.assertEqual(frames.build(tp_src=zero)[40:42], b"\xff\xff")
        self.check({}, "udp", f"mod_tp_src:{zero}", {"tp_src": zero})
        zero = int.from_bytes(frames.build(tp_src=0, eth_type=IPV6)[60:62], "big")
        self.check({"eth_type": IPV6}, "udp6", f"mod_tp_src:{zero}", {"tp_src": zero})

    def test_what_travels_beside_the_packet(self):
        """A queue and a mark do not show on the wire, but in the datapath's flow."""
        self.check({}, "", "set_queue:1,set_field:5->pkt_mark", {})
        flow, = self.ovs.datapath_flows()
        self.assertRegex(flow, r"actions:set\(skb_priority\(0x\w+\)\),set\(skb_mark\(0x5\)\),")

    def test_everything_at_once(self):
        actions = "mod_dl_src:02:00:00:00:99:01,mod_dl_dst:02:00:00:00:99:02,mod_vlan_vid:9,mod_tp_src:1,mod_tp_dst:2,"
        changed = {"eth_src": "02:00:00:00:99:01", "eth_dst": "02:00:00:00:99:02", "vlans": ((VLAN, 9, 0),),
                   "tp_src": 1, "tp_dst": 2, "ttl": 63, "tos": 184}
        for protocol, name in ((TCP, "tcp"), (UDP, "udp"), (SCTP, "sctp")):
            self.check({"ip_proto": protocol}, name,
                       actions + "mod_nw_src:10.9.9.1,mod_nw_dst:10.9.9.2,mod_nw_tos:184,dec_ttl",
                       {**changed, "ip_src": "10.9.9.1", "ip_dst": "10.9.9.2"})
            self.check({"ip_proto": protocol, "eth_type": IPV6}, name + "6",
                       actions + "set_field:fd09::1->ipv6_src,set_field:fd09::2->ipv6_dst,mod_nw_tos:184,dec_ttl",
                       {**changed, "ip_src": "fd09::1", "ip_dst": "fd09::2"})

    def test_mpls(self):
        for sent in ({}, {"eth_type": IPV6, "ip_proto": TCP}):
            plain, inner = "ipv6" if sent else "ip", sent.get("eth_type", IPV4)
            one = {**sent, "eth_type": MPLS, "mpls": ((1000, 5, 33),), **(
                {"ip_src": "fd01::1", "ip_dst": "fd01::2"} if sent else {})}
            two = {**one, "mpls": ((2000, 6, 99), (1000, 5, 33))}
            three = {**one, "mpls": ((3000, 7, 250),) + two["mpls"]}
            set_one = "set_field:1000->mpls_label,set_field:5->mpls_tc,set_mpls_ttl(33)"
            set_two = "set_field:2000->mpls_label,set_field:6->mpls_tc,set_mpls_ttl(99)"
            set_three = "set_field:3000->mpls_label,set_field:7->mpls_tc,set_mpls_ttl(250)"
            # Pushing.
            self.check(sent, plain, f"push_mpls:0x8847,{set_one}", one)
            self.check(sent, plain, f"push_mpls:0x8848,{set_one}", {**one, "eth_type": MPLS_MULTICAST})
            if NETDEV:
                # Linux refuses labels on a packet with a tag, because it does not know where they belong.
                self.check({**sent, "vlans": ((VLAN, 5, 3),)}, plain, f"push_mpls:0x8847,{set_one}", one)
            self.check(one, "mpls", f"push_mpls:0x8847,{set_two}", two)
            self.check(two, "mpls", f"push_mpls:0x8847,{set_three}", three)
            self.check(sent, plain, f"push_mpls:0x8847,{set_one},push_mpls:0x8847,{set_two}", two)
            # Setting.
            self.check(one, "mpls", "set_field:77->mpls_label", {"mpls": ((77, 5, 33),)})
            self.check(one, "mpls", "set_field:2->mpls_tc", {"mpls": ((1000, 2, 33),)})
            self.check(two, "mpls", "set_mpls_ttl(4)", {"mpls": ((2000, 6, 4), (1000, 5, 33))})
            self.check(three, "mpls", "dec_mpls_ttl", {"mpls": ((3000, 7, 249),) + two["mpls"]})
            # Popping. What was inside can be changed only when the packet has been looked at again.
            popped = {"eth_type": inner, "mpls": None}
            self.check(one, "mpls", f"pop_mpls:{inner:#x}", popped)
            self.check(one, "mpls", f"pop_mpls:{inner:#x},dec_ttl", {**popped, "ttl": 63})
            self.check(two, "mpls", f"pop_mpls:0x8847,pop_mpls:{inner:#x},mod_tp_src:5",
                       {**popped, "tp_src": 5}, version="OpenFlow10")
            self.check(two, "mpls", "pop_mpls:0x8847", {"mpls": one["mpls"]})
            self.check(three, "mpls", "pop_mpls:0x8847,pop_mpls:0x8847", {"mpls": one["mpls"]})

    def test_icmp_arp_and_neighbour_discovery(self):
        """What only ovs-vswitchd can change."""
        self.check({"ip_proto": ICMP}, "icmp", "set_field:0->icmp_type", {"icmp_type": 0}, slow=True)
        self.check({"ip_proto": ICMP}, "icmp", "set_field:9->icmp_code", {"icmp_code": 9}, slow=True)
        echo = {"eth_type": IPV6, "ip_proto": ICMPV6}
        self.check(echo, "icmp6", "set_field:129->icmpv6_type", {"icmp_type": 129}, slow=True)
        self.check(echo, "icmp6", "set_field:9->icmpv6_code", {"icmp_code": 9}, slow=True)
        for field, value in (("arp_op", 2), ("arp_spa", "10.9.9.9"), ("arp_tpa", "10.9.9.8"),
                             ("arp_sha", "02:00:00:00:99:01"), ("arp_tha", "02:00:00:00:99:02")):
            self.check({"eth_type": ARP}, "arp", f"set_field:{value}->{field}", {field: value}, slow=True)
        solicitation = {**echo, "icmp_type": 135, "ttl": 255, "nd_options": ((1, "02:00:00:00:00:01"),)}
        advertisement = {**solicitation, "icmp_type": 136, "nd_options": ((2, "02:00:00:00:00:02"),)}
        self.check(solicitation, "icmp6,icmp_type=135", "set_field:fd09::9->nd_target",
                   {"nd_target": "fd09::9"}, slow=True)
        self.check(solicitation, "icmp6,icmp_type=135", "set_field:02:00:00:00:99:01->nd_sll",
                   {"nd_options": ((1, "02:00:00:00:99:01"),)}, slow=True)
        self.check(advertisement, "icmp6,icmp_type=136", "set_field:02:00:00:00:99:02->nd_tll",
                   {"nd_options": ((2, "02:00:00:00:99:02"),)}, slow=True)


class OVSOffloads(OVSTest):
    """TCP of real hosts, whose segments may be 64 KiB long and without checksums, through rules that change it."""

    def setUp(self):
        super().setUp()
        for number in (1, 2):
            self.ovs.plug(f"h{number}", number)

    def assert_tcp(self, address):
        world = self.world
        world.ping("h1", address, 20)
        report = world.tcp("h1", "h2", address, "-t", "1")["end"]
        self.assertGreater(report["sum_received"]["bytes"], 5_000_000)
        # What a receiver finds wrong it does not acknowledge.
        for host in ("h1", "h2"):
            text = world.inside(host, "nstat", "-asz", "TcpInCsumErrors").stdout
            self.assertRegex(text, r"TcpInCsumErrors +0 ", host)

    def test_translated_addresses_and_ports(self):
        """h1 talks to 10.78.0.200, fd78::200, port 5201, which is h2."""
        world, ovs = self.world, self.ovs
        ovs.add_bridge("br0", "p1", "p2")
        there, back = world.mac("h2"), world.mac("h1")
        for address in ("10.78.0.200", "fd78::200"):
            world.inside("h1", "ip", "neigh", "add", address, "lladdr", "02:00:00:00:09:99", "dev", "eth0")
        to_h2 = f"mod_dl_dst:{there},dec_ttl,output:2"
        to_h1 = f"mod_dl_src:02:00:00:00:09:99,mod_dl_dst:{back},dec_ttl,output:1"
        self.ovs.set_flows(
            "br0", "priority=0,actions=normal",
            f"priority=9,in_port=1,ip,nw_dst=10.78.0.200,actions=mod_nw_dst:10.78.0.2,{to_h2}",
            f"priority=9,in_port=2,ip,nw_src=10.78.0.2,nw_dst=10.78.0.1,actions=mod_nw_src:10.78.0.200,{to_h1}",
            f"priority=9,in_port=1,ipv6,ipv6_dst=fd78::200,actions=set_field:fd78::2->ipv6_dst,{to_h2}",
            "priority=9,in_port=2,ipv6,ipv6_src=fd78::2,ipv6_dst=fd78::1,"
            f"actions=set_field:fd78::200->ipv6_src,{to_h1}")
        # The hosts find each other's real addresses before.
        world.ping("h1", "10.78.0.2", 3, check=False)
        world.ping("h2", "fd78::1", 3, check=False)
        self.assert_tcp("10.78.0.200")
        self.assert_tcp("fd78::200")
        flows = "\n".join(ovs.datapath_flows())
        for text in ("set(ipv4(dst=10.78.0.2,ttl=63))", "set(ipv6(src=fd78::200,hlimit=63))"):
            self.assertIn(text, flows)

    def connect_bridges(self):
        """br0 with h1 and br1 with h2, and a cable t0 to t1 between them."""
        namespace = f"{self.world.id}-sw"
        run("ip", "link", "add", "t0", "netns", namespace, "type", "veth", "peer", "name", "t1", "netns", namespace)
        for name in ("t0", "t1"):
            # A tag, or labels, more than the hosts know of.
            self.world.inside("sw", "ip", "link", "set", name, "mtu", "1600", "up")
        self.ovs.add_bridge("br0", "p1")
        self.ovs.add_bridge("br1", "p2")
        for number in (0, 1):
            self.ovs.add_port(f"br{number}", f"t{number}", interface=["ofport_request=10"])

    def test_through_a_vlan(self):
        self.connect_bridges()
        for port in ("p1", "p2"):
            self.ovs.vsctl("set", "Port", port, "tag=10")
        self.assert_tcp("10.78.0.2")
        self.assert_tcp("fd78::2")
        self.assertIn("push_vlan(vid=10,pcp=0)", "\n".join(self.ovs.datapath_flows()))

    def test_through_mpls(self):
        self.connect_bridges()
        for number in (0, 1):
            self.ovs.set_flows(
                f"br{number}",
                f"priority=9,in_port=10,mpls,mpls_label=40,actions=pop_mpls:0x0800,output:{number + 1}",
                f"priority=9,in_port=10,mpls,mpls_label=60,actions=pop_mpls:0x86dd,output:{number + 1}",
                f"priority=8,in_port={number + 1},ip,actions=push_mpls:0x8847,set_field:40->mpls_label,output:10",
                f"priority=8,in_port={number + 1},ipv6,actions=push_mpls:0x8847,set_field:60->mpls_label,output:10",
                "priority=1,actions=normal")
        self.assert_tcp("10.78.0.2")
        self.assert_tcp("fd78::2")
        flows = "\n".join(self.ovs.datapath_flows())
        self.assertIn("push_mpls(label=40", flows)
        self.assertIn("pop_mpls(eth_type=0x86dd)", flows)

    def test_through_nsh(self):
        """Each segment of what a host left whole has all headers in front of it."""
        self.connect_bridges()
        for number in (0, 1):
            self.ovs.set_flows(
                f"br{number}",
                f"priority=9,in_port=10,dl_type=0x894f,nsh_spi=0x1234,actions=decap(),decap(),output:{number + 1}",
                f"priority=8,in_port={number + 1},actions=encap(nsh(md_type=1)),set_field:0x1234->nsh_spi,"
                "encap(ethernet),set_field:02:00:00:00:aa:01->eth_src,set_field:02:00:00:00:aa:02->eth_dst,output:10")
        self.assert_tcp("10.78.0.2")
        self.assert_tcp("fd78::2")
        flows = "\n".join(self.ovs.datapath_flows())
        self.assertIn("push_nsh(", flows)
        self.assertIn("pop_nsh()", flows)
