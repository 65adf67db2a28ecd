/// How the fields of a key attribute with a fixed layout stand in its payload and in the text. Printer and parser read
/// the same table.
struct KeyLayout {
    /// What a field holds, and with it how it is written.
    enum Kind {
        case ethernet, ipv4, ipv6
        /// An IPv6 flow label: 20 bits in a 32-bit field.
        case flowLabel
        case decimal8, hex8, decimal16, hex16
        /// `enum ovs_frag_type`.
        case fragment
        /// A 32-bit number that is printed whatever its mask.
        case unmasked32

        var size: Int {
            switch self {
            case .decimal8, .hex8, .fragment: 1
            case .decimal16, .hex16: 2
            case .ipv4, .flowLabel, .unmasked32: 4
            case .ethernet: 6
            case .ipv6: 16
            }
        }
    }

    struct Field {
        let name: String
        let kind: Kind
        let offset: Int
        /// Another name that the parser takes.
        var alias: String?
    }

    let type: UInt16
    let name: String
    /// The exact length of the payload.
    let size: Int
    let fields: [Field]

    /// The bytes that carry fields; what follows is padding, which no mask covers.
    var significantSize: Int { fields.map { $0.offset + $0.kind.size }.max() ?? 0 }

    private init(_ type: UInt16, _ name: String, size: Int, _ fields: [Field]) {
        self.type = type
        self.name = name
        self.size = size
        self.fields = fields
    }

    static func of(_ type: UInt16) -> KeyLayout? { byType[type] }

    static let all: [KeyLayout] = [
        KeyLayout(
            KeyAttribute.ctOrigTupleIPv4, "ct_tuple4", size: 16,
            [
                Field(name: "src", kind: .ipv4, offset: 0), Field(name: "dst", kind: .ipv4, offset: 4),
                Field(name: "proto", kind: .decimal8, offset: 12), Field(name: "tp_src", kind: .decimal16, offset: 8),
                Field(name: "tp_dst", kind: .decimal16, offset: 10),
            ]),
        // Printed with other names for the ports than are parsed; here both are taken.
        KeyLayout(
            KeyAttribute.ctOrigTupleIPv6, "ct_tuple6", size: 40,
            [
                Field(name: "src", kind: .ipv6, offset: 0), Field(name: "dst", kind: .ipv6, offset: 16),
                Field(name: "proto", kind: .decimal8, offset: 36),
                Field(name: "src_port", kind: .decimal16, offset: 32, alias: "tp_src"),
                Field(name: "dst_port", kind: .decimal16, offset: 34, alias: "tp_dst"),
            ]),
        KeyLayout(
            KeyAttribute.ethernet, "eth", size: 12,
            [
                Field(name: "src", kind: .ethernet, offset: 0), Field(name: "dst", kind: .ethernet, offset: 6),
            ]),
        KeyLayout(
            KeyAttribute.ipv4, "ipv4", size: 12,
            [
                Field(name: "src", kind: .ipv4, offset: 0), Field(name: "dst", kind: .ipv4, offset: 4),
                Field(name: "proto", kind: .decimal8, offset: 8), Field(name: "tos", kind: .hex8, offset: 9),
                Field(name: "ttl", kind: .decimal8, offset: 10), Field(name: "frag", kind: .fragment, offset: 11),
            ]),
        KeyLayout(
            KeyAttribute.ipv6, "ipv6", size: 40,
            [
                Field(name: "src", kind: .ipv6, offset: 0), Field(name: "dst", kind: .ipv6, offset: 16),
                Field(name: "label", kind: .flowLabel, offset: 32), Field(name: "proto", kind: .decimal8, offset: 36),
                Field(name: "tclass", kind: .hex8, offset: 37), Field(name: "hlimit", kind: .decimal8, offset: 38),
                Field(name: "frag", kind: .fragment, offset: 39),
            ]),
        ports(KeyAttribute.tcp, "tcp"), ports(KeyAttribute.udp, "udp"), ports(KeyAttribute.sctp, "sctp"),
        icmp(KeyAttribute.icmp, "icmp"), icmp(KeyAttribute.icmpv6, "icmpv6"),
        KeyLayout(
            KeyAttribute.arp, "arp", size: 24,
            [
                Field(name: "sip", kind: .ipv4, offset: 0), Field(name: "tip", kind: .ipv4, offset: 4),
                Field(name: "op", kind: .decimal16, offset: 8), Field(name: "sha", kind: .ethernet, offset: 10),
                Field(name: "tha", kind: .ethernet, offset: 16),
            ]),
        KeyLayout(
            KeyAttribute.nd, "nd", size: 28,
            [
                Field(name: "target", kind: .ipv6, offset: 0), Field(name: "sll", kind: .ethernet, offset: 16),
                Field(name: "tll", kind: .ethernet, offset: 22),
            ]),
        KeyLayout(
            KeyAttribute.ndExtensions, "nd_ext", size: 8,
            [
                Field(name: "nd_reserved", kind: .unmasked32, offset: 0),
                Field(name: "nd_options_type", kind: .decimal8, offset: 4),
            ]),
        KeyLayout(
            KeyAttribute.packetType, "packet_type", size: 4,
            [
                Field(name: "ns", kind: .decimal16, offset: 0), Field(name: "id", kind: .hex16, offset: 2),
            ]),
    ]

