import Glibc

/// What a service manager is told over the socket it names in `NOTIFY_SOCKET` (sd_notify(3)).
enum ServiceManager {
    /// Tells a state, such as `READY=1`. Without a service manager nothing happens.
    static func notify(_ state: String) {
        guard let path = Host.environment("NOTIFY_SOCKET") else { return }
        notify(state, socket: path)
    }

    /// - Parameter path: absolute, or behind a `@` the name of an abstract socket.
    /// - Returns: whether the message was sent.
    @discardableResult
    static func notify(_ state: String, socket path: String) -> Bool {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var name = Array(path.utf8)
        let capacity = MemoryLayout.size(ofValue: address.sun_path)
        guard name.first == UInt8(ascii: "/") || name.first == UInt8(ascii: "@"), name.count < capacity else {
            return false
        }
        if name[0] == UInt8(ascii: "@") { name[0] = 0 }
        // The name is shorter than the array it is copied into.
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: name) }
        let length = socklen_t((MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 2) + name.count)

        let descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        let bytes = Array(state.utf8)
        // Address and bytes outlive the call; `length` is within the address.
        let sent = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                unsafe sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), pointer, length)
            }
        }
        return sent == bytes.count
    }
}
