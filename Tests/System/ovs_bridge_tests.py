"""Open vSwitch: mirrors and bonds of a bridge."""

import re

import frames
from frames import VLAN
from hosts import run, wait_until
from openvswitch import Forwarding, OVSTest

BROADCAST = "ff:ff:ff:ff:ff:ff"


class OVSMirrors(OVSTest, Forwarding):
    """Copies of what passes, to a port or into a VLAN."""

    def setUp(self):
        super().setUp()
        self.wires = {number: self.ovs.wire(number) for number in (1, 2, 3, 4)}
        # The bridge's own port takes no part.
        self.ovs.add_bridge("br0", "p1", "p2", "p3", "p4", settings=["--", "set", "Port", "br0", "tag=99"])

    def mirror(self, *columns):
        ports = [part for number in (1, 2, 3, 4) for part in ("--", f"--id=@p{number}", "get", "Port", f"p{number}")]
        self.ovs.vsctl("--", "set", "Bridge", "br0", "mirrors=@m", *ports, "--", "--id=@m", "create", "Mirror",
                       "name=m", *columns)
        self.ovs.purge()

    def learn(self):
        """The bridge learns that 02:…:a1 is on port 1 and 02:…:a2 on port 2."""
        for number in (1, 2):
            self.wires[number].send(frames.build(eth_src=f"02:00:00:00:05:a{number}", eth_dst=BROADCAST))
        wait_until("both are learned", lambda: len(re.findall("02:00:00:00:05:a", self.ovs.appctl(
            "fdb/show", "br0").stdout)) == 2)
        for wire in self.wires.values():
            wire.receive_all()

    def test_to_a_port(self):
        self.mirror("select-src-port=@p1", "output-port=@p3")
        self.learn()
        there = {"eth_src": "02:00:00:00:05:a1", "eth_dst": "02:00:00:00:05:a2"}
        back = {"eth_src": "02:00:00:00:05:a2", "eth_dst": "02:00:00:00:05:a1"}
        self.assert_forwards(1, there, {2: {}, 3: {}})
        self.assert_forwards(2, back, {1: {}})
        self.ovs.vsctl("clear", "Mirror", "m", "select_src_port")
        self.ovs.vsctl("--", "--id=@p1", "get", "Port", "p1", "--", "set", "Mirror", "m", "select-dst-port=@p1")
        self.ovs.purge()
        self.assert_forwards(2, back, {1: {}, 3: {}})
        self.assert_forwards(1, there, {2: {}})
        self.ovs.vsctl("set", "Mirror", "m", "select_all=true")
        self.ovs.purge()
        self.assert_forwards(1, there, {2: {}, 3: {}})
        # A port for mirrors gets nothing else, and what it sends is not taken.
        self.assert_forwards(1, {**there, "eth_dst": BROADCAST}, {2: {}, 3: {}, 4: {}})
        self.ovs.vsctl("clear", "Bridge", "br0", "mirrors")
        self.ovs.purge()
        self.assert_forwards(1, there, {2: {}})

    def test_cut_to_a_length(self):
        self.mirror("select-all=true", "output-port=@p3", "snaplen=64")
        self.learn()
        frame = frames.build(eth_src="02:00:00:00:05:a1", eth_dst="02:00:00:00:05:a2", payload=bytes(range(200)))
        for _ in range(3):
            self.wires[1].send(frame)
            self.assertEqual(self.wires[2].take(1), [frame])
            self.assertEqual(self.wires[3].take(1), [frame[:64]])
        self.assert_silence()
        self.assertTrue(any("trunc(64)" in line for line in self.ovs.datapath_flows()))

    def test_into_a_vlan(self):
        self.ovs.vsctl("set", "Port", "p3", "trunks=77")
        self.ovs.vsctl("set", "Port", "p4", "tag=77")
        self.ovs.vsctl("set", "Port", "p1", "tag=5")
        self.ovs.vsctl("set", "Port", "p2", "trunks=5")
        self.mirror("select-all=true", "output-vlan=77")
        self.learn_in_vlan()
        self.assert_forwards(1, {"eth_src": "02:00:00:00:05:a1", "eth_dst": "02:00:00:00:05:a2"}, {
            2: {"vlans": ((VLAN, 5, 0),)}, 3: {"vlans": ((VLAN, 77, 0),)}, 4: {}})

    def learn_in_vlan(self):
        self.wires[2].send(frames.build(eth_src="02:00:00:00:05:a2", eth_dst=BROADCAST, vlans=((VLAN, 5, 0),)))
        for number in (1, 3, 4):
            self.wires[number].take(1)


