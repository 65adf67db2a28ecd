public import OpenvSwitch

/// From a frame to the key it is matched by.
///
/// Total: whatever the bytes, the key has a value. A header that is cut off or lies about its length leaves its fields
/// and those of all headers in it at zero. Only a network service header must be sound, as in the kernel.
public enum KeyExtraction {
    /// Fills in what the frame itself says: everything in the key but the recirculation, the hash, priority, mark and
    /// port, which the caller has set.
    ///
    /// - Parameters:
    ///   - frame: an Ethernet frame without its check sequence, or a packet without Ethernet header.
    ///   - networkType: 0, or the EtherType of a packet without Ethernet header (`Packet.networkType`).
    ///   - offload: tells a UDP datagram that is still to be fragmented, which counts as a first fragment.
    ///   - key: zero but for those fields.
    /// - Returns: where the headers begin, or nil if the packet is to be dropped: an Ethernet header or a network service
    ///   header is cut off or wrong, or a packet without Ethernet header begins with a VLAN tag.
    public static func extract(
        _ frame: RawSpan, networkType: UInt16 = 0, offload: Offload, into key: inout FlowKey
    ) -> HeaderOffsets? {
        guard networkType == 0 else {
            guard !networkType.isVLANTPID, let found = follow(frame, networkType, offload, into: &key), found.isSound
            else { return nil }
            return found.offsets
        }
        guard var offsets = linkLayer(frame, into: &key), networkLayer(frame, offload, &offsets, into: &key) else {
            return nil
        }
        return offsets
    }

    /// As `extract`, of a packet whose headers were changed: one that would be dropped when it is looked up next has a key
    /// until then, with the fields of the header at fault at zero. Not inlined, as `extract` is what is called for every
    /// packet.
    /// - Returns: nil if the frame is shorter than an Ethernet header.
    @inline(never)
    static func follow(
        _ frame: RawSpan, _ networkType: UInt16, _ offload: Offload, into key: inout FlowKey
    ) -> (offsets: HeaderOffsets, isSound: Bool)? {
        var offsets = HeaderOffsets(network: 0, transport: -1)
        if networkType == 0 {
            guard let found = linkLayer(frame, into: &key) else { return nil }
            offsets = found
        } else {
            key.etherType = networkType
        }
        let isSound = followNetworkLayer(frame, offload, &offsets, into: &key)
        return (offsets, isSound)
    }

    /// What the key's EtherType says is at `offsets.network`. False if a packet with such a header is to be dropped.
    @inline(never)
    static func followNetworkLayer(
        _ frame: RawSpan, _ offload: Offload, _ offsets: inout HeaderOffsets, into key: inout FlowKey
    ) -> Bool {
        networkLayer(frame, offload, &offsets, into: &key)
    }

    // MARK: Link layer

    /// The Ethernet header with its tags, or nil if it is not there.
    @inline(__always)
    private static func linkLayer(_ frame: RawSpan, into key: inout FlowKey) -> HeaderOffsets? {
        guard let ethernet = EthernetHeader(frame) else { return nil }
        key.ethernetSource = ethernet.source
        key.ethernetDestination = ethernet.destination
        var type = ethernet.etherType
        var offsets = HeaderOffsets()
        offsets.network = EthernetHeader.size
        if VLANTag.isTPID(type) { type = tags(frame, &offsets, into: &key) }
        if type < EtherType.minimum { type = linkControl(frame, &offsets) }
        // Beside the type, with which it shares a word: a byte stored by itself would have the next load of the word wait.
        key.kind = 1
        key.etherType = type
        return offsets
    }

    /// Up to two VLAN tags. A tag that is cut off is none: its TPID is the EtherType then.
    /// - Returns: the EtherType behind them.
    private static func tags(_ frame: RawSpan, _ offsets: inout HeaderOffsets, into key: inout FlowKey) -> UInt16 {
        guard let outer = VLANTag(frame, at: 12) else { return EthernetHeader(frame)?.etherType ?? 0 }
        key.vlanTPID = outer.tpid
        key.vlanTCI = outer.tci | FlowKey.vlanPresent
        offsets.network = 18
        guard let inner = VLANTag(frame, at: 16) else { return outer.nextType }
        key.innerVLANTPID = inner.tpid
        key.innerVLANTCI = inner.tci | FlowKey.vlanPresent
        offsets.network = 22
        return inner.nextType
    }

