public import Datapath
import Glibc
public import LinuxSystem
public import OpenvSwitch
public import Packets
import Synchronization

/// The ports of a Linux host: interfaces over packet sockets or AF_XDP, internal ports over TAP devices.
///
/// Everything happens in the network namespace of the thread that makes this object and calls `open`.
@safe
public final class LinuxPorts: PortProvider {
    private let table = PortTable()
    let workers: [PortWorker]
    private let watcher: InterfaceWatcher
    private let state: Mutex<State>
    /// For what the control thread transmits; a worker has its own.
    private let transmitter = Mutex<Transmitter>(Transmitter())
    private let xdp: XDPOptions

    private struct State: ~Copyable {
        var route: RouteSocket
        /// Open devices by slot.
        var ports: [Int: OpenPort] = [:]
        /// Slots that have been used and are free again; a slot is reused late.
        var freeSlots: [Int] = []
        var nextSlot = 0
        var nextWorker = 0
        var isShutDown = false
    }

    private struct OpenPort {
        var device: Device
        var token: UInt64
        var ifindex: Int32
        /// The workers it is received by, one for each of `Device.receiving`, from `start` to `stop`.
        var workers: [PortWorker] = []
    }

    private enum Device {
        case interface(PacketSocketPort)
        case xdp(XDPPort)
        case tap(TapPort)

        var descriptor: Int32 {
            switch self {
            case .interface(let port): port.descriptor
            case .xdp(let port): port.port.descriptor
            case .tap(let port): port.descriptor
            }
        }

        /// What is received from, by `PortTable.source`.
        var receiving: [Int32] {
            switch self {
            case .interface(let port): port.descriptors
            case .xdp(let port): port.port.descriptors + port.sockets.map { $0.descriptor.raw }
            case .tap(let port): [port.descriptor]
            }
        }

        /// Which worker after the port's first one receives from a source. The first queue of an AF_XDP port has that of
        /// the packet socket, so that what comes by both stays in order.
        func worker(ofSource source: Int) -> Int {
            if case .xdp = self { max(source - 1, 0) } else { source }
        }

        var kind: PortTable.Endpoint.Kind {
            switch self {
            case .interface: .packetSocket
            case .xdp: .xdp
            case .tap: .tap
            }
        }

        var queues: XDPQueues? {
            if case .xdp(let port) = self { port.queues } else { nil }
        }
    }

    /// - Parameters:
    ///   - workers: number of threads that `attach` starts; at least one.
    ///   - xdp: which interfaces shall be AF_XDP ports.
    /// - Throws: the error of a system call.
    public init(workers: Int, xdp: XDPOptions = XDPOptions()) throws(LinuxError) {
        var made: [PortWorker] = []
        for _ in 0..<max(workers, 1) { made.append(try PortWorker(table)) }
        self.workers = made
        self.xdp = xdp
        state = Mutex(State(route: try RouteSocket()))
        watcher = try InterfaceWatcher()
    }

    deinit { shutdown() }

    /// Starts the worker threads, which give what they receive to `sw`. To be called once.
    /// - Throws: the error if the system has no room for the threads.
    public func attach(to sw: Switch) throws(LinuxError) {
        for (index, worker) in workers.enumerated() { try worker.run(sw, name: "martlet-port\(index)") }
    }

    /// Ends the workers and the watcher and gives every interface back as it was found. May be called more than once.
    public func shutdown() {
        watcher.stop()
        for worker in workers { worker.stop() }
        state.withLock { state in
            state.isShutDown = true
            for port in state.ports.values { table.close(port.token) }
            waitForTransmitter()
            state.ports = [:]
        }
    }

    // MARK: PortProvider

    public var now: UInt64 { MonotonicClock.milliseconds }

    public func open(_ request: PortRequest) throws(PortError) -> PortDevice {
        try state.withLock { (state) throws(PortError) in
            guard !state.isShutDown else { throw PortError(errno: ESHUTDOWN, message: "the ports are shut down") }
            guard let slot = state.freeSlots.first ?? (state.nextSlot < PortTable.capacity ? state.nextSlot : nil)
            else {
                throw PortError(errno: ENOSPC, message: "\(PortTable.capacity) ports are open, which is the limit")
            }
            let device: Device
            let link: Link
            switch request.type {
            case .netdev: (device, link) = try attach(request, &state)
            case .internal: (device, link) = try Self.make(request, &state)
            default:
                throw PortError(
                    errno: EAFNOSUPPORT, message: "vport type \(request.type.rawValue) is not supported on this host")
            }
            if state.freeSlots.isEmpty { state.nextSlot += 1 } else { state.freeSlots.removeFirst() }
            let token = table.open(
                PortTable.Endpoint(descriptor: device.descriptor, kind: device.kind), queues: device.queues, at: slot)
            state.ports[slot] = OpenPort(device: device, token: token, ifindex: link.ifindex)
            return PortDevice(
                token: token, name: request.name, ifindex: link.ifindex, mtu: Int(link.mtu ?? 1500),
                takesOffloads: true)
        }
    }

