import OpenvSwitch
import Packets

/// Builds frames from the inside out, with checksums computed the plain way: two bytes at a time, all of them.
enum Build {
    static let source: UInt64 = 0x0200_0000_0001
    static let destination: UInt64 = 0x0200_0000_0002
    static let source4: UInt32 = 0x0a00_0001
    static let destination4: UInt32 = 0xc0a8_fe02
    static let source6 = IPv6Address(high: 0xfd00_0000_0000_0001, low: 0x0000_0000_0000_000a)
    static let destination6 = IPv6Address(high: 0xfd00_1234_5678_9abc, low: 0xdef0_1122_3344_5566)

    static func big<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
        (0..<T.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> (T.bitWidth - 8 - 8 * $0)) }
    }

    static func mac(_ value: UInt64) -> [UInt8] { Array(big(value).dropFirst(2)) }
    static func address(_ value: IPv6Address) -> [UInt8] { big(value.high) + big(value.low) }

    static func ethernet(_ type: UInt16, tags: [(tpid: UInt16, tci: UInt16)] = [], _ payload: [UInt8]) -> [UInt8] {
        mac(destination) + mac(source) + tags.flatMap { big($0.tpid) + big($0.tci) } + big(type) + payload
    }

    static func arp(operation: UInt16 = 1, type: UInt16 = EtherType.arp) -> [UInt8] {
        ethernet(
            type,
            [0, 1, 8, 0, 6, 4] + big(operation) + mac(0x0200_0000_0a0a) + big(source4) + mac(0x0200_0000_0b0b)
                + big(destination4))
    }

    /// - Parameter fragment: flags and offset of the header.
    static func ipv4(
        _ number: UInt8, tos: UInt8 = 0, ttl: UInt8 = 64, identification: UInt16 = 0x1234, fragment: UInt16 = 0x4000,
        options: [UInt8] = [], source: UInt32 = source4, destination: UInt32 = destination4, _ payload: [UInt8]
    ) -> [UInt8] {
        let length = 20 + options.count
        var header: [UInt8] = [0x40 | UInt8(length / 4), tos] + big(UInt16(truncatingIfNeeded: length + payload.count))
        header += big(identification) + big(fragment) + [ttl, number, 0, 0] + big(source) + big(destination) + options
        header.replaceSubrange(10..<12, with: big(~Reference.sum(header)))
        return header + payload
    }

    static func ipv6(
        _ next: UInt8, trafficClass: UInt8 = 0, label: UInt32 = 0, hopLimit: UInt8 = 64,
        source: IPv6Address = source6, destination: IPv6Address = destination6, _ payload: [UInt8]
    ) -> [UInt8] {
        big(UInt32(6) << 28 | UInt32(trafficClass) << 20 | label) + big(UInt16(truncatingIfNeeded: payload.count))
            + [next, hopLimit] + address(source) + address(destination) + payload
    }

    /// A label stack, whose last entry has the bottom-of-stack bit.
    static func mpls(_ labels: [UInt32], ttl: UInt8 = 64, _ payload: [UInt8]) -> [UInt8] {
        labels.enumerated().flatMap { index, label in
            big(label << 12 | 5 << 9 | (index == labels.count - 1 ? 0x100 : 0) | UInt32(ttl))
        } + payload
    }

    /// - Parameter options: a multiple of four bytes.
    static func tcp(
        source: UInt16 = 4711, destination: UInt16 = 80, sequence: UInt32 = 1, flags: UInt16 = 0x018,
        options: [UInt8] = [], _ payload: [UInt8] = []
    ) -> [UInt8] {
        big(source) + big(destination) + big(sequence) + big(UInt32(2))
            + big(UInt16((20 + options.count) / 4) << 12 | flags) + big(UInt16(512)) + [0, 0, 0, 0] + options + payload
    }

    static func udp(source: UInt16 = 5353, destination: UInt16 = 53, _ payload: [UInt8] = []) -> [UInt8] {
        big(source) + big(destination) + big(UInt16(truncatingIfNeeded: 8 + payload.count)) + [0, 0] + payload
    }

    static func sctp(source: UInt16 = 7, destination: UInt16 = 9, _ payload: [UInt8] = []) -> [UInt8] {
        let bytes = big(source) + big(destination) + big(UInt32(0xcafe_f00d)) + [0, 0, 0, 0] + payload
        return Array(bytes[..<8]) + big(Reference.crc32c(bytes).byteSwapped) + Array(bytes[12...])
    }

    static func icmp(type: UInt8, code: UInt8, _ body: [UInt8] = [0, 1, 0, 2]) -> [UInt8] {
        [type, code, 0, 0] + body
    }

    /// A neighbour solicitation or advertisement with options as given.
    static func neighbour(type: UInt8 = 135, code: UInt8 = 0, options: [UInt8]) -> [UInt8] {
        [type, code, 0, 0, 0, 0, 0, 0] + address(destination6) + options
    }

    /// A link-layer address option.
    static func linkAddress(_ type: UInt8, _ address: UInt64) -> [UInt8] { [type, 1] + mac(address) }

    /// An extension header of `8 + 8 * extra` bytes.
    static func extensionHeader(next: UInt8, extra: UInt8 = 0, fourth: UInt8 = 0) -> [UInt8] {
        [next, extra, 0, fourth] + [UInt8](repeating: 0, count: 4 + 8 * Int(extra))
    }

    static func authentication(next: UInt8) -> [UInt8] { [next, 4] + [UInt8](repeating: 0xaa, count: 22) }

    static func fragmentHeader(next: UInt8, offset: UInt16, more: Bool) -> [UInt8] {
        [next, 0] + big(offset << 3 | (more ? 1 : 0)) + [0, 0, 0, 9]
    }

    /// Sets the checksum of the L4 message at the end of `packet` (an IP packet without Ethernet header).
    static func completed(_ packet: [UInt8], transport: Int, _ number: UInt8) -> [UInt8] {
        var packet = packet
        let field = transport + Reference.checksumField(number)
        packet.replaceSubrange(field..<field + 2, with: [0, 0])
        let sum = Reference.sum(
            Reference.pseudoHeader(packet, number, packet.count - transport) + Array(packet[transport...]))
        packet.replaceSubrange(field..<field + 2, with: big(sum == 0xffff && number == 17 ? 0xffff : ~sum))
        return packet
    }

    /// As `completed`, but as a host leaves it that computes checksums in hardware.
    static func partial(_ packet: [UInt8], transport: Int, _ number: UInt8) -> [UInt8] {
        var packet = packet
        let field = transport + Reference.checksumField(number)
        let sum = Reference.sum(Reference.pseudoHeader(packet, number, packet.count - transport))
        packet.replaceSubrange(field..<field + 2, with: big(sum))
        return packet
    }

    static var tcp4: [UInt8] {
        ethernet(EtherType.ipv4, completed(ipv4(6, tcp(Array(1...10))), transport: 20, 6))
    }

    /// One frame of each kind, by name.
    static var samples: [(name: String, frame: [UInt8])] {
        [
            ("tcp4", tcp4),
            ("tcp4 options", ethernet(EtherType.ipv4, ipv4(6, options: [1, 1, 1, 0], tcp(options: [2, 4, 5, 180])))),
            ("udp4", ethernet(EtherType.ipv4, completed(ipv4(17, udp([1, 2, 3])), transport: 20, 17))),
            ("sctp4", ethernet(EtherType.ipv4, ipv4(132, sctp([1, 2, 3, 4])))),
            ("icmp4", ethernet(EtherType.ipv4, ipv4(1, icmp(type: 8, code: 3)))),
            ("first4", ethernet(EtherType.ipv4, ipv4(17, fragment: 0x2000, udp([1, 2, 3])))),
            ("later4", ethernet(EtherType.ipv4, ipv4(17, fragment: 0x0010, udp([1, 2, 3])))),
            ("tcp4 vlan", ethernet(EtherType.ipv4, tags: [(0x8100, 0x2064)], ipv4(6, tcp()))),
            ("udp4 qinq", ethernet(EtherType.ipv4, tags: [(0x88a8, 0x0064), (0x8100, 0xe001)], ipv4(17, udp()))),
            ("tcp6", ethernet(EtherType.ipv6, completed(ipv6(6, label: 0xabcde, tcp([9, 8, 7])), transport: 40, 6))),
            ("udp6 vlan", ethernet(EtherType.ipv6, tags: [(0x8100, 1)], ipv6(17, trafficClass: 0xb8, udp()))),
            ("sctp6", ethernet(EtherType.ipv6, ipv6(132, sctp()))),
            (
                "extensions6",
                ethernet(
                    EtherType.ipv6,
                    ipv6(
                        0,
                        extensionHeader(next: 60) + extensionHeader(next: 43, extra: 1) + extensionHeader(next: 44)
                            + fragmentHeader(next: 51, offset: 0, more: true) + authentication(next: 60)
                            + extensionHeader(next: 6) + tcp()))
            ),
            (
                "later6",
                ethernet(EtherType.ipv6, ipv6(44, fragmentHeader(next: 6, offset: 100, more: false) + tcp()))
            ),
            ("icmp6", ethernet(EtherType.ipv6, ipv6(58, icmp(type: 128, code: 0)))),
            (
                "nd",
                ethernet(
                    EtherType.ipv6, ipv6(58, neighbour(options: linkAddress(1, 0xa1) + linkAddress(2, 0xa2))))
            ),
            ("arp", arp()),
            ("rarp", arp(operation: 3, type: EtherType.rarp)),
            ("snap", ethernet(28 + 8, [0xaa, 0xaa, 3, 0, 0, 0, 8, 6] + Array(arp()[14...]))),
            ("stp", ethernet(38, [0x42, 0x42, 3] + [UInt8](repeating: 0, count: 35))),
            ("mpls", ethernet(EtherType.mplsUnicast, [0, 1, 0x41, 64] + ipv4(6, tcp()))),
            ("mpls vlan", ethernet(EtherType.mplsMulticast, tags: [(0x8100, 1)], mpls([100, 200], ipv4(6, tcp())))),
            (
                "mpls qinq",
                ethernet(
                    EtherType.mplsUnicast, tags: [(0x88a8, 1), (0x8100, 2)], mpls([1, 2, 3], ipv6(17, udp())))
            ),
            ("mpls deep", ethernet(EtherType.mplsUnicast, mpls([9, 8, 7, 6, 5], ipv4(17, udp())))),
        ]
    }
}

