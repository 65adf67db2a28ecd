public import Netlink

extension FlowKey {
    /// Writes the key as the attributes of `OVS_FLOW_ATTR_KEY` or `OVS_PACKET_ATTR_KEY`, in the kernel's order.
    /// - Throws: `noSpace`, `attributeTooLong`.
    public func write(to writer: inout MessageWriter) throws(NetlinkError) {
        try write(self, isMask: false, to: &writer)
    }

    /// Writes a mask over this key as the attributes of `OVS_FLOW_ATTR_MASK`. The key's values decide which attributes
    /// there are, so that a mask may hold attributes that are all zero.
    /// - Throws: `noSpace`, `attributeTooLong`.
    public func write(mask: FlowMask, to writer: inout MessageWriter) throws(NetlinkError) {
        try write(mask, isMask: true, to: &writer)
    }

    private func write(_ output: FlowKey, isMask: Bool, to writer: inout MessageWriter) throws(NetlinkError) {
        try writer.append(KeyAttribute.recircID, output.recircID)
        try writer.append(KeyAttribute.dpHash, output.dpHash)
        try writer.append(KeyAttribute.priority, output.priority)
        if isMask {
            // A mask always says something of the tunnel, if only that its TTL does not matter.
            try writer.append(nested: KeyAttribute.tunnel) { writer throws(NetlinkError) in
                try writer.append(TunnelKeyAttribute.ttl, UInt8(0))
            }
        }
        if inPort == Self.noPort {
            if isMask, output.inPort == 0xffff { try writer.append(KeyAttribute.inPort, UInt32.max) }
        } else {
            // A port number has 16 bits here; the upper half of a mask is always exact.
            try writer.append(KeyAttribute.inPort, UInt32(output.inPort) | (isMask ? 0xffff_0000 : 0))
        }
        try writer.append(KeyAttribute.skbMark, output.skbMark)
        if kind != 0 {
            try writer.append(
                KeyAttribute.ethernet, bigEndian: Self.words(output.ethernetSource, output.ethernetDestination))
        }
        try writeTags(output, isMask: isMask, to: &writer)
    }

    /// The VLAN tags, and inside them the EtherType and what follows.
    private func writeTags(_ output: FlowKey, isMask: Bool, to writer: inout MessageWriter) throws(NetlinkError) {
        let isTruncated = etherType.isVLANTPID && innerVLANTCI == 0
        if vlanTCI != 0 {
            try writer.append(KeyAttribute.etherType, bigEndian: isMask ? 0xffff : output.vlanTPID)
            try writer.append(KeyAttribute.vlan, bigEndian: output.vlanTCI)
            let encap = try writer.begin(nested: KeyAttribute.encap)
            if innerVLANTCI != 0 {
                try writer.append(KeyAttribute.etherType, bigEndian: isMask ? 0xffff : output.innerVLANTPID)
                try writer.append(KeyAttribute.vlan, bigEndian: output.innerVLANTCI)
                let inner = try writer.begin(nested: KeyAttribute.encap)
                try writeEtherType(output, isMask: isMask, to: &writer)
                try writer.end(nested: inner)
            } else if isTruncated {
                try writeTruncatedTag(output, isMask: isMask, to: &writer)
            } else {
                try writeEtherType(output, isMask: isMask, to: &writer)
            }
            try writer.end(nested: encap)
        } else if isTruncated {
            try writeTruncatedTag(output, isMask: isMask, to: &writer)
        } else {
            try writeEtherType(output, isMask: isMask, to: &writer)
        }
    }

    /// A tag of which the packet had only the TPID.
    private func writeTruncatedTag(_ output: FlowKey, isMask: Bool, to writer: inout MessageWriter) throws(NetlinkError)
    {
        try writer.append(KeyAttribute.etherType, bigEndian: output.etherType)
        try writer.append(KeyAttribute.vlan, bigEndian: UInt16(0))
        try writer.append(KeyAttribute.encap, bytes: [])
    }

    private func writeEtherType(_ output: FlowKey, isMask: Bool, to writer: inout MessageWriter) throws(NetlinkError) {
        if etherType == EtherType.ieee8022 {
            // No EtherType on the wire: the attribute stands in the mask only.
            if isMask, output.etherType != 0 { try writer.append(KeyAttribute.etherType, bigEndian: output.etherType) }
            return
        }
        try writer.append(KeyAttribute.etherType, bigEndian: output.etherType)
        switch etherType {
        case EtherType.ipv4: try writeIPv4(output, to: &writer)
        case EtherType.ipv6: try writeIPv6(output, to: &writer)
        case EtherType.arp, EtherType.rarp: try writeARP(output, to: &writer)
        case EtherType.mplsUnicast, EtherType.mplsMulticast: try writeMPLS(output, to: &writer)
        default: break
        }
        if etherType == EtherType.ipv4 || etherType == EtherType.ipv6, fragment != Fragment.later {
            try writeTransport(output, to: &writer)
        }
    }

