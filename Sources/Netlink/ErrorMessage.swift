/// An `NLMSG_ERROR` message: the answer to a request that failed, or with error 0 its acknowledgement.
public struct ErrorMessage: Equatable, Sendable {
    /// 0, or a negative Linux error number.
    public var error: Int32
    /// The header of the request that is answered.
    public var request: MessageHeader
    /// Extended ack: what was wrong, for people (`NLMSGERR_ATTR_MSG`).
    public var message: String?
    /// Extended ack: byte offset of the attribute at fault from the start of the request (`NLMSGERR_ATTR_OFFS`).
    public var offset: UInt32?

    /// Numbers of the extended-ack attributes (`enum nlmsgerr_attrs`).
    public enum AttributeType {
        public static let message: UInt16 = 1
        public static let offset: UInt16 = 2
        public static let cookie: UInt16 = 3
        public static let policy: UInt16 = 4
        public static let missingType: UInt16 = 5
        public static let missingNest: UInt16 = 6
    }

    /// Bytes of an error message that carries only the request's header and no attributes.
    public static let cappedSize = MessageHeader.size + 4 + MessageHeader.size

    public init(error: Int32, request: MessageHeader, message: String? = nil, offset: UInt32? = nil) {
        self.error = error
        self.request = request
        self.message = message
        self.offset = offset
    }

    /// Reads an error message.
    /// - Throws: `truncated` if there is no room for error and header, `invalidValue` if the message is of another type,
    ///   and the errors of the extended-ack attributes.
    public init(_ view: borrowing Message) throws(NetlinkError) {
        guard view.header.type == .error else { throw NetlinkError(.invalidValue, at: 4) }
        let payload = view.payload
        guard let error: Int32 = payload.load(at: 0),
            let request = MessageHeader(payload.clamped(from: 4))
        else { throw NetlinkError(.truncated, at: MessageHeader.size) }
        self.init(error: error, request: request)
        guard view.header.flags.contains(.ackAttributes) else { return }

        // The attributes stand behind the copy of the request, which is whole unless the message is capped.
        var start = Self.cappedSize
        if !view.header.flags.contains(.capped) {
            guard request.length >= UInt32(MessageHeader.size), request.length <= UInt32(view.bytes.byteCount) else {
                throw NetlinkError(.truncated, at: MessageHeader.size + 4)
            }
            start += netlinkAligned(Int(request.length)) - MessageHeader.size
        }
        var attributes = try view.attributes(at: start)
        while let attribute = try attributes.next() {
            switch attribute.type {
            case AttributeType.message: message = try attribute.string()
            case AttributeType.offset: offset = try attribute.integer()
            default: break
            }
        }
    }

    /// Writes the message, the answer to `request`.
    ///
    /// An acknowledgement (error 0) is capped, as the kernel's. An error carries the whole request and the extended ack;
    /// where that does not fit the writer it is capped, and where even the attributes do not fit they are left out, so
    /// that `cappedSize` bytes always suffice.
    ///
    /// - Throws: `noSpace` if fewer than `cappedSize` bytes are left.
    public func write(answering request: RawSpan, to writer: inout MessageWriter) throws(NetlinkError) {
        let start = writer.count
        var failure = NetlinkError(.noSpace, at: start)
        for (capped, attributes) in [(error == 0, true), (true, true), (true, false)] {
            do {
                try write(answering: request, capped: capped, attributes: attributes, to: &writer)
                return
            } catch {
                writer.truncate(to: start)
                failure = error
            }
        }
        throw failure
    }

    /// Writes the message in the form that the requester's socket asks for.
    /// - Parameters:
    ///   - requestBytes: the request that is answered.
    ///   - capped: whether of the request only its header follows (`NETLINK_CAP_ACK`).
    ///   - attributes: whether the extended ack follows (`NETLINK_EXT_ACK`).
    ///   - portID: the requester's port ID; nil for the one in the request.
    /// - Throws: `noSpace`, and what writing the extended ack throws. Part of the message may have been written then.
    public func write(
        answering requestBytes: RawSpan, capped: Bool, attributes: Bool, portID: UInt32? = nil,
        to writer: inout MessageWriter
    ) throws(NetlinkError) {
        let hasAttributes = attributes && (message != nil || offset != nil)
        var flags: MessageFlags = []
        if capped { flags.insert(.capped) }
        if hasAttributes { flags.insert(.ackAttributes) }
        let mark = try writer.begin(
            MessageHeader(
                type: .error, flags: flags, sequence: request.sequence, portID: portID ?? request.portID))
        try writer.append(raw: error)
        try writer.append(raw: request.length)
        try writer.append(raw: request.type.rawValue)
        try writer.append(raw: request.flags.rawValue)
        try writer.append(raw: request.sequence)
        try writer.append(raw: request.portID)
        if !capped {
            try writer.append(raw: requestBytes.clamped(from: MessageHeader.size))
            writer.pad()
        }
        if hasAttributes {
            if let message { try writer.append(AttributeType.message, string: message) }
            if let offset { try writer.append(AttributeType.offset, offset) }
        }
        writer.end(message: mark)
    }
}

extension MessageWriter {
    /// Writes the end of a multi-part message (`NLMSG_DONE`).
    /// - Parameter error: 0, or the negative number of the error that ended the dump.
    /// - Throws: `noSpace`.
    public mutating func appendDone(
        sequence: UInt32, portID: UInt32, flags: MessageFlags = [], error: Int32 = 0
    ) throws(NetlinkError) {
        let start = count
        do {
            let mark = try begin(
                MessageHeader(type: .done, flags: flags.union(.multi), sequence: sequence, portID: portID))
            try append(raw: error)
            end(message: mark)
        } catch {
            truncate(to: start)
            throw error
        }
    }

    /// Bytes of an end-of-dump message.
    public static let doneSize = MessageHeader.size + 4
}
