/// The text of `OVS_CT_ATTR_NAT`.
enum NATText {
    static func text(_ payload: [UInt8]) -> String {
        let attributes = ActionTable.nat.text(payload)
        guard let attributes else { return "nat(error: nl_parse_nested() failed.)" }
        let isSource = attributes[NATAttribute.source] != nil
        let isDestination = attributes[NATAttribute.destination] != nil
        let minimum = attributes[NATAttribute.ipMinimum]
        let maximum = attributes[NATAttribute.ipMaximum]
        let protoMinimum = attributes[NATAttribute.protoMinimum]?.hostValue
        let protoMaximum = attributes[NATAttribute.protoMaximum]?.hostValue
        let hasOptions = attributes.keys.contains { $0 != NATAttribute.source && $0 != NATAttribute.destination }
        if !isSource, !isDestination {
            return hasOptions ? #"nat(error: options allowed only with "src" or "dst")"# : "nat"
        }
        if isSource, isDestination { return #"nat(error: Only one of "src" or "dst" may be present.)"# }
        if minimum == nil, protoMinimum != nil { return "nat(error: proto but no IP.)" }
        if (minimum == nil && maximum != nil) || (protoMinimum == nil && protoMaximum != nil) {
            return "nat(error: range max without min.)"
        }
        if let minimum, ![4, 16].contains(minimum.count) || maximum.map({ $0.count != minimum.count }) ?? false {
            return "nat(error: IP address sizes do not match)"
        }
        let end = maximum.flatMap { $0.isAllZero ? nil : $0 }
        let protoStart = protoMinimum ?? 0
        let protoEnd = protoMaximum ?? 0
        if let minimum, let end, end.lexicographicallyPrecedes(minimum) { return "nat(range error)" }
        if protoEnd != 0, protoStart > protoEnd { return "nat(range error)" }

        var text = "nat(" + name(isSource ? NATAttribute.source : NATAttribute.destination)
        if let minimum {
            text += "=" + Self.address(minimum, bracket: protoStart != 0)
            if let end, end != minimum { text += "-" + Self.address(end, bracket: protoStart != 0) }
            if protoStart != 0 {
                text += ":\(protoStart)"
                if protoEnd != 0, protoEnd != protoStart { text += "-\(protoEnd)" }
            }
        }
        for flag in [NATAttribute.persistent, NATAttribute.protoHash, NATAttribute.protoRandom]
        where attributes[flag] != nil {
            text += "," + name(flag)
        }
        return text + ")"
    }

    private static func name(_ type: UInt16) -> String { ActionTable.nat.name(type) }

    /// An address; an IPv6 address stands in brackets if ports follow.
    private static func address(_ bytes: [UInt8], bracket: Bool) -> String {
        if bytes.count == 4 { return AddressText.ipv4(bytes) }
        let text = AddressText.ipv6(bytes)
        return bracket ? "[\(text)]" : text
    }
}
