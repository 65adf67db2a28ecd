/// A view of one Netlink message inside a buffer. It copies nothing, and no bytes can make it trap.
public struct Message: ~Escapable {
    public let header: MessageHeader
    /// The whole message, header included, padding excluded.
    public let bytes: RawSpan

    /// The message at the start of `bytes`.
    ///
    /// - Throws: `truncated` if the header or the length it promises does not fit, `lengthTooSmall` if the length is
    ///   less than the header's 16 bytes.
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) throws(NetlinkError) {
        guard let header = MessageHeader(bytes) else { throw NetlinkError(.truncated) }
        guard header.length >= UInt32(MessageHeader.size) else { throw NetlinkError(.lengthTooSmall) }
        guard Int(header.length) <= bytes.byteCount else { throw NetlinkError(.truncated) }
        self.header = header
        self.bytes = bytes.clamped(0..<Int(header.length))
    }

    /// The bytes behind the message header.
    public var payload: RawSpan {
        @_lifetime(copy self) get { bytes.clamped(from: MessageHeader.size) }
    }

    /// Command and version of a generic-netlink message.
    /// - Throws: `truncated` if the message has no room for them.
    public func genericHeader() throws(NetlinkError) -> GenericHeader {
        guard let command: UInt8 = payload.load(at: 0), let version: UInt8 = payload.load(at: 1),
            payload.byteCount >= GenericHeader.size
        else { throw NetlinkError(.truncated, at: MessageHeader.size) }
        return GenericHeader(command: command, version: version)
    }

    /// The attributes that begin `offset` bytes from the start of the message (16 + 4 + the family's own header).
    /// - Throws: `truncated` if the message is shorter than that.
    @_lifetime(copy self)
    public func attributes(at offset: Int) throws(NetlinkError) -> Attributes {
        guard offset >= 0, bytes.byteCount >= offset else { throw NetlinkError(.truncated, at: bytes.byteCount) }
        return Attributes(bytes.clamped(from: offset), baseOffset: offset)
    }
}

/// The messages that lie behind each other in one buffer, each on a four-byte boundary.
///
///     var messages = MessageSequence(buffer)
///     while let message = try messages.next() { … }
///
/// After an error there is no next message: a length that lies leaves no way to find the following one.
public struct MessageSequence: ~Escapable {
    private var rest: RawSpan

    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) { rest = bytes }

    /// The next message, or nil at the end of the buffer.
    /// - Throws: as `Message.init`.
    @_lifetime(copy self)
    public mutating func next() throws(NetlinkError) -> Message? {
        guard rest.byteCount > 0 else { return nil }
        let all = rest
        rest = rest.clamped(0..<0)
        let message = try Message(all)
        rest = all.clamped(from: netlinkAligned(message.bytes.byteCount))
        return message
    }
}
