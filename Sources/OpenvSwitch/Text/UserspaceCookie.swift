/// The 48 bytes that `ovs-vswitchd` puts into `OVS_USERSPACE_ATTR_USERDATA` to recognise its own upcalls. Only the text
/// form looks inside; to a datapath they are opaque.
///
/// A type in the first two bytes, an OpenFlow port at 4, a UUID at 8; from 24 on what the type says. Host byte order,
/// except for the VLAN tag and the rule cookie.
struct UserspaceCookie {
    static let size = 48

    enum Kind: UInt64 { case sFlow = 1, slowPath, flowSample, ipfix, controller }

    let kind: Kind
    private(set) var bytes: [UInt8]

    /// The cookie in these bytes, or nil if they are none.
    init?(bytes: [UInt8]) {
        guard bytes.count == Self.size, let kind = Kind(rawValue: bytes.field(0, 2).hostValue) else { return nil }
        self.kind = kind
        self.bytes = bytes
    }

    /// An empty cookie, with no OpenFlow port.
    init(_ kind: Kind) {
        self.kind = kind
        bytes = .init(repeating: 0, count: Self.size)
        set(0, 2, kind.rawValue)
        set(4, 4, 0xffff)
    }

    /// `count` bytes at `offset` in host byte order.
    func number(_ offset: Int, _ count: Int) -> UInt64 { bytes.field(offset, count).hostValue }

    mutating func set(_ offset: Int, _ count: Int, _ value: UInt64) {
        bytes.replaceSubrange(offset..<offset + count, with: [UInt8].host(value, count: count))
    }

    mutating func set(bigEndian offset: Int, _ count: Int, _ value: UInt64) {
        bytes.replaceSubrange(offset..<offset + count, with: [UInt8].bigEndian(value, count: count))
    }

    /// - Parameter port: the text of a port number, in host byte order.
    func text(port: ([UInt8]) -> String) -> String {
        switch kind {
        case .sFlow:
            let tci = bytes.field(24, 2).bigEndianValue
            return "sFlow(vid=\(tci & 0xfff),pcp=\(tci >> 13),output=\(number(28, 4)))"
        case .slowPath:
            let reasons = FlagNames.slowPath.text(UInt32(truncatingIfNeeded: number(28, 4)), separator: ",")
            return "slow_path(\(reasons))"
        case .flowSample:
            var text = "flow_sample(probability=\(number(24, 2)),collector_set_id=\(number(28, 4))"
            text += ",obs_domain_id=\(number(32, 4)),obs_point_id=\(number(36, 4))"
            text += ",output_port=" + port(bytes.field(40, 4))
            switch number(44, 4) {
            case 1: text += ",ingress"
            case 2: text += ",egress"
            default: break
            }
            return text + ")"
        case .ipfix:
            return "ipfix(output_port=\(port(bytes.field(24, 4))))"
        case .controller:
            var text = "controller(reason=\(number(26, 2)),dont_send=\(number(24, 1) == 0 ? 0 : 1)"
            text += ",continuation=\(number(25, 1) == 0 ? 0 : 1),recirc_id=\(number(28, 4))"
            text += ",rule_cookie=\(String.prefixedHex(bytes.field(32, 8).bigEndianValue))"
            return text + ",controller_id=\(number(40, 2)),max_len=\(number(42, 2)))"
        }
    }
}