class OVSSpanningTree(OVSTest, Forwarding):
    """Two bridges with two cables between them: RSTP takes one out."""

    def test_rstp(self):
        ovs, world = self.ovs, self.world
        self.wires = {number: ovs.wire(number) for number in (1, 2)}
        add_cables(world)
        for number, name in ((1, "br0"), (2, "br1")):
            ovs.add_bridge(name, f"p{number}", settings=[
                "rstp_enable=true", f"other_config:rstp-priority={4096 * number}", "--", "set", "Port", name, "tag=99"])
            # A host needs no RSTP.
            ovs.vsctl("set", "Port", f"p{number}", "other_config:rstp-enable=false")
            self.wires[number].receive_all()
        for name in ("a0", "a1"):
            ovs.add_port("br0", name)
        for name in ("b0", "b1"):
            ovs.add_port("br1", name)

        def states():
            return {name: dict(re.findall(r"^  (\w+) +(?:Root|Designated|Alternate|Backup|Disabled) +(\w+)",
                                          ovs.appctl("rstp/show", name).stdout, re.M)) for name in ("br0", "br1")}

        def settled():
            br0, br1 = states().values()
            return (sorted(br0.get(name) for name in ("a0", "a1")) == ["Forwarding", "Forwarding"]
                    and sorted(br1.get(name) for name in ("b0", "b1")) == ["Discarding", "Forwarding"])

        wait_until("one way is open", settled)
        ovs.purge()
        self.assert_forwards(1, {"eth_src": "02:00:00:00:0a:01", "eth_dst": BROADCAST}, {2: {}})
        self.assert_forwards(2, {"eth_src": "02:00:00:00:0a:02", "eth_dst": "02:00:00:00:0a:01"}, {1: {}})
        # The cable that is used is cut; the other one takes its place.
        used, = [name for name, state in states()["br1"].items() if name in ("b0", "b1") and state == "Forwarding"]
        world.inside("sw", "ip", "link", "set", used, "down")
        other = {"b0": "b1", "b1": "b0"}[used]
        wait_until("the other way is open", lambda: states()["br1"].get(other) == "Forwarding")
        self.assert_forwards(1, {"eth_src": "02:00:00:00:0a:01", "eth_dst": BROADCAST, "tp_src": 5}, {2: {}})


def add_cables(world):
    """Cables a0 to b0 and a1 to b1 inside of the switch's namespace."""
    namespace = f"{world.id}-sw"
    for number in (0, 1):
        run("ip", "link", "add", f"a{number}", "netns", namespace, "type", "veth", "peer", "name", f"b{number}",
            "netns", namespace)
        for name in (f"a{number}", f"b{number}"):
            world.inside("sw", "ip", "link", "set", name, "up")


