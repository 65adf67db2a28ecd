import Device
public import OpenvSwitch

/// A socket that receives events: what the device multicasts to the groups it has joined. It can be waited on.
public final class EventSocket: Sendable {
    private let queue: QueueReader

    public init(_ transport: some DeviceTransport) throws(SocketError) {
        queue = QueueReader(try QueueReader.connect(transport), .event)
    }

    public var portID: UInt32 { queue.connection.portID }

    /// Joins a group. Joining twice is joining once.
    public func join(_ group: MulticastGroup) throws(SocketError) {
        try queue.subscribe(Subscription(.event, group: group))
    }

    /// Leaves a group. When none is left, what is queued is dropped.
    public func leave(_ group: MulticastGroup) throws(SocketError) {
        try queue.subscribe(Subscription(.event, group: group, join: false))
    }

    /// The oldest event, one message; nil if there is none.
    /// - Throws: `lost`, once after events were lost.
    public func receive() throws(SocketError) -> [UInt8]? { try queue.receive() }

    /// Waits until `receive` has something to say.
    /// - Throws: `device(cancelled)` if the task was cancelled or the socket closed.
    public func wait() async throws(SocketError) { try await queue.wait() }

    /// The oldest event; waits for it.
    /// - Throws: as `receive` and `wait`.
    public func next() async throws(SocketError) -> [UInt8] { try await queue.next() }

    public func close() { queue.connection.close() }
}

/// A socket that receives upcalls: packets that the datapath sends to its port ID. It can be waited on.
public final class PacketSocket: Sendable {
    private let queue: QueueReader

    public init(_ transport: some DeviceTransport) throws(SocketError) {
        queue = QueueReader(try QueueReader.connect(transport), .packet)
        try queue.subscribe(Subscription(.packet))
    }

    /// The port ID to give a vport or a userspace action.
    public var portID: UInt32 { queue.connection.portID }

    /// The oldest upcall, one message; nil if there is none.
    /// - Throws: `lost`, once after upcalls were lost.
    public func receive() throws(SocketError) -> [UInt8]? { try queue.receive() }

    /// Waits until `receive` has something to say.
    /// - Throws: `device(cancelled)` if the task was cancelled or the socket closed.
    public func wait() async throws(SocketError) { try await queue.wait() }

    /// The oldest upcall; waits for it.
    /// - Throws: as `receive` and `wait`.
    public func next() async throws(SocketError) -> [UInt8] { try await queue.next() }

    public func close() { queue.connection.close() }
}

/// One queue of a connection: what event and packet sockets have in common.
private struct QueueReader: Sendable {
    let connection: any DeviceConnection
    let kind: QueueKind

    /// The largest message: an upcall of 64 KiB with its key.
    private static let capacity = 72 << 10

    init(_ connection: any DeviceConnection, _ kind: QueueKind) {
        self.connection = connection
        self.kind = kind
    }

    static func connect(_ transport: some DeviceTransport) throws(SocketError) -> any DeviceConnection {
        do { return try transport.connect() } catch { throw SocketError(error) }
    }

    func subscribe(_ subscription: Subscription) throws(SocketError) {
        do { _ = try connection.control(.subscribe, input: subscription.bytes, capacity: 0) } catch {
            throw SocketError(error)
        }
    }

    func receive() throws(SocketError) -> [UInt8]? {
        var capacity = Self.capacity
        while true {
            do {
                let code: IOControlCode = kind == .event ? .readEvent : .readPacket
                let message = try connection.control(code, input: [], capacity: capacity)
                return message.isEmpty ? nil : message
            } catch {
                guard error.status == .bufferTooSmall, Int(error.information) > capacity else {
                    throw SocketError(error)
                }
                capacity = Int(error.information)
            }
        }
    }

    func wait() async throws(SocketError) {
        do { try await connection.pend(kind) } catch { throw SocketError(error) }
    }

    func next() async throws(SocketError) -> [UInt8] {
        while true {
            if let message = try receive() { return message }
            try await wait()
        }
    }
}
