"""`martlet dpctl` and Debian's `ovs-dpctl` say and do the same."""

import os
import re

from hosts import ROOT
from openvswitch import DatapathTest, Forwarding, OVSTest, needs_martlet

# Flows as `ovs-dpctl` writes them, from which both tools make the same.
FLOWS = (
    ("in_port(1),eth(),eth_type(0x0806),arp()", "2"),
    ("in_port(1),eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),eth_type(0x0800),ipv4(frag=no)", "2,3"),
    ("in_port(2),eth(),eth_type(0x0800),ipv4(src=10.0.0.0/255.0.0.0,proto=6,frag=no),tcp(dst=80),tcp_flags(+syn-ack)",
     "set(ipv4(ttl=63)),set(tcp(src=1,dst=2)),1"),
    ("in_port(2),eth(),eth_type(0x86dd),ipv6(dst=fd01::/ffff::,label=0,proto=17,frag=no),udp(src=53)",
     "set(ipv6(src=fd09::9,hlimit=9)),1"),
    ("in_port(2),eth(),eth_type(0x86dd),ipv6(proto=58,frag=no),icmpv6(type=135,code=0),nd(target=fd01::1)", "1"),
    ("in_port(1),eth(),eth_type(0x8100),vlan(vid=5,pcp=3),encap(eth_type(0x0800),ipv4(frag=no))", "pop_vlan,2"),
    ("in_port(3),eth(),eth_type(0x0800),ipv4(proto=1,frag=no),icmp(type=8)", "push_vlan(vid=7,pcp=1),2"),
    ("in_port(3),eth(),eth_type(0x0800),ipv4(proto=132,frag=no),sctp(src=1)", "set(eth(dst=02:00:00:00:00:09)),2"),
    # The word drop would be an action, of which Open vSwitch 3.1 and Linux have different numbers.
    ("in_port(3),eth(),eth_type(0x88b5)", ""),
    ("recirc_id(0),skb_priority(7),in_port(3),skb_mark(0x5/0xff),eth(),eth_type(0x88b6)", "trunc(100),2"),
    ("in_port(3),eth(),eth_type(0x88b7)",
     "sample(sample=50.0%,actions(1,2)),clone(set(eth(src=02:00:00:00:00:08)),2),1"),
)


