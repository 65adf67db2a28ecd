/// Reads a text from left to right. Nothing it is given traps, and what it does not find leaves its position unchanged.
struct TextScanner {
    private let text: [UInt8]
    /// UTF-8 offset of what is read next.
    private(set) var position = 0

    init(_ text: String) { self.text = Array(text.utf8) }

    var isAtEnd: Bool { position >= text.count }

    /// The next byte, or zero at the end.
    var next: UInt8 { byte(at: position) }

    private func byte(at index: Int) -> UInt8 { index >= 0 && index < text.count ? text[index] : 0 }

    func isNext(_ character: Unicode.Scalar) -> Bool { !isAtEnd && next == UInt8(ascii: character) }

    // MARK: Words

    /// Steps over `literal` if it comes next.
    mutating func skip(_ literal: String) -> Bool {
        var index = position
        for byte in literal.utf8 {
            guard index < text.count, text[index] == byte else { return false }
            index += 1
        }
        position = index
        return true
    }

    /// Steps over `literal` if it comes next in upper or lower case.
    mutating func skipIgnoringCase(_ literal: String) -> Bool {
        var index = position
        for byte in literal.utf8 {
            guard index < text.count, text[index] | 0x20 == byte | 0x20 else { return false }
            index += 1
        }
        position = index
        return true
    }

    /// Steps over `literal`.
    /// - Throws: if something else comes next.
    mutating func expect(_ literal: String) throws(FlowTextError) {
        guard skip(literal) else { throw error("expected “\(literal)”") }
    }

    /// Steps over commas and white space, which may stand between two attributes or actions.
    mutating func skipDelimiters() {
        while !isAtEnd, Self.isDelimiter(next) { position += 1 }
    }

    /// Whether the text ends here, or a delimiter or a closing parenthesis comes next.
    var isAtWordEnd: Bool { isAtEnd || Self.isDelimiter(next) || next == UInt8(ascii: ")") }

    /// The bytes up to the next delimiter or closing parenthesis, without stepping over them.
    var word: ArraySlice<UInt8> {
        var end = position
        while end < text.count, !Self.isDelimiter(text[end]), text[end] != UInt8(ascii: ")") { end += 1 }
        return text[min(position, text.count)..<end]
    }

    /// Steps over `count` bytes.
    mutating func advance(_ count: Int) { position = min(position + max(count, 0), text.count) }

    /// Goes back to where the scanner was.
    mutating func rewind(to earlier: Int) { position = min(max(earlier, 0), text.count) }

    /// Steps over the bytes that satisfy `condition`, at most `limit`, and returns them.
    mutating func run(limit: Int = .max, while condition: (UInt8) -> Bool) -> ArraySlice<UInt8> {
        let start = position
        while position < text.count, position - start < limit, condition(text[position]) { position += 1 }
        return text[start..<position]
    }

