"""ovs-vswitchd ends, is killed and comes again while traffic flows: Martlet's datapath outlives it."""

import collections
import itertools
import os
import re
import signal
import subprocess
import threading
import time

import frames
from hosts import answered, wait_until
from openvswitch import Forwarding, OVSTest, needs_martlet


class Stream:
    """Numbered frames at a steady rate from one cable's end to another, until it is stopped."""

    DESTINATION = frames.complete()["eth_dst"]

    def __init__(self, source, sink, per_second=500):
        self.source, self.sink, self.interval = source, sink, 1 / per_second
        self.sent = 0
        self.ending = False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        begin = time.monotonic()
        while not self.ending:
            if self.sent * self.interval < time.monotonic() - begin:
                self.source.send(self.frame(self.sent))
                self.sent += 1
            else:
                time.sleep(self.interval / 2)

    @staticmethod
    def frame(number):
        return frames.build(payload=number.to_bytes(4, "big") * 10)

    def more(self, count=150):
        """Waits until further frames have been sent."""
        until = self.sent + count
        wait_until(f"{count} further frames are sent", lambda: self.sent >= until, 10)

    def stop(self):
        """Ends the stream and returns the numbers that did not arrive, and those that arrived twice.

        Frames that ovs-vswitchd forwards may arrive behind others that the datapath forwards.
        """
        self.ending = True
        self.thread.join()
        received = collections.Counter(self.sink.receive_all(0.5))
        return [(number, received[self.frame(number)]) for number in range(self.sent)
                if received[self.frame(number)] != 1]


