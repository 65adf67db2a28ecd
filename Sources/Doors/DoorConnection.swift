import Device
import OpenvSwitch

/// A client of the door: its socket, its handle and the answers it has not taken yet. Belongs to the door's thread.
final class DoorConnection {
    /// Never used again, so that a late completion finds nobody.
    let id: UInt64
    let socket: UnixSocket
    /// The user that the peer was when it connected.
    let user: UInt32
    /// What the peer may do.
    let access: Access
    /// Another one after the connection has bound a Netlink socket.
    var handle: Handle
    /// What the connection is to the Netlink door.
    var netlink = NetlinkBinding.none
    /// What epoll was last told to look for.
    var interest: DoorEpoll.Events = .readable
    /// Datagrams that did not fit the peer's buffer, the oldest first. At most one answer and the completions of two
    /// pended requests, as no request is taken while there are any.
    private var waiting: [[UInt8]] = []

    init(id: UInt64, socket: UnixSocket, user: UInt32, access: Access, handle: Handle) {
        self.id = id
        self.socket = socket
        self.user = user
        self.access = access
        self.handle = handle
    }

    /// Whether the peer has taken all answers.
    var isDrained: Bool { waiting.isEmpty }

    /// What epoll is to look for: the next request, or room for the answers that wait.
    var wantedInterest: DoorEpoll.Events { isDrained ? .readable : .writable }

    /// Sends a datagram, or keeps it until there is room.
    /// - Returns: false if the peer is gone.
    func send(_ datagram: [UInt8]) -> Bool {
        waiting.append(datagram)
        return waiting.count == 1 ? flush() : true
    }

    /// Sends what waits, as far as there is room.
    /// - Returns: false if the peer is gone.
    func flush() -> Bool {
        while let first = waiting.first {
            guard let isSent = try? socket.send(first, waiting: false) else { return false }
            guard isSent else { return true }
            waiting.removeFirst()
        }
        return true
    }
}
