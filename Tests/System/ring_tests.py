"""Frames that come in over a ring: all lengths in their order, what has no room, an interface that goes down, idleness."""

import json
import os
import random
import signal
import time
import unittest

from hosts import World, run, wait_until
from wire import Wire

ETHER_TYPE = bytes.fromhex("88b5")


class Ring(unittest.TestCase):
    """Interfaces whose frames are taken out of a ring."""

    def setUp(self):
        self.world = world = World()
        self.addCleanup(world.close)
        for number in (1, 2):
            world.plug(f"h{number}", number)
            # Whatever the hosts say by themselves would come between.
            world.inside(f"h{number}", "ip", "addr", "flush", "dev", "eth0")
            world.inside(f"h{number}", "sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1")
            for host, name in (("sw", f"p{number}"), (f"h{number}", "eth0")):
                world.inside(host, "ip", "link", "set", name, "mtu", "9000")
            world.inside("sw", "sysctl", "-qw", f"net.ipv6.conf.p{number}.disable_ipv6=1")
        self.daemon = world.daemon("run", "--workers", "1")
        world.dpctl("add-dp", "dp0")
        world.dpctl("add-if", "dp0", "p1", "p2")
        for match in ("eth_type(0x88b5)", "eth_type(0x8100),vlan(vid=0/0,pcp=0/0),encap(eth_type(0x88b5))"):
            world.dpctl("add-flow", "dp0", f"in_port(1),eth(),{match}", "2")
        self.sender = Wire(f"{world.id}-h1", "eth0")
        self.receiver = Wire(f"{world.id}-h2", "eth0")
        self.addCleanup(self.sender.close)
        self.addCleanup(self.receiver.close)

    def frame(self, number, length, tag=b""):
        head = bytes.fromhex("020000000002 020000000001") + tag + ETHER_TYPE + number.to_bytes(4, "big")
        return head + bytes((number + index) & 0xff for index in range(length - len(head)))

    def statistics(self, name):
        ports = json.loads(self.world.dpctl("--json", "show", "-s").stdout)[0]["ports"]
        return next(port for port in ports if port["name"] == name)["statistics"]

    def process(self):
        """The daemon's number: `ip netns exec` has become it."""
        return self.daemon.pid

    def processor_seconds(self):
        with open(f"/proc/{self.process()}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def test_frames_of_all_lengths_come_whole_and_in_order(self):
        seed = int(os.environ.get("RING_SEED", random.randrange(1 << 32)))
        print(f"RING_SEED={seed}", end=" ", flush=True)
        source = random.Random(seed)
        # Around the largest frame that fits a place of the ring, too.
        lengths = [60, 61, 1514, 1518, 1960, 1968, 1969, 1970, 1971, 1972, 1973, 1974, 1980, 2048, 9014]
        sent = []
        for number in range(3000):
            tag = bytes.fromhex("8100") + source.randrange(1, 4095).to_bytes(2, "big") if source.random() < 0.2 else b""
            length = source.choice(lengths) if source.random() < 0.5 else source.randrange(60, 9014)
            sent.append(self.frame(number, min(length, 9014) + len(tag), tag))
        received = []
        for begin in range(0, len(sent), 100):
            self.sender.send(*sent[begin:begin + 100])
            received += self.receiver.take(len(sent[begin:begin + 100]))
        for number, (wanted, got) in enumerate(zip(sent, received)):
            self.assertEqual(wanted, got, f"frame {number} of {len(wanted)} bytes")

    def flood(self, count, length):
        """Sends frames while nobody takes them; how many arrive in the end."""
        os.kill(self.process(), signal.SIGSTOP)
        try:
            for number in range(count):
                self.sender.send(self.frame(number, length))
        finally:
            os.kill(self.process(), signal.SIGCONT)
        return [int.from_bytes(frame[14:18], "big") for frame in self.receiver.receive_all(0.5)]

    def test_what_has_no_room_is_counted(self):
        for count, length in ((6000, 64), (4000, 8000)):
            with self.subTest(length=length):
                before = self.statistics("p1")
                arrived = self.flood(count, length)
                self.assertEqual(arrived, sorted(arrived), "the order is another")
                # What the ring or the queue holds comes through.
                self.assertGreater(len(arrived), 400)
                self.assertLess(len(arrived), count)
                after = self.statistics("p1")
                lost = sum(after[name] - before[name] for name in ("rx_dropped", "rx_errors"))
                self.assertEqual(len(arrived) + lost, count)
                # And then everything does again.
                self.sender.send(self.frame(7, length))
                self.assertEqual(self.receiver.take(1), [self.frame(7, length)])

    def test_an_interface_goes_down_and_comes_back(self):
        for state in ("down", "up"):
            self.world.inside("sw", "ip", "link", "set", "p1", state)
        wait_until("frames come through again", lambda: (
            self.sender.send(self.frame(1, 100)), self.receiver.receive(0.1) is not None)[1])
        self.idle()

    def idle(self):
        time.sleep(0.2)
        begin, seconds = self.processor_seconds(), 3
        time.sleep(seconds)
        used = self.processor_seconds() - begin
        self.assertLessEqual(used, 0.01 * seconds, "an idle switch takes more than 1 % of a processor")

    def test_an_idle_switch_sleeps(self):
        self.sender.send(*[self.frame(number, 64) for number in range(1000)])
        self.receiver.take(1000)
        self.idle()


class Spread(unittest.TestCase):
    """An interface with several receive queues is received from by several workers."""

    def test_flows_are_spread_and_each_keeps_its_order(self):
        world = World()
        self.addCleanup(world.close)
        for number in (1, 2):
            host, name = f"h{number}", f"p{number}"
            world.add(host)
            run("ip", "link", "add", "eth0", "netns", f"{world.id}-{host}", "type", "veth",
                "peer", "name", name, "numrxqueues", "4", "numtxqueues", "4", "netns", f"{world.id}-sw")
            world.inside(host, "sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1")
            world.inside("sw", "sysctl", "-qw", f"net.ipv6.conf.{name}.disable_ipv6=1")
            world.inside(host, "ip", "link", "set", "eth0", "up")
            world.inside("sw", "ip", "link", "set", name, "up")
            world.inside("sw", "ethtool", "-L", name, "rx", "4")
        daemon = world.daemon("run", "--workers", "2")
        world.dpctl("add-dp", "dp0")
        world.dpctl("add-if", "dp0", "p1", "p2")
        # That the sender's flows differ shows in their ports.
        world.dpctl("add-flow", "dp0", "in_port(1),eth(),eth_type(0x0800),ipv4(frag=no)", "2")
        sender, receiver = Wire(f"{world.id}-h1", "eth0"), Wire(f"{world.id}-h2", "eth0")
        self.addCleanup(sender.close)
        self.addCleanup(receiver.close)
        before = self.worker_seconds(daemon.pid)
        flows, rounds = 64, 500
        last = {flow: -1 for flow in range(flows)}
        for begin in range(0, rounds, 10):
            for number in range(begin, begin + 10):
                sender.send(*[self.datagram(flow, number) for flow in range(flows)])
            for frame in receiver.take(10 * flows):
                flow, number = int.from_bytes(frame[34:36], "big") - 1000, int.from_bytes(frame[42:46], "big")
                self.assertEqual(number, last[flow] + 1, f"flow {flow}")
                last[flow] = number
        # None comes twice.
        self.assertEqual(receiver.receive_all(), [])
        used = [after - start for after, start in zip(self.worker_seconds(daemon.pid), before)]
        self.assertEqual(len(used), 2)
        self.assertGreater(min(used), 0.1 * max(used), f"one worker did nearly all: {used}")

    @staticmethod
    def datagram(flow, number):
        udp = (1000 + flow).to_bytes(2, "big") + bytes.fromhex("0007 001a 0000") + number.to_bytes(4, "big") + bytes(14)
        ip = bytes.fromhex("4500 002e 0000 0000 4011 0000 0a4e0001 0a4e0002")
        return bytes.fromhex("020000000002 020000000001 0800") + ip + udp

    @staticmethod
    def worker_seconds(pid):
        """Processor time of each worker."""
        seconds = []
        for task in sorted(os.listdir(f"/proc/{pid}/task"), key=int):
            with open(f"/proc/{pid}/task/{task}/comm") as file:
                if not file.read().startswith("martlet-port"):
                    continue
            with open(f"/proc/{pid}/task/{task}/schedstat") as file:
                seconds.append(int(file.read().split()[0]) / 1e9)
        return seconds
