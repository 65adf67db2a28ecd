import OpenvSwitch

extension KeyCorpus {
    private static let frame = ethernet(0) + etherType(0x88cc)
    @Sendable private static func frame(_ key: inout FlowKey) { key.etherType = 0x88cc }
    private static func sentence(_ fault: String) -> String { "flow key: tunnel: \(fault) (OVS_KEY_ATTR_TUNNEL)" }
    private static func maskSentence(_ fault: String) -> String { "flow mask: tunnel: \(fault) (OVS_KEY_ATTR_TUNNEL)" }

    // MARK: Tunnels in keys

    static let tunnels: [KeyCase] = [
        .takes(
            "every attribute of a tunnel over IPv4",
            tunnel(
                Tun.id + Tun.source + Tun.destination + Tun.tos + Tun.ttl + Tun.dontFragment + Tun.checksum + Tun.oam
                    + Tun.sourcePort + Tun.destinationPort + Tun.pad) + frame,
            key: {
                frame(&$0)
                $0.tunnelFamily = TunnelFamily.ipv4
                $0.tunnelID = 0x0102_0304_0506_0708
                ($0.tunnelIPv4Source, $0.tunnelIPv4Destination) = (0x0a00_0001, 0x0a00_0002)
                ($0.tunnelTOS, $0.tunnelTTL) = (0x2e, 64)
                ($0.tunnelSourcePort, $0.tunnelDestinationPort) = (0x1234, 0x5678)
                $0.tunnelFlags = 0x0f
            },
            mask: {
                eth(&$0)
                ($0.etherType, $0.tunnelFamily, $0.tunnelFlags, $0.tunnelID) = (.max, .max, 0x0f, .max)
                ($0.tunnelIPv6Source, $0.tunnelIPv6Destination) = (.ones, .ones)
                ($0.tunnelTOS, $0.tunnelTTL, $0.tunnelSourcePort, $0.tunnelDestinationPort) = (.max, .max, .max, .max)
            }),
        .takes(
            "a tunnel over IPv6", tunnel(Tun.source6 + Tun.destination6 + Tun.ttl) + frame,
            key: {
                frame(&$0)
                $0.tunnelFamily = TunnelFamily.ipv6
                $0.tunnelIPv6Source = IPv6Address(high: 0x0102_0304_0506_0708, low: 0x090a_0b0c_0d0e_0f10)
                $0.tunnelIPv6Destination = IPv6Address(high: 0x1112_1314_1516_1718, low: 0x191a_1b1c_1d1e_1f20)
                $0.tunnelTTL = 64
            }),
        .takes("a TTL of 0", tunnel(Tun.destination + attribute(TunnelKeyAttribute.ttl, [0])) + frame),
        .takes(
            "of duplicates the last", tunnel(Tun.least + attribute(TunnelKeyAttribute.ttl, [7])) + frame,
            key: {
                frame(&$0)
                ($0.tunnelFamily, $0.tunnelIPv4Destination, $0.tunnelTTL) = (TunnelFamily.ipv4, 0x0a00_0002, 7)
            }),
        .takes(
            "the tunnel of a bridge", tunnel(Tun.id + Tun.bridge) + frame,
            key: {
                frame(&$0)
                ($0.tunnelFamily, $0.tunnelID) = (TunnelFamily.ipv4, 0x0102_0304_0506_0708)
                $0.tunnelFlags = TunnelFlags.key | TunnelFlags.infoBridge
            }),
        .refuses("an empty tunnel", tunnel([]) + frame, sentence("a destination is needed"), at: .key(16)),
        .refuses("no addresses", tunnel(Tun.ttl) + frame, sentence("a destination is needed"), at: .key(16)),
        .refuses(
            "a source alone", tunnel(Tun.source + Tun.ttl) + frame, sentence("the destination is 0"), at: .key(16)),
        .refuses(
            "a destination of 0", tunnel(attribute(2, [0, 0, 0, 0]) + Tun.ttl) + frame,
            sentence("the destination is 0"), at: .key(16)),
        .refuses(
            "a destination of ::", tunnel(attribute(13, [UInt8](repeating: 0, count: 16)) + Tun.ttl) + frame,
            sentence("the destination is 0"), at: .key(16)),
        .refuses(
            "no TTL", tunnel(Tun.destination) + frame,
            "flow key: tunnel: a TTL is needed (OVS_TUNNEL_KEY_ATTR_TTL) (OVS_KEY_ATTR_TUNNEL)", at: .key(16)),
        .refuses(
            "addresses of both families", tunnel(Tun.source + Tun.destination6 + Tun.ttl) + frame,
            sentence("it has addresses of both IPv4 and IPv6"), at: .key(16)),
        .refuses(
            "a bridge over IPv6", tunnel(Tun.bridge + Tun.destination6 + Tun.ttl) + frame,
            sentence("it has addresses of both IPv4 and IPv6"), at: .key(16)),
        .refuses(
            "a bridge with an address", tunnel(Tun.bridge + Tun.destination) + frame,
            sentence("the tunnel of a bridge has nothing but an identifier"), at: .key(16)),
        .refuses(
            "a bridge with a flag", tunnel(Tun.bridge + Tun.checksum) + frame,
            sentence("the tunnel of a bridge has nothing but an identifier"), at: .key(16)),
        .refuses(
            "an unknown attribute", tunnel(Tun.least + attribute(17, [])) + frame,
            sentence("attribute 17 is not known"), at: .key(16, 17)),
        .refuses(
            "a wrong length", tunnel(Tun.least + attribute(3, [0, 0])) + frame,
            sentence("it must have 1 bytes (OVS_TUNNEL_KEY_ATTR_TOS)"), at: .key(16, 3)),
        .refuses(
            "a flag with a payload", tunnel(Tun.least + attribute(6, [1])) + frame,
            sentence("it must be empty (OVS_TUNNEL_KEY_ATTR_CSUM)"), at: .key(16, 6)),
        .refuses(
            "trailing bytes", tunnel(Tun.least + [0, 0]) + frame, sentence("there are bytes behind the last attribute"),
            at: .byteOfKey(4 + Tun.least.count)),
    ]

