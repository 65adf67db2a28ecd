"""The same frames and the same actions through Martlet and through Open vSwitch's own datapath: the same bytes.

Thousands of random pairs. `ACTION_SEED=S` takes the seed S in the place of a fresh one.
"""

import itertools
import os
import random
import re
import unittest

import action_frames
from action_cases import CHECKSUM, make_case
from action_openflow import datapath_flows, flows_of, make_rule_case
from action_sides import PORTS, SENTINEL_RULE, ours, theirs
from frames import QINQ, VLAN, Malformed
from openvswitch import needs_martlet

COUNT = 1000
TOGETHER = 40  # More than a batch.
# Keys and actions that Martlet has not yet.
ABSENT = re.compile(r"nsh\(|push_eth|pop_eth|add_mpls")


@needs_martlet
class OVSActions(unittest.TestCase):
    """Flows in the two datapaths."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.theirs = theirs(cls.addClassCleanup)
        cls.ours = ours(cls.addClassCleanup, cls.theirs.numbers)
        cls.theirs.start()
        cls.ours.start()

    def setUp(self):
        self.theirs.delete_flows()
        self.ours.delete_flows()

    def test_a_fixed_seed(self):
        self.compare("martlet")

    def test_a_fresh_seed(self):
        self.compare(os.environ.get("ACTION_SEED") or random.SystemRandom().randbytes(4).hex())

    def compare(self, seed):
        print(f"ACTION_SEED={seed} ", end="", flush=True)
        numbers = [self.ours.numbers[number] for number in PORTS]
        cases = [make_case(seed, number, numbers[0], numbers) for number in range(COUNT)]
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

    def assert_company_changes_nothing(self, cases, alone):
        """Frames that Martlet finds together, in a batch, become what each became by itself."""
        for first in range(0, len(cases), TOGETHER):
            received = self.ours.play(*(case.frame for case in cases[first:first + TOGETHER]))
            expected = {number: sum((each[number] for each in alone[first:first + TOGETHER]), []) for number in PORTS}
            for number in PORTS:
                if received[number] != expected[number]:
                    self.fail(f"cases {first} to {first + TOGETHER - 1} of ACTION_SEED={cases[0].seed}, together: "
                              f"port {number}\n" + "\n".join(
                                  f"  expected {one.hex() if one else None}\n  got      {other.hex() if other else None}"
                                  for one, other in itertools.zip_longest(expected[number], received[number])
                                  if one != other))

    def test_rules(self):
        """Actions that Open vSwitch makes of OpenFlow rules."""
        seed = os.environ.get("ACTION_SEED", "martlet")
        cases = [make_rule_case(seed, number) for number in range(400)]
        self.theirs.ovs.set_flows("br0", SENTINEL_RULE, *(rule for case in cases for rule in case.rules))
        # The first frame makes the flows, the second takes them.
        first = [self.theirs.play(case.frame) for case in cases]
        second = [self.theirs.play(case.frame) for case in cases]
        flows = datapath_flows(self.theirs.ovs.datapath_flows("-m"))
        failures = []
        for case, slow, fast in zip(cases, first, second):
            case.flows = flows_of(case, flows)
            wrong = errors(case, sum(fast.values(), []))
            if slow != fast or wrong:
                failures.append(f"{case.describe()}\n  Open vSwitch sent {slow}, then {fast} {wrong}")
        here = [(case, expected) for case, expected in zip(cases, second)
                if not any(ABSENT.search(key + actions) for key, actions in case.flows)]
        self.assertGreater(len(here), len(cases) / 5)
        for flow in {flow for case, _ in here for flow in case.flows}:
            self.ours.world.dpctl("add-flow", "dp0", *flow)
        missed = self.ours.missed()
        for case, expected in here:
            failures += self.judge(case, expected, self.ours.play(case.frame))
        self.report(failures, cases)
        self.assertEqual(self.ours.missed(), missed, "a frame found no flow")

    def report(self, failures, cases):
        if failures:
            self.fail(f"{len(failures)} of {len(cases)} differ:\n" + "\n".join(failures[:5]))

    def judge(self, case, expected, actual):
        problems = []
        for number in PORTS:
            if len(expected[number]) != len(actual[number]):
                problems.append(f"port {number}: {len(expected[number])} frames, ours {len(actual[number])}")
            for one, other in zip(expected[number], actual[number]):
                if theirs_as_ours(case, one, other) != other:
                    problems.append(f"port {number}:\n    theirs {one.hex()}\n    ours   {other.hex()}")
            problems += [f"port {number}: ours is wrong: {error}" for error in errors(case, actual[number])]
        return [case.describe() + "".join(f"\n  {problem}" for problem in problems[:3])] if problems else []


def errors(case, frames):
    """What is wrong about frames by themselves."""
    found = []
    for frame in frames:
        try:
            action_frames.check(frame, case.cut, case.headers.wrong)
        except Malformed as error:
            found.append(error)
    return found


def theirs_as_ours(case, theirs, ours):
    """What Open vSwitch's own datapath sent, as it would be without that in which 3.1 differs from the kernel."""
    headers = case.headers
    if headers.eligible and theirs != ours:
        # The kernel takes the outermost tag out of a received frame. 3.1 puts it back without its drop eligible
        # indicator.
        at = 12
        while (tpid := int.from_bytes(ours[at:at + 2], "big")) in (VLAN, QINQ) and len(ours) >= at + 4:
            tci = int.from_bytes(ours[at + 2:at + 4], "big")
            if tci & 0x1000 and (tpid, tci & 0xEFFF) == headers.vlans[0]:
                theirs = theirs[:at + 2] + bytes((theirs[at + 2] | 0x10,)) + theirs[at + 3:]
                break
            at += 4
    if "address of a later fragment" in case.notes:
        # 3.1 takes payload for a checksum that covers the address, and changes it.
        return _with_checksum(case, theirs, ours, case.frame)
    if case.notes & {"source of a routed packet", "address of an atomic fragment"}:
        # 3.1 leaves the checksum as it was, which covers these addresses nevertheless. Ours is checked by itself.
        return _with_checksum(case, theirs, ours, ours)
    return theirs


def _with_checksum(case, theirs, ours, right):
    """Their frame with the two bytes, where a checksum would be, that another frame has there."""
    if len(ours) <= (at := action_frames.transport_offset(ours) + CHECKSUM[case.headers.protocol]):
        return theirs
    place = action_frames.transport_offset(right) + CHECKSUM[case.headers.protocol]
    return theirs[:at] + right[place:place + 2][:len(theirs) - at] + theirs[at + 2:]