@needs_martlet
class OVSDPCtl(DatapathTest):
    """The datapath alone, made by one tool and looked at by the other."""

    def plug(self):
        """Cables on which nobody says anything, so that the counters stand still."""
        for number in (1, 2, 3):
            self.ovs.wire(number)

    def martlet(self, *arguments):
        return self.world.dpctl(*arguments, check=False)

    def ovs_dpctl(self, *arguments):
        return self.ovs.dpctl(*arguments, check=False)

    def assert_same(self, *arguments):
        """Both print the same. Returns what they print."""
        return assert_same(self, self.martlet, self.ovs_dpctl, arguments)

    def state(self):
        """Everything that there is, as ovs-dpctl shows it."""
        return without_times(self.ovs_dpctl("show").stdout) + "".join(sorted(
            self.ovs_dpctl("dump-flows", "-m", "dp0").stdout.splitlines(True)))

    def assert_same_effect(self, command, undo):
        """A command of one tool does what that of the other does; `undo` is the other tool's in each case."""
        results, before = [], self.state()
        for first, second in ((self.martlet, self.ovs_dpctl), (self.ovs_dpctl, self.martlet)):
            result = first(*command)
            self.assertEqual(result.returncode, 0, f"{command}: {result.stderr}")
            results.append((without_times(result.stdout), self.state()))
            self.assertEqual(second(*undo).returncode, 0, undo)
            self.assertEqual(self.state(), before, f"{command}, then {undo}")
        self.assertEqual(*results, command)
        self.assertNotEqual(results[0][1], before, f"{command} changed nothing")

    def assert_same_refusal(self, *command):
        """Both refuse a command, for the same reason, and nothing has changed."""
        before = self.state()
        ours, theirs = self.martlet(*command), self.ovs_dpctl(*command)
        self.assertEqual((ours.returncode, theirs.returncode), (1, 1), f"{command}: {ours.stderr}{theirs.stderr}")
        for reason in re.findall(r"\(([A-Z][a-z ]+)\)$", theirs.stderr, re.M):
            self.assertIn(f"({reason})", ours.stderr, command)
        self.assertEqual(self.state(), before, command)

    def test_datapaths(self):
        self.plug()
        self.assertEqual(self.assert_same("dump-dps"), "")
        self.assertEqual(self.assert_same("show"), "")
        self.assert_same_effect(("add-dp", "dp0"), ("del-dp", "dp0"))
        self.assert_same_effect(("add-dp", "system@dp0", "p1", "p2,port_no=7"), ("del-dp", "system@dp0"))
        self.martlet("add-dp", "dp0", "p1")
        self.ovs_dpctl("add-dp", "dp1", "p2")
        self.assertEqual(self.assert_same("dump-dps").count("system@dp"), 2)
        for arguments in (("show",), ("show", "dp0"), ("show", "dp1", "dp0"), ("-s", "show"), ("-s", "show", "dp1")):
            self.assert_same(*arguments)
        self.assert_same_refusal("show", "nowhere")
        self.assert_same_refusal("add-dp", "dp0")
        self.assert_same_refusal("del-dp", "nowhere")
        self.assert_same_effect(("del-dp", "dp1"), ("add-dp", "dp1", "p2"))
        self.assert_same("cache-get-size")
        self.assert_same("cache-get-size", "dp0")
        for size, rounded in ((1024, 1024), (0, 0), (3, 4), (200, 256)):
            self.assertIn(f"new size {rounded}", self.assert_same("cache-set-size", "dp0", "masks-cache", str(size)))
            self.assertIn(f"size:{rounded}", self.assert_same("cache-get-size", "dp0"))
        self.assert_same_refusal("cache-set-size", "dp0", "masks-cache", "4097")
        self.assert_same_refusal("cache-set-size", "dp0", "masks-cache", "many")
        self.assert_same_refusal("cache-set-size", "dp0", "other-cache", "4")

    def test_ports(self):
        self.plug()
        self.martlet("add-dp", "dp0")
        self.assert_same_effect(("add-if", "dp0", "p1"), ("del-if", "dp0", "p1"))
        self.assert_same_effect(("add-if", "dp0", "p1,port_no=9", "p2"), ("del-if", "dp0", "9", "p2"))
        self.assert_same_effect(("add-if", "dp0", "vi0,type=internal"), ("del-if", "dp0", "vi0"))
        self.assert_same_refusal("add-if", "dp0", "nowhere")
        self.ovs_dpctl("add-if", "dp0", "p1", "p2,port_no=5")
        self.assert_same_refusal("add-if", "dp0", "p3,port_no=5")
        self.assert_same("set-if", "dp0", "p1")
        self.assert_same("set-if", "dp0", "p2,port_no=5", "p1,type=system")
        self.assert_same_refusal("set-if", "dp0", "p2,port_no=6")
        self.assert_same_refusal("set-if", "dp0", "p2,type=internal")
        self.assert_same_refusal("set-if", "dp0", "nowhere")
        self.assert_same_effect(("del-if", "dp0", "p2"), ("add-if", "dp0", "p2,port_no=5"))
        self.assert_same_effect(("del-if", "dp0", "5"), ("add-if", "dp0", "p2,port_no=5"))
        self.assert_same_refusal("del-if", "dp0", "nowhere")

    def test_flows(self):
        self.plug()
        self.martlet("add-dp", "dp0", "p1", "p2", "p3")
        ufid = "ufid:00112233-4455-6677-8899-aabbccddeeff"
        for key, actions in FLOWS:
            with self.subTest(key):
                self.assert_same_effect(("add-flow", "dp0", key, actions), ("del-flow", "dp0", key))
                named = key.replace("in_port(1)", "in_port(p1)").replace("in_port(2)", "in_port(p2)")
                self.assert_same_effect(("add-flow", "dp0", f"{ufid},{named}", actions), ("del-flow", "dp0", ufid))
        for key, actions in FLOWS:
            self.ovs_dpctl("add-flow", "dp0", key, actions)
        for options in ((), ("-m",), ("--names",), ("-m", "--names"), ("-m", "--no-names"), ("--no-names",)):
            lines = self.assert_same("dump-flows", *options, "dp0").splitlines()
            self.assertEqual(len(lines), len(FLOWS))
        self.assert_same("dump-flows")
        key = FLOWS[0][0]
        self.assert_same_effect(("mod-flow", "dp0", key, "3"), ("mod-flow", "dp0", key, FLOWS[0][1]))
        self.assert_same("-s", "mod-flow", "dp0", key, "3")
        self.assert_same("--clear", "mod-flow", "dp0", key, "3")
        other = "in_port(1),eth(),eth_type(0x99aa)"
        self.assert_same_refusal("mod-flow", "dp0", other, "3")
        self.assert_same_effect(("--may-create", "mod-flow", "dp0", other, "3"), ("del-flow", "dp0", other))
        self.assert_same_refusal("add-flow", "dp0", key, "3")
        self.assert_same_refusal("add-flow", "dp0", "in_port(1),eth(", "3")
        self.assert_same_refusal("add-flow", "dp0", other, "set(nonsense)")
        self.assert_same_effect(("-s", "del-flow", "dp0", key), ("add-flow", "dp0", key, "3"))
        self.assert_same_refusal("del-flow", "dp0", other)
        self.ovs_dpctl("add-flow", "dp0", f"{ufid},{other}", "2")
        for options in ((), ("-m",), ("--names",)):
            self.assertIn("actions:", self.assert_same("get-flow", *options, "dp0", ufid))
        self.assert_same_refusal("get-flow", "dp0", ufid.replace("0011", "1100"))
        for tool in (self.martlet, self.ovs_dpctl):
            self.ovs_dpctl("add-flow", "dp0", "in_port(1),eth(),eth_type(0x99ab)", "3")
            self.assertEqual(tool("del-flows", "dp0").returncode, 0)
            self.assertEqual(self.assert_same("dump-flows", "dp0"), "")

    def test_counters(self):
        for number in (1, 2):
            self.world.plug(f"h{number}", number)
        self.martlet("add-dp", "dp0", "p1", "p2")
        for key, actions in (("in_port(1),eth(),eth_type(0x0806),arp()", "2"),
                             ("in_port(2),eth(),eth_type(0x0806),arp()", "1"),
                             ("in_port(1),eth(),eth_type(0x0800),ipv4(proto=6,frag=no),tcp(),tcp_flags(0/0)", "2"),
                             ("in_port(2),eth(),eth_type(0x0800),ipv4(proto=6,frag=no),tcp(),tcp_flags(0/0)", "1")):
            self.ovs_dpctl("add-flow", "dp0", key, actions)
        self.world.tcp("h1", "h2", "10.78.0.2", "-n", "1M")
        for options in ((), ("-m",), ("--names",)):
            text = self.assert_same("dump-flows", *options, "dp0")
        self.assertRegex(text, r"packets:\d{2,}, bytes:\d{5,}, used:\d+\.\d+s, flags:SFP\.")
        self.assertRegex(self.assert_same("show", "dp0"), r"lookups: hit:\d{2,} missed:\d+ lost:\d+")
        self.assertRegex(self.assert_same("-s", "show", "dp0"), r"RX bytes:\d+ \(\d")


