/// What the text form knows about the length of an attribute's payload.
enum PayloadLength {
    case exact(Int), variable, nested
    /// The attribute is newer than the text form.
    case unknown

    /// The payload of a key attribute (`OVS_KEY_ATTR_*`).
    static func key(_ type: UInt16) -> PayloadLength {
        // Never sent, but numbered among those that are known.
        if type == 0 { return .exact(0) }
        guard let row = KeyTable.row(type) else { return .unknown }
        switch row.payload {
        case .fields(let size, _): return row.name.isEmpty ? .unknown : .exact(size)
        case .none: return .exact(0)
        case .labelStack: return .variable
        case .nested, .keys: return .nested
        }
    }

    /// The payload of an attribute nested in `OVS_KEY_ATTR_TUNNEL`.
    static func tunnel(_ type: UInt16) -> PayloadLength {
        // In user space the number stands for the options of GTP-U.
        if type == TunnelKeyAttribute.ipv4InfoBridge { return .variable }
        return TunnelTable.row(type).map(nested) ?? .unknown
    }

    /// The payload of an attribute nested in `OVS_KEY_ATTR_NSH`.
    static func nsh(_ type: UInt16) -> PayloadLength {
        if type == 0 { return .exact(0) }
        return NSHTable.row(type).map(nested) ?? .unknown
    }

    /// The payload of an attribute nested in `OVS_TUNNEL_KEY_ATTR_VXLAN_OPTS`.
    static func vxlan(_ type: UInt16) -> PayloadLength {
        switch type {
        case 0, 2: .exact(0)
        case VXLANExtension.gbp: .exact(4)
        default: .unknown
        }
    }

    private static func nested(_ row: AttributeDescription) -> PayloadLength {
        switch row.payload {
        case .flag: .exact(0)
        case .exactly(let size): .exact(size)
        case .between, .string: .variable
        case .nested, .actions: .nested
        }
    }
}
