import Netlink
import OpenvSwitch
import Packets

// Headers in front of everything else: Ethernet, a label in front of it, and the network service header. As in the kernel,
// pushing and popping one does not change the EtherType that set actions are checked against: what they set must be there
// when they run.

extension ActionCompiler {
    /// `OVS_ACTION_ATTR_PUSH_ETH`.
    func pushEthernet(_ action: Attribute, _ current: inout Current) throws(RequestError) -> Instruction {
        let constant = "OVS_ACTION_ATTR_PUSH_ETH"
        guard action.payload.byteCount == 12 else {
            throw fault("push_eth: the payload must be 12 bytes", constant, action)
        }
        guard !current.hasEthernet else {
            throw fault("push_eth: the packet has an Ethernet header", constant, action)
        }
        current.hasEthernet = true
        return .pushEthernet(source: action.payload.mac(at: 0), destination: action.payload.mac(at: 6))
    }

    /// `OVS_ACTION_ATTR_POP_ETH`.
    func popEthernet(_ action: Attribute, _ current: inout Current) throws(RequestError) -> Instruction {
        let constant = "OVS_ACTION_ATTR_POP_ETH"
        guard action.payload.byteCount == 0 else {
            throw fault("pop_eth: there must be no payload", constant, action)
        }
        guard current.hasEthernet else { throw fault("pop_eth: the packet has no Ethernet header", constant, action) }
        guard !current.hasVLAN else { throw fault("pop_eth: the packet has a VLAN tag", constant, action) }
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

    /// The packet has become the payload of one without Ethernet header.
    private func enclose(_ current: inout Current) {
        current.hasEthernet = false
        current.hasVLAN = false
    }

    // MARK: Network service header

    /// `OVS_ACTION_ATTR_PUSH_NSH`: its payload is one `OVS_KEY_ATTR_NSH`.
    func pushNSH(_ action: Attribute, _ current: inout Current) throws(RequestError) -> Instruction {
        let constant = "OVS_ACTION_ATTR_PUSH_NSH"
        guard current.hasEthernet || NSHNextProtocol.number(current.etherType) != nil else {
            throw fault("push_nsh: there is no next protocol for what the packet is", constant, action)
        }
        var run = action.nested
        guard let header = try run.nextOrInvalid(), header.type == KeyAttribute.nsh, run.rest.byteCount == 0 else {
            throw fault("push_nsh: one OVS_KEY_ATTR_NSH is needed, and nothing else", constant, action)
        }
        var base: NSHBase?
        var metadata: (type: UInt8, start: Int, count: Int)?
        var attributes = header.nested
        while let attribute = try attributes.nextOrInvalid() {
            let payload = attribute.payload
            let type: UInt8
            switch attribute.type {
            case NSHKeyAttribute.base:
                guard payload.byteCount == 8 else {
                    throw fault("push_nsh: the base must be 8 bytes", Self.nshBase, attribute)
                }
                base = NSHBase(
                    flags: payload.load(at: 0) ?? 0, ttl: payload.load(at: 1) ?? 0,
                    metadataType: payload.load(at: 2) ?? 0, path: payload.loadBigEndian(at: 4) ?? 0)
                continue
            case NSHKeyAttribute.md1:
                guard payload.byteCount == 16 else {
                    throw fault("push_nsh: the context must be 16 bytes", Self.nshMD1, attribute)
                }
                type = NSHHeader.metadataType1
            case NSHKeyAttribute.md2:
                // The kernel takes 248 too, for which the header's length field has no number.
                guard 1..<248 ~= payload.byteCount else {
                    throw fault("push_nsh: the metadata must be 1 to 247 bytes", Self.nshMD2, attribute)
                }
                type = NSHHeader.metadataType2
            default: throw unknownNSHAttribute("push_nsh", attribute)
            }
            guard metadata == nil || metadata?.type == type else {
                throw fault(
                    "push_nsh: metadata of both types", type == 1 ? Self.nshMD1 : Self.nshMD2, attribute)
            }
            metadata = (type, attribute.offset + Attribute.headerSize - self.base, payload.byteCount)
        }
        guard let base else { throw fault("push_nsh: there is no base", Self.nshBase, header) }
        guard let metadata else { throw fault("push_nsh: there are no metadata", "OVS_KEY_ATTR_NSH", header) }
        guard base.metadataType == metadata.type else {
            throw fault("push_nsh: the metadata are not of the type that the base says", Self.nshBase, header)
        }
        enclose(&current)
        return .pushNSH(base, metadataStart: metadata.start, metadataCount: metadata.count)
    }

    /// `OVS_ACTION_ATTR_POP_NSH`.
    func popNSH(_ action: Attribute, _ current: inout Current) throws(RequestError) -> Instruction {
        let constant = "OVS_ACTION_ATTR_POP_NSH"
        guard action.payload.byteCount == 0 else {
            throw fault("pop_nsh: there must be no payload", constant, action)
        }
        guard current.etherType == EtherType.nsh else { throw fault("pop_nsh: the flow is not NSH", constant, action) }
        guard !current.hasEthernet else {
            throw fault("pop_nsh: an Ethernet header is in front; pop_eth must come first", constant, action)
        }
        guard NSHNextProtocol.etherType(key.nshNextProtocol) != nil else {
            throw fault("pop_nsh: the flow does not match a next protocol that is known", constant, action)
        }
        current.hasEthernet = key.nshNextProtocol == NSHNextProtocol.ethernet
        return .popNSH
    }

    /// A set action of either kind with `OVS_KEY_ATTR_NSH`: in the masked form each attribute inside holds value and mask.
    ///
    /// Metadata type and next protocol are not set, whatever stands there.
    func setNSH(_ field: Attribute, isMasked: Bool, _ current: Current) throws(RequestError) -> Instruction {
        guard current.etherType == EtherType.nsh else {
            throw fault("set: nsh: the flow is not NSH", "OVS_KEY_ATTR_NSH", field)
        }
        var value = NSHEdit()
        var mask = NSHEdit()
        var metadataType: UInt8 = 0
        var context: Int?
        var run = field.nested
        while let attribute = try run.nextOrInvalid() {
            let payload = attribute.payload
            let half = isMasked ? payload.byteCount / 2 : payload.byteCount
            switch attribute.type {
            case NSHKeyAttribute.base:
                guard payload.byteCount == (isMasked ? 16 : 8) else {
                    throw fault("set: nsh: the base has the wrong length", Self.nshBase, attribute)
                }
                if isMasked { try requireMasked(attribute, Self.nshBase) }
                metadataType = payload.load(at: 2) ?? 0
                (value.flags, value.ttl) = (payload.load(at: 0) ?? 0, payload.load(at: 1) ?? 0)
                value.path = payload.loadBigEndian(at: 4) ?? 0
                (mask.flags, mask.ttl, mask.path) = (.max, .max, .max)
                if isMasked {
                    (mask.flags, mask.ttl) = (payload.load(at: half) ?? 0, payload.load(at: half + 1) ?? 0)
                    mask.path = payload.loadBigEndian(at: half + 4) ?? 0
                }
            case NSHKeyAttribute.md1:
                guard payload.byteCount == (isMasked ? 32 : 16) else {
                    throw fault("set: nsh: the context has the wrong length", Self.nshMD1, attribute)
                }
                if isMasked { try requireMasked(attribute, Self.nshMD1) }
                context = attribute.offset
                value.contextHigh = payload.loadBigEndian(at: 0) ?? 0
                value.contextLow = payload.loadBigEndian(at: 8) ?? 0
                (mask.contextHigh, mask.contextLow) = (.max, .max)
                if isMasked {
                    mask.contextHigh = payload.loadBigEndian(at: half) ?? 0
                    mask.contextLow = payload.loadBigEndian(at: half + 8) ?? 0
                }
            case NSHKeyAttribute.md2:
                throw fault("set: nsh: metadata of type 2 cannot be set", Self.nshMD2, attribute)
            default: throw unknownNSHAttribute("set: nsh", attribute)
            }
        }
        if let context, !isMasked, metadataType != NSHHeader.metadataType1 {
            throw RequestError(
                Errno.invalid,
                "flow actions: set: nsh: the base does not say that there is a context (\(Self.nshMD1))",
                offset: context)
        }
        return .setNSH(value, mask: mask)
    }

    /// Of an attribute that holds value and mask: the value has no bits that the mask has not.
    private func requireMasked(_ attribute: Attribute, _ constant: String) throws(RequestError) {
        let payload = attribute.payload
        let half = payload.byteCount / 2
        for index in 0..<half {
            let byte: UInt8 = payload.load(at: index) ?? 0
            let maskByte: UInt8 = payload.load(at: half + index) ?? 0
            guard byte & ~maskByte == 0 else {
                throw fault("set: nsh: the value has bits that its mask has not", constant, attribute)
            }
        }
    }

    private static let nshBase = "OVS_NSH_KEY_ATTR_BASE"
    private static let nshMD1 = "OVS_NSH_KEY_ATTR_MD1"
    private static let nshMD2 = "OVS_NSH_KEY_ATTR_MD2"

    private func unknownNSHAttribute(_ name: String, _ attribute: Attribute) -> RequestError {
        RequestError(
            Errno.invalid, "flow actions: \(name): the attribute is not known (OVS_NSH_KEY_ATTR \(attribute.type))",
            offset: attribute.offset)
    }

    private func fault(_ sentence: String, _ constant: String, _ attribute: Attribute) -> RequestError {
        RequestError(Errno.invalid, "flow actions: \(sentence) (\(constant))", offset: attribute.offset)
    }
}
