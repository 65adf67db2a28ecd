import DPIF
import Datapath
import LearningBridge
import NetlinkSocket
import OpenvSwitch
import Testing

private let a: UInt64 = 0x0200_0000_000a
private let b: UInt64 = 0x0200_0000_000b

@Suite(.timeLimit(.minutes(5))) struct PortChangeTests {
    @Test func interfacesComeAndGo() async throws {
        let bench = try Bench(interfaces: ["vm1", "eth0"], pattern: "vm[0-9]")
        try await bench.run {
            try await bench.expect(frame(to: b, from: a), from: "vm1", reaches: ["br0"])

            _ = bench.host.plug("vm2")
            _ = bench.host.plug("other")
            try await eventually("vm2 is attached") {
                await bench.bridge.statistics.ports == 3
            }
            #expect(bench.recorder.events.contains(.portAttached(name: "vm2", number: 2)))
            // The flow that flooded has been changed: the packet makes no upcall.
            let upcalls = await bench.bridge.statistics.upcalls
            try await bench.expect(frame(to: b, from: a), from: "vm1", reaches: ["br0", "vm2"])
            #expect(await bench.bridge.statistics.upcalls == upcalls)

            try await bench.expect(frame(to: a, from: b), from: "vm2", reaches: ["vm1"])
            try await bench.expect(frame(to: b, from: a), from: "vm1", reaches: ["vm2"])
            bench.host.unplug("vm2")
            try await eventually("vm2 is detached") {
                await bench.bridge.statistics.ports == 2
            }
            #expect(bench.recorder.events.contains(.portDetached(name: "vm2", number: 2)))
            #expect(await bench.bridge.learnedAddresses.map(\.mac) == [a])
            #expect(await bench.bridge.statistics.flows == 1)
            try await bench.expect(frame(to: b, from: a), from: "vm1", reaches: ["br0"])
            let ports = try bench.datapath.ports().compactMap(\.name)
            #expect(ports == ["br0", "vm1"])
        }
    }

    /// An interface of the same name and number, but another: nothing may be left of the one before.
    @Test func interfaceIsReplacedAtOnce() async throws {
        let bench = try Bench(interfaces: ["vm1", "vm2"], pattern: "vm*")
        try await bench.run {
            for round in 1...20 {
                try await bench.send(frame(to: broadcast, from: b), from: "vm2")
                bench.host.unplug("vm2")
                _ = bench.host.plug("vm2")
                try await eventually("the new vm2 is a port") { bench.recorder.attached == 3 + round }
                #expect(bench.recorder.detached == round)
                #expect(await !bench.bridge.learnedAddresses.contains { $0.mac == b })
                try await bench.expect(frame(to: b, from: a), from: "vm1", reaches: ["br0", "vm2"])
            }
            #expect(await bench.bridge.statistics.failures == 0)
        }
    }

    /// A port whose interface gets another name stays, under that name, also when the name is not one of the bridge's.
    @Test func renamedPortsStay() async throws {
        let bench = try Bench(interfaces: ["vm1", "vm2"], pattern: "vm*")
        try await bench.run {
            try bench.host.play(HostScript([.rename("vm2", to: "lan")]))
            _ = bench.host.plug("vm2")
            try await eventually("the new vm2 is attached") { await bench.bridge.statistics.ports == 4 }
            try await bench.expect(frame(to: b, from: a), from: "vm1", reaches: ["br0", "lan", "vm2"])
            #expect(try bench.datapath.ports().compactMap(\.name) == ["br0", "vm1", "lan", "vm2"])
            #expect(!bench.recorder.events.contains { if case .attachFailed = $0 { true } else { false } })
            bench.host.unplug("lan")
            try await eventually("lan is detached") { await bench.bridge.statistics.ports == 3 }
            #expect(bench.recorder.events.contains(.portDetached(name: "lan", number: 2)))
        }
    }

    @Test func namedPortsReturn() async throws {
        let bench = try Bench(interfaces: ["lan", "wan"], ports: ["lan"])
        try await bench.run {
            #expect(await bench.bridge.statistics.ports == 2)
            bench.host.unplug("lan")
            try await eventually("lan is gone") { await bench.bridge.statistics.ports == 1 }
            _ = bench.host.plug("lan")
            try await eventually("lan is back") { await bench.bridge.statistics.ports == 2 }
        }
    }

    @Test func missingPortIsNamed() async throws {
        let bench = try Bench(interfaces: ["lan"], ports: ["lan", "wan"])
        defer { bench.host.detach() }
        var failure: (any Error)?
        do { try await bench.bridge.run() } catch { failure = error }
        guard case .cannotAttach(name: "wan", .refused(let refusal))? = failure as? LearningBridgeError else {
            Issue.record("\(String(describing: failure))")
            return
        }
        #expect(refusal.errno == Errno.noDevice)
        #expect(failure.map { "\($0)" }?.contains("wan") == true)
        bench.sw.shutDown()
    }

    @Test func othersPortsAreLeftAlone() async throws {
        let bench = try Bench(interfaces: ["vm1", "vm2"], pattern: "*")
        let other = try NetlinkDPIF.create("br1", over: bench.device)
        try other.addPort("vm2")
        let task = Task { try await bench.bridge.run() }
        try await eventually("the bridge has started") { await bench.bridge.statistics.ports == 2 }
        // Also when there is news of them.
        bench.host.setCarrier("vm2", false)
        _ = bench.host.plug("vm3")
        try await eventually("vm3 is attached") { await bench.bridge.statistics.ports == 3 }
        let ports = try bench.datapath.ports().compactMap(\.name)
        #expect(ports == ["br0", "vm1", "vm3"])
        #expect(!bench.recorder.events.contains { if case .attachFailed = $0 { true } else { false } })
        task.cancel()
        try await finish(task)
        bench.sw.shutDown()
        bench.host.detach()
    }

    /// What an administrator does to the datapath by hand.
    @Test func portsAddedAndDeletedByOthers() async throws {
        let bench = try Bench(interfaces: ["vm1", "eth0"], pattern: "vm*")
        try await bench.run {
            let other = try NetlinkDPIF.open("br0", over: bench.device)
            let added = try other.addPort("eth0", upcalls: [0])
            try await eventually("eth0 is served") { await bench.bridge.statistics.ports == 3 }
            try await bench.expect(frame(to: a, from: b), from: "eth0", reaches: ["br0", "vm1"])
            try await bench.expect(frame(to: b, from: a), from: "vm1", reaches: ["eth0"])
            try other.deletePort(try #require(added.portNumber))
            try await eventually("eth0 is not served") { await bench.bridge.statistics.ports == 2 }
            try await bench.expect(frame(to: b, from: a), from: "vm1", reaches: ["br0"])

            // A port that was taken off is not put on again, until its interface comes anew.
            try other.deletePort(try #require(try other.port(named: "vm1").portNumber))
            try await eventually("vm1 is not served") { await bench.bridge.statistics.ports == 1 }
            bench.host.setCarrier("vm1", false)
            _ = bench.host.plug("vm2")
            try await eventually("vm2 is served") { await bench.bridge.statistics.ports == 2 }
            let ports = try other.ports().compactMap(\.name)
            #expect(ports == ["br0", "vm2"])
            bench.host.unplug("vm1")
            _ = bench.host.plug("vm1")
            try await eventually("vm1 is served again") { await bench.bridge.statistics.ports == 3 }
        }
    }

    @Test func portsThatWereThereAreServed() async throws {
        let bench = try Bench(interfaces: ["vm1", "eth0"], pattern: "vm*")
        try bench.datapath.addPort("eth0", upcalls: [0])
        // A flow left by somebody else, which would swallow all frames.
        let ethernet: [UInt8] = [16, 0, 4, 0] + Array(repeating: 0, count: 12)
        try bench.datapath.putFlow(FlowPut(key: ethernet, mask: [], actions: []))
        let task = Task { try await bench.bridge.run() }
        try await eventually("the bridge has started") { await bench.bridge.statistics.ports == 3 }
        try await bench.expect(frame(to: a, from: b), from: "eth0", reaches: ["br0", "vm1"])
        task.cancel()
        try await finish(task)
        bench.sw.shutDown()
        bench.host.detach()
    }

    // MARK: The end

    @Test(arguments: [false, true]) func stopping(_ detachAtEnd: Bool) async throws {
        let bench = try Bench(interfaces: ["vm1", "vm2", "eth0"], pattern: "vm*") { $0.detachAtEnd = detachAtEnd }
        try bench.datapath.addPort("eth0")
        let task = Task { try await bench.bridge.run() }
        try await eventually("the bridge has started") { await bench.bridge.statistics.ports == 4 }
        try await bench.send(frame(to: b, from: a), from: "vm1")
        task.cancel()
        try await finish(task)
        let (ports, flows) = (try bench.datapath.ports().compactMap(\.name), try bench.flowActions().count)
        #expect(ports == (detachAtEnd ? ["br0", "eth0"] : ["br0", "eth0", "vm1", "vm2"]))
        #expect(flows == (detachAtEnd ? 0 : 1))

        // It can run again.
        let again = Task { try await bench.bridge.run() }
        try await eventually("the bridge has started again") {
            let statistics = await bench.bridge.statistics
            return statistics.ports == 4 && statistics.upcalls == 0
        }
        try bench.port("vm2").send(frame(to: broadcast, from: b))
        try await eventually("the upcall is taken") { await bench.bridge.statistics.upcalls == 1 }
        _ = bench.received()
        bench.host.port("vm1")?.send(frame(to: b, from: a))
        try await eventually("the frame has arrived") {
            let received = bench.received()
            return received["vm2"] != nil && received.count == 1
        }
        again.cancel()
        try await finish(again)
        bench.sw.shutDown()
        bench.host.detach()
    }

    @Test func runsOnlyOnce() async throws {
        let bench = try Bench(interfaces: ["vm1"], pattern: "vm*")
        try await bench.run {
            await #expect(throws: LearningBridgeError.alreadyRunning) { try await bench.bridge.run() }
            // The one that runs was not harmed.
            try await bench.expect(frame(to: b, from: a), from: "vm1", reaches: ["br0"])
        }
    }

    @Test func cancelledBeforeItRuns() async throws {
        let bench = try Bench(interfaces: ["vm1"], pattern: "vm*")
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            try await bench.bridge.run()
        }
        task.cancel()
        try await finish(task)
        bench.sw.shutDown()
        bench.host.detach()
    }

    @Test func deletedDatapathEndsIt() async throws {
        let bench = try Bench(interfaces: ["vm1"], pattern: "vm*", expiryInterval: .milliseconds(20))
        let task = Task { try await bench.bridge.run() }
        try await eventually("the bridge has started") { await bench.bridge.statistics.ports == 2 }
        try bench.datapath.delete()
        await #expect(throws: LearningBridgeError.datapathDeleted(name: "br0")) { try await finish(task) }
        bench.sw.shutDown()
        bench.host.detach()
    }
}
