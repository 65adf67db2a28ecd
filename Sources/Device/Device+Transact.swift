import Datapath
import Netlink
import OpenvSwitch

/// Why a request was not carried out. Nothing has changed then.
enum Refusal: Error {
    /// The datapath refuses: the client gets an `NLMSG_ERROR`.
    case error(RequestError)
    /// The output buffer lacks room for the reply: the call fails with the size that suffices.
    case tooSmall(Int)
}

/// A request under way: its message, where its reply goes, and how much room there is.
struct Request: ~Escapable {
    let message: Message
    let ovs: OVSHeader
    let handle: Handle
    /// Room for replies, in bytes.
    let room: Int

    @_lifetime(copy message)
    init(_ message: Message, _ ovs: OVSHeader, _ handle: Handle, room: Int) {
        self.message = message
        self.ovs = ovs
        self.handle = handle
        self.room = room
    }

    var flags: MessageFlags { message.header.flags }

    /// The attributes behind the three headers.
    var attributes: Attributes {
        @_lifetime(copy self)
        get {
            let offset = OVSHeader.attributesOffset
            return Attributes(message.bytes.clamped(offset..<message.bytes.byteCount), baseOffset: offset)
        }
    }

    /// Reads the attributes by a policy.
    @_lifetime(copy self)
    func parse(_ policy: Policy) throws(Refusal) -> AttributeSet {
        do { return try policy.parse(attributes) } catch { throw .error(RequestError(error)) }
    }

    /// Makes sure that a reply of so many bytes fits, with the acknowledgement if one was asked for. To be called after
    /// everything has been checked and before anything is changed.
    func requireRoom(_ reply: Int) throws(Refusal) {
        let needed = needed(for: reply)
        guard needed <= room else { throw .tooSmall(needed) }
    }

    /// As `requireRoom`, for a command that answers only when it is asked to echo.
    /// - Parameter reply: bytes that suffice; not computed if nobody asked.
    func requireRoomForEcho(_ reply: @autoclosure () -> Int) throws(Refusal) {
        try requireRoom(flags.contains(.echo) ? reply() : 0)
    }

    /// Bytes of a reply and the acknowledgement, if one was asked for.
    func needed(for reply: Int) -> Int {
        netlinkAligned(reply) + (flags.contains(.ack) ? ErrorMessage.cappedSize : 0)
    }
}

extension Device {
    /// Carries out the requests in the input, in order, and puts their replies into the output.
    ///
    /// Before a request whose reply does not fit any more the call ends: the requests before it have been carried out, and
    /// the client sends the rest again. If that is the first request, nothing has changed and the call fails.
    /// - Parameter control: the control side of the switch, if it has been entered.
    func transact(
        _ input: RawSpan, _ output: inout MessageWriter, _ handle: Handle, _ control: SwitchControl? = nil
    ) -> IOResult {
        let room = output.limit - output.count
        guard room >= ErrorMessage.cappedSize else {
            return IOResult(.invalidLength, information: ErrorMessage.cappedSize)
        }
        guard input.byteCount >= MessageHeader.size else {
            return IOResult(.invalidLength, information: MessageHeader.size)
        }
        var isFirst = true
        var messages = MessageSequence(input)
        while true {
            let message: Message
            do {
                guard let next = try messages.next() else { break }
                message = next
            } catch {
                // A length that lies ends the run; in the first message there is nothing to answer.
                if isFirst { return IOResult(.invalidParameter) }
                break
            }
            if case .tooSmall(let needed)? = answer(message, &output, handle, control) {
                if isFirst { return IOResult(.bufferTooSmall, information: needed) }
                break
            }
            isFirst = false
        }
        return IOResult(.success)
    }

    /// Carries out one request and writes its reply, its error or its acknowledgement.
    /// - Returns: a refusal if there is no room.
    private func answer(
        _ message: Message, _ output: inout MessageWriter, _ handle: Handle, _ control: SwitchControl?
    ) -> Refusal? {
        let flags = message.header.flags
        let mark = output.count
        do throws(Refusal) {
            if isRequest(message.header) { try carryOut(message, &output, handle, control) }
            if flags.contains(.ack) {
                // What a packet has come to is there before it is acknowledged.
                control?.finishExecutions()
                try acknowledge(message, RequestError(0, ""), &output)
            }
            return nil
        } catch {
            output.truncate(to: mark)
            guard case .error(let error) = error else { return error }
            do throws(Refusal) { try acknowledge(message, error, &output) } catch { return error }
            return nil
        }
    }

