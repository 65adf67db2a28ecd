import OpenvSwitch

/// Filling in a checksum that the sender's host left to its hardware.
public enum ChecksumCompletion {
    /// Computes a partial checksum and clears the flag that asks for it.
    ///
    /// A checksum that comes out as 0 is written as 0xffff, which means the same and is what UDP wants. An SCTP packet
    /// gets its CRC32c.
    /// - Returns: true also if there was nothing to do. False if the offsets lie outside the frame, or the frame stands
    ///   for several packets, which `Segmentation` completes.
    public static func complete(_ packet: inout Packet) -> Bool {
        guard packet.offload.isChecksumPartial else { return true }
        let start = Int(packet.offload.checksumStart)
        let field = start &+ Int(packet.offload.checksumOffset)
        guard !packet.offload.isSegmented, packet.holds(0, at: start), packet.holds(2, at: field) else { return false }
        if Int(packet.offload.checksumOffset) == 8, completeSCTP(&packet, start) {
            packet.offload.flags &= ~Offload.needsChecksum
            return true
        }
        // `start` and two bytes at `field` were checked in the guard.
        let sum = unsafe InternetChecksum.sum(packet.bytes.from(start))
        let checksum = ~InternetChecksum.fold(sum)
        unsafe packet.setBigEndian(field, checksum == 0 ? 0xffff : checksum)
        packet.offload.flags &= ~Offload.needsChecksum
        return true
    }

    /// - Returns: false if this is no SCTP packet.
    private static func completeSCTP(_ packet: inout Packet, _ start: Int) -> Bool {
        var key = FlowKey()
        guard let offsets = KeyExtraction.extractInnermost(packet, into: &key),
            key.ipProtocol == IPProtocol.sctp, offsets.transport == start
        else { return false }
        let end = HeaderEdit.networkEnd(packet, offsets, key)
        // Extraction has checked the SCTP header's twelve bytes; `networkEnd` lies behind them and inside the frame.
        let crc = unsafe CRC32C.checksum(
            packet.bytes.extracting(unchecked: Range(uncheckedBounds: (start, end))), zeroFieldAt: 8)
        unsafe packet.setBigEndian(start &+ 8, crc.byteSwapped)
        return true
    }
}
