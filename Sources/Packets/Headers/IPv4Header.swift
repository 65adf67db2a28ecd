/// A view of an IPv4 header (RFC 791, 3.1).
///
///      0         1     2        4    6                   8     9       10        12      16           20
///     ├ ver│IHL ─┼ TOS ┼ length ┼ id ┼ flags 3│offset 13 ┼ TTL ┼ proto ┼ checksum ┼ source ┼ destination ┼ options …
///
/// The accessors cannot fail, as the initializer has checked that the header is there. Numbers are in host byte order.
/// Version, total length and checksum are not verified.
public struct IPv4Header: ~Escapable {
    @usableFromInline let bytes: RawSpan

    /// Bytes of a header without options.
    public static let minimumSize = 20

    /// A view of the header at `offset`, or nil if its length field is below five words or more than the frame holds.
    @inlinable
    @_lifetime(copy frame)
    public init?(_ frame: RawSpan, at offset: Int = 0) {
        guard frame.holds(Self.minimumSize, at: offset) else { return nil }
        bytes = unsafe frame.from(offset)
        guard headerLength >= Self.minimumSize && headerLength <= bytes.byteCount else { return nil }
    }

    // The initializer has checked `minimumSize` and `headerLength` bytes; every access below lies within them.

    @inlinable
    public var version: UInt8 { unsafe bytes.bigEndian(0, as: UInt8.self) &>> 4 }
    /// Bytes of the header with its options.
    @inlinable
    public var headerLength: Int { unsafe Int(bytes.bigEndian(0, as: UInt8.self) & 0x0f) &* 4 }
    @inlinable
    public var tos: UInt8 { unsafe bytes.bigEndian(1, as: UInt8.self) }
    /// Bytes of header and payload, as the sender says.
    @inlinable
    public var totalLength: UInt16 { unsafe bytes.bigEndian(2, as: UInt16.self) }
    @inlinable
    public var identification: UInt16 { unsafe bytes.bigEndian(4, as: UInt16.self) }
    /// Flags and fragment offset as one field.
    @inlinable
    public var fragmentField: UInt16 { unsafe bytes.bigEndian(6, as: UInt16.self) }
    /// Bytes of the datagram in front of this fragment.
    @inlinable
    public var fragmentOffset: Int { Int(fragmentField & 0x1fff) &* 8 }
    @inlinable
    public var hasMoreFragments: Bool { fragmentField & 0x2000 != 0 }
    @inlinable
    public var isNotToBeFragmented: Bool { fragmentField & 0x4000 != 0 }
    @inlinable
    public var ttl: UInt8 { unsafe bytes.bigEndian(8, as: UInt8.self) }
    @inlinable
    public var protocolNumber: UInt8 { unsafe bytes.bigEndian(9, as: UInt8.self) }
    @inlinable
    public var checksum: UInt16 { unsafe bytes.bigEndian(10, as: UInt16.self) }
    @inlinable
    public var source: UInt32 { unsafe bytes.bigEndian(12, as: UInt32.self) }
    @inlinable
    public var destination: UInt32 { unsafe bytes.bigEndian(16, as: UInt32.self) }
    /// Whether the header's checksum is right.
    public var isChecksumValid: Bool {
        // `headerLength` bytes were checked.
        unsafe InternetChecksum.fold(
            InternetChecksum.sum(bytes.extracting(unchecked: Range(uncheckedBounds: (0, headerLength))))) == 0xffff
    }
    /// What follows the header up to the end of the frame.
    @inlinable
    public var payload: RawSpan { @_lifetime(copy self) get { unsafe bytes.from(headerLength) } }
}
