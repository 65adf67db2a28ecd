/// A view of an Ethernet header (IEEE 802.3, clause 3).
///
///      0                   6                  12          14
///     ├ destination ───────┼ source ──────────┼ EtherType ┤ payload …
///
/// The accessors cannot fail, as the initializer has checked that the header is there. Numbers are in host byte order.
public struct EthernetHeader: ~Escapable {
    @usableFromInline let bytes: RawSpan

    /// Bytes of the header without VLAN tags.
    public static let size = 14

    /// A view of the first 14 bytes of a frame, or nil if it is shorter.
    @inlinable
    @_lifetime(copy frame)
    public init?(_ frame: RawSpan) {
        guard frame.holds(Self.size, at: 0) else { return nil }
        bytes = frame
    }

    // The initializer has checked `size` bytes; every access below lies within them.

    /// The destination MAC address as a 48-bit number.
    @inlinable
    public var destination: UInt64 { unsafe bytes.bigEndian(0, as: UInt64.self) &>> 16 }
    /// The source MAC address as a 48-bit number.
    @inlinable
    public var source: UInt64 { unsafe bytes.bigEndian(6, as: UInt64.self) &>> 16 }
    /// The EtherType, the TPID of a VLAN tag, or (below 0x0600) the length of an IEEE 802.3 frame.
    @inlinable
    public var etherType: UInt16 { unsafe bytes.bigEndian(12, as: UInt16.self) }
    /// What follows the header.
    @inlinable
    public var payload: RawSpan { @_lifetime(copy self) get { unsafe bytes.from(Self.size) } }
}
