import Netlink
import OpenvSwitch

/// Validates a list of actions and compiles it, as the kernel does when a flow is installed or a packet executed.
///
/// Every check happens here, once; running a program checks only what depends on the packet. What a row of `ActionTable`
/// says of an action is checked for all alike.
struct ActionCompiler {
    /// The flow's masked key, or the key of the packet to execute.
    let key: FlowKey
    /// Where the whole list begins in the request.
    let base: Int
    var instructions: [Instruction] = []

    /// What is known of the packet at one place of a list, where it may differ from the key. A nested list begins with
    /// what its outer list has come to, and what it changes ends with it.
    struct Current {
        /// The EtherType that set actions are checked against; 0 if it cannot be known any more.
        var etherType: UInt16
        /// A VLAN tag was there, or was pushed, and none has been popped since.
        var hasVLAN: Bool
        /// The packet has an Ethernet header.
        var hasEthernet: Bool
        /// MPLS labels that the key says are there, and those pushed, less those popped. Less than 0 if labels were popped
        /// that the key does not name.
        var labels: Int

        init(_ key: FlowKey) {
            etherType = key.etherType
            hasVLAN = key.vlanTCI & FlowKey.vlanPresent != 0
            hasEthernet = key.kind != 0
            labels = key.etherType.isMPLS ? key.mplsPresence.nonzeroBitCount : 0
        }
    }

    private init(_ key: FlowKey, base: Int) {
        self.key = key
        self.base = base
    }

    /// Compiles the contents of `OVS_FLOW_ATTR_ACTIONS`.
    ///
    /// - Parameters:
    ///   - key: the *masked* key of the flow: what is wildcarded is not known when the actions run.
    ///   - attributes: the actions, with their offset in the request.
    /// - Throws: `EINVAL` and the place, if a list is one the datapath does not take; `ERANGE` for some faults of what is
    ///   inside an action; `EOVERFLOW` if lists are nested more than `Action.maximumDepth` levels deep; `EOPNOTSUPP` for
    ///   an action that no kernel need support.
    static func compile(_ attributes: Attributes, for key: FlowKey) throws(RequestError) -> [Instruction] {
        var compiler = ActionCompiler(key, base: attributes.nextOffset)
        try compiler.list(attributes, Current(key), depth: 0)
        return compiler.instructions
    }

    /// Compiles a list.
    /// - Parameter depth: 0 for the outermost list.
    mutating func list(_ attributes: Attributes, _ start: Current, depth: Int) throws(RequestError) {
        guard depth <= Action.maximumDepth else {
            // The attribute around the list is at fault: an empty list has nothing inside.
            throw RequestError(
                Errno.overflow, "flow actions: lists are nested more than \(Action.maximumDepth) levels deep",
                offset: attributes.nextOffset - Attribute.headerSize)
        }
        var current = start
        let place = (attributes.nextOffset - base)..<(attributes.nextOffset - base + attributes.rest.byteCount)
        var run = attributes
        while let action = try run.nextOrInvalid() {
            try compile(action, &current, isLast: run.rest.byteCount == 0, in: place, depth: depth)
        }
    }

    private mutating func compile(
        _ action: Attribute, _ current: inout Current, isLast: Bool, in list: Range<Int>, depth: Int
    ) throws(RequestError) {
        guard let row = ActionTable.row(action.type) else {
            throw RequestError(
                Errno.invalid, "flow actions: the action is not known (\(ActionTable.constant(action.type)))",
                offset: action.offset)
        }
        try check(row, action, current, isLast: isLast)
        switch action.type {
        case ActionAttribute.output: instructions.append(.output(port: row.value(0, action)))
        case ActionAttribute.userspace: instructions.append(.userspace(try userspace(action, in: list)))
        case ActionAttribute.set: instructions.append(try set(action, isMasked: false, current))
        case ActionAttribute.setMasked: instructions.append(try set(action, isMasked: true, current))
        case ActionAttribute.pushVLAN:
            instructions.append(.pushVLAN(tpid: row.value(0, action), tci: row.value(1, action)))
        // As in the kernel the packet has no tag then, also if an inner one is left.
        case ActionAttribute.popVLAN: instructions.append(.popVLAN)
        case ActionAttribute.pushMPLS, ActionAttribute.addMPLS: instructions.append(try pushMPLS(action, &current))
        case ActionAttribute.popMPLS: instructions.append(try popMPLS(action, &current))
        case ActionAttribute.pushEthernet:
            instructions.append(.pushEthernet(source: row.value(0, action), destination: row.value(1, action)))
        case ActionAttribute.popEthernet: instructions.append(.popEthernet)
        case ActionAttribute.pushNSH: instructions.append(try pushNSH(action, current))
        case ActionAttribute.popNSH: instructions.append(try popNSH(action, &current))
        case ActionAttribute.trunc: instructions.append(.truncate(row.value(0, action)))
        case ActionAttribute.drop: instructions.append(.drop)
        case ActionAttribute.recirc: instructions.append(.recirculate(row.value(0, action)))
        case ActionAttribute.hash:
            guard let algorithm = HashAlgorithm(rawValue: row.value(0, action)) else {
                throw fault("there is no such algorithm", action)
            }
            instructions.append(.hash(algorithm, basis: row.value(1, action)))
        // The meter need not be there.
        case ActionAttribute.meter: instructions.append(.meter(row.value(0, action)))
        case ActionAttribute.sample: try sample(action, current, depth: depth)
        case ActionAttribute.clone: try clone(action, current, depth: depth)
        case ActionAttribute.checkPacketLength: try checkPacketLength(action, current, depth: depth)
        case ActionAttribute.decrementTTL: try decrementTTL(action, current, depth: depth)
        case ActionAttribute.ct:
            try connectionTracking(action)
            throw refusal(row, action)
        case ActionAttribute.ctClear: instructions.append(.clearConnection)
        case ActionAttribute.psample:
            _ = try ActionTable.psample.read(action, in: row.name)
            throw refusal(row, action)
        default: throw refusal(row, action)
        }
        apply(row.effects, &current)
    }

    private func userspace(
        _ action: Attribute, in list: Range<Int>
    ) throws(RequestError) -> UserspaceInstruction {
        let nest = ActionTable.userspace
        let inside = try nest.read(action, in: ActionTable.name(action.type))
        let portID: UInt32 = inside.integer(UserspaceAttribute.portID) ?? 0
        if portID == 0, let attribute = inside[UserspaceAttribute.portID] {
            throw nest.fault("the port ID must not be 0", attribute, in: ActionTable.name(action.type))
        }
        var result = UserspaceInstruction(
            portID: portID, userdataStart: 0, userdataCount: 0, hasUserdata: false,
            includesActions: inside.contains(UserspaceAttribute.actions), actionsStart: list.lowerBound,
            actionsCount: list.count)
        // There are no tunnel ports, so that an upcall has nothing to say of an egress tunnel port.
        if let userdata = inside[UserspaceAttribute.userdata] {
            result.hasUserdata = true
            result.userdataStart = userdata.offset + Attribute.headerSize - base
            result.userdataCount = userdata.payload.byteCount
        }
        return result
    }
}

extension Attributes {
    /// The next attribute. A fault in its header is `EINVAL`, as every fault of an action.
    @_lifetime(copy self)
    mutating func nextOrInvalid() throws(RequestError) -> Attribute? {
        do { return try next() } catch {
            throw RequestError(Errno.invalid, "flow actions: \(error)", offset: error.offset)
        }
    }
}