    /// An IEEE 802.3 frame: the type in a SNAP header of the organisation 0 (RFC 1042), if there is one.
    private static func linkControl(_ frame: RawSpan, _ offsets: inout HeaderOffsets) -> UInt16 {
        guard frame.holds(8, at: offsets.network) else { return EtherType.ieee8022 }
        // DSAP, SSAP, control, organisation (3 bytes), type: the eight bytes just checked. The control byte may be any.
        let header = unsafe frame.bigEndian(offsets.network, as: UInt64.self)
        let type = UInt16(truncatingIfNeeded: header)
        guard header &>> 16 & 0xffff_00ff_ffff == 0xaaaa_0000_0000 else { return EtherType.ieee8022 }
        offsets.network &+= 8
        return type >= EtherType.minimum ? type : EtherType.ieee8022
    }

    // MARK: Network layer

    /// What the EtherType says is at `offsets.network`. False if a packet with such a header is to be dropped.
    @inline(__always)
    private static func networkLayer(
        _ frame: RawSpan, _ offload: Offload, _ offsets: inout HeaderOffsets, into key: inout FlowKey
    ) -> Bool {
        switch key.etherType {
        case EtherType.ipv4: ipv4(frame, offload, &offsets, into: &key)
        case EtherType.ipv6: ipv6(frame, offload, &offsets, into: &key)
        case EtherType.arp, EtherType.rarp:
            guard let arp = ARPHeader(frame, at: offsets.network) else { break }
            key.ipProtocol = UInt8(exactly: arp.operation) ?? 0
            key.ipv4Source = arp.sourceAddress
            key.ipv4Destination = arp.targetAddress
            key.arpSourceMAC = arp.sourceMAC
            key.arpTargetMAC = arp.targetMAC
        case EtherType.mplsUnicast, EtherType.mplsMulticast: mpls(frame, offsets, into: &key)
        case EtherType.nsh: return nsh(frame, offsets, into: &key)
        default: break
        }
        return true
    }

    /// A network service header. False if it is cut off, or is of a version, a metadata type or a length that cannot be.
    private static func nsh(_ frame: RawSpan, _ offsets: HeaderOffsets, into key: inout FlowKey) -> Bool {
        guard let nsh = NSHHeader(frame, at: offsets.network) else { return false }
        switch nsh.metadataType {
        case NSHHeader.metadataType1:
            guard let context = nsh.context else { return false }
            key.nshContext = context
        case NSHHeader.metadataType2: break
        default: return false
        }
        key.nshFlags = nsh.flags
        key.nshTTL = nsh.ttl
        key.nshMetadataType = nsh.metadataType
        key.nshNextProtocol = nsh.nextProtocol
        key.nshPath = nsh.path
        return true
    }

    /// The outermost entries of an MPLS label stack, as many as are there in full. If not even one is, the key has one
    /// entry of zeros, as a key without any could not be given back.
    private static func mpls(_ frame: RawSpan, _ offsets: HeaderOffsets, into key: inout FlowKey) {
        var entries: InlineArray<3, UInt32> = [0, 0, 0]
        var count = 0
        while count < entries.count, let entry = MPLSEntry(frame, at: offsets.network &+ count &* MPLSEntry.size) {
            entries[count] = entry.word
            count &+= 1
            if entry.isBottom { break }
        }
        key.mplsEntries = entries
        key.mplsPresence = 1 &<< UInt8(max(count, 1)) &- 1
    }

    @inline(__always)
    private static func ipv4(
        _ frame: RawSpan, _ offload: Offload, _ offsets: inout HeaderOffsets, into key: inout FlowKey
    ) {
        guard let ip = IPv4Header(frame, at: offsets.network) else { return }
        key.ipv4Source = ip.source
        key.ipv4Destination = ip.destination
        key.ipProtocol = ip.protocolNumber
        key.ipTOS = ip.tos
        key.ipTTL = ip.ttl
        if ip.fragmentOffset != 0 {
            key.fragment = Fragment.later
            return
        }
        if ip.hasMoreFragments || isToBeFragmented(offload) { key.fragment = Fragment.first }
        let transport = offsets.network &+ ip.headerLength
        if ip.protocolNumber == IPProtocol.icmp {
            guard let icmp = ICMPHeader(frame, at: transport) else { return }
            key.transportSource = UInt16(icmp.type)
            key.transportDestination = UInt16(icmp.code)
            offsets.transport = transport
        } else {
            ports(frame, at: transport, ip.protocolNumber, &offsets, into: &key)
        }
    }

