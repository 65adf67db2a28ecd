// The attribute numbers of the datapath interface, named as in linux/openvswitch.h without the prefix that the enclosing
// type replaces: `OVS_KEY_ATTR_IN_PORT` is `KeyAttribute.inPort`. Constants and not cases, because a newer peer may
// send numbers that are not here.

/// `OVS_DP_ATTR_*`: attributes of family `ovs_datapath`.
public enum DatapathAttribute {
    public static let name: UInt16 = 1
    public static let upcallPortID: UInt16 = 2
    public static let stats: UInt16 = 3
    public static let megaflowStats: UInt16 = 4
    public static let userFeatures: UInt16 = 5
    public static let pad: UInt16 = 6
    public static let masksCacheSize: UInt16 = 7
    public static let perCPUPortIDs: UInt16 = 8
    public static let ifindex: UInt16 = 9
    public static let maximum: UInt16 = 9
}

/// `OVS_VPORT_ATTR_*`: attributes of family `ovs_vport`.
public enum VportAttribute {
    public static let portNumber: UInt16 = 1
    public static let type: UInt16 = 2
    public static let name: UInt16 = 3
    public static let options: UInt16 = 4
    public static let upcallPortID: UInt16 = 5
    public static let stats: UInt16 = 6
    public static let pad: UInt16 = 7
    public static let ifindex: UInt16 = 8
    public static let netnsID: UInt16 = 9
    public static let upcallStats: UInt16 = 10
    public static let maximum: UInt16 = 10
}

/// `OVS_VPORT_UPCALL_ATTR_*`: nested in `VportAttribute.upcallStats`; the numbers begin at 0.
public enum VportUpcallAttribute {
    public static let success: UInt16 = 0
    public static let fail: UInt16 = 1
}

/// `OVS_FLOW_ATTR_*`: attributes of family `ovs_flow`.
public enum FlowAttribute {
    public static let key: UInt16 = 1
    public static let actions: UInt16 = 2
    public static let stats: UInt16 = 3
    public static let tcpFlags: UInt16 = 4
    public static let used: UInt16 = 5
    public static let clear: UInt16 = 6
    public static let mask: UInt16 = 7
    public static let probe: UInt16 = 8
    public static let ufid: UInt16 = 9
    public static let ufidFlags: UInt16 = 10
    public static let pad: UInt16 = 11
    public static let maximum: UInt16 = 11
}

/// `OVS_PACKET_ATTR_*`: attributes of family `ovs_packet`.
public enum PacketAttribute {
    public static let packet: UInt16 = 1
    public static let key: UInt16 = 2
    public static let actions: UInt16 = 3
    public static let userdata: UInt16 = 4
    public static let egressTunnelKey: UInt16 = 5
    public static let probe: UInt16 = 8
    public static let mru: UInt16 = 9
    public static let length: UInt16 = 10
    public static let hash: UInt16 = 11
    public static let upcallPortID: UInt16 = 12
    public static let maximum: UInt16 = 12
}

/// `OVS_METER_ATTR_*`: attributes of family `ovs_meter`.
public enum MeterAttribute {
    public static let id: UInt16 = 1
    public static let kilobits: UInt16 = 2
    public static let stats: UInt16 = 3
    public static let bands: UInt16 = 4
    public static let used: UInt16 = 5
    public static let clear: UInt16 = 6
    public static let maximumMeters: UInt16 = 7
    public static let maximumBands: UInt16 = 8
    public static let pad: UInt16 = 9
    public static let maximum: UInt16 = 9
}

/// `OVS_BAND_ATTR_*`: nested in the elements of `MeterAttribute.bands`.
public enum BandAttribute {
    public static let type: UInt16 = 1
    public static let rate: UInt16 = 2
    public static let burst: UInt16 = 3
    public static let stats: UInt16 = 4
}

/// `OVS_CT_LIMIT_ATTR_*`: attributes of family `ovs_ct_limit`.
public enum CTLimitAttribute {
    public static let zoneLimit: UInt16 = 1
    public static let maximum: UInt16 = 1
}

/// `OVS_KEY_ATTR_*`: fields of a flow key, a mask or a set action.
public enum KeyAttribute {
    public static let encap: UInt16 = 1
    public static let priority: UInt16 = 2
    public static let inPort: UInt16 = 3
    public static let ethernet: UInt16 = 4
    public static let vlan: UInt16 = 5
    public static let etherType: UInt16 = 6
    public static let ipv4: UInt16 = 7
    public static let ipv6: UInt16 = 8
    public static let tcp: UInt16 = 9
    public static let udp: UInt16 = 10
    public static let icmp: UInt16 = 11
    public static let icmpv6: UInt16 = 12
    public static let arp: UInt16 = 13
    public static let nd: UInt16 = 14
    public static let skbMark: UInt16 = 15
    public static let tunnel: UInt16 = 16
    public static let sctp: UInt16 = 17
    public static let tcpFlags: UInt16 = 18
    public static let dpHash: UInt16 = 19
    public static let recircID: UInt16 = 20
    public static let mpls: UInt16 = 21
    public static let ctState: UInt16 = 22
    public static let ctZone: UInt16 = 23
    public static let ctMark: UInt16 = 24
    public static let ctLabels: UInt16 = 25
    public static let ctOrigTupleIPv4: UInt16 = 26
    public static let ctOrigTupleIPv6: UInt16 = 27
    public static let nsh: UInt16 = 28
    /// User space's own; never accepted by a datapath behind Netlink.
    public static let packetType: UInt16 = 29
    /// User space's own; never accepted by a datapath behind Netlink.
    public static let ndExtensions: UInt16 = 30
    public static let tunnelInfo: UInt16 = 31
    public static let ipv6ExtensionHeaders: UInt16 = 32
    public static let maximum: UInt16 = 32
}