    // MARK: Options

    static let tunnelOptions: [KeyCase] = [
        .takes(
            "options of Geneve", tunnel(Tun.least + Tun.geneve(Tun.option)) + frame,
            key: {
                frame(&$0)
                ($0.tunnelFamily, $0.tunnelIPv4Destination, $0.tunnelTTL) = (TunnelFamily.ipv4, 0x0a00_0002, 64)
                ($0.tunnelFlags, $0.tunnelOptionsLength) = (TunnelFlags.geneveOptions, 8)
            }),
        .takes("252 bytes of them", tunnel(Tun.least + Tun.geneve([UInt8](repeating: 0, count: 252))) + frame),
        .refuses(
            "256 bytes of them", tunnel(Tun.least + Tun.geneve([UInt8](repeating: 0, count: 256))) + frame,
            sentence("it has more than 255 bytes (OVS_TUNNEL_KEY_ATTR_GENEVE_OPTS)"), at: .key(16, 8)),
        .refuses(
            "five bytes of them", tunnel(Tun.least + Tun.geneve([0, 0, 0, 0, 0])) + frame,
            sentence("the options must be a multiple of 4 bytes (OVS_TUNNEL_KEY_ATTR_GENEVE_OPTS)"), at: .key(16, 8)),
        .takes(
            "the group policy of VXLAN", tunnel(Tun.least + Tun.policy(0x0008_1234)) + frame,
            key: {
                frame(&$0)
                ($0.tunnelFamily, $0.tunnelIPv4Destination, $0.tunnelTTL) = (TunnelFamily.ipv4, 0x0a00_0002, 64)
                ($0.tunnelFlags, $0.tunnelOptionsLength) = (TunnelFlags.vxlanOptions, 4)
            }),
        .takes("without one it is 0", tunnel(Tun.least + Tun.vxlan([])) + frame),
        .refuses(
            "another option of VXLAN", tunnel(Tun.least + Tun.vxlan(attribute(2, []))) + frame,
            sentence("the only VXLAN option is OVS_VXLAN_EXT_GBP, with 4 bytes"), at: .key(16, 11, 2)),
        .refuses(
            "a group policy of two bytes", tunnel(Tun.least + Tun.vxlan(attribute(1, [0, 0]))) + frame,
            sentence("the only VXLAN option is OVS_VXLAN_EXT_GBP, with 4 bytes"), at: .key(16, 11, 1)),
        .takes(
            "metadata of ERSPAN", tunnel(Tun.least + Tun.erspan([UInt8](repeating: 1, count: 12))) + frame,
            key: {
                frame(&$0)
                ($0.tunnelFamily, $0.tunnelIPv4Destination, $0.tunnelTTL) = (TunnelFamily.ipv4, 0x0a00_0002, 64)
                ($0.tunnelFlags, $0.tunnelOptionsLength) = (TunnelFlags.erspanOptions, 12)
            }),
        .refuses(
            "13 bytes of them", tunnel(Tun.least + Tun.erspan([UInt8](repeating: 1, count: 13))) + frame,
            sentence("it has more than 12 bytes (OVS_TUNNEL_KEY_ATTR_ERSPAN_OPTS)"), at: .key(16, 15)),
        .refuses(
            "two kinds of options", tunnel(Tun.least + Tun.policy(1) + Tun.geneve(Tun.option)) + frame,
            sentence("there is more than one kind of options (OVS_TUNNEL_KEY_ATTR_GENEVE_OPTS)"), at: .key(16, 8)),
        .refuses(
            "options twice", tunnel(Tun.least + Tun.geneve(Tun.option) + Tun.geneve(Tun.option)) + frame,
            sentence("there is more than one kind of options (OVS_TUNNEL_KEY_ATTR_GENEVE_OPTS)"), at: .key(16, 8)),
    ]

