public import Netlink
public import OpenvSwitch
import Packets
import Synchronization

/// The control side of the switch: datapaths and vports come and go here, and clients' packets are executed.
///
/// It exists only inside `Switch.withControl`.
public final class SwitchControl {
    private let shared: Switch
    /// In the order of creation.
    public private(set) var datapaths: [Datapath] = []
    /// All vports of all datapaths.
    private var vportsByName: [String: (datapath: Datapath, vport: Vport)] = [:]
    /// Datapaths by the interface index of each of their internal ports.
    private var datapathsByIfindex: [Int32: Datapath] = [:]
    /// Raised with every datapath and vport that comes or goes.
    public private(set) var generation: UInt64 = 1
    /// Of connection tracking, for all datapaths.
    public var zoneLimits = ZoneLimits()
    private var nextSerial: UInt64 = 1
    private var processor: PacketProcessor?
    /// Whether a batch of executed packets is under way.
    private var isExecuting = false
    /// Whether the batch goes on when a packet has been executed.
    private var gathersExecutions = false
    private var isShutDown = false

    /// More datapaths are refused, so that no client can exhaust the host.
    public static let maximumDatapaths = 256

    init(_ shared: Switch) { self.shared = shared }

    public var provider: any PortProvider { shared.provider }

    // MARK: Finding

    /// The datapath that has an internal port with this interface index, as its LOCAL port is; nil for 0.
    public func datapath(ifindex: Int32) -> Datapath? { ifindex == 0 ? nil : datapathsByIfindex[ifindex] }

    /// The datapath whose LOCAL port has this name.
    public func datapath(named name: String) -> Datapath? {
        guard let (datapath, vport) = vportsByName[name], vport.number == Datapath.localPort else { return nil }
        return datapath
    }

    /// The datapath with the smallest serial of at least `serial`, or nil.
    public func datapath(from serial: UInt64) -> Datapath? { datapaths.first { $0.serial >= serial } }

    /// The vport with this name in any datapath.
    public func vport(named name: String) -> (datapath: Datapath, vport: Vport)? { vportsByName[name] }

    // MARK: Datapaths

    /// Makes a datapath with its LOCAL port.
    /// - Throws: `EEXIST` if the name is that of a datapath or an interface, and the errors of the host's device.
    public func makeDatapath(
        name: String, upcallPortIDs: [UInt32], ifindex: Int32?
    ) throws(RequestError) -> Datapath {
        guard !isShutDown else { throw RequestError(Errno.noDevice, "the switch is shutting down") }
        guard vport(named: name) == nil else {
            throw RequestError(Errno.exists, "there is an interface \(name) already")
        }
        guard datapaths.count < Self.maximumDatapaths else {
            throw RequestError(Errno.noMemory, "there are \(Self.maximumDatapaths) datapaths already")
        }
        let device = try open(PortRequest(name: name, type: .internal, ifindex: ifindex))
        let datapath = Datapath(name: name, serial: nextSerial, shared: shared)
        nextSerial += 1
        datapaths.append(datapath)
        let vport = datapath.attach(
            device, number: Datapath.localPort, name: name, type: .internal, upcallPortIDs: upcallPortIDs)
        start(vport, of: datapath)
        return datapath
    }

    /// Deletes a datapath with all its ports and flows.
    public func remove(_ datapath: Datapath) {
        for vport in datapath.sortedVports.reversed() { remove(vport, from: datapath) }
        datapaths.removeAll { $0 === datapath }
        datapath.destroy()
        generation += 1
    }

    func shutDown() {
        finishExecutions()
        isShutDown = true
        for datapath in datapaths { remove(datapath) }
        processor = nil
    }

    // MARK: Vports

