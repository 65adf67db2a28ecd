import OpenvSwitch
import Packets
import Testing

/// Packets without Ethernet header, and what makes them.
@Suite struct BarePacketTests {
    /// The frames whose payload can be a packet by itself: Ethernet II without tags.
    private static let frames = Build.samples.filter {
        let type = Build.bare($0.frame).type
        return type >= EtherType.minimum && !type.isVLANTPID
    }

    // MARK: Extraction

    /// As that of the frame, less the Ethernet header.
    @Test func theKeyIsThatOfTheFrameWithoutEthernet() throws {
        for (name, frame) in Self.frames {
            let (type, bytes) = Build.bare(frame)
            for length in 0...bytes.count {
                let packet = try Edited(Array(bytes[..<length]), networkType: type)
                let whole = try Edited(Array(frame[..<(14 + length)]))
                var expected = whole.key
                (expected.kind, expected.ethernetSource, expected.ethernetDestination) = (0, 0, 0)
                #expect(packet.key == expected, "\(name) cut to \(length)")
                #expect(packet.offsets.network == 0)
                #expect(packet.offsets.transport == max(-1, whole.offsets.transport - 14))
            }
        }
    }

    @Test(arguments: [EtherType.vlan, EtherType.serviceVLAN])
    func aTagNeedsAnEthernetHeader(type: UInt16) {
        var key = FlowKey()
        let bytes: [UInt8] = [0, 5, 8, 0] + Build.ipv4(6, Build.tcp())
        #expect(KeyExtraction.extract(bytes.raw, networkType: type, offload: Offload(), into: &key) == nil)
    }

    @Test func copiesAreBareToo() throws {
        let (type, bytes) = Build.bare(Build.tcp4)
        try withPacket(Build.tcp4) { packet, other in
            #expect(packet.networkType == 0)
            let fits = other.assign(bytes.raw, networkType: type)
            #expect(fits && other.networkType == type)
            packet.copy(from: other)
            #expect(packet.networkType == type && packet.array == bytes)
            packet.setReceived(3)
            #expect(packet.networkType == 0)
            let again = other.assign(Build.tcp4.raw)
            #expect(again && other.networkType == 0)
        }
    }

    // MARK: Ethernet

    @Test func popAndPushEthernet() throws {
        for (name, frame) in Self.frames {
            let start = try Edited(frame, offload: partialOffload(transport: 40, 17))
            let popped = try start.popEthernet()
            let (type, bytes) = Build.bare(frame)
            #expect(popped.done && popped.bytes == bytes && popped.networkType == type, "\(name)")
            #expect(popped.key.kind == 0 && popped.key.recircID == 3 && popped.key.inPort == 4)
            #expect(popped.offload.checksumStart == 26)
            try popped.expectKeyFollows()
            let pushed = try popped.pushEthernet()
            #expect(pushed.done && pushed.bytes == frame && pushed.networkType == 0, "\(name)")
            #expect(pushed.offload == start.offload)
            try pushed.expectKeyFollows()
        }
    }

    @Test func aFrameHasOneEthernetHeader() throws {
        let frame = try Edited(Build.tcp4)
        try frame.pushEthernet().expectRefused(frame)
        let bare = try frame.popEthernet()
        try bare.popEthernet().expectRefused(bare)
    }

    /// A packet without Ethernet header is known by its EtherType, which tags would hide and some frames do not have.
    @Test func whatCannotLoseItsEthernetHeader() throws {
        for (name, frame) in Build.samples {
            let before = try Edited(frame)
            guard before.key.vlanTCI != 0 || before.key.etherType < EtherType.minimum else { continue }
            try before.popEthernet().expectRefused(before)
            #expect(["vlan", "qinq", "stp"].contains { name.contains($0) }, "\(name)")
        }
        // Tags that are cut off, a third one, and one in a SNAP header.
        let tagged = Build.ethernet(EtherType.vlan, [0, 5])
        let three = Build.ethernet(
            EtherType.ipv4, tags: [(0x8100, 1), (0x8100, 2), (0x8100, 3)], Build.ipv4(6, Build.tcp()))
        let snap = Build.ethernet(12, [0xaa, 0xaa, 3, 0, 0, 0, 0x81, 0, 0, 5, 8, 0])
        for frame in [tagged, three, snap] {
            let before = try Edited(frame)
            try before.popEthernet().expectRefused(before)
        }
    }

