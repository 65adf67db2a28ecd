// The fields by name, numbers in host byte order.

// MARK: Metadata

extension FlowKey {
    /// The recirculation this packet went through; 0 for a packet as received.
    @inlinable
    public var recircID: UInt32 {
        get { self[.recircID] }
        set { self[.recircID] = newValue }
    }
    /// The hash computed by a hash action; 0 for none.
    @inlinable
    public var dpHash: UInt32 {
        get { self[.dpHash] }
        set { self[.dpHash] = newValue }
    }
    /// `skb_priority`.
    @inlinable
    public var priority: UInt32 {
        get { self[.priority] }
        set { self[.priority] = newValue }
    }
    /// `skb_mark`.
    @inlinable
    public var skbMark: UInt32 {
        get { self[.skbMark] }
        set { self[.skbMark] = newValue }
    }
    /// The vport number the packet came in on; `noPort` if it came from none.
    @inlinable
    public var inPort: UInt16 {
        get { self[.inPort] }
        set { self[.inPort] = newValue }
    }
}

// MARK: Link layer

extension FlowKey {
    /// The innermost EtherType; `EtherType.ieee8022` for a frame without one.
    @inlinable
    public var etherType: UInt16 {
        get { self[.etherType] }
        set { self[.etherType] = newValue }
    }
    /// 1 if the packet has an Ethernet header, 0 for a bare network-layer (L3) packet.
    @inlinable
    public var kind: UInt8 {
        get { self[.kind] }
        set { self[.kind] = newValue }
    }
    /// Source MAC address.
    @inlinable
    public var ethernetSource: UInt64 {
        get { self[.ethernetSource] }
        set { self[.ethernetSource] = newValue }
    }
    /// Destination MAC address.
    @inlinable
    public var ethernetDestination: UInt64 {
        get { self[.ethernetDestination] }
        set { self[.ethernetDestination] = newValue }
    }
    /// TCI of the outer VLAN tag with bit 0x1000 set; 0 if there is no tag.
    @inlinable
    public var vlanTCI: UInt16 {
        get { self[.vlanTCI] }
        set { self[.vlanTCI] = newValue }
    }
    /// TCI of the inner VLAN tag with bit 0x1000 set; 0 if there is none.
    @inlinable
    public var innerVLANTCI: UInt16 {
        get { self[.innerVLANTCI] }
        set { self[.innerVLANTCI] = newValue }
    }
    /// TPID of the outer VLAN tag (0x8100 or 0x88a8); 0 if there is no tag.
    @inlinable
    public var vlanTPID: UInt16 {
        get { self[.vlanTPID] }
        set { self[.vlanTPID] = newValue }
    }
    /// TPID of the inner VLAN tag; 0 if there is none.
    @inlinable
    public var innerVLANTPID: UInt16 {
        get { self[.innerVLANTPID] }
        set { self[.innerVLANTPID] = newValue }
    }
}

// MARK: Network layer

