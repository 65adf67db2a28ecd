import CLinux
import Glibc
import OpenvSwitch

/// The one way to the system: a call is repeated when a signal interrupts it, and its error number becomes a value.
enum DoorSyscall {
    /// Makes a call.
    /// - Parameter name: the call, as its manual page is called.
    /// - Throws: the error number.
    @discardableResult
    static func call<Result: BinaryInteger>(_ name: StaticString, _ body: () -> Result) throws(DoorErrno) -> Int {
        while true {
            let result = body()
            if result >= 0 { return Int(truncatingIfNeeded: result) }
            let number = errno
            if number != EINTR { throw DoorErrno(number: number, call: name) }
        }
    }

    /// A new Unix socket that keeps datagrams whole and in order.
    static func makeSocket(blocking: Bool) throws(DoorErrno) -> DoorDescriptor {
        let type = Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let flag = blocking ? 0 : Int32(SOCK_NONBLOCK.rawValue)
        return DoorDescriptor(try call("socket") { socket(AF_UNIX, type | flag, 0) })
    }

    /// Sends one datagram.
    /// - Returns: false if the peer's buffer has no room and the call was not to wait.
    /// - Throws: the error number, `EPIPE` among them: no signal is raised.
    static func send(_ datagram: [UInt8], to descriptor: DoorDescriptor, waiting: Bool) throws(DoorErrno) -> Bool {
        let flags = Int32(MSG_NOSIGNAL) | (waiting ? 0 : Int32(MSG_DONTWAIT))
        do throws(DoorErrno) {
            try call("send") {
                // The bytes are read during the call, within the array's bounds.
                unsafe datagram.withUnsafeBytes {
                    unsafe Glibc.send(descriptor.raw, $0.baseAddress, $0.count, flags)
                }
            }
            return true
        } catch {
            guard error.number == EAGAIN else { throw error }
            return false
        }
    }

    /// Receives one datagram into `buffer`.
    /// - Returns: its length, which is more than the buffer's if it did not fit and was cut; 0 at the end of the
    ///   connection; nil if there is none and the call was not to wait.
    static func receive(
        _ buffer: inout [UInt8], from descriptor: DoorDescriptor, waiting: Bool
    ) throws(DoorErrno) -> Int? {
        let flags = Int32(MSG_TRUNC) | (waiting ? 0 : Int32(MSG_DONTWAIT))
        do throws(DoorErrno) {
            return try call("recv") {
                // The bytes are written during the call, within the array's bounds.
                unsafe buffer.withUnsafeMutableBytes { unsafe recv(descriptor.raw, $0.baseAddress, $0.count, flags) }
            }
        } catch {
            guard error.number == EAGAIN else { throw error }
            return nil
        }
    }

    /// Waits until a descriptor can be read.
    /// - Returns: false after `milliseconds`.
    static func waitReadable(_ descriptor: DoorDescriptor, milliseconds: Int32) throws(DoorErrno) -> Bool {
        var entry = pollfd(fd: descriptor.raw, events: Int16(POLLIN), revents: 0)
        // One entry, and the call is told so.
        return try call("poll") { unsafe poll(&entry, 1, milliseconds) } > 0
    }

    /// Makes room for `bytes` of datagrams on their way to the peer, as far as the system allows.
    static func setSendBuffer(_ descriptor: DoorDescriptor, bytes: Int32) {
        for option in [SO_SNDBUFFORCE, SO_SNDBUF] {
            var value = bytes
            // The option is copied during the call, from exactly the value's bytes.
            let result = unsafe setsockopt(
                descriptor.raw, SOL_SOCKET, option, &value, socklen_t(MemoryLayout<Int32>.size))
            if result == 0 { return }
        }
    }
}

/// A system call's error number.
struct DoorErrno: Error {
    let number: Int32
    let call: StaticString
}

extension DoorErrno: CustomStringConvertible {
    var description: String { "\(call): \(Errno.text(number))" }
}

/// An open descriptor, closed when nobody holds it any more.
///
/// Whoever is in a call with it holds it, so that its number is not used again meanwhile.
final class DoorDescriptor: Sendable {
    let raw: Int32

    /// - Parameter result: what a call that opens a descriptor has answered.
    init(_ result: Int) { raw = Int32(truncatingIfNeeded: result) }

    deinit {
        // Linux has released the descriptor even where the call is interrupted; it must not be repeated.
        _ = Glibc.close(raw)
    }
}

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

    func bind(_ descriptor: DoorDescriptor) throws(DoorErrno) {
        try DoorSyscall.call("bind") { unsafe withPointer { unsafe Glibc.bind(descriptor.raw, $0, $1) } }
    }

    func connect(_ descriptor: DoorDescriptor) throws(DoorErrno) {
        try DoorSyscall.call("connect") { unsafe withPointer { unsafe Glibc.connect(descriptor.raw, $0, $1) } }
    }

    private func withPointer(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        // Every socket address begins with `sockaddr`, and the length says how long this one is.
        unsafe withUnsafePointer(to: address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}
