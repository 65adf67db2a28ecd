/// What a packet is made of. Keys, frames and actions are made of the same shape, so that they fit.
struct Shape {
    var hasEthernet = true
    /// TPID and TCI of each VLAN tag, the outermost first.
    var tags: [(tpid: UInt16, tci: UInt16)] = []
    var etherType = Ether.ipv4
    /// MPLS labels.
    var labels = 1
    var proto: UInt8 = 6
    /// 0 no fragment, 1 the first, 2 a later one.
    var fragment: UInt8 = 0
    /// Distinguishes addresses and ports.
    var variant: UInt8 = 0
    var tos: UInt8 = 0
    var ttl: UInt8 = 64
    /// Type of ICMP and ICMPv6.
    var icmpType: UInt8 = 8
    var icmpCode: UInt8 = 0
    var tcpFlags: UInt16 = 0x12
    /// IPv6 extension headers by their numbers, in the order in which they stand.
    var extensionHeaders: [UInt8] = []
    /// The EtherType stands behind a SNAP header.
    var isSNAP = false

    var isMPLS: Bool { etherType == Ether.mpls || etherType == Ether.mplsMulticast }
    var isIP: Bool { etherType == Ether.ipv4 || etherType == Ether.ipv6 }
    var hasTransport: Bool { isIP && fragment != 2 }

    init() {}

    init(_ source: inout Source) {
        let kind = source.byte()
        etherType = Self.etherTypes[Int(kind & 15)]
        hasEthernet = kind & 0xc0 != 0x40
        isSNAP = kind & 0xf0 == 0xf0
        let tagged = source.byte()
        let count = tagged & 7
        for _ in 0..<(count < 4 ? 0 : Int(count - 4)) {
            tags.append((tagged & 8 == 0 ? Ether.vlan : Ether.serviceVLAN, 0x1000 | UInt16(tagged >> 4) << 4))
        }
        if !hasEthernet { tags = [] }
        labels = 1 + Int(tagged >> 6)
        proto = source.pick([6, 17, 1, 58, 132, 6, 17, 58, 0, 44, 59, 4])
        if etherType == Ether.ipv4, proto == 58 { proto = 1 }
        let flags = source.byte()
        fragment = [0, 0, 0, 0, 0, 1, 2, 0][Int(flags & 7)]
        if flags & 8 != 0 { extensionHeaders = Self.chains[Int(source.byte()) % Self.chains.count] }
        icmpType = [8, 135, 136, 0][Int(flags >> 4 & 3)]
        icmpCode = flags >> 7
        variant = source.byte()
        if variant & 0x80 != 0 {
            ttl = source.byte()
            tos = source.byte()
            tcpFlags = source.u16() & 0xfff
        }
    }

    private static let etherTypes: [UInt16] = [
        Ether.ipv4, Ether.ipv4, Ether.ipv4, Ether.ipv4, Ether.ipv6, Ether.ipv6, Ether.ipv6, Ether.arp, Ether.mpls,
        Ether.mpls, Ether.mplsMulticast, Ether.nsh, Ether.rarp, 0x1234, Ether.ieee8022, 0x6558,
    ]

    /// Hop by hop, routing, destination options, authentication and ESP; some in an order that is not the right one.
    private static let chains: [[UInt8]] = [
        [0], [0, 60, 43, 60], [43], [60], [51], [0, 43], [60, 0], [50], [43, 43], [0, 51, 60], [60, 60, 60], [135],
    ]
    /// What `extensionHeaders` come to as `OFPIEH12_*`, if they stand in the right order.
    var extensionHeaderBits: UInt16 {
        extensionHeaders.reduce(0) { $0 | (Self.extensionHeaderBit[$1] ?? 0) }
    }
    private static let extensionHeaderBit: [UInt8: UInt16] = [0: 64, 43: 32, 60: 8, 51: 4, 50: 2]

    // MARK: Structures that keys and frames share

    var macs: [UInt8] { [2, 0, 0, 0, 0, variant & 3, 2, 0, 0, 0, 1, variant >> 2 & 3] }
    var address4: (source: [UInt8], destination: [UInt8]) { ([10, 0, 0, variant & 3], [10, 0, 1, variant >> 2 & 3]) }
    var address6: (source: [UInt8], destination: [UInt8]) {
        ([0xfd] + zeros(14) + [variant & 3], [0xfd, 1] + zeros(13) + [variant >> 2 & 3])
    }
    var ports: [UInt8] { [0, 80, 0x1f, 0x90 | (variant & 3)] }

    /// The entries of an MPLS label stack, the bottom one marked.
    var stack: [UInt8] {
        (0..<labels).flatMap { network(UInt32($0 + 16) << 12 | ($0 == labels - 1 ? 0x100 : 0) | UInt32(ttl)) }
    }

    var arp: [UInt8] { address4.source + address4.destination }

    /// `struct nshhdr` with the context of metadata type 1.
    var nsh: [UInt8] { [0x0f, 0xc6, 1, 3, 0, 0, variant, 255] + nshContext }
    /// `struct ovs_nsh_key_base`: flags, TTL, metadata type, next protocol, service path.
    var nshBase: [UInt8] { [0, 63, 1, 3, 0, 0, variant, 255] }
    var nshContext: [UInt8] { zeros(15) + [variant] }

    var neighbour: (target: [UInt8], source: [UInt8], destination: [UInt8]) {
        (
            address6.destination, icmpType == 135 ? Array(macs[0..<6]) : zeros(6),
            icmpType == 136 ? Array(macs[6...]) : zeros(6)
        )
    }
}

func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: max(count, 0)) }
