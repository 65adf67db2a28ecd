/// The text of addresses: Ethernet, IPv4 and IPv6. Bytes are in network byte order.
enum AddressText {
    /// `50:54:00:00:00:09`.
    static func ethernet(_ bytes: [UInt8]) -> String { String.hexBytes(bytes, separator: ":") }

    /// `10.0.0.1`.
    static func ipv4(_ bytes: [UInt8]) -> String { bytes.map { String($0) }.joined(separator: ".") }

    /// The canonical text of an IPv6 address (RFC 5952, section 4), with a dotted quad at the end of addresses that
    /// embed an IPv4 one (`::ffff:1.2.3.4` and `::1.2.3.4`).
    static func ipv6(_ bytes: [UInt8]) -> String {
        let words = (0..<8).map { bytes.field($0 * 2, 2).bigEndianValue }
        // The longest run of at least two zero words, the first of equally long ones.
        var best = 0..<0
        var start = 0
        for index in 0...8 where index == 8 || words[index] != 0 {
            if index - start > best.count { best = start..<index }
            start = index + 1
        }
        if best.count < 2 { best = 0..<0 }
        let embedsIPv4 = best == 0..<6 || (best == 0..<5 && words[5] == 0xffff)

        var text = ""
        var index = 0
        while index < 8 {
            if !best.isEmpty, index == best.lowerBound {
                text += "::"
                index = best.upperBound
                continue
            }
            if index > 0, index != best.upperBound || best.isEmpty { text += ":" }
            if index == 6, embedsIPv4 { return text + ipv4(bytes.field(12, 4)) }
            text += String.hex(words[index])
            index += 1
        }
        return text
    }

    /// The 16 bytes of an IPv6 address in any of the forms of RFC 4291, section 2.2, or nil.
    static func parseIPv6(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        var words: [UInt64] = []
        var gap: Int?
        var rest = text
        if rest.starts(with: "::".utf8) {
            gap = 0
            rest = rest.dropFirst(2)
        } else if rest.first == UInt8(ascii: ":") {
            return nil
        }
        while !rest.isEmpty {
            let word = rest.prefix { $0 != UInt8(ascii: ":") }
            if word.contains(UInt8(ascii: ".")) {
                guard word.endIndex == rest.endIndex, let quad = parseIPv4(word, allowsLeadingZeros: false) else {
                    return nil
                }
                words += [Array(quad[0..<2]).bigEndianValue, Array(quad[2..<4]).bigEndianValue]
                rest = rest[rest.endIndex...]
                break
            }
            guard (1...4).contains(word.count) else { return nil }
            var value: UInt64 = 0
            for byte in word {
                guard let digit = hexDigit(byte) else { return nil }
                value = value << 4 | UInt64(digit)
            }
            words.append(value)
            guard words.count <= 8 else { return nil }
            rest = rest[word.endIndex...]
            if rest.isEmpty { break }
            rest = rest.dropFirst()
            if rest.first == UInt8(ascii: ":") {
                guard gap == nil else { return nil }
                gap = words.count
                rest = rest.dropFirst()
            } else if rest.isEmpty {
                return nil
            }
        }
        if let gap {
            guard words.count < 8 else { return nil }
            words.insert(contentsOf: [UInt64](repeating: 0, count: 8 - words.count), at: gap)
        }
        guard words.count == 8 else { return nil }
        return words.flatMap { [UInt8].bigEndian($0, count: 2) }
    }

    /// The four bytes of a dotted quad, or nil. Leading zeros, where they are allowed, do not make a part octal.
    static func parseIPv4(_ text: ArraySlice<UInt8>, allowsLeadingZeros: Bool = true) -> [UInt8]? {
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var bytes: [UInt8] = []
        for part in parts {
            guard (1...3).contains(part.count) else { return nil }
            if !allowsLeadingZeros, part.count > 1, part.first == UInt8(ascii: "0") { return nil }
            var value = 0
            for byte in part {
                guard let digit = hexDigit(byte), digit < 10 else { return nil }
                value = value * 10 + Int(digit)
            }
            guard let byte = UInt8(exactly: value) else { return nil }
            bytes.append(byte)
        }
        return bytes
    }

    /// The value of a hexadecimal digit, or nil.
    static func hexDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
