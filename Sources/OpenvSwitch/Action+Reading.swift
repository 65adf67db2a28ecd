import Netlink

extension Action {
    /// Lists may be nested so many levels deep (`OVS_COPY_ACTIONS_MAX_DEPTH`); what is deeper is kept as bytes.
    package static let maximumDepth = 16

    /// The case of an action that is of the form its row says, as far as a case can hold it; nil if it is not.
    static func known(_ attribute: Attribute, depth: Int) -> Action? {
        guard let row = ActionTable.row(attribute.type), depth <= maximumDepth else { return nil }
        switch row.payload {
        case .fields(let size, let fields):
            let payload = attribute.payload
            guard payload.byteCount == size else { return nil }
            var values: [UInt64] = []
            for field in fields { values.append(field.value(payload)) }
            return known(attribute.type, values)
        case .nested(let nest): return known(attribute, nest, row, depth: depth)
        case .actions: return list(attribute, depth: depth).map { .clone($0) }
        case .key: return onlyField(attribute) { FieldValue(attribute: $0.type, $0.payload).map { .set($0) } }
        case .maskedKey: return onlyField(attribute, setMasked)
        case .networkServiceHeader:
            return onlyField(attribute) { field in
                guard field.type == KeyAttribute.nsh else { return nil }
                return NSHFields(field.nested, part: 0, of: 1).map { .pushNSH($0) }
            }
        }
    }

    /// An action with a fixed layout.
    private static func known(_ type: UInt16, _ values: [UInt64]) -> Action? {
        func value<T: FixedWidthInteger>(_ index: Int) -> T { T(truncatingIfNeeded: values[index]) }
        switch type {
        case ActionAttribute.output: return .output(value(0))
        case ActionAttribute.pushVLAN: return .pushVLAN(tpid: value(0), tci: value(1))
        case ActionAttribute.popVLAN: return .popVLAN
        case ActionAttribute.recirc: return .recirc(value(0))
        case ActionAttribute.hash: return .hash(algorithm: value(0), basis: value(1))
        case ActionAttribute.pushMPLS: return .pushMPLS(entry: value(0), etherType: value(1))
        case ActionAttribute.popMPLS: return .popMPLS(etherType: value(0))
        case ActionAttribute.trunc: return .truncate(value(0))
        case ActionAttribute.pushEthernet: return .pushEthernet(source: values[0], destination: values[1])
        case ActionAttribute.popEthernet: return .popEthernet
        case ActionAttribute.ctClear: return .ctClear
        case ActionAttribute.popNSH: return .popNSH
        case ActionAttribute.meter: return .meter(value(0))
        case ActionAttribute.addMPLS: return .addMPLS(entry: value(0), etherType: value(1), tunnelFlags: value(2))
        case ActionAttribute.drop: return .drop(value(0))
        default: return nil
        }
    }

    /// An action with attributes inside.
    private static func known(
        _ attribute: Attribute, _ nest: AttributeNest, _ row: ActionDescription, depth: Int
    ) -> Action? {
        if attribute.type == ActionAttribute.ct { return nest.fields(attribute) { CTField($0) }.map { .ct($0) } }
        do throws(RequestError) {
            let inside = try nest.read(attribute, in: row.name)
            switch attribute.type {
            case ActionAttribute.userspace:
                return .userspace(
                    UserspaceAction(
                        portID: inside.integer(UserspaceAttribute.portID) ?? 0,
                        userdata: inside.payload(UserspaceAttribute.userdata),
                        egressTunnelPort: inside.integer(UserspaceAttribute.egressTunnelPort),
                        includesActions: inside.contains(UserspaceAttribute.actions)))
            case ActionAttribute.sample:
                guard let actions = list(inside[SampleAttribute.actions], depth: depth) else { return nil }
                return .sample(probability: inside.integer(SampleAttribute.probability) ?? 0, actions)
            case ActionAttribute.checkPacketLength:
                guard let greater = list(inside[CheckPacketLengthAttribute.ifGreater], depth: depth),
                    let lessEqual = list(inside[CheckPacketLengthAttribute.ifLessEqual], depth: depth)
                else { return nil }
                return .checkPacketLength(
                    inside.integer(CheckPacketLengthAttribute.packetLength) ?? 0, ifGreater: greater,
                    ifLessEqual: lessEqual)
            case ActionAttribute.decrementTTL:
                return list(inside[DecrementTTLAttribute.action], depth: depth).map { .decrementTTL(ifExpired: $0) }
            case ActionAttribute.psample:
                return .psample(
                    group: inside.integer(PsampleAttribute.group) ?? 0, cookie: inside.payload(PsampleAttribute.cookie))
            default: return nil
            }
        } catch { return nil }
    }

    /// The list in an attribute; nil if there is none, or if it is malformed.
    private static func list(_ attribute: consuming Attribute?, depth: Int) -> [Action]? {
        guard let attribute else { return nil }
        do { return try [Action](attribute.nested, depth: depth + 1) } catch { return nil }
    }

    private static func setMasked(_ field: Attribute) -> Action? {
        if field.type == KeyAttribute.nsh {
            guard let value = NSHFields(field.nested, part: 0, of: 2),
                let mask = NSHFields(field.nested, part: 1, of: 2)
            else { return nil }
            return .setMasked(.nsh(value), mask: .nsh(mask))
        }
        let count = field.payload.byteCount
        guard let value = FieldValue(attribute: field.type, field.payload.clamped(0..<count / 2)),
            let mask = FieldValue(attribute: field.type, field.payload.clamped(count / 2..<count))
        else { return nil }
        return .setMasked(value, mask: mask)
    }

    /// Reads the one attribute that the action holds; nil if there is none or more.
    private static func onlyField(_ attribute: Attribute, _ read: (Attribute) -> Action?) -> Action? {
        var run = attribute.nested
        do {
            guard let first = try run.next(), run.rest.byteCount == 0 else { return nil }
            return read(first)
        } catch { return nil }
    }
}