class OVSBonds(OVSTest, Forwarding):
    """Two links that are one port."""

    def add_bond(self, bridge, name, members, *settings):
        self.ovs.vsctl("add-bond", bridge, name, *members, *settings)

    def status(self, bond):
        """What `bond/show` says of the members: {name: "enabled" or "disabled"}."""
        return dict(re.findall(r"^member (\S+): (\w+)", self.ovs.appctl("bond/show", bond).stdout, re.M))

    def set_up(self, mode):
        """A bond of ports 3 and 4, and ports 1 and 2, all on cables."""
        self.wires = {number: self.ovs.wire(number) for number in (1, 2, 3, 4)}
        self.ovs.add_bridge("br0", "p1", "p2", settings=["--", "set", "Port", "br0", "tag=99"])
        self.add_bond("br0", "bond0", ("p3", "p4"), f"bond_mode={mode}")
        wait_until("both members are enabled", lambda: self.status("bond0") == {"p3": "enabled", "p4": "enabled"})

    def test_active_backup(self):
        self.set_up("active-backup")
        self.ovs.appctl("bond/set-active-member", "bond0", "p3")
        sent = {"eth_src": "02:00:00:00:06:01", "eth_dst": BROADCAST}
        incoming = {"eth_src": "02:00:00:00:06:09", "eth_dst": BROADCAST}
        self.assert_forwards(1, sent, {2: {}, 3: {}})
        self.assert_forwards(3, incoming, {1: {}, 2: {}})
        for active, other in ((4, 3), (3, 4)):
            self.world.inside("wires", "ip", "link", "set", f"w{other}", "down")
            wait_until(f"p{active} is active", lambda: self.status("bond0").get(f"p{other}") == "disabled")
            # Who was learned is announced on the other link.
            announced = set()
            wait_until("the source is announced", lambda: sent["eth_src"] in announced or announced.update(
                frames.parse(data)["eth_src"] for data in self.wires[active].receive_all()))
            self.assert_forwards(1, {**sent, "tp_src": active}, {2: {}, active: {}})
            self.world.inside("wires", "ip", "link", "set", f"w{other}", "up")
            wait_until("both members are enabled", lambda: set(self.status("bond0").values()) == {"enabled"})
            # The backup neither sends nor takes anything.
            self.assert_forwards(1, {**sent, "tp_src": 10 + active}, {2: {}, active: {}})
            self.assert_forwards(other, {**incoming, "eth_src": f"02:00:00:00:06:1{other}"}, {})
            self.assert_forwards(active, incoming, {1: {}, 2: {}})

    def test_balance_slb(self):
        """Source addresses are spread over the members, and stay where they are."""
        self.set_up("balance-slb")
        members = {}
        for _ in range(2):
            for source in range(64):
                self.wires[1].send(frames.build(eth_src=f"02:00:00:00:07:{source:02x}", eth_dst=BROADCAST))
                received = self.collect(2)
                self.assertEqual(len(received[2]), 1)
                member, = [number for number in (3, 4) if received[number]]
                self.assertEqual(members.setdefault(source, member), member, "a source changed its member")
        self.assert_silence()
        count = list(members.values()).count(3)
        self.assertTrue(10 <= count <= 54, f"{count} of 64 sources on one of two members")
        # With one member gone all are on the other.
        self.world.inside("wires", "ip", "link", "set", "w3", "down")
        wait_until("p3 is disabled", lambda: self.status("bond0")["p3"] == "disabled")
        self.wires[4].receive_all()
        for source in range(0, 64, 9):
            self.assert_forwards(
                1, {"eth_src": f"02:00:00:00:07:{source:02x}", "eth_dst": BROADCAST}, {2: {}, 4: {}}, times=2)

    def test_balance_tcp(self):
        """Flows are spread over the members of a bond with LACP between two bridges, by recirculation."""
        ovs, world = self.ovs, self.world
        self.wires = {number: ovs.wire(number) for number in (1, 2)}
        add_cables(world)
        ovs.add_bridge("br0", "p1", settings=["--", "set", "Port", "br0", "tag=99"])
        ovs.add_bridge("br1", "p2", settings=["--", "set", "Port", "br1", "tag=99"])
        settings = ("bond_mode=balance-tcp", "lacp=active", "other_config:lacp-time=fast",
                    "other_config:bond-rebalance-interval=1000")
        self.add_bond("br0", "bond0", ("a0", "a1"), *settings)
        self.add_bond("br1", "bond1", ("b0", "b1"), *settings)

        def negotiated(bond):
            text = ovs.appctl("bond/show", bond).stdout
            return "lacp_status: negotiated" in text and list(self.status(bond).values()) == ["enabled", "enabled"]

        for bond in ("bond0", "bond1"):
            wait_until(f"{bond} is negotiated", lambda: negotiated(bond))
        # Each side learns where the other is.
        for number in (1, 2):
            self.wires[number].send(frames.build(eth_src=f"02:00:00:00:08:0{number}", eth_dst=BROADCAST))
            self.collect(1)
        there = {"eth_src": "02:00:00:00:08:01", "eth_dst": "02:00:00:00:08:02"}
        back = {"eth_src": "02:00:00:00:08:02", "eth_dst": "02:00:00:00:08:01"}

        def hashes_of_members():
            """Sends 200 flows each way and returns which hashes each member of bond0 has."""
            for first in range(1000, 1200, 40):
                sources = range(first, first + 40)
                for port, addresses in ((1, there), (2, back)):
                    self.wires[port].send(*[frames.build(**addresses, tp_src=source) for source in sources])
                    received = self.collect(len(sources))
                    self.assertEqual(sorted(each["tp_src"] for each in received[3 - port]), list(sources))
            self.assert_silence()
            members, flows = {}, ovs.datapath_flows("--names")
            self.assertTrue(any(re.search(r"in_port\(p1\).*hash\(l4\(0\)\),recirc\(", line) for line in flows), flows)
            for line in flows:
                if match := re.search(r"dp_hash\((\w+)/.*in_port\(p1\).*actions:(a\d)$", line):
                    members.setdefault(match[2], set()).add(match[1])
            return members

        # A member that was ready a little later than the other gets its hashes when they are balanced, each second.
        wait_until("both members have hashes",
                   lambda: len(members := hashes_of_members()) == 2 and min(map(len, members.values())) > 20, 20)
        # A link goes; the flows go on.
        world.inside("sw", "ip", "link", "set", "a0", "down")
        for bond in ("bond0", "bond1"):
            wait_until(f"{bond} has one member",
                       lambda: sorted(self.status(bond).values()) == ["disabled", "enabled"])
        for source in range(1000, 1020):
            self.assert_forwards(1, {**there, "tp_src": source}, {2: {}}, times=2)
