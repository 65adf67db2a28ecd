import Datapath
import Device
import FuzzSupport
import Netlink
import OpenvSwitch

/// A switch in memory for the life of the process: a datapath with ports of both kinds, and one that is empty, where what
/// the first one told is put to the test.
final class Bed: Sendable {
    let host = MemoryPorts()
    let device: Device
    let handle: Handle
    let ifindex: Int32
    let scratchIfindex: Int32
    /// The datapath's ports by number.
    static let ports = ["dp", "p1", "p2", "i3"]

    init() {
        let sw = Switch(provider: host)
        host.attach(to: sw)
        device = Device(sw)
        do { handle = try device.open(.change) } catch { fatalError("\(error)") }
        let handle = handle
        var nothing = MessageWriter(limit: 64)
        let subscription = Subscription(.packet).bytes
        require(handle.control(.subscribe, input: subscription.rawSpan, output: &nothing).status == .success, "deaf")

        func make(_ name: String) -> Int32 {
            var message = DatapathMessage(command: Command.new, name: name)
            message.upcallPortID = handle.portID
            let bytes = written { writer throws(NetlinkError) in
                try message.write(to: &writer, flags: [.request, .echo])
            }
            var output = MessageWriter()
            _ = handle.control(.transact, input: bytes.rawSpan, output: &output)
            guard let view = try? Message(output.bytes.rawSpan), let reply = try? DatapathMessage(view) else {
                fatalError("no datapath")
            }
            return reply.datapathIfindex
        }
        ifindex = make("dp")
        scratchIfindex = make("scratch")
        for (number, name) in Self.ports.enumerated().dropFirst() {
            let type = name.hasPrefix("p") ? VportType.netdev : .internal
            if type == .netdev { _ = host.plug(name) }
            let port = VportMessage(
                command: Command.new, datapathIfindex: ifindex, portNumber: UInt32(number), type: type, name: name,
                upcallPortIDs: [handle.portID])
            let bytes = written { writer throws(NetlinkError) in try port.write(to: &writer, flags: [.request]) }
            var output = MessageWriter()
            let result = handle.control(.transact, input: bytes.rawSpan, output: &output)
            require(result.status == .success && output.count == 0, "no port")
        }
    }

    // MARK: Requests

    /// A request of a family: its three headers and these attributes.
    func request(
        _ family: Family, _ command: UInt8, _ flags: UInt16, _ attributes: [UInt8], ifindex: Int32? = nil
    ) -> [UInt8] {
        native(UInt32(24 + attributes.count)) + native(family.id) + native(flags) + native(UInt32(7)) + zeros(4)
            + [command, family.version, 0, 0] + native(ifindex ?? self.ifindex) + attributes
    }

    /// What a request has come to.
    enum Answer {
        /// Carried out. The reply is there if the request is one that is replied to.
        case done([UInt8]?)
        case refused(ErrorMessage)
        /// The output had no room.
        case tooSmall(Int)

        var reply: [UInt8]? { if case .done(let reply) = self { reply } else { nil } }
        var isDone: Bool { if case .done = self { true } else { false } }
    }

    /// Sends a request and checks the form of what comes back: one reply if there is to be one, one acknowledgement if
    /// there is to be one, or one error.
    func transact(_ request: [UInt8], isReplied: Bool, room: Int = 1 << 18) -> Answer {
        var output = MessageWriter(capacity: 1024, limit: room)
        let result = handle.control(.transact, input: request.rawSpan, output: &output)
        if result.status == .bufferTooSmall {
            require(output.count == 0 && Int(result.information) > room, "a size that is said not to suffice, and does")
            return .tooSmall(Int(result.information))
        }
        require(result.status == .success, "a transaction failed: \(result.status)")
        require(Int(result.information) == output.count, "the result tells of another number of bytes")

        var reply: [UInt8]?
        var acknowledgements = 0
        var error: ErrorMessage?
        let bytes = output.bytes
        for message in messages(in: bytes) {
            require(message[8] == 7, "an answer to another request")
            if message[4] == UInt8(MessageType.error.rawValue) {
                let answer = parsed(message) { view throws(NetlinkError) in try ErrorMessage(view) }
                if answer.error == 0 { acknowledgements += 1 } else { error = answer }
                require(answer.request.sequence == 7, "an error of another request")
            } else {
                require(reply == nil, "two replies")
                reply = message
            }
        }
        let flags = UInt16(request[6]) | UInt16(request[7]) << 8
        guard let error else {
            require((reply != nil) == isReplied, "\(reply == nil ? "no" : "a") reply")
            require(acknowledgements == (flags & Flag.ack != 0 ? 1 : 0), "\(acknowledgements) acknowledgements")
            return .done(reply)
        }
        require(reply == nil && acknowledgements == 0, "an error and something else")
        check(error, request, isTight: room < ErrorMessage.cappedSize + 300)
        return .refused(error)
    }

    /// Where the fields of the headers begin that a request may be refused for: type, flags, port ID, command, version,
    /// datapath.
    private static let headerFields: Set<UInt32> = [4, 6, 12, 16, 17, 20]

