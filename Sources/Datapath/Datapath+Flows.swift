public import Netlink
public import OpenvSwitch

// Flows: what the commands of family `ovs_flow` do. Each change comes in two steps, so that a client whose buffer is too
// small for the reply can be refused before anything has happened: `plan…` checks and finds, the plan's `commit` changes.

extension Datapath {
    /// What a client says a flow is: by its identifier, or by its unmasked key.
    public enum FlowIdentity: Sendable {
        case ufid(UFID)
        /// The mask does not count.
        case key(FlowMatch)
    }

    /// Number of flows.
    public var flowCount: Int { flows.count }
    /// Raised with every flow that comes or goes; a dump that sees it change is interrupted.
    public var flowGeneration: UInt64 { flows.generation }

    /// The flow at the first place of at least `place`, or nil; see `Flow.place`.
    public func flow(from place: UInt64) -> Flow? { flows.flow(from: place) }

    /// The flow with this identity.
    /// - Throws: `ENOENT`.
    public func flow(_ identity: FlowIdentity) throws(RequestError) -> Flow {
        let found =
            switch identity {
            case .ufid(let ufid): flows.flow(ufid: ufid)
            case .key(let key): flows.flow(unmaskedKey: key)
            }
        guard let found else { throw RequestError(Errno.noEntry, "there is no such flow") }
        return found
    }

    /// What `OVS_FLOW_CMD_NEW` comes to.
    public enum NewFlow {
        case insert
        /// The flow is there: its actions are replaced.
        case replace(Flow)
    }

    /// Finds out what `OVS_FLOW_CMD_NEW` has to do, and changes nothing.
    ///
    /// - Parameter mustCreate: the request has `NLM_F_CREATE` or `NLM_F_EXCL`.
    /// - Throws: `EEXIST` if a flow is there that must not be; `ENOENT` if one is there that overlaps and is not the same;
    ///   `ENOMEM` if the table is full.
    public func planNewFlow(
        _ match: FlowMatch, ufid: UFID?, mustCreate: Bool
    ) throws(RequestError) -> NewFlow {
        var found: Flow?
        if let ufid { found = flows.flow(ufid: ufid) }
        if found == nil { found = flows.flow(matching: match) }
        guard let existing = found else {
            guard flows.count < FlowTable.maximumFlows else {
                throw RequestError(Errno.noMemory, "the table is full: \(FlowTable.maximumFlows) flows")
            }
            return .insert
        }
        guard !mustCreate else { throw RequestError(Errno.exists, "a flow that matches this key is there already") }
        if existing.hasKey(of: match) { return .replace(existing) }
        guard existing.ufid == nil, let exact = flows.flow(unmaskedKey: match) else {
            throw RequestError(Errno.noEntry, "another flow overlaps this one")
        }
        return .replace(exact)
    }

    /// Puts a new flow in.
    public func insertFlow(_ match: FlowMatch, ufid: UFID?, _ actions: CompiledActions) -> Flow {
        flows.insert(match, ufid: ufid, actions: actions.bytes, instructions: actions.instructions)
    }

    /// Replaces a flow's actions; its statistics stay.
    public func setActions(of flow: Flow, _ actions: CompiledActions) {
        flows.setActions(of: flow, actions.bytes, actions.instructions)
    }

    /// Sets a flow's statistics back to zero.
    public func clearStatistics(of flow: Flow) { flow.clearUsage() }

    /// Takes a flow out. Read its statistics before.
    public func removeFlow(_ flow: Flow) { flows.remove(flow) }

    /// Takes all flows out.
    public func removeAllFlows() { flows.removeAll() }
}

/// Actions that have been validated for a flow or a packet, and compiled.
public struct CompiledActions {
    /// The Netlink bytes they were made from.
    public let bytes: [UInt8]
    let instructions: [Instruction]

    /// Validates and compiles the contents of `OVS_FLOW_ATTR_ACTIONS` for a flow.
    /// - Throws: `EINVAL` and the place.
    public init(_ actions: Attributes, for match: FlowMatch) throws(RequestError) {
        try self.init(actions, forKey: match.maskedKey)
    }

    /// Validates and compiles for a key, all of which is known.
    init(_ actions: Attributes, forKey key: FlowKey) throws(RequestError) {
        instructions = try ActionCompiler.compile(actions, for: key)
        bytes = actions.rest.copyBytes()
    }
}
