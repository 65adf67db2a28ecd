public import Netlink

// Keys and masks as attributes, by the table of keys (`KeyWire`), whose order is the kernel's.

extension FlowKey {
    /// Writes the key as the attributes of `OVS_FLOW_ATTR_KEY` or `OVS_PACKET_ATTR_KEY`, in the kernel's order.
    /// - Parameter tunnelOptions: the options of the tunnel that the packet came through; empty if it has none.
    /// - Throws: `noSpace`, `attributeTooLong`.
    public func write(tunnelOptions: RawSpan, to writer: inout MessageWriter) throws(NetlinkError) {
        try write(self, tunnelOptions, isMask: false, to: &writer)
    }

    /// Writes the key of a packet without tunnel options.
    /// - Throws: `noSpace`, `attributeTooLong`.
    public func write(to writer: inout MessageWriter) throws(NetlinkError) {
        try write(self, RawSpan(), isMask: false, to: &writer)
    }

    /// Writes a mask over this key as the attributes of `OVS_FLOW_ATTR_MASK`. The key's values decide which attributes
    /// there are, so that a mask may hold attributes that are all zero.
    /// - Parameter tunnelOptions: the mask of the tunnel's options, as long as they are.
    /// - Throws: `noSpace`, `attributeTooLong`.
    public func write(
        mask: FlowMask, tunnelOptions: RawSpan, to writer: inout MessageWriter
    ) throws(NetlinkError) {
        try write(mask, tunnelOptions, isMask: true, to: &writer)
    }

    /// Writes a mask over a key without tunnel options.
    /// - Throws: `noSpace`, `attributeTooLong`.
    public func write(mask: FlowMask, to writer: inout MessageWriter) throws(NetlinkError) {
        try write(mask, RawSpan(), isMask: true, to: &writer)
    }

    private func write(
        _ output: FlowKey, _ tunnelOptions: RawSpan, isMask: Bool, to writer: inout MessageWriter
    ) throws(NetlinkError) {
        if try KeyLayouts.shared.write(self, output, isMask: isMask, to: &writer) { return }
        try writeThoroughly(output, tunnelOptions, isMask: isMask, to: &writer)
    }

    /// Writes this key, or a mask over it, whatever they hold.
    /// - Throws: `noSpace`, `attributeTooLong`.
    func writeThoroughly(
        _ output: FlowKey, _ tunnelOptions: RawSpan, isMask: Bool, to writer: inout MessageWriter
    ) throws(NetlinkError) {
        let wire = KeyWire.keys
        for row in wire.rows where row.presence.isOutsideTags && row.presence.isWritten(for: self) {
            switch row.type {
            case KeyAttribute.tunnel:
                // A mask always says something of the tunnel, if only that its TTL does not matter.
                guard isMask || tunnelFamily != 0 else { continue }
                try writeTunnel(output, tunnelOptions, to: &writer)
            case KeyAttribute.inPort: try writePort(output, isMask: isMask, to: &writer)
            default: try wire.write(row, of: output, to: &writer)
            }
        }
        try writeTags(output, isMask: isMask, to: &writer)
    }

    /// A port number has 16 bits here; the upper half of a mask is always exact.
    private func writePort(_ output: FlowKey, isMask: Bool, to writer: inout MessageWriter) throws(NetlinkError) {
        if inPort == Self.noPort {
            if isMask, output.inPort == 0xffff { try writer.append(KeyAttribute.inPort, UInt32.max) }
        } else {
            try writer.append(KeyAttribute.inPort, UInt32(output.inPort) | (isMask ? 0xffff_0000 : 0))
        }
    }

    private func writeTunnel(
        _ output: FlowKey, _ options: RawSpan, to writer: inout MessageWriter
    ) throws(NetlinkError) {
        let mark = try writer.begin(nested: KeyAttribute.tunnel)
        let wire = KeyWire.tunnel
        for row in wire.rows {
            switch row.type {
            case TunnelKeyAttribute.ipv4Source, TunnelKeyAttribute.ipv4Destination:
                guard tunnelFamily == TunnelFamily.ipv4, !wire.isZero(row, in: output) else { continue }
            case TunnelKeyAttribute.ipv6Source, TunnelKeyAttribute.ipv6Destination:
                guard tunnelFamily == TunnelFamily.ipv6, !wire.isZero(row, in: output) else { continue }
            case TunnelKeyAttribute.ttl: break
            default:
                if row.flag & TunnelFlags.options != 0 {
                    guard output.tunnelFlags & row.flag != 0, tunnelOptionsLength != 0 else { continue }
                } else if row.flag != 0 {
                    guard output.tunnelFlags & row.flag != 0 else { continue }
                } else if wire.isZero(row, in: output) {
                    continue
                }
            }
            switch row.type {
            case TunnelKeyAttribute.geneveOptions, TunnelKeyAttribute.erspanOptions:
                try writer.append(row.type, bytes: options)
            case TunnelKeyAttribute.vxlanOptions:
                let nest = try writer.begin(nested: row.type)
                try writer.append(VXLANExtension.gbp, bytes: options)
                try writer.end(nested: nest)
            default: try wire.write(row, of: output, to: &writer)
            }
        }
        try writer.end(nested: mark)
    }

