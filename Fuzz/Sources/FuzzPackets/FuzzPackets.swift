import FuzzSupport
import Netlink
import OpenvSwitch
import Packets

// A packet with what its host left undone: ten bytes of offload, eight of values, two that choose an edit for each bit, four
// that choose ten pushes and pops one after the other, one that says what the packet is, and the packet.

@main
enum FuzzPackets: Fuzzer {
    static func main() { unsafe main { unsafe FuzzPackets.call($0, $1) } }

    static func run(_ bytes: RawSpan) {
        var input = Input(bytes)
        var offload = Offload()
        offload.flags = input.byte()
        offload.segmentation = input.byte()
        offload.headerLength = input.integer()
        offload.segmentSize = input.integer()
        offload.checksumStart = input.integer()
        offload.checksumOffset = input.integer()
        let value: UInt64 = input.integer()
        let edits = input.byte()
        let stackEdits = input.byte()
        let pushes: UInt32 = input.integer()
        // Mostly an Ethernet frame.
        let kinds: [UInt16] = [
            EtherType.ipv4, EtherType.ipv6, EtherType.arp, EtherType.nsh, EtherType.mplsUnicast,
            EtherType.transparentEthernet, EtherType.vlan, 0x1234,
        ]
        let kind = Int(input.byte())
        let networkType = kind < kinds.count ? kinds[kind] : 0

        var key = FlowKey()
        key.inPort = 1
        guard
            let offsets = KeyExtraction.extract(input.rest, networkType: networkType, offload: offload, into: &key)
        else {
            require(
                input.rest.byteCount < 14 || key.etherType == EtherType.nsh || networkType == EtherType.vlan,
                "a frame with an Ethernet header is refused")
            return
        }
        require((key.kind == 0) == (networkType != 0), "the key does not tell whether there is an Ethernet header")
        require(offsets.network <= input.rest.byteCount, "the network header lies outside the frame")
        require(offsets.transport < input.rest.byteCount || offsets.transport <= 0, "the transport header lies outside")
        checkKey(key)

        var pool = PacketPool(capacity: 2)
        guard var packet = pool.take(), var other = pool.take(), packet.assign(input.rest, networkType: networkType)
        else { return }
        packet.offload = offload
        let edited = edit(&packet, offsets, key, value, edits, stackEdits, pushes)
        require(packet.start >= 16 && packet.start + packet.length <= Packet.slotSize, "the packet has left its slot")
        // The working key follows the packet, as long as it would not be dropped; only tags that are taken off may bring up
        // a third one.
        var again = FlowKey()
        again.inPort = 1
        let found = KeyExtraction.extract(
            packet.bytes, networkType: packet.networkType, offload: packet.offload, into: &again)
        if edits & 6 == 0, found != nil {
            require(again == edited, "the working key \(edited.words) is not the packet's, \(again.words)")
        }
        finish(packet, &other)
    }
}

/// A key that was extracted can be written and read.
private func checkKey(_ key: FlowKey) {
    var writer = MessageWriter(capacity: 512)
    do {
        try key.write(to: &writer)
        let again = try FlowMatch.key(Attributes(writer.bytes.rawSpan))
        require(again == key, "an extracted key has changed")
    } catch { fatalError("an extracted key is refused: \(error)") }
}

