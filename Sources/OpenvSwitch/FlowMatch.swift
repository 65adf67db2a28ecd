public import Netlink

/// What a flow matches: a key, and a mask that says which of its bits count.
///
/// Reading follows the rules of the kernel's datapath (`net/openvswitch/flow_netlink.c`): every attribute has one length,
/// none may stand twice, the key must be complete for its protocol, and the mask may name only what the key has.
public struct FlowMatch: Equatable, Sendable {
    /// The key as it was given, bits outside the mask included.
    public var key: FlowKey
    public var mask: FlowMask

    public init(key: FlowKey, mask: FlowMask) {
        self.key = key
        self.mask = mask
    }

    /// The key with the bits outside the mask cleared: what packets are compared with.
    public var maskedKey: FlowKey { key.masked(by: mask) }

    /// Reads the contents of `OVS_FLOW_ATTR_KEY` and, if there is one, of `OVS_FLOW_ATTR_MASK`.
    ///
    /// Without a mask, the fields that the key's attributes name are exact and all others are wildcards, except for the VLAN
    /// tags, whose absence is exact too.
    ///
    /// - Throws: `EINVAL` with the attribute at fault.
    public init(key keyAttributes: Attributes, mask maskAttributes: Attributes?) throws(RequestError) {
        var key = FlowKey()
        let keyLevels = try KeyLevels(keyAttributes, isMask: false)
        try keyLevels.readKey(into: &key)

        var mask = FlowMask()
        mask.kind = 0xff
        mask.vlanTCI = 0xffff
        mask.innerVLANTCI = 0xffff
        if let maskAttributes {
            let levels = try KeyLevels(maskAttributes, isMask: true)
            try levels.readMask(into: &mask, key: key)
            try keyLevels.validate(key: key, mask: mask, maskLevels: levels, maskAttributes: levels.present)
        } else {
            try keyLevels.fillExactMask(&mask, key: key)
            try keyLevels.validate(
                key: key, mask: mask, maskLevels: keyLevels,
                maskAttributes: keyLevels.present.subtracting(keyLevels.vlanStructure))
        }
        self.init(key: key, mask: mask)
    }

    /// Reads the contents of `OVS_FLOW_ATTR_KEY` alone, as for finding a flow.
    /// - Throws: `EINVAL` with the attribute at fault.
    public static func key(_ attributes: Attributes) throws(RequestError) -> FlowKey {
        var key = FlowKey()
        let levels = try KeyLevels(attributes, isMask: false)
        try levels.readKey(into: &key)
        try levels.validate(key: key, mask: nil, maskLevels: levels, maskAttributes: [])
        return key
    }
}

/// Key attributes that are present, a bit for each type.
struct KeyAttributeSet: OptionSet {
    let rawValue: UInt64
    init(rawValue: UInt64) { self.rawValue = rawValue }
    init(_ types: UInt16...) { rawValue = types.reduce(0) { $0 | 1 << UInt64($1) } }

    static let ethernet = KeyAttributeSet(KeyAttribute.ethernet)
    static let etherType = KeyAttributeSet(KeyAttribute.etherType)
    static let vlan = KeyAttributeSet(KeyAttribute.vlan)
    static let encap = KeyAttributeSet(KeyAttribute.encap)

    /// The lowest type in the set; 0 if it is empty.
    var first: UInt16 { rawValue == 0 ? 0 : UInt16(rawValue.trailingZeroBitCount) }
}

/// The attributes of a key or mask with those inside `OVS_KEY_ATTR_ENCAP`: up to three levels, one for each VLAN tag and
/// the innermost one.
struct KeyLevels: ~Escapable {
    private let isMask: Bool
    private let outer: AttributeSet
    /// Inside one ENCAP, if `tags` > 0.
    private var middle: AttributeSet
    /// Inside two, if `tags` > 1.
    private var inner: AttributeSet
    /// What is present on any level; of ETHERTYPE, VLAN and ENCAP only what the innermost level has.
    private(set) var present: KeyAttributeSet = []
    /// Number of VLAN tags whose ENCAP was opened.
    private var tags = 0
    private let offset: Int

