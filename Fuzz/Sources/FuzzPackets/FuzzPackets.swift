import FuzzSupport
import Netlink
import OpenvSwitch
import Packets

// A frame with what its host left undone: ten bytes of offload, eight of values, two that choose an edit for each bit, and
// the frame.

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

        var key = FlowKey()
        key.inPort = 1
        guard let offsets = KeyExtraction.extract(input.rest, offload: offload, into: &key) else {
            require(input.rest.byteCount < 14, "a frame with an Ethernet header is refused")
            return
        }
        require(offsets.network <= input.rest.byteCount, "the network header lies outside the frame")
        require(offsets.transport < input.rest.byteCount || offsets.transport <= 0, "the transport header lies outside")
        checkKey(key)

        var pool = PacketPool(capacity: 2)
        guard var packet = pool.take(), var other = pool.take(), packet.assign(input.rest) else { return }
        packet.offload = offload
        let edited = edit(&packet, offsets, key, value, edits, stackEdits)
        // The working key follows the packet; only tags that are taken off may bring up a third one.
        if edits & 6 == 0 {
            var again = FlowKey()
            again.inPort = 1
            _ = KeyExtraction.extract(packet.bytes, offload: packet.offload, into: &again)
            require(again == edited, "the working key \(edited.words) is not the packet's, \(again.words)")
        }
        finish(packet, &other)
    }
}

/// A key that was extracted can be written and read.
private func checkKey(_ key: FlowKey) {
    // Behind this EtherType the interface demands a key that the datapath does not extract.
    guard key.etherType != EtherType.nsh else { return }
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
    _ stackEdits: UInt8
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
    return key
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
