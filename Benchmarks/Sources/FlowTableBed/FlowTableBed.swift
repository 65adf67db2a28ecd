public import DPIF
public import Datapath
import Device
import Glibc
import Netlink
import NetlinkSocket
public import OpenvSwitch
public import Packets

/// A host whose devices take every packet and do nothing with it, so that only the switch is measured.
public final class NullPorts: PortProvider, @unchecked Sendable {
    // Sendable: control alone opens and starts, before the packet threads read.
    private var references: [UInt64: PortReference] = [:]
    private var nextToken: UInt64 = 1

    public init() {}
    /// The port with this number: the first datapath's, whose ports were added in order.
    public func port(_ number: Int) -> PortReference { references[UInt64(number + 1)]! }
    public var now: UInt64 { milliseconds() }
    public func open(_ request: PortRequest) throws(PortError) -> PortDevice {
        defer { nextToken += 1 }
        return PortDevice(
            token: nextToken, name: request.name, ifindex: Int32(nextToken), mtu: 1500, takesOffloads: true)
    }
    public func start(_ device: PortDevice, for port: PortReference) { references[device.token] = port }
    public func stop(_ device: PortDevice) {}
    public func close(_ device: PortDevice) {}
    public func statistics(of device: PortDevice) -> VportStatistics? { nil }
    public func transmit(_ packets: UnsafeMutableBufferPointer<Packet>, to token: UInt64) -> Int { packets.count }
    public func interfaces() -> [HostInterface] { [] }
    public func watchInterfaces(_ handler: @escaping @Sendable (HostInterfaceEvent) -> Void) {}
}

/// Milliseconds of the monotonic clock.
public func milliseconds() -> UInt64 { nanoseconds() / 1_000_000 }

/// Nanoseconds of the monotonic clock.
public func nanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

/// Nanoseconds of processor time that the calling thread has used.
public func processorTime() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

/// A switch with ports that cost nothing, and a handle on which requests are made as ovs-vswitchd makes them: each one
/// transaction, flows with an identifier of 16 bytes.
public final class FlowTableBed {
    public let host = NullPorts()
    public let sw: Switch
    public let dpif: NetlinkDPIF
    private let handle: Handle
    private var output = MessageWriter(capacity: 65_536, limit: 65_536)

    /// - Parameters:
    ///   - threads: packet threads; as `martlet` has them, two.
    public init(threads: Int = 2, ports: Int = 3) throws {
        sw = Switch(provider: host, maximumThreads: threads)
        let device = Device(sw)
        dpif = try NetlinkDPIF.create("br0", over: device)
        for index in 1...ports { try dpif.addPort("p\(index)") }
        handle = try device.open()
    }

    /// The request that puts a flow in.
    public func put(_ match: FlowMatch, ufid: UInt64, output port: UInt32) throws -> [UInt8] {
        var message = FlowMessage(command: Command.new, datapathIfindex: dpif.ifindex)
        var key = MessageWriter()
        try match.key.write(to: &key)
        var mask = MessageWriter()
        try match.key.write(mask: match.mask, to: &mask)
        (message.key, message.mask, message.ufid) = (key.bytes, mask.bytes, identifier(ufid))
        message.actions = try [Action.output(port)].encoded()
        var writer = MessageWriter()
        try message.write(to: &writer, flags: [.request, .create], sequence: 1, portID: handle.portID)
        return writer.bytes
    }

    /// The request that takes a flow out.
    public func delete(ufid: UInt64) throws -> [UInt8] {
        var message = FlowMessage(command: Command.delete, datapathIfindex: dpif.ifindex)
        message.ufid = identifier(ufid)
        var writer = MessageWriter()
        try message.write(to: &writer, flags: [.request], sequence: 1, portID: handle.portID)
        return writer.bytes
    }

