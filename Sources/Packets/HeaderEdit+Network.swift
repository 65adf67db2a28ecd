public import OpenvSwitch

extension HeaderEdit {
    /// Sets addresses, TOS and TTL of an IPv4 header; updates its checksum and, for the addresses, that of TCP or UDP.
    public static func setIPv4(
        _ packet: inout Packet, _ offsets: HeaderOffsets, value: IPv4Edit, mask: IPv4Edit, key: inout FlowKey
    ) -> Bool {
        let network = offsets.network
        guard key.etherType == EtherType.ipv4, let ip = IPv4Header(packet.bytes, at: network) else { return false }
        let number = ip.protocolNumber
        let (oldSource, oldDestination) = (ip.source, ip.destination)
        let newSource = masked(oldSource, value.source, mask.source)
        let newDestination = masked(oldDestination, value.destination, mask.destination)
        let (oldTOS, oldTTL) = (ip.tos, ip.ttl)
        let newTOS = masked(oldTOS, value.tos, mask.tos)
        let newTTL = masked(oldTTL, value.ttl, mask.ttl)

        let addresses =
            InternetChecksum.difference(from: oldSource, to: newSource)
            &+ InternetChecksum.difference(from: oldDestination, to: newDestination)
        // TOS is the lower byte of its 16-bit word, TTL the upper one.
        let bytes = InternetChecksum.difference(
            from: UInt32(oldTOS) &<< 16 | UInt32(oldTTL) &<< 8, to: UInt32(newTOS) &<< 16 | UInt32(newTTL) &<< 8)
        let checksum = InternetChecksum.updated(ip.checksum, by: addresses &+ bytes)

        // The view has checked the header's 20 bytes.
        unsafe packet.setBigEndian(network &+ 1, newTOS)
        unsafe packet.setBigEndian(network &+ 8, newTTL)
        unsafe packet.setBigEndian(network &+ 10, checksum)
        unsafe packet.setBigEndian(network &+ 12, newSource)
        unsafe packet.setBigEndian(network &+ 16, newDestination)
        if newSource != oldSource || newDestination != oldDestination {
            switch number {
            case IPProtocol.tcp, IPProtocol.udp:
                updatePseudoHeader(&packet, transport: offsets.transport, number, by: addresses)
            default: break
            }
        }
        key.ipv4Source = newSource
        key.ipv4Destination = newDestination
        key.ipTOS = newTOS
        key.ipTTL = newTTL
        return true
    }

    /// Sets addresses, flow label, traffic class and hop limit of an IPv6 header; updates, for the addresses, the
    /// checksum of TCP, UDP or ICMPv6.
    ///
    /// With a routing header that has segments left, the checksum does not cover the destination in the IPv6 header.
    public static func setIPv6(
        _ packet: inout Packet, _ offsets: HeaderOffsets, value: IPv6Edit, mask: IPv6Edit, key: inout FlowKey
    ) -> Bool {
        let network = offsets.network
        guard key.etherType == EtherType.ipv6, let ip = IPv6Header(packet.bytes, at: network) else { return false }
        let (oldSource, oldDestination) = (ip.source, ip.destination)
        let newSource = masked(oldSource, value.source, mask.source)
        let newDestination = masked(oldDestination, value.destination, mask.destination)
        let wordMask = UInt32(mask.trafficClass) &<< 20 | mask.label & 0x000f_ffff
        let word = masked(ip.firstWord, UInt32(value.trafficClass) &<< 20 | value.label & 0x000f_ffff, wordMask)
        let hopLimit = masked(ip.hopLimit, value.hopLimit, mask.hopLimit)

        var addresses: UInt64 = 0
        if newSource != oldSource { addresses = InternetChecksum.difference(from: oldSource, to: newSource) }
        if newDestination != oldDestination {
            let chain = IPv6Chain(packet.bytes, first: ip.nextHeader, at: network &+ IPv6Header.size)
            if !chain.isRouted {
                addresses &+= InternetChecksum.difference(from: oldDestination, to: newDestination)
            }
        }
        // The view has checked the header's 40 bytes.
        unsafe packet.setBigEndian(network, word)
        unsafe packet.setBigEndian(network &+ 7, hopLimit)
        unsafe packet.setIPv6Address(network &+ 8, newSource)
        unsafe packet.setIPv6Address(network &+ 24, newDestination)
        if addresses != 0 {
            switch key.ipProtocol {
            case IPProtocol.tcp, IPProtocol.udp, IPProtocol.icmpv6:
                updatePseudoHeader(&packet, transport: offsets.transport, key.ipProtocol, by: addresses)
            default: break
            }
        }
        key.ipv6Source = newSource
        key.ipv6Destination = newDestination
        key.ipv6Label = word & 0x000f_ffff
        key.ipTOS = UInt8(truncatingIfNeeded: word &>> 20)
        key.ipTTL = hopLimit
        return true
    }

