public import Netlink

/// A message of family `ovs_win_netdev`: an interface of the host, attached or not.
public struct NetdevMessage: Equatable, Sendable {
    /// `NetdevCommand`.
    public var command: UInt8
    public var name: String?
    public var ifindex: UInt32?
    /// 48-bit number in wire order.
    public var mac: UInt64?
    public var mtu: UInt32?
    public var flags: InterfaceFlags?
    /// The vport's number, if the interface is one.
    public var portNumber: UInt32?
    public var type: VportType?
    /// Of an event: what has happened.
    public var changes: InterfaceChanges?
    /// Of an event that tells of another name: the one before.
    public var formerName: String?

    public static let policy = Policy([
        NetdevAttribute.portNumber: .u32,
        NetdevAttribute.type: .u32,
        NetdevAttribute.name: .string(maximum: 255),
        NetdevAttribute.macAddress: .exactly(6),
        NetdevAttribute.mtu: .u32,
        NetdevAttribute.flags: .u32,
        NetdevAttribute.ifindex: .u32,
        NetdevAttribute.changes: .u32,
        NetdevAttribute.formerName: .string(maximum: 255),
    ])

    public init(command: UInt8, name: String? = nil) {
        self.command = command
        self.name = name
    }

    /// - Throws: `truncated` if the headers are not there, and the policy's errors.
    public init(_ message: borrowing Message) throws(NetlinkError) {
        let header = try OVSHeader(message)
        let set = try Self.policy.parse(message.attributes(at: OVSHeader.attributesOffset))
        self.init(command: header.command, name: set.string(NetdevAttribute.name))
        ifindex = set.integer(NetdevAttribute.ifindex)
        mac = set[NetdevAttribute.macAddress]?.payload.mac(at: 0)
        mtu = set.integer(NetdevAttribute.mtu)
        flags = set.integer(NetdevAttribute.flags, as: UInt32.self).map(InterfaceFlags.init(rawValue:))
        portNumber = set.integer(NetdevAttribute.portNumber)
        type = set.integer(NetdevAttribute.type, as: UInt32.self).map(VportType.init(rawValue:))
        changes = set.integer(NetdevAttribute.changes, as: UInt32.self).map(InterfaceChanges.init(rawValue:))
        formerName = set.string(NetdevAttribute.formerName)
    }

    /// Writes the attributes that are not nil.
    /// - Throws: `noSpace`, `malformedString`.
    public func write(
        to writer: inout MessageWriter, flags messageFlags: MessageFlags = [], sequence: UInt32 = 0, portID: UInt32 = 0
    ) throws(NetlinkError) {
        let mark = try writer.begin(
            .netdev, command: command, flags: messageFlags, sequence: sequence, portID: portID)
        if let portNumber { try writer.append(NetdevAttribute.portNumber, portNumber) }
        if let type { try writer.append(NetdevAttribute.type, type.rawValue) }
        if let name { try writer.append(NetdevAttribute.name, string: name) }
        if let mac {
            let nest = try writer.begin(nested: NetdevAttribute.macAddress)
            try writer.append(mac: mac)
            try writer.end(nested: nest)
        }
        if let mtu { try writer.append(NetdevAttribute.mtu, mtu) }
        if let flags { try writer.append(NetdevAttribute.flags, flags.rawValue) }
        if let ifindex { try writer.append(NetdevAttribute.ifindex, ifindex) }
        if let changes { try writer.append(NetdevAttribute.changes, changes.rawValue) }
        if let formerName { try writer.append(NetdevAttribute.formerName, string: formerName) }
        writer.end(message: mark)
    }
}