    /// The key knows two tags; the header behind the third is found all the same.
    @Test func threeTagsMayBePoppedBefore() throws {
        let ip = Build.ipv4(6, Build.tcp())
        let three = Build.ethernet(EtherType.ipv4, tags: [(0x8100, 1), (0x8100, 2), (0x8100, 3)], ip)
        let popped = try Edited(three).then { packet, offsets, key in
            for _ in 0..<3 where !HeaderEdit.popVLAN(&packet, &offsets, key: &key) { return false }
            return HeaderEdit.popEthernet(&packet, &offsets, key: &key)
        }
        #expect(popped.done && popped.bytes == ip && popped.networkType == EtherType.ipv4)
        try popped.expectKeyFollows()
    }

    @Test func theSNAPHeaderGoesToo() throws {
        let ip = Build.ipv4(17, Build.udp())
        let frame = Build.ethernet(UInt16(8 + ip.count), [0xaa, 0xaa, 3, 0, 0, 0, 8, 0] + ip)
        let popped = try Edited(frame).popEthernet()
        #expect(popped.done && popped.bytes == ip && popped.networkType == EtherType.ipv4)
        try popped.expectKeyFollows()
        #expect(try popped.pushEthernet().bytes == Build.ethernet(EtherType.ipv4, ip))
    }

    @Test func framesThatAreCutOff() throws {
        for length in 0..<14 {
            try withPacket(Array(Build.tcp4[..<length])) { packet, _ in
                var (offsets, key) = (HeaderOffsets(network: 14, transport: -1), FlowKey())
                (key.kind, key.etherType) = (1, EtherType.ipv4)
                #expect(!HeaderEdit.popEthernet(&packet, &offsets, key: &key))
                #expect(packet.array == Array(Build.tcp4[..<length]))
            }
        }
    }

    /// Edits of the Ethernet header and its tags find none.
    @Test func editsOfTheLinkLayerAreRefused() throws {
        // Bytes that would be a tagged frame.
        let bytes = Build.ethernet(EtherType.ipv4, tags: [(0x8100, 7)], Build.ipv4(6, Build.tcp()))
        let bare = try Edited(bytes, networkType: EtherType.mplsUnicast)
        let edits: [(inout Packet, inout HeaderOffsets, inout FlowKey) -> Bool] = [
            {
                HeaderEdit.setEthernet(
                    &$0, source: 1, sourceMask: ~0, destination: 2, destinationMask: ~0, key: &$2)
            },
            { HeaderEdit.pushVLAN(&$0, &$1, tpid: 0x8100, tci: 0x1005, key: &$2) },
            { HeaderEdit.popVLAN(&$0, &$1, key: &$2) },
            { HeaderEdit.popNSH(&$0, &$1, key: &$2) },
            { HeaderEdit.setNSH(&$0, $1, value: NSHEdit(), mask: NSHEdit(), key: &$2) },
        ]
        for edit in edits { try bare.then(edit).expectRefused(bare) }
    }

    // MARK: Network and transport layer

