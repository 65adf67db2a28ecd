public import Netlink

/// A message of family `ovs_flow`: a request, a reply or a notification. Key, mask and actions are kept as the bytes they
/// travel in.
public struct FlowMessage: Equatable, Sendable {
    public var command: UInt8
    public var datapathIfindex: Int32
    /// The contents of `OVS_FLOW_ATTR_KEY`.
    public var key: [UInt8]?
    /// The contents of `OVS_FLOW_ATTR_MASK`.
    public var mask: [UInt8]?
    /// The contents of `OVS_FLOW_ATTR_ACTIONS`; empty means drop.
    public var actions: [UInt8]?
    public var ufid: UFID?
    public var ufidFlags: UFIDFlags?
    /// Absent if the flow has had no packet.
    public var stats: FlowStatistics?
    /// The TCP flags seen, the lower eight bits; absent if none.
    public var tcpFlags: UInt8?
    /// Milliseconds of the datapath's monotonic clock when the flow was last hit; absent if never.
    public var used: UInt64?
    /// Set the statistics back to zero.
    public var clear = false
    /// The request is a probe for a feature: do not log its failure.
    public var probe = false

    /// Lengths that the kernel's policy demands.
    public static let policy = Policy([
        FlowAttribute.key: .nested,
        FlowAttribute.actions: .nested,
        FlowAttribute.stats: .any,
        FlowAttribute.tcpFlags: .u8,
        FlowAttribute.used: .u64,
        FlowAttribute.clear: .flag,
        FlowAttribute.mask: .nested,
        FlowAttribute.probe: .flag,
        FlowAttribute.ufid: .atLeast(1),
        FlowAttribute.ufidFlags: .u32,
    ])

    public init(command: UInt8, datapathIfindex: Int32) {
        self.command = command
        self.datapathIfindex = datapathIfindex
    }

    /// - Throws: `truncated` if the headers are not there, and the policy's errors.
    public init(_ message: borrowing Message) throws(NetlinkError) {
        let header = try OVSHeader(message)
        let set = try Self.policy.parse(message.attributes(at: OVSHeader.attributesOffset))
        self.init(command: header.command, datapathIfindex: header.datapathIfindex)
        key = set.payload(FlowAttribute.key)
        mask = set.payload(FlowAttribute.mask)
        actions = set.payload(FlowAttribute.actions)
        if let attribute = set[FlowAttribute.ufid] { ufid = UFID(attribute.payload) }
        ufidFlags = set.integer(FlowAttribute.ufidFlags, as: UInt32.self).map(UFIDFlags.init(rawValue:))
        if let attribute = set[FlowAttribute.stats] { stats = FlowStatistics(attribute.payload) }
        tcpFlags = set.integer(FlowAttribute.tcpFlags)
        used = set.integer(FlowAttribute.used)
        clear = set.contains(FlowAttribute.clear)
        probe = set.contains(FlowAttribute.probe)
    }

    /// Writes the attributes that are there, identifier first, in the kernel's order.
    /// - Throws: `noSpace`, `attributeTooLong`.
    public func write(
        to writer: inout MessageWriter, flags: MessageFlags = [], sequence: UInt32 = 0, portID: UInt32 = 0
    ) throws(NetlinkError) {
        let mark = try writer.begin(
            .flow, command: command, datapathIfindex: datapathIfindex, flags: flags, sequence: sequence,
            portID: portID)
        try ufid?.write(to: &writer)
        if let key { try writer.append(FlowAttribute.key, bytes: key) }
        if let mask { try writer.append(FlowAttribute.mask, bytes: mask) }
        if let used { try writer.append(FlowAttribute.used, used) }
        try stats?.write(to: &writer)
        if let tcpFlags { try writer.append(FlowAttribute.tcpFlags, tcpFlags) }
        if let actions { try writer.append(FlowAttribute.actions, bytes: actions) }
        if let ufidFlags { try writer.append(FlowAttribute.ufidFlags, ufidFlags.rawValue) }
        if clear { try writer.append(flag: FlowAttribute.clear) }
        if probe { try writer.append(flag: FlowAttribute.probe) }
        writer.end(message: mark)
    }
}

/// A unique flow identifier: 1 to 16 bytes that a client chose (`OVS_FLOW_ATTR_UFID`); Open vSwitch always uses 16.
public struct UFID: Hashable, Sendable {
    /// The bytes as two numbers in network byte order, with zeros behind the last.
    private var high: UInt64 = 0
    private var low: UInt64 = 0
    public let count: Int

    public static let maximumLength = 16

    /// nil if there are no bytes, or more than 16.
    public init?(_ bytes: [UInt8]) { self.init(bytes.rawSpan) }

    /// nil if there are no bytes, or more than 16.
    public init?(_ bytes: RawSpan) {
        count = bytes.byteCount
        guard (1...Self.maximumLength).contains(count) else { return nil }
        for index in 0..<8 { high = high << 8 | UInt64(bytes.load(at: index) as UInt8? ?? 0) }
        for index in 8..<16 { low = low << 8 | UInt64(bytes.load(at: index) as UInt8? ?? 0) }
    }

    public var bytes: [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: ($0 < 8 ? high : low) >> UInt64(56 - 8 * ($0 & 7))) }
    }

    /// Writes `OVS_FLOW_ATTR_UFID`.
    /// - Throws: `noSpace`.
    public func write(to writer: inout MessageWriter) throws(NetlinkError) {
        if count == Self.maximumLength {
            try writer.append(FlowAttribute.ufid, bigEndian: [high, low])
        } else {
            try writer.append(FlowAttribute.ufid, bytes: bytes)
        }
    }
}

/// `OVS_UFID_F_*`: what a reply may leave out.
public struct UFIDFlags: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    public static let omitKey = UFIDFlags(rawValue: 1)
    public static let omitMask = UFIDFlags(rawValue: 2)
    public static let omitActions = UFIDFlags(rawValue: 4)
}

/// `struct ovs_flow_stats`: 16 bytes, host byte order.
public struct FlowStatistics: Equatable, Sendable {
    public var packets: UInt64
    public var octets: UInt64

    public static let size = 16

    public init(packets: UInt64 = 0, octets: UInt64 = 0) {
        self.packets = packets
        self.octets = octets
    }

    public init?(_ span: RawSpan) {
        guard span.byteCount == Self.size else { return nil }
        packets = span.load(at: 0) ?? 0
        octets = span.load(at: 8) ?? 0
    }

    /// Writes an attribute: `OVS_FLOW_ATTR_STATS`, or another that has this structure.
    /// - Throws: `noSpace`.
    public func write(
        as type: UInt16 = FlowAttribute.stats, to writer: inout MessageWriter
    ) throws(NetlinkError) {
        try writer.append(type, [packets, octets])
    }
}
