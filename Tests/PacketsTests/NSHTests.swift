import OpenvSwitch
import Packets
import Testing

/// Network service headers (RFC 8300), byte by byte.
@Suite struct NSHTests {
    // MARK: Header view and extraction

    @Test func theViewReadsEveryField() {
        // Version 0, flags 2, TTL 42, six words; metadata type 1, next protocol 5; path 0xabcdef, index 254.
        let bytes: [UInt8] = [0x2a, 0x86, 1, 5, 0xab, 0xcd, 0xef, 0xfe] + Array(1...16) + [0xee, 0xdd]
        guard let nsh = NSHHeader(bytes.raw) else {
            Issue.record("there is no header")
            return
        }
        #expect((nsh.version, nsh.flags, nsh.ttl, nsh.length) == (0, 2, 42, 24))
        #expect((nsh.metadataType, nsh.nextProtocol, nsh.path) == (1, 5, 0xabcd_effe))
        let context = nsh.context
        #expect((0..<4).map { context?[$0] } == [0x0102_0304, 0x0506_0708, 0x090a_0b0c, 0x0d0e_0f10])
        #expect((nsh.metadata.byteCount, nsh.payload.byteCount) == (16, 2))
    }

    @Test func theKeyHasTheHeader() throws {
        let bytes: [UInt8] = [0x2a, 0x86, 1, 5, 0xab, 0xcd, 0xef, 0xfe] + Array(1...16) + [0xee, 0xdd]
        for prefix in [[], Build.ethernet(EtherType.nsh, []), Build.ethernet(EtherType.nsh, tags: [(0x8100, 5)], [])] {
            let packet = try Edited(prefix + bytes, networkType: prefix.isEmpty ? EtherType.nsh : 0)
            let key = packet.key
            #expect((key.kind, key.etherType) == (prefix.isEmpty ? 0 : 1, EtherType.nsh))
            #expect((key.nshFlags, key.nshTTL, key.nshMetadataType, key.nshNextProtocol) == (2, 42, 1, 5))
            #expect(key.nshPath == 0xabcd_effe)
            let context = key.nshContext
            #expect((0..<4).map { context[$0] } == [0x0102_0304, 0x0506_0708, 0x090a_0b0c, 0x0d0e_0f10])
            #expect(packet.offsets == HeaderOffsets(network: prefix.count, transport: -1))
        }
        // Metadata of type 2 are not in the key.
        let packet = try Edited(Build.nsh(type: 2, next: 1, Array(1...16)), networkType: EtherType.nsh)
        let context = packet.key.nshContext
        #expect(packet.key.nshMetadataType == 2 && (0..<4).allSatisfy { context[$0] == 0 })
    }

