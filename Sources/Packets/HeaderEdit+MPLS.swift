public import OpenvSwitch

extension HeaderEdit {
    /// Puts a label stack entry in front of the network header, or of the label stack that is there.
    ///
    /// What is left undone on the frame stays right, as its offsets move; but a host that is to finish it does not find the
    /// transport header behind a label stack.
    /// - Parameters:
    ///   - entry: label (20 bits), traffic class (3), bottom of stack (1), TTL (8).
    ///   - etherType: that of the frame from then on, 0x8847 or 0x8848.
    /// - Returns: false also if there is no room in front of the frame.
    public static func pushMPLS(
        _ packet: inout Packet, _ offsets: inout HeaderOffsets, entry: UInt32, etherType: UInt16, key: inout FlowKey
    ) -> Bool {
        guard packet.networkType == 0 else {
            return pushMPLSInFront(&packet, &offsets, entry: entry, etherType: etherType, key: &key)
        }
        let network = offsets.network
        guard network >= EthernetHeader.size, packet.holds(0, at: network), packet.prepend(MPLSEntry.size) else {
            return false
        }
        // The frame has grown by the entry's bytes at its front: what is in front of the network header moves there. All
        // bytes written lie in front of `network` plus the entry, which is inside the frame.
        let start = unsafe packet.slot + packet.start
        unsafe start.copyMemory(from: start + MPLSEntry.size, byteCount: network)
        unsafe packet.setBigEndian(network, entry)
        finish(&packet, &offsets, grownBy: MPLSEntry.size, etherType, key: &key)
        return true
    }

    /// Puts a label stack entry in front of the packet, whatever that is. The packet has no Ethernet header then.
    /// - Parameters: as of `pushMPLS`.
    /// - Returns: false also if there is no room in front of the packet.
    public static func pushMPLSInFront(
        _ packet: inout Packet, _ offsets: inout HeaderOffsets, entry: UInt32, etherType: UInt16, key: inout FlowKey
    ) -> Bool {
        guard packet.prepend(MPLSEntry.size) else { return false }
        unsafe packet.setBigEndian(0, entry)  // the bytes that the frame has grown by
        packet.networkType = etherType
        packet.offload.shift(by: MPLSEntry.size)
        extractAgain(packet, &offsets, key: &key)
        return true
    }

    /// Takes the outermost label stack entry off.
    /// - Parameter etherType: that of the frame from then on, whatever is behind the entry. A packet without Ethernet
    ///   header becomes an Ethernet frame with 0x6558.
    public static func popMPLS(
        _ packet: inout Packet, _ offsets: inout HeaderOffsets, etherType: UInt16, key: inout FlowKey
    ) -> Bool {
        guard packet.networkType == 0 else {
            return popFirstEntry(&packet, &offsets, etherType: etherType, key: &key)
        }
        let network = offsets.network
        guard key.etherType.isMPLS, network >= EthernetHeader.size, packet.holds(MPLSEntry.size, at: network) else {
            return false
        }
        // Both places lie in the frame, as the entry does that ends behind them.
        let start = unsafe packet.slot + packet.start
        unsafe (start + MPLSEntry.size).copyMemory(from: start, byteCount: network)
        guard packet.removeFirst(MPLSEntry.size) else { return false }
        finish(&packet, &offsets, grownBy: -MPLSEntry.size, etherType, key: &key)
        return true
    }

    /// `popMPLS` of a packet without Ethernet header.
    private static func popFirstEntry(
        _ packet: inout Packet, _ offsets: inout HeaderOffsets, etherType: UInt16, key: inout FlowKey
    ) -> Bool {
        let isFrame = etherType == EtherType.transparentEthernet
        // 0 is no EtherType that a packet could have.
        guard packet.networkType.isMPLS, etherType != 0,
            packet.holds(MPLSEntry.size &+ (isFrame ? EthernetHeader.size : 0), at: 0),
            packet.removeFirst(MPLSEntry.size)
        else { return false }
        packet.networkType = isFrame ? 0 : etherType
        packet.offload.shift(by: -MPLSEntry.size)
        extractAgain(packet, &offsets, key: &key)
        return true
    }

    /// Sets the outermost label stack entry.
    public static func setMPLS(
        _ packet: inout Packet, _ offsets: HeaderOffsets, entry: UInt32, mask: UInt32, key: inout FlowKey
    ) -> Bool {
        guard key.etherType.isMPLS, let old = MPLSEntry(packet.bytes, at: offsets.network)?.word else { return false }
        unsafe packet.setBigEndian(offsets.network, masked(old, entry, mask))  // the view has checked the entry
        // The bottom-of-stack bit decides what else is part of the stack.
        var offsets = offsets
        extractAgain(packet, &offsets, key.etherType, key: &key)
        return true
    }

    /// Sets the EtherType after a change of size behind the link layer, and what depends on it. `offsets.network` is as it
    /// was: the new network header stands there, or the entry that was pushed.
    private static func finish(
        _ packet: inout Packet, _ offsets: inout HeaderOffsets, grownBy count: Int, _ etherType: UInt16,
        key: inout FlowKey
    ) {
        // The callers have checked that an Ethernet header is in front of the network header. The EtherType is the last
        // thing there, also of a SNAP header; a frame with one has a length (IEEE 802.3) that changes too.
        let length = unsafe packet.bigEndian(12, as: UInt16.self)
        if length < EtherType.minimum, offsets.network > EthernetHeader.size {
            unsafe packet.setBigEndian(12, UInt16(truncatingIfNeeded: Int(length) &+ count))
        }
        unsafe packet.setBigEndian(offsets.network &- 2, etherType)
        packet.offload.shift(by: count)
        extractAgain(packet, &offsets, etherType, key: &key)
    }

    /// Reads the key's header fields and the offsets anew from a packet that has other headers than before.
    /// - Parameter etherType: what begins at `offsets.network`; 0 if the network header is elsewhere than before.
    static func extractAgain(
        _ packet: Packet, _ offsets: inout HeaderOffsets, _ etherType: UInt16 = 0, key: inout FlowKey
    ) {
        var fresh = FlowKey(metadataOf: key)
        let followed = KeyExtraction.follow(packet.bytes, packet.networkType, packet.offload, into: &fresh)
        guard var found = followed?.offsets else { return }
        if found.network < offsets.network, etherType >= EtherType.minimum {
            // Extraction ends at a third VLAN tag, but actions may have pushed one over headers that are known.
            found.network = offsets.network
            fresh.etherType = etherType
            _ = KeyExtraction.followNetworkLayer(packet.bytes, packet.offload, &found, into: &fresh)
        }
        (offsets, key) = (found, fresh)
    }
}
