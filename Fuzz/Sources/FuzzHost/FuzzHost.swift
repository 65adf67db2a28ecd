import Doors
import FuzzSupport
import HostPorts
import Netlink

// What a Linux host brings beside packets: captures, and the datagrams of the Unix-socket door. The first byte chooses.

@main
enum FuzzHost: Fuzzer {
    static func main() { unsafe main { unsafe FuzzHost.call($0, $1) } }

    static func run(_ bytes: RawSpan) {
        var input = Input(bytes)
        switch input.byte() & 3 {
        case 0: capture(input.rest)
        case 1:
            guard let request = DoorRequest(input.rest) else { return }
            precondition(DoorRequest(request.bytes.rawSpan) == request, "a request reads back as another")
        case 2:
            guard let answer = DoorAnswer(input.rest) else { return }
            precondition(answer.bytes.count == DoorAnswer.size, "an answer's header has another size")
        default:
            guard let greeting = DoorGreeting(input.rest) else { return }
            let again = DoorGreeting(greeting.bytes.rawSpan)
            precondition(again?.portID == greeting.portID, "a greeting reads back as another")
        }
    }

    private static func capture(_ bytes: RawSpan) {
        guard var reader = try? PcapReader(bytes) else { return }
        var total = 0
        while let packet = try? reader.next() {
            total += packet.bytes.byteCount
            precondition(total <= bytes.byteCount, "a capture gives more than it has")
        }
    }
}
