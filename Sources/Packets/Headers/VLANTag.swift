public import OpenvSwitch

/// A view of a VLAN tag (IEEE 802.1Q, 9.3) and the EtherType behind it.
///
///      0     2                       4                6
///     ├ TPID ┼ PCP 3 │ DEI 1 │ VID 12 ┼ next EtherType ┤
///
/// The accessors cannot fail, as the initializer has checked that the tag is there. Numbers are in host byte order.
public struct VLANTag: ~Escapable {
    @usableFromInline let bytes: RawSpan

    /// Bytes of the tag, without the EtherType behind it.
    public static let size = 4

    /// A view of the tag at `offset` (12 for the outermost), or nil if no TPID stands there, or the frame ends before
    /// the EtherType behind the tag does.
    @inlinable
    @_lifetime(copy frame)
    public init?(_ frame: RawSpan, at offset: Int = 12) {
        guard frame.holds(Self.size + 2, at: offset) else { return nil }
        bytes = unsafe frame.from(offset)
        guard Self.isTPID(tpid) else { return nil }
    }

    /// Whether an EtherType says that a VLAN tag follows: 0x8100 or 0x88a8.
    @inlinable
    public static func isTPID(_ type: UInt16) -> Bool { type == EtherType.vlan || type == EtherType.serviceVLAN }

    // The initializer has checked `size` + 2 bytes; every access below lies within them.

    /// The tag protocol identifier.
    @inlinable
    public var tpid: UInt16 { unsafe bytes.bigEndian(0, as: UInt16.self) }
    /// The tag control information as on the wire: bit 0x1000 is the drop eligible indicator.
    @inlinable
    public var tci: UInt16 { unsafe bytes.bigEndian(2, as: UInt16.self) }
    /// The VLAN identifier, 0 for a priority tag.
    @inlinable
    public var identifier: UInt16 { tci & 0x0fff }
    /// The priority code point.
    @inlinable
    public var priority: UInt8 { UInt8(truncatingIfNeeded: tci &>> 13) }
    /// The drop eligible indicator.
    @inlinable
    public var isDropEligible: Bool { tci & 0x1000 != 0 }
    /// The EtherType behind the tag.
    @inlinable
    public var nextType: UInt16 { unsafe bytes.bigEndian(4, as: UInt16.self) }
}
