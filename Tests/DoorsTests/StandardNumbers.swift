import CDevice
import OpenvSwitch

/// The numbers of `linux/openvswitch.h`, each as Swift and as C has it.
enum StandardNumbers {
    struct Number {
        /// The declaration in Swift, `Type.name`.
        let swift: String
        let value: UInt64
        let standard: UInt64

        init(_ swift: String, _ value: some BinaryInteger, _ standard: some RawRepresentable<UInt32>) {
            (self.swift, self.value, self.standard) = (swift, UInt64(value), UInt64(standard.rawValue))
        }

        /// Of an enumeration without a name.
        init(_ swift: String, _ value: some BinaryInteger, _ standard: Int) {
            (self.swift, self.value, self.standard) = (swift, UInt64(value), UInt64(standard))
        }
    }

    static var all: [Number] {
        [
            command, packetCommand, meterCommand, ctLimitCommand, datapathAttribute, vportAttribute, flowAttribute,
            packetAttribute, meterAttribute, bandAttribute, ctLimitAttribute, keyAttribute, tunnelKeyAttribute,
            vxlanExtension, nshKeyAttribute, actionAttribute, userspaceAttribute, sampleAttribute,
            checkPacketLengthAttribute, decrementTTLAttribute, ctAttribute, natAttribute, vportType,
        ].flatMap(\.self)
    }

    /// What Linux has got since 6.1: an older header does not have them.
    static let newer: Set<String> = [
        "VportAttribute.upcallStats", "VportUpcallAttribute.success", "VportUpcallAttribute.fail",
        "PacketAttribute.upcallPortID", "ActionAttribute.drop", "ActionAttribute.psample", "PsampleAttribute.group",
        "PsampleAttribute.cookie",
    ]

    private static let command: [Number] = [
        Number("Command.new", Command.new, OVS_DP_CMD_NEW),
        Number("Command.new", Command.new, OVS_VPORT_CMD_NEW),
        Number("Command.new", Command.new, OVS_FLOW_CMD_NEW),
        Number("Command.delete", Command.delete, OVS_DP_CMD_DEL),
        Number("Command.delete", Command.delete, OVS_VPORT_CMD_DEL),
        Number("Command.delete", Command.delete, OVS_FLOW_CMD_DEL),
        Number("Command.get", Command.get, OVS_DP_CMD_GET),
        Number("Command.get", Command.get, OVS_VPORT_CMD_GET),
        Number("Command.get", Command.get, OVS_FLOW_CMD_GET),
        Number("Command.set", Command.set, OVS_DP_CMD_SET),
        Number("Command.set", Command.set, OVS_VPORT_CMD_SET),
        Number("Command.set", Command.set, OVS_FLOW_CMD_SET),
    ]

    private static let packetCommand: [Number] = [
        Number("PacketCommand.miss", PacketCommand.miss, OVS_PACKET_CMD_MISS),
        Number("PacketCommand.action", PacketCommand.action, OVS_PACKET_CMD_ACTION),
        Number("PacketCommand.execute", PacketCommand.execute, OVS_PACKET_CMD_EXECUTE),
    ]

    private static let meterCommand: [Number] = [
        Number("MeterCommand.features", MeterCommand.features, OVS_METER_CMD_FEATURES),
        Number("MeterCommand.set", MeterCommand.set, OVS_METER_CMD_SET),
        Number("MeterCommand.delete", MeterCommand.delete, OVS_METER_CMD_DEL),
        Number("MeterCommand.get", MeterCommand.get, OVS_METER_CMD_GET),
    ]

    private static let ctLimitCommand: [Number] = [
        Number("CTLimitCommand.set", CTLimitCommand.set, OVS_CT_LIMIT_CMD_SET),
        Number("CTLimitCommand.delete", CTLimitCommand.delete, OVS_CT_LIMIT_CMD_DEL),
        Number("CTLimitCommand.get", CTLimitCommand.get, OVS_CT_LIMIT_CMD_GET),
    ]

