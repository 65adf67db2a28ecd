import Foundation
import OpenvSwitch
import Synchronization
import Testing

@testable import Datapath

/// A meter that can be shared and looked at.
private final class TestMeter: @unchecked Sendable {
    // Sendable: a meter is made to be shared by threads, each with a reader's number of its own.
    private let entry: MeterEntry
    init(_ configuration: MeterConfiguration, now: UInt64, readerCount: Int = 1) {
        entry = MeterEntry(configuration, now: now, readerCount: readerCount)
    }
    func admits(_ length: Int, now: UInt64, reader: Int = 0) -> Bool {
        entry.admits(length: length, now: now, reader: reader)
    }
    var usage: MeterUsage { entry.usage }
}

/// The token bucket, with a clock that the test advances.
@Suite struct MeterTests {
    private func kilobits(_ rate: UInt32, burst: UInt32) -> MeterConfiguration {
        MeterConfiguration(id: 1, countsBytes: true, band: MeterConfiguration.Band(rate: rate, burst: burst))
    }

    private func packets(_ rate: UInt32, burst: UInt32) -> MeterConfiguration {
        MeterConfiguration(id: 1, countsBytes: false, band: MeterConfiguration.Band(rate: rate, burst: burst))
    }

    /// What the kernel does with one packet after another.
    private struct Reference {
        let configuration: MeterConfiguration
        var bucket: Int64
        var used: UInt64

        init(_ configuration: MeterConfiguration, now: UInt64) {
            self.configuration = configuration
            bucket = Int64(configuration.band?.burst ?? 0) * 1000
            used = now
        }

        mutating func admits(_ length: Int, now: UInt64) -> Bool {
            guard let band = configuration.band else { return true }
            let elapsed = Int64(min(now > used ? now - used : 0, 1 << 31))
            used = max(used, now)
            bucket = min(bucket + elapsed * Int64(band.rate), Int64(band.burst) * 1000)
            let cost = configuration.countsBytes ? Int64(length) * 8 : 1000
            guard bucket >= cost else { return false }
            bucket -= cost
            return true
        }
    }

    @Test(arguments: [(1, 1), (10, 20), (1000, 100), (100_000, 100), (10_000_000, 12), (UInt32.max, UInt32.max)])
    func everyVerdictIsTheKernels(_ rate: UInt32, _ burst: UInt32) {
        var random = SplitMix64(seed: UInt64(rate) + 3)
        for countsBytes in [true, false] {
            let configuration = MeterConfiguration(
                id: 1, countsBytes: countsBytes, band: MeterConfiguration.Band(rate: rate, burst: burst))
            var now: UInt64 = 1_000_000_000
            let meter = TestMeter(configuration, now: now)
            var reference = Reference(configuration, now: now)
            var (passed, dropped) = (0, 0)
            for _ in 0..<50_000 {
                if random.next() % 4 == 0 { now += random.next() % 5 }
                // Now and then a thread whose batch began earlier, and a long pause.
                let time = random.next() % 16 == 0 ? now - random.next() % 20 : now
                if random.next() % 5000 == 0 { now += random.next() % (1 << 28) }
                let length = 60 + Int(random.next() % 1460)
                let isAdmitted = meter.admits(length, now: time)
                if isAdmitted != reference.admits(length, now: time) {
                    Issue.record("rate \(rate), burst \(burst): packet \(passed + dropped)")
                    return
                }
                if isAdmitted { passed += 1 } else { dropped += 1 }
            }
            let usage = meter.usage
            #expect(usage.statistics.packets == 50_000)
            #expect(usage.bands.first?.packets == UInt64(dropped))
            #expect(usage.used == reference.used)
        }
    }

