import Netlink
import OpenvSwitch
import Testing

/// Keys and masks as they are written: the order of attributes, and that they read back equal.
@Suite struct FlowKeyWritingTests {
    private func key(_ key: FlowKey) throws -> [UInt8] {
        var writer = MessageWriter()
        try key.write(to: &writer)
        return writer.bytes
    }

    private func mask(_ mask: FlowMask, over key: FlowKey) throws -> [UInt8] {
        var writer = MessageWriter()
        try key.write(mask: mask, to: &writer)
        return writer.bytes
    }

    /// The types of a run, in that of a key those inside ENCAP behind it.
    private func types(_ bytes: [UInt8], isKey: Bool = true) throws -> [UInt16] {
        var result: [UInt16] = []
        var run = Attributes(bytes.rawSpan)
        while let attribute = try run.next() {
            result.append(attribute.type)
            if isKey, attribute.type == KeyAttribute.encap { result += try types(attribute.payload.copyBytes()) }
        }
        return result
    }

    private func payload(_ type: UInt16, _ bytes: [UInt8]) throws -> [UInt8]? {
        var run = Attributes(bytes.rawSpan)
        while let attribute = try run.next() {
            if attribute.type == type { return attribute.payload.copyBytes() }
        }
        return nil
    }

    private func frame(_ etherType: UInt16, proto: UInt8 = 0) -> FlowKey {
        var key = FlowKey()
        key.kind = 1
        key.inPort = 3
        key.etherType = etherType
        key.ipProtocol = proto
        return key
    }

    // MARK: Order

    @Test func attributesAreWrittenInTheKernelsOrder() throws {
        let metadata: [UInt16] = [20, 19, 2, 3, 15, 22, 23, 24, 25, 4]
        #expect(try types(key(frame(0x1234))) == metadata + [6])
        #expect(try types(key(frame(0x0800))) == metadata + [6, 7])
        #expect(try types(key(frame(0x0800, proto: 6))) == metadata + [6, 7, 9, 18])
        #expect(try types(key(frame(0x0800, proto: 17))) == metadata + [6, 7, 10])
        #expect(try types(key(frame(0x0800, proto: 132))) == metadata + [6, 7, 17])
        #expect(try types(key(frame(0x0800, proto: 1))) == metadata + [6, 7, 11])
        #expect(try types(key(frame(0x0800, proto: 58))) == metadata + [6, 7])
        #expect(try types(key(frame(0x86dd))) == metadata + [6, 8, 32])
        #expect(try types(key(frame(0x86dd, proto: 6))) == metadata + [6, 8, 32, 9, 18])
        #expect(try types(key(frame(0x86dd, proto: 58))) == metadata + [6, 8, 32, 12])
        #expect(try types(key(frame(0x86dd, proto: 1))) == metadata + [6, 8, 32])
        for type: UInt16 in [135, 136] {
            var nd = frame(0x86dd, proto: 58)
            nd.transportSource = type
            #expect(try types(key(nd)) == metadata + [6, 8, 32, 12, 14])
        }
        #expect(try types(key(frame(0x0806))) == metadata + [6, 13])
        #expect(try types(key(frame(0x8035))) == metadata + [6, 13])
        #expect(try types(key(frame(0x8847))) == metadata + [6, 21])
        #expect(try types(key(frame(0x8848, proto: 6))) == metadata + [6, 21])
        #expect(try types(key(frame(EtherType.ieee8022))) == metadata)
        var later = frame(0x0800, proto: 6)
        later.fragment = Fragment.later
        #expect(try types(key(later)) == metadata + [6, 7])
        var bare = frame(0x0800)
        bare.kind = 0
        #expect(try types(key(bare)) == [20, 19, 2, 3, 15, 22, 23, 24, 25, 6, 7])
        var noPort = frame(0x1234)
        noPort.inPort = FlowKey.noPort
        #expect(try types(key(noPort)) == [20, 19, 2, 15, 22, 23, 24, 25, 4, 6])
    }