    /// What the kernel drops: a header that is cut off, of another version, of a metadata type that is none, or of type 1
    /// with another length than its own.
    @Test func everyHeaderIsSoundOrDropped() {
        let body = [UInt8](repeating: 7, count: 256)
        for version in UInt16(0)..<4 {
            for words in UInt16(0)..<64 {
                for type in [UInt8(0), 1, 2, 3, 0x11, 0xff] {
                    let header = Build.big(version << 14 | 63 << 6 | words) + [type, 3, 0, 0, 1, 255] + body
                    for length in [
                        0, 1, 4, 7, 8, 9, 23, 24, 25, 4 * Int(words) - 1, 4 * Int(words), 4 * Int(words) + 1,
                    ] {
                        guard length >= 0 else { continue }
                        let isSound =
                            version == 0 && length >= 8 && length >= 4 * Int(words)
                            && (type == 2 || (type == 1 && words == 6))
                        for prefix in [[], Build.ethernet(EtherType.nsh, [])] {
                            var key = FlowKey()
                            let bytes = prefix + header[..<length]
                            let offsets = KeyExtraction.extract(
                                bytes.raw, networkType: prefix.isEmpty ? EtherType.nsh : 0, offload: Offload(),
                                into: &key)
                            #expect(
                                (offsets != nil) == isSound,
                                "version \(version), \(words) words, type \(type), \(length) bytes")
                        }
                    }
                }
            }
        }
    }

    // MARK: Push and pop

    @Test func pushAndPopOfFrames() throws {
        let base = NSHBase(flags: 2, ttl: 30, metadataType: 1, path: 0x0012_34fe)
        for (name, frame) in Build.samples {
            let start = try Edited(frame, offload: partialOffload(transport: 40, 17))
            let pushed = try start.pushNSH(base, Array(1...16))
            let header: [UInt8] = [0x27, 0x86, 1, 3, 0, 0x12, 0x34, 0xfe] + Array(1...16)
            #expect(pushed.done && pushed.bytes == header + frame, "\(name)")
            #expect(pushed.networkType == EtherType.nsh && pushed.key.kind == 0)
            #expect(pushed.key.recircID == 3 && pushed.key.inPort == 4)
            #expect(pushed.offload.checksumStart == 64)
            try pushed.expectKeyFollows()
            let outer = try pushed.pushEthernet()
            #expect(outer.bytes == Build.ethernet(EtherType.nsh, header + frame))
            try outer.expectKeyFollows()
            // Behind an Ethernet header it is not the packet's first header.
            try outer.popNSH().expectRefused(outer)
            let popped = try outer.popEthernet().popNSH()
            #expect(popped.done && popped.bytes == frame && popped.networkType == 0, "\(name)")
            #expect(popped.key == start.key && popped.offsets == start.offsets && popped.offload == start.offload)
        }
    }

    @Test func pushAndPopOfPackets() throws {
        let numbers: [(UInt16, UInt8)] = [
            (EtherType.ipv4, 1), (EtherType.ipv6, 2), (EtherType.nsh, 4), (EtherType.mplsUnicast, 5),
        ]
        for (type, number) in numbers {
            let bytes =
                type == EtherType.nsh
                ? Build.nsh(Array(1...16)) + Build.tcp4 : [0x45] + [UInt8](repeating: 9, count: 50)
            let start = try Edited(bytes, networkType: type)
            let pushed = try start.pushNSH(NSHBase(ttl: 1, metadataType: 2, path: 5), [1, 2, 3, 4])
            #expect(pushed.bytes == [0, 0x43, 2, number, 0, 0, 0, 5, 1, 2, 3, 4] + bytes)
            try pushed.expectKeyFollows()
            let popped = try pushed.popNSH()
            #expect(popped.done && popped.bytes == bytes && popped.networkType == type)
            #expect(popped.key == start.key && popped.offsets == start.offsets)
        }
        for type in [EtherType.arp, EtherType.mplsMulticast, 0x1234] {
            let start = try Edited([UInt8](repeating: 9, count: 50), networkType: type)
            try start.pushNSH().expectRefused(start)
        }
        // What says that it is Ethernet is a frame when it comes out.
        let transparent = try Edited(Build.tcp4, networkType: EtherType.transparentEthernet).pushNSH()
        #expect(transparent.bytes[3] == 3)
        let frame = try transparent.popNSH()
        #expect(frame.networkType == 0 && frame.bytes == Build.tcp4)
        try frame.expectKeyFollows()
    }

    /// Up to the longest header that its length field can say; what is more than a multiple of four is left out.
    @Test func metadataOfAnyLength() throws {
        let start = try Edited(Build.tcp4)
        for count in 0...256 {
            let metadata = (0..<count).map { UInt8(truncatingIfNeeded: $0 + 1) }
            let pushed = try start.pushNSH(NSHBase(ttl: 63, metadataType: 2, path: 0xffff_ffff), metadata)
            let kept = count / 4 * 4
            guard kept <= 244 else {
                pushed.expectRefused(start)
                continue
            }
            #expect(pushed.bytes == Build.nsh(type: 2, path: 0xffff_ffff, Array(metadata[..<kept])) + Build.tcp4)
            try pushed.expectKeyFollows()
            #expect(try pushed.pushEthernet().popEthernet().popNSH().bytes == Build.tcp4)
        }
    }

    @Test func flagsAndTTLHaveTheirBits() throws {
        let pushed = try Edited(Build.tcp4).pushNSH(NSHBase(flags: 0xff, ttl: 0xff))
        #expect(Array(pushed.bytes[..<2]) == [0x3f, 0xc6])
        #expect((pushed.key.nshFlags, pushed.key.nshTTL) == (3, 63))
    }

    /// Headers within headers until the slot is full; then nothing has changed.
    @Test func pushEndsWithTheSlot() throws {
        var packet = try Edited(Build.tcp4)
        let metadata = [UInt8](repeating: 3, count: 244)
        let count = (Packet.maximumLength - Build.tcp4.count) / 252
        for _ in 0..<count {
            packet = try packet.pushNSH(NSHBase(metadataType: 2), metadata)
            #expect(packet.done)
        }
        try packet.pushNSH(NSHBase(metadataType: 2), metadata).expectRefused(packet)
        for _ in 0..<count { packet = try packet.popNSH() }
        #expect(packet.bytes == Build.tcp4 && packet.networkType == 0)
    }

    @Test func hostileHeadersAreNotPopped() throws {
        let numbers = [UInt8](0...6) + [0xfe, 0xff]
        for words in 0..<64 {
            for next in numbers {
                for extra in [0, 13, 14, 40] {
                    let size = max(4 * words, 8)
                    var bytes = Build.big(UInt16(words)) + [2, next, 0, 0, 0, 1]
                    bytes += [UInt8](repeating: 0x11, count: size - 8 + extra)
                    let start = try Edited(bytes, networkType: EtherType.nsh)
                    let popped = try start.popNSH()
                    let isKnown = (1...5).contains(next) && words >= 2
                    // What is behind it may be a header that ends the packet's way, but it is there.
                    let expected = isKnown && (next != 3 || extra >= 14)
                    #expect(popped.done == expected, "\(words) words, next \(next), \(extra) bytes behind")
                    if expected { #expect(popped.bytes == Array(bytes[size...])) } else { popped.expectRefused(start) }
                }
            }
        }
    }

    /// What comes out is no sound header: the key says what it is and no more, and the next look-up drops it.
    @Test func anUnsoundHeaderInside() throws {
        for inner: [UInt8] in [[], [1, 2, 3], Build.nsh(type: 9), Build.nsh(Array(1...12))] {
            let packet = try Edited(Build.nsh(next: 4) + inner, networkType: EtherType.nsh).popNSH()
            #expect(packet.done && packet.bytes == inner && packet.offsets.network == 0)
            #expect((packet.key.etherType, packet.key.nshPath, packet.key.nshMetadataType) == (EtherType.nsh, 0, 0))
            var key = FlowKey()
            #expect(
                KeyExtraction.extract(inner.raw, networkType: EtherType.nsh, offload: Offload(), into: &key) == nil)
            try packet.popNSH().expectRefused(packet)
        }
    }

    // MARK: Set

    @Test func setFields() throws {
        let header = Build.nsh(flags: 1, ttl: 20, path: 0x1122_3344, Array(1...16))
        for prefix in [[], Build.ethernet(EtherType.nsh, tags: [(0x8100, 5)], [])] {
            let start = try Edited(prefix + header + [9, 9], networkType: prefix.isEmpty ? EtherType.nsh : 0)
            let ttl = try start.then {
                HeaderEdit.setNSH(&$0, $1, value: NSHEdit(ttl: 7), mask: NSHEdit(ttl: 0xff), key: &$2)
            }
            #expect(ttl.done && ttl.bytes == prefix + Build.nsh(flags: 1, ttl: 7, path: 0x1122_3344) + [9, 9])
            try ttl.expectKeyFollows()
            let some = try start.then {
                HeaderEdit.setNSH(
                    &$0, $1, value: NSHEdit(flags: 2, ttl: 0x3f, path: 0xff, contextHigh: 1 << 56, contextLow: 0xab),
                    mask: NSHEdit(flags: 2, ttl: 1, path: 0xff, contextHigh: 0xff << 56, contextLow: 0xff), key: &$2)
            }
            #expect(
                some.bytes == prefix
                    + Build.nsh(flags: 3, ttl: 21, path: 0x1122_33ff, [1] + Array(2...15) + [0xab]) + [9, 9])
            try some.expectKeyFollows()
            // What the fields have no bits for is left out, and nothing else is touched.
            let all = try start.then {
                HeaderEdit.setNSH(
                    &$0, $1, value: NSHEdit(flags: 0xff, ttl: 0xff, path: 1, contextHigh: 2, contextLow: 3),
                    mask: NSHEdit(flags: 0xff, ttl: 0xff, path: .max, contextHigh: .max, contextLow: .max), key: &$2)
            }
            #expect(
                all.bytes == prefix
                    + Build.nsh(
                        flags: 3, ttl: 63, path: 1, Build.big(UInt64(2)) + Build.big(UInt64(3))) + [9, 9])
            try all.expectKeyFollows()
        }
    }

    /// Metadata of type 2 have no context words.
    @Test func setLeavesOtherMetadataAlone() throws {
        for count in [0, 4, 16, 244] {
            let metadata = [UInt8](repeating: 6, count: count)
            let start = try Edited(Build.nsh(type: 2, metadata), networkType: EtherType.nsh)
            let set = try start.then {
                HeaderEdit.setNSH(
                    &$0, $1, value: NSHEdit(ttl: 3, contextHigh: 1, contextLow: 2),
                    mask: NSHEdit(ttl: 63, contextHigh: .max, contextLow: .max), key: &$2)
            }
            #expect(set.done && set.bytes == Build.nsh(ttl: 3, type: 2, metadata))
            try set.expectKeyFollows()
        }
    }

    @Test func onlyANetworkServiceHeaderIsSet() throws {
        for (_, frame) in Build.samples {
            let start = try Edited(frame)
            try start.then { HeaderEdit.setNSH(&$0, $1, value: NSHEdit(), mask: NSHEdit(), key: &$2) }
                .expectRefused(start)
        }
        for length in 0..<24 {
            try withPacket(Array(Build.nsh()[..<length])) { packet, _ in
                var key = FlowKey()
                key.etherType = EtherType.nsh
                let offsets = HeaderOffsets(network: 0, transport: -1)
                #expect(!HeaderEdit.setNSH(&packet, offsets, value: NSHEdit(), mask: NSHEdit(), key: &key))
                #expect(packet.array == Array(Build.nsh()[..<length]))
            }
        }
    }
}