    @Test func theRateOverTimeIsTheConfiguredOne() {
        // 10 Mbit/s of 1500-byte packets, offered at twice that; a burst of 100 kbit.
        let meter = TestMeter(kilobits(10_000, burst: 100), now: 5000)
        var bits = 0
        let seconds = 100
        for millisecond in 0..<(seconds * 1000) {
            for _ in 0..<2 where meter.admits(1250, now: 5000 + UInt64(millisecond)) {
                bits += 1250 * 8
            }
        }
        let expected = 10_000_000 * seconds
        #expect(abs(bits - expected) <= expected / 100 + 100_000)
        #expect(meter.usage.statistics.octets == UInt64(2 * 1250 * 1000 * seconds))

        // 1000 packets a second whatever their length, offered at seven times that in lumps.
        let counting = TestMeter(packets(1000, burst: 50), now: 5000)
        var count = 0
        for millisecond in stride(from: 0, to: seconds * 1000, by: 10) {
            for index in 0..<70 {
                let length = 60 + index * 20
                if counting.admits(length, now: 5000 + UInt64(millisecond)) { count += 1 }
            }
        }
        #expect(abs(count - 1000 * seconds) <= 10 * seconds)
    }

    @Test func aBurstPassesAtOnceAndNoMore() {
        let meter = TestMeter(packets(10, burst: 25), now: 0)
        func admitted(of offered: Int, at now: UInt64) -> Int {
            (0..<offered).count { _ in meter.admits(100, now: now) }
        }
        #expect(admitted(of: 100, at: 0) == 25)
        #expect(admitted(of: 100, at: 99) == 0)
        #expect(admitted(of: 100, at: 100) == 1)
        #expect(admitted(of: 100, at: 1100) == 10)
        // However long nothing comes, there is no more than the burst.
        #expect(admitted(of: 100, at: 1 << 40) == 25)
        #expect(meter.usage.bands == [FlowStatistics(packets: 500 - 61, octets: (500 - 61) * 100)])
        #expect(meter.usage.used == 1 << 40)
    }

    @Test func bitsAreEightTimesTheWholeLength() {
        // One kilobit: 125 bytes.
        let meter = TestMeter(kilobits(1, burst: 1), now: 0)
        #expect(!meter.admits(126, now: 0))
        #expect(meter.admits(125, now: 0))
        #expect(!meter.admits(1, now: 7))
        #expect(meter.admits(1, now: 8))
        // A packet of 64 KiB costs what it weighs.
        let large = TestMeter(kilobits(1, burst: 600), now: 0)
        #expect(large.admits(65_000, now: 0))
        #expect(!large.admits(65_000, now: 0))
        #expect(large.usage.statistics.octets == 130_000)
    }

    @Test func withoutABandOrABandThatDropsEverythingPasses() {
        let counting = TestMeter(
            MeterConfiguration(id: 1, countsBytes: true, band: nil), now: 3)
        #expect(counting.admits(1000, now: 9))
        #expect(counting.usage.bands.isEmpty)
        #expect(counting.usage.used == 9)
        #expect(counting.usage.statistics == FlowStatistics(packets: 1, octets: 1000))
        let other = TestMeter(
            MeterConfiguration(
                id: 1, countsBytes: true, band: MeterConfiguration.Band(type: 2, rate: 1, burst: 0)),
            now: 0)
        #expect(other.admits(1000, now: 0))
        #expect(other.usage.bands == [FlowStatistics(packets: 1, octets: 1000)])
        let none = TestMeter(packets(1000, burst: 0), now: 0)
        #expect(!none.admits(60, now: 1000))
    }