    @Test func connectionsStandBeforeTheEthernetHeader() throws {
        for (type, tuple) in [(EtherType.ipv4, KeyAttribute.ctOrigTupleIPv4), (EtherType.ipv6, 27)] {
            var key = frame(type)
            key.ctOriginalProtocol = 6
            #expect(try types(self.key(key)).prefix(11) == [20, 19, 2, 3, 15, 22, 23, 24, 25, tuple, 4])
        }
    }

    @Test func aTunnelIsWrittenInTheKernelsOrder() throws {
        var key = frame(0x1234)
        key.tunnelFamily = TunnelFamily.ipv4
        (key.tunnelIPv4Source, key.tunnelIPv4Destination) = (1, 2)
        (key.tunnelTOS, key.tunnelSourcePort, key.tunnelDestinationPort) = (3, 4, 5)
        let flags = TunnelFlags.key | TunnelFlags.dontFragment | TunnelFlags.checksum | TunnelFlags.oam
        for (kind, size, type) in [
            (TunnelFlags.geneveOptions, 8, UInt16(8)), (TunnelFlags.vxlanOptions, 4, 11),
            (TunnelFlags.erspanOptions, 12, 15),
        ] {
            (key.tunnelFlags, key.tunnelOptionsLength) = (flags | kind, UInt8(size))
            let options = [UInt8](repeating: 7, count: size)
            var writer = MessageWriter()
            try key.write(tunnelOptions: options.rawSpan, to: &writer)
            #expect(try types(writer.bytes).prefix(5) == [20, 19, 2, 16, 3])
            let tunnel = try #require(try payload(16, writer.bytes))
            #expect(try types(tunnel, isKey: false) == [0, 1, 2, 3, 4, 5, 6, 9, 10, 7, type])
            let written = try #require(try payload(type, tunnel))
            #expect(written == (type == 11 ? attribute(1, options) : options))
        }
        // What is 0 is left out, but for the TTL.
        var least = frame(0x1234)
        least.tunnelFamily = TunnelFamily.ipv6
        least.tunnelIPv6Destination = IPv6Address(high: 0, low: 1)
        #expect(try types(#require(try payload(16, self.key(least))), isKey: false) == [13, 4])
        // Options of no bytes are none.
        least.tunnelFlags = TunnelFlags.geneveOptions
        #expect(try types(#require(try payload(16, self.key(least))), isKey: false) == [13, 4])
    }

    @Test func aServiceHeaderHasItsContextInEveryMask() throws {
        var key = frame(EtherType.nsh)
        for (type, attributes) in [(UInt8(1), [UInt16(1), 2]), (2, [1])] {
            key.nshMetadataType = type
            #expect(try types(#require(try payload(28, self.key(key))), isKey: false) == attributes)
            #expect(try types(#require(try payload(28, mask(FlowMask(), over: key))), isKey: false) == [1, 2])
        }
    }

    @Test func tagsAreNested() throws {
        let metadata: [UInt16] = [20, 19, 2, 3, 15, 22, 23, 24, 25, 4]
        var one = frame(0x0800)
        (one.vlanTPID, one.vlanTCI) = (0x8100, 0x1064)
        #expect(try types(key(one)) == metadata + [6, 5, 1, 6, 7])
        var two = one
        (two.innerVLANTPID, two.innerVLANTCI) = (0x8100, 0x1065)
        #expect(try types(key(two)) == metadata + [6, 5, 1, 6, 5, 1, 6, 7])
        var three = two
        three.etherType = 0x8100
        #expect(try types(key(three)) == metadata + [6, 5, 1, 6, 5, 1, 6])
        var truncated = frame(0x8100)
        #expect(try types(key(truncated)) == metadata + [6, 5, 1])
        #expect(try payload(5, key(truncated)) == [0, 0])
        (truncated.vlanTPID, truncated.vlanTCI) = (0x88a8, 0x1001)
        #expect(try types(key(truncated)) == metadata + [6, 5, 1, 6, 5, 1])
    }

