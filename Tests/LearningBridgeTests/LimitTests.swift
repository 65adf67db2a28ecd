import DPIF
import Datapath
import Device
import LearningBridge
import NetlinkSocket
import OpenvSwitch
import Synchronization
import Testing

private let a: UInt64 = 0x0200_0000_000a
private let b: UInt64 = 0x0200_0000_000b

@Suite(.serialized, .timeLimit(.minutes(5))) struct LimitTests {
    /// Frames from ever new addresses: tables stay within their limits, and the bridge still bridges.
    @Test func stormIsBounded() async throws {
        let bench = try Bench(interfaces: ["p1", "p2", "p3"], pattern: "p*") {
            $0.maximumAddresses = 100
            $0.maximumFlows = 150
        }
        try await bench.run {
            for number in 0..<3000 {
                let source = 0x0200_1000_0000 | UInt64(number)
                try bench.port("p3").send(frame(to: 0x0200_2000_0000 | UInt64(number), from: source))
                // Group addresses are not learned, but have flows.
                try bench.port("p3").send(frame(to: broadcast, from: source | 0x0100_0000_0000))
                if number % 100 == 0 { try await bench.settle() }
            }
            try await bench.settle()
            var statistics = await bench.bridge.statistics
            #expect(statistics.addresses == 100)
            #expect(statistics.learned == 3000)
            #expect(statistics.replaced == 2900)
            #expect(statistics.flows <= 150)
            #expect(statistics.flowsRefused > 1000)
            #expect(statistics.failures == 0)
            let flows = try bench.flowActions().count
            #expect(flows == statistics.flows)
            _ = bench.received()

            // Flows there is no room for work without one, packet by packet.
            try await bench.expect(frame(to: broadcast, from: b), from: "p2", reaches: ["br0", "p1", "p3"])
            for _ in 0..<3 { try await bench.expect(frame(to: b, from: a), from: "p1", reaches: ["p2"]) }
            statistics = await bench.bridge.statistics
            #expect(statistics.addresses == 100)
        }
    }

    @Test func oldestAddressMakesRoom() async throws {
        let bench = try Bench(interfaces: ["p1", "p2", "p3"], pattern: "p*") { $0.maximumAddresses = 3 }
        try await bench.run {
            let stations = (1...4).map { 0x0200_0000_0000 | UInt64($0) }
            for station in stations.prefix(3) {
                try await bench.send(frame(to: broadcast, from: station), from: "p1")
            }
            // The first speaks again, to the second, which is then the oldest.
            try await bench.send(frame(to: stations[1], from: stations[0]), from: "p1")
            try await bench.send(frame(to: stations[1], from: stations[3]), from: "p2")
            let statistics = await bench.bridge.statistics
            #expect(statistics.replaced == 1)
            #expect(await bench.bridge.learnedAddresses.map(\.mac) == [stations[2], stations[0], stations[3]])
            // Flows to the one forgotten flood.
            try await bench.expect(
                frame(to: stations[1], from: stations[0]), from: "p1", reaches: ["br0", "p2", "p3"])
            try await bench.expect(
                frame(to: stations[1], from: stations[3]), from: "p2", reaches: ["br0", "p1", "p3"])
        }
    }

    @Test func withoutFlowsAtAll() async throws {
        let bench = try Bench(interfaces: ["p1", "p2", "p3"], pattern: "p*") { $0.maximumFlows = 0 }
        try await bench.run {
            for _ in 0..<3 {
                try await bench.expect(frame(to: broadcast, from: b), from: "p2", reaches: ["br0", "p1", "p3"])
                try await bench.expect(frame(to: b, from: a), from: "p1", reaches: ["p2"])
            }
            let statistics = await bench.bridge.statistics
            #expect(statistics.upcalls == 6)
            #expect(statistics.flowsRefused == 6)
            #expect(statistics.flows == 0)
        }
    }

    /// Many packets of one flow that wait at the same time: one flow, and every packet arrives.
    @Test func burstOfOneFlow() async throws {
        let gate = Gate()
        let bench = try Bench(interfaces: ["p1", "p2"], pattern: "*[0-9]", gate: gate, isFaulty: true)
        let puts = Counter()
        bench.faulty?.change {
            $0.operation = {
                if case .putFlow = $0 { puts.raise() }
                return nil
            }
        }
        try await bench.run {
            let port = try bench.port("p1")
            try await gate.hold(bench) {
                for number in 0..<500 { port.send(frame(to: b, from: a, payload: bytes(UInt64(number), 46))) }
            }
            try await bench.settle()
            let received = try bench.port("p2").receiveAll()
            #expect(received == (0..<500).map { frame(to: b, from: a, payload: bytes(UInt64($0), 46)) })
            let statistics = await bench.bridge.statistics
            #expect(statistics.flows == 1)
            #expect(statistics.flowsAdded == 1)
            #expect(statistics.upcalls == 500)
            #expect(puts.value == 8, "once in each batch of 64")
            #expect(statistics.failures == 0)
        }
    }

    @Test func lostUpcallsAreCounted() async throws {
        let gate = Gate()
        let bench = try Bench(interfaces: ["p1", "p2"], pattern: "*[0-9]", gate: gate)
        try await bench.run {
            let port = try bench.port("p1")
            let large = [UInt8](repeating: 1, count: 1400)
            try await gate.hold(bench) {
                for number in 0..<5000 {
                    port.send(frame(to: b, from: 0x0200_0000_1000 | UInt64(number), payload: large))
                }
            }
            try await bench.settle()
            try await eventually("the loss is noticed") { await bench.bridge.statistics.lostUpcalls > 0 }
            let statistics = await bench.bridge.statistics
            let lost = try bench.datapath.information().stats?.lost
            #expect(statistics.lostUpcalls == lost)
            #expect(statistics.upcalls + statistics.lostUpcalls == 5000)
            #expect(bench.recorder.events.contains { if case .upcallsLost = $0 { true } else { false } })
            _ = bench.received()
            try await bench.expect(frame(to: b, from: a), from: "p1", reaches: ["br0", "gate0", "p2"])
        }
    }

    @Test func portsAreReadAnewAfterLostEvents() async throws {
        let gate = Gate()
        let bench = try Bench(interfaces: ["p1", "p2", "p3", "p4"], pattern: "*[0-9]", gate: gate)
        try await bench.run {
            try await bench.send(frame(to: broadcast, from: b), from: "p2")
            try await gate.hold(bench) {
                // Of this the bridge reads only after it has looked for itself.
                bench.host.unplug("p2")
                _ = bench.host.plug("p2")
                for number in 0..<50_000 { bench.host.setCarrier("p1", number % 2 == 1) }
                // Of this the bridge hears nothing.
                bench.host.unplug("p3")
                bench.host.unplug("p4")
                _ = bench.host.plug("late0")
            }
            try await eventually("the bridge has caught up") {
                await bench.bridge.statistics.lostEvents > 0
                    && bench.recorder.events.contains { if case .portAttached("late0", _) = $0 { true } else { false } }
            }
            #expect(await bench.bridge.statistics.ports == 5, "br0, p1, p2, gate0 and late0")
            // What was not lost of the old news has been read when something new has.
            _ = bench.host.plug("last0")
            try await eventually("new events are read") {
                bench.recorder.events.contains { if case .portAttached("last0", _) = $0 { true } else { false } }
            }
            let statistics = await bench.bridge.statistics
            #expect(statistics.ports == 6, "br0, p1, p2, gate0, late0 and last0")
            #expect(statistics.addresses == 0)
            #expect(!bench.recorder.events.contains { if case .attachFailed = $0 { true } else { false } })
            #expect(bench.recorder.detached == 3)
            try await bench.expect(
                frame(to: b, from: a), from: "p1", reaches: ["br0", "gate0", "late0", "last0", "p2"])
        }
    }
}

private final class Counter: Sendable {
    private let count = Atomic(0)
    var value: Int { count.load(ordering: .sequentiallyConsistent) }
    func raise() { count.add(1, ordering: .sequentiallyConsistent) }
}
