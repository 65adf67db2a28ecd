import DPIF
import Datapath
import Device
import LearningBridge
import NetlinkSocket
import OpenvSwitch
import Synchronization
import Testing

/// A whole switch in memory with a bridge on it.
final class Bench: Sendable {
    let host = MemoryPorts()
    let sw: Switch
    let device: Device
    let datapath: NetlinkDPIF
    let bridge: LearningBridge
    let clock: TestClock
    let recorder: Recorder
    /// What the bridge sees as the datapath, if that is to fail.
    let faulty: FaultyDPIF?

    /// - Parameter expiryInterval: long by default, so that nothing expires but in tests of that.
    init(
        interfaces: [String] = [], ports: [String] = [], pattern: NamePattern? = nil,
        expiryInterval: Duration = .seconds(600), gate: Gate? = nil, isFaulty: Bool = false,
        _ configure: (inout LearningBridge.Configuration) -> Void = { _ in }
    ) throws {
        sw = Switch(provider: host)
        host.attach(to: sw)
        device = Device(sw)
        for name in interfaces { _ = host.plug(name) }
        datapath = try NetlinkDPIF.create("br0", over: device)
        let clock = TestClock()
        let recorder = Recorder()
        var configuration = LearningBridge.Configuration(ports: ports, pattern: pattern, clock: { clock.now })
        configuration.expiryInterval = expiryInterval
        configure(&configuration)
        self.clock = clock
        self.recorder = recorder
        faulty = isFaulty ? FaultyDPIF(datapath) : nil
        bridge = LearningBridge(datapath: faulty ?? datapath, configuration: configuration) { event in
            recorder.append(event)
            gate?.pass(event)
        }
    }

    /// Runs the bridge while `body` runs, and stops it.
    func run(_ body: () async throws -> Void) async throws {
        let task = Task { try await bridge.run() }
        defer {
            task.cancel()
            sw.shutDown()
            host.detach()
        }
        let configuration = bridge.configuration
        let expected = host.interfaces().map(\.name).filter {
            $0 != "br0" && (configuration.ports.contains($0) || configuration.pattern?.matches($0) == true)
        }
        try await eventually("the bridge has started") { await self.bridge.statistics.ports == expected.count + 1 }
        try await body()
        task.cancel()
        try await finish(task)
    }

