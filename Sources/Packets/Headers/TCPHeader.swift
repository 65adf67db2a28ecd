/// A view of a TCP header (RFC 9293, 3.1).
///
///      0            2                 4          8             12                 14       16         18       20
///     ├ source port ┼ destination port ┼ sequence ┼ acknowledg. ┼ offset 4│flags 12 ┼ window ┼ checksum ┼ urgent ┼ …
///
/// The accessors cannot fail, as the initializer has checked that the header is there. Numbers are in host byte order.
public struct TCPHeader: ~Escapable {
    @usableFromInline let bytes: RawSpan

    /// Bytes of a header without options.
    public static let minimumSize = 20

    public static let fin: UInt16 = 0x001
    public static let syn: UInt16 = 0x002
    public static let rst: UInt16 = 0x004
    public static let psh: UInt16 = 0x008
    public static let ack: UInt16 = 0x010
    public static let urg: UInt16 = 0x020
    public static let ece: UInt16 = 0x040
    public static let cwr: UInt16 = 0x080

    /// A view of the header at `offset`, or nil if its data offset is below five words or behind the frame's end.
    @inlinable
    @_lifetime(copy frame)
    public init?(_ frame: RawSpan, at offset: Int = 0) {
        guard frame.holds(Self.minimumSize, at: offset) else { return nil }
        bytes = unsafe frame.from(offset)
        guard headerLength >= Self.minimumSize && headerLength <= bytes.byteCount else { return nil }
    }

    // The initializer has checked `minimumSize` and `headerLength` bytes; every access below lies within them.

    @inlinable
    public var sourcePort: UInt16 { unsafe bytes.bigEndian(0, as: UInt16.self) }
    @inlinable
    public var destinationPort: UInt16 { unsafe bytes.bigEndian(2, as: UInt16.self) }
    @inlinable
    public var sequence: UInt32 { unsafe bytes.bigEndian(4, as: UInt32.self) }
    @inlinable
    public var acknowledgment: UInt32 { unsafe bytes.bigEndian(8, as: UInt32.self) }
    /// Bytes of the header with its options.
    @inlinable
    public var headerLength: Int { unsafe Int(bytes.bigEndian(12, as: UInt8.self) &>> 4) &* 4 }
    /// The twelve bits behind the data offset: the reserved ones and the flags.
    @inlinable
    public var flags: UInt16 { unsafe bytes.bigEndian(12, as: UInt16.self) & 0x0fff }
    @inlinable
    public var window: UInt16 { unsafe bytes.bigEndian(14, as: UInt16.self) }
    @inlinable
    public var checksum: UInt16 { unsafe bytes.bigEndian(16, as: UInt16.self) }
    @inlinable
    public var urgentPointer: UInt16 { unsafe bytes.bigEndian(18, as: UInt16.self) }
    /// What follows the header up to the end of the frame.
    @inlinable
    public var payload: RawSpan { @_lifetime(copy self) get { unsafe bytes.from(headerLength) } }
}
