import OpenvSwitch

// One row or more for each rule of what a set action may write.

private typealias A = ActionAttribute
private typealias K = KeyAttribute

private func set(_ type: UInt16, _ value: [UInt8]) -> [UInt8] { attribute(A.set, attribute(type, value)) }
private func masked(_ type: UInt16, _ value: [UInt8], _ mask: [UInt8]) -> [UInt8] {
    attribute(A.setMasked, attribute(type, value + mask))
}
private func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }
private func tunnel(_ attributes: [UInt8]) -> [UInt8] { set(K.tunnel, attributes) }
private let destination = attribute(2, [10, 0, 0, 1])
private let ttl = attribute(4, [64])

extension ActionCase {
    static let sets: [ActionCase] =
        [
            .no(
                "SET: a key attribute", Keys.tcp4, attribute(A.set, []),
                "set: there is no key attribute (OVS_ACTION_ATTR_SET)"),
            .no(
                "SET: no more than one", Keys.tcp4,
                attribute(A.set, attribute(K.priority, zeros(4)) + attribute(K.skbMark, zeros(4))),
                "set: there must be exactly one key attribute, padded to 4 bytes (OVS_ACTION_ATTR_SET)"),
            .no(
                "SET: padded", Keys.tcp4, attribute(A.setMasked, host(UInt16(6)) + host(K.ctZone) + [0, 0]),
                "set: there must be exactly one key attribute, padded to 4 bytes (OVS_ACTION_ATTR_SET_MASKED)"),
            .no(
                "SET: the exact length", Keys.tcp4, set(K.priority, zeros(5)),
                "set: the payload must be 4 bytes (OVS_KEY_ATTR_PRIORITY)", at: 4),
            .no(
                "SET_MASKED: twice the length", Keys.tcp4, masked(K.priority, zeros(4), zeros(2)),
                "set: the payload must be 8 bytes (OVS_KEY_ATTR_PRIORITY)", at: 4),
            .no(
                "SET_MASKED: value and mask", Keys.tcp4, masked(K.priority, zeros(4), zeros(5)),
                "set: value and mask differ in length (OVS_KEY_ATTR_PRIORITY)", at: 4),
            .no(
                "SET_MASKED: no bits outside the mask", Keys.tcp4, masked(K.priority, [1, 2, 0, 0], [1, 1, 0, 0]),
                "set: the value has bits that its mask has not (OVS_KEY_ATTR_PRIORITY)", at: 4),

            .ok("PRIORITY, SKB_MARK: always", Keys.bareOther, "set(skb_priority(5)),set(skb_mark(5/0xff))"),
            .ok(
                "CT_MARK, CT_LABELS: taken, and fail when a packet comes", Keys.link,
                "set(ct_mark(5)),set(ct_label(5/0xff))"),
            .ok("ETHERNET", Keys.link, "set(eth(dst=00:00:00:00:00:01))"),
            .no(
                "ETHERNET: an Ethernet header", Keys.bare, "set(eth(dst=00:00:00:00:00:01))",
                "set: it can be set only on a packet with an Ethernet header (OVS_KEY_ATTR_ETHERNET)", at: 4),
            .ok("ETHERNET: pushed before", Keys.bare, "\(pushEthernet),set(eth(dst=00:00:00:00:00:01))"),
            .no(
                "ETHERNET: not popped before", Keys.ipv4, "pop_eth,set(eth(dst=00:00:00:00:00:01))",
                "set: it can be set only on a packet with an Ethernet header (OVS_KEY_ATTR_ETHERNET)", at: 8),

            .ok("IPV4", Keys.tcp4, "set(ipv4(src=1.2.3.4,dst=5.6.7.8,proto=6,tos=0,ttl=9,frag=no)),set(ipv4(ttl=5))"),
            .no(
                "IPV4: IPv4", Keys.tcp6, "set(ipv4(ttl=5))",
                "set: it can be set only on a packet whose EtherType is 0x0800 (OVS_KEY_ATTR_IPV4)", at: 4),
            .no(
                "IPV4: not behind a label", Keys.tcp4, "\(push),set(ipv4(ttl=5))",
                "set: it can be set only on a packet whose EtherType is 0x0800 (OVS_KEY_ATTR_IPV4)", at: 16),
            .no(
                "IPV4: the flow's protocol", Keys.tcp4,
                "set(ipv4(src=1.2.3.4,dst=5.6.7.8,proto=17,tos=0,ttl=9,frag=no))",
                "set: protocol and fragment type must be those of the flow (OVS_KEY_ATTR_IPV4)", at: 4),
            .no(
                "IPV4: the flow's fragment type", Keys.tcp4,
                "set(ipv4(src=1.2.3.4,dst=5.6.7.8,proto=6,tos=0,ttl=9,frag=first))",
                "set: protocol and fragment type must be those of the flow (OVS_KEY_ATTR_IPV4)", at: 4),
            .no(
                "IPV4: no mask for the protocol", Keys.tcp4, "set(ipv4(proto=6))",
                "set: protocol and fragment type cannot be set (OVS_KEY_ATTR_IPV4)", at: 4),
            .no(
                "IPV4: no mask for the fragment type", Keys.tcp4, "set(ipv4(frag=no))",
                "set: protocol and fragment type cannot be set (OVS_KEY_ATTR_IPV4)", at: 4),

            .ok("IPV6", Keys.tcp6, "set(ipv6(hlimit=5)),set(ipv6(label=0xfffff))"),
            .no(
                "IPV6: IPv6", Keys.tcp4, "set(ipv6(hlimit=5))",
                "set: it can be set only on a packet whose EtherType is 0x86dd (OVS_KEY_ATTR_IPV6)", at: 4),
            .no(
                "IPV6: the flow's protocol", Keys.tcp6, set(K.ipv6, zeros(40)),
                "set: protocol and fragment type must be those of the flow (OVS_KEY_ATTR_IPV6)", at: 4),
            .no(
                "IPV6: no mask for the protocol", Keys.tcp6, "set(ipv6(proto=6))",
                "set: protocol and fragment type cannot be set (OVS_KEY_ATTR_IPV6)", at: 4),
            .no(
                "IPV6: a label of 20 bits", Keys.tcp6, set(K.ipv6, zeros(32) + [0, 0x10, 0, 0, 6, 0, 0, 0]),
                "set: the flow label has more than 20 bits (OVS_KEY_ATTR_IPV6)", at: 4),
            .no(
                "IPV6: a mask of 20 bits for the label", Keys.tcp6,
                masked(K.ipv6, zeros(40), zeros(32) + [0, 0x10, 0, 0, 0, 0, 0, 0]),
                "set: the mask of the flow label has more than 20 bits (OVS_KEY_ATTR_IPV6)", at: 4),

            .ok("TCP", Keys.tcp4, "set(tcp(src=1,dst=2))"), .ok("TCP over IPv6", Keys.tcp6, "set(tcp(src=1))"),
            .ok("UDP", Keys.udp4, "set(udp(src=1,dst=2))"), .ok("SCTP", Keys.sctp6, "set(sctp(src=1,dst=2))"),
            .no(
                "TCP: the flow's protocol", Keys.udp4, "set(tcp(src=1))",
                "set: it can be set only on an IP packet of protocol 6 (OVS_KEY_ATTR_TCP)", at: 4),
            .no(
                "UDP: a protocol that is matched", Keys.ipv4, "set(udp(src=1))",
                "set: it can be set only on an IP packet of protocol 17 (OVS_KEY_ATTR_UDP)", at: 4),
            .no(
                "SCTP: the flow's protocol", Keys.tcp6, "set(sctp(src=1))",
                "set: it can be set only on an IP packet of protocol 132 (OVS_KEY_ATTR_SCTP)", at: 4),
            .no(
                "TCP: not behind a label", Keys.tcp4, "\(push),set(tcp(src=1))",
                "set: it can be set only on an IP packet of protocol 6 (OVS_KEY_ATTR_TCP)", at: 16),

            .ok("MPLS", Keys.mpls, "set(mpls(label=1,tc=0,ttl=1,bos=1)),set(mpls(ttl=5))"),
            .no(
                "MPLS: MPLS", Keys.tcp4, "set(mpls(ttl=5))",
                "set: it can be set only on a packet whose EtherType is 0x8847 or 0x8848 (OVS_KEY_ATTR_MPLS)", at: 4),
            .no(
                "MPLS: one entry", Keys.mpls, set(K.mpls, zeros(8)),
                "set: the payload must be 4 bytes (OVS_KEY_ATTR_MPLS)",
                at: 4),

            .ok("NSH", Keys.nsh, "set(nsh(ttl=5))"),
            .no(
                "NSH: NSH", Keys.tcp4, "set(nsh(ttl=5))",
                "set: it can be set only on a packet whose EtherType is 0x894f (OVS_KEY_ATTR_NSH)", at: 4),
            .no(
                "NSH: no metadata of type 2", Keys.nsh, set(K.nsh, attribute(3, [1])),
                "set: metadata of type 2 cannot be set (OVS_NSH_KEY_ATTR_MD2)", at: 8),

            .no("TUNNEL: valid, and not there yet", Keys.link, tunnel(destination + ttl), noTunnels, at: 4),
            .no(
                "TUNNEL: no mask", Keys.link, masked(K.tunnel, ttl, ttl),
                "set: it can be set only on any packet, without a mask; refused for now, as there are no tunnels yet"
                    + " (OVS_KEY_ATTR_TUNNEL)", at: 4),
            .no(
                "TUNNEL: a destination", Keys.link, tunnel(ttl),
                "set: tunnel: a destination is needed (OVS_KEY_ATTR_TUNNEL)", at: 4),
            .no(
                "TUNNEL: a TTL", Keys.link, tunnel(destination),
                "set: tunnel: a TTL is needed (OVS_TUNNEL_KEY_ATTR_TTL) (OVS_KEY_ATTR_TUNNEL)", at: 4),
            .no(
                "TUNNEL: whole Geneve options", Keys.link,
                tunnel(destination + ttl + attribute(8, [1, 2, 3, 2, 0, 0, 0, 0])),
                "set: tunnel: an option is not whole (OVS_TUNNEL_KEY_ATTR_GENEVE_OPTS) (OVS_KEY_ATTR_TUNNEL)", at: 4),
            .no(
                "TUNNEL: Geneve options", Keys.link,
                tunnel(destination + ttl + attribute(8, [1, 2, 3, 1, 0, 0, 0, 0, 1, 2, 3, 0])), noTunnels, at: 4),
        ]

