public import OpenvSwitch

/// Changes of a packet's headers, as the set, VLAN, MPLS, Ethernet and NSH actions want them.
///
/// A field becomes `field & ~mask | value & mask`. Checksums are brought up to date without reading the payload, so
/// that a wrong checksum stays wrong. The working key follows the packet. Every function but `popVLAN` answers false if
/// the header is not there; the packet is to be dropped then, and nothing has changed.
public enum HeaderEdit {
    /// `field` with the bits of `mask` taken from `value`.
    @inline(__always)
    static func masked<T: FixedWidthInteger>(_ field: T, _ value: T, _ mask: T) -> T { field & ~mask | value & mask }

    @inline(__always)
    static func masked(_ field: IPv6Address, _ value: IPv6Address, _ mask: IPv6Address) -> IPv6Address {
        IPv6Address(high: masked(field.high, value.high, mask.high), low: masked(field.low, value.low, mask.low))
    }

    // MARK: Link layer

    /// Sets the MAC addresses (48-bit numbers).
    public static func setEthernet(
        _ packet: inout Packet, source: UInt64, sourceMask: UInt64, destination: UInt64, destinationMask: UInt64,
        key: inout FlowKey
    ) -> Bool {
        guard packet.networkType == 0, packet.holds(EthernetHeader.size, at: 0) else { return false }
        // Both addresses lie in the 14 bytes just checked.
        let newDestination = unsafe masked(packet.bytes.mac(0), destination, destinationMask) & 0xffff_ffff_ffff
        let newSource = unsafe masked(packet.bytes.mac(6), source, sourceMask) & 0xffff_ffff_ffff
        unsafe packet.setMAC(0, newDestination)
        unsafe packet.setMAC(6, newSource)
        key.ethernetDestination = newDestination
        key.ethernetSource = newSource
        return true
    }

    /// Puts a VLAN tag behind the MAC addresses.
    ///
    /// The key holds two tags: what was the inner one leaves it. Its EtherType stays that of the network header, so
    /// that further edits find it; a frame with more than two tags must be extracted anew before it is matched.
    /// - Parameter tci: as in the action, with bit 0x1000 set; on the wire that bit is clear.
    /// - Returns: false also if there is no room in front of the frame.
    public static func pushVLAN(
        _ packet: inout Packet, _ offsets: inout HeaderOffsets, tpid: UInt16, tci: UInt16, key: inout FlowKey
    ) -> Bool {
        guard packet.networkType == 0, packet.holds(EthernetHeader.size, at: 0) else { return false }
        // The twelve bytes lie in the frame before and after it has grown at its front.
        let destination = unsafe packet.bytes.mac(0)
        let source = unsafe packet.bytes.mac(6)
        guard packet.prepend(VLANTag.size) else { return false }
        unsafe packet.setMAC(0, destination)
        unsafe packet.setMAC(6, source)
        unsafe packet.setBigEndian(12, tpid)
        unsafe packet.setBigEndian(14, tci & ~FlowKey.vlanPresent)
        packet.offload.shift(by: VLANTag.size)
        offsets.shift(by: VLANTag.size)
        key.innerVLANTPID = key.vlanTPID
        key.innerVLANTCI = key.vlanTCI
        key.vlanTPID = tpid
        key.vlanTCI = tci | FlowKey.vlanPresent
        return true
    }

    /// Takes the outermost VLAN tag off.
    ///
    /// The key's inner tag becomes its outer one; a third tag does not move up into the key, see `pushVLAN`.
    /// - Returns: whether there was one. A frame without a tag stays as it is, which is no error.
    public static func popVLAN(
        _ packet: inout Packet, _ offsets: inout HeaderOffsets, key: inout FlowKey
    ) -> Bool {
        guard packet.networkType == 0, VLANTag(packet.bytes, at: 12) != nil else { return false }
        // The tag ends at byte 16, so twelve bytes lie in the frame before and after four have gone from its front.
        let destination = unsafe packet.bytes.mac(0)
        let source = unsafe packet.bytes.mac(6)
        guard packet.removeFirst(VLANTag.size) else { return false }
        unsafe packet.setMAC(0, destination)
        unsafe packet.setMAC(6, source)
        packet.offload.shift(by: -VLANTag.size)
        offsets.shift(by: -VLANTag.size)
        key.vlanTPID = key.innerVLANTPID
        key.vlanTCI = key.innerVLANTCI
        key.innerVLANTPID = 0
        key.innerVLANTCI = 0
        return true
    }
}
