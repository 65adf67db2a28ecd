import Datapath
import Netlink
import OpenvSwitch

/// Family `ovs_flow`: megaflows come, go and are set.
extension Device {
    func flow(
        _ request: borrowing Request, _ control: SwitchControl, _ output: inout MessageWriter
    ) throws(Refusal) {
        let set = try request.parse(FlowMessage.policy)
        switch request.ovs.command {
        case Command.new: try newFlow(request, set, control, &output)
        case Command.set: try setFlow(request, set, control, &output)
        case Command.get:
            let identity = try identity(set)
            let datapath = try findDatapath(ifindex: request.ovs.datapathIfindex, control)
            let flow = try find(identity, datapath)
            let flowReply = FlowReply(flow, Command.get, set, request)
            try request.requireRoom(flowReply.size)
            try flowReply.write(to: &output)
        case Command.delete: try deleteFlow(request, set, control, &output)
        default: throw .error(RequestError(Errno.notSupported, "ovs_flow has no command \(request.ovs.command)"))
        }
    }

    private func newFlow(
        _ request: borrowing Request, _ set: AttributeSet, _ control: SwitchControl, _ output: inout MessageWriter
    ) throws(Refusal) {
        guard let key = set[FlowAttribute.key] else {
            throw .error(RequestError(Errno.invalid, "a new flow needs a key"))
        }
        guard let actions = set[FlowAttribute.actions] else {
            throw .error(RequestError(Errno.invalid, "a new flow needs actions (empty for drop)"))
        }
        let mustCreate = !request.flags.isDisjoint(with: [.create, .exclusive])
        do throws(RequestError) {
            let match = try match(key, set)
            let datapathIfindex = request.ovs.datapathIfindex
            guard let datapath = control.datapath(ifindex: datapathIfindex) else {
                // Actions are checked first, so that a probe learns of them whatever the datapath.
                throw RequestError(Errno.noDevice, "there is no datapath with the interface index \(datapathIfindex)")
            }
            let compiled = try datapath.compile(actions.nested, for: match)
            let ufid = set[FlowAttribute.ufid].flatMapUFID()
            let plan = try datapath.planNewFlow(match, ufid: ufid, mustCreate: mustCreate)
            let bound = FlowReply.bound(match, ufid: ufid, actions: compiled.bytes.count)
            try requireRoom(request, bound)
            let flow: Flow
            switch plan {
            case .insert: flow = datapath.insertFlow(match, ufid: ufid, compiled)
            case .replace(let existing):
                datapath.setActions(of: existing, compiled)
                flow = existing
            }
            try publish(FlowReply(flow, Command.new, set, request), request, &output)
        } catch {
            if error.errno == FlowReply.tooSmall { throw .tooSmall(error.offset ?? 0) }
            throw .error(error)
        }
    }

    private func setFlow(
        _ request: borrowing Request, _ set: AttributeSet, _ control: SwitchControl, _ output: inout MessageWriter
    ) throws(Refusal) {
        guard set.contains(FlowAttribute.key) || set.contains(FlowAttribute.ufid) else {
            throw .error(RequestError(Errno.invalid, "a flow is found by its key or its UFID"))
        }
        do throws(RequestError) {
            var match: FlowMatch?
            if let key = set[FlowAttribute.key] { match = try self.match(key, set) }
            guard !set.contains(FlowAttribute.actions) || match != nil else {
                throw RequestError(Errno.invalid, "setting actions needs the key, to check them against")
            }
            let datapathIfindex = request.ovs.datapathIfindex
            guard let datapath = control.datapath(ifindex: datapathIfindex) else {
                throw RequestError(Errno.noDevice, "there is no datapath with the interface index \(datapathIfindex)")
            }
            var compiled: CompiledActions?
            if let actions = set[FlowAttribute.actions], let match {
                compiled = try datapath.compile(actions.nested, for: match)
            }
            let flow: Flow
            if let ufid = set[FlowAttribute.ufid].flatMapUFID() {
                flow = try datapath.flow(.ufid(ufid))
            } else if let match {
                flow = try datapath.flow(.key(match.key))
            } else {
                throw RequestError(Errno.invalid, "a flow is found by its key or a UFID of 1 to 16 bytes")
            }
            let length = compiled?.bytes.count ?? flow.actions.count
            try requireRoom(request, FlowReply.bound(flow.match, ufid: flow.ufid, actions: length))
            if let compiled { datapath.setActions(of: flow, compiled) }
            try publish(FlowReply(flow, Command.set, set, request), request, &output)
            if set.contains(FlowAttribute.clear) { datapath.clearStatistics(of: flow) }
        } catch {
            if error.errno == FlowReply.tooSmall { throw .tooSmall(error.offset ?? 0) }
            throw .error(error)
        }
    }

