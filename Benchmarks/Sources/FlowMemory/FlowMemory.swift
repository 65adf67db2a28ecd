import FlowTableBed
import Glibc

/// What a million flows take: memory of the whole process, and how fast they are put in. Prints JSON, a line for each
/// number of flows.
@main struct FlowMemory {
    static func main() throws {
        let wanted = CommandLine.arguments.dropFirst().compactMap { Int($0) }
        let marks = wanted.isEmpty ? [0, 1_000, 10_000, 100_000, 1_000_000] : wanted.sorted()
        let bed = try FlowTableBed()
        var count = 0
        for mark in marks {
            var time: UInt64 = 0
            let first = count
            while count < mark {
                // The requests are made before the clock runs, a thousand at a time.
                let end = min(count + 1000, mark)
                let requests = try (count..<end).map {
                    try bed.put(FlowTableBed.udp(UInt64($0), kind: $0 % 8), ufid: UInt64($0), output: 2)
                }
                let start = nanoseconds()
                for request in requests { bed.transact(request) }
                time += nanoseconds() - start
                count = end
            }
            let rate = time == 0 ? 0 : (count - first) * 1_000_000_000 / Int(time)
            print("{\"flows\":\(count),\"resident\":\(residentBytes()),\"putsPerSecond\":\(rate)}")
            fflush(nil)
        }
        let information = try bed.dpif.information()
        precondition(information.stats?.flows == UInt64(count), "flows are missing")
    }

    /// Memory of the process that is in RAM, from `/proc/self/statm`.
    static func residentBytes() -> Int {
        let file = open("/proc/self/statm", O_RDONLY)
        defer { close(file) }
        var line = [UInt8](repeating: 0, count: 256)
        let length = read(file, &line, line.count)
        let fields = String(decoding: line.prefix(max(length, 0)), as: UTF8.self).split(separator: " ")
        return (Int(fields[1]) ?? 0) * sysconf(Int32(_SC_PAGESIZE))
    }
}
