public import Netlink

// Actions as attributes: written, and kept as they were read.

extension Action {
    /// Writes the action as an attribute.
    /// - Throws: `noSpace`, `attributeTooLong`.
    public func write(to writer: inout MessageWriter) throws(NetlinkError) {
        switch self {
        case .output(let port): try writer.append(action: ActionAttribute.output, UInt64(port))
        case .userspace(let action): try writer.append(nested: ActionAttribute.userspace, action.write)
        case .set(let value):
            try writer.append(nested: ActionAttribute.set) { (writer) throws(NetlinkError) in
                try writer.append(nested: value.attribute, value.write)
            }
        case .setMasked(let value, let mask):
            try writer.append(nested: ActionAttribute.setMasked) { (writer) throws(NetlinkError) in
                try writer.append(nested: value.attribute) { (writer) throws(NetlinkError) in
                    try value.write(mask: mask, to: &writer)
                }
            }
        case .pushVLAN(let tpid, let tci):
            try writer.append(action: ActionAttribute.pushVLAN, UInt64(tpid), UInt64(tci))
        case .popVLAN: try writer.append(action: ActionAttribute.popVLAN)
        case .sample(let probability, let actions):
            try writer.append(nested: ActionAttribute.sample) { (writer) throws(NetlinkError) in
                try writer.append(SampleAttribute.probability, probability)
                try writer.append(SampleAttribute.actions, list: actions)
            }
        case .recirc(let id): try writer.append(action: ActionAttribute.recirc, UInt64(id))
        case .hash(let algorithm, let basis):
            try writer.append(action: ActionAttribute.hash, UInt64(algorithm), UInt64(basis))
        case .pushMPLS(let entry, let etherType):
            try writer.append(action: ActionAttribute.pushMPLS, UInt64(entry), UInt64(etherType))
        case .popMPLS(let etherType): try writer.append(action: ActionAttribute.popMPLS, UInt64(etherType))
        case .ct(let fields):
            try writer.append(nested: ActionAttribute.ct) { (writer) throws(NetlinkError) in
                for field in fields { try field.write(to: &writer) }
            }
        case .truncate(let length): try writer.append(action: ActionAttribute.trunc, UInt64(length))
        case .pushEthernet(let source, let destination):
            try writer.append(action: ActionAttribute.pushEthernet, source, destination)
        case .popEthernet: try writer.append(action: ActionAttribute.popEthernet)
        case .ctClear: try writer.append(action: ActionAttribute.ctClear)
        case .pushNSH(let header):
            try writer.append(nested: ActionAttribute.pushNSH) { (writer) throws(NetlinkError) in
                try writer.append(nested: KeyAttribute.nsh) { (writer) throws(NetlinkError) in
                    try header.write(mask: nil, to: &writer)
                }
            }
        case .popNSH: try writer.append(action: ActionAttribute.popNSH)
        case .meter(let id): try writer.append(action: ActionAttribute.meter, UInt64(id))
        case .clone(let actions): try writer.append(ActionAttribute.clone, list: actions)
        case .checkPacketLength(let length, let greater, let lessEqual):
            try writer.append(nested: ActionAttribute.checkPacketLength) { (writer) throws(NetlinkError) in
                try writer.append(CheckPacketLengthAttribute.packetLength, length)
                try writer.append(CheckPacketLengthAttribute.ifGreater, list: greater)
                try writer.append(CheckPacketLengthAttribute.ifLessEqual, list: lessEqual)
            }
        case .addMPLS(let entry, let etherType, let flags):
            try writer.append(action: ActionAttribute.addMPLS, UInt64(entry), UInt64(etherType), UInt64(flags))
        case .decrementTTL(let actions):
            try writer.append(nested: ActionAttribute.decrementTTL) { (writer) throws(NetlinkError) in
                try writer.append(DecrementTTLAttribute.action, list: actions)
            }
        case .drop(let reason): try writer.append(action: ActionAttribute.drop, UInt64(reason))
        case .psample(let group, let cookie):
            let type = ActionAttribute.psample | Attribute.nestedFlag
            try writer.append(nested: type) { (writer) throws(NetlinkError) in
                try writer.append(PsampleAttribute.group, group)
                if let cookie { try writer.append(PsampleAttribute.cookie, bytes: cookie) }
            }
        case .other(let type, let payload): try writer.append(type, bytes: payload)
        }
    }