    private static let datapathAttribute: [Number] = [
        Number("DatapathAttribute.name", DatapathAttribute.name, OVS_DP_ATTR_NAME),
        Number("DatapathAttribute.upcallPortID", DatapathAttribute.upcallPortID, OVS_DP_ATTR_UPCALL_PID),
        Number("DatapathAttribute.stats", DatapathAttribute.stats, OVS_DP_ATTR_STATS),
        Number("DatapathAttribute.megaflowStats", DatapathAttribute.megaflowStats, OVS_DP_ATTR_MEGAFLOW_STATS),
        Number("DatapathAttribute.userFeatures", DatapathAttribute.userFeatures, OVS_DP_ATTR_USER_FEATURES),
        Number("DatapathAttribute.pad", DatapathAttribute.pad, OVS_DP_ATTR_PAD),
        Number("DatapathAttribute.masksCacheSize", DatapathAttribute.masksCacheSize, OVS_DP_ATTR_MASKS_CACHE_SIZE),
        Number("DatapathAttribute.perCPUPortIDs", DatapathAttribute.perCPUPortIDs, OVS_DP_ATTR_PER_CPU_PIDS),
        Number("DatapathAttribute.ifindex", DatapathAttribute.ifindex, OVS_DP_ATTR_IFINDEX),
    ]

    private static let vportAttribute: [Number] = [
        Number("VportAttribute.portNumber", VportAttribute.portNumber, OVS_VPORT_ATTR_PORT_NO),
        Number("VportAttribute.type", VportAttribute.type, OVS_VPORT_ATTR_TYPE),
        Number("VportAttribute.name", VportAttribute.name, OVS_VPORT_ATTR_NAME),
        Number("VportAttribute.options", VportAttribute.options, OVS_VPORT_ATTR_OPTIONS),
        Number("VportAttribute.upcallPortID", VportAttribute.upcallPortID, OVS_VPORT_ATTR_UPCALL_PID),
        Number("VportAttribute.stats", VportAttribute.stats, OVS_VPORT_ATTR_STATS),
        Number("VportAttribute.pad", VportAttribute.pad, OVS_VPORT_ATTR_PAD),
        Number("VportAttribute.ifindex", VportAttribute.ifindex, OVS_VPORT_ATTR_IFINDEX),
        Number("VportAttribute.netnsID", VportAttribute.netnsID, OVS_VPORT_ATTR_NETNSID),
    ]

    private static let flowAttribute: [Number] = [
        Number("FlowAttribute.key", FlowAttribute.key, OVS_FLOW_ATTR_KEY),
        Number("FlowAttribute.actions", FlowAttribute.actions, OVS_FLOW_ATTR_ACTIONS),
        Number("FlowAttribute.stats", FlowAttribute.stats, OVS_FLOW_ATTR_STATS),
        Number("FlowAttribute.tcpFlags", FlowAttribute.tcpFlags, OVS_FLOW_ATTR_TCP_FLAGS),
        Number("FlowAttribute.used", FlowAttribute.used, OVS_FLOW_ATTR_USED),
        Number("FlowAttribute.clear", FlowAttribute.clear, OVS_FLOW_ATTR_CLEAR),
        Number("FlowAttribute.mask", FlowAttribute.mask, OVS_FLOW_ATTR_MASK),
        Number("FlowAttribute.probe", FlowAttribute.probe, OVS_FLOW_ATTR_PROBE),
        Number("FlowAttribute.ufid", FlowAttribute.ufid, OVS_FLOW_ATTR_UFID),
        Number("FlowAttribute.ufidFlags", FlowAttribute.ufidFlags, OVS_FLOW_ATTR_UFID_FLAGS),
        Number("FlowAttribute.pad", FlowAttribute.pad, OVS_FLOW_ATTR_PAD),
    ]

    private static let packetAttribute: [Number] = [
        Number("PacketAttribute.packet", PacketAttribute.packet, OVS_PACKET_ATTR_PACKET),
        Number("PacketAttribute.key", PacketAttribute.key, OVS_PACKET_ATTR_KEY),
        Number("PacketAttribute.actions", PacketAttribute.actions, OVS_PACKET_ATTR_ACTIONS),
        Number("PacketAttribute.userdata", PacketAttribute.userdata, OVS_PACKET_ATTR_USERDATA),
        Number("PacketAttribute.egressTunnelKey", PacketAttribute.egressTunnelKey, OVS_PACKET_ATTR_EGRESS_TUN_KEY),
        Number("PacketAttribute.probe", PacketAttribute.probe, OVS_PACKET_ATTR_PROBE),
        Number("PacketAttribute.mru", PacketAttribute.mru, OVS_PACKET_ATTR_MRU),
        Number("PacketAttribute.length", PacketAttribute.length, OVS_PACKET_ATTR_LEN),
        Number("PacketAttribute.hash", PacketAttribute.hash, OVS_PACKET_ATTR_HASH),
    ]