    /// All other key attributes.
    static let neverSet: [ActionCase] = [
        never("IN_PORT", K.inPort, 4), never("VLAN", K.vlan, 2), never("ETHERTYPE", K.etherType, 2),
        never("ARP", K.arp, 24), never("ICMP", K.icmp, 2), never("ICMPV6", K.icmpv6, 2), never("ND", K.nd, 28),
        never("DP_HASH", K.dpHash, 4), never("RECIRC_ID", K.recircID, 4), never("CT_STATE", K.ctState, 4),
        never("CT_ZONE", K.ctZone, 2), never("TCP_FLAGS", K.tcpFlags, 2), never("ENCAP", K.encap, 0),
        never("ND_EXTENSIONS", K.ndExtensions, 8), never("IPV6_EXTHDRS", K.ipv6ExtensionHeaders, 2),
        never("CT_ORIG_TUPLE_IPV4", K.ctOrigTupleIPv4, 16), never("CT_ORIG_TUPLE_IPV6", K.ctOrigTupleIPv6, 40),
        never("PACKET_TYPE", K.packetType, 4),
        .no(
            "a key attribute that is unknown", Keys.tcp4, set(33, []), "set: it cannot be set (key attribute 33)", at: 4
        ),
    ]

    private static func never(_ name: String, _ type: UInt16, _ size: Int) -> ActionCase {
        .no(
            "\(name): never", Keys.tcp4, masked(type, zeros(size), zeros(size)),
            "set: it cannot be set (OVS_KEY_ATTR_\(name))", at: 4)
    }

    private static let noTunnels = "set: tunnels are not there yet (OVS_KEY_ATTR_TUNNEL)"
}
