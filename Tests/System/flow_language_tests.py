"""The flow language through Debian's `ovs-dpctl`: random flows are installed, printed, and installed again as printed.

`FLOW_SEED=N scripts/system-test FlowLanguage.test_a_fresh_seed` repeats what a run printed.
"""

import os
import re
import secrets

from openvswitch import DatapathTest, needs_martlet
from random_flows import RandomFlows

COUNT = int(os.environ.get("FLOW_COUNT", "250"))

# Flows that are refused, and the attribute at fault.
REFUSED = (
    ("in_port(65535),eth()", "OVS_KEY_ATTR_IN_PORT"),
    ("eth(),eth_type(0x05ff)", "OVS_KEY_ATTR_ETHERTYPE"),
    ("skb_mark(1),skb_mark(2),eth()", "OVS_KEY_ATTR_SKB_MARK"),
    ("eth(),eth_type(0x0800)", "OVS_KEY_ATTR_IPV4"),
    ("eth(),eth_type(0x86dd),ipv6(proto=17,frag=no)", "OVS_KEY_ATTR_UDP"),
    ("eth(),eth_type(0x0800),ipv4(frag=no),tcp(src=80)", "OVS_KEY_ATTR_TCP"),
    ("eth(),eth_type(0x0800/0),ipv4(src=10.0.0.1)", "OVS_KEY_ATTR_IPV4"),
    ("eth(),eth_type(0x0806),arp(op=256)", "OVS_KEY_ATTR_ARP"),
    ("eth(),eth_type(0x8100)", "OVS_KEY_ATTR_ETHERTYPE"),
    ("eth(),eth_type(0x8100),vlan(vid=5,cfi=0),encap(eth_type(0x88b5))", "OVS_KEY_ATTR_VLAN"),
    ("eth(),eth_type(0x8100/0xff00),vlan(vid=5),encap(eth_type(0x88b5))", "OVS_KEY_ATTR_ETHERTYPE"),
    ("eth_type(0x8100),vlan(vid=5),encap(eth_type(0x88b5))", "OVS_KEY_ATTR_VLAN"),
    # Without a mask ovs-dpctl 3.1 asks for all 32 bits.
    ("ct_state(new|trk),eth(),eth_type(0x88b5)", "OVS_KEY_ATTR_CT_STATE"),
    ("ct_tuple4(src=10.0.0.1),eth(),eth_type(0x86dd),ipv6(frag=no)", "OVS_KEY_ATTR_CT_ORIG_TUPLE_IPV4"),
    ("tunnel(src=10.0.0.1,ttl=64),eth(),eth_type(0x88b5)", "OVS_KEY_ATTR_TUNNEL"),
    ("tunnel(dst=10.0.0.1),eth(),eth_type(0x88b5)", "OVS_TUNNEL_KEY_ATTR_TTL"),
    ("tunnel(dst=10.0.0.1,ipv6_dst=::1,ttl=64),eth(),eth_type(0x88b5)", "OVS_KEY_ATTR_TUNNEL"),
    ("tunnel(dst=10.0.0.1,ttl=64,vxlan(gbp(id=1,flags=0)),geneve({class=1,type=2,len=0})),eth(),eth_type(0x88b5)",
     "OVS_TUNNEL_KEY_ATTR_GENEVE_OPTS"),
)