    private static let meterAttribute: [Number] = [
        Number("MeterAttribute.id", MeterAttribute.id, OVS_METER_ATTR_ID),
        Number("MeterAttribute.kilobits", MeterAttribute.kilobits, OVS_METER_ATTR_KBPS),
        Number("MeterAttribute.stats", MeterAttribute.stats, OVS_METER_ATTR_STATS),
        Number("MeterAttribute.bands", MeterAttribute.bands, OVS_METER_ATTR_BANDS),
        Number("MeterAttribute.used", MeterAttribute.used, OVS_METER_ATTR_USED),
        Number("MeterAttribute.clear", MeterAttribute.clear, OVS_METER_ATTR_CLEAR),
        Number("MeterAttribute.maximumMeters", MeterAttribute.maximumMeters, OVS_METER_ATTR_MAX_METERS),
        Number("MeterAttribute.maximumBands", MeterAttribute.maximumBands, OVS_METER_ATTR_MAX_BANDS),
        Number("MeterAttribute.pad", MeterAttribute.pad, OVS_METER_ATTR_PAD),
    ]

    private static let bandAttribute: [Number] = [
        Number("BandAttribute.type", BandAttribute.type, OVS_BAND_ATTR_TYPE),
        Number("BandAttribute.rate", BandAttribute.rate, OVS_BAND_ATTR_RATE),
        Number("BandAttribute.burst", BandAttribute.burst, OVS_BAND_ATTR_BURST),
        Number("BandAttribute.stats", BandAttribute.stats, OVS_BAND_ATTR_STATS),
    ]

    private static let ctLimitAttribute: [Number] = [
        Number("CTLimitAttribute.zoneLimit", CTLimitAttribute.zoneLimit, OVS_CT_LIMIT_ATTR_ZONE_LIMIT)
    ]

    private static let keyAttribute: [Number] = [
        Number("KeyAttribute.encap", KeyAttribute.encap, OVS_KEY_ATTR_ENCAP),
        Number("KeyAttribute.priority", KeyAttribute.priority, OVS_KEY_ATTR_PRIORITY),
        Number("KeyAttribute.inPort", KeyAttribute.inPort, OVS_KEY_ATTR_IN_PORT),
        Number("KeyAttribute.ethernet", KeyAttribute.ethernet, OVS_KEY_ATTR_ETHERNET),
        Number("KeyAttribute.vlan", KeyAttribute.vlan, OVS_KEY_ATTR_VLAN),
        Number("KeyAttribute.etherType", KeyAttribute.etherType, OVS_KEY_ATTR_ETHERTYPE),
        Number("KeyAttribute.ipv4", KeyAttribute.ipv4, OVS_KEY_ATTR_IPV4),
        Number("KeyAttribute.ipv6", KeyAttribute.ipv6, OVS_KEY_ATTR_IPV6),
        Number("KeyAttribute.tcp", KeyAttribute.tcp, OVS_KEY_ATTR_TCP),
        Number("KeyAttribute.udp", KeyAttribute.udp, OVS_KEY_ATTR_UDP),
        Number("KeyAttribute.icmp", KeyAttribute.icmp, OVS_KEY_ATTR_ICMP),
        Number("KeyAttribute.icmpv6", KeyAttribute.icmpv6, OVS_KEY_ATTR_ICMPV6),
        Number("KeyAttribute.arp", KeyAttribute.arp, OVS_KEY_ATTR_ARP),
        Number("KeyAttribute.nd", KeyAttribute.nd, OVS_KEY_ATTR_ND),
        Number("KeyAttribute.skbMark", KeyAttribute.skbMark, OVS_KEY_ATTR_SKB_MARK),
        Number("KeyAttribute.tunnel", KeyAttribute.tunnel, OVS_KEY_ATTR_TUNNEL),
        Number("KeyAttribute.sctp", KeyAttribute.sctp, OVS_KEY_ATTR_SCTP),
        Number("KeyAttribute.tcpFlags", KeyAttribute.tcpFlags, OVS_KEY_ATTR_TCP_FLAGS),
        Number("KeyAttribute.dpHash", KeyAttribute.dpHash, OVS_KEY_ATTR_DP_HASH),
        Number("KeyAttribute.recircID", KeyAttribute.recircID, OVS_KEY_ATTR_RECIRC_ID),
        Number("KeyAttribute.mpls", KeyAttribute.mpls, OVS_KEY_ATTR_MPLS),
        Number("KeyAttribute.ctState", KeyAttribute.ctState, OVS_KEY_ATTR_CT_STATE),
        Number("KeyAttribute.ctZone", KeyAttribute.ctZone, OVS_KEY_ATTR_CT_ZONE),
        Number("KeyAttribute.ctMark", KeyAttribute.ctMark, OVS_KEY_ATTR_CT_MARK),
        Number("KeyAttribute.ctLabels", KeyAttribute.ctLabels, OVS_KEY_ATTR_CT_LABELS),
        Number("KeyAttribute.ctOrigTupleIPv4", KeyAttribute.ctOrigTupleIPv4, OVS_KEY_ATTR_CT_ORIG_TUPLE_IPV4),
        Number("KeyAttribute.ctOrigTupleIPv6", KeyAttribute.ctOrigTupleIPv6, OVS_KEY_ATTR_CT_ORIG_TUPLE_IPV6),
        Number("KeyAttribute.nsh", KeyAttribute.nsh, OVS_KEY_ATTR_NSH),
        Number("KeyAttribute.packetType", KeyAttribute.packetType, OVS_KEY_ATTR_PACKET_TYPE),
        Number("KeyAttribute.ndExtensions", KeyAttribute.ndExtensions, OVS_KEY_ATTR_ND_EXTENSIONS),
        Number("KeyAttribute.tunnelInfo", KeyAttribute.tunnelInfo, OVS_KEY_ATTR_TUNNEL_INFO),
        Number("KeyAttribute.ipv6ExtensionHeaders", KeyAttribute.ipv6ExtensionHeaders, OVS_KEY_ATTR_IPV6_EXTHDRS),
    ]