    /// Lengths of the attributes this datapath knows; a type that is not here is refused.
    private static let policy = Policy(
        [
            KeyAttribute.encap: .any,
            KeyAttribute.priority: .exactly(4),
            KeyAttribute.inPort: .exactly(4),
            KeyAttribute.ethernet: .exactly(12),
            KeyAttribute.vlan: .exactly(2),
            KeyAttribute.etherType: .exactly(2),
            KeyAttribute.ipv4: .exactly(12),
            KeyAttribute.ipv6: .exactly(40),
            KeyAttribute.tcp: .exactly(4),
            KeyAttribute.udp: .exactly(4),
            KeyAttribute.icmp: .exactly(2),
            KeyAttribute.icmpv6: .exactly(2),
            KeyAttribute.arp: .exactly(24),
            KeyAttribute.nd: .exactly(28),
            KeyAttribute.skbMark: .exactly(4),
            KeyAttribute.tunnel: .any,
            KeyAttribute.sctp: .exactly(4),
            KeyAttribute.tcpFlags: .exactly(2),
            KeyAttribute.dpHash: .exactly(4),
            KeyAttribute.recircID: .exactly(4),
            KeyAttribute.ipv6ExtensionHeaders: .exactly(2),
        ], strictness: .strict)

    @_lifetime(copy attributes)
    init(_ attributes: Attributes, isMask: Bool) throws(RequestError) {
        self.isMask = isMask
        offset = attributes.nextOffset
        outer = try Self.parse(attributes)
        middle = outer
        inner = outer
        present = Self.significant(outer, isMask)
        // A tag is opened where the level names a TPID and has an ENCAP; a mask's ENCAP counts if it is not empty.
        try open()
        if tags == 1 { try open() }
        if tags == 2, !isMask, !present.isDisjoint(with: [.vlan, .encap]) {
            throw fail("a key has no more than two VLAN tags; of a third there is only the TPID", KeyAttribute.encap)
        }
    }

    @_lifetime(copy attributes)
    private static func parse(_ attributes: Attributes) throws(RequestError) -> AttributeSet {
        do { return try policy.parse(attributes) } catch { throw RequestError(invalid: error) }
    }

    /// The types present in a level; in a mask one whose payload is all zero counts as absent.
    private static func significant(_ set: borrowing AttributeSet, _ isMask: Bool) -> KeyAttributeSet {
        var result: KeyAttributeSet = []
        for type in UInt16(1)...KeyAttribute.maximum where set.contains(type) {
            if isMask, let attribute = set[type], attribute.payload.isAllZero { continue }
            result.insert(KeyAttributeSet(type))
        }
        return result
    }

    /// Goes one level down if the innermost level so far is that of a VLAN tag.
    private mutating func open() throws(RequestError) {
        let level = tags == 0 ? outer : middle
        guard present.contains(.encap) else {
            if !isMask, present.contains(.vlan) {
                throw fail("a VLAN attribute needs the TPID as EtherType and an ENCAP beside it", KeyAttribute.vlan)
            }
            if !isMask, present.contains(.etherType), (level.bigEndian(KeyAttribute.etherType) ?? 0).isVLANTPID {
                throw fail("a TPID as EtherType needs a VLAN and an ENCAP attribute beside it", KeyAttribute.etherType)
            }
            return
        }
        if !isMask {
            let tpid = present.contains(.etherType) ? level.bigEndian(KeyAttribute.etherType) ?? 0 : 0
            guard tpid.isVLANTPID, present.contains(.vlan) else {
                throw fail(
                    "an ENCAP attribute needs a VLAN attribute and a TPID as EtherType beside it", KeyAttribute.encap)
            }
            let tci = level.bigEndian(KeyAttribute.vlan) ?? 0
            let isEmpty = level.payloadLength(KeyAttribute.encap) == 0
            if tci & FlowKey.vlanPresent == 0 {
                guard tci == 0 else {
                    throw fail("the VLAN TCI lacks the bit 0x1000 that says a tag is present", KeyAttribute.vlan)
                }
                guard isEmpty else {
                    throw fail("a VLAN TCI of 0 is a truncated tag; its ENCAP must be empty", KeyAttribute.encap)
                }
                // A truncated tag: nothing behind it was parsed, and the TPID is the packet's EtherType.
                present.subtract([.vlan, .encap])
                return
            }
        }
        guard let encap = level[KeyAttribute.encap] else { return }
        let next = try Self.parse(encap.nested)
        let types = Self.significant(next, isMask)
        present.subtract([.vlan, .encap, .etherType])
        let twice = present.intersection(types)
        guard twice.isEmpty else { throw fail("an attribute stands both beside and inside ENCAP", twice.first) }
        present.formUnion(types)
        if tags == 0 { middle = next } else { inner = next }
        tags += 1
    }

