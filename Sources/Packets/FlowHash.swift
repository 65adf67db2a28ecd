public import OpenvSwitch

/// A hash of the flow that a packet belongs to, for choosing a queue of missed packets or a place in a cache.
///
/// Addresses, protocol and ports of an IP packet; the MAC addresses and the EtherType of any other. All fragments of a
/// datagram have the hash of a packet without ports. It is no secret: whoever knows the code can make flows collide.
public enum FlowHash {
    /// The hash; never 0. Always inlined: for a call the key would be copied.
    @inlinable
    @inline(__always)
    public static func hash(_ key: borrowing FlowKey) -> UInt32 {
        let type = key.etherType
        let isIP = type == EtherType.ipv4 || type == EtherType.ipv6
        // Ports in the upper half; the protocol and the EtherType, which say what the other words mean, in the lower.
        var rest = UInt64(type) &<< 8 | UInt64(key.ipProtocol)
        if key.fragment == Fragment.none { rest |= key.words[6] & 0xffff_ffff_0000_0000 }
        var result = mix(rest ^ 0x9e37_79b9_7f4a_7c15, key.words[7] ^ 0xc2b2_ae3d_27d4_eb4f)
        if type != EtherType.ipv4 {
            result = mix(result ^ key.words[8], key.words[9] ^ 0x1656_67b1_9e37_79f9)
            result = mix(result ^ key.words[10], 0x85eb_ca77_c2b2_ae63)
        }
        if !isIP { result = mix(result ^ key.ethernetSource, key.ethernetDestination ^ 0x27d4_eb2f_1656_67c5) }
        let folded = UInt32(truncatingIfNeeded: result ^ result &>> 32)
        return folded == 0 ? 1 : folded
    }

    /// A hash that both directions of a flow have in common; never 0.
    public static func symmetricHash(_ key: FlowKey) -> UInt32 {
        var ordered = key
        switch key.etherType {
        case EtherType.ipv4:
            ordered.ipv4Source = min(key.ipv4Source, key.ipv4Destination)
            ordered.ipv4Destination = max(key.ipv4Source, key.ipv4Destination)
        case EtherType.ipv6:
            let (source, destination) = (key.ipv6Source, key.ipv6Destination)
            if (source.high, source.low) > (destination.high, destination.low) {
                (ordered.ipv6Source, ordered.ipv6Destination) = (destination, source)
            }
        default:
            ordered = FlowKey()
            ordered.etherType = key.etherType
            ordered.ethernetSource = min(key.ethernetSource, key.ethernetDestination)
            ordered.ethernetDestination = max(key.ethernetSource, key.ethernetDestination)
        }
        // Type and code of ICMP are no ports and have no direction.
        if key.ipProtocol != IPProtocol.icmp && key.ipProtocol != IPProtocol.icmpv6 {
            ordered.transportSource = min(key.transportSource, key.transportDestination)
            ordered.transportDestination = max(key.transportSource, key.transportDestination)
        }
        return hash(ordered)
    }

    /// What the hash action computes (`OVS_ACTION_ATTR_HASH`); never 0, which says that there is none.
    public static func datapathHash(_ hash: UInt32, basis: UInt32) -> UInt32 {
        let result = mix(UInt64(hash) ^ 0x9e37_79b9_7f4a_7c15, UInt64(basis) ^ 0xc2b2_ae3d_27d4_eb4f)
        let folded = UInt32(truncatingIfNeeded: result ^ result &>> 32)
        return folded == 0 ? 1 : folded
    }

    /// The hash of a packet by which its flow is looked for: that of the flow, but for a packet that goes through the
    /// table once more, which looks for another flow each time. Never 0.
    /// - Parameter hash: of the flow that the packet belongs to.
    @inlinable
    @inline(__always)
    public static func lookupHash(_ hash: UInt32, _ key: borrowing FlowKey) -> UInt32 {
        // The first word holds the recirculation and the hash action's result.
        guard key.words[0] != 0 else { return hash }
        let result = mix(key.words[0] ^ 0x9e37_79b9_7f4a_7c15, UInt64(hash) ^ 0xc2b2_ae3d_27d4_eb4f)
        let folded = UInt32(truncatingIfNeeded: result ^ result &>> 32)
        return folded == 0 ? 1 : folded
    }

    /// Both halves of the 128-bit product, which every bit of either factor reaches.
    @inlinable
    @inline(__always)
    static func mix(_ left: UInt64, _ right: UInt64) -> UInt64 {
        let product = left.multipliedFullWidth(by: right)
        return product.high ^ product.low
    }
}