    func port(_ name: String) throws -> MemoryPort { try #require(host.port(name)) }

    /// Waits until the bridge has taken all upcalls there were.
    func settle() async throws {
        let statistics = try #require(try datapath.information().stats)
        let due = statistics.missed - statistics.lost
        try await eventually("all upcalls are taken") { await self.bridge.statistics.upcalls >= due }
    }

    /// Sends a frame and waits until it has arrived wherever it goes.
    func send(_ frame: [UInt8], from name: String) async throws {
        try port(name).send(frame)
        try await settle()
    }

    /// The frames that have come out since the last call, by interface; interfaces without any are left out.
    func received() -> [String: [[UInt8]]] {
        var result: [String: [[UInt8]]] = [:]
        for interface in host.interfaces() {
            let frames = host.port(interface.name)?.receiveAll() ?? []
            if !frames.isEmpty { result[interface.name] = frames }
        }
        return result
    }

    /// Sends a frame and says where it came out; it must come out unchanged and once.
    func ports(reachedBy frame: [UInt8], from name: String) async throws -> Set<String> {
        _ = received()
        try await send(frame, from: name)
        let received = received()
        for (port, frames) in received { #expect(frames == [frame], "at \(port)") }
        return Set(received.keys)
    }

    /// Sends a frame, which must come out of these ports and no others.
    func expect(
        _ frame: [UInt8], from name: String, reaches expected: Set<String>,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let reached = try await ports(reachedBy: frame, from: name)
        #expect(reached == expected, sourceLocation: sourceLocation)
    }

    /// Packets that found a flow.
    var hits: UInt64 { get throws { try #require(try datapath.information().stats).hit } }

    /// The actions of all flows in the datapath.
    func flowActions() throws -> [[UInt8]] {
        var result: [[UInt8]] = []
        try datapath.dumpFlows(omitting: []) { result.append($0.actions ?? []) }
        return result
    }
}

/// A clock that stands still until it is told to go on.
final class TestClock: Sendable {
    private let time = Mutex(Duration.seconds(1))
    var now: Duration { time.withLock { $0 } }
    func advance(by duration: Duration) { time.withLock { $0 += duration } }
}

/// The events of a bridge.
final class Recorder: Sendable {
    private let recorded = Mutex<[LearningBridge.Event]>([])
    var events: [LearningBridge.Event] { recorded.withLock { $0 } }
    /// How often a port was attached, or detached.
    var attached: Int { events.count { if case .portAttached = $0 { true } else { false } } }
    var detached: Int { events.count { if case .portDetached = $0 { true } else { false } } }
    func append(_ event: LearningBridge.Event) { recorded.withLock { $0.append(event) } }
}

/// Holds a bridge up in its callback, so that its queues run over.
final class Gate: Sendable {
    private let isClosed = Atomic(false)
    private let isHeld = Atomic(false)

    /// Runs `body` while the bridge stands still, from the news of the interface `gate0` on, which is plugged here.
    /// Tests that do so must be serialized: the bridge keeps its thread.
    func hold(_ bench: Bench, _ body: () throws -> Void) async throws {
        isClosed.store(true, ordering: .sequentiallyConsistent)
        defer { isClosed.store(false, ordering: .sequentiallyConsistent) }
        _ = bench.host.plug("gate0")
        try await eventually("the bridge is held") { isHeld.load(ordering: .sequentiallyConsistent) }
        try body()
    }

    func pass(_ event: LearningBridge.Event) {
        guard case .portAttached(name: "gate0", _) = event else { return }
        isHeld.store(true, ordering: .sequentiallyConsistent)
        let deadline = ContinuousClock.now + .seconds(10)
        while isClosed.load(ordering: .sequentiallyConsistent), ContinuousClock.now < deadline {}
    }
}

struct TimedOut: Error, CustomStringConvertible {
    let description: String
}

/// Waits until a condition holds.
/// - Throws: `TimedOut` when time is over and it was asked for a thousand times: where other tests keep the threads, each
///   time takes as long as a step of the bridge.
func eventually(
    _ what: String, within limit: Duration = .seconds(10), _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    var wait = Duration.microseconds(20)
    var asked = 0
    while try await !condition() {
        asked += 1
        guard ContinuousClock.now < deadline || asked < 1000 else {
            throw TimedOut(description: "waited in vain until \(what)")
        }
        try await Task.sleep(for: wait)
        wait = min(wait * 2, .milliseconds(5))
    }
}

/// Waits until a task has ended, and throws its error.
func finish(_ task: Task<Void, any Error>) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await task.value }
        group.addTask {
            try await Task.sleep(for: .seconds(10))
            throw TimedOut(description: "the bridge did not end")
        }
        try await group.next()
        group.cancelAll()
    }
}

/// A stream of numbers that a seed determines.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}

// MARK: Frames

let broadcast: UInt64 = 0xffff_ffff_ffff

/// A VLAN tag.
struct Tag {
    var vid: UInt16
    var priority: UInt16 = 0
    var tpid: UInt16 = EtherType.vlan
}

func bytes(_ value: UInt64, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64(count - 1 - $0))) }
}

/// An Ethernet frame.
func frame(
    to destination: UInt64, from source: UInt64, tags: [Tag] = [], type: UInt16 = EtherType.ipv4,
    payload: [UInt8] = Array(repeating: 0x55, count: 46)
) -> [UInt8] {
    var result = bytes(destination, 6) + bytes(source, 6)
    for tag in tags {
        result += bytes(UInt64(tag.tpid), 2) + bytes(UInt64(tag.priority << 13 | tag.vid), 2)
    }
    return result + bytes(UInt64(type), 2) + payload
}
