/// What an attribute's payload must look like (`struct nla_policy`).
public enum PayloadRule: Sendable, Equatable {
    /// Any payload.
    case any
    /// No payload: the attribute's presence is the value (`NLA_FLAG`).
    case flag
    case u8, u16, u32, u64
    /// A 32-bit integer that is at most this (`NLA_POLICY_MAX`).
    case u32AtMost(UInt32)
    /// A string with a NUL in it, at most this many bytes without a NUL at the end (`NLA_NUL_STRING`).
    case string(maximum: Int)
    /// Exactly this many bytes (`NLA_EXACT_LEN`).
    case exactly(Int)
    /// At least this many bytes (`NLA_MIN_LEN`).
    case atLeast(Int)
    /// Between these many bytes.
    case between(Int, Int)
    /// Attributes: empty, or at least one attribute header (`NLA_NESTED`).
    case nested
}

/// How strictly a run of attributes is read.
public enum Strictness: Sendable {
    /// As generic netlink reads requests of the Open vSwitch families (`NL_VALIDATE_LIBERAL`): unknown types and trailing
    /// bytes are ignored, of duplicates the last wins, an integer may be longer than its type.
    case liberal
    /// Everything else is an error: unknown types, duplicates, trailing bytes, other lengths.
    case strict
}

/// The rules for the attributes of one message or nest, by type number.
public struct Policy: Sendable {
    @usableFromInline let rules: [PayloadRule?]
    @usableFromInline let required: [UInt16]
    public let strictness: Strictness

    /// - Parameters:
    ///   - rules: a rule for each known type. Types must be less than `AttributeSet.capacity`.
    ///   - required: types that must be present.
    public init(_ rules: [UInt16: PayloadRule], required: [UInt16] = [], strictness: Strictness = .liberal) {
        var table = [PayloadRule?](repeating: nil, count: AttributeSet.capacity)
        for (type, rule) in rules where Int(type) < table.count { table[Int(type)] = rule }
        self.rules = table
        self.required = required
        self.strictness = strictness
    }

    /// Reads a run of attributes by these rules. Nothing is allocated.
    ///
    /// - Throws: the first fault found, with the place of the attribute. See `NetlinkError.errno` for the number that a
    ///   datapath answers.
    @_lifetime(copy attributes)
    public func parse(_ attributes: consuming Attributes) throws(NetlinkError) -> AttributeSet {
        let base = attributes
        var run = attributes
        var set = AttributeSet(empty: base)
        while true {
            let attribute: Attribute?
            do { attribute = try run.next() } catch {
                if strictness == .liberal { break }  // the kernel logs trailing bytes and goes on
                throw error
            }
            guard let attribute else { break }
            let index = Int(attribute.type)
            guard index < rules.count, let rule = rules[index] else {
                if strictness == .liberal { continue }
                throw attribute.error(.unknownAttribute)
            }
            if strictness == .strict, set.contains(attribute.type) { throw attribute.error(.duplicateAttribute) }
            if let fault = rule.fault(in: attribute.payload, strictness) { throw attribute.error(fault) }
            set.insert(attribute)
        }
        for type in required where !set.contains(type) {
            throw NetlinkError(.missingAttribute, at: set.baseOffset, attribute: type)
        }
        return set
    }
}

extension PayloadRule {
    /// What is wrong with a payload under this rule, or nil.
    @usableFromInline
    func fault(in payload: RawSpan, _ strictness: Strictness) -> NetlinkError.Code? {
        let count = payload.byteCount
        switch self {
        case .any: return nil
        case .flag: return count == 0 ? nil : .payloadTooLong
        case .u8: return Self.integerFault(count, 1, strictness)
        case .u16: return Self.integerFault(count, 2, strictness)
        case .u32: return Self.integerFault(count, 4, strictness)
        case .u64: return Self.integerFault(count, 8, strictness)
        case .u32AtMost(let maximum):
            if let fault = Self.integerFault(count, 4, strictness) { return fault }
            return (payload.load(at: 0, as: UInt32.self) ?? 0) <= maximum ? nil : .valueOutOfRange
        case .string(let maximum):
            // As in the kernel: a NUL within the limit ends the string, which must not be empty; what follows it counts
            // for the length, but for one NUL at the end.
            let window = min(count, maximum &+ 1)
            var end = 0
            while end < window, payload.load(at: end, as: UInt8.self) != 0 { end += 1 }
            guard end > 0, end < window else { return .malformedString }
            let isTerminated = payload.load(at: count &- 1, as: UInt8.self) == 0
            return count &- (isTerminated ? 1 : 0) > maximum ? .payloadTooLong : nil
        case .exactly(let length):
            return count == length ? nil : (count < length ? .payloadTooShort : .payloadLengthMismatch)
        case .atLeast(let length): return count >= length ? nil : .payloadTooShort
        case .between(let lower, let upper):
            return count < lower ? .payloadTooShort : (count > upper ? .payloadTooLong : nil)
        case .nested: return count == 0 || count >= Attribute.headerSize ? nil : .payloadTooShort
        }
    }

