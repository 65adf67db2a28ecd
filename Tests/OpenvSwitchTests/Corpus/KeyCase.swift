import Netlink
import OpenvSwitch
import Testing

/// A rule of the interface for flow keys and masks, with a key and a mask for which it decides something, and what it decides.
struct KeyCase: Sendable, CustomTestStringConvertible {
    let rule: String
    let key: [UInt8]
    /// Nil for a flow without a mask.
    let mask: [UInt8]?
    let expectation: Expectation

    enum Expectation: Sendable {
        case accepted(key: Change?, mask: Change?)
        case refused(String, at: Place)
    }

    /// What a key or mask is besides its ordinary beginning: `expectedKey`, `expectedMask`.
    typealias Change = @Sendable (inout FlowKey) -> Void

    /// The attribute at fault: the types of those it is nested in, and its own. Of several the last. Without any it is that
    /// of the whole key or mask.
    enum Place: Sendable {
        case key(_ path: [UInt16])
        case mask(_ path: [UInt16])
        /// A byte of the key.
        case byteOfKey(Int)
        static func key(_ path: UInt16...) -> Place { .key(path) }
        static func mask(_ path: UInt16...) -> Place { .mask(path) }
    }

    var testDescription: String { rule }

    /// Taken; where a closure is given, the key and the mask are what it makes.
    static func takes(
        _ rule: String, _ key: [UInt8], _ mask: [UInt8]? = nil, key change: Change? = nil,
        mask maskChange: Change? = nil
    ) -> KeyCase {
        KeyCase(rule: rule, key: key, mask: mask, expectation: .accepted(key: change, mask: maskChange))
    }

    /// Refused with `EINVAL` and this message.
    static func refuses(_ rule: String, _ key: [UInt8], _ message: String, at place: Place) -> KeyCase {
        KeyCase(rule: rule, key: key, mask: nil, expectation: .refused(message, at: place))
    }

    static func refuses(
        _ rule: String, _ key: [UInt8], _ mask: [UInt8], _ message: String, at place: Place
    ) -> KeyCase {
        KeyCase(rule: rule, key: key, mask: mask, expectation: .refused(message, at: place))
    }

    /// The key of an Ethernet packet that came in nowhere.
    static var ordinaryKey: FlowKey {
        var key = FlowKey()
        key.kind = 1
        key.inPort = FlowKey.noPort
        return key
    }

    /// What every mask says: whether there is an Ethernet header, and which tags.
    static var ordinaryMask: FlowMask {
        var mask = FlowMask()
        mask.kind = 0xff
        mask.vlanTCI = 0xffff
        mask.innerVLANTCI = 0xffff
        return mask
    }
}

extension KeyCase.Place {
    /// Where key and mask stand in the request that `match` makes.
    static let keyBase = 28
    static let maskBase = 500

    /// The offset from the start of the request; nil if there is no such attribute.
    func offset(key: [UInt8], mask: [UInt8]?) -> Int? {
        switch self {
        case .key(let path): Self.offset(of: path[...], in: key, at: Self.keyBase)
        case .mask(let path): Self.offset(of: path[...], in: mask ?? [], at: Self.maskBase)
        case .byteOfKey(let index): Self.keyBase + index
        }
    }

    private static func offset(of path: ArraySlice<UInt16>, in bytes: [UInt8], at base: Int) -> Int? {
        guard let type = path.first else { return base - 4 }
        var found: Int?
        var position = 0
        while position + 4 <= bytes.count {
            let length = Int(bytes[position]) | Int(bytes[position + 1]) << 8
            let end = min(max(position + length, position + 4), bytes.count)
            if UInt16(bytes[position + 2]) | UInt16(bytes[position + 3]) << 8 == type {
                found =
                    path.count == 1
                    ? base + position
                    : offset(
                        of: path.dropFirst(), in: Array(bytes[position + 4..<end]), at: base + position + 4)
            }
            position += max((length + 3) & ~3, 4)
        }
        return found
    }
}

// MARK: Parts of which keys are made

