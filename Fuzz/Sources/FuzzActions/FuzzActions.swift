import Datapath
import Device
import FuzzSupport
import Netlink
import OpenvSwitch

// A list of actions: decoded, and validated, compiled and carried out on a frame. The first byte is the frame's length.

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
            do { _ = try control.makeDatapath(name: "dp", upcallPortIDs: [1], ifindex: nil) } catch {
                fatalError("\(error)")
            }
        }
    }
}
private let bed = Bed()

@main
enum FuzzActions: Fuzzer {
    static func main() { unsafe main { unsafe FuzzActions.call($0, $1) } }

    static func run(_ bytes: RawSpan) {
        var input = Input(bytes)
        let length = Int(input.byte())
        let frame = input.bytes(length).copyBytes()
        decode(input.rest)
        bed.sw.withControl { control in
            guard let datapath = control.datapath(named: "dp") else { fatalError("the datapath is gone") }
            do throws(RequestError) {
                var metadata = FlowKey()
                metadata.inPort = FlowKey.noPort
                let execution = try control.planExecution(
                    frame: frame, metadata: metadata, actions: Attributes(input.rest))
                try control.execute(execution, in: datapath)
            } catch { require(error.errno > 0, "an error without a number") }
        }
        _ = bed.host.port("dp")?.receiveAll()
    }
}

private func decode(_ bytes: RawSpan) {
    guard let actions = try? [Action](Attributes(bytes)) else { return }
    do {
        let encoded = try actions.encoded()
        require(try [Action](Attributes(encoded.rawSpan)) == actions, "actions have changed: \(actions)")
    } catch { fatalError("\(error)") }
}
