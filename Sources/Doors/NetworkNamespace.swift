import Glibc
import LinuxSystem

/// Which network namespace this is: the device and inode numbers of its file.
struct NetworkNamespace: Equatable {
    var device: UInt64
    var inode: UInt64

    /// The one of the calling thread.
    init() throws(LinuxError) {
        let path = "/proc/thread-self/ns/net"
        var status = stat()
        try Syscall.call("stat", "cannot look at \(path)") { unsafe stat(path, &status) }
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
    }
}
