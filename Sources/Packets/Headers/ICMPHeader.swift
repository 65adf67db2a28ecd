/// A view of an ICMP (RFC 792) or ICMPv6 (RFC 4443, 2.1) header.
///
///      0      1      2          4              8
///     ├ type ┼ code ┼ checksum ┼ rest of header ┤ body …
///
/// The accessors cannot fail, as the initializer has checked that the header is there. Numbers are in host byte order.
public struct ICMPHeader: ~Escapable {
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
    public var type: UInt8 { unsafe bytes.bigEndian(0, as: UInt8.self) }
    @inlinable
    public var code: UInt8 { unsafe bytes.bigEndian(1, as: UInt8.self) }
    @inlinable
    public var checksum: UInt16 { unsafe bytes.bigEndian(2, as: UInt16.self) }
    /// The four bytes behind the checksum; what they mean depends on the type.
    @inlinable
    public var restOfHeader: UInt32 { unsafe bytes.bigEndian(4, as: UInt32.self) }
    /// What follows the header up to the end of the frame.
    @inlinable
    public var body: RawSpan { @_lifetime(copy self) get { unsafe bytes.from(Self.size) } }
}
