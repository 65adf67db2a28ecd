import Netlink

extension UInt16 {
    /// Whether an EtherType is that of a VLAN tag (802.1Q or 802.1ad).
    @inlinable
    public var isVLANTPID: Bool { self == EtherType.vlan || self == EtherType.serviceVLAN }

    /// Whether an EtherType says that an MPLS label stack follows (unicast or multicast, RFC 3032, 5).
    @inlinable
    public var isMPLS: Bool { self == EtherType.mplsUnicast || self == EtherType.mplsMulticast }
}

extension RawSpan {
    /// A MAC address as a 48-bit number; bytes outside the span count as 0.
    public func mac(at offset: Int) -> UInt64 {
        let high: UInt16 = loadBigEndian(at: offset) ?? 0
        let low: UInt32 = loadBigEndian(at: offset &+ 2) ?? 0
        return UInt64(high) << 32 | UInt64(low)
    }

    /// An IPv6 address; bytes outside the span count as 0.
    public func ipv6Address(at offset: Int) -> IPv6Address {
        IPv6Address(high: loadBigEndian(at: offset) ?? 0, low: loadBigEndian(at: offset &+ 8) ?? 0)
    }
}
