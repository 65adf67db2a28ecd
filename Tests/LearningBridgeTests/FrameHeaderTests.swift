@testable import LearningBridge
import Netlink
import OpenvSwitch
import Testing

@Suite struct FrameHeaderTests {
    private static let headers: [FrameHeader] = {
        var result: [FrameHeader] = []
        for tags in 0...2 {
            for type: UInt16 in [
                EtherType.ipv4, EtherType.ipv6, EtherType.arp, 0x88cc, EtherType.ieee8022, EtherType.vlan,
            ] {
                var header = FrameHeader(inPort: 65_534, source: 0x0200_0000_0001, destination: 0xffff_ffff_ffff)
                if tags > 0 {
                    header.tpid = EtherType.serviceVLAN
                    header.vlan = 4095
                    header.etherType = type
                }
                if tags > 1 { header.innerTPID = EtherType.vlan }
                result.append(header)
            }
        }
        return result
    }()

    /// A datapath takes key and mask, and understands them as they were meant.
    @Test(arguments: headers) func keyAndMaskAreValid(_ header: FrameHeader) throws {
        let (key, mask) = (header.encodedKey, header.encodedMask)
        let match = try FlowMatch(key: Attributes(key.rawSpan), mask: Attributes(mask.rawSpan))
        #expect(match.key == header.key)
        var expected = header.mask
        // The absence of a tag is matched without an attribute.
        if header.tpid == 0 { expected.vlanTCI = 0xffff }
        if header.innerTPID == 0 { expected.innerVLANTCI = 0xffff }
        // The mask that is written asks for packets that came through no tunnel.
        expected.tunnelFamily = 0xff
        #expect(match.mask == expected)
        #expect(FrameHeader(key: key) == header)
    }

    @Test func priorityAndInnerVLANDoNotCount() throws {
        var header = FrameHeader(inPort: 1, source: 2, destination: 4)
        header.tpid = EtherType.vlan
        header.vlan = 9
        header.innerTPID = EtherType.vlan
        header.etherType = 0x88cc
        var key = header.key
        key.vlanTCI |= 0xe000
        key.innerVLANTCI |= 0xe123
        var writer = MessageWriter()
        try key.write(to: &writer)
        #expect(FrameHeader(key: writer.bytes) == header)
    }

    @Test func keysWithoutWhatIsNeeded() throws {
        let key = FrameHeader(inPort: 1, source: 2, destination: 4).key
        var writer = MessageWriter()
        var without = key
        without.inPort = FlowKey.noPort
        try without.write(to: &writer)
        #expect(FrameHeader(key: writer.bytes) == nil)
        writer.removeAll()
        without = key
        without.kind = 0
        without.etherType = EtherType.ipv4
        try without.write(to: &writer)
        #expect(FrameHeader(key: writer.bytes) == nil)
        #expect(FrameHeader(key: []) == nil)
        writer.removeAll()
        try key.write(to: &writer)
        #expect(FrameHeader(key: writer.bytes) != nil)
        try writer.append(KeyAttribute.inPort, UInt32(65_535))
        #expect(FrameHeader(key: writer.bytes) == nil)
    }

    /// A tag whose inside is missing or malformed must not pass as no tag.
    @Test func malformedTags() throws {
        func key(_ inside: [UInt8]?) throws -> [UInt8] {
            var writer = MessageWriter()
            try FrameHeader(inPort: 1, source: 2, destination: 4).key.write(to: &writer)
            try writer.append(KeyAttribute.etherType, bigEndian: EtherType.vlan)
            try writer.append(KeyAttribute.vlan, bigEndian: UInt16(0x1005))
            if let inside { try writer.append(KeyAttribute.encap, bytes: inside) }
            return writer.bytes
        }
        #expect(FrameHeader(key: try key(nil)) == nil)
        #expect(FrameHeader(key: try key([5, 0, 6, 0, 1])) == nil)
        #expect(FrameHeader(key: try key([]))?.vlan == 5)
    }

    @Test func anyBytes() {
        var random = SeededGenerator(seed: 4)
        var found = 0
        let whole = Self.headers.map(\.encodedKey)
        for _ in 0..<20_000 {
            var key = whole.randomElement(using: &random) ?? []
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: 0..<key.count, using: &random)
                key[place] = UInt8.random(in: 0...255, using: &random)
            }
            if Bool.random(using: &random) { key.removeLast(Int.random(in: 0...key.count, using: &random)) }
            if FrameHeader(key: key) != nil { found += 1 }
        }
        #expect(found > 1000 && found < 20_000)
    }
}

@Suite struct FlowIndexTests {
    @Test func findsByHeaderAddressAndUFID() throws {
        var index = FlowIndex()
        let header = FrameHeader(inPort: 1, source: 2, destination: 4)
        let id = index.insert(BridgeFlow(header: header, verdict: .flood, lastUsed: .zero, batch: 1))
        let ufid = try #require(index.ufid(id))
        #expect(ufid.bytes.count == 16)
        #expect(index.id(of: ufid) == id)
        #expect(index.id(of: header) == id)
        #expect(index.ids(from: header.sourceAddress) == [id])
        #expect(index.ids(to: header.destinationAddress) == [id])
        #expect(index.ids(to: header.sourceAddress).isEmpty)
        // Of others.
        #expect(FlowIndex().id(of: ufid) == nil)
        #expect(UFID([1]).flatMap { index.id(of: $0) } == nil)
        #expect(UFID(Array(ufid.bytes.prefix(15)) + [99]).flatMap { index.id(of: $0) } == nil)

        index.update(id) { $0.packets = 9 }
        #expect(index[id]?.packets == 9)
        index.remove(id)
        index.remove(id)
        #expect(index.count == 0)
        #expect(index.id(of: ufid) == nil)
        #expect(index.id(of: header) == nil)
        #expect(index.ids(from: header.sourceAddress).isEmpty)
        #expect(index.insert(BridgeFlow(header: header, verdict: .drop, lastUsed: .zero, batch: 1)) != id)
    }
}
