import FuzzSupport
import Netlink
import Synchronization

// Flows put, set, looked for, dumped and deleted, packets executed and frames forwarded, all through the device. The input
// is a program of steps; `Generator` makes keys, masks, actions and frames of its bytes.

private let bed = Bed()
private let counters = Mutex(Counters(bed))

@main
enum FuzzFlows: Fuzzer {
    static func main() { unsafe main { unsafe FuzzFlows.call($0, $1) } }

    static func run(_ bytes: RawSpan) {
        var run = Run(bed, bytes.copyBytes())
        counters.withLock { run.run(&$0) }
    }
}