    /// The attribute on whichever level has it; the innermost one for those that may repeat.
    @_lifetime(copy self)
    private func attribute(_ type: UInt16) -> Attribute? {
        guard present.contains(KeyAttributeSet(type)) else { return nil }
        if tags > 1, inner.contains(type) { return inner[type] }
        if tags > 0, middle.contains(type) { return middle[type] }
        return outer[type]
    }

    private func fail(_ message: String, _ type: UInt16) -> RequestError {
        var place = offset
        if let attribute = outer[type] {
            place = attribute.offset
        } else if let attribute = middle[type] {
            place = attribute.offset
        } else if let attribute = inner[type] {
            place = attribute.offset
        }
        let text = "\(isMask ? "flow mask" : "flow key"): \(message) (key attribute \(type))"
        return RequestError(Errno.invalid, text, offset: place)
    }

    // MARK: Reading

    /// Priority, mark, input port, hash and recirculation.
    func readMetadataAndPort(into key: inout FlowKey) throws(RequestError) {
        key.inPort = FlowKey.noPort
        if let port: UInt32 = integer(KeyAttribute.inPort) {
            guard port < UInt32(FlowKey.noPort) else {
                throw fail("the port number is not less than 65535", KeyAttribute.inPort)
            }
            key.inPort = UInt16(truncatingIfNeeded: port)
        }
        if present.contains(KeyAttributeSet(KeyAttribute.tunnel)) {
            throw fail("tunnel keys are not supported by this datapath yet", KeyAttribute.tunnel)
        }
        readMetadata(into: &key)
    }

    func readKey(into key: inout FlowKey) throws(RequestError) {
        try readMetadataAndPort(into: &key)
        if present.contains(.ethernet) {
            key.kind = 1
        } else {
            key.kind = 0
            guard tags == 0, !outer.contains(KeyAttribute.vlan) else {
                throw fail("a packet without Ethernet header has no VLAN tag", KeyAttribute.vlan)
            }
            guard present.contains(.etherType) else {
                throw fail("either an Ethernet header or an EtherType is needed", KeyAttribute.ethernet)
            }
        }
        if tags > 0 {
            key.vlanTPID = outer.bigEndian(KeyAttribute.etherType) ?? 0
            key.vlanTCI = outer.bigEndian(KeyAttribute.vlan) ?? 0
        }
        if tags > 1 {
            key.innerVLANTPID = middle.bigEndian(KeyAttribute.etherType) ?? 0
            key.innerVLANTCI = middle.bigEndian(KeyAttribute.vlan) ?? 0
        }
        if let type: UInt16 = bigEndian(KeyAttribute.etherType) {
            guard type >= EtherType.minimum else {
                throw fail("the EtherType is less than 0x0600", KeyAttribute.etherType)
            }
            key.etherType = type
        } else {
            key.etherType = EtherType.ieee8022
        }
        try readHeaders(into: &key)
    }

    func readMask(into mask: inout FlowMask, key: FlowKey) throws(RequestError) {
        if tags > 0 {
            try checkMaskTag(outer, tag: key.vlanTCI)
            mask.vlanTPID = 0xffff
            mask.vlanTCI = outer.bigEndian(KeyAttribute.vlan) ?? 0
        }
        if tags > 1 {
            try checkMaskTag(middle, tag: key.innerVLANTCI)
            mask.innerVLANTPID = 0xffff
            mask.innerVLANTCI = middle.bigEndian(KeyAttribute.vlan) ?? 0
        }
        if present.contains(.encap) { throw fail("the key has no VLAN tag at this level", KeyAttribute.encap) }
        if present.contains(.vlan) { throw fail("a VLAN mask needs an ENCAP beside it", KeyAttribute.vlan) }
        if present.contains(KeyAttributeSet(KeyAttribute.inPort)) { mask.inPort = 0xffff }
        if present.contains(.etherType) { mask.etherType = 0xffff }
        readMetadata(into: &mask)
        try readHeaders(into: &mask)
    }