extension FlowKey {
    /// `Fragment`: none, first or later.
    @inlinable
    public var fragment: UInt8 {
        get { self[.fragment] }
        set { self[.fragment] = newValue }
    }
    /// The IP protocol number, or the lower eight bits of an ARP operation.
    @inlinable
    public var ipProtocol: UInt8 {
        get { self[.ipProtocol] }
        set { self[.ipProtocol] = newValue }
    }
    /// IPv4 TOS or IPv6 traffic class.
    @inlinable
    public var ipTOS: UInt8 {
        get { self[.ipTOS] }
        set { self[.ipTOS] = newValue }
    }
    /// IPv4 TTL or IPv6 hop limit.
    @inlinable
    public var ipTTL: UInt8 {
        get { self[.ipTTL] }
        set { self[.ipTTL] = newValue }
    }
    /// The 20-bit IPv6 flow label.
    @inlinable
    public var ipv6Label: UInt32 {
        get { self[.ipv6Label] }
        set { self[.ipv6Label] = newValue }
    }
    /// IPv4 source, or the sender's protocol address of an ARP packet.
    @inlinable
    public var ipv4Source: UInt32 {
        get { self[.ipv4Source] }
        set { self[.ipv4Source] = newValue }
    }
    /// IPv4 destination, or the target's protocol address of an ARP packet.
    @inlinable
    public var ipv4Destination: UInt32 {
        get { self[.ipv4Destination] }
        set { self[.ipv4Destination] = newValue }
    }
    /// The sender's hardware address of an ARP packet.
    @inlinable
    public var arpSourceMAC: UInt64 {
        get { self[.arpSourceMAC] }
        set { self[.arpSourceMAC] = newValue }
    }
    /// The target's hardware address of an ARP packet.
    @inlinable
    public var arpTargetMAC: UInt64 {
        get { self[.arpTargetMAC] }
        set { self[.arpTargetMAC] = newValue }
    }
    /// The outermost entries of an MPLS label stack, 0 where there is none. An entry holds label (20 bits), traffic class
    /// (3), bottom of stack (1) and TTL (8), as `OVS_KEY_ATTR_MPLS` has them.
    @inlinable
    public var mplsEntries: InlineArray<3, UInt32> {
        get {
            [
                UInt32(truncatingIfNeeded: words[7] &>> 32), UInt32(truncatingIfNeeded: words[7]),
                UInt32(truncatingIfNeeded: words[8] &>> 32),
            ]
        }
        set {
            words[7] = UInt64(newValue[0]) << 32 | UInt64(newValue[1])
            words[8] = words[8] & 0xffff_ffff | UInt64(newValue[2]) << 32
        }
    }
    /// Which of `mplsEntries` are there: bit 0 stands for the outermost one.
    @inlinable
    public var mplsPresence: UInt8 {
        get { self[.mplsPresence] }
        set { self[.mplsPresence] = newValue }
    }
    /// IPv6 source.
    @inlinable
    public var ipv6Source: IPv6Address {
        get { IPv6Address(high: words[7], low: words[8]) }
        set { (words[7], words[8]) = (newValue.high, newValue.low) }
    }
    /// IPv6 destination.
    @inlinable
    public var ipv6Destination: IPv6Address {
        get { IPv6Address(high: words[9], low: words[10]) }
        set { (words[9], words[10]) = (newValue.high, newValue.low) }
    }
    /// Target of an ND solicitation or advertisement.
    @inlinable
    public var ndTarget: IPv6Address {
        get { IPv6Address(high: words[11], low: words[12]) }
        set { (words[11], words[12]) = (newValue.high, newValue.low) }
    }
    /// Source link-layer address option of an ND packet; 0 if absent.
    @inlinable
    public var ndSourceMAC: UInt64 {
        get { self[.ndSourceMAC] }
        set { self[.ndSourceMAC] = newValue }
    }
    /// Target link-layer address option of an ND packet; 0 if absent.
    @inlinable
    public var ndTargetMAC: UInt64 {
        get { self[.ndTargetMAC] }
        set { self[.ndTargetMAC] = newValue }
    }
    /// IPv6 extension headers seen (`OFPIEH12_*`: nonext 1, esp 2, auth 4, dest 8, frag 16, router 32, hop 64,
    /// repeated 128, bad order 256).
    @inlinable
    public var ipv6ExtensionHeaders: UInt16 {
        get { self[.ipv6ExtensionHeaders] }
        set { self[.ipv6ExtensionHeaders] = newValue }
    }
    /// Flags of a network service header (RFC 8300, 2.2): as `struct ovs_nsh_key_base` has them.
    @inlinable
    public var nshFlags: UInt8 {
        get { self[.nshFlags] }
        set { self[.nshFlags] = newValue }
    }
    /// TTL of a network service header.
    @inlinable
    public var nshTTL: UInt8 {
        get { self[.nshTTL] }
        set { self[.nshTTL] = newValue }
    }
    /// Metadata type of a network service header: 1 or 2.
    @inlinable
    public var nshMetadataType: UInt8 {
        get { self[.nshMetadataType] }
        set { self[.nshMetadataType] = newValue }
    }
    /// Next protocol of a network service header: `NSHNextProtocol`.
    @inlinable
    public var nshNextProtocol: UInt8 {
        get { self[.nshNextProtocol] }
        set { self[.nshNextProtocol] = newValue }
    }
    /// Service path header: path identifier (24 bits) and service index (8).
    @inlinable
    public var nshPath: UInt32 {
        get { self[.nshPath] }
        set { self[.nshPath] = newValue }
    }
    /// The four context words of a network service header of metadata type 1; 0 with any other.
    @inlinable
    public var nshContext: InlineArray<4, UInt32> {
        get {
            [
                UInt32(truncatingIfNeeded: words[8] &>> 32), UInt32(truncatingIfNeeded: words[8]),
                UInt32(truncatingIfNeeded: words[9] &>> 32), UInt32(truncatingIfNeeded: words[9]),
            ]
        }
        set {
            words[8] = UInt64(newValue[0]) << 32 | UInt64(newValue[1])
            words[9] = UInt64(newValue[2]) << 32 | UInt64(newValue[3])
        }
    }
}

// MARK: Transport layer

extension FlowKey {
    /// The 12 TCP flag bits.
    @inlinable
    public var tcpFlags: UInt16 {
        get { self[.tcpFlags] }
        set { self[.tcpFlags] = newValue }
    }
    /// TCP, UDP or SCTP source port, or ICMP type.
    @inlinable
    public var transportSource: UInt16 {
        get { self[.transportSource] }
        set { self[.transportSource] = newValue }
    }
    /// TCP, UDP or SCTP destination port, or ICMP code.
    @inlinable
    public var transportDestination: UInt16 {
        get { self[.transportDestination] }
        set { self[.transportDestination] = newValue }
    }
}

// MARK: Connection tracking