    private static let byType = Dictionary(uniqueKeysWithValues: all.map { ($0.type, $0) })

    private static func ports(_ type: UInt16, _ name: String) -> KeyLayout {
        KeyLayout(
            type, name, size: 4,
            [
                Field(name: "src", kind: .decimal16, offset: 0), Field(name: "dst", kind: .decimal16, offset: 2),
            ])
    }

    private static func icmp(_ type: UInt16, _ name: String) -> KeyLayout {
        KeyLayout(
            type, name, size: 2,
            [
                Field(name: "type", kind: .decimal8, offset: 0), Field(name: "code", kind: .decimal8, offset: 1),
            ])
    }
}

/// What the text form knows about the length of an attribute's payload.
enum PayloadLength {
    case exact(Int), variable, nested
    /// The attribute is newer than the text form.
    case unknown

    /// The payload of a key attribute (`OVS_KEY_ATTR_*`).
    static func key(_ type: UInt16) -> PayloadLength {
        if let layout = KeyLayout.of(type) { return .exact(layout.size) }
        switch type {
        case KeyAttribute.encap, KeyAttribute.tunnel, KeyAttribute.nsh: return .nested
        case KeyAttribute.mpls: return .variable
        case KeyAttribute.priority, KeyAttribute.inPort, KeyAttribute.skbMark, KeyAttribute.dpHash,
            KeyAttribute.recircID, KeyAttribute.ctState, KeyAttribute.ctMark:
            return .exact(4)
        case KeyAttribute.vlan, KeyAttribute.etherType, KeyAttribute.tcpFlags, KeyAttribute.ctZone: return .exact(2)
        case KeyAttribute.ctLabels: return .exact(16)
        // Never sent, but numbered among those that are known.
        case 0, KeyAttribute.tunnelInfo: return .exact(0)
        default: return .unknown
        }
    }

    /// The payload of an attribute nested in `OVS_KEY_ATTR_TUNNEL`.
    static func tunnel(_ type: UInt16) -> PayloadLength {
        switch type {
        case TunnelKeyAttribute.id: .exact(8)
        case TunnelKeyAttribute.ipv4Source, TunnelKeyAttribute.ipv4Destination: .exact(4)
        case TunnelKeyAttribute.ipv6Source, TunnelKeyAttribute.ipv6Destination: .exact(16)
        case TunnelKeyAttribute.tos, TunnelKeyAttribute.ttl: .exact(1)
        case TunnelKeyAttribute.dontFragment, TunnelKeyAttribute.checksum, TunnelKeyAttribute.oam,
            TunnelKeyAttribute.pad:
            .exact(0)
        case TunnelKeyAttribute.sourcePort, TunnelKeyAttribute.destinationPort: .exact(2)
        case TunnelKeyAttribute.vxlanOptions: .nested
        case TunnelKeyAttribute.geneveOptions, TunnelKeyAttribute.erspanOptions, TunnelKeyAttribute.ipv4InfoBridge:
            .variable
        default: .unknown
        }
    }

    /// The payload of an attribute nested in `OVS_KEY_ATTR_NSH`.
    static func nsh(_ type: UInt16) -> PayloadLength {
        switch type {
        case 0: .exact(0)
        case NSHKeyAttribute.base: .exact(8)
        case NSHKeyAttribute.md1: .exact(16)
        case NSHKeyAttribute.md2: .variable
        default: .unknown
        }
    }

    /// The payload of an attribute nested in `OVS_TUNNEL_KEY_ATTR_VXLAN_OPTS`.
    static func vxlan(_ type: UInt16) -> PayloadLength {
        switch type {
        case 0, 2: .exact(0)
        case 1: .exact(4)
        default: .unknown
        }
    }
}
