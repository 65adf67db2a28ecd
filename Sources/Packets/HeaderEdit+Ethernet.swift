public import OpenvSwitch

extension HeaderEdit {
    /// Puts an Ethernet header in front of a packet that has none, with the EtherType of what it begins with.
    /// - Parameters: MAC addresses as 48-bit numbers.
    /// - Returns: false also if there is one, or no room for it.
    public static func pushEthernet(
        _ packet: inout Packet, _ offsets: inout HeaderOffsets, source: UInt64, destination: UInt64, key: inout FlowKey
    ) -> Bool {
        guard packet.networkType != 0, packet.prepend(EthernetHeader.size) else { return false }
        // The 14 bytes that the frame has grown by.
        unsafe packet.setMAC(0, destination)
        unsafe packet.setMAC(6, source)
        unsafe packet.setBigEndian(12, packet.networkType)
        packet.networkType = 0
        packet.offload.shift(by: EthernetHeader.size)
        extractAgain(packet, &offsets, key: &key)
        return true
    }

    /// Takes the Ethernet header off, with an LLC/SNAP header if there is one.
    /// - Returns: false also if there is a VLAN tag, or the frame has no EtherType: without it there would be no telling
    ///   what the packet is.
    public static func popEthernet(
        _ packet: inout Packet, _ offsets: inout HeaderOffsets, key: inout FlowKey
    ) -> Bool {
        // Read anew, as the working key does not know of a third tag.
        var header = FlowKey()
        guard packet.networkType == 0,
            let network = KeyExtraction.follow(packet.bytes, 0, packet.offload, into: &header)?.offsets.network,
            header.vlanTCI == 0, !header.etherType.isVLANTPID, header.etherType >= EtherType.minimum,
            packet.removeFirst(network)
        else { return false }
        packet.networkType = header.etherType
        packet.offload.shift(by: -network)
        extractAgain(packet, &offsets, key: &key)
        return true
    }
}
