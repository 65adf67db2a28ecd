/// Writes a capture in memory, in the host's byte order.
public struct PcapWriter: Sendable {
    /// The capture so far: its header and the packets.
    public private(set) var bytes: [UInt8] = []
    private let resolution: PcapResolution
    private let snapLength: Int

    /// - Parameters:
    ///   - linkType: what the packets are.
    ///   - resolution: units of the times below the second.
    ///   - snapLength: bytes of a packet that are kept, at most `PcapReader.maximumPacket`.
    public init(
        linkType: PcapLinkType = .ethernet, resolution: PcapResolution = .nanoseconds,
        snapLength: Int = PcapReader.maximumPacket
    ) {
        self.resolution = resolution
        self.snapLength = min(max(snapLength, 0), PcapReader.maximumPacket)
        append(resolution == .nanoseconds ? PcapReader.nanosecondMagic : PcapReader.microsecondMagic)
        append(UInt16(2))  // version 2.4
        append(UInt16(4))
        append(UInt32(0))  // time zone and accuracy, which nobody sets
        append(UInt32(0))
        append(UInt32(self.snapLength))
        append(linkType.rawValue)
    }

    /// Adds a packet.
    /// - Parameters:
    ///   - time: nanoseconds since 1970; the format counts seconds in 32 bits.
    ///   - originalLength: bytes the packet had on the wire, if they are more than `packet`.
    public mutating func append(_ packet: RawSpan, time: UInt64, originalLength: Int? = nil) {
        let length = min(packet.byteCount, snapLength)
        let fraction = time % 1_000_000_000
        append(UInt32(truncatingIfNeeded: time / 1_000_000_000))
        append(UInt32(truncatingIfNeeded: resolution == .nanoseconds ? fraction : fraction / 1000))
        append(UInt32(length))
        append(UInt32(clamping: max(originalLength ?? 0, packet.byteCount)))
        unsafe packet.withUnsafeBytes { source in
            // `length` is at most the span's.
            unsafe bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: source[..<length]))
        }
    }

    private mutating func append<T: FixedWidthInteger & BitwiseCopyable>(_ value: T) {
        unsafe withUnsafeBytes(of: value) { unsafe bytes.append(contentsOf: $0) }
    }
}
