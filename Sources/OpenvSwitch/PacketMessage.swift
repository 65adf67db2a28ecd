public import Netlink

/// A message of family `ovs_packet`: an upcall, or the request to carry out actions on a packet.
public struct PacketMessage: Equatable, Sendable {
    /// `PacketCommand`.
    public var command: UInt8
    public var datapathIfindex: Int32
    /// The frame from its Ethernet header on; of a packet without one, from its network header on.
    public var packet: [UInt8]
    /// The contents of `OVS_PACKET_ATTR_KEY`.
    public var key: [UInt8]
    /// The contents of `OVS_PACKET_ATTR_ACTIONS`.
    public var actions: [UInt8]?
    public var userdata: [UInt8]?
    public var mru: UInt16?
    /// Length of the packet before it was cut.
    public var length: UInt32?
    public var hash: UInt64?
    public var upcallPortID: UInt32?
    public var probe = false

    /// Lengths that the kernel's policy demands of a request.
    public static let policy = policy(packet: .atLeast(14))
    /// An upcall may have less: what a packet was cut to, or a short one without Ethernet header.
    private static let upcallPolicy = policy(packet: .any)

    private static func policy(packet: PayloadRule) -> Policy {
        Policy([
            PacketAttribute.packet: packet,
            PacketAttribute.key: .nested,
            PacketAttribute.actions: .nested,
            PacketAttribute.userdata: .any,
            PacketAttribute.egressTunnelKey: .nested,
            PacketAttribute.probe: .flag,
            PacketAttribute.mru: .u16,
            PacketAttribute.length: .u32,
            PacketAttribute.hash: .u64,
            PacketAttribute.upcallPortID: .u32,
        ])
    }

    public init(command: UInt8, datapathIfindex: Int32, packet: [UInt8], key: [UInt8], actions: [UInt8]? = nil) {
        self.command = command
        self.datapathIfindex = datapathIfindex
        self.packet = packet
        self.key = key
        self.actions = actions
    }

    /// - Throws: `truncated` if the headers are not there, `missingAttribute` without packet or key, and the policy's
    ///   errors.
    public init(_ message: borrowing Message) throws(NetlinkError) {
        let header = try OVSHeader(message)
        let policy = header.command == PacketCommand.execute ? Self.policy : Self.upcallPolicy
        let set = try policy.parse(message.attributes(at: OVSHeader.attributesOffset))
        guard let packet = set.payload(PacketAttribute.packet) else {
            throw NetlinkError(.missingAttribute, at: set.baseOffset, attribute: PacketAttribute.packet)
        }
        guard let key = set.payload(PacketAttribute.key) else {
            throw NetlinkError(.missingAttribute, at: set.baseOffset, attribute: PacketAttribute.key)
        }
        self.init(
            command: header.command, datapathIfindex: header.datapathIfindex, packet: packet, key: key,
            actions: set.payload(PacketAttribute.actions))
        userdata = set.payload(PacketAttribute.userdata)
        mru = set.integer(PacketAttribute.mru)
        length = set.integer(PacketAttribute.length)
        hash = set.integer(PacketAttribute.hash)
        upcallPortID = set.integer(PacketAttribute.upcallPortID)
        probe = set.contains(PacketAttribute.probe)
    }

    /// Writes the attributes that are there, the packet last.
    /// - Throws: `noSpace`, `attributeTooLong` (a packet of more than 65531 bytes).
    public func write(
        to writer: inout MessageWriter, flags: MessageFlags = [], sequence: UInt32 = 0, portID: UInt32 = 0
    ) throws(NetlinkError) {
        let mark = try writer.begin(
            .packet, command: command, datapathIfindex: datapathIfindex, flags: flags, sequence: sequence,
            portID: portID)
        try writer.append(PacketAttribute.key, bytes: key)
        if let userdata { try writer.append(PacketAttribute.userdata, bytes: userdata) }
        if let actions { try writer.append(PacketAttribute.actions, bytes: actions) }
        if let mru { try writer.append(PacketAttribute.mru, mru) }
        if let length { try writer.append(PacketAttribute.length, length) }
        if let hash { try writer.append(PacketAttribute.hash, hash) }
        if let upcallPortID { try writer.append(PacketAttribute.upcallPortID, upcallPortID) }
        if probe { try writer.append(flag: PacketAttribute.probe) }
        try writer.append(PacketAttribute.packet, bytes: packet)
        writer.end(message: mark)
    }
}
