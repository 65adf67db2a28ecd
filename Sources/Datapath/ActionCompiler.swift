import Netlink
import OpenvSwitch
import Packets

/// Validates a list of actions and compiles it, as the kernel does when a flow is installed or a packet executed.
///
/// Every check happens here, once; running a program checks only what depends on the packet.
struct ActionCompiler {
    /// The flow's masked key, or the key of the packet to execute.
    private let key: FlowKey
    private var instructions: [Instruction] = []

    private init(_ key: FlowKey) {
        self.key = key
    }

    /// Compiles the contents of `OVS_FLOW_ATTR_ACTIONS`.
    ///
    /// - Parameters:
    ///   - key: the *masked* key of the flow: what is wildcarded is not known when the actions run.
    ///   - attributes: the actions, with their offset in the request.
    /// - Throws: `EINVAL` and the place, if a list is one the datapath does not take.
    static func compile(_ attributes: Attributes, for key: FlowKey) throws(RequestError) -> [Instruction] {
        var compiler = ActionCompiler(key)
        try compiler.compile(attributes)
        return compiler.instructions
    }

    private mutating func compile(_ attributes: Attributes) throws(RequestError) {
        let base = attributes.nextOffset
        var run = attributes
        while true {
            let action: Attribute
            do {
                guard let next = try run.next() else { return }
                action = next
            } catch { throw RequestError(invalid: error) }
            try compile(action, base: base, isLast: run.rest.byteCount == 0)
        }
    }

    private mutating func compile(_ action: Attribute, base: Int, isLast: Bool) throws(RequestError) {
        switch action.type {
        case ActionAttribute.output:
            let port: UInt32 = try exact(action)
            guard port < UInt32(FlowKey.noPort) else { throw fail("output: the port is not less than 65535", action) }
            instructions.append(.output(port: UInt16(truncatingIfNeeded: port)))
        case ActionAttribute.userspace:
            instructions.append(.userspace(try userspace(action, base: base)))
        case ActionAttribute.set:
            try set(action, isMasked: false)
        case ActionAttribute.setMasked:
            try set(action, isMasked: true)
        case ActionAttribute.pushVLAN:
            guard action.payload.byteCount == 4, let tpid: UInt16 = action.payload.loadBigEndian(at: 0),
                let tci: UInt16 = action.payload.loadBigEndian(at: 2)
            else { throw fail("push_vlan: the payload must be 4 bytes", action) }
            guard key.kind != 0 else { throw fail("push_vlan: the packet has no Ethernet header", action) }
            guard tpid.isVLANTPID else { throw fail("push_vlan: the TPID is neither 0x8100 nor 0x88a8", action) }
            guard tci & FlowKey.vlanPresent != 0 else { throw fail("push_vlan: the TCI lacks the bit 0x1000", action) }
            instructions.append(.pushVLAN(tpid: tpid, tci: tci))
        case ActionAttribute.popVLAN:
            guard action.payload.byteCount == 0 else { throw fail("pop_vlan: there must be no payload", action) }
            guard key.kind != 0 else { throw fail("pop_vlan: the packet has no Ethernet header", action) }
            instructions.append(.popVLAN)
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
        case 1...ActionAttribute.maximum:
            throw fail("this datapath does not support the action yet", action)
        default:
            throw fail("the action is not known", action)
        }
    }