    private func deleteFlow(
        _ request: borrowing Request, _ set: AttributeSet, _ control: SwitchControl, _ output: inout MessageWriter
    ) throws(Refusal) {
        if !set.contains(FlowAttribute.key), !set.contains(FlowAttribute.ufid) {
            let datapath = try findDatapath(ifindex: request.ovs.datapathIfindex, control)
            try request.requireRoom(0)
            datapath.removeAllFlows()
            return
        }
        let identity = try identity(set)
        let datapath = try findDatapath(ifindex: request.ovs.datapathIfindex, control)
        let flow = try find(identity, datapath)
        let flowReply = FlowReply(flow, Command.delete, set, request)
        try request.requireRoomForEcho(flowReply.size)
        do { try publish(flowReply, request, &output) } catch { throw .error(error) }
        datapath.removeFlow(flow)
    }

    private func match(_ key: Attribute, _ set: borrowing AttributeSet) throws(RequestError) -> FlowMatch {
        if let mask = set[FlowAttribute.mask] { return try FlowMatch(key: key.nested, mask: mask.nested) }
        return try FlowMatch(key: key.nested, mask: nil)
    }

    private func identity(_ set: borrowing AttributeSet) throws(Refusal) -> Datapath.FlowIdentity {
        if let ufid = set[FlowAttribute.ufid].flatMapUFID() { return .ufid(ufid) }
        guard let key = set[FlowAttribute.key] else {
            throw .error(RequestError(Errno.invalid, "a flow is found by its key or its UFID"))
        }
        do { return .key(try FlowMatch.key(key.nested)) } catch { throw .error(error) }
    }

    private func find(_ identity: Datapath.FlowIdentity, _ datapath: Datapath) throws(Refusal) -> Flow {
        do { return try datapath.flow(identity) } catch { throw .error(error) }
    }

    private func requireRoom(_ request: borrowing Request, _ bound: Int) throws(RequestError) {
        do { try request.requireRoomForEcho(bound) } catch {
            if case .tooSmall(let needed) = error {
                throw RequestError(FlowReply.tooSmall, "", offset: needed)
            }
        }
    }

    private func publish(
        _ reply: FlowReply, _ request: borrowing Request, _ output: inout MessageWriter
    ) throws(RequestError) {
        let echo = request.flags.contains(.echo)
        guard echo || registry.hasMembers(.flow) else { return }
        var writer = MessageWriter(capacity: 1024)
        do throws(Refusal) { try reply.write(to: &writer) } catch { return }
        registry.multicast(writer.bytes.rawSpan, to: .flow, except: echo ? request.handle.portID : 0)
        do { if echo { try output.append(raw: writer.bytes) } } catch { throw RequestError(error) }
    }
}

/// What the device says of a flow in answer to a request.
private struct FlowReply {
    let flow: Flow
    let command: UInt8
    let omitting: UFIDFlags
    let datapathIfindex: Int32
    let sequence: UInt32
    let portID: UInt32

    /// Stands for "the buffer is too small" where an error number is thrown; its offset is the size that suffices.
    static let tooSmall: Int32 = -1

    init(_ flow: Flow, _ command: UInt8, _ set: borrowing AttributeSet, _ request: borrowing Request) {
        self.flow = flow
        self.command = command
        omitting = UFIDFlags(rawValue: set.integer(FlowAttribute.ufidFlags) ?? 0)
        datapathIfindex = request.ovs.datapathIfindex
        sequence = request.message.header.sequence
        portID = request.handle.portID
    }

    func write(to writer: inout MessageWriter) throws(Refusal) {
        do {
            try flow.write(
                to: &writer, command: command, datapathIfindex: datapathIfindex, omitting: omitting,
                sequence: sequence, portID: portID)
        } catch { throw .error(RequestError(error)) }
    }

    /// Bytes that suffice, also if packets are counted meanwhile.
    var size: Int { Self.bound(flow.match, ufid: flow.ufid, actions: flow.actions.count) }

    static func bound(_ match: FlowMatch, ufid: UFID?, actions: Int) -> Int {
        var writer = MessageWriter(capacity: 512)
        do throws(NetlinkError) {
            try (ufid == nil ? match.key : match.maskedKey).write(to: &writer)
            try match.maskedKey.write(mask: match.mask, to: &writer)
        } catch { return 0 }  // cannot be: a key is short
        let identifier = ufid.map { 4 + netlinkAligned($0.bytes.count) } ?? 0
        return OVSHeader.attributesOffset + identifier + 4 + 4 + writer.count + 4 + netlinkAligned(actions)
            + Flow.usageAllowance
    }
}

extension Optional where Wrapped == Attribute {
    /// The identifier in an attribute. One that is longer than 16 bytes counts as absent, as in the kernel.
    fileprivate func flatMapUFID() -> UFID? {
        guard let attribute = self else { return nil }
        return UFID(attribute.payload)
    }
}
