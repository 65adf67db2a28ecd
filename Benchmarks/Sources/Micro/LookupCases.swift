import Bed
import DPIF

extension Case {
    /// Packets that miss the exact-match cache on purpose, and find their flow behind it.
    static var lookupCases: [Case] {
        [1, 8, 64, 512].map { masks in
            Case(name: "\(masks) mask\(masks == 1 ? "" : "s")", group: .lookup) {
                // Packets are spread over the masks: half of them are tried on the average, whatever their order.
                let bed = try Bed()
                try bed.dpif.setMaskCacheSize(0)
                try bed.install(masks) {
                    try .udp(to: Microflows.address($0), portMask: masks == 1 ? 0 : UInt16($0 + 1))
                }
                return microflows(bed, destinations: masks)
            }
        }
            + [1000, 100_000, 1_000_000].map { flows in
                Case(name: "\(flows) flows, one mask", group: .lookup, isQuick: flows <= 1000) {
                    let bed = try Bed()
                    try bed.install(flows) { try .udp(to: Microflows.address($0)) }
                    return microflows(bed, destinations: flows)
                }
            }
    }

    private static func microflows(_ bed: Bed, destinations: Int) -> Prepared {
        let packets = Microflows(destinations: destinations, missesCache: true)
        let position = Box((destination: 0, packet: 0))
        return Prepared(
            body: { count in packets.send(batches: count / 32, from: bed, position: &position.value) },
            end: {
                bed.end()
            })
    }
}

/// A value that closures share.
final class Box<Value> {
    var value: Value
    init(_ value: Value) { self.value = value }
}
