import Bed
import DPIF
import Datapath
import Glibc
import Netlink
import OpenvSwitch

/// How costs grow, as lines of JSON; scripts/growth makes tables and plots of them.
///
/// - `Growth masks`: a look-up behind the exact-match cache, against the number of masks. Half of them are tried on the
///   average.
/// - `Growth order`: the same where all packets need the mask that came last, before and after the masks are put in the
///   order of their use.
/// - `Growth neighbour`: what the masks of one port cost packets of another one (`Neighbour`).
/// - `Growth lookups`: look-ups with one mask, against the number of its flows.
/// - `Growth flows`: memory of the whole process, and rates of puts, deletes and dumps, against the flows that are there.
/// - `Growth churn`: packets while flows come and go (`Churn`).
@main struct Growth {
    static func main() throws {
        let clock = ContinuousClock()
        switch CommandLine.arguments.dropFirst().first {
        case "masks":
            for masks in (0...13).map({ 1 << $0 }) {
                let bed = try masked(masks)
                say(["masks": Double(masks), "nanoseconds": lookup(bed, destinations: masks, clock)])
                bed.end()
            }
        case "order":
            for masks in [1, 8, 64, 512, 4096] {
                let bed = try masked(masks, isReversed: true)
                let last = lookup(bed, destinations: 1, clock)
                // Control puts them in order when it is asked something and some seconds have passed.
                bed.host.now += 5000
                _ = try bed.dpif.information()
                say(["masks": Double(masks), "nanoseconds": last, "ordered": lookup(bed, destinations: 1, clock)])
                bed.end()
            }
        case "neighbour": try Neighbour.run(clock)
        case "lookups":
            for flows in counts {
                let bed = try Bed()
                try bed.install(flows) { try .udp(to: Microflows.address($0)) }
                say(["flows": Double(flows), "nanoseconds": lookup(bed, destinations: flows, clock)])
                bed.end()
            }
        case "flows": try flows(clock)
        case "churn": try Churn.run(clock)
        default:
            print("usage: Growth masks|order|neighbour|lookups|flows|churn")
            exit(64)
        }
    }

    static let counts = [1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000]

    /// Nanoseconds for a packet that is in no exact-match cache: the median of rounds of about 20 ms, after every destination
    /// had its turn.
    /// - Parameter port: where it comes from; port 1 if it is not said.
    static func lookup(
        _ bed: Bed, destinations: Int, port: PortReference? = nil, _ clock: ContinuousClock
    ) -> Double {
        let packets = Microflows(destinations: destinations, missesCache: true)
        var position = (destination: 0, packet: 0)
        packets.send(batches: max(destinations / 32, 100), from: bed, port: port, position: &position)
        var batches = 32
        while clock.measure({ packets.send(batches: batches, from: bed, port: port, position: &position) })
            < .milliseconds(10)
        {
            batches *= 2
        }
        let rounds = (0..<9).map { _ in
            seconds(clock.measure { packets.send(batches: batches, from: bed, port: port, position: &position) })
        }
        return rounds.sorted()[rounds.count / 2] * 1e9 / Double(batches * 32)
    }

    /// A switch with a flow under each of so many masks, and no cache of masks.
    /// - Parameter isReversed: whether the first destination's mask comes last.
    private static func masked(_ masks: Int, isReversed: Bool = false) throws -> Bed {
        let bed = try Bed()
        try bed.dpif.setMaskCacheSize(0)
        try bed.install(masks) {
            let number = isReversed ? masks - 1 - $0 : $0
            return try .udp(to: Microflows.address(number), portMask: masks == 1 ? 0 : UInt16(number + 1))
        }
        return bed
    }

    // MARK: Flows