    private static let tunnelKeyAttribute: [Number] = [
        Number("TunnelKeyAttribute.id", TunnelKeyAttribute.id, OVS_TUNNEL_KEY_ATTR_ID),
        Number("TunnelKeyAttribute.ipv4Source", TunnelKeyAttribute.ipv4Source, OVS_TUNNEL_KEY_ATTR_IPV4_SRC),
        Number("TunnelKeyAttribute.ipv4Destination", TunnelKeyAttribute.ipv4Destination, OVS_TUNNEL_KEY_ATTR_IPV4_DST),
        Number("TunnelKeyAttribute.tos", TunnelKeyAttribute.tos, OVS_TUNNEL_KEY_ATTR_TOS),
        Number("TunnelKeyAttribute.ttl", TunnelKeyAttribute.ttl, OVS_TUNNEL_KEY_ATTR_TTL),
        Number("TunnelKeyAttribute.dontFragment", TunnelKeyAttribute.dontFragment, OVS_TUNNEL_KEY_ATTR_DONT_FRAGMENT),
        Number("TunnelKeyAttribute.checksum", TunnelKeyAttribute.checksum, OVS_TUNNEL_KEY_ATTR_CSUM),
        Number("TunnelKeyAttribute.oam", TunnelKeyAttribute.oam, OVS_TUNNEL_KEY_ATTR_OAM),
        Number("TunnelKeyAttribute.geneveOptions", TunnelKeyAttribute.geneveOptions, OVS_TUNNEL_KEY_ATTR_GENEVE_OPTS),
        Number("TunnelKeyAttribute.sourcePort", TunnelKeyAttribute.sourcePort, OVS_TUNNEL_KEY_ATTR_TP_SRC),
        Number("TunnelKeyAttribute.destinationPort", TunnelKeyAttribute.destinationPort, OVS_TUNNEL_KEY_ATTR_TP_DST),
        Number("TunnelKeyAttribute.vxlanOptions", TunnelKeyAttribute.vxlanOptions, OVS_TUNNEL_KEY_ATTR_VXLAN_OPTS),
        Number("TunnelKeyAttribute.ipv6Source", TunnelKeyAttribute.ipv6Source, OVS_TUNNEL_KEY_ATTR_IPV6_SRC),
        Number("TunnelKeyAttribute.ipv6Destination", TunnelKeyAttribute.ipv6Destination, OVS_TUNNEL_KEY_ATTR_IPV6_DST),
        Number("TunnelKeyAttribute.pad", TunnelKeyAttribute.pad, OVS_TUNNEL_KEY_ATTR_PAD),
        Number("TunnelKeyAttribute.erspanOptions", TunnelKeyAttribute.erspanOptions, OVS_TUNNEL_KEY_ATTR_ERSPAN_OPTS),
        Number(
            "TunnelKeyAttribute.ipv4InfoBridge", TunnelKeyAttribute.ipv4InfoBridge, OVS_TUNNEL_KEY_ATTR_IPV4_INFO_BRIDGE
        ),
    ]

