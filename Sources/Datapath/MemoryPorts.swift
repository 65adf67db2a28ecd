import Netlink
public import OpenvSwitch
public import Packets
import Synchronization

/// A host that exists only in memory: interfaces that are plugged and unplugged by a call or by a `HostScript`, and frames
/// that are arrays.
///
/// With it a whole switch lives in one process, without privileges and without a network, for tests and simulations.
/// Everything happens on the caller's thread: when `MemoryPort.send` returns, the frame has crossed the switch.
///
///     let host = MemoryPorts()
///     let sw = Switch(provider: host)
///     host.attach(to: sw)
///     let eth0 = host.plug("eth0")
public final class MemoryPorts: PortProvider {
    private typealias Handler = @Sendable (HostInterfaceEvent) -> Void

    private struct Interface {
        var info: HostInterface
        var port: MemoryPort
        /// The vport it is attached to, while frames are received from it.
        var reference: PortReference?
        var isAttached = false
        /// An internal port's: it goes when the port goes.
        var isInternal = false
        var statistics = VportStatistics()

        /// Counts a frame as the interface's owner sees it: to the host, what the switch sends to an internal port is
        /// received.
        mutating func count(_ length: Int, fromSwitch: Bool) {
            if fromSwitch == isInternal {
                statistics.receivedPackets += 1
                statistics.receivedBytes += UInt64(length)
            } else {
                statistics.transmittedPackets += 1
                statistics.transmittedBytes += UInt64(length)
            }
        }
    }
    private struct State {
        /// By index.
        var interfaces: [Int32: Interface] = [:]
        var nextIfindex: Int32 = 1
        var handler: Handler?
        var clockOffset: UInt64 = 0

        func ifindex(named name: String) -> Int32? { interfaces.first { $0.value.info.name == name }?.key }

        /// An index that no interface has. As on a host, they are not used again before all have been.
        mutating func takeIfindex() -> Int32 {
            while interfaces[nextIfindex] != nil { advanceIfindex() }
            defer { advanceIfindex() }
            return nextIfindex
        }

        private mutating func advanceIfindex() { nextIfindex = nextIfindex == .max ? 1 : nextIfindex + 1 }
    }
    /// The packet thread: whoever sends a frame is it while the frame crosses the switch.
    private struct Thread {
        var processor: PacketProcessor?
    }

    private let state = Mutex(State())
    private let thread = Mutex(Thread())
    private let start = SuspendingClock.now

    public init() {}

    /// Connects the host to its switch. Call it once, before a port is added.
    public func attach(to sw: Switch) { thread.withLock { $0.processor = PacketProcessor(sw) } }

    /// Lets go of the switch, which holds this host in turn.
    public func detach() { thread.withLock { $0.processor = nil } }

    // MARK: The host

    /// Makes an interface and returns its far end. One with this name that is there already is taken away first.
    /// - Parameters:
    ///   - mac: a 48-bit number in wire order.
    ///   - isUp: whether it is switched on and has a link.
    public func plug(_ name: String, mac: UInt64 = 0, mtu: UInt32 = 1500, isUp: Bool = true) -> MemoryPort {
        unplug(name)
        let (info, port, handler) = state.withLock { state in
            let info = HostInterface(
                name: name, ifindex: state.takeIfindex(), mac: mac, mtu: mtu, isUp: isUp, hasCarrier: isUp,
                isEthernet: true)
            let port = MemoryPort(name: name, ifindex: info.ifindex, host: self)
            state.interfaces[info.ifindex] = Interface(info: info, port: port)
            return (info, port, state.handler)
        }
        handler?(.added(info))
        return port
    }

    /// Takes an interface away, attached or not. False if there is none with this name.
    @discardableResult
    public func unplug(_ name: String) -> Bool {
        let (info, handler) = state.withLock { state in
            let ifindex = state.ifindex(named: name)
            return (ifindex.flatMap { state.interfaces.removeValue(forKey: $0)?.info }, state.handler)
        }
        if let info { handler?(.removed(info)) }
        return info != nil
    }

    /// Sets whether an interface's link is there.
    public func setCarrier(_ name: String, _ hasCarrier: Bool) { change(name) { $0.hasCarrier = hasCarrier } }

