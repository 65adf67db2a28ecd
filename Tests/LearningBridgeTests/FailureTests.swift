import DPIF
import Datapath
import LearningBridge
import Netlink
import NetlinkSocket
import OpenvSwitch
import Testing

private let a: UInt64 = 0x0200_0000_000a
private let b: UInt64 = 0x0200_0000_000b
private let noMemory = SocketError.refused(RequestError(Errno.noMemory, "the table is full"))

@Suite(.timeLimit(.minutes(5))) struct FailureTests {
    private func run(_ body: (Bench, FaultyDPIF) async throws -> Void) async throws {
        let bench = try Bench(interfaces: ["p1", "p2", "p3"], pattern: "p*", isFaulty: true)
        let faulty = try #require(bench.faulty)
        try await bench.run { try await body(bench, faulty) }
    }

    @Test func flowThatIsRefusedIsDoneWithout() async throws {
        try await run { bench, faulty in
            faulty.change { $0.operation = { if case .putFlow = $0 { noMemory } else { nil } } }
            for _ in 0..<2 { try await bench.expect(frame(to: b, from: a), from: "p1", reaches: ["br0", "p2", "p3"]) }
            let statistics = await bench.bridge.statistics
            #expect(statistics.failures == 2)
            #expect(statistics.flows == 0)
            #expect(statistics.flowsAdded == 0)
            #expect(bench.recorder.events.contains(.operationFailed(noMemory)))
        }
    }

    @Test func flowThatCannotBeChangedIsDeleted() async throws {
        try await run { bench, faulty in
            try await bench.send(frame(to: b, from: a), from: "p1")
            faulty.change {
                $0.operation = { if case .putFlow(let flow) = $0, flow.mode == .modify { noMemory } else { nil } }
            }
            try await bench.send(frame(to: broadcast, from: b), from: "p2")
            let flows = try bench.flowActions().count
            #expect(flows == 1, "only that of b")
            #expect(await bench.bridge.statistics.flows == 1)
            try await bench.expect(frame(to: b, from: a), from: "p1", reaches: ["p2"])
        }
    }

    @Test func flowThatIsThereAlreadyIsNoFailure() async throws {
        try await run { bench, faulty in
            faulty.change {
                $0.operation = {
                    if case .putFlow = $0 { .refused(RequestError(Errno.exists, "")) } else { nil }
                }
            }
            try await bench.expect(frame(to: b, from: a), from: "p1", reaches: ["br0", "p2", "p3"])
            #expect(await bench.bridge.statistics.failures == 0)
        }
    }

    @Test func packetThatIsRefusedIsCounted() async throws {
        try await run { bench, faulty in
            faulty.change { $0.operation = { if case .execute = $0 { noMemory } else { nil } } }
            try await bench.expect(frame(to: b, from: a), from: "p1", reaches: [])
            #expect(await bench.bridge.statistics.failures == 1)
            // The flow is there for the next.
            try await bench.expect(frame(to: b, from: a), from: "p1", reaches: ["br0", "p2", "p3"])
            #expect(await bench.bridge.statistics.failures == 1)
        }
    }

    @Test func upcallsThatCannotBeReadAreSkipped() async throws {
        try await run { bench, faulty in
            faulty.change { $0.receiving = [.malformed(NetlinkError(.truncated)), .lost(3)] }
            try await bench.expect(frame(to: b, from: a), from: "p1", reaches: ["br0", "p2", "p3"])
            let statistics = await bench.bridge.statistics
            #expect(statistics.lostUpcalls == 3)
            #expect(statistics.ignored == 1)
            #expect(bench.recorder.events.contains(.upcallsLost(3)))
        }
    }

    @Test func deviceThatFailsEndsIt() async throws {
        let bench = try Bench(interfaces: ["p1"], pattern: "p*", expiryInterval: .milliseconds(5), isFaulty: true)
        let task = Task { try await bench.bridge.run() }
        try await eventually("the bridge has started") { await bench.bridge.statistics.ports == 2 }
        bench.faulty?.change { $0.dumping = noMemory }
        await #expect(throws: noMemory) { try await finish(task) }
        bench.sw.shutDown()
        bench.host.detach()
    }

    @Test func datapathThatGoesEndsIt() async throws {
        let bench = try Bench(interfaces: ["p1"], pattern: "p*", isFaulty: true)
        let task = Task { try await bench.bridge.run() }
        try await eventually("the bridge has started") { await bench.bridge.statistics.ports == 2 }
        bench.faulty?.change { $0.operation = { _ in .refused(RequestError(Errno.noDevice, "")) } }
        try bench.port("p1").send(frame(to: b, from: a))
        await #expect(throws: LearningBridgeError.datapathDeleted(name: "br0")) { try await finish(task) }
        bench.sw.shutDown()
        bench.host.detach()
    }
}
