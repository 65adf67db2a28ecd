"""Open vSwitch: the datapath's flows, from their making to their end."""

import re
import time

import frames
from hosts import wait_until
from openvswitch import Forwarding, OVSTest, flow_packets

FIRST = 10000  # The first source port.


class OVSMegaflows(OVSTest, Forwarding):
    """Each source port is a flow of its own, because a rule copies it to a register."""

    RULE = "in_port=1,udp,actions=move:NXM_OF_UDP_SRC[]->NXM_NX_REG0[0..15],output:2"

    def setUp(self):
        super().setUp()
        self.wires = {number: self.ovs.wire(number) for number in (1, 2, 3)}
        self.ovs.add_bridge("br0", "p1", "p2", "p3", fail_mode="secure")
        self.numbers = {f"p{port}": number for number, port in
                        re.findall(r"^  port (\d+): p(\d+)", self.ovs.appctl("dpctl/show").stdout, re.M)}

    def send_flows(self, count, output=2):
        """Sends a frame of each flow; each comes out once."""
        for first in range(FIRST, FIRST + count, 100):
            sources = range(first, min(first + 100, FIRST + count))
            self.wires[1].send(*[frames.build(tp_src=source) for source in sources])
            received = self.collect(len(sources))
            self.assertEqual(sorted(each["tp_src"] for each in received[output]), list(sources))

    def flows(self):
        """{source port: (packets, actions)} of the datapath's flows."""
        found = {}
        for line in self.ovs.datapath_flows():
            source = int(re.search(r"udp\(src=(\d+)\)", line)[1])
            self.assertNotIn(source, found, "a flow is there twice")
            found[source] = (flow_packets(line), line.split("actions:")[1])
        return found

    def count(self):
        """How many flows the datapath says it has."""
        return int(re.search(r"^  flows: (\d+)", self.ovs.appctl("dpctl/show").stdout, re.M)[1])

    def test_ten_thousand_flows_are_revalidated(self):
        ovs, count = self.ovs, 10000
        ovs.vsctl("set", "Open_vSwitch", ".", "other_config:max-idle=600000")
        ovs.set_flows("br0", self.RULE)
        everyone = set(range(FIRST, FIRST + count))
        begin = time.monotonic()
        self.send_flows(count)
        made = time.monotonic() - begin
        to = {number: self.numbers[f"p{number}"] for number in (2, 3)}
        flows = self.flows()
        self.assertEqual(set(flows), everyone, ovs.appctl("upcall/show").stdout)
        self.assertEqual({each for _, each in flows.values()}, {to[2]})
        self.assertEqual(self.count(), count)
        self.send_flows(count)
        self.assertEqual({packets for packets, _ in self.flows().values()}, {1})
        self.assertEqual(ovs.rule_packets("br0", "in_port=1"), 2 * count)

        # The rule changes, and so does each flow, instead of being thrown away because a dump takes more than a quarter
        # of a second.
        ovs.vsctl("set", "Open_vSwitch", ".", "other_config:max-revalidator=60000")
        begin = time.monotonic()
        ovs.ofctl("mod-flows", "br0", self.RULE.replace("output:2", "output:3"))

        def actions():
            time.sleep(0.2)  # ovs-vswitchd has something else to do than to dump.
            return {line.split("actions:")[1] for line in ovs.datapath_flows()}

        wait_until("all flows have the other action", lambda: actions() == {to[3]})
        changed = time.monotonic() - begin
        self.assertEqual(set(self.flows()), everyone)
        self.send_flows(500, output=3)
        # The rule goes: no flow forwards, whether it drops or is gone.
        ovs.vsctl("remove", "Open_vSwitch", ".", "other_config", "max-revalidator")
        ovs.ofctl("del-flows", "br0")
        wait_until("no flow forwards", lambda: actions() <= {"drop"})
        self.wires[1].send(frames.build(tp_src=FIRST))
        self.assert_silence()
        # Nobody uses them any more.
        begin = time.monotonic()
        ovs.vsctl("set", "Open_vSwitch", ".", "other_config:max-idle=100")
        wait_until("the flows are gone", lambda: self.count() == 0)
        print(f"{count} flows made in {made:.1f} s, changed in {changed:.1f} s, "
              f"gone in {time.monotonic() - begin:.1f} s; ", end="", flush=True)

    def test_idle_flows_go_and_used_ones_stay(self):
        ovs = self.ovs
        ovs.vsctl("set", "Open_vSwitch", ".", "other_config:max-idle=500")
        ovs.set_flows("br0", self.RULE)
        self.send_flows(50)
        self.assertEqual(len(self.flows()), 50)

        def others_are_gone():
            self.wires[1].send(frames.build(tp_src=FIRST))
            return set(self.flows()) == {FIRST}

        wait_until("only the flow that is used is left", others_are_gone)
        self.assertGreater(self.flows()[FIRST][0], 2)

    def test_the_flow_limit(self):
        """Beyond the limit packets are forwarded, by ovs-vswitchd, and have no flow."""
        ovs = self.ovs
        ovs.vsctl("set", "Open_vSwitch", ".", "other_config:max-idle=600000")
        ovs.allow(r"^ofproto_dpif_upcall.*\|WARN\|upcall: datapath reached the dynamic limit of 200 flows",
                  "it is told of each packet")
        ovs.vsctl("set", "Open_vSwitch", ".", "other_config:flow-limit=200")
        wait_until("the limit is in force", lambda: "(limit 200)" in ovs.appctl("upcall/show").stdout)
        ovs.set_flows("br0", self.RULE)
        self.send_flows(200)
        self.assertEqual(self.count(), 200)
        # ovs-vswitchd asks for the number of flows ten times a second, when a packet misses. While one handler asks, the
        # others go on with the number that they had.
        time.sleep(0.15)
        self.send_flows(201)
        time.sleep(0.05)
        self.send_flows(400)
        self.assertLessEqual(self.count(), 200)
        self.send_flows(400)
        self.assertLessEqual(self.count(), 200)

    def test_what_is_shown(self):
        """dpctl/show, dump-flows and dump-dps agree with what was sent."""
        ovs = self.ovs
        ovs.set_flows("br0", self.RULE)
        self.send_flows(30)
        self.send_flows(30)
        text = ovs.appctl("dpctl/show").stdout
        name = ovs.appctl("dpctl/dump-dps").stdout.strip()
        self.assertTrue(text.startswith(name + ":\n"), text)
        hits, misses, lost = map(int, re.search(r"lookups: hit:(\d+) missed:(\d+) lost:(\d+)", text).groups())
        self.assertEqual((hits, misses, lost), (30, 30, 0), text)
        self.assertEqual(self.count(), 30)
        for line in ovs.datapath_flows("-m"):
            self.assertRegex(line, r"^ufid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}, ")
            self.assertIn("in_port(p1)", line)
            self.assertRegex(line, r"packets:1, bytes:95, used:\d+\.\d+s, .*actions:p2(,|$)")
            ufid = line.split(",")[0]
            one = ovs.appctl("dpctl/get-flow", "-m", ufid).stdout
            self.assertEqual(re.sub(r"used:[^,]*", "", one.strip()), re.sub(r"used:[^,]*", "", line))
