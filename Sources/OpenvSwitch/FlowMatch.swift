public import Netlink

/// What a flow matches: a key, and a mask that says which of its bits count.
///
/// Reading follows the rules of the kernel's datapath (`net/openvswitch/flow_netlink.c`): every attribute has one length,
/// none may stand twice, the key must be complete for its protocol, and the mask may name only what the key has.
public struct FlowMatch: Equatable, Sendable {
    /// The key as it was given, bits outside the mask included.
    public var key: FlowKey
    public var mask: FlowMask

    public init(key: FlowKey, mask: FlowMask) {
        self.key = key
        self.mask = mask
    }

    /// The key with the bits outside the mask cleared: what packets are compared with.
    public var maskedKey: FlowKey { key.masked(by: mask) }

    /// Reads the contents of `OVS_FLOW_ATTR_KEY` and, if there is one, of `OVS_FLOW_ATTR_MASK`.
    ///
    /// Without a mask, the fields that the key's attributes name are exact and all others are wildcards, except for the VLAN
    /// tags, whose absence is exact too.
    ///
    /// - Throws: `EINVAL` with the attribute at fault.
    public init(key keyAttributes: Attributes, mask maskAttributes: Attributes?) throws(RequestError) {
        var key = FlowKey()
        let keyLevels = try KeyLevels(keyAttributes, isMask: false)
        try keyLevels.readKey(into: &key)

        var mask = FlowMask()
        mask.kind = 0xff
        mask.vlanTCI = 0xffff
        mask.innerVLANTCI = 0xffff
        if let maskAttributes {
            let levels = try KeyLevels(maskAttributes, isMask: true)
            try levels.readMask(into: &mask, key: key)
            try keyLevels.validate(key: key, mask: mask, maskLevels: levels, maskAttributes: levels.present)
        } else {
            try keyLevels.fillExactMask(&mask, key: key)
            try keyLevels.validate(
                key: key, mask: mask, maskLevels: keyLevels,
                maskAttributes: keyLevels.present.subtracting(keyLevels.vlanStructure))
        }
        self.init(key: key, mask: mask)
    }

    /// Reads the contents of `OVS_FLOW_ATTR_KEY` alone, as for finding a flow.
    /// - Throws: `EINVAL` with the attribute at fault.
    public static func key(_ attributes: Attributes) throws(RequestError) -> FlowKey {
        var key = FlowKey()
        let levels = try KeyLevels(attributes, isMask: false)
        try levels.readKey(into: &key)
        try levels.validate(key: key, mask: nil, maskLevels: levels, maskAttributes: [])
        return key
    }
}

/// The metadata of a packet that a client executes.
public enum FlowMetadata {
    /// Reads the metadata from a key: priority, mark, input port, hash and recirculation. Header fields are ignored, as the
    /// packet itself has them.
    /// - Throws: `EINVAL` with the attribute at fault.
    public static func read(_ attributes: Attributes) throws(RequestError) -> FlowKey {
        var key = FlowKey()
        try KeyLevels(attributes, isMask: false).readMetadataAndPort(into: &key)
        return key
    }
}
