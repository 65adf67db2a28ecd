// The flow language as tables. What is true of a key attribute, of an action or of an attribute inside one stands in one
// row, and the parser, the validator, the printer and docs/flow-language.md read it from there.

/// An attribute inside a key attribute or an action: a row of a table.
package struct AttributeDescription: Sendable {
    package let type: UInt16
    /// Its name in linux/openvswitch.h.
    package let constant: String
    /// What the text form calls it; empty if it has no name there.
    package let name: String
    package let payload: Payload
    /// The fields of a payload of fixed length, where they have places in a flow key.
    package let fields: [KeyField]
    package let isRequired: Bool
    /// A sentence for the reader of the documentation.
    package let meaning: String

    /// What an attribute holds.
    package enum Payload: Sendable, Equatable {
        /// Nothing: that the attribute is there is all it says.
        case flag
        /// This many bytes.
        case exactly(Int)
        /// A number of bytes in this range.
        case between(Int, Int)
        /// A string that ends with a NUL, at most so many bytes with it.
        case string(maximum: Int)
        /// Attributes.
        case nested
        /// A list of actions.
        case actions
    }

    init(
        _ type: UInt16, _ constant: String, _ name: String, _ payload: Payload, fields: [KeyField] = [],
        isRequired: Bool = false, _ meaning: String
    ) {
        self.type = type
        self.constant = constant
        self.name = name
        self.payload = payload
        self.fields = fields
        self.isRequired = isRequired
        self.meaning = meaning
    }
}
