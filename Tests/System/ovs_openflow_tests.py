"""Open vSwitch: controllers, groups, traces, meters."""

import os
import re
import subprocess
import time

import frames
from frames import ARP, ICMP, IPV4, IPV6, TCP, UDP, VLAN
from hosts import wait_until
from openvswitch import Forwarding, OVSTest, flow_packets, needs_martlet


class Monitor:
    """A controller: `ovs-ofctl monitor`, which prints each packet that it gets, and resumes those that wait for it."""

    def __init__(self, ovs, bridge, option="resume", version="OpenFlow15"):
        self.ovs = ovs
        self.path = os.path.join(ovs.directory, "monitor.out")
        self.control = os.path.join(ovs.directory, "monitor.ctl")
        with open(self.path, "wb") as output:
            ovs.world.processes.append(subprocess.Popen(
                ["ovs-ofctl", "-O", version, "-m", "monitor", bridge, "65534", option, "-P", "nxt_packet_in2",
                 f"--unixctl={self.control}"], stdout=output, stderr=output, env=ovs.environment))
        wait_until("the monitor listens", lambda: os.path.exists(self.control))
        # What comes before the answer has been carried out.
        ovs.appctl("-t", self.control, "ofctl/barrier")
        wait_until("the monitor is connected", lambda: "OFPT_BARRIER_REPLY" in self.text())

    def text(self):
        with open(self.path) as file:
            return file.read()

    def packets(self, count):
        """The first packets that came: (what the message says of it, the frame's bytes)."""
        def received():
            found = []
            for message in re.split(r"^(?=[A-Z0-9_]+ (?:\(OF1\.\d\) )?\(xid=|send: )", self.text(), flags=re.M):
                if message.startswith("NXT_PACKET_IN2"):
                    lines = re.findall(r"^[0-9a-f]{8}  ((?:[0-9a-f]{2}[ -]){1,16})", message.replace("\n", " \n"), re.M)
                    found.append((message, bytes.fromhex("".join(lines).replace("-", " "))))
            return found

        def complete():
            return [each for each in received()
                    if len(each[1]) == int(re.search(r"data_len=(\d+)", each[0])[1])]

        wait_until(f"{count} packets have come to the controller", lambda: len(complete()) >= count)
        return complete()


