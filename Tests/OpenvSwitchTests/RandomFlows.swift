import OpenvSwitch

/// Random flows as the datapath keeps them: keys with every piece of metadata and every header, and masks that are legal over
/// them. What is written of one reads back as the same.
struct RandomFlows {
    var random: SplitMix64
    /// Only flows of which the text form loses nothing: see `restrictToText`.
    let isPrintable: Bool

    init(seed: UInt64, isPrintable: Bool = false) {
        random = SplitMix64(seed: seed)
        self.isPrintable = isPrintable
    }

    mutating func flow() -> FlowMatch {
        var key = metadata()
        link(&key)
        network(&key)
        connection(&key)
        var options = tunnel(&key)
        var mask = metadataMask(over: key)
        linkMask(&mask, over: key)
        networkMask(&mask, over: key)
        connectionMask(&mask, over: key)
        options.mask = tunnelMask(&mask, over: key, options: options.value)
        if isPrintable { restrictToText(key: &key, mask: &mask, options: &options) }
        return FlowMatch(key: key, mask: mask, tunnelOptions: options)
    }

    // MARK: Keys

    private mutating func metadata() -> FlowKey {
        var key = FlowKey()
        (key.recircID, key.dpHash) = (random.number(), random.number())
        (key.priority, key.skbMark) = (random.number(), random.number())
        key.inPort = !isPrintable && random.chance(4) ? FlowKey.noPort : UInt16(random.below(65535))
        return key
    }

    private mutating func link(_ key: inout FlowKey) {
        key.kind = random.chance(5) ? 0 : 1
        let types: [UInt16] = [
            EtherType.ipv4, EtherType.ipv4, EtherType.ipv6, EtherType.ipv6, EtherType.arp, EtherType.rarp,
            EtherType.mplsUnicast, EtherType.mplsMulticast, EtherType.nsh, 0x1234, EtherType.ieee8022, EtherType.vlan,
            EtherType.serviceVLAN,
        ]
        key.etherType = types[random.below(isPrintable ? 10 : types.count)]
        guard key.kind == 1 else {
            if key.etherType == EtherType.ieee8022 || key.etherType.isVLANTPID { key.etherType = EtherType.ipv4 }
            return
        }
        (key.ethernetSource, key.ethernetDestination) = (random.mac(), random.mac())
        guard random.chance(2) else { return }
        (key.vlanTPID, key.vlanTCI) = (random.chance(2) ? 0x8100 : 0x88a8, random.number() | FlowKey.vlanPresent)
        guard random.chance(2) else { return }
        (key.innerVLANTPID, key.innerVLANTCI) = (
            random.chance(2) ? 0x8100 : 0x88a8, random.number() | FlowKey.vlanPresent
        )
        // Of a third tag there is only the TPID.
        if random.chance(8) { key.etherType = EtherType.vlan }
    }

    private mutating func network(_ key: inout FlowKey) {
        switch key.etherType {
        case EtherType.ipv4:
            (key.ipv4Source, key.ipv4Destination) = (random.number(), random.number())
            transport(&key)
        case EtherType.ipv6:
            (key.ipv6Source, key.ipv6Destination) = (random.address(), random.address())
            key.ipv6Label = UInt32(random.below(1 << 20))
            key.ipv6ExtensionHeaders = isPrintable ? 0 : random.number()
            transport(&key)
        case EtherType.arp, EtherType.rarp:
            (key.ipv4Source, key.ipv4Destination, key.ipProtocol) = (random.number(), random.number(), random.number())
            (key.arpSourceMAC, key.arpTargetMAC) = (random.mac(), random.mac())
        case EtherType.mplsUnicast, EtherType.mplsMulticast:
            let count = 1 + random.below(3)
            key.mplsPresence = [1, 3, 7][count - 1]
            for index in 0..<count { key.mplsEntries[index] = random.number() }
        case EtherType.nsh:
            (key.nshFlags, key.nshTTL, key.nshNextProtocol) = (random.number(), random.number(), random.number())
            (key.nshMetadataType, key.nshPath) = (random.chance(2) ? 1 : 2, random.number())
            if key.nshMetadataType == 1 {
                key.nshContext = [random.number(), random.number(), random.number(), random.number()]
            }
        default: break
        }
    }

