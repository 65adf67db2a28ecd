"""AF_XDP ports: `--xdp`."""

import json
import os
import re
import signal
import socket
import subprocess
import time
import unittest

import bpf
import frames
from hosts import World, run, wait_until
from openvswitch import OpenvSwitch
from wire import Wire, in_namespace

RING = 2048  # frames that wait in one queue's socket at most


class XDPTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.close)
        # The interfaces of the switch shall say nothing by themselves.
        self.world.inside("sw", "sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")

    def plug(self, count=2, options=(), peer_options=()):
        """Hosts h1 … with their cables p1 …; options of both ends, such as the number of queues."""
        world = self.world
        for number in range(1, count + 1):
            host = f"h{number}"
            world.add(host)
            run("ip", "link", "add", "eth0", "netns", f"{world.id}-{host}", *peer_options, "type", "veth",
                "peer", "name", f"p{number}", "netns", f"{world.id}-sw", *options)
            world.inside(host, "ip", "addr", "add", f"10.78.0.{number}/24", "dev", "eth0")
            world.inside(host, "ip", "addr", "add", f"fd78::{number}/64", "dev", "eth0", "nodad")
            world.inside(host, "ip", "link", "set", "eth0", "up")
            world.inside("sw", "ip", "link", "set", f"p{number}", "up")

    def let_tags_in(self):
        """What generic mode asks for, because it would not see tags that are kept beside the frame."""
        for name in ("p1", "p2"):
            self.world.inside("sw", "ethtool", "-K", name, "rxvlan", "off")

    def up(self, *xdp, ports=("p1", "p2"), more=()):
        options = [word for each in xdp for word in ("--xdp", each)]
        daemon = self.world.daemon("up", "br0", *ports, *more, *options)
        wait_until("all are attached", lambda: all(re.search(rf"\b{name}\b", self.show()) for name in ports))
        return daemon

    def show(self):
        return self.world.dpctl("-s", "show").stdout

    def counters(self, name):
        text = re.search(rf"port \d+: {name}\b.*?(?=  port|\Z)", self.show(), re.S).group()
        return {f"{way} {word}": int(number) for way, line in re.findall(r"(RX|TX) packets:(.*)", text)
                for word, number in re.findall(r"(\w+):(\d+)", "packets:" + line)}

    def refused(self, *xdp, words):
        """`martlet up` ends with an error that has these words."""
        process = self.world.start("up", "br0", "p1", "--socket", self.world.socket,
                                   *[word for each in xdp for word in ("--xdp", each)])
        out, _ = process.communicate(timeout=20)
        self.assertEqual(process.returncode, 1, out)
        self.assertRegex(out, words)
        # Nothing has stayed behind.
        self.assert_clean("p1")

    def assert_clean(self, *names):
        for name in names:
            def is_clean(name=name):
                link = self.world.links()[name]
                return "xdp" not in link and link["promiscuity"] == 0
            wait_until(f"{name} is as before", is_clean)

    def assert_traffic(self, tcp=True):
        world = self.world
        world.ping("h1", "10.78.0.2", 100)
        world.ping("h2", "fd78::1", 100)
        if tcp:
            for client, server, address in (("h1", "h2", "10.78.0.2"), ("h2", "h1", "fd78::1")):
                report = world.tcp(client, server, address, "-t", "1")
                self.assertGreater(report["end"]["sum_received"]["bytes"], 5_000_000)


