import Datapath
import Device
import Glibc
import LinuxSystem
import Netlink
import OpenvSwitch

/// The Netlink door: clients talk Netlink to the datapath over Netlink sockets of their own.
///
/// A client has a socket of `NETLINK_USERSOCK` and a connection to the Unix-socket door. Over the connection it hands in
/// what it would send to the kernel, and when it has its answer, all replies are in the socket's queue. Upcalls and events
/// go to the socket too, from whatever thread they come. Belongs to the thread of the Unix-socket door.
final class NetlinkDoor {
    private let device: Device
    private let socket: NetlinkUserSocket
    private let namespace: NetworkNamespace
    private let mailbox: DoorMailbox
    /// By port ID.
    private var clients: [UInt32: NetlinkClient] = [:]
    /// Connections that have not been bound yet, by what their sockets have to send.
    private var nonces: [NetlinkNonce: DoorConnection] = [:]
    /// When clients that were not told of a loss are to be told, in milliseconds; nil if there are none.
    private var nextNotice: UInt64?
    private var buffer = [UInt8](repeating: 0, count: 64)
    private let memory = NetlinkExchange.Memory()

    /// Datagrams that are received in one go; more than the socket's queue holds.
    private static let datagramsPerTurn = 1024
    /// Milliseconds until a client that has not been told of a loss is told, and until that is tried again.
    static let noticePause: UInt64 = 100

    init(device: Device, socket: NetlinkUserSocket, namespace: NetworkNamespace, mailbox: DoorMailbox) {
        self.device = device
        self.socket = socket
        self.namespace = namespace
        self.mailbox = mailbox
    }

    /// Carries out an I/O control of this door.
    /// - Returns: nil if the code is none of this door's.
    func control(
        _ code: IOControlCode, _ input: RawSpan, _ output: inout MessageWriter, _ connection: DoorConnection
    ) -> IOResult? {
        switch code {
        case .netlinkOpen: put(NetlinkOpening.size, &output) { open(connection).bytes }
        case .netlinkBind: put(4, &output) { () throws(DeviceError) in hostBytes(try bind(connection)) }
        case .netlinkSend:
            put(NetlinkProgress.size, &output) { () throws(DeviceError) in
                let client = try client(connection)
                guard let options = NetlinkOptions(input) else {
                    throw DeviceError(.invalidLength, information: NetlinkOptions.size)
                }
                var exchange = NetlinkExchange(client, options, memory)
                return exchange.carryOut(input.clamped(from: NetlinkOptions.size)).bytes
            }
        case .netlinkPull:
            put(NetlinkPiece.size, &output) { () throws(DeviceError) in
                let client = try client(connection)
                let size = NetlinkOptions.size + DumpCursor.size
                guard let options = NetlinkOptions(input),
                    let cursor = DumpCursor(input.clamped(from: NetlinkOptions.size))
                else { throw DeviceError(.invalidLength, information: size) }
                var exchange = NetlinkExchange(client, options, memory)
                guard let piece = exchange.pull(input.clamped(from: size), from: cursor) else {
                    throw DeviceError(.invalidParameter)
                }
                return piece.bytes
            }
        case .netlinkForward:
            put(4, &output) { () throws(DeviceError) in
                let client = try client(connection)
                guard input.byteCount >= MessageHeader.size else {
                    throw DeviceError(.invalidLength, information: MessageHeader.size)
                }
                let isFull = client.endpoint.forward(input) == .queueFull
                return (isFull ? NetlinkProgress.Flags.noRoom : []).bytes
            }
        case .netlinkPack:
            put(0, &output) { () throws(DeviceError) in
                let client = try client(connection)
                guard client.connections.count == 1 else { throw DeviceError(.deviceBusy) }
                client.endpoint.setPacking(true)
                return []
            }
        default: nil
        }
    }

    /// Puts out what an I/O control comes to, if there is room; otherwise it is not carried out.
    private func put(
        _ size: Int, _ output: inout MessageWriter, _ body: () throws(DeviceError) -> [UInt8]
    ) -> IOResult {
        let needed = IOResult(.invalidLength, information: size)
        guard output.limit - output.count >= size else { return needed }
        do { try output.append(raw: try body()) } catch let error as DeviceError {
            return IOResult(error.status, information: Int(error.information))
        } catch { return needed }
        return IOResult(.success, information: size)
    }

