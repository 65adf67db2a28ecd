/// A view of one MPLS label stack entry (RFC 3032, 2.1).
///
///      0          20      23     24       32 bits
///     ├ label ────┼ TC 3 ─┼ S 1 ─┼ TTL ───┤
///
/// The accessors cannot fail, as the initializer has checked that the entry is there. Numbers are in host byte order.
public struct MPLSEntry: ~Escapable {
    @usableFromInline let bytes: RawSpan

    /// Bytes of an entry.
    public static let size = 4

    /// A view of the entry at `offset`, or nil if the frame ends before the entry does.
    @inlinable
    @_lifetime(copy frame)
    public init?(_ frame: RawSpan, at offset: Int = 0) {
        guard frame.holds(Self.size, at: offset) else { return nil }
        bytes = unsafe frame.from(offset)
    }

    // The initializer has checked `size` bytes; every access below lies within them.

    /// The whole entry.
    @inlinable
    public var word: UInt32 { unsafe bytes.bigEndian(0, as: UInt32.self) }
    /// The 20-bit label.
    @inlinable
    public var label: UInt32 { word &>> 12 }
    /// The traffic class (RFC 5462).
    @inlinable
    public var trafficClass: UInt8 { UInt8(truncatingIfNeeded: word &>> 9) & 7 }
    /// Whether this is the last entry of the stack.
    @inlinable
    public var isBottom: Bool { word & 0x100 != 0 }
    /// The time to live.
    @inlinable
    public var ttl: UInt8 { UInt8(truncatingIfNeeded: word) }
    /// What follows the entry: the next one, or the payload behind the last.
    @inlinable
    public var payload: RawSpan { @_lifetime(copy self) get { unsafe bytes.from(Self.size) } }
}
