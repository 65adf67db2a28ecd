import CLinux
import Device
import Glibc
import LinuxSystem
import Netlink
import OpenvSwitch

/// The door's thread: waits for all connections at once and carries out their requests, one after the other.
///
/// Nothing here waits for a peer. One that does not take its answers is not asked for further requests until it does.
final class DoorLoop {
    private let device: Device
    private let listener: UnixSocket
    private let mailbox: DoorMailbox
    private let options: UnixSocketDoor.Options
    private let group: UInt32
    private let epoll: DoorEpoll
    private let netlink: NetlinkDoor
    private var connections: [UInt64: DoorConnection] = [:]
    private var nextID = firstConnection
    /// Connections that may only read.
    private var readers = 0
    /// Let go when the system has no other descriptor, so that a peer can be told.
    private var spare: EventCounter?
    /// Whether the listener is waited for; not for a moment after the system had no descriptor left.
    private var isAccepting = true
    private var spin = BriefSpin()
    /// A request of full size.
    private var buffer = [UInt8](repeating: 0, count: DoorRequest.size + DoorLimits.input)

    // What epoll gives back for each descriptor.
    private static let listenerID: UInt64 = 0
    private static let mailboxID: UInt64 = 1
    private static let netlinkID: UInt64 = 2
    private static let firstConnection: UInt64 = 3

    /// Requests of one connection that are carried out before the others have their turn.
    private static let requestsPerTurn = 32
    /// Milliseconds until new connections are tried again after the system had no room.
    private static let pause: Int32 = 200

    init(
        device: Device, listener: UnixSocket, mailbox: DoorMailbox, netlink: NetlinkUserSocket,
        namespace: NetworkNamespace, epoll: DoorEpoll, options: UnixSocketDoor.Options, group: UInt32
    ) {
        self.device = device
        self.listener = listener
        self.mailbox = mailbox
        self.epoll = epoll
        self.options = options
        self.group = group
        spare = try? EventCounter()
        self.netlink = NetlinkDoor(device: device, socket: netlink, namespace: namespace, mailbox: mailbox)
    }

    /// Makes what the thread waits with: `listener`, `mailbox` and `netlink` are in it.
    static func makeEpoll(
        _ listener: UnixSocket, _ mailbox: DoorMailbox, _ netlink: NetlinkUserSocket
    ) throws(LinuxError) -> DoorEpoll {
        let epoll = try DoorEpoll()
        try epoll.add(listener.descriptor, id: listenerID, .readable)
        try epoll.add(mailbox.event.descriptor, id: mailboxID, .readable)
        try epoll.add(netlink.descriptor, id: netlinkID, .readable)
        return epoll
    }

    /// Serves until the mailbox says stop; then all connections are closed.
    func run() {
        while !mailbox.isStopping {
            let news = wait()
            if !isAccepting { acceptAgain() }
            netlink.tellOfLosses()
            for (id, events) in news {
                switch id {
                case Self.listenerID: accept()
                case Self.mailboxID: complete()
                case Self.netlinkID: netlink.receiveNonces()
                // One that was closed a moment ago is not there any more.
                default: if let connection = connections[id] { serve(connection, events) }
                }
            }
        }
        for connection in connections.values { close(connection) }
    }

    /// Waits until something has come: at first, for a short while, without sleeping.
    private func wait() -> [(id: UInt64, events: DoorEpoll.Events)] {
        let soon = spin.wait { () -> [(id: UInt64, events: DoorEpoll.Events)]? in
            let news = epoll.wait(milliseconds: 0)
            return news.isEmpty ? nil : news
        }
        return soon ?? epoll.wait(milliseconds: patience)
    }

    /// Milliseconds until something is to be tried again although nothing has come; -1 for never.
    private var patience: Int32 {
        if netlink.hasUntoldLosses { return Int32(NetlinkDoor.noticePause) }
        return isAccepting ? -1 : Self.pause
    }

    // MARK: Connections

    private func accept() {
        let raw: Int
        do {
            raw = try Syscall.call("accept") { clinux_accept(listener.descriptor.raw) }
        } catch {
            // A peer that has left again is nothing to wait for.
            guard ![EAGAIN, ECONNABORTED].contains(error.errno) else { return }
            if [EMFILE, ENFILE].contains(error.errno), refuseWithSpare() { return }
            isAccepting = false
            try? epoll.change(listener.descriptor, id: Self.listenerID, [])
            return
        }
        let socket = UnixSocket(Descriptor(raw))
        socket.setSendBuffer(bytes: DoorLimits.sendBuffer)
        guard let peer = try? DoorPeer(socket),
            let access = peer.access(group: group, isOpenForReading: options.openForReading)
        else { return refuse(socket, .accessDenied) }
        guard connections.count < options.maximumConnections, access == .change || readers < options.maximumReaders
        else { return refuse(socket, .insufficientResources) }
        let handle: Handle
        do { handle = try device.open(access) } catch { return refuse(socket, error.status) }
        let connection = DoorConnection(
            id: nextID, socket: socket, user: peer.user, access: access, handle: handle)
        nextID += 1
        guard (try? epoll.add(socket.descriptor, id: connection.id, connection.interest)) != nil,
            connection.send(DoorGreeting(.success, portID: handle.portID, access: access).bytes)
        else { return handle.close() }
        connections[connection.id] = connection
        if access == .read { readers += 1 }
    }

