"""Open vSwitch: bridges and their ports, and the VLANs of ports."""

import fcntl
import os
import re
import struct

import frames
from hosts import wait_until
from openvswitch import Forwarding, OVSTest, flow_packets, needs_martlet
from wire import in_namespace


class OVSPorts(OVSTest):
    """`ovs-vsctl add-br`, `add-port`, `del-port`, `del-br`, and traffic between what they connect."""

    def shown_ports(self):
        """The names of the datapath's ports, by number."""
        # Without any datapath the command is an error.
        text = self.ovs.appctl("dpctl/show", check=False).stdout
        return {int(number): name for number, name in re.findall(r"^  port (\d+): (\S+)", text, re.M)}

    def assert_tcp(self, client, server, address):
        report = self.world.tcp(client, server, address, "-t", "1")
        self.assertGreater(report["end"]["sum_received"]["bytes"], 5_000_000)

    def test_system_ports(self):
        world, ovs = self.world, self.ovs
        ovs.plug("h1", 1)
        ovs.plug("h2", 2)
        ovs.add_bridge("br0", "p1", "p2")
        for name in ("p1", "p2"):
            self.assertEqual(world.links()[name]["promiscuity"], 1)
        world.ping("h1", "10.78.0.2", 100)
        world.ping("h2", "fd78::1", 100)
        self.assert_tcp("h1", "h2", "10.78.0.2")
        self.assert_tcp("h2", "h1", "fd78::1")
        # It was the datapath's flows that forwarded: far more packets than ovs-vswitchd saw.
        self.assertGreater(sum(flow_packets(line) for line in ovs.datapath_flows()), 400)
        macs = {world.mac("h1"): "1", world.mac("h2"): "2"}
        learned = {line.split()[2]: line.split()[0] for line in ovs.appctl("fdb/show", "br0").stdout.splitlines()[1:]}
        self.assertEqual({mac: learned.get(mac) for mac in macs}, macs)
        # The database has the counters of the interface.
        statistics = dict(re.findall(r"(\w+)=(\d+)", ovs.get("Interface", "p1", "statistics")))
        self.assertIn("rx_packets", statistics)

        ovs.vsctl("del-port", "br0", "p2")
        self.assertNotIn("p2", self.shown_ports().values())
        self.assertEqual(world.links()["p2"]["promiscuity"], 0)
        self.assertEqual(world.ping("h1", "10.78.0.2", 3, check=False), 3)
        ovs.add_port("br0", "p2")
        world.ping("h1", "10.78.0.2", 50)
        ovs.vsctl("del-br", "br0")
        self.assertNotIn("p1", self.shown_ports().values())
        self.assertNotIn("br0", world.links())
        self.assertEqual(world.links()["p1"]["promiscuity"], 0)
        self.assertEqual(world.ping("h1", "10.78.0.2", 3, check=False), 3)

    def test_internal_ports(self):
        world, ovs = self.world, self.ovs
        ovs.plug("h1", 1)
        ovs.add_bridge("br0", "p1")
        ovs.add_port("br0", "vi0", interface=["type=internal"])
        for number, name in ((100, "br0"), (101, "vi0")):
            world.inside("sw", "sysctl", "-qw", f"net.ipv6.conf.{name}.disable_ipv6=0")
            world.inside("sw", "ip", "addr", "add", f"10.78.0.{number}/24", "dev", name)
            world.inside("sw", "ip", "addr", "add", f"fd78::{number}/64", "dev", name, "nodad")
            world.inside("sw", "ip", "link", "set", name, "up")
        # One of the two answers for itself, as the other has the same network: this host's end of both is one host.
        world.inside("sw", "ip", "link", "set", "vi0", "down")
        world.ping("h1", "10.78.0.100", 50)
        world.ping("h1", "fd78::100", 50)
        world.ping("sw", "10.78.0.1", 50)
        world.ping("sw", "fd78::1", 50)
        self.assert_tcp("h1", "sw", "10.78.0.100")
        self.assert_tcp("sw", "h1", "fd78::1")
        world.inside("sw", "ip", "link", "set", "vi0", "up")
        world.inside("sw", "ip", "link", "set", "br0", "down")
        wait_until("vi0 answers", lambda: not world.ping("h1", "10.78.0.101", 1, check=False))
        world.ping("h1", "10.78.0.101", 50)
        ovs.vsctl("set", "Interface", "vi0", "mtu_request=1400")
        self.assertEqual(world.links()["vi0"]["mtu"], 1400)
        ovs.vsctl("set", "Interface", "vi0", r"mac=02\:00\:00\:00\:00\:99")
        self.assertEqual(world.links()["vi0"]["address"], "02:00:00:00:00:99")
        ovs.vsctl("del-port", "br0", "vi0")
        self.assertNotIn("vi0", world.links())
        self.assertEqual(sorted(self.shown_ports().values())[:1], ["br0"])

    def test_a_virtual_machines_tap(self):
        """A TAP device whose other side is held by another process: a port of type system."""
        world, ovs = self.world, self.ovs
        ovs.plug("h1", 1)
        tap = in_namespace(f"{world.id}-sw", open_tap, "p2")
        self.addCleanup(os.close, tap)
        world.inside("sw", "ip", "link", "set", "p2", "up")
        ovs.add_bridge("br0", "p1", "p2")
        machine = {"eth_src": "02:00:00:00:00:aa", "ip_src": "10.78.0.2", "ip_dst": "10.78.0.1",
                   "eth_dst": world.mac("h1")}
        for count in range(5):
            os.write(tap, frames.build(**machine, ip_proto=frames.ICMP, icmp_rest=struct.pack(">HH", 7, count)))
            # h1 asks for the address before it answers.
            while True:
                received = frames.parse(os.read(tap, 65536))
                if received["eth_type"] == frames.ARP and received["arp_op"] == 1:
                    os.write(tap, frames.build(
                        eth_type=frames.ARP, arp_op=2, eth_src="02:00:00:00:00:aa", eth_dst=received["eth_src"],
                        arp_sha="02:00:00:00:00:aa", arp_spa="10.78.0.2", arp_tha=received["eth_src"],
                        arp_tpa="10.78.0.1"))
                elif received.get("ip_proto") == frames.ICMP:
                    break
            self.assertEqual((received["icmp_type"], received["icmp_rest"]), (0, struct.pack(">HH", 7, count)))
        ovs.vsctl("del-port", "br0", "p2")

    def test_ports_of_type_tap_come_and_go(self):
        ovs = self.ovs
        ovs.add_bridge("br0")
        ovs.add_port("br0", "t0", interface=["type=tap"])
        self.assertIn("t0", self.shown_ports().values())
        self.assertIn("t0", self.world.links())
        ovs.vsctl("del-port", "br0", "t0")
        self.assertNotIn("t0", self.shown_ports().values())
        self.assertNotIn("t0", self.world.links())

    def test_patch_ports(self):
        world, ovs = self.world, self.ovs
        ovs.plug("h1", 1)
        ovs.plug("h2", 2)
        ovs.add_bridge("br0", "p1")
        ovs.add_bridge("br1", "p2")
        self.assertEqual(world.ping("h1", "10.78.0.2", 2, check=False), 2)
        ovs.vsctl("add-port", "br0", "to1", "--", "set", "Interface", "to1", "type=patch", "options:peer=to0",
                  "--", "add-port", "br1", "to0", "--", "set", "Interface", "to0", "type=patch", "options:peer=to1")
        world.ping("h1", "10.78.0.2", 100)
        world.ping("h1", "fd78::2", 100)
        self.assert_tcp("h1", "h2", "10.78.0.2")
        # A patch port is no port of the datapath; its flows go from one bridge to the other.
        self.assertFalse({"to0", "to1"} & set(self.shown_ports().values()))
        numbers = {name: number for number, name in self.shown_ports().items()}
        through = [line for line in ovs.datapath_flows() if f"in_port({numbers['p1']})" in line
                   and line.endswith(f"actions:{numbers['p2']}")]
        self.assertGreater(sum(map(flow_packets, through)), 90, through)
        ovs.vsctl("del-port", "br1", "to0")
        wait_until("the patch is gone", lambda: world.ping("h1", "10.78.0.2", 1, check=False) == 1)

    def test_a_cable_comes_late(self):
        world, ovs = self.world, self.ovs
        ovs.allow(r"^bridge\|WARN\|could not open network device p2 \(No such device\)", "it comes later")
        ovs.plug("h1", 1)
        ovs.add_bridge("br0", "p1")
        added = ovs.vsctl("add-port", "br0", "p2")
        self.assertIn("could not open network device p2", added.stderr)
        self.assertIn("No such device", ovs.get("Interface", "p2", "error"))
        ovs.plug("h2", 2)
        wait_until("p2 is a port", lambda: "p2" in self.shown_ports().values())
        world.ping("h1", "10.78.0.2", 50)

    @needs_martlet
    def test_a_cable_is_pulled_and_plugged_again(self):
        """Open vSwitch's own datapath keeps such a port; the system datapath gives it up and tells of it."""
        world, ovs = self.world, self.ovs
        ovs.allow(r"\|WARN\|.*p2.*No such device", "its counters and addresses are asked for when it has just gone")
        ovs.allow(r"^ofproto\|WARN\|br0: cannot get R?STP status on nonexistent port", "the same")
        ovs.plug("h1", 1)
        ovs.plug("h2", 2)
        ovs.add_bridge("br0", "p1", "p2")
        for _ in range(3):
            world.ping("h1", "10.78.0.2", 30)
            world.remove("h2")
            wait_until("p2 is gone", lambda: "p2" not in self.shown_ports().values())
            wait_until("the database tells why", lambda: "No such device" in ovs.get("Interface", "p2", "error"))
            ovs.plug("h2", 2)
            wait_until("p2 is a port", lambda: "p2" in self.shown_ports().values())
            # It has another address.
            world.inside("h1", "ip", "neigh", "flush", "dev", "eth0")
            wait_until("h2 is reached", lambda: not world.ping("h1", "10.78.0.2", 1, check=False))


