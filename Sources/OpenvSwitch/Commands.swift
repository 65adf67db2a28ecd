/// `OVS_DP_CMD_*`, `OVS_VPORT_CMD_*` and `OVS_FLOW_CMD_*`: the three families number these commands alike.
public enum Command {
    public static let new: UInt8 = 1
    public static let delete: UInt8 = 2
    public static let get: UInt8 = 3
    public static let set: UInt8 = 4
}

/// `OVS_PACKET_CMD_*`.
public enum PacketCommand {
    /// From the datapath: a packet that no flow matched.
    public static let miss: UInt8 = 1
    /// From the datapath: a packet that a userspace action sent.
    public static let action: UInt8 = 2
    /// To the datapath: carry out actions on a packet.
    public static let execute: UInt8 = 3
}

/// `OVS_METER_CMD_*`.
public enum MeterCommand {
    public static let features: UInt8 = 1
    public static let set: UInt8 = 2
    public static let delete: UInt8 = 3
    public static let get: UInt8 = 4
}

/// `OVS_CT_LIMIT_CMD_*`.
public enum CTLimitCommand {
    public static let set: UInt8 = 1
    public static let delete: UInt8 = 2
    public static let get: UInt8 = 3
}

/// Commands of the control family of the Windows interface (`OVS_CTRL_CMD_*`), and one more.
public enum ControlCommand {
    public static let pendRequest: UInt8 = 0
    public static let pendPacketRequest: UInt8 = 1
    public static let multicastSubscribe: UInt8 = 2
    public static let packetSubscribe: UInt8 = 3
    public static let eventNotify: UInt8 = 4
    public static let readNotify: UInt8 = 5
    public static let socketProperties: UInt8 = 6
    /// From the device to the group `trace`: an I/O control was carried out. Not in the Windows interface.
    public static let trace: UInt8 = 7
}

/// Attributes of the control family; each command has its own, and the numbers begin at 0.
public enum ControlAttribute {
    /// `OVS_NL_ATTR_SOCK_PROTO` of `socketProperties`: u32.
    public static let socketProtocol: UInt16 = 0
    /// `OVS_NL_ATTR_SOCK_PID` of `socketProperties`: u32.
    public static let socketPortID: UInt16 = 1
    /// `OVS_NL_ATTR_MCAST_GRP` of `multicastSubscribe`: u32.
    public static let multicastGroup: UInt16 = 0
    /// `OVS_NL_ATTR_MCAST_JOIN` of `multicastSubscribe`: u8, 1 to join, 0 to leave.
    public static let multicastJoin: UInt16 = 1
    /// `OVS_NL_ATTR_PACKET_SUBSCRIBE` of `packetSubscribe`: u8, 1 to subscribe.
    public static let packetSubscribe: UInt16 = 2
    /// `OVS_NL_ATTR_PACKET_PID` of `packetSubscribe`: u32, the handle's port ID.
    public static let packetPortID: UInt16 = 3

    // Of `trace`.
    /// u32: port ID of the handle that made the call.
    public static let tracePortID: UInt16 = 4
    /// u32: the I/O-control code.
    public static let traceCode: UInt16 = 5
    /// u32: `IOStatus`.
    public static let traceStatus: UInt16 = 6
    /// Bytes that the client gave.
    public static let traceInput: UInt16 = 7
    /// Bytes that the client got.
    public static let traceOutput: UInt16 = 8
    /// u64: milliseconds of the host's monotonic clock.
    public static let traceTime: UInt16 = 9
}

/// Commands of the netdev family: GET as in the Windows interface; the others are events.
public enum NetdevCommand {
    public static let get: UInt8 = 1
    /// An interface has come.
    public static let new: UInt8 = 2
    /// An interface has gone.
    public static let delete: UInt8 = 3
    /// An interface has changed: link, address, MTU, name.
    public static let set: UInt8 = 4
}

/// `OVS_WIN_NETDEV_ATTR_*`, and one more.
public enum NetdevAttribute {
    /// u32: the vport's number if the interface is one.
    public static let portNumber: UInt16 = 1
    /// u32: `VportType`.
    public static let type: UInt16 = 2
    public static let name: UInt16 = 3
    /// 6 bytes.
    public static let macAddress: UInt16 = 4
    /// u32.
    public static let mtu: UInt16 = 5
    /// u32: `InterfaceFlags`.
    public static let flags: UInt16 = 6
    /// u32. Not in the Windows interface.
    public static let ifindex: UInt16 = 7
    /// u32, of events: `InterfaceChanges`. Not in the Windows interface.
    public static let changes: UInt16 = 8
    /// Of an event that tells of another name: the one before. Not in the Windows interface.
    public static let formerName: UInt16 = 9
    public static let maximum: UInt16 = 9
}

/// What has happened to an interface: one event may tell of several things. The first six are the events of the Hyper-V
/// switch (`OVS_EVENT_*` of the Windows interface); the others follow them.
public struct InterfaceChanges: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    /// It was switched on (`IFF_UP`).
    public static let connected = InterfaceChanges(rawValue: 1)
    /// It was switched off.
    public static let disconnected = InterfaceChanges(rawValue: 2)
    /// The link has come (carrier).
    public static let linkUp = InterfaceChanges(rawValue: 4)
    /// The link has gone.
    public static let linkDown = InterfaceChanges(rawValue: 8)
    /// It has another MAC address.
    public static let macAddress = InterfaceChanges(rawValue: 16)
    /// It has another MTU.
    public static let mtu = InterfaceChanges(rawValue: 32)
    /// It has come.
    public static let created = InterfaceChanges(rawValue: 64)
    /// It has gone, or moved to another network namespace.
    public static let deleted = InterfaceChanges(rawValue: 128)
    /// It has another name.
    public static let renamed = InterfaceChanges(rawValue: 256)
}

/// `OVS_WIN_NETDEV_IFF_*`, and two more.
public struct InterfaceFlags: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public static let up = InterfaceFlags(rawValue: 1)
    public static let promiscuous = InterfaceFlags(rawValue: 2)
    /// The link is there. Not in the Windows interface.
    public static let carrier = InterfaceFlags(rawValue: 4)
    /// The interface is Ethernet and may become a vport. Not in the Windows interface.
    public static let ethernet = InterfaceFlags(rawValue: 8)
}