    private static let vxlanExtension: [Number] = [
        Number("VXLANExtension.gbp", VXLANExtension.gbp, OVS_VXLAN_EXT_GBP)
    ]

    private static let nshKeyAttribute: [Number] = [
        Number("NSHKeyAttribute.base", NSHKeyAttribute.base, OVS_NSH_KEY_ATTR_BASE),
        Number("NSHKeyAttribute.md1", NSHKeyAttribute.md1, OVS_NSH_KEY_ATTR_MD1),
        Number("NSHKeyAttribute.md2", NSHKeyAttribute.md2, OVS_NSH_KEY_ATTR_MD2),
    ]

    private static let actionAttribute: [Number] = [
        Number("ActionAttribute.output", ActionAttribute.output, OVS_ACTION_ATTR_OUTPUT),
        Number("ActionAttribute.userspace", ActionAttribute.userspace, OVS_ACTION_ATTR_USERSPACE),
        Number("ActionAttribute.set", ActionAttribute.set, OVS_ACTION_ATTR_SET),
        Number("ActionAttribute.pushVLAN", ActionAttribute.pushVLAN, OVS_ACTION_ATTR_PUSH_VLAN),
        Number("ActionAttribute.popVLAN", ActionAttribute.popVLAN, OVS_ACTION_ATTR_POP_VLAN),
        Number("ActionAttribute.sample", ActionAttribute.sample, OVS_ACTION_ATTR_SAMPLE),
        Number("ActionAttribute.recirc", ActionAttribute.recirc, OVS_ACTION_ATTR_RECIRC),
        Number("ActionAttribute.hash", ActionAttribute.hash, OVS_ACTION_ATTR_HASH),
        Number("ActionAttribute.pushMPLS", ActionAttribute.pushMPLS, OVS_ACTION_ATTR_PUSH_MPLS),
        Number("ActionAttribute.popMPLS", ActionAttribute.popMPLS, OVS_ACTION_ATTR_POP_MPLS),
        Number("ActionAttribute.setMasked", ActionAttribute.setMasked, OVS_ACTION_ATTR_SET_MASKED),
        Number("ActionAttribute.ct", ActionAttribute.ct, OVS_ACTION_ATTR_CT),
        Number("ActionAttribute.trunc", ActionAttribute.trunc, OVS_ACTION_ATTR_TRUNC),
        Number("ActionAttribute.pushEthernet", ActionAttribute.pushEthernet, OVS_ACTION_ATTR_PUSH_ETH),
        Number("ActionAttribute.popEthernet", ActionAttribute.popEthernet, OVS_ACTION_ATTR_POP_ETH),
        Number("ActionAttribute.ctClear", ActionAttribute.ctClear, OVS_ACTION_ATTR_CT_CLEAR),
        Number("ActionAttribute.pushNSH", ActionAttribute.pushNSH, OVS_ACTION_ATTR_PUSH_NSH),
        Number("ActionAttribute.popNSH", ActionAttribute.popNSH, OVS_ACTION_ATTR_POP_NSH),
        Number("ActionAttribute.meter", ActionAttribute.meter, OVS_ACTION_ATTR_METER),
        Number("ActionAttribute.clone", ActionAttribute.clone, OVS_ACTION_ATTR_CLONE),
        Number("ActionAttribute.checkPacketLength", ActionAttribute.checkPacketLength, OVS_ACTION_ATTR_CHECK_PKT_LEN),
        Number("ActionAttribute.addMPLS", ActionAttribute.addMPLS, OVS_ACTION_ATTR_ADD_MPLS),
        Number("ActionAttribute.decrementTTL", ActionAttribute.decrementTTL, OVS_ACTION_ATTR_DEC_TTL),
    ]

