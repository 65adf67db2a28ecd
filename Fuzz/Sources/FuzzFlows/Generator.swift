/// Reads the input from its front; behind its end there are zeros.
struct Source {
    private let bytes: [UInt8]
    private var index = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isEmpty: Bool { index >= bytes.count }

    mutating func byte() -> UInt8 {
        guard index < bytes.count else { return 0 }
        defer { index += 1 }
        return bytes[index]
    }

    mutating func u16() -> UInt16 { UInt16(byte()) << 8 | UInt16(byte()) }
    mutating func u32() -> UInt32 { UInt32(u16()) << 16 | UInt32(u16()) }

    mutating func take(_ count: Int) -> [UInt8] {
        let end = min(index + max(count, 0), bytes.count)
        defer { index = end }
        return Array(bytes[index..<end])
    }

    /// True for so many bytes of 256, and never behind the end.
    mutating func oneIn256(_ times: UInt8) -> Bool { byte() > 255 - times }

    mutating func pick<T>(_ values: [T]) -> T { values[Int(byte()) % values.count] }
}

/// Makes keys, masks, actions and frames of the input's bytes, mostly right ones, and now and then one with one fault.
struct Generator {
    var source: Source
    /// The attributes being written.
    var out: [UInt8] = []
    var shape = Shape()
    /// A port ID that has a reader.
    var portID: UInt32 = 0

    /// Attributes to write before the one that is spoilt; negative for none.
    private var attributesBeforeFault = -1

    init(_ source: Source) { self.source = source }

    // MARK: Attributes

    /// Decides whether one attribute of what follows is spoilt.
    mutating func chooseFault() { attributesBeforeFault = source.oneIn256(40) ? Int(source.byte() & 31) : -1 }

    mutating func begin(_ type: UInt16) -> Int {
        defer { out += native(UInt16(0)) + native(type) }
        return out.count
    }

    mutating func end(_ mark: Int) {
        store(UInt16(truncatingIfNeeded: out.count - mark), at: mark)
        while out.count & 3 != 0 { out.append(0) }
        if attributesBeforeFault == 0 { spoil(mark) }
        attributesBeforeFault -= 1
    }

    mutating func put(_ type: UInt16, _ payload: [UInt8]) {
        let mark = begin(type)
        out += payload
        end(mark)
    }

    /// What `body` writes, alone.
    mutating func alone(_ body: (inout Generator) -> Void) -> [UInt8] {
        let outer = out
        out = []
        body(&self)
        defer { out = outer }
        return out
    }

    private mutating func store(_ value: UInt16, at place: Int) {
        out[place] = UInt8(truncatingIfNeeded: value)
        out[place + 1] = UInt8(truncatingIfNeeded: value >> 8)
    }

    /// Spoils the attribute that was written last, from `mark` on.
    private mutating func spoil(_ mark: Int) {
        let length = Int(out[mark]) | Int(out[mark + 1]) << 8
        let type = UInt16(out[mark + 2]) | UInt16(out[mark + 3]) << 8
        let whole = Array(out[mark...])
        var payload = Array(out[(mark + 4)..<max(mark + 4, min(mark + length, out.count))])
        func rewritten(_ payload: [UInt8], _ type: UInt16) -> [UInt8] {
            let bytes = native(UInt16(truncatingIfNeeded: payload.count + 4)) + native(type) + payload
            return bytes + [UInt8](repeating: 0, count: -bytes.count & 3)
        }
        func replace(_ bytes: [UInt8]) { out.replaceSubrange(mark..., with: bytes) }
        switch source.byte() % 16 {
        case 0: replace(rewritten(Array(payload.dropLast()), type))
        case 1: replace(rewritten(payload + [0], type))
        case 2: replace(rewritten(payload + [0, 0, 0, 1], type))
        case 3: replace(rewritten([], type))
        case 4: replace(rewritten(payload + payload, type))
        case 5: replace([])
        case 6: replace(whole + whole)
        case 7: replace(rewritten(payload, type &+ 1))
        case 8: replace(rewritten(payload, type | 0x8000))
        case 9: store(UInt16(truncatingIfNeeded: length + 200), at: mark)
        case 10: store(UInt16(source.byte() & 3), at: mark)
        case 11: replace(rewritten(payload, source.u16()))
        case 12:
            guard !payload.isEmpty else { return }
            payload[Int(source.byte()) % payload.count] ^= source.byte()
            replace(rewritten(payload, type))
        case 13: replace(whole + [1, 2])
        case 14: replace(rewritten(payload.map { _ in 0xff }, type))
        default: replace(rewritten(payload.map { _ in 0 }, type))
        }
    }
}

/// An integer as C would lay it out.
func native<T: FixedWidthInteger>(_ value: T) -> [UInt8] { network(value.littleEndian.byteSwapped) }

/// An integer as the network has it.
func network<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
    (1...(T.bitWidth / 8)).map { UInt8(truncatingIfNeeded: value >> T(T.bitWidth - 8 * $0)) }
}
