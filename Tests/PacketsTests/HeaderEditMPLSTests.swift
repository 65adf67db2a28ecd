import OpenvSwitch
import Packets
import Testing

extension HeaderEditTests {
    // MARK: MPLS

    /// Label 100, traffic class 5, TTL 64, bottom of stack.
    private var entry: UInt32 { 0x64b40 }

    @Test(arguments: [EtherType.mplsUnicast, EtherType.mplsMulticast])
    func pushMPLS(type: UInt16) throws {
        let offload = partialOffload(transport: 34, 6)
        let pushed = try edit(Build.tcp4, offload: offload) { packet, offsets, key in
            HeaderEdit.pushMPLS(&packet, &offsets, entry: entry, etherType: type, key: &key)
        }
        #expect(pushed.done)
        #expect(pushed.frame == Array(Build.tcp4[..<12]) + Build.big(type) + Build.big(entry) + Build.tcp4[14...])
        #expect((pushed.key.etherType, pushed.key.mplsEntries[0], pushed.key.mplsPresence) == (type, entry, 1))
        #expect((pushed.key.ipProtocol, pushed.key.transportSource, pushed.key.tcpFlags) == (0, 0, 0))
        #expect(pushed.offload.checksumStart == 38)
        try expectKeyFollows(pushed)

        // A second entry goes in front of the first, and may change the kind of the stack.
        let twice = try edit(pushed.frame) { packet, offsets, key in
            HeaderEdit.pushMPLS(&packet, &offsets, entry: 0x1002, etherType: EtherType.mplsUnicast, key: &key)
        }
        #expect(Array(twice.frame[12..<22]) == [0x88, 0x47] + Build.big(UInt32(0x1002)) + Build.big(entry))
        #expect((twice.key.mplsEntries[0], twice.key.mplsEntries[1], twice.key.mplsPresence) == (0x1002, entry, 3))
        try expectKeyFollows(twice)
    }

    @Test func popMPLS() throws {
        let ip = Build.ipv4(6, Build.tcp([1, 2, 3]))
        let frame = Build.ethernet(EtherType.mplsUnicast, Build.mpls([1, 2, 3, 4], ip))
        let once = try edit(frame, offload: partialOffload(transport: 50, 6)) { packet, offsets, key in
            HeaderEdit.popMPLS(&packet, &offsets, etherType: EtherType.mplsMulticast, key: &key)
        }
        #expect(once.done)
        #expect(once.frame == Build.ethernet(EtherType.mplsMulticast, Build.mpls([2, 3, 4], ip)))
        // The fourth entry comes up into the key.
        #expect((once.key.mplsPresence, once.key.mplsEntries[2]) == (7, 0x4b40))
        #expect(once.offload.checksumStart == 46)
        try expectKeyFollows(once)

        let all = try edit(once.frame, offload: once.offload) { packet, offsets, key in
            HeaderEdit.popMPLS(&packet, &offsets, etherType: EtherType.mplsUnicast, key: &key)
                && HeaderEdit.popMPLS(&packet, &offsets, etherType: EtherType.mplsUnicast, key: &key)
                && HeaderEdit.popMPLS(&packet, &offsets, etherType: EtherType.ipv4, key: &key)
        }
        #expect(all.done)
        #expect(all.frame == Build.ethernet(EtherType.ipv4, ip))
        #expect((all.key.ipv4Source, all.offsets.transport, all.offload.checksumStart) == (Build.source4, 34, 34))
        try expectKeyFollows(all)
    }

    /// The action says what is behind the entry, whatever that is.
    @Test func popMPLSBelievesTheEtherType() throws {
        let frame = Build.ethernet(EtherType.mplsUnicast, Build.mpls([1], [0, 100, 8, 0] + Build.ipv4(6, Build.tcp())))
        for (type, network) in [(UInt16(0x1234), 14), (EtherType.vlan, 18), (EtherType.ipv6, 14), (0, 14), (0x20, 14)] {
            let result = try edit(frame) { packet, offsets, key in
                HeaderEdit.popMPLS(&packet, &offsets, etherType: type, key: &key)
            }
            #expect(result.done)
            #expect(result.frame == Array(frame[..<12]) + Build.big(type) + frame[18...])
            #expect(result.offsets.network == network)
            try expectKeyFollows(result)
        }
    }

