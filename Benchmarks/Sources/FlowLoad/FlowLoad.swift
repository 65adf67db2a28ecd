import DPIF
import Datapath
import FlowTableBed
import Glibc
import OpenvSwitch
import Packets
import Synchronization

/// The flow table under load: `FlowLoad masks` what masks cost a packet, `FlowLoad share` what a port is left beside one
/// whose packets match none of thousands of masks, `FlowLoad churn [FLOWS…]` flows that come and go
/// and dumps while packets are forwarded.
@main struct FlowLoad {
    static func main() throws {
        let arguments = CommandLine.arguments.dropFirst()
        switch arguments.first {
        case "masks": try masks()
        case "share": try share()
        case "churn": try Churn.run(sizes: arguments.dropFirst().compactMap { Int($0) })
        default:
            print("usage: FlowLoad masks | share | churn [FLOWS…]")
            exit(2)
        }
    }

    /// Nanoseconds of processor time that a packet takes, the median of nine rounds.
    ///
    /// - Parameter fill: puts the frame of a number into a packet.
    static func cost(
        _ processor: PacketProcessor, _ port: PortReference, packets: Int, _ fill: (Int, inout Packet) -> Void
    ) -> Double {
        var rounds: [Double] = []
        var number = 0
        for _ in 0..<10 {
            let start = processorTime()
            for _ in 0..<(packets / 32) {
                processor.beginBatch(now: 1000)
                for _ in 0..<32 {
                    guard var packet = processor.takePacket() else { break }
                    fill(number, &packet)
                    processor.process(packet, from: port)
                    number += 1
                }
                processor.finishBatch { $1.count }
            }
            rounds.append(Double(processorTime() - start) / Double(packets / 32 * 32))
        }
        rounds.removeFirst()
        return rounds.sorted()[rounds.count / 2]
    }

    /// Port A has a flow under each of so many masks, port B one flow for all its packets.
    static func twoTenants(masks count: Int) throws -> FlowTableBed {
        let bed = try FlowTableBed()
        for number in 0..<count {
            bed.transact(try bed.put(FlowTableBed.exploded(number, port: 1), ufid: UInt64(number), output: 3))
        }
        var match = FlowTableBed.udp(0, port: 2)
        match.mask.ipv4Source = 0xff00_0000
        match.mask.transportSource = 0
        bed.transact(try bed.put(match, ufid: 1 << 32, output: 3))
        return bed
    }

    /// A thread with two ports that always have frames: those of port A match none of its masks.
    static func share() throws {
        print("packets/s of port B in a thread that it shares with port A, whose packets match none of so many masks:")
        for count in [0, 64, 512, 4096, 8192] {
            let bed = try twoTenants(masks: count)
            let processor = PacketProcessor(bed.sw)
            let attack = FlowTableBed.frame(source: .max, destination: .max, transport: .max)
            let frame = FlowTableBed.frame(source: 0x0a00_0001, destination: 0x0b00_0000, transport: 1)
            for isShared in [false, true] {
                var packets = [0, 0]
                let start = nanoseconds()
                while nanoseconds() - start < 500_000_000 {
                    processor.beginBatch(now: 1000)
                    for side in 0...1 {
                        let port = bed.host.port(side + 1)
                        let most = isShared ? processor.beginTurn(of: port) : 32
                        for _ in 0..<most {
                            guard var packet = processor.takePacket() else { break }
                            let fits = packet.assign(side == 0 ? attack.rawSpan : frame.rawSpan)
                            precondition(fits)
                            processor.process(packet, from: port)
                        }
                        if isShared { processor.endTurn(of: port, frames: most) }
                        packets[side] += most
                    }
                    processor.finishBatch { $1.count }
                }
                let seconds = Double(nanoseconds() - start) / 1e9
                let name = isShared ? "each its share" : "32 frames in turn"
                let rates = packets.map { Int(Double($0) / seconds) }
                print("  \(count) masks, \(name): B \(rates[1]), A \(rates[0])")
            }
        }
    }