    @Test func aMaskHasTheStructureOfItsKey() throws {
        let tcp = frame(0x0800, proto: 6)
        let bytes = try mask(FlowMask(), over: tcp)
        #expect(try types(bytes) == [20, 19, 2, 16, 3, 15, 22, 23, 24, 25, 4, 6, 7, 9, 18])
        // The tunnel says only that its TTL does not matter.
        #expect(try payload(16, bytes) == attribute(4, [0]))
        var tagged = tcp
        (tagged.vlanTPID, tagged.vlanTCI) = (0x8100, 0x1064)
        #expect(
            try types(mask(FlowMask(), over: tagged)) == [
                20, 19, 2, 16, 3, 15, 22, 23, 24, 25, 4, 6, 5, 1, 6, 7, 9, 18,
            ])
        #expect(try payload(6, mask(FlowMask(), over: tagged)) == [0xff, 0xff])
    }

    @Test func portsHave16BitsInsideAnd32Outside() throws {
        let port = frame(0x1234)
        #expect(try payload(3, key(port)) == host(UInt32(3)))
        #expect(try payload(3, mask(FlowMask(), over: port)) == host(UInt32(0xffff_0000)))
        var exact = FlowMask()
        exact.inPort = 0xffff
        #expect(try payload(3, mask(exact, over: port)) == host(UInt32.max))
        var none = port
        none.inPort = FlowKey.noPort
        #expect(try payload(3, key(none)) == nil)
        #expect(try payload(3, mask(FlowMask(), over: none)) == nil)
        #expect(try payload(3, mask(exact, over: none)) == host(UInt32.max))
    }

    @Test func aLabelStackHasTheEntriesThatAreThere() throws {
        var stack = frame(0x8847)
        stack.mplsEntries = [0x01020304, 0x05060708, 0x090a0b0c]
        for (presence, count) in [(UInt8(0), 4), (1, 4), (3, 8), (7, 12)] {
            stack.mplsPresence = presence
            #expect(try payload(21, key(stack)) == (1...12).prefix(count).map { UInt8($0) })
            #expect(try payload(21, mask(stack, over: frame(0x8847))) == (1...12).prefix(count).map { UInt8($0) })
        }
        #expect(try payload(21, mask(FlowMask(), over: stack)) == [0, 0, 0, 0])
    }

    @Test func theTypeOf8022StandsInTheMaskOnly() throws {
        let key = frame(EtherType.ieee8022)
        var exact = FlowMask()
        exact.etherType = 0xffff
        #expect(try payload(6, mask(exact, over: key)) == [0xff, 0xff])
        #expect(try payload(6, mask(FlowMask(), over: key)) == nil)
    }

    // MARK: Space

    @Test func whatDoesNotFitIsRefused() throws {
        let tcp = frame(0x0800, proto: 6)
        let whole = try key(tcp).count
        for limit in 0..<whole {
            var writer = MessageWriter(limit: limit)
            do throws(NetlinkError) {
                try tcp.write(to: &writer)
                Issue.record("written into \(limit) bytes")
            } catch { #expect(error.code == .noSpace) }
            #expect(writer.count <= limit)
        }
    }

    // MARK: Words

    @Test func fieldsDoNotOverlap() {
        var random = SplitMix64(seed: 32)
        for _ in 0..<200 {
            var key = FlowKey()
            let (recirc, hash, priority, mark): (UInt32, UInt32, UInt32, UInt32) = (
                random.number(), random.number(), random.number(), random.number()
            )
            let macs = (random.mac(), random.mac())
            let halves: [UInt16] = (0..<9).map { _ in random.number() }
            let bytes: [UInt8] = (0..<5).map { _ in random.number() }
            let label: UInt32 = random.number()
            (key.recircID, key.dpHash, key.priority, key.skbMark) = (recirc, hash, priority, mark)
            (key.ethernetSource, key.ethernetDestination) = macs
            (key.inPort, key.etherType, key.vlanTCI, key.innerVLANTCI) = (halves[0], halves[1], halves[2], halves[3])
            (key.vlanTPID, key.innerVLANTPID, key.tcpFlags) = (halves[4], halves[5], halves[6])
            (key.transportSource, key.transportDestination, key.ipv6Label) = (halves[7], halves[8], label)
            (key.kind, key.fragment, key.ipProtocol, key.ipTOS, key.ipTTL) = (
                bytes[0], bytes[1], bytes[2], bytes[3], bytes[4]
            )
            #expect(
                [key.recircID, key.dpHash, key.priority, key.skbMark, key.ipv6Label] == [
                    recirc, hash, priority, mark, label,
                ])
            #expect(key.ethernetSource == macs.0 && key.ethernetDestination == macs.1)
            #expect(
                [
                    key.inPort, key.etherType, key.vlanTCI, key.innerVLANTCI, key.vlanTPID, key.innerVLANTPID,
                    key.tcpFlags,
                    key.transportSource, key.transportDestination,
                ] == halves)
            #expect([key.kind, key.fragment, key.ipProtocol, key.ipTOS, key.ipTTL] == bytes)
        }
    }

    @Test func maskingKeepsTheBitsOfTheMask() {
        var random = SplitMix64(seed: 33)
        for _ in 0..<200 {
            var (key, mask) = (FlowKey(), FlowMask())
            for index in 0..<FlowKey.wordCount {
                (key.words[index], mask.words[index]) = (random.next(), random.mask())
            }
            let masked = key.masked(by: mask)
            for index in 0..<FlowKey.wordCount { #expect(masked.words[index] == key.words[index] & mask.words[index]) }
            let range = mask.significantWords
            for index in 0..<FlowKey.wordCount where !range.contains(index) { #expect(mask.words[index] == 0) }
            if !range.isEmpty { #expect(mask.words[range.lowerBound] != 0 && mask.words[range.upperBound - 1] != 0) }
            var other = key
            #expect(other == key && other.hashValue == key.hashValue)
            other.words[random.below(FlowKey.wordCount)] ^= 1 << UInt64(random.below(64))
            #expect(other != key)
        }
        #expect(FlowMask().significantWords.isEmpty)
    }

    @Test func labelStackEntriesDoNotOverlap() {
        var key = FlowKey()
        key.mplsPresence = 7
        for index in 0..<3 { key.mplsEntries[index] = 0x1111_1111 * UInt32(index + 1) }
        for index in 0..<3 { #expect(key.mplsEntries[index] == 0x1111_1111 * UInt32(index + 1)) }
        #expect(key.mplsPresence == 7)
        key.mplsEntries[1] = 0
        #expect((key.mplsEntries[0], key.mplsEntries[2], key.mplsPresence) == (0x1111_1111, 0x3333_3333, 7))
        #expect(key.etherType == 0 && key.transportSource == 0)
    }

    @Test func noBytesTrap() throws {
        var flows = RandomFlows(seed: 34)
        var accepted = 0
        for _ in 0..<20_000 {
            var (keyBytes, maskBytes) = try flows.flow().attributes
            for _ in 0..<flows.random.below(4) {
                keyBytes[flows.random.below(keyBytes.count)] = flows.random.number()
                maskBytes[flows.random.below(maskBytes.count)] ^= 1 << UInt8(flows.random.below(8))
                if flows.random.chance(4) { maskBytes.removeLast(flows.random.below(maskBytes.count)) }
                if maskBytes.isEmpty { maskBytes = [0] }
            }
            if case .success = match(keyBytes, maskBytes) { accepted += 1 }
            _ = match(keyBytes)
        }
        #expect(accepted > 1000)
    }
}
