import Netlink
import OpenvSwitch
import Packets
import Synchronization
import Testing

@testable import Datapath

/// Upcalls to a client that takes fewer than there are.
@Suite struct FullQueueTests {
    /// A receiver whose queue has room for so many upcalls, and that counts what it is asked.
    private final class Receiver: UpcallReceiver {
        struct State {
            var room = 0
            var portIDs: [UInt32] = []
            var isWatching = false
        }
        let state = Mutex(State())

        var watchesAll: Bool { state.withLock { $0.isWatching } }

        func deliver(_ upcalls: Upcalls, to portID: UInt32) -> TakenUpcalls {
            state.withLock { state in
                state.portIDs.append(portID)
                var taken = TakenUpcalls()
                let count = min(upcalls.count, state.room)
                taken.insert(0..<count)
                state.room -= count
                taken.isQueueFull = count < upcalls.count
                return taken
            }
        }

        /// To whom upcalls have been handed over since this was asked last.
        func asked() -> [UInt32] {
            state.withLock { state in
                defer { state.portIDs = [] }
                return state.portIDs
            }
        }
    }

    /// A switch with two ports, whose upcalls are for the port IDs 5 and 13, which share a place.
    private struct Bench {
        let host = ThreadsTests.CountingPorts()
        let sw: Switch
        let receiver = Receiver()
        let processor: PacketProcessor

        init() throws {
            sw = Switch(provider: host)
            sw.setReceiver(receiver)
            try sw.withControl { control throws(RequestError) in
                let datapath = try control.makeDatapath(name: "br0", upcallPortIDs: [0], ifindex: nil)
                for (number, name, portID) in [(UInt16(1), "a", UInt32(5)), (2, "b", 13)] {
                    _ = try control.addVport(
                        name: name, type: .netdev, number: number, upcallPortIDs: [portID], to: datapath)
                }
            }
            processor = PacketProcessor(sw)
        }

        /// So many packets that no flow matches, in one batch.
        func send(_ count: Int, from name: String, at milliseconds: UInt64) throws {
            let port = try #require(host.reference(name))
            processor.beginBatch(now: milliseconds)
            for _ in 0..<count {
                var packet = try #require(processor.takePacket())
                _ = packet.assign(
                    ([2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2, 0x12, 0x34] + [UInt8](repeating: 0, count: 46)).rawSpan)
                processor.process(packet, from: port)
            }
            unsafe processor.finishBatch { $1.count }
        }

        var lost: UInt64 { sw.withControl { $0.datapath(named: "br0")?.statistics.lost ?? .max } }
    }

    @Test func aFullQueueIsLeftAloneForTheRestOfTheMillisecond() throws {
        let bench = try Bench()
        bench.receiver.state.withLock { $0.room = 3 }
        try bench.send(10, from: "a", at: 1000)
        #expect(bench.receiver.asked() == [5])
        #expect(bench.lost == 7)
        // Nobody is asked, though there would be room; all are counted.
        bench.receiver.state.withLock { $0.room = 100 }
        try bench.send(10, from: "a", at: 1000)
        #expect(bench.receiver.asked().isEmpty)
        #expect(bench.lost == 17)
        // Another's queue is another matter.
        try bench.send(10, from: "b", at: 1000)
        #expect(bench.receiver.asked() == [13])
        #expect(bench.lost == 17)
        try bench.send(10, from: "a", at: 1001)
        #expect(bench.receiver.asked() == [5])
        #expect(bench.lost == 17)
        bench.sw.shutDown()
    }

    @Test func whoWatchesAllSeesAll() throws {
        let bench = try Bench()
        bench.receiver.state.withLock { $0.isWatching = true }
        for _ in 0..<3 { try bench.send(1, from: "a", at: 1000) }
        #expect(bench.receiver.asked() == [5, 5, 5])
        #expect(bench.lost == 3)
        bench.sw.shutDown()
    }
}