@needs_martlet
class OVSDPCtlWithVSwitchd(OVSTest, Forwarding):
    """Both tools on the datapath that ovs-vswitchd has made."""

    def test_the_same_view(self):
        world, ovs = self.world, self.ovs
        for number in (1, 2):
            ovs.plug(f"h{number}", number)
        ovs.add_bridge("br0", "p1", "p2")
        ovs.add_port("br0", "vi0", interface=["type=internal"])
        ovs.vsctl("set", "Open_vSwitch", ".", "other_config:max-idle=600000")
        ovs.vsctl("set", "Port", "vi0", "tag=7")
        world.ping("h1", "10.78.0.2", 20)
        world.ping("h1", "fd78::2", 20)
        world.tcp("h1", "h2", "10.78.0.2", "-n", "1M")
        for arguments in (("dump-dps",), ("show",), ("-s", "show"), ("show", "ovs-system"), ("cache-get-size",),
                          ("dump-flows",), ("dump-flows", "-m"), ("dump-flows", "--names"),
                          ("dump-flows", "-m", "--no-names")):
            self.assertNotEqual(assert_same(self, world.dpctl, ovs.dpctl, arguments), "", arguments)
        ufids = re.findall(r"^(ufid:\S+),", ovs.dpctl("dump-flows", "-m").stdout, re.M)
        self.assertGreater(len(ufids), 5)
        for ufid in ufids:
            assert_same(self, world.dpctl, ovs.dpctl, ("-m", "get-flow", ufid))


@needs_martlet
class OVSFeatures(OVSTest):
    def test_the_document_has_the_features_that_are_reported(self):
        self.ovs.add_bridge("br0")
        text = self.ovs.appctl("dpif/show-dp-features", "br0").stdout
        reported = dict(line.split(": ", 1) for line in text.splitlines())
        self.assertGreater(len(reported), 20, text)
        with open(os.path.join(ROOT, "docs/compatibility.md")) as document:
            section = re.search(r"^#+ Datapath features$(.*?)(?=^#|\Z)", document.read(), re.M | re.S)
        self.assertIsNotNone(section, "docs/compatibility.md has no heading “Datapath features”")
        rows = [[cell.strip() for cell in line.strip().strip("|").split("|")]
                for line in section[1].splitlines() if line.startswith("|")]
        documented = {row[0]: row[1] for row in rows[2:]}
        self.assertEqual(documented, reported, f"Open vSwitch reports:\n{text}")


def assert_same(test, martlet, ovs_dpctl, arguments):
    """Both tools print the same of the same state, and succeed. Returns what they print."""
    for _ in range(20):
        before, ours, after = ovs_dpctl(*arguments), martlet(*arguments), ovs_dpctl(*arguments)
        # A packet may come between; what does not change is what is compared.
        if without_times(before.stdout) == without_times(after.stdout):
            break
    else:
        test.fail(f"{arguments}: the state does not stand still")
    test.assertEqual((ours.returncode, before.returncode), (0, 0), f"{arguments}: {ours.stderr}{before.stderr}")
    # Open vSwitch 3.1 does not know the counters of upcalls.
    text = re.sub(r"^    UPCALL packets:\d+ errors:\d+\n", "", ours.stdout, flags=re.M)
    test.assertEqual(without_times(text), without_times(before.stdout), arguments)
    return before.stdout


def without_times(text):
    """Without how long ago flows were used: that changes while one looks."""
    return re.sub(r"used:\d+\.\d+s", "used:…", text)
