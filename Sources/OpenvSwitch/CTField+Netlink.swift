import Netlink

extension CTField {
    /// Reads an attribute of `OVS_ACTION_ATTR_CT` whose length is right; nil if it is unknown or malformed inside.
    init?(_ attribute: Attribute) {
        let payload = attribute.payload
        switch attribute.type {
        case CTAttribute.commit: self = .commit
        case CTAttribute.forceCommit: self = .forceCommit
        case CTAttribute.zone: self = .zone(payload.load(at: 0) ?? 0)
        case CTAttribute.mark: self = .mark(payload.load(at: 0) ?? 0, mask: payload.load(at: 4) ?? 0)
        case CTAttribute.labels:
            self = .labels(payload.connectionLabels(at: 0), mask: payload.connectionLabels(at: 16))
        case CTAttribute.helper: self = .helper(payload.text)
        case CTAttribute.timeout: self = .timeout(payload.text)
        case CTAttribute.eventMask: self = .eventMask(payload.load(at: 0) ?? 0)
        case CTAttribute.nat:
            guard let fields = ActionTable.nat.fields(attribute, { NATField($0) }) else { return nil }
            self = .nat(fields)
        default: return nil
        }
    }

    /// Writes the attribute.
    func write(to writer: inout MessageWriter) throws(NetlinkError) {
        switch self {
        case .commit: try writer.append(flag: CTAttribute.commit)
        case .forceCommit: try writer.append(flag: CTAttribute.forceCommit)
        case .zone(let zone): try writer.append(CTAttribute.zone, zone)
        case .mark(let value, let mask): try writer.append(CTAttribute.mark, [value, mask])
        case .labels(let value, let mask):
            try writer.append(nested: CTAttribute.labels) { (writer) throws(NetlinkError) in
                try writer.append(labels: value)
                try writer.append(labels: mask)
            }
        case .helper(let name): try writer.append(CTAttribute.helper, string: name)
        case .timeout(let name): try writer.append(CTAttribute.timeout, string: name)
        case .eventMask(let mask): try writer.append(CTAttribute.eventMask, mask)
        case .nat(let fields):
            try writer.append(nested: CTAttribute.nat) { (writer) throws(NetlinkError) in
                for field in fields { try field.write(to: &writer) }
            }
        }
    }
}

extension NATField {
    /// Reads an attribute of `OVS_CT_ATTR_NAT` whose length is right; nil if it is unknown.
    init?(_ attribute: Attribute) {
        let payload = attribute.payload
        switch attribute.type {
        case NATAttribute.source: self = .source
        case NATAttribute.destination: self = .destination
        case NATAttribute.ipMinimum: self = .minimumAddress(payload.copyBytes())
        case NATAttribute.ipMaximum: self = .maximumAddress(payload.copyBytes())
        case NATAttribute.protoMinimum: self = .minimumPort(payload.load(at: 0) ?? 0)
        case NATAttribute.protoMaximum: self = .maximumPort(payload.load(at: 0) ?? 0)
        case NATAttribute.persistent: self = .persistent
        case NATAttribute.protoHash: self = .hash
        case NATAttribute.protoRandom: self = .random
        default: return nil
        }
    }

    /// Writes the attribute.
    func write(to writer: inout MessageWriter) throws(NetlinkError) {
        switch self {
        case .source: try writer.append(flag: NATAttribute.source)
        case .destination: try writer.append(flag: NATAttribute.destination)
        case .minimumAddress(let bytes): try writer.append(NATAttribute.ipMinimum, bytes: bytes)
        case .maximumAddress(let bytes): try writer.append(NATAttribute.ipMaximum, bytes: bytes)
        case .minimumPort(let port): try writer.append(NATAttribute.protoMinimum, port)
        case .maximumPort(let port): try writer.append(NATAttribute.protoMaximum, port)
        case .persistent: try writer.append(flag: NATAttribute.persistent)
        case .hash: try writer.append(flag: NATAttribute.protoHash)
        case .random: try writer.append(flag: NATAttribute.protoRandom)
        }
    }
}

extension AttributeNest {
    /// Reads the attributes inside `holder` in their order; nil if one is not as its row says, or `make` takes it not.
    func fields<Field>(_ holder: Attribute, _ make: (Attribute) -> Field?) -> [Field]? {
        var result: [Field] = []
        var run = holder.nested
        do throws(RequestError) {
            while let attribute = try next(&run, in: "") {
                guard try isKnown(attribute, in: ""), let field = make(attribute) else { return nil }
                result.append(field)
            }
        } catch { return nil }
        return result
    }
}

extension RawSpan {
    /// The string up to the first NUL.
    fileprivate var text: String {
        String(decoding: copyBytes().prefix { $0 != 0 }, as: UTF8.self)
    }

    /// 128 bits of labels; bytes that are not there count as 0.
    func connectionLabels(at offset: Int) -> ConnectionLabels {
        ConnectionLabels(high: loadBigEndian(at: offset) ?? 0, low: loadBigEndian(at: offset &+ 8) ?? 0)
    }
}

extension MessageWriter {
    /// 128 bits of labels.
    mutating func append(labels: ConnectionLabels) throws(NetlinkError) {
        try append(raw: labels.high.bigEndian)
        try append(raw: labels.low.bigEndian)
    }
}