    /// An error is one of those that may be, says why if there is room, and names a place in the request where an
    /// attribute or a field of a header begins.
    private func check(_ error: ErrorMessage, _ request: [UInt8], isTight: Bool) {
        require(allowedErrors.contains(-error.error), "error \(error.error): \(error.message ?? "")")
        require(isTight || !(error.message ?? "").isEmpty, "error \(error.error) without a text")
        guard let offset = error.offset, !Self.headerFields.contains(offset) else { return }
        require(
            isAttribute(Int(offset), in: request, from: 24, to: request.count),
            "offset \(offset) of \(request.count) bytes is no attribute: \(error.message ?? "")")
    }

    /// Whether an attribute begins at a place, at any level, or bytes that are none.
    private func isAttribute(_ place: Int, in bytes: [UInt8], from start: Int, to end: Int) -> Bool {
        var current = start
        while current < end {
            if current == place { return true }
            guard current + 4 <= end else { return false }
            let length = Int(bytes[current]) | Int(bytes[current + 1]) << 8
            guard length >= 4 else { return false }
            let next = min(current + (length + 3) & ~3, end)
            if place < next {
                return isAttribute(place, in: bytes, from: current + 4, to: min(current + length, end))
            }
            current = next
        }
        return false
    }

    // MARK: Dumps

    /// Everything that a dump of a family's table gives, in pieces that fit `room`.
    func dump(_ family: Family, room: Int = 1 << 20, ifindex: Int32? = nil) -> [UInt8] {
        var cursor = DumpCursor.start
        var room = room
        let request = request(family, Cmd.get, Flag.request | Flag.dump, [], ifindex: ifindex)
        var result: [UInt8] = []
        for _ in 0..<10_000 {
            var output = MessageWriter(capacity: 1024, limit: room)
            let bytes = cursor.bytes + request
            let status = handle.control(.dump, input: bytes.rawSpan, output: &output)
            if status.status == .bufferTooSmall {
                require(Int(status.information) > room, "a size that is said not to suffice, and does")
                room = Int(status.information)
                continue
            }
            guard status.status == .success, let next = DumpCursor(output.bytes.rawSpan) else { fatalError("no dump") }
            result += output.bytes.dropFirst(DumpCursor.size)
            if next.isZero { return result }
            require(next != cursor, "a dump that does not advance")
            cursor = next
        }
        fatalError("a dump without end")
    }

    /// The flows of a datapath, as a dump tells them.
    func flows(ifindex: Int32? = nil) -> [FlowMessage] {
        records(.flow, ifindex: ifindex).map(flow)
    }

    /// The messages of a dump but for its end.
    func records(_ family: Family, ifindex: Int32? = nil) -> [[UInt8]] {
        messages(in: dump(family, ifindex: ifindex)).filter { $0[4] != UInt8(MessageType.done.rawValue) }
    }

    // MARK: Upcalls

    /// The upcalls that wait, taken out of the queue, and whether some were lost.
    func takeUpcalls() -> (messages: [[UInt8]], isComplete: Bool) {
        var messages: [[UInt8]] = []
        var isComplete = true
        while true {
            var output = MessageWriter(capacity: 512)
            let result = handle.control(.readPacket, input: [UInt8]().rawSpan, output: &output)
            if result.status == .overflow {
                isComplete = false
                continue
            }
            require(result.status == .success, "upcalls cannot be read: \(result.status)")
            if output.count == 0 { return (messages, isComplete) }
            messages.append(output.bytes)
        }
    }
}

func written(_ body: (inout MessageWriter) throws(NetlinkError) -> Void) -> [UInt8] {
    var writer = MessageWriter()
    do { try body(&writer) } catch { fatalError("\(error)") }
    return writer.bytes
}

/// Messages that lie behind each other. Each has a length that is true.
func messages(in bytes: [UInt8]) -> [[UInt8]] {
    var result: [[UInt8]] = []
    var place = 0
    while place < bytes.count {
        require(place + 16 <= bytes.count, "bytes behind the last message")
        let length = Int(bytes[place]) | Int(bytes[place + 1]) << 8 | Int(bytes[place + 2]) << 16
        require(length >= 16 && place + length <= bytes.count, "a message whose length lies")
        result.append(Array(bytes[place..<(place + length)]))
        place += (length + 3) & ~3
    }
    return result
}

/// A message that the device has written, so that it must parse.
func parsed<T>(_ bytes: [UInt8], _ body: (borrowing Message) throws(NetlinkError) -> T) -> T {
    do {
        let message = try Message(bytes.rawSpan)
        return try body(message)
    } catch { fatalError("a message that does not parse: \(error)") }
}

func flow(_ bytes: [UInt8]) -> FlowMessage { parsed(bytes) { view throws(NetlinkError) in try FlowMessage(view) } }

func encoded(_ type: UInt16, _ payload: [UInt8]) -> [UInt8] {
    native(UInt16(payload.count + 4)) + native(type) + payload + zeros(-payload.count & 3)
}
