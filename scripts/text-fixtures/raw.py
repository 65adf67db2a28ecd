"""Writes flows of attributes that no text describes: lengths that are wrong, types that are unknown, runs that are cut.

Each line is a flow for standin.c. The numbers come from a seed, which is fixed unless RAW_SEED is set, so that every
run writes the same.
"""
import os
import random
import struct
import sys

random.seed(int(os.environ.get("RAW_SEED", "2014")))


def attribute(kind, payload):
    padding = b"\0" * (-len(payload) % 4)
    return struct.pack("=HH", 4 + len(payload), kind) + payload + padding


def some(count):
    style = random.random()
    if style < 0.2:
        return b"\0" * count
    if style < 0.4:
        return b"\xff" * count
    return bytes(random.randrange(256) for _ in range(count))


def line(key, mask, actions):
    print(" ".join("-" if part is None else part.hex() or "." for part in (key, mask, actions)))


KEYS = {
    2: 4, 3: 4, 4: 12, 5: 2, 6: 2, 7: 12, 8: 40, 9: 4, 10: 4, 11: 2, 12: 2, 13: 24, 14: 28, 15: 4, 17: 4, 18: 2, 19: 4,
    20: 4, 21: 4, 22: 4, 23: 2, 24: 4, 25: 16, 26: 16, 27: 40, 30: 8,
}
TUNNEL = {0: 8, 1: 4, 2: 4, 3: 1, 4: 1, 5: 0, 6: 0, 7: 0, 9: 2, 10: 2, 12: 16, 13: 16}
OUTPUT = attribute(1, struct.pack("=I", 1))


