public import DPIF
import NetlinkSocket
import OpenvSwitch

/// The built-in controller: a switch that learns where addresses are, over any datapath.
///
/// It is a client of `DPIF` and of nothing else. A packet that no flow matches comes to it as an upcall; from it the
/// bridge learns the port of the source address, and installs a flow for all packets like it: to the port of the
/// destination if that is known, else to all ports. Whenever something changes that a flow depends on (an address is
/// learned, moves or is forgotten, a port comes or goes), the flows concerned are changed at once.
///
/// The datapath belongs to the bridge while it runs: flows that it finds at the start are deleted, and all ports send
/// it their upcalls.
///
///     let bridge = LearningBridge(datapath: datapath, configuration: .init(pattern: "tap*"))
///     try await bridge.run()
public actor LearningBridge {
    public nonisolated let configuration: Configuration
    let datapath: any DPIF
    private let report: @Sendable (Event) -> Void
    private var isRunning = false

    // What the bridge knows. Invariants, between any two calls of `commit`:
    // - a flow's input port is one of `ports`;
    // - the source of a flow, unless it is a group address, is in `addresses`, on the flow's input port;
    // - a flow's verdict is what `verdict(on:)` says now.
    var ports: [UInt16: BridgePort] = [:]
    var addresses: AddressTable
    var flows = FlowIndex()
    var counters = Statistics()

    /// Operations that are decided and not carried out yet, in order.
    var pending: [PendingOperation] = []
    /// The actions of flooding by input port; emptied when ports come or go.
    var floodActions: [UInt16: [UInt8]] = [:]
    /// Number of the current batch of upcalls.
    var batch: UInt64 = 0
    /// Number of the last look at the flows' statistics.
    var lookNumber: UInt64 = 0
    /// Interfaces that somebody has taken off the datapath: they are not attached again until they go and come back.
    var released: Set<String> = []

    /// - Parameters:
    ///   - datapath: which datapath to serve. Nobody else may receive upcalls with this value.
    ///   - onEvent: called for each event, in order, while the bridge waits; it should be quick.
    public init(
        datapath: any DPIF, configuration: Configuration = Configuration(),
        onEvent: @escaping @Sendable (Event) -> Void = { _ in }
    ) {
        self.datapath = datapath
        self.configuration = configuration
        report = onEvent
        addresses = AddressTable(capacity: configuration.maximumAddresses)
    }

    // MARK: What it knows

    /// What the bridge holds and has done.
    public var statistics: Statistics {
        var result = counters
        result.ports = ports.count
        result.addresses = addresses.count
        result.flows = flows.count
        return result
    }

    /// All addresses learned, the one heard last at the end.
    public var learnedAddresses: [LearnedAddress] {
        let now = configuration.clock()
        return addresses.all.map { entry in
            LearnedAddress(
                mac: entry.address.mac, vlan: entry.address.vlan, port: entry.port, age: now - entry.lastHeard)
        }
    }

    // MARK: Running

    /// Serves the datapath until the task is cancelled.
    ///
    /// When it returns, ports and flows are left as they are, unless `detachAtEnd` says otherwise; packets that no flow
    /// matches are lost then.
    /// - Throws: `LearningBridgeError`, or `SocketError` if the device fails.
    public func run() async throws {
        guard !isRunning else { throw LearningBridgeError.alreadyRunning }
        isRunning = true
        defer {
            leave()
            isRunning = false
        }
        do { try await serve() } catch let error as SocketError {
            guard error.errno == Errno.noDevice, case .refused = error else { throw error }
            throw LearningBridgeError.datapathDeleted(name: datapath.name)
        }
    }

    private func serve() async throws {
        let watcher = try start()
        defer { watcher.close() }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.serveUpcalls() }
            group.addTask { try await self.serveEvents(of: watcher) }
            group.addTask { try await self.serveTime() }
            // None of the three ends unless it is cancelled or fails; then the others end too.
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private func start() throws -> PortWatcher {
        counters = Statistics()
        addresses = AddressTable(capacity: configuration.maximumAddresses)
        flows = FlowIndex()
        ports = [:]
        pending = []
        floodActions = [:]
        released = []
        try datapath.flushFlows()
        try datapath.receiveUpcalls()
        // The watcher comes before the first look, so that nothing happens unseen between them.
        let watcher = try datapath.watchPorts()
        do {
            try readPorts()
            try attachNamedPorts()
            try attachByPattern()
        } catch {
            watcher.close()
            throw error
        }
        return watcher
    }

    private func leave() {
        if configuration.detachAtEnd {
            for (number, port) in ports where port.isOwn {
                do { try datapath.deletePort(UInt32(number)) } catch { failed(error) }
            }
            do { try datapath.flushFlows() } catch { failed(error) }
        }
        datapath.close()
    }

    private func serveUpcalls() async throws {
        while !Task.isCancelled {
            if try takeUpcalls() > 0 {
                // Let events and the clock have their turn.
                await Task.yield()
                continue
            }
            do { try await datapath.waitForUpcall() } catch {
                if Task.isCancelled { return }
                guard case .lost = error else { throw error }
            }
        }
    }

    private func serveEvents(of watcher: PortWatcher) async throws {
        while !Task.isCancelled {
            let event: PortWatcher.Event
            do { event = try await watcher.next() } catch {
                if Task.isCancelled { return }
                guard case .malformed = error else { throw error }
                failed(error)
                continue
            }
            try handle(event)
        }
    }

    private func serveTime() async throws {
        while !Task.isCancelled {
            do { try await Task.sleep(for: configuration.expiryInterval) } catch { return }
            try expire()
        }
    }

    // MARK: Telling

    func tell(_ event: Event) { report(event) }

    /// Counts and tells of a failure that the bridge survives.
    func failed(_ error: SocketError) {
        counters.failures += 1
        tell(.operationFailed(error))
    }
}
