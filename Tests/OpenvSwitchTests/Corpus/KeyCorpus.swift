import OpenvSwitch

/// Keys and masks for every rule of the interface.
enum KeyCorpus {
    // MARK: Attributes

    static let attributes: [KeyCase] = [
        .refuses(
            "a type beyond the last", frameOfIPv4 + ipv4() + attribute(33, [0, 0]),
            "flow key: the attribute is not known here (key attribute 33)", at: .key(33)),
        .refuses(
            "a type beyond the last in the mask, even if it is zero", frameOfIPv4 + ipv4(), attribute(33, [0, 0]),
            "flow mask: the attribute is not known here (key attribute 33)", at: .mask(33)),
        .refuses(
            "type 0", frameOfIPv4 + ipv4() + attribute(0, [1]), "flow key: the attribute is not known here",
            at: .key(0)),
        .refuses(
            "an attribute of the user-space datapath", frameOfIPv4 + ipv4() + attribute(29, [0, 0, 0, 0]),
            "flow key: packet_type: a datapath behind Netlink does not know the attribute (OVS_KEY_ATTR_PACKET_TYPE)",
            at: .key(29)),
        .refuses(
            "another", frameOfIPv4 + ipv4(), attribute(30, [UInt8](repeating: 0, count: 8)),
            "flow mask: nd_ext: a datapath behind Netlink does not know the attribute (OVS_KEY_ATTR_ND_EXTENSIONS)",
            at: .mask(30)),
        .refuses(
            "an attribute inside the kernel", frameOfIPv4 + ipv4() + attribute(31, []),
            "flow key: a datapath behind Netlink does not know the attribute (OVS_KEY_ATTR_TUNNEL_INFO)", at: .key(31)),
        .refuses(
            "an attribute twice", priority() + frameOfIPv4 + ipv4() + priority(),
            "flow key: skb_priority: the attribute stands twice (OVS_KEY_ATTR_PRIORITY)", at: .key(2)),
        .refuses(
            "an attribute twice in the mask", skbMark() + frameOfIPv4 + ipv4(), skbMark() + skbMark(),
            "flow mask: skb_mark: the attribute stands twice (OVS_KEY_ATTR_SKB_MARK)", at: .mask(15)),
        .refuses(
            "an attribute beside and inside ENCAP",
            priority() + ethernet() + etherType(0x8100) + vlan(0x1001) + encap(priority() + etherType(0x1234)),
            "flow key: skb_priority: an attribute stands both beside and inside ENCAP (OVS_KEY_ATTR_PRIORITY)",
            at: .key(1, 2)),
        .refuses(
            "the same in the mask",
            priority() + ethernet() + etherType(0x8100) + vlan(0x1001) + encap(etherType(0x1234)),
            priority() + exactType + vlan(0xffff) + encap(priority() + exactType),
            "flow mask: skb_priority: an attribute stands both beside and inside ENCAP (OVS_KEY_ATTR_PRIORITY)",
            at: .mask(1, 2)),
        .refuses(
            "an attribute that is too short", frameOfIPv4 + attribute(7, [UInt8](repeating: 0, count: 11)),
            "flow key: ipv4: the payload is too short, 12 bytes are needed (OVS_KEY_ATTR_IPV4)", at: .key(7)),
        .refuses(
            "an attribute that is too long", frameOfIPv4 + attribute(7, [UInt8](repeating: 0, count: 13)),
            "flow key: ipv4: the payload has the wrong length, 12 bytes are needed (OVS_KEY_ATTR_IPV4)", at: .key(7)),
        .refuses(
            "trailing bytes", frameOfIPv4 + ipv4() + [0, 0], "flow key: there are bytes behind the last attribute",
            at: .byteOfKey((frameOfIPv4 + ipv4()).count)),
        .takes("a nested or network-order mark in a type says nothing", frameOfIPv4 + attribute(0xc007, ipv4Payload)),
        .takes(
            "a mask of zeros is absent", frameOfIPv4 + ipv4(),
            ones(6, 2) + attribute(10, [0, 0, 0, 0]) + attribute(13, [UInt8](repeating: 0, count: 24)),
            mask: { $0.etherType = .max }),
        .refuses(
            "but its length is checked", frameOfIPv4 + ipv4(), attribute(10, [0, 0, 0]),
            "flow mask: udp: the payload is too short, 4 bytes are needed (OVS_KEY_ATTR_UDP)", at: .mask(10)),
        .takes("an empty nest is absent", frameOfIPv4 + ipv4(), tunnel([]) + nsh([]) + encap([]), mask: { _ in }),
        .refuses(
            "a nest that is not empty is there, even if what is in it is zero", frameOfIPv4 + ipv4(),
            nsh(attribute(NSHKeyAttribute.base, [UInt8](repeating: 0, count: 8))),
            "flow mask: nsh: the mask must not have it: the key has none (OVS_KEY_ATTR_NSH)", at: .mask(28)),
        .refuses(
            "a label stack of no entries", ethernet() + etherType(0x8847) + attribute(21, []),
            "flow key: mpls: a label stack has one to three entries of four bytes (OVS_KEY_ATTR_MPLS)", at: .key(21)),
        .refuses(
            "a label stack of four entries", ethernet() + etherType(0x8847) + mpls(4),
            "flow key: mpls: a label stack has one to three entries of four bytes (OVS_KEY_ATTR_MPLS)", at: .key(21)),
        .refuses(
            "half an entry in the mask", ethernet() + etherType(0x8847) + mpls(1), exactType + ones(21, 6),
            "flow mask: mpls: a label stack has one to three entries of four bytes (OVS_KEY_ATTR_MPLS)", at: .mask(21)),
    ]

