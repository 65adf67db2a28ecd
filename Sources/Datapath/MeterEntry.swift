import OpenvSwitch
import Synchronization

/// A meter as the packet threads see it: a token bucket that any number of threads draw from without a lock.
///
/// The bucket holds bits, or thousandths of a packet, so that a millisecond earns it exactly `rate` of them. What is in
/// it follows from one word that threads exchange by comparing:
///
///     level = min(capacity, now · rate − spent)
///
/// `spent` is all that the bucket has given out, and all that ran over when it was full. A packet that fits adds its
/// cost; one that does not changes nothing. Sums are taken modulo 2⁶⁴: of `now · rate` and `spent` only the difference
/// counts.
@safe
struct MeterEntry: ~Copyable {
    let configuration: MeterConfiguration
    /// What the bucket holds when it is full.
    private let capacity: UInt64
    private let spent: Atomic<UInt64>
    /// Milliseconds of the monotonic clock at the last packet; at first, when the meter was made.
    ///
    /// A thread whose batch began earlier comes with an older time. Taken from this one, whose writers write it before
    /// `spent`, a time is never older than what it is compared with, and the difference never negative.
    private let used: Atomic<UInt64>
    /// One for each reader.
    private let counters: UnsafeMutablePointer<MeterCounters>
    private let readerCount: Int

    init(_ configuration: MeterConfiguration, now: UInt64, readerCount: Int) {
        self.configuration = configuration
        let band = configuration.band ?? MeterConfiguration.Band(type: 0, rate: 0, burst: 0)
        capacity = UInt64(band.burst) * 1000
        // The bucket begins full.
        spent = Atomic(now &* UInt64(band.rate) &- capacity)
        used = Atomic(now)
        self.readerCount = readerCount
        unsafe counters = .allocate(capacity: readerCount)
        for index in 0..<readerCount { unsafe (counters + index).initialize(to: MeterCounters()) }
    }

    deinit {
        unsafe counters.deinitialize(count: readerCount)
        unsafe counters.deallocate()
    }

    /// Counts a packet and says whether it may go on.
    /// - Parameters:
    ///   - length: bytes of the packet, all of them also if it stands for several.
    ///   - now: milliseconds of the monotonic clock.
    func admits(length: Int, now: UInt64, reader: Int) -> Bool {
        let bytes = UInt64(truncatingIfNeeded: length)
        unsafe counters[reader].packets.add(1)
        unsafe counters[reader].bytes.add(bytes)
        guard let band = configuration.band else {
            _ = advance(to: now)
            return true
        }
        let cost = configuration.countsBytes ? bytes &* 8 : 1000
        while true {
            let before = spent.load(ordering: .acquiring)
            let earned = advance(to: now) &* UInt64(band.rate)
            let level = min(earned &- before, capacity)
            guard level >= cost else { break }
            let (isDone, _) = spent.weakCompareExchange(
                expected: before, desired: earned &- level &+ cost, ordering: .acquiringAndReleasing)
            if isDone { return true }
        }
        unsafe counters[reader].exceedingPackets.add(1)
        unsafe counters[reader].exceedingBytes.add(bytes)
        return band.type != MeterBandType.drop
    }

    /// Sets `used`, unless it is later already.
    /// - Returns: the later of both.
    @inline(__always)
    private func advance(to now: UInt64) -> UInt64 {
        let last = used.load(ordering: .relaxed)
        return now > last ? used.max(now, ordering: .relaxed).newValue : last
    }

    /// What the meter has counted.
    var usage: MeterUsage {
        var usage = MeterUsage(used: used.load(ordering: .relaxed))
        var exceeding = FlowStatistics()
        for reader in 0..<readerCount {
            usage.statistics.packets &+= unsafe counters[reader].packets.current
            usage.statistics.octets &+= unsafe counters[reader].bytes.current
            exceeding.packets &+= unsafe counters[reader].exceedingPackets.current
            exceeding.octets &+= unsafe counters[reader].exceedingBytes.current
        }
        if configuration.band != nil { usage.bands = [exceeding] }
        return usage
    }
}

/// Counters of one packet thread for one meter.
struct MeterCounters: ~Copyable {
    let packets = Counter()
    let bytes = Counter()
    /// What the bucket had not enough for.
    let exceedingPackets = Counter()
    let exceedingBytes = Counter()
}
