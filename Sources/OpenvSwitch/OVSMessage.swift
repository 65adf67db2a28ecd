public import Netlink

/// The part every message of the Open vSwitch families has: command, version and the datapath it is about
/// (`genlmsghdr` and `struct ovs_header`).
public struct OVSHeader: Equatable, Sendable {
    public var command: UInt8
    public var version: UInt8
    /// Interface index of the datapath's LOCAL port; 0 where a name decides.
    public var datapathIfindex: Int32

    /// Bytes in front of the attributes: message header, generic header, `struct ovs_header`.
    public static let attributesOffset = MessageHeader.size + GenericHeader.size + 4

    public init(command: UInt8, version: UInt8, datapathIfindex: Int32 = 0) {
        self.command = command
        self.version = version
        self.datapathIfindex = datapathIfindex
    }

    /// - Throws: `truncated` if the message has no room for the three headers.
    public init(_ message: borrowing Message) throws(NetlinkError) {
        let generic = try message.genericHeader()
        guard let ifindex: Int32 = message.bytes.load(at: MessageHeader.size + GenericHeader.size) else {
            throw NetlinkError(.truncated, at: message.bytes.byteCount)
        }
        self.init(command: generic.command, version: generic.version, datapathIfindex: ifindex)
    }
}

extension MessageWriter {
    /// Begins a message of an Open vSwitch family, with the family's version.
    /// - Throws: `noSpace`.
    public mutating func begin(
        _ family: Family, command: UInt8, datapathIfindex: Int32 = 0, flags: MessageFlags = [], sequence: UInt32 = 0,
        portID: UInt32 = 0
    ) throws(NetlinkError) -> Mark {
        try begin(
            MessageHeader(type: family.messageType, flags: flags, sequence: sequence, portID: portID),
            GenericHeader(command: command, version: family.version), datapathIfindex: datapathIfindex)
    }
}

/// A message that writes itself with the header it is given: a request, a reply or a notification.
public protocol WritableMessage {
    /// - Throws: `noSpace`, `attributeTooLong`, `malformedString`.
    func write(
        to writer: inout MessageWriter, flags: MessageFlags, sequence: UInt32, portID: UInt32
    ) throws(NetlinkError)
}

extension DatapathMessage: WritableMessage {}
extension VportMessage: WritableMessage {}
extension FlowMessage: WritableMessage {}
extension PacketMessage: WritableMessage {}
extension NetdevMessage: WritableMessage {}
extension MeterMessage: WritableMessage {}
extension CTLimitMessage: WritableMessage {}
