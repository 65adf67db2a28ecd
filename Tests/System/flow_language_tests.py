"""The flow language through Debian's `ovs-dpctl`: random flows are installed, printed, and installed again as printed."""

import os
import re
import unittest

from hosts import World
from openvswitch import OpenvSwitch, needs_martlet
from random_flows import RandomFlows

SEED = int(os.environ.get("FLOW_SEED", "1"))
COUNT = int(os.environ.get("FLOW_COUNT", "400"))


@needs_martlet
class FlowLanguage(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.world = World()
        self.addCleanup(self.world.close)
        self.ovs = OpenvSwitch(self.world)
        self.addCleanup(self.ovs.close)
        self.ovs.quieten("sw")
        self.world.daemon("run")
        for number in (1, 2, 3):
            self.ovs.wire(number)
        self.world.dpctl("add-dp", "dp0", "p1", "p2", "p3")

    def install(self, flows):
        """Installs (flow, actions), all that it takes through ovs-dpctl; a flow that is refused fails."""
        path = os.path.join(self.world.directory, "flows")
        with open(path, "w") as file:
            file.writelines(f"{flow} {actions}\n" for flow, actions in flows if is_taken_by_ovs_dpctl(flow, actions))
        result = self.ovs.dpctl("add-flows", "dp0", path, check=False)
        if result.returncode != 0 or result.stderr:
            self.fail(result.stderr + self.culprit(flows))
        for flow, actions in flows:
            if not is_taken_by_ovs_dpctl(flow, actions):
                self.world.dpctl("add-flow", "dp0", flow, actions)

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
            flow, actions = re.fullmatch(r"(.*), packets:0, bytes:0, used:never(?:, dp:ovs)?, actions:(.*)", line).groups()
            flows[re.search(r"recirc_id\((\w+)\)", line)[1]] = (flow, actions)
        self.assertEqual(len(flows), len(ours))
        return flows

    def test_random_flows_are_printed_as_ovs_dpctl_does_and_installed_again_as_printed(self):
        source = RandomFlows(SEED)
        self.install([(flow.text, flow.actions) for flow in (source.flow(number) for number in range(1, COUNT + 1))])
        printed = self.dump("-m", "--no-names")
        self.assertEqual(len(printed), COUNT)
        for options in ((), ("-m",), ("--names",), ("-m", "--names")):
            self.dump(*options)
        self.world.dpctl("del-flows", "dp0")
        self.assertEqual(self.dump("-m"), {})
        self.install([(installable(flow), installable_actions(actions)) for flow, actions in printed.values()])
        again = self.dump("-m", "--no-names")
        for number, line in printed.items():
            self.assertEqual(again.get(number), line)
        self.assertEqual(len(again), len(printed))


# What ovs-dpctl 3.1 prints and does not take.

def is_taken_by_ovs_dpctl(flow, actions):
    """Whether it takes a flow at all: `martlet dpctl` does."""
    return "nsh(" not in flow and not re.search(r"\b(push_mpls|pop_mpls|hash)\(", actions)


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
