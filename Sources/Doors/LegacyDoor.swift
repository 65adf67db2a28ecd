import CLinux
public import Device
import Glibc
import LinuxSystem
import Netlink
import OpenvSwitch
import Synchronization

/// The door to the legacy device: a Unix socket of its own beside that of the Netlink device, with the same greeting,
/// requests and answers.
///
/// Whoever may connect may read; nobody can change anything here.
///
///     let door = try LegacyDoor(device: LegacyDevice(beside: device))
///     defer { door.stop() }
public final class LegacyDoor: Sendable {
    /// Where the legacy device is unless clients are told otherwise.
    public static let defaultPath = "/run/martlet/legacy.sock"

    public let path: String
    private let stopping: EventCounter
    /// What `stop` has to undo; nil when it has been undone.
    private let state: Mutex<State>

    private struct State {
        var file: SocketFile?
        var thread: PlainThread?
    }

    /// Opens the door: when this returns, clients can connect.
    /// - Parameter options: who may connect, as for `UnixSocketDoor`, and how many at the same time.
    /// - Throws: as `UnixSocketDoor.init`.
    public init(
        device: LegacyDevice, path: String = LegacyDoor.defaultPath,
        options: UnixSocketDoor.Options = UnixSocketDoor.Options()
    ) throws(DoorError) {
        self.path = path
        let group = options.group ?? getegid()
        let (listener, file) = try SocketFile.listen(path, group: group, mode: options.openForReading ? 0o666 : 0o660)
        do throws(LinuxError) {
            let stopping = try EventCounter()
            let epoll = try LegacyLoop.makeEpoll(listener, stopping)
            self.stopping = stopping
            let thread = try PlainThread(name: "martlet-legacy") {
                LegacyLoop(device: device, listener: listener, epoll: epoll, options: options, group: group).run()
            }
            state = Mutex(State(file: file, thread: thread))
        } catch {
            file.remove()
            throw DoorError(.system, "cannot serve \(path): \(error)")
        }
    }

    deinit { stop() }

    /// Closes the door: removes the socket, closes all connections and their handles, and waits for the thread's end. May
    /// be called twice.
    public func stop() {
        state.withLock { state in
            state.file.take()?.remove()
            guard let thread = state.thread.take() else { return }
            stopping.signal()
            thread.join()
        }
    }
}

/// The thread of the legacy door. Nothing here takes time: each request is answered before the next is looked at.
private final class LegacyLoop {
    /// A client: its socket, its handle, and the answer it has no room for.
    private final class Connection {
        let socket: UnixSocket
        let handle: LegacyHandle
        var waiting: [UInt8]?

        init(_ socket: UnixSocket, _ handle: LegacyHandle) {
            self.socket = socket
            self.handle = handle
        }
    }

    private let device: LegacyDevice
    private let listener: UnixSocket
    private let epoll: DoorEpoll
    private let options: UnixSocketDoor.Options
    private let group: UInt32
    private var connections: [UInt64: Connection] = [:]
    private var nextID = firstConnection
    /// Whether the listener is waited for; not for a moment after the system had no descriptor left.
    private var isAccepting = true
    /// A request; none here has an input that is looked at.
    private var buffer = [UInt8](repeating: 0, count: DoorRequest.size)

    private static let listenerID: UInt64 = 0
    private static let stoppingID: UInt64 = 1
    private static let firstConnection: UInt64 = 2
    /// Requests of one connection that are carried out before the others have their turn.
    private static let requestsPerTurn = 32
    /// Milliseconds until new connections are tried again after the system had no room.
    private static let pause: Int32 = 200

    init(
        device: LegacyDevice, listener: UnixSocket, epoll: DoorEpoll, options: UnixSocketDoor.Options, group: UInt32
    ) {
        self.device = device
        self.listener = listener
        self.epoll = epoll
        self.options = options
        self.group = group
    }

    static func makeEpoll(_ listener: UnixSocket, _ stopping: EventCounter) throws(LinuxError) -> DoorEpoll {
        let epoll = try DoorEpoll()
        try epoll.add(listener.descriptor, id: listenerID, .readable)
        try epoll.add(stopping.descriptor, id: stoppingID, .readable)
        return epoll
    }

