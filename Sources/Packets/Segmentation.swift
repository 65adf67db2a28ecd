import OpenvSwitch

/// Cutting a packet that its host left whole into the packets it stands for (generic segmentation offload).
///
/// TCP over IPv4 and IPv6, and UDP in datagrams of one size (`VIRTIO_NET_HDR_GSO_UDP_L4`), with up to two VLAN tags,
/// MPLS label stacks and network service headers, and also without Ethernet header.
///
///     for index in 0..<Segmentation.count(packet) { … Segmentation.writeSegment(index, of: packet, to: &slot) … }
public enum Segmentation {
    /// The number of packets this packet stands for: 1 if it is whole, or malformed. At most `Packet.maximumLength`.
    public static func count(_ packet: Packet) -> Int {
        guard packet.offload.isSegmented, let layout = SegmentLayout(packet) else { return 1 }
        return layout.count
    }

    /// Bytes of the longest of the packets, with all its headers. A packet that is malformed is as long as it
    /// is.
    public static func segmentLength(_ packet: Packet) -> Int {
        guard packet.offload.isSegmented, let layout = SegmentLayout(packet) else { return packet.length }
        return min(layout.headers &+ layout.size, packet.length)
    }

    /// Writes one of the packets, with its checksums complete and nothing left undone.
    ///
    /// - Parameters:
    ///   - index: from 0 up to `count`.
    ///   - output: a slot of its own.
    /// - Returns: false if the packet is malformed, is none to be segmented, or has no such segment. It is to be
    ///   dropped then.
    public static func writeSegment(_ index: Int, of packet: Packet, to output: inout Packet) -> Bool {
        guard packet.offload.isSegmented, let layout = SegmentLayout(packet), index >= 0, index < layout.count,
            unsafe packet.slot != output.slot
        else { return false }
        let from = layout.headers &+ index &* layout.size
        let count = min(layout.size, packet.length &- from)
        let networkLength = layout.headers &- layout.network &+ count
        guard networkLength <= 0xffff else { return false }

        output.start = Packet.headroom
        output.length = layout.headers &+ count
        output.offload = Offload()
        output.networkType = packet.networkType
        // Both pieces lie in the source frame: `layout` has checked that `headers` do, and `from` is at most its length
        // as `index` is below the number of segments. They are no longer than it, so they fit the other slot.
        unsafe (output.slot + output.start).copyMemory(from: packet.slot + packet.start, byteCount: layout.headers)
        unsafe (output.slot + output.start + layout.headers).copyMemory(
            from: packet.slot + packet.start + from, byteCount: count)

        layout.finish(&output, index: index, networkLength: networkLength)
        return true
    }
}

/// Where a packet that is to be segmented has its headers and its payload.
private struct SegmentLayout: BitwiseCopyable {
    let network: Int
    let transport: Int
    /// Bytes of all headers.
    let headers: Int
    /// Payload bytes of a segment, the last of which may have fewer.
    let size: Int
    let count: Int
    let isIPv4: Bool
    let isTCP: Bool
    /// The pseudo header's sum without the length.
    let pseudoHeader: UInt64

    /// Nil if the headers are not what the offload says, or the segment size is 0.
    init?(_ packet: Packet) {
        var key = FlowKey()
        guard packet.offload.segmentSize > 0,
            let offsets = KeyExtraction.extractInnermost(packet, into: &key), offsets.transport >= 0,
            key.fragment == Fragment.none
        else { return nil }
        isIPv4 = key.etherType == EtherType.ipv4
        isTCP = key.ipProtocol == IPProtocol.tcp
        switch packet.offload.segmentation & ~Offload.ecn {
        case Offload.tcpv4: guard isTCP && isIPv4 else { return nil }
        case Offload.tcpv6: guard isTCP && !isIPv4 else { return nil }
        case Offload.udpSegments: guard key.ipProtocol == IPProtocol.udp else { return nil }
        default: return nil
        }
        network = offsets.network
        transport = offsets.transport
        if isTCP {
            guard let tcp = TCPHeader(packet.bytes, at: transport) else { return nil }
            headers = transport &+ tcp.headerLength
        } else {
            headers = transport &+ UDPHeader.size
        }
        size = Int(packet.offload.segmentSize)
        let payload = packet.length &- headers
        count = max(1, (payload &+ size &- 1) / size)

        let isPartial = packet.offload.isChecksumPartial && Int(packet.offload.checksumStart) == transport
        if isIPv4 {
            pseudoHeader = InternetChecksum.pseudoHeader(
                source: key.ipv4Source, destination: key.ipv4Destination, protocolNumber: key.ipProtocol, length: 0)
        } else if isPartial && key.ipv6ExtensionHeaders & IPv6Chain.routing != 0 {
            // Behind a routing header only the sender knows the last destination: its sum, less the whole length. The
            // field lies in the transport header that extraction has checked.
            let sum = unsafe packet.bigEndian(transport &+ (isTCP ? 16 : 6), as: UInt16.self)
            let length = UInt32(truncatingIfNeeded: packet.length &- transport)
            pseudoHeader = UInt64(sum) &+ InternetChecksum.difference(from: length, to: 0)
        } else {
            pseudoHeader = InternetChecksum.pseudoHeader(
                source: key.ipv6Source, destination: key.ipv6Destination, protocolNumber: key.ipProtocol, length: 0)
        }
    }

    /// Sets lengths, IPv4 identification, sequence number, flags and checksums of a segment that still has the headers
    /// of the whole. All of them lie in `headers`, which the segment has.
    func finish(_ output: inout Packet, index: Int, networkLength: Int) {
        let length = UInt16(truncatingIfNeeded: networkLength)
        if isIPv4 {
            unsafe output.setBigEndian(network &+ 2, length)
            let identification = unsafe output.bigEndian(network &+ 4, as: UInt16.self)
            unsafe output.setBigEndian(network &+ 4, identification &+ UInt16(truncatingIfNeeded: index))
            unsafe output.setBigEndian(network &+ 10, 0 as UInt16)
            if let ip = IPv4Header(output.bytes, at: network) {
                let header = unsafe output.bytes.extracting(
                    unchecked: Range(uncheckedBounds: (network, network &+ ip.headerLength)))
                let checksum = InternetChecksum.checksum(header)
                unsafe output.setBigEndian(network &+ 10, checksum)
            }
        } else {
            unsafe output.setBigEndian(network &+ 4, length &- UInt16(IPv6Header.size))
        }

        let transportLength = output.length &- transport
        let field: Int
        if isTCP {
            field = transport &+ 16
            let sequence = unsafe output.bigEndian(transport &+ 4, as: UInt32.self)
            unsafe output.setBigEndian(
                transport &+ 4, sequence &+ UInt32(truncatingIfNeeded: index &* size))
            var flags = unsafe output.bigEndian(transport &+ 12, as: UInt16.self)
            if index > 0 { flags &= ~TCPHeader.cwr }
            if index < count &- 1 { flags &= ~(TCPHeader.fin | TCPHeader.psh) }
            unsafe output.setBigEndian(transport &+ 12, flags)
        } else {
            field = transport &+ 6
            unsafe output.setBigEndian(transport &+ 4, UInt16(truncatingIfNeeded: transportLength))
        }
        unsafe output.setBigEndian(field, 0 as UInt16)
        let sum = unsafe InternetChecksum.sum(output.bytes.from(transport))
        let checksum = ~InternetChecksum.fold(
            sum &+ pseudoHeader &+ UInt64(UInt32(truncatingIfNeeded: transportLength)))
        unsafe output.setBigEndian(field, checksum == 0 && !isTCP ? 0xffff : checksum)
    }
}
