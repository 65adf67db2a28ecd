public import OpenvSwitch
public import Packets

/// What a datapath asks of the host it runs on: devices for its vports, a clock, and news of interfaces.
///
/// `HostPorts` implements it for Linux, `MemoryPorts` for tests and for programs that hold a whole switch in memory. The
/// calls are made by the control thread, one at a time, and never on the way of a packet, except `transmit`, which is
/// called once per batch and destination for the packets that a control request executed.
public protocol PortProvider: AnyObject, Sendable {
    /// Milliseconds of the host's monotonic clock (`CLOCK_MONOTONIC`), as `OVS_FLOW_ATTR_USED` counts.
    var now: UInt64 { get }

    /// Opens the device of a vport: attaches an existing interface (`netdev`) or makes one (`internal`). Frames are not
    /// received before `start`.
    /// - Throws: the error number for the client and a sentence for people. On an error nothing has changed on the host.
    func open(_ request: PortRequest) throws(PortError) -> PortDevice

    /// Begins to receive: every frame that comes in on the device is given to the switch as coming from `port`.
    func start(_ device: PortDevice, for port: PortReference)

    /// Ends receiving. When this returns no thread uses `port` for a received frame any more.
    func stop(_ device: PortDevice)

    /// Gives the device back as it was found, or removes it if `open` made it. No thread transmits to it any more.
    func close(_ device: PortDevice)

    /// The device's own counters; nil if it has gone.
    func statistics(of device: PortDevice) -> VportStatistics?

    /// Transmits packets in order.
    /// - Returns: how many were taken; the caller counts the rest as dropped.
    func transmit(_ packets: UnsafeMutableBufferPointer<Packet>, to token: UInt64) -> Int

    /// The interfaces there are now.
    func interfaces() -> [HostInterface]

    /// Asks for news of interfaces; replaces an earlier handler. The handler may be called on any thread.
    func watchInterfaces(_ handler: @escaping @Sendable (HostInterfaceEvent) -> Void)
}

/// What device a vport needs.
public struct PortRequest: Sendable {
    public var name: String
    public var type: VportType
    /// The interface index an internal port shall get (`OVS_DP_ATTR_IFINDEX`, `OVS_VPORT_ATTR_IFINDEX`); nil for any.
    public var ifindex: Int32?

    public init(name: String, type: VportType, ifindex: Int32? = nil) {
        self.name = name
        self.type = type
        self.ifindex = ifindex
    }
}

/// A device that was opened for a vport.
public struct PortDevice: Sendable {
    /// The provider's own handle for the device, what `transmit` is called with.
    public var token: UInt64
    public var name: String
    public var ifindex: Int32
    /// Bytes of the longest packet behind the Ethernet header.
    public var mtu: Int
    /// Whether frames with work left undone (`Offload`) may be transmitted to it. If not, the switch completes checksums
    /// and cuts segments first.
    public var takesOffloads: Bool

    public init(token: UInt64, name: String, ifindex: Int32, mtu: Int, takesOffloads: Bool) {
        self.token = token
        self.name = name
        self.ifindex = ifindex
        self.mtu = mtu
        self.takesOffloads = takesOffloads
    }
}

/// Why a device could not be opened.
public struct PortError: Error, Sendable {
    /// A positive Linux error number, what the Netlink reply carries.
    public var errno: Int32
    /// What was wrong and what to do, for the extended ack and the log.
    public var message: String

    public init(errno: Int32, message: String) {
        self.errno = errno
        self.message = message
    }
}

/// An interface of the host, attached or not.
public struct HostInterface: Equatable, Sendable {
    public var name: String
    public var ifindex: Int32
    /// 48-bit MAC address, a number in wire order.
    public var mac: UInt64
    public var mtu: UInt32
    /// The interface is up (`IFF_UP`).
    public var isUp: Bool
    /// The link is there (`IFF_LOWER_UP`: carrier).
    public var hasCarrier: Bool
    /// The interface is Ethernet and may become a port.
    public var isEthernet: Bool

    public init(
        name: String, ifindex: Int32, mac: UInt64, mtu: UInt32, isUp: Bool, hasCarrier: Bool, isEthernet: Bool
    ) {
        self.name = name
        self.ifindex = ifindex
        self.mac = mac
        self.mtu = mtu
        self.isUp = isUp
        self.hasCarrier = hasCarrier
        self.isEthernet = isEthernet
    }
}

/// News of an interface.
public enum HostInterfaceEvent: Equatable, Sendable {
    /// It has come.
    case added(HostInterface)
    /// It has gone, or moved to another network namespace.
    case removed(HostInterface)
    /// Link, address, MTU, name or up/down changed.
    /// - Parameter from: the interface as it was, as far as the host had told.
    case changed(HostInterface, from: HostInterface)
}
