import Device
public import NetlinkSocket
public import OpenvSwitch

/// The interface to a datapath: what a tool, a bridge or a dashboard calls.
///
/// One value stands for one open datapath. `NetlinkDPIF` is the interface to a datapath behind a device; whoever programs
/// against the protocol does not see how requests travel.
///
/// Every call is complete when it returns, except for the two that wait: `nextUpcall` and `PortWatcher.next`.
public protocol DPIF: AnyObject, Sendable {
    /// The datapath's name, which is the name of its LOCAL port.
    var name: String { get }
    /// Interface index of the LOCAL port.
    var ifindex: Int32 { get }

    // MARK: The datapath

    /// Deletes the datapath with its ports and flows.
    func delete() throws(SocketError)
    /// Name, statistics, features and cache size.
    func information() throws(SocketError) -> DatapathMessage
    /// Sets the mask cache's size: 0, or a power of two up to 4096.
    func setMaskCacheSize(_ size: UInt32) throws(SocketError)

    // MARK: Ports

    /// Adds a port.
    /// - Parameters:
    ///   - name: of an interface of the host (`netdev`), or of the one to be made (`internal`).
    ///   - number: the port's number; nil for the lowest that is free.
    ///   - upcalls: who gets the misses of packets from the port; nil for this interface itself, if it receives upcalls.
    @discardableResult
    func addPort(
        _ name: String, type: VportType, number: UInt32?, upcalls: [UInt32]?
    ) throws(SocketError) -> VportMessage
    func deletePort(_ number: UInt32) throws(SocketError)
    func port(_ number: UInt32) throws(SocketError) -> VportMessage
    func port(named name: String) throws(SocketError) -> VportMessage
    /// Says who gets the misses of packets from a port.
    func setUpcalls(_ portIDs: [UInt32], ofPort number: UInt32) throws(SocketError)
    /// All ports by number.
    func ports() throws(SocketError) -> [VportMessage]
    /// The interfaces of the datapath's host, attached or not.
    func interfaces() throws(SocketError) -> [NetdevMessage]

    // MARK: Flows

    /// Makes a flow, or changes its actions.
    func putFlow(_ flow: FlowPut) throws(SocketError)
    /// - Throws: `refused` with `ENOENT` if there is none.
    func flow(_ identity: FlowIdentity) throws(SocketError) -> FlowMessage
    /// Deletes a flow.
    /// - Returns: the flow with its final statistics.
    @discardableResult
    func deleteFlow(_ identity: FlowIdentity) throws(SocketError) -> FlowMessage
    /// Deletes all flows.
    func flushFlows() throws(SocketError)
    /// Calls `body` for each flow.
    /// - Parameter omitting: what need not be told of flows that have a UFID.
    /// - Returns: true if the table did not change while it was dumped.
    @discardableResult
    func dumpFlows(
        omitting: UFIDFlags, _ body: (FlowMessage) throws(SocketError) -> Void
    ) throws(SocketError) -> Bool

    // MARK: Meters

    /// How many meters there can be, and how many bands a meter can have.
    func meterFeatures() throws(SocketError) -> (maximumMeters: UInt32, maximumBands: UInt32)
    /// Makes a meter, or replaces the one with its number.
    /// - Returns: what the replaced meter had counted; nil if there was none.
    @discardableResult
    func setMeter(_ id: UInt32, _ meter: MeterPut) throws(SocketError) -> MeterStatistics?
    /// What a meter has counted.
    /// - Throws: `refused` with `ENOENT` if there is none.
    func meter(_ id: UInt32) throws(SocketError) -> MeterStatistics
    /// Deletes a meter. That there is none is no error.
    /// - Returns: what it had counted; nil if there was none.
    @discardableResult
    func deleteMeter(_ id: UInt32) throws(SocketError) -> MeterStatistics?

    // MARK: Packets