    /// Set actions do to a packet what they do to a frame.
    @Test func editsFindTheirHeadersAtTheStart() throws {
        let value = IPv4Edit(source: 0x0102_0304, destination: 0x0506_0708, tos: 0x1c, ttl: 9)
        let all = IPv4Edit(source: .max, destination: .max, tos: .max, ttl: .max)
        let address = IPv6Address(high: 5, low: 6)
        let one = IPv6Address(high: .max, low: .max)
        let edits: [(inout Packet, inout HeaderOffsets, inout FlowKey) -> Bool] = [
            { HeaderEdit.setIPv4(&$0, $1, value: value, mask: all, key: &$2) },
            {
                HeaderEdit.setIPv6(
                    &$0, $1, value: IPv6Edit(source: address, destination: address, label: 3, hopLimit: 2),
                    mask: IPv6Edit(source: one, destination: one, label: 0xfffff, hopLimit: .max), key: &$2)
            },
            { HeaderEdit.decrementTTL(&$0, $1, key: &$2) == .decremented },
            {
                HeaderEdit.setTCPPorts(
                    &$0, $1, source: 1, sourceMask: .max, destination: 2, destinationMask: .max, key: &$2)
            },
            {
                HeaderEdit.setUDPPorts(
                    &$0, $1, source: 1, sourceMask: .max, destination: 2, destinationMask: .max, key: &$2)
            },
            {
                HeaderEdit.setSCTPPorts(
                    &$0, $1, source: 1, sourceMask: .max, destination: 2, destinationMask: .max, key: &$2)
            },
            { HeaderEdit.setMPLS(&$0, $1, entry: 0xabcd_e1ff, mask: .max, key: &$2) },
            { HeaderEdit.pushMPLS(&$0, &$1, entry: 0x64140, etherType: EtherType.mplsUnicast, key: &$2) },
            { HeaderEdit.popMPLS(&$0, &$1, etherType: EtherType.ipv4, key: &$2) },
        ]
        for (name, frame) in Self.frames {
            let (type, bytes) = Build.bare(frame)
            for (index, edit) in edits.enumerated() {
                let whole = try Edited(frame).then(edit)
                let packet = try Edited(bytes, networkType: type).then(edit)
                #expect(packet.done == whole.done, "\(name), edit \(index)")
                #expect(packet.bytes == Array(whole.bytes[14...]), "\(name), edit \(index)")
                #expect(packet.networkType == Build.bare(whole.bytes).type, "\(name), edit \(index)")
                try packet.expectKeyFollows()
            }
        }
    }

    // MARK: MPLS

    @Test func aLabelInFrontOfAFrame() throws {
        for (name, frame) in Build.samples {
            let start = try Edited(frame, offload: partialOffload(transport: 40, 17))
            let pushed = try start.pushMPLSInFront(0x64140, EtherType.mplsMulticast)
            #expect(pushed.done && pushed.bytes == [0, 6, 0x41, 0x40] + frame, "\(name)")
            #expect(pushed.networkType == EtherType.mplsMulticast && pushed.key.kind == 0)
            #expect((pushed.key.mplsEntries[0], pushed.key.mplsPresence) == (0x64140, 1))
            #expect(pushed.offload.checksumStart == 44)
            try pushed.expectKeyFollows()
            let second = try pushed.pushMPLSInFront(0x1040)
            #expect(second.bytes == [0, 0, 0x10, 0x40, 0, 6, 0x41, 0x40] + frame)
            try second.expectKeyFollows()
            let popped = try second.popMPLS(EtherType.mplsUnicast).popMPLS(EtherType.transparentEthernet)
            #expect(popped.done && popped.bytes == frame && popped.networkType == 0, "\(name)")
            #expect(popped.key == start.key && popped.offsets == start.offsets && popped.offload == start.offload)
        }
    }

    @Test func whatAPoppedLabelLeaves() throws {
        let ip = Build.ipv4(6, Build.tcp())
        let stack = try Edited(Build.mpls([1], ip), networkType: EtherType.mplsUnicast)
        let popped = try stack.popMPLS(EtherType.ipv4)
        #expect(popped.done && popped.bytes == ip && popped.networkType == EtherType.ipv4)
        try popped.expectKeyFollows()
        // Without an EtherType it would be an Ethernet frame.
        try stack.popMPLS(0).expectRefused(stack)
        // A tag would be the packet's end at the next look-up, and not before.
        let tag = try stack.popMPLS(EtherType.vlan)
        #expect(tag.done && tag.bytes == ip && tag.key.etherType == EtherType.vlan && tag.offsets.network == 0)
    }

    @Test func anEthernetFrameHasAHeader() throws {
        for length in 0...20 {
            let bytes = Array((Build.mpls([1], Build.tcp4))[..<length])
            let before = try Edited(bytes, networkType: EtherType.mplsUnicast)
            let frame = try before.popMPLS(EtherType.transparentEthernet)
            #expect(frame.done == (length >= 18))
            if !frame.done { frame.expectRefused(before) }
            let other = try before.popMPLS(EtherType.ipv6)
            #expect(other.done == (length >= 4))
            if !other.done { other.expectRefused(before) }
        }
        let ip = try Edited(Build.ipv4(6, Build.tcp()), networkType: EtherType.ipv4)
        try ip.popMPLS(EtherType.ipv4).expectRefused(ip)
    }
}
