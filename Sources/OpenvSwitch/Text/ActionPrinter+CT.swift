extension ActionPrinter {
    /// The fields in the order of their rows, but for NAT, which is last.
    mutating func connectionTracking(_ nest: AttributeNest, _ payload: [UInt8]) {
        guard let inside = nest.text(payload, skipping: CTAttribute.eventMask) else {
            append("error")
            return
        }
        var parts: [String] = []
        for row in nest.attributes {
            guard let value = inside[row.type], row.type != CTAttribute.nat else { continue }
            switch row.type {
            case CTAttribute.zone where value.isAllZero: break
            case CTAttribute.zone: parts.append("\(row.name)=\(value.hostValue)")
            case CTAttribute.mark:
                let number = String.prefixedHex(value.field(0, 4).hostValue)
                parts.append("\(row.name)=\(number)/\(String.prefixedHex(value.field(4, 4).hostValue))")
            case CTAttribute.labels:
                var printer = KeyPrinter(verbose: true)
                printer.labels(value.field(0, 16), mask: value.field(16, 16), always: true)
                parts.append("\(row.name)=\(printer.text)")
            case CTAttribute.helper, CTAttribute.timeout: parts.append("\(row.name)=\(Self.name(value))")
            default: parts.append(row.name)
            }
        }
        if let nat = inside[CTAttribute.nat] { parts.append(NATText.text(nat)) }
        append(parts.joined(separator: ","))
    }

    /// A name up to its NUL; what would control a terminal is shown as a question mark.
    private static func name(_ bytes: [UInt8]) -> String {
        let visible = bytes.prefix { $0 != 0 }.map { $0 < 0x20 || $0 == 0x7f ? UInt8(ascii: "?") : $0 }
        return String(decoding: visible, as: UTF8.self)
    }
}
