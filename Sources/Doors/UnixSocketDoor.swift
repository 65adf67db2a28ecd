public import Device
import Glibc
import LinuxSystem
import OpenvSwitch
import Synchronization

/// The Unix-socket door: other processes reach the device by connecting to a file. A connection is a handle.
///
/// The device decides what a handle may do; the door decides, by the peer's credentials, what kind of handle a peer
/// gets: root and the members of the socket's group may change, others may read or are refused.
///
///     let door = try UnixSocketDoor(device: device)
///     defer { door.stop() }
public final class UnixSocketDoor: Sendable {
    /// Where clients look for a datapath unless they are told otherwise.
    public static let defaultPath = "/run/martlet/device.sock"

    public struct Options: Sendable {
        /// The group whose members may change what the device controls; nil is the group of this process.
        public var group: UInt32?
        /// Whether everybody else may connect too, and read.
        public var openForReading: Bool
        /// Connections at the same time; one more is refused with `insufficientResources`.
        public var maximumConnections: Int
        /// Of these, those that may only read. They may be anybody's, who shall neither keep the others out nor fill the
        /// memory with queues of events.
        public var maximumReaders: Int

        public init(
            group: UInt32? = nil, openForReading: Bool = false, maximumConnections: Int = 4096,
            maximumReaders: Int = 512
        ) {
            self.group = group
            self.openForReading = openForReading
            self.maximumConnections = maximumConnections
            self.maximumReaders = maximumReaders
        }
    }

    public let path: String
    /// The group whose members may change what the device controls.
    public let group: UInt32
    private let mailbox: DoorMailbox
    /// What `stop` has to undo; nil when it has been undone.
    private let state: Mutex<State>

    private struct State {
        var file: SocketFile?
        var thread: PlainThread?
    }

    /// Opens the door: when this returns, clients can connect.
    ///
    /// A socket that a process left behind when it ended is replaced. The directory of `defaultPath` is made if it is
    /// missing; any other must be there. A connection takes a descriptor: see `DescriptorLimit`.
    /// - Throws: `inUse` if another process serves the path, `badPath` if something else is there, `accessDenied`,
    ///   `system`.
    public init(
        device: Device, path: String = UnixSocketDoor.defaultPath, options: Options = Options()
    ) throws(DoorError) {
        // Clients come and go, and each has queues.
        LargeBlocks.returnToSystem()
        self.path = path
        group = options.group ?? getegid()
        let (listener, file) = try SocketFile.listen(path, group: group, mode: options.openForReading ? 0o666 : 0o660)
        let group = group
        do throws(LinuxError) {
            let mailbox = try DoorMailbox()
            let netlink = try NetlinkUserSocket()
            let namespace = try NetworkNamespace()
            let epoll = try DoorLoop.makeEpoll(listener, mailbox, netlink)
            self.mailbox = mailbox
            let thread = try PlainThread(name: "martlet-door") {
                DoorLoop(
                    device: device, listener: listener, mailbox: mailbox, netlink: netlink, namespace: namespace,
                    epoll: epoll, options: options, group: group
                ).run()
            }
            state = Mutex(State(file: file, thread: thread))
        } catch {
            file.remove()
            throw DoorError(.system, "cannot serve \(path): \(error)")
        }
    }

    deinit { stop() }

    /// Closes the door: removes the socket, closes all connections and their handles, and waits for the thread's end.
    ///
    /// Clients that wait see the end of their connection. May be called twice, and from several threads.
    public func stop() {
        state.withLock { state in
            state.file.take()?.remove()
            mailbox.stop()
            // Called from a completion on the thread itself: it ends by itself.
            guard let thread = state.thread, !thread.isCurrent else { return }
            thread.join()
            state.thread = nil
        }
    }
}
