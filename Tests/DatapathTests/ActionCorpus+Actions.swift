import OpenvSwitch

// One row or more for each rule of an action that is not a set or a ct action.

private typealias A = ActionAttribute

extension ActionCase {
    static let actions: [ActionCase] = [
        .ok("an empty list drops", Keys.link, ""),
        .no("an action must be known", Keys.link, attribute(26, []), "the action is not known (action 26)"),
        .no("0 is no action", Keys.link, attribute(0, []), "the action is not known (action 0)"),
        .no(
            "there must be nothing behind the last action", Keys.link, attribute(A.output, host(UInt32(1))) + [0, 0],
            "there are bytes behind the last attribute at byte 8", at: 8),
        .no(
            "a length must not lie", Keys.link, host(UInt16(12)) + host(A.output) + [1, 0, 0, 0],
            "the bytes end too early in attribute 1 at byte 0"),

        .ok("OUTPUT: the port need not be there", Keys.link, "65534"),
        .no(
            "OUTPUT: the port is less than 65535", Keys.link, "65535",
            "output: the port must be less than 65535 (OVS_ACTION_ATTR_OUTPUT)"),
        .no(
            "OUTPUT: 4 bytes", Keys.link, attribute(A.output, [1, 0]),
            "output: the payload must be 4 bytes (OVS_ACTION_ATTR_OUTPUT)"),

        .ok("PUSH_VLAN", Keys.link, "push_vlan(tpid=0x88a8,vid=5,pcp=0)"),
        .ok("PUSH_VLAN: of a tagged packet", Keys.tagged, "push_vlan(vid=5,pcp=0)"),
        .no(
            "PUSH_VLAN: a known TPID", Keys.link, "1,push_vlan(tpid=0x9100,vid=5,pcp=0)",
            "push_vlan: the TPID must be 0x8100 or 0x88a8 (OVS_ACTION_ATTR_PUSH_VLAN)", at: 8),
        .no(
            "PUSH_VLAN: the bit 0x1000", Keys.link, "push_vlan(vid=5,pcp=0,cfi=0)",
            "push_vlan: the TCI must have the bit 0x1000 (OVS_ACTION_ATTR_PUSH_VLAN)"),
        .no(
            "PUSH_VLAN: an Ethernet header", Keys.bare, "push_vlan(vid=5,pcp=0)",
            "push_vlan: the packet must have an Ethernet header (OVS_ACTION_ATTR_PUSH_VLAN)"),
        .no(
            "PUSH_VLAN: 4 bytes", Keys.link, attribute(A.pushVLAN, [0x81, 0, 0x10]),
            "push_vlan: the payload must be 4 bytes (OVS_ACTION_ATTR_PUSH_VLAN)"),
        .ok("POP_VLAN: a packet without a tag goes on", Keys.link, "pop_vlan"),
        .no(
            "POP_VLAN: an Ethernet header", Keys.bare, "pop_vlan",
            "pop_vlan: the packet must have an Ethernet header (OVS_ACTION_ATTR_POP_VLAN)"),
        .no(
            "POP_VLAN: no payload", Keys.link, attribute(A.popVLAN, [0]),
            "pop_vlan: there must be no payload (OVS_ACTION_ATTR_POP_VLAN)"),

        .ok("RECIRC, METER: any number", Keys.link, "recirc(0xffffffff),meter(4294967295)"),
        .no(
            "RECIRC: 4 bytes", Keys.link, attribute(A.recirc, [1, 2, 3]),
            "recirc: the payload must be 4 bytes (OVS_ACTION_ATTR_RECIRC)"),
        .no(
            "METER: 4 bytes", Keys.link, attribute(A.meter, host(UInt64(1))),
            "meter: the payload must be 4 bytes (OVS_ACTION_ATTR_METER)"),
        .ok("HASH: both algorithms", Keys.link, "hash(l4(1)),hash(sym_l4(2))"),
        .no(
            "HASH: a known algorithm", Keys.link, attribute(A.hash, host(UInt32(2)) + host(UInt32(0))),
            "hash: the algorithm must be 0 (l4) or 1 (sym_l4) (OVS_ACTION_ATTR_HASH)"),
        .no(
            "HASH: 8 bytes", Keys.link, attribute(A.hash, host(UInt32(0))),
            "hash: the payload must be 8 bytes (OVS_ACTION_ATTR_HASH)"),
        .ok("TRUNC: an Ethernet header is left", Keys.link, "trunc(14),1"),
        .no(
            "TRUNC: at least 14 bytes", Keys.link, "trunc(13)",
            "trunc: the length must be at least 14 (OVS_ACTION_ATTR_TRUNC)"),
        .no(
            "TRUNC: 4 bytes", Keys.link, attribute(A.trunc, []),
            "trunc: the payload must be 4 bytes (OVS_ACTION_ATTR_TRUNC)"),
        .ok("DROP: last", Keys.link, attribute(A.output, host(UInt32(1))) + attribute(A.drop, host(UInt32(7)))),
        .no(
            "DROP: must be last", Keys.link, attribute(A.drop, host(UInt32(7))) + attribute(A.popVLAN, []),
            "drop: it must be the last action of its list (OVS_ACTION_ATTR_DROP)"),
        .ok(
            "DROP: last of its own list", Keys.link,
            attribute(A.clone, attribute(A.drop, host(UInt32(7)))) + attribute(A.popVLAN, [])),
        .no(
            "DROP: 4 bytes", Keys.link, attribute(A.drop, []),
            "drop: the payload must be 4 bytes (OVS_ACTION_ATTR_DROP)"),
        .ok("CT_CLEAR", Keys.link, "ct_clear"),
        .no(
            "CT_CLEAR: no payload", Keys.link, attribute(A.ctClear, [0, 0, 0, 0]),
            "ct_clear: there must be no payload (OVS_ACTION_ATTR_CT_CLEAR)"),

        .ok("PUSH_MPLS: IPv4", Keys.ipv4, Self.push), .ok("PUSH_MPLS: IPv6", Keys.tcp6, Self.push),
        .ok("PUSH_MPLS: ARP", Keys.arp, Self.push), .ok("PUSH_MPLS: RARP", Keys.rarp, Self.push),
        .ok("PUSH_MPLS: MPLS", Keys.mpls, Self.push), .ok("PUSH_MPLS: without Ethernet header", Keys.bare, Self.push),
        .no(
            "PUSH_MPLS: a known header", Keys.link, Self.push,
            "push_mpls: the packet must be IPv4, IPv6, ARP, RARP or MPLS (OVS_ACTION_ATTR_PUSH_MPLS)"),
        .no(
            "PUSH_MPLS: no tag", Keys.tagged, Self.push,
            "push_mpls: the packet must have no VLAN tag (OVS_ACTION_ATTR_PUSH_MPLS)"),
        .ok("PUSH_MPLS: the tag is off", Keys.tagged, "pop_vlan," + Self.push),
        .no(
            "PUSH_MPLS: an EtherType of MPLS", Keys.ipv4, "push_mpls(label=1,tc=0,ttl=1,bos=1,eth_type=0x800)",
            "push_mpls: the EtherType must be 0x8847 or 0x8848 (OVS_ACTION_ATTR_PUSH_MPLS)"),
        .no(
            "PUSH_MPLS: 8 bytes", Keys.ipv4, attribute(A.pushMPLS, [0, 0, 0, 0, 0x88, 0x47]),
            "push_mpls: the payload must be 8 bytes (OVS_ACTION_ATTR_PUSH_MPLS)"),
        .ok("POP_MPLS", Keys.mpls, "pop_mpls(eth_type=0x800)"),
        .no(
            "POP_MPLS: MPLS", Keys.ipv4, "pop_mpls(eth_type=0x800)",
            "pop_mpls: the packet must be MPLS (OVS_ACTION_ATTR_POP_MPLS)"),
        .no(
            "POP_MPLS: no tag", Keys.mpls, "push_vlan(vid=1,pcp=0),pop_mpls(eth_type=0x800)",
            "pop_mpls: the packet must have no VLAN tag (OVS_ACTION_ATTR_POP_MPLS)", at: 8),
        .no(
            "POP_MPLS: what is behind the last label is not known", Keys.mpls,
            "pop_mpls(eth_type=0x8847),pop_mpls(eth_type=0x800)",
            "pop_mpls: the packet must be MPLS (OVS_ACTION_ATTR_POP_MPLS)", at: 8),
        .ok("POP_MPLS: to an Ethernet frame", Keys.bareMPLS, "pop_mpls(eth_type=0x6558),pop_eth"),
        .no(
            "POP_MPLS: an Ethernet frame in a frame", Keys.mpls, "pop_mpls(eth_type=0x6558)",
            "pop_mpls: a packet with an Ethernet header does not become an Ethernet frame (OVS_ACTION_ATTR_POP_MPLS)"),
        .no(
            "POP_MPLS: 2 bytes", Keys.mpls, attribute(A.popMPLS, [8, 0, 0, 0]),
            "pop_mpls: the payload must be 2 bytes (OVS_ACTION_ATTR_POP_MPLS)"),
        .ok("ADD_MPLS: in front of the network header", Keys.ipv4, Self.add(flags: 1)),
        .no(
            "ADD_MPLS: as PUSH_MPLS, a known header", Keys.link, Self.add(flags: 1),
            "add_mpls: the packet must be IPv4, IPv6, ARP, RARP or MPLS (OVS_ACTION_ATTR_ADD_MPLS)"),
        .no(
            "ADD_MPLS: as PUSH_MPLS, no tag", Keys.tagged, Self.add(flags: 3),
            "add_mpls: the packet must have no VLAN tag (OVS_ACTION_ATTR_ADD_MPLS)"),
        .ok("ADD_MPLS: in front of any frame", Keys.link, Self.add(flags: 0)),
        .ok("ADD_MPLS: in front of a tagged frame", Keys.tagged, Self.add(flags: 2)),
        .no(
            "ADD_MPLS: an EtherType of MPLS", Keys.ipv4, attribute(A.addMPLS, [0, 0, 0, 0, 8, 0, 0, 0]),
            "add_mpls: the EtherType must be 0x8847 or 0x8848 (OVS_ACTION_ATTR_ADD_MPLS)"),
        .no(
            "ADD_MPLS: no Ethernet header is left", Keys.link, Self.add(flags: 0) + attribute(A.popEthernet, []),
            "pop_eth: the packet must have an Ethernet header (OVS_ACTION_ATTR_POP_ETH)", at: 12),

        .ok("PUSH_ETH", Keys.bare, Self.pushEthernet), .ok("POP_ETH", Keys.ipv4, "pop_eth"),
        .no(
            "PUSH_ETH: no Ethernet header", Keys.ipv4, Self.pushEthernet,
            "push_eth: the packet must have no Ethernet header (OVS_ACTION_ATTR_PUSH_ETH)"),
        .ok("PUSH_ETH behind POP_ETH", Keys.ipv4, "pop_eth," + Self.pushEthernet),
        .no(
            "PUSH_ETH: 12 bytes", Keys.bare, attribute(A.pushEthernet, [1, 2, 3]),
            "push_eth: the payload must be 12 bytes (OVS_ACTION_ATTR_PUSH_ETH)"),
        .no(
            "POP_ETH: an Ethernet header", Keys.bare, "pop_eth",
            "pop_eth: the packet must have an Ethernet header (OVS_ACTION_ATTR_POP_ETH)"),
        .no(
            "POP_ETH: no tag", Keys.tagged, "pop_eth",
            "pop_eth: the packet must have no VLAN tag (OVS_ACTION_ATTR_POP_ETH)"),
        .no(
            "POP_ETH: no payload", Keys.ipv4, attribute(A.popEthernet, [1]),
            "pop_eth: there must be no payload (OVS_ACTION_ATTR_POP_ETH)"),

        .ok("PUSH_NSH: a frame", Keys.link, Self.pushNSH), .ok("PUSH_NSH: an IP packet", Keys.bare, Self.pushNSH),
        .ok("PUSH_NSH: metadata of type 2", Keys.link, "push_nsh(mdtype=2,md2=0x01020304)"),
        .no(
            "PUSH_NSH: a next protocol", Keys.bareOther, Self.pushNSH,
            "push_nsh: there is no next protocol for what the packet is (OVS_ACTION_ATTR_PUSH_NSH)"),
        .no(
            "PUSH_NSH: a base", Keys.link,
            attribute(A.pushNSH, attribute(KeyAttribute.nsh, attribute(2, .init(repeating: 0, count: 16)))),
            "push_nsh: the attribute is missing (OVS_NSH_KEY_ATTR_BASE)", at: 4),
        .no(
            "PUSH_NSH: metadata", Keys.link,
            attribute(A.pushNSH, attribute(KeyAttribute.nsh, attribute(1, [0, 1, 1, 1, 0, 0, 0, 0]))),
            "push_nsh: there are no metadata (OVS_KEY_ATTR_NSH)", at: 4),
        .no(
            "PUSH_NSH: metadata of the type in the base", Keys.link,
            attribute(
                A.pushNSH,
                attribute(
                    KeyAttribute.nsh,
                    attribute(1, [0, 1, 2, 1, 0, 0, 0, 0]) + attribute(2, .init(repeating: 0, count: 16))
                )),
            "push_nsh: the metadata are not of the type that the base says (OVS_KEY_ATTR_NSH)", at: 4),
        .no(
            "PUSH_NSH: a base of 8 bytes", Keys.link,
            attribute(A.pushNSH, attribute(KeyAttribute.nsh, attribute(1, [0, 1, 2, 1]))),
            "push_nsh: the payload must be 8 bytes (OVS_NSH_KEY_ATTR_BASE)", at: 8),
        .no(
            "PUSH_NSH: known attributes", Keys.link,
            attribute(A.pushNSH, attribute(KeyAttribute.nsh, attribute(4, []))),
            "push_nsh: the attribute is not known (attribute 4)", at: 8),
        .ok("POP_NSH", Keys.bareNSH, "pop_nsh()"), .ok("POP_NSH behind POP_ETH", Keys.nsh, "pop_eth,pop_nsh(),pop_eth"),
        .no("POP_NSH: NSH", Keys.bare, "pop_nsh()", "pop_nsh: the packet must be NSH (OVS_ACTION_ATTR_POP_NSH)"),
        .no(
            "POP_NSH: no Ethernet header in front", Keys.nsh, "pop_nsh()",
            "pop_nsh: the packet must have no Ethernet header (OVS_ACTION_ATTR_POP_NSH)"),
        .no(
            "POP_NSH: a known next protocol", Keys.bareUnknownNSH, "pop_nsh()",
            "pop_nsh: the flow does not match a next protocol that is known (OVS_ACTION_ATTR_POP_NSH)"),
    ]

    static let push = "push_mpls(label=1,tc=0,ttl=1,bos=1,eth_type=0x8847)"
    static let pushEthernet = "push_eth(src=00:00:00:00:00:01,dst=00:00:00:00:00:02)"
    static let pushNSH = "push_nsh(mdtype=1,np=3,spi=0x1,si=255)"
    static func add(flags: UInt16) -> [UInt8] { attribute(A.addMPLS, [0, 0, 0, 1, 0x88, 0x47] + host(flags)) }
}
