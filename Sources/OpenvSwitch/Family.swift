public import Netlink

/// A generic-netlink family of the datapath interface: what `CTRL_CMD_GETFAMILY` would tell of it.
///
/// The numbers are those of the device interface with I/O controls as it was shipped for Windows; there the families are
/// fixed and need no discovery. 23 was never on the wire there: connection tracking came as Netfilter messages.
public struct Family: Hashable, Sendable {
    public let name: String
    /// The message type of the family's messages.
    public let id: UInt16
    /// The version its messages carry in `genlmsghdr`.
    public let version: UInt8
    /// The highest attribute type.
    public let maximumAttribute: UInt16
    /// The multicast group its notifications go to; nil if it has none.
    public let group: MulticastGroup?

    public var messageType: MessageType { MessageType(rawValue: id) }

    /// `ovs_win_control`: subscriptions, the trace and properties of a handle.
    public static let control = Family(name: "ovs_win_control", id: 17, version: 1, maximumAttribute: 9, group: .trace)
    public static let datapath = Family(
        name: "ovs_datapath", id: 18, version: 2, maximumAttribute: DatapathAttribute.maximum, group: .datapath)
    public static let packet = Family(
        name: "ovs_packet", id: 19, version: 1, maximumAttribute: PacketAttribute.maximum, group: .packet)
    public static let vport = Family(
        name: "ovs_vport", id: 20, version: 1, maximumAttribute: VportAttribute.maximum, group: .vport)
    public static let flow = Family(
        name: "ovs_flow", id: 21, version: 1, maximumAttribute: FlowAttribute.maximum, group: .flow)
    /// `ovs_win_netdev`: the interfaces of the host.
    public static let netdev = Family(
        name: "ovs_win_netdev", id: 22, version: 1, maximumAttribute: NetdevAttribute.maximum, group: .netdev)
    public static let ctLimit = Family(
        name: "ovs_ct_limit", id: 24, version: 1, maximumAttribute: CTLimitAttribute.maximum, group: .ctLimit)
    public static let meter = Family(
        name: "ovs_meter", id: 25, version: 1, maximumAttribute: MeterAttribute.maximum, group: .meter)

    public static let all: [Family] = [.control, .datapath, .packet, .vport, .flow, .netdev, .ctLimit, .meter]

    /// The family with this message type, or nil.
    public static func with(id: UInt16) -> Family? { all.first { $0.id == id } }

    /// Whether a message type is one of connection tracking's, which the Windows interface has and this one has not yet:
    /// the placeholder 23, and those of Netfilter's subsystem 1.
    public static func isConnectionTracking(_ id: UInt16) -> Bool { id == 23 || id >> 8 == 1 }

    /// The oldest version whose messages are understood: a datapath's requests also as they were before it had features.
    public static let oldestVersion: UInt8 = 1

    /// Whether a request must say that it is one (`NLM_F_REQUEST`), as Linux demands. In the families that only the
    /// Windows interface has, clients do not say so.
    public var needsRequestFlag: Bool { self != .control && self != .netdev }
}

extension Family {
    // The number stands for the rest.

    public static func == (left: Family, right: Family) -> Bool { left.id == right.id }

    public func hash(into hasher: inout Hasher) { hasher.combine(id) }
}

/// A multicast group. `vport` has the number of the Windows interface; the others follow it.
public struct MulticastGroup: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Vports made, changed and deleted.
    public static let vport = MulticastGroup(rawValue: 101)
    /// Datapaths made, changed and deleted.
    public static let datapath = MulticastGroup(rawValue: 102)
    /// Flows made, changed and deleted.
    public static let flow = MulticastGroup(rawValue: 103)
    /// A copy of every upcall.
    public static let packet = MulticastGroup(rawValue: 104)
    /// Interfaces of the host: come, gone, changed.
    public static let netdev = MulticastGroup(rawValue: 105)
    /// Every I/O control on any handle, for those who want to see what a client does.
    public static let trace = MulticastGroup(rawValue: 106)
    /// Of family `ovs_meter`; nothing is sent to it, as in the kernel.
    public static let meter = MulticastGroup(rawValue: 107)
    /// Of family `ovs_ct_limit`; nothing is sent to it, as in the kernel.
    public static let ctLimit = MulticastGroup(rawValue: 108)

    public static let all: [MulticastGroup] = [
        .vport, .datapath, .flow, .packet, .netdev, .trace, .meter, .ctLimit,
    ]

    /// The group's name, as `CTRL_ATTR_MCAST_GRP_NAME` gives it.
    public var name: String {
        switch self {
        case .vport: "ovs_vport"
        case .datapath: "ovs_datapath"
        case .flow: "ovs_flow"
        case .packet: "ovs_packet"
        case .netdev: "ovs_win_netdev"
        case .trace: "trace"
        case .meter: "ovs_meter"
        case .ctLimit: "ovs_ct_limit"
        default: "\(rawValue)"
        }
    }
}
