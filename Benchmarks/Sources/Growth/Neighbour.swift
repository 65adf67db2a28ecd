import Bed
import DPIF
import Datapath
import OpenvSwitch

/// Two tenants in one packet thread: port 1 has a flow under each of thousands of masks and sends packets that match
/// none of them; port 2 has one flow for all its packets.
enum Neighbour {
    static func run(_ clock: ContinuousClock) throws {
        for masks in [0, 64, 512, 4096, 8192] {
            let bed = try Bed()
            try bed.install(masks) { FlowPut(.exploded($0), actions: try Bed.output(3)) }
            var match = FlowMatch.udp(from: 2)
            (match.key.ipv4Destination, match.mask.ipv4Destination) = (0x0a00_0000, 0xff00_0000)
            try bed.dpif.putFlow(FlowPut(match, actions: try Bed.output(3)))
            let cost = Growth.lookup(bed, destinations: 65_536, port: bed.port(2), clock)
            let inTurn = rates(bed, clock, areShared: false)
            let shared = rates(bed, clock, areShared: true)
            Growth.say([
                "masks": Double(masks), "nanoseconds": cost, "inTurn": inTurn.second, "shared": shared.second,
                "attacker": shared.first,
            ])
            bed.end()
        }
    }

    /// Packets a second of port 1 and of port 2, both of which always have frames.
    /// - Parameter areShared: whether a turn is the port's share, or 32 frames.
    private static func rates(
        _ bed: Bed, _ clock: ContinuousClock, areShared: Bool
    ) -> (first: Double, second: Double) {
        let sides = [
            (bed.port(1), Frames.udp(from: .max, to: .max, port: .max)),
            (bed.port(2), Frames.udp(from: 1, to: 0x0a00_0001, port: 1)),
        ]
        var packets = [0, 0]
        let time = clock.measure {
            let end = clock.now + .milliseconds(500)
            while clock.now < end {
                bed.processor.beginBatch(now: 2000)
                for (side, (port, frame)) in sides.enumerated() {
                    let most = areShared ? bed.processor.beginTurn(of: port) : 32
                    for _ in 0..<most {
                        guard var packet = bed.processor.takePacket() else { fatalError("the batch is full") }
                        let fits = packet.assign(frame.rawSpan)
                        precondition(fits, "the frame is too long")
                        bed.processor.process(packet, from: port)
                    }
                    if areShared { bed.processor.endTurn(of: port, frames: most) }
                    packets[side] += most
                }
                bed.processor.finishBatch { $1.count }
            }
        }
        return (Double(packets[0]) / Growth.seconds(time), Double(packets[1]) / Growth.seconds(time))
    }
}