class XDPModes(XDPTest):
    """Which mode a port gets, and what it says where it gets none."""

    def test_native_is_chosen_and_said(self):
        self.plug()
        daemon = self.up("p*")
        self.assertTrue(all("xdp" in self.world.links()[name] for name in ("p1", "p2")))
        self.assert_traffic()
        status, out = self.world.end(daemon)
        self.assertEqual(status, 0, out)
        for name in ("p1", "p2"):
            self.assertIn(f"martlet: {name} is an AF_XDP port: native, 1 queue\n", out)
        self.assert_clean("p1", "p2")

    def test_generic_mode(self):
        self.plug()
        self.let_tags_in()
        daemon = self.up("p1=generic", "p*=generic")
        self.assert_traffic()
        # Frames whose segments are still to be cut came through the packet socket.
        counters = self.counters("p1")
        self.assertGreater(counters["RX packets"], 100)
        status, out = self.world.end(daemon)
        self.assertIn("martlet: p2 is an AF_XDP port: generic, 1 queue\n", out)

    def test_beside_a_packet_socket(self):
        self.plug()
        daemon = self.up("p1")
        self.assertNotIn("xdp", self.world.links()["p2"])
        self.assert_traffic()
        self.world.end(daemon)

    def test_json(self):
        self.plug()
        daemon = self.up("p1=native", more=("--json",))
        _, out = self.world.end(daemon)
        events = [json.loads(line) for line in out.splitlines()]
        self.assertIn({"event": "xdp", "port": "p1", "mode": "native", "queues": 1}, events)

    def test_what_cannot_be_is_refused_with_a_reason(self):
        self.plug(1)
        self.refused("p1=zerocopy", words="p1: the driver cannot use an AF_XDP socket's memory")
        self.refused("p1=generic", words="lose the VLAN tags .*ethtool -K p1 rxvlan off")
        holder = in_namespace(f"{self.world.id}-sw", bpf.attach, "p1", bpf.returns(bpf.XDP_PASS), bpf.XDP, bpf.AT_XDP)
        process = self.world.start("up", "br0", "p1", "--xdp", "p1=native", "--no-socket")
        out, _ = process.communicate(timeout=20)
        self.assertEqual(process.returncode, 1, out)
        self.assertIn("p1 has an XDP program already", out)
        os.close(holder)
        wait_until("the other program has gone", lambda: "xdp" not in self.world.links()["p1"])
        self.world.end(self.up("p1=native", ports=["p1"]))

    def test_jumbo_frames(self):
        self.plug()
        for host in ("h1", "h2"):
            self.world.inside(host, "ip", "link", "set", "eth0", "mtu", "9000")
        for name in ("p1", "p2"):
            self.world.inside("sw", "ip", "link", "set", name, "mtu", "9000")
        self.refused("p1=native", words="MTU of p1, or of the other end of a veth, is too large for native XDP")

        def large():
            for size in ("1400", "3000", "8900"):
                self.world.inside("h1", "ping", "-q", "-c", "5", "-i", "0.01", "-M", "do", "-s", size, "10.78.0.2")
            self.assert_traffic()

        # Without a mode the interface is what it would be otherwise.
        daemon = self.up("p*")
        large()
        _, out = self.world.end(daemon)
        self.assertRegex(out, "martlet: p1 is a packet socket and no AF_XDP port: .*MTU")
        # In generic mode such frames come through the packet socket, and the others do not.
        self.let_tags_in()
        daemon = self.up("p*=generic")
        large()
        self.world.end(daemon)

    def test_too_few_queues(self):
        self.plug(1, options=("numrxqueues", "1", "numtxqueues", "2"), peer_options=("numrxqueues", "2", "numtxqueues", "4"))
        self.world.inside("h1", "ethtool", "-L", "eth0", "tx", "4")
        self.refused("p1=native", words="p1 has too few queues for native XDP")