def open_tap(name):
    """A TAP device as a virtual machine has one: frames are read from and written to the descriptor."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR)
    iff_tap, iff_no_pi, tunsetiff = 0x0002, 0x1000, 0x400454CA
    fcntl.ioctl(descriptor, tunsetiff, struct.pack("16sH22x", name.encode(), iff_tap | iff_no_pi))
    return descriptor


class OVSVLAN(OVSTest, Forwarding):
    """VLANs of ports: which frames cross, and with which tags."""

    def setUp(self):
        super().setUp()
        self.ovs.allow(r"^ofproto_dpif_xlate.*\|WARN\|dropping VLAN \d+ (tagged )?packet received on",
                       "frames that must not cross are told of")
        self.wires = {number: self.ovs.wire(number) for number in range(1, 8)}
        self.source = 0

    def check(self, port, tags, expected):
        """A broadcast with some tags comes in on a port; others send it, each with its own tags."""
        self.source += 1
        self.assert_forwards(
            port, {"eth_src": f"02:00:00:00:01:{self.source:02x}", "eth_dst": "ff:ff:ff:ff:ff:ff", "vlans": tags},
            {number: {"vlans": vlans} for number, vlans in expected.items()})

    def test_access_trunk_and_native_ports(self):
        ovs = self.ovs
        # The bridge's own port would be a trunk of all VLANs.
        ovs.add_bridge("br0", settings=["--", "set", "Port", "br0", "tag=99"])
        ovs.add_port("br0", "p1", "tag=10")
        ovs.add_port("br0", "p2", "tag=10", "other_config:priority-tags=if-nonzero")
        ovs.add_port("br0", "p3", "tag=20")
        ovs.add_port("br0", "p4", "trunks=10,20")
        ovs.add_port("br0", "p5")
        ovs.add_port("br0", "p6", "tag=10", "vlan_mode=native-untagged", "trunks=20")
        ovs.add_port("br0", "p7", "tag=10", "vlan_mode=native-tagged", "trunks=20")

        def tag(identifier, priority=0):
            return ((frames.VLAN, identifier, priority),)

        ten = {1: (), 2: (), 4: tag(10), 5: tag(10), 6: (), 7: tag(10)}
        twenty = {3: (), 4: tag(20), 5: tag(20), 6: tag(20), 7: tag(20)}

        def without(ports, port):
            return {number: tags for number, tags in ports.items() if number != port}

        self.check(1, (), without(ten, 1))
        self.check(3, (), without(twenty, 3))
        for port in (4, 5, 6, 7):
            self.check(port, tag(10), without(ten, port))
            self.check(port, tag(20), without(twenty, port))
        for port in (6, 7):
            self.check(port, (), without(ten, port))
        # A priority, with the VLAN and without.
        urgent = {2: tag(0, 5), 4: tag(10, 5), 5: tag(10, 5), 6: tag(0, 5), 7: tag(10, 5)}
        urgent[6] = ()
        self.check(1, tag(0, 5), urgent)
        self.check(4, tag(10, 5), {**without(urgent, 4), 1: ()})
        # VLANs that nobody else has, tags on ports that take none, and frames without a tag on a trunk.
        self.check(5, tag(30), {})
        self.check(1, tag(10), {})
        self.check(3, tag(10), {})
        self.check(4, tag(30), {})
        self.check(4, (), {})

    def test_vlans_of_the_bridge_itself(self):
        """A fake bridge is an internal port with a VLAN, a mirror of what ovs-vsctl offers for it."""
        world, ovs = self.world, self.ovs
        ovs.add_bridge("br0", "p1")
        ovs.vsctl("add-br", "br0-10", "br0", "10")
        world.inside("sw", "ip", "addr", "add", "10.79.0.1/24", "dev", "br0-10")
        world.inside("sw", "ip", "link", "set", "br0-10", "up")
        question = {"eth_type": frames.ARP, "eth_dst": "ff:ff:ff:ff:ff:ff", "arp_spa": "10.79.0.2",
                    "arp_tpa": "10.79.0.1", "vlans": ((frames.VLAN, 10, 0),)}
        for _ in range(3):
            self.wires[1].send(frames.build(**question))
            answer = frames.parse(self.wires[1].take(1)[0])
            self.assertEqual((answer["arp_op"], answer["arp_spa"], answer["vlans"]),
                             (2, "10.79.0.1", ((frames.VLAN, 10, 0),)))

    def test_qinq(self):
        ovs = self.ovs
        ovs.vsctl("set", "Open_vSwitch", ".", "other_config:vlan-limit=2")
        ovs.add_bridge("br0", settings=["--", "set", "Port", "br0", "tag=99"])
        ovs.add_port("br0", "p1", "tag=100", "vlan_mode=dot1q-tunnel")
        ovs.add_port("br0", "p2", "tag=100", "vlan_mode=dot1q-tunnel", "cvlans=5,6")
        ovs.add_port("br0", "p3", "tag=200", "vlan_mode=dot1q-tunnel")
        ovs.add_port("br0", "p4")
        ovs.add_port("br0", "p5", "tag=100", "vlan_mode=dot1q-tunnel", "other_config:qinq-ethtype=802.1q")

        def customer(identifier, priority=0):
            return (frames.VLAN, identifier, priority)

        service = (frames.QINQ, 100, 0)
        self.check(1, (), {4: (service,), 5: ()})
        self.check(1, (customer(5),), {2: (customer(5),), 4: (service, customer(5)), 5: (customer(5),)})
        self.check(1, (customer(7, 3),), {4: (service, customer(7, 3)), 5: (customer(7, 3),)})
        self.check(2, (customer(6),), {1: (customer(6),), 4: (service, customer(6)), 5: (customer(6),)})
        self.check(5, (customer(5),), {1: (customer(5),), 2: (customer(5),), 4: (customer(100), customer(5))})
        self.check(2, (customer(7),), {})
        self.check(4, (service, customer(5, 2)), {1: (customer(5, 2),), 2: (customer(5, 2),), 5: (customer(5, 2),)})
        self.check(4, ((frames.QINQ, 200, 0), customer(5)), {3: (customer(5),)})
        # Three tags: the third is payload.
        deep = (service, customer(5), customer(9))
        self.check(4, deep, {1: deep[1:], 2: deep[1:], 5: deep[1:]})