    private func checkMaskTag(_ level: borrowing AttributeSet, tag: UInt16) throws(RequestError) {
        guard tag & FlowKey.vlanPresent != 0 else {
            throw fail("an ENCAP in the mask needs a VLAN tag in the key", KeyAttribute.encap)
        }
        guard level.bigEndian(KeyAttribute.etherType) == 0xffff else {
            throw fail("the TPID of a VLAN tag must be matched exactly", KeyAttribute.etherType)
        }
        guard (level.bigEndian(KeyAttribute.vlan) ?? 0) & FlowKey.vlanPresent != 0 else {
            throw fail("the bit 0x1000 of a VLAN TCI must be matched", KeyAttribute.vlan)
        }
    }

    /// The mask of a flow that came without one: whatever the key names, exactly.
    func fillExactMask(_ mask: inout FlowMask, key: FlowKey) throws(RequestError) {
        if tags > 0 { mask.vlanTPID = 0xffff }
        if tags > 1 { mask.innerVLANTPID = 0xffff }
        if tags < 2, key.etherType.isVLANTPID, isTruncatedTag {
            throw fail("a truncated VLAN tag needs a mask that leaves it out", KeyAttribute.vlan)
        }
        func has(_ type: UInt16) -> Bool { present.contains(KeyAttributeSet(type)) }
        if has(KeyAttribute.recircID) { mask.recircID = .max }
        if has(KeyAttribute.dpHash) { mask.dpHash = .max }
        if has(KeyAttribute.priority) { mask.priority = .max }
        if has(KeyAttribute.skbMark) { mask.skbMark = .max }
        if has(KeyAttribute.inPort) { mask.inPort = .max }
        if has(KeyAttribute.etherType) { mask.etherType = .max }
        if has(KeyAttribute.ethernet) {
            mask.ethernetSource = .max
            mask.ethernetDestination = .max
        }
        if has(KeyAttribute.ipv4) || has(KeyAttribute.ipv6) {
            mask.ipProtocol = .max
            mask.ipTOS = .max
            mask.ipTTL = .max
            mask.fragment = .max
        }
        if has(KeyAttribute.ipv4) || has(KeyAttribute.arp) {
            mask.ipv4Source = .max
            mask.ipv4Destination = .max
        }
        if has(KeyAttribute.ipv6) {
            mask.ipv6Source = IPv6Address(high: .max, low: .max)
            mask.ipv6Destination = IPv6Address(high: .max, low: .max)
            mask.ipv6Label = .max
        }
        if has(KeyAttribute.ipv6ExtensionHeaders) { mask.ipv6ExtensionHeaders = .max }
        if has(KeyAttribute.arp) {
            mask.ipProtocol = .max
            mask.arpSourceMAC = .max
            mask.arpTargetMAC = .max
        }
        for type in [KeyAttribute.tcp, KeyAttribute.udp, KeyAttribute.sctp] where has(type) {
            mask.transportSource = .max
            mask.transportDestination = .max
        }
        for type in [KeyAttribute.icmp, KeyAttribute.icmpv6] where has(type) {
            mask.transportSource = 0xff
            mask.transportDestination = 0xff
        }
        if has(KeyAttribute.tcpFlags) { mask.tcpFlags = .max }
        if has(KeyAttribute.nd) {
            mask.ndTarget = IPv6Address(high: .max, low: .max)
            mask.ndSourceMAC = .max
            mask.ndTargetMAC = .max
        }
    }

    /// Whether the innermost level is a tag of which only the TPID was there.
    private var isTruncatedTag: Bool {
        let level = tags == 0 ? outer : middle
        return level.contains(KeyAttribute.vlan)
    }

    /// ETHERTYPE, VLAN and ENCAP, where their presence in a key says nothing about the mask.
    var vlanStructure: KeyAttributeSet { [.vlan, .encap] }

    private func readMetadata(into key: inout FlowKey) {
        if let value: UInt32 = integer(KeyAttribute.recircID) { key.recircID = value }
        if let value: UInt32 = integer(KeyAttribute.dpHash) { key.dpHash = value }
        if let value: UInt32 = integer(KeyAttribute.priority) { key.priority = value }
        if let value: UInt32 = integer(KeyAttribute.skbMark) { key.skbMark = value }
    }

