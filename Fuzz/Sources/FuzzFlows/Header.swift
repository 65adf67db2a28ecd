// Numbers and sizes of `linux/openvswitch.h`, written down once more: a fuzzer that took them from the datapath's tables
// would not see a wrong one there.

/// `enum ovs_flow_cmd` and `enum ovs_packet_cmd`.
enum Cmd {
    static let new: UInt8 = 1
    static let del: UInt8 = 2
    static let get: UInt8 = 3
    static let set: UInt8 = 4
    static let miss: UInt8 = 1
    static let action: UInt8 = 2
    static let execute: UInt8 = 3
    static let meterSet: UInt8 = 2
    static let meterDel: UInt8 = 3
}

/// `enum ovs_flow_attr`.
enum FlowAttr {
    static let key: UInt16 = 1
    static let actions: UInt16 = 2
    static let clear: UInt16 = 6
    static let mask: UInt16 = 7
    static let probe: UInt16 = 8
    static let ufid: UInt16 = 9
    static let ufidFlags: UInt16 = 10
}

/// `enum ovs_packet_attr`.
enum PacketAttr {
    static let packet: UInt16 = 1
    static let key: UInt16 = 2
    static let actions: UInt16 = 3
    static let probe: UInt16 = 8
    static let mru: UInt16 = 9
    static let hash: UInt16 = 11
    static let upcallPID: UInt16 = 12
}

/// `enum ovs_key_attr`.
enum Key {
    static let encap: UInt16 = 1
    static let priority: UInt16 = 2
    static let inPort: UInt16 = 3
    static let ethernet: UInt16 = 4
    static let vlan: UInt16 = 5
    static let etherType: UInt16 = 6
    static let ipv4: UInt16 = 7
    static let ipv6: UInt16 = 8
    static let tcp: UInt16 = 9
    static let udp: UInt16 = 10
    static let icmp: UInt16 = 11
    static let icmpv6: UInt16 = 12
    static let arp: UInt16 = 13
    static let nd: UInt16 = 14
    static let skbMark: UInt16 = 15
    static let tunnel: UInt16 = 16
    static let sctp: UInt16 = 17
    static let tcpFlags: UInt16 = 18
    static let dpHash: UInt16 = 19
    static let recircID: UInt16 = 20
    static let mpls: UInt16 = 21
    static let ctState: UInt16 = 22
    static let ctZone: UInt16 = 23
    static let ctMark: UInt16 = 24
    static let ctLabels: UInt16 = 25
    static let ctTuple4: UInt16 = 26
    static let ctTuple6: UInt16 = 27
    static let nsh: UInt16 = 28
    static let extensionHeaders: UInt16 = 32

    /// Bytes of each attribute's structure; 0 for those that are nested or not for clients.
    static let sizes: [Int] = [
        0, 0, 4, 4, 12, 2, 2, 12, 40, 4, 4, 2, 2, 24, 28, 4, 0, 4, 2, 4, 4, 4, 4, 2, 4, 16, 16, 40, 0, 4, 8, 8, 2,
    ]
}

/// `enum ovs_tunnel_key_attr`.
enum TunnelKey {
    static let id: UInt16 = 0
    static let ipv4Source: UInt16 = 1
    static let ipv4Destination: UInt16 = 2
    static let tos: UInt16 = 3
    static let ttl: UInt16 = 4
    static let dontFragment: UInt16 = 5
    static let checksum: UInt16 = 6
    static let oam: UInt16 = 7
    static let geneveOptions: UInt16 = 8
    static let sourcePort: UInt16 = 9
    static let destinationPort: UInt16 = 10
    static let vxlanOptions: UInt16 = 11
    static let ipv6Source: UInt16 = 12
    static let ipv6Destination: UInt16 = 13
    static let erspanOptions: UInt16 = 15
    static let ipv4InfoBridge: UInt16 = 16
}

/// `enum ovs_action_attr`; `drop` and `psample` are of later headers than some have.
enum Act {
    static let output: UInt16 = 1
    static let userspace: UInt16 = 2
    static let set: UInt16 = 3
    static let pushVLAN: UInt16 = 4
    static let popVLAN: UInt16 = 5
    static let sample: UInt16 = 6
    static let recirc: UInt16 = 7
    static let hash: UInt16 = 8
    static let pushMPLS: UInt16 = 9
    static let popMPLS: UInt16 = 10
    static let setMasked: UInt16 = 11
    static let ct: UInt16 = 12
    static let trunc: UInt16 = 13
    static let pushEth: UInt16 = 14
    static let popEth: UInt16 = 15
    static let ctClear: UInt16 = 16
    static let pushNSH: UInt16 = 17
    static let popNSH: UInt16 = 18
    static let meter: UInt16 = 19
    static let clone: UInt16 = 20
    static let checkPacketLength: UInt16 = 21
    static let addMPLS: UInt16 = 22
    static let decTTL: UInt16 = 23
    static let drop: UInt16 = 24
    static let psample: UInt16 = 25
}

enum Ether {
    static let ipv4: UInt16 = 0x0800
    static let arp: UInt16 = 0x0806
    static let rarp: UInt16 = 0x8035
    static let vlan: UInt16 = 0x8100
    static let ipv6: UInt16 = 0x86dd
    static let mpls: UInt16 = 0x8847
    static let mplsMulticast: UInt16 = 0x8848
    static let serviceVLAN: UInt16 = 0x88a8
    static let nsh: UInt16 = 0x894f
    /// Not on the wire here: a frame with a length field.
    static let ieee8022: UInt16 = 4
}

/// Netlink's flags.
enum Flag {
    static let request: UInt16 = 0x1
    static let ack: UInt16 = 0x4
    static let echo: UInt16 = 0x8
    static let dump: UInt16 = 0x300
    static let exclusive: UInt16 = 0x200
    static let create: UInt16 = 0x400
}

/// The errors that a flow or packet request may meet, of `asm-generic/errno.h`: ENOENT, EEXIST, ENODEV, EINVAL, ERANGE,
/// EOVERFLOW, EMSGSIZE and EOPNOTSUPP. ENOMEM is not among them: none of this needs so much memory.
let allowedErrors: Set<Int32> = [2, 17, 19, 22, 34, 75, 90, 95]