@needs_martlet
class OVSRestart(OVSTest, Forwarding):
    def setUp(self):
        super().setUp()
        for number in (1, 2):
            self.ovs.plug(f"h{number}", number)
        self.ovs.add_bridge("br0", "p1", "p2")
        self.ovs.allow(r"^ofproto_dpif_xlate.*\|WARN\|received packet on unknown port \d+ on bridge",
                       "a packet comes while ovs-vswitchd makes its bridges anew")
        # What is asked for again only now and then would not be an established flow.
        for host, other, number in (("h1", "h2", 2), ("h2", "h1", 1)):
            for address in (f"10.78.0.{number}", f"fd78::{number}"):
                self.world.inside(host, "ip", "neigh", "replace", address, "lladdr", self.world.mac(other), "dev",
                                  "eth0", "nud", "permanent")

    def start_ping(self, count, address="10.78.0.2"):
        """Starts `ping -i 0.01` from h1, and returns when the flows are established."""
        path = os.path.join(self.ovs.directory, f"ping-{count}")
        with open(path, "wb") as output:
            ping = subprocess.Popen(
                ["ip", "netns", "exec", f"{self.world.id}-h1", "ping", "-i", "0.01", "-w", str(3 + count // 50),
                 "-c", str(count), address], stdout=output, stderr=output)
        self.world.processes.append(ping)

        def answers():
            with open(path) as file:
                return len(answered(file.read(), count))

        wait_until("ping has answers", lambda: answers() >= 50)
        return ping, answers

    def assert_nothing_lost(self, ping, answers, count):
        self.assertIsNone(ping.poll(), "ping ended before it was done with")
        ping.wait(timeout=30)
        self.assertEqual(answers(), count)

    def test_killed_while_hosts_ping(self):
        for address in ("10.78.0.2", "fd78::2"):
            count = 300
            ping, answers = self.start_ping(count, address)
            self.ovs.kill_vswitchd()
            before = answers()
            self.assertLess(before, count - 100)
            self.assert_nothing_lost(ping, answers, count)
            self.ovs.start_vswitchd()
            self.world.ping("h1", address, 20)

    def test_killed_while_hosts_use_tcp(self):
        world = self.world
        world.ping("h1", "10.78.0.2", 5)
        killer = threading.Timer(1, self.ovs.kill_vswitchd)
        killer.start()
        report = world.tcp("h1", "h2", "10.78.0.2", "-t", "3", "-i", "0.5")
        killer.join()
        self.assertIsNotNone(self.ovs.vswitchd.returncode)
        rates = [interval["sum"]["bytes"] for interval in report["intervals"]]
        self.assertGreaterEqual(len(rates), 5)
        self.assertGreater(min(rates), 0, rates)

    def test_stopped_killed_and_started_again_without_a_loss(self):
        """As `ovs-ctl restart` does it: ovs-vswitchd waits, with the flows as they are, until it is told to go on."""
        ovs = self.ovs
        source, sink = ovs.wire(3), ovs.wire(4)
        ovs.add_bridge("br1", "p3", "p4", fail_mode="standalone")
        source.send(Stream.frame(0))
        sink.take(1)
        stream = Stream(source, sink)
        self.addCleanup(lambda: stream.thread.is_alive() and stream.stop())
        stream.more()
        for end in (ovs.stop_vswitchd, ovs.kill_vswitchd, ovs.kill_vswitchd):
            end()
            stream.more()
            ovs.vsctl("--no-wait", "set", "Open_vSwitch", ".", "other_config:flow-restore-wait=true")
            ovs.start_vswitchd()
            stream.more()
            ovs.vsctl("--no-wait", "remove", "Open_vSwitch", ".", "other_config", "flow-restore-wait")
            wait_until("ovs-vswitchd has flows again", lambda: "(current 0)" not in ovs.appctl("upcall/show").stdout)
            stream.more()
        self.assertEqual(stream.stop(), [])

    def test_stopped_in_the_middle_it_costs_forwarding_nothing(self):
        """A client that does not take its upcalls loses them, and nobody else anything."""
        ovs = self.ovs
        source, sink, strangers = ovs.wire(3), ovs.wire(4), ovs.wire(5)
        ovs.add_bridge("br1", "p3", "p4", "p5", fail_mode="standalone")
        sink.send(frames.build(eth_src=Stream.DESTINATION, eth_dst="02:00:00:00:00:77"))
        source.send(Stream.frame(0))
        sink.take(1)
        stream = Stream(source, sink, per_second=1000)
        self.addCleanup(lambda: stream.thread.is_alive() and stream.stop())
        stream.more()
        missed = (frames.build(eth_src=f"06:00:00:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}",
                               eth_dst=Stream.DESTINATION) for number in itertools.count())

        def lost():
            return int(re.search(r"lookups: .* lost:(\d+)", ovs.dpctl("show").stdout).group(1))

        def many_are_lost():
            # A port's queue has room for so many.
            strangers.send(*itertools.islice(missed, 1000))
            return lost() > 1000

        self.assertEqual(lost(), 0)
        ovs.allow(r"^dpif_netlink.*\|WARN\|.*lost packet on handler", "it is told of the loss")
        ovs.allow(r"^ofproto_dpif_upcall.*\|WARN\|upcall: datapath reached the dynamic limit", "there are many flows")
        ovs.vswitchd.send_signal(signal.SIGSTOP)
        try:
            wait_until("upcalls are lost", many_are_lost)
            stream.more(1000)
        finally:
            ovs.vswitchd.send_signal(signal.SIGCONT)
        # None of the missed frames is one of the stream's, which is all there.
        self.assertEqual(stream.stop(), [])
        self.world.ping("h1", "10.78.0.2", 20)

    def test_the_next_one_takes_over(self):
        world, ovs = self.world, self.ovs
        ovs.plug("h3", 3)
        ovs.add_port("br0", "p3")
        for address in ("10.78.0.2", "10.78.0.3", "fd78::3"):
            world.ping("h1", address, 20)
        ports = self.ports()
        self.assertTrue(self.flows_of(ports["p3"]))
        for _ in range(2):
            ovs.kill_vswitchd()
            self.assertEqual(self.ports(), ports)
            self.assertTrue(self.flows_of(ports["p1"]), "flows stay")
            ovs.start_vswitchd()
            self.assertEqual(self.ports(), ports)
            world.ping("h1", "10.78.0.2", 20)
        # What changes meanwhile is carried out: a port goes.
        ovs.kill_vswitchd()
        ovs.vsctl("--no-wait", "del-port", "br0", "p3")
        self.assertIn("p3", self.ports())
        ovs.start_vswitchd()
        self.assertNotIn("p3", self.ports())
        wait_until("its flows are gone", lambda: not self.flows_of(ports["p3"]))
        self.assertEqual(world.ping("h1", "10.78.0.3", 2, check=False), 2)
        # New ports, new flows, rules that change them.
        ovs.add_port("br0", "p3")
        world.ping("h3", "10.78.0.1", 20)
        ovs.ofctl("add-flow", "br0", "priority=9,icmp,nw_src=10.78.0.1,actions=drop")
        # Flows are changed some milliseconds after ovs-ofctl has been answered.
        wait_until("the rule has an effect", lambda: world.ping("h1", "10.78.0.2", 1, check=False) == 1)
        ovs.ofctl("del-flows", "br0", "icmp")
        wait_until("h2 answers again", lambda: not world.ping("h1", "10.78.0.2", 1, check=False))
        world.ping("h1", "10.78.0.2", 20)

    def test_it_ends_with_and_without_a_trace(self):
        ovs, world = self.ovs, self.world
        world.ping("h1", "10.78.0.2", 20)
        ports = self.ports()
        ping, answers = self.start_ping(400)
        ovs.stop_vswitchd()
        self.assert_nothing_lost(ping, answers, 400)
        self.assertEqual(self.ports(), ports)
        ovs.start_vswitchd()
        world.ping("h1", "10.78.0.2", 20)
        ovs.stop_vswitchd(cleanup=True)
        self.assertEqual(world.dpctl("dump-dps").stdout, "")
        self.assertEqual(world.links()["p1"]["promiscuity"], 0)
        self.assertNotIn("br0", world.links())
        ovs.start_vswitchd()
        world.ping("h1", "10.78.0.2", 20)

    def test_killed_ones_leave_nothing_open(self):
        ovs = self.ovs
        pid = ovs.martlet.pid
        with open(f"/proc/{pid}/comm") as name:
            self.assertEqual(name.read().strip(), "martlet")

        def descriptors():
            return len(os.listdir(f"/proc/{pid}/fd"))

        counts = []
        for _ in range(4):
            ovs.kill_vswitchd()
            wait_until("its handles are closed", lambda: not counts or descriptors() <= counts[0])
            counts.append(descriptors())
            ovs.start_vswitchd()
        self.world.ping("h1", "10.78.0.2", 20)

    # What the datapath has, by Martlet's own tool: it answers also while no ovs-vswitchd runs.

    def ports(self):
        text = self.world.dpctl("show").stdout
        return {name: number for number, name in re.findall(r"^  port (\d+): (\S+)", text, re.M)}

    def flows_of(self, number):
        return [line for line in self.world.dpctl("dump-flows").stdout.splitlines() if f"in_port({number})" in line]