    /// The protocol headers, of a key or of a mask. Lengths have been checked by the policy.
    private func readHeaders(into key: inout FlowKey) throws(RequestError) {
        if let attribute = attribute(KeyAttribute.ethernet) {
            key.ethernetSource = attribute.payload.mac(at: 0)
            key.ethernetDestination = attribute.payload.mac(at: 6)
        }
        if let payload = attribute(KeyAttribute.ipv4)?.payload {
            key.ipv4Source = payload.loadBigEndian(at: 0) ?? 0
            key.ipv4Destination = payload.loadBigEndian(at: 4) ?? 0
            key.ipProtocol = payload.load(at: 8) ?? 0
            key.ipTOS = payload.load(at: 9) ?? 0
            key.ipTTL = payload.load(at: 10) ?? 0
            key.fragment = payload.load(at: 11) ?? 0
            guard isMask || key.fragment <= Fragment.later else {
                throw fail("the fragment type is greater than 2", KeyAttribute.ipv4)
            }
        }
        if let payload = attribute(KeyAttribute.ipv6)?.payload {
            key.ipv6Source = payload.ipv6Address(at: 0)
            key.ipv6Destination = payload.ipv6Address(at: 16)
            key.ipv6Label = payload.loadBigEndian(at: 32) ?? 0
            key.ipProtocol = payload.load(at: 36) ?? 0
            key.ipTOS = payload.load(at: 37) ?? 0
            key.ipTTL = payload.load(at: 38) ?? 0
            key.fragment = payload.load(at: 39) ?? 0
            guard isMask || key.fragment <= Fragment.later else {
                throw fail("the fragment type is greater than 2", KeyAttribute.ipv6)
            }
            guard isMask || key.ipv6Label & 0xfff0_0000 == 0 else {
                throw fail("the flow label has more than 20 bits", KeyAttribute.ipv6)
            }
        }
        if let value: UInt16 = integer(KeyAttribute.ipv6ExtensionHeaders) { key.ipv6ExtensionHeaders = value }
        if let payload = attribute(KeyAttribute.arp)?.payload {
            let operation: UInt16 = payload.loadBigEndian(at: 8) ?? 0
            guard isMask || operation <= 0xff else {
                throw fail("the ARP operation is greater than 255", KeyAttribute.arp)
            }
            key.ipv4Source = payload.loadBigEndian(at: 0) ?? 0
            key.ipv4Destination = payload.loadBigEndian(at: 4) ?? 0
            key.ipProtocol = UInt8(truncatingIfNeeded: operation)
            key.arpSourceMAC = payload.mac(at: 10)
            key.arpTargetMAC = payload.mac(at: 16)
        }
        for type in [KeyAttribute.tcp, KeyAttribute.udp, KeyAttribute.sctp] {
            guard let payload = attribute(type)?.payload else { continue }
            key.transportSource = payload.loadBigEndian(at: 0) ?? 0
            key.transportDestination = payload.loadBigEndian(at: 2) ?? 0
        }
        if let value: UInt16 = bigEndian(KeyAttribute.tcpFlags) { key.tcpFlags = value }
        for type in [KeyAttribute.icmp, KeyAttribute.icmpv6] {
            guard let payload = attribute(type)?.payload else { continue }
            key.transportSource = UInt16(payload.load(at: 0, as: UInt8.self) ?? 0)
            key.transportDestination = UInt16(payload.load(at: 1, as: UInt8.self) ?? 0)
        }
        if let payload = attribute(KeyAttribute.nd)?.payload {
            key.ndTarget = payload.ipv6Address(at: 0)
            key.ndSourceMAC = payload.mac(at: 16)
            key.ndTargetMAC = payload.mac(at: 22)
        }
    }

    private func integer<T: FixedWidthInteger & BitwiseCopyable>(_ type: UInt16) -> T? {
        attribute(type)?.payload.load(at: 0)
    }

    private func bigEndian(_ type: UInt16) -> UInt16? { attribute(type)?.payload.loadBigEndian(at: 0) }

    // MARK: Presence

