import CLinux
import Device
import LinuxSystem

/// Who is at the other end of a connection: the credentials the process had when it connected.
struct DoorPeer: Equatable {
    var process: UInt32
    var user: UInt32
    /// The primary group, then the supplementary ones.
    var groups: [UInt32]

    init(_ socket: UnixSocket) throws(LinuxError) {
        var process: UInt32 = 0
        var user: UInt32 = 0
        var primary: UInt32 = 0
        // Three integers, written during the call.
        try Syscall.call("getsockopt") {
            unsafe clinux_peer_credentials(socket.descriptor.raw, &process, &user, &primary)
        }
        self.process = process
        self.user = user
        groups = [primary] + (try Self.supplementaryGroups(socket))
    }

    private static func supplementaryGroups(_ socket: UnixSocket) throws(LinuxError) -> [UInt32] {
        var groups = [UInt32](repeating: 0, count: 64)
        while true {
            var size = UInt32(groups.count * MemoryLayout<UInt32>.size)
            do {
                try Syscall.call("getsockopt") {
                    // The call writes at most `size` bytes, which is the array's size.
                    unsafe groups.withUnsafeMutableBufferPointer {
                        unsafe clinux_peer_groups(socket.descriptor.raw, $0.baseAddress, &size)
                    }
                }
                return Array(groups.prefix(Int(size) / MemoryLayout<UInt32>.size))
            } catch {
                // A process has at most 65536 groups (NGROUPS_MAX), and the call has said how much they take.
                let needed = Int(size) / MemoryLayout<UInt32>.size
                guard needed > groups.count, needed <= 65536 else { throw error }
                groups = [UInt32](repeating: 0, count: needed)
            }
        }
    }

    /// What the peer may do; nil if it may not even read.
    func access(group: UInt32, isOpenForReading: Bool) -> Access? {
        if user == 0 || groups.contains(group) { return .change }
        return isOpenForReading ? .read : nil
    }
}
