import Glibc

/// Numbers as the C library prints them.
enum NumberText {
    /// With a fixed number of decimals (`%.*f`).
    static func fixed(_ value: Double, decimals: Int) -> String {
        var buffer = [CChar](repeating: 0, count: 400)  // the largest double has 309 digits
        // The call writes at most the array's bytes and reads the two arguments that its format names.
        let length = unsafe withVaList([Int32(min(max(decimals, 0), 20)), value]) { arguments in
            unsafe vsnprintf(&buffer, buffer.count, "%.*f", arguments)
        }
        guard length > 0 else { return "" }
        return String(decoding: buffer.prefix(Int(length)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// ` (1.5 KiB)`; nothing for less than a KiB.
    static func humanSize(_ bytes: UInt64) -> String {
        let units: [(UInt64, String)] = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")]
        guard let (size, unit) = units.first(where: { bytes >= $0.0 }) else { return "" }
        return " (\(fixed(Double(bytes) / Double(size), decimals: 1)) \(unit))"
    }

    static func hex(_ bytes: some Sequence<UInt8>) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// `0a:00:00:00:00:01` of a 48-bit number in wire order.
    static func mac(_ mac: UInt64) -> String {
        (0..<6).reversed().map { index in
            let byte = UInt8(truncatingIfNeeded: mac >> (UInt64(index) * 8))
            return (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }.joined(separator: ":")
    }
}
