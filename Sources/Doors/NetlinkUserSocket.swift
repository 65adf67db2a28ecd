import CLinux
import Datapath
import Glibc
import LinuxSystem

/// A Netlink socket between processes (`NETLINK_USERSOCK`): sends datagrams to other such sockets by their port ID.
///
/// It may be used from several threads, and never waits.
struct NetlinkUserSocket: Sendable {
    let descriptor: Descriptor
    /// The address of this socket in its network namespace.
    let portID: UInt32

    /// Bytes of the largest datagram, which the kernel doubles: a request of full size inside an `NLMSG_ERROR`.
    private static let sendBuffer: Int32 = 512 << 10

    /// Opens a socket in the network namespace of the calling thread; the kernel chooses its port ID.
    init() throws(LinuxError) {
        let type = Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let purpose = "cannot open a Netlink socket"
        let descriptor = Descriptor(try Syscall.call("socket", purpose) { socket(AF_NETLINK, type, NETLINK_USERSOCK) })
        // The second suffices for all but the largest upcalls, where the first is refused.
        if (try? descriptor.setOption(SOL_SOCKET, SO_SNDBUFFORCE, to: Self.sendBuffer)) == nil {
            try descriptor.setOption(SOL_SOCKET, SO_SNDBUF, to: Self.sendBuffer)
        }
        var address = Self.address(0)
        try Syscall.call("bind", purpose) {
            unsafe Self.withPointer(&address) { unsafe bind(descriptor.raw, $0, $1) }
        }
        try Syscall.call("getsockname", purpose) {
            unsafe Self.withPointer(&address) { pointer, length in
                var length = length
                return unsafe getsockname(descriptor.raw, pointer, &length)
            }
        }
        self.descriptor = descriptor
        portID = address.nl_pid
    }

    /// Sends one datagram, which is given in two parts so that nothing need be copied to change its beginning.
    func send(_ first: RawSpan, _ second: RawSpan = RawSpan(), to portID: UInt32) -> UpcallResult {
        var address = Self.address(portID)
        let result = unsafe first.withUnsafeBytes { first in
            unsafe second.withUnsafeBytes { second in
                unsafe Self.withPointer(&address) { pointer, length in
                    // The call only reads what the vectors point to, all of which outlives it.
                    unsafe withUnsafeTemporaryAllocation(of: iovec.self, capacity: 2) { vectors in
                        unsafe vectors[0] = iovec(
                            iov_base: UnsafeMutableRawPointer(mutating: first.baseAddress), iov_len: first.count)
                        unsafe vectors[1] = iovec(
                            iov_base: UnsafeMutableRawPointer(mutating: second.baseAddress), iov_len: second.count)
                        var header = unsafe msghdr()
                        unsafe header.msg_name = UnsafeMutableRawPointer(pointer)
                        unsafe header.msg_namelen = length
                        unsafe header.msg_iov = vectors.baseAddress
                        unsafe header.msg_iovlen = 2
                        return Syscall.raw {
                            unsafe sendmsg(descriptor.raw, &header, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
                        }
                    }
                }
            }
        }
        switch Int32(truncatingIfNeeded: -result) {
        case ...0: return .delivered
        case ECONNREFUSED: return .noReceiver
        // No room in the queue (EAGAIN), or none in the kernel (ENOBUFS, ENOMEM).
        default: return .queueFull
        }
    }

    /// Receives one datagram.
    /// - Returns: how many of its bytes are in the buffer, and who has sent it, for which the kernel vouches; nil if there
    ///   is none.
    func receive(into buffer: inout [UInt8]) -> (count: Int, sender: UInt32)? {
        var address = Self.address(0)
        let count = Syscall.raw {
            // The kernel writes at most the buffer's and the address's bytes.
            unsafe buffer.withUnsafeMutableBytes { buffer in
                unsafe Self.withPointer(&address) { pointer, length in
                    var length = length
                    return unsafe recvfrom(
                        descriptor.raw, buffer.baseAddress, buffer.count, Int32(MSG_DONTWAIT), pointer, &length)
                }
            }
        }
        // After ENOBUFS there may be more.
        if count < 0 { return count == -Int(ENOBUFS) ? (0, 0) : nil }
        return (count, address.nl_pid)
    }

    private static func address(_ portID: UInt32) -> sockaddr_nl {
        var address = sockaddr_nl()
        address.nl_family = sa_family_t(AF_NETLINK)
        address.nl_pid = portID
        return address
    }

    /// Gives an address as calls take it; the pointer is valid until `body` returns.
    private static func withPointer<Result>(
        _ address: inout sockaddr_nl, _ body: (UnsafeMutablePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        // Every socket address begins with `sockaddr`'s family, and the length says how long this one is.
        unsafe withUnsafeMutablePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe body($0, socklen_t(MemoryLayout<sockaddr_nl>.size))
            }
        }
    }
}