    private static let ipv4Payload: [UInt8] = [10, 0, 0, 1, 10, 0, 0, 2, 0, 0, 64, 0]

    // MARK: Values

    static let values: [KeyCase] = [
        .refuses(
            "neither an Ethernet header nor an EtherType", inPort(),
            "flow key: eth: either an Ethernet header or an EtherType is needed (OVS_KEY_ATTR_ETHERNET)", at: .key()),
        .takes(
            "no Ethernet header", etherType(0x1234),
            key: {
                $0.kind = 0
                $0.etherType = 0x1234
            }),
        .refuses(
            "an EtherType that is a length", ethernet() + etherType(0x05ff),
            "flow key: eth_type: the EtherType is less than 0x0600 (OVS_KEY_ATTR_ETHERTYPE)", at: .key(6)),
        .refuses(
            "the same without Ethernet header", etherType(0x05ff),
            "flow key: eth_type: the EtherType is less than 0x0600 (OVS_KEY_ATTR_ETHERTYPE)", at: .key(6)),
        .takes("the least EtherType", ethernet(0) + etherType(0x0600), key: { $0.etherType = 0x0600 }),
        .takes(
            "the greatest port", inPort(65534) + ethernet(0),
            key: {
                $0.inPort = 65534
                $0.etherType = EtherType.ieee8022
            }),
        .refuses(
            "a port beyond it", inPort(65535) + ethernet(),
            "flow key: in_port: the port number is not less than 65535 (OVS_KEY_ATTR_IN_PORT)", at: .key(3)),
        .refuses(
            "a port of more than 16 bits", inPort(0x10001) + ethernet(),
            "flow key: in_port: the port number is not less than 65535 (OVS_KEY_ATTR_IN_PORT)", at: .key(3)),
        .refuses(
            "a fragment type of IPv4 beyond later", frameOfIPv4 + ipv4(fragment: 3),
            "flow key: ipv4: the fragment type is greater than 2 (OVS_KEY_ATTR_IPV4)", at: .key(7)),
        .refuses(
            "a fragment type of IPv6 beyond later", frameOfIPv6 + ipv6(fragment: 3),
            "flow key: ipv6: the fragment type is greater than 2 (OVS_KEY_ATTR_IPV6)", at: .key(8)),
        .refuses(
            "a flow label of 21 bits", frameOfIPv6 + ipv6(label: 0x10_0000),
            "flow key: ipv6: the flow label has more than 20 bits (OVS_KEY_ATTR_IPV6)", at: .key(8)),
        .refuses(
            "an ARP operation beyond 255", ethernet() + etherType(0x0806) + arp(operation: 256),
            "flow key: arp: the ARP operation is greater than 255 (OVS_KEY_ATTR_ARP)", at: .key(13)),
        .refuses(
            "a connection state beyond dnat", ctState(0x100) + frameOfIPv4 + ipv4(),
            "flow key: ct_state: there are flags other than the lowest eight (OVS_KEY_ATTR_CT_STATE)", at: .key(22)),
        .refuses(
            "in the mask too", ctState(0x21) + frameOfIPv4 + ipv4(), ctState(0x100),
            "flow mask: ct_state: there are flags other than the lowest eight (OVS_KEY_ATTR_CT_STATE)", at: .mask(22)),
        .takes(
            "a mask may have any bits of a fragment type and of a flow label", frameOfIPv6 + ipv6(),
            exactType + ones(8, 40),
            mask: {
                $0.etherType = .max
                ($0.ipv6Source, $0.ipv6Destination) = (.ones, .ones)
                $0.ipv6Label = .max
                ($0.ipProtocol, $0.ipTOS, $0.ipTTL, $0.fragment) = (.max, .max, .max, .max)
            }),
        .takes(
            "of an ARP operation the lower eight bits count", ethernet() + etherType(0x0806) + arp(),
            exactType
                + attribute(13, [UInt8](repeating: 0, count: 8) + [0xff, 0x0f] + [UInt8](repeating: 0, count: 14)),
            mask: {
                $0.etherType = .max
                $0.ipProtocol = 0x0f
            }),
    ]
}

extension IPv6Address {
    static var ones: IPv6Address { IPv6Address(high: .max, low: .max) }
}