    /// The VLAN tags, and inside them the EtherType and what follows.
    private func writeTags(_ output: FlowKey, isMask: Bool, to writer: inout MessageWriter) throws(NetlinkError) {
        guard vlanTCI != 0 else { return try writeInnermost(output, isMask: isMask, to: &writer) }
        let outer = try writeTag(isMask ? 0xffff : output.vlanTPID, output.vlanTCI, to: &writer)
        if innerVLANTCI != 0 {
            let inner = try writeTag(isMask ? 0xffff : output.innerVLANTPID, output.innerVLANTCI, to: &writer)
            try writeEtherType(output, isMask: isMask, to: &writer)
            try writer.end(nested: inner)
        } else {
            try writeInnermost(output, isMask: isMask, to: &writer)
        }
        try writer.end(nested: outer)
    }

    /// - Returns: the ENCAP that has been begun.
    private func writeTag(
        _ tpid: UInt16, _ tci: UInt16, to writer: inout MessageWriter
    ) throws(NetlinkError) -> MessageWriter.Mark {
        try writer.append(KeyAttribute.etherType, bigEndian: tpid)
        try writer.append(KeyAttribute.vlan, bigEndian: tci)
        return try writer.begin(nested: KeyAttribute.encap)
    }

    /// The EtherType and the headers, or a tag of which the packet had only the TPID.
    private func writeInnermost(_ output: FlowKey, isMask: Bool, to writer: inout MessageWriter) throws(NetlinkError) {
        guard etherType.isVLANTPID else { return try writeEtherType(output, isMask: isMask, to: &writer) }
        try writer.end(nested: writeTag(output.etherType, 0, to: &writer))
    }

    private func writeEtherType(_ output: FlowKey, isMask: Bool, to writer: inout MessageWriter) throws(NetlinkError) {
        if etherType == EtherType.ieee8022 {
            // No EtherType on the wire: the attribute stands in the mask only.
            if isMask, output.etherType != 0 { try writer.append(KeyAttribute.etherType, bigEndian: output.etherType) }
            return
        }
        try writer.append(KeyAttribute.etherType, bigEndian: output.etherType)
        let wire = KeyWire.keys
        for row in wire.rows where !row.presence.isOutsideTags && row.presence.isWritten(for: self) {
            switch row.type {
            case KeyAttribute.mpls: try writeLabels(output, to: &writer)
            case KeyAttribute.nsh: try writeNSH(output, isMask: isMask, to: &writer)
            default: try wire.write(row, of: output, to: &writer)
            }
        }
    }

    /// As many entries as the key or the mask has, which may be more in the mask. One at least: an attribute without any
    /// would be refused when it comes back.
    private func writeLabels(_ output: FlowKey, to writer: inout MessageWriter) throws(NetlinkError) {
        let entries = output.mplsEntries
        let mark = try writer.begin(nested: KeyAttribute.mpls)
        for index in 0..<min(max(output.mplsPresence.nonzeroBitCount, 1), entries.count) {
            try writer.append(raw: entries[index].bigEndian)
        }
        try writer.end(nested: mark)
    }

    /// The context is written of metadata type 1 alone, and in every mask.
    private func writeNSH(_ output: FlowKey, isMask: Bool, to writer: inout MessageWriter) throws(NetlinkError) {
        let mark = try writer.begin(nested: KeyAttribute.nsh)
        let wire = KeyWire.nsh
        for row in wire.rows {
            switch row.type {
            case NSHKeyAttribute.md1: guard isMask || nshMetadataType == 1 else { continue }
            case NSHKeyAttribute.md2: continue
            default: break
            }
            try wire.write(row, of: output, to: &writer)
        }
        try writer.end(nested: mark)
    }
}

extension KeyDescription.Presence {
    /// Whether the attribute stands in front of VLAN tags.
    fileprivate var isOutsideTags: Bool {
        switch self {
        case .metadata, .freelyMasked, .tunnel, .connectionTuple, .ethernetHeader: true
        default: false
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
