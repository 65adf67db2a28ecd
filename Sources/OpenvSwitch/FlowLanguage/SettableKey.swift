/// A key attribute that a set action may write, and on which packets.
package struct SettableKey: Sendable {
    package let type: UInt16
    /// Its name in linux/openvswitch.h.
    package let constant: String
    /// What the text form calls it.
    package let name: String
    /// The exact length of the value, or nil if it varies.
    package let size: Int?
    package let setting: Setting

    /// On which packets it may be set.
    package enum Setting: Sendable {
        case anyPacket
        /// Packets with an Ethernet header.
        case ethernetHeader
        /// Packets of these EtherTypes.
        case network([UInt16])
        /// IPv4 and IPv6 packets of this protocol.
        case transport(UInt8)
        /// Any packet; what is set is not the packet's own value but what a tunnel port is told. Not through a mask.
        case tunnel
        /// Any; but a packet that comes to the action is dropped.
        case fails
    }

    package static let rows = [
        SettableKey(KeyAttribute.priority, "PRIORITY", "skb_priority", 4, .anyPacket),
        SettableKey(KeyAttribute.skbMark, "SKB_MARK", "skb_mark", 4, .anyPacket),
        SettableKey(KeyAttribute.ctMark, "CT_MARK", "ct_mark", 4, .fails),
        SettableKey(KeyAttribute.ctLabels, "CT_LABELS", "ct_label", 16, .fails),
        SettableKey(KeyAttribute.tunnel, "TUNNEL", "tunnel", nil, .tunnel),
        SettableKey(KeyAttribute.ethernet, "ETHERNET", "eth", 12, .ethernetHeader),
        SettableKey(KeyAttribute.ipv4, "IPV4", "ipv4", 12, .network([EtherType.ipv4])),
        SettableKey(KeyAttribute.ipv6, "IPV6", "ipv6", 40, .network([EtherType.ipv6])),
        SettableKey(KeyAttribute.tcp, "TCP", "tcp", 4, .transport(IPProtocol.tcp)),
        SettableKey(KeyAttribute.udp, "UDP", "udp", 4, .transport(IPProtocol.udp)),
        SettableKey(KeyAttribute.sctp, "SCTP", "sctp", 4, .transport(IPProtocol.sctp)),
        SettableKey(KeyAttribute.mpls, "MPLS", "mpls", 4, .network([EtherType.mplsUnicast, EtherType.mplsMulticast])),
        SettableKey(KeyAttribute.nsh, "NSH", "nsh", nil, .network([EtherType.nsh])),
    ]

    private init(_ type: UInt16, _ constant: String, _ name: String, _ size: Int?, _ setting: Setting) {
        self.type = type
        self.constant = "OVS_KEY_ATTR_" + constant
        self.name = name
        self.size = size
        self.setting = setting
    }

    /// The row of a type, or nil for one that cannot be set.
    package static func row(_ type: UInt16) -> SettableKey? { rows.first { $0.type == type } }

    /// `OVS_KEY_ATTR_IPV4`, or `key attribute 5` for a type that cannot be set.
    package static func constant(_ type: UInt16) -> String { row(type)?.constant ?? "key attribute \(type)" }
}