class XDPFrames(XDPTest):
    """Frames arrive as they were sent, whatever their sender's host left undone."""

    MARK = 5

    def setUp(self):
        super().setUp()
        self.plug(3)
        for host in ("h1", "h2", "h3"):
            self.world.inside(host, "sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1")

    def wires(self):
        wires = {host: Wire(f"{self.world.id}-{host}", "eth0") for host in ("h1", "h2", "h3")}
        for wire in wires.values():
            self.addCleanup(wire.close)
        return wires

    def in_each_mode(self, check):
        """Checks a switch of three ports in each combination of ways."""
        for options in (("p*",), ("p1",), ("p2", "p3"), ("p*=generic",)):
            with self.subTest(options=options):
                if options == ("p*=generic",):
                    # As the sentence that refuses this mode otherwise says.
                    for number in (1, 2, 3):
                        self.world.inside("sw", "ethtool", "-K", f"p{number}", "rxvlan", "off")
                        self.world.inside(f"h{number}", "ethtool", "-K", "eth0", "txvlan", "off")
                daemon = self.up(*options, ports=("p1", "p2", "p3"))
                try:
                    check(options)
                finally:
                    self.world.end(daemon)

    def sender(self):
        """A UDP socket in h1; its packets may be fragmented."""
        sender = in_namespace(f"{self.world.id}-h1", socket.socket, socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(sender.close)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sender.setsockopt(socket.SOL_IP, 10, 0)  # IP_MTU_DISCOVER
        return sender

    def test_tagged_frames(self):
        """Tags that are in the frame."""
        wires = self.wires()

        def check(_):
            for tags in ((), ((0x8100, 5, 3),), ((0x88A8, 7, 0), (0x8100, 9, 1))):
                for size in (0, 1, 40, 1400):
                    frame = frames.build(eth_dst="ff:ff:ff:ff:ff:ff", vlans=tags, payload=bytes(size), tp_src=size)
                    wires["h1"].send(frame)
                    for host in ("h2", "h3"):
                        self.assertEqual(frames.parse(wires[host].take(1)[0]), frames.parse(frame))

        self.in_each_mode(check)

    def test_tags_beside_the_frame(self):
        """Tags that the sender's host keeps beside the frame are not lost."""
        wires, sender = self.wires(), self.sender()
        holder = in_namespace(f"{self.world.id}-h1", bpf.attach, "eth0", bpf.pushes_tag(self.MARK, 0x8100, 77),
                              bpf.SCHED_CLS, bpf.TCX_EGRESS)
        self.addCleanup(os.close, holder)
        sender.setsockopt(socket.SOL_SOCKET, 36, self.MARK)  # SO_MARK
        # No checksum: what leaves through a packet socket would have an unfinished one.
        sender.setsockopt(socket.SOL_SOCKET, 11, 1)  # SO_NO_CHECK

        def check(_):
            for size in (10, 1000):
                sender.sendto(bytes(size), ("10.78.0.255", 4000))
                for host in ("h2", "h3"):
                    fields = frames.parse(wires[host].take(1)[0])
                    self.assertEqual((fields["vlans"], fields["payload"]), (((0x8100, 77, 0),), bytes(size)))

        self.in_each_mode(check)

    def test_unfinished_checksums(self):
        """`Wire` fails where a checksum is not finished, `parse` where one is wrong."""
        wires, sender = self.wires(), self.sender()

        def check(options):
            if options == ("p1",):
                return  # Frames that leave through a packet socket are not finished: their receiver is told so.
            # The first frame is sent by the thread that answers the miss. While it has a socket, another thread's frames
            # leave through the packet socket.
            sender.sendto(b"first", ("10.78.0.255", 4000))
            for host in ("h2", "h3"):
                wires[host].take(1)
            time.sleep(0.2)
            for size in (0, 1, 2, 17, 1400, 1472):
                sender.sendto(b"x" * size, ("10.78.0.255", 4000 + size))
                for host in ("h2", "h3"):
                    fields = frames.parse(wires[host].take(1)[0])
                    self.assertEqual((fields["tp_dst"], fields["payload"]), (4000 + size, b"x" * size))

        self.in_each_mode(check)

    def test_receivers_verify_checksums(self):
        """Hosts take what arrives for sound: nothing counts as a checksum error."""
        world = self.world

        def check(_):
            world.ping("h1", "10.78.0.2", 20)
            report = world.tcp("h1", "h3", "10.78.0.3", "-t", "1", "-u", "-b", "2M", "-l", "700")
            self.assertLess(report["end"]["sum"]["lost_percent"], 50)  # some, if the machine is busy
            report = world.tcp("h2", "h1", "10.78.0.1", "-t", "1")
            self.assertGreater(report["end"]["sum_received"]["bytes"], 2_000_000)

        self.in_each_mode(check)
        for host in ("h1", "h2", "h3"):
            text = world.inside(host, "cat", "/proc/net/snmp").stdout
            for protocol in ("Tcp", "Udp"):
                names, values = [line.split() for line in text.splitlines() if line.startswith(protocol + ":")]
                self.assertEqual(dict(zip(names, values))["InCsumErrors"], "0", f"{host}: {protocol}")


class XDPQueues(XDPTest):
    def test_four_queues(self):
        self.plug(options=("numrxqueues", "4", "numtxqueues", "4"), peer_options=("numrxqueues", "4", "numtxqueues", "4"))
        for host in ("h1", "h2"):
            self.world.inside(host, "ethtool", "-L", "eth0", "rx", "4", "tx", "4")
        for name in ("p1", "p2"):
            self.world.inside("sw", "ethtool", "-L", name, "rx", "4", "tx", "4")
        daemon = self.up("p*=native", more=("--workers", "2"))
        self.assert_traffic()
        report = self.world.tcp("h1", "h2", "10.78.0.2", "-t", "1", "-P", "8")
        self.assertGreater(report["end"]["sum_received"]["bytes"], 5_000_000)
        # Fewer and more queues while it is a port.
        for count in ("2", "4"):
            for host in ("h1", "h2"):
                self.world.inside(host, "ethtool", "-L", "eth0", "tx", count)
            self.assert_traffic(tcp=False)
        _, out = self.world.end(daemon)
        self.assertIn("martlet: p1 is an AF_XDP port: native, 4 queues\n", out)

    def test_more_queues_to_receive_than_to_transmit(self):
        self.plug(options=("numrxqueues", "4", "numtxqueues", "1"), peer_options=("numrxqueues", "1", "numtxqueues", "4"))
        for number in (1, 2):
            self.world.inside("sw", "ethtool", "-L", f"p{number}", "rx", "4")
            self.world.inside(f"h{number}", "ethtool", "-L", "eth0", "tx", "4")
        daemon = self.up("p*=native", more=("--workers", "4"))
        self.assert_traffic()
        for server, address in (("h2", "10.78.0.2"), ("h1", "10.78.0.1")):
            client = "h1" if server == "h2" else "h2"
            report = self.world.tcp(client, server, address, "-t", "1", "-P", "8", "--bidir")
            self.assertGreater(report["end"]["sum_received"]["bytes"], 5_000_000)
        self.world.ping("h1", "10.78.0.2", 200)
        _, out = self.world.end(daemon)
        self.assertIn("native, 4 queues\n", out)

    def test_queues_that_come_later(self):
        """A queue without a socket is the packet socket's."""
        self.plug(options=("numrxqueues", "4", "numtxqueues", "4"), peer_options=("numrxqueues", "4", "numtxqueues", "4"))
        for host in ("h1", "h2"):
            self.world.inside(host, "ethtool", "-L", "eth0", "rx", "1", "tx", "1")
        for name in ("p1", "p2"):
            self.world.inside("sw", "ethtool", "-L", name, "rx", "1", "tx", "1")
        daemon = self.up("p*=native")
        for name in ("p1", "p2"):
            self.world.inside("sw", "ethtool", "-L", name, "rx", "4", "tx", "4")
        for host in ("h1", "h2"):
            self.world.inside(host, "ethtool", "-L", "eth0", "rx", "4", "tx", "4")
        self.assert_traffic(tcp=False)
        report = self.world.tcp("h1", "h2", "10.78.0.2", "-t", "1", "-P", "8")
        self.assertGreater(report["end"]["sum_received"]["bytes"], 5_000_000)
        _, out = self.world.end(daemon)
        self.assertIn("native, 1 queue\n", out)

    def flood(self, count):
        """Frames of a size that is nobody else's; they go to nobody, so that they are counted and no more."""
        wire = Wire(f"{self.world.id}-h1", "eth0")
        try:
            wire.send(*[frames.build(eth_dst="02:00:00:00:00:02", payload=bytes(64))] * count)
        finally:
            wire.close()

    def test_lost_frames_are_counted(self):
        for generic in (False, True):
            with self.subTest(generic=generic):
                if not generic:
                    self.plug(2)
                if generic:
                    self.let_tags_in()
                daemon = self.up("p1=generic" if generic else "p1=native")
                pid = int(run("pgrep", "-P", str(daemon.pid), check=False).stdout or daemon.pid)
                self.world.ping("h1", "10.78.0.2", 10)
                before = self.counters("p1")
                sent = 2 * RING
                os.kill(pid, signal.SIGSTOP)
                try:
                    self.flood(sent)
                finally:
                    os.kill(pid, signal.SIGCONT)
                wait_until("they are counted", lambda: self.counters("p1")["RX dropped"] - before["RX dropped"] > 0)
                lost = self.counters("p1")["RX dropped"] - before["RX dropped"]
                # Each once, and a few others that came meanwhile.
                self.assertGreaterEqual(lost, sent - RING - 64)
                self.assertLessEqual(lost, sent - RING + 64)
                self.world.ping("h1", "10.78.0.2", 50)
                self.world.end(daemon)


class XDPLife(XDPTest):
    """What happens to an interface while it is a port, and afterwards."""

    def test_a_kill_leaves_the_interfaces_as_they_were(self):
        self.plug()
        features = self.world.inside("h1", "ethtool", "-k", "eth0").stdout
        for number in range(3):
            daemon = self.up("p*")
            self.assertNotEqual(self.world.inside("h1", "ethtool", "-k", "eth0").stdout, features)
            self.assert_traffic(tcp=False)
            pid = int(run("pgrep", "-P", str(daemon.pid), check=False).stdout or daemon.pid)
            os.kill(pid, signal.SIGKILL)
            daemon.communicate(timeout=20)
            self.assert_clean("p1", "p2")
            wait_until("the other end is as before",
                       lambda: self.world.inside("h1", "ethtool", "-k", "eth0").stdout == features)

    def test_the_hosts_own_stack_gets_nothing(self):
        self.plug()
        self.world.inside("sw", "ip", "addr", "add", "10.78.0.77/24", "dev", "p1")
        self.world.ping("h1", "10.78.0.77", 3)
        daemon = self.up("p*")
        self.assertEqual(self.world.ping("h1", "10.78.0.77", 3, check=False), 3)
        self.world.end(daemon)
        self.world.ping("h1", "10.78.0.77", 3)

    def test_two_processes(self):
        self.plug()
        for first, second in ((("--xdp", "p1"), ()), ((), ("--xdp", "p1=native")), (("--xdp", "p1"), ("--xdp", "p1"))):
            daemon = self.world.daemon("up", "br0", "p1", *first)
            other = self.world.start("up", "br1", "p1", "--no-socket", *second)
            out, _ = other.communicate(timeout=20)
            self.assertEqual(other.returncode, 1, out)
            self.assertIn("p1 is already attached by another process", out)
            self.world.end(daemon)

    def test_an_interface_goes_down_and_changes(self):
        world = self.world
        self.plug()
        daemon = self.up("p*")
        world.inside("sw", "ip", "link", "set", "p2", "down")
        self.assertEqual(world.ping("h1", "10.78.0.2", 5, check=False), 5)
        world.inside("sw", "ip", "link", "set", "p2", "up")
        wait_until("h2 is there again", lambda: not world.ping("h1", "10.78.0.2", 1, check=False))
        self.assert_traffic(tcp=False)
        # A larger and a smaller MTU; 3,000 bytes are more than a chunk of the sockets, 4,000 more than veth lets be.
        for mtu in (3000, 1400, 1500):
            for host in ("h1", "h2"):
                world.inside(host, "ip", "link", "set", "eth0", "mtu", str(mtu))
            for name in ("p1", "p2"):
                world.inside("sw", "ip", "link", "set", name, "mtu", str(mtu))
            world.inside("h1", "ping", "-q", "-c", "5", "-i", "0.01", "-M", "do", "-s", str(mtu - 28), "10.78.0.2")
        self.assert_traffic()
        status, out = world.end(daemon)
        self.assertEqual(status, 0, out)

    def test_an_interface_goes_and_comes(self):
        world = self.world
        self.plug()
        daemon = world.daemon("up", "br0", "--match", "p*", "--xdp", "p*")
        wait_until("all are attached", lambda: "p1" in self.show() and "p2" in self.show())
        for _ in range(3):
            load = subprocess.Popen(["ip", "netns", "exec", f"{world.id}-h1", "ping", "-q", "-f", "-w", "2", "10.78.0.2"],
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(0.2)
            world.remove("h2")
            wait_until("p2 is gone", lambda: not re.search(r"\bp2\b", self.show()))
            world.plug("h2", 2)
            wait_until("p2 is back", lambda: re.search(r"\bp2\b", self.show()))
            load.kill()
            load.wait()
            # It has another address; who asks first lets the other know.
            wait_until("h1 answers", lambda: not world.ping("h2", "10.78.0.1", 1, check=False))
            self.assert_traffic(tcp=False)
        # The same interface becomes a port again at once.
        for _ in range(5):
            world.dpctl("del-if", "br0", "p1")
            world.dpctl("add-if", "br0", "p1")
        self.assertIn("xdp", world.links()["p1"])
        wait_until("h1 answers", lambda: not world.ping("h2", "10.78.0.1", 1, check=False))
        status, out = world.end(daemon)
        self.assertEqual(status, 0, out)
        self.assertNotIn("packet socket", out)


class XDPBelowOpenVSwitch(unittest.TestCase):
    def test_a_bridge(self):
        world = World()
        self.addCleanup(world.close)
        ovs = OpenvSwitch(world, netdev=False, arguments=("--xdp", "p*"))
        self.addCleanup(ovs.close)
        ovs.start()
        self.addCleanup(ovs.check)
        for number in (1, 2):
            ovs.plug(f"h{number}", number)
        ovs.add_bridge("br0", "p1", "p2")
        self.assertIn("xdp", world.links()["p1"])
        world.ping("h1", "10.78.0.2", 100)
        world.ping("h2", "fd78::1", 100)
        for client, server, address in (("h1", "h2", "10.78.0.2"), ("h2", "h1", "fd78::1")):
            report = world.tcp(client, server, address, "-t", "1")
            self.assertGreater(report["end"]["sum_received"]["bytes"], 5_000_000)
        # Other ways through the datapath: a tag is pushed and popped, and a frame goes to user space and back.
        ovs.ofctl("add-flow", "br0", "priority=50,icmp,in_port=1,actions=push_vlan:0x8100,mod_vlan_vid:9,strip_vlan,output:2")
        ovs.ofctl("add-flow", "br0", "priority=50,icmp,in_port=2,actions=controller,output:1")
        world.ping("h1", "10.78.0.2", 50)
        ovs.vsctl("del-port", "br0", "p2")
        wait_until("p2 is as before", lambda: "xdp" not in world.links()["p2"])
        ovs.add_port("br0", "p2")
        wait_until("h2 answers", lambda: not world.ping("h1", "10.78.0.2", 1, check=False))
        world.ping("h1", "10.78.0.2", 50)
