/// A view of a UDP header (RFC 768).
///
///      0            2                 4        6          8
///     ├ source port ┼ destination port ┼ length ┼ checksum ┤ payload …
///
/// The accessors cannot fail, as the initializer has checked that the header is there. Numbers are in host byte order.
public struct UDPHeader: ~Escapable {
    @usableFromInline let bytes: RawSpan

    /// Bytes of the header.
    public static let size = 8

    /// A view of the header at `offset`, or nil if it is incomplete.
    @inlinable
    @_lifetime(copy frame)
    public init?(_ frame: RawSpan, at offset: Int = 0) {
        guard frame.holds(Self.size, at: offset) else { return nil }
        bytes = unsafe frame.from(offset)
    }

    // The initializer has checked `size` bytes; every access below lies within them.

    @inlinable
    public var sourcePort: UInt16 { unsafe bytes.bigEndian(0, as: UInt16.self) }
    @inlinable
    public var destinationPort: UInt16 { unsafe bytes.bigEndian(2, as: UInt16.self) }
    /// Bytes of header and payload, as the sender says.
    @inlinable
    public var length: UInt16 { unsafe bytes.bigEndian(4, as: UInt16.self) }
    /// 0 if the sender computed none.
    @inlinable
    public var checksum: UInt16 { unsafe bytes.bigEndian(6, as: UInt16.self) }
    /// What follows the header up to the end of the frame.
    @inlinable
    public var payload: RawSpan { @_lifetime(copy self) get { unsafe bytes.from(Self.size) } }
}
