/// A JSON document (RFC 8259). Written in one line, the members of objects in the order of their names, so that the
/// same value always gives the same text.
indirect enum JSON: Equatable, Sendable {
    case null
    case bool(Bool)
    /// Written exactly, also where other readers round it to a double.
    case integer(UInt64)
    /// With three decimals.
    case seconds(milliseconds: UInt64)
    case string(String)
    case array([JSON])
    case object([String: JSON])

    var text: String {
        var text = ""
        write(to: &text)
        return text
    }

    private func write(to text: inout String) {
        switch self {
        case .null: text += "null"
        case .bool(let value): text += value ? "true" : "false"
        case .integer(let value): text += "\(value)"
        case .seconds(let milliseconds):
            let fraction = String(milliseconds % 1000)
            text += "\(milliseconds / 1000)." + String(repeating: "0", count: 3 - fraction.count) + fraction
        case .string(let value): Self.write(value, to: &text)
        case .array(let values):
            text += "["
            for (index, value) in values.enumerated() {
                if index > 0 { text += "," }
                value.write(to: &text)
            }
            text += "]"
        case .object(let members):
            text += "{"
            for (index, name) in members.keys.sorted().enumerated() {
                if index > 0 { text += "," }
                Self.write(name, to: &text)
                text += ":"
                members[name]?.write(to: &text)
            }
            text += "}"
        }
    }

    private static func write(_ string: String, to text: inout String) {
        text += "\""
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case "\u{0}"..."\u{1f}":
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }
}

extension JSON {
    static func number(_ value: some UnsignedInteger & FixedWidthInteger) -> JSON { .integer(UInt64(value)) }

    /// A string, or `null`.
    static func string(_ value: String?) -> JSON { value.map { .string($0) } ?? .null }
}

extension JSON: ExpressibleByStringLiteral {
    init(stringLiteral value: String) { self = .string(value) }
}

extension JSON: ExpressibleByBooleanLiteral {
    init(booleanLiteral value: Bool) { self = .bool(value) }
}