def keys():
    for kind, size in KEYS.items():
        for _ in range(3):
            line(attribute(kind, some(size)), attribute(kind, some(size)), OUTPUT)
        line(attribute(kind, some(size)), None, OUTPUT)
        line(attribute(kind, some(size)) + attribute(3, some(4)), attribute(3, b"\xff" * 4), OUTPUT)
        line(attribute(3, some(4)) + attribute(kind, some(size + 1)), None, OUTPUT)
        line(attribute(kind, some(max(0, size - 1))), attribute(kind, some(size)), OUTPUT)
        line(attribute(kind, some(size)) + attribute(2, some(4)), attribute(kind, some(size + 2)), OUTPUT)
    for kind in (0, 31):
        line(attribute(kind, b""), None, OUTPUT)
        line(attribute(kind, b""), attribute(kind, b""), OUTPUT)
    for kind in (31, 32, 33, 60, 1000):
        line(attribute(kind, some(2)), None, OUTPUT)
        line(attribute(kind, some(2)), attribute(kind, b"\0\0"), OUTPUT)
        line(attribute(kind, some(2)), attribute(kind, b"\xff\xff"), OUTPUT)
        line(attribute(kind, some(2)), attribute(3, b"\0" * 4), OUTPUT)
    for _ in range(40):
        chosen = [kind for kind in TUNNEL if random.random() < 0.5]
        key = b"".join(attribute(kind, some(TUNNEL[kind])) for kind in chosen)
        mask = b"".join(attribute(kind, some(TUNNEL[kind])) for kind in TUNNEL if random.random() < 0.8)
        line(attribute(16, key), attribute(16, mask) if random.random() < 0.8 else None, OUTPUT)
    line(attribute(16, attribute(4, b"\x40") + attribute(20, b"\1\2")), None, OUTPUT)
    line(attribute(16, attribute(4, b"\x40") + attribute(20, b"\1\2")), attribute(16, attribute(4, b"\xff")), OUTPUT)
    line(attribute(16, attribute(4, b"\x40\x40")), attribute(16, attribute(4, b"\xff")), OUTPUT)
    line(attribute(16, attribute(8, b"\0\1\2\1\0\0\0\5\1")), None, OUTPUT)
    line(attribute(16, attribute(8, b"\0\1\2\3\0\0\0\5")), None, OUTPUT)
    line(attribute(16, attribute(8, b"\0\1\2\1\0\0\0\5")), attribute(16, attribute(8, b"\xff" * 4)), OUTPUT)
    ttl = attribute(4, b"\x40")
    for _ in range(12):
        option = some(3) + bytes([2]) + some(8) + some(3) + bytes([random.randrange(3)]) + some(8)
        mask = some(4) + some(8) + some(4) + some(8)
        line(attribute(16, ttl + attribute(8, option)), attribute(16, ttl + attribute(8, mask)), OUTPUT)
        line(attribute(16, ttl + attribute(8, option)), attribute(16, ttl), OUTPUT)
        line(attribute(16, ttl + attribute(8, option)), None, OUTPUT)
    for _ in range(8):
        policy, policy_mask = attribute(1, some(4)), attribute(1, some(4))
        line(attribute(16, ttl + attribute(11, policy)), attribute(16, ttl + attribute(11, policy_mask)), OUTPUT)
        span = struct.pack("=I", random.randrange(4)) + some(8)
        line(attribute(16, ttl + attribute(15, span)), attribute(16, ttl + attribute(15, some(12))), OUTPUT)
        line(attribute(16, ttl + attribute(15, span) + attribute(11, policy)), None, OUTPUT)
        line(attribute(16, ttl + attribute(15, span)), attribute(16, b""), OUTPUT)
    line(attribute(16, ttl + attribute(11, attribute(2, some(4)))), None, OUTPUT)
    line(attribute(16, ttl + attribute(11, attribute(1, some(3)))), None, OUTPUT)
    line(attribute(16, ttl + attribute(14, b"")), None, OUTPUT)
    for mdtype in (1, 2):
        base = bytes([0, 63, mdtype, 3]) + some(4)
        line(attribute(28, attribute(1, base) + attribute(2, some(16))), None, OUTPUT)
        for _ in range(6):
            mask = attribute(28, attribute(1, some(8)) + attribute(2, some(16)))
            line(attribute(28, attribute(1, base) + attribute(2, some(16))), mask, OUTPUT)
    line(attribute(21, some(8)), attribute(21, b"\xff" * 8), OUTPUT)
    line(attribute(21, some(6)), attribute(21, b"\xff" * 6), OUTPUT)
    line(attribute(21, some(8)), attribute(21, b"\xf0" * 4), OUTPUT)
    line(attribute(21, b""), None, OUTPUT)
    line(attribute(3, some(4)) + b"\1\2", None, OUTPUT)
    line(attribute(3, some(4)) + struct.pack("=HH", 40, 2) + b"\1\2\3\4", None, OUTPUT)
    line(attribute(3, some(4)), attribute(6, b"\xff\xff") + attribute(3, b"\xff" * 4), OUTPUT)
    inner = attribute(6, b"\x08\x00") + attribute(7, some(12))
    head = attribute(6, b"\x81\x00") + attribute(5, b"\x10\x05")
    line(head + attribute(1, inner), head + attribute(1, inner), OUTPUT)
    line(head + attribute(1, inner), head + attribute(1, b""), OUTPUT)
    line(head + attribute(1, b""), head + attribute(1, inner), OUTPUT)
    line(head + attribute(1, inner), None, OUTPUT)


