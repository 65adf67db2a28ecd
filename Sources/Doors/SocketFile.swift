import CLinux
import Glibc
import LinuxSystem
import OpenvSwitch

/// The file of a listening socket: made with its rights, told from one that was left behind, removed by its maker.
struct SocketFile: Sendable {
    private let path: String
    private let device: dev_t
    private let inode: ino_t

    /// Connections that the system keeps until they are accepted.
    private static let backlog: Int32 = 64

    /// Makes a socket that listens at `path`.
    static func listen(_ path: String, group: UInt32, mode: mode_t) throws(DoorError) -> (UnixSocket, SocketFile) {
        guard let address = UnixSocketAddress(path) else { throw .badPath(path) }
        let result: Result<(UnixSocket, SocketFile), DoorError>
        do throws(LinuxError) { result = try make(path, address, group, mode) } catch {
            let reason: DoorError.Reason = [EACCES, EPERM].contains(error.errno) ? .accessDenied : .system
            throw DoorError(reason, "cannot make the socket \(path): \(error)")
        }
        return try result.get()
    }

    private static func make(
        _ path: String, _ address: UnixSocketAddress, _ group: UInt32, _ mode: mode_t
    ) throws(LinuxError) -> Result<(UnixSocket, SocketFile), DoorError> {
        let directory = directory(of: path)
        if [UnixSocketDoor.defaultPath, LegacyDoor.defaultPath].contains(path) { try makeDirectory(directory) }
        // The directory is locked until the socket listens: of two processes that find a socket left behind, one wins.
        // The lock goes with its descriptor.
        let lock = Descriptor(
            try Syscall.call("open") { unsafe open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) })
        try Syscall.call("flock") { flock(lock.raw, LOCK_EX) }
        defer { withExtendedLifetime(lock) {} }

        if let refusal = try clear(path, address) { return .failure(refusal) }
        let listener = try UnixSocket(blocking: false)
        try listener.bind(address)
        do throws(LinuxError) {
            // Nobody can connect before `listen`, and by then the rights are right.
            try Syscall.call("chown") { unsafe lchown(path, uid_t.max, group) }
            try Syscall.call("chmod") { unsafe chmod(path, mode) }
            let status = try status(path)
            try Syscall.call("listen") { Glibc.listen(listener.descriptor.raw, backlog) }
            return .success((listener, SocketFile(path: path, device: status.st_dev, inode: status.st_ino)))
        } catch {
            _ = unsafe unlink(path)
            throw error
        }
    }

    /// Removes a socket at `path` that nobody serves any more.
    /// - Returns: why the path cannot be used; nil if it is free now.
    private static func clear(_ path: String, _ address: UnixSocketAddress) throws(LinuxError) -> DoorError? {
        let found: stat
        do { found = try status(path) } catch {
            guard error.errno == ENOENT else { throw error }
            return nil
        }
        guard found.st_mode & S_IFMT == S_IFSOCK else {
            return DoorError(.badPath, "\(path) is there already and is no socket: remove it or choose another path")
        }
        let probe = try UnixSocket(blocking: false)
        do throws(LinuxError) {
            try probe.connect(address)
        } catch {
            switch error.errno {
            case ECONNREFUSED: try Syscall.call("unlink") { unsafe unlink(path) }
            case ENOENT: break
            // Someone listens, but has no time, or speaks otherwise.
            case EAGAIN, EPROTOTYPE: return inUse(path, "")
            default: throw error
            }
            return nil
        }
        let process = (try? DoorPeer(probe)).map { " (process \($0.process))" } ?? ""
        return inUse(path, process)
    }

    private static func inUse(_ path: String, _ process: String) -> DoorError {
        DoorError(.inUse, "another process\(process) serves \(path): stop it or choose another path")
    }

    /// Removes the file, unless another has taken its place.
    func remove() {
        guard let found = try? Self.status(path), found.st_dev == device, found.st_ino == inode else { return }
        _ = unsafe unlink(path)
    }

    /// The group of the file at `path`; nil if it cannot be seen.
    static func group(of path: String) -> UInt32? { (try? status(path))?.st_gid }

    private static func status(_ path: String) throws(LinuxError) -> stat {
        var result = stat()
        try Syscall.call("lstat") { unsafe lstat(path, &result) }
        return result
    }

    private static func makeDirectory(_ path: String) throws(LinuxError) {
        do { try Syscall.call("mkdir") { unsafe mkdir(path, 0o755) } } catch {
            guard error.errno == EEXIST else { throw error }
            return
        }
        // Whatever the process's mask: others must be able to reach the socket.
        try Syscall.call("chmod") { unsafe chmod(path, 0o755) }
    }

    private static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
