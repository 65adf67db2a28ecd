"""What the tests take for right frames is right: tshark reads them."""

import os
import random
import struct
import tempfile
import unittest

import action_frames
import frames
from frames import ARP, ICMP, ICMPV6, IPV6, MPLS, QINQ, SCTP, TCP, UDP, VLAN
from hosts import run

FRAMES = [{"eth_type": family, "ip_proto": protocol, "vlans": tags}
          for family in (frames.IPV4, IPV6) for protocol in (TCP, UDP, SCTP, ICMPV6 if family == IPV6 else ICMP)
          for tags in ((), ((VLAN, 5, 3),), ((QINQ, 100, 1), (VLAN, 5, 3)))]
# A chunk that tshark knows: HEARTBEAT.
FRAMES = [{**fields, **({"payload": bytes.fromhex("0400000c0001000861626364")} if fields["ip_proto"] == SCTP else {})}
          for fields in FRAMES]
FRAMES += [
    {"udp_checksum": 0}, {"eth_type": ARP, "arp_op": 2}, {"eth_type": 0x88B5},
    {"eth_type": MPLS, "mpls": ((2000, 6, 99), (1000, 5, 33))},
    {"eth_type": MPLS, "mpls": ((1000, 5, 33),), "ip_src": "fd01::1", "ip_dst": "fd01::2", "ip_proto": TCP},
    {"eth_type": IPV6, "ip_proto": ICMPV6, "icmp_type": 135, "nd_options": ((1, "02:00:00:00:00:01"),)},
    {"ip_frag": (7, False, 64)},
]


class Frames(unittest.TestCase):
    def test_parse_reads_what_build_makes(self):
        for fields in FRAMES:
            self.assertEqual(frames.parse(frames.build(**fields)), frames.complete(**fields))

    def test_parse_refuses_what_is_wrong(self):
        """A bit in what a checksum covers; a byte that is missing."""
        for fields in FRAMES:
            fields = frames.complete(**fields)
            if "ip_proto" not in fields or "ip_frag" in fields or "udp_checksum" in fields:
                continue
            data = frames.build(**fields)
            for at in range(len(data) - len(fields["payload"]) - 8, len(data)):
                with self.assertRaises(frames.Malformed, msg=f"{fields} {at}"):
                    frames.parse(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1:])
            with self.assertRaises(frames.Malformed):
                frames.parse(data[:-1])

    def test_tshark_finds_nothing_wrong(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "frames.pcap")
            with open(path, "wb") as file:
                file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
                for data in [frames.build(**fields) for fields in FRAMES]:
                    file.write(struct.pack("<IIII", 0, 0, len(data), len(data)) + data)
            checks = [option for name in ("ip", "tcp", "udp") for option in ("-o", f"{name}.check_checksum:TRUE")]
            checks += ["-o", "sctp.checksum:CRC-32c", "-o", "ip.defragment:FALSE"]
            fields = [option for name in ("ip", "tcp", "udp", "sctp", "icmp", "icmpv6")
                      for option in ("-e", f"{name}.checksum.status")]
            text = run("tshark", "-r", path, *checks, "-T", "fields", "-e", "_ws.expert.message", *fields).stdout
            lines = text.rstrip("\n").split("\n")
            self.assertEqual(len(lines), len(FRAMES))
            good = 0
            for fields, line in zip(FRAMES, lines):
                expert, *status = line.split("\t")
                self.assertNotRegex(expert, "(?i)checksum|malformed|length", f"{fields}: {line}")
                # 1 is good, 3 not present; 0 would be bad and 2 not verified.
                self.assertLessEqual(set(status), {"", "1", "3"}, f"{fields}: {line}")
                good += status.count("1")
            self.assertGreater(good, len(FRAMES), text)


class RandomFrames(unittest.TestCase):
    """The frames for the tests of actions, and the check of what became of them."""

    def test_every_frame_is_right_and_a_wrong_bit_is_found(self):
        rng, found = random.Random(1), 0
        for _ in range(1000):
            frame, headers = action_frames.random_frame(rng, bytes(6))
            action_frames.check(frame, wrong=headers.wrong)
            # What a checksum covers from end to end.
            if headers.transport in ("tcp", "sctp", "icmp", "icmpv6") and not headers.wrong and not headers.padding \
                    and headers.fragment == "no" and not headers.mpls and not headers.routed:
                start = action_frames.transport_offset(frame)
                for at in {start, start + 4, rng.randrange(start, len(frame)), len(frame) - 1}:
                    found += 1
                    with self.assertRaises(frames.Malformed, msg=f"{at} of {frame.hex()}"):
                        action_frames.check(frame[:at] + bytes((frame[at] ^ 0x10,)) + frame[at + 1:])
        self.assertGreater(found, 500)
