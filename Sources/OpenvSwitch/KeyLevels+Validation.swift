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
                throw maskLevels.fail(row.presence.maskFault(over: key, isInKey: isInKey), row.type)
            }
        }
    }
}

extension KeyDescription.Presence {
    /// Why a mask may not have the attribute.
    fileprivate func maskFault(over key: FlowKey, isInKey: Bool) -> String {
        switch self {
        case .connectionTuple(EtherType.ipv6) where key.isNeighbourDiscovery:
            "it cannot be matched in neighbour discovery"
        case .metadata, .ethernetHeader, .vlanTag, .networkExtra: "the mask names it, and the key has none"
        default: maskRule
        }
    }
}