class OVSController(OVSTest, Forwarding):
    """Packets to and from a controller."""

    def setUp(self):
        super().setUp()
        self.wires = {number: self.ovs.wire(number) for number in (1, 2, 3)}
        self.ovs.add_bridge("br0", "p1", "p2", "p3", fail_mode="secure")

    def test_packet_out(self):
        sent = {"eth_src": "02:00:00:00:03:01", "ip_src": "10.5.0.1"}
        packet = frames.build(**sent).hex()

        def packet_out(port, actions):
            self.ovs.ofctl("packet-out", "br0", f"in_port={port} packet={packet} actions={actions}")

        packet_out("controller", "output:2")
        self.assertEqual(self.wires[2].take(1), [frames.build(**sent)])
        packet_out("controller", "set_field:10.9.9.9->ip_src,output:2,set_field:10.9.9.8->ip_dst,output:3")
        self.assertEqual(frames.parse(self.wires[2].take(1)[0]), frames.complete(**{**sent, "ip_src": "10.9.9.9"}))
        self.assertEqual(frames.parse(self.wires[3].take(1)[0]),
                         frames.complete(**{**sent, "ip_src": "10.9.9.9", "ip_dst": "10.9.9.8"}))
        packet_out("1", "push_vlan:0x8100,set_field:4105->vlan_vid,flood")
        for number in (2, 3):
            self.assertEqual(frames.parse(self.wires[number].take(1)[0])["vlans"], ((VLAN, 9, 0),))
        # Through the tables, as if it had come in.
        self.ovs.set_flows("br0", "in_port=2,ip actions=mod_nw_src:10.9.9.7,output:3")
        packet_out("2", "table")
        self.assertEqual(frames.parse(self.wires[3].take(1)[0]), frames.complete(**{**sent, "ip_src": "10.9.9.7"}))
        self.assert_silence()

    def test_packet_in(self):
        self.ovs.set_flows(
            "br0", "in_port=1,udp,tp_dst=1,actions=controller(userdata=01.02.03)",
            "in_port=1,udp,tp_dst=2,"
            "actions=set_field:7->tun_id,mod_nw_src:10.9.9.9,controller(reason=no_match),output:2")
        monitor = Monitor(self.ovs, "br0")
        count = 0
        for _ in range(3):
            self.wires[1].send(frames.build(tp_dst=1))
            message, data = monitor.packets(count + 1)[count]
            self.assertIn("in_port=1 (via action)", message)
            self.assertIn("userdata=01.02.03", message)
            self.assertEqual(data, frames.build(tp_dst=1))
            self.wires[1].send(frames.build(tp_dst=2))
            message, data = monitor.packets(count + 2)[count + 1]
            self.assertIn("tun_id=0x7,in_port=1 (via no_match)", message)
            changed = {**frames.complete(tp_dst=2), "ip_src": "10.9.9.9"}
            self.assertEqual(frames.parse(data), changed)
            self.assertEqual(frames.parse(self.wires[2].take(1)[0]), changed)
            count += 2
        self.assert_silence()
        self.assertTrue(all("userspace" in line and "controller(" in line for line in self.ovs.datapath_flows()))

    def test_a_packet_waits_for_the_controller(self):
        """What comes behind `pause` is done when the controller resumes the packet."""
        self.ovs.set_flows(
            "br0", "table=0,in_port=1,actions=mod_dl_src:02:00:00:00:03:09,controller(pause),resubmit(,1)",
            "table=1,ip,actions=dec_ttl,output:3")
        monitor = Monitor(self.ovs, "br0")
        for turn in range(3):
            self.wires[1].send(frames.build())
            self.assertEqual(frames.parse(self.wires[3].take(1)[0]),
                             {**frames.complete(), "eth_src": "02:00:00:00:03:09", "ttl": 63})
            message, data = monitor.packets(turn + 1)[turn]
            self.assertIn("continuation.bridge=", message)
            self.assertEqual(frames.parse(data), {**frames.complete(), "eth_src": "02:00:00:00:03:09"})
        self.assert_silence()

    def test_packets_whose_time_is_over(self):
        """dec_ttl sends what has no hop left to the controller and nowhere else."""
        self.ovs.set_flows("br0", "in_port=1,ip,actions=dec_ttl,output:2", "in_port=1,ipv6,actions=dec_ttl,output:2")
        monitor = Monitor(self.ovs, "br0", "invalid_ttl", version="OpenFlow10")
        count = 0
        for family in (IPV4, IPV6):
            for ttl in (0, 1):
                for _ in range(2):
                    self.wires[1].send(frames.build(eth_type=family, ttl=ttl))
                    message, data = monitor.packets(count + 1)[count]
                    self.assertIn("(via invalid_ttl)", message)
                    self.assertEqual(data, frames.build(eth_type=family, ttl=ttl))
                    count += 1
            self.assert_forwards(1, {"eth_type": family, "ttl": 2}, {2: {"ttl": 1}})


