public import Netlink

/// A message of family `ovs_ct_limit`: how many connections a zone of connection tracking may have.
public struct CTLimitMessage: Equatable, Sendable {
    /// `CTLimitCommand`.
    public var command: UInt8
    /// The limits are those of the host and not of one datapath; clients leave it 0.
    public var datapathIfindex: Int32
    public var zoneLimits: [ZoneLimit]?

    /// Lengths that the kernel's policy demands.
    public static let policy = Policy([CTLimitAttribute.zoneLimit: .any])

    public init(command: UInt8, datapathIfindex: Int32 = 0, zoneLimits: [ZoneLimit]? = nil) {
        self.command = command
        self.datapathIfindex = datapathIfindex
        self.zoneLimits = zoneLimits
    }

    /// - Throws: `truncated` if the headers are not there.
    public init(_ message: borrowing Message) throws(NetlinkError) {
        let header = try OVSHeader(message)
        let set = try Self.policy.parse(message.attributes(at: OVSHeader.attributesOffset))
        self.init(command: header.command, datapathIfindex: header.datapathIfindex)
        if let attribute = set[CTLimitAttribute.zoneLimit] { zoneLimits = ZoneLimit.list(attribute.payload) }
    }

    /// Writes the limits, if they are there.
    /// - Throws: `noSpace`, `attributeTooLong` (more than 5460 limits).
    public func write(
        to writer: inout MessageWriter, flags: MessageFlags = [], sequence: UInt32 = 0, portID: UInt32 = 0
    ) throws(NetlinkError) {
        let mark = try writer.begin(
            .ctLimit, command: command, datapathIfindex: datapathIfindex, flags: flags, sequence: sequence,
            portID: portID)
        if let zoneLimits {
            try writer.append(CTLimitAttribute.zoneLimit, bytes: zoneLimits.flatMap(\.bytes))
        }
        writer.end(message: mark)
    }
}

/// `struct ovs_zone_limit`: 12 bytes, host byte order.
public struct ZoneLimit: Equatable, Sendable {
    /// 0…65535, or `defaultZone`.
    public var zone: Int32
    /// Connections the zone may have; 0 for any number.
    public var limit: UInt32
    /// Connections the zone has.
    public var count: UInt32

    /// Stands for all zones without a limit of their own.
    public static let defaultZone: Int32 = -1
    public static let size = 12

    public init(zone: Int32, limit: UInt32 = 0, count: UInt32 = 0) {
        self.zone = zone
        self.limit = limit
        self.count = count
    }

    /// The limits in `CTLimitAttribute.zoneLimit`; bytes behind the last whole one are ignored.
    public static func list(_ bytes: RawSpan) -> [ZoneLimit] {
        (0..<(bytes.byteCount / size)).map { index in
            ZoneLimit(
                zone: bytes.load(at: index * size) ?? 0, limit: bytes.load(at: index * size + 4) ?? 0,
                count: bytes.load(at: index * size + 8) ?? 0)
        }
    }

    public var bytes: [UInt8] { hostBytes([UInt32(bitPattern: zone), limit, count]) }
}
