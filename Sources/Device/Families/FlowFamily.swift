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
        case Command.delete: try deleteFlow(request, set, control, &output)
        default:  // GET
            let identity = try identity(set)
            let datapath = try findDatapath(ifindex: request.ovs.datapathIfindex, control)
            let flow = try find(identity, datapath)
            try reply(FlowReply(flow, Command.get, set, request), request, &output)
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
        let match = try match(key, set)
        let compiled = try compile(actions, for: match)
        let datapath = try findDatapath(ifindex: request.ovs.datapathIfindex, control)
        let ufid = set[FlowAttribute.ufid].flatMapUFID()
        let mustCreate = !request.flags.isDisjoint(with: [.create, .exclusive])
        let plan: Datapath.NewFlow
        do { plan = try datapath.planNewFlow(match, ufid: ufid, mustCreate: mustCreate) } catch { throw .error(error) }
        // A flow that is there already keeps its key, mask and identifier.
        let told =
            switch plan {
            case .insert: (match: match, ufid: ufid)
            case .replace(let existing): (match: existing.match, ufid: existing.ufid)
            }
        try request.requireRoomForEcho(
            FlowReply.bound(told.match, ufid: told.ufid, actions: compiled.bytes.count))

        let flow: Flow
        switch plan {
        case .insert: flow = datapath.insertFlow(match, ufid: ufid, compiled)
        case .replace(let existing):
            datapath.setActions(of: existing, compiled)
            flow = existing
        }
        try publish(FlowReply(flow, Command.new, set, request), of: .flow, request, &output)
    }

    private func setFlow(
        _ request: borrowing Request, _ set: AttributeSet, _ control: SwitchControl, _ output: inout MessageWriter
    ) throws(Refusal) {
        guard set.contains(FlowAttribute.key) || set.contains(FlowAttribute.ufid) else {
            throw .error(RequestError(Errno.invalid, "a flow is found by its key or its UFID"))
        }
        var match: FlowMatch?
        if let key = set[FlowAttribute.key] { match = try self.match(key, set) }
        var compiled: CompiledActions?
        if let actions = set[FlowAttribute.actions] {
            guard let match else {
                throw .error(RequestError(Errno.invalid, "setting actions needs the key, to check them against"))
            }
            compiled = try compile(actions, for: match)
        }
        let datapath = try findDatapath(ifindex: request.ovs.datapathIfindex, control)
        let flow: Flow
        if let ufid = set[FlowAttribute.ufid].flatMapUFID() {
            flow = try find(.ufid(ufid), datapath)
        } else if let match {
            flow = try find(.key(match), datapath)
        } else {
            throw .error(RequestError(Errno.invalid, "a flow is found by its key or a UFID of 1 to 16 bytes"))
        }
        try request.requireRoomForEcho(
            FlowReply.bound(flow.match, ufid: flow.ufid, actions: compiled?.bytes.count ?? flow.actionsCount))

        if let compiled { datapath.setActions(of: flow, compiled) }
        try publish(FlowReply(flow, Command.set, set, request), of: .flow, request, &output)
        if set.contains(FlowAttribute.clear) { datapath.clearStatistics(of: flow) }
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
        try publish(FlowReply(flow, Command.delete, set, request), of: .flow, request, &output)
        datapath.removeFlow(flow)
    }

    private func match(_ key: Attribute, _ set: borrowing AttributeSet) throws(Refusal) -> FlowMatch {
        do throws(RequestError) {
            if let mask = set[FlowAttribute.mask] { return try FlowMatch(key: key.nested, mask: mask.nested) }
            return try FlowMatch(key: key.nested, mask: nil)
        } catch { throw .error(error) }
    }

    private func compile(_ actions: Attribute, for match: FlowMatch) throws(Refusal) -> CompiledActions {
        do { return try CompiledActions(actions.nested, for: match) } catch { throw .error(error) }
    }

    private func identity(_ set: borrowing AttributeSet) throws(Refusal) -> Datapath.FlowIdentity {
        if let ufid = set[FlowAttribute.ufid].flatMapUFID() { return .ufid(ufid) }
        guard let key = set[FlowAttribute.key] else {
            throw .error(RequestError(Errno.invalid, "a flow is found by its key or its UFID"))
        }
        do { return .key(try FlowMatch(unmasked: key.nested)) } catch { throw .error(error) }
    }

    private func find(_ identity: Datapath.FlowIdentity, _ datapath: Datapath) throws(Refusal) -> Flow {
        do { return try datapath.flow(identity) } catch { throw .error(error) }
    }
}

/// What the device says of a flow in answer to a request.
private struct FlowReply: WritableMessage {
    let flow: Flow
    let command: UInt8
    let omitting: UFIDFlags
    let datapathIfindex: Int32

    init(_ flow: Flow, _ command: UInt8, _ set: borrowing AttributeSet, _ request: borrowing Request) {
        self.flow = flow
        self.command = command
        omitting = UFIDFlags(rawValue: set.integer(FlowAttribute.ufidFlags) ?? 0)
        datapathIfindex = request.ovs.datapathIfindex
    }

    func write(
        to writer: inout MessageWriter, flags: MessageFlags, sequence: UInt32, portID: UInt32
    ) throws(NetlinkError) {
        try flow.write(
            to: &writer, command: command, datapathIfindex: datapathIfindex, omitting: omitting, flags: flags,
            sequence: sequence, portID: portID)
    }

    /// Bytes that suffice for a flow that may not be there yet, also if packets are counted meanwhile.
    static func bound(_ match: FlowMatch, ufid: UFID?, actions: Int) -> Int {
        var writer = MessageWriter(capacity: 512)
        do throws(NetlinkError) {
            if ufid == nil { try match.writeKey(to: &writer) } else { try match.writeMaskedKey(to: &writer) }
            try match.writeMask(to: &writer)
        } catch { return 0 }  // cannot be: a key is short
        let identifier = ufid.map { 4 + netlinkAligned($0.count) } ?? 0
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