    static func masks() throws {
        print("a packet that is in no cache, from port B with one mask, while port A has so many:")
        for count in [0, 64, 512, 4096, 8192] {
            let bed = try twoTenants(masks: count)
            let frames = (0..<65_536).map {
                FlowTableBed.frame(
                    source: 0x0a00_0000 | UInt32($0 &* 40_503 & 0xff_ffff), destination: 0x0b00_0000,
                    transport: UInt16(truncatingIfNeeded: $0))
            }
            let cost = cost(PacketProcessor(bed.sw), bed.host.port(2), packets: count < 1000 ? 65_536 : 8192) {
                let frame = frames[($0 &* 7919) & 0xffff]
                let fits = $1.assign(frame.rawSpan)
                precondition(fits)
            }
            print("  \(count) masks: \(Int(cost)) ns")
            let missed = try bed.dpif.information().stats?.missed
            precondition(missed == 0, "packets of port B found no flow")
        }
        for (name, only) in [("every mask as often", false), ("the mask that came last", true)] {
            print("a packet that is in no cache, from a port with so many masks, \(name):")
            for count in [1, 8, 64, 512] {
                let bed = try FlowTableBed()
                var frames: [[UInt8]] = []
                for number in 0..<count {
                    let match = FlowTableBed.exploded(number, port: 1)
                    bed.transact(try bed.put(match, ufid: UInt64(number), output: 3))
                    guard !only || number == count - 1 else { continue }
                    let each = max(32_768 / (only ? 1 : count), 64)
                    for index in 0..<each {
                        let (some, other) = (
                            UInt32(truncatingIfNeeded: index &* 0x9e37_79b1),
                            UInt32(truncatingIfNeeded: index &* 40_503)
                        )
                        frames.append(
                            FlowTableBed.frame(
                                source: match.key.ipv4Source | some & ~match.mask.ipv4Source,
                                destination: match.key.ipv4Destination | other & ~match.mask.ipv4Destination,
                                transport: match.key.transportSource
                                    | UInt16(truncatingIfNeeded: other) & ~match.mask.transportSource))
                    }
                }
                let processor = PacketProcessor(bed.sw)
                func measure() -> Double {
                    cost(processor, bed.host.port(1), packets: 65_536) {
                        let frame = frames[($0 &* 7919) % frames.count]
                        let fits = $1.assign(frame.rawSpan)
                        precondition(fits)
                    }
                }
                let before = measure()
                usleep(4_100_000)
                _ = try bed.dpif.information()  // the masks are put in the order of their use
                print("  \(count) masks: \(Int(before)) ns, in the order of their use \(Int(measure())) ns")
                let missed = try bed.dpif.information().stats?.missed
                precondition(missed == 0, "packets found no flow")
            }
        }
    }
}

/// A packet thread that forwards 1,000 flows, and what control does beside it.
enum Churn {
    final class Traffic: Sendable {
        let packets = Atomic<UInt64>(0)
        /// Processor time of the thread, in nanoseconds.
        let time = Atomic<UInt64>(0)
        /// Between two batches, in nanoseconds: of time, and of processor time, which others on the machine do not
        /// prolong.
        let longestGap = Atomic<UInt64>(0)
        let longestWork = Atomic<UInt64>(0)
        let isEnding = Atomic<Bool>(false)
        let processor: Unchecked<PacketProcessor>
        let port: Unchecked<PortReference>
        let frames: [[UInt8]]

        struct Unchecked<Value>: @unchecked Sendable { let value: Value }

        init(_ bed: FlowTableBed) {
            processor = Unchecked(value: PacketProcessor(bed.sw))
            port = Unchecked(value: bed.host.port(1))
            frames = (0..<1000).map {
                let match = FlowTableBed.udp(UInt64($0), kind: $0 % 8)
                return FlowTableBed.frame(
                    source: match.key.ipv4Source, destination: match.key.ipv4Destination,
                    transport: match.key.transportSource)
            }
        }

