import FuzzSupport
import Netlink
import OpenvSwitch

// The typed messages of all families: read, written and read again.

@main
enum FuzzMessages: Fuzzer {
    static func main() { unsafe main { unsafe FuzzMessages.call($0, $1) } }

    static func run(_ bytes: RawSpan) {
        _ = DumpCursor(bytes)
        if let subscription = Subscription(bytes) {
            require(Subscription(subscription.bytes.rawSpan) == subscription, "a subscription has changed")
        }
        guard let message = try? Message(bytes) else { return }
        if let datapath = try? DatapathMessage(message) {
            again(datapath, { try DatapathMessage($0) }) { message, writer in try message.write(to: &writer) }
        }
        if let vport = try? VportMessage(message) {
            again(vport, { try VportMessage($0) }) { message, writer in try message.write(to: &writer) }
        }
        if let flow = try? FlowMessage(message) {
            again(flow, { try FlowMessage($0) }) { message, writer in try message.write(to: &writer) }
        }
        if let packet = try? PacketMessage(message) {
            again(packet, { try PacketMessage($0) }) { message, writer in try message.write(to: &writer) }
        }
        if let netdev = try? NetdevMessage(message) {
            again(netdev, { try NetdevMessage($0) }) { message, writer in try message.write(to: &writer) }
        }
        if let meter = try? MeterMessage(message) {
            again(meter, { try MeterMessage($0) }) { message, writer in try message.write(to: &writer) }
        }
        if let limits = try? CTLimitMessage(message) {
            again(limits, { try CTLimitMessage($0) }) { message, writer in try message.write(to: &writer) }
        }
    }
}

private func again<T: Equatable>(
    _ value: T, _ read: (borrowing Message) throws -> T, _ write: (T, inout MessageWriter) throws -> Void
) {
    var writer = MessageWriter(capacity: 1024)
    do {
        try write(value, &writer)
        let result = try read(Message(writer.bytes.rawSpan))
        require(result == value, "\(value) came back as \(result)")
    } catch {
        // Bytes that were no UTF-8 have grown when they were replaced.
        guard let error = error as? NetlinkError else { fatalError("\(error)") }
        require(error.code == .payloadTooLong || error.code == .malformedString, "\(error)")
    }
}