    private static func isDelimiter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: ","), UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"), UInt8(ascii: "\n"): true
        default: false
        }
    }

    // MARK: Numbers

    /// An integer of `bits` bits, or nil if no number comes next. Blanks and a sign may stand before it; a negative
    /// number is its two's complement.
    /// - Parameter base: 10 or 16, or 0 for hexadecimal with `0x`, octal with a leading 0 and decimal otherwise. Base
    ///   16 takes the prefix too.
    /// - Throws: if the number does not fit.
    mutating func integer(bits: Int, base givenBase: Int = 0) throws(FlowTextError) -> UInt64? {
        let start = position
        _ = run { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
        let numberStart = position
        let isNegative = skip("-")
        if !isNegative { _ = skip("+") }
        var base = UInt64(givenBase)
        if givenBase != 10, next == UInt8(ascii: "0"), byte(at: position + 1) | 0x20 == UInt8(ascii: "x") {
            base = 16
            position += 2
        } else if givenBase == 0 {
            base = next == UInt8(ascii: "0") ? 8 : 10
        }
        let digits = run { byte in AddressText.hexDigit(byte).map { UInt64($0) < base } ?? false }
        guard !digits.isEmpty else {
            position = start
            return nil
        }
        var value: UInt64 = 0
        var fits = true
        for byte in digits {
            let product = value.multipliedReportingOverflow(by: base)
            let sum = product.partialValue.addingReportingOverflow(UInt64(AddressText.hexDigit(byte) ?? 0))
            fits = fits && !product.overflow && !sum.overflow
            value = sum.partialValue
        }
        let limit: UInt64 = bits >= 64 ? .max : (1 << UInt64(bits)) - 1
        let negativeLimit: UInt64 = 1 << UInt64(min(bits, 64) - 1)
        guard fits, isNegative ? value <= negativeLimit : value <= limit else {
            position = numberStart
            throw error("expected a number of \(bits) bits")
        }
        return isNegative ? (0 &- value) & limit : value
    }

    /// An integer of `bits` bits.
    /// - Throws: if none comes next, or if it does not fit.
    mutating func expectInteger(bits: Int, base: Int = 0) throws(FlowTextError) -> UInt64 {
        guard let value = try integer(bits: bits, base: base) else { throw error("expected a number") }
        return value
    }

    /// A number right-aligned in `count` bytes, in network byte order: hexadecimal of any length with `0x`, or a
    /// decimal or octal number of at most 64 bits.
    /// - Throws: if none comes next, or if it does not fit.
    mutating func wideNumber(count: Int) throws(FlowTextError) -> [UInt8] {
        let start = position
        if skip("0x") || skip("0X") {
            let digits = run { AddressText.hexDigit($0) != nil }.drop { $0 == UInt8(ascii: "0") }
            guard (digits.count + 1) / 2 <= count else {
                position = start
                throw error("expected a number of \(count) bytes")
            }
            var nibbles = digits.map { AddressText.hexDigit($0) ?? 0 }
            if nibbles.count % 2 != 0 { nibbles.insert(0, at: 0) }
            let bytes = stride(from: 0, to: nibbles.count, by: 2).map { nibbles[$0] << 4 | nibbles[$0 + 1] }
            return [UInt8](repeating: 0, count: count - bytes.count) + bytes
        }
        let value = try expectInteger(bits: 64)
        guard count >= 8 || value >> UInt64(8 * count) == 0 else {
            position = start
            throw error("expected a number of \(count) bytes")
        }
        return .bigEndian(value, count: count)
    }

    /// Bytes as pairs of hexadecimal digits, with blanks between them.
    mutating func hexBytes() -> [UInt8] {
        var bytes: [UInt8] = []
        while true {
            _ = run { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
            guard let high = AddressText.hexDigit(next), let low = AddressText.hexDigit(byte(at: position + 1)) else {
                return bytes
            }
            position += 2
            bytes.append(high << 4 | low)
        }
    }

    // MARK: Addresses

    /// `50:54:00:00:00:09`, or nil if none comes next.
    mutating func ethernet() -> [UInt8]? {
        let start = position
        var bytes: [UInt8] = []
        while bytes.count < 6 {
            if !bytes.isEmpty, !skip(":") { break }
            let digits = run(limit: 2) { AddressText.hexDigit($0) != nil }
            guard !digits.isEmpty else { break }
            bytes.append(digits.reduce(0) { $0 << 4 | (AddressText.hexDigit($1) ?? 0) })
        }
        if bytes.count == 6 { return bytes }
        position = start
        return nil
    }

    /// `10.0.0.1`, or nil if none comes next.
    mutating func ipv4() -> [UInt8]? {
        let start = position
        let word = run { ($0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9")) || $0 == UInt8(ascii: ".") }
        if let bytes = AddressText.parseIPv4(word) { return bytes }
        position = start
        return nil
    }

    /// `fe80::1`, or nil if none comes next.
    mutating func ipv6() -> [UInt8]? {
        let start = position
        let word = run { byte in
            AddressText.hexDigit(byte) != nil || byte == UInt8(ascii: ":") || byte == UInt8(ascii: ".")
        }
        if let bytes = AddressText.parseIPv6(word) { return bytes }
        position = start
        return nil
    }

    /// `ufid:` and a UUID: 16 bytes, or nil if the prefix does not come next.
    /// - Throws: if something else follows the prefix.
    mutating func ufid() throws(FlowTextError) -> [UInt8]? {
        guard skip("ufid:") else { return nil }
        var nibbles: [UInt8] = []
        for (index, count) in [8, 4, 4, 4, 12].enumerated() {
            if index > 0 { try expect("-") }
            let digits = run(limit: count) { AddressText.hexDigit($0) != nil }
            guard digits.count == count else { throw error("expected \(count) hexadecimal digits") }
            nibbles += digits.map { AddressText.hexDigit($0) ?? 0 }
        }
        return (0..<4).flatMap { word in
            [UInt8].host(nibbles[word * 8..<word * 8 + 8].reduce(0) { $0 << 4 | UInt64($1) }, count: 4)
        }
    }

    // MARK: Errors

    /// An error at the current position.
    /// - Parameter expectation: what should stand here, such as `expected “)”`.
    func error(_ expectation: String) -> FlowTextError {
        guard !isAtEnd else { return FlowTextError("\(expectation), but the text ends", at: position) }
        var found = word.prefix(32)
        if found.isEmpty { found = text[position..<min(position + 1, text.count)] }
        // What is shown at a terminal must not control it.
        let shown = found.map { $0 < 0x20 || $0 >= 0x7f ? UInt8(ascii: "?") : $0 }
        return FlowTextError("\(expectation), found “\(String(decoding: shown, as: UTF8.self))”", at: position)
    }
}
