import CLinux
import Glibc
import LinuxSystem

/// A Unix socket that keeps datagrams whole and in order (`SOCK_SEQPACKET`). Closed when nobody holds it any more.
struct UnixSocket: Sendable {
    let descriptor: Descriptor

    /// Takes over an open socket.
    init(_ descriptor: Descriptor) { self.descriptor = descriptor }

    /// A new socket.
    init(blocking: Bool) throws(LinuxError) {
        let type = Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let flag = blocking ? 0 : Int32(SOCK_NONBLOCK.rawValue)
        self.init(Descriptor(try Syscall.call("socket") { socket(AF_UNIX, type | flag, 0) }))
    }

    func bind(_ address: UnixSocketAddress) throws(LinuxError) {
        try Syscall.call("bind") { unsafe address.withPointer { unsafe Glibc.bind(descriptor.raw, $0, $1) } }
    }

    func connect(_ address: UnixSocketAddress) throws(LinuxError) {
        try Syscall.call("connect") { unsafe address.withPointer { unsafe Glibc.connect(descriptor.raw, $0, $1) } }
    }

    /// Sends one datagram.
    /// - Returns: false if the peer's buffer has no room and the call was not to wait.
    /// - Throws: the error of the call, `EPIPE` among them: no signal is raised.
    func send(_ datagram: [UInt8], waiting: Bool) throws(LinuxError) -> Bool {
        let flags = Int32(MSG_NOSIGNAL) | (waiting ? 0 : Int32(MSG_DONTWAIT))
        do throws(LinuxError) {
            try Syscall.call("send") {
                // The bytes are read during the call, within the array's bounds.
                unsafe datagram.withUnsafeBytes {
                    unsafe Glibc.send(descriptor.raw, $0.baseAddress, $0.count, flags)
                }
            }
            return true
        } catch {
            guard error.errno == EAGAIN else { throw error }
            return false
        }
    }

    /// Receives one datagram into `buffer`.
    /// - Returns: its length, which is more than the buffer's if it did not fit and was cut; 0 at the end of the
    ///   connection; nil if there is none and the call was not to wait.
    func receive(_ buffer: inout [UInt8], waiting: Bool) throws(LinuxError) -> Int? {
        let flags = Int32(MSG_TRUNC) | (waiting ? 0 : Int32(MSG_DONTWAIT))
        do throws(LinuxError) {
            return try Syscall.call("recv") {
                // The bytes are written during the call, within the array's bounds.
                unsafe buffer.withUnsafeMutableBytes { unsafe recv(descriptor.raw, $0.baseAddress, $0.count, flags) }
            }
        } catch {
            guard error.errno == EAGAIN else { throw error }
            return nil
        }
    }

    /// Waits until a datagram, or the end of the connection, can be received.
    /// - Returns: false after `milliseconds`.
    func waitReadable(milliseconds: Int32) throws(LinuxError) -> Bool {
        var entry = pollfd(fd: descriptor.raw, events: Int16(POLLIN), revents: 0)
        // One entry, and the call is told so.
        return try Syscall.call("poll") { unsafe poll(&entry, 1, milliseconds) } > 0
    }

    /// Makes room for `bytes` of datagrams on their way to the peer, as far as the system allows.
    func setSendBuffer(bytes: Int32) {
        for option in [SO_SNDBUFFORCE, SO_SNDBUF] {
            if (try? descriptor.setOption(SOL_SOCKET, option, to: bytes)) != nil { return }
        }
    }
}
