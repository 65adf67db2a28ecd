public import Datapath
public import OpenvSwitch
public import Packets

/// A host whose devices take every packet and do nothing with it, so that only the switch is measured.
public final class NullPorts: PortProvider, @unchecked Sendable {
    // Sendable: control alone uses it, and packet threads only while nothing changes.
    public private(set) var references: [UInt64: PortReference] = [:]
    private var nextToken: UInt64 = 1

    public init() {}

    /// Milliseconds; they pass when someone says so.
    public var now: UInt64 = 1000
    public func open(_ request: PortRequest) throws(PortError) -> PortDevice {
        defer { nextToken += 1 }
        return PortDevice(
            token: nextToken, name: request.name, ifindex: Int32(nextToken), mtu: 1500, takesOffloads: true)
    }
    public func start(_ device: PortDevice, for port: PortReference) { references[device.token] = port }
    public func stop(_ device: PortDevice) { references[device.token] = nil }
    public func close(_ device: PortDevice) {}
    public func statistics(of device: PortDevice) -> VportStatistics? { nil }
    public func transmit(_ packets: UnsafeMutableBufferPointer<Packet>, to token: UInt64) -> Int { packets.count }
    public func interfaces() -> [HostInterface] { [] }
    public func watchInterfaces(_ handler: @escaping @Sendable (HostInterfaceEvent) -> Void) {}
}