    /// The number a new vport gets.
    /// - Throws: `EFBIG` if the number is not less than 65535 or none is free, `EBUSY` if it is taken.
    public func planPortNumber(_ wanted: UInt32?, in datapath: Datapath) throws(RequestError) -> UInt16 {
        guard let wanted, wanted != 0 else {
            guard let free = datapath.freePortNumber else {
                throw RequestError(Errno.fileTooBig, "all port numbers are taken")
            }
            return free
        }
        guard let number = UInt16(exactly: wanted), number < FlowKey.noPort else {
            throw RequestError(Errno.fileTooBig, "the port number \(wanted) is not less than 65535")
        }
        guard datapath.vport(number) == nil else {
            throw RequestError(Errno.busy, "port number \(number) is taken in \(datapath.name)")
        }
        return number
    }

    /// Adds a vport and begins to receive on it.
    /// - Throws: the errors of the host's device.
    public func addVport(
        name: String, type: VportType, number: UInt16, upcallPortIDs: [UInt32], ifindex: Int32? = nil,
        to datapath: Datapath
    ) throws(RequestError) -> Vport {
        guard vport(named: name) == nil else {
            throw RequestError(type == .internal ? Errno.exists : Errno.busy, "\(name) is a port already")
        }
        let device = try open(PortRequest(name: name, type: type, ifindex: ifindex))
        let vport = datapath.attach(device, number: number, name: name, type: type, upcallPortIDs: upcallPortIDs)
        start(vport, of: datapath)
        return vport
    }

    /// Takes a vport out and gives its device back.
    public func remove(_ vport: Vport, from datapath: Datapath) {
        if vportsByName[vport.name]?.vport === vport { vportsByName[vport.name] = nil }
        if vport.type == .internal { datapathsByIfindex[vport.device.ifindex] = nil }
        shared.provider.stop(vport.device)
        datapath.detach(vport)
        shared.provider.close(vport.device)
        generation += 1
    }

    /// Gives a vport the name that its interface has now, as the kernel's vports have. The LOCAL port's name is the
    /// datapath's too.
    public func rename(_ vport: Vport, of datapath: Datapath, to name: String) {
        // After interfaces have exchanged their names, the other one may stand under this name already.
        if vportsByName[vport.name]?.vport === vport { vportsByName[vport.name] = nil }
        vport.name = name
        vportsByName[name] = (datapath, vport)
        if vport.number == Datapath.localPort { datapath.name = name }
        generation += 1
    }

    private func open(_ request: PortRequest) throws(RequestError) -> PortDevice {
        do { return try shared.provider.open(request) } catch { throw RequestError(error.errno, error.message) }
    }

    /// Makes a vport known by its name, and begins to receive on it.
    private func start(_ vport: Vport, of datapath: Datapath) {
        generation += 1
        vportsByName[vport.name] = (datapath, vport)
        if vport.type == .internal { datapathsByIfindex[vport.device.ifindex] = datapath }
        unsafe shared.provider.start(vport.device, for: PortReference(UnsafeMutableRawPointer(vport.entry)))
    }

    // MARK: Packets

    /// A packet to execute: checked, its actions compiled.
    public struct Execution {
        let frame: [UInt8]
        let metadata: PacketMetadata
        let actions: CompiledActions
    }

