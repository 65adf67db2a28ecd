import Device
import Netlink
public import NetlinkSocket
public import OpenvSwitch
import Synchronization

/// The interface to a datapath behind a device, over any transport.
public final class NetlinkDPIF: DPIF {
    public let name: String
    public let ifindex: Int32
    private let transport: any DeviceTransport
    private let socket: TransactionSocket
    private let upcalls = Mutex<PacketSocket?>(nil)

    private init(_ transport: some DeviceTransport, _ socket: TransactionSocket, _ reply: DatapathMessage) {
        self.transport = transport
        self.socket = socket
        name = reply.name ?? ""
        ifindex = reply.datapathIfindex
    }

    // MARK: Opening

    /// The features that this client asks of a datapath it makes.
    private static let features: UserFeatures = [.unaligned, .vportPortIDs]

    /// All datapaths of a device.
    public static func datapaths(over transport: some DeviceTransport) throws(SocketError) -> [DatapathMessage] {
        let socket = try TransactionSocket(transport)
        var result: [DatapathMessage] = []
        try socket.dump(DatapathMessage(command: Command.get)) { message throws(SocketError) in
            result.append(try read(message))
        }
        return result
    }

    /// Opens a datapath.
    /// - Throws: `refused` with `ENODEV` if there is none of that name.
    public static func open(
        _ name: String, over transport: some DeviceTransport
    ) throws(SocketError) -> NetlinkDPIF {
        let socket = try TransactionSocket(transport)
        let request = DatapathMessage(command: Command.get, name: name)
        return NetlinkDPIF(transport, socket, try reply(try socket.transact(request)))
    }

    /// Makes a datapath and opens it.
    /// - Throws: `refused` with `EEXIST` if a datapath or an interface has the name.
    public static func create(
        _ name: String, over transport: some DeviceTransport
    ) throws(SocketError) -> NetlinkDPIF {
        let socket = try TransactionSocket(transport)
        var request = DatapathMessage(command: Command.new, name: name)
        request.upcallPortID = 0
        request.userFeatures = features
        return NetlinkDPIF(transport, socket, try reply(try socket.transact(request, flags: .echo)))
    }

    // MARK: The datapath

    public func delete() throws(SocketError) {
        _ = try socket.transact(DatapathMessage(command: Command.delete, datapathIfindex: ifindex))
    }

    public func information() throws(SocketError) -> DatapathMessage {
        try Self.reply(try socket.transact(DatapathMessage(command: Command.get, datapathIfindex: ifindex)))
    }

    public func setMaskCacheSize(_ size: UInt32) throws(SocketError) {
        var request = DatapathMessage(command: Command.set, datapathIfindex: ifindex)
        // A request without features would take them all away.
        request.userFeatures = try information().userFeatures ?? []
        request.masksCacheSize = size
        _ = try socket.transact(request)
    }

    // MARK: Ports

    @discardableResult
    public func addPort(
        _ name: String, type: VportType = .netdev, number: UInt32? = nil, upcalls: [UInt32]? = nil
    ) throws(SocketError) -> VportMessage {
        let request = VportMessage(
            command: Command.new, datapathIfindex: ifindex, portNumber: number, type: type, name: name,
            upcallPortIDs: upcalls ?? [upcallPortID])
        return try Self.reply(try socket.transact(request, flags: .echo))
    }

    public func deletePort(_ number: UInt32) throws(SocketError) {
        _ = try socket.transact(
            VportMessage(command: Command.delete, datapathIfindex: ifindex, portNumber: number))
    }

    public func port(_ number: UInt32) throws(SocketError) -> VportMessage {
        try Self.reply(
            try socket.transact(VportMessage(command: Command.get, datapathIfindex: ifindex, portNumber: number)))
    }

    public func port(named name: String) throws(SocketError) -> VportMessage {
        try Self.reply(
            try socket.transact(VportMessage(command: Command.get, datapathIfindex: ifindex, name: name)))
    }

    public func setUpcalls(_ portIDs: [UInt32], ofPort number: UInt32) throws(SocketError) {
        _ = try socket.transact(
            VportMessage(
                command: Command.set, datapathIfindex: ifindex, portNumber: number, upcallPortIDs: portIDs))
    }

    public func ports() throws(SocketError) -> [VportMessage] {
        var result: [VportMessage] = []
        let request = VportMessage(command: Command.get, datapathIfindex: ifindex)
        try socket.dump(request) { message throws(SocketError) in result.append(try Self.read(message)) }
        return result
    }

    public func interfaces() throws(SocketError) -> [NetdevMessage] {
        var result: [NetdevMessage] = []
        try socket.dump(NetdevMessage(command: NetdevCommand.get)) { message throws(SocketError) in
            result.append(try Self.read(message))
        }
        return result
    }

    // MARK: Flows

    public func putFlow(_ flow: FlowPut) throws(SocketError) {
        let (message, flags) = request(flow)
        _ = try socket.transact(message, flags: flags)
    }

    public func flow(_ identity: FlowIdentity) throws(SocketError) -> FlowMessage {
        try Self.reply(try socket.transact(request(Command.get, identity)))
    }

    @discardableResult
    public func deleteFlow(_ identity: FlowIdentity) throws(SocketError) -> FlowMessage {
        try Self.reply(try socket.transact(request(Command.delete, identity), flags: .echo))
    }

    public func flushFlows() throws(SocketError) {
        _ = try socket.transact(FlowMessage(command: Command.delete, datapathIfindex: ifindex))
    }