    @Test func setMPLS() throws {
        let frame = Build.ethernet(
            EtherType.mplsUnicast, tags: [(0x8100, 7)], Build.mpls([0x11111, 0x22222], Build.ipv4(6, Build.tcp())))
        let label = try edit(frame) { packet, offsets, key in
            HeaderEdit.setMPLS(&packet, offsets, entry: 0xabcd_e0ff, mask: 0xffff_f0f0, key: &key)
        }
        #expect(label.done)
        #expect(Array(label.frame[18..<22]) == [0xab, 0xcd, 0xea, 0xf0])
        #expect(label.frame.indices.filter { label.frame[$0] != frame[$0] }.allSatisfy { 18..<22 ~= $0 })
        #expect((label.key.mplsEntries[0], label.key.mplsPresence) == (0xabcd_eaf0, 3))
        try expectKeyFollows(label)

        // With the bottom-of-stack bit the second entry is no part of the stack any more.
        let bottom = try edit(frame) { packet, offsets, key in
            HeaderEdit.setMPLS(&packet, offsets, entry: 0x100, mask: 0x100, key: &key)
        }
        #expect((bottom.key.mplsEntries[1], bottom.key.mplsPresence) == (0, 1))
        try expectKeyFollows(bottom)
    }

    @Test func whatIsNoHeaderStaysInTheKey() throws {
        try withPacket(Build.tcp4) { packet, _ in
            var key = FlowKey()
            (key.recircID, key.dpHash, key.priority, key.skbMark, key.inPort) = (1, 2, 3, 4, 5)
            var offsets = try #require(KeyExtraction.extract(packet.bytes, offload: packet.offload, into: &key))
            #expect(HeaderEdit.pushMPLS(&packet, &offsets, entry: entry, etherType: 0x8847, key: &key))
            #expect((key.recircID, key.dpHash, key.priority, key.skbMark, key.inPort) == (1, 2, 3, 4, 5))
            #expect(HeaderEdit.setMPLS(&packet, offsets, entry: 0, mask: 0xff, key: &key))
            #expect(HeaderEdit.popMPLS(&packet, &offsets, etherType: EtherType.ipv4, key: &key))
            #expect((key.recircID, key.dpHash, key.priority, key.skbMark, key.inPort) == (1, 2, 3, 4, 5))
            #expect(packet.array == Build.tcp4)
        }
    }

    /// A key has room for two tags. What is behind a third that was pushed is known nevertheless.
    @Test func aStackBehindThreeTagsIsStillFound() throws {
        let ip = Build.ipv4(6, Build.tcp())
        let tags: [(tpid: UInt16, tci: UInt16)] = [(0x8100, 7), (0x88a8, 8)]
        let frame = Build.ethernet(EtherType.mplsUnicast, tags: tags, Build.mpls([1, 2], ip))
        let three = [(EtherType.vlan, 9)] + tags
        let result = try edit(frame) { packet, offsets, key in
            HeaderEdit.pushVLAN(&packet, &offsets, tpid: EtherType.vlan, tci: 0x1009, key: &key)
                && HeaderEdit.setMPLS(&packet, offsets, entry: 0x3000, mask: .max, key: &key)
                && HeaderEdit.setMPLS(&packet, offsets, entry: 0x4000, mask: .max, key: &key)
                && HeaderEdit.popMPLS(&packet, &offsets, etherType: EtherType.mplsMulticast, key: &key)
                && HeaderEdit.pushMPLS(&packet, &offsets, entry: 0x5000, etherType: 0x8847, key: &key)
                && HeaderEdit.popMPLS(&packet, &offsets, etherType: 0x8847, key: &key)
                && HeaderEdit.popMPLS(&packet, &offsets, etherType: EtherType.ipv4, key: &key)
                && HeaderEdit.setTCPPorts(
                    &packet, offsets, source: 0, sourceMask: 0, destination: 0, destinationMask: 0, key: &key)
        }
        #expect(result.done)
        #expect(result.frame == Build.ethernet(EtherType.ipv4, tags: three, ip))
        #expect((result.offsets.network, result.offsets.transport) == (26, 46))
        #expect((result.key.etherType, result.key.ipv4Source) == (EtherType.ipv4, Build.source4))
    }

