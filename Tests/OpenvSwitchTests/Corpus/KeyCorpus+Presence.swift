import OpenvSwitch

extension KeyCorpus {
    // MARK: What a key must have

    static let demands: [KeyCase] =
        [
            missing("ARP", ethernet() + etherType(0x0806), arp(), "arp", "ARP"),
            missing("RARP", ethernet() + etherType(0x8035), arp(), "arp", "ARP"),
            missing("MPLS", ethernet() + etherType(0x8847), mpls(1), "mpls", "MPLS"),
            missing("MPLS multicast", ethernet() + etherType(0x8848), mpls(1), "mpls", "MPLS"),
            missing("IPv4", frameOfIPv4, ipv4(), "ipv4", "IPV4"),
            missing("IPv6", frameOfIPv6, ipv6(), "ipv6", "IPV6"),
            missing("NSH", ethernet() + etherType(0x894f), nsh(nshBase()), "nsh", "NSH"),
            missing("UDP over IPv4", frameOfIPv4 + ipv4(proto: 17), udp(), "udp", "UDP"),
            missing("UDP over IPv6", frameOfIPv6 + ipv6(proto: 17), udp(), "udp", "UDP"),
            missing("SCTP over IPv4", frameOfIPv4 + ipv4(proto: 132), sctp(), "sctp", "SCTP"),
            missing("SCTP over IPv6", frameOfIPv6 + ipv6(proto: 132), sctp(), "sctp", "SCTP"),
            missing("TCP over IPv4", frameOfIPv4 + ipv4(proto: 6) + tcpFlags(), tcp(), "tcp", "TCP"),
            missing("TCP over IPv6", frameOfIPv6 + ipv6(proto: 6) + tcpFlags(), tcp(), "tcp", "TCP"),
            missing("TCP's flags", frameOfIPv4 + ipv4(proto: 6) + tcp(), tcpFlags(), "tcp_flags", "TCP_FLAGS"),
            missing("TCP's flags, IPv6", frameOfIPv6 + ipv6(proto: 6) + tcp(), tcpFlags(), "tcp_flags", "TCP_FLAGS"),
            missing("ICMP", frameOfIPv4 + ipv4(proto: 1), icmp(), "icmp", "ICMP"),
            missing("ICMPv6", frameOfIPv6 + ipv6(proto: 58), icmpv6(), "icmpv6", "ICMPV6"),
            missing("a solicitation", frameOfIPv6 + ipv6(proto: 58) + icmpv6(135), nd(), "nd", "ND"),
            missing("an advertisement", frameOfIPv6 + ipv6(proto: 58) + icmpv6(136), nd(), "nd", "ND"),
            missing(
                "a solicitation with another code",
                frameOfIPv6 + ipv6(proto: 58) + attribute(KeyAttribute.icmpv6, [135, 9]), nd(), "nd", "ND"),
            missing("a first fragment", frameOfIPv4 + ipv4(proto: 17, fragment: 1), udp(), "udp", "UDP"),
        ].flatMap { $0 } + [
            .takes("any other EtherType", ethernet() + etherType(0x88cc)),
            .takes("IPv6 extension headers may be absent", frameOfIPv6 + ipv6()),
            .takes("or there", frameOfIPv6 + ipv6() + extensionHeaders()),
            .takes("ICMP is IPv4's", frameOfIPv6 + ipv6(proto: 1)),
            .takes("ICMPv6 is IPv6's", frameOfIPv4 + ipv4(proto: 58)),
            .takes("another ICMPv6 type", frameOfIPv6 + ipv6(proto: 58) + icmpv6(134)),
            .takes("a later fragment of TCP", frameOfIPv4 + ipv4(proto: 6, fragment: 2)),
            .takes("a later fragment of UDP", frameOfIPv6 + ipv6(proto: 17, fragment: 2)),
            .takes("a later fragment of SCTP", frameOfIPv4 + ipv4(proto: 132, fragment: 2)),
            .takes("a later fragment of ICMP", frameOfIPv4 + ipv4(proto: 1, fragment: 2)),
            .takes("a later fragment of ICMPv6", frameOfIPv6 + ipv6(proto: 58, fragment: 2)),
            .takes(
                "an attribute that the protocol has not, under a mask without it",
                ethernet() + etherType(0x0806) + arp() + udp(), exactType),
            .refuses(
                "without a mask it is one of the attributes to match",
                ethernet() + etherType(0x0806) + arp() + udp(),
                "flow key: udp: without a mask it is matched: it can be matched only if the IP protocol is 17, and exact in "
                    + "the mask (OVS_KEY_ATTR_UDP)",
                at: .key(10)),
        ]