    /// Checks that the key has what its protocol demands, and that the mask names nothing the key cannot have.
    /// - Parameters:
    ///   - maskLevels: where the mask's attributes stand: those of the key, if there is no mask.
    ///   - maskAttributes: those that the mask names.
    func validate(
        key: FlowKey, mask: FlowMask?, maskLevels: borrowing KeyLevels, maskAttributes: KeyAttributeSet
    ) throws(RequestError) {
        var expected: KeyAttributeSet = []
        var allowed = present
        allowed.subtract(
            KeyAttributeSet(
                KeyAttribute.ipv4, KeyAttribute.ipv6, KeyAttribute.tcp, KeyAttribute.tcpFlags, KeyAttribute.udp,
                KeyAttribute.sctp, KeyAttribute.icmp, KeyAttribute.icmpv6, KeyAttribute.arp, KeyAttribute.nd))
        allowed.formUnion(KeyAttributeSet(KeyAttribute.tunnel, KeyAttribute.inPort, KeyAttribute.etherType))
        let exactType = mask?.etherType == 0xffff
        let exactProtocol = mask?.ipProtocol == 0xff

        func expect(_ types: KeyAttributeSet, allowedIf exact: Bool) {
            expected.formUnion(types)
            if exact { allowed.formUnion(types) }
        }
        let hasTransport = key.fragment != Fragment.later
        switch key.etherType {
        case EtherType.arp, EtherType.rarp:
            expect(KeyAttributeSet(KeyAttribute.arp), allowedIf: exactType)
        case EtherType.mplsUnicast, EtherType.mplsMulticast:
            throw fail("MPLS keys are not supported by this datapath yet", KeyAttribute.mpls)
        case EtherType.nsh:
            throw fail("NSH keys are not supported by this datapath yet", KeyAttribute.nsh)
        case EtherType.ipv4:
            expect(KeyAttributeSet(KeyAttribute.ipv4), allowedIf: exactType)
            if hasTransport {
                expectPorts(key.ipProtocol)
                if key.ipProtocol == IPProtocol.icmp {
                    expect(KeyAttributeSet(KeyAttribute.icmp), allowedIf: exactProtocol)
                }
            }
        case EtherType.ipv6:
            expect(KeyAttributeSet(KeyAttribute.ipv6), allowedIf: exactType)
            if hasTransport {
                expectPorts(key.ipProtocol)
                if key.ipProtocol == IPProtocol.icmpv6 {
                    expect(KeyAttributeSet(KeyAttribute.icmpv6), allowedIf: exactProtocol)
                    if key.transportSource == 135 || key.transportSource == 136 {
                        expect(KeyAttributeSet(KeyAttribute.nd), allowedIf: mask?.transportSource == 0xff)
                    }
                }
            }
        default: break
        }
        func expectPorts(_ protocolNumber: UInt8) {
            switch protocolNumber {
            case IPProtocol.udp: expect(KeyAttributeSet(KeyAttribute.udp), allowedIf: exactProtocol)
            case IPProtocol.sctp: expect(KeyAttributeSet(KeyAttribute.sctp), allowedIf: exactProtocol)
            case IPProtocol.tcp:
                expect(KeyAttributeSet(KeyAttribute.tcp, KeyAttribute.tcpFlags), allowedIf: exactProtocol)
            default: break
            }
        }

        let missing = expected.subtracting(present)
        guard missing.isEmpty else { throw fail("an attribute is missing that the protocol demands", missing.first) }
        guard mask != nil else { return }
        let unexpected = maskAttributes.subtracting(allowed)
        guard unexpected.isEmpty else {
            throw maskLevels.fail("the mask has an attribute that the key does not allow", unexpected.first)
        }
    }
}

extension AttributeSet {
    fileprivate func bigEndian(_ type: UInt16) -> UInt16? { self[type]?.payload.loadBigEndian(at: 0) }
}

extension UInt16 {
    /// Whether an EtherType is that of a VLAN tag (802.1Q or 802.1ad).
    public var isVLANTPID: Bool { self == EtherType.vlan || self == EtherType.serviceVLAN }
}

extension RawSpan {
    /// A MAC address as a 48-bit number; bytes outside the span count as 0.
    public func mac(at offset: Int) -> UInt64 {
        let high: UInt16 = loadBigEndian(at: offset) ?? 0
        let low: UInt32 = loadBigEndian(at: offset &+ 2) ?? 0
        return UInt64(high) << 32 | UInt64(low)
    }

    /// An IPv6 address; bytes outside the span count as 0.
    public func ipv6Address(at offset: Int) -> IPv6Address {
        IPv6Address(high: loadBigEndian(at: offset) ?? 0, low: loadBigEndian(at: offset &+ 8) ?? 0)
    }
}

/// The metadata of a packet that a client executes.
public enum FlowMetadata {
    /// Reads the metadata from a key: priority, mark, input port, hash and recirculation. Header fields are ignored, as the
    /// packet itself has them.
    /// - Throws: `EINVAL` with the attribute at fault.
    public static func read(_ attributes: Attributes) throws(RequestError) -> FlowKey {
        var key = FlowKey()
        try KeyLevels(attributes, isMask: false).readMetadataAndPort(into: &key)
        return key
    }
}
