import Netlink

/// Keys and masks from attributes, by the table of keys (`KeyWire`).
extension KeyLevels {
    func readKey(into key: inout FlowKey, options: inout [UInt8]) throws(RequestError) {
        key.inPort = FlowKey.noPort
        key.kind = present.contains(.ethernet) ? 1 : 0
        if key.kind == 0 {
            guard tags == 0, !isTruncatedTag else {
                throw fail("a packet without Ethernet header has no VLAN tag", KeyAttribute.vlan)
            }
            guard present.contains(.etherType) else {
                throw fail("either an Ethernet header or an EtherType is needed", KeyAttribute.ethernet)
            }
        }
        if tags > 0 {
            key.vlanTPID = outerTag.tpid
            key.vlanTCI = outerTag.tci
        }
        if tags > 1 {
            key.innerVLANTPID = innerTag.tpid
            key.innerVLANTCI = innerTag.tci
        }
        key.etherType = EtherType.ieee8022
        try readAttributes(into: &key, options: &options, keyOptions: [])
    }

    /// What a key says of a packet that is not in its headers, and whether there is an Ethernet header.
    func readMetadata(into key: inout FlowKey, options: inout [UInt8]) throws(RequestError) {
        key.inPort = FlowKey.noPort
        let wire = KeyWire.keys
        for row in wire.rows where present.contains(KeyAttributeSet(row.type)) {
            switch row.presence {
            case .metadata, .freelyMasked, .tunnel, .connectionTuple:
                try read(row, wire, into: &key, options: &options, keyOptions: [])
            default: break
            }
        }
        key.kind = 1
        // Only of a packet without Ethernet header the EtherType is not in the packet.
        if !present.contains(.ethernet), present.contains(.etherType), let row = wire.row(KeyAttribute.etherType) {
            key.kind = 0
            try read(row, wire, into: &key, options: &options, keyOptions: [])
        }
    }

    /// - Parameters:
    ///   - options: the mask of the tunnel's options.
    ///   - keyOptions: the options themselves.
    func readMask(
        into mask: inout FlowMask, key: FlowKey, options: inout [UInt8], keyOptions: [UInt8]
    ) throws(RequestError) {
        if tags > 0 {
            try checkMask(outerTag, over: key.vlanTCI)
            mask.vlanTPID = 0xffff
            mask.vlanTCI = outerTag.tci
        }
        if tags > 1 {
            // Open vSwitch leaves the second tag's TCI out when it does not look at it. The kernel then takes the mask of
            // the first tag's TCI by oversight; what is meant is any second tag.
            var tag = innerTag
            if tag.tci == 0 { tag.tci = FlowKey.vlanPresent }
            try checkMask(tag, over: key.innerVLANTCI)
            mask.innerVLANTPID = 0xffff
            mask.innerVLANTCI = tag.tci
        }
        if present.contains(.encap) { throw fail("the key has no VLAN tag at this level", KeyAttribute.encap) }
        if present.contains(.vlan) { throw fail("a VLAN mask needs an ENCAP beside it", KeyAttribute.vlan) }
        try readAttributes(into: &mask, options: &options, keyOptions: keyOptions)
    }

    private func checkMask(_ mask: Tag, over tci: UInt16) throws(RequestError) {
        guard tci & FlowKey.vlanPresent != 0 else {
            throw fail(
                "an ENCAP in the mask needs a VLAN tag in the key", KeyAttribute.encap, offset: mask.encapOffset)
        }
        guard mask.tpid == 0xffff else {
            throw fail(
                "the TPID of a VLAN tag must be matched exactly", KeyAttribute.etherType, offset: mask.tpidOffset)
        }
        guard mask.tci & FlowKey.vlanPresent != 0 else {
            throw fail("the bit 0x1000 of a VLAN TCI must be matched", KeyAttribute.vlan, offset: mask.tciOffset)
        }
    }

    /// The mask of a flow that came without one: whatever the key names, exactly.
    func fillExactMask(_ mask: inout FlowMask, key: FlowKey) throws(RequestError) {
        if tags > 0 { mask.vlanTPID = 0xffff }
        if tags > 1 { mask.innerVLANTPID = 0xffff }
        // The kernel makes a mask of the key's attributes, where an ENCAP that is empty counts as absent.
        if endsInEmptyEncap { throw fail("an ENCAP that is empty needs a mask that leaves it out", KeyAttribute.encap) }
        let wire = KeyWire.keys
        for row in wire.rows where present.contains(KeyAttributeSet(row.type)) {
            switch row.type {
            case KeyAttribute.vlan, KeyAttribute.encap: break
            case KeyAttribute.mpls:
                mask.mplsPresence = key.mplsPresence
                for index in 0..<key.mplsPresence.nonzeroBitCount { mask.mplsEntries[index] = .max }
            case KeyAttribute.nsh: fillExactNSH(&mask)
            case KeyAttribute.tunnel:
                for part in KeyWire.tunnel.rows where part.flag == 0 || part.type == TunnelKeyAttribute.id {
                    KeyWire.tunnel.setExact(part, in: &mask)
                }
                // As in the kernel: flags that are absent are not compared.
                mask.tunnelFlags = key.tunnelFlags
                mask.tunnelFamily = .max
                if key.tunnelFlags & TunnelFlags.options != 0 { mask.tunnelOptionsLength = .max }
            default: wire.setExact(row, in: &mask)
            }
        }
    }

    /// Every attribute but the VLAN tags, of a key or of a mask. Lengths have been checked by the policy.
    private func readAttributes(
        into key: inout FlowKey, options: inout [UInt8], keyOptions: [UInt8]
    ) throws(RequestError) {
        let wire = KeyWire.keys
        for row in wire.rows where present.contains(KeyAttributeSet(row.type)) {
            try read(row, wire, into: &key, options: &options, keyOptions: keyOptions)
        }
    }

    private func read(
        _ row: KeyWire.Row, _ wire: KeyWire, into key: inout FlowKey, options: inout [UInt8], keyOptions: [UInt8]
    ) throws(RequestError) {
        guard let attribute = attribute(row.type) else { return }
        switch row.type {
        case KeyAttribute.vlan, KeyAttribute.encap: break
        case KeyAttribute.tunnel:
            try readTunnel(attribute, into: &key, options: &options, keyOptions: keyOptions)
        case KeyAttribute.nsh: try readNSH(attribute, into: &key)
        case KeyAttribute.mpls: try readLabels(attribute.payload, into: &key)
        default:
            if let index = wire.read(row, attribute.payload, isMask: isMask, into: &key) {
                let description = KeyTable.row(row.type)?.fields
                throw fail(description?[index - row.firstField].fault ?? "", row.type)
            }
        }
    }

    private func readLabels(_ payload: RawSpan, into key: inout FlowKey) throws(RequestError) {
        let count = payload.byteCount / 4
        guard payload.byteCount % 4 == 0, 1...FlowKey.maximumMPLSEntries ~= count else {
            throw fail("a label stack has one to three entries of four bytes", KeyAttribute.mpls)
        }
        for index in 0..<count { key.mplsEntries[index] = payload.loadBigEndian(at: 4 * index) ?? 0 }
        key.mplsPresence = 1 << UInt8(count) - 1
    }
}
