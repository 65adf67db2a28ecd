public import OpenvSwitch

/// What a client says a meter is (`OVS_METER_CMD_SET`).
public struct MeterConfiguration: Equatable, Sendable, BitwiseCopyable {
    public var id: UInt32
    /// The rate is in kilobits per second; else in packets per second (`OVS_METER_ATTR_KBPS`).
    public var countsBytes: Bool
    /// A client that replaces the meter is told what it had counted; not if it was made with `OVS_METER_ATTR_CLEAR`.
    public var reportsWhenReplaced: Bool
    /// nil for a meter that only counts.
    public var band: Band?

    /// What happens to packets above a rate.
    public struct Band: Equatable, Sendable, BitwiseCopyable {
        /// `MeterBandType`; packets are dropped only by `drop`.
        public var type: UInt32
        /// Kilobits or packets per second.
        public var rate: UInt32
        /// Kilobits or packets that may pass at once.
        public var burst: UInt32

        public init(type: UInt32 = MeterBandType.drop, rate: UInt32, burst: UInt32) {
            self.type = type
            self.rate = rate
            self.burst = burst
        }
    }

    public init(id: UInt32, countsBytes: Bool, reportsWhenReplaced: Bool = true, band: Band?) {
        self.id = id
        self.countsBytes = countsBytes
        self.reportsWhenReplaced = reportsWhenReplaced
        self.band = band
    }
}

/// What a meter has counted.
public struct MeterUsage: Equatable, Sendable {
    /// Milliseconds of the monotonic clock at the last packet, or when the meter was made.
    public var used: UInt64
    /// All packets, those that were dropped included.
    public var statistics = FlowStatistics()
    /// For each band the packets that exceeded it.
    public var bands: [FlowStatistics] = []

    public init(used: UInt64) { self.used = used }
}

// Meters: what the commands of family `ovs_meter` do.

extension Datapath {
    /// More meters are refused with `EFBIG`, so that no client can exhaust the process. The kernel's own bound.
    public static let maximumMeters = 200_000
    /// Bands that a meter can have.
    public static let maximumBands = 1

    /// Number of meters.
    public var meterCount: Int { meters.count }

    /// A meter as it was set, and what it has counted; nil if there is none with this number.
    public func meter(_ id: UInt32) -> (configuration: MeterConfiguration, usage: MeterUsage)? { meters.meter(id) }

    /// Finds out whether a meter can be set, and changes nothing.
    /// - Throws: `EFBIG` if there are too many.
    public func planMeter(_ id: UInt32) throws(RequestError) {
        guard meters.count < Self.maximumMeters || meters.meter(id) != nil else {
            throw RequestError(Errno.fileTooBig, "there are \(Self.maximumMeters) meters already")
        }
    }

    /// Makes a meter, or replaces the one with its number; its bucket is full and nothing is counted.
    /// - Parameter now: milliseconds of the monotonic clock.
    public func setMeter(_ configuration: MeterConfiguration, now: UInt64) { meters.set(configuration, now: now) }

    /// Takes a meter away; nothing happens if there is none. Flows that name it let their packets pass.
    public func removeMeter(_ id: UInt32) { meters.remove(id) }
}
