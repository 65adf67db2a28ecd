import Foundation
import Netlink
import OpenvSwitch
import Packets
import Synchronization
import Testing

@testable import Datapath

/// Packet threads and the control thread at work at the same time.
@Suite struct ThreadsTests {
    /// A host whose devices count what they are given.
    final class CountingPorts: PortProvider {
        let taken = Atomic<Int>(0)
        private let nextToken = Atomic<UInt64>(1)
        private let references = Mutex<[String: PortReference]>([:])

        func reference(_ name: String) -> PortReference? { references.withLock { $0[name] } }
        var now: UInt64 { 1000 }
        func open(_ request: PortRequest) throws(PortError) -> PortDevice {
            let token = nextToken.add(1, ordering: .relaxed).oldValue
            return PortDevice(
                token: token, name: request.name, ifindex: Int32(token), mtu: 1500, takesOffloads: true)
        }
        func start(_ device: PortDevice, for port: PortReference) {
            references.withLock { $0[device.name] = port }
        }
        func stop(_ device: PortDevice) {}
        func close(_ device: PortDevice) {}
        func statistics(of device: PortDevice) -> VportStatistics? { nil }
        func transmit(_ packets: UnsafeMutableBufferPointer<Packet>, to token: UInt64) -> Int {
            let count = packets.count
            _ = taken.add(count, ordering: .relaxed)
            return count
        }
        func interfaces() -> [HostInterface] { [] }
        func watchInterfaces(_ handler: @escaping @Sendable (HostInterfaceEvent) -> Void) {}
    }

    private static func match(_ source: UInt64) -> FlowMatch {
        var match = FlowMatch(key: FlowKey(), mask: FlowMask())
        match.key.ethernetSource = source
        match.mask.ethernetSource = 0xffff_ffff_ffff
        // Four masks, so that tables come and go too.
        if source % 4 > 0 { match.mask.etherType = 0xffff }
        if source % 4 > 1 { match.mask.kind = 0xff }
        if source % 4 > 2 { match.mask.inPort = 0xffff }
        match.key.etherType = 0x1234
        match.key.kind = 1
        match.key.inPort = 1
        return match
    }

    /// Two packet threads that send frames from 256 sources through a datapath, until they are told to end.
    private final class Traffic: Sendable {
        let host = CountingPorts()
        let sw: Switch
        let datapath: Int32
        let sent = Atomic<UInt64>(0)
        private let isEnding = Atomic<Bool>(false)
        private let group = Mutex<DispatchGroup?>(nil)

        init() throws {
            sw = Switch(provider: host, maximumThreads: 3)
            datapath = try sw.withControl { control throws(RequestError) -> Int32 in
                let datapath = try control.makeDatapath(name: "br0", upcallPortIDs: [0], ifindex: nil)
                for (number, name) in [(UInt16(1), "a"), (2, "b")] {
                    _ = try control.addVport(
                        name: name, type: .netdev, number: number, upcallPortIDs: [0], to: datapath)
                }
                return datapath.ifindex
            }
        }

        func start() throws {
            let port = try #require(host.reference("a"))
            let frame: [UInt8] =
                [2, 0, 0, 0, 0, 1] + [0, 0, 0, 0, 0, 0] + [0x12, 0x34] + [UInt8](repeating: 0, count: 46)
            let threads = startThreads(2) { [self] thread in
                let processor = PacketProcessor(sw)
                var source = thread * 17
                while !isEnding.load(ordering: .relaxed) {
                    processor.beginBatch(now: 1000)
                    for _ in 0..<32 {
                        guard var packet = processor.takePacket() else { break }
                        var bytes = frame
                        bytes[11] = UInt8(truncatingIfNeeded: source)
                        source &+= 1
                        _ = packet.assign(bytes.rawSpan)
                        processor.process(packet, from: port)
                        _ = sent.add(1, ordering: .relaxed)
                    }
                    unsafe processor.finishBatch { unsafe host.transmit($1, to: $0) }
                }
            }
            group.withLock { $0 = threads }
        }

        func control(_ body: (Datapath) -> Void) {
            sw.withControl { control in
                if let datapath = control.datapath(ifindex: datapath) { body(datapath) }
            }
        }

        func end() {
            isEnding.store(true, ordering: .relaxed)
            group.withLock { $0 }?.wait()
        }
    }