extension FlowKey {
    /// Mark of the packet's connection.
    @inlinable
    public var ctMark: UInt32 {
        get { self[.ctMark] }
        set { self[.ctMark] = newValue }
    }
    /// Zone that the packet's connection was looked for in.
    @inlinable
    public var ctZone: UInt16 {
        get { self[.ctZone] }
        set { self[.ctZone] = newValue }
    }
    /// What connection tracking found: new 1, established 2, related 4, reply 8, invalid 16, tracked 32, source NAT 64,
    /// destination NAT 128.
    @inlinable
    public var ctState: UInt8 {
        get { self[.ctState] }
        set { self[.ctState] = newValue }
    }
    /// IP protocol of the connection's original direction; 0 if there is none.
    @inlinable
    public var ctOriginalProtocol: UInt8 {
        get { self[.ctOriginalProtocol] }
        set { self[.ctOriginalProtocol] = newValue }
    }
    /// Labels of the packet's connection.
    @inlinable
    public var ctLabels: ConnectionLabels {
        get { ConnectionLabels(high: words[17], low: words[18]) }
        set { (words[17], words[18]) = (newValue.high, newValue.low) }
    }
    /// Source port of the connection's original direction.
    @inlinable
    public var ctOriginalSourcePort: UInt16 {
        get { self[.ctOriginalSourcePort] }
        set { self[.ctOriginalSourcePort] = newValue }
    }
    /// Destination port of the connection's original direction.
    @inlinable
    public var ctOriginalDestinationPort: UInt16 {
        get { self[.ctOriginalDestinationPort] }
        set { self[.ctOriginalDestinationPort] = newValue }
    }
    /// IPv4 source of the connection's original direction.
    @inlinable
    public var ctOriginalIPv4Source: UInt32 {
        get { self[.ctOriginalIPv4Source] }
        set { self[.ctOriginalIPv4Source] = newValue }
    }
    /// IPv4 destination of the connection's original direction.
    @inlinable
    public var ctOriginalIPv4Destination: UInt32 {
        get { self[.ctOriginalIPv4Destination] }
        set { self[.ctOriginalIPv4Destination] = newValue }
    }
    /// IPv6 source of the connection's original direction.
    @inlinable
    public var ctOriginalIPv6Source: IPv6Address {
        get { IPv6Address(high: words[20], low: words[21]) }
        set { (words[20], words[21]) = (newValue.high, newValue.low) }
    }
    /// IPv6 destination of the connection's original direction.
    @inlinable
    public var ctOriginalIPv6Destination: IPv6Address {
        get { IPv6Address(high: words[22], low: words[23]) }
        set { (words[22], words[23]) = (newValue.high, newValue.low) }
    }
}

// MARK: Tunnel

extension FlowKey {
    /// Whether the packet came through a tunnel, and over what: `TunnelFamily`.
    @inlinable
    public var tunnelFamily: UInt8 {
        get { self[.tunnelFamily] }
        set { self[.tunnelFamily] = newValue }
    }
    /// Tunnel key: VNI, GRE key and the like.
    @inlinable
    public var tunnelID: UInt64 {
        get { self[.tunnelID] }
        set { self[.tunnelID] = newValue }
    }
    /// Outer IPv4 source.
    @inlinable
    public var tunnelIPv4Source: UInt32 {
        get { self[.tunnelIPv4Source] }
        set { self[.tunnelIPv4Source] = newValue }
    }
    /// Outer IPv4 destination.
    @inlinable
    public var tunnelIPv4Destination: UInt32 {
        get { self[.tunnelIPv4Destination] }
        set { self[.tunnelIPv4Destination] = newValue }
    }
    /// Outer IPv6 source.
    @inlinable
    public var tunnelIPv6Source: IPv6Address {
        get { IPv6Address(high: words[25], low: words[26]) }
        set { (words[25], words[26]) = (newValue.high, newValue.low) }
    }
    /// Outer IPv6 destination.
    @inlinable
    public var tunnelIPv6Destination: IPv6Address {
        get { IPv6Address(high: words[27], low: words[28]) }
        set { (words[27], words[28]) = (newValue.high, newValue.low) }
    }
    /// `TunnelFlags`: what the tunnel header had.
    @inlinable
    public var tunnelFlags: UInt16 {
        get { self[.tunnelFlags] }
        set { self[.tunnelFlags] = newValue }
    }
    /// Outer IPv4 TOS or IPv6 traffic class.
    @inlinable
    public var tunnelTOS: UInt8 {
        get { self[.tunnelTOS] }
        set { self[.tunnelTOS] = newValue }
    }
    /// Outer TTL or hop limit.
    @inlinable
    public var tunnelTTL: UInt8 {
        get { self[.tunnelTTL] }
        set { self[.tunnelTTL] = newValue }
    }
    /// Outer UDP source port.
    @inlinable
    public var tunnelSourcePort: UInt16 {
        get { self[.tunnelSourcePort] }
        set { self[.tunnelSourcePort] = newValue }
    }
    /// Outer UDP destination port.
    @inlinable
    public var tunnelDestinationPort: UInt16 {
        get { self[.tunnelDestinationPort] }
        set { self[.tunnelDestinationPort] = newValue }
    }
    /// Bytes of the tunnel's options, which stand beside the key (`TunnelOptions`).
    @inlinable
    public var tunnelOptionsLength: UInt8 {
        get { self[.tunnelOptionsLength] }
        set { self[.tunnelOptionsLength] = newValue }
    }
}
