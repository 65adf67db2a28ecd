import Netlink
public import OpenvSwitch
public import Packets
import Synchronization

/// A host that exists only in memory: interfaces that are plugged and unplugged by a call, and frames that are arrays.
///
/// With it a whole switch lives in one process, without privileges and without a network, for tests and simulations.
/// Everything happens on the caller's thread: when `MemoryPort.send` returns, the frame has crossed the switch.
///
///     let host = MemoryPorts()
///     let sw = Switch(provider: host)
///     host.attach(to: sw)
///     let eth0 = host.plug("eth0")
public final class MemoryPorts: PortProvider {
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
        var interfaces: [String: Interface] = [:]
        var nextIfindex: Int32 = 1
        var handler: (@Sendable (HostInterfaceEvent) -> Void)?
        var clockOffset: UInt64 = 0

        func isTaken(_ ifindex: Int32) -> Bool { interfaces.values.contains { $0.info.ifindex == ifindex } }

        /// An index that no interface has. As on a host, they are not used again before all have been.
        mutating func takeIfindex() -> Int32 {
            while isTaken(nextIfindex) { advanceIfindex() }
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

    /// Makes an interface and returns its far end.
    public func plug(_ name: String, mac: UInt64 = 0, mtu: UInt32 = 1500) -> MemoryPort {
        let (info, port, handler) = state.withLock { state in
            let info = HostInterface(
                name: name, ifindex: state.takeIfindex(), mac: mac, mtu: mtu, isUp: true, hasCarrier: true,
                isEthernet: true)
            let port = MemoryPort(name: name, host: self)
            state.interfaces[name] = Interface(info: info, port: port)
            return (info, port, state.handler)
        }
        handler?(.added(info))
        return port
    }

    /// Takes an interface away, attached or not.
    public func unplug(_ name: String) {
        let (info, handler) = state.withLock { state in
            (state.interfaces.removeValue(forKey: name)?.info, state.handler)
        }
        if let info { handler?(.removed(info)) }
    }

    /// Sets whether an interface's link is there.
    public func setCarrier(_ name: String, _ hasCarrier: Bool) {
        let (info, handler) = state.withLock { state in
            state.interfaces[name]?.info.hasCarrier = hasCarrier
            return (state.interfaces[name]?.info, state.handler)
        }
        if let info { handler?(.changed(info)) }
    }

    /// The far end of an interface, also of an internal port's.
    public func port(_ name: String) -> MemoryPort? { state.withLock { $0.interfaces[name]?.port } }

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
                guard state.interfaces[request.name] == nil else {
                    return .failure(
                        PortError(errno: Errno.exists, message: "there is an interface \(request.name) already"))
                }
                var ifindex: Int32?
                if let wish = request.ifindex, wish > 0 {
                    guard !state.isTaken(wish) else {
                        return .failure(
                            PortError(
                                errno: Errno.busy, message: "there is an interface with the index \(wish) already"))
                    }
                    ifindex = wish
                }
                let info = HostInterface(
                    name: request.name, ifindex: ifindex ?? state.takeIfindex(), mac: 0, mtu: 1500, isUp: true,
                    hasCarrier: true, isEthernet: true)
                state.interfaces[request.name] = Interface(
                    info: info, port: MemoryPort(name: request.name, host: self), isAttached: true,
                    isInternal: true)
                return .success(Self.device(info))
            case .netdev:
                guard let interface = state.interfaces[request.name] else {
                    return .failure(
                        PortError(errno: Errno.noDevice, message: "there is no interface \(request.name)"))
                }
                guard !interface.isAttached else {
                    return .failure(PortError(errno: Errno.busy, message: "\(request.name) is a port already"))
                }
                state.interfaces[request.name]?.isAttached = true
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
        thread.withLock { _ in state.withLock { $0.interfaces[device.name]?.reference = port } }
    }

    public func stop(_ device: PortDevice) {
        // With the thread's lock no frame is under way.
        thread.withLock { _ in state.withLock { $0.interfaces[device.name]?.reference = nil } }
    }

    public func close(_ device: PortDevice) {
        state.withLock { state in
            guard let interface = state.interfaces[device.name], interface.info.ifindex == device.ifindex else {
                return
            }
            if interface.isInternal {
                state.interfaces[device.name] = nil
            } else {
                state.interfaces[device.name]?.isAttached = false
            }
        }
    }

    public func statistics(of device: PortDevice) -> VportStatistics? {
        state.withLock { $0.interfaces[device.name]?.statistics }
    }

    public func transmit(_ packets: UnsafeMutableBufferPointer<Packet>, to token: UInt64) -> Int {
        let count = packets.count
        state.withLock { state in
            guard let name = state.interfaces.first(where: { UInt64($0.value.info.ifindex) == token })?.key,
                let port = state.interfaces[name]?.port
            else { return }
            for index in 0..<count {
                let packet = unsafe packets[index]
                state.interfaces[name]?.count(packet.length, fromSwitch: true)
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
    fileprivate func send(_ frame: RawSpan, from name: String, offload: Offload) {
        let now = now
        thread.withLock { thread in
            let reference = state.withLock { state -> PortReference? in
                guard let interface = state.interfaces[name], let reference = interface.reference else { return nil }
                state.interfaces[name]?.count(frame.byteCount, fromSwitch: false)
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
    public let name: String
    private let host: MemoryPorts
    private let inbox = Mutex(Inbox())

    private struct Inbox {
        var frames: [[UInt8]] = []
        var lost: UInt64 = 0
    }

    /// Frames kept for `receive`; later ones are lost and counted.
    public static let capacity = 4096

    init(name: String, host: MemoryPorts) {
        self.name = name
        self.host = host
    }

    /// Sends a frame into the switch; when it returns the frame has crossed it. Nothing happens if the interface is not
    /// attached.
    /// - Parameter offload: what is left undone on the frame.
    public func send(_ frame: [UInt8], offload: Offload = Offload()) {
        host.send(frame.rawSpan, from: name, offload: offload)
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
