public import OpenvSwitch

/// How many connections each zone of connection tracking may have (family `ovs_ct_limit`). A zone is 0…65535; others
/// are passed over, as in the kernel.
///
/// There are no connections yet, so that every count is 0.
public struct ZoneLimits: Sendable {
    /// Of zones without a limit of their own; 0 for any number.
    private var defaultLimit: UInt32 = 0
    private var limits: [UInt16: UInt32] = [:]

    init() {}

    /// Sets the limit of a zone, or the default.
    public mutating func set(_ limit: ZoneLimit) {
        if limit.zone == ZoneLimit.defaultZone {
            defaultLimit = limit.limit
        } else if let zone = UInt16(exactly: limit.zone) {
            limits[zone] = limit.limit
        }
    }

    /// Takes the limit of a zone away; of the default, makes it 0.
    public mutating func remove(_ number: Int32) {
        if number == ZoneLimit.defaultZone {
            defaultLimit = 0
        } else if let zone = UInt16(exactly: number) {
            limits[zone] = nil
        }
    }

    /// The limit that holds for a zone; nil if there is no such zone.
    public func limit(of number: Int32) -> ZoneLimit? {
        if number == ZoneLimit.defaultZone { return ZoneLimit(zone: number, limit: defaultLimit) }
        guard let zone = UInt16(exactly: number) else { return nil }
        return ZoneLimit(zone: number, limit: limits[zone] ?? defaultLimit)
    }

    /// The default, and every zone's own limit by the zone's number.
    public var all: [ZoneLimit] {
        let zones = limits.sorted { $0.key < $1.key }.map { ZoneLimit(zone: Int32($0.key), limit: $0.value) }
        return [ZoneLimit(zone: ZoneLimit.defaultZone, limit: defaultLimit)] + zones
    }
}
