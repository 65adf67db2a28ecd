import Netlink

/// A field in the payload of an action.
package struct ActionField: Sendable {
    package let name: String
    /// Offset in the payload, in bytes.
    package let offset: Int
    package let form: Form
    package let permitted: Permitted

    /// What a field holds.
    package enum Form: Sendable {
        /// A number in host byte order.
        case host16, host32
        /// A number in network byte order.
        case network16, network32
        /// A MAC address: the 48-bit number that its bytes make.
        case ethernet

        package var size: Int {
            switch self {
            case .host16, .network16: 2
            case .host32, .network32: 4
            case .ethernet: 6
            }
        }
    }

    /// The values that a field may have.
    package enum Permitted: Sendable {
        case any
        case atLeast(UInt64)
        case lessThan(UInt64)
        /// One of these EtherTypes.
        case etherTypes([UInt16])
        /// One of these, which have names in the text.
        case named([UInt64: String])
        /// Numbers with this bit set.
        case bit(UInt64)
    }

    init(_ name: String, _ form: Form, at offset: Int = 0, _ permitted: Permitted = .any) {
        self.name = name
        self.form = form
        self.offset = offset
        self.permitted = permitted
    }

    /// The field's value in a payload; bytes that are not there count as 0.
    package func value(_ payload: RawSpan) -> UInt64 {
        switch form {
        case .host16: UInt64(payload.load(at: offset, as: UInt16.self) ?? 0)
        case .host32: UInt64(payload.load(at: offset, as: UInt32.self) ?? 0)
        case .network16: UInt64(payload.loadBigEndian(at: offset, as: UInt16.self) ?? 0)
        case .network32: UInt64(payload.loadBigEndian(at: offset, as: UInt32.self) ?? 0)
        case .ethernet: payload.mac(at: offset)
        }
    }

    /// The bytes of a value; what does not fit is cut off.
    package func bytes(_ value: UInt64) -> [UInt8] {
        switch form {
        case .host16, .host32: .host(value, count: form.size)
        case .network16, .network32, .ethernet: .bigEndian(value, count: form.size)
        }
    }

    /// The names of values in the text.
    package var names: [UInt64: String] { if case .named(let names) = permitted { names } else { [:] } }

    /// The rule that a payload breaks; nil if it breaks none.
    package func rule(brokenBy payload: RawSpan) -> String? { isPermitted(value(payload)) ? nil : rule }

    private func isPermitted(_ value: UInt64) -> Bool {
        switch permitted {
        case .any: true
        case .atLeast(let minimum): value >= minimum
        case .lessThan(let limit): value < limit
        case .etherTypes(let types): types.contains { UInt64($0) == value }
        case .named(let names): names[value] != nil
        case .bit(let bit): value & bit != 0
        }
    }

    /// The rule as a sentence, for the documentation and for an error message where it is broken; nil if there is none.
    package var rule: String? {
        switch permitted {
        case .any: nil
        case .atLeast(let minimum): "the \(name) must be at least \(minimum)"
        case .lessThan(let limit): "the \(name) must be less than \(limit)"
        case .etherTypes(let types): "the \(name) must be \(types.map { "0x" + String($0, radix: 16) }.listed)"
        case .named(let names):
            "the \(name) must be \(names.sorted { $0.key < $1.key }.map { "\($0.key) (\($0.value))" }.listed)"
        case .bit(let bit): "the \(name) must have the bit 0x\(String(bit, radix: 16))"
        }
    }
}

extension ActionDescription {
    /// The value of a field by its place in `fields`.
    func value(_ index: Int, _ payload: [UInt8]) -> UInt64 { fields[index].value(payload.rawSpan) }

    /// The bytes of a field by its place in `fields`.
    func bytes(_ index: Int, _ payload: [UInt8]) -> [UInt8] {
        payload.field(fields[index].offset, fields[index].form.size)
    }

    /// The payload with these values in its fields, in their order.
    func payload(_ values: [UInt64]) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: size ?? 0)
        for (field, value) in zip(fields, values) {
            bytes.replaceSubrange(field.offset..<field.offset + field.form.size, with: field.bytes(value))
        }
        return bytes
    }
}
