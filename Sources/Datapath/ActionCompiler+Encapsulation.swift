import Netlink
import OpenvSwitch
import Packets

// Headers in front of everything else: Ethernet, a label in front of it, and the network service header. As in the kernel,
// pushing and popping one does not change the EtherType that set actions are checked against: what they set must be there
// when they run.

extension ActionCompiler {
    /// `OVS_ACTION_ATTR_ADD_MPLS` without the flag that puts the label behind the Ethernet header.
    func pushMPLSInFront(entry: UInt32, etherType: UInt16, _ current: inout Current) -> Instruction {
        // Labels inside a frame are not of the same stack.
        current.labels = current.hasEthernet ? 1 : current.labels + 1
        current.etherType = etherType
        enclose(&current)
        return .pushMPLSInFront(entry: entry, etherType: etherType)
    }

    /// `OVS_ACTION_ATTR_PUSH_NSH`: its payload is one `OVS_KEY_ATTR_NSH`.
    func pushNSH(_ action: Attribute, _ current: Current) throws(RequestError) -> Instruction {
        guard current.hasEthernet || NSHNextProtocol.number(current.etherType) != nil else {
            throw fault("there is no next protocol for what the packet is", action)
        }
        var run = action.nested
        guard let header = try run.nextOrInvalid(), header.type == KeyAttribute.nsh, run.rest.byteCount == 0 else {
            throw fault("one OVS_KEY_ATTR_NSH is needed, and nothing else", action)
        }
        let nest = ActionTable.nsh
        let name = ActionTable.name(action.type)
        var base: NSHBase?
        var metadata: (type: UInt8, start: Int, count: Int)?
        var attributes = header.nested
        while let attribute = try nest.next(&attributes, in: name), try nest.isKnown(attribute, in: name) {
            let payload = attribute.payload
            let type: UInt8
            switch attribute.type {
            case NSHKeyAttribute.base:
                base = NSHBase(
                    flags: payload.load(at: 0) ?? 0, ttl: payload.load(at: 1) ?? 0,
                    metadataType: payload.load(at: 2) ?? 0, path: payload.loadBigEndian(at: 4) ?? 0)
                continue
            case NSHKeyAttribute.md1: type = NSHHeader.metadataType1
            default:
                // The kernel takes 248 too, for which the header's length field has no number.
                guard payload.byteCount < 248 else {
                    throw nest.fault("the metadata must be at most 247 bytes", attribute, in: name)
                }
                type = NSHHeader.metadataType2
            }
            guard metadata == nil || metadata?.type == type else {
                throw nest.fault("there are metadata of both types", attribute, in: name)
            }
            metadata = (type, attribute.offset + Attribute.headerSize - self.base, payload.byteCount)
        }
        guard let base else { throw nest.missing(NSHKeyAttribute.base, in: header, name) }
        guard let metadata else { throw fault("there are no metadata", action, field: header) }
        guard base.metadataType == metadata.type else {
            throw fault("the metadata are not of the type that the base says", action, field: header)
        }
        return .pushNSH(base, metadataStart: metadata.start, metadataCount: metadata.count)
    }

    /// `OVS_ACTION_ATTR_POP_NSH`.
    func popNSH(_ action: Attribute, _ current: inout Current) throws(RequestError) -> Instruction {
        guard NSHNextProtocol.etherType(key.nshNextProtocol) != nil else {
            throw fault("the flow does not match a next protocol that is known", action)
        }
        current.hasEthernet = key.nshNextProtocol == NSHNextProtocol.ethernet
        return .popNSH
    }

    /// The packet has become the payload of one without Ethernet header.
    private func enclose(_ current: inout Current) {
        current.hasEthernet = false
        current.hasVLAN = false
    }
}
