/// The attributes of `OVS_KEY_ATTR_TUNNEL`, in the order in which the datapath writes them.
package enum TunnelTable {
    package static let rows: [AttributeDescription] = [
        number(
            TunnelKeyAttribute.id, "ID", "tun_id", .hex64, .tunnelID,
            "Key or network identifier; its presence says that there is one."),
        number(TunnelKeyAttribute.ipv4Source, "IPV4_SRC", "src", .ipv4, .tunnelIPv4Source, "Outer source."),
        number(
            TunnelKeyAttribute.ipv4Destination, "IPV4_DST", "dst", .ipv4, .tunnelIPv4Destination,
            "Outer destination; not 0 in a key."),
        number(TunnelKeyAttribute.ipv6Source, "IPV6_SRC", "ipv6_src", .ipv6, .tunnelIPv6Source, "Outer source."),
        number(
            TunnelKeyAttribute.ipv6Destination, "IPV6_DST", "ipv6_dst", .ipv6, .tunnelIPv6Destination,
            "Outer destination; not :: in a key."),
        number(TunnelKeyAttribute.tos, "TOS", "tos", .hex8, .tunnelTOS, "Outer TOS or traffic class."),
        number(
            TunnelKeyAttribute.ttl, "TTL", "ttl", .decimal8, .tunnelTTL, isRequired: true,
            "Outer TTL or hop limit; a key must have it."),
        flag(TunnelKeyAttribute.dontFragment, "DONT_FRAGMENT", "The outer header says: do not fragment."),
        flag(TunnelKeyAttribute.checksum, "CSUM", "The tunnel header has a checksum."),
        number(
            TunnelKeyAttribute.sourcePort, "TP_SRC", "tp_src", .decimal16, .tunnelSourcePort, "Outer source port."),
        number(
            TunnelKeyAttribute.destinationPort, "TP_DST", "tp_dst", .decimal16, .tunnelDestinationPort,
            "Outer destination port."),
        flag(TunnelKeyAttribute.oam, "OAM", "The tunnel header says: operations and maintenance."),
        AttributeDescription(
            TunnelKeyAttribute.geneveOptions, "OVS_TUNNEL_KEY_ATTR_GENEVE_OPTS", "geneve", .between(0, 255),
            "Geneve options as they stand in the packet (RFC 8926, 3.5), a multiple of 4 bytes. A mask has as many."),
        AttributeDescription(
            TunnelKeyAttribute.vxlanOptions, "OVS_TUNNEL_KEY_ATTR_VXLAN_OPTS", "vxlan", .nested,
            "Attributes: OVS_VXLAN_EXT_GBP (1), 4 bytes in host byte order: group policy identifier (lower 16 bits) and flags (8 above)."
        ),
        AttributeDescription(
            TunnelKeyAttribute.erspanOptions, "OVS_TUNNEL_KEY_ATTR_ERSPAN_OPTS", "erspan", .between(0, 12),
            "`struct erspan_metadata`."),
        AttributeDescription(
            TunnelKeyAttribute.pad, "OVS_TUNNEL_KEY_ATTR_PAD", "", .flag, "Alignment; says nothing."),
        AttributeDescription(
            TunnelKeyAttribute.ipv4InfoBridge, "OVS_TUNNEL_KEY_ATTR_IPV4_INFO_BRIDGE", "", .flag,
            "The tunnel of a bridge, which has no addresses: all else but the identifier must be absent or 0."),
    ]

    /// The row of a type, or nil for a type that is unknown.
    static func row(_ type: UInt16) -> AttributeDescription? { rows.first { $0.type == type } }

    /// The bit of `FlowKey.tunnelFlags` that says that an attribute is there; 0 for those whose value says so.
    static func flag(_ type: UInt16) -> UInt16 {
        switch type {
        case TunnelKeyAttribute.id: TunnelFlags.key
        case TunnelKeyAttribute.dontFragment: TunnelFlags.dontFragment
        case TunnelKeyAttribute.checksum: TunnelFlags.checksum
        case TunnelKeyAttribute.oam: TunnelFlags.oam
        case TunnelKeyAttribute.geneveOptions: TunnelFlags.geneveOptions
        case TunnelKeyAttribute.vxlanOptions: TunnelFlags.vxlanOptions
        case TunnelKeyAttribute.erspanOptions: TunnelFlags.erspanOptions
        case TunnelKeyAttribute.ipv4InfoBridge: TunnelFlags.infoBridge
        default: 0
        }
    }

    private static func number(
        _ type: UInt16, _ constant: String, _ name: String, _ form: FieldForm, _ place: FieldPlace,
        isRequired: Bool = false, _ meaning: String
    ) -> AttributeDescription {
        AttributeDescription(
            type, "OVS_TUNNEL_KEY_ATTR_" + constant, name, .exactly(form.size), fields: [KeyField(name, form, place)],
            isRequired: isRequired, meaning)
    }

    private static func flag(_ type: UInt16, _ constant: String, _ meaning: String) -> AttributeDescription {
        AttributeDescription(type, "OVS_TUNNEL_KEY_ATTR_" + constant, "", .flag, meaning)
    }
}
