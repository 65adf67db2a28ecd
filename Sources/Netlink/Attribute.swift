/// A view of one attribute (`struct nlattr`): a type, two flags and a payload.
public struct Attribute: ~Escapable {
    /// The type with the two flag bits taken off (`NLA_TYPE_MASK`).
    public let type: UInt16
    /// `NLA_F_NESTED`: the sender says that the payload is attributes. Senders may leave it out.
    public let isMarkedNested: Bool
    /// `NLA_F_NET_BYTEORDER`: the sender says that the payload is in network byte order.
    public let isMarkedNetworkByteOrder: Bool
    public let payload: RawSpan
    /// Byte offset of the attribute's header from the start of the message.
    public let offset: Int

    /// Bytes of `struct nlattr`.
    public static let headerSize = 4
    public static let nestedFlag: UInt16 = 0x8000
    public static let networkByteOrderFlag: UInt16 = 0x4000
    public static let typeMask: UInt16 = 0x3fff

    @inlinable
    @_lifetime(copy payload)
    init(rawType: UInt16, payload: RawSpan, offset: Int) {
        type = rawType & Self.typeMask
        isMarkedNested = rawType & Self.nestedFlag != 0
        isMarkedNetworkByteOrder = rawType & Self.networkByteOrderFlag != 0
        self.payload = payload
        self.offset = offset
    }

    /// The type with the two flag bits, as it was sent.
    public var rawType: UInt16 {
        type | (isMarkedNested ? Self.nestedFlag : 0) | (isMarkedNetworkByteOrder ? Self.networkByteOrderFlag : 0)
    }

    /// The attributes inside the payload.
    @inlinable
    public var nested: Attributes {
        @_lifetime(copy self) get { Attributes(payload, baseOffset: offset &+ Self.headerSize) }
    }

    /// The payload as an integer in host byte order. The length must be exact.
    /// - Throws: `payloadTooShort`, `payloadTooLong`.
    @inlinable
    public func integer<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type = T.self) throws(NetlinkError) -> T {
        guard let value: T = payload.load(at: 0) else { throw error(.payloadTooShort) }
        guard payload.byteCount == MemoryLayout<T>.size else { throw error(.payloadTooLong) }
        return value
    }

    /// The payload as an integer in network byte order. The length must be exact.
    /// - Throws: `payloadTooShort`, `payloadTooLong`.
    @inlinable
    public func bigEndianInteger<T: FixedWidthInteger & BitwiseCopyable>(_: T.Type = T.self) throws(NetlinkError) -> T {
        T(bigEndian: try integer(T.self))
    }

    /// The payload as a string that ends with its only NUL. Bytes that are not UTF-8 are replaced.
    /// - Throws: `malformedString` if there is no NUL at the end, one before it, or nothing else.
    public func string() throws(NetlinkError) -> String {
        let count = payload.byteCount
        guard count > 1, payload.load(at: count - 1, as: UInt8.self) == 0 else { throw error(.malformedString) }
        for index in 0..<(count - 1) where payload.load(at: index, as: UInt8.self) == 0 {
            throw error(.malformedString)
        }
        return String(decoding: payload.clamped(0..<(count - 1)).copyBytes(), as: UTF8.self)
    }

    /// The payload as an array of 32-bit integers in host byte order.
    /// - Throws: `payloadLengthMismatch` if it is empty or not a multiple of four bytes.
    public func integers() throws(NetlinkError) -> [UInt32] {
        guard payload.byteCount > 0, payload.byteCount % 4 == 0 else { throw error(.payloadLengthMismatch) }
        return (0..<(payload.byteCount / 4)).map { payload.load(at: $0 * 4) ?? 0 }
    }

    /// An error that names this attribute and its place.
    public func error(_ code: NetlinkError.Code) -> NetlinkError {
        NetlinkError(code, at: offset, attribute: type)
    }
}

/// A run of attributes, read one after the other, without a copy and without an allocation.
///
///     var attributes = Attributes(bytes)
///     while let attribute = try attributes.next() { … }
public struct Attributes: ~Escapable {
    /// What has not been read yet.
    public private(set) var rest: RawSpan
    /// Where `rest` begins in the message.
    public private(set) var nextOffset: Int

    /// - Parameters:
    ///   - bytes: attributes, each on a four-byte boundary from the start of `bytes`.
    ///   - baseOffset: where `bytes` begins in its message; errors count from there.
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan, baseOffset: Int = 0) {
        rest = bytes
        nextOffset = baseOffset
    }

    /// The next attribute, or nil when no bytes are left. The padding behind the last attribute may be missing.
    /// - Throws: `trailingBytes` if fewer than four bytes are left, `lengthTooSmall` or `truncated` if the length field
    ///   lies. After an error the run has ended.
    @_lifetime(copy self)
    public mutating func next() throws(NetlinkError) -> Attribute? {
        guard rest.byteCount > 0 else { return nil }
        let all = rest
        let start = nextOffset
        rest = rest.clamped(0..<0)
        guard let length: UInt16 = all.load(at: 0), let rawType: UInt16 = all.load(at: 2) else {
            throw NetlinkError(.trailingBytes, at: start)
        }
        let type = rawType & Attribute.typeMask
        guard Int(length) >= Attribute.headerSize else {
            throw NetlinkError(.lengthTooSmall, at: start, attribute: type)
        }
        guard Int(length) <= all.byteCount else { throw NetlinkError(.truncated, at: start, attribute: type) }
        let advance = min(netlinkAligned(Int(length)), all.byteCount)
        rest = all.clamped(from: advance)
        nextOffset = start &+ advance
        return Attribute(rawType: rawType, payload: all.clamped(Attribute.headerSize..<Int(length)), offset: start)
    }
}
