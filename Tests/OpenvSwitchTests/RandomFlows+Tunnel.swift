import Netlink
import OpenvSwitch

extension RandomFlows {
    /// A tunnel of either family with options of each kind, that of a bridge, or none.
    /// - Returns: its options.
    mutating func tunnel(_ key: inout FlowKey) -> TunnelOptionsMatch {
        guard random.chance(2) else { return TunnelOptionsMatch() }
        if random.chance(2) {
            key.tunnelFlags = TunnelFlags.key
            key.tunnelID = random.next()
        }
        if !isPrintable, random.chance(10) {
            key.tunnelFamily = TunnelFamily.ipv4
            key.tunnelFlags |= TunnelFlags.infoBridge
            return TunnelOptionsMatch()
        }
        if random.chance(2) {
            key.tunnelFamily = TunnelFamily.ipv4
            key.tunnelIPv4Source = random.mask()
            key.tunnelIPv4Destination = random.number() | 1
        } else {
            key.tunnelFamily = TunnelFamily.ipv6
            key.tunnelIPv6Source = IPv6Address(high: random.mask(), low: random.mask())
            key.tunnelIPv6Destination = IPv6Address(high: random.next(), low: random.next() | 1)
        }
        (key.tunnelTOS, key.tunnelTTL) = (random.mask(), random.mask())
        (key.tunnelSourcePort, key.tunnelDestinationPort) = (random.mask(), random.mask())
        key.tunnelFlags |= random.number() & (TunnelFlags.dontFragment | TunnelFlags.checksum | TunnelFlags.oam)
        var options: [UInt8] = []
        switch random.below(4) {
        case 0:
            key.tunnelFlags |= TunnelFlags.geneveOptions
            for _ in 0...random.below(3) {
                let words = random.below(6)
                options += random.bytes(3) + [UInt8(words)] + random.bytes(4 * words)
            }
        case 1:
            key.tunnelFlags |= TunnelFlags.vxlanOptions
            options = host(random.number(UInt32.self) & 0x00ff_ffff | 1)
        case 2:
            key.tunnelFlags |= TunnelFlags.erspanOptions
            options =
                random.chance(2)
                ? host(UInt32(1)) + random.bytes(4) + [0, 0, 0, 0]
                : host(UInt32(2)) + [0, 0, 0, 0, 0, 0, 0, random.number() & 0xf8]
        default: break
        }
        key.tunnelOptionsLength = UInt8(options.count)
        return TunnelOptionsMatch(value: options)
    }

    /// - Returns: the mask of the options.
    mutating func tunnelMask(_ mask: inout FlowMask, over key: FlowKey, options: [UInt8]) -> [UInt8] {
        // What is written says of the tunnel at least that there is none.
        mask.tunnelFamily = .max
        (mask.tunnelTOS, mask.tunnelTTL) = (random.mask(), random.mask())
        (mask.tunnelSourcePort, mask.tunnelDestinationPort) = (random.mask(), random.mask())
        mask.tunnelFlags = random.number() & 0x0f
        if mask.tunnelFlags & TunnelFlags.key != 0 { mask.tunnelID = random.mask() }
        if random.chance(2) { mask.tunnelFlags |= key.tunnelFlags & TunnelFlags.infoBridge }
        switch key.tunnelFamily {
        case TunnelFamily.ipv4:
            (mask.tunnelIPv4Source, mask.tunnelIPv4Destination) = (random.mask(), random.mask())
        case TunnelFamily.ipv6:
            mask.tunnelIPv6Source = IPv6Address(high: random.mask(), low: random.mask())
            mask.tunnelIPv6Destination = IPv6Address(high: random.mask(), low: random.mask())
        default: break
        }
        let zeros = [UInt8](repeating: 0, count: options.count)
        guard !options.isEmpty, random.chance(2) else { return zeros }
        mask.tunnelFlags |= key.tunnelFlags & TunnelFlags.options
        mask.tunnelOptionsLength = .max
        return random.chance(3) ? zeros : random.bytes(options.count)
    }

    /// Takes out of a flow what the text cannot say. As with Open vSwitch's own text:
    /// - IEEE 802.3 frames without a type, and tags of which there is only the TPID, are printed in a form that reads as an
    ///   EtherType of 0 or as a tag (these are not made in the first place);
    /// - extension headers of IPv6 have no name, and fragments no partial mask, and without one no type;
    /// - what a key has not is not printed, and so not that it is matched: a port, a context of NSH, or what of a tunnel is 0;
    /// - the context of a service header that has none is printed as exact, even under any EtherType;
    /// - of options only what has a name: eight flags of a group policy, the lengths of Geneve's options, the version of
    ///   ERSPAN.
    func restrictToText(key: inout FlowKey, mask: inout FlowMask, options: inout TunnelOptionsMatch) {
        if key.etherType.isVLANTPID { key.etherType = 0x1234 }
        guard key.tunnelFamily != 0 else {
            // Of a flow without a tunnel the mask of a tunnel is not printed.
            (mask.tunnelFlags, mask.tunnelID, mask.tunnelTOS, mask.tunnelTTL) = (0, 0, 0, 0)
            (mask.tunnelSourcePort, mask.tunnelDestinationPort) = (0, 0)
            return
        }
        if key.tunnelFlags & TunnelFlags.key == 0 {
            mask.tunnelFlags &= ~TunnelFlags.key
            mask.tunnelID = 0
        }
        // The mask of an identifier that is not named is printed as 0.
        if key.tunnelFlags & TunnelFlags.key != 0 { mask.tunnelFlags |= TunnelFlags.key }
        if key.tunnelTOS == 0 { mask.tunnelTOS = 0 }
        if key.tunnelSourcePort == 0 { mask.tunnelSourcePort = 0 }
        if key.tunnelDestinationPort == 0 { mask.tunnelDestinationPort = 0 }
        if key.tunnelFamily == TunnelFamily.ipv4, key.tunnelIPv4Source == 0 { mask.tunnelIPv4Source = 0 }
        if key.tunnelFamily == TunnelFamily.ipv6, key.tunnelIPv6Source == IPv6Address(high: 0, low: 0) {
            mask.tunnelIPv6Source = key.tunnelIPv6Source
        }
        // Options that the mask does not name are printed with a mask of 0, and so they are named then.
        guard !options.value.isEmpty else { return }
        mask.tunnelFlags |= key.tunnelFlags & TunnelFlags.options
        mask.tunnelOptionsLength = .max
        switch key.tunnelFlags & TunnelFlags.options {
        case TunnelFlags.vxlanOptions:
            // A policy that is not matched is not named.
            options.mask = host(options.mask.hostWord & 0x00ff_ffff | 1)
        case TunnelFlags.geneveOptions:
            var offset = 0
            while offset + 4 <= options.value.count {
                options.mask[offset + 3] &= 0x1f
                offset += 4 + 4 * Int(options.value[offset + 3])
            }
        default:
            let version = [UInt8](repeating: 0xff, count: 4)
            options.mask =
                options.value[..<4] == host(UInt32(1))[...]
                ? version + options.mask[4..<8] + version
                : version + [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, options.mask[11] | 0x07]
        }
    }
}

extension [UInt8] {
    /// The first four bytes as a number in host byte order.
    fileprivate var hostWord: UInt32 {
        let bytes = self
        return bytes.rawSpan.load(at: 0) ?? 0
    }
}
