/// The key attributes, in the order in which the datapath writes them.
package enum KeyTable {
    package static let rows: [KeyDescription] = [
        metadata, connection, link, network, transport, foreign,
    ].flatMap { $0 }

    /// The row of a type, or nil for a type that is unknown.
    package static func row(_ type: UInt16) -> KeyDescription? {
        Int(type) < byType.count ? byType[Int(type)] : nil
    }

    private static let byType: [KeyDescription?] = {
        var result = [KeyDescription?](repeating: nil, count: Int(KeyAttribute.maximum) + 1)
        for row in rows { result[Int(row.type)] = row }
        return result
    }()

    /// `OVS_KEY_ATTR_IPV4`, or `key attribute 99` for a type that is unknown.
    package static func constant(_ type: UInt16) -> String { row(type)?.constant ?? "key attribute \(type)" }

    // MARK: Metadata

    private static let metadata: [KeyDescription] = [
        number(
            KeyAttribute.recircID, "RECIRC_ID", "recirc_id", KeyField("", .hostHex32, .recircID), .metadata,
            "The recirculation that the packet went through; 0 as received."),
        number(
            KeyAttribute.dpHash, "DP_HASH", "dp_hash", KeyField("", .hostHex32, .dpHash), .metadata,
            "What the last hash action computed; 0 for none."),
        number(
            KeyAttribute.priority, "PRIORITY", "skb_priority", KeyField("", .hostHex32, .priority), .metadata,
            set: .anyPacket, "Priority of the packet in the queues of its output."),
        KeyDescription(
            KeyAttribute.tunnel, "OVS_KEY_ATTR_TUNNEL", "tunnel", .nested(TunnelTable.rows), .tunnel, set: .tunnel,
            "The tunnel that the packet came through."),
        number(
            KeyAttribute.inPort, "IN_PORT", "in_port",
            KeyField("", .port, .inPort, permitted: 0...0xfffe, fault: "the port number is not less than 65535"),
            .freelyMasked, "The vport that the packet came in on. Absent: none. Any mask but 0 is exact."),
        number(
            KeyAttribute.skbMark, "SKB_MARK", "skb_mark", KeyField("", .hostHex32, .skbMark), .metadata,
            set: .anyPacket,
            "Mark of the packet."),
    ]

    private static let connection: [KeyDescription] = [
        number(
            KeyAttribute.ctState, "CT_STATE", "ct_state",
            KeyField(
                "", .connectionState, .ctState, permitted: 0...0xff,
                fault: "there are flags other than the lowest eight",
                isMaskBound: true),
            .metadata,
            "What connection tracking found: new 1, est 2, rel 4, rpl 8, inv 16, trk 32, snat 64, dnat 128. In a mask too no other bits are allowed."
        ),
        number(
            KeyAttribute.ctZone, "CT_ZONE", "ct_zone", KeyField("", .hostHex16, .ctZone), .metadata,
            "The zone in which the connection was looked for."),
        number(
            KeyAttribute.ctMark, "CT_MARK", "ct_mark", KeyField("", .hostHex32, .ctMark), .metadata, set: .fails,
            "Mark of the connection."),
        number(
            KeyAttribute.ctLabels, "CT_LABELS", "ct_label", KeyField("", .labels, .ctLabels), .metadata, set: .fails,
            "Labels of the connection: 128 bits, the first byte the lowest."),
        KeyDescription(
            KeyAttribute.ctOrigTupleIPv4, "OVS_KEY_ATTR_CT_ORIG_TUPLE_IPV4", "ct_tuple4",
            .fields(
                size: 16,
                [
                    KeyField("src", .ipv4, at: 0, .ctOriginalIPv4Source),
                    KeyField("dst", .ipv4, at: 4, .ctOriginalIPv4Destination),
                    KeyField("proto", .decimal8, at: 12, .ctOriginalProtocol),
                    KeyField("tp_src", .decimal16, at: 8, .ctOriginalSourcePort),
                    KeyField("tp_dst", .decimal16, at: 10, .ctOriginalDestinationPort),
                ]), .connectionTuple(EtherType.ipv4), "Addresses and ports of the connection's original direction."),
        // Printed with other names for the ports than are parsed; here both are taken.
        KeyDescription(
            KeyAttribute.ctOrigTupleIPv6, "OVS_KEY_ATTR_CT_ORIG_TUPLE_IPV6", "ct_tuple6",
            .fields(
                size: 40,
                [
                    KeyField("src", .ipv6, at: 0, .ctOriginalIPv6Source),
                    KeyField("dst", .ipv6, at: 16, .ctOriginalIPv6Destination),
                    KeyField("proto", .decimal8, at: 36, .ctOriginalProtocol),
                    KeyField("src_port", .decimal16, at: 32, .ctOriginalSourcePort, alias: "tp_src"),
                    KeyField("dst_port", .decimal16, at: 34, .ctOriginalDestinationPort, alias: "tp_dst"),
                ]), .connectionTuple(EtherType.ipv6), "Addresses and ports of the connection's original direction."),
    ]

    // MARK: Headers

    private static let link: [KeyDescription] = [
        KeyDescription(
            KeyAttribute.ethernet, "OVS_KEY_ATTR_ETHERNET", "eth",
            .fields(
                size: 12,
                [
                    KeyField("src", .ethernet, at: 0, .ethernetSource),
                    KeyField("dst", .ethernet, at: 6, .ethernetDestination),
                ]), .ethernetHeader, set: .ethernetHeader,
            "The Ethernet header. Absent: the packet begins with its network header, and the EtherType must be there."),
        number(
            KeyAttribute.etherType, "ETHERTYPE", "eth_type",
            KeyField(
                "", .etherType, .etherType, permitted: UInt64(EtherType.minimum)...0xffff,
                fault: "the EtherType is less than 0x0600"), .etherType,
            "The EtherType behind the VLAN tags; beside a tag its TPID, 0x8100 or 0x88a8. Absent: an IEEE 802.3 frame. Any mask but 0 is exact."
        ),
        number(
            KeyAttribute.vlan, "VLAN", "vlan", KeyField("", .vlan, .vlanTCI), .vlanTag,
            "Tag control information; the bit 0x1000 says that a tag is there. The mask must have that bit too."),
        KeyDescription(
            KeyAttribute.encap, "OVS_KEY_ATTR_ENCAP", "encap", .keys, .vlanTag,
            "What stands behind the VLAN tag: EtherType and headers, or a second tag."),
    ]

    private static let network: [KeyDescription] = [
        KeyDescription(
            KeyAttribute.ipv4, "OVS_KEY_ATTR_IPV4", "ipv4",
            .fields(
                size: 12,
                [
                    KeyField("src", .ipv4, at: 0, .ipv4Source), KeyField("dst", .ipv4, at: 4, .ipv4Destination),
                    KeyField("proto", .decimal8, at: 8, .ipProtocol), KeyField("tos", .hex8, at: 9, .ipTOS),
                    KeyField("ttl", .decimal8, at: 10, .ipTTL), fragment(at: 11),
                ]), .network(EtherType.ipv4, EtherType.ipv4), set: .network(EtherType.ipv4, EtherType.ipv4),
            "The IPv4 header. Protocol and fragment type cannot be set."),
        KeyDescription(
            KeyAttribute.ipv6, "OVS_KEY_ATTR_IPV6", "ipv6",
            .fields(
                size: 40,
                [
                    KeyField("src", .ipv6, at: 0, .ipv6Source), KeyField("dst", .ipv6, at: 16, .ipv6Destination),
                    KeyField(
                        "label", .flowLabel, at: 32, .ipv6Label, permitted: 0...0xf_ffff,
                        fault: "the flow label has more than 20 bits"),
                    KeyField("proto", .decimal8, at: 36, .ipProtocol), KeyField("tclass", .hex8, at: 37, .ipTOS),
                    KeyField("hlimit", .decimal8, at: 38, .ipTTL), fragment(at: 39),
                ]), .network(EtherType.ipv6, EtherType.ipv6), set: .network(EtherType.ipv6, EtherType.ipv6),
            "The IPv6 header; the protocol is that behind the extension headers. Protocol and fragment type cannot be set."
        ),
        number(
            KeyAttribute.ipv6ExtensionHeaders, "IPV6_EXTHDRS", "", KeyField("", .hostHex16, .ipv6ExtensionHeaders),
            .networkExtra(EtherType.ipv6),
            "IPv6 extension headers seen: nonext 1, esp 2, auth 4, dest 8, frag 16, router 32, hop 64, repeated 128, bad order 256."
        ),
        KeyDescription(
            KeyAttribute.nsh, "OVS_KEY_ATTR_NSH", "nsh", .nested(NSHTable.rows),
            .network(EtherType.nsh, EtherType.nsh), set: .network(EtherType.nsh, EtherType.nsh),
            "A network service header (RFC 8300)."),
        KeyDescription(
            KeyAttribute.arp, "OVS_KEY_ATTR_ARP", "arp",
            .fields(
                size: 24,
                [
                    KeyField("sip", .ipv4, at: 0, .ipv4Source), KeyField("tip", .ipv4, at: 4, .ipv4Destination),
                    KeyField(
                        "op", .decimal16, at: 8, .ipProtocol, permitted: 0...0xff,
                        fault: "the ARP operation is greater than 255"),
                    KeyField("sha", .ethernet, at: 10, .arpSourceMAC),
                    KeyField("tha", .ethernet, at: 16, .arpTargetMAC),
                ]), .network(EtherType.arp, EtherType.rarp), "ARP and RARP of IPv4 over Ethernet."),
        KeyDescription(
            KeyAttribute.mpls, "OVS_KEY_ATTR_MPLS", "mpls", .labelStack,
            .network(EtherType.mplsUnicast, EtherType.mplsMulticast),
            set: .network(EtherType.mplsUnicast, EtherType.mplsMulticast),
            "MPLS label stack entries, the outermost first. A set action has one: the outermost."),
    ]

    private static let transport: [KeyDescription] = [
        ports(KeyAttribute.tcp, "TCP", "tcp", IPProtocol.tcp),
        number(
            KeyAttribute.tcpFlags, "TCP_FLAGS", "tcp_flags", KeyField("", .tcpFlags, .tcpFlags),
            .transport(EtherType.ipv4, EtherType.ipv6, protocol: IPProtocol.tcp), "The twelve flags of a TCP header."),
        ports(KeyAttribute.udp, "UDP", "udp", IPProtocol.udp),
        ports(KeyAttribute.sctp, "SCTP", "sctp", IPProtocol.sctp),
        icmp(KeyAttribute.icmp, "ICMP", "icmp", EtherType.ipv4, IPProtocol.icmp),
        icmp(KeyAttribute.icmpv6, "ICMPV6", "icmpv6", EtherType.ipv6, IPProtocol.icmpv6),
        KeyDescription(
            KeyAttribute.nd, "OVS_KEY_ATTR_ND", "nd",
            .fields(
                size: 28,
                [
                    KeyField("target", .ipv6, at: 0, .ndTarget), KeyField("sll", .ethernet, at: 16, .ndSourceMAC),
                    KeyField("tll", .ethernet, at: 22, .ndTargetMAC),
                ]), .neighbourDiscovery, "Neighbour solicitations and advertisements."),
    ]

    private static let foreign: [KeyDescription] = [
        KeyDescription(
            KeyAttribute.packetType, "OVS_KEY_ATTR_PACKET_TYPE", "packet_type",
            .fields(size: 4, [KeyField("ns", .decimal16, at: 0, nil), KeyField("id", .hex16, at: 2, nil)]), .foreign,
            "Open vSwitch's user-space datapath only."),
        KeyDescription(
            KeyAttribute.ndExtensions, "OVS_KEY_ATTR_ND_EXTENSIONS", "nd_ext",
            .fields(
                size: 8,
                [
                    KeyField("nd_reserved", .unmasked32, at: 0, nil),
                    KeyField("nd_options_type", .decimal8, at: 4, nil),
                ]), .foreign, "Open vSwitch's user-space datapath only."),
        KeyDescription(
            KeyAttribute.tunnelInfo, "OVS_KEY_ATTR_TUNNEL_INFO", "", .none, .foreign, "Inside the kernel only."),
    ]

    // MARK: Rows of a kind

    private static func number(
        _ type: UInt16, _ constant: String, _ name: String, _ field: KeyField, _ presence: KeyDescription.Presence,
        set setting: KeyDescription.Setting = .never, _ meaning: String
    ) -> KeyDescription {
        KeyDescription(
            type, "OVS_KEY_ATTR_" + constant, name, .fields(size: field.form.size, [field]), presence, set: setting,
            meaning)
    }

    private static func ports(
        _ type: UInt16, _ constant: String, _ name: String, _ number: UInt8
    ) -> KeyDescription {
        KeyDescription(
            type, "OVS_KEY_ATTR_" + constant, name,
            .fields(
                size: 4,
                [
                    KeyField("src", .decimal16, at: 0, .transportSource),
                    KeyField("dst", .decimal16, at: 2, .transportDestination),
                ]), .transport(EtherType.ipv4, EtherType.ipv6, protocol: number), set: .transport(number),
            "Ports of a \(constant) packet.")
    }

    private static func icmp(
        _ type: UInt16, _ constant: String, _ name: String, _ etherType: UInt16, _ number: UInt8
    ) -> KeyDescription {
        KeyDescription(
            type, "OVS_KEY_ATTR_" + constant, name,
            .fields(
                size: 2,
                [
                    KeyField("type", .decimal8, at: 0, .transportSource, exact: 0xff),
                    KeyField("code", .decimal8, at: 1, .transportDestination, exact: 0xff),
                ]), .transport(etherType, etherType, protocol: number), "Type and code of the message.")
    }

    private static func fragment(at offset: Int) -> KeyField {
        KeyField(
            "frag", .fragment, at: offset, .fragment, permitted: 0...UInt64(Fragment.later),
            fault: "the fragment type is greater than 2")
    }
}