/// `OVS_TUNNEL_KEY_ATTR_*`: nested in `KeyAttribute.tunnel`; the numbers begin at 0.
public enum TunnelKeyAttribute {
    public static let id: UInt16 = 0
    public static let ipv4Source: UInt16 = 1
    public static let ipv4Destination: UInt16 = 2
    public static let tos: UInt16 = 3
    public static let ttl: UInt16 = 4
    public static let dontFragment: UInt16 = 5
    public static let checksum: UInt16 = 6
    public static let oam: UInt16 = 7
    public static let geneveOptions: UInt16 = 8
    public static let sourcePort: UInt16 = 9
    public static let destinationPort: UInt16 = 10
    public static let vxlanOptions: UInt16 = 11
    public static let ipv6Source: UInt16 = 12
    public static let ipv6Destination: UInt16 = 13
    public static let pad: UInt16 = 14
    public static let erspanOptions: UInt16 = 15
    public static let ipv4InfoBridge: UInt16 = 16
}

/// `OVS_VXLAN_EXT_*`: nested in `TunnelKeyAttribute.vxlanOptions`.
public enum VXLANExtension {
    /// Group policy.
    public static let gbp: UInt16 = 1
}

/// `OVS_NSH_KEY_ATTR_*`: nested in `KeyAttribute.nsh`.
public enum NSHKeyAttribute {
    public static let base: UInt16 = 1
    public static let md1: UInt16 = 2
    public static let md2: UInt16 = 3
}

/// `OVS_ACTION_ATTR_*`: actions.
public enum ActionAttribute {
    public static let output: UInt16 = 1
    public static let userspace: UInt16 = 2
    public static let set: UInt16 = 3
    public static let pushVLAN: UInt16 = 4
    public static let popVLAN: UInt16 = 5
    public static let sample: UInt16 = 6
    public static let recirc: UInt16 = 7
    public static let hash: UInt16 = 8
    public static let pushMPLS: UInt16 = 9
    public static let popMPLS: UInt16 = 10
    public static let setMasked: UInt16 = 11
    public static let ct: UInt16 = 12
    public static let trunc: UInt16 = 13
    public static let pushEthernet: UInt16 = 14
    public static let popEthernet: UInt16 = 15
    public static let ctClear: UInt16 = 16
    public static let pushNSH: UInt16 = 17
    public static let popNSH: UInt16 = 18
    public static let meter: UInt16 = 19
    public static let clone: UInt16 = 20
    public static let checkPacketLength: UInt16 = 21
    public static let addMPLS: UInt16 = 22
    public static let decrementTTL: UInt16 = 23
    public static let drop: UInt16 = 24
    public static let psample: UInt16 = 25
    public static let maximum: UInt16 = 25
}

/// `OVS_USERSPACE_ATTR_*`: nested in `ActionAttribute.userspace`.
public enum UserspaceAttribute {
    public static let portID: UInt16 = 1
    public static let userdata: UInt16 = 2
    public static let egressTunnelPort: UInt16 = 3
    public static let actions: UInt16 = 4
}

/// `OVS_SAMPLE_ATTR_*`: nested in `ActionAttribute.sample`.
public enum SampleAttribute {
    public static let probability: UInt16 = 1
    public static let actions: UInt16 = 2
}

/// `OVS_CHECK_PKT_LEN_ATTR_*`: nested in `ActionAttribute.checkPacketLength`.
public enum CheckPacketLengthAttribute {
    public static let packetLength: UInt16 = 1
    public static let ifGreater: UInt16 = 2
    public static let ifLessEqual: UInt16 = 3
}

/// `OVS_DEC_TTL_ATTR_*`: nested in `ActionAttribute.decrementTTL`.
public enum DecrementTTLAttribute {
    public static let action: UInt16 = 1
}

/// `OVS_PSAMPLE_ATTR_*`: nested in `ActionAttribute.psample`.
public enum PsampleAttribute {
    public static let group: UInt16 = 1
    public static let cookie: UInt16 = 2
}

/// `OVS_CT_ATTR_*`: nested in `ActionAttribute.ct`.
public enum CTAttribute {
    public static let commit: UInt16 = 1
    public static let zone: UInt16 = 2
    public static let mark: UInt16 = 3
    public static let labels: UInt16 = 4
    public static let helper: UInt16 = 5
    public static let nat: UInt16 = 6
    public static let forceCommit: UInt16 = 7
    public static let eventMask: UInt16 = 8
    public static let timeout: UInt16 = 9
}

/// `OVS_NAT_ATTR_*`: nested in `CTAttribute.nat`.
public enum NATAttribute {
    public static let source: UInt16 = 1
    public static let destination: UInt16 = 2
    public static let ipMinimum: UInt16 = 3
    public static let ipMaximum: UInt16 = 4
    public static let protoMinimum: UInt16 = 5
    public static let protoMaximum: UInt16 = 6
    public static let persistent: UInt16 = 7
    public static let protoHash: UInt16 = 8
    public static let protoRandom: UInt16 = 9
}
