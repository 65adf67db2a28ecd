"""Debian's Open vSwitch in a world of its own, with Martlet as its datapath.

`OVS_DATAPATH=netdev` takes Open vSwitch's own user-space datapath instead: what a test expects is then checked against
Open vSwitch itself. Martlet is not started; tests of Martlet alone are skipped.
"""

import collections
import os
import re
import select
import signal
import subprocess
import time
import unittest

import frames
from hosts import MARTLET, World, run, wait_until
from wire import Wire, in_namespace

DATAPATH = os.environ.get("OVS_DATAPATH", "system")
if DATAPATH not in ("system", "netdev"):
    raise SystemExit(f"OVS_DATAPATH is system or netdev, not {DATAPATH}")
NETDEV = DATAPATH == "netdev"
SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"

needs_martlet = unittest.skipIf(NETDEV, "Open vSwitch's own datapath has no such thing")

# Lines of the log that are as they should be: (pattern, why). Everything else of level WARN or worse fails a test.
ALLOWED = [
    (r"^(timeval|ovs_rcu).*\|WARN\|", "the machine is busy"),
]
ALLOWED_WITH_NETDEV = [
    (r"^netdev_linux.*\|WARN\|error receiving Ethernet packet on \S+: Network is down",
     "the socket of a port tells once that the interface had been down when it was opened, or went down"),
    (r"^dpif_netdev.*\|ERR\|error receiving data from \S+: Network is down", "the same, one layer up"),
    (r"^dpif\|WARN\|failed to enumerate system datapaths: No such file or directory", "this kernel has none"),
]


