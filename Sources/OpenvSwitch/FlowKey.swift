/// What a packet is matched by: every header field and piece of metadata that a flow can name, at a fixed place.
///
/// The same layout serves as a mask (`FlowMask`): a bit that is 1 there is compared. Matching, masking and hashing are
/// loops over 64-bit words and know nothing of fields.
///
/// All fields hold numbers in host byte order (`0x0800` for IPv4, `0x0a000001` for 10.0.0.1); only reading and writing
/// Netlink or packets turns bytes round. A MAC address is the 48-bit number that its bytes make in wire order.
///
/// Words from `network` on are shared by network protocols, as the header can hold only one; a mask over them is allowed
/// only together with an exact EtherType, so that they cannot be confused.
///
///     word  bits 63…48        47…32        31…24   23…16     15…8      7…0
///      0    recirc_id ─────────────────┤   dp_hash ─────────────────────────┤
///      1    priority ──────────────────┤   skb_mark ────────────────────────┤
///      2    in_port         EtherType     kind    fragment  IP proto  tos/tclass
///      3    eth_src ───────────────────────────────────────┤ VLAN TCI
///      4    eth_dst ───────────────────────────────────────┤ inner VLAN TCI
///      5    VLAN TPID       inner TPID    ttl     0         TCP flags
///      6    L4 source       L4 dest       IPv6 label
///      7…9  IPv4: src|dst   ARP/RARP: sip|tip, sha, tha (the operation is in IP proto)
///      7…8  MPLS: first|second entry, third entry|which are there
///      7…15 IPv6: src, dst (7…10), ND target (11…12), ND sll, tll (13, 14), extension headers (15)
///
/// Further words (tunnel, conntrack, NSH) go behind word 15.
public struct FlowKey: Sendable, BitwiseCopyable {
    /// Number of 64-bit words.
    public static let wordCount = 16

    /// The words, to be read and written through the fields below.
    public var words: InlineArray<16, UInt64>

    /// All zero.
    @inlinable
    public init() { words = InlineArray(repeating: 0) }
}

/// A mask over a `FlowKey`: bits that are 1 are compared.
public typealias FlowMask = FlowKey

// MARK: Fields

extension FlowKey {
    @inlinable
    func field(_ word: Int, _ shift: UInt64, _ mask: UInt64) -> UInt64 { (words[word] &>> shift) & mask }

    @inlinable
    mutating func setField(_ word: Int, _ shift: UInt64, _ mask: UInt64, _ value: UInt64) {
        words[word] = words[word] & ~(mask &<< shift) | (value & mask) &<< shift
    }