    // MARK: Tunnels in masks

    static let tunnelMasks: [KeyCase] = [
        .takes(
            "packets from no tunnel", frame, tunnel(attribute(4, [0])), mask: { $0.tunnelFamily = .max }),
        .takes(
            "part of a tunnel, without what a key must have", tunnel(Tun.id + Tun.least) + frame,
            tunnel(attribute(2, [0xff, 0xff, 0xff, 0]) + Tun.checksum),
            mask: {
                $0.tunnelFamily = .max
                $0.tunnelIPv4Destination = 0xffff_ff00
                $0.tunnelFlags = TunnelFlags.checksum
            }),
        .takes(
            "without a mask flags that are absent are not compared", tunnel(Tun.least + Tun.oam) + frame,
            mask: {
                eth(&$0)
                ($0.etherType, $0.tunnelFamily, $0.tunnelID) = (.max, .max, .max)
                $0.tunnelFlags = TunnelFlags.oam
                ($0.tunnelIPv6Source, $0.tunnelIPv6Destination) = (.ones, .ones)
                ($0.tunnelTOS, $0.tunnelTTL, $0.tunnelSourcePort, $0.tunnelDestinationPort) = (.max, .max, .max, .max)
            }),
        .takes(
            "as many options as the key", tunnel(Tun.least + Tun.geneve(Tun.option)) + frame,
            tunnel(Tun.geneve([UInt8](repeating: 0, count: 8))),
            mask: {
                ($0.tunnelFamily, $0.tunnelFlags, $0.tunnelOptionsLength) = (.max, TunnelFlags.geneveOptions, .max)
            }),
        .refuses(
            "fewer options of Geneve", tunnel(Tun.least + Tun.geneve(Tun.option)) + frame,
            tunnel(Tun.geneve([0, 0, 0, 0])),
            maskSentence("the mask has 4 bytes of options, and the key 8 (OVS_TUNNEL_KEY_ATTR_GENEVE_OPTS)"),
            at: .mask(16, 8)),
        .refuses(
            "options of Geneve over none", tunnel(Tun.least) + frame, tunnel(Tun.geneve(Tun.option)),
            maskSentence("the mask has 8 bytes of options, and the key 0 (OVS_TUNNEL_KEY_ATTR_GENEVE_OPTS)"),
            at: .mask(16, 8)),
        .takes(
            "that there are no options of Geneve", tunnel(Tun.least) + frame, tunnel(Tun.geneve([])),
            mask: {
                ($0.tunnelFamily, $0.tunnelFlags, $0.tunnelOptionsLength) = (.max, TunnelFlags.geneveOptions, .max)
            }),
        .takes(
            "that there is no group policy", tunnel(Tun.least) + frame, tunnel(Tun.policy(0xffff)),
            mask: {
                ($0.tunnelFamily, $0.tunnelFlags, $0.tunnelOptionsLength) = (.max, TunnelFlags.vxlanOptions, .max)
            }),
        .takes(
            "that there is no metadata of ERSPAN", frame, tunnel(Tun.erspan([UInt8](repeating: 0xff, count: 12))),
            mask: {
                ($0.tunnelFamily, $0.tunnelFlags, $0.tunnelOptionsLength) = (.max, TunnelFlags.erspanOptions, .max)
            }),
        .takes(
            "options of another kind and length", tunnel(Tun.least + Tun.geneve(Tun.option)) + frame,
            tunnel(Tun.policy(1)),
            mask: {
                ($0.tunnelFamily, $0.tunnelFlags, $0.tunnelOptionsLength) = (.max, TunnelFlags.vxlanOptions, .max)
            }),
        .refuses(
            "two kinds of options", tunnel(Tun.least + Tun.policy(1)) + frame,
            tunnel(Tun.policy(1) + Tun.erspan([1])),
            maskSentence("there is more than one kind of options (OVS_TUNNEL_KEY_ATTR_ERSPAN_OPTS)"),
            at: .mask(16, 15)),
        .refuses(
            "addresses of both families", tunnel(Tun.least) + frame, tunnel(Tun.source + Tun.source6),
            maskSentence("it has addresses of both IPv4 and IPv6"), at: .mask(16)),
        .refuses(
            "an unknown attribute", tunnel(Tun.least) + frame, tunnel(attribute(17, [])),
            maskSentence("attribute 17 is not known"), at: .mask(16, 17)),
        .refuses(
            "a wrong length", tunnel(Tun.least) + frame, tunnel(attribute(0, [0, 0, 0, 0])),
            maskSentence("it must have 8 bytes (OVS_TUNNEL_KEY_ATTR_ID)"), at: .mask(16, 0)),
    ]
}
