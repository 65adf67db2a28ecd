public import OpenvSwitch

/// A hash of the flow that a packet belongs to, for choosing a queue of missed packets or a place in a cache.
///
/// Addresses, protocol and ports of an IP packet; the MAC addresses and the EtherType of any other. All fragments of a
/// datagram have the hash of a packet without ports. It is no secret: whoever knows the code can make flows collide.
public enum FlowHash {
    /// The hash; never 0.
    @inlinable
    public static func hash(_ key: FlowKey) -> UInt32 {
        let isIP = key.etherType == EtherType.ipv4 || key.etherType == EtherType.ipv6
        // Ports in the upper half; the protocol and the EtherType, which say what the other words mean, in the lower.
        var rest = UInt64(key.etherType) &<< 8 | UInt64(key.ipProtocol)
        if key.fragment == Fragment.none { rest |= key.words[6] & 0xffff_ffff_0000_0000 }
        var result = mix(rest ^ 0x9e37_79b9_7f4a_7c15, key.words[7] ^ 0xc2b2_ae3d_27d4_eb4f)
        if key.etherType != EtherType.ipv4 {
            result = mix(result ^ key.words[8], key.words[9] ^ 0x1656_67b1_9e37_79f9)
            result = mix(result ^ key.words[10], 0x85eb_ca77_c2b2_ae63)
        }
        if !isIP { result = mix(result ^ key.ethernetSource, key.ethernetDestination ^ 0x27d4_eb2f_1656_67c5) }
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
