import Netlink

/// Key attributes that are present, a bit for each type.
struct KeyAttributeSet: OptionSet {
    let rawValue: UInt64
    init(rawValue: UInt64) { self.rawValue = rawValue }
    init(_ type: UInt16) { rawValue = 1 << UInt64(type) }

    static let encap = KeyAttributeSet(KeyAttribute.encap)
    static let inPort = KeyAttributeSet(KeyAttribute.inPort)
    static let ethernet = KeyAttributeSet(KeyAttribute.ethernet)
    static let vlan = KeyAttributeSet(KeyAttribute.vlan)
    static let etherType = KeyAttributeSet(KeyAttribute.etherType)
    static let ipv4 = KeyAttributeSet(KeyAttribute.ipv4)
    static let ipv6 = KeyAttributeSet(KeyAttribute.ipv6)
    static let tcp = KeyAttributeSet(KeyAttribute.tcp)
    static let udp = KeyAttributeSet(KeyAttribute.udp)
    static let icmp = KeyAttributeSet(KeyAttribute.icmp)
    static let icmpv6 = KeyAttributeSet(KeyAttribute.icmpv6)
    static let arp = KeyAttributeSet(KeyAttribute.arp)
    static let nd = KeyAttributeSet(KeyAttribute.nd)
    static let tunnel = KeyAttributeSet(KeyAttribute.tunnel)
    static let sctp = KeyAttributeSet(KeyAttribute.sctp)
    static let tcpFlags = KeyAttributeSet(KeyAttribute.tcpFlags)
    static let mpls = KeyAttributeSet(KeyAttribute.mpls)

    /// The lowest type in the set; 0 if it is empty.
    var first: UInt16 { rawValue == 0 ? 0 : UInt16(rawValue.trailingZeroBitCount) }
}

/// The attributes of a key or mask with those inside `OVS_KEY_ATTR_ENCAP`: up to three levels, one for each VLAN tag and
/// the innermost one.
struct KeyLevels: ~Escapable {
    let isMask: Bool
    /// The attributes of all levels; of ETHERTYPE, VLAN and ENCAP, which each level may have, the innermost.
    private var attributes: AttributeSet
    /// What is present on any level; of ETHERTYPE, VLAN and ENCAP only what the innermost level has.
    var present: KeyAttributeSet = []
    /// Number of VLAN tags whose ENCAP was opened.
    var tags = 0
    /// The tags that were opened, if there are as many.
    var outerTag = Tag()
    var innerTag = Tag()
    /// The innermost level is a tag of which the packet had only the TPID.
    var isTruncatedTag = false
    let offset: Int

    /// What a level says of its VLAN tag; 0 where it says nothing.
    struct Tag {
        var tpid: UInt16 = 0
        var tci: UInt16 = 0
    }

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
            KeyAttribute.mpls: .any,
            KeyAttribute.ipv6ExtensionHeaders: .exactly(2),
        ], strictness: .strict)

    @_lifetime(copy attributes)
    init(_ attributes: Attributes, isMask: Bool) throws(RequestError) {
        self.isMask = isMask
        offset = attributes.nextOffset
        self.attributes = try Self.parse(attributes)
        present = Self.significant(self.attributes, isMask)
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
        var result = KeyAttributeSet(rawValue: set.types)
        guard isMask else { return result }
        var left = result
        while !left.isEmpty {
            let type = left.first
            left.remove(KeyAttributeSet(type))
            if let attribute = set[type], attribute.payload.isAllZero { result.remove(KeyAttributeSet(type)) }
        }
        return result
    }

    /// Goes one level down if the innermost level so far is that of a VLAN tag.
    private mutating func open() throws(RequestError) {
        let tag = Tag(
            tpid: attribute(KeyAttribute.etherType)?.payload.loadBigEndian(at: 0) ?? 0,
            tci: attribute(KeyAttribute.vlan)?.payload.loadBigEndian(at: 0) ?? 0)
        guard let encap = attribute(KeyAttribute.encap) else {
            if !isMask, present.contains(.vlan) {
                throw fail("a VLAN attribute needs the TPID as EtherType and an ENCAP beside it", KeyAttribute.vlan)
            }
            if !isMask, tag.tpid.isVLANTPID {
                throw fail("a TPID as EtherType needs a VLAN and an ENCAP attribute beside it", KeyAttribute.etherType)
            }
            return
        }
        if !isMask {
            guard tag.tpid.isVLANTPID, present.contains(.vlan) else {
                throw fail(
                    "an ENCAP attribute needs a VLAN attribute and a TPID as EtherType beside it", KeyAttribute.encap)
            }
            if tag.tci & FlowKey.vlanPresent == 0 {
                guard tag.tci == 0 else {
                    throw fail("the VLAN TCI lacks the bit 0x1000 that says a tag is present", KeyAttribute.vlan)
                }
                guard encap.payload.byteCount == 0 else {
                    throw fail("a VLAN TCI of 0 is a truncated tag; its ENCAP must be empty", KeyAttribute.encap)
                }
                // Nothing behind the TPID was parsed; it is the packet's EtherType.
                present.subtract([.vlan, .encap])
                isTruncatedTag = true
                return
            }
        }
        let next = try Self.parse(encap.nested)
        let types = Self.significant(next, isMask)
        present.subtract([.vlan, .encap, .etherType])
        let twice = present.intersection(types)
        guard twice.isEmpty else { throw fail("an attribute stands both beside and inside ENCAP", twice.first) }
        present.formUnion(types)
        attributes.merge(next, types: types.rawValue)
        if tags == 0 { outerTag = tag } else { innerTag = tag }
        tags += 1
    }

    /// The attribute on whichever level has it; the innermost one for those that may repeat.
    @inline(__always)
    @_lifetime(copy self)
    func attribute(_ type: UInt16) -> Attribute? {
        present.contains(KeyAttributeSet(type)) ? attributes[type] : nil
    }

    func fail(_ message: String, _ type: UInt16) -> RequestError {
        let place = attributes[type]?.offset ?? offset
        let text = "\(isMask ? "flow mask" : "flow key"): \(message) (key attribute \(type))"
        return RequestError(Errno.invalid, text, offset: place)
    }
}