/// Makes the edits that have a bit, and gives the working key.
private func edit(
    _ frame: inout Packet, _ start: HeaderOffsets, _ first: FlowKey, _ value: UInt64, _ edits: UInt8,
    _ stackEdits: UInt8, _ pushes: UInt32
) -> FlowKey {
    var (offsets, key) = (start, first)
    let word = UInt32(truncatingIfNeeded: value)
    let half = UInt16(truncatingIfNeeded: value)
    let byte = UInt8(truncatingIfNeeded: value)
    let address = IPv6Address(high: value, low: ~value)
    let all = IPv6Address(high: .max, low: .max)
    if edits & 1 != 0 {
        _ = HeaderEdit.setEthernet(
            &frame, source: value, sourceMask: 0xffff_ffff_ffff, destination: ~value, destinationMask: value, key: &key)
    }
    if edits & 2 != 0 { _ = HeaderEdit.popVLAN(&frame, &offsets, key: &key) }
    if edits & 4 != 0 {
        for _ in 0..<(byte & 0x3f)
        where !HeaderEdit.pushVLAN(
            &frame, &offsets, tpid: EtherType.vlan, tci: half | 0x1000, key: &key)
        { break }
    }
    if edits & 8 != 0 {
        _ = HeaderEdit.setIPv4(
            &frame, offsets, value: IPv4Edit(source: word, destination: ~word, tos: byte, ttl: byte),
            mask: IPv4Edit(source: .max, destination: .max, tos: 0xfc, ttl: .max), key: &key)
    }
    if edits & 16 != 0 {
        _ = HeaderEdit.setIPv6(
            &frame, offsets,
            value: IPv6Edit(source: address, destination: address, label: word, trafficClass: byte, hopLimit: byte),
            mask: IPv6Edit(source: all, destination: address, label: 0xf_ffff, trafficClass: .max, hopLimit: .max),
            key: &key)
    }
    if edits & 32 != 0 {
        _ = HeaderEdit.setTCPPorts(
            &frame, offsets, source: half, sourceMask: .max, destination: ~half, destinationMask: half, key: &key)
    }
    if edits & 64 != 0 {
        _ = HeaderEdit.setUDPPorts(
            &frame, offsets, source: half, sourceMask: .max, destination: ~half, destinationMask: half, key: &key)
    }
    if edits & 128 != 0 {
        _ = HeaderEdit.setSCTPPorts(
            &frame, offsets, source: half, sourceMask: .max, destination: ~half, destinationMask: half, key: &key)
    }
    let labels = half & 1 == 0 ? EtherType.mplsUnicast : EtherType.mplsMulticast
    if stackEdits & 1 != 0 {
        for _ in 0..<(byte & 0x1f)
        where !HeaderEdit.pushMPLS(&frame, &offsets, entry: word, etherType: labels, key: &key) { break }
    }
    if stackEdits & 2 != 0 { _ = HeaderEdit.setMPLS(&frame, offsets, entry: ~word, mask: word, key: &key) }
    if stackEdits & 4 != 0 { _ = HeaderEdit.popMPLS(&frame, &offsets, etherType: half, key: &key) }
    for step in 0..<10 { encapsulate(&frame, &offsets, &key, value, pushes >> UInt32(3 * step) & 7) }
    return key
}

/// Makes one of the edits that change what the packet begins with.
private func encapsulate(
    _ packet: inout Packet, _ offsets: inout HeaderOffsets, _ key: inout FlowKey, _ value: UInt64, _ edit: UInt32
) {
    let word = UInt32(truncatingIfNeeded: value)
    let byte = UInt8(truncatingIfNeeded: value)
    switch edit {
    case 1: _ = HeaderEdit.pushEthernet(&packet, &offsets, source: value, destination: ~value, key: &key)
    case 2: _ = HeaderEdit.popEthernet(&packet, &offsets, key: &key)
    case 3:
        let metadata = [UInt8](repeating: byte, count: byte & 1 == 0 ? 16 : Int(byte))
        let base = NSHBase(flags: byte, ttl: byte, metadataType: byte & 1 + 1, path: word)
        _ = unsafe HeaderEdit.pushNSH(&packet, &offsets, base: base, metadata: metadata.span.bytes, key: &key)
    case 4: _ = HeaderEdit.popNSH(&packet, &offsets, key: &key)
    case 5:
        _ = HeaderEdit.setNSH(
            &packet, offsets,
            value: NSHEdit(flags: byte, ttl: ~byte, path: word, contextHigh: value, contextLow: ~value),
            mask: NSHEdit(flags: .max, ttl: byte, path: ~word, contextHigh: ~value, contextLow: .max), key: &key)
    case 6:
        _ = HeaderEdit.pushMPLSInFront(&packet, &offsets, entry: word, etherType: EtherType.mplsUnicast, key: &key)
    case 7:
        let type = byte & 1 == 0 ? EtherType.transparentEthernet : UInt16(truncatingIfNeeded: value >> 8)
        _ = HeaderEdit.popMPLS(&packet, &offsets, etherType: type, key: &key)
    default: break
    }
}

/// Completes checksums, or cuts the segments.
private func finish(_ packet: Packet, _ output: inout Packet) {
    let count = Segmentation.count(packet)
    require(count >= 1, "a packet that stands for none")
    if packet.offload.isSegmented {
        for index in 0..<min(count, 64) {
            guard Segmentation.writeSegment(index, of: packet, to: &output) else { break }
            require(!output.offload.isSegmented && !output.offload.isChecksumPartial, "a segment with something undone")
            require(output.length <= packet.length, "a segment longer than the whole")
        }
    } else {
        output.copy(from: packet)
        if ChecksumCompletion.complete(&output) {
            require(!output.offload.isChecksumPartial, "a checksum that is complete and partial")
        }
    }
    _ = FlowHash.hash(FlowKey())
}
