/// Where the headers of a frame begin, in bytes from its start; -1 where there is none.
public struct HeaderOffsets: Sendable, Equatable, BitwiseCopyable {
    /// What follows the Ethernet header, its VLAN tags and an LLC/SNAP header: an IP, ARP or network service header, or an
    /// MPLS label stack. 0 in a packet without Ethernet header.
    public var network: Int
    /// The TCP, UDP, SCTP, ICMP or ICMPv6 header, if all of it is there and the packet is no later fragment.
    public var transport: Int

    /// No headers.
    @inlinable
    public init() { (network, transport) = (-1, -1) }

    @inlinable
    public init(network: Int, transport: Int) {
        self.network = network
        self.transport = transport
    }

    /// Moves the offsets when `count` bytes were put in (or, negative, taken out) in front of the network header.
    @inlinable
    public mutating func shift(by count: Int) {
        if network >= 0 { network &+= count }
        if transport >= 0 { transport &+= count }
    }
}
