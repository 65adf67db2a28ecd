import CLinux
import Datapath
import Glibc
import Netlink
import OpenvSwitch

/// A network interface as rtnetlink describes it (`RTM_NEWLINK`, `RTM_DELLINK`).
struct Link: Equatable, Sendable {
    var ifindex: Int32
    /// `ARPHRD_*`.
    var hardwareType: UInt16
    /// `IFF_*`.
    var flags: UInt32
    /// `AF_UNSPEC`, or the protocol that the message is about (a bridge speaks of its ports with `AF_BRIDGE`).
    var family: UInt8
    /// `IFLA_IFNAME`.
    var name: String?
    /// `IFLA_ADDRESS`: 48-bit MAC address, a number in wire order; nil if absent or of another length.
    var mac: UInt64?
    /// `IFLA_MTU`.
    var mtu: UInt32?
    /// `IFLA_MASTER`: the interface this one is enslaved to.
    var master: Int32?
    /// `IFLA_INFO_KIND` in `IFLA_LINKINFO`: `veth`, `tun`, `bridge` …; nil for hardware.
    var kind: String?
    /// `IFLA_PROMISCUITY`: how many want the interface promiscuous.
    var promiscuity: UInt32?

    /// Bytes of `struct ifinfomsg`.
    static let headerSize = 16

    var isUp: Bool { flags & UInt32(IFF_UP.rawValue) != 0 }
    var hasCarrier: Bool { flags & 0x10000 != 0 }  // IFF_LOWER_UP
    var isLoopback: Bool { flags & UInt32(IFF_LOOPBACK.rawValue) != 0 }
    var isEthernet: Bool { hardwareType == UInt16(ARPHRD_ETHER) && !isLoopback }

    /// Reads a link message.
    /// - Throws: `truncated` and the errors of the attributes that are read.
    init(_ message: borrowing Message) throws(NetlinkError) {
        let payload = message.payload
        guard let family: UInt8 = payload.load(at: 0), let hardwareType: UInt16 = payload.load(at: 2),
            let ifindex: Int32 = payload.load(at: 4), let flags: UInt32 = payload.load(at: 8),
            payload.byteCount >= Self.headerSize
        else { throw NetlinkError(.truncated, at: MessageHeader.size) }
        self.ifindex = ifindex
        self.hardwareType = hardwareType
        self.flags = flags
        self.family = family
        var attributes = try message.attributes(at: MessageHeader.size + Self.headerSize)
        while let attribute = try attributes.next() {
            switch Int(attribute.type) {
            case IFLA_IFNAME: name = try attribute.string()
            case IFLA_ADDRESS:
                guard attribute.payload.byteCount == 6, let high: UInt16 = attribute.payload.loadBigEndian(at: 0),
                    let low: UInt32 = attribute.payload.loadBigEndian(at: 2)
                else { break }
                mac = UInt64(high) << 32 | UInt64(low)
            case IFLA_MTU: mtu = try attribute.integer()
            case IFLA_MASTER: master = try attribute.integer()
            case IFLA_PROMISCUITY: promiscuity = try attribute.integer()
            case IFLA_LINKINFO:
                var information = attribute.nested
                while let part = try information.next() {
                    if Int(part.type) == IFLA_INFO_KIND { kind = try part.string() }
                }
            default: break
            }
        }
    }
}

extension VportStatistics {
    /// The eight counters that `struct rtnl_link_stats64` begins with; nil if there are fewer.
    init?(linkStatistics bytes: RawSpan) {
        guard bytes.byteCount >= Self.size else { return nil }
        self.init()
        receivedPackets = bytes.load(at: 0) ?? 0
        transmittedPackets = bytes.load(at: 8) ?? 0
        receivedBytes = bytes.load(at: 16) ?? 0
        transmittedBytes = bytes.load(at: 24) ?? 0
        receiveErrors = bytes.load(at: 32) ?? 0
        transmitErrors = bytes.load(at: 40) ?? 0
        receiveDropped = bytes.load(at: 48) ?? 0
        transmitDropped = bytes.load(at: 56) ?? 0
    }
}

extension HostInterface {
    /// - Parameter old: what was known of the interface; it fills in what the message does not say.
    init(_ link: Link, old: HostInterface? = nil) {
        self.init(
            name: link.name ?? old?.name ?? "", ifindex: link.ifindex, mac: link.mac ?? old?.mac ?? 0,
            mtu: link.mtu ?? old?.mtu ?? 0, isUp: link.isUp, hasCarrier: link.hasCarrier, isEthernet: link.isEthernet)
    }
}