    private static func integerFault(_ count: Int, _ size: Int, _ strictness: Strictness) -> NetlinkError.Code? {
        if count < size { return .payloadTooShort }
        if count > size, strictness == .strict { return .payloadLengthMismatch }
        return nil
    }
}

/// The attributes of one run, found by type in constant time: a table of places in the bytes that were read.
public struct AttributeSet: ~Escapable {
    /// Types this many and more are never found.
    public static let capacity = 64

    @usableFromInline let bytes: RawSpan
    /// Offset of the run from the start of its message.
    public let baseOffset: Int
    /// A bit for each type that is present.
    public private(set) var types: UInt64 = 0
    /// Where the attribute of each type begins, from the start of the run; without meaning where the type's bit is 0.
    @usableFromInline var starts: InlineArray<64, UInt32>

    /// None yet, of a run that is read one by one.
    @_lifetime(copy attributes)
    package init(empty attributes: Attributes) {
        bytes = attributes.rest
        baseOffset = attributes.nextOffset
        starts = InlineArray(repeating: 0)
    }

    /// Takes in an attribute of the run; of several of one type the last stays.
    package mutating func insert(_ attribute: Attribute) {
        guard Int(attribute.type) < Self.capacity, let start = UInt32(exactly: attribute.offset - baseOffset) else {
            return
        }
        starts[Int(attribute.type)] = start
        types |= 1 << UInt64(attribute.type)
    }

    /// Takes attributes of another set over, whose run lies inside this one's: those with a bit in `types`.
    public mutating func merge(_ other: borrowing AttributeSet, types: UInt64) {
        var left = types & other.types
        let shift = other.baseOffset - baseOffset
        while left != 0 {
            let type = left.trailingZeroBitCount
            left &= left &- 1
            guard let start = UInt32(exactly: Int(other.starts.span[type]) + shift) else { continue }
            starts[type] = start
            self.types |= 1 << UInt64(type)
        }
    }

    @inlinable
    public func contains(_ type: UInt16) -> Bool {
        Int(type) < Self.capacity && types & 1 << UInt64(type) != 0
    }

    /// Bytes of an attribute's payload; 0 if the attribute is absent.
    public func payloadLength(_ type: UInt16) -> Int { self[type]?.payload.byteCount ?? 0 }

    /// The attribute of this type, or nil.
    ///
    /// Inlined, so that the type is a constant: with another index an inline array is copied before it is read.
    @inlinable
    public subscript(type: UInt16) -> Attribute? {
        @inline(__always)
        @_lifetime(copy self) get {
            guard contains(type) else { return nil }
            // `parse` has found the header there, with a length that lies inside the run.
            let start = Int(starts[Int(type)])
            guard let length: UInt16 = bytes.load(at: start), let rawType: UInt16 = bytes.load(at: start + 2) else {
                return nil
            }
            return Attribute(
                rawType: rawType, payload: bytes.clamped((start + Attribute.headerSize)..<(start + Int(length))),
                offset: baseOffset + start)
        }
    }

    /// The leading bytes of an attribute as an integer in host byte order; nil if the attribute is absent (or shorter,
    /// which a policy with an integer rule has excluded).
    @inlinable
    public func integer<T: FixedWidthInteger & BitwiseCopyable>(_ type: UInt16, as: T.Type = T.self) -> T? {
        self[type]?.payload.load(at: 0)
    }

    /// The string up to the first NUL; nil if the attribute is absent.
    public func string(_ type: UInt16) -> String? {
        guard let attribute = self[type] else { return nil }
        let payload = attribute.payload
        var count = 0
        while let byte: UInt8 = payload.load(at: count), byte != 0 { count += 1 }
        return unsafe payload.withUnsafeBytes { unsafe String(decoding: $0.prefix(count), as: UTF8.self) }
    }

    /// A copy of an attribute's payload; nil if the attribute is absent.
    public func payload(_ type: UInt16) -> [UInt8]? {
        self[type]?.payload.copyBytes()
    }
}

extension NetlinkError {
    /// The error number (positive, Linux's) that a datapath answers for a fault in a request's attributes.
    ///
    /// `ERANGE` (34) where `lib/nlattr.c` says so under liberal validation, `EMSGSIZE` (90) for what cannot be written,
    /// else `EINVAL` (22).
    public var errno: Int32 {
        switch code {
        case .payloadTooShort, .payloadTooLong, .valueOutOfRange: 34
        case .attributeTooLong, .noSpace: 90
        default: 22
        }
    }
}
