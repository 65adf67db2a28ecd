// What the printers and parsers of this folder share to read and build payloads. Every access is bounded; bytes that
// are not there read as zero.

extension Array where Element == UInt8 {
    /// `count` bytes from `offset` on; those that are missing are zero.
    func field(_ offset: Int, _ count: Int) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: count)
        for index in 0..<count where offset + index < self.count { result[index] = self[offset + index] }
        return result
    }

    /// The bytes as an unsigned integer in network byte order; of more than eight the last eight.
    var bigEndianValue: UInt64 { reduce(0) { $0 << 8 | UInt64($1) } }

    /// The bytes as an unsigned integer in host byte order.
    var hostValue: UInt64 {
        #if _endian(big)
            bigEndianValue
        #else
            reversed().reduce(0) { $0 << 8 | UInt64($1) }
        #endif
    }

    /// The bytes in network byte order, if they are an integer in host byte order, and the other way round.
    var swappedToNetworkOrder: [UInt8] {
        #if _endian(big)
            self
        #else
            reversed()
        #endif
    }

    var isAllZero: Bool { allSatisfy { $0 == 0 } }
    var isAllOnes: Bool { allSatisfy { $0 == 0xff } }

    /// `value` as `count` bytes in network byte order.
    static func bigEndian(_ value: UInt64, count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * (count - 1 - $0))) }
    }

    /// `value` as `count` bytes in host byte order.
    static func host(_ value: UInt64, count: Int) -> [UInt8] {
        bigEndian(value, count: count).swappedToNetworkOrder
    }
}

extension String {
    /// `value` in lower-case hexadecimal with at least `digits` digits and no prefix.
    static func hex(_ value: some BinaryInteger, digits: Int = 1) -> String {
        let text = String(value, radix: 16)
        return String(repeating: "0", count: Swift.max(0, digits - text.utf8.count)) + text
    }

    /// `value` in hexadecimal with the prefix `0x`, which zero goes without.
    static func prefixedHex(_ value: some BinaryInteger) -> String { value == 0 ? "0" : "0x" + hex(value) }

    /// The bytes in hexadecimal, two digits each, with `separator` between them.
    static func hexBytes(_ bytes: [UInt8], separator: String = "") -> String {
        bytes.map { hex($0, digits: 2) }.joined(separator: separator)
    }

    /// The bytes as one big-endian hexadecimal number with the prefix `0x` and without leading zeros; zero is `0`.
    static func hexNumber(_ bytes: [UInt8]) -> String {
        guard let first = bytes.firstIndex(where: { $0 != 0 }) else { return "0" }
        return "0x" + hex(bytes[first]) + hexBytes(Array(bytes[(first + 1)...]))
    }

    /// Takes a comma off the end, if there is one.
    mutating func dropComma() {
        if utf8.last == UInt8(ascii: ",") { removeLast() }
    }
}
