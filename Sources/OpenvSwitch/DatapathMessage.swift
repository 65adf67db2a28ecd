public import Netlink

/// A message of family `ovs_datapath`: a request, a reply or a notification.
public struct DatapathMessage: Equatable, Sendable {
    public var command: UInt8
    /// Interface index of the LOCAL port.
    public var datapathIfindex: Int32
    public var name: String?
    public var upcallPortID: UInt32?
    public var stats: DatapathStatistics?
    public var megaflowStats: MegaflowStatistics?
    public var userFeatures: UserFeatures?
    /// Entries of the mask cache: 0, or a power of two up to 4096.
    public var masksCacheSize: UInt32?
    public var perCPUPortIDs: [UInt32]?
    /// Interface index that the LOCAL port shall get.
    public var ifindex: Int32?

    /// Lengths that the kernel's policy demands.
    public static let policy = Policy([
        DatapathAttribute.name: .string(maximum: 15),
        DatapathAttribute.upcallPortID: .u32,
        DatapathAttribute.userFeatures: .u32,
        DatapathAttribute.masksCacheSize: .u32AtMost(4096),
        DatapathAttribute.perCPUPortIDs: .any,
        DatapathAttribute.ifindex: .u32AtMost(UInt32(Int32.max)),
        DatapathAttribute.stats: .any,
        DatapathAttribute.megaflowStats: .any,
    ])

    public init(command: UInt8, datapathIfindex: Int32 = 0, name: String? = nil) {
        self.command = command
        self.datapathIfindex = datapathIfindex
        self.name = name
    }

    /// - Throws: `truncated` if the headers are not there, and the policy's errors.
    public init(_ message: borrowing Message) throws(NetlinkError) {
        let header = try OVSHeader(message)
        let set = try Self.policy.parse(message.attributes(at: OVSHeader.attributesOffset))
        self.init(command: header.command, datapathIfindex: header.datapathIfindex)
        name = set.string(DatapathAttribute.name)
        upcallPortID = set.integer(DatapathAttribute.upcallPortID)
        if let attribute = set[DatapathAttribute.stats] { stats = DatapathStatistics(attribute.payload) }
        if let attribute = set[DatapathAttribute.megaflowStats] {
            megaflowStats = MegaflowStatistics(attribute.payload)
        }
        userFeatures = set.integer(DatapathAttribute.userFeatures, as: UInt32.self).map(UserFeatures.init(rawValue:))
        masksCacheSize = set.integer(DatapathAttribute.masksCacheSize)
        if let attribute = set[DatapathAttribute.perCPUPortIDs] { perCPUPortIDs = try attribute.integers() }
        ifindex = set.integer(DatapathAttribute.ifindex)
    }

    /// Writes the attributes that are not nil, in the kernel's order.
    /// - Throws: `noSpace`, `malformedString`.
    public func write(
        to writer: inout MessageWriter, flags: MessageFlags = [], sequence: UInt32 = 0, portID: UInt32 = 0
    ) throws(NetlinkError) {
        let mark = try writer.begin(
            .datapath, command: command, datapathIfindex: datapathIfindex, flags: flags, sequence: sequence,
            portID: portID)
        if let name { try writer.append(DatapathAttribute.name, string: name) }
        if let upcallPortID { try writer.append(DatapathAttribute.upcallPortID, upcallPortID) }
        try stats?.write(to: &writer)
        try megaflowStats?.write(to: &writer)
        if let userFeatures { try writer.append(DatapathAttribute.userFeatures, userFeatures.rawValue) }
        if let masksCacheSize { try writer.append(DatapathAttribute.masksCacheSize, masksCacheSize) }
        if let perCPUPortIDs { try writer.append(DatapathAttribute.perCPUPortIDs, array: perCPUPortIDs) }
        if let ifindex { try writer.append(DatapathAttribute.ifindex, ifindex) }
        writer.end(message: mark)
    }
}

/// `OVS_DP_F_*`: how a client wants the datapath to behave.
public struct UserFeatures: OptionSet, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// The last attribute of an upcall may go without padding.
    public static let unaligned = UserFeatures(rawValue: 1)
    /// A vport has several upcall port IDs.
    public static let vportPortIDs = UserFeatures(rawValue: 2)
    public static let tcRecircSharing = UserFeatures(rawValue: 4)
    /// Upcalls go to the port ID of the thread (CPU) that had the packet.
    public static let dispatchUpcallPerCPU = UserFeatures(rawValue: 8)
}

/// `struct ovs_dp_stats`: 32 bytes, host byte order.
public struct DatapathStatistics: Equatable, Sendable {
    /// Look-ups that found a flow.
    public var hit: UInt64 = 0
    /// Look-ups that found none.
    public var missed: UInt64 = 0
    /// Upcalls that could not be delivered.
    public var lost: UInt64 = 0
    /// Flows there are.
    public var flows: UInt64 = 0

    public static let size = 32

    public init() {}

    public init?(_ bytes: RawSpan) {
        guard bytes.byteCount == Self.size else { return nil }
        hit = bytes.load(at: 0) ?? 0
        missed = bytes.load(at: 8) ?? 0
        lost = bytes.load(at: 16) ?? 0
        flows = bytes.load(at: 24) ?? 0
    }

    /// Writes `OVS_DP_ATTR_STATS`.
    /// - Throws: `noSpace`.
    public func write(to writer: inout MessageWriter) throws(NetlinkError) {
        try writer.append(DatapathAttribute.stats, [hit, missed, lost, flows])
    }
}

/// `struct ovs_dp_megaflow_stats`: 32 bytes, host byte order.
public struct MegaflowStatistics: Equatable, Sendable {
    /// Masks tried in look-ups.
    public var maskHit: UInt64 = 0
    /// Masks there are.
    public var masks: UInt32 = 0
    /// Look-ups that a cache answered.
    public var cacheHit: UInt64 = 0

    public static let size = 32

    public init() {}

    public init?(_ bytes: RawSpan) {
        guard bytes.byteCount == Self.size else { return nil }
        maskHit = bytes.load(at: 0) ?? 0
        masks = bytes.load(at: 8) ?? 0
        cacheHit = bytes.load(at: 16) ?? 0
    }

    /// Writes `OVS_DP_ATTR_MEGAFLOW_STATS`.
    /// - Throws: `noSpace`.
    public func write(to writer: inout MessageWriter) throws(NetlinkError) {
        let mark = try writer.begin(nested: DatapathAttribute.megaflowStats)
        try writer.append(raw: maskHit)
        try writer.append(raw: masks)
        try writer.append(raw: UInt32(0))
        try writer.append(raw: cacheHit)
        try writer.append(raw: UInt64(0))
        try writer.end(nested: mark)
    }
}
