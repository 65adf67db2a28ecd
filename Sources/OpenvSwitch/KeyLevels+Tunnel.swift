import Netlink

/// Tunnels in keys and masks (`ip_tun_from_nlattr`).
extension KeyLevels {
    /// - Parameters:
    ///   - options: what the tunnel's options are, or their mask.
    ///   - keyOptions: of a mask: the key's options.
    func readTunnel(
        _ tunnel: Attribute, into key: inout FlowKey, options: inout [UInt8], keyOptions: [UInt8]
    ) throws(RequestError) {
        var flags: UInt16 = 0
        var types: UInt64 = 0
        var run = tunnel.nested
        while let attribute = try next(&run, in: tunnel) {
            let type = attribute.type
            guard let row = KeyWire.tunnel.row(type), let description = TunnelTable.row(type) else {
                throw fail("attribute \(type) is not known", KeyAttribute.tunnel, offset: attribute.offset)
            }
            func refusal(_ message: String) -> RequestError {
                fail("\(message) (\(description.constant))", KeyAttribute.tunnel, offset: attribute.offset)
            }
            if let size = description.payload.wrongSize(attribute.payload.byteCount) { throw refusal(size) }
            _ = KeyWire.tunnel.read(row, attribute.payload, isMask: isMask, into: &key)
            types |= 1 << UInt64(type)
            guard row.flag & TunnelFlags.options != 0 else {
                flags |= row.flag
                continue
            }
            guard flags & TunnelFlags.options == 0 else { throw refusal("there is more than one kind of options") }
            flags |= row.flag
            switch type {
            case TunnelKeyAttribute.vxlanOptions: options = try groupPolicy(attribute)
            case TunnelKeyAttribute.geneveOptions where attribute.payload.byteCount % 4 != 0:
                throw refusal("the options must be a multiple of 4 bytes")
            default: options = attribute.payload.copyBytes()
            }
            if isMask, options.count != keyOptions.count {
                guard type != TunnelKeyAttribute.geneveOptions else {
                    throw refusal("the mask has \(options.count) bytes of options, and the key \(keyOptions.count)")
                }
                // As in the kernel, where all options end at the same place.
                let missing = max(0, keyOptions.count - options.count)
                options = [UInt8](repeating: 0, count: missing) + options.suffix(keyOptions.count)
            }
            key.tunnelOptionsLength = isMask ? .max : UInt8(truncatingIfNeeded: options.count)
        }
        key.tunnelFlags = flags
        let hasIPv4 = types & Self.ipv4Types != 0
        let hasIPv6 = types & Self.ipv6Types != 0
        if hasIPv4, hasIPv6 { throw fail("it has addresses of both IPv4 and IPv6", KeyAttribute.tunnel) }
        key.tunnelFamily = isMask ? .max : hasIPv4 ? TunnelFamily.ipv4 : TunnelFamily.ipv6
        guard !isMask else { return }

        guard hasIPv4 || hasIPv6 else { throw fail("a destination is needed", KeyAttribute.tunnel) }
        let isBridge = flags & TunnelFlags.infoBridge != 0
        if isBridge {
            let rest = KeyWire.tunnel.rows.filter { $0.type != TunnelKeyAttribute.id && $0.firstField < $0.endField }
            guard flags & ~(TunnelFlags.infoBridge | TunnelFlags.key) == 0,
                rest.allSatisfy({ KeyWire.tunnel.isZero($0, in: key) })
            else { throw fail("the tunnel of a bridge has nothing but an identifier", KeyAttribute.tunnel) }
            return
        }
        guard hasIPv4 ? key.tunnelIPv4Destination != 0 : key.tunnelIPv6Destination != IPv6Address(high: 0, low: 0)
        else { throw fail("the destination is 0", KeyAttribute.tunnel) }
        guard types & 1 << UInt64(TunnelKeyAttribute.ttl) != 0 else {
            throw fail("a TTL is needed (OVS_TUNNEL_KEY_ATTR_TTL)", KeyAttribute.tunnel)
        }
    }

    private static let ipv4Types: UInt64 =
        1 << UInt64(TunnelKeyAttribute.ipv4Source) | 1 << UInt64(TunnelKeyAttribute.ipv4Destination)
        | 1 << UInt64(TunnelKeyAttribute.ipv4InfoBridge)
    private static let ipv6Types: UInt64 =
        1 << UInt64(TunnelKeyAttribute.ipv6Source) | 1 << UInt64(TunnelKeyAttribute.ipv6Destination)

    /// `OVS_VXLAN_EXT_GBP`: four bytes; 0 if it is not there.
    private func groupPolicy(_ options: Attribute) throws(RequestError) -> [UInt8] {
        var result: [UInt8] = [0, 0, 0, 0]
        var run = options.nested
        while let attribute = try next(&run, in: options) {
            guard attribute.type == VXLANExtension.gbp, attribute.payload.byteCount == 4 else {
                throw fail(
                    "the only VXLAN option is OVS_VXLAN_EXT_GBP, with 4 bytes", KeyAttribute.tunnel,
                    offset: attribute.offset)
            }
            result = attribute.payload.copyBytes()
        }
        return result
    }
}

extension AttributeDescription.Payload {
    /// What is wrong with so many bytes of payload, or nil.
    package func wrongSize(_ count: Int) -> String? {
        switch self {
        case .flag where count != 0: "it must be empty"
        case .exactly(let size) where count != size: "it must have \(size) bytes"
        case .between(let least, _) where count < least: "it must have \(least) bytes or more"
        case .between(_, let most) where count > most: "it has more than \(most) bytes"
        case .string(let maximum) where count > maximum: "it has more than \(maximum) bytes"
        default: nil
        }
    }
}
