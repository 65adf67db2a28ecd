import Netlink

/// Key attributes that are present, a bit for each type.
struct KeyAttributeSet: OptionSet {
    let rawValue: UInt64
    init(rawValue: UInt64) { self.rawValue = rawValue }
    init(_ type: UInt16) { rawValue = 1 << UInt64(type) }

    static let encap = KeyAttributeSet(KeyAttribute.encap)
    static let ethernet = KeyAttributeSet(KeyAttribute.ethernet)
    static let vlan = KeyAttributeSet(KeyAttribute.vlan)
    static let etherType = KeyAttributeSet(KeyAttribute.etherType)

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
    /// The innermost ENCAP is empty.
    var endsInEmptyEncap = false
    /// Where the attribute begins that all of these are in: what is at fault if something is missing.
    let offset: Int

    /// What a level says of its VLAN tag; 0 where it says nothing.
    struct Tag {
        var tpid: UInt16 = 0
        var tci: UInt16 = 0
        /// Where the TPID, the TCI and the ENCAP stand; an attribute that is absent is looked for at its ENCAP.
        var tpidOffset = 0
        var tciOffset = 0
        var encapOffset = 0
    }

    /// Lengths of the attributes that a request may have; a type that is not here is refused.
    private static let policy: Policy = {
        var rules: [UInt16: PayloadRule] = [:]
        for row in KeyTable.rows {
            if case .foreign = row.presence { continue }
            rules[row.type] = row.size.map { .exactly($0) } ?? .any
        }
        return Policy(rules, strictness: .strict)
    }()

    @_lifetime(copy attributes)
    init(_ attributes: Attributes, isMask: Bool) throws(RequestError) {
        self.isMask = isMask
        offset = max(0, attributes.nextOffset - Attribute.headerSize)
        self.attributes = try Self.parse(attributes, isMask)
        present = Self.significant(self.attributes, isMask)
        // A tag is opened where the level names a TPID and has an ENCAP; a mask's ENCAP counts if it is not empty.
        try open()
        if tags == 1 { try open() }
        if tags == 2, !isMask, !present.isDisjoint(with: [.vlan, .encap]) {
            throw fail("a key has no more than two VLAN tags; of a third there is only the TPID", KeyAttribute.encap)
        }
    }

    @_lifetime(copy attributes)
    private static func parse(_ attributes: Attributes, _ isMask: Bool) throws(RequestError) -> AttributeSet {
        do { return try policy.parse(attributes) } catch { throw refusal(error, isMask) }
    }

    /// The answer to a fault in the headers or lengths of attributes.
    private static func refusal(_ error: NetlinkError, _ isMask: Bool) -> RequestError {
        var message = error.code.explanation
        if let row = KeyTable.row(error.attribute) {
            if case .foreign = row.presence { message = "a datapath behind Netlink does not know the attribute" }
            if let size = row.size, error.isWrongLength { message += ", \(size) bytes are needed" }
        }
        return refusal(message, error.attribute, offset: error.offset, isMask)
    }

    private static func refusal(
        _ message: String, _ type: UInt16, offset: Int, _ isMask: Bool
    ) -> RequestError {
        var text = isMask ? "flow mask: " : "flow key: "
        if let name = KeyTable.row(type)?.name, !name.isEmpty { text += name + ": " }
        text += message
        if type != 0 { text += " (\(KeyTable.constant(type)))" }
        return RequestError(Errno.invalid, text, offset: offset)
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
        var tag = Tag(
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
        tag.encapOffset = encap.offset
        tag.tpidOffset = attribute(KeyAttribute.etherType)?.offset ?? encap.offset
        tag.tciOffset = attribute(KeyAttribute.vlan)?.offset ?? encap.offset
        endsInEmptyEncap = encap.payload.byteCount == 0
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
        let next = try Self.parse(encap.nested, isMask)
        let types = Self.significant(next, isMask)
        present.subtract([.vlan, .encap, .etherType])
        let twice = present.intersection(types)
        guard twice.isEmpty else {
            throw fail(
                "an attribute stands both beside and inside ENCAP", twice.first,
                offset: next[twice.first]?.offset ?? offset)
        }
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

    /// A refusal that points at the attribute of a type, or at the whole if there is none.
    func fail(_ message: String, _ type: UInt16) -> RequestError {
        Self.refusal(message, type, offset: attributes[type]?.offset ?? offset, isMask)
    }

    /// A refusal that points at a place inside an attribute.
    func fail(_ message: String, _ type: UInt16, offset: Int) -> RequestError {
        Self.refusal(message, type, offset: offset, isMask)
    }
}

extension NetlinkError {
    fileprivate var isWrongLength: Bool {
        switch code {
        case .payloadTooShort, .payloadTooLong, .payloadLengthMismatch: true
        default: false
        }
    }
}