    /// Serves until it is to stop; then all connections are closed.
    func run() {
        while true {
            let news = epoll.wait(milliseconds: isAccepting ? -1 : Self.pause)
            if !isAccepting {
                isAccepting = (try? epoll.change(listener.descriptor, id: Self.listenerID, .readable)) != nil
            }
            for (id, events) in news {
                switch id {
                case Self.listenerID: accept()
                case Self.stoppingID:
                    for connection in connections.values { connection.handle.close() }
                    return
                default: if let connection = connections[id] { serve(connection, id, events) }
                }
            }
        }
    }

    private func accept() {
        let raw: Int
        do {
            raw = try Syscall.call("accept") { clinux_accept(listener.descriptor.raw) }
        } catch {
            // A peer that has left again is nothing to wait for.
            guard ![EAGAIN, ECONNABORTED].contains(error.errno) else { return }
            isAccepting = false
            try? epoll.change(listener.descriptor, id: Self.listenerID, [])
            return
        }
        let socket = UnixSocket(Descriptor(raw))
        guard let peer = try? DoorPeer(socket),
            peer.access(group: group, isOpenForReading: options.openForReading) != nil
        else { return greet(socket, DoorGreeting(.accessDenied)) }
        guard connections.count < options.maximumConnections else {
            return greet(socket, DoorGreeting(.insufficientResources))
        }
        let handle: LegacyHandle
        do { handle = try device.open() } catch { return greet(socket, DoorGreeting(error.status)) }
        let id = nextID
        nextID += 1
        guard (try? epoll.add(socket.descriptor, id: id, .readable)) != nil else { return handle.close() }
        connections[id] = Connection(socket, handle)
        greet(socket, DoorGreeting(.success, portID: handle.portID, access: .read))
    }

    /// Greets a peer. One that is not there any more is noticed when its socket is looked at.
    private func greet(_ socket: UnixSocket, _ greeting: DoorGreeting) {
        _ = try? socket.send(greeting.bytes, waiting: false)
    }

    private func close(_ connection: Connection, _ id: UInt64) {
        // Closing the socket takes it out of epoll: nobody else holds the descriptor.
        connections[id] = nil
        connection.handle.close()
    }

    private func serve(_ connection: Connection, _ id: UInt64, _ events: DoorEpoll.Events) {
        guard events.isDisjoint(with: .gone) else { return close(connection, id) }
        do throws(LinuxError) {
            let hadToWait = connection.waiting != nil
            if let answer = connection.waiting, try connection.socket.send(answer, waiting: false) {
                connection.waiting = nil
            }
            for _ in 0..<Self.requestsPerTurn where connection.waiting == nil {
                guard let length = try connection.socket.receive(&buffer, waiting: false) else { break }
                // Without a tag there is no one to answer; 0 is the end of the connection.
                guard length >= DoorRequest.size, let request = DoorRequest(buffer.rawSpan) else {
                    return close(connection, id)
                }
                let answer = answer(to: request, length, connection.handle)
                if try !connection.socket.send(answer, waiting: false) { connection.waiting = answer }
            }
            // Whoever does not take an answer is asked for no further request.
            let hasToWait = connection.waiting != nil
            if hasToWait != hadToWait {
                try epoll.change(connection.socket.descriptor, id: id, hasToWait ? .writable : .readable)
            }
        } catch { close(connection, id) }
    }

    /// - Parameter length: bytes of the datagram, as they were before it was cut.
    private func answer(to request: DoorRequest, _ length: Int, _ handle: LegacyHandle) -> [UInt8] {
        guard length <= DoorRequest.size + DoorLimits.input else {
            return DoorAnswer(tag: request.tag, IOResult(.invalidParameter, information: DoorLimits.input)).bytes
        }
        guard Int(request.inputLength) == length - DoorRequest.size else {
            return DoorAnswer(tag: request.tag, IOResult(.invalidParameter)).bytes
        }
        var output = MessageWriter(capacity: 128, limit: min(Int(request.capacity), DoorLimits.output))
        let result = handle.control(request.code, output: &output)
        return DoorAnswer(tag: request.tag, result, outputLength: output.count).bytes + output.bytes
    }
}
