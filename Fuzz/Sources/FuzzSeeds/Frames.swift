import OpenvSwitch

/// Frames to begin with, one for each way through the parser. Checksums are 0: no parser looks at them.
enum Frames {
    static let all: [(name: String, bytes: [UInt8])] = [
        ("tcp", ethernet(0x0800, ipv4(6, tcp))),
        ("udp", ethernet(0x0800, ipv4(17, udp))),
        ("icmp", ethernet(0x0800, ipv4(1, [8, 0, 0, 0, 0, 1, 0, 1]))),
        ("sctp", ethernet(0x0800, ipv4(132, [0, 1, 0, 2] + zeros(8)))),
        ("fragment", ethernet(0x0800, ipv4(17, udp, fragment: 0x2001))),
        ("arp", ethernet(0x0806, [0, 1, 8, 0, 6, 4, 0, 1] + zeros(6) + [10, 0, 0, 1] + zeros(6) + [10, 0, 0, 2])),
        ("tcp6", ethernet(0x86dd, ipv6(6, tcp))),
        ("nd", ethernet(0x86dd, ipv6(58, [135, 0, 0, 0] + zeros(20) + [1, 1, 2, 2, 2, 2, 2, 2]))),
        (
            "extensions",
            ethernet(0x86dd, ipv6(0, [44, 0] + zeros(6) + [60, 0] + zeros(6) + [17, 0] + zeros(6) + udp))
        ),
        ("vlan", ethernet(0x8100, [0, 100, 8, 0] + ipv4(17, udp))),
        ("qinq", ethernet(0x88a8, [0, 100, 0x81, 0, 0, 101, 8, 0] + ipv4(6, tcp))),
        ("mpls", ethernet(0x8847, [0, 6, 0x41, 64] + ipv4(6, tcp))),
        ("mpls-vlan", ethernet(0x8100, [0, 100, 0x88, 0x48] + stack(4) + ipv6(17, udp))),
        ("mpls-truncated", ethernet(0x8847, stack(3).dropLast(2))),
        ("nsh", ethernet(0x894f, nsh(1, 3, zeros(16)) + ethernet(0x0800, ipv4(6, tcp)))),
        ("nsh-metadata", ethernet(0x894f, nsh(2, 4, [1, 2, 3, 4]) + nsh(2, 1, []) + ipv4(17, udp))),
        ("truncated", ethernet(0x8100, [0])),
        ("llc", ethernet(60, [0xaa, 0xaa, 3, 0, 0, 0, 8, 0] + ipv4(17, udp))),
    ]

    static func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }
    private static let tcp: [UInt8] =
        [0, 80, 31, 144] + zeros(8) + [0x50, 0x12] + zeros(6) + [1, 2, 3, 4, 5, 6, 7, 8]
    private static let udp: [UInt8] = [0, 53, 31, 144, 0, 12, 0, 0, 1, 2, 3, 4]

    private static func ethernet(_ type: UInt16, _ rest: [UInt8]) -> [UInt8] {
        [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, UInt8(type >> 8), UInt8(type & 0xff)] + rest
    }

    /// A label stack of so many entries.
    private static func stack(_ count: Int) -> [UInt8] {
        (1...count).flatMap { [0, UInt8($0), $0 == count ? 1 : 0, 64] }
    }

    /// A network service header with metadata of this type.
    private static func nsh(_ type: UInt8, _ next: UInt8, _ metadata: [UInt8]) -> [UInt8] {
        [0x0f, 0xc0 | UInt8(2 + metadata.count / 4), type, next, 0, 0, 5, 255] + metadata
    }

    private static func ipv4(_ proto: UInt8, _ rest: [UInt8], fragment: UInt16 = 0) -> [UInt8] {
        [
            0x45, 0, 0, UInt8(20 + rest.count), 0, 1, UInt8(fragment >> 8), UInt8(fragment & 0xff), 64, proto, 0, 0, 10,
            0, 0, 1,
        ]
            + [10, 0, 0, 2] + rest
    }

    private static func ipv6(_ proto: UInt8, _ rest: [UInt8]) -> [UInt8] {
        [0x60, 0, 0, 0, 0, UInt8(rest.count), proto, 64] + zeros(15) + [1] + zeros(15) + [2] + rest
    }
}