    /// What has become of a packet whose TTL was to be decremented.
    public enum TTLOutcome: Sendable {
        /// It is one less; or the packet is not IP and has none.
        case decremented
        /// It was 1 or 0, and is unchanged: the packet's way ends here.
        case expired
        /// The header is not there.
        case absent
    }

    /// Decrements the TTL of an IPv4 header, with its checksum, or the hop limit of an IPv6 header.
    public static func decrementTTL(
        _ packet: inout Packet, _ offsets: HeaderOffsets, key: inout FlowKey
    ) -> TTLOutcome {
        let network = offsets.network
        switch key.etherType {
        case EtherType.ipv4:
            guard let ip = IPv4Header(packet.bytes, at: network) else { return .absent }
            let old = ip.ttl
            guard old > 1 else { return .expired }
            // TTL is the upper byte of its 16-bit word.
            let difference = InternetChecksum.difference(from: UInt32(old) &<< 8, to: UInt32(old &- 1) &<< 8)
            let checksum = InternetChecksum.updated(ip.checksum, by: difference)
            // The view has checked the header's 20 bytes.
            unsafe packet.setBigEndian(network &+ 8, old &- 1)
            unsafe packet.setBigEndian(network &+ 10, checksum)
            key.ipTTL = old &- 1
        case EtherType.ipv6:
            guard let ip = IPv6Header(packet.bytes, at: network) else { return .absent }
            let old = ip.hopLimit
            guard old > 1 else { return .expired }
            unsafe packet.setBigEndian(network &+ 7, old &- 1)  // the view has checked the header's 40 bytes
            key.ipTTL = old &- 1
        default: break
        }
        return .decremented
    }

    /// Brings the checksum of TCP, UDP or ICMPv6 up to date with a changed pseudo header.
    ///
    /// A partial checksum is the pseudo header's sum itself, not its complement. A UDP checksum of 0 means that there
    /// is none and stays; one that comes out as 0 is sent as 0xffff (RFC 768).
    private static func updatePseudoHeader(
        _ packet: inout Packet, transport: Int, _ number: UInt8, by difference: UInt64
    ) {
        let field =
            switch number {
            case IPProtocol.tcp: transport &+ 16
            case IPProtocol.udp: transport &+ 6
            default: transport &+ 2
            }
        // A later fragment or a header that is cut off has no transport offset.
        guard transport >= 0, packet.holds(2, at: field) else { return }
        let isPartial = packet.offload.isChecksumPartial && Int(packet.offload.checksumStart) == transport
        let old = unsafe packet.bigEndian(field, as: UInt16.self)  // checked in the guard, as is the store below
        if number == IPProtocol.udp && old == 0 && !isPartial { return }
        var new =
            isPartial
            ? InternetChecksum.fold(UInt64(old) &+ difference) : InternetChecksum.updated(old, by: difference)
        if number == IPProtocol.udp && new == 0 { new = 0xffff }
        unsafe packet.setBigEndian(field, new)
    }
}