    private func acknowledge(
        _ message: Message, _ error: RequestError, _ output: inout MessageWriter
    ) throws(Refusal) {
        let isError = error.errno != 0
        let answer = ErrorMessage(
            error: -error.errno, request: message.header, message: isError ? error.message : nil,
            offset: error.offset.flatMap(UInt32.init(exactly:)))
        do { try answer.write(answering: message.bytes, to: &output) } catch {
            throw .tooSmall(ErrorMessage.cappedSize)
        }
    }

    /// Whether a message asks for something. As in the kernel, what is no request is skipped.
    private func isRequest(_ header: MessageHeader) -> Bool {
        guard header.type.rawValue >= MessageType.firstFamily.rawValue else { return false }
        return header.flags.contains(.request) || Family.with(id: header.type.rawValue)?.needsRequestFlag == false
    }

    private func carryOut(
        _ message: Message, _ output: inout MessageWriter, _ handle: Handle, _ entered: SwitchControl?
    ) throws(Refusal) {
        let rule: CommandRule
        let ovs: OVSHeader
        do { (rule, ovs) = try check(message, as: .transact, handle) } catch { throw .error(error) }
        guard !message.header.flags.isSuperset(of: .dump) else {
            throw .error(RequestError(Errno.notSupported, "a dump is an I/O control of its own, not a transaction"))
        }
        guard mayUse(rule, handle) else {
            throw .error(
                RequestError(Errno.notPermitted, "changing a datapath needs root or the group of the device's socket"))
        }
        let request = Request(message, ovs, handle, room: output.limit - output.count)
        if let entered { return try carryOut(request, rule, &output, entered) }
        try control.withControl { control throws(Refusal) in
            control.tend()
            try carryOut(request, rule, &output, control)
        }
    }

    private func carryOut(
        _ request: borrowing Request, _ rule: CommandRule, _ output: inout MessageWriter, _ control: SwitchControl
    ) throws(Refusal) {
        // Packets and the flows that are made for them come by turns.
        if rule.family != .packet, rule.family != .flow || request.ovs.command != Command.new {
            control.finishExecutions()
        }
        switch rule.family {
        case .datapath: try datapath(request, control, &output)
        case .vport: try vport(request, control, &output)
        case .flow: try flow(request, control, &output)
        case .packet: try packet(request, control)
        case .netdev: try netdev(request, control, control.provider.interfaces(), &output)
        case .control: try socketProperties(request, &output)
        case .meter: try meter(request, control, &output)
        case .ctLimit: try ctLimit(request, control, &output)
        default: throw .error(RequestError(Errno.notSupported, "family \(rule.family.name) takes no requests"))
        }
    }

    // MARK: Replies

    /// Writes the answer to a GET.
    /// - Throws: `tooSmall` if it does not fit, with its acknowledgement if one was asked for.
    func reply(
        _ message: some WritableMessage, _ request: borrowing Request, _ output: inout MessageWriter
    ) throws(Refusal) {
        let start = output.count
        do throws(NetlinkError) {
            try message.write(
                to: &output, flags: [], sequence: request.message.header.sequence, portID: request.handle.portID)
        } catch {
            guard error.code == .noSpace else { throw .error(RequestError(error)) }
            // By the next call a flow may have statistics.
            throw .tooSmall(request.needed(for: size(of: message) + Flow.usageAllowance))
        }
        try request.requireRoom(output.count - start)
    }

    /// Sends what a NEW, SET or DEL comes to: to the requester if it asked for an echo, and to the family's group.
    ///
    /// A reply that is known before the change is published before it, and one that does not fit is refused here. Where the
    /// change makes the reply, `requireRoomForEcho` comes before the change.
    func publish(
        _ message: some WritableMessage, of group: MulticastGroup, _ request: borrowing Request,
        _ output: inout MessageWriter
    ) throws(Refusal) {
        let start = output.count
        if request.flags.contains(.echo) {
            try reply(message, request, &output)
            registry.multicast(output.bytes.rawSpan.clamped(from: start), to: group, except: request.handle.portID)
        } else {
            try request.requireRoom(0)
            guard registry.hasMembers(group) else { return }
            var writer = MessageWriter(capacity: 512)
            do throws(NetlinkError) {
                try message.write(
                    to: &writer, flags: [], sequence: request.message.header.sequence, portID: request.handle.portID)
            } catch { throw .error(RequestError(error)) }
            registry.multicast(writer.bytes.rawSpan, to: group)
        }
    }

    /// Bytes that a reply takes.
    func size(of reply: some WritableMessage) -> Int {
        var writer = MessageWriter(capacity: 512)
        do { try reply.write(to: &writer, flags: [], sequence: 0, portID: 0) } catch { return 0 }
        return writer.count
    }
}