    private mutating func transport(_ key: inout FlowKey) {
        key.ipProtocol = [6, 17, 132, 1, 58, 47][random.below(6)]
        (key.ipTOS, key.ipTTL, key.fragment) = (random.number(), random.number(), UInt8(random.below(3)))
        guard key.fragment != Fragment.later else { return }
        switch key.ipProtocol {
        case IPProtocol.tcp, IPProtocol.udp, IPProtocol.sctp:
            (key.transportSource, key.transportDestination) = (random.number(), random.number())
            if key.ipProtocol == IPProtocol.tcp { key.tcpFlags = random.number() & 0xfff }
        case IPProtocol.icmp where key.etherType == EtherType.ipv4:
            (key.transportSource, key.transportDestination) = (UInt16(random.below(256)), UInt16(random.below(256)))
        case IPProtocol.icmpv6 where key.etherType == EtherType.ipv6:
            key.transportSource = [128, 135, 136][random.below(3)]
            key.transportDestination = UInt16(random.below(256))
            if key.transportSource != 128 {
                (key.ndTarget, key.ndSourceMAC, key.ndTargetMAC) = (random.address(), random.mac(), random.mac())
            }
        default: break
        }
    }

    private mutating func connection(_ key: inout FlowKey) {
        guard random.chance(2) else { return }
        (key.ctState, key.ctZone, key.ctMark) = (random.number(), random.number(), random.number())
        key.ctLabels = ConnectionLabels(high: random.next(), low: random.next())
        guard random.chance(2), !key.isSolicitation else { return }
        switch key.etherType {
        case EtherType.ipv4:
            (key.ctOriginalIPv4Source, key.ctOriginalIPv4Destination) = (random.number(), random.number())
        case EtherType.ipv6:
            (key.ctOriginalIPv6Source, key.ctOriginalIPv6Destination) = (random.address(), random.address())
        default: return
        }
        (key.ctOriginalSourcePort, key.ctOriginalDestinationPort) = (random.number(), random.number())
        key.ctOriginalProtocol = 1 + UInt8(random.below(255))
    }

    // MARK: Masks

    private mutating func metadataMask(over key: FlowKey) -> FlowMask {
        var mask = FlowMask()
        (mask.dpHash, mask.priority, mask.skbMark) = (random.mask(), random.mask(), random.mask())
        mask.recircID = isPrintable ? .max : random.mask()
        // As in the kernel, a wildcarded port is written as 0xffff0000, which reads as an exact one.
        mask.inPort = 0xffff
        return mask
    }

    private mutating func linkMask(_ mask: inout FlowMask, over key: FlowKey) {
        mask.kind = 0xff
        if key.kind == 1 {
            mask.ethernetSource = random.mask() & 0xffff_ffff_ffff
            mask.ethernetDestination = random.mask() & 0xffff_ffff_ffff
        }
        mask.vlanTCI = key.vlanTCI == 0 ? 0xffff : random.mask() | FlowKey.vlanPresent
        mask.vlanTPID = key.vlanTCI == 0 ? 0 : 0xffff
        mask.innerVLANTCI = key.innerVLANTCI == 0 ? 0xffff : random.mask() | FlowKey.vlanPresent
        mask.innerVLANTPID = key.innerVLANTCI == 0 ? 0 : 0xffff
        // An ENCAP that is empty counts as absent, so that a wildcarded type of 802.2 cannot be written behind a tag.
        let isEmptyBehindTag = key.etherType == EtherType.ieee8022 && key.vlanTCI != 0
        let isUnprintable = key.etherType == EtherType.nsh || key.fragment == Fragment.later
        let needsExactType = isEmptyBehindTag || isPrintable && isUnprintable
        mask.etherType = needsExactType || !random.chance(3) ? 0xffff : 0
    }