    // MARK: Clients

    private func open(_ connection: DoorConnection) -> NetlinkOpening {
        let nonce = NetlinkNonce()
        if case .bound = connection.netlink {
            // It needs no nonce any more.
        } else {
            forget(connection)
            nonces[nonce] = connection
            connection.netlink = .opened(nonce, portID: nil)
        }
        return NetlinkOpening(portID: socket.portID, namespace: namespace, nonce: nonce)
    }

    /// Takes the nonces that have come, and with them the port IDs of their senders. What is none is passed over: anyone in
    /// the network namespace can send here.
    func receiveNonces() {
        for _ in 0..<Self.datagramsPerTurn {
            guard let (count, sender) = socket.receive(into: &buffer) else { return }
            guard sender != 0, let nonce = NetlinkNonce(datagram: buffer.rawSpan.clamped(0..<count)) else { continue }
            nonces[nonce]?.netlink = .opened(nonce, portID: sender)
        }
    }

    /// Gives the connection's handle the port ID of the socket that has sent the nonce.
    private func bind(_ connection: DoorConnection) throws(DeviceError) -> UInt32 {
        receiveNonces()
        guard case .opened(_, let portID?) = connection.netlink else { throw DeviceError(.invalidParameter) }
        let client = try client(portID, for: connection)
        forget(connection)
        connection.handle.close()
        connection.handle = client.handle
        connection.netlink = .bound(client)
        client.connections.append(connection)
        // Of processes that share a socket each is to find its own datagrams there.
        client.endpoint.setPacking(false)
        return portID
    }

    /// The client whose socket has this port ID.
    private func client(_ portID: UInt32, for connection: DoorConnection) throws(DeviceError) -> NetlinkClient {
        if let client = clients[portID] {
            if client.user == connection.user, client.handle.access == connection.handle.access { return client }
            // Who has proved last that the port ID is its own, has it: the socket of the other has been closed. Or both have
            // it, with other rights, which they must not share.
            end(client)
        }
        let endpoint = NetlinkEndpoint(portID: portID, socket: socket, mailbox: mailbox)
        let handle = try device.open(connection.handle.access, portID: portID, receiver: endpoint)
        let client = NetlinkClient(endpoint: endpoint, handle: handle, user: connection.user)
        clients[portID] = client
        return client
    }

    private func client(_ connection: DoorConnection) throws(DeviceError) -> NetlinkClient {
        guard case .bound(let client) = connection.netlink else { throw DeviceError(.invalidParameter) }
        return client
    }

    /// Closes the handle of a connection that has ended, unless others share it.
    func release(_ connection: DoorConnection) {
        switch connection.netlink {
        case .none, .opened:
            forget(connection)
            connection.handle.close()
        case .bound(let client):
            connection.netlink = .none
            client.connections.removeAll { $0 === connection }
            if client.connections.isEmpty { end(client) }
        }
    }

    /// Ends a client and the connections that it still has.
    private func end(_ client: NetlinkClient) {
        clients[client.endpoint.portID] = nil
        client.handle.close()
        for connection in client.connections {
            connection.netlink = .none
            // The loop sees that it has ended.
            _ = shutdown(connection.socket.descriptor.raw, Int32(SHUT_RDWR))
        }
        client.connections = []
    }

    /// A nonce is good for one binding.
    private func forget(_ connection: DoorConnection) {
        guard case .opened(let nonce, _) = connection.netlink else { return }
        nonces[nonce] = nil
    }

    // MARK: Losses

    /// Whether there are clients that have not been told of a loss.
    var hasUntoldLosses: Bool { nextNotice != nil }

    /// Somebody has lost a message.
    func noteLoss() {
        if nextNotice == nil { nextNotice = MonotonicClock.milliseconds + Self.noticePause }
    }

    /// Tells clients of their losses when it is time; where there is no room, it tries again later.
    func tellOfLosses() {
        guard let time = nextNotice, MonotonicClock.milliseconds >= time else { return }
        nextNotice = nil
        for client in clients.values {
            client.endpoint.tellOfLoss()
            if client.endpoint.hasUntoldLoss { noteLoss() }
        }
    }
}
