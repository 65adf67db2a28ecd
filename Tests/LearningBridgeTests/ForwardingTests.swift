import DPIF
import Datapath
import LearningBridge
import OpenvSwitch
import Testing

private let a: UInt64 = 0x0200_0000_000a
private let b: UInt64 = 0x0200_0000_000b
private let c: UInt64 = 0x0200_0000_000c
private let threePorts = ["p1", "p2", "p3"]

@Suite(.timeLimit(.minutes(5))) struct ForwardingTests {
    @Test func learnsAndFloods() async throws {
        let bench = try Bench(interfaces: threePorts, pattern: "p*")
        try await bench.run {
            try await bench.expect(frame(to: b, from: a), from: "p1", reaches: ["br0", "p2", "p3"])
            try await bench.expect(frame(to: a, from: b), from: "p2", reaches: ["p1"])
            try await bench.expect(frame(to: b, from: a), from: "p1", reaches: ["p2"])
            // From and to the host itself, whose port is LOCAL.
            try await bench.expect(frame(to: a, from: c), from: "br0", reaches: ["p1"])
            try await bench.expect(frame(to: c, from: b), from: "p2", reaches: ["br0"])
            try await bench.expect(frame(to: broadcast, from: b), from: "p2", reaches: ["br0", "p1", "p3"])

            let learned = await bench.bridge.learnedAddresses
            #expect(Set(learned.map(\.mac)) == [a, b, c])
            #expect(learned.first { $0.mac == c }?.port == 0)
            let statistics = await bench.bridge.statistics
            #expect(statistics.learned == 3)
            #expect(statistics.moved == 0)
            #expect(statistics.flooded == 2)
            #expect(statistics.failures == 0)
            #expect(bench.recorder.events.contains(.addressLearned(mac: a, vlan: 0, port: 1)))
        }
    }

    @Test func packetsOfFlowMakeNoUpcalls() async throws {
        let bench = try Bench(interfaces: threePorts, pattern: "p*")
        try await bench.run {
            try await bench.send(frame(to: b, from: a), from: "p1")
            try await bench.send(frame(to: a, from: b), from: "p2")
            _ = bench.received()
            // The first flow flooded; it has been changed when b was learned.
            for _ in 0..<100 { try await bench.send(frame(to: b, from: a), from: "p1") }
            #expect(bench.received().mapValues(\.count) == ["p2": 100])
            let statistics = await bench.bridge.statistics
            #expect(statistics.upcalls == 2)
            #expect(statistics.flowsAdded == 2)
            #expect(statistics.flowsChanged == 1)
            let hits = try bench.hits
            #expect(hits == 100)
        }
    }

    @Test func destinationOnSamePortIsDropped() async throws {
        let bench = try Bench(interfaces: threePorts, pattern: "p*")
        try await bench.run {
            try await bench.send(frame(to: broadcast, from: a), from: "p1")
            try await bench.send(frame(to: broadcast, from: b), from: "p1")
            try await bench.expect(frame(to: b, from: a), from: "p1", reaches: [])
            try await bench.expect(frame(to: b, from: a), from: "p1", reaches: [])
            let statistics = await bench.bridge.statistics
            #expect(statistics.dropped == 1)
            #expect(statistics.upcalls == 3)
        }
    }

    /// What a frame of this EtherType must have for the switch to take it: NSH a header, any other type anything.
    private func payload(_ type: UInt16) -> [UInt8] {
        (type == EtherType.nsh ? [0x0f, 0xc6, 1, 3, 0, 0, 1, 255] : []) + [UInt8](repeating: 0x55, count: 46)
    }

    @Test func oneFlowForAllEtherTypes() async throws {
        let bench = try Bench(interfaces: threePorts, pattern: "p*")
        try await bench.run {
            try await bench.send(frame(to: broadcast, from: b), from: "p2")
            for type in [
                EtherType.ipv4, EtherType.arp, EtherType.ipv6, EtherType.mplsUnicast, EtherType.nsh, EtherType.rarp,
                0x88cc, 0x0010, 0xffff,
            ] {
                let frame = frame(to: b, from: a, type: type, payload: payload(type))
                try await bench.expect(frame, from: "p1", reaches: ["p2"])
            }
            // A tag that is cut off is no tag.
            let cut = frame(to: b, from: a, type: EtherType.vlan, payload: [0, 5])
            try await bench.expect(cut, from: "p1", reaches: ["p2"])
            let statistics = await bench.bridge.statistics
            #expect(statistics.upcalls == 2)
            #expect(statistics.flows == 2)
        }
    }

    @Test func taggedEtherTypes() async throws {
        let bench = try Bench(interfaces: threePorts, pattern: "p*")
        try await bench.run {
            let tags = [Tag(vid: 7)]
            try await bench.send(frame(to: broadcast, from: b, tags: tags), from: "p2")
            let types = [
                EtherType.ipv4, EtherType.arp, EtherType.ipv6, EtherType.rarp, 0x88cc, 0x0010, EtherType.mplsUnicast,
                EtherType.mplsMulticast, EtherType.nsh,
            ]
            for _ in 0..<2 {
                for type in types {
                    let frame = frame(to: b, from: a, tags: tags, type: type, payload: payload(type))
                    try await bench.expect(frame, from: "p1", reaches: ["p2"])
                }
                let cut = frame(to: b, from: a, tags: tags, type: EtherType.vlan, payload: [0, 5])
                try await bench.expect(cut, from: "p1", reaches: ["p2"])
            }
            let statistics = await bench.bridge.statistics
            // Seven EtherTypes have a flow each; MPLS and NSH behind a tag have none.
            #expect(statistics.flows == 1 + 7)
            #expect(statistics.upcalls == 1 + 7 + 2 * 3)
            #expect(statistics.failures == 0)
        }
    }

    @Test func vlansAreSeparate() async throws {
        let bench = try Bench(interfaces: threePorts, pattern: "p*")
        try await bench.run {
            try await bench.send(frame(to: broadcast, from: b, tags: [Tag(vid: 10)]), from: "p2")
            try await bench.send(frame(to: broadcast, from: b, tags: [Tag(vid: 20)]), from: "p3")
            func expect(
                _ tags: [Tag], reach ports: Set<String>, sourceLocation: SourceLocation = #_sourceLocation
            ) async throws {
                let frame = frame(to: b, from: a, tags: tags)
                try await bench.expect(frame, from: "p1", reaches: ports, sourceLocation: sourceLocation)
            }
            try await expect([Tag(vid: 10)], reach: ["p2"])
            try await expect([Tag(vid: 20)], reach: ["p3"])
            try await expect([Tag(vid: 30)], reach: ["br0", "p2", "p3"])
            try await expect([], reach: ["br0", "p2", "p3"])
            #expect(await bench.bridge.statistics.moved == 0)

            // Priority bits and inner tags do not count, and need no further flows once there are flows for their kind.
            try await expect([Tag(vid: 10), Tag(vid: 20)], reach: ["p2"])
            let upcalls = await bench.bridge.statistics.upcalls
            try await expect([Tag(vid: 10, priority: 5)], reach: ["p2"])
            try await expect([Tag(vid: 10), Tag(vid: 33, priority: 3)], reach: ["p2"])
            #expect(await bench.bridge.statistics.upcalls == upcalls)
            try await expect([Tag(vid: 20, tpid: EtherType.serviceVLAN), Tag(vid: 10)], reach: ["p3"])
            try await expect([Tag(vid: 10), Tag(vid: 1), Tag(vid: 2)], reach: ["p2"])

            // A tag without a VLAN ID is as no tag.
            try await bench.send(frame(to: broadcast, from: c), from: "p3")
            let priority = frame(to: c, from: a, tags: [Tag(vid: 0, priority: 7)])
            try await bench.expect(priority, from: "p1", reaches: ["p3"])
            #expect(await bench.bridge.statistics.failures == 0)
        }
    }

    @Test func addressMoves() async throws {
        let bench = try Bench(interfaces: threePorts, pattern: "p*")
        try await bench.run {
            try await bench.send(frame(to: broadcast, from: a), from: "p1")
            try await bench.send(frame(to: a, from: b), from: "p2")
            try await bench.expect(frame(to: b, from: a), from: "p1", reaches: ["p2"])
            // b moves to p3.
            try await bench.send(frame(to: broadcast, from: b), from: "p3")
            let upcalls = await bench.bridge.statistics.upcalls
            try await bench.expect(frame(to: b, from: a), from: "p1", reaches: ["p3"])
            #expect(await bench.bridge.statistics.upcalls == upcalls, "the flow to b was changed at once")
            var statistics = await bench.bridge.statistics
            #expect(statistics.moved == 1)
            #expect(statistics.flowsInvalidated == 1, "the flow of p2 from b to a")
            #expect(bench.recorder.events.contains(.addressMoved(mac: b, vlan: 0, from: 2, to: 3)))

            // And back, with the frame that had a flow before.
            try await bench.expect(frame(to: a, from: b), from: "p2", reaches: ["p1"])
            try await bench.expect(frame(to: b, from: a), from: "p1", reaches: ["p2"])
            statistics = await bench.bridge.statistics
            #expect(statistics.moved == 2)
            #expect(statistics.addresses == 2)
        }
    }

    @Test(arguments: [0, 1, 2, 3, 0xe, 0xf] as [UInt64])
    func linkLocalIsNotForwarded(_ last: UInt64) async throws {
        let bench = try Bench(interfaces: threePorts, pattern: "p*")
        try await bench.run {
            let frame = frame(to: 0x0180_c200_0000 | last, from: a, type: 0x0027)
            try await bench.expect(frame, from: "p1", reaches: [])
            try await bench.expect(frame, from: "p1", reaches: [])
            let statistics = await bench.bridge.statistics
            #expect(statistics.upcalls == 1)
            #expect(statistics.dropped == 1)
            // The sender is learned all the same.
            #expect(statistics.addresses == 1)
        }
    }

    @Test func otherMulticastIsFlooded() async throws {
        let bench = try Bench(interfaces: threePorts, pattern: "p*")
        try await bench.run {
            for destination: UInt64 in [0x0180_c200_0010, 0x0100_5e00_0001, 0x3333_0000_0001] {
                let frame = frame(to: destination, from: a)
                try await bench.expect(frame, from: "p1", reaches: ["br0", "p2", "p3"])
            }
        }
    }

    @Test func groupAddressIsNoSource() async throws {
        let bench = try Bench(interfaces: threePorts, pattern: "p*")
        try await bench.run {
            let source: UInt64 = 0x0100_5e00_0001
            try await bench.expect(frame(to: b, from: source), from: "p1", reaches: ["br0", "p2", "p3"])
            try await bench.expect(frame(to: source, from: b), from: "p2", reaches: ["br0", "p1", "p3"])
            let statistics = await bench.bridge.statistics
            #expect(statistics.addresses == 1)
            // The flow from the group address has followed b nevertheless.
            try await bench.expect(frame(to: b, from: source), from: "p1", reaches: ["p2"])
            #expect(await bench.bridge.statistics.upcalls == 2)
        }
    }

    @Test func framesOfHostileSizes() async throws {
        let bench = try Bench(interfaces: threePorts, pattern: "p*")
        try await bench.run {
            var random = SeededGenerator(seed: 3)
            let sizes = Array(0...120) + [1500, 1514, 1518, 9000, 65_000, 65_531, 65_535, 70_000]
            for size in sizes {
                for _ in 0..<3 {
                    try await bench.send((0..<size).map { _ in UInt8.random(in: 0...255, using: &random) }, from: "p1")
                }
                let types = [
                    EtherType.vlan, EtherType.serviceVLAN, EtherType.ipv4, EtherType.ipv6, EtherType.arp,
                ]
                for type in types {
                    let whole = frame(to: b, from: a, type: type, payload: Array(repeating: 0x81, count: size))
                    try await bench.send(Array(whole.prefix(size)), from: "p1")
                }
            }
            // It still works.
            try await bench.send(frame(to: broadcast, from: c), from: "p3")
            try await bench.expect(frame(to: c, from: b), from: "p2", reaches: ["p3"])
            #expect(await bench.bridge.statistics.failures == 0)
        }
    }
}