    /// Checks a packet and its actions, and changes nothing.
    ///
    /// - Parameters:
    ///   - frame: an Ethernet frame, or a packet without Ethernet header, as `metadata` says.
    ///   - metadata: what is not in the packet.
    ///   - hash: of the packet's flow, as an upcall gave it (`OVS_PACKET_ATTR_HASH`); nil to have it computed.
    ///   - maximumReceiveUnit: the longest fragment that the packet was put together from (`OVS_PACKET_ATTR_MRU`); 0
    ///     for none.
    ///   - upcallPortID: who gets the upcalls that come of it (`OVS_PACKET_ATTR_UPCALL_PID`); 0 for those whom vports
    ///     and actions name.
    /// - Throws: `EINVAL` if the packet is cut off or an action is not allowed for it.
    public func planExecution(
        frame: [UInt8], metadata: FlowMetadata, actions: Attributes, hash: UInt64? = nil,
        maximumReceiveUnit: UInt16 = 0,
        upcallPortID: UInt32 = 0
    ) throws(RequestError) -> Execution {
        let connectionEtherType = metadata.connectionEtherType
        let metadata = PacketMetadata(
            key: FlowKey(metadataOf: metadata.key),
            networkType: metadata.key.kind == 0 ? metadata.key.etherType : 0, tunnelOptions: metadata.tunnelOptions,
            hash: hash.flatMap(PacketHash.init(rawValue:)),
            maximumReceiveUnit: maximumReceiveUnit, upcallPortID: upcallPortID)
        var key = metadata.key
        let offsets = KeyExtraction.extract(
            frame.rawSpan, networkType: metadata.networkType, offload: Offload(), into: &key)
        guard offsets != nil else {
            throw RequestError(
                Errno.invalid, "the packet's Ethernet header or network service header is cut off or wrong")
        }
        guard connectionEtherType == 0 || connectionEtherType == key.etherType else {
            throw RequestError(
                Errno.invalid,
                "the packet is not of the IP version of its connection (OVS_KEY_ATTR_CT_ORIG_TUPLE_IPV4 or _IPV6)")
        }
        guard frame.count <= Packet.maximumLength else {
            throw RequestError(Errno.invalid, "the packet is longer than \(Packet.maximumLength) bytes")
        }
        let compiled = try CompiledActions(actions, forKey: key)
        return Execution(frame: frame, metadata: metadata, actions: compiled)
    }

    /// Runs `body`, in which packets are executed as a batch: what is sent is transmitted at its end, or when
    /// `finishExecutions` is called.
    public func gatheringExecutions(_ body: () -> Void) {
        gathersExecutions = true
        body()
        gathersExecutions = false
        finishExecutions()
    }

    /// Transmits what the packets executed so far have come to. To be called before a change that what is under way must
    /// not see: when ports or flows go.
    public func finishExecutions() {
        guard isExecuting, let processor else { return }
        isExecuting = false
        let provider = provider
        unsafe processor.finishBatch { unsafe provider.transmit($1, to: $0) }
    }

    /// The next slot for a packet to execute. A batch that is full is finished.
    private func takePacket(_ processor: PacketProcessor) -> Packet? {
        if isExecuting, let packet = processor.takePacket() { return packet }
        finishExecutions()
        processor.beginBatch(now: provider.now)
        isExecuting = true
        return processor.takePacket()
    }

    /// Carries out the actions on the packet. When this returns all outputs and upcalls have been queued, unless packets
    /// are executed as a batch.
    /// - Throws: `EINVAL` if a header that an action sets is not in the packet, `ENOMEM` if there is no buffer.
    public func execute(_ execution: Execution, in datapath: Datapath) throws(RequestError) {
        let processor = processor ?? PacketProcessor(shared)
        self.processor = processor
        let program = unsafe ActionProgram.make(execution.actions.instructions, bytes: execution.actions.bytes)
        // A packet from no port counts as one from the LOCAL port.
        let port = datapath.vport(execution.metadata.key.inPort) ?? datapath.vport(Datapath.localPort)
        var result = Errno.noMemory
        if var packet = takePacket(processor),
            packet.assign(execution.frame.rawSpan, networkType: execution.metadata.networkType)
        {
            result = unsafe processor.execute(
                packet, execution.metadata, program: program, in: datapath.entry, port: port?.entry)
        }
        if !gathersExecutions { finishExecutions() }
        unsafe ActionProgram.free(program)
        guard result == 0 else {
            throw RequestError(result, "a header that an action needs is not in the packet")
        }
    }

    /// Housekeeping that need not be done at any particular time: masks are put in the order of their use.
    public func tend() {
        for datapath in datapaths where datapath.flows.maskCount > 1 {
            datapath.flows.reorderMasks(now: provider.now)
        }
    }
}