    /// The recirculation this packet went through; 0 for a packet as received.
    @inlinable
    public var recircID: UInt32 {
        get { UInt32(truncatingIfNeeded: field(0, 32, 0xffff_ffff)) }
        set { setField(0, 32, 0xffff_ffff, UInt64(newValue)) }
    }
    /// The hash computed by a hash action; 0 for none.
    @inlinable
    public var dpHash: UInt32 {
        get { UInt32(truncatingIfNeeded: field(0, 0, 0xffff_ffff)) }
        set { setField(0, 0, 0xffff_ffff, UInt64(newValue)) }
    }
    /// `skb_priority`.
    @inlinable
    public var priority: UInt32 {
        get { UInt32(truncatingIfNeeded: field(1, 32, 0xffff_ffff)) }
        set { setField(1, 32, 0xffff_ffff, UInt64(newValue)) }
    }
    /// `skb_mark`.
    @inlinable
    public var skbMark: UInt32 {
        get { UInt32(truncatingIfNeeded: field(1, 0, 0xffff_ffff)) }
        set { setField(1, 0, 0xffff_ffff, UInt64(newValue)) }
    }
    /// The vport number the packet came in on; `noPort` if it came from none.
    @inlinable
    public var inPort: UInt16 {
        get { UInt16(truncatingIfNeeded: field(2, 48, 0xffff)) }
        set { setField(2, 48, 0xffff, UInt64(newValue)) }
    }
    /// The innermost EtherType; `EtherType.ieee8022` for a frame without one.
    @inlinable
    public var etherType: UInt16 {
        get { UInt16(truncatingIfNeeded: field(2, 32, 0xffff)) }
        set { setField(2, 32, 0xffff, UInt64(newValue)) }
    }
    /// 1 if the packet has an Ethernet header, 0 for a bare network-layer (L3) packet.
    @inlinable
    public var kind: UInt8 {
        get { UInt8(truncatingIfNeeded: field(2, 24, 0xff)) }
        set { setField(2, 24, 0xff, UInt64(newValue)) }
    }
    /// `Fragment`: none, first or later.
    @inlinable
    public var fragment: UInt8 {
        get { UInt8(truncatingIfNeeded: field(2, 16, 0xff)) }
        set { setField(2, 16, 0xff, UInt64(newValue)) }
    }
    /// The IP protocol number, or the lower eight bits of an ARP operation.
    @inlinable
    public var ipProtocol: UInt8 {
        get { UInt8(truncatingIfNeeded: field(2, 8, 0xff)) }
        set { setField(2, 8, 0xff, UInt64(newValue)) }
    }
    /// IPv4 TOS or IPv6 traffic class.
    @inlinable
    public var ipTOS: UInt8 {
        get { UInt8(truncatingIfNeeded: field(2, 0, 0xff)) }
        set { setField(2, 0, 0xff, UInt64(newValue)) }
    }
    @inlinable
    public var ethernetSource: UInt64 {
        get { field(3, 16, 0xffff_ffff_ffff) }
        set { setField(3, 16, 0xffff_ffff_ffff, newValue) }
    }
    @inlinable
    public var ethernetDestination: UInt64 {
        get { field(4, 16, 0xffff_ffff_ffff) }
        set { setField(4, 16, 0xffff_ffff_ffff, newValue) }
    }
    /// TCI of the outer VLAN tag with bit 0x1000 set; 0 if there is no tag.
    @inlinable
    public var vlanTCI: UInt16 {
        get { UInt16(truncatingIfNeeded: field(3, 0, 0xffff)) }
        set { setField(3, 0, 0xffff, UInt64(newValue)) }
    }
    /// TCI of the inner VLAN tag with bit 0x1000 set; 0 if there is none.
    @inlinable
    public var innerVLANTCI: UInt16 {
        get { UInt16(truncatingIfNeeded: field(4, 0, 0xffff)) }
        set { setField(4, 0, 0xffff, UInt64(newValue)) }
    }
    /// TPID of the outer VLAN tag (0x8100 or 0x88a8); 0 if there is no tag.
    @inlinable
    public var vlanTPID: UInt16 {
        get { UInt16(truncatingIfNeeded: field(5, 48, 0xffff)) }
        set { setField(5, 48, 0xffff, UInt64(newValue)) }
    }
    /// TPID of the inner VLAN tag; 0 if there is none.
    @inlinable
    public var innerVLANTPID: UInt16 {
        get { UInt16(truncatingIfNeeded: field(5, 32, 0xffff)) }
        set { setField(5, 32, 0xffff, UInt64(newValue)) }
    }
    /// IPv4 TTL or IPv6 hop limit.
    @inlinable
    public var ipTTL: UInt8 {
        get { UInt8(truncatingIfNeeded: field(5, 24, 0xff)) }
        set { setField(5, 24, 0xff, UInt64(newValue)) }
    }
    /// The 12 TCP flag bits.
    @inlinable
    public var tcpFlags: UInt16 {
        get { UInt16(truncatingIfNeeded: field(5, 0, 0xffff)) }
        set { setField(5, 0, 0xffff, UInt64(newValue)) }
    }
    /// TCP, UDP or SCTP source port, or ICMP type.
    @inlinable
    public var transportSource: UInt16 {
        get { UInt16(truncatingIfNeeded: field(6, 48, 0xffff)) }
        set { setField(6, 48, 0xffff, UInt64(newValue)) }
    }
    /// TCP, UDP or SCTP destination port, or ICMP code.
    @inlinable
    public var transportDestination: UInt16 {
        get { UInt16(truncatingIfNeeded: field(6, 32, 0xffff)) }
        set { setField(6, 32, 0xffff, UInt64(newValue)) }
    }
    /// The 20-bit IPv6 flow label.
    @inlinable
    public var ipv6Label: UInt32 {
        get { UInt32(truncatingIfNeeded: field(6, 0, 0xffff_ffff)) }
        set { setField(6, 0, 0xffff_ffff, UInt64(newValue)) }
    }
    /// IPv4 source, or the sender's protocol address of an ARP packet.
    @inlinable
    public var ipv4Source: UInt32 {
        get { UInt32(truncatingIfNeeded: field(7, 32, 0xffff_ffff)) }
        set { setField(7, 32, 0xffff_ffff, UInt64(newValue)) }
    }
    /// IPv4 destination, or the target's protocol address of an ARP packet.
    @inlinable
    public var ipv4Destination: UInt32 {
        get { UInt32(truncatingIfNeeded: field(7, 0, 0xffff_ffff)) }
        set { setField(7, 0, 0xffff_ffff, UInt64(newValue)) }
    }
    /// The sender's hardware address of an ARP packet.
    @inlinable
    public var arpSourceMAC: UInt64 {
        get { words[8] }
        set { words[8] = newValue & 0xffff_ffff_ffff }
    }
    /// The target's hardware address of an ARP packet.
    @inlinable
    public var arpTargetMAC: UInt64 {
        get { words[9] }
        set { words[9] = newValue & 0xffff_ffff_ffff }
    }
    /// The outermost entries of an MPLS label stack, 0 where there is none. An entry holds label (20 bits), traffic class
    /// (3), bottom of stack (1) and TTL (8), as `OVS_KEY_ATTR_MPLS` has them.
    @inlinable
    public var mplsEntries: InlineArray<3, UInt32> {
        get {
            [
                UInt32(truncatingIfNeeded: field(7, 32, 0xffff_ffff)),
                UInt32(truncatingIfNeeded: field(7, 0, 0xffff_ffff)),
                UInt32(truncatingIfNeeded: field(8, 32, 0xffff_ffff)),
            ]
        }
        set {
            words[7] = UInt64(newValue[0]) << 32 | UInt64(newValue[1])
            setField(8, 32, 0xffff_ffff, UInt64(newValue[2]))
        }
    }
    /// Which of `mplsEntries` are there: bit 0 stands for the outermost one.
    @inlinable
    public var mplsPresence: UInt8 {
        get { UInt8(truncatingIfNeeded: field(8, 0, 0xff)) }
        set { setField(8, 0, 0xff, UInt64(newValue)) }
    }
    @inlinable
    public var ipv6Source: IPv6Address {
        get { IPv6Address(high: words[7], low: words[8]) }
        set { (words[7], words[8]) = (newValue.high, newValue.low) }
    }
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
        get { words[13] }
        set { words[13] = newValue & 0xffff_ffff_ffff }
    }
    /// Target link-layer address option of an ND packet; 0 if absent.
    @inlinable
    public var ndTargetMAC: UInt64 {
        get { words[14] }
        set { words[14] = newValue & 0xffff_ffff_ffff }
    }
    /// IPv6 extension headers seen (`OFPIEH12_*`: nonext 1, esp 2, auth 4, dest 8, frag 16, router 32, hop 64,
    /// repeated 128, bad order 256).
    @inlinable
    public var ipv6ExtensionHeaders: UInt16 {
        get { UInt16(truncatingIfNeeded: words[15]) }
        set { words[15] = UInt64(newValue) }
    }

    /// `inPort` of a packet that came in on no port.
    public static let noPort: UInt16 = 0xffff
    /// The most MPLS label stack entries that a key holds (`MPLS_LABEL_DEPTH`).
    public static let maximumMPLSEntries = 3
    /// Bit of a VLAN TCI that says a tag is there (`VLAN_CFI_MASK`).
    public static let vlanPresent: UInt16 = 0x1000
}

