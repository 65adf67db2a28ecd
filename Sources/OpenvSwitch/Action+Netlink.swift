public import Netlink

extension Action {
    /// Writes the action as an attribute.
    /// - Throws: `noSpace`, `attributeTooLong`.
    public func write(to writer: inout MessageWriter) throws(NetlinkError) {
        switch self {
        case .output(let port): try writer.append(ActionAttribute.output, port)
        case .userspace(let action):
            let mark = try writer.begin(nested: ActionAttribute.userspace)
            try writer.append(UserspaceAttribute.portID, action.portID)
            if let userdata = action.userdata { try writer.append(UserspaceAttribute.userdata, bytes: userdata) }
            if let port = action.egressTunnelPort { try writer.append(UserspaceAttribute.egressTunnelPort, port) }
            if action.includesActions { try writer.append(flag: UserspaceAttribute.actions) }
            try writer.end(nested: mark)
        case .set(let value):
            let mark = try writer.begin(nested: ActionAttribute.set)
            let field = try writer.begin(nested: value.attribute)
            try value.write(to: &writer)
            try writer.end(nested: field)
            try writer.end(nested: mark)
        case .setMasked(let value, let mask):
            let outer = try writer.begin(nested: ActionAttribute.setMasked)
            let field = try writer.begin(nested: value.attribute)
            try value.write(to: &writer)
            try mask.write(to: &writer)
            try writer.end(nested: field)
            try writer.end(nested: outer)
        case .pushVLAN(let tpid, let tci):
            let mark = try writer.begin(nested: ActionAttribute.pushVLAN)
            try writer.append(raw: tpid.bigEndian)
            try writer.append(raw: tci.bigEndian)
            try writer.end(nested: mark)
        case .popVLAN: try writer.append(flag: ActionAttribute.popVLAN)
        case .pushMPLS(let entry, let etherType):
            let mark = try writer.begin(nested: ActionAttribute.pushMPLS)
            try writer.append(raw: entry.bigEndian)
            try writer.append(raw: etherType.bigEndian)
            try writer.append(raw: UInt16(0))
            try writer.end(nested: mark)
        case .popMPLS(let etherType): try writer.append(ActionAttribute.popMPLS, bigEndian: etherType)
        case .truncate(let length): try writer.append(ActionAttribute.trunc, length)
        case .drop(let reason): try writer.append(ActionAttribute.drop, reason)
        case .other(let type, let payload): try writer.append(type, bytes: payload)
        }
    }

    /// Reads one action.
    public init(_ attribute: Attribute) {
        let payload = attribute.payload
        switch attribute.type {
        case ActionAttribute.output:
            if payload.byteCount == 4, let port: UInt32 = payload.load(at: 0) {
                self = .output(port)
                return
            }
        case ActionAttribute.userspace:
            if let action = UserspaceAction(attribute.nested) {
                self = .userspace(action)
                return
            }
        case ActionAttribute.set:
            if let (type, field) = Self.onlyField(attribute.nested),
                let value = FieldValue(attribute: type, field.rawSpan)
            {
                self = .set(value)
                return
            }
        case ActionAttribute.setMasked:
            if let (type, field) = Self.onlyField(attribute.nested), field.count % 2 == 0 {
                let half = field.count / 2
                if let value = FieldValue(attribute: type, field.rawSpan.clamped(0..<half)),
                    let mask = FieldValue(attribute: type, field.rawSpan.clamped(half..<field.count))
                {
                    self = .setMasked(value, mask: mask)
                    return
                }
            }
        case ActionAttribute.pushVLAN:
            if payload.byteCount == 4, let tpid: UInt16 = payload.loadBigEndian(at: 0),
                let tci: UInt16 = payload.loadBigEndian(at: 2)
            {
                self = .pushVLAN(tpid: tpid, tci: tci)
                return
            }
        case ActionAttribute.popVLAN:
            if payload.byteCount == 0 {
                self = .popVLAN
                return
            }
        case ActionAttribute.pushMPLS:
            // Two bytes that fill the C structure up; other than 0 they could not be given back.
            if payload.byteCount == 8, let entry: UInt32 = payload.loadBigEndian(at: 0),
                let etherType: UInt16 = payload.loadBigEndian(at: 4), let rest: UInt16 = payload.load(at: 6), rest == 0
            {
                self = .pushMPLS(entry: entry, etherType: etherType)
                return
            }
        case ActionAttribute.popMPLS:
            if payload.byteCount == 2, let etherType: UInt16 = payload.loadBigEndian(at: 0) {
                self = .popMPLS(etherType: etherType)
                return
            }
        case ActionAttribute.trunc:
            if payload.byteCount == 4, let length: UInt32 = payload.load(at: 0) {
                self = .truncate(length)
                return
            }
        case ActionAttribute.drop:
            if payload.byteCount == 4, let reason: UInt32 = payload.load(at: 0) {
                self = .drop(reason)
                return
            }
        default: break
        }
        self = .other(attribute.type, payload.copyBytes())
    }

    /// The one attribute that a set action holds, or nil if there is none or more.
    private static func onlyField(_ attributes: Attributes) -> (UInt16, [UInt8])? {
        var run = attributes
        guard let first = try? run.next(), run.rest.byteCount == 0 else { return nil }
        return (first.type, first.payload.copyBytes())
    }
}

extension UserspaceAction {
    /// Reads the contents of the action; nil if a length is wrong or the port ID missing.
    init?(_ attributes: Attributes) {
        var run = attributes
        var portID: UInt32?
        self.init(portID: 0)
        do {
            while let attribute = try run.next() {
                switch attribute.type {
                case UserspaceAttribute.portID: portID = try attribute.integer()
                case UserspaceAttribute.userdata: userdata = attribute.payload.copyBytes()
                case UserspaceAttribute.egressTunnelPort: egressTunnelPort = try attribute.integer()
                case UserspaceAttribute.actions: includesActions = true
                default: return nil
                }
            }
        } catch { return nil }
        guard let portID else { return nil }
        self.portID = portID
    }
}

extension Array where Element == Action {
    /// Reads the contents of `OVS_FLOW_ATTR_ACTIONS`.
    /// - Throws: `trailingBytes`, `lengthTooSmall`, `truncated`.
    public init(_ attributes: Attributes) throws(NetlinkError) {
        self = []
        var run = attributes
        while let attribute = try run.next() { append(Action(attribute)) }
    }

    /// The contents of `OVS_FLOW_ATTR_ACTIONS`.
    /// - Throws: `attributeTooLong`.
    public func encoded() throws(NetlinkError) -> [UInt8] {
        var writer = MessageWriter(capacity: 64)
        for action in self { try action.write(to: &writer) }
        return writer.bytes
    }
}
