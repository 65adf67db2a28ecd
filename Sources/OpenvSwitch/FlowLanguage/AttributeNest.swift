package import Netlink

/// The attributes inside an action or inside one of its attributes, and how strictly they are read.
///
/// The kernel reads each kind with code of its own, and they differ in what they forgive.
package final class AttributeNest: Sendable {
    package let attributes: [AttributeDescription]
    package let rules: Rules
    /// What each type holds, and a bit for each that is required: what every reading needs.
    private let payloads: [AttributeDescription.Payload?]
    private let required: UInt64
    /// The rows of attributes that hold attributes, by the type of the attribute that holds them.
    package let inner: [UInt16: AttributeNest]

    package struct Rules: OptionSet, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        /// Types that have no row are refused; else they are ignored.
        package static let onlyKnown = Rules(rawValue: 1)
        /// Types higher than those that have a row are ignored all the same.
        package static let ignoresHigher = Rules(rawValue: 2)
        /// An attribute that stands twice is refused; else the last one counts.
        package static let once = Rules(rawValue: 4)
        /// Bytes behind the last attribute are refused; else they are ignored.
        package static let noRest = Rules(rawValue: 8)
        /// A number must have its exact length, else it is `EINVAL`. Without this, longer ones are accepted and shorter ones
        /// are `ERANGE`.
        package static let exact = Rules(rawValue: 16)
        /// Any wrong length is `EINVAL`, where it would be `ERANGE`.
        package static let invalid = Rules(rawValue: 32)
        /// The last attribute too must be padded to four bytes.
        package static let padded = Rules(rawValue: 64)
        /// What holds the attributes must have the flag `NLA_F_NESTED`, and the attributes themselves must not.
        package static let marked = Rules(rawValue: 128)
    }

    init(_ attributes: [AttributeDescription], _ rules: Rules, inner: [UInt16: AttributeNest] = [:]) {
        self.attributes = attributes
        self.rules = rules
        let highest = attributes.map(\.type).max() ?? 0
        payloads = (0...highest).map { type in attributes.first { $0.type == type }?.payload }
        required = attributes.filter(\.isRequired).reduce(0) { $0 | 1 << UInt64($1.type) }
        self.inner = inner
    }

    /// The row of a type, or nil for a type that is unknown.
    package func row(_ type: UInt16) -> AttributeDescription? { attributes.first { $0.type == type } }

    /// `OVS_CT_ATTR_ZONE`, or `attribute 99` for a type that is unknown.
    package func constant(_ type: UInt16) -> String { row(type)?.constant ?? "attribute \(type)" }
}

// MARK: Reading

extension AttributeNest {
    /// Reads the attributes inside `holder`, which is an action.
    /// - Parameter name: what an error message calls the action.
    /// - Throws: the first fault, with its place.
    @_lifetime(copy holder)
    package func read(_ holder: Attribute, in name: String) throws(RequestError) -> AttributeSet {
        try checkHolder(holder, in: name)
        var run = holder.nested
        var set = AttributeSet(empty: run)
        while let attribute = try next(&run, in: name) {
            guard try isKnown(attribute, in: name) else { continue }
            guard !rules.contains(.once) || !set.contains(attribute.type) else {
                throw fault("the attribute stands there twice", attribute, in: name)
            }
            set.insert(attribute)
        }
        let absent = required & ~set.types
        guard absent == 0 else { throw missing(UInt16(absent.trailingZeroBitCount), in: holder, name) }
        return set
    }

    /// Checks the action that holds the attributes.
    private func checkHolder(_ holder: Attribute, in name: String) throws(RequestError) {
        if rules.contains(.marked), !holder.isMarkedNested {
            throw fault("its type must have the flag NLA_F_NESTED", action: holder, in: name)
        }
        if rules.contains(.padded), holder.payload.byteCount & 3 != 0 {
            throw fault("the attributes inside must be padded to a multiple of 4 bytes", action: holder, in: name)
        }
    }

    /// The next attribute of a run, or nil at its end.
    @_lifetime(copy run)
    package func next(_ run: inout Attributes, in name: String) throws(RequestError) -> Attribute? {
        do { return try run.next() } catch {
            guard rules.contains(.noRest) else { return nil }
            throw RequestError(
                Errno.invalid, "flow actions: \(name): inside, \(error.code.explanation)", offset: error.offset)
        }
    }

    /// Checks the length of an attribute inside.
    /// - Returns: false if it is one to ignore.
    package func isKnown(_ attribute: Attribute, in name: String) throws(RequestError) -> Bool {
        let isHigher = Int(attribute.type) >= payloads.count
        guard !isHigher, let expected = payloads[Int(attribute.type)] else {
            if !rules.contains(.onlyKnown) || rules.contains(.ignoresHigher) && isHigher { return false }
            throw fault("the attribute is not known", attribute, in: name)
        }
        if rules.contains(.marked), attribute.isMarkedNested {
            throw fault("its type must not have the flag NLA_F_NESTED", attribute, in: name)
        }
        let count = attribute.payload.byteCount
        switch expected {
        case .flag where count > 0 && rules.contains(.exact):
            throw fault("there must be no payload", attribute, in: name)
        case .exactly(let size) where count < size || count > size && rules.contains(.exact):
            let isRange = !rules.contains(.exact)
            throw fault("the payload must be \(size) bytes", attribute, errno: isRange ? Errno.range : nil, in: name)
        case .between(let least, let most) where count < least || count > most:
            throw fault("the payload must be \(least) to \(most) bytes", attribute, errno: lengthErrno, in: name)
        case .string(let maximum) where count == 0 || count > maximum:
            throw fault("the payload must be 1 to \(maximum) bytes", attribute, errno: lengthErrno, in: name)
        case .string where !attribute.payload.hasZero:
            throw fault("the string must end with a NUL", attribute, in: name)
        case .nested, .actions:
            guard (1..<Attribute.headerSize).contains(count) else { return true }
            throw fault("the payload is too short for an attribute", attribute, errno: lengthErrno, in: name)
        default: break
        }
        return true
    }

    private var lengthErrno: Int32? { rules.contains(.invalid) ? nil : Errno.range }

    private func fault(_ sentence: String, action: Attribute, in name: String) -> RequestError {
        RequestError(
            Errno.invalid, "flow actions: \(name): \(sentence) (\(ActionTable.constant(action.type)))",
            offset: action.offset)
    }

    /// A fault of an attribute inside.
    /// - Parameter errno: `EINVAL` if nil.
    package func fault(
        _ sentence: String, _ attribute: Attribute, errno: Int32? = nil, in name: String
    ) -> RequestError {
        RequestError(
            errno ?? Errno.invalid, "flow actions: \(name): \(sentence) (\(constant(attribute.type)))",
            offset: attribute.offset)
    }

    /// The fault that an attribute is not there.
    package func missing(_ type: UInt16, in holder: Attribute, _ name: String) -> RequestError {
        RequestError(
            Errno.invalid, "flow actions: \(name): the attribute is missing (\(constant(type)))", offset: holder.offset)
    }
}

extension RawSpan {
    /// Whether one of the bytes is 0.
    fileprivate var hasZero: Bool {
        for offset in 0..<byteCount where load(at: offset, as: UInt8.self) == 0 { return true }
        return false
    }
}
