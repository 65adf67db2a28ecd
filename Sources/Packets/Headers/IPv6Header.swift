public import OpenvSwitch

/// A view of an IPv6 header (RFC 8200, 3).
///
///      0                               4                6             7           8        24            40
///     ├ ver 4│class 8│flow label 20 ───┼ payload length ┼ next header ┼ hop limit ┼ source ┼ destination ┼ …
///
/// The accessors cannot fail, as the initializer has checked that the header is there. Numbers are in host byte order.
/// The version and the payload length are not verified.
public struct IPv6Header: ~Escapable {
    @usableFromInline let bytes: RawSpan

    /// Bytes of the header without extension headers.
    public static let size = 40

    /// A view of the header at `offset`, or nil if it is incomplete.
    @inlinable
    @_lifetime(copy frame)
    public init?(_ frame: RawSpan, at offset: Int = 0) {
        guard frame.holds(Self.size, at: offset) else { return nil }
        bytes = unsafe frame.from(offset)
    }

    // The initializer has checked `size` bytes; every access below lies within them.

    /// Version, traffic class and flow label as one field.
    @inlinable
    public var firstWord: UInt32 { unsafe bytes.bigEndian(0, as: UInt32.self) }
    @inlinable
    public var version: UInt8 { UInt8(truncatingIfNeeded: firstWord &>> 28) }
    @inlinable
    public var trafficClass: UInt8 { UInt8(truncatingIfNeeded: firstWord &>> 20) }
    /// The 20-bit flow label.
    @inlinable
    public var flowLabel: UInt32 { firstWord & 0x000f_ffff }
    /// Bytes behind this header, as the sender says.
    @inlinable
    public var payloadLength: UInt16 { unsafe bytes.bigEndian(4, as: UInt16.self) }
    /// The protocol of the first header behind this one.
    @inlinable
    public var nextHeader: UInt8 { unsafe bytes.bigEndian(6, as: UInt8.self) }
    @inlinable
    public var hopLimit: UInt8 { unsafe bytes.bigEndian(7, as: UInt8.self) }
    @inlinable
    public var source: IPv6Address { unsafe bytes.ipv6Address(8) }
    @inlinable
    public var destination: IPv6Address { unsafe bytes.ipv6Address(24) }
    /// What follows the header, extension headers first, up to the end of the frame.
    @inlinable
    public var payload: RawSpan { @_lifetime(copy self) get { unsafe bytes.from(Self.size) } }
}
