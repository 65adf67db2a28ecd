/// The 16 bytes every Netlink message begins with (`struct nlmsghdr`, RFC 3549 section 2.3.2), in host byte order.
public struct MessageHeader: Equatable, Sendable {
    /// Length in bytes of the whole message, this header included, padding excluded.
    public var length: UInt32
    /// A control type below 16, or the family ID.
    public var type: MessageType
    public var flags: MessageFlags
    /// Chosen by the requester, echoed in the reply; 0 in notifications.
    public var sequence: UInt32
    /// The requester's port ID, echoed in the reply; 0 in notifications and from the datapath.
    public var portID: UInt32

    /// Bytes on the wire.
    public static let size = 16

    public init(
        length: UInt32 = 0, type: MessageType, flags: MessageFlags = [], sequence: UInt32 = 0, portID: UInt32 = 0
    ) {
        self.length = length
        self.type = type
        self.flags = flags
        self.sequence = sequence
        self.portID = portID
    }

    /// Reads a header from the first 16 bytes; nil if there are fewer. The length field is *not* checked.
    public init?(_ bytes: RawSpan) {
        guard let length: UInt32 = bytes.load(at: 0), let type: UInt16 = bytes.load(at: 4),
            let flags: UInt16 = bytes.load(at: 6), let sequence: UInt32 = bytes.load(at: 8),
            let portID: UInt32 = bytes.load(at: 12)
        else { return nil }
        self.init(
            length: length, type: MessageType(rawValue: type), flags: MessageFlags(rawValue: flags), sequence: sequence,
            portID: portID)
    }
}

/// The type field of a message: a control type, or the number of a family. Open, because families are numbered at run time.
public struct MessageType: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// `NLMSG_NOOP`: to be ignored.
    public static let noop = MessageType(rawValue: 1)
    /// `NLMSG_ERROR`: an error, or with error 0 an acknowledgement.
    public static let error = MessageType(rawValue: 2)
    /// `NLMSG_DONE`: the end of a multi-part message.
    public static let done = MessageType(rawValue: 3)
    /// `NLMSG_OVERRUN`: data was lost.
    public static let overrun = MessageType(rawValue: 4)
    /// `NLMSG_MIN_TYPE`: types below are reserved for control messages. `GENL_ID_CTRL` has this number.
    public static let firstFamily = MessageType(rawValue: 0x10)
}

/// The flags of a message header (`NLM_F_*`).
public struct MessageFlags: OptionSet, Hashable, Sendable {
    public let rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    public static let request = MessageFlags(rawValue: 0x1)
    public static let multi = MessageFlags(rawValue: 0x2)
    public static let ack = MessageFlags(rawValue: 0x4)
    public static let echo = MessageFlags(rawValue: 0x8)
    /// `NLM_F_DUMP_INTR`: the table changed while it was dumped.
    public static let dumpInterrupted = MessageFlags(rawValue: 0x10)
    public static let dumpFiltered = MessageFlags(rawValue: 0x20)

    // Of GET requests.
    public static let root = MessageFlags(rawValue: 0x100)
    public static let match = MessageFlags(rawValue: 0x200)
    /// `NLM_F_DUMP`: both bits must be set for a dump.
    public static let dump: MessageFlags = [.root, .match]

    // Of NEW requests; they share bits with those of GET.
    public static let replace = MessageFlags(rawValue: 0x100)
    public static let exclusive = MessageFlags(rawValue: 0x200)
    public static let create = MessageFlags(rawValue: 0x400)

    // Of error messages; they share bits too.
    /// `NLM_F_CAPPED`: of the request only its header follows.
    public static let capped = MessageFlags(rawValue: 0x100)
    /// `NLM_F_ACK_TLVS`: extended-ack attributes follow.
    public static let ackAttributes = MessageFlags(rawValue: 0x200)
}

/// The four bytes behind the message header of a generic-netlink message (`struct genlmsghdr`).
public struct GenericHeader: Equatable, Sendable {
    public var command: UInt8
    public var version: UInt8

    /// Bytes on the wire: command, version and a reserved 16-bit field.
    public static let size = 4

    public init(command: UInt8, version: UInt8) {
        self.command = command
        self.version = version
    }
}