    /// Reads one action.
    public init(_ attribute: Attribute) { self.init(attribute, depth: 0) }

    /// - Parameter depth: lists that hold this one.
    init(_ attribute: Attribute, depth: Int) {
        if let action = Self.known(attribute, depth: depth), action.isWritten(as: attribute) {
            self = action
        } else {
            self = .other(attribute.rawType, attribute.payload.copyBytes())
        }
    }

    /// Whether writing the action gives the attribute, byte for byte.
    private func isWritten(as attribute: Attribute) -> Bool {
        let count = attribute.payload.byteCount
        var writer = MessageWriter(capacity: Attribute.headerSize + count)
        do { try write(to: &writer) } catch { return false }
        let bytes = writer.bytes
        let span = bytes.rawSpan
        return span.load(at: 0, as: UInt16.self).map { Int($0) == Attribute.headerSize + count } ?? false
            && span.load(at: 2) == attribute.rawType
            && span.clamped(Attribute.headerSize..<Attribute.headerSize + count).equals(attribute.payload)
    }
}

extension UserspaceAction {
    fileprivate func write(to writer: inout MessageWriter) throws(NetlinkError) {
        try writer.append(UserspaceAttribute.portID, portID)
        if let userdata { try writer.append(UserspaceAttribute.userdata, bytes: userdata) }
        if let egressTunnelPort { try writer.append(UserspaceAttribute.egressTunnelPort, egressTunnelPort) }
        if includesActions { try writer.append(flag: UserspaceAttribute.actions) }
    }
}

extension FieldValue {
    /// Writes the payload of a masked set.
    fileprivate func write(mask: FieldValue, to writer: inout MessageWriter) throws(NetlinkError) {
        if case .nsh(let header) = self, case .nsh(let bits) = mask {
            try header.write(mask: bits, to: &writer)
        } else {
            try write(to: &writer)
            try mask.write(to: &writer)
        }
    }
}

extension MessageWriter {
    /// An action with a fixed layout: the values of its fields, in the order of its row.
    fileprivate mutating func append(action type: UInt16, _ values: UInt64...) throws(NetlinkError) {
        let mark = try begin(nested: type)
        if let row = ActionTable.row(type) { try append(raw: row.payload(values)) }
        try end(nested: mark)
    }

    /// An attribute that holds a list of actions.
    fileprivate mutating func append(_ type: UInt16, list: [Action]) throws(NetlinkError) {
        try append(nested: type) { (writer) throws(NetlinkError) in
            for action in list { try action.write(to: &writer) }
        }
    }
}

extension Array where Element == Action {
    /// Reads the contents of `OVS_FLOW_ATTR_ACTIONS`.
    /// - Throws: `trailingBytes`, `lengthTooSmall`, `truncated`.
    public init(_ attributes: Attributes) throws(NetlinkError) { try self.init(attributes, depth: 0) }

    init(_ attributes: Attributes, depth: Int) throws(NetlinkError) {
        self = []
        var run = attributes
        while let attribute = try run.next() { append(Action(attribute, depth: depth)) }
    }

    /// The contents of `OVS_FLOW_ATTR_ACTIONS`.
    /// - Throws: `attributeTooLong`.
    public func encoded() throws(NetlinkError) -> [UInt8] {
        var writer = MessageWriter(capacity: 64)
        for action in self { try action.write(to: &writer) }
        return writer.bytes
    }
}