    /// Meters come, are replaced and go while packets meet them: nothing is read after it was freed.
    @Test func metersChangeUnderTraffic() throws {
        let traffic = try Traffic()
        traffic.control { datapath in
            let steps: [Instruction] = [.meter(1), .meter(2), .meter(99), .output(port: 2)]
            var match = FlowMatch(key: FlowKey(), mask: FlowMask())
            match.mask.kind = 0xff
            match.key.kind = 1
            _ = datapath.flows.insert(match, ufid: nil, actions: [], instructions: steps)
        }
        try traffic.start()
        var generator = SplitMix64(seed: 43)
        let deadline = Date().addingTimeInterval(1)
        while Date() < deadline {
            traffic.control { datapath in
                let id = UInt32(generator.next() % 40)
                if generator.next() % 3 == 0 {
                    datapath.removeMeter(id)
                } else {
                    // Some let everything pass and some nothing.
                    let band = MeterConfiguration.Band(rate: 1, burst: generator.next() % 2 == 0 ? .max : 0)
                    datapath.setMeter(MeterConfiguration(id: id, countsBytes: false, band: band), now: 1000)
                }
                if generator.next() % 1000 == 0 { datapath.meters.removeAll() }
            }
        }
        traffic.end()
        let statistics = try #require(traffic.sw.withControl { $0.datapath(ifindex: traffic.datapath)?.statistics })
        #expect(statistics.hit == traffic.sent.load(ordering: .relaxed))
        #expect(traffic.host.taken.load(ordering: .relaxed) > 0)
        #expect(traffic.host.taken.load(ordering: .relaxed) < Int(statistics.hit))
        traffic.sw.shutDown()
    }

    @Test func flowsChangeUnderTraffic() throws {
        let traffic = try Traffic()
        try traffic.start()
        // Flows for 256 sources come, change and go, at random.
        var generator = SplitMix64(seed: 42)
        let deadline = Date().addingTimeInterval(2)
        var rounds = 0
        while Date() < deadline {
            rounds += 1
            let source = generator.next() % 256
            traffic.control { datapath in
                let match = Self.match(source)
                switch datapath.flows.flow(unmaskedKey: match) {
                case let flow? where generator.next() % 3 == 0:
                    datapath.flows.setActions(of: flow, [], [.output(port: 2), .output(port: 2)])
                case let flow?: datapath.flows.remove(flow)
                case nil:
                    _ = datapath.flows.insert(match, ufid: nil, actions: [], instructions: [.output(port: 2)])
                }
                if generator.next() % 1000 == 0 { datapath.removeAllFlows() }
            }
        }
        traffic.end()
        let statistics = try #require(traffic.sw.withControl { $0.datapath(ifindex: traffic.datapath)?.statistics })
        #expect(rounds > 100)
        #expect(statistics.hit > 0)
        #expect(statistics.missed > 0)
        #expect(statistics.hit + statistics.missed == traffic.sent.load(ordering: .relaxed))
        #expect(statistics.lost == statistics.missed)
        // Every hit was sent once or twice.
        #expect(traffic.host.taken.load(ordering: .relaxed) >= Int(statistics.hit))
        #expect(traffic.host.taken.load(ordering: .relaxed) <= 2 * Int(statistics.hit))
        traffic.sw.shutDown()
    }

    @Test func nothingIsFreedWhileAReaderMaySeeIt() {
        let reclaimer = Reclaimer(readerCount: 2)
        let first = reclaimer.claimReader()
        let second = reclaimer.claimReader()
        #expect(first == 0 && second == 1)
        #expect(reclaimer.claimReader() == nil)
        var freed: [Int] = []
        reclaimer.retire { freed.append(0) }
        reclaimer.collect()
        #expect(freed == [0])
        reclaimer.begin(0)
        reclaimer.retire { freed.append(1) }
        reclaimer.collect()
        #expect(freed == [0])
        // A reader that begins later does not hold it back.
        reclaimer.begin(1)
        reclaimer.end(0)
        reclaimer.collect()
        #expect(freed == [0, 1])
        reclaimer.retire { freed.append(2) }
        reclaimer.collect()
        #expect(freed == [0, 1])
        reclaimer.end(1)
        reclaimer.waitForReaders()
        #expect(freed == [0, 1, 2])
        reclaimer.releaseReader(0)
        #expect(reclaimer.claimReader() == 0)
    }
}

/// Runs `body` on threads of their own, which wait for no one else's.
func startThreads(_ count: Int, _ body: @escaping @Sendable (_ index: Int) -> Void) -> DispatchGroup {
    let group = DispatchGroup()
    for index in 0..<count {
        group.enter()
        Thread.detachNewThread {
            body(index)
            group.leave()
        }
    }
    return group
}

/// A small random generator with a seed, so that a failure can be repeated.
struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
