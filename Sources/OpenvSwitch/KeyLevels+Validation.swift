import Netlink

/// Which attributes a key must have, and which a mask may have: the presence rules of the table.
extension KeyLevels {
    /// Checks that the key has what its protocol demands, and that the mask names nothing the key cannot have.
    /// - Parameters:
    ///   - maskLevels: where the mask's attributes stand: those of the key, if there is no mask.
    ///   - maskAttributes: those that the mask names.
    func validate(
        key: FlowKey, mask: FlowMask?, maskLevels: borrowing KeyLevels, maskAttributes: KeyAttributeSet
    ) throws(RequestError) {
        let rows = KeyWire.keys.rows
        for row in rows where row.presence.isDemanded(by: key) && !present.contains(KeyAttributeSet(row.type)) {
            throw fail("the packet's protocol demands it, and it is missing", row.type)
        }
        guard let mask else { return }
        for row in rows where maskAttributes.contains(KeyAttributeSet(row.type)) {
            let isInKey = present.contains(KeyAttributeSet(row.type))
            guard row.presence.isAllowed(in: mask, over: key, isInKey: isInKey) else {
                throw maskLevels.fail(row.presence.maskFault(isInKey: isInKey), row.type)
            }
        }
    }
}

extension KeyDescription.Presence {
    /// Why a mask may not have the attribute.
    fileprivate func maskFault(isInKey: Bool) -> String {
        guard isInKey else { return "the mask names it, and the key has none" }
        return switch self {
        case .network: "it can be matched only with an exact EtherType, and one that has it"
        case .transport: "it can be matched only with an exact IP protocol, and one that has it"
        case .neighbourDiscovery: "it can be matched only with an exact ICMPv6 type, 135 or 136"
        case .connectionTuple: "it cannot be matched in neighbour discovery"
        default: "it cannot be matched"
        }
    }
}
