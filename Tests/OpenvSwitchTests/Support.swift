import Netlink
import OpenvSwitch
import Testing

extension SplitMix64 {
    init(seed: UInt64) { self.init(state: seed) }

    mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) } }
    mutating func number<T: FixedWidthInteger>(_: T.Type = T.self) -> T { T(truncatingIfNeeded: next()) }
    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
    mutating func chance(_ oneIn: Int) -> Bool { below(oneIn) == 0 }
    mutating func mac() -> UInt64 { next() & 0xffff_ffff_ffff }
    mutating func address() -> IPv6Address { IPv6Address(high: next(), low: next()) }
    /// A value or nil.
    mutating func maybe<T>(_ value: (inout SplitMix64) -> T) -> T? { chance(2) ? value(&self) : nil }
    /// Zero, all ones or anything.
    mutating func mask<T: FixedWidthInteger>(_: T.Type = T.self) -> T {
        switch below(3) {
        case 0: 0
        case 1: ~0
        default: number()
        }
    }
    mutating func name() -> String { String((0...below(15)).map { _ in "abcdefghij0123456789-_."[below(23)] }) }
}

extension String {
    fileprivate subscript(_ index: Int) -> Character { self[self.index(startIndex, offsetBy: index)] }
}

/// The bytes of an integer in host byte order.
func host<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    let bytes = big(value)
    return 1.bigEndian == 1 ? bytes : bytes.reversed()
}

/// The bytes of an integer in network byte order.
func big<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    (0..<MemoryLayout<T>.size).reversed().map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
}

/// An attribute made by hand, padded.
func attribute(_ type: UInt16, _ payload: [UInt8]) -> [UInt8] {
    host(UInt16(payload.count + 4)) + host(type) + payload + [UInt8](repeating: 0, count: (4 - payload.count % 4) % 4)
}

// Key attributes made by hand. Where a value is not given it is an ordinary one.

func priority(_ value: UInt32 = 1) -> [UInt8] { attribute(2, host(value)) }
func inPort(_ port: UInt32 = 3) -> [UInt8] { attribute(3, host(port)) }
func ethernet(_ byte: UInt8 = 2) -> [UInt8] { attribute(4, [UInt8](repeating: byte, count: 12)) }
func vlan(_ tci: UInt16) -> [UInt8] { attribute(5, big(tci)) }
func etherType(_ type: UInt16) -> [UInt8] { attribute(6, big(type)) }
func encap(_ inner: [UInt8]) -> [UInt8] { attribute(1, inner) }
func ipv4(proto: UInt8 = 0, fragment: UInt8 = 0, _ byte: UInt8 = 10) -> [UInt8] {
    attribute(7, [UInt8](repeating: byte, count: 8) + [proto, 0, 64, fragment])
}
func ipv6(proto: UInt8 = 59, fragment: UInt8 = 0, label: UInt32 = 5, _ byte: UInt8 = 0x20) -> [UInt8] {
    attribute(8, [UInt8](repeating: byte, count: 32) + big(label) + [proto, 0, 64, fragment])
}
func tcp() -> [UInt8] { attribute(9, [0, 80, 31, 144]) }
func udp() -> [UInt8] { attribute(10, [0, 53, 31, 144]) }
func icmp() -> [UInt8] { attribute(11, [8, 0]) }
func icmpv6(_ type: UInt8 = 128) -> [UInt8] { attribute(12, [type, 0]) }
func arp(operation: UInt16 = 1) -> [UInt8] {
    attribute(13, [10, 0, 0, 1, 10, 0, 0, 2] + big(operation) + [UInt8](repeating: 6, count: 12) + [0, 0])
}
func nd() -> [UInt8] { attribute(14, [UInt8](repeating: 7, count: 28)) }
func skbMark(_ value: UInt32 = 1) -> [UInt8] { attribute(15, host(value)) }
func sctp() -> [UInt8] { attribute(17, [0, 1, 0, 2]) }
func tcpFlags(_ flags: UInt16 = 2) -> [UInt8] { attribute(18, big(flags)) }
func dpHash(_ value: UInt32 = 1) -> [UInt8] { attribute(19, host(value)) }
func mpls(_ entries: Int) -> [UInt8] { attribute(21, (0..<entries).flatMap { big(UInt32($0) << 12 | 0x40) }) }
func recircID(_ value: UInt32 = 1) -> [UInt8] { attribute(20, host(value)) }
func extensionHeaders(_ value: UInt16 = 1) -> [UInt8] { attribute(32, host(value)) }

/// An attribute whose payload is all ones: a mask.
func ones(_ type: UInt16, _ count: Int) -> [UInt8] { attribute(type, [UInt8](repeating: 0xff, count: count)) }

/// Reads a key and a mask.
func match(_ key: [UInt8], _ mask: [UInt8]? = nil) -> Result<FlowMatch, RequestError> {
    do throws(RequestError) {
        guard let mask else { return .success(try FlowMatch(key: Attributes(key.rawSpan, baseOffset: 28), mask: nil)) }
        return .success(
            try FlowMatch(key: Attributes(key.rawSpan, baseOffset: 28), mask: Attributes(mask.rawSpan, baseOffset: 500))
        )
    } catch { return .failure(error) }
}

/// Expects a key and a mask to be read.
@discardableResult
func accepted(
    _ key: [UInt8], _ mask: [UInt8]? = nil, sourceLocation: SourceLocation = #_sourceLocation
) -> FlowMatch? {
    switch match(key, mask) {
    case .success(let match): return match
    case .failure(let error):
        Issue.record("refused: \(error)", sourceLocation: sourceLocation)
        return nil
    }
}

/// Expects a key and a mask to be refused with `EINVAL`, a place and a text that has `words` in it.
func refused(
    _ key: [UInt8], _ mask: [UInt8]? = nil, _ words: String, sourceLocation: SourceLocation = #_sourceLocation
) {
    switch match(key, mask) {
    case .success: Issue.record("accepted", sourceLocation: sourceLocation)
    case .failure(let error):
        #expect(error.errno == 22, sourceLocation: sourceLocation)
        #expect(error.message.contains(words), "\(error)", sourceLocation: sourceLocation)
        #expect(error.offset != nil, sourceLocation: sourceLocation)
    }
}