class OVSGroups(OVSTest, Forwarding):
    """Groups of OpenFlow."""

    def setUp(self):
        super().setUp()
        self.wires = {number: self.ovs.wire(number) for number in (1, 2, 3, 4)}
        self.ovs.add_bridge("br0", "p1", "p2", "p3", "p4", fail_mode="secure")

    def add_group(self, text):
        self.ovs.ofctl("add-group", "br0", text)

    def test_all(self):
        """Each bucket has a packet of its own."""
        self.add_group("group_id=1,type=all,bucket=output:2,bucket=set_field:10.9.9.9->ip_src,output:3,"
                       "bucket=push_vlan:0x8100,set_field:4105->vlan_vid,output:4")
        self.ovs.set_flows("br0", "in_port=1,ip,actions=dec_ttl,group:1,set_field:7->ip_dscp,output:2")
        self.assert_forwards(1, {}, {
            2: [{"ttl": 63}, {"ttl": 63, "tos": 28}], 3: {"ttl": 63, "ip_src": "10.9.9.9"},
            4: {"ttl": 63, "vlans": ((VLAN, 9, 0),)}})

    def test_indirect(self):
        self.add_group("group_id=1,type=indirect,bucket=set_field:10.9.9.9->ip_dst,output:3")
        self.ovs.set_flows("br0", "in_port=1,ip,actions=group:1", "in_port=2,ip,actions=dec_ttl,group:1")
        self.assert_forwards(1, {}, {3: {"ip_dst": "10.9.9.9"}})
        self.assert_forwards(2, {}, {3: {"ip_dst": "10.9.9.9", "ttl": 63}})
        self.ovs.ofctl("mod-group", "br0", "group_id=1,type=indirect,bucket=output:4")
        self.ovs.purge()
        self.assert_forwards(1, {}, {4: {}})

    def spread(self, flows):
        """Sends two frames of each flow and returns how many flows each port has; a flow stays with its port."""
        ports = {}
        for _ in range(2):
            # Not more at once than the queue of an interface holds.
            for first in range(1000, 1000 + flows, 50):
                sources = range(first, first + 50)
                self.wires[1].send(*[frames.build(tp_src=source, ip_src=f"10.5.0.{source % 250}")
                                     for source in sources])
                received = self.collect(len(sources))
                self.assertEqual(sorted(each["tp_src"] for got in received.values() for each in got), list(sources))
                for number, got in received.items():
                    for each in got:
                        self.assertEqual(ports.setdefault(each["tp_src"], number), number, "a flow changed its port")
        self.assert_silence()
        return {number: list(ports.values()).count(number) for number in (2, 3, 4)}

    def test_select_by_the_datapaths_hash(self):
        self.add_group("group_id=1,type=select,bucket=weight:100,output:2,bucket=weight:100,output:3,"
                       "bucket=weight:200,output:4")
        self.ovs.set_flows("br0", "in_port=1,ip,actions=group:1")
        counts = self.spread(400)
        # Half of the flows on 4; five standard deviations (10 and 9) make a difference that does not happen by chance.
        for number, expected in ((2, 100), (3, 100), (4, 200)):
            self.assertAlmostEqual(counts[number], expected, delta=50, msg=str(counts))
        flows = "\n".join(self.ovs.datapath_flows())
        self.assertRegex(flows, r"actions:hash\((sym_)?l4\(0\)\),recirc\(")
        self.assertRegex(flows, r"recirc_id\(0x\w+\),dp_hash\(0x\w+/0x\w+\)")

    def test_select_by_fields(self):
        self.add_group("group_id=1,type=select,selection_method=hash,fields(ip_src,udp_src),bucket=output:2,"
                       "bucket=output:3,bucket=output:4")
        self.ovs.set_flows("br0", "in_port=1,udp,actions=group:1")
        counts = self.spread(300)
        for number in (2, 3, 4):
            self.assertAlmostEqual(counts[number], 100, delta=45, msg=str(counts))

    def test_fast_failover(self):
        self.add_group("group_id=1,type=fast_failover,bucket=watch_port:2,output:2,"
                       "bucket=watch_port:3,set_field:10.9.9.9->ip_dst,output:3")
        self.ovs.set_flows("br0", "in_port=1,ip,actions=group:1")

        def goes_to(number):
            self.wires[1].send(frames.build())
            return self.wires[number].receive(0.2) is not None

        self.assert_forwards(1, {}, {2: {}})
        for _ in range(2):
            self.world.inside("wires", "ip", "link", "set", "w2", "down")
            wait_until("port 3 sends", lambda: goes_to(3))
            self.assert_forwards(1, {}, {3: {"ip_dst": "10.9.9.9"}})
            self.world.inside("wires", "ip", "link", "set", "w2", "up")
            wait_until("port 2 sends", lambda: goes_to(2))
            self.wires[3].receive_all()
            self.assert_forwards(1, {}, {2: {}})