    public func start(_ device: PortDevice, for port: PortReference) {
        state.withLock { state in
            let slot = PortTable.index(device.token)
            guard var open = state.ports[slot], open.token == device.token, open.workers.isEmpty else { return }
            var lanes: PortTable.Lanes?
            switch open.device {
            case .interface(let interface):
                interface.beginReceiving()
                lanes = interface.lanes
            case .xdp(let interface):
                interface.beginReceiving()
                lanes = interface.port.lanes
            case .tap: break
            }
            table.setReceiver(port, lanes: lanes, device.token)
            for (source, descriptor) in open.device.receiving.enumerated() {
                let worker = workers[(state.nextWorker + open.device.worker(ofSource: source)) % workers.count]
                // It fails only if the system has no memory for one more; the port then transmits and does not receive.
                try? worker.add(descriptor, token: PortTable.token(device.token, source: source))
                open.workers.append(worker)
            }
            let used = open.device.worker(ofSource: open.workers.count - 1) + 1
            state.nextWorker = (state.nextWorker + used) % workers.count
            state.ports[slot] = open
        }
    }

    public func stop(_ device: PortDevice) {
        state.withLock { state in
            let slot = PortTable.index(device.token)
            guard let open = state.ports[slot], open.token == device.token else { return }
            stop(open)
            state.ports[slot]?.workers = []
        }
    }

    public func close(_ device: PortDevice) {
        state.withLock { state in
            let slot = PortTable.index(device.token)
            guard let open = state.ports[slot], open.token == device.token else { return }
            stop(open)
            // First the token becomes stale, then the descriptors close.
            table.close(device.token)
            waitForTransmitter()
            state.ports[slot] = nil
            state.freeSlots.append(slot)
        }
    }

    public func statistics(of device: PortDevice) -> VportStatistics? {
        state.withLock { state in
            guard let open = state.ports[PortTable.index(device.token)], open.token == device.token,
                var statistics = try? state.route.statistics(index: open.ifindex)
            else { return nil }
            // What the interface counted as received and the switch never saw.
            if case .interface(let port) = open.device { statistics.receiveDropped &+= port.receiveDropped() }
            if case .xdp(let port) = open.device {
                let losses = port.receiveLosses()
                statistics.receiveDropped &+= losses.dropped
                statistics.receiveErrors &+= losses.errors
                statistics.transmitErrors &+= port.transmitErrors()
            }
            statistics.receiveErrors &+= table.receiveErrors(device.token)
            return statistics
        }
    }

    public func transmit(_ packets: UnsafeMutableBufferPointer<Packet>, to token: UInt64) -> Int {
        transmitter.withLock { unsafe $0.transmit(packets, to: token, of: table) }
    }

    public func interfaces() -> [HostInterface] {
        state.withLock { state in
            ((try? state.route.links()) ?? []).map { HostInterface($0) }
        }
    }

    public func watchInterfaces(_ handler: @escaping @Sendable (HostInterfaceEvent) -> Void) {
        watcher.setHandler(handler)
    }

    // MARK: Inside

    /// When this returns nothing is transmitted any more with a token that became stale before.
    private func waitForTransmitter() { transmitter.withLock { _ in } }

    private func stop(_ port: OpenPort) {
        guard !port.workers.isEmpty else { return }
        table.clearReceiver(port.token)
        for (descriptor, worker) in zip(port.device.receiving, port.workers) { worker.remove(descriptor) }
    }

    private func attach(
        _ request: PortRequest, _ state: inout State
    ) throws(PortError) -> (Device, Link) {
        let link: Link
        do { link = try state.route.link(named: request.name) } catch { throw PortError(error) }
        for open in state.ports.values where open.ifindex == link.ifindex {
            switch open.device {
            case .interface, .xdp: throw PortError(errno: EBUSY, message: "\(request.name) is already a port")
            case .tap: throw PortError(errno: EINVAL, message: "\(request.name) is an internal port itself")
            }
        }
        // An interface with several receive queues is one for several processors.
        let queues = XDPPort.queues("rx", of: request.name)
        let sockets = xdp.wants(request.name) ? 1 : min(queues, workers.count)
        let port = try PacketSocketPort(link, name: request.name, sockets: sockets)
        guard let interface = try xdp.attach(port, link) else { return (.interface(port), link) }
        return (.xdp(interface), link)
    }

    private static func make(_ request: PortRequest, _ state: inout State) throws(PortError) -> (Device, Link) {
        do {
            // A name that cannot be one is TapPort's to refuse.
            if RouteSocket.isName(request.name), try state.route.isTaken(request.name) {
                throw PortError(errno: EEXIST, message: "there is already an interface \(request.name)")
            }
            let tap = try TapPort(name: request.name, ifindex: request.ifindex)
            return (.tap(tap), try state.route.link(named: request.name))
        } catch let error as PortError {
            throw error
        } catch let error as LinuxError {
            throw PortError(error)
        } catch { throw PortError(errno: EIO, message: "cannot make \(request.name): \(error)") }
    }
}
