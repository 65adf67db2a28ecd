public import Device
import Glibc
import LinuxSystem
public import NetlinkSocket
import Netlink
import OpenvSwitch

/// The way to a device in another process: a connection to its Unix-socket door.
///
///     let socket = try TransactionSocket(UnixSocketTransport())
public struct UnixSocketTransport: DeviceTransport {
    public let path: String

    /// Milliseconds that a door has to greet.
    private static let patience: Int32 = 5000

    public init(path: String = UnixSocketDoor.defaultPath) { self.path = path }

    /// - Throws: the status that comes closest to what `probe` says in words: `notFound` if no process serves the path,
    ///   `accessDenied`, `insufficientResources`, `invalidDeviceRequest` if what serves it is no door,
    ///   `invalidParameter` if it cannot be the path of a socket.
    public func connect() throws(DeviceError) -> any DeviceConnection {
        do { return try open() } catch { throw DeviceError(error.status) }
    }

    /// Connects and leaves again, to learn in words why it cannot be done.
    public func probe() throws(DoorError) { try open().close() }

    /// Connects, and waits for the greeting.
    func open() throws(DoorError) -> UnixSocketConnection {
        guard let address = UnixSocketAddress(path) else { throw .badPath(path) }
        let socket: UnixSocket
        var buffer = [UInt8](repeating: 0, count: DoorAnswer.size + DoorLimits.output)
        let length: Int
        do throws(LinuxError) {
            socket = try UnixSocket(blocking: true)
            socket.setSendBuffer(bytes: DoorLimits.sendBuffer)
            try socket.connect(address)
            guard try socket.waitReadable(milliseconds: Self.patience) else {
                throw LinuxError(errno: ETIMEDOUT, call: "recv", message: "")
            }
            length = try socket.receive(&buffer, waiting: true) ?? 0
        } catch { throw explain(error) }
        guard let greeting = DoorGreeting(buffer.rawSpan.clamped(0..<length)) else {
            throw length == 0
                ? DoorError(.notRunning, "the datapath at \(path) has ended")
                : DoorError(.notADoor, "what serves \(path) is not a datapath of a version known here")
        }
        switch greeting.status {
        case .success: break
        case .accessDenied: throw DoorError(.accessDenied, denied)
        case .insufficientResources:
            throw DoorError(.insufficientResources, "the datapath at \(path) has no room for another connection")
        default: throw DoorError(.notADoor, "the datapath at \(path) refused: \(greeting.status.explanation)")
        }
        return UnixSocketConnection(socket, greeting, buffer)
    }

    private func explain(_ error: LinuxError) -> DoorError {
        switch error.errno {
        case ENOENT, ENOTDIR, ECONNREFUSED, ECONNRESET, EPIPE:
            DoorError(.notRunning, "no datapath is running at \(path): start one with `martlet run`")
        case EACCES, EPERM: DoorError(.accessDenied, denied)
        case EMFILE, ENFILE, ENOMEM, ENOBUFS:
            DoorError(.insufficientResources, "this process cannot open another connection: \(error)")
        case EPROTOTYPE: DoorError(.notADoor, "what serves \(path) is not a datapath")
        case ETIMEDOUT: DoorError(.notADoor, "what serves \(path) does not answer")
        default: DoorError(.system, "cannot connect to \(path): \(error)")
        }
    }

    private var denied: String {
        let group = SocketFile.group(of: path).map { " or a member of the group \(Self.name(ofGroup: $0))" }
        return "permission to use the datapath at \(path) denied: this needs root\(group ?? "")"
    }

    /// A group's name, or its number if it has none.
    private static func name(ofGroup number: UInt32) -> String {
        var entry = unsafe group()
        var result: UnsafeMutablePointer<group>?
        // Room for the names of many members. The call writes inside it, and `result` points into `entry`, if anywhere.
        var buffer = [CChar](repeating: 0, count: 16 << 10)
        return unsafe buffer.withUnsafeMutableBufferPointer { buffer in
            guard unsafe getgrgid_r(number, &entry, buffer.baseAddress, buffer.count, &result) == 0,
                unsafe result != nil, let name = unsafe entry.gr_name
            else { return "\(number)" }
            return unsafe String(cString: name)
        }
    }
}
