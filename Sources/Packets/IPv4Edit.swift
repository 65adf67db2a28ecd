/// The fields of an IPv4 header that an action may set; as a value or as a mask (`OVS_KEY_ATTR_IPV4`).
public struct IPv4Edit: Equatable, Sendable, BitwiseCopyable {
    public var source: UInt32
    public var destination: UInt32
    public var tos: UInt8
    public var ttl: UInt8

    @inlinable
    public init(source: UInt32 = 0, destination: UInt32 = 0, tos: UInt8 = 0, ttl: UInt8 = 0) {
        self.source = source
        self.destination = destination
        self.tos = tos
        self.ttl = ttl
    }
}
