/// What a host has left undone on a frame: a checksum to be filled in, a segment to be cut (`struct virtio_net_hdr`).
///
/// Offsets count from the first byte of the frame. The wire form is the ten bytes of the legacy virtio-net header in
/// host byte order, as packet sockets (`PACKET_VNET_HDR`) and TAP devices (`IFF_VNET_HDR`) use it.
public struct Offload: Equatable, Sendable, BitwiseCopyable {
    /// `VIRTIO_NET_HDR_F_*`.
    public var flags: UInt8
    /// `VIRTIO_NET_HDR_GSO_*`, perhaps with `ecn`.
    public var segmentation: UInt8
    /// Bytes of all headers of a segment; 0 if not known.
    public var headerLength: UInt16
    /// Payload bytes of one segment; 0 if the frame is one.
    public var segmentSize: UInt16
    /// Where the checksum begins that is still to be computed, if `flags` has `needsChecksum`.
    public var checksumStart: UInt16
    /// Where it is stored, from `checksumStart`.
    public var checksumOffset: UInt16

    /// Bytes of the header in front of a frame.
    public static let wireSize = 10

    // flags
    /// The checksum field holds only the pseudo header's sum; someone must add the rest.
    public static let needsChecksum: UInt8 = 1
    /// The checksum has been verified by the sender's host.
    public static let dataValid: UInt8 = 2

    // segmentation
    public static let none: UInt8 = 0
    public static let tcpv4: UInt8 = 1
    public static let udpFragments: UInt8 = 3
    public static let tcpv6: UInt8 = 4
    public static let udpSegments: UInt8 = 5
    public static let ecn: UInt8 = 0x80

    /// Nothing left undone.
    @inlinable
    public init() {
        (flags, segmentation, headerLength, segmentSize, checksumStart, checksumOffset) = (0, 0, 0, 0, 0, 0)
    }

    /// Whether the frame stands for several packets on the wire.
    @inlinable
    public var isSegmented: Bool { segmentation != Self.none }

    /// Whether a checksum is still to be filled in.
    @inlinable
    public var isChecksumPartial: Bool { flags & Self.needsChecksum != 0 }

    /// Moves the offsets when `count` bytes were put in (or, negative, taken out) in front of the network header.
    @inlinable
    public mutating func shift(by count: Int) {
        if isChecksumPartial { checksumStart = UInt16(truncatingIfNeeded: Int(checksumStart) + count) }
        if headerLength > 0 { headerLength = UInt16(truncatingIfNeeded: Int(headerLength) + count) }
    }
}
