import Netlink

/// The quick way from attributes to keys and masks, for those that nearly all flows have: attributes of a fixed layout,
/// each once, an Ethernet header, no VLAN tag, tunnel, label stack or network service header.
///
/// It takes only what the thorough way (`KeyLevels`) takes, with the same outcome, and for everything else answers that it
/// is not plain: then the thorough way reads it from the start, and has the words for what is wrong.
@safe
struct PlainKeys: @unchecked Sendable {
    // Sendable: the memory is written before the only value is there, and never again.

    static let shared = PlainKeys(.keys)

    private struct Row: BitwiseCopyable {
        /// Of the whole attribute; 0 if it is not plain.
        var length: UInt16 = 0
        var firstField: UInt16 = 0
        var endField: UInt16 = 0
        var isMetadata = false
        /// Attributes whose fields share bits of the key with this one's.
        var conflicts: UInt64 = 0
        var presence = KeyDescription.Presence.foreign
    }

    private struct Field: BitwiseCopyable {
        var offset: UInt8
        var word: UInt8
        var shift: UInt8
        /// Of 128 bits.
        var isWide: Bool
        var isHostOrder: Bool
        var isMaskBound: Bool
        var isPromoted: Bool
        /// Not every value is permitted.
        var isBounded: Bool
        var size: UInt8
        /// How far eight bytes are shifted so that the field's remain.
        var unused: UInt8
        var least: UInt32
        /// Of the largest value from the least.
        var range: UInt32
        /// The field's bits in its word.
        var bits: UInt64
    }

    /// When a key must have an attribute, in numbers: `KeyDescription.Presence.isDemanded`.
    private struct Demand: BitwiseCopyable {
        var bit: UInt64
        var etherType: UInt16
        var otherEtherType: UInt16
        /// -1 for any, and then fragments too.
        var ipProtocol: Int16 = -1
        var isNeighbourDiscovery = false
    }

    /// A mask's attribute by which the packet has come through no tunnel: nothing but a TTL of 0. ovs-vswitchd has it in the
    /// mask of every flow. In numbers as they are read from memory where the lowest byte is the first.
    private static let noTunnel = (
        size: 12, header: UInt32(KeyAttribute.tunnel) << 16 | 12, payload: UInt64(TunnelKeyAttribute.ttl) << 16 | 5
    )

    private static let capacity = AttributeSet.capacity
    /// By type.
    private let rows: UnsafeMutablePointer<Row>
    private let fields: UnsafeMutablePointer<Field>
    private let demands: UnsafeMutablePointer<Demand>
    private let demandCount: Int

    private init(_ wire: KeyWire) {
        unsafe rows = .allocate(capacity: Self.capacity)
        unsafe rows.initialize(repeating: Row(), count: Self.capacity)
        unsafe fields = .allocate(capacity: max(wire.fields.count, 1))
        for (index, field) in wire.fields.enumerated() {
            unsafe (fields + index).initialize(
                to: Field(
                    offset: UInt8(field.offset), word: field.place.word, shift: field.place.shift,
                    isWide: field.size > 8, isHostOrder: field.isHostOrder, isMaskBound: field.isMaskBound,
                    isPromoted: field.isPromoted, isBounded: field.least != 0 || field.most != .max,
                    size: UInt8(field.size), unused: UInt8(64 - 8 * min(field.size, 8)), least: UInt32(field.least),
                    range: UInt32(clamping: field.most - field.least),
                    bits: field.place.ones << UInt64(field.place.shift)))
        }
        var demands: [Demand] = []
        for row in wire.rows {
            let bit: UInt64 = 1 << UInt64(row.type)
            switch row.presence {
            case .network(let type, let other):
                demands.append(Demand(bit: bit, etherType: type, otherEtherType: other))
            case .transport(let type, let other, let number):
                demands.append(
                    Demand(bit: bit, etherType: type, otherEtherType: other, ipProtocol: Int16(number)))
            case .neighbourDiscovery:
                demands.append(
                    Demand(
                        bit: bit, etherType: EtherType.ipv6, otherEtherType: EtherType.ipv6,
                        ipProtocol: Int16(IPProtocol.icmpv6), isNeighbourDiscovery: true))
            default: break
            }
            // Without fields it is a nest or a stack of labels.
            guard row.firstField < row.endField, row.presence.isPlain else { continue }
            unsafe rows[Int(row.type)] = Row(
                length: UInt16(Attribute.headerSize + row.size), firstField: UInt16(row.firstField),
                endField: UInt16(row.endField), isMetadata: row.presence.isMetadata,
                conflicts: Self.conflicts(of: row, wire), presence: row.presence)
        }
        demandCount = demands.count
        unsafe self.demands = .allocate(capacity: max(demands.count, 1))
        for (index, demand) in demands.enumerated() { unsafe (self.demands + index).initialize(to: demand) }
    }

