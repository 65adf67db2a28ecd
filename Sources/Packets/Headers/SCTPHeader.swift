/// A view of an SCTP common header (RFC 9260, 3.1).
///
///      0            2                 4                  8          12
///     ├ source port ┼ destination port ┼ verification tag ┼ checksum ┤ chunks …
///
/// The accessors cannot fail, as the initializer has checked that the header is there. Numbers are in host byte order.
public struct SCTPHeader: ~Escapable {
    @usableFromInline let bytes: RawSpan

    /// Bytes of the header.
    public static let size = 12

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
    @inlinable
    public var verificationTag: UInt32 { unsafe bytes.bigEndian(4, as: UInt32.self) }
    /// The CRC32c as a number; on the wire its least significant byte comes first.
    @inlinable
    public var checksum: UInt32 { unsafe bytes.bigEndian(8, as: UInt32.self).byteSwapped }
}
