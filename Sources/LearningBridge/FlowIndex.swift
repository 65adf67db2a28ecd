import OpenvSwitch

/// What a bridge does with a frame.
enum Verdict: Equatable, Sendable {
    case drop
    case output(UInt16)
    /// To all ports but the one it came from.
    case flood
}

/// A flow that the bridge has installed.
struct BridgeFlow {
    let header: FrameHeader
    var verdict: Verdict
    /// The packet counter when it was last looked at.
    var packets: UInt64 = 0
    /// When the packet counter was last seen to have moved, or the flow was installed.
    var lastUsed: Duration
    /// The look at the statistics that last saw the flow.
    var lastSeen: UInt64 = 0
    /// The batch of upcalls that last put it.
    var batch: UInt64
}

/// The flows that the bridge has installed, found by what they match and by their addresses.
struct FlowIndex {
    /// Number of a flow: the second half of its UFID.
    typealias ID = UInt64

    private(set) var flows: [ID: BridgeFlow] = [:]
    private var byHeader: [FrameHeader: ID] = [:]
    private var bySource: [Address: Set<ID>] = [:]
    private var byDestination: [Address: Set<ID>] = [:]
    private var nextID: ID = 1
    /// The first half of all UFIDs, which tells this bridge's flows from those of others.
    private let salt: UInt64

    init() {
        var random = SystemRandomNumberGenerator()
        salt = random.next()
    }

    var count: Int { flows.count }

    func id(of header: FrameHeader) -> ID? { byHeader[header] }
    func ids(from address: Address) -> Set<ID> { bySource[address] ?? [] }
    func ids(to address: Address) -> Set<ID> { byDestination[address] ?? [] }

    subscript(id: ID) -> BridgeFlow? { flows[id] }

    /// Changes a flow's record, if there is one.
    mutating func update(_ id: ID, _ body: (inout BridgeFlow) -> Void) {
        guard let index = flows.index(forKey: id) else { return }
        body(&flows.values[index])
    }

    mutating func insert(_ flow: BridgeFlow) -> ID {
        let id = nextID
        nextID += 1
        flows[id] = flow
        byHeader[flow.header] = id
        bySource[flow.header.sourceAddress, default: []].insert(id)
        byDestination[flow.header.destinationAddress, default: []].insert(id)
        return id
    }

    mutating func remove(_ id: ID) {
        guard let flow = flows.removeValue(forKey: id) else { return }
        byHeader[flow.header] = nil
        Self.remove(id, from: &bySource, flow.header.sourceAddress)
        Self.remove(id, from: &byDestination, flow.header.destinationAddress)
    }

    private static func remove(_ id: ID, from index: inout [Address: Set<ID>], _ address: Address) {
        index[address]?.remove(id)
        if index[address]?.isEmpty == true { index[address] = nil }
    }

    // MARK: UFIDs

    /// The UFID of a flow: 16 bytes.
    func ufid(_ id: ID) -> UFID? {
        let bytes = [salt, id].flatMap { number in (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * $0)) } }
        return UFID(bytes)
    }

    /// The flow with a UFID; nil if it is none of this bridge's.
    func id(of ufid: UFID) -> ID? {
        guard ufid.count == 16 else { return nil }
        func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
        guard number(ufid.bytes[0..<8]) == salt else { return nil }
        let id = number(ufid.bytes[8..<16])
        return flows[id] == nil ? nil : id
    }
}