/// What is right, computed the slow and plain way.
enum Reference {
    static func sum(_ bytes: [UInt8]) -> UInt16 {
        var sum = 0
        for (index, byte) in bytes.enumerated() { sum += index % 2 == 0 ? Int(byte) << 8 : Int(byte) }
        while sum > 0xffff { sum = sum % 0x10000 + sum / 0x10000 }
        return UInt16(sum)
    }

    static func crc32c(_ bytes: [UInt8]) -> UInt32 {
        var crc = ~UInt32(0)
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc % 2 == 1 ? crc / 2 ^ 0x82f6_3b78 : crc / 2 }
        }
        return ~crc
    }

    static func checksumField(_ number: UInt8) -> Int {
        switch number {
        case 6: 16
        case 17: 6
        default: 2
        }
    }

    /// The pseudo header for an IP packet.
    static func pseudoHeader(_ packet: [UInt8], _ number: UInt8, _ length: Int) -> [UInt8] {
        Array(packet[0] >> 4 == 4 ? packet[12..<20] : packet[8..<40]) + Build.big(UInt32(length))
            + Build.big(UInt32(number))
    }

    /// Whether the checksum of the L4 message that ends with the frame is right.
    static func isTransportValid(_ frame: [UInt8], network: Int, transport: Int, _ number: UInt8) -> Bool {
        let packet = Array(frame[network...])
        return sum(pseudoHeader(packet, number, frame.count - transport) + Array(frame[transport...])) == 0xffff
    }

    static func isIPv4Valid(_ frame: [UInt8], network: Int) -> Bool {
        sum(Array(frame[network..<network + 4 * Int(frame[network] & 15)])) == 0xffff
    }

    static func number(_ frame: [UInt8], _ offset: Int, _ count: Int) -> UInt64 {
        frame[offset..<offset + count].reduce(0) { $0 << 8 | UInt64($1) }
    }
}

