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
///      5    VLAN TPID       inner TPID    ttl     tunnel    TCP flags
///      6    L4 source       L4 dest       IPv6 label
///      7…9  IPv4: src|dst   ARP/RARP: sip|tip, sha, tha (the operation is in IP proto)
///      7…8  MPLS: first|second entry, third entry|which are there
///      7…9  NSH: flags, ttl, type, next protocol|path, four context words
///      7…15 IPv6: src, dst (7…10), ND target (11…12), ND sll, tll (13, 14), extension headers (15)
///     16    ct_mark ───────────────────┤   ct_zone           ct_state  ct proto
///     17…18 ct_labels
///     19    ct tp_src       ct tp_dst
///     20…23 ct addresses: IPv4: src|dst, IPv6: src, dst
///     24    tun_id
///     25…28 tunnel addresses: IPv4: src|dst, IPv6: src, dst
///     29    tunnel flags    tos, ttl      tp_src            tp_dst
///     30    length of the tunnel's options
///
/// The words are in the order in which flows need them, as a look-up goes from the first to the last that a mask touches.
/// The options of a tunnel header, up to 255 bytes that hardly any packet has, stand beside the key (`TunnelOptions`).
public struct FlowKey: Sendable, BitwiseCopyable {
    /// Number of 64-bit words.
    public static let wordCount = 31

    /// The words, to be read and written through the fields (`FlowKey+Fields.swift`).
    public var words: InlineArray<31, UInt64>

    /// All zero. (`repeating` would be called, and its result copied.)
    @inlinable
    @inline(__always)
    public init() {
        words = [
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ]
    }
}

/// A mask over a `FlowKey`: bits that are 1 are compared.
public typealias FlowMask = FlowKey

/// Where a field of at most 128 bits stands in a `FlowKey`.
public struct FieldPlace: Sendable, BitwiseCopyable {
    /// The word; of a field of 128 bits the first.
    @usableFromInline let word: UInt8
    /// The lowest bit of the field in its word.
    @usableFromInline let shift: UInt8
    /// 8, 16, 32, 48, 64 or 128.
    @usableFromInline let bits: UInt8

    @inlinable
    init(word: UInt8, shift: UInt8, bits: UInt8) {
        self.word = word
        self.shift = shift
        self.bits = bits
    }

    /// As many ones as the field has bits, at most 64.
    @inlinable
    var ones: UInt64 { bits >= 64 ? .max : 1 &<< UInt64(bits) &- 1 }
}

extension FlowKey {
    /// A field of at most 64 bits. Inlined, so that the word is a constant: with another index an inline array is copied.
    @inlinable
    subscript<T: FixedWidthInteger & UnsignedInteger>(place: FieldPlace) -> T {
        @inline(__always) get {
            T(truncatingIfNeeded: words[Int(place.word)] &>> UInt64(place.shift) & place.ones)
        }
        @inline(__always) set {
            let word = Int(place.word)
            let ones = place.ones
            words[word] =
                words[word] & ~(ones &<< UInt64(place.shift))
                | (UInt64(truncatingIfNeeded: newValue) & ones) &<< UInt64(place.shift)
        }
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

/// The labels of a connection (`OVS_KEY_ATTR_CT_LABELS`): the first eight and the last eight bytes in wire order.
public struct ConnectionLabels: Hashable, Sendable, BitwiseCopyable {
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

/// What a packet's tunnel ran over (`FlowKey.tunnelFamily`): the address family's number in Linux.
public enum TunnelFamily {
    public static let none: UInt8 = 0
    public static let ipv4: UInt8 = 2
    public static let ipv6: UInt8 = 10
}

/// Flags of a tunnel header (`FlowKey.tunnelFlags`), and which kind of options it had.
public enum TunnelFlags {
    /// `OVS_TUNNEL_KEY_ATTR_ID` is there.
    public static let key: UInt16 = 1
    public static let dontFragment: UInt16 = 2
    public static let checksum: UInt16 = 4
    public static let oam: UInt16 = 8
    public static let geneveOptions: UInt16 = 16
    public static let vxlanOptions: UInt16 = 32
    public static let erspanOptions: UInt16 = 64
    /// `OVS_TUNNEL_KEY_ATTR_IPV4_INFO_BRIDGE`: a bridge's tunnel, which has no addresses.
    public static let infoBridge: UInt16 = 128
    /// Any kind of options.
    public static let options: UInt16 = geneveOptions | vxlanOptions | erspanOptions
}

/// What follows a network service header (RFC 8300, 2.2).
public enum NSHNextProtocol {
    public static let ipv4: UInt8 = 1
    public static let ipv6: UInt8 = 2
    public static let ethernet: UInt8 = 3
    public static let nsh: UInt8 = 4
    public static let mpls: UInt8 = 5
}