    private static func conflicts(of row: KeyWire.Row, _ wire: KeyWire) -> UInt64 {
        func bits(_ row: KeyWire.Row) -> FlowKey {
            var key = FlowKey()
            wire.setExact(row, in: &key)
            return key
        }
        let own = bits(row)
        var result: UInt64 = 0
        for other in wire.rows where other.type != row.type && own.masked(by: bits(other)) != FlowKey() {
            result |= 1 << UInt64(other.type)
        }
        return result
    }

    // MARK: Reading

    /// Reads a key.
    /// - Parameter key: all zero. If the key is not plain it is spoiled.
    /// - Returns: the attributes that it has; nil if it is not plain.
    func readKey(_ attributes: borrowing Attributes, into key: inout FlowKey) -> KeyAttributeSet? {
        guard let present = read(attributes, isMask: false, metadataOnly: false, into: &key),
            present.contains(.ethernet), !key.etherType.isVLANTPID
        else { return nil }
        key.kind = 1
        if !present.contains(KeyAttributeSet(KeyAttribute.inPort)) { key.inPort = FlowKey.noPort }
        if !present.contains(.etherType) { key.etherType = EtherType.ieee8022 }
        return isComplete(&key, present) ? present : nil
    }

    /// Reads a mask over a plain key.
    /// - Parameters:
    ///   - keyAttributes: what `readKey` has answered.
    ///   - mask: as for a flow of which nothing is compared. If the mask is not plain it is spoiled.
    /// - Returns: whether it is plain.
    func readMask(
        _ attributes: borrowing Attributes, over key: FlowKey, _ keyAttributes: KeyAttributeSet,
        into mask: inout FlowMask
    ) -> Bool {
        guard let present = read(attributes, isMask: true, metadataOnly: false, into: &mask) else { return false }
        var left = present
        while !left.isEmpty {
            let type = left.first
            left.remove(KeyAttributeSet(type))
            let isInKey = keyAttributes.contains(KeyAttributeSet(type))
            // `read` takes no type that is not in the table.
            guard unsafe rows[Int(type)].presence.isAllowed(in: mask, over: key, isInKey: isInKey) else { return false }
        }
        return true
    }

    /// Reads what a key says of a packet that is not in its headers.
    /// - Parameter key: all zero. If the key is not plain it is spoiled.
    /// - Returns: whether it is plain.
    func readMetadata(_ attributes: borrowing Attributes, into key: inout FlowKey) -> Bool {
        guard let present = read(attributes, isMask: false, metadataOnly: true, into: &key),
            present.isDisjoint(with: .connectionTuples), !key.etherType.isVLANTPID,
            // An EtherType without an Ethernet header is that of a packet which has none.
            present.contains(.ethernet) || !present.contains(.etherType)
        else { return false }
        key.kind = 1
        key.etherType = 0
        if !present.contains(KeyAttributeSet(KeyAttribute.inPort)) { key.inPort = FlowKey.noPort }
        return true
    }

    /// Reads attributes one after the other.
    ///
    /// In a mask an attribute that is all zero counts as absent.
    @inline(__always)
    private func read(
        _ attributes: borrowing Attributes, isMask: Bool, metadataOnly: Bool, into key: inout FlowKey
    ) -> KeyAttributeSet? {
        #if _endian(little)
            let bytes = attributes.rest
            return unsafe bytes.withUnsafeBytes { buffer in
                unsafe key.withMutableWords { words in
                    unsafe read(buffer, isMask: isMask, metadataOnly: metadataOnly, into: words)
                }
            }
        #else
            return nil
        #endif
    }