    private func identifier(_ number: UInt64) -> UFID {
        // Open vSwitch's is a hash of the key.
        var words = (number &* 0x9e37_79b9_7f4a_7c15, (number ^ 0xabcd) &* 0xff51_afd7_ed55_8ccd)
        return UFID(withUnsafeBytes(of: &words) { Array($0) })!
    }

    /// Carries a request out, which must succeed.
    public func transact(_ request: [UInt8]) {
        output.removeAll()
        let result = handle.control(.transact, input: request.rawSpan, output: &output)
        // An answer without room for it or an error would be here.
        precondition(result.information == 0, "the request was refused")
    }

    /// A megaflow of UDP over IPv4 from a port: of twelve attributes, as ovs-vswitchd makes them.
    ///
    /// - Parameters:
    ///   - number: tells flows apart, by address and ports.
    ///   - kind: of the masks that the flows are spread over.
    public static func udp(_ number: UInt64, port: UInt16 = 1, kind: Int = 0) -> FlowMatch {
        var match = FlowMatch(key: FlowKey(), mask: FlowMask())
        match.key.kind = 1
        match.key.inPort = port
        match.key.ethernetSource = 0x0200_0000_0001
        match.key.ethernetDestination = 0x0200_0000_0002
        match.key.etherType = EtherType.ipv4
        match.key.ipProtocol = IPProtocol.udp
        match.key.ipTTL = 64
        match.key.ipv4Source = 0x0a00_0000 | UInt32(truncatingIfNeeded: number >> 12)
        match.key.ipv4Destination = 0x0b00_0000 | UInt32(kind) << 16
        match.key.transportSource = UInt16(truncatingIfNeeded: number & 0xfff)
        match.key.transportDestination = 4789
        match.mask.kind = 0xff
        match.mask.recircID = .max
        match.mask.inPort = .max
        match.mask.etherType = .max
        match.mask.ipProtocol = .max
        match.mask.fragment = .max
        match.mask.ipv4Source = .max
        match.mask.transportSource = .max
        match.mask.ipv4Destination = .max << UInt32(kind)
        return match
    }

    /// One of up to 8,192 megaflows from a port, each with a mask of its own, whose masks a packet that matches none of
    /// them has all to be compared under: as from one rule that names two addresses and a port.
    public static func exploded(_ number: Int, port: UInt16) -> FlowMatch {
        var match = udp(0, port: port)
        // All ones match no flow: each ends its prefix with a zero.
        func prefix(_ length: Int, of bits: Int) -> (value: UInt32, mask: UInt32) {
            let all: UInt32 = bits == 32 ? .max : 1 << UInt32(bits) - 1
            let mask = all & ~(all >> UInt32(length))
            return (mask & ~(1 << UInt32(bits - length)), mask)
        }
        let source = prefix(number % 32 + 1, of: 32)
        let destination = prefix(number / 32 % 32 + 1, of: 32)
        let transport = prefix(number / 1024 % 16 + 1, of: 16)
        (match.key.ipv4Source, match.mask.ipv4Source) = source
        (match.key.ipv4Destination, match.mask.ipv4Destination) = destination
        match.key.transportSource = UInt16(transport.value)
        match.mask.transportSource = UInt16(transport.mask)
        return match
    }

    /// A frame of 64 bytes with these addresses and this source port.
    public static func frame(source: UInt32, destination: UInt32, transport: UInt16) -> [UInt8] {
        func bytes(_ number: UInt32) -> [UInt8] {
            (0..<4).map { UInt8(truncatingIfNeeded: number >> UInt32(24 - 8 * $0)) }
        }
        let ethernet: [UInt8] = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0]
        let ip: [UInt8] = [0x45, 0, 0, 50, 0, 1, 0, 0, 64, 17, 0, 0] + bytes(source) + bytes(destination)
        let udp = Array(bytes(UInt32(transport)).suffix(2)) + [0x12, 0xb5, 0, 30, 0, 0]
        return ethernet + ip + udp + [UInt8](repeating: 0x55, count: 22)
    }
}