class OpenvSwitch:
    """ovsdb-server, ovs-vswitchd and Martlet in a world's namespace `sw`, with directories of their own."""

    def __init__(self, world, netdev=NETDEV, arguments=()):
        self.world = world
        self.netdev = netdev
        self.arguments = arguments  # of `martlet run`
        self.directory = os.path.join(world.directory, "openvswitch")
        os.mkdir(self.directory)
        self.log_path = os.path.join(self.directory, "ovs-vswitchd.log")
        self.database = os.path.join(self.directory, "db.sock")
        self.environment = {**os.environ, "OVS_RUNDIR": self.directory, "OVS_LOGDIR": self.directory,
                            "OVS_DBDIR": self.directory, "OVS_SYSCONFDIR": self.directory}
        self.allowed = ALLOWED + (ALLOWED_WITH_NETDEV if netdev else [])
        self.wires = []
        self.ovsdb = self.martlet = self.vswitchd = None

    def start(self):
        """Starts everything on an empty database."""
        # The interfaces of the switch shall say nothing by themselves.
        self.quieten("sw")
        database = os.path.join(self.directory, "conf.db")
        self.run("ovsdb-tool", "create", database, SCHEMA)
        self.ovsdb = self.spawn("ovsdb-server", database, f"--remote=punix:{self.database}", "-vsyslog:off")
        wait_until("ovsdb-server listens", lambda: self.alive(self.ovsdb)
                   and self.vsctl("--no-wait", "init", check=False).returncode == 0)
        if not self.netdev:
            self.martlet = self.world.daemon("run", *self.arguments)
        self.start_vswitchd()
        return self

    def close(self):
        for wire in self.wires:
            wire.close()

    # Processes

    def spawn(self, program, *arguments, attach=False):
        """Starts a program in the switch's namespace; what it prints goes to PROGRAM.out."""
        command = ["ip", "netns", "exec", f"{self.world.id}-sw"]
        if attach and not self.netdev:
            command += [MARTLET, "attach", "--socket", self.world.socket, "--"]
        with open(os.path.join(self.directory, program + ".out"), "ab") as output:
            process = subprocess.Popen([*command, program, *arguments], stdout=output, stderr=subprocess.STDOUT,
                                       stdin=subprocess.DEVNULL, env=self.environment)
        self.world.processes.append(process)
        return process

    def alive(self, process):
        """True; fails if a process of this switch has ended."""
        if process.poll() is not None:
            raise AssertionError(f"{process.args}: ended with {process.returncode}\n{self.output()}")
        return True

    def output(self):
        """What the processes printed, and the end of the log, for a message."""
        text = ""
        for name in sorted(os.listdir(self.directory)):
            if name.endswith((".out", ".log")):
                with open(os.path.join(self.directory, name), errors="replace") as file:
                    text += "".join(f"  {name}: {line}" for line in file.readlines()[-40:])
        return text

    def start_vswitchd(self):
        """Starts ovs-vswitchd, attached, and waits until it has carried out what the database says."""
        self.vswitchd = self.spawn("ovs-vswitchd", f"unix:{self.database}", "--pidfile", "--log-file", "-vconsole:off",
                                   "-vsyslog:off", attach=True)
        wait_until("ovs-vswitchd answers", lambda: self.alive(self.vswitchd)
                   and self.appctl("version", check=False).returncode == 0, 15)
        # Rate limits would hide what a test should see.
        self.appctl("vlog/disable-rate-limit")
        # ovs-vsctl waits until a change has been carried out, and so everything before it.
        self.vsctl("set", "Open_vSwitch", ".", f"external_ids:started={self.vswitchd.pid}")
        with open(f"/proc/{self.vswitchd.pid}/comm") as name:
            if name.read().strip() != "ovs-vswitchd":
                raise AssertionError("the process that was started is not ovs-vswitchd itself")

    def stop_vswitchd(self, cleanup=False):
        """Ends ovs-vswitchd as its service does: what it made in the datapath stays, unless it is to clean up."""
        self.appctl("exit", *(["--cleanup"] if cleanup else []))
        self.vswitchd.wait(timeout=15)
        if self.vswitchd.returncode != 0:
            raise AssertionError(f"ovs-vswitchd ended with {self.vswitchd.returncode}\n{self.output()}")

    def kill_vswitchd(self):
        """Ends ovs-vswitchd as a crash does."""
        self.vswitchd.send_signal(signal.SIGKILL)
        self.vswitchd.wait(timeout=15)

    # The log

    def log(self):
        with open(self.log_path, errors="replace") as file:
            return file.read()

    def allow(self, pattern, reason):
        """Lets the log have lines that a test provokes."""
        self.allowed.append((pattern, reason))

    def check(self):
        """Fails if ovs-vswitchd logged a warning, or worse, that nobody expects, or if something ended by itself."""
        if self.vswitchd.poll() not in (None, 0, -signal.SIGKILL):
            raise AssertionError(f"ovs-vswitchd ended with {self.vswitchd.returncode}\n{self.output()}")
        self.alive(self.ovsdb)
        if self.martlet and self.martlet.poll() is not None:
            raise AssertionError(f"martlet ended with {self.martlet.returncode}\n{self.martlet.stdout.read()}")
        lines = collections.Counter(line.split("|", 2)[-1] for line in self.log().splitlines()
                                    if re.search(r"\|(WARN|ERR|EMER)\|", line))
        unexpected = [f"{count} times: {line}" for line, count in lines.items()
                      if not any(re.search(pattern, line) for pattern, _ in self.allowed)]
        if unexpected:
            raise AssertionError("ovs-vswitchd logged\n" + "\n".join(unexpected))

    # Commands

    def run(self, *command, **options):
        return run(*command, env=self.environment, **options)

    def vsctl(self, *arguments, **options):
        return self.run("ovs-vsctl", f"--db=unix:{self.database}", "--timeout=20", *arguments, **options)

    def get(self, table, record, column):
        return self.vsctl("get", table, record, column).stdout.strip().strip('"')

    def ofctl(self, *arguments, version="OpenFlow15", **options):
        return self.run("ovs-ofctl", "--timeout=20", "-O", version, *arguments, **options)

    def appctl(self, *arguments, **options):
        return self.run("ovs-appctl", "--timeout=20", *arguments, **options)

    def dpctl(self, *arguments, **options):
        """`ovs-dpctl`, attached; with Open vSwitch's own datapath, the same command of ovs-vswitchd."""
        if self.netdev:
            return self.appctl(f"dpctl/{arguments[0]}", *arguments[1:], **options)
        return self.run("ip", "netns", "exec", f"{self.world.id}-sw", MARTLET, "attach", "--socket", self.world.socket,
                        "--", "ovs-dpctl", *arguments, **options)

    # Bridges, ports, flows

    def add_bridge(self, name, *ports, fail_mode="standalone", settings=()):
        """Makes a bridge with ports; port pN gets the OpenFlow number N."""
        command = ["add-br", name, "--", "set", "Bridge", name, f"fail_mode={fail_mode}", *settings]
        command += ["--", "set", "Bridge", name, "datapath_type=netdev"] if self.netdev else []
        for port in ports:
            command += self._adding(name, port)
        self.vsctl(*command)

    def add_port(self, bridge, port, *settings, interface=()):
        """Adds a port. Settings of the port, and of the interface."""
        self.vsctl(*self._adding(bridge, port, settings, interface)[1:])

    @staticmethod
    def _adding(bridge, port, settings=(), interface=()):
        number = re.fullmatch(r"p(\d+)", port)
        interface = list(interface) + ([f"ofport_request={number[1]}"] if number else [])
        command = ["--", "add-port", bridge, port, *settings]
        return command + (["--", "set", "Interface", port, *interface] if interface else [])

    def set_flows(self, bridge, *flows, version="OpenFlow15"):
        """Replaces a bridge's OpenFlow rules, and has the datapath's flows made anew.

        OpenFlow 1.0 takes actions whether or not the match has what they need.
        """
        self.ofctl("replace-flows", bridge, "-", version=version, input="".join(flow + "\n" for flow in flows))
        self.purge()

    def purge(self):
        """Takes all flows out of the datapath, so that the next packets make them anew."""
        self.allow(r"\|WARN\|(.*failed to (flow_get|put\[modify\])|Failed to acquire udpif_key.*) "
                   r"\(No such file or directory\)", "flows go while revalidators read or change them")

        def is_empty():
            # A flow that a revalidator is busy with stays.
            self.appctl("revalidator/purge")
            return not self.datapath_flows()

        wait_until("the datapath has no flows", is_empty)

    def datapath_flows(self, *arguments):
        """The lines of `ovs-appctl dpctl/dump-flows`."""
        lines = self.appctl("dpctl/dump-flows", *arguments).stdout.splitlines()
        return [line for line in lines if not line.startswith("flow-dump from")]

    def rule_packets(self, bridge, match):
        """How many packets OpenFlow rules with such text have seen."""
        # A bridge learns of a megaflow's packets when they are dumped.
        self.appctl("revalidator/wait")
        lines = [line for line in self.ofctl("dump-flows", bridge).stdout.splitlines() if match in line]
        if not lines:
            raise AssertionError(f"{bridge} has no rule with {match}")
        return sum(int(re.search(r"n_packets=(\d+)", line)[1]) for line in lines)

    # Hosts and cables

    def quieten(self, host):
        """Interfaces that come to a namespace from here on send nothing by themselves."""
        self.world.inside(host, "sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")

    def plug(self, host, number):
        """World.plug."""
        self.world.plug(host, number)
        if self.netdev:
            # Its packet sockets have no virtio-net header: the sender has to finish checksums.
            self.world.inside(host, "ethtool", "-K", "eth0", "tx", "off")

    def wire(self, number):
        """A cable from port pNUMBER to a packet socket."""
        world = self.world
        if not self.wires:
            world.add("wires")
            self.quieten("wires")
        run("ip", "link", "add", f"w{number}", "netns", f"{world.id}-wires", "type", "veth",
            "peer", "name", f"p{number}", "netns", f"{world.id}-sw")
        world.inside("sw", "ip", "link", "set", f"p{number}", "up")
        world.inside("wires", "ip", "link", "set", f"w{number}", "up")
        self.wires.append(Wire(f"{world.id}-wires", f"w{number}"))
        return self.wires[-1]

    def socket(self, host, function):
        """What a function makes in a host's namespace: a socket."""
        return in_namespace(f"{self.world.id}-{host}", function)