    private static func flows(_ clock: ContinuousClock) throws {
        let bed = try Bed()
        let template = try template()
        let empty = resident
        say(["flows": 0, "resident": Double(empty)])
        var installed = 0
        for count in counts {
            try bed.install(count - installed) { try flow(installed + $0, template) }
            installed = count
            let resident = resident
            // Some go and come back, and all are dumped, in turn.
            let some = min(count / 2, 10_000)
            var (puts, deletes, dumps): ([Double], [Double], [Double]) = ([], [], [])
            for _ in 0..<3 {
                let all = try (0..<some).map { try flow($0 * (count / some), template) }
                let requests = all.map { Operation.deleteFlow(.ufid($0.ufid!)) }
                deletes.append(try rate(clock, some) { try bed.operate(requests) })
                puts.append(try rate(clock, some) { try bed.operate(all.map { .putFlow($0) }) })
                dumps.append(
                    try rate(clock, count) {
                        var found = 0
                        try bed.dpif.dumpFlows { _ in found += 1 }
                        precondition(found == count, "the dump has other flows")
                    })
            }
            say([
                "flows": Double(count), "resident": Double(resident),
                "bytesPerFlow": Double(resident - empty) / Double(count),
                "putsPerSecond": puts.sorted()[1], "deletesPerSecond": deletes.sorted()[1],
                "dumpedPerSecond": dumps.sorted()[1],
            ])
        }
        bed.end()
    }

    /// A flow as ovs-vswitchd puts it: all attributes of a UDP packet, one of them of this flow alone.
    private static func template() throws -> FlowMatch {
        let text =
            "recirc_id(0),dp_hash(0/0),skb_priority(0/0),in_port(1),skb_mark(0/0),ct_state(0/0),ct_zone(0/0),"
            + "ct_mark(0/0),ct_label(0/0),eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),eth_type(0x0800),"
            + "ipv4(src=10.0.0.1,dst=10.0.0.2,proto=17,tos=0/0,ttl=64/0,frag=no),udp(src=1000/0,dst=2000)"
        let (key, mask) = try FlowText.parseKey(text, portNumber: nil)
        return try FlowMatch(key: Attributes(key.rawSpan), mask: Attributes(mask.rawSpan))
    }

    private static func flow(_ index: Int, _ template: FlowMatch) throws -> FlowPut {
        var match = template
        match.key.ipv4Destination = Microflows.address(index)
        return FlowPut(match, actions: try Bed.output(2), ufid: try identifier(index))
    }

    /// As random as the hashes that they are: a multiplication that no two numbers share.
    static func identifier(_ index: Int) throws -> UFID? {
        var writer = MessageWriter(capacity: 16)
        try writer.append(raw: UInt64(index) &* 0x9e37_79b9_7f4a_7c15)
        try writer.append(raw: UInt64(index) &* 0xc2b2_ae3d_27d4_eb4f)
        return UFID(writer.bytes.rawSpan)
    }

    private static func rate(_ clock: ContinuousClock, _ count: Int, _ body: () throws -> Void) rethrows -> Double {
        let time = try clock.measure(body)
        return Double(count) / seconds(time)
    }

    static func seconds(_ time: Duration) -> Double {
        Double(time.components.seconds) + Double(time.components.attoseconds) / 1e18
    }

    /// Bytes of memory that the process has at the moment.
    private static var resident: Int {
        guard let file = fopen("/proc/self/statm", "r") else { return 0 }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        guard fgets(&line, 256, file) != nil else { return 0 }
        let fields = String(decoding: line.map { UInt8(bitPattern: $0) }, as: UTF8.self).split(separator: " ")
        return (fields.count > 1 ? Int(fields[1]) ?? 0 : 0) * sysconf(Int32(_SC_PAGESIZE))
    }

    /// - Parameter name: what the line is of, where numbers do not say it.
    static func say(_ values: KeyValuePairs<String, Double>, of name: String? = nil) {
        let first = name.map { ["\"name\": \"\($0)\""] } ?? []
        let parts = first + values.map { "\"\($0.key)\": \(($0.value * 100).rounded() / 100)" }
        print("{\(parts.joined(separator: ", "))}")
        fflush(nil)
    }
}
