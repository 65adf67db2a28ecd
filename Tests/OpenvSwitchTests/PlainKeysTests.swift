import Netlink
import Testing

@testable import OpenvSwitch

/// The quick way from attributes to keys takes nothing that the thorough way does not, and gives the same.
@Suite struct PlainKeysTests {
    /// Random flows as they are written, and with attributes that are changed, doubled, dropped, exchanged or cut.
    @Test func bothWaysAgree() throws {
        var flows = RandomFlows(seed: 77)
        var plain = 0
        var spoiled = 0
        for round in 0..<6_000 {
            var (key, mask) = try flows.flow().attributes
            if round % 4 != 0 {
                if flows.random.chance(2) { spoil(&key, &flows.random) } else { spoil(&mask, &flows.random) }
            }
            let quick = outcome { () throws(RequestError) in
                try FlowMatch(key: Attributes(key.rawSpan), mask: Attributes(mask.rawSpan))
            }
            let thorough = outcome { () throws(RequestError) in
                try FlowMatch(thoroughly: Attributes(key.rawSpan), mask: Attributes(mask.rawSpan))
            }
            let keyAlone = outcome { () throws(RequestError) in try FlowMatch.key(Attributes(key.rawSpan)) }
            let thoroughKey = outcome { () throws(RequestError) in
                try FlowMatch(thoroughly: Attributes(key.rawSpan)).key
            }
            let metadata = outcome { () throws(RequestError) in try FlowMetadata(Attributes(key.rawSpan)) }
            let thoroughMetadata = outcome { () throws(RequestError) in
                try FlowMetadata(thoroughly: Attributes(key.rawSpan))
            }
            guard quick == thorough, keyAlone == thoroughKey, metadata == thoroughMetadata else {
                Issue.record("round \(round): \(hex(key)) \(hex(mask))")
                return
            }
            var scratch = FlowKey()
            if PlainKeys.shared.readKey(Attributes(key.rawSpan), into: &scratch) != nil { plain += 1 }
            if case .failure = thorough { spoiled += 1 }
        }
        // Enough of both to mean something.
        #expect(plain > 400)
        #expect(spoiled > 400)
    }

    /// What ovs-vswitchd sends for a packet without tags is plain.
    @Test(arguments: ["", "in_port(1),", "recirc_id(0x5),dp_hash(0x1),skb_mark(0x7),in_port(3),"])
    func commonKeysArePlain(metadata: String) throws {
        for headers in [
            "eth_type(0x0800),ipv4(src=10.0.0.1,dst=10.0.0.2,proto=17,tos=0,ttl=64,frag=no),udp(src=1,dst=2)",
            "eth_type(0x0806),arp(sip=10.0.0.1,tip=10.0.0.2,op=1,sha=02:00:00:00:00:01,tha=00:00:00:00:00:00)",
            "eth_type(0x86dd),ipv6(src=fe80::1,dst=fe80::2,label=0,proto=6,tclass=0,hlimit=64,frag=no),tcp(src=1,dst=2),tcp_flags(0x2)",
            "eth_type(0x88cc)",
        ] {
            let text = metadata + "eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02)," + headers
            let (bytes, maskBytes) = try FlowText.parseKey(text, portNumber: nil)
            var key = FlowKey()
            let present = PlainKeys.shared.readKey(Attributes(bytes.rawSpan), into: &key)
            #expect(present != nil, "\(text)")
            // A mask says of a tunnel that there is none.
            var writer = MessageWriter()
            try writer.append(nested: KeyAttribute.tunnel) { (writer) throws(NetlinkError) in
                try writer.append(TunnelKeyAttribute.ttl, UInt8(0))
            }
            let mask = maskBytes + writer.bytes
            var found = FlowMask()
            (found.kind, found.vlanTCI, found.innerVLANTCI) = (0xff, 0xffff, 0xffff)
            #expect(
                PlainKeys.shared.readMask(Attributes(mask.rawSpan), over: key, present ?? [], into: &found), "\(text)")
            #expect(found.tunnelFamily == 0xff)
            #expect(
                try found == FlowMatch(thoroughly: Attributes(bytes.rawSpan), mask: Attributes(mask.rawSpan)).mask)
        }
    }

    /// What ovs-vswitchd says of a packet that is to be executed is plain: no header of it.
    @Test(arguments: ["in_port(1)", "skb_priority(0x7),skb_mark(0x7),in_port(3)"])
    func commonMetadataIsPlain(text: String) throws {
        let (bytes, _) = try FlowText.parseKey(text, portNumber: nil)
        var key = FlowKey()
        #expect(PlainKeys.shared.readMetadata(Attributes(bytes.rawSpan), into: &key))
        #expect(try key == FlowMetadata(thoroughly: Attributes(bytes.rawSpan)).key)
    }

    private func outcome<Value>(_ body: () throws(RequestError) -> Value) -> Result<Value, RequestError> {
        do { return .success(try body()) } catch { return .failure(error) }
    }

    private func spoil(_ bytes: inout [UInt8], _ random: inout SplitMix64) {
        guard !bytes.isEmpty else { return }
        // Where attributes begin.
        var starts: [Int] = []
        var offset = 0
        while offset + 4 <= bytes.count {
            starts.append(offset)
            offset += max((Int(bytes[offset]) | Int(bytes[offset + 1]) << 8) + 3 & ~3, 4)
        }
        let start = starts[random.below(starts.count)]
        let end = starts.first { $0 > start } ?? bytes.count
        switch random.below(7) {
        case 0: bytes[random.below(bytes.count)] ^= 1 << UInt8(random.below(8))
        case 1: bytes.removeSubrange(start..<end)
        case 2: bytes += bytes[start..<end]
        case 3: bytes.removeLast(random.below(bytes.count) + 1)
        case 4: bytes[start + 2] = UInt8(random.below(40))
        case 5: for index in (start + 4)..<max(end, start + 4) where index < bytes.count { bytes[index] = 0 }
        default:
            let attribute = bytes[start..<end]
            bytes.removeSubrange(start..<end)
            bytes.insert(contentsOf: attribute, at: 0)
        }
    }
}