    /// Changes what is known of an interface: link, address, MTU, name, switched on or off. Nothing happens if nothing is
    /// different afterwards.
    /// - Parameter body: must leave the index as it is, and give no name that another interface has.
    /// - Returns: false if there is no interface with this name.
    @discardableResult
    public func change(_ name: String, _ body: (inout HostInterface) -> Void) -> Bool {
        let (change, handler) = state.withLock { state -> ((new: HostInterface, old: HostInterface)?, Handler?) in
            guard let ifindex = state.ifindex(named: name), let old = state.interfaces[ifindex]?.info else {
                return (nil, nil)
            }
            var new = old
            body(&new)
            precondition(new.ifindex == ifindex, "an interface keeps its index")
            precondition(new.name == name || state.ifindex(named: new.name) == nil, "the name is taken: \(new.name)")
            state.interfaces[ifindex]?.info = new
            return ((new, old), state.handler)
        }
        guard let change else { return false }
        if change.new != change.old { handler?(.changed(change.new, from: change.old)) }
        return true
    }

    /// What an interface is like now; nil if there is none with this name.
    public func interface(named name: String) -> HostInterface? {
        state.withLock { state in state.ifindex(named: name).flatMap { state.interfaces[$0]?.info } }
    }

    /// The far end of an interface, also of an internal port's.
    public func port(_ name: String) -> MemoryPort? {
        state.withLock { state in state.ifindex(named: name).flatMap { state.interfaces[$0]?.port } }
    }

    /// Lets the clock jump forward.
    /// - Parameter milliseconds: how far.
    public func advanceClock(by milliseconds: UInt64) { state.withLock { $0.clockOffset += milliseconds } }

    // MARK: PortProvider

    public var now: UInt64 {
        let (seconds, attoseconds) = start.duration(to: .now).components
        // It begins at a second, so that a time is never 0, which means never.
        return UInt64(seconds) * 1000 + UInt64(attoseconds / 1_000_000_000_000_000) + 1000
            + state.withLock { $0.clockOffset }
    }

    public func open(_ request: PortRequest) throws(PortError) -> PortDevice {
        let result: Result<PortDevice, PortError> = state.withLock { state in
            switch request.type {
            case .internal:
                guard state.ifindex(named: request.name) == nil else {
                    return .failure(
                        PortError(errno: Errno.exists, message: "there is an interface \(request.name) already"))
                }
                var ifindex: Int32?
                if let wish = request.ifindex, wish > 0 {
                    guard state.interfaces[wish] == nil else {
                        return .failure(
                            PortError(
                                errno: Errno.busy, message: "there is an interface with the index \(wish) already"))
                    }
                    ifindex = wish
                }
                let info = HostInterface(
                    name: request.name, ifindex: ifindex ?? state.takeIfindex(), mac: 0, mtu: 1500, isUp: true,
                    hasCarrier: true, isEthernet: true)
                state.interfaces[info.ifindex] = Interface(
                    info: info, port: MemoryPort(name: request.name, ifindex: info.ifindex, host: self),
                    isAttached: true, isInternal: true)
                return .success(Self.device(info))
            case .netdev:
                guard let ifindex = state.ifindex(named: request.name), let interface = state.interfaces[ifindex]
                else {
                    return .failure(
                        PortError(errno: Errno.noDevice, message: "there is no interface \(request.name)"))
                }
                guard !interface.isAttached else {
                    return .failure(PortError(errno: Errno.busy, message: "\(request.name) is a port already"))
                }
                state.interfaces[ifindex]?.isAttached = true
                return .success(Self.device(interface.info))
            default:
                return .failure(
                    PortError(
                        errno: Errno.addressFamilyNotSupported,
                        message: "vport type \(request.type.rawValue) is not supported"))
            }
        }
        return try result.get()
    }

    private static func device(_ info: HostInterface) -> PortDevice {
        PortDevice(
            token: UInt64(info.ifindex), name: info.name, ifindex: info.ifindex, mtu: Int(info.mtu),
            takesOffloads: false)
    }