class Forwarding:
    """Assertions on what a switch makes of frames, for test cases with `ovs` and `wires` (a Wire for each number)."""

    def assert_forwards(self, port, sent, expected, times=3):
        """What comes in on a port goes out as it should, and nowhere else; the first time and every further time.

        `sent` are the fields of a frame; `expected` has, for each port, the fields in which a frame that it sends
        differs from what was sent, or a list of such for more than one frame; None is a field that it has not.
        """
        frame, sent = frames.build(**sent), frames.complete(**sent)
        expected = {number: [{name: value for name, value in {**sent, **change}.items() if value is not None}
                             for change in (changes if isinstance(changes, list) else [changes])]
                    for number, changes in expected.items()}
        for turn in range(times):
            self.wires[port].send(frame)
            for number, wanted in expected.items():
                received = [frames.parse(data) for data in self.wires[number].take(len(wanted))]
                for one, other in zip(wanted, received):
                    self.assertEqual(one, other, f"from {port} to {number}, frame {turn + 1}: "
                                     + frames.difference(one, other))
            if not expected:
                # There is nothing to wait for but the flow that drops, and its counter.
                wait_until(f"a flow drops what comes from {sent['eth_src']}", lambda: any(
                    f"src={sent['eth_src']}" in line and line.endswith("actions:drop") and flow_packets(line) == turn
                    for line in self.ovs.datapath_flows()))
        self.assert_silence()

    def assert_silence(self):
        """No cable's end gets anything."""
        readable, _, _ = select.select([wire.socket for wire in self.wires.values()], [], [], 0.02)
        for number, wire in self.wires.items():
            # An interface that went down makes a socket readable as well.
            if wire.socket in readable and (data := wire.receive(0)) is not None:
                self.fail(f"{number} sent {frames.parse(data)}")

    def collect(self, count, seconds=5):
        """The next `count` frames of all cables' ends together: for each end's number what it got, as fields."""
        numbers = {wire.socket: number for number, wire in self.wires.items()}
        received = {number: [] for number in self.wires}
        deadline = time.monotonic() + seconds
        while (got := sum(map(len, received.values()))) < count:
            readable, _, _ = select.select(list(numbers), [], [], max(deadline - time.monotonic(), 0))
            if not readable:
                self.fail(f"{got} of {count} frames within {seconds} s")
            for each in readable:
                if (data := self.wires[numbers[each]].receive(0)) is not None:
                    received[numbers[each]].append(frames.parse(data))
        return received


def flow_packets(line):
    """How many packets a datapath flow's line tells of."""
    return int(re.search(r"packets:(\d+)", line)[1])


class OVSTest(unittest.TestCase):
    """A test with a switch of its own."""

    maxDiff = None

    def setUp(self):
        self.world, self.ovs = launch(self.addCleanup)

    def shortDescription(self):
        return None


class DatapathTest(unittest.TestCase):
    """A test with Martlet alone, for the tools of Open vSwitch that need no ovs-vswitchd."""

    maxDiff = None

    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.close)
        self.ovs = OpenvSwitch(self.world)
        self.addCleanup(self.ovs.close)
        self.ovs.quieten("sw")
        self.world.daemon("run")


def launch(add_cleanup, netdev=NETDEV):
    """A world in which Open vSwitch runs; it ends, and its log is looked at, when the test does."""
    world = World()
    add_cleanup(world.close)
    ovs = OpenvSwitch(world, netdev)
    add_cleanup(ovs.close)
    ovs.start()
    add_cleanup(ovs.check)
    return world, ovs