/// Takes the key out of a frame that lies in memory of exactly its size.
func extract(_ frame: [UInt8], offload: Offload = Offload()) -> (key: FlowKey, offsets: HeaderOffsets)? {
    var key = FlowKey()
    guard let offsets = KeyExtraction.extract(frame.raw, offload: offload, into: &key) else { return nil }
    return (key, offsets)
}

/// Runs `body` with a packet that holds `frame`, and one free slot.
func withPacket<R>(
    _ frame: [UInt8], offload: Offload = Offload(), _ body: (_ packet: inout Packet, _ other: inout Packet) throws -> R
) throws -> R {
    var pool = PacketPool(capacity: 2)
    defer { pool.reset() }
    guard var packet = pool.take(), var other = pool.take(), packet.assign(frame.raw) else {
        throw CancellationError()
    }
    packet.offload = offload
    return try body(&packet, &other)
}

extension [UInt8] {
    /// The bytes of the array; every bit pattern is one.
    var raw: RawSpan {
        @_lifetime(borrow self)
        get { unsafe span.bytes }
    }
}

extension Packet {
    var array: [UInt8] {
        let bytes = bytes
        return (0..<bytes.byteCount).map { unsafe bytes.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
    }
}

/// What a host says of a frame whose transport checksum it left out.
func partialOffload(
    transport: Int, _ number: UInt8, segmentation: UInt8 = Offload.none, segmentSize: UInt16 = 0
) -> Offload {
    var offload = Offload()
    offload.flags = Offload.needsChecksum
    offload.checksumStart = UInt16(transport)
    offload.checksumOffset = UInt16(Reference.checksumField(number))
    offload.segmentation = segmentation
    offload.segmentSize = segmentSize
    return offload
}
