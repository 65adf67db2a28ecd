import Glibc

/// The address of a Unix socket in the file system.
struct UnixSocketAddress {
    private var address = sockaddr_un()

    /// Bytes of a path at most; the NUL behind it is not counted.
    static let maximumLength = MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1

    /// nil if the path is empty, too long or holds a NUL.
    init?(_ path: String) {
        let bytes = Array(path.utf8)
        guard (1...Self.maximumLength).contains(bytes.count), !bytes.contains(0) else { return nil }
        address.sun_family = sa_family_t(AF_UNIX)
        // The field is longer than the bytes, as was just checked, and zero behind them.
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
    }

    /// Gives the address as calls take it; the pointer is valid until `body` returns.
    func withPointer(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        // Every socket address begins with `sockaddr`, and the length says how long this one is.
        unsafe withUnsafePointer(to: address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}