    /// Takes the next connection with the spare descriptor, to say that there is no room for it.
    /// - Returns: false if there is no spare descriptor, or another thread has taken its place.
    private func refuseWithSpare() -> Bool {
        guard spare.take() != nil else { return false }
        defer { spare = try? EventCounter() }
        let raw = Syscall.raw { clinux_accept(listener.descriptor.raw) }
        guard raw >= 0 else { return false }
        refuse(UnixSocket(Descriptor(raw)), .insufficientResources)
        return true
    }

    private func acceptAgain() {
        if spare == nil { spare = try? EventCounter() }
        isAccepting = (try? epoll.change(listener.descriptor, id: Self.listenerID, .readable)) != nil
    }

    /// Tells a peer why it gets no handle. The connection ends when the descriptor is let go.
    private func refuse(_ socket: UnixSocket, _ status: IOStatus) {
        _ = try? socket.send(DoorGreeting(status).bytes, waiting: false)
    }

    private func close(_ connection: DoorConnection) {
        // Closing the socket takes it out of epoll: nobody else holds the descriptor.
        connections[connection.id] = nil
        if connection.access == .read { readers -= 1 }
        netlink.release(connection)
    }

    // MARK: Requests

    private func serve(_ connection: DoorConnection, _ events: DoorEpoll.Events) {
        guard events.isDisjoint(with: .gone), connection.flush() else {
            return close(connection)
        }
        var turn = 0
        while turn < Self.requestsPerTurn, connection.isDrained {
            turn += 1
            switch receive(connection) {
            case .carriedOut: continue
            case .nothing: turn = Self.requestsPerTurn
            case .gone: return close(connection)
            }
        }
        updateInterest(connection)
    }

    private func updateInterest(_ connection: DoorConnection) {
        let wanted = connection.wantedInterest
        guard wanted != connection.interest else { return }
        guard (try? epoll.change(connection.socket.descriptor, id: connection.id, wanted)) != nil else {
            return close(connection)
        }
        connection.interest = wanted
    }

    private enum Reception {
        case carriedOut
        case nothing
        case gone
    }

    /// Takes one request and answers it, unless it is pended.
    private func receive(_ connection: DoorConnection) -> Reception {
        let length: Int
        do {
            guard let received = try connection.socket.receive(&buffer, waiting: false) else {
                return .nothing
            }
            length = received
        } catch { return .gone }
        // Without a tag there is no one to answer; 0 is the end of the connection.
        guard length >= DoorRequest.size, let request = DoorRequest(buffer.rawSpan) else { return .gone }
        let answer: [UInt8]?
        if length > buffer.count {
            answer =
                DoorAnswer(
                    tag: request.tag, IOResult(.invalidParameter, information: DoorLimits.input)
                ).bytes
        } else if Int(request.inputLength) != length - DoorRequest.size {
            answer = DoorAnswer(tag: request.tag, IOResult(.invalidParameter)).bytes
        } else {
            let bytes = buffer
            answer = carryOut(request, bytes.rawSpan.clamped(DoorRequest.size..<length), connection)
        }
        guard let answer else { return .carriedOut }
        return connection.send(answer) ? .carriedOut : .gone
    }

    /// - Returns: the answer; nil if the request is pended.
    private func carryOut(_ request: DoorRequest, _ input: RawSpan, _ connection: DoorConnection) -> [UInt8]? {
        let capacity = min(Int(request.capacity), DoorLimits.output)
        // The output is written behind the answer's header, which is put in when the result is known.
        var writer = MessageWriter(
            capacity: DoorAnswer.size + min(capacity, 4096), limit: DoorAnswer.size + capacity)
        let blank = DoorAnswer(tag: request.tag, IOResult(.success))
        // Cannot fail: the limit is larger than the header.
        guard (try? writer.append(raw: blank.bytes)) != nil else { return blank.bytes }
        let id = connection.id
        let tag = request.tag
        let result =
            netlink.control(request.code, input, &writer, connection)
            ?? connection.handle.control(request.code, input: input, output: &writer) { [mailbox] status in
                mailbox.post(DoorMailbox.Completion(connection: id, tag: tag, status: status))
            }
        guard result.status != .pending else { return nil }
        let answer = DoorAnswer(tag: tag, result, outputLength: writer.count - DoorAnswer.size)
        writer.replace(at: 0, with: answer.bytes)
        return writer.bytes
    }

    /// Answers the pended requests that have been completed.
    private func complete() {
        let (completions, hasLoss) = mailbox.take()
        if hasLoss { netlink.noteLoss() }
        for completion in completions {
            guard let connection = connections[completion.connection] else { continue }
            let answer = DoorAnswer(tag: completion.tag, IOResult(completion.status))
            guard connection.send(answer.bytes) else {
                close(connection)
                continue
            }
            updateInterest(connection)
        }
    }
}