    private static let userspaceAttribute: [Number] = [
        Number("UserspaceAttribute.portID", UserspaceAttribute.portID, OVS_USERSPACE_ATTR_PID),
        Number("UserspaceAttribute.userdata", UserspaceAttribute.userdata, OVS_USERSPACE_ATTR_USERDATA),
        Number(
            "UserspaceAttribute.egressTunnelPort", UserspaceAttribute.egressTunnelPort,
            OVS_USERSPACE_ATTR_EGRESS_TUN_PORT),
        Number("UserspaceAttribute.actions", UserspaceAttribute.actions, OVS_USERSPACE_ATTR_ACTIONS),
    ]

    private static let sampleAttribute: [Number] = [
        Number("SampleAttribute.probability", SampleAttribute.probability, OVS_SAMPLE_ATTR_PROBABILITY),
        Number("SampleAttribute.actions", SampleAttribute.actions, OVS_SAMPLE_ATTR_ACTIONS),
    ]

    private static let checkPacketLengthAttribute: [Number] = [
        Number(
            "CheckPacketLengthAttribute.packetLength", CheckPacketLengthAttribute.packetLength,
            OVS_CHECK_PKT_LEN_ATTR_PKT_LEN),
        Number(
            "CheckPacketLengthAttribute.ifGreater", CheckPacketLengthAttribute.ifGreater,
            OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_GREATER),
        Number(
            "CheckPacketLengthAttribute.ifLessEqual", CheckPacketLengthAttribute.ifLessEqual,
            OVS_CHECK_PKT_LEN_ATTR_ACTIONS_IF_LESS_EQUAL),
    ]

    private static let decrementTTLAttribute: [Number] = [
        Number("DecrementTTLAttribute.action", DecrementTTLAttribute.action, OVS_DEC_TTL_ATTR_ACTION)
    ]

    private static let ctAttribute: [Number] = [
        Number("CTAttribute.commit", CTAttribute.commit, OVS_CT_ATTR_COMMIT),
        Number("CTAttribute.zone", CTAttribute.zone, OVS_CT_ATTR_ZONE),
        Number("CTAttribute.mark", CTAttribute.mark, OVS_CT_ATTR_MARK),
        Number("CTAttribute.labels", CTAttribute.labels, OVS_CT_ATTR_LABELS),
        Number("CTAttribute.helper", CTAttribute.helper, OVS_CT_ATTR_HELPER),
        Number("CTAttribute.nat", CTAttribute.nat, OVS_CT_ATTR_NAT),
        Number("CTAttribute.forceCommit", CTAttribute.forceCommit, OVS_CT_ATTR_FORCE_COMMIT),
        Number("CTAttribute.eventMask", CTAttribute.eventMask, OVS_CT_ATTR_EVENTMASK),
        Number("CTAttribute.timeout", CTAttribute.timeout, OVS_CT_ATTR_TIMEOUT),
    ]

    private static let natAttribute: [Number] = [
        Number("NATAttribute.source", NATAttribute.source, OVS_NAT_ATTR_SRC),
        Number("NATAttribute.destination", NATAttribute.destination, OVS_NAT_ATTR_DST),
        Number("NATAttribute.ipMinimum", NATAttribute.ipMinimum, OVS_NAT_ATTR_IP_MIN),
        Number("NATAttribute.ipMaximum", NATAttribute.ipMaximum, OVS_NAT_ATTR_IP_MAX),
        Number("NATAttribute.protoMinimum", NATAttribute.protoMinimum, OVS_NAT_ATTR_PROTO_MIN),
        Number("NATAttribute.protoMaximum", NATAttribute.protoMaximum, OVS_NAT_ATTR_PROTO_MAX),
        Number("NATAttribute.persistent", NATAttribute.persistent, OVS_NAT_ATTR_PERSISTENT),
        Number("NATAttribute.protoHash", NATAttribute.protoHash, OVS_NAT_ATTR_PROTO_HASH),
        Number("NATAttribute.protoRandom", NATAttribute.protoRandom, OVS_NAT_ATTR_PROTO_RANDOM),
    ]

    private static let vportType: [Number] = [
        Number("VportType.netdev", VportType.netdev.rawValue, OVS_VPORT_TYPE_NETDEV),
        Number("VportType.internal", VportType.internal.rawValue, OVS_VPORT_TYPE_INTERNAL),
        Number("VportType.gre", VportType.gre.rawValue, OVS_VPORT_TYPE_GRE),
        Number("VportType.vxlan", VportType.vxlan.rawValue, OVS_VPORT_TYPE_VXLAN),
        Number("VportType.geneve", VportType.geneve.rawValue, OVS_VPORT_TYPE_GENEVE),
    ]
}
