import FuzzSupport
import Netlink
import OpenvSwitch

// The text form of keys and actions. The first byte chooses what the rest is: bytes to print, or a text to parse.

@main
enum FuzzText: Fuzzer {
    static func main() { unsafe main { unsafe FuzzText.call($0, $1) } }

    static func run(_ bytes: RawSpan) {
        var input = Input(bytes)
        let choice = input.byte()
        switch choice & 3 {
        case 0:
            let length: UInt16 = input.integer()
            let key = input.bytes(Int(length))
            let mask = input.rest
            let text = FlowText.key(key, mask: choice & 4 == 0 ? nil : mask, verbose: choice & 8 != 0, portName: nil)
            _ = try? FlowText.parseKey(text, portNumber: nil)
        case 1:
            let text = ActionText.actions(input.rest, portName: nil)
            _ = try? ActionText.parseActions(text, portNumber: nil)
        case 2:
            let text = String(decoding: input.rest.copyBytes(), as: UTF8.self)
            _ = try? UFIDText.parse(text)
            guard let (key, mask) = try? FlowText.parseKey(text, portNumber: { _ in 7 }) else { return }
            let printed = FlowText.key(key.rawSpan, mask: mask.rawSpan, verbose: true, portName: nil)
            _ = try? FlowText.parseKey(printed, portNumber: nil)
        default:
            let text = String(decoding: input.rest.copyBytes(), as: UTF8.self)
            guard let actions = try? ActionText.parseActions(text, portNumber: { _ in 7 }) else { return }
            let printed = ActionText.actions(actions.rawSpan, portName: nil)
            _ = try? ActionText.parseActions(printed, portNumber: nil)
        }
    }
}
