import OpenvSwitch

extension KeyExtraction {
    /// As `extract`, but the key is that of the innermost packet behind MPLS label stacks and network service headers: for
    /// those who need to know where the transport header is.
    ///
    /// Nothing in a label stack says what is behind it: an IP packet, as its version tells, or an Ethernet frame. Where the
    /// checksum begins that is still to be computed decides.
    /// - Returns: nil also if there is nothing behind a stack or a header, or more than `maximumDepth` of them.
    static func extractInnermost(_ packet: Packet, into key: inout FlowKey) -> HeaderOffsets? {
        innermost(packet.bytes, packet.networkType, packet.offload, depth: 0, into: &key)
    }

    /// Label stacks and headers in each other that are looked through.
    static let maximumDepth = 8
    /// More label stack entries than this are not looked through, so that a large frame full of them costs little.
    static let maximumEntries = 32

    private static func innermost(
        _ bytes: RawSpan, _ networkType: UInt16, _ offload: Offload, depth: Int, into key: inout FlowKey
    ) -> HeaderOffsets? {
        key = FlowKey()
        guard depth <= maximumDepth, let found = follow(bytes, networkType, offload, into: &key) else { return nil }
        let offsets = found.offsets
        switch key.etherType {
        case EtherType.mplsUnicast, EtherType.mplsMulticast:
            guard let start = payload(behindMPLS: bytes, at: offsets.network) else { return nil }
            // `payload` has checked a byte.
            let version = unsafe bytes.bigEndian(start, as: UInt8.self) &>> 4
            if version == 4 || version == 6 {
                let type = version == 4 ? EtherType.ipv4 : EtherType.ipv6
                if let found = inner(bytes, at: start, type, offload, depth, into: &key) { return found }
            }
            return inner(bytes, at: start, 0, offload, depth, into: &key)
        case EtherType.nsh:
            guard let nsh = NSHHeader(bytes, at: offsets.network), nsh.length >= NSHHeader.baseSize,
                let type = NSHNextProtocol.etherType(nsh.nextProtocol)
            else { return nil }
            return inner(
                bytes, at: offsets.network &+ nsh.length, type == EtherType.transparentEthernet ? 0 : type, offload,
                depth, into: &key)
        default: return offsets
        }
    }

    /// The innermost packet of what begins at `start`, which the caller has checked to be at most the bytes' count.
    /// - Returns: nil also if there is no transport header, or not where the checksum begins.
    private static func inner(
        _ bytes: RawSpan, at start: Int, _ networkType: UInt16, _ offload: Offload, _ depth: Int,
        into key: inout FlowKey
    ) -> HeaderOffsets? {
        var offload = offload
        if offload.isChecksumPartial {
            guard Int(offload.checksumStart) > start else { return nil }
            offload.shift(by: -start)
        }
        guard var offsets = unsafe innermost(bytes.from(start), networkType, offload, depth: depth &+ 1, into: &key),
            offsets.transport >= 0, !offload.isChecksumPartial || offsets.transport == Int(offload.checksumStart)
        else { return nil }
        offsets.shift(by: start)
        return offsets
    }

    /// Where the payload of an MPLS label stack begins, or nil if the stack has no end or nothing is behind it.
    private static func payload(behindMPLS bytes: RawSpan, at start: Int) -> Int? {
        var offset = start
        for _ in 0..<maximumEntries {
            guard let entry = MPLSEntry(bytes, at: offset) else { return nil }
            offset &+= MPLSEntry.size
            if entry.isBottom { return bytes.holds(1, at: offset) ? offset : nil }
        }
        return nil
    }
}