    /// A key without an attribute that it must have is refused, with it taken.
    private static func missing(
        _ what: String, _ key: [UInt8], _ attribute: [UInt8], _ name: String, _ constant: String
    ) -> [KeyCase] {
        [
            .refuses(
                "\(what) demands \(constant)", key,
                "flow key: \(name): the packet's protocol demands it, and it is missing (OVS_KEY_ATTR_\(constant))",
                at: .key()),
            .takes("\(what) with \(constant)", key + attribute),
        ]
    }

    // MARK: What a mask may have

    static let maskDemands: [KeyCase] =
        [
            network(frameOfIPv4 + ipv4(), 7, 12, "ipv4", "IPV4", "0x0800"),
            network(frameOfIPv6 + ipv6(), 8, 40, "ipv6", "IPV6", "0x86dd"),
            network(ethernet() + etherType(0x0806) + arp(), 13, 24, "arp", "ARP", "0x0806 or 0x8035"),
            network(ethernet() + etherType(0x8035) + arp(), 13, 24, "arp", "ARP", "0x0806 or 0x8035"),
            network(ethernet() + etherType(0x8847) + mpls(2), 21, 8, "mpls", "MPLS", "0x8847 or 0x8848"),
            network(ethernet() + etherType(0x8848) + mpls(1), 21, 4, "mpls", "MPLS", "0x8847 or 0x8848"),
            transport(frameOfIPv4 + ipv4(proto: 6) + tcp() + tcpFlags(), exactProtocol, 6, 9, 4, "tcp", "TCP"),
            transport(
                frameOfIPv4 + ipv4(proto: 6) + tcp() + tcpFlags(), exactProtocol, 6, 18, 2, "tcp_flags", "TCP_FLAGS"),
            transport(frameOfIPv4 + ipv4(proto: 17) + udp(), exactProtocol, 17, 10, 4, "udp", "UDP"),
            transport(frameOfIPv4 + ipv4(proto: 132) + sctp(), exactProtocol, 132, 17, 4, "sctp", "SCTP"),
            transport(frameOfIPv4 + ipv4(proto: 1) + icmp(), exactProtocol, 1, 11, 2, "icmp", "ICMP"),
            transport(frameOfIPv6 + ipv6(proto: 6) + tcp() + tcpFlags(), exactProtocolOfIPv6, 6, 9, 4, "tcp", "TCP"),
            transport(
                frameOfIPv6 + ipv6(proto: 6) + tcp() + tcpFlags(), exactProtocolOfIPv6, 6, 18, 2, "tcp_flags",
                "TCP_FLAGS"),
            transport(frameOfIPv6 + ipv6(proto: 17) + udp(), exactProtocolOfIPv6, 17, 10, 4, "udp", "UDP"),
            transport(frameOfIPv6 + ipv6(proto: 132) + sctp(), exactProtocolOfIPv6, 132, 17, 4, "sctp", "SCTP"),
            transport(frameOfIPv6 + ipv6(proto: 58) + icmpv6(), exactProtocolOfIPv6, 58, 12, 2, "icmpv6", "ICMPV6"),
            metadata(recircID(), 20, 4, "recirc_id", "RECIRC_ID"), metadata(dpHash(), 19, 4, "dp_hash", "DP_HASH"),
            metadata(priority(), 2, 4, "skb_priority", "PRIORITY"), metadata(skbMark(), 15, 4, "skb_mark", "SKB_MARK"),
            metadata(ctZone(1), 23, 2, "ct_zone", "CT_ZONE"), metadata(ctMark(1), 24, 4, "ct_mark", "CT_MARK"),
            metadata(ctLabels(1), 25, 16, "ct_label", "CT_LABELS"),
        ].flatMap { $0 } + [
            .refuses(
                "CT_STATE only if the key has it", frameOfIPv4 + ipv4(), ctState(0x21),
                "flow mask: ct_state: the mask must not have it: the key has none (OVS_KEY_ATTR_CT_STATE)",
                at: .mask(22)),
            .refuses(
                "ETHERNET only if the key has it", etherType(0x0800) + ipv4(), ones(4, 12),
                "flow mask: eth: the mask must not have it: the key has none (OVS_KEY_ATTR_ETHERNET)", at: .mask(4)),
            .refuses(
                "IPV6_EXTHDRS only if the key has it", frameOfIPv6 + ipv6(), exactType + ones(32, 2),
                "flow mask: the mask must not have it: the key has none (OVS_KEY_ATTR_IPV6_EXTHDRS)", at: .mask(32)),
            .takes("with it, even under any EtherType", frameOfIPv6 + ipv6() + extensionHeaders(), ones(32, 2)),
            .refuses(
                "ND only under an exact ICMPv6 type",
                frameOfIPv6 + ipv6(proto: 58) + icmpv6(135) + nd(),
                exactType + exactProtocolOfIPv6 + attribute(12, [0xfe, 0xff]) + ones(14, 28),
                "flow mask: nd: the mask must not have it: it can be matched only if the ICMPv6 type is 135 or 136, and exact "
                    + "in the mask (OVS_KEY_ATTR_ND)",
                at: .mask(14)),
            .takes(
                "whatever the code", frameOfIPv6 + ipv6(proto: 58) + icmpv6(136) + nd(),
                exactType + exactProtocolOfIPv6 + attribute(12, [0xff, 0]) + ones(14, 28)),
            .refuses(
                "ports of a later fragment", frameOfIPv4 + ipv4(proto: 17, fragment: 2) + udp(),
                exactType + exactProtocol + ones(10, 4),
                "flow mask: udp: the mask must not have it: it can be matched only if the IP protocol is 17, and exact in "
                    + "the mask (OVS_KEY_ATTR_UDP)",
                at: .mask(10)),
            .takes("TUNNEL, IN_PORT and ETHERTYPE always", ethernet(), tunnel(Tun.ttl) + ones(3, 4) + exactType),
        ]

