public import OpenvSwitch

/// A view of a network service header (RFC 8300, 2.2 to 2.5).
///
///      0       2       4       10         16      20        24              32 bits
///     ├ ver 2 ┼ O │ U ┼ TTL 6 ┼ length 6 ┼ U 4 ─┼ MD type ┼ next protocol ┤
///     ├ service path identifier 24 ─────────────────────── ┼ service index ┤
///     ├ context: four words (MD type 1), or of variable length (MD type 2) ┤
///
/// The accessors cannot fail, as the initializer has checked that the header is there. Numbers are in host byte order.
public struct NSHHeader: ~Escapable {
    @usableFromInline let bytes: RawSpan

    /// Bytes of the base header and the service path header, which every header has.
    public static let baseSize = 8
    /// Bytes of a header with metadata of type 1.
    public static let type1Size = 24
    /// The most bytes that the length field, six bits of words, can say.
    public static let maximumSize = 252
    /// The metadata are four context words.
    public static let metadataType1: UInt8 = 1
    /// The metadata are any number of context headers, or none.
    public static let metadataType2: UInt8 = 2

    /// A view of the header at `offset`, or nil if its version is not 0 or the frame ends before it does.
    @inlinable
    @_lifetime(copy frame)
    public init?(_ frame: RawSpan, at offset: Int = 0) {
        guard frame.holds(Self.baseSize, at: offset) else { return nil }
        bytes = unsafe frame.from(offset)
        guard version == 0, length <= bytes.byteCount else { return nil }
    }

    // The initializer has checked `baseSize` and `length` bytes; every access below lies within them.

    @inlinable
    var firstWord: UInt16 { unsafe bytes.bigEndian(0, as: UInt16.self) }
    @inlinable
    public var version: UInt8 { UInt8(truncatingIfNeeded: firstWord &>> 14) }
    /// Two bits: that this is an OAM packet (2), and one that has no meaning yet (1).
    @inlinable
    public var flags: UInt8 { UInt8(truncatingIfNeeded: firstWord &>> 12) & 3 }
    /// Six bits.
    @inlinable
    public var ttl: UInt8 { UInt8(truncatingIfNeeded: firstWord &>> 6) & 63 }
    /// Bytes of the header with its metadata, as the sender says: a multiple of four, perhaps less than `baseSize`.
    @inlinable
    public var length: Int { Int(firstWord & 63) &* 4 }
    /// The byte that holds the metadata type in its lower four bits; the upper ones have no meaning yet.
    @inlinable
    public var metadataType: UInt8 { unsafe bytes.bigEndian(2, as: UInt8.self) }
    /// `NSHNextProtocol`.
    @inlinable
    public var nextProtocol: UInt8 { unsafe bytes.bigEndian(3, as: UInt8.self) }
    /// The service path header: path identifier (24 bits) and service index (8).
    @inlinable
    public var path: UInt32 { unsafe bytes.bigEndian(4, as: UInt32.self) }
    /// The four context words; nil if the header has not the metadata type and the length for them.
    @inlinable
    public var context: InlineArray<4, UInt32>? {
        guard metadataType == Self.metadataType1, length == Self.type1Size else { return nil }
        return unsafe [
            bytes.bigEndian(8, as: UInt32.self), bytes.bigEndian(12, as: UInt32.self),
            bytes.bigEndian(16, as: UInt32.self), bytes.bigEndian(20, as: UInt32.self),
        ]
    }
    /// What follows the base header and the service path header up to the end of the header.
    @inlinable
    public var metadata: RawSpan {
        @_lifetime(copy self)
        get {
            unsafe bytes.extracting(
                unchecked: Range(uncheckedBounds: (Self.baseSize, max(length, Self.baseSize))))
        }
    }
    /// What follows the header.
    @inlinable
    public var payload: RawSpan {
        @_lifetime(copy self) get { unsafe bytes.from(max(length, Self.baseSize)) }
    }
}

extension NSHNextProtocol {
    /// The EtherType of what follows; that of Ethernet frames is 0x6558. Nil for a protocol that packets cannot begin with.
    public static func etherType(_ number: UInt8) -> UInt16? {
        switch number {
        case ipv4: EtherType.ipv4
        case ipv6: EtherType.ipv6
        case ethernet: EtherType.transparentEthernet
        case nsh: EtherType.nsh
        case mpls: EtherType.mplsUnicast
        default: nil
        }
    }

    /// The number for what has this EtherType; nil if there is none.
    public static func number(_ etherType: UInt16) -> UInt8? {
        switch etherType {
        case EtherType.ipv4: ipv4
        case EtherType.ipv6: ipv6
        case EtherType.transparentEthernet: ethernet
        case EtherType.nsh: nsh
        case EtherType.mplsUnicast: mpls
        default: nil
        }
    }
}