/// IPv4 and IPv6 in an Ethernet frame, without their headers.
let frameOfIPv4 = ethernet() + etherType(0x0800)
let frameOfIPv6 = ethernet() + etherType(0x86dd)
/// A mask that makes the EtherType exact.
let exactType = ones(KeyAttribute.etherType, 2)
/// Masks that make the IP protocol exact and nothing else.
let exactProtocol = attribute(KeyAttribute.ipv4, [UInt8](repeating: 0, count: 8) + [0xff, 0, 0, 0])
let exactProtocolOfIPv6 = attribute(KeyAttribute.ipv6, [UInt8](repeating: 0, count: 36) + [0xff, 0, 0, 0])

func ctState(_ state: UInt32) -> [UInt8] { attribute(KeyAttribute.ctState, host(state)) }
func ctZone(_ zone: UInt16) -> [UInt8] { attribute(KeyAttribute.ctZone, host(zone)) }
func ctMark(_ mark: UInt32) -> [UInt8] { attribute(KeyAttribute.ctMark, host(mark)) }
func ctLabels(_ byte: UInt8) -> [UInt8] { attribute(KeyAttribute.ctLabels, [byte] + [UInt8](repeating: 0, count: 15)) }
func ctTuple4(proto: UInt8 = 6) -> [UInt8] {
    attribute(KeyAttribute.ctOrigTupleIPv4, [10, 0, 0, 1, 10, 0, 0, 2, 0x12, 0x34, 0x56, 0x78, proto, 0, 0, 0])
}
func ctTuple6(proto: UInt8 = 17) -> [UInt8] {
    attribute(
        KeyAttribute.ctOrigTupleIPv6,
        (1...32).map { UInt8($0) } + [0x12, 0x34, 0x56, 0x78, proto, 0, 0, 0])
}

/// Attributes of a tunnel.
enum Tun {
    static let id = attribute(TunnelKeyAttribute.id, big(UInt64(0x0102_0304_0506_0708)))
    static let source = attribute(TunnelKeyAttribute.ipv4Source, [10, 0, 0, 1])
    static let destination = attribute(TunnelKeyAttribute.ipv4Destination, [10, 0, 0, 2])
    static let source6 = attribute(TunnelKeyAttribute.ipv6Source, (1...16).map { UInt8($0) })
    static let destination6 = attribute(TunnelKeyAttribute.ipv6Destination, (17...32).map { UInt8($0) })
    static let tos = attribute(TunnelKeyAttribute.tos, [0x2e])
    static let ttl = attribute(TunnelKeyAttribute.ttl, [64])
    static let dontFragment = attribute(TunnelKeyAttribute.dontFragment, [])
    static let checksum = attribute(TunnelKeyAttribute.checksum, [])
    static let oam = attribute(TunnelKeyAttribute.oam, [])
    static let sourcePort = attribute(TunnelKeyAttribute.sourcePort, [0x12, 0x34])
    static let destinationPort = attribute(TunnelKeyAttribute.destinationPort, [0x56, 0x78])
    static let pad = attribute(TunnelKeyAttribute.pad, [])
    static let bridge = attribute(TunnelKeyAttribute.ipv4InfoBridge, [])
    static func geneve(_ bytes: [UInt8]) -> [UInt8] { attribute(TunnelKeyAttribute.geneveOptions, bytes) }
    static func vxlan(_ bytes: [UInt8]) -> [UInt8] { attribute(TunnelKeyAttribute.vxlanOptions, bytes) }
    static func policy(_ policy: UInt32) -> [UInt8] { vxlan(attribute(VXLANExtension.gbp, host(policy))) }
    static func erspan(_ bytes: [UInt8]) -> [UInt8] { attribute(TunnelKeyAttribute.erspanOptions, bytes) }
    /// What every tunnel in a key needs.
    static let least = destination + ttl
    static let option: [UInt8] = [1, 2, 0x80, 1, 0xde, 0xad, 0xbe, 0xef]
}
func tunnel(_ parts: [UInt8]) -> [UInt8] { attribute(KeyAttribute.tunnel, parts) }

/// A network service header.
func nsh(_ parts: [UInt8]) -> [UInt8] { attribute(KeyAttribute.nsh, parts) }
func nshBase(type: UInt8 = 1) -> [UInt8] {
    attribute(NSHKeyAttribute.base, [1, 63, type, 3, 0x12, 0x34, 0x56, 0x78])
}
let nshContext = attribute(NSHKeyAttribute.md1, (1...16).map { UInt8($0) })