def actions():
    key = attribute(3, struct.pack("=I", 1))
    fixed = {1: 4, 4: 4, 5: 0, 7: 4, 8: 8, 9: 8, 10: 2, 13: 4, 14: 12, 15: 0, 16: 0, 18: 0, 19: 4, 22: 8}

    def one(*attributes):
        line(key, None, b"".join(attributes))

    for kind, size in fixed.items():
        one(attribute(kind, some(size)))
        one(attribute(kind, some(size)), OUTPUT)
        one(attribute(kind, some(size + 1)))
        one(OUTPUT, attribute(kind, some(max(0, size - 1))))
    one(attribute(8, struct.pack("=II", 0, 5)), attribute(8, struct.pack("=II", 7, 5)))
    for kind in (0, 40, 1000):
        one(attribute(kind, some(3)))
        one(attribute(kind, b""))
    for kind, size in KEYS.items():
        one(attribute(3, attribute(kind, some(size))))
        one(attribute(11, attribute(kind, some(size) + some(size))))
        one(attribute(3, attribute(kind, some(size + 1))))
    one(attribute(3, attribute(16, attribute(0, some(8)) + attribute(2, some(4)) + attribute(4, some(1)))))
    one(attribute(3, attribute(28, attribute(1, bytes([0, 63, 1, 3]) + some(4)) + attribute(2, some(16)))))
    one(attribute(11, attribute(28, attribute(1, bytes([0, 63, 1, 3]) + some(4) + some(8)))))
    one(attribute(11, attribute(28, attribute(1, some(16)))))
    probability = attribute(1, struct.pack("=I", 123456789))
    one(attribute(6, probability + attribute(2, OUTPUT)))
    one(attribute(6, probability + attribute(2, b"")))
    one(attribute(6, probability))
    one(attribute(6, attribute(2, OUTPUT)))
    one(attribute(6, probability + attribute(2, OUTPUT) + attribute(9, b"12")))
    one(attribute(6, probability + attribute(2, OUTPUT) + b"\1\2"))
    one(attribute(20, OUTPUT + b"\1\2\3"))
    one(attribute(20, b"\1\2\3"))
    one(OUTPUT + b"\1\2\3")
    one(OUTPUT + struct.pack("=HH", 90, 1) + b"\1\2\3\4")
    pid = attribute(1, struct.pack("=I", 9))
    one(attribute(2, pid))
    one(attribute(2, attribute(2, b"123")))
    one(attribute(2, pid + attribute(2, b"")))
    one(attribute(2, pid + attribute(2, b"123")))
    one(attribute(2, pid + attribute(2, some(48))))
    one(attribute(2, pid + attribute(2, struct.pack("=H", 2) + b"\0" * 26 + b"\xff" * 20)))
    one(attribute(2, pid + attribute(2, struct.pack("=H", 5) + bytes(range(46)))))
    one(attribute(2, pid + attribute(3, b"\1\0\0\0") + attribute(4, b"")))
    one(attribute(2, pid + attribute(3, b"\1\0")))
    size = attribute(1, struct.pack("=H", 100))
    one(attribute(21, size + attribute(2, OUTPUT) + attribute(3, b"")))
    one(attribute(21, size + attribute(2, OUTPUT)))
    one(attribute(21, attribute(2, OUTPUT) + attribute(3, b"")))
    zone = attribute(2, struct.pack("=H", 3))
    one(attribute(12, zone + attribute(8, some(4)) + attribute(6, b"")))
    one(attribute(12, zone + attribute(7, b"") + attribute(1, b"")))
    one(attribute(12, attribute(3, some(8)) + attribute(4, some(32))))
    one(attribute(12, attribute(3, some(4))))
    one(attribute(12, attribute(5, b"ftp\0")))
    one(attribute(12, attribute(5, b"ftp")))
    one(attribute(12, attribute(5, b"f\0p\0")))
    one(attribute(12, attribute(9, b"a" * 31 + b"\0")))
    one(attribute(12, attribute(9, b"a" * 32 + b"\0")))
    source, destination = attribute(1, b""), attribute(2, b"")

    def nat(*attributes):
        one(attribute(12, attribute(6, b"".join(attributes))))

    low, high = attribute(3, b"\x0a\0\0\1"), attribute(4, b"\x0a\0\0\2")
    low6, high6 = attribute(3, b"\xfe\x80" + b"\0" * 13 + b"\1"), attribute(4, b"\xfe\x80" + b"\0" * 13 + b"\2")
    port, top = attribute(5, struct.pack("=H", 5)), attribute(6, struct.pack("=H", 9))
    nat(source, destination)
    nat(low)
    nat(attribute(7, b""))
    nat(source, port)
    nat(source, high)
    nat(source, low, top)
    nat(source, attribute(3, b"\x0a\0\0\1\2"))
    nat(source, low, high6)
    nat(source, attribute(3, b"\x0a\0\0\3"), high)
    nat(source, low, high, port, top, attribute(7, b""), attribute(8, b""), attribute(9, b""))
    nat(destination, low6, high6, port, top)
    nat(destination, low6, high6)
    nat(destination, low6, low6.replace(b"\3\0", b"\4\0", 1), port, port.replace(b"\5\0", b"\6\0", 1))
    nat(destination, low, port, attribute(6, struct.pack("=H", 2)))
    nat(source, attribute(7, b""), attribute(9, b""))
    for mdtype in (1, 2):
        base = attribute(1, bytes([0, 63, mdtype, 3]) + some(4))
        one(attribute(17, attribute(28, base + attribute(1 + mdtype, some(16)))))


{"keys": keys, "actions": actions}[sys.argv[1]]()