    @inline(__always)
    private func read(
        _ buffer: UnsafeRawBufferPointer, isMask: Bool, metadataOnly: Bool, into words: UnsafeMutablePointer<UInt64>
    ) -> KeyAttributeSet? {
        var seen: UInt64 = 0
        var present: UInt64 = 0
        guard let base = buffer.baseAddress else { return nil }
        let end = buffer.count
        var start = 0
        while start < end {
            guard end &- start >= Attribute.headerSize else { return nil }
            // The header has just been found to be there.
            let header = unsafe (base + start).loadUnaligned(as: UInt32.self)
            let (length, type) = (Int(header & 0xffff), Int(header &>> 16))
            guard type < Self.capacity else { return nil }
            // The type is less than the capacity.
            let row = unsafe rows + type
            let bit: UInt64 = 1 &<< UInt64(truncatingIfNeeded: type)
            if isMask, header == Self.noTunnel.header, seen & bit == 0, end &- start >= Self.noTunnel.size,
                unsafe (base + start + Attribute.headerSize).loadUnaligned(as: UInt64.self) == Self.noTunnel.payload
            {
                seen |= bit
                start &+= Self.noTunnel.size
                let place = FieldPlace.tunnelFamily
                unsafe words[Int(place.word)] |= place.ones &<< UInt64(place.shift)
                continue
            }
            guard unsafe length == Int(row.pointee.length), length <= end &- start,
                unsafe seen & (bit | row.pointee.conflicts) == 0
            else { return nil }
            seen |= bit
            let payload = start &+ Attribute.headerSize
            start &+= netlinkAligned(length)
            if isMask {
                if unsafe isZero(base + payload, count: length &- Attribute.headerSize) { continue }
            } else if metadataOnly {
                // The EtherType must be known to be none of a tag, whose attributes would stand in another one.
                guard unsafe row.pointee.isMetadata || bit == KeyAttributeSet.etherType.rawValue else {
                    present |= bit
                    continue
                }
            }
            present |= bit
            var index = unsafe Int(row.pointee.firstField)
            let endField = unsafe Int(row.pointee.endField)
            while index < endField {
                let field = unsafe fields + index
                index &+= 1
                // A field lies inside its attribute, and its word inside the key.
                let offset = unsafe payload &+ Int(field.pointee.offset)
                let word = unsafe words + Int(field.pointee.word)
                if unsafe field.pointee.isWide {
                    unsafe word[0] = (base + offset).loadUnaligned(as: UInt64.self).bigEndian
                    unsafe word[1] = (base + offset + 8).loadUnaligned(as: UInt64.self).bigEndian
                    continue
                }
                var value: UInt64
                if offset &+ 8 <= end {
                    let raw = unsafe (base + offset).loadUnaligned(as: UInt64.self)
                    let unused = unsafe UInt64(field.pointee.unused)
                    let number = unsafe field.pointee.isHostOrder ? raw &<< unused : raw.byteSwapped
                    value = number &>> unused
                } else {
                    value = unsafe Self.number(
                        base + offset, Int(field.pointee.size), isHostOrder: field.pointee.isHostOrder)
                }
                if unsafe field.pointee.isBounded && (!isMask || field.pointee.isMaskBound) {
                    guard unsafe value &- UInt64(field.pointee.least) <= UInt64(field.pointee.range) else { return nil }
                }
                if unsafe isMask && field.pointee.isPromoted { value = .max }
                let bits = unsafe field.pointee.bits
                unsafe word.pointee = word.pointee & ~bits | (value &<< UInt64(field.pointee.shift)) & bits
            }
        }
        return KeyAttributeSet(rawValue: present)
    }

    /// A number of which not eight bytes can be read at once.
    @inline(never)
    private static func number(_ bytes: UnsafeRawPointer, _ size: Int, isHostOrder: Bool) -> UInt64 {
        var value: UInt64 = 0
        for index in 0..<size {
            let byte = unsafe UInt64(bytes.load(fromByteOffset: index, as: UInt8.self))
            value |= byte &<< UInt64(truncatingIfNeeded: 8 &* (isHostOrder ? index : size &- 1 &- index))
        }
        return value
    }

    @inline(__always)
    private func isZero(_ bytes: UnsafeRawPointer, count: Int) -> Bool {
        var offset = 0
        while offset &+ 4 <= count {
            if unsafe bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self) != 0 { return false }
            offset &+= 4
        }
        while offset < count {
            if unsafe bytes.load(fromByteOffset: offset, as: UInt8.self) != 0 { return false }
            offset &+= 1
        }
        return true
    }

    /// Whether a key has what its protocol demands.
    @inline(__always)
    private func isComplete(_ key: inout FlowKey, _ present: KeyAttributeSet) -> Bool {
        // The key itself would be copied for the call.
        isComplete(
            present, etherType: key.etherType, ipProtocol: Int16(key.ipProtocol), fragment: key.fragment,
            icmpType: key.transportSource)
    }

    private func isComplete(
        _ present: KeyAttributeSet, etherType: UInt16, ipProtocol: Int16, fragment: UInt8, icmpType: UInt16
    ) -> Bool {
        let isLater = fragment == Fragment.later
        let isDiscovery = icmpType == 135 || icmpType == 136
        var index = 0
        while index < demandCount {
            let demand = unsafe demands + index
            index &+= 1
            guard unsafe etherType == demand.pointee.etherType || etherType == demand.pointee.otherEtherType else {
                continue
            }
            if unsafe demand.pointee.ipProtocol >= 0 {
                guard unsafe !isLater && ipProtocol == demand.pointee.ipProtocol else { continue }
                if unsafe demand.pointee.isNeighbourDiscovery && !isDiscovery { continue }
            }
            if unsafe present.rawValue & demand.pointee.bit == 0 { return false }
        }
        return true
    }
}

extension KeyDescription.Presence {
    /// Whether the attribute stands by itself, beside others.
    fileprivate var isPlain: Bool {
        switch self {
        case .vlanTag, .tunnel, .foreign: false
        default: true
        }
    }

    /// Whether the attribute says something that is not in the packet's headers, and by itself.
    fileprivate var isMetadata: Bool {
        switch self {
        case .metadata, .freelyMasked: true
        default: false
        }
    }
}

extension KeyAttributeSet {
    /// They say beside the connection of which IP version the packet must be.
    fileprivate static let connectionTuples: KeyAttributeSet = [
        KeyAttributeSet(KeyAttribute.ctOrigTupleIPv4), KeyAttributeSet(KeyAttribute.ctOrigTupleIPv6),
    ]
}
