public import OpenvSwitch

extension HeaderEdit {
    /// Puts a network service header in front of the packet, whatever that is. The packet has no Ethernet header then.
    ///
    /// What is left undone on the packet stays right, as with `pushMPLS`.
    /// - Parameter metadata: the context words or headers; what is more than a multiple of four bytes does not count.
    /// - Returns: false also if there is no room, the header would be too long for its length field, or there is no number
    ///   for what the packet is.
    public static func pushNSH(
        _ packet: inout Packet, _ offsets: inout HeaderOffsets, base: NSHBase, metadata: RawSpan, key: inout FlowKey
    ) -> Bool {
        let next: UInt8
        if packet.networkType == 0 {
            next = NSHNextProtocol.ethernet
        } else {
            guard let number = NSHNextProtocol.number(packet.networkType) else { return false }
            next = number
        }
        let count = metadata.byteCount & ~3
        let size = NSHHeader.baseSize &+ count
        guard size <= NSHHeader.maximumSize, packet.prepend(size) else { return false }
        let first =
            UInt16(base.flags & 3) &<< 12 | UInt16(base.ttl & 63) &<< 6 | UInt16(truncatingIfNeeded: size &>> 2)
        // All of it lies in the bytes that the frame has grown by.
        unsafe packet.setBigEndian(0, first)
        unsafe packet.setBigEndian(2, base.metadataType)
        unsafe packet.setBigEndian(3, next)
        unsafe packet.setBigEndian(4, base.path)
        let place = unsafe packet.slot + packet.start + NSHHeader.baseSize
        unsafe metadata.withUnsafeBytes { source in
            if let bytes = source.baseAddress { unsafe place.copyMemory(from: bytes, byteCount: count) }
        }
        packet.networkType = EtherType.nsh
        packet.offload.shift(by: size)
        extractAgain(packet, &offsets, key: &key)
        return true
    }

    /// Takes a network service header off. What was behind it is the packet: an Ethernet frame, or a packet without
    /// Ethernet header.
    /// - Returns: false also if the header is behind an Ethernet header, or its next protocol is not known.
    public static func popNSH(_ packet: inout Packet, _ offsets: inout HeaderOffsets, key: inout FlowKey) -> Bool {
        guard packet.networkType == EtherType.nsh, let nsh = NSHHeader(packet.bytes) else { return false }
        let length = nsh.length
        guard length >= NSHHeader.baseSize, let type = NSHNextProtocol.etherType(nsh.nextProtocol) else { return false }
        let isFrame = type == EtherType.transparentEthernet
        guard !isFrame || packet.holds(EthernetHeader.size, at: length), packet.removeFirst(length) else {
            return false
        }
        packet.networkType = isFrame ? 0 : type
        packet.offload.shift(by: -length)
        extractAgain(packet, &offsets, key: &key)
        return true
    }

    /// Sets flags, TTL, path and, of metadata of type 1, the context of a network service header.
    public static func setNSH(
        _ packet: inout Packet, _ offsets: HeaderOffsets, value: NSHEdit, mask: NSHEdit, key: inout FlowKey
    ) -> Bool {
        let network = offsets.network
        guard key.etherType == EtherType.nsh, let nsh = NSHHeader(packet.bytes, at: network) else { return false }
        let flags = masked(nsh.flags, value.flags, mask.flags) & 3
        let ttl = masked(nsh.ttl, value.ttl, mask.ttl) & 63
        let path = masked(nsh.path, value.path, mask.path)
        let first = nsh.firstWord & ~0x3fc0 | UInt16(flags) &<< 12 | UInt16(ttl) &<< 6
        let hasContext = nsh.context != nil
        guard hasContext || nsh.metadataType == NSHHeader.metadataType2 else { return false }
        // The view has checked the base header's eight bytes, and the 16 of the context if it is there.
        unsafe packet.setBigEndian(network, first)
        unsafe packet.setBigEndian(network &+ 4, path)
        if hasContext {
            let high = unsafe packet.bigEndian(network &+ 8, as: UInt64.self)
            let low = unsafe packet.bigEndian(network &+ 16, as: UInt64.self)
            let newHigh = masked(high, value.contextHigh, mask.contextHigh)
            let newLow = masked(low, value.contextLow, mask.contextLow)
            unsafe packet.setBigEndian(network &+ 8, newHigh)
            unsafe packet.setBigEndian(network &+ 16, newLow)
            key.nshContext = [
                UInt32(truncatingIfNeeded: newHigh &>> 32), UInt32(truncatingIfNeeded: newHigh),
                UInt32(truncatingIfNeeded: newLow &>> 32), UInt32(truncatingIfNeeded: newLow),
            ]
        }
        key.nshFlags = flags
        key.nshTTL = ttl
        key.nshPath = path
        return true
    }
}
