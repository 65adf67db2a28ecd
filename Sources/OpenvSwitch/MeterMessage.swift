public import Netlink

/// A message of family `ovs_meter`: a request or a reply.
public struct MeterMessage: Equatable, Sendable {
    /// `MeterCommand`.
    public var command: UInt8
    public var datapathIfindex: Int32
    public var id: UInt32?
    /// Rates are in kilobits per second and not in packets per second.
    public var countsBytes = false
    /// All packets that met the meter.
    public var stats: FlowStatistics?
    public var bands: [MeterBand]?
    /// Milliseconds of the monotonic clock at the last packet.
    public var used: UInt64?
    /// A client that replaces this meter shall not be told what it had counted.
    public var clear = false
    public var maximumMeters: UInt32?
    public var maximumBands: UInt32?

    /// Lengths that the kernel's policy demands.
    public static let policy = Policy([
        MeterAttribute.id: .u32,
        MeterAttribute.kilobits: .flag,
        MeterAttribute.stats: .atLeast(FlowStatistics.size),
        MeterAttribute.bands: .nested,
        MeterAttribute.used: .u64,
        MeterAttribute.clear: .flag,
        MeterAttribute.maximumMeters: .u32,
        MeterAttribute.maximumBands: .u32,
    ])

    public init(command: UInt8, datapathIfindex: Int32 = 0, id: UInt32? = nil) {
        self.command = command
        self.datapathIfindex = datapathIfindex
        self.id = id
    }

    /// - Throws: `truncated` if the headers are not there, and the errors of both policies.
    public init(_ message: borrowing Message) throws(NetlinkError) {
        let header = try OVSHeader(message)
        let set = try Self.policy.parse(message.attributes(at: OVSHeader.attributesOffset))
        self.init(
            command: header.command, datapathIfindex: header.datapathIfindex, id: set.integer(MeterAttribute.id))
        countsBytes = set.contains(MeterAttribute.kilobits)
        if let attribute = set[MeterAttribute.stats] { stats = FlowStatistics(attribute.payload) }
        if let attribute = set[MeterAttribute.bands] { bands = try MeterBand.list(attribute.nested) }
        used = set.integer(MeterAttribute.used)
        clear = set.contains(MeterAttribute.clear)
        maximumMeters = set.integer(MeterAttribute.maximumMeters)
        maximumBands = set.integer(MeterAttribute.maximumBands)
    }

    /// Writes the attributes that are there, in the kernel's order.
    /// - Throws: `noSpace`.
    public func write(
        to writer: inout MessageWriter, flags: MessageFlags = [], sequence: UInt32 = 0, portID: UInt32 = 0
    ) throws(NetlinkError) {
        let mark = try writer.begin(
            .meter, command: command, datapathIfindex: datapathIfindex, flags: flags, sequence: sequence,
            portID: portID)
        if let id { try writer.append(MeterAttribute.id, id) }
        if countsBytes { try writer.append(flag: MeterAttribute.kilobits) }
        if clear { try writer.append(flag: MeterAttribute.clear) }
        if let stats { try stats.write(as: MeterAttribute.stats, to: &writer) }
        if let used { try writer.append(MeterAttribute.used, used) }
        if let maximumMeters { try writer.append(MeterAttribute.maximumMeters, maximumMeters) }
        if let maximumBands { try writer.append(MeterAttribute.maximumBands, maximumBands) }
        if let bands {
            let nest = try writer.begin(nested: MeterAttribute.bands)
            for band in bands { try band.write(to: &writer) }
            try writer.end(nested: nest)
        }
        writer.end(message: mark)
    }
}

/// A band of a meter: a rate, and what happens above it. A request has type, rate and burst; a reply the statistics.
public struct MeterBand: Equatable, Sendable {
    /// `MeterBandType`.
    public var type: UInt32?
    /// Kilobits or packets per second.
    public var rate: UInt32?
    /// Kilobits or packets that may pass at once.
    public var burst: UInt32?
    /// The packets that exceeded the band.
    public var stats: FlowStatistics?

    /// Lengths that the kernel's policy demands.
    public static let policy = Policy([
        BandAttribute.type: .u32,
        BandAttribute.rate: .u32,
        BandAttribute.burst: .u32,
        BandAttribute.stats: .atLeast(FlowStatistics.size),
    ])

    public init(
        type: UInt32? = nil, rate: UInt32? = nil, burst: UInt32? = nil, stats: FlowStatistics? = nil
    ) {
        self.type = type
        self.rate = rate
        self.burst = burst
        self.stats = stats
    }

    /// The bands in `MeterAttribute.bands`. What its elements are called does not matter, and bytes behind the last are
    /// ignored, as in the kernel.
    /// - Throws: the policy's errors.
    public static func list(_ attributes: Attributes) throws(NetlinkError) -> [MeterBand] {
        var bands: [MeterBand] = []
        var run = attributes
        while let element = try? run.next() {
            let set = try policy.parse(element.nested)
            var band = MeterBand(
                type: set.integer(BandAttribute.type), rate: set.integer(BandAttribute.rate),
                burst: set.integer(BandAttribute.burst))
            if let attribute = set[BandAttribute.stats] { band.stats = FlowStatistics(attribute.payload) }
            bands.append(band)
        }
        return bands
    }

    func write(to writer: inout MessageWriter) throws(NetlinkError) {
        let nest = try writer.begin(nested: 0)
        if let type { try writer.append(BandAttribute.type, type) }
        if let rate { try writer.append(BandAttribute.rate, rate) }
        if let burst { try writer.append(BandAttribute.burst, burst) }
        if let stats { try stats.write(as: BandAttribute.stats, to: &writer) }
        try writer.end(nested: nest)
    }
}

/// `enum ovs_meter_band_type`.
public enum MeterBandType {
    /// Drop what exceeds the band.
    public static let drop: UInt32 = 1
}
