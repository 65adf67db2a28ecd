import Netlink
import Testing

@testable import OpenvSwitch

/// The quick way from keys and masks to attributes writes what the thorough way writes.
@Suite struct KeyLayoutsTests {
    /// Bits at random in all fields, but for those that decide which attributes there are.
    @Test func bothWaysAgree() throws {
        var random = SplitMix64(seed: 78)
        let networks: [UInt16] = [
            0, 1, EtherType.ieee8022, EtherType.ipv4, EtherType.ipv6, EtherType.arp, EtherType.rarp, EtherType.vlan,
            EtherType.serviceVLAN, EtherType.mplsUnicast, EtherType.mplsMulticast, EtherType.nsh, 0x88b5, 0xffff,
        ]
        let transports: [UInt8] = [
            0, 0xff, IPProtocol.tcp, IPProtocol.udp, IPProtocol.sctp, IPProtocol.icmp, IPProtocol.icmpv6,
            IPProtocol.igmp,
        ]
        var (plain, others) = (0, 0)
        for network in networks {
            for transport in transports {
                for round in 0..<300 {
                    var (key, mask) = (words(&random), words(&random))
                    (key.etherType, key.ipProtocol) = (network, transport)
                    key.kind = random.chance(8) ? 0 : 1
                    key.fragment = UInt8(random.below(3))
                    if random.chance(2) { key.transportSource = UInt16(133 + random.below(5)) }
                    if random.chance(2) { key.ctOriginalProtocol = 0 }
                    if !random.chance(4) { key.vlanTCI = 0 }
                    if !random.chance(4) { key.tunnelFamily = 0 }
                    if random.chance(8) { key.inPort = FlowKey.noPort }
                    if random.chance(2) { for word in 24..<FlowKey.wordCount { mask.words[word] = 0 } }
                    for (output, isMask) in [(key, false), (mask, true)] {
                        let quick = try quickly(key, output, isMask)
                        let thorough = try thoroughly(key, output, isMask)
                        guard let quick else {
                            others += 1
                            continue
                        }
                        plain += 1
                        guard quick == thorough else {
                            Issue.record(
                                "\(network) \(transport) \(round) \(isMask): \(hex(quick)) and not \(hex(thorough))")
                            return
                        }
                    }
                }
            }
        }
        // Enough of both to mean something.
        #expect(plain > 10_000)
        #expect(others > 10_000)
    }

    /// Flows as clients make them, in the way that the datapath writes them.
    @Test func flowsAreWrittenAsEver() throws {
        var flows = RandomFlows(seed: 79)
        var plain = 0
        for _ in 0..<3000 {
            let match = flows.flow()
            let masked = match.maskedKey
            var writer = MessageWriter()
            try match.writeKey(to: &writer)
            try match.writeMask(to: &writer)
            var thorough = MessageWriter()
            try match.key.writeThoroughly(match.key, match.tunnelOptions.value.rawSpan, isMask: false, to: &thorough)
            try masked.writeThoroughly(match.mask, match.tunnelOptions.mask.rawSpan, isMask: true, to: &thorough)
            guard writer.bytes == thorough.bytes else {
                Issue.record("\(hex(writer.bytes)) and not \(hex(thorough.bytes))")
                return
            }
            if try quickly(match.key, match.key, false) != nil { plain += 1 }
        }
        #expect(plain > 200)
    }

    /// A key for which there is no room leaves nothing behind.
    @Test func roomIsNeededForAllOfIt() throws {
        var key = FlowKey()
        (key.kind, key.etherType, key.ipProtocol) = (1, EtherType.ipv4, IPProtocol.tcp)
        let size = try thoroughly(key, key, false).count
        for limit in [0, 4, size - 4, size - 1] {
            var writer = MessageWriter(limit: limit)
            let error = #expect(throws: NetlinkError.self) { try key.write(to: &writer) }
            #expect(error?.code == .noSpace)
            #expect(writer.count == 0)
        }
        var writer = MessageWriter(limit: size)
        try key.write(to: &writer)
        #expect(writer.count == size)
    }

    private func words(_ random: inout SplitMix64) -> FlowKey {
        var key = FlowKey()
        for word in 0..<FlowKey.wordCount { key.words[word] = random.next() }
        return key
    }

    private func quickly(_ key: FlowKey, _ output: FlowKey, _ isMask: Bool) throws(NetlinkError) -> [UInt8]? {
        var writer = MessageWriter()
        guard try KeyLayouts.shared.write(key, output, isMask: isMask, to: &writer) else {
            #expect(writer.count == 0)
            return nil
        }
        return writer.bytes
    }

    private func thoroughly(_ key: FlowKey, _ output: FlowKey, _ isMask: Bool) throws(NetlinkError) -> [UInt8] {
        var writer = MessageWriter()
        try key.writeThoroughly(output, [UInt8]().rawSpan, isMask: isMask, to: &writer)
        return writer.bytes
    }
}
