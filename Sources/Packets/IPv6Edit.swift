public import OpenvSwitch

/// The fields of an IPv6 header that an action may set; as a value or as a mask (`OVS_KEY_ATTR_IPV6`).
public struct IPv6Edit: Equatable, Sendable, BitwiseCopyable {
    public var source: IPv6Address
    public var destination: IPv6Address
    /// The 20-bit flow label; higher bits are ignored.
    public var label: UInt32
    public var trafficClass: UInt8
    public var hopLimit: UInt8

    @inlinable
    public init(
        source: IPv6Address = IPv6Address(high: 0, low: 0), destination: IPv6Address = IPv6Address(high: 0, low: 0),
        label: UInt32 = 0, trafficClass: UInt8 = 0, hopLimit: UInt8 = 0
    ) {
        self.source = source
        self.destination = destination
        self.label = label
        self.trafficClass = trafficClass
        self.hopLimit = hopLimit
    }
}
