"""What two datapaths made of the same frames, compared; and where Open vSwitch 3.1 rightly made something else."""

import itertools
import os
import random

import action_frames
from action_cases import CHECKSUM
from action_sides import PORTS, ours, theirs
from frames import QINQ, VLAN, Malformed

TOGETHER = 40  # More than a batch.


class Comparison:
    """For test cases: a class has both sides, and each test no flows in Martlet."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.theirs = theirs(cls.addClassCleanup)
        cls.ours = ours(cls.addClassCleanup, cls.theirs.numbers)

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

    def assert_company_changes_nothing(self, cases, alone):
        """Frames that Martlet finds together, in a batch, become what each became by itself."""
        for first in range(0, len(cases), TOGETHER):
            received = self.ours.play(*(case.frame for case in cases[first:first + TOGETHER]))
            expected = {number: sum((each[number] for each in alone[first:first + TOGETHER]), []) for number in PORTS}
            for number in PORTS:
                pairs = [(one and one.hex(), other and other.hex()) for one, other in itertools.zip_longest(
                    expected[number], received[number]) if one != other]
                self.assertEqual(pairs, [], f"port {number}, cases {first} to {first + TOGETHER - 1} together, of "
                                 f"ACTION_SEED={cases[0].seed}: expected, and got")


def fresh_seed():
    return os.environ.get("ACTION_SEED") or random.SystemRandom().randbytes(4).hex()


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