    /// Carries out actions on a packet.
    func execute(_ packet: PacketExecution) throws(SocketError)
    /// Carries out several operations in as few calls as possible. One that fails does not stop those behind it.
    func operate(_ operations: [Operation]) throws(SocketError) -> [SocketError?]
    /// Begins to receive upcalls: those of every port that names this interface's port ID.
    func receiveUpcalls() throws(SocketError)
    /// The port ID that upcalls are to be sent to; 0 before `receiveUpcalls`.
    var upcallPortID: UInt32 { get }
    /// The oldest upcall; nil if none waits.
    /// - Throws: `lost`, once after upcalls were lost.
    func receiveUpcall() throws(SocketError) -> PacketMessage?
    /// Waits until `receiveUpcall` has something to say.
    func waitForUpcall() async throws(SocketError)

    /// Begins to watch ports and interfaces.
    func watchPorts() throws(SocketError) -> PortWatcher

    /// Ends receiving upcalls; a wait ends with `cancelled`.
    func close()
}

/// What a client says a flow is.
public enum FlowIdentity: Equatable, Sendable {
    case ufid(UFID)
    /// The contents of `OVS_FLOW_ATTR_KEY`, as it was when the flow was made.
    case key([UInt8])
}

/// A flow to make or to change.
public struct FlowPut: Equatable, Sendable {
    /// The contents of `OVS_FLOW_ATTR_KEY`.
    public var key: [UInt8]
    /// The contents of `OVS_FLOW_ATTR_MASK`; nil for an exact match.
    public var mask: [UInt8]?
    /// The contents of `OVS_FLOW_ATTR_ACTIONS`; empty to drop.
    public var actions: [UInt8]
    public var ufid: UFID?
    /// What to do if the flow is there, or is not.
    public var mode: Mode
    /// Set the statistics back to zero; only where a flow is changed.
    public var clearStatistics = false

    public enum Mode: Sendable {
        /// Make it; fail with `EEXIST` if it is there.
        case create
        /// Change it; fail with `ENOENT` if it is not there.
        case modify
        /// Make it or change it.
        case createOrModify
    }

    public init(
        key: [UInt8], mask: [UInt8]? = nil, actions: [UInt8], ufid: UFID? = nil, mode: Mode = .create
    ) {
        self.key = key
        self.mask = mask
        self.actions = actions
        self.ufid = ufid
        self.mode = mode
    }
}

/// A meter to make.
public struct MeterPut: Equatable, Sendable {
    /// The band's rate is in kilobits per second; else in packets per second.
    public var countsBytes: Bool
    /// At most one; without one the meter only counts.
    public var band: MeterBand?

    public init(countsBytes: Bool, band: MeterBand?) {
        self.countsBytes = countsBytes
        self.band = band
    }
}

/// What a meter has counted.
public struct MeterStatistics: Equatable, Sendable {
    /// All packets that met it, those it dropped included.
    public var all = FlowStatistics()
    /// For each band the packets that exceeded it.
    public var bands: [FlowStatistics] = []
    /// Milliseconds of the host's monotonic clock at the last packet.
    public var used: UInt64 = 0

    public init() {}
}

/// A packet and what to do with it.
public struct PacketExecution: Equatable, Sendable {
    /// The packet, at least 14 bytes of it.
    public var packet: [UInt8]
    /// The contents of `OVS_PACKET_ATTR_KEY`: of it only metadata counts, such as the input port. With an EtherType and
    /// without MAC addresses it says that the packet has no Ethernet header.
    public var key: [UInt8]
    /// The contents of `OVS_PACKET_ATTR_ACTIONS`.
    public var actions: [UInt8]
    /// The hash of the packet's flow and the longest fragment it was put together from, as its upcall gave them.
    public var hash: UInt64?
    public var mru: UInt16?
    /// Who gets the upcalls that come of it; nil for those whom vports and actions name.
    public var upcallPortID: UInt32?

    public init(packet: [UInt8], key: [UInt8], actions: [UInt8]) {
        self.packet = packet
        self.key = key
        self.actions = actions
    }
}

/// One of several things to do in a batch.
public enum Operation: Equatable, Sendable {
    case putFlow(FlowPut)
    case deleteFlow(FlowIdentity)
    case execute(PacketExecution)
}
