"""The same frames and the same actions through Martlet and through Open vSwitch's own datapath: the same bytes.

Each run has a fixed seed and a fresh one, which it prints; `ACTION_SEED=S` takes S in the place of the fresh one.
"""

import re
import unittest

from action_cases import make_case
from action_comparison import Comparison, errors, fresh_seed
from action_openflow import datapath_flows, flows_of, make_rule_case
from action_sides import PORTS, SENTINEL_RULE
from openvswitch import needs_martlet

FLOWS, RULES = 1000, 250


@needs_martlet
class OVSActions(Comparison, unittest.TestCase):
    """Flows that are put into both datapaths."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.theirs.start()
        cls.ours.start()

    def setUp(self):
        self.theirs.delete_flows()
        self.ours.delete_flows()

    def test_a_fixed_seed(self):
        self.compare("martlet")

    def test_a_fresh_seed(self):
        self.compare(fresh_seed())

    def compare(self, seed):
        print(f"ACTION_SEED={seed} ", end="", flush=True)
        numbers = [self.ours.numbers[number] for number in PORTS]
        cases = [make_case(seed, number, numbers[0], numbers) for number in range(FLOWS)]
        self.theirs.add_flows([f"{key} {actions}" for case in cases for key, actions, _ in case.flows])
        flows = [(key, actions) for case in cases for key, _, actions in case.flows]
        unknown = [flow for flow in flows if re.search("hash|dec_ttl", flow[1])]
        self.ours.add_flows([f"{key} {actions}" for key, actions in flows if (key, actions) not in unknown])
        for flow in unknown:
            # Open vSwitch does not parse them, Martlet's own command does.
            self.ours.world.dpctl("add-flow", "dp0", *flow)
        missed = self.theirs.missed(), self.ours.missed()
        failures, alone = [], []
        for case in cases:
            alone.append(self.ours.play(case.frame))
            failures += self.judge(case, self.theirs.play(case.frame), alone[-1])
        self.report(failures, cases)
        self.assertEqual((self.theirs.missed(), self.ours.missed()), missed, "a frame found no flow")
        self.assert_company_changes_nothing(cases, alone)


@needs_martlet
class OVSActionRules(Comparison, unittest.TestCase):
    """What Open vSwitch makes of OpenFlow rules for its own datapath, in both."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ours.start()

    def setUp(self):
        self.ours.delete_flows()

    def test_a_fixed_seed(self):
        self.compare("martlet")

    def test_a_fresh_seed(self):
        self.compare(fresh_seed())

    def compare(self, seed):
        print(f"ACTION_SEED={seed} ", end="", flush=True)
        cases = [make_rule_case(seed, number) for number in range(RULES)]
        self.theirs.ovs.set_flows("br0", SENTINEL_RULE, *(rule for case in cases for rule in case.rules))
        # The first frame makes the flows, the second takes them.
        first = [self.theirs.play(case.frame) for case in cases]
        second = [self.theirs.play(case.frame) for case in cases]
        flows, failures = datapath_flows(self.theirs.ovs.datapath_flows("-m")), []
        for case, slow, fast in zip(cases, first, second):
            case.flows = flows_of(case, flows)
            wrong = errors(case, sum(fast.values(), []))
            if slow != fast or wrong:
                failures.append(f"{case.describe()}\n  Open vSwitch sent {slow}, then {fast} {wrong}")
        for flow in {flow for case in cases for flow in case.flows}:
            self.ours.world.dpctl("add-flow", "dp0", *flow)
        missed, alone = self.ours.missed(), []
        for case, expected in zip(cases, second):
            alone.append(self.ours.play(case.frame))
            failures += self.judge(case, expected, alone[-1])
        self.report(failures, cases)
        self.assertEqual(self.ours.missed(), missed, "a frame found no flow")
        self.assert_company_changes_nothing(cases, alone)
