import Netlink

/// The table of keys in the form in which messages are read and written: without strings, so that going through it counts
/// no references.
struct KeyWire {
    /// A field in a payload and its place in a key.
    struct Field: BitwiseCopyable {
        let offset: Int
        let size: Int
        let isHostOrder: Bool
        let place: FieldPlace
        let exact: UInt64
        let least: UInt64
        let most: UInt64
        let isMaskBound: Bool
        let isPromoted: Bool
        /// From the start of the payload.
        let store: FieldStore
    }

    /// An attribute with a fixed layout.
    struct Row: BitwiseCopyable {
        let type: UInt16
        let size: Int
        let presence: KeyDescription.Presence
        let firstField: Int
        let endField: Int
        /// Of an attribute in a tunnel: the bit that says that it is there, see `TunnelTable.flag`.
        let flag: UInt16
    }

    /// In the order in which they are written.
    private(set) var rows: [Row] = []
    private(set) var fields: [Field] = []
    /// The place in `rows` by type; -1 where there is none.
    private(set) var rowByType = [Int](repeating: -1, count: AttributeSet.capacity)

    /// Key attributes.
    static let keys = KeyWire(KeyTable.rows.map { ($0.type, $0.size ?? 0, $0.presence, $0.fields, 0) })
    /// The attributes in a tunnel.
    static let tunnel = KeyWire(
        TunnelTable.rows.map { ($0.type, $0.size, .tunnel, $0.fields, TunnelTable.flag($0.type)) })
    /// The attributes in a network service header.
    static let nsh = KeyWire(NSHTable.rows.map { ($0.type, $0.size, .metadata, $0.fields, 0) })

    private init(
        _ table: [(type: UInt16, size: Int, presence: KeyDescription.Presence, fields: [KeyField], flag: UInt16)]
    ) {
        for row in table {
            let first = fields.count
            for field in row.fields {
                guard let place = field.place else { continue }
                fields.append(
                    Field(
                        offset: field.offset, size: field.form.size, isHostOrder: field.form.isHostOrder, place: place,
                        exact: field.exact, least: field.permitted.lowerBound, most: field.permitted.upperBound,
                        isMaskBound: field.isMaskBound, isPromoted: field.form.isPromoted,
                        store: FieldStore(
                            offset: field.offset, size: field.form.size, isHostOrder: field.form.isHostOrder,
                            place: place)))
            }
            rowByType[Int(row.type)] = rows.count
            rows.append(
                Row(
                    type: row.type, size: row.size, presence: row.presence, firstField: first, endField: fields.count,
                    flag: row.flag))
        }
    }

    /// The row of a type, or nil.
    func row(_ type: UInt16) -> Row? {
        guard Int(type) < rowByType.count, rowByType[Int(type)] >= 0 else { return nil }
        return rows[rowByType[Int(type)]]
    }

    /// Reads the fields of a payload into a key or a mask.
    /// - Returns: the first field, as an index in `fields`, whose value is not allowed; nil if all are.
    func read(_ row: Row, _ payload: RawSpan, isMask: Bool, into key: inout FlowKey) -> Int? {
        for index in row.firstField..<row.endField {
            let field = fields[index]
            guard field.size <= 8 else {
                key.setWide(
                    field.place, high: payload.loadBigEndian(at: field.offset) ?? 0,
                    low: payload.loadBigEndian(at: field.offset &+ 8) ?? 0)
                continue
            }
            var value = payload.number(at: field.offset, size: field.size, isHostOrder: field.isHostOrder)
            if !isMask || field.isMaskBound, value < field.least || value > field.most { return index }
            if isMask, field.isPromoted { value = .max }
            key.set(field.place, value)
        }
        return nil
    }

    /// Makes the fields of a row exact in a mask.
    func setExact(_ row: Row, in mask: inout FlowMask) {
        for index in row.firstField..<row.endField {
            let field = fields[index]
            if field.size <= 8 {
                mask.set(field.place, field.exact)
            } else {
                mask.setWide(field.place, high: .max, low: .max)
            }
        }
    }

    /// Whether all fields of a row are 0.
    func isZero(_ row: Row, in key: FlowKey) -> Bool {
        for index in row.firstField..<row.endField {
            let place = fields[index].place
            let (high, low) = fields[index].size <= 8 ? (0, key.get(place)) : key.getWide(place)
            if high | low != 0 { return false }
        }
        return true
    }

    /// Writes an attribute with its fields.
    /// - Throws: `noSpace`.
    func write(_ row: Row, of key: FlowKey, to writer: inout MessageWriter) throws(NetlinkError) {
        var key = key
        try unsafe key.withWords { (words) throws(NetlinkError) in
            try unsafe writer.append(row.type, size: row.size) { payload in
                for index in row.firstField..<row.endField { unsafe fields[index].store.store(words, in: payload) }
            }
        }
    }
}

