import OpenvSwitch

// Frames between two ends on one host are often never summed: the checksum field has the pseudo header's sum, and what
// the sender's host keeps beside the frame says so. A receiver that gets the bytes alone has to find out by itself.

extension Packet {
    /// Finds out whether a frame, of which nothing is known but its bytes, has a checksum that its sender left to be
    /// completed, and sets `offload` accordingly. An SCTP packet without checksum gets it at once.
    ///
    /// A TCP or UDP checksum that equals the pseudo header's sum is taken for a partial one. Where it is the right one,
    /// completing it gives the same; only of a frame that was damaged, one in 65,536 gets a right checksum that way. It
    /// looks no further than the outermost IP header: what is inside a tunnel is as it came.
    public mutating func recognizePartialChecksum() {
        guard let found = Self.findPartialChecksum(bytes) else { return }
        offload.flags |= Offload.needsChecksum
        offload.checksumStart = UInt16(truncatingIfNeeded: found.start)
        offload.checksumOffset = UInt16(truncatingIfNeeded: found.field)
        // The switch does this well, and a host's interface may not.
        if found.field == 8 { _ = ChecksumCompletion.complete(&self) }
    }

    /// Where the partial checksum of a frame begins, and where it is stored, from there.
    @inline(__always)
    private static func findPartialChecksum(_ frame: RawSpan) -> (start: Int, field: Int)? {
        guard frame.holds(14, at: 0) else { return nil }
        // Each load below has been vouched for by a `holds` above it.
        var type = unsafe frame.bigEndian(12, as: UInt16.self)
        var network = 14
        while type.isVLANTPID, network < 14 + 2 * 4 {
            guard frame.holds(4, at: network) else { return nil }
            type = unsafe frame.bigEndian(network &+ 2, as: UInt16.self)
            network &+= 4
        }
        let transport: Int
        let number: UInt8
        var sum: UInt64
        if type == EtherType.ipv4 {
            guard frame.holds(20, at: network) else { return nil }
            let first = unsafe frame.bigEndian(network, as: UInt32.self)
            let size = Int(first &>> 24 & 0xf) &* 4
            // Neither a fragment, nor padded: no host leaves the checksum of such a packet undone.
            guard first &>> 28 == 4, size >= 20, Int(first & 0xffff) == frame.byteCount &- network,
                unsafe frame.bigEndian(network &+ 6, as: UInt16.self) & 0x3fff == 0
            else { return nil }
            transport = network &+ size
            number = unsafe frame.bigEndian(network &+ 9, as: UInt8.self)
            sum = unsafe InternetChecksum.pseudoHeader(
                source: frame.bigEndian(network &+ 12, as: UInt32.self),
                destination: frame.bigEndian(network &+ 16, as: UInt32.self), protocolNumber: number,
                length: frame.byteCount &- transport)
        } else if type == EtherType.ipv6 {
            guard frame.holds(40, at: network),
                unsafe Int(frame.bigEndian(network &+ 4, as: UInt16.self)) == frame.byteCount &- network &- 40
            else { return nil }
            let chain = unsafe IPv6Chain(
                frame, first: frame.bigEndian(network &+ 6, as: UInt8.self), at: network &+ 40)
            guard chain.transport >= 0, chain.fragment == Fragment.none, !chain.isRouted else { return nil }
            transport = chain.transport
            number = chain.upperProtocol
            sum = unsafe InternetChecksum.pseudoHeader(
                source: frame.ipv6Address(network &+ 8), destination: frame.ipv6Address(network &+ 24),
                protocolNumber: number, length: frame.byteCount &- transport)
        } else {
            return nil
        }
        let field: Int
        switch number {
        case IPProtocol.tcp: field = 16
        case IPProtocol.udp: field = 6
        case IPProtocol.sctp:
            guard frame.holds(12, at: transport), unsafe frame.bigEndian(transport &+ 8, as: UInt32.self) == 0 else {
                return nil
            }
            return (transport, 8)
        default: return nil
        }
        guard frame.holds(field &+ 2, at: transport),
            unsafe frame.bigEndian(transport &+ field, as: UInt16.self) == InternetChecksum.fold(sum)
        else { return nil }
        return (transport, field)
    }
}