        func loop() {
            var number = 0
            var last = nanoseconds()
            var lastTime = processorTime()
            while !isEnding.load(ordering: .relaxed) {
                processor.value.beginBatch(now: last / 1_000_000)
                for _ in 0..<32 {
                    guard var packet = processor.value.takePacket() else { break }
                    let frame = frames[number % 1000]
                    let fits = packet.assign(frame.rawSpan)
                    precondition(fits)
                    processor.value.process(packet, from: port.value)
                    number += 1
                }
                processor.value.finishBatch { $1.count }
                packets.store(UInt64(number), ordering: .relaxed)
                let now = nanoseconds()
                if now - last > longestGap.load(ordering: .relaxed) { longestGap.store(now - last, ordering: .relaxed) }
                last = now
                let nowTime = processorTime()
                if nowTime - lastTime > longestWork.load(ordering: .relaxed) {
                    longestWork.store(nowTime - lastTime, ordering: .relaxed)
                }
                lastTime = nowTime
                time.store(nowTime, ordering: .relaxed)
            }
        }

        func start() -> pthread_t {
            var thread = pthread_t()
            let box = Unmanaged.passRetained(self)
            let error = pthread_create(
                &thread, nil,
                { argument in
                    Unmanaged<Traffic>.fromOpaque(argument!).takeRetainedValue().loop()
                    return nil
                }, box.toOpaque())
            precondition(error == 0)
            return thread
        }
    }

    static func run(sizes: [Int]) throws {
        for size in sizes.isEmpty ? [1000, 100_000, 500_000] : sizes {
            let bed = try FlowTableBed()
            for number in 0..<size {
                bed.transact(try put(bed, number))
            }
            let traffic = Traffic(bed)
            let thread = traffic.start()
            usleep(200_000)
            print("\(size) flows:")
            measure("packets alone", traffic) {
                usleep(1_000_000)
                return nil
            }
            let more = 20_000
            let puts = try (size..<(size + more)).map { try put(bed, $0) }
            let deletes = try (size..<(size + more)).map { try bed.delete(ufid: UInt64($0)) }
            for _ in 0..<2 {
                measure("puts", traffic) {
                    for request in puts { bed.transact(request) }
                    return more
                }
                measure("deletes", traffic) {
                    for request in deletes { bed.transact(request) }
                    return more
                }
            }
            // At a rate: 20,000 a second of each.
            measure("20,000 puts and deletes a second", traffic) {
                let start = nanoseconds()
                for index in 0..<more {
                    bed.transact(puts[index])
                    bed.transact(deletes[index])
                    while nanoseconds() - start < UInt64(index) * 50_000 { sched_yield() }
                }
                return more
            }
            measure("dump", traffic) {
                var count = 0
                try! bed.dpif.dumpFlows { _ in count += 1 }
                precondition(count == size)
                return count
            }
            measure("flush", traffic) {
                try! bed.dpif.flushFlows()
                return size
            }
            traffic.isEnding.store(true, ordering: .relaxed)
            pthread_join(thread, nil)
        }
    }

    private static func put(_ bed: FlowTableBed, _ number: Int) throws -> [UInt8] {
        try bed.put(FlowTableBed.udp(UInt64(number), kind: number % 8), ufid: UInt64(number), output: 2)
    }

    /// Prints how fast `body` was, and the packet thread meanwhile.
    private static func measure(_ name: String, _ traffic: Traffic, _ body: () -> Int?) {
        let before = (traffic.packets.load(ordering: .relaxed), traffic.time.load(ordering: .relaxed))
        traffic.longestGap.store(0, ordering: .relaxed)
        traffic.longestWork.store(0, ordering: .relaxed)
        let start = nanoseconds()
        let count = body()
        let seconds = Double(nanoseconds() - start) / 1e9
        let packets = Double(traffic.packets.load(ordering: .relaxed) - before.0)
        let time = Double(traffic.time.load(ordering: .relaxed) - before.1)
        let rate = count.map { "\(Int(Double($0) / seconds))/s, " } ?? ""
        let gap = traffic.longestGap.load(ordering: .relaxed) / 1000
        let work = traffic.longestWork.load(ordering: .relaxed) / 1000
        let cost = packets == 0 ? 0 : Int(time / packets)
        print("  \(name): \(rate)\(cost) ns/packet, longest gap \(gap) µs, of its own \(work) µs")
    }
}
