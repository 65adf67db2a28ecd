import Netlink
import OpenvSwitch
import Packets

// Headers in front of everything else: Ethernet, a label in front of it, and the network service header. As in the kernel,
// pushing and popping one does not change the EtherType that set actions are checked against: what they set must be there
// when they run.

extension ActionCompiler {
    /// `OVS_ACTION_ATTR_PUSH_ETH`.
    func pushEthernet(_ action: Attribute, _ current: inout Current) throws(RequestError) -> Instruction {
        guard action.payload.byteCount == 12 else { throw fault("push_eth: the payload must be 12 bytes", action) }
        guard !current.hasEthernet else { throw fault("push_eth: the packet has an Ethernet header", action) }
        current.hasEthernet = true
        return .pushEthernet(source: action.payload.mac(at: 0), destination: action.payload.mac(at: 6))
    }

    /// `OVS_ACTION_ATTR_POP_ETH`.
    func popEthernet(_ action: Attribute, _ current: inout Current) throws(RequestError) -> Instruction {
        guard action.payload.byteCount == 0 else { throw fault("pop_eth: there must be no payload", action) }
        guard current.hasEthernet else { throw fault("pop_eth: the packet has no Ethernet header", action) }
        guard !current.hasVLAN else { throw fault("pop_eth: the packet has a VLAN tag", action) }
        current.hasEthernet = false
        return .popEthernet
    }

    /// `OVS_ACTION_ATTR_ADD_MPLS` without the flag that puts the label behind the Ethernet header.
    func pushMPLSInFront(entry: UInt32, etherType: UInt16, _ current: inout Current) -> Instruction {
        // Labels inside a frame are not of the same stack.
        current.labels = current.hasEthernet ? 1 : current.labels + 1
        current.etherType = etherType
        enclose(&current)
        return .pushMPLSInFront(entry: entry, etherType: etherType)
    }

    /// `OVS_ACTION_ATTR_PUSH_NSH`: its payload is one `OVS_KEY_ATTR_NSH`.
    func pushNSH(_ action: Attribute, _ current: inout Current) throws(RequestError) -> Instruction {
        guard current.hasEthernet || NSHNextProtocol.number(current.etherType) != nil else {
            throw fault("push_nsh: there is no next protocol for what the packet is", action)
        }
        var run = action.nested
        guard let header = try run.nextOrInvalid(), header.type == KeyAttribute.nsh, run.rest.byteCount == 0 else {
            throw fault("push_nsh: one OVS_KEY_ATTR_NSH is needed, and nothing else", action)
        }
        var base: NSHBase?
        var metadata: (type: UInt8, start: Int, count: Int)?
        var attributes = header.nested
        while let attribute = try attributes.nextOrInvalid() {
            let payload = attribute.payload
            let type: UInt8
            switch attribute.type {
            case NSHKeyAttribute.base:
                guard payload.byteCount == 8 else { throw nshFault("push_nsh: the base must be 8 bytes", attribute) }
                base = NSHBase(
                    flags: payload.load(at: 0) ?? 0, ttl: payload.load(at: 1) ?? 0,
                    metadataType: payload.load(at: 2) ?? 0, path: payload.loadBigEndian(at: 4) ?? 0)
                continue
            case NSHKeyAttribute.md1:
                guard payload.byteCount == 16 else {
                    throw nshFault("push_nsh: the context must be 16 bytes", attribute)
                }
                type = NSHHeader.metadataType1
            case NSHKeyAttribute.md2:
                // The kernel takes 248 too, for which the header's length field has no number.
                guard 1..<248 ~= payload.byteCount else {
                    throw nshFault("push_nsh: the metadata must be 1 to 247 bytes", attribute)
                }
                type = NSHHeader.metadataType2
            default: throw nshFault("push_nsh: the attribute is not known", attribute)
            }
            guard metadata == nil || metadata?.type == type else {
                throw nshFault("push_nsh: there are metadata of both types", attribute)
            }
            metadata = (type, attribute.offset + Attribute.headerSize - self.base, payload.byteCount)
        }
        guard let base else { throw fault("push_nsh: there is no OVS_NSH_KEY_ATTR_BASE", action, at: header.offset) }
        guard let metadata else { throw fault("push_nsh: there are no metadata", action, at: header.offset) }
        guard base.metadataType == metadata.type else {
            throw fault("push_nsh: the metadata are not of the type that the base says", action, at: header.offset)
        }
        enclose(&current)
        return .pushNSH(base, metadataStart: metadata.start, metadataCount: metadata.count)
    }

    /// `OVS_ACTION_ATTR_POP_NSH`.
    func popNSH(_ action: Attribute, _ current: inout Current) throws(RequestError) -> Instruction {
        guard action.payload.byteCount == 0 else { throw fault("pop_nsh: there must be no payload", action) }
        guard current.etherType == EtherType.nsh else { throw fault("pop_nsh: the flow is not NSH", action) }
        guard !current.hasEthernet else {
            throw fault("pop_nsh: an Ethernet header is in front; pop_eth must come first", action)
        }
        guard NSHNextProtocol.etherType(key.nshNextProtocol) != nil else {
            throw fault("pop_nsh: the flow does not match a next protocol that is known", action)
        }
        current.hasEthernet = key.nshNextProtocol == NSHNextProtocol.ethernet
        return .popNSH
    }

    /// The packet has become the payload of one without Ethernet header.
    private func enclose(_ current: inout Current) {
        current.hasEthernet = false
        current.hasVLAN = false
    }

    private func fault(_ sentence: String, _ action: Attribute, at offset: Int? = nil) -> RequestError {
        let constant =
            switch action.type {
            case ActionAttribute.pushEthernet: "OVS_ACTION_ATTR_PUSH_ETH"
            case ActionAttribute.popEthernet: "OVS_ACTION_ATTR_POP_ETH"
            case ActionAttribute.pushNSH: "OVS_ACTION_ATTR_PUSH_NSH"
            default: "OVS_ACTION_ATTR_POP_NSH"
            }
        return RequestError(
            Errno.invalid, "flow actions: \(sentence) (\(constant))", offset: offset ?? action.offset)
    }

    /// A fault in an attribute of a network service header.
    func nshFault(_ sentence: String, _ attribute: Attribute) -> RequestError {
        let name = NSHTable.constant(attribute.type) ?? "attribute \(attribute.type)"
        return RequestError(Errno.invalid, "flow actions: \(sentence) (\(name))", offset: attribute.offset)
    }
}
