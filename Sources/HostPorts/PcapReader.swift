import Netlink

/// The packets of a capture, one after the other, without a copy. No bytes can make it trap.
///
///     var packets = try PcapReader(bytes)
///     while let packet = try packets.next() { … }
public struct PcapReader: ~Escapable {
    public let linkType: PcapLinkType
    public let resolution: PcapResolution
    /// Bytes of a packet that were kept at most, as the header says.
    public let snapLength: UInt32
    private let isSwapped: Bool
    private var rest: RawSpan
    private var offset: Int

    /// Bytes of the capture's header and of each record's header.
    public static let headerSize = 24
    public static let recordHeaderSize = 16
    /// The longest packet that is believed, the limit other readers have.
    public static let maximumPacket = 262_144

    static let microsecondMagic: UInt32 = 0xa1b2_c3d4
    static let nanosecondMagic: UInt32 = 0xa1b2_3c4d

    /// Reads the header of a capture of either byte order.
    /// - Throws: `notCapture`, `unsupportedVersion`, `truncated`.
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) throws(PcapError) {
        guard let magic: UInt32 = bytes.load(at: 0) else { throw PcapError(.truncated, at: 0) }
        switch magic {
        case Self.microsecondMagic, Self.nanosecondMagic: isSwapped = false
        case Self.microsecondMagic.byteSwapped, Self.nanosecondMagic.byteSwapped: isSwapped = true
        default: throw PcapError(.notCapture, at: 0)
        }
        let native = isSwapped ? magic.byteSwapped : magic
        resolution = native == Self.nanosecondMagic ? .nanoseconds : .microseconds
        guard let major: UInt16 = bytes.load(at: 4), let snapLength: UInt32 = bytes.load(at: 16),
            let linkType: UInt32 = bytes.load(at: 20)
        else { throw PcapError(.truncated, at: 0) }
        guard (isSwapped ? major.byteSwapped : major) == 2 else { throw PcapError(.unsupportedVersion, at: 4) }
        self.snapLength = isSwapped ? snapLength.byteSwapped : snapLength
        // The upper four bits tell of frame check sequences.
        self.linkType = PcapLinkType(rawValue: (isSwapped ? linkType.byteSwapped : linkType) & 0x0fff_ffff)
        rest = bytes.clamped(Self.headerSize..<bytes.byteCount)
        offset = Self.headerSize
    }

    /// The next packet, or nil at the end.
    /// - Throws: `truncated`, `packetTooLong`. After an error there is no next packet.
    @_lifetime(copy self)
    public mutating func next() throws(PcapError) -> PcapPacket? {
        guard rest.byteCount > 0 else { return nil }
        let all = rest
        let start = offset
        rest = rest.clamped(0..<0)
        guard let seconds = word(all, at: 0), let fraction = word(all, at: 4), let length = word(all, at: 8),
            let original = word(all, at: 12)
        else { throw PcapError(.truncated, at: start) }
        guard length <= UInt32(Self.maximumPacket) else { throw PcapError(.packetTooLong, at: start) }
        let end = Self.recordHeaderSize + Int(length)
        guard end <= all.byteCount else { throw PcapError(.truncated, at: start) }
        rest = all.clamped(end..<all.byteCount)
        offset = start &+ end
        // At most 2^32 seconds and 2^32 thousand nanoseconds: it does not overflow.
        let nanoseconds = UInt64(fraction) &* (resolution == .nanoseconds ? 1 : 1000)
        return PcapPacket(
            time: UInt64(seconds) &* 1_000_000_000 &+ nanoseconds, originalLength: original,
            bytes: all.clamped(Self.recordHeaderSize..<end))
    }

    private func word(_ bytes: RawSpan, at offset: Int) -> UInt32? {
        guard let value: UInt32 = bytes.load(at: offset) else { return nil }
        return isSwapped ? value.byteSwapped : value
    }
}

/// A packet of a capture.
public struct PcapPacket: ~Escapable {
    /// Nanoseconds since 1970.
    public let time: UInt64
    /// Bytes the packet had on the wire; `bytes` may be fewer.
    public let originalLength: UInt32
    public let bytes: RawSpan

    @_lifetime(copy bytes)
    init(time: UInt64, originalLength: UInt32, bytes: RawSpan) {
        self.time = time
        self.originalLength = originalLength
        self.bytes = bytes
    }
}