@needs_martlet
class FlowLanguage(DatapathTest):
    def setUp(self):
        super().setUp()
        for number in (1, 2, 3):
            self.ovs.wire(number)
        self.world.dpctl("add-dp", "dp0", "p1", "p2", "p3")

    def install(self, flows):
        """Installs (flow, actions), all that it takes through ovs-dpctl; a flow that is refused fails.

        Returns what ovs-dpctl says it sent, as `dump` returns it.
        """
        path, sent = os.path.join(self.world.directory, "flows"), {}
        taken = [(flow, actions) for flow, actions in flows if is_taken_by_ovs_dpctl(flow, actions)]
        # A process says no more than some 600 lines at once.
        for first in range(0, len(taken), 50):
            some = taken[first:first + 50]
            with open(path, "w") as file:
                file.writelines(f"{flow} {actions}\n" for flow, actions in some)
            result = self.ovs.dpctl(
                "-vPATTERN:console:%m", "-vdpif:console:dbg", "add-flows", "dp0", path, check=False)
            other = [line for line in result.stderr.splitlines() if not line.startswith("system@dp0: ")]
            if result.returncode != 0 or other:
                self.fail("\n".join(other) + "\n" + self.culprit(some))
            # Of an empty list of actions it says nothing.
            for flow, actions in re.findall(
                    r"^system@dp0: put\[create\] (.*?)(?:, actions:(.*))?$", result.stderr, re.M):
                sent[re.search(r"recirc_id\((\w+)\)", flow)[1]] = (flow, actions or "drop")
        self.assertEqual(len(sent), len(taken))
        for flow, actions in flows:
            if not is_taken_by_ovs_dpctl(flow, actions):
                self.world.dpctl("add-flow", "dp0", flow, actions)
        return sent

    def culprit(self, flows):
        """The first flow that is not installed and cannot be, which ovs-dpctl does not name."""
        for flow, actions in flows:
            alone = self.ovs.dpctl("add-flow", "dp0", flow, actions, check=False)
            if alone.returncode != 0 and "File exists" not in alone.stderr:
                return f"{flow} {actions}\n{self.world.dpctl('add-flow', 'dp0', flow, actions, check=False).stderr}"
        return ""

    def dump(self, *options):
        """{recirc_id: (flow, actions)}; both tools print the same."""
        theirs = self.ovs.dpctl("dump-flows", *options, "dp0").stdout.splitlines()
        ours = self.world.dpctl("dump-flows", *options, "dp0").stdout.splitlines()
        for line, other in zip(ours, theirs):
            self.assertEqual(line, other)
        self.assertEqual(len(ours), len(theirs))
        flows = {}
        for line in ours:
            flow, actions = re.fullmatch(
                r"(.*), packets:0, bytes:0, used:never(?:, dp:ovs)?, actions:(.*)", line).groups()
            flows[re.search(r"recirc_id\((\w+)\)", line)[1]] = (flow, actions)
        self.assertEqual(len(flows), len(ours))
        return flows

    def assert_kept(self, sent, printed):
        """All that was sent is printed."""
        self.assertEqual(sent[1], printed[1])
        # Of a flow with an identifier the datapath keeps what is matched.
        if sent[0].startswith("ufid:"):
            return
        found = leaves(printed[0])
        for name, value in leaves(sent[0]).items():
            # What of a tunnel is 0 is left out, as by the kernel.
            if name not in found and name.startswith("tunnel.") and re.fullmatch(r"(0|0x0|0\.0\.0\.0|::)(/.*)?", value):
                continue
            # Of an ARP operation there are eight bits, as in the kernel.
            end = "/0xff" if name.endswith("arp.op") else ""
            self.assertEqual(
                found.get(name, "nothing").removesuffix(end), value.removesuffix(end),
                f"{name}\n{sent[0]}\n{printed[0]}")

    def test_a_fixed_seed(self):
        self.round_trip(1)

    def test_a_fresh_seed(self):
        self.round_trip(int(os.environ.get("FLOW_SEED") or secrets.randbelow(1 << 32)))

    def round_trip(self, seed):
        """Random flows are printed as they were sent, and by both tools alike, and installed again as printed."""
        print(f"FLOW_SEED={seed}; ", end="", flush=True)
        source = RandomFlows(seed)
        flows = [source.flow(number) for number in range(1, COUNT + 1)]
        sent = self.install([(flow.text, flow.actions) for flow in flows])
        printed = self.dump("-m", "--no-names")
        self.assertEqual(len(printed), COUNT)
        for number, line in sent.items():
            self.assert_kept(line, printed[number])
        for options in ((), ("-m",), ("--names",), ("-m", "--names")):
            self.dump(*options)
        self.world.dpctl("del-flows", "dp0")
        self.assertEqual(self.dump("-m"), {})
        self.install([(installable(flow), installable_actions(actions)) for flow, actions in printed.values()])
        again = self.dump("-m", "--no-names")
        for number, line in printed.items():
            self.assertEqual(again.get(number), line)
        self.assertEqual(len(again), len(printed))

    def test_a_flow_that_is_refused_says_which_attribute_is_at_fault(self):
        for flow, constant in REFUSED:
            with self.subTest(flow):
                theirs = self.ovs.dpctl("add-flow", "dp0", flow, "1", check=False)
                self.assertEqual(theirs.returncode, 1)
                self.assertIn("updating flow table (Invalid argument)", theirs.stderr)
                ours = self.world.dpctl("add-flow", "dp0", flow, "1", check=False)
                self.assertEqual(ours.returncode, 1)
                self.assertRegex(
                    ours.stderr, rf"updating flow table \(Invalid argument\): flow (key|mask): .*\({constant}\)")
        self.assertEqual(self.dump("-m"), {})


def leaves(text, path=""):
    """{"ipv4.src": "10.0.0.1/255.0.0.0"}: the fields of a flow in its text. Lists of things are one field."""
    found, begin, depth = {}, 0, 0
    for end, character in enumerate(text + ","):
        depth += (character in "({") - (character in ")}")
        if character != "," or depth:
            continue
        name, value = re.fullmatch(r"(\w+)[(=](.*?)\)?", text[begin:end]).groups()
        begin = end + 1
        if "=" in value and name not in ("mpls", "geneve") or name == "encap":
            found.update(leaves(value, f"{path}{name}."))
        else:
            found[path + name] = value
    return found


# What ovs-dpctl 3.1 prints and does not take.

def is_taken_by_ovs_dpctl(flow, actions):
    """Whether it takes a flow at all: `martlet dpctl` does."""
    return "nsh(" not in flow and not re.search(r"\b(push_mpls\(|pop_mpls\(|hash\(|push_eth\(|pop_eth\b)", actions)


def installable(flow):
    """A flow that was printed, in words that are taken."""
    # A space behind the flow's identifier would end the flow.
    flow = flow.replace(", recirc_id", ",recirc_id")
    # OVS_KEY_ATTR_IPV6_EXTHDRS has no name there.
    flow = flow.replace(",key32(00 00/00 00)", "")
    # Ports of a connection over IPv6 are printed under other names.
    return re.sub(r"(ct_tuple6\([^)]*?)src_port=([^)]*?)dst_port=", r"\1tp_src=\2tp_dst=", flow)


def installable_actions(actions):
    """Actions that were printed, in words that are taken."""
    # The word is an action, of which Open vSwitch 3.1 and Linux have different numbers; so an empty list is printed.
    actions = re.sub(r"\b(clone|actions)\(drop\)", r"\1()", "," if actions == "drop" else actions)
    # Printed with commas between them.
    actions = re.sub(r"\bslow_path\(([\w,]*)\)", lambda reasons: reasons[0].replace(",", "|"), actions)
    # Printed in hexadecimal, taken in decimal.
    return re.sub(r"\brecirc\((0x\w+)\)", lambda number: f"recirc({int(number[1], 16)})", actions)
