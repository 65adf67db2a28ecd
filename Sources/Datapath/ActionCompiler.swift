import Netlink
import OpenvSwitch

/// Validates a list of actions and compiles it, as the kernel does when a flow is installed or a packet executed.
///
/// Every check happens here, once; running a program checks only what depends on the packet.
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

    /// Lists may be nested in lists so many levels deep (`OVS_COPY_ACTIONS_MAX_DEPTH`).
    static let maximumDepth = 16

    private init(_ key: FlowKey, base: Int) {
        self.key = key
        self.base = base
    }

    /// Compiles the contents of `OVS_FLOW_ATTR_ACTIONS`.
    ///
    /// - Parameters:
    ///   - key: the *masked* key of the flow: what is wildcarded is not known when the actions run.
    ///   - attributes: the actions, with their offset in the request.
    /// - Throws: `EINVAL` and the place, if a list is one the datapath does not take; `EOVERFLOW` if lists are nested
    ///   more than `maximumDepth` levels deep.
    static func compile(_ attributes: Attributes, for key: FlowKey) throws(RequestError) -> [Instruction] {
        var compiler = ActionCompiler(key, base: attributes.nextOffset)
        try compiler.list(attributes, Current(key), depth: 0)
        return compiler.instructions
    }

    /// Compiles a list.
    /// - Parameter depth: 0 for the outermost list.
    mutating func list(_ attributes: Attributes, _ start: Current, depth: Int) throws(RequestError) {
        guard depth <= Self.maximumDepth else {
            throw RequestError(
                Errno.overflow, "flow actions: lists are nested more than \(Self.maximumDepth) levels deep",
                offset: attributes.nextOffset)
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
        switch action.type {
        case ActionAttribute.output:
            let port: UInt32 = try exact(action)
            guard port < UInt32(FlowKey.noPort) else { throw fail("output: the port is not less than 65535", action) }
            instructions.append(.output(port: UInt16(truncatingIfNeeded: port)))
        case ActionAttribute.userspace:
            instructions.append(.userspace(try userspace(action, in: list)))
        case ActionAttribute.set:
            instructions.append(try set(action, isMasked: false, current))
        case ActionAttribute.setMasked:
            instructions.append(try set(action, isMasked: true, current))
        case ActionAttribute.pushVLAN:
            guard action.payload.byteCount == 4, let tpid: UInt16 = action.payload.loadBigEndian(at: 0),
                let tci: UInt16 = action.payload.loadBigEndian(at: 2)
            else { throw fail("push_vlan: the payload must be 4 bytes", action) }
            guard current.hasEthernet else { throw fail("push_vlan: the packet has no Ethernet header", action) }
            guard tpid.isVLANTPID else { throw fail("push_vlan: the TPID is neither 0x8100 nor 0x88a8", action) }
            guard tci & FlowKey.vlanPresent != 0 else { throw fail("push_vlan: the TCI lacks the bit 0x1000", action) }
            current.hasVLAN = true
            instructions.append(.pushVLAN(tpid: tpid, tci: tci))
        case ActionAttribute.popVLAN:
            guard action.payload.byteCount == 0 else { throw fail("pop_vlan: there must be no payload", action) }
            guard current.hasEthernet else { throw fail("pop_vlan: the packet has no Ethernet header", action) }
            // As in the kernel, also if an inner tag is left.
            current.hasVLAN = false
            instructions.append(.popVLAN)
        case ActionAttribute.pushMPLS, ActionAttribute.addMPLS: instructions.append(try pushMPLS(action, &current))
        case ActionAttribute.popMPLS: instructions.append(try popMPLS(action, &current))
        case ActionAttribute.pushEthernet: instructions.append(try pushEthernet(action, &current))
        case ActionAttribute.popEthernet: instructions.append(try popEthernet(action, &current))
        case ActionAttribute.pushNSH: instructions.append(try pushNSH(action, &current))
        case ActionAttribute.popNSH: instructions.append(try popNSH(action, &current))
        case ActionAttribute.trunc:
            let length: UInt32 = try exact(action)
            guard length >= 14 else {
                throw fail("trunc: the length is less than an Ethernet header's 14 bytes", action)
            }
            instructions.append(.truncate(Int(length)))
        case ActionAttribute.drop:
            _ = try exact(action) as UInt32
            guard isLast else { throw fail("drop: it must be the last action", action) }
            instructions.append(.drop)
        case ActionAttribute.recirc:
            instructions.append(.recirculate(try exact(action)))
        case ActionAttribute.hash:
            guard action.payload.byteCount == 8, let number: UInt32 = action.payload.load(at: 0),
                let basis: UInt32 = action.payload.load(at: 4)
            else { throw fail("hash: the payload must be 8 bytes", action) }
            guard let algorithm = HashAlgorithm(rawValue: number) else {
                throw fail("hash: there is no algorithm \(number)", action)
            }
            instructions.append(.hash(algorithm, basis: basis))
        case ActionAttribute.meter:
            // The meter need not be there.
            instructions.append(.meter(try exact(action)))
        case ActionAttribute.sample: try sample(action, current, depth: depth)
        case ActionAttribute.clone: try clone(action, current, depth: depth)
        case ActionAttribute.checkPacketLength: try checkPacketLength(action, current, depth: depth)
        case ActionAttribute.decrementTTL: try decrementTTL(action, current, depth: depth)
        case ActionAttribute.psample:
            throw RequestError(
                Errno.notSupported, "flow actions: psample: this datapath does not support it", offset: action.offset)
        case 1...ActionAttribute.maximum:
            throw fail("\(Self.unsupported[action.type] ?? ""): this datapath does not support the action yet", action)
        default:
            throw fail("the action is not known", action)
        }
    }

    private func userspace(
        _ action: Attribute, in list: Range<Int>
    ) throws(RequestError) -> UserspaceInstruction {
        var result = UserspaceInstruction(
            portID: 0, userdataStart: 0, userdataCount: 0, hasUserdata: false, includesActions: false,
            actionsStart: list.lowerBound, actionsCount: list.count)
        var run = action.nested
        while let attribute = try run.nextOrInvalid() {
            switch attribute.type {
            case UserspaceAttribute.portID:
                guard let portID: UInt32 = attribute.payload.load(at: 0) else {
                    throw RequestError(Errno.range, "userspace: the port ID is too short", offset: attribute.offset)
                }
                result.portID = portID
            case UserspaceAttribute.userdata:
                result.hasUserdata = true
                result.userdataStart = attribute.offset + Attribute.headerSize - base
                result.userdataCount = attribute.payload.byteCount
            case UserspaceAttribute.egressTunnelPort:
                // There are no tunnel ports, so that an upcall has nothing to say of one.
                guard attribute.payload.byteCount >= 4 else {
                    throw RequestError(
                        Errno.range, "userspace: the egress tunnel port is too short", offset: attribute.offset)
                }
            case UserspaceAttribute.actions: result.includesActions = true
            default: break  // as in the kernel, unknown ones are ignored
            }
        }
        guard result.portID != 0 else { throw fail("userspace: a port ID other than 0 is needed", action) }
        return result
    }

    /// Names of actions that are known and not supported.
    private static let unsupported: [UInt16: String] = [
        ActionAttribute.ct: "ct", ActionAttribute.ctClear: "ct_clear",
    ]

    private func exact<T: FixedWidthInteger & BitwiseCopyable>(_ action: Attribute) throws(RequestError) -> T {
        guard action.payload.byteCount == MemoryLayout<T>.size, let value: T = action.payload.load(at: 0) else {
            throw fail("the payload has the wrong length", action)
        }
        return value
    }

    func fail(_ message: String, _ attribute: Attribute) -> RequestError {
        RequestError(Errno.invalid, "flow actions: \(message) (attribute \(attribute.type))", offset: attribute.offset)
    }
}

extension Attributes {
    /// The next attribute. A fault in its header is `EINVAL`, as every fault of an action.
    @_lifetime(copy self)
    mutating func nextOrInvalid() throws(RequestError) -> Attribute? {
        do { return try next() } catch { throw RequestError(invalid: error) }
    }
}