    private mutating func networkMask(_ mask: inout FlowMask, over key: FlowKey) {
        guard mask.etherType == 0xffff else { return }
        switch key.etherType {
        case EtherType.ipv4:
            (mask.ipv4Source, mask.ipv4Destination) = (random.mask(), random.mask())
            transportMask(&mask, over: key)
        case EtherType.ipv6:
            (mask.ipv6Source, mask.ipv6Destination) = (addressMask(), addressMask())
            mask.ipv6Label = isPrintable ? random.mask() & 0xf_ffff : random.mask()
            mask.ipv6ExtensionHeaders = isPrintable ? 0 : random.mask()
            transportMask(&mask, over: key)
        case EtherType.arp, EtherType.rarp:
            (mask.ipv4Source, mask.ipv4Destination, mask.ipProtocol) = (random.mask(), random.mask(), random.mask())
            mask.arpSourceMAC = random.mask() & 0xffff_ffff_ffff
            mask.arpTargetMAC = random.mask() & 0xffff_ffff_ffff
        case EtherType.mplsUnicast, EtherType.mplsMulticast:
            let count = isPrintable ? key.mplsPresence.nonzeroBitCount : 1 + random.below(3)
            for index in 0..<count { mask.mplsEntries[index] = random.mask() }
            // A stack of which nothing is matched is written with one entry, whatever the key has.
            if isPrintable { mask.mplsEntries[0] |= 1 }
            // A mask of zeros counts as absent.
            let entries = mask.mplsEntries
            mask.mplsPresence = entries[0] | entries[1] | entries[2] == 0 ? 0 : [1, 3, 7][count - 1]
        case EtherType.nsh:
            (mask.nshFlags, mask.nshTTL, mask.nshNextProtocol) = (random.mask(), random.mask(), random.mask())
            (mask.nshMetadataType, mask.nshPath) = (isPrintable ? .max : random.mask(), random.mask())
            // A masked key has a context if its type is still 1.
            if key.nshMetadataType & mask.nshMetadataType == 1 {
                mask.nshContext = [random.mask(), random.mask(), random.mask(), random.mask()]
            } else if isPrintable {
                mask.nshContext = [.max, .max, .max, .max]
            }
        default: break
        }
    }

    private mutating func transportMask(_ mask: inout FlowMask, over key: FlowKey) {
        (mask.ipProtocol, mask.ipTOS, mask.ipTTL) = (random.mask(), random.mask(), random.mask())
        mask.fragment = isPrintable ? key.fragment != Fragment.none || random.chance(2) ? .max : 0 : random.mask()
        guard mask.ipProtocol == 0xff, key.fragment != Fragment.later else { return }
        switch key.ipProtocol {
        case IPProtocol.tcp, IPProtocol.udp, IPProtocol.sctp:
            (mask.transportSource, mask.transportDestination) = (random.mask(), random.mask())
            guard key.ipProtocol == IPProtocol.tcp else { return }
            mask.tcpFlags = random.mask()
            if isPrintable, mask.tcpFlags != .max { mask.tcpFlags &= 0xffe }
        case IPProtocol.icmp where key.etherType == EtherType.ipv4,
            IPProtocol.icmpv6 where key.etherType == EtherType.ipv6:
            (mask.transportSource, mask.transportDestination) = (random.mask() & 0xff, random.mask() & 0xff)
            guard key.isSolicitation, mask.transportSource == 0xff else { return }
            mask.ndTarget = addressMask()
            (mask.ndSourceMAC, mask.ndTargetMAC) = (random.mask() & 0xffff_ffff_ffff, random.mask() & 0xffff_ffff_ffff)
        default: break
        }
    }

    private mutating func connectionMask(_ mask: inout FlowMask, over key: FlowKey) {
        (mask.ctState, mask.ctZone, mask.ctMark) = (random.mask(), random.mask(), random.mask())
        mask.ctLabels = ConnectionLabels(high: random.mask(), low: random.mask())
        // A tuple is written if its protocol is not 0.
        guard key.ctOriginalProtocol != 0, mask.etherType == 0xffff, random.chance(2) else { return }
        mask.ctOriginalProtocol = .max
        (mask.ctOriginalSourcePort, mask.ctOriginalDestinationPort) = (random.mask(), random.mask())
        if key.etherType == EtherType.ipv4 {
            (mask.ctOriginalIPv4Source, mask.ctOriginalIPv4Destination) = (random.mask(), random.mask())
        } else {
            (mask.ctOriginalIPv6Source, mask.ctOriginalIPv6Destination) = (addressMask(), addressMask())
        }
    }

    private mutating func addressMask() -> IPv6Address { IPv6Address(high: random.mask(), low: random.mask()) }
}

extension FlowKey {
    /// Whether the fields of neighbour discovery are there.
    var isSolicitation: Bool {
        etherType == EtherType.ipv6 && ipProtocol == IPProtocol.icmpv6 && fragment != Fragment.later
            && (transportSource == 135 || transportSource == 136)
    }
}
