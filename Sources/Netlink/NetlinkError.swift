/// Why bytes are not the Netlink they claim to be, or cannot be written as Netlink.
///
/// A small trivial value, cheap to throw on every malformed input: a code and the place. Two errors are equal when code
/// and place are equal.
public struct NetlinkError: Error, Equatable, Hashable, Sendable {
    /// What is wrong.
    public enum Code: UInt8, Sendable {
        /// A header or payload ends before the bytes its length field promises.
        case truncated
        /// A length field is smaller than the header it belongs to.
        case lengthTooSmall
        /// Bytes are left over behind the last attribute.
        case trailingBytes
        /// A payload is shorter than its type demands (`ERANGE`).
        case payloadTooShort
        /// A payload is longer than its type allows (`ERANGE` for strings, `EINVAL` where a length is exact).
        case payloadTooLong
        /// A payload does not have the one length its attribute allows (`EINVAL`).
        case payloadLengthMismatch
        /// A string has no terminating NUL, or one before its end, or is empty where it must not be.
        case malformedString
        /// An attribute type is not known where only known ones are allowed.
        case unknownAttribute
        /// An attribute stands twice where it may stand once.
        case duplicateAttribute
        /// A required attribute is missing.
        case missingAttribute
        /// A value lies outside the range its policy allows (`ERANGE`).
        case valueOutOfRange
        /// A value is not one the interface allows (`EINVAL`).
        case invalidValue
        /// Attributes are nested deeper than a reader follows.
        case nestedTooDeep
        /// A payload does not fit a 16-bit attribute length; nothing was truncated, the writer refuses.
        case attributeTooLong
        /// A message does not fit the space it was to be written to.
        case noSpace
    }

    public let code: Code

    /// Byte offset from the start of the message (for a view over attributes alone: from the start of that view) of the
    /// attribute or header at fault. It is what `NLMSGERR_ATTR_OFFS` carries.
    public let offset: Int

    /// The attribute's type number, where the fault lies in an attribute; 0 otherwise.
    public let attribute: UInt16

    public init(_ code: Code, at offset: Int = 0, attribute: UInt16 = 0) {
        self.code = code
        self.offset = offset
        self.attribute = attribute
    }
}

extension NetlinkError: CustomStringConvertible {
    public var description: String {
        let place = attribute == 0 ? "at byte \(offset)" : "in attribute \(attribute) at byte \(offset)"
        return "\(code.explanation) \(place)"
    }
}

extension NetlinkError.Code {
    /// A clause for people: it stands alone and needs no number.
    public var explanation: String {
        switch self {
        case .truncated: "the bytes end too early"
        case .lengthTooSmall: "a length field is smaller than its own header"
        case .trailingBytes: "there are bytes behind the last attribute"
        case .payloadTooShort: "the payload is too short"
        case .payloadTooLong: "the payload is too long"
        case .payloadLengthMismatch: "the payload has the wrong length"
        case .malformedString: "the string is empty or not terminated by one NUL at its end"
        case .unknownAttribute: "the attribute is not known here"
        case .duplicateAttribute: "the attribute stands twice"
        case .missingAttribute: "a required attribute is missing"
        case .valueOutOfRange: "the value is out of range"
        case .invalidValue: "the value is not allowed"
        case .nestedTooDeep: "attributes are nested too deep"
        case .attributeTooLong: "the payload does not fit a 16-bit attribute length"
        case .noSpace: "the message does not fit its buffer"
        }
    }
}
