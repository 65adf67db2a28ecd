public import OpenvSwitch

extension HeaderEdit {
    /// Sets the ports of a TCP header and updates its checksum.
    public static func setTCPPorts(
        _ packet: inout Packet, _ offsets: HeaderOffsets, source: UInt16, sourceMask: UInt16, destination: UInt16,
        destinationMask: UInt16, key: inout FlowKey
    ) -> Bool {
        let transport = offsets.transport
        guard key.ipProtocol == IPProtocol.tcp, packet.holds(TCPHeader.minimumSize, at: transport) else { return false }
        let change = setPorts(
            &packet, transport, source, sourceMask, destination, destinationMask, key: &key)
        if !isPartial(packet, transport) {
            // The checksum lies in the 20 bytes just checked. A partial one does not cover the ports yet.
            let old = unsafe packet.bigEndian(transport &+ 16, as: UInt16.self)
            unsafe packet.setBigEndian(transport &+ 16, InternetChecksum.updated(old, by: change.difference))
        }
        return true
    }

    /// Sets the ports of a UDP header and updates its checksum, if it has one.
    public static func setUDPPorts(
        _ packet: inout Packet, _ offsets: HeaderOffsets, source: UInt16, sourceMask: UInt16, destination: UInt16,
        destinationMask: UInt16, key: inout FlowKey
    ) -> Bool {
        let transport = offsets.transport
        guard key.ipProtocol == IPProtocol.udp, packet.holds(UDPHeader.size, at: transport) else { return false }
        let change = setPorts(
            &packet, transport, source, sourceMask, destination, destinationMask, key: &key)
        // The checksum lies in the eight bytes just checked.
        let old = unsafe packet.bigEndian(transport &+ 6, as: UInt16.self)
        if old != 0 && !isPartial(packet, transport) {
            let new = InternetChecksum.updated(old, by: change.difference)
            unsafe packet.setBigEndian(transport &+ 6, new == 0 ? 0xffff : new)
        }
        return true
    }

    /// Sets the ports of an SCTP header and updates its CRC32c.
    ///
    /// The CRC covers the IP payload, of which the IP header says the length; a first fragment's CRC covers what is not
    /// here and comes out wrong.
    public static func setSCTPPorts(
        _ packet: inout Packet, _ offsets: HeaderOffsets, source: UInt16, sourceMask: UInt16, destination: UInt16,
        destinationMask: UInt16, key: inout FlowKey
    ) -> Bool {
        let transport = offsets.transport
        guard key.ipProtocol == IPProtocol.sctp, packet.holds(SCTPHeader.size, at: transport) else { return false }
        let change = setPorts(
            &packet, transport, source, sourceMask, destination, destinationMask, key: &key)
        if change.bits != 0 && !isPartial(packet, transport) {
            let length = networkEnd(packet, offsets, key) &- transport
            let difference = CRC32C.difference(of: change.bits, followedBy: length &- 4)
            // The checksum lies in the twelve bytes checked above; its least significant byte comes first.
            let old = unsafe packet.bigEndian(transport &+ 8, as: UInt32.self)
            unsafe packet.setBigEndian(transport &+ 8, old ^ difference.byteSwapped)
        }
        return true
    }

    /// What a change of the two ports means for a checksum over them.
    private struct PortChange: BitwiseCopyable {
        /// What to add to a ones' complement sum.
        var difference: UInt64
        /// Old xor new.
        var bits: UInt32
    }

    /// Writes the ports, which the caller has checked to be there.
    @inline(__always)
    private static func setPorts(
        _ packet: inout Packet, _ transport: Int, _ source: UInt16, _ sourceMask: UInt16, _ destination: UInt16,
        _ destinationMask: UInt16, key: inout FlowKey
    ) -> PortChange {
        let old = unsafe packet.bigEndian(transport, as: UInt32.self)
        let new = masked(
            old, UInt32(source) &<< 16 | UInt32(destination), UInt32(sourceMask) &<< 16 | UInt32(destinationMask))
        unsafe packet.setBigEndian(transport, new)
        key.transportSource = UInt16(truncatingIfNeeded: new &>> 16)
        key.transportDestination = UInt16(truncatingIfNeeded: new)
        return PortChange(difference: InternetChecksum.difference(from: old, to: new), bits: old ^ new)
    }

    @inline(__always)
    private static func isPartial(_ packet: Packet, _ transport: Int) -> Bool {
        packet.offload.isChecksumPartial && Int(packet.offload.checksumStart) == transport
    }

    /// Where the IP packet ends by its own length, which leaves out what pads the frame; the end of the frame if that
    /// length cannot be.
    static func networkEnd(_ packet: Packet, _ offsets: HeaderOffsets, _ key: FlowKey) -> Int {
        let end: Int
        if key.etherType == EtherType.ipv4, let ip = IPv4Header(packet.bytes, at: offsets.network) {
            end = offsets.network &+ Int(ip.totalLength)
        } else if let ip = IPv6Header(packet.bytes, at: offsets.network) {
            end = offsets.network &+ IPv6Header.size &+ Int(ip.payloadLength)
        } else {
            return packet.length
        }
        return end >= offsets.transport &+ SCTPHeader.size && end <= packet.length ? end : packet.length
    }
}