/// An IPv6 address as two numbers: the first eight and the last eight bytes in wire order.
public struct IPv6Address: Hashable, Sendable, BitwiseCopyable {
    public var high: UInt64
    public var low: UInt64
    @inlinable
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }
}

/// EtherTypes (IEEE 802 numbers).
public enum EtherType {
    public static let ipv4: UInt16 = 0x0800
    public static let arp: UInt16 = 0x0806
    public static let rarp: UInt16 = 0x8035
    public static let vlan: UInt16 = 0x8100
    public static let ipv6: UInt16 = 0x86dd
    public static let mplsUnicast: UInt16 = 0x8847
    public static let mplsMulticast: UInt16 = 0x8848
    public static let serviceVLAN: UInt16 = 0x88a8
    public static let nsh: UInt16 = 0x894f
    public static let transparentEthernet: UInt16 = 0x6558
    /// EtherTypes begin here; smaller numbers are lengths (IEEE 802.3).
    public static let minimum: UInt16 = 0x0600
    /// Not on the wire: the frame has a length field and no EtherType (`ETH_P_802_2`).
    public static let ieee8022: UInt16 = 0x0004
}

/// IP protocol numbers (RFC 790 and later).
public enum IPProtocol {
    public static let hopByHop: UInt8 = 0
    public static let icmp: UInt8 = 1
    public static let igmp: UInt8 = 2
    public static let tcp: UInt8 = 6
    public static let udp: UInt8 = 17
    public static let routing: UInt8 = 43
    public static let fragment: UInt8 = 44
    public static let esp: UInt8 = 50
    public static let authentication: UInt8 = 51
    public static let icmpv6: UInt8 = 58
    public static let noNextHeader: UInt8 = 59
    public static let destinationOptions: UInt8 = 60
    public static let sctp: UInt8 = 132
}

/// `enum ovs_frag_type`.
public enum Fragment {
    public static let none: UInt8 = 0
    public static let first: UInt8 = 1
    public static let later: UInt8 = 2
}