extension AttributeDescription {
    /// The length of a payload that has but one length; else 0.
    fileprivate var size: Int { if case .exactly(let size) = payload { size } else { 0 } }
}

// Fields by a place that is not a constant. They go through the span of the words: the subscript of an inline array copies
// the whole array where the index is not a constant.
extension FlowKey {
    func get(_ place: FieldPlace) -> UInt64 { words.span[Int(place.word)] &>> UInt64(place.shift) & place.ones }

    mutating func set(_ place: FieldPlace, _ value: UInt64) {
        var words = words.mutableSpan
        let word = Int(place.word)
        words[word] =
            words[word] & ~(place.ones &<< UInt64(place.shift)) | (value & place.ones) &<< UInt64(place.shift)
    }

    /// A field of 128 bits.
    func getWide(_ place: FieldPlace) -> (high: UInt64, low: UInt64) {
        (words.span[Int(place.word)], words.span[Int(place.word) + 1])
    }

    mutating func setWide(_ place: FieldPlace, high: UInt64, low: UInt64) {
        var words = words.mutableSpan
        words[Int(place.word)] = high
        words[Int(place.word) + 1] = low
    }
}

extension RawSpan {
    /// An unsigned number of 1, 2, 4, 6 or 8 bytes; bytes outside the span count as 0.
    fileprivate func number(at offset: Int, size: Int, isHostOrder: Bool) -> UInt64 {
        switch (size, isHostOrder) {
        case (1, _): UInt64(load(at: offset, as: UInt8.self) ?? 0)
        case (2, true): UInt64(load(at: offset, as: UInt16.self) ?? 0)
        case (2, false): UInt64(loadBigEndian(at: offset, as: UInt16.self) ?? 0)
        case (4, true): UInt64(load(at: offset, as: UInt32.self) ?? 0)
        case (4, false): UInt64(loadBigEndian(at: offset, as: UInt32.self) ?? 0)
        case (6, _): mac(at: offset)
        default: loadBigEndian(at: offset, as: UInt64.self) ?? 0
        }
    }
}

/// How a field is written: where its bits stand in a key, and where and in which form in a message.
struct FieldStore: BitwiseCopyable {
    /// From the start of the attribute's payload, or of more that this is a part of.
    var offset: UInt16
    private let word: UInt8
    private let shift: UInt8
    private let form: Form
    /// The field's bits, shifted down: a key may have fewer of them than the attribute has room for.
    private let ones: UInt64

    private enum Form: UInt8, BitwiseCopyable {
        case byte, host16, network16, host32, network32, network48, network64, network128
    }

    init(offset: Int, size: Int, isHostOrder: Bool, place: FieldPlace) {
        self.offset = UInt16(offset)
        word = place.word
        shift = place.shift
        ones = place.ones
        form =
            switch (size, isHostOrder) {
            case (1, _): .byte
            case (2, true): .host16
            case (2, false): .network16
            case (4, true): .host32
            case (4, false): .network32
            case (6, _): .network48
            case (8, _): .network64
            default: .network128
            }
    }

    /// Writes the field.
    /// - Parameters:
    ///   - words: of the key, in which the place lies.
    ///   - target: what `offset` counts from, with room for the field there.
    @inline(__always)
    func store(_ words: UnsafePointer<UInt64>, in target: UnsafeMutableRawPointer) {
        let word = unsafe words + Int(word)
        let value = unsafe word.pointee &>> UInt64(shift) & ones
        let target = unsafe target + Int(offset)
        switch form {
        case .byte: unsafe target.storeBytes(of: UInt8(truncatingIfNeeded: value), as: UInt8.self)
        case .host16: unsafe target.storeBytes(of: UInt16(truncatingIfNeeded: value), as: UInt16.self)
        case .network16: unsafe target.storeBytes(of: UInt16(truncatingIfNeeded: value).bigEndian, as: UInt16.self)
        case .host32: unsafe target.storeBytes(of: UInt32(truncatingIfNeeded: value), as: UInt32.self)
        case .network32: unsafe target.storeBytes(of: UInt32(truncatingIfNeeded: value).bigEndian, as: UInt32.self)
        case .network48:
            unsafe target.storeBytes(of: UInt16(truncatingIfNeeded: value &>> 32).bigEndian, as: UInt16.self)
            unsafe target.storeBytes(
                of: UInt32(truncatingIfNeeded: value).bigEndian, toByteOffset: 2, as: UInt32.self)
        case .network64: unsafe target.storeBytes(of: value.bigEndian, as: UInt64.self)
        case .network128:
            unsafe target.storeBytes(of: word[0].bigEndian, as: UInt64.self)
            unsafe target.storeBytes(of: word[1].bigEndian, toByteOffset: 8, as: UInt64.self)
        }
    }
}
