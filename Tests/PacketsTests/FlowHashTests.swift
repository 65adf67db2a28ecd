import OpenvSwitch
import Packets
import Testing

@Suite struct FlowHashTests {
    func hash(_ frame: [UInt8], port: UInt16 = 0) throws -> UInt32 {
        var (key, _) = try #require(extract(frame))
        key.inPort = port
        return FlowHash.hash(key)
    }

    @Test func onlyTheFlowCounts() throws {
        let frame = Build.tcp4
        let expected = try hash(frame)
        #expect(try hash(frame, port: 7) == expected)
        let same = Build.ethernet(
            EtherType.ipv4, tags: [(0x8100, 3)], Build.ipv4(6, tos: 9, ttl: 1, Build.tcp(flags: 2)))
        #expect(try hash(same) == expected)
        let others = [
            Build.ipv4(6, Build.tcp(source: 4712)), Build.ipv4(6, Build.tcp(destination: 81)),
            Build.ipv4(6, source: 1, Build.tcp()), Build.ipv4(6, destination: 1, Build.tcp()),
            Build.ipv4(17, Build.udp(source: 4711, destination: 80)),
            Build.ipv4(6, Build.tcp(source: 80, destination: 4711)),
        ]
        for packet in others { #expect(try hash(Build.ethernet(EtherType.ipv4, packet)) != expected) }
        #expect(Set(try others.map { try hash(Build.ethernet(EtherType.ipv4, $0)) }).count == others.count)
    }

    @Test func fragmentsStayTogether() throws {
        let first = Build.ethernet(EtherType.ipv4, Build.ipv4(17, fragment: 0x2000, Build.udp([1])))
        let later = Build.ethernet(EtherType.ipv4, Build.ipv4(17, fragment: 0x0001, Build.udp([1])))
        #expect(try hash(first) == hash(later))
    }

    @Test func ipv6AndOtherFrames() throws {
        let base = try hash(Build.ethernet(EtherType.ipv6, Build.ipv6(6, Build.tcp())))
        #expect(try hash(Build.ethernet(EtherType.ipv6, Build.ipv6(6, label: 5, Build.tcp()))) == base)
        for bit in 0..<64 {
            for address in [
                IPv6Address(high: Build.source6.high ^ 1 << bit, low: Build.source6.low),
                IPv6Address(high: Build.source6.high, low: Build.source6.low ^ 1 << bit),
            ] {
                #expect(try hash(Build.ethernet(EtherType.ipv6, Build.ipv6(6, source: address, Build.tcp()))) != base)
            }
        }
        var frame = Build.ethernet(0x1234, [])
        let other = try hash(frame)
        frame[11] ^= 1
        #expect(try hash(frame) != other)
    }

    /// Sixteen neighbouring addresses and 4096 ports: the hashes differ, and any eight bits of them are evenly used.
    @Test func spread() {
        var key = FlowKey()
        (key.etherType, key.ipProtocol) = (EtherType.ipv4, 6)
        var hashes: Set<UInt32> = []
        var buckets = [[Int]](repeating: [Int](repeating: 0, count: 256), count: 4)
        for host in 0..<16 as Range<UInt32> {
            for port in 0..<4096 as Range<UInt16> {
                key.ipv4Source = 0x0a00_0000 + host
                key.ipv4Destination = 0x0a00_0100
                (key.transportSource, key.transportDestination) = (32_768 + port, 443)
                let hash = FlowHash.hash(key)
                hashes.insert(hash)
                for byte in 0..<4 { buckets[byte][Int(hash >> (8 * byte)) & 0xff] += 1 }
            }
        }
        // 65,536 random numbers of 32 bits would have half a collision; a bucket would have 256 ± 16.
        #expect(hashes.count >= 65_530)
        for bucket in buckets { #expect(bucket.allSatisfy { $0 > 128 && $0 < 384 }) }
    }

    @Test func bothDirectionsHaveOneSymmetricHash() throws {
        func symmetric(_ frame: [UInt8]) throws -> UInt32 {
            FlowHash.symmetricHash(try #require(extract(frame)).key)
        }
        let there = Build.ethernet(
            EtherType.ipv4, Build.ipv4(6, source: 9, destination: 5, Build.tcp(source: 3, destination: 4)))
        let back = Build.ethernet(
            EtherType.ipv4, Build.ipv4(6, source: 5, destination: 9, Build.tcp(source: 4, destination: 3)))
        #expect(try symmetric(there) == symmetric(back))
        #expect(try hash(there) != hash(back))
        let other = Build.ethernet(
            EtherType.ipv4, Build.ipv4(6, source: 9, destination: 6, Build.tcp(source: 3, destination: 4)))
        #expect(try symmetric(there) != symmetric(other))
        let (low, high) = (IPv6Address(high: 1, low: 9), IPv6Address(high: 2, low: 1))
        let there6 = Build.ethernet(
            EtherType.ipv6, Build.ipv6(17, source: low, destination: high, Build.udp(source: 70, destination: 8)))
        let back6 = Build.ethernet(
            EtherType.ipv6, Build.ipv6(17, source: high, destination: low, Build.udp(source: 8, destination: 70)))
        #expect(try symmetric(there6) == symmetric(back6))
        // Without an IP header, the MAC addresses.
        var frame = Build.ethernet(0x1234, [])
        let forth = try symmetric(frame)
        frame = Array(frame[6..<12] + frame[..<6] + frame[12...])
        #expect(try symmetric(frame) == forth)
        // Type and code of a ping are no ports.
        let ping = try symmetric(Build.ethernet(EtherType.ipv4, Build.ipv4(1, Build.icmp(type: 8, code: 0))))
        #expect(try symmetric(Build.ethernet(EtherType.ipv4, Build.ipv4(1, Build.icmp(type: 0, code: 8)))) != ping)
    }

    @Test func lookUpsDifferWithTheRecirculation() {
        var key = FlowKey()
        #expect(FlowHash.lookupHash(77, key) == 77)
        var seen: Set<UInt32> = [77]
        for id in 1...1000 as ClosedRange<UInt32> {
            key.recircID = id
            seen.insert(FlowHash.lookupHash(77, key))
            key.dpHash = id
            seen.insert(FlowHash.lookupHash(77, key))
            key.dpHash = 0
        }
        #expect(seen.count > 1990)
        #expect(!seen.contains(0))
    }

    /// Any eight bits of the hash action's result are evenly used, whatever the basis.
    @Test func theDatapathHashSpreads() {
        for basis in [0, 1, 0x8000_0000, .max] as [UInt32] {
            var buckets = [Int](repeating: 0, count: 256)
            for hash in 0..<65_536 as Range<UInt32> {
                let result = FlowHash.datapathHash(hash, basis: basis)
                #expect(result != 0)
                buckets[Int(result & 0xff)] += 1
            }
            #expect(buckets.allSatisfy { $0 > 128 && $0 < 384 }, "basis \(basis)")
        }
        #expect(FlowHash.datapathHash(5, basis: 1) != FlowHash.datapathHash(5, basis: 2))
    }

    @Test func neverZero() {
        var random = SplitMix64(seed: 0x5eed_0007)
        #expect(FlowHash.hash(FlowKey()) != 0)
        for _ in 0..<10_000 {
            var key = FlowKey()
            for word in 0..<FlowKey.wordCount { key.words[word] = random.next() }
            #expect(FlowHash.hash(key) != 0)
        }
    }
}