    private static func ipv6(
        _ frame: RawSpan, _ offload: Offload, _ offsets: inout HeaderOffsets, into key: inout FlowKey
    ) {
        guard let ip = IPv6Header(frame, at: offsets.network) else { return }
        key.ipv6Source = ip.source
        key.ipv6Destination = ip.destination
        key.ipTOS = ip.trafficClass
        key.ipTTL = ip.hopLimit
        key.ipv6Label = ip.flowLabel
        let chain = IPv6Chain(frame, first: ip.nextHeader, at: offsets.network &+ IPv6Header.size)
        key.ipProtocol = chain.upperProtocol
        key.fragment = chain.fragment
        key.ipv6ExtensionHeaders = chain.headers
        guard chain.transport >= 0 else { return }
        if isToBeFragmented(offload) { key.fragment = Fragment.first }
        if chain.upperProtocol == IPProtocol.icmpv6 {
            guard let icmp = ICMPHeader(frame, at: chain.transport) else { return }
            key.transportSource = UInt16(icmp.type)
            key.transportDestination = UInt16(icmp.code)
            offsets.transport = chain.transport
            if icmp.code == 0 && (icmp.type == 135 || icmp.type == 136) {
                neighbour(frame, at: chain.transport, into: &key)
            }
        } else {
            ports(frame, at: chain.transport, chain.upperProtocol, &offsets, into: &key)
        }
    }

    @inline(__always)
    private static func isToBeFragmented(_ offload: Offload) -> Bool {
        offload.segmentation & ~Offload.ecn == Offload.udpFragments
    }

    /// A neighbour solicitation or advertisement (RFC 4861, 4.3 and 4.4): its target and the link-layer addresses.
    ///
    /// A second address of a kind makes the whole message count as nothing; an option with a bad length ends the
    /// reading.
    private static func neighbour(_ frame: RawSpan, at transport: Int, into key: inout FlowKey) {
        guard frame.holds(24, at: transport) else { return }
        let target = unsafe frame.ipv6Address(transport &+ 8)  // the 24 bytes just checked
        var source: UInt64 = 0
        var destination: UInt64 = 0
        var offset = transport &+ 24
        while frame.holds(8, at: offset) {
            // Type, length in units of eight bytes, value: the eight bytes just checked.
            let type = unsafe frame.bigEndian(offset, as: UInt8.self)
            let size = unsafe Int(frame.bigEndian(offset &+ 1, as: UInt8.self)) &* 8
            guard size > 0 && frame.holds(size, at: offset) else { break }
            if size == 8 && (type == 1 || type == 2) {
                let address = unsafe frame.mac(offset &+ 2)
                guard (type == 1 ? source : destination) == 0 else { return }
                if type == 1 { source = address } else { destination = address }
            }
            offset &+= size
        }
        key.ndTarget = target
        key.ndSourceMAC = source
        key.ndTargetMAC = destination
    }

    // MARK: Transport layer

    @inline(__always)
    private static func ports(
        _ frame: RawSpan, at transport: Int, _ number: UInt8, _ offsets: inout HeaderOffsets, into key: inout FlowKey
    ) {
        switch number {
        case IPProtocol.tcp:
            guard let tcp = TCPHeader(frame, at: transport) else { return }
            key.transportSource = tcp.sourcePort
            key.transportDestination = tcp.destinationPort
            key.tcpFlags = tcp.flags
        case IPProtocol.udp:
            guard let udp = UDPHeader(frame, at: transport) else { return }
            key.transportSource = udp.sourcePort
            key.transportDestination = udp.destinationPort
        case IPProtocol.sctp:
            guard let sctp = SCTPHeader(frame, at: transport) else { return }
            key.transportSource = sctp.sourcePort
            key.transportDestination = sctp.destinationPort
        default: return
        }
        offsets.transport = transport
    }
}
