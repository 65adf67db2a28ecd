public import Netlink

/// What a flow matches: a key, and a mask that says which of its bits count.
///
/// Reading follows the rules of the kernel's datapath (`net/openvswitch/flow_netlink.c`): every attribute has one length,
/// none may stand twice, the key must be complete for its protocol, and the mask may name only what the key has.
public struct FlowMatch: Equatable, Sendable {
    /// The key as it was given, bits outside the mask included.
    public var key: FlowKey
    public var mask: FlowMask
    public var tunnelOptions: TunnelOptionsMatch

    public init(key: FlowKey, mask: FlowMask, tunnelOptions: TunnelOptionsMatch = TunnelOptionsMatch()) {
        self.key = key
        self.mask = mask
        self.tunnelOptions = tunnelOptions
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
        if let maskAttributes {
            self.init(key: FlowKey(), mask: Self.emptyMask)
            if let present = PlainKeys.shared.readKey(keyAttributes, into: &key),
                PlainKeys.shared.readMask(maskAttributes, over: key, present, into: &mask)
            {
                return
            }
        }
        try self.init(thoroughly: keyAttributes, mask: maskAttributes)
    }

    /// Nothing is compared but that there is no VLAN tag, and whether there is an Ethernet header.
    private static let emptyMask = {
        var mask = FlowMask()
        mask.kind = 0xff
        mask.vlanTCI = 0xffff
        mask.innerVLANTCI = 0xffff
        return mask
    }()

    /// As `init(key:mask:)`, whatever they hold.
    init(thoroughly keyAttributes: Attributes, mask maskAttributes: Attributes?) throws(RequestError) {
        var key = FlowKey()
        var options = TunnelOptionsMatch()
        let keyLevels = try KeyLevels(keyAttributes, isMask: false)
        try keyLevels.readKey(into: &key, options: &options.value)

        var mask = Self.emptyMask
        if let maskAttributes {
            let levels = try KeyLevels(maskAttributes, isMask: true)
            try levels.readMask(into: &mask, key: key, options: &options.mask, keyOptions: options.value)
            try keyLevels.validate(key: key, mask: mask, maskLevels: levels, maskAttributes: levels.present)
        } else {
            try keyLevels.fillExactMask(&mask, key: key)
            options.mask = [UInt8](repeating: 0xff, count: options.value.count)
            try keyLevels.validate(
                key: key, mask: mask, maskLevels: keyLevels,
                maskAttributes: keyLevels.present.subtracting([.vlan, .encap]))
        }
        options.complete()
        self.init(key: key, mask: mask, tunnelOptions: options)
    }

    /// Reads the contents of `OVS_FLOW_ATTR_KEY` alone, as for finding a flow. The mask is empty.
    /// - Throws: `EINVAL` with the attribute at fault.
    public init(unmasked attributes: Attributes) throws(RequestError) {
        self.init(key: FlowKey(), mask: FlowMask())
        if PlainKeys.shared.readKey(attributes, into: &key) != nil { return }
        try self.init(thoroughly: attributes)
    }

    /// As `init(unmasked:)`, whatever they hold.
    init(thoroughly attributes: Attributes) throws(RequestError) {
        self.init(key: FlowKey(), mask: FlowMask())
        let levels = try KeyLevels(attributes, isMask: false)
        try levels.readKey(into: &key, options: &tunnelOptions.value)
        try levels.validate(key: key, mask: nil, maskLevels: levels, maskAttributes: [])
        tunnelOptions.complete()
    }

    /// The key alone, without the options of a tunnel.
    /// - Throws: `EINVAL` with the attribute at fault.
    public static func key(_ attributes: Attributes) throws(RequestError) -> FlowKey {
        var key = FlowKey()
        if PlainKeys.shared.readKey(attributes, into: &key) != nil { return key }
        return try thoroughKey(attributes)
    }

    @inline(never)
    private static func thoroughKey(_ attributes: Attributes) throws(RequestError) -> FlowKey {
        try FlowMatch(thoroughly: attributes).key
    }

    // MARK: Writing

    /// Writes the key as it was given.
    /// - Throws: `noSpace`, `attributeTooLong`.
    public func writeKey(to writer: inout MessageWriter) throws(NetlinkError) {
        let options = tunnelOptions.value
        try key.write(tunnelOptions: options.rawSpan, to: &writer)
    }

    /// Writes the key without the bits outside the mask.
    /// - Throws: `noSpace`, `attributeTooLong`.
    public func writeMaskedKey(to writer: inout MessageWriter) throws(NetlinkError) {
        let options = tunnelOptions.maskedValue
        try maskedKey.write(tunnelOptions: options.rawSpan, to: &writer)
    }

    /// Writes the mask. As in the kernel, the masked key decides which attributes it has.
    /// - Throws: `noSpace`, `attributeTooLong`.
    public func writeMask(to writer: inout MessageWriter) throws(NetlinkError) {
        let options = tunnelOptions.mask
        try maskedKey.write(mask: mask, tunnelOptions: options.rawSpan, to: &writer)
    }
}

/// What a flow matches of a tunnel's options: Geneve's as they stand in the packet, the group policy of VXLAN (4 bytes in
/// host byte order) or the metadata of ERSPAN. Which of them they are says `FlowKey.tunnelFlags`.
///
/// They stand beside the key: hardly any packet has them, and they would be twice as long as all the rest.
public struct TunnelOptionsMatch: Equatable, Hashable, Sendable {
    /// At most 255 bytes; empty if there are none.
    public var value: [UInt8]
    /// As many.
    public var mask: [UInt8]

    public init(value: [UInt8] = [], mask: [UInt8] = []) {
        self.value = value
        self.mask = mask
    }

    /// The options with the bits outside the mask cleared.
    public var maskedValue: [UInt8] { zip(value, mask).map { $0 & $1 } }

    /// Makes the mask as long as the options: what it does not name is not compared.
    mutating func complete() {
        if mask.count < value.count { mask += [UInt8](repeating: 0, count: value.count - mask.count) }
    }
}

/// The metadata of a packet that a client executes.
public struct FlowMetadata: Equatable, Sendable {
    /// Priority, mark, input port, hash, recirculation, connection and tunnel; and whether there is an Ethernet header. Of
    /// a packet without one the EtherType too. Other header fields are 0: they are in the packet.
    public var key: FlowKey
    /// As `TunnelOptionsMatch.value`.
    public var tunnelOptions: [UInt8]
    /// The EtherType that the packet must have, as the addresses of its connection are those of IPv4 or of IPv6; 0 for any.
    public var connectionEtherType: UInt16 = 0

    public init(key: FlowKey, tunnelOptions: [UInt8] = []) {
        self.key = key
        self.tunnelOptions = tunnelOptions
    }

    /// Reads the metadata from a key; header fields are ignored.
    /// - Throws: `EINVAL` with the attribute at fault.
    public init(_ attributes: Attributes) throws(RequestError) {
        self.init(key: FlowKey())
        if PlainKeys.shared.readMetadata(attributes, into: &key) { return }
        try self.init(thoroughly: attributes)
    }

    /// As `init`, whatever they hold.
    init(thoroughly attributes: Attributes) throws(RequestError) {
        self.init(key: FlowKey())
        let levels = try KeyLevels(attributes, isMask: false)
        try levels.readMetadata(into: &key, options: &tunnelOptions)
        for row in KeyWire.keys.rows where levels.present.contains(KeyAttributeSet(row.type)) {
            if case .connectionTuple(let type) = row.presence { connectionEtherType = type }
        }
    }
}