    /// A header may be masked only under an exact EtherType, and one that has it.
    private static func network(
        _ key: [UInt8], _ type: UInt16, _ size: Int, _ name: String, _ constant: String, _ types: String
    ) -> [KeyCase] {
        [
            .takes("\(constant) under an exact EtherType", key, exactType + ones(type, size)),
            .refuses(
                "\(constant) under any EtherType", key, ones(type, size),
                "flow mask: \(name): the mask must not have it: it can be matched only if the EtherType is \(types), and "
                    + "exact in the mask (OVS_KEY_ATTR_\(constant))", at: .mask(type)),
            .refuses(
                "\(constant) over a key of another EtherType", ethernet() + etherType(0x1234),
                exactType + ones(type, size),
                "flow mask: \(name): the mask must not have it: the key has none (OVS_KEY_ATTR_\(constant))",
                at: .mask(type)),
        ]
    }

    /// Ports may be masked only under an exact protocol, and one that has them.
    private static func transport(
        _ key: [UInt8], _ exact: [UInt8], _ number: UInt8, _ type: UInt16, _ size: Int, _ name: String,
        _ constant: String
    ) -> [KeyCase] {
        let partly = exact.map { $0 == 0xff ? 0xfe : $0 }
        let sentence =
            "flow mask: \(name): the mask must not have it: it can be matched only if the IP protocol is \(number), and "
            + "exact in the mask (OVS_KEY_ATTR_\(constant))"
        return [
            .takes("\(constant) under an exact protocol", key, exactType + exact + ones(type, size)),
            .refuses(
                "\(constant) under part of a protocol", key, exactType + partly + ones(type, size), sentence,
                at: .mask(type)),
            .refuses("\(constant) under any protocol", key, exactType + ones(type, size), sentence, at: .mask(type)),
            .refuses(
                "\(constant) over another protocol", frameOfIPv4 + ipv4(proto: 47),
                exactType + exactProtocol + ones(type, size),
                "flow mask: \(name): the mask must not have it: the key has none (OVS_KEY_ATTR_\(constant))",
                at: .mask(type)),
        ]
    }

    /// Metadata may be masked only if the key has it.
    private static func metadata(
        _ attribute: [UInt8], _ type: UInt16, _ size: Int, _ name: String, _ constant: String
    ) -> [KeyCase] {
        [
            .takes("\(constant) if the key has it", attribute + frameOfIPv4 + ipv4(), ones(type, size)),
            .refuses(
                "\(constant) only if the key has it", frameOfIPv4 + ipv4(), ones(type, size),
                "flow mask: \(name): the mask must not have it: the key has none (OVS_KEY_ATTR_\(constant))",
                at: .mask(type)),
        ]
    }
}
