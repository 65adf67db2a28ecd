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
                let fault = isInKey || row.presence.isMaskedWithoutKey ? row.presence.maskRule : "the key has none"
                let who = maskLevels.isMask ? "the mask must not have it" : "without a mask it is matched"
                throw maskLevels.fail("\(who): \(fault)", row.type)
            }
        }
    }
}

extension KeyDescription.Presence {
    /// Whether a mask may have the attribute though the key has none.
    fileprivate var isMaskedWithoutKey: Bool { if case .connectionTuple = self { true } else { false } }
}