    @discardableResult
    public func dumpFlows(
        omitting: UFIDFlags = [], _ body: (FlowMessage) throws(SocketError) -> Void
    ) throws(SocketError) -> Bool {
        var request = FlowMessage(command: Command.get, datapathIfindex: ifindex)
        if !omitting.isEmpty { request.ufidFlags = omitting }
        return try socket.dump(request) { message throws(SocketError) in try body(try Self.read(message)) }
    }

    private func request(_ command: UInt8, _ identity: FlowIdentity) -> FlowMessage {
        var message = FlowMessage(command: command, datapathIfindex: ifindex)
        switch identity {
        case .ufid(let ufid): message.ufid = ufid
        case .key(let key): message.key = key
        }
        return message
    }

    private func request(_ flow: FlowPut) -> (FlowMessage, MessageFlags) {
        let command = flow.mode == .modify ? Command.set : Command.new
        var message = FlowMessage(command: command, datapathIfindex: ifindex)
        message.key = flow.key
        message.mask = flow.mask
        message.actions = flow.actions
        message.ufid = flow.ufid
        message.clear = flow.clearStatistics && flow.mode == .modify
        return (message, flow.mode == .create ? .create : [])
    }

    // MARK: Meters

    public func meterFeatures() throws(SocketError) -> (maximumMeters: UInt32, maximumBands: UInt32) {
        let request = MeterMessage(command: MeterCommand.features, datapathIfindex: ifindex)
        let message: MeterMessage = try Self.reply(try socket.transact(request))
        return (message.maximumMeters ?? 0, message.maximumBands ?? 0)
    }

    @discardableResult
    public func setMeter(_ id: UInt32, _ meter: MeterPut) throws(SocketError) -> MeterStatistics? {
        var request = MeterMessage(command: MeterCommand.set, datapathIfindex: ifindex, id: id)
        request.countsBytes = meter.countsBytes
        request.bands = meter.band.map { [$0] } ?? []
        return MeterStatistics(try Self.reply(try socket.transact(request)))
    }

    public func meter(_ id: UInt32) throws(SocketError) -> MeterStatistics {
        let request = MeterMessage(command: MeterCommand.get, datapathIfindex: ifindex, id: id)
        return MeterStatistics(try Self.reply(try socket.transact(request))) ?? MeterStatistics()
    }

    @discardableResult
    public func deleteMeter(_ id: UInt32) throws(SocketError) -> MeterStatistics? {
        let request = MeterMessage(command: MeterCommand.delete, datapathIfindex: ifindex, id: id)
        return MeterStatistics(try Self.reply(try socket.transact(request)))
    }

    // MARK: Packets

    public func execute(_ packet: PacketExecution) throws(SocketError) {
        _ = try socket.transact(request(packet))
    }

    private func request(_ packet: PacketExecution) -> PacketMessage {
        var message = PacketMessage(
            command: PacketCommand.execute, datapathIfindex: ifindex, packet: packet.packet, key: packet.key,
            actions: packet.actions)
        message.hash = packet.hash
        message.mru = packet.mru
        message.upcallPortID = packet.upcallPortID
        return message
    }

    public func operate(_ operations: [Operation]) throws(SocketError) -> [SocketError?] {
        let requests = operations.map { operation -> (message: any WritableMessage, flags: MessageFlags) in
            switch operation {
            case .putFlow(let flow): request(flow)
            case .deleteFlow(let identity): (request(Command.delete, identity), [])
            case .execute(let packet): (request(packet), [])
            }
        }
        return try socket.transact(batch: requests).map { result in
            if case .failure(let error) = result { error } else { nil }
        }
    }

    public func receiveUpcalls() throws(SocketError) {
        guard upcalls.withLock({ $0 == nil }) else { return }
        let socket = try PacketSocket(transport)
        upcalls.withLock { $0 = socket }
    }

    public var upcallPortID: UInt32 { upcalls.withLock { $0?.portID ?? 0 } }

    public func receiveUpcall() throws(SocketError) -> PacketMessage? {
        guard let socket = upcalls.withLock({ $0 }), let bytes = try socket.receive() else { return nil }
        do throws(NetlinkError) { return try PacketMessage(try Message(bytes.rawSpan)) } catch {
            throw .malformed(error)
        }
    }

    public func waitForUpcall() async throws(SocketError) {
        guard let socket = upcalls.withLock({ $0 }) else { throw .device(DeviceError(.invalidParameter)) }
        try await socket.wait()
    }

    public func watchPorts() throws(SocketError) -> PortWatcher { try PortWatcher(transport) }

    public func close() { upcalls.withLock { $0.take() }?.close() }

    // MARK: Reading

    private static func read<Reply: ReadableMessage>(_ message: borrowing Message) throws(SocketError) -> Reply {
        do { return try Reply(message) } catch { throw .malformed(error) }
    }

    /// Reads the reply to a transaction that must have one.
    private static func reply<Reply: ReadableMessage>(_ bytes: [UInt8]?) throws(SocketError) -> Reply {
        guard let bytes else { throw .malformed(NetlinkError(.truncated)) }
        do throws(NetlinkError) { return try Reply(try Message(bytes.rawSpan)) } catch { throw .malformed(error) }
    }
}

/// A message of one family that can be read from its bytes.
private protocol ReadableMessage {
    init(_ message: borrowing Message) throws(NetlinkError)
}

extension DatapathMessage: ReadableMessage {}
extension VportMessage: ReadableMessage {}
extension FlowMessage: ReadableMessage {}
extension NetdevMessage: ReadableMessage {}
extension MeterMessage: ReadableMessage {}

extension MeterStatistics {
    /// nil if the message has no statistics.
    fileprivate init?(_ message: MeterMessage) {
        guard let stats = message.stats else { return nil }
        all = stats
        bands = message.bands?.map { $0.stats ?? FlowStatistics() } ?? []
        used = message.used ?? 0
    }
}
