/// A view of an ARP or RARP packet for IPv4 over Ethernet (RFC 826, RFC 903).
///
///      0       2       4     5     6    8        14      18       24      28
///     ├ hw 1 ─┼ 0x0800 ┼ 6 ──┼ 4 ──┼ op ┼ sha ───┼ spa ──┼ tha ───┼ tpa ──┤
///
/// The accessors cannot fail, as the initializer has checked that the packet is there. Numbers are in host byte order.
public struct ARPHeader: ~Escapable {
    @usableFromInline let bytes: RawSpan

    /// Bytes of the packet.
    public static let size = 28

    /// A view of the packet at `offset`, or nil if it is incomplete or not of IPv4 over Ethernet.
    @inlinable
    @_lifetime(copy frame)
    public init?(_ frame: RawSpan, at offset: Int = 0) {
        guard frame.holds(Self.size, at: offset) else { return nil }
        bytes = unsafe frame.from(offset)
        // Hardware type 1, protocol type IPv4, six and four bytes of address.
        guard unsafe bytes.bigEndian(0, as: UInt64.self) &>> 16 == 0x0001_0800_0604 else { return nil }
    }

    // The initializer has checked `size` bytes; every access below lies within them.

    /// 1 for a request, 2 for a reply, 3 and 4 for RARP.
    @inlinable
    public var operation: UInt16 { unsafe bytes.bigEndian(6, as: UInt16.self) }
    /// The sender's MAC address as a 48-bit number.
    @inlinable
    public var sourceMAC: UInt64 { unsafe bytes.mac(8) }
    /// The sender's IPv4 address.
    @inlinable
    public var sourceAddress: UInt32 { unsafe bytes.bigEndian(14, as: UInt32.self) }
    /// The target's MAC address as a 48-bit number.
    @inlinable
    public var targetMAC: UInt64 { unsafe bytes.mac(18) }
    /// The target's IPv4 address.
    @inlinable
    public var targetAddress: UInt32 { unsafe bytes.bigEndian(24, as: UInt32.self) }
}
