extension ActionPrinter {
    mutating func connectionTracking(_ payload: [UInt8]) {
        let attributes = TextPolicy.parse(
            payload,
            [
                CTAttribute.commit: .any.optional, CTAttribute.forceCommit: .any.optional,
                CTAttribute.zone: .u16.optional,
                CTAttribute.mark: TextPolicy(kind: .bytes(8...Int.max), isOptional: true),
                CTAttribute.labels: TextPolicy(kind: .bytes(32...Int.max), isOptional: true),
                CTAttribute.helper: .string(16).optional, CTAttribute.timeout: .string(32).optional,
                CTAttribute.nat: .any.optional,
            ])
        guard let attributes else {
            append("ct(error)")
            return
        }
        var parts: [String] = []
        if attributes[CTAttribute.commit] != nil { parts.append("commit") }
        if attributes[CTAttribute.forceCommit] != nil { parts.append("force_commit") }
        if let zone = attributes[CTAttribute.zone]?.hostValue, zone != 0 { parts.append("zone=\(zone)") }
        if let mark = attributes[CTAttribute.mark] {
            let value = String.prefixedHex(mark.field(0, 4).hostValue)
            parts.append("mark=\(value)/\(String.prefixedHex(mark.field(4, 4).hostValue))")
        }
        if let labels = attributes[CTAttribute.labels] {
            var printer = KeyPrinter(verbose: true)
            printer.labels(labels.field(0, 16), mask: labels.field(16, 16), always: true)
            parts.append("label=\(printer.text)")
        }
        if let helper = attributes[CTAttribute.helper] { parts.append("helper=" + Self.name(helper)) }
        if let timeout = attributes[CTAttribute.timeout] { parts.append("timeout=" + Self.name(timeout)) }
        if let nat = attributes[CTAttribute.nat] { parts.append(NATText.text(nat)) }
        append(parts.isEmpty ? "ct" : "ct(\(parts.joined(separator: ",")))")
    }

    /// A name up to its NUL; what would control a terminal is shown as a question mark.
    private static func name(_ bytes: [UInt8]) -> String {
        let visible = bytes.prefix { $0 != 0 }.map { $0 < 0x20 || $0 == 0x7f ? UInt8(ascii: "?") : $0 }
        return String(decoding: visible, as: UTF8.self)
    }
}
