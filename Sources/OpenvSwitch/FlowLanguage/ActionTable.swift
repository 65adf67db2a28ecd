/// The actions, in the order of their numbers.
package enum ActionTable {
    package static let rows: [ActionDescription] = [
        ActionDescription(
            ActionAttribute.output, "OUTPUT", "output",
            .fields(size: 4, [ActionField("port", .host32, .lessThan(UInt64(FlowKey.noPort)))]), text: .port,
            example: "3",
            "Sends the packet to a vport. Where there is none of this number nothing is sent."),
        ActionDescription(
            ActionAttribute.userspace, "USERSPACE", "userspace", .nested(userspace),
            example: "userspace(pid=5,userdata(0102030405060708))", "Sends the packet to a client: an upcall."),
        ActionDescription(
            ActionAttribute.set, "SET", "set", .key, rules: [.other("the key attribute must be one that can be set")],
            example: "set(ipv4(src=10.0.0.1,dst=10.0.0.2,proto=6,tos=0,ttl=63,frag=no))",
            support: .partial(
                """
                what is set for a tunnel is refused, as tunnels are not there yet. OVS_KEY_ATTR_NSH is set as kernels did \
                before the end of 2025; newer ones refuse it
                """),
            "Overwrites a header or a piece of metadata."),
        ActionDescription(
            ActionAttribute.pushVLAN, "PUSH_VLAN", "push_vlan",
            .fields(
                size: 4,
                [
                    ActionField("TPID", .network16, .etherTypes([EtherType.vlan, EtherType.serviceVLAN])),
                    ActionField("TCI", .network16, at: 2, .bit(UInt64(FlowKey.vlanPresent))),
                ]), rules: [.ethernetHeader], effects: [.vlanTag(true)], example: "push_vlan(vid=10,pcp=0)",
            "Puts a VLAN tag in front of the EtherType."),
        ActionDescription(
            ActionAttribute.popVLAN, "POP_VLAN", "pop_vlan", .fields(size: 0, []), rules: [.ethernetHeader],
            effects: [.vlanTag(false)], text: .name, example: "pop_vlan",
            "Takes the outermost VLAN tag off; a packet without one goes on as it is."),
        ActionDescription(
            ActionAttribute.sample, "SAMPLE", "sample", .nested(sample), example: "sample(sample=50.0%,actions(1,2))",
            "Carries a list out on a clone of the packet, with a probability."),
        ActionDescription(
            ActionAttribute.recirc, "RECIRC", "recirc", .fields(size: 4, [ActionField("recirculation ID", .host32)]),
            text: .hexadecimal, example: "recirc(0x7)",
            "Sends the packet through the flow table once more, with this recirculation ID."),
        ActionDescription(
            ActionAttribute.hash, "HASH", "hash",
            .fields(
                size: 8,
                [
                    ActionField("algorithm", .host32, .named([0: "l4", 1: "sym_l4"])),
                    ActionField("basis", .host32, at: 4),
                ]),
            example: "hash(l4(0))",
            "Computes dp_hash from the packet's flow; sym_l4 the same for both directions."),
        ActionDescription(
            ActionAttribute.pushMPLS, "PUSH_MPLS", "push_mpls", .fields(size: 8, label),
            rules: [.noVLANTag, .etherTypes(labelled)], effects: [.other("the EtherType is the one given")],
            example: "push_mpls(label=100,tc=0,ttl=64,bos=1,eth_type=0x8847)",
            "Puts a label stack entry in front of the network header."),
        ActionDescription(
            ActionAttribute.popMPLS, "POP_MPLS", "pop_mpls",
            .fields(size: 2, [ActionField("EtherType", .network16)]),
            rules: [
                .noVLANTag, .etherTypes([EtherType.mplsUnicast, EtherType.mplsMulticast]),
                .other("a packet with an Ethernet header must not become one of EtherType 0x6558"),
            ],
            effects: [
                .other(
                    "the EtherType is the one given if it is that of MPLS and labels are left; else it is not known"),
                .other("with the EtherType 0x6558 the packet has an Ethernet header"),
            ], example: "pop_mpls(eth_type=0x800)",
            "Takes the outermost label stack entry off; the EtherType says what is behind it."),
        ActionDescription(
            ActionAttribute.setMasked, "SET_MASKED", "set", .maskedKey,
            rules: [
                .other("the key attribute must be one that can be set, and not a tunnel"),
                .other("the value must have no bits that its mask has not"),
            ], example: "set(ipv4(ttl=63))", "Overwrites the bits of a header or of metadata that the mask has."),
        ActionDescription(
            ActionAttribute.ct, "CT", "ct", .nested(ct), rules: [.flowEtherTypes([EtherType.ipv4, EtherType.ipv6])],
            example: "ct(commit,zone=5,nat(src=10.0.0.1-10.0.0.9))",
            support: .refused(Errno.invalid, "connection tracking is not there yet"),
            "Looks for the packet's connection, and keeps it with commit."),
        ActionDescription(
            ActionAttribute.trunc, "TRUNC", "trunc",
            .fields(size: 4, [ActionField("length", .host32, .atLeast(14))]), text: .decimal, example: "trunc(100)",
            "Cuts what the next output, userspace or psample action sends to so many bytes."),
        ActionDescription(
            ActionAttribute.pushEthernet, "PUSH_ETH", "push_eth",
            .fields(
                size: 12,
                [ActionField("source", .ethernet), ActionField("destination", .ethernet, at: 6)]),
            rules: [.noEthernetHeader], effects: [.ethernetHeader(true)],
            example: "push_eth(src=00:00:00:00:00:01,dst=00:00:00:00:00:02)",
            "Puts an Ethernet header in front of a packet that begins with its network header."),
        ActionDescription(
            ActionAttribute.popEthernet, "POP_ETH", "pop_eth", .fields(size: 0, []),
            rules: [.ethernetHeader, .noVLANTag], effects: [.ethernetHeader(false)], text: .name, example: "pop_eth",
            "Takes the Ethernet header off."),
        ActionDescription(
            ActionAttribute.ctClear, "CT_CLEAR", "ct_clear", .fields(size: 0, []), text: .name, example: "ct_clear",
            "Forgets what connection tracking found: the fields of the connection are 0."),
        ActionDescription(
            ActionAttribute.pushNSH, "PUSH_NSH", "push_nsh", .networkServiceHeader,
            rules: [
                .other("the packet must have an Ethernet header, or be known to be IPv4, IPv6, NSH or unicast MPLS"),
                .other("the header must have a base, and the metadata of its type"),
            ], effects: [.ethernetHeader(false), .vlanTag(false)],
            example: "push_nsh(flags=0,ttl=63,mdtype=1,np=3,spi=0x1,si=255,c1=0x0,c2=0x0,c3=0x0,c4=0x0)",
            "Puts a network service header in front of the packet."),
        ActionDescription(
            ActionAttribute.popNSH, "POP_NSH", "pop_nsh", .fields(size: 0, []),
            rules: [
                .etherTypes([EtherType.nsh]), .noEthernetHeader,
                .other("the flow's next protocol must be known: IPv4, IPv6, Ethernet, NSH or MPLS"),
            ],
            effects: [.other("the packet has an Ethernet header if the next protocol is Ethernet; else it has none")],
            text: .emptyParentheses, example: "pop_nsh()", "Takes the network service header off."),
        ActionDescription(
            ActionAttribute.meter, "METER", "meter", .fields(size: 4, [ActionField("meter ID", .host32)]),
            text: .decimal, example: "meter(1)",
            "Draws from a meter, which may drop the packet. Where there is none of this number the packet goes on."),
        ActionDescription(
            ActionAttribute.clone, "CLONE", "clone", .actions, example: "clone(pop_vlan,1)",
            "Carries a list out on a clone of the packet. The list may be empty."),
        ActionDescription(
            ActionAttribute.checkPacketLength, "CHECK_PKT_LEN", "check_pkt_len", .nested(checkPacketLength),
            example: "check_pkt_len(size=200,gt(4),le(5))",
            "Carries one of two lists out on a clone of the packet, by its length."),
        ActionDescription(
            ActionAttribute.addMPLS, "ADD_MPLS", "add_mpls",
            .fields(size: 8, label + [ActionField("tunnel flags", .host16, at: 6)]),
            rules: [.other("with the flag 1: the rules of push_mpls")],
            effects: [
                .other("the EtherType is the one given"),
                .other("without the flag 1 the packet has neither an Ethernet header nor a VLAN tag"),
            ], example: "add_mpls(label=100,tc=0,ttl=64,bos=1,eth_type=0x8847)",
            """
            Puts a label stack entry in front: with the flag 1 of the network header, else of the whole packet. The \
            text has no flags.
            """),
        ActionDescription(
            ActionAttribute.decrementTTL, "DEC_TTL", "dec_ttl", .nested(decrementTTL), example: "dec_ttl(le_1(drop))",
            "Takes one off the TTL or hop limit. A packet whose TTL is 0 or 1 goes through a list, and no further."),
        ActionDescription(
            ActionAttribute.drop, "DROP", "drop", .fields(size: 4, [ActionField("reason", .host32)]), rules: [.last],
            example: "drop",
            "Drops the packet. As text it is an empty list, which drops too; the reason is not written."),
        ActionDescription(
            ActionAttribute.psample, "PSAMPLE", "psample", .nested(psample), example: "psample(group=12,cookie=0x0102)",
            support: .refused(
                Errno.notSupported, "this datapath has no psample, as a kernel that was built without it"),
            "Sends a sample of the packet to a psample group."),
    ]

    /// The row of a type, or nil for a type that is unknown.
    package static func row(_ type: UInt16) -> ActionDescription? {
        // Types begin at 1, and none is left out.
        type > 0 && Int(type) <= rows.count ? rows[Int(type) - 1] : nil
    }

    /// `OVS_ACTION_ATTR_OUTPUT`, or `action 99` for a type that is unknown.
    package static func constant(_ type: UInt16) -> String { row(type)?.constant ?? "action \(type)" }

    /// What the text form and messages call an action.
    package static func name(_ type: UInt16) -> String { row(type)?.name ?? "" }

    private static let label = [
        ActionField("label stack entry", .network32),
        ActionField(
            "EtherType", .network16, at: 4, .etherTypes([EtherType.mplsUnicast, EtherType.mplsMulticast])),
    ]

    /// What a label stack entry may be put in front of.
    private static let labelled = [
        EtherType.ipv4, EtherType.ipv6, EtherType.arp, EtherType.rarp, EtherType.mplsUnicast, EtherType.mplsMulticast,
    ]
}
