import DPIF
import Datapath
import LearningBridge
import OpenvSwitch
import Testing

private let a: UInt64 = 0x0200_0000_000a
private let b: UInt64 = 0x0200_0000_000b

@Suite(.timeLimit(.minutes(5))) struct ExpiryTests {
    /// A bridge that looks at its flows all the time, on a clock that stands still.
    private func bench(_ configure: (inout LearningBridge.Configuration) -> Void = { _ in }) throws -> Bench {
        try Bench(interfaces: ["p1", "p2", "p3"], pattern: "p*", expiryInterval: .milliseconds(5), configure)
    }

    @Test func idleFlowsGo() async throws {
        let bench = try bench()
        try await bench.run {
            try await bench.send(frame(to: b, from: a), from: "p1")
            try await bench.send(frame(to: a, from: b), from: "p2")
            bench.clock.advance(by: .seconds(9))
            // One of the flows is used.
            try await bench.send(frame(to: b, from: a), from: "p1")
            try await Task.sleep(for: .milliseconds(50))
            #expect(await bench.bridge.statistics.flows == 2)
            bench.clock.advance(by: .seconds(5))
            try await eventually("the idle flow is gone") { await bench.bridge.statistics.flows == 1 }
            let left = try bench.flowActions()
            #expect(left.count == 1)
            bench.clock.advance(by: .seconds(5))
            try await eventually("the other flow is gone") { await bench.bridge.statistics.flows == 0 }
            let statistics = await bench.bridge.statistics
            #expect(statistics.flowsExpired == 2)
            #expect(statistics.addresses == 2, "addresses stay")
            let none = try bench.flowActions()
            #expect(none.isEmpty)
            try await bench.expect(frame(to: b, from: a), from: "p1", reaches: ["p2"])
        }
    }

    @Test func silentAddressesAge() async throws {
        let bench = try bench { $0.flowIdleTime = .seconds(1000) }
        try await bench.run {
            try await bench.send(frame(to: b, from: a), from: "p1")
            try await bench.send(frame(to: a, from: b), from: "p2")
            // a keeps sending, by a flow; b is silent.
            for _ in 0..<3 {
                bench.clock.advance(by: .seconds(99))
                try await bench.send(frame(to: b, from: a), from: "p1")
                try await eventually("the packet is noticed") {
                    await bench.bridge.learnedAddresses.contains { $0.mac == a && $0.age == .zero }
                }
            }
            #expect(await bench.bridge.statistics.addresses == 2)
            bench.clock.advance(by: .seconds(4))
            try await eventually("b is forgotten") { await bench.bridge.statistics.addresses == 1 }
            #expect(await bench.bridge.learnedAddresses.map(\.mac) == [a])
            #expect(bench.recorder.events.contains(.addressAged(mac: b, vlan: 0, port: 2)))

            // The flow to b floods now, without an upcall, and the flow from b is gone, so that b is learned again.
            let statistics = await bench.bridge.statistics
            #expect(statistics.aged == 1)
            #expect(statistics.flows == 1)
            #expect(statistics.upcalls == 2)
            try await bench.expect(frame(to: b, from: a), from: "p1", reaches: ["br0", "p2", "p3"])
            #expect(await bench.bridge.statistics.upcalls == 2)
            try await bench.expect(frame(to: a, from: b), from: "p2", reaches: ["p1"])
            try await bench.expect(frame(to: b, from: a), from: "p1", reaches: ["p2"])
            #expect(await bench.bridge.statistics.upcalls == 3)
        }
    }

    @Test func flowsDeletedByOthersComeBack() async throws {
        let bench = try bench()
        try await bench.run {
            try await bench.send(frame(to: b, from: a), from: "p1")
            try bench.datapath.flushFlows()
            try await eventually("the flow is missed") { await bench.bridge.statistics.flowsVanished == 1 }
            #expect(await bench.bridge.statistics.flows == 0)
            try await bench.send(frame(to: b, from: a), from: "p1")
            let flows = try bench.flowActions().count
            #expect(flows == 1)
        }
    }

    /// Before the bridge has looked, a packet of the flow brings it back.
    @Test func missOfKnownFlowPutsItAgain() async throws {
        let bench = try Bench(interfaces: ["p1", "p2"], pattern: "p*")
        try await bench.run {
            try await bench.send(frame(to: b, from: a), from: "p1")
            try await bench.send(frame(to: b, from: a), from: "p1")
            #expect(await bench.bridge.statistics.upcalls == 1)
            try bench.datapath.flushFlows()
            try await bench.expect(frame(to: b, from: a), from: "p1", reaches: ["br0", "p2"])
            try await bench.expect(frame(to: b, from: a), from: "p1", reaches: ["br0", "p2"])
            let statistics = await bench.bridge.statistics
            #expect(statistics.upcalls == 2)
            #expect(statistics.flows == 1)
            #expect(statistics.flowsAdded == 2)
            // A flow that is gone when it is to be changed.
            try bench.datapath.flushFlows()
            try await bench.send(frame(to: broadcast, from: b), from: "p2")
            try await bench.expect(frame(to: b, from: a), from: "p1", reaches: ["p2"])
            #expect(await bench.bridge.statistics.flowsVanished == 1)
            #expect(await bench.bridge.statistics.failures == 0)
        }
    }

    @Test func flowsOfOthersAreLeftAlone() async throws {
        let bench = try bench()
        try await bench.run {
            let key = bytes(0, 0) + [16, 0, 4, 0] + bytes(0x0300_0000_0001, 6) + bytes(0x0300_0000_0002, 6)
            try bench.datapath.putFlow(FlowPut(key: key, actions: [], ufid: UFID(Array(repeating: 7, count: 16))))
            try bench.datapath.putFlow(
                FlowPut(key: [16, 0, 4, 0] + bytes(1, 6) + bytes(2, 6), actions: [], ufid: UFID([7])))
            bench.clock.advance(by: .seconds(100))
            try await Task.sleep(for: .milliseconds(50))
            let flows = try bench.flowActions().count
            #expect(flows == 2)
        }
    }
}
