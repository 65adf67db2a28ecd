import CCounters

/// What a case costs.
struct Measurement {
    let measured: Case
    /// Of each round, for one operation.
    var nanoseconds: [Double] = []
    /// For one operation.
    var allocations = 0.0
    /// nil if they are counted under callgrind alone.
    var references: Double?

    /// How long a round takes.
    private static let round = Duration.milliseconds(10)

    init(_ measured: Case, rounds: Int) throws {
        self.measured = measured
        let prepared = try measured.prepare()
        defer { prepared.end() }
        let clock = ContinuousClock()
        // Caches fill, lazy things happen, and the number of operations for a round is found.
        var count = measured.unit
        while true {
            let time = clock.measure { prepared.body(count) }
            if time >= Self.round / 2 { break }
            count *= 2
        }
        for _ in 0..<rounds {
            let time = clock.measure { prepared.body(count) }
            let (seconds, attoseconds) = time.components
            nanoseconds.append((Double(seconds) * 1e9 + Double(attoseconds) / 1e9) / Double(count))
        }
        // What twice as many operations cost more is without the costs of a call.
        let (once, twice) = (Self.count(prepared, count, measured), Self.count(prepared, 2 * count, measured))
        allocations = Double(twice.allocations - once.allocations) / Double(count)
        if measured.group.isPackets { references = Double(twice.references - once.references) / Double(count) }
    }

    private static func count(
        _ prepared: Case.Prepared, _ count: Int, _ measured: Case
    ) -> (allocations: Int, references: Int) {
        let before = (counters_allocations(), counters_references())
        counters_watch_references(measured.group.isPackets)
        prepared.body(count)
        counters_watch_references(false)
        return (Int(counters_allocations() - before.0), Int(counters_references() - before.1))
    }

    /// Once for the caches, once counted.
    static func countInstructions(_ measured: Case) throws {
        let prepared = try measured.prepare()
        let count = max(1024 / measured.unit, 1) * measured.unit
        prepared.body(count)
        counters_begin_instructions()
        prepared.body(count)
        counters_end_instructions("\(count) \(measured.name)")
        prepared.end()
    }

    /// An array of objects costs something.
    static func proveThatCountersCount() {
        final class Probe {}
        let before = (counters_allocations(), counters_references())
        counters_watch_references(true)
        var kept: [AnyObject] = []
        for _ in 0..<10 { kept.append(Probe()) }
        kept.append(contentsOf: kept)
        counters_watch_references(false)
        guard counters_allocations() > before.0, counters_references() > before.1 else {
            Micro.fail("the counters do not count: \(kept.count) objects made")
        }
    }

    var json: String {
        let numbers = nanoseconds.map { "\(($0 * 100).rounded() / 100)" }.joined(separator: ", ")
        // Names have neither quotes nor backslashes.
        return "{\"case\": \"\(measured.name)\", \"group\": \"\(measured.group.rawValue)\", "
            + "\"packets\": \(measured.group.isPackets), "
            + (measured.aim.map { "\"aim\": \($0), " } ?? "")
            + "\"nanoseconds\": [\(numbers)], \"allocations\": \(allocations), "
            + "\"references\": \(references.map { "\($0)" } ?? "null")}"
    }
}