    /// Threads with one meter: together they get what one would, whatever the order they come in.
    @Test func threadsShareABucket() {
        let threads = 4
        let rounds = 2000
        let meter = TestMeter(packets(1000, burst: 100), now: 0, readerCount: threads)
        let clock = Atomic<UInt64>(0)
        let admitted = Atomic<Int>(0)
        let group = startThreads(threads) { reader in
            for _ in 0..<rounds {
                // A batch with the time at which it began; others may have gone on meanwhile.
                let now = clock.load(ordering: .relaxed)
                var count = 0
                for _ in 0..<32 where meter.admits(100, now: now, reader: reader) { count += 1 }
                _ = admitted.add(count, ordering: .relaxed)
                clock.add(1, ordering: .relaxed)
            }
        }
        group.wait()
        // A packet for each of the 8000 milliseconds, and the burst it began with.
        let end = Int(clock.load(ordering: .relaxed))
        #expect(end == threads * rounds)
        let total = admitted.load(ordering: .relaxed)
        #expect(total <= 100 + end)
        #expect(total >= 100 + end - threads)
        let usage = meter.usage
        #expect(usage.statistics.packets == UInt64(threads * rounds * 32))
        #expect(usage.bands.first?.packets == UInt64(threads * rounds * 32 - total))
    }

    /// Nothing is given out twice while all threads draw from a full bucket.
    @Test func threadsEmptyABucketOnce() {
        let (threads, burst) = (2, 500_000)
        let meter = TestMeter(packets(1, burst: UInt32(burst)), now: 7, readerCount: threads)
        let admitted = Atomic<Int>(0)
        let ready = Atomic<Int>(0)
        let group = startThreads(threads) { reader in
            ready.add(1, ordering: .relaxed)
            // Together, if the machine has a core for each.
            for _ in 0..<10_000_000 where ready.load(ordering: .relaxed) < threads {}
            var count = 0
            for _ in 0..<burst where meter.admits(100, now: 7, reader: reader) { count += 1 }
            _ = admitted.add(count, ordering: .relaxed)
        }
        group.wait()
        #expect(admitted.load(ordering: .relaxed) == burst)
        #expect(meter.usage.bands.first?.packets == UInt64((threads - 1) * burst))
    }

    // MARK: The table

    @Test func metersAgreeWithADictionary() throws {
        let sw = Switch(provider: MemoryPorts())
        let datapath = Datapath(name: "x", serial: 1, shared: sw)
        var random = SplitMix64(seed: 11)
        var model: [UInt32: UInt32] = [:]
        // Numbers that are small and dense, and numbers from anywhere.
        let numbers = (0..<300).map { $0 % 2 == 0 ? UInt32($0) : UInt32(truncatingIfNeeded: random.next()) }
        for round in 0..<20_000 {
            let id = numbers[Int(random.next() % 300)]
            if random.next() % 3 == 0 {
                datapath.removeMeter(id)
                model[id] = nil
            } else {
                let rate = UInt32(round) + 1
                let configuration = MeterConfiguration(
                    id: id, countsBytes: true, band: MeterConfiguration.Band(rate: rate, burst: 1))
                datapath.setMeter(configuration, now: 1)
                model[id] = rate
            }
        }
        #expect(datapath.meterCount == model.count)
        for id in numbers { #expect(datapath.meter(id)?.configuration.band?.rate == model[id]) }
        #expect(datapath.meter(123_456_789) == nil)
        datapath.meters.removeAll()
        #expect(datapath.meterCount == 0)
        for id in numbers { #expect(datapath.meter(id) == nil) }
        sw.shutDown()
    }

    @Test func thereIsABoundOnMeters() throws {
        let sw = Switch(provider: MemoryPorts(), maximumThreads: 1)
        let datapath = Datapath(name: "x", serial: 1, shared: sw)
        for id in 0..<UInt32(Datapath.maximumMeters) {
            datapath.setMeter(MeterConfiguration(id: id, countsBytes: true, band: nil), now: 1)
        }
        try datapath.planMeter(5)
        do throws(RequestError) {
            try datapath.planMeter(.max)
            Issue.record("one more was taken")
        } catch { #expect(error.errno == Errno.fileTooBig) }
        datapath.removeMeter(5)
        try datapath.planMeter(.max)
        datapath.meters.removeAll()
        sw.shutDown()
    }
}