    /// The EtherType stands in the SNAP header, and the frame's length in place of one.
    @Test func aSNAPFrameKeepsItsLengthRight() throws {
        let ip = Build.ipv4(6, Build.tcp())
        let snap: [UInt8] = [0xaa, 0xaa, 3, 0, 0, 0]
        let frame = Build.ethernet(UInt16(8 + ip.count), snap + [8, 0] + ip)
        let pushed = try edit(frame) { packet, offsets, key in
            HeaderEdit.pushMPLS(&packet, &offsets, entry: entry, etherType: EtherType.mplsUnicast, key: &key)
        }
        #expect(pushed.frame == Build.ethernet(UInt16(12 + ip.count), snap + [0x88, 0x47] + Build.big(entry) + ip))
        try expectKeyFollows(pushed)
        let popped = try edit(pushed.frame) { packet, offsets, key in
            HeaderEdit.popMPLS(&packet, &offsets, etherType: EtherType.ipv4, key: &key)
        }
        #expect(popped.frame == frame)
        try expectKeyFollows(popped)
    }

    /// The headroom holds 28 entries.
    @Test func pushMPLSGoesOnBehindTheHeadroom() throws {
        let result = try edit(Build.tcp4) { packet, offsets, key in
            for _ in 0..<100 {
                if !HeaderEdit.pushMPLS(&packet, &offsets, entry: 1, etherType: 0x8847, key: &key) { return false }
            }
            return true
        }
        #expect(result.done)
        let entries = (0..<100).flatMap { _ in Build.big(UInt32(1)) }
        #expect(result.frame == Array(Build.tcp4[..<12]) + [0x88, 0x47] + entries + Build.tcp4[14...])
        try expectKeyFollows(result)
    }

    @Test func pushMPLSEndsWithTheSlot() throws {
        let frame = Build.tcp4 + [UInt8](repeating: 0, count: Packet.maximumLength - 2 - Build.tcp4.count)
        let result = try edit(frame) { packet, offsets, key in
            HeaderEdit.pushMPLS(&packet, &offsets, entry: 1, etherType: 0x8847, key: &key)
        }
        #expect(!result.done && result.frame == frame)
    }

    @Test func absentLabelStacksAreRefused() throws {
        for (name, frame) in Build.samples {
            for length in 14...frame.count {
                let cut = Array(frame[..<length])
                let (key, offsets) = try #require(extract(cut))
                let isThere = key.etherType.isMPLS && length >= offsets.network + 4
                let popped = try edit(cut) { packet, offsets, key in
                    HeaderEdit.popMPLS(&packet, &offsets, etherType: EtherType.ipv4, key: &key)
                }
                #expect(popped.done == isThere, "\(name) cut to \(length)")
                #expect(popped.done || popped.frame == cut, "\(name) cut to \(length)")
                let set = try edit(cut) { packet, offsets, key in
                    HeaderEdit.setMPLS(&packet, offsets, entry: ~0, mask: ~0, key: &key)
                }
                #expect(set.done == isThere, "\(name) cut to \(length)")
                #expect(set.done || set.frame == cut, "\(name) cut to \(length)")
                let pushed = try edit(cut) { packet, offsets, key in
                    HeaderEdit.pushMPLS(&packet, &offsets, entry: 1, etherType: 0x8847, key: &key)
                }
                #expect(pushed.done && pushed.frame.count == length + 4, "\(name) cut to \(length)")
            }
        }
    }

    @Test func offsetsThatLieAreRefusedForMPLS() throws {
        for offset in [-1, -20, 0, 13, Int.min, Int.max, 61, 65_000] {
            try withPacket([UInt8](repeating: 0x47, count: 60)) { packet, _ in
                var offsets = HeaderOffsets(network: offset, transport: offset)
                var key = FlowKey()
                key.etherType = EtherType.mplsUnicast
                #expect(!HeaderEdit.pushMPLS(&packet, &offsets, entry: 1, etherType: 0x8847, key: &key), "\(offset)")
                #expect(!HeaderEdit.popMPLS(&packet, &offsets, etherType: EtherType.ipv4, key: &key), "\(offset)")
                if offset != 0 && offset != 13 {
                    #expect(!HeaderEdit.setMPLS(&packet, offsets, entry: 1, mask: 1, key: &key), "\(offset)")
                }
                #expect(packet.array.count == 60)
            }
        }
    }
}