class OVSTrace(OVSTest, Forwarding):
    """What `ovs-appctl ofproto/trace` says becomes of a packet is what becomes of it."""

    RULES = (
        "table=0,priority=9,in_port=1,tcp,tp_dst=80,actions=mod_nw_dst:10.9.0.80,dec_ttl,resubmit(,1)",
        "table=0,priority=8,in_port=1,ip,nw_tos=4,"
        "actions=push_vlan:0x8100,set_field:4106->vlan_vid,output:2,pop_vlan,output:3",
        "table=0,priority=7,in_port=1,udp,actions=clone(mod_nw_src:10.9.9.9,output:3),output:2",
        "table=0,priority=7,in_port=1,ipv6,actions=set_field:5->reg0,resubmit(,1)",
        "table=0,priority=6,in_port=1,dl_src=02:00:00:00:04:66,ip,nw_src=10.66.0.0/16,actions=drop",
        "table=0,priority=5,in_port=1,dl_vlan=7,actions=strip_vlan,mod_dl_dst:02:00:00:00:04:07,output:2",
        "table=0,priority=1,actions=normal",
        "table=1,priority=9,ip,nw_dst=10.9.0.0/24,actions=mod_dl_src:02:00:00:00:04:01,output:2",
        "table=1,priority=5,reg0=5,ipv6,actions=move:NXM_NX_IPV6_SRC[0..63]->NXM_NX_IPV6_DST[0..63],output:3,in_port",
    )
    CASES = (
        ({"ip_proto": TCP, "tp_dst": 80},
         {2: {"ip_dst": "10.9.0.80", "ttl": 63, "eth_src": "02:00:00:00:04:01"}}),
        ({"ip_proto": ICMP, "tos": 4}, {2: {"vlans": ((VLAN, 10, 0),)}, 3: {}}),
        ({}, {2: {}, 3: {"ip_src": "10.9.9.9"}}),
        ({"eth_type": IPV6, "ip_proto": UDP, "ip_src": "fd01::77"},
         {3: {"ip_dst": "fd01::77"}, 1: {"ip_dst": "fd01::77"}}),
        ({"ip_proto": ICMP, "ip_src": "10.66.1.2", "eth_src": "02:00:00:00:04:66"}, {}),
        ({"eth_type": 0x88B5, "vlans": ((VLAN, 7, 0),)}, {2: {"vlans": (), "eth_dst": "02:00:00:00:04:07"}}),
        ({"eth_type": 0x88B5, "eth_dst": "ff:ff:ff:ff:ff:ff"}, {2: {}, 3: {}}),
        ({"ip_proto": TCP, "tp_dst": 81, "eth_dst": "ff:ff:ff:ff:ff:ff"}, {2: {}, 3: {}}),
    )

    def test_traces_come_true(self):
        self.wires = {number: self.ovs.wire(number) for number in (1, 2, 3)}
        self.ovs.add_bridge("br0", "p1", "p2", "p3", fail_mode="secure",
                            settings=["--", "set", "Port", "br0", "tag=99"])
        numbers = dict(re.findall(r"^  port (\d+): p(\d+)", self.ovs.appctl("dpctl/show").stdout, re.M))
        self.ovs.set_flows("br0", *self.RULES)
        for sent, expected in self.CASES:
            with self.subTest(sent=sent):
                text = self.ovs.appctl("ofproto/trace", "br0", "in_port=1", frames.build(**sent).hex()).stdout
                traced = re.search(r"^Datapath actions: (.*)$", text, re.M)[1]
                # The ports that it names are those that the case expects.
                outputs = re.findall(r"(?:^|,|\()(\d+)(?=[,)]|$)", traced)
                self.assertEqual(sorted(int(numbers[port]) for port in outputs), sorted(expected))
                self.ovs.purge()
                self.assert_forwards(1, sent, expected)
                flow, = self.ovs.datapath_flows()
                self.assertEqual(flow_packets(flow), 2)
                self.assertEqual(flow.split("actions:")[1], traced)