    public func start(_ device: PortDevice, for port: PortReference) {
        thread.withLock { _ in state.withLock { $0.interfaces[device.ifindex]?.reference = port } }
    }

    public func stop(_ device: PortDevice) {
        // With the thread's lock no frame is under way.
        thread.withLock { _ in state.withLock { $0.interfaces[device.ifindex]?.reference = nil } }
    }

    public func close(_ device: PortDevice) {
        state.withLock { state in
            guard let interface = state.interfaces[device.ifindex] else { return }
            if interface.isInternal {
                state.interfaces[device.ifindex] = nil
            } else {
                state.interfaces[device.ifindex]?.isAttached = false
            }
        }
    }

    public func statistics(of device: PortDevice) -> VportStatistics? {
        state.withLock { $0.interfaces[device.ifindex]?.statistics }
    }

    public func transmit(_ packets: UnsafeMutableBufferPointer<Packet>, to token: UInt64) -> Int {
        let count = packets.count
        state.withLock { state in
            let ifindex = Int32(truncatingIfNeeded: token)
            guard let port = state.interfaces[ifindex]?.port else { return }
            for index in 0..<count {
                let packet = unsafe packets[index]
                state.interfaces[ifindex]?.count(packet.length, fromSwitch: true)
                port.accept(packet.bytes)
            }
        }
        return count
    }

    public func interfaces() -> [HostInterface] {
        state.withLock { $0.interfaces.values.map(\.info).sorted { $0.ifindex < $1.ifindex } }
    }

    public func watchInterfaces(_ handler: @escaping @Sendable (HostInterfaceEvent) -> Void) {
        state.withLock { $0.handler = handler }
    }

    // MARK: Frames

    /// Sends a frame from an interface's far end into the switch.
    fileprivate func send(_ frame: RawSpan, from ifindex: Int32, offload: Offload) {
        let now = now
        thread.withLock { thread in
            let reference = state.withLock { state -> PortReference? in
                guard let interface = state.interfaces[ifindex], let reference = interface.reference else { return nil }
                state.interfaces[ifindex]?.count(frame.byteCount, fromSwitch: false)
                return reference
            }
            guard let reference, let processor = thread.processor else { return }
            processor.beginBatch(now: now)
            if var packet = processor.takePacket(), packet.assign(frame) {
                packet.offload = offload
                processor.process(packet, from: reference)
            }
            unsafe processor.finishBatch { unsafe self.transmit($1, to: $0) }
        }
    }
}

/// The far end of an interface in memory: what a cable's other plug would be.
public final class MemoryPort: Sendable {
    /// The name that the interface was made with.
    public let name: String
    private let ifindex: Int32
    private let host: MemoryPorts
    private let inbox = Mutex(Inbox())

    private struct Inbox {
        var frames: [[UInt8]] = []
        var lost: UInt64 = 0
    }

    /// Frames kept for `receive`; later ones are lost and counted.
    public static let capacity = 4096

    init(name: String, ifindex: Int32, host: MemoryPorts) {
        self.name = name
        self.ifindex = ifindex
        self.host = host
    }

    /// Sends a frame into the switch; when it returns the frame has crossed it. Nothing happens if the interface is not
    /// attached.
    /// - Parameter offload: what is left undone on the frame.
    public func send(_ frame: [UInt8], offload: Offload = Offload()) {
        host.send(frame.rawSpan, from: ifindex, offload: offload)
    }

    /// The oldest frame that has come out of the switch, or nil.
    public func receive() -> [UInt8]? {
        inbox.withLock { $0.frames.isEmpty ? nil : $0.frames.removeFirst() }
    }

    /// All frames that have come out of the switch since the last call, the oldest first.
    public func receiveAll() -> [[UInt8]] {
        inbox.withLock { inbox in
            defer { inbox.frames = [] }
            return inbox.frames
        }
    }

    /// Frames that came while `capacity` were waiting.
    public var lost: UInt64 { inbox.withLock { $0.lost } }

    fileprivate func accept(_ frame: RawSpan) {
        let bytes = frame.copyBytes()
        inbox.withLock { inbox in
            if inbox.frames.count < Self.capacity { inbox.frames.append(bytes) } else { inbox.lost += 1 }
        }
    }
}
