import Netlink

/// Keys and masks from attributes.
extension KeyLevels {
    /// Priority, mark, input port, hash and recirculation.
    func readMetadataAndPort(into key: inout FlowKey) throws(RequestError) {
        key.inPort = FlowKey.noPort
        if let port: UInt32 = integer(KeyAttribute.inPort) {
            guard port < UInt32(FlowKey.noPort) else {
                throw fail("the port number is not less than 65535", KeyAttribute.inPort)
            }
            key.inPort = UInt16(truncatingIfNeeded: port)
        }
        if present.contains(.tunnel) {
            throw fail("tunnel keys are not supported by this datapath yet", KeyAttribute.tunnel)
        }
        readMetadata(into: &key)
    }

    func readKey(into key: inout FlowKey) throws(RequestError) {
        try readMetadataAndPort(into: &key)
        if present.contains(.ethernet) {
            key.kind = 1
        } else {
            key.kind = 0
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
        if let type: UInt16 = bigEndian(KeyAttribute.etherType) {
            guard type >= EtherType.minimum else {
                throw fail("the EtherType is less than 0x0600", KeyAttribute.etherType)
            }
            key.etherType = type
        } else {
            key.etherType = EtherType.ieee8022
        }
        try readHeaders(into: &key)
    }

    func readMask(into mask: inout FlowMask, key: FlowKey) throws(RequestError) {
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
        if present.contains(.inPort) { mask.inPort = 0xffff }
        if present.contains(.etherType) { mask.etherType = 0xffff }
        readMetadata(into: &mask)
        try readHeaders(into: &mask)
    }

    private func checkMask(_ mask: Tag, over tci: UInt16) throws(RequestError) {
        guard tci & FlowKey.vlanPresent != 0 else {
            throw fail("an ENCAP in the mask needs a VLAN tag in the key", KeyAttribute.encap)
        }
        guard mask.tpid == 0xffff else {
            throw fail("the TPID of a VLAN tag must be matched exactly", KeyAttribute.etherType)
        }
        guard mask.tci & FlowKey.vlanPresent != 0 else {
            throw fail("the bit 0x1000 of a VLAN TCI must be matched", KeyAttribute.vlan)
        }
    }

    /// The mask of a flow that came without one: whatever the key names, exactly.
    func fillExactMask(_ mask: inout FlowMask, key: FlowKey) throws(RequestError) {
        if tags > 0 { mask.vlanTPID = 0xffff }
        if tags > 1 { mask.innerVLANTPID = 0xffff }
        if isTruncatedTag {
            throw fail("a truncated VLAN tag needs a mask that leaves it out", KeyAttribute.vlan)
        }
        func has(_ type: UInt16) -> Bool { present.contains(KeyAttributeSet(type)) }
        if has(KeyAttribute.recircID) { mask.recircID = .max }
        if has(KeyAttribute.dpHash) { mask.dpHash = .max }
        if has(KeyAttribute.priority) { mask.priority = .max }
        if has(KeyAttribute.skbMark) { mask.skbMark = .max }
        if has(KeyAttribute.inPort) { mask.inPort = .max }
        if has(KeyAttribute.etherType) { mask.etherType = .max }
        if has(KeyAttribute.ethernet) {
            mask.ethernetSource = .max
            mask.ethernetDestination = .max
        }
        if has(KeyAttribute.ipv4) || has(KeyAttribute.ipv6) {
            mask.ipProtocol = .max
            mask.ipTOS = .max
            mask.ipTTL = .max
            mask.fragment = .max
        }
        if has(KeyAttribute.ipv4) || has(KeyAttribute.arp) {
            mask.ipv4Source = .max
            mask.ipv4Destination = .max
        }
        if has(KeyAttribute.ipv6) {
            mask.ipv6Source = IPv6Address(high: .max, low: .max)
            mask.ipv6Destination = IPv6Address(high: .max, low: .max)
            mask.ipv6Label = .max
        }
        if has(KeyAttribute.ipv6ExtensionHeaders) { mask.ipv6ExtensionHeaders = .max }
        if has(KeyAttribute.arp) {
            mask.ipProtocol = .max
            mask.arpSourceMAC = .max
            mask.arpTargetMAC = .max
        }
        if has(KeyAttribute.mpls) {
            mask.mplsPresence = key.mplsPresence
            for index in 0..<key.mplsPresence.nonzeroBitCount { mask.mplsEntries[index] = .max }
        }
        if has(KeyAttribute.tcp) || has(KeyAttribute.udp) || has(KeyAttribute.sctp) {
            mask.transportSource = .max
            mask.transportDestination = .max
        }
        if has(KeyAttribute.icmp) || has(KeyAttribute.icmpv6) {
            mask.transportSource = 0xff
            mask.transportDestination = 0xff
        }
        if has(KeyAttribute.tcpFlags) { mask.tcpFlags = .max }
        if has(KeyAttribute.nd) {
            mask.ndTarget = IPv6Address(high: .max, low: .max)
            mask.ndSourceMAC = .max
            mask.ndTargetMAC = .max
        }
    }

    /// ETHERTYPE, VLAN and ENCAP, where their presence in a key says nothing about the mask.
    var vlanStructure: KeyAttributeSet { [.vlan, .encap] }

    private func readMetadata(into key: inout FlowKey) {
        if let value: UInt32 = integer(KeyAttribute.recircID) { key.recircID = value }
        if let value: UInt32 = integer(KeyAttribute.dpHash) { key.dpHash = value }
        if let value: UInt32 = integer(KeyAttribute.priority) { key.priority = value }
        if let value: UInt32 = integer(KeyAttribute.skbMark) { key.skbMark = value }
    }

    /// The protocol headers, of a key or of a mask. Lengths have been checked by the policy.
    private func readHeaders(into key: inout FlowKey) throws(RequestError) {
        if let attribute = attribute(KeyAttribute.ethernet) {
            key.ethernetSource = attribute.payload.mac(at: 0)
            key.ethernetDestination = attribute.payload.mac(at: 6)
        }
        if let payload = attribute(KeyAttribute.ipv4)?.payload {
            key.ipv4Source = payload.loadBigEndian(at: 0) ?? 0
            key.ipv4Destination = payload.loadBigEndian(at: 4) ?? 0
            key.ipProtocol = payload.load(at: 8) ?? 0
            key.ipTOS = payload.load(at: 9) ?? 0
            key.ipTTL = payload.load(at: 10) ?? 0
            key.fragment = payload.load(at: 11) ?? 0
            guard isMask || key.fragment <= Fragment.later else {
                throw fail("the fragment type is greater than 2", KeyAttribute.ipv4)
            }
        }
        if let payload = attribute(KeyAttribute.ipv6)?.payload {
            key.ipv6Source = payload.ipv6Address(at: 0)
            key.ipv6Destination = payload.ipv6Address(at: 16)
            key.ipv6Label = payload.loadBigEndian(at: 32) ?? 0
            key.ipProtocol = payload.load(at: 36) ?? 0
            key.ipTOS = payload.load(at: 37) ?? 0
            key.ipTTL = payload.load(at: 38) ?? 0
            key.fragment = payload.load(at: 39) ?? 0
            guard isMask || key.fragment <= Fragment.later else {
                throw fail("the fragment type is greater than 2", KeyAttribute.ipv6)
            }
            guard isMask || key.ipv6Label & 0xfff0_0000 == 0 else {
                throw fail("the flow label has more than 20 bits", KeyAttribute.ipv6)
            }
        }
        if let value: UInt16 = integer(KeyAttribute.ipv6ExtensionHeaders) { key.ipv6ExtensionHeaders = value }
        if let payload = attribute(KeyAttribute.arp)?.payload {
            let operation: UInt16 = payload.loadBigEndian(at: 8) ?? 0
            guard isMask || operation <= 0xff else {
                throw fail("the ARP operation is greater than 255", KeyAttribute.arp)
            }
            key.ipv4Source = payload.loadBigEndian(at: 0) ?? 0
            key.ipv4Destination = payload.loadBigEndian(at: 4) ?? 0
            key.ipProtocol = UInt8(truncatingIfNeeded: operation)
            key.arpSourceMAC = payload.mac(at: 10)
            key.arpTargetMAC = payload.mac(at: 16)
        }
        if let payload = attribute(KeyAttribute.mpls)?.payload {
            let count = payload.byteCount / 4
            guard payload.byteCount % 4 == 0, 1...FlowKey.maximumMPLSEntries ~= count else {
                throw fail("an MPLS label stack has one to three entries of four bytes", KeyAttribute.mpls)
            }
            for index in 0..<count { key.mplsEntries[index] = payload.loadBigEndian(at: 4 * index) ?? 0 }
            key.mplsPresence = 1 << UInt8(count) - 1
        }
        readPorts(KeyAttribute.tcp, into: &key)
        readPorts(KeyAttribute.udp, into: &key)
        readPorts(KeyAttribute.sctp, into: &key)
        if let value: UInt16 = bigEndian(KeyAttribute.tcpFlags) { key.tcpFlags = value }
        readICMP(KeyAttribute.icmp, into: &key)
        readICMP(KeyAttribute.icmpv6, into: &key)
        if let payload = attribute(KeyAttribute.nd)?.payload {
            key.ndTarget = payload.ipv6Address(at: 0)
            key.ndSourceMAC = payload.mac(at: 16)
            key.ndTargetMAC = payload.mac(at: 22)
        }
    }

    private func readPorts(_ type: UInt16, into key: inout FlowKey) {
        guard let payload = attribute(type)?.payload else { return }
        key.transportSource = payload.loadBigEndian(at: 0) ?? 0
        key.transportDestination = payload.loadBigEndian(at: 2) ?? 0
    }

    private func readICMP(_ type: UInt16, into key: inout FlowKey) {
        guard let payload = attribute(type)?.payload else { return }
        key.transportSource = UInt16(payload.load(at: 0, as: UInt8.self) ?? 0)
        key.transportDestination = UInt16(payload.load(at: 1, as: UInt8.self) ?? 0)
    }

    @inline(__always)
    private func integer<T: FixedWidthInteger & BitwiseCopyable>(_ type: UInt16) -> T? {
        attribute(type)?.payload.load(at: 0)
    }

    @inline(__always)
    private func bigEndian(_ type: UInt16) -> UInt16? { attribute(type)?.payload.loadBigEndian(at: 0) }
}