class OVSMeters(OVSTest):
    """Meters: what is above the rate is dropped."""

    def setUp(self):
        super().setUp()
        self.source, self.sink = self.ovs.wire(1), self.ovs.wire(2)
        self.ovs.add_bridge("br0", "p1", "p2", fail_mode="secure")

    def meter(self, command, text):
        self.ovs.ofctl(command, "br0", text, version="OpenFlow13")

    def load(self, size, per_second, seconds=1.0):
        """Sends frames of a size at a steady rate; returns how many were sent, came out, and in how many seconds."""
        frame = frames.build(payload=bytes(size - 42))
        begin, sent = time.monotonic(), 0
        while (elapsed := time.monotonic() - begin) < seconds:
            if sent < elapsed * per_second:
                self.source.send(frame)
                sent += 1
            else:
                time.sleep(0.0005)
        return sent, len(self.sink.receive_all(0.5)), elapsed

    def assert_lets_through(self, rate, burst, size, per_second, delta):
        """Of a load above the rate comes out what the meter lets through; returns how many were sent, and came out.

        A turn in which the machine held up the sender or the switch is repeated: what the bucket has no room for
        meanwhile is gone. More than the meter lets through never comes out.
        """
        turns = []
        while len(turns) < 8:
            time.sleep(burst / rate)  # The bucket is full again.
            sent, received, seconds = self.load(size, per_second)
            turns.append((sent, received, seconds))
            expected = burst + rate * seconds
            self.assertLess(received, expected + delta, turns)
            if sent > 0.7 * per_second * seconds and received > expected - delta:
                return [sum(column) for column in list(zip(*turns))[:2]]
        self.fail(f"{burst} and {rate} a second were expected: {turns}")

    def counted(self):
        """What the meter has seen, and dropped."""
        text = self.ovs.ofctl("meter-stats", "br0", "meter=1", version="OpenFlow13").stdout
        return (int(re.search(r"packet_in_count:(\d+)", text)[1]),
                int(re.search(r"0: packet_count:(\d+)", text)[1]))

    def test_packets_per_second(self):
        self.meter("add-meter", "meter=1,pktps,burst,stats,bands=type=drop,rate=500,burst_size=100")
        self.ovs.set_flows("br0", "in_port=1,actions=meter:1,output:2", version="OpenFlow13")
        sent, received = self.assert_lets_through(500, 100, 100, per_second=3000, delta=60)
        self.assertEqual(self.counted(), (sent, sent - received))
        self.meter("mod-meter", "meter=1,pktps,burst,stats,bands=type=drop,rate=1500,burst_size=10")
        self.assert_lets_through(1500, 10, 100, per_second=4000, delta=250)
        # Below the rate nothing is dropped.
        self.meter("mod-meter", "meter=1,pktps,burst,stats,bands=type=drop,rate=100000,burst_size=1000")
        sent, received, _ = self.load(100, 2000, 0.5)
        self.assertEqual(sent, received)

    def test_kilobits_per_second(self):
        self.meter("add-meter", "meter=1,kbps,burst,stats,bands=type=drop,rate=8000,burst_size=800")
        self.ovs.set_flows("br0", "in_port=1,actions=meter:1,output:2", version="OpenFlow13")
        # 1,000 frames of 1,000 bytes a second, and 100 that the bucket holds.
        sent, received = self.assert_lets_through(1000, 100, 1000, per_second=3000, delta=100)
        self.assertEqual(self.counted(), (sent, sent - received))

    def test_flows_share_a_meter_and_go_with_it(self):
        self.meter("add-meter", "meter=1,pktps,burst,stats,bands=type=drop,rate=1,burst_size=5")
        self.ovs.set_flows("br0", "in_port=1,ip,actions=meter:1,output:2", "in_port=1,ipv6,actions=meter:1,output:2",
                           version="OpenFlow13")
        for count in range(20):
            self.source.send(frames.build(eth_type=(IPV4, IPV6)[count % 2]))
        received = len(self.sink.receive_all(0.5))
        self.assertIn(received, (5, 6))
        self.assertEqual(self.counted(), (20, 20 - received))
        self.meter("del-meter", "meter=1")
        self.assertNotIn("meter", self.ovs.ofctl("dump-flows", "br0").stdout)
        wait_until("the datapath has no flow with the meter",
                   lambda: not any("meter(" in line for line in self.ovs.datapath_flows()))

    def test_features(self):
        text = self.ovs.ofctl("meter-features", "br0", version="OpenFlow13").stdout
        self.assertGreater(int(re.search(r"max_meter:(\d+)", text)[1]), 1000)
        self.assertIn("band_types: drop", text)


@needs_martlet
class OVSConnections(OVSTest, Forwarding):
    """Connection tracking is not there yet: what Open vSwitch is told of it."""

    def test_a_packet_that_comes_to_ct_goes_nowhere(self):
        self.wires = {number: self.ovs.wire(number) for number in (1, 2)}
        self.ovs.add_bridge("br0", "p1", "p2", fail_mode="secure")
        self.ovs.set_flows("br0", "ip,actions=ct(commit),output:2", "arp,actions=output:2")
        self.ovs.allow(r"\|WARN\|.*failed to put\[create\] \(Invalid argument\).*actions:ct\(commit\),\d", "refused")
        self.ovs.allow(r"\|WARN\|.*execute ct\(commit\),\d failed \(Invalid argument\)", "the same for the packet")
        self.wires[1].send(frames.build(eth_type=IPV4, ip_proto=UDP))
        with open(self.ovs.log_path) as log:
            wait_until("the log says that the flow is refused", lambda: "execute ct(commit)" in log.read())
        # What is not tracked is forwarded as ever.
        self.assert_forwards(1, {"eth_type": ARP}, {2: {}})
