import Bed
import DPIF
import Glibc
import Synchronization

/// Flows that come and go beside a packet thread that forwards 1,000 flows under eight masks.
enum Churn {
    /// What is put and deleted.
    private static let some = 20_000

    static func run(_ clock: ContinuousClock) throws {
        for size in [1000, 100_000, 500_000] {
            let bed = try Bed()
            try bed.install(size) { try flow($0) }
            let traffic = Traffic(bed)
            let thread = traffic.start()
            let flows = try (size..<(size + some)).map { try flow($0) }
            let puts = flows.map { Operation.putFlow($0) }
            let deletes = flows.map { Operation.deleteFlow(.ufid($0.ufid!)) }
            usleep(100_000)
            traffic.watch("nothing", size, clock) {
                usleep(500_000)
                return 0
            }
            try traffic.watch("puts", size, clock) {
                try bed.operate(puts)
                return some
            }
            try traffic.watch("deletes", size, clock) {
                try bed.operate(deletes)
                return some
            }
            try traffic.watch("20,000 puts and 20,000 deletes a second", size, clock) {
                let start = clock.now
                for index in 0..<some {
                    try bed.operate([puts[index]])
                    try bed.operate([deletes[index]])
                    while start.duration(to: clock.now) < .microseconds(50 * index) { sched_yield() }
                }
                return 2 * some
            }
            try traffic.watch("a dump", size, clock) {
                var count = 0
                try bed.dpif.dumpFlows { _ in count += 1 }
                precondition(count == size, "the dump has other flows")
                return count
            }
            try traffic.watch("a flush", size, clock) {
                try bed.dpif.flushFlows()
                return size
            }
            traffic.end(thread)
            bed.end()
        }
    }

    private static func flow(_ number: Int) throws -> FlowPut {
        try .udp(
            to: Microflows.address(number), portMask: UInt16(number % 8), ufid: try Growth.identifier(number))
    }
}

/// The packet thread.
private final class Traffic: @unchecked Sendable {
    // Sendable: of the bed the thread uses the processor, which nobody else does, and control all else.
    private let bed: Bed
    private let packets = Atomic<UInt64>(0)
    /// Processor time of the thread, in nanoseconds.
    private let time = Atomic<UInt64>(0)
    /// The longest batch, in nanoseconds: of time, and of processor time, which others on the machine do not prolong.
    private let longest = Atomic<UInt64>(0)
    private let longestWork = Atomic<UInt64>(0)
    private let isEnding = Atomic<Bool>(false)

    init(_ bed: Bed) { self.bed = bed }

    func start() -> pthread_t {
        var thread = pthread_t()
        let error = pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<Traffic>.fromOpaque(argument!).takeRetainedValue().loop()
                return nil
            }, Unmanaged.passRetained(self).toOpaque())
        precondition(error == 0, "there is no thread")
        return thread
    }

    func end(_ thread: pthread_t) {
        isEnding.store(true, ordering: .relaxed)
        pthread_join(thread, nil)
    }

    private func loop() {
        let flows = Microflows(destinations: 1000, missesCache: false)
        var position = (destination: 0, packet: 0)
        var (last, lastTime) = (nanoseconds(CLOCK_MONOTONIC), nanoseconds(CLOCK_THREAD_CPUTIME_ID))
        while !isEnding.load(ordering: .relaxed) {
            // At the end the flows are taken away.
            flows.send(batches: 1, from: bed, position: &position, mayMiss: true)
            packets.wrappingAdd(32, ordering: .relaxed)
            let (now, nowTime) = (nanoseconds(CLOCK_MONOTONIC), nanoseconds(CLOCK_THREAD_CPUTIME_ID))
            longest.max(now - last, ordering: .relaxed)
            longestWork.max(nowTime - lastTime, ordering: .relaxed)
            (last, lastTime) = (now, nowTime)
            time.store(nowTime, ordering: .relaxed)
        }
    }

    /// Says how fast `body` was, and the packet thread meanwhile.
    /// - Parameter body: gives the number of flows that it put, deleted or dumped.
    func watch(_ name: String, _ flows: Int, _ clock: ContinuousClock, _ body: () throws -> Int) rethrows {
        let before = (packets.load(ordering: .relaxed), time.load(ordering: .relaxed))
        longest.store(0, ordering: .relaxed)
        longestWork.store(0, ordering: .relaxed)
        let start = clock.now
        let count = try body()
        let seconds = Growth.seconds(start.duration(to: clock.now))
        let sent = Double(packets.load(ordering: .relaxed) - before.0)
        let time = Double(time.load(ordering: .relaxed) - before.1)
        Growth.say(
            [
                "flows": Double(flows), "rate": Double(count) / seconds, "nanoseconds": sent == 0 ? 0 : time / sent,
                "longest": Double(longest.load(ordering: .relaxed)) / 1e6,
                "longestWork": Double(longestWork.load(ordering: .relaxed)) / 1e6,
            ], of: name)
    }

    private func nanoseconds(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