    private func userspace(_ action: Attribute, base: Int) throws(RequestError) -> UserspaceInstruction {
        var result = UserspaceInstruction(
            portID: 0, userdataStart: 0, userdataCount: 0, hasUserdata: false, includesActions: false)
        var run = action.nested
        do {
            while let attribute = try run.next() {
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
                case UserspaceAttribute.actions: result.includesActions = true
                default: break  // as in the kernel, unknown ones are ignored
                }
            }
        } catch let error as NetlinkError {
            throw RequestError(invalid: error)
        } catch let error as RequestError {
            throw error
        } catch { throw fail("userspace: \(error)", action) }
        guard result.portID != 0 else { throw fail("userspace: a port ID other than 0 is needed", action) }
        return result
    }

    // MARK: Set

    private mutating func set(_ action: Attribute, isMasked: Bool) throws(RequestError) {
        var run = action.nested
        let field: Attribute
        do {
            guard let first = try run.next() else { throw fail("set: there is no field", action) }
            field = first
        } catch let error as NetlinkError {
            throw RequestError(invalid: error)
        } catch let error as RequestError {
            throw error
        } catch { throw fail("set: \(error)", action) }
        guard run.rest.byteCount == 0 else { throw fail("set: there is more than one field", action) }

        let payload = field.payload
        let count = isMasked ? payload.byteCount / 2 : payload.byteCount
        guard !isMasked || payload.byteCount % 2 == 0 else { throw fail("set: value and mask differ in length", field) }
        guard settable.contains(field.type) else {
            throw fail("set: key attribute \(field.type) cannot be set by this datapath", field)
        }
        guard let value = FieldValue(attribute: field.type, payload.clamped(0..<count)) else {
            throw fail("set: key attribute \(field.type) has the wrong length", field)
        }
        let mask = isMasked ? FieldValue(attribute: field.type, payload.clamped(count..<(2 * count))) : nil
        if isMasked {
            for index in 0..<count {
                let byte: UInt8 = payload.load(at: index) ?? 0
                let maskByte: UInt8 = payload.load(at: count + index) ?? 0
                guard byte & ~maskByte == 0 else { throw fail("set: the value has bits that its mask has not", field) }
            }
        }
        instructions.append(try instruction(value, mask, field))
    }

    private let settable: Set<UInt16> = [
        KeyAttribute.priority, KeyAttribute.skbMark, KeyAttribute.ethernet, KeyAttribute.ipv4, KeyAttribute.ipv6,
        KeyAttribute.tcp, KeyAttribute.udp, KeyAttribute.sctp,
    ]

    private func instruction(
        _ value: FieldValue, _ mask: FieldValue?, _ field: Attribute
    ) throws(RequestError) -> Instruction {
        switch (value, mask) {
        case (.priority(let value), let mask):
            if case .priority(let bits)? = mask { return .setPriority(value, mask: bits) }
            return .setPriority(value, mask: .max)
        case (.skbMark(let value), let mask):
            if case .skbMark(let bits)? = mask { return .setMark(value, mask: bits) }
            return .setMark(value, mask: .max)
        case (.ethernet(let source, let destination), let mask):
            guard key.kind != 0 else { throw fail("set(eth): the packet has no Ethernet header", field) }
            var bits: (UInt64, UInt64) = (.max, .max)
            if case .ethernet(let sourceBits, let destinationBits)? = mask { bits = (sourceBits, destinationBits) }
            return .setEthernet(
                source: source, sourceMask: bits.0 & 0xffff_ffff_ffff, destination: destination,
                destinationMask: bits.1 & 0xffff_ffff_ffff)
        case (.ipv4(let source, let destination, let proto, let tos, let ttl, let fragment), let mask):
            guard key.etherType == EtherType.ipv4 else { throw fail("set(ipv4): the flow is not IPv4", field) }
            var edit = IPv4Edit(source: .max, destination: .max, tos: .max, ttl: .max)
            if case .ipv4(
                let sourceBits, let destinationBits, let protoBits, let tosBits, let ttlBits, let fragmentBits)? =
                mask
            {
                guard protoBits == 0, fragmentBits == 0 else {
                    throw fail("set(ipv4): protocol and fragment cannot be set", field)
                }
                edit = IPv4Edit(source: sourceBits, destination: destinationBits, tos: tosBits, ttl: ttlBits)
            } else {
                try requireSame(proto, fragment, "ipv4", field)
            }
            return .setIPv4(IPv4Edit(source: source, destination: destination, tos: tos, ttl: ttl), mask: edit)
        case (
            .ipv6(let source, let destination, let label, let proto, let trafficClass, let hopLimit, let fragment),
            let mask
        ):
            guard key.etherType == EtherType.ipv6 else { throw fail("set(ipv6): the flow is not IPv6", field) }
            guard label & 0xfff0_0000 == 0 else { throw fail("set(ipv6): the label has more than 20 bits", field) }
            let all = IPv6Address(high: .max, low: .max)
            var edit = IPv6Edit(source: all, destination: all, label: 0xf_ffff, trafficClass: .max, hopLimit: .max)
            if case .ipv6(
                let sourceBits, let destinationBits, let labelBits, let protoBits, let classBits, let limitBits,
                let fragmentBits)? = mask
            {
                guard protoBits == 0, fragmentBits == 0 else {
                    throw fail("set(ipv6): protocol and fragment cannot be set", field)
                }
                edit = IPv6Edit(
                    source: sourceBits, destination: destinationBits, label: labelBits, trafficClass: classBits,
                    hopLimit: limitBits)
            } else {
                try requireSame(proto, fragment, "ipv6", field)
            }
            return .setIPv6(
                IPv6Edit(
                    source: source, destination: destination, label: label, trafficClass: trafficClass,
                    hopLimit: hopLimit), mask: edit)
        case (.tcp(let source, let destination), let mask):
            try requireTransport(IPProtocol.tcp, "tcp", field)
            if case .tcp(let sourceBits, let destinationBits)? = mask {
                return .setTCP(ports(source, destination, sourceBits, destinationBits))
            }
            return .setTCP(ports(source, destination, .max, .max))
        case (.udp(let source, let destination), let mask):
            try requireTransport(IPProtocol.udp, "udp", field)
            if case .udp(let sourceBits, let destinationBits)? = mask {
                return .setUDP(ports(source, destination, sourceBits, destinationBits))
            }
            return .setUDP(ports(source, destination, .max, .max))
        case (.sctp(let source, let destination), let mask):
            try requireTransport(IPProtocol.sctp, "sctp", field)
            if case .sctp(let sourceBits, let destinationBits)? = mask {
                return .setSCTP(ports(source, destination, sourceBits, destinationBits))
            }
            return .setSCTP(ports(source, destination, .max, .max))
        }
    }

    private func ports(
        _ source: UInt16, _ destination: UInt16, _ sourceMask: UInt16, _ destinationMask: UInt16
    ) -> PortsEdit {
        PortsEdit(
            source: source, sourceMask: sourceMask, destination: destination, destinationMask: destinationMask)
    }

    private func requireSame(
        _ proto: UInt8, _ fragment: UInt8, _ name: String, _ field: Attribute
    ) throws(RequestError) {
        guard proto == key.ipProtocol, fragment == key.fragment else {
            throw fail("set(\(name)): protocol and fragment must be those of the flow", field)
        }
    }

    private func requireTransport(_ proto: UInt8, _ name: String, _ field: Attribute) throws(RequestError) {
        guard key.etherType == EtherType.ipv4 || key.etherType == EtherType.ipv6, key.ipProtocol == proto else {
            throw fail("set(\(name)): the flow does not match the protocol exactly", field)
        }
    }

    private func exact<T: FixedWidthInteger & BitwiseCopyable>(_ action: Attribute) throws(RequestError) -> T {
        guard action.payload.byteCount == MemoryLayout<T>.size, let value: T = action.payload.load(at: 0) else {
            throw fail("the payload has the wrong length", action)
        }
        return value
    }

    private func fail(_ message: String, _ attribute: Attribute) -> RequestError {
        RequestError(Errno.invalid, "flow actions: \(message) (attribute \(attribute.type))", offset: attribute.offset)
    }
}
