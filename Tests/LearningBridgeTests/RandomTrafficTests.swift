import Datapath
import LearningBridge
import OpenvSwitch
import Testing

/// A learning switch as simple as it can be: what the bridge is compared with.
private struct ReferenceSwitch {
    private struct Station: Hashable {
        var mac: ArraySlice<UInt8>
        var vlan: UInt16
    }
    var ports: Set<String>
    private var table: [Station: String] = [:]

    init(_ ports: Set<String>) { self.ports = ports }

    /// Where a frame goes.
    mutating func forward(_ frame: [UInt8], from port: String) -> Set<String> {
        guard frame.count >= 14 else { return [] }
        let destination = frame[0..<6]
        let source = frame[6..<12]
        let type = UInt16(frame[12]) << 8 | UInt16(frame[13])
        var vlan: UInt16 = 0
        if type == 0x8100 || type == 0x88a8, frame.count >= 18 {
            vlan = (UInt16(frame[14]) << 8 | UInt16(frame[15])) & 0x0fff
        }
        if frame[6] & 1 == 0 { table[Station(mac: source, vlan: vlan)] = port }
        if Array(frame[0..<5]) == [1, 0x80, 0xc2, 0, 0], frame[5] < 16 { return [] }
        if frame[0] & 1 == 0, let known = table[Station(mac: destination, vlan: vlan)] {
            return known == port ? [] : [known]
        }
        return ports.subtracting([port])
    }

    mutating func remove(_ port: String) {
        ports.remove(port)
        table = table.filter { $0.value != port }
    }
}

@Suite(.timeLimit(.minutes(5))) struct RandomTrafficTests {
    /// Random frames between stations that now and then move: each must come out exactly where it should.
    @Test(arguments: [1, 2] as [UInt64])
    func agreesWithReference(_ seed: UInt64) async throws {
        let names = (1...8).map { "p\($0)" }
        let bench = try Bench(interfaces: names, pattern: "p*")
        try await bench.run {
            var random = SeededGenerator(seed: seed)
            var reference = ReferenceSwitch(Set(names + ["br0"]))
            var attached = names + ["br0"]
            let stations = (0..<16).map { UInt64(0x0200_0000_0100 + $0) }
            var home: [UInt64: String] = [:]
            let groups: [UInt64] = [broadcast, 0x0100_5e01_0203, 0x0180_c200_0000, 0x0180_c200_0010]
            var count = 0
            var forwarded = 0
            for step in 0..<2000 {
                // Every now and then a port goes, or comes back.
                if step % 250 == 249 {
                    let name = names.randomElement(using: &random)!
                    if attached.contains(name) {
                        bench.host.unplug(name)
                        attached.removeAll { $0 == name }
                        reference.remove(name)
                    } else {
                        _ = bench.host.plug(name)
                        attached.append(name)
                        reference.ports.insert(name)
                    }
                    let ports = attached.count
                    try await eventually("ports have changed") { await bench.bridge.statistics.ports == ports }
                }
                let source = (random.chance(30) ? groups : stations).randomElement(using: &random)!
                let destination = (random.chance(5) ? groups : stations).randomElement(using: &random)!
                if home[source] == nil || random.chance(40) || !attached.contains(home[source]!) {
                    home[source] = attached.randomElement(using: &random)!
                }
                let port = home[source]!
                let frame = Self.frame(to: destination, from: source, &random)
                let expected = reference.forward(frame, from: port)
                let reached = try await bench.ports(reachedBy: frame, from: port)
                #expect(reached == expected, "step \(step): \(frame.prefix(26)) from \(port)")
                guard reached == expected else { break }
                count += 1
                forwarded += expected.count == 1 ? 1 : 0
            }
            #expect(count == 2000)
            #expect(forwarded > 300)
            let statistics = await bench.bridge.statistics
            #expect(statistics.failures == 0)
            #expect(statistics.moved > 10)
            let (hits, flows) = (try bench.hits, try bench.flowActions().count)
            #expect(hits > 100)
            #expect(flows == statistics.flows)
        }
    }

    private static func frame(
        to destination: UInt64, from source: UInt64, _ random: inout SeededGenerator
    ) -> [UInt8] {
        let tags: [Tag] =
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<5: []
            case 5: [Tag(vid: 0, priority: 4)]
            case 6, 7: [Tag(vid: 5, priority: UInt16.random(in: 0..<8, using: &random))]
            case 8: [Tag(vid: 6, tpid: EtherType.serviceVLAN), Tag(vid: UInt16.random(in: 0..<4096, using: &random))]
            default: [Tag(vid: 5), Tag(vid: 6), Tag(vid: 7)]
            }
        let types = [EtherType.ipv4, EtherType.ipv6, EtherType.arp, EtherType.mplsUnicast, 0x88cc, 46, EtherType.vlan]
        let count = Int.random(in: 0..<90, using: &random)
        let payload = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
        return LearningBridgeTests.frame(
            to: destination, from: source, tags: tags, type: types.randomElement(using: &random)!, payload: payload)
    }
}

extension SeededGenerator {
    fileprivate mutating func chance(_ oneIn: Int) -> Bool { Int.random(in: 0..<oneIn, using: &self) == 0 }
}
