import Netlink

/// Builds a run of attributes that together fit the payload of one attribute.
struct AttributeBuilder {
    private var writer = MessageWriter(capacity: 128, limit: Int(UInt16.max) - Attribute.headerSize)

    var bytes: [UInt8] { writer.bytes }

    /// Appends one attribute.
    /// - Throws: if the run grows too long; the error points at where `scanner` is.
    mutating func append(_ type: UInt16, _ payload: [UInt8], at scanner: TextScanner) throws(FlowTextError) {
        do { try writer.append(type, bytes: payload) } catch {
            throw FlowTextError("the text up to here is longer than one attribute can hold", at: scanner.position)
        }
    }
}

/// A key attribute that was parsed: its value and its mask. The payload of nested ones is attributes in turn.
struct KeyPair {
    let type: UInt16
    var key: [UInt8]
    var mask: [UInt8]
}
