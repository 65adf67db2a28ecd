import Datapath
import Device
import FuzzSupport
import Netlink
import OpenvSwitch

// A list of actions: decoded, and validated, compiled and carried out on a frame, with flows and a meter to find. The
// first byte is the frame's length.

/// One switch in memory for the life of the process.
private final class Bed: Sendable {
    let host = MemoryPorts()
    let sw: Switch
    let device: Device

    init() {
        sw = Switch(provider: host)
        host.attach(to: sw)
        device = Device(sw)
        sw.withControl { control in
            do {
                let datapath = try control.makeDatapath(name: "dp", upcallPortIDs: [1], ifindex: nil)
                for (id, text) in Self.flows {
                    var match = FlowMatch(key: FlowKey(), mask: FlowMask())
                    (match.key.recircID, match.mask.recircID) = (id, .max)
                    let actions = try ActionText.parseActions(text, portNumber: nil)
                    let compiled = try CompiledActions(Attributes(actions.rawSpan), for: match)
                    _ = datapath.insertFlow(match, ufid: nil, compiled)
                }
                let band = MeterConfiguration.Band(rate: 1000, burst: 1)
                datapath.setMeter(MeterConfiguration(id: 1, countsBytes: true, band: band), now: 1)
            } catch { fatalError("\(error)") }
        }
    }

    /// What a packet finds that goes through the table again: a loop, a tree and an end. The key of flow 3 has no
    /// Ethernet header, and what it may do is little.
    private static let flows: [(UInt32, String)] = [
        (1, "clone(0,set(skb_mark(0x1)),meter(1)),hash(l4(1)),recirc(0x1)"), (2, "recirc(0x3),0,recirc(0x2)"),
        (3, "trunc(20),0,dec_ttl(le_1(0))"),
    ]

    /// Executes actions on a frame.
    func execute(_ frame: [UInt8], _ actions: RawSpan) {
        sw.withControl { control in
            guard let datapath = control.datapath(named: "dp") else { fatalError("the datapath is gone") }
            do throws(RequestError) {
                var metadata = FlowKey()
                metadata.inPort = FlowKey.noPort
                let execution = try control.planExecution(
                    frame: frame, metadata: FlowMetadata(key: metadata), actions: Attributes(actions))
                try control.execute(execution, in: datapath)
            } catch { require(error.errno > 0, "an error without a number") }
        }
    }
}
private let bed = Bed()

private let next = [UInt8](0..<60)
private let output: [UInt8] = [8, 0, 1, 0, 0, 0, 0, 0]

@main
enum FuzzActions: Fuzzer {
    static func main() { unsafe main { unsafe FuzzActions.call($0, $1) } }

    static func run(_ bytes: RawSpan) {
        var input = Input(bytes)
        let length = Int(input.byte())
        let frame = input.bytes(length).copyBytes()
        decode(input.rest)
        bed.execute(frame, input.rest)
        _ = bed.host.port("dp")?.receiveAll()
        // What a packet leaves behind does not touch the next one.
        bed.execute(next, output.rawSpan)
        require(bed.host.port("dp")?.receiveAll() == [next], "the next packet has changed")
    }
}

private func decode(_ bytes: RawSpan) {
    guard let actions = try? [Action](Attributes(bytes)) else { return }
    do {
        let encoded = try actions.encoded()
        require(try [Action](Attributes(encoded.rawSpan)) == actions, "actions have changed: \(actions)")
    } catch { fatalError("\(error)") }
}