    /// The twelve bytes of two MAC addresses behind each other.
    private static func words(_ first: UInt64, _ second: UInt64) -> InlineArray<3, UInt32> {
        [
            UInt32(truncatingIfNeeded: first >> 16), UInt32(truncatingIfNeeded: first << 16 | second >> 32),
            UInt32(truncatingIfNeeded: second),
        ]
    }

    /// Protocol, TOS, TTL and fragment type, as they stand behind each other in the keys of IPv4 and IPv6.
    private var ipFields: UInt32 {
        UInt32(ipProtocol) << 24 | UInt32(ipTOS) << 16 | UInt32(ipTTL) << 8 | UInt32(fragment)
    }

    private func writeIPv4(_ output: FlowKey, to writer: inout MessageWriter) throws(NetlinkError) {
        try writer.append(
            KeyAttribute.ipv4, bigEndian: [output.ipv4Source, output.ipv4Destination, output.ipFields])
    }

    private func writeIPv6(_ output: FlowKey, to writer: inout MessageWriter) throws(NetlinkError) {
        let (source, destination) = (output.ipv6Source, output.ipv6Destination)
        try writer.append(
            KeyAttribute.ipv6,
            bigEndian: [
                source.high, source.low, destination.high, destination.low,
                UInt64(output.ipv6Label) << 32 | UInt64(output.ipFields),
            ])
        try writer.append(KeyAttribute.ipv6ExtensionHeaders, output.ipv6ExtensionHeaders)
    }

    private func writeARP(_ output: FlowKey, to writer: inout MessageWriter) throws(NetlinkError) {
        // The operation has 16 bits; two bytes fill the C structure up.
        try writer.append(
            KeyAttribute.arp,
            bigEndian: [
                UInt64(output.ipv4Source) << 32 | UInt64(output.ipv4Destination),
                UInt64(output.ipProtocol) << 48 | output.arpSourceMAC, output.arpTargetMAC << 16,
            ])
    }

    /// One entry at least: an attribute without any would be refused when it comes back.
    private func writeMPLS(_ output: FlowKey, to writer: inout MessageWriter) throws(NetlinkError) {
        let entries = output.mplsEntries
        let mark = try writer.begin(nested: KeyAttribute.mpls)
        for index in 0..<min(max(output.mplsPresence.nonzeroBitCount, 1), entries.count) {
            try writer.append(raw: entries[index].bigEndian)
        }
        try writer.end(nested: mark)
    }

    private func writeTransport(_ output: FlowKey, to writer: inout MessageWriter) throws(NetlinkError) {
        func ports(_ type: UInt16) throws(NetlinkError) {
            try writer.append(type, bigEndian: [output.transportSource, output.transportDestination])
        }
        func icmp(_ type: UInt16) throws(NetlinkError) {
            try writer.append(
                type,
                [
                    UInt8(truncatingIfNeeded: output.transportSource),
                    UInt8(truncatingIfNeeded: output.transportDestination),
                ])
        }
        switch ipProtocol {
        case IPProtocol.tcp:
            try ports(KeyAttribute.tcp)
            try writer.append(KeyAttribute.tcpFlags, bigEndian: output.tcpFlags)
        case IPProtocol.udp: try ports(KeyAttribute.udp)
        case IPProtocol.sctp: try ports(KeyAttribute.sctp)
        case IPProtocol.icmp where etherType == EtherType.ipv4: try icmp(KeyAttribute.icmp)
        case IPProtocol.icmpv6 where etherType == EtherType.ipv6:
            try icmp(KeyAttribute.icmpv6)
            if transportSource == 135 || transportSource == 136 {
                let target = output.ndTarget
                let macs = Self.words(output.ndSourceMAC, output.ndTargetMAC)
                try writer.append(
                    KeyAttribute.nd,
                    bigEndian: [
                        UInt32(truncatingIfNeeded: target.high >> 32), UInt32(truncatingIfNeeded: target.high),
                        UInt32(truncatingIfNeeded: target.low >> 32), UInt32(truncatingIfNeeded: target.low),
                        macs[0], macs[1], macs[2],
                    ])
            }
        default: break
        }
    }
}

extension MessageWriter {
    /// The six bytes of a MAC address.
    /// - Throws: `noSpace`.
    mutating func append(mac: UInt64) throws(NetlinkError) {
        try append(raw: UInt16(truncatingIfNeeded: mac >> 32).bigEndian)
        try append(raw: UInt32(truncatingIfNeeded: mac).bigEndian)
    }

    /// The sixteen bytes of an IPv6 address.
    /// - Throws: `noSpace`.
    mutating func append(address: IPv6Address) throws(NetlinkError) {
        try append(raw: address.high.bigEndian)
        try append(raw: address.low.bigEndian)
    }
}
