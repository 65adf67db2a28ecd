"""The flow keys of random frames: Martlet's and those of Debian's Open vSwitch.

`EXTRACTION_SEED=N scripts/system-test Extraction.test_a_fresh_seed` repeats what a run printed.
"""

import collections
import os
import random
import re
import secrets
import struct
import tempfile
import unittest

from hosts import MARTLET, ROOT, run
from key_reference import DIFFERENCES, Reference
from key_text import DROPPED, of_martlet, of_open_vswitch
from random_frames import RandomFrames

FRAMES = 20000
# How many frames at least meet each rule and no other and have different keys by it, and take each branch.
LEAST = 5

# The branches of the extraction: `Reference` notes them.
KINDS = set("""
short frame|0 tags|1 tags|2 tags|third tag|tag cut off|802.2|SNAP|SNAP without EtherType|other EtherType
IPv4 cut off|IPv4 header length lies|IPv4 length impossible|IPv4 padding|IPv4 options
IPv4 first fragment|IPv4 later fragment
IPv6 cut off|IPv6 length impossible|IPv6 padding|IPv6 fragment header|IPv6 later fragment|IPv6 chain
IPv6 extension header cut off|IPv6 endless chain
IPv6 extension 0|IPv6 extension 43|IPv6 extension 44|IPv6 extension 51|IPv6 extension 60
ARP|ARP cut off|ARP of something else|ARP with a large operation
0 label stack entries|1 label stack entries|2 label stack entries|3 label stack entries
TCP over IPv4|TCP over IPv6|TCP options|TCP cut off|TCP data offset lies
UDP over IPv4|UDP over IPv6|UDP cut off|SCTP over IPv4|SCTP over IPv6|SCTP cut off
ICMP|ICMP cut off|ICMPv6|ICMPv6 cut off|other protocol
ND|ND cut off|nd_sll|nd_tll|other ND option|ND option twice|ND option length lies
NSH malformed|NSH of metadata type 1|NSH of metadata type 2|NSH of metadata type other
""".strip().replace("\n", "|").split("|"))


def capture(frames):
    """A file in the classic pcap format."""
    data = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 1 << 18, 1)
    return data + b"".join(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame for frame in frames)


class Extraction(unittest.TestCase):
    maxDiff = None

    def test_a_fixed_seed(self):
        self.compare(20261121)

    def test_a_fresh_seed(self):
        self.compare(int(os.environ.get("EXTRACTION_SEED") or secrets.randbelow(1 << 32)))

    def test_the_document_has_every_difference(self):
        with open(os.path.join(ROOT, "docs/compatibility.md")) as document:
            section = document.read().split("## Flow keys of odd frames")[1].split("\n## ")[0]
        self.assertEqual(re.findall(r"^\| (.*?) \|", section, re.M)[1:], list(DIFFERENCES))

    def compare(self, seed):
        """Compares the keys of the random frames that a seed makes."""
        print(f"EXTRACTION_SEED={seed}; ", end="", flush=True)
        generator = RandomFrames(random.Random(seed))
        frames = [generator.frame() for _ in range(FRAMES)]
        with tempfile.NamedTemporaryFile(suffix=".pcap") as file:
            file.write(capture(frames))
            file.flush()
            ours = [of_martlet(line) for line in run(MARTLET, "parse-pcap", file.name).stdout.splitlines()]
            theirs = [of_open_vswitch(line) for line in run("ovs-ofctl", "parse-pcap", file.name).stdout.splitlines()]
        self.assertEqual((len(ours), len(theirs)), (FRAMES, FRAMES), "one line for each frame")
        self.rules, self.kinds = collections.Counter(), collections.Counter()
        faults = [fault for each in zip(frames, ours, theirs) if (fault := self.fault(*each))]
        if faults:
            self.fail(f"{len(faults)} of {FRAMES} keys are wrong, EXTRACTION_SEED={seed}\n" + "\n".join(faults[:10]))
        self.check_counts()
        print(f"{sum(self.rules.values())} of {FRAMES} keys differ by one rule alone: "
              + ", ".join(f"{name} {self.rules[name]}" for name in DIFFERENCES if name in self.rules) + "; ", end="")

    def fault(self, frame, ours, theirs):
        """What is wrong with a frame's keys, in words; None if nothing is."""
        kernel, user = Reference(frame, user=False), Reference(frame, user=True)
        expected = kernel.key
        if expected is not DROPPED:
            expected = {**expected, "tpids": kernel.tpids, "mpls_count": kernel.mpls_count}
        # The kernel's way meets every rule that there is to meet, but what lies behind a frame that it drops.
        rules = kernel.rules | user.rules
        words = []
        if not rules and {name: ours.get(name) for name in theirs} != theirs:
            words.append("Martlet and Open vSwitch differ, and there is no rule for it")
        for name, found, predicted in (("Martlet", ours, expected), ("Open vSwitch", theirs, user.key)):
            words += [f"{name}: {field} is {found.get(field)!r} and not {predicted.get(field)!r}"
                      for field in {**found, **predicted} if found.get(field) != predicted.get(field)]
        if words:
            return f"{frame.hex()} {sorted(rules)}\n  " + "\n  ".join(words)
        self.kinds.update(kernel.kinds)
        if len(rules) == 1 and kernel.key != user.key:
            self.rules.update(rules)
        return None

    def check_counts(self):
        """Fails if a rule or a branch of the extraction was not met often enough for the comparison to mean much."""
        self.assertEqual(KINDS, set(self.kinds), "branches that are not in the list, or the other way round")
        rare = {name: count for counter, names in ((self.rules, DIFFERENCES), (self.kinds, KINDS))
                for name in names if (count := counter[name]) < LEAST}
        self.assertEqual(rare, {}, f"less than {LEAST} frames each")
