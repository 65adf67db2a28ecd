import Datapath
import Netlink
import OpenvSwitch
import Synchronization

// Dumps. A dump is a walk over a table in the order of numbers that never change: serials of datapaths, places of flows, port
// numbers, interface indexes. The place in it is a cursor that the client keeps. A record that is there throughout is
// given exactly once, whatever else comes and goes.

extension Device {
    /// `dump`: a cursor and a request in, a cursor and messages out.
    func dump(_ input: RawSpan, _ output: inout MessageWriter, _ handle: Handle) -> IOResult {
        // The cursor, and an error or the end of the dump, always fit.
        let least = DumpCursor.size + ErrorMessage.cappedSize
        guard output.limit - output.count >= least else { return IOResult(.invalidLength, information: least) }
        let shortest = DumpCursor.size + MessageHeader.size
        guard let cursor = DumpCursor(input), input.byteCount >= shortest else {
            return IOResult(.invalidLength, information: shortest)
        }
        let request = input.clamped(DumpCursor.size..<input.byteCount)
        guard let message = try? Message(request) else { return IOResult(.invalidParameter) }

        let start = output.count
        do throws(NetlinkError) { try output.append(raw: DumpCursor.start.bytes) } catch {
            return IOResult(.invalidLength, information: least)
        }
        switch dump(message, from: cursor, &output, handle) {
        case .success(let next):
            output.replace(at: start, with: next.bytes)
            return IOResult(.success)
        case .failure(.tooSmall(let needed)):
            return IOResult(.bufferTooSmall, information: DumpCursor.size + needed)
        case .failure(.error(let error)):
            let answer = ErrorMessage(error: -error.errno, request: message.header, message: error.message)
            do { try answer.write(answering: message.bytes, to: &output) } catch {
                return IOResult(.bufferTooSmall, information: least)
            }
            return IOResult(.success)
        }
    }

    /// `write`: begins a dump of the older kind, or carries out a control command. The message must be whole.
    func write(
        _ input: RawSpan, _ handle: Handle, _ completion: (@Sendable (IOStatus) -> Void)?
    ) -> IOResult {
        guard input.byteCount >= OVSHeader.attributesOffset else {
            return IOResult(.invalidLength, information: OVSHeader.attributesOffset)
        }
        guard let message = try? Message(input) else { return IOResult(.invalidParameter) }
        if let (rule, ovs) = try? check(message, as: .write, handle) {
            guard mayUse(rule, handle) else { return IOResult(.accessDenied) }
            return writeControl(message, ovs.command, handle, completion)
        }
        // What can be known to fail fails now, and not when the client reads.
        guard (try? plan(message, handle)) != nil else { return IOResult(.invalidParameter) }
        let request = message.bytes.copyBytes()
        handle.state.withLock { $0.writtenDump = Handle.WrittenDump(request: request, cursor: .start) }
        return IOResult(.success)
    }

    /// `read`: the next piece of the dump that `write` began; nothing when it is complete.
    func read(_ output: inout MessageWriter, _ handle: Handle) -> IOResult {
        guard output.limit - output.count >= ErrorMessage.cappedSize else {
            return IOResult(.invalidLength, information: ErrorMessage.cappedSize)
        }
        // The dump is taken out of the handle while it goes on, so that two readers cannot both advance it.
        guard var dump = handle.state.withLock({ $0.writtenDump.take() }) else { return IOResult(.success) }
        let request = dump.request
        guard let message = try? Message(request.rawSpan) else { return IOResult(.success) }
        let cursor = dump.cursor
        switch self.dump(message, from: cursor, &output, handle) {
        case .success(let next):
            if !next.isZero {
                dump.cursor = next
                let rest = dump
                handle.state.withLock { if !$0.isClosed { $0.writtenDump = rest } }
            }
            return IOResult(.success)
        case .failure(.tooSmall(let needed)):
            let same = dump
            handle.state.withLock { if !$0.isClosed { $0.writtenDump = same } }
            return IOResult(.bufferTooSmall, information: needed)
        case .failure(.error(let error)):
            let answer = ErrorMessage(error: -error.errno, request: message.header, message: error.message)
            do { try answer.write(answering: message.bytes, to: &output) } catch {
                return IOResult(.bufferTooSmall, information: ErrorMessage.cappedSize)
            }
            return IOResult(.success)
        }
    }

    /// What a dump is of.
    private struct DumpPlan {
        let family: Family
        let ovs: OVSHeader
        /// What records of flows leave out.
        var omitting: UFIDFlags = []
    }

    /// Checks the request for a dump.
    private func plan(_ message: Message, _ handle: Handle) throws(RequestError) -> DumpPlan {
        let (rule, ovs) = try check(message, as: .dump, handle)
        let flags = message.header.flags
        guard flags.isSuperset(of: .dump), flags.contains(.request) || !rule.family.needsRequestFlag else {
            throw RequestError(Errno.invalid, "a dump needs the flags NLM_F_REQUEST and NLM_F_DUMP", offset: 6)
        }
        var plan = DumpPlan(family: rule.family, ovs: ovs)
        if rule.family == .flow {
            do throws(NetlinkError) {
                let set = try FlowMessage.policy.parse(message.attributes(at: OVSHeader.attributesOffset))
                plan.omitting = UFIDFlags(rawValue: set.integer(FlowAttribute.ufidFlags) ?? 0)
            } catch { throw RequestError(error) }
        }
        return plan
    }

