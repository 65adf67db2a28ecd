"""Martlet with real interfaces, real traffic and real tools. Run by scripts/system-test."""

import fcntl
import json
import os
import re
import signal
import socket
import stat
import struct
import subprocess
import termios
import time
import unittest

from hosts import MARTLET, ROOT, World, run, wait_until


class SystemTest(unittest.TestCase):
    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.close)


class Demo(unittest.TestCase):
    """`make demo` as a newcomer runs it, and as one who changes their mind."""

    script = os.path.join(ROOT, "scripts/demo")
    interrupted_at = ("Two hosts", "martlet up", "TCP", "third host")

    def namespaces(self):
        return {line.split()[0] for line in run("ip", "netns", "list").stdout.splitlines() if line.startswith("mlt")}

    def test_1_passes(self):
        before = self.namespaces()
        out = run(self.script, timeout=120).stdout
        self.assertIn("The demo has passed", out)
        self.assertEqual(self.namespaces(), before)

    def test_2_leaves_nothing_behind_after_an_interrupt(self):
        before = self.namespaces()
        for line_to_wait_for in self.interrupted_at:
            demo = subprocess.Popen(
                [self.script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                start_new_session=True)
            said = ""
            for line in demo.stdout:
                said += line
                if line_to_wait_for in line:
                    break
            else:
                self.fail(f"the demo ended before {line_to_wait_for}: {demo.wait()}\n{said}")
            time.sleep(0.3)
            # As a terminal does: to everyone in the foreground.
            os.killpg(demo.pid, signal.SIGINT)
            said += demo.communicate(timeout=20)[0]
            self.assertEqual(demo.returncode, 130, said)
            self.assertEqual(self.namespaces(), before, line_to_wait_for)
            left = subprocess.run(["pgrep", "-s", str(demo.pid)], capture_output=True, text=True).stdout
            self.assertEqual(left, "", line_to_wait_for)


class DemoWithOpenVSwitch(Demo):
    """`make demo-ovs`."""

    script = os.path.join(ROOT, "scripts/demo-ovs")
    interrupted_at = ("ovs-vsctl add-br", "is killed")


class Readme(unittest.TestCase):
    """The README's example is the program in examples/swift, and does what the README says."""

    def test_example_is_the_readmes(self):
        with open(os.path.join(ROOT, "README.md")) as readme:
            code = re.search(r"```swift\n(.*?)```", readme.read(), re.S).group(1)
        with open(os.path.join(ROOT, "examples/swift/Sources/TinySwitch/main.swift")) as source:
            self.assertEqual(source.read(), code)

    def test_example_runs(self):
        out = run("swift", "run", "--package-path", os.path.join(ROOT, "examples/swift"), "-q", "TinySwitch", timeout=600)
        self.assertEqual(out.stdout, "eth1 has got 1 frame; hits: 1\n")


class House(unittest.TestCase):
    """Dependencies point downwards only."""

    def imports(self, module):
        directory, found = os.path.join(ROOT, "Sources", module), set()
        for folder, _, files in os.walk(directory):
            for name in files:
                if name.endswith(".swift"):
                    with open(os.path.join(folder, name)) as source:
                        found |= set(re.findall(r"^\s*(?:@\w+ )?(?:public |internal |private )?import (\w+)", source.read(), re.M))
        self.assertTrue(os.path.isdir(directory), module)
        return found

    def test_the_core_imports_no_platform(self):
        core = ["Netlink", "OpenvSwitch", "Packets", "Datapath", "Device", "NetlinkSocket", "DPIF", "LearningBridge"]
        for module in core:
            self.assertLessEqual(self.imports(module), set(core) | {"Synchronization"}, module)

    def test_the_bridge_sees_the_datapath_through_its_interface_only(self):
        self.assertLessEqual(
            self.imports("LearningBridge"), {"Netlink", "OpenvSwitch", "NetlinkSocket", "DPIF", "Synchronization"})


class Up(SystemTest):
    """`martlet up`: a learning switch on real interfaces."""

    def setUp(self):
        super().setUp()
        self.world.plug("h1", 1)
        self.world.plug("h2", 2)

    def test_hosts_talk_and_come_and_go(self):
        world = self.world
        daemon = world.daemon("up", "br0", "p1", "--match", "p*")
        wait_until("p2 is attached", lambda: "p2" in world.dpctl("show").stdout)
        world.ping("h1", "10.78.0.2", 200)
        world.ping("h2", "fd78::1", 200)
        # A third host, within a second each.
        world.plug("h3", 3)
        took = wait_until("p3 is attached", lambda: re.search(r"\bp3\b", world.dpctl("show").stdout))
        self.assertLess(took, 1)
        world.ping("h3", "10.78.0.1", 100)
        world.ping("h3", "fd78::2", 100)
        run("ip", "netns", "del", f"{world.id}-h3")
        took = wait_until("p3 is gone", lambda: not re.search(r"\bp3\b", world.dpctl("show").stdout))
        self.assertLess(took, 1)
        world.ping("h1", "10.78.0.2", 100)
        status, out = world.end(daemon)
        self.assertEqual(status, 0, out)
        self.assertNotIn("br0", world.links())

    def test_the_bridge_is_a_port_of_the_host(self):
        world = self.world
        world.daemon("up", "br0", "p1", "p2")
        world.inside("sw", "ip", "addr", "add", "10.78.0.100/24", "dev", "br0")
        world.inside("sw", "ip", "link", "set", "br0", "up")
        world.ping("sw", "10.78.0.1", 100)
        world.ping("h2", "10.78.0.100", 100)

    def test_a_host_moves(self):
        world = self.world
        world.daemon("up", "br0", "p1", "p2", "--match", "p*")
        world.plug("h3", 3)
        world.ping("h1", "10.78.0.2", 10)
        # h2's address turns up behind p3.
        mac = world.mac("h2")
        world.inside("h2", "ip", "link", "set", "eth0", "down")
        world.inside("h3", "ip", "link", "set", "eth0", "address", mac)
        world.inside("h3", "ip", "addr", "add", "10.78.0.2/24", "dev", "eth0")
        world.ping("h3", "10.78.0.1", 3, check=False)
        wait_until("h1 reaches the host that moved", lambda: not world.ping("h1", "10.78.0.2", 1, check=False))
        world.ping("h1", "10.78.0.2", 50)

    def test_tcp_keeps_its_segments(self):
        world = self.world
        world.daemon("up", "br0", "p1", "p2")
        rate = world.tcp("h1", "h2", "10.78.0.2", "-t", "2")["end"]["sum_received"]["bits_per_second"]
        print(f"  TCP through two packet sockets: {rate / 1e9:.1f} Gbit/s", flush=True)
        self.assertGreater(rate, 500e6)
        # Segments of up to 64 KiB cross the switch whole: far fewer packets than frames of 1500 bytes would be.
        flows = json.loads(world.dpctl("--json", "dump-flows").stdout)
        largest = max(flow["bytes"] / max(flow["packets"], 1) for flow in flows)
        self.assertGreater(largest, 3000)

    def test_everything_is_done_through_the_device(self):
        """What the capture shows accounts for every port and every flow that there is."""
        world = self.world
        world.daemon("up", "br0", "p1", "p2", "--match", "p*")
        capture = os.path.join(world.directory, "calls.pcap")
        monitor = world.monitor("--device", "--write", capture)
        world.dpctl("del-flows", "br0")
        world.plug("h3", 3)
        wait_until("p3 is attached", lambda: "p3" in world.dpctl("show").stdout)
        world.ping("h3", "10.78.0.1", 10)
        world.ping("h1", "10.78.0.2", 10)
        flows = json.loads(world.dpctl("--json", "-m", "dump-flows").stdout)
        time.sleep(0.3)
        calls = [call for call in monitor.events() if call.get("event") == "call"]
        controls = {call["control"] for call in calls}
        self.assertLessEqual(
            controls, {"transact", "dump", "subscribe", "pend", "readEvent", "readPacket", "getPortID", "getVersion"})
        self.assertGreaterEqual(controls, {"transact", "dump", "pend", "readEvent", "readPacket"})

        requests = [bytes.fromhex(hexes) for call in calls if call["control"] == "transact"
                    for hexes in call["requests"]]

        def attributes(message):
            offset, found = 24, {}
            while offset + 4 <= len(message):
                length = int.from_bytes(message[offset:offset + 2], "little")
                kind = int.from_bytes(message[offset + 2:offset + 4], "little") & 0x3fff
                if length < 4:
                    break
                found[kind] = message[offset + 4:offset + length]
                offset += (length + 3) & ~3
            return found

        # Family 20 is ovs_vport, 21 ovs_flow, 19 ovs_packet; command 1 is NEW, 3 of ovs_packet EXECUTE.
        def sent(family, command):
            return [attributes(m) for m in requests if m[4] == family and m[16] == command]

        self.assertIn(b"p3\0", [port.get(3) for port in sent(20, 1)])
        put = {flow[9] for flow in sent(21, 1) if 9 in flow}
        self.assertGreater(len(flows), 3)
        for flow in flows:
            words = flow["ufid"].replace("ufid:", "").replace("-", "")
            identifier = b"".join(bytes.fromhex(words[at:at + 8])[::-1] for at in range(0, 32, 8))
            self.assertTrue(identifier in put or bytes.fromhex(words) in put, f"nobody made {flow}")
        self.assertGreater(len(sent(19, 3)), 0, "no packet was executed")
        self.assertGreater(
            sum(1 for call in calls if call["control"] == "readPacket" and call["answers"]), 0, "no upcall was read")
        # Other tools can open the capture.
        listing = run("tshark", "-r", capture, "-T", "fields", "-e", "frame.protocols").stdout.splitlines()
        self.assertGreater(len(listing), 20)
        self.assertTrue(all(line.startswith("netlink") for line in listing), listing[:3])

    def test_interfaces_are_restored_however_it_ends(self):
        world = self.world
        world.inside("sw", "ip", "addr", "add", "10.78.0.200/24", "dev", "p1")
        self.assertEqual(world.ping("h1", "10.78.0.200", 3, check=False), 0)
        for number in (signal.SIGTERM, signal.SIGKILL):
            daemon = world.daemon("up", "br0", "p1", "p2")
            self.assertEqual(world.links()["p1"]["promiscuity"], 1)
            world.ping("h1", "10.78.0.2", 5)
            # While attached the host's own stack does not see the frames.
            self.assertEqual(world.ping("h1", "10.78.0.200", 2, check=False), 2)
            pid = int(run("pgrep", "-P", str(daemon.pid), check=False).stdout or daemon.pid)
            os.kill(pid, number)
            daemon.wait(timeout=20)
            self.assertEqual(world.links()["p1"]["promiscuity"], 0)
            self.assertNotIn("br0", world.links())
            self.assertEqual(world.ping("h1", "10.78.0.200", 3, check=False), 0, number)

    def test_a_port_follows_its_interface(self):
        """Whatever else happens to an interface than going away, its port stays; the monitor tells of each step."""
        world = self.world
        world.daemon("up", "br0", "p1", "p2")
        monitor = world.monitor("--ports")
        steps = [
            (["p1", "down"], {"disconnected", "link down"}), (["p1", "name", "lan0"], {"renamed"}),
            (["lan0", "address", "02:00:00:00:77:01"], {"mac"}), (["lan0", "mtu", "1400"], {"mtu"}),
            (["lan0", "up"], {"connected", "link up"}),
        ]
        for step, _ in steps:
            world.inside("sw", "ip", "link", "set", *step)
        wait_until("the port has the new name", lambda: "port 1: lan0" in world.dpctl("show").stdout)
        world.ping("h1", "10.78.0.2", 20)
        run("ip", "netns", "del", f"{world.id}-h1")
        wait_until("lan0 is gone", lambda: "lan0" not in world.dpctl("show").stdout)
        time.sleep(0.3)
        events = monitor.events()
        changes = [event["interface"] for event in events if event["event"] == "interface-changed"]
        told = [set(change["changes"]) for change in changes if change["name"] in ("p1", "lan0")]
        rest = iter(told)
        for _, expected in steps:  # in this order; one step may be told in two events
            missing = set(expected)
            while missing:
                found = next(rest, None)
                self.assertIsNotNone(found, f"{expected} is missing in {told}")
                missing -= found
        renamed = [change for change in changes if "renamed" in change["changes"]]
        self.assertEqual([(change["former-name"], change["name"]) for change in renamed], [("p1", "lan0")])
        ports = [(event["event"], event["port"]["name"]) for event in events if event["event"].startswith("port-")]
        self.assertEqual(ports, [("port-changed", "lan0"), ("port-deleted", "lan0")])

    def test_a_missing_port_is_an_error_that_names_it(self):
        world = self.world
        result = world.inside("sw", MARTLET, "up", "br0", "p1", "nowhere0", "--socket", world.socket, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("nowhere0", result.stderr)
        self.assertNotIn("br0", world.links())
        self.assertEqual(world.links()["p1"]["promiscuity"], 0)
        self.assertFalse(os.path.exists(world.socket))

    def test_a_second_one_on_the_same_socket_is_refused(self):
        world = self.world
        world.daemon("up", "br0", "p1")
        result = world.inside("sw", MARTLET, "up", "br1", "p2", "--socket", world.socket, check=False, timeout=20)
        self.assertEqual(result.returncode, 1)
        self.assertIn(world.socket, result.stderr)
        self.assertIn("br0", world.dpctl("dump-dps").stdout)


class Run(SystemTest):
    """`martlet run`: an empty datapath, and a switch made by hand with `martlet dpctl`."""

    def test_a_switch_by_hand_rewrites_what_it_forwards(self):
        world = self.world
        world.plug("h1", 1)
        world.plug("h2", 2)
        world.daemon("run")
        self.assertEqual(world.dpctl("dump-dps").stdout, "")
        world.dpctl("add-dp", "dp0", "p1", "p2,port_no=7")
        self.assertEqual(world.dpctl("dump-dps").stdout, "system@dp0\n")
        self.assertIn("port 7: p2", world.dpctl("show").stdout)
        # ARP as it is; IPv4 with another TTL on its way to h2.
        for source, destination in (("1", "7"), ("7", "1")):
            world.dpctl("add-flow", "dp0", f"in_port({source}),eth(),eth_type(0x0806),arp()", destination)
        world.dpctl("add-flow", "dp0", "in_port(1),eth(),eth_type(0x0800),ipv4(frag=no)", "set(ipv4(ttl=33)),7")
        world.dpctl("add-flow", "dp0", "in_port(7),eth(),eth_type(0x0800),ipv4(frag=no)", "1")
        capture = subprocess.Popen(
            ["ip", "netns", "exec", f"{world.id}-h2", "tcpdump", "-c", "3", "-nvi", "eth0", "icmp[0]=8"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        world.processes.append(capture)
        capture.stderr.readline()
        world.ping("h1", "10.78.0.2", 20)
        out, _ = capture.communicate(timeout=20)
        self.assertEqual(len(re.findall(r"ttl 33\b", out)), 3, out)
        self.assertNotIn("bad cksum", out)
        flows = json.loads(world.dpctl("--json", "dump-flows").stdout)
        self.assertEqual(sum(flow["packets"] >= 20 for flow in flows), 2)
        world.dpctl("del-if", "dp0", "p2")
        self.assertEqual(world.ping("h1", "10.78.0.2", 2, check=False), 2)
        world.dpctl("del-dp", "dp0")
        self.assertEqual(world.dpctl("dump-dps").stdout, "")
        self.assertEqual(world.links()["p1"]["promiscuity"], 0)

    def test_what_cannot_be_done_is_refused_with_a_sentence(self):
        world = self.world
        world.daemon("run")
        world.dpctl("add-dp", "dp0")
        cases = [
            (["add-dp", "dp0"], "exist"), (["add-dp", "lo"], "exist"), (["add-if", "dp0", "nowhere0"], "nowhere0"),
            (["del-dp", "other"], "No such device"),
            (["add-flow", "dp0", "in_port(1),eth(),eth_type(0x0800),ipv4(frag=no)", "ct(zone=1)"], "not there yet"),
            (["add-flow", "dp0", "in_port(1),eth(,eth_type(0x0800)", "1"], "position"),
            (["add-if", "dp0", "lo"], "lo"),
        ]
        for arguments, word in cases:
            result = world.dpctl(*arguments, check=False)
            self.assertEqual(result.returncode, 1, arguments)
            self.assertIn(word, result.stderr, arguments)
            self.assertTrue(result.stderr.startswith("martlet: "), result.stderr)
        self.assertEqual(world.dpctl("no-such-command", check=False).returncode, 64)

    def test_without_a_datapath_the_error_says_what_to_do(self):
        result = self.world.dpctl("show", check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("martlet run", result.stderr)

    def nobody(self, *arguments):
        """martlet dpctl as a plain user; namespaces do not matter to a Unix socket."""
        return run(MARTLET, "dpctl", "--socket", self.world.socket, *arguments, check=False, user=65534, group=65534,
                   extra_groups=[])

    def test_who_may_do_what(self):
        world = self.world
        daemon = world.daemon("run")
        world.dpctl("add-dp", "dp0")
        refused = self.nobody("show")
        self.assertEqual(refused.returncode, 1)
        self.assertRegex(refused.stderr, "root|ermission")
        world.end(daemon)
        world.daemon("run", "--open-reading")
        world.dpctl("add-dp", "dp0")
        self.assertIn("system@dp0", self.nobody("show").stdout)
        change = self.nobody("del-dp", "dp0")
        self.assertEqual(change.returncode, 1)
        self.assertIn("not permitted", change.stderr)
        self.assertIn("system@dp0", world.dpctl("dump-dps").stdout)

    def test_statistics_without_netlink(self):
        world = self.world
        path = os.path.join(world.directory, "legacy.sock")
        group = 4242
        daemon = world.daemon("run", "--legacy-socket", path, "--group", str(group))
        wait_until("the second socket is there", lambda: os.path.exists(path))
        status = os.stat(path)
        self.assertEqual((status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)), (os.geteuid(), group, 0o660))
        world.dpctl("add-dp", "dp0")
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.connect(path)
            self.assertEqual(client.recv(64)[:8], b"MARTLET\0")
            client.send(struct.pack("=4I", 1, 0xAFC86080, 4096, 0))
            tag, result, information, length = struct.unpack_from("=4I", answer := client.recv(4096))
            self.assertEqual((tag, result, information, length), (1, 0, 88, 88))
            size, version, uptime, datapaths, vports = struct.unpack_from("=2I3Q", answer, 16)
            self.assertEqual((size, version, datapaths, vports), (88, 1, 1, 1))
            self.assertLess(uptime, 60_000)
        # A Netlink client at the wrong socket is told so.
        wrong = run(MARTLET, "dpctl", "--socket", path, "show", check=False)
        self.assertEqual(wrong.returncode, 1)
        self.assertIn("no such I/O control", wrong.stderr)
        second = world.start("run", "--socket", world.socket + "2", "--legacy-socket", path)
        self.assertIn(f"serves {path}", second.communicate(timeout=20)[0])
        self.assertFalse(os.path.exists(world.socket + "2"))
        code, out = world.end(daemon)
        self.assertEqual(code, 0)
        self.assertEqual(out, f"martlet: the datapath listens at {world.socket}\n"
                         f"martlet: statistics without Netlink are at {path}\n")
        self.assertFalse(os.path.exists(path))
        # For a socket of another name there is none unless it is asked for.
        world.daemon("run")
        self.assertEqual(os.listdir(world.directory), ["device.sock"])

    def test_too_few_descriptors_are_told_and_nobody_waits_in_vain(self):
        world = self.world
        daemon = world.daemon("run", before=["prlimit", "--nofile=128:128"])
        clients = []

        def connect():
            """A connection's greeting: the status in it."""
            client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            clients.append(client)
            client.settimeout(5)
            client.connect(world.socket)
            return int.from_bytes(client.recv(64)[12:16], "little")

        try:
            statuses = [connect() for _ in range(200)]
            self.assertEqual(set(statuses), {0, 0xC000009A})
            served = statuses.index(0xC000009A)
            self.assertGreater(served, 64)
            self.assertEqual(set(statuses[served:]), {0xC000009A})
            # Those that are served are still served, and there is room again when some have gone.
            clients[0].send(struct.pack("=4I", 1, 0xAFC86010, 4, 0))
            self.assertEqual(clients[0].recv(64), struct.pack("=5I", 1, 0, 4, 4, 1))
            for client in clients[:20]:
                client.close()
            wait_until("there is room again", lambda: connect() == 0)
        finally:
            for client in clients:
                client.close()
        status, out = world.end(daemon)
        self.assertEqual(status, 0, out)
        self.assertRegex(out, r"this process may open 128 files: give it \d+ \(ulimit -n, LimitNOFILE=\)")

    def test_a_monitor_ends_behind_a_whole_line(self):
        """However it is ended while nobody takes what it prints; and a second signal ends it where nobody ever does."""
        world = self.world
        world.plug("h1", 1)
        world.daemon("run")
        world.dpctl("add-dp", "dp0", "p1")
        for number in range(64):
            world.dpctl("add-flow", "dp0", f"in_port(1),eth(dst=02:00:00:00:00:{number:02x}),eth_type(0x88b5)", "1")

        def stuck():
            monitor = world.start("monitor", "--socket", world.socket, "--device", "--json", pipesize=4096)
            self.assertIn("watching", monitor.stdout.readline())
            world.dpctl("dump-flows", "dp0")
            waiting = lambda: struct.unpack("i", fcntl.ioctl(monitor.stdout, termios.FIONREAD, bytes(4)))[0]
            # A dump of many flows is a longer line than fits, so that a part of it is in the pipe.
            wait_until("the pipe is full", lambda: waiting() > 2048)
            return monitor

        for number in (signal.SIGINT, signal.SIGTERM):
            status, out = world.end(stuck(), number)
            self.assertEqual(status, 0)
            for line in out.splitlines():
                json.loads(line)
        monitor = stuck()
        monitor.send_signal(signal.SIGINT)
        time.sleep(0.5)
        self.assertIsNone(monitor.poll())
        monitor.send_signal(signal.SIGINT)
        self.assertEqual(monitor.wait(timeout=20), -signal.SIGINT)

    def test_a_hang_up_ends_it_unless_it_is_to_be_ignored(self):
        world = self.world
        for command, status in ((["nohup"], None), ([], 0)):
            daemon = world.daemon("run", before=command, stdin=subprocess.DEVNULL)
            daemon.send_signal(signal.SIGHUP)
            if status is None:
                time.sleep(0.5)
                self.assertIsNone(daemon.poll(), command)
                self.assertEqual(world.end(daemon)[0], 0)
            else:
                self.assertEqual(daemon.wait(timeout=20), status, command)

    def test_killed_clients_leave_nothing(self):
        world = self.world
        daemon = world.daemon("run")
        world.dpctl("add-dp", "dp0")
        pid = int(run("pgrep", "-P", str(daemon.pid), check=False).stdout or daemon.pid)
        descriptors = lambda: len(os.listdir(f"/proc/{pid}/fd"))
        before = descriptors()
        monitors = [world.start("monitor", "--socket", world.socket) for _ in range(10)]
        wait_until("the monitors are connected", lambda: descriptors() >= before + 10)
        for monitor in monitors:
            monitor.kill()
        wait_until("their handles are closed", lambda: descriptors() == before)
        self.assertIn("dp0", world.dpctl("dump-dps").stdout)

    def test_json_everywhere(self):
        world = self.world
        world.plug("h1", 1)
        world.daemon("run")
        world.dpctl("add-dp", "dp0", "p1")
        world.dpctl("add-flow", "dp0", "in_port(1),eth(),eth_type(0x0806),arp()", "drop")
        for arguments in (["show"], ["dump-dps"], ["dump-flows", "dp0"], ["-m", "--names", "dump-flows"], ["-s", "show"]):
            json.loads(world.dpctl("--json", *arguments).stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