    /// Writes records from a cursor on until the output is full or the table ends.
    /// - Returns: the cursor to go on with; zero when the end of the dump has been written.
    private func dump(
        _ message: Message, from cursor: DumpCursor, _ output: inout MessageWriter, _ handle: Handle
    ) -> Result<DumpCursor, Refusal> {
        let plan: DumpPlan
        do { plan = try self.plan(message, handle) } catch { return .failure(.error(error)) }
        let interfaces = plan.family == .netdev ? control.provider.interfaces() : []
        let result: Result<DumpCursor, Refusal> = control.withControl { control in
            control.tend()
            let table = DumpTable(
                family: plan.family, ovs: plan.ovs, header: message.header, omitting: plan.omitting, control: control,
                device: self,
                interfaces: interfaces)
            do throws(Refusal) { return .success(try table.write(from: cursor, to: &output)) } catch {
                return .failure(error)
            }
        }
        return result
    }
}

/// One table and one request to dump it.
private struct DumpTable {
    let family: Family
    let ovs: OVSHeader
    let header: MessageHeader
    let omitting: UFIDFlags
    let control: SwitchControl
    let device: Device
    let interfaces: [HostInterface]

    /// The position behind the last record: only the end of the dump is still to be sent.
    private static let atEnd = UInt64.max

    func write(from cursor: DumpCursor, to output: inout MessageWriter) throws(Refusal) -> DumpCursor {
        var datapath: Datapath?
        if family == .vport || family == .flow {
            datapath = control.datapath(ifindex: ovs.datapathIfindex)
            guard datapath != nil else {
                // As in the kernel, the error stands in the end of the dump.
                try done(&output, [], error: -Errno.noDevice)
                return .start
            }
        }
        // Never 0, so that a cursor that goes on is never zero.
        let generation = (family == .flow ? datapath?.flowGeneration : nil) ?? control.generation
        let began = cursor.isZero ? generation : cursor.generation
        // Interfaces of the host come and go without a count.
        let flags: MessageFlags = began == generation || family == .netdev ? [] : .dumpInterrupted
        var position = cursor.position
        var isEmpty = true
        while position != Self.atEnd {
            let start = output.count
            do throws(NetlinkError) {
                position = try writeRecord(from: position, datapath, flags.union(.multi), &output) ?? Self.atEnd
                isEmpty = isEmpty && position == Self.atEnd
            } catch {
                output.truncate(to: start)
                guard !isEmpty else { throw .tooSmall(recordSize(from: position, datapath)) }
                return DumpCursor(position: position, generation: began)
            }
        }
        do throws(Refusal) { try done(&output, flags, error: 0) } catch {
            if isEmpty { throw error }
            return DumpCursor(position: Self.atEnd, generation: began)
        }
        return .start
    }

    private func done(_ output: inout MessageWriter, _ flags: MessageFlags, error: Int32) throws(Refusal) {
        do {
            try output.appendDone(sequence: header.sequence, portID: header.portID, flags: flags, error: error)
        } catch { throw .tooSmall(MessageWriter.doneSize) }
    }

    /// Bytes of the record that comes next.
    private func recordSize(from position: UInt64, _ datapath: Datapath?) -> Int {
        var writer = MessageWriter(capacity: 4096)
        _ = try? writeRecord(from: position, datapath, [], &writer)
        // A flow may be hit for the first time before the client comes back.
        return max(writer.count + (family == .flow ? Flow.usageAllowance : 0), MessageWriter.doneSize)
    }

    /// Writes the first record at or behind `position`.
    /// - Returns: the position behind it; nil if there is none.
    private func writeRecord(
        from position: UInt64, _ datapath: Datapath?, _ flags: MessageFlags, _ output: inout MessageWriter
    ) throws(NetlinkError) -> UInt64? {
        switch family {
        case .datapath:
            guard let record = control.datapath(from: position) else { return nil }
            try device.datapathMessage(record, command: Command.get).write(
                to: &output, flags: flags, sequence: header.sequence, portID: header.portID)
            return record.serial + 1
        case .vport:
            guard let datapath, position <= UInt64(UInt16.max),
                let record = datapath.vport(from: UInt32(truncatingIfNeeded: position))
            else { return nil }
            try device.vportMessage(record, of: datapath, command: Command.get).write(
                to: &output, flags: flags, sequence: header.sequence, portID: header.portID)
            return UInt64(record.number) + 1
        case .flow:
            guard let record = datapath?.flow(from: position) else { return nil }
            try record.write(
                to: &output, command: Command.get, datapathIfindex: ovs.datapathIfindex, omitting: omitting,
                flags: flags, sequence: header.sequence, portID: header.portID)
            return record.place + 1
        default:
            let rest = interfaces.filter { UInt64($0.ifindex) >= position }
            guard let record = rest.min(by: { $0.ifindex < $1.ifindex }) else { return nil }
            try device.netdevMessage(record, NetdevCommand.get, control).write(
                to: &output, flags: flags, sequence: header.sequence, portID: header.portID)
            return UInt64(record.ifindex) + 1
        }
    }
}
