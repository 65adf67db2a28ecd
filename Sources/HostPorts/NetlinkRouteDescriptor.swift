import CLinux
import Glibc
import LinuxSystem

/// A socket of the kernel's `NETLINK_ROUTE`, and the two ways bytes go through it.
struct NetlinkRouteDescriptor: ~Copyable, Sendable {
    let descriptor: Descriptor

    /// Bytes that hold any datagram: the kernel fills at most 32 KiB in a dump.
    static let largestDatagram = 65_536

    /// Opens a socket in the network namespace of the calling thread.
    /// - Parameter groups: a bit mask of multicast groups (`RTMGRP_*`).
    init(groups: UInt32) throws(LinuxError) {
        let descriptor = Descriptor(
            try Syscall.call("socket", "cannot open an rtnetlink socket") {
                socket(AF_NETLINK, Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue), NETLINK_ROUTE)
            })
        // Sentences for people in errors, and a receive buffer for many changes at once; either may be refused.
        try? descriptor.setOption(SOL_NETLINK, NETLINK_EXT_ACK, to: Int32(1))
        try? descriptor.setOption(SOL_SOCKET, SO_RCVBUFFORCE, to: Int32(1 << 20))
        var address = sockaddr_nl()
        address.nl_family = sa_family_t(AF_NETLINK)
        address.nl_groups = groups
        try Syscall.call("bind", "cannot bind an rtnetlink socket") {
            // The address is read during the call.
            unsafe withUnsafeBytes(of: address) { bytes in
                unsafe bind(
                    descriptor.raw, bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count))
            }
        }
        self.descriptor = descriptor
    }

    /// Sends one datagram to the kernel.
    func send(_ bytes: [UInt8]) throws(LinuxError) {
        try Syscall.call("send", "cannot send to the kernel over rtnetlink") {
            // The bytes are read during the call.
            unsafe bytes.withUnsafeBytes { unsafe Glibc.send(descriptor.raw, $0.baseAddress, $0.count, 0) }
        }
    }

    /// Receives one datagram of the kernel.
    /// - Parameter waits: whether to wait for one; otherwise `EAGAIN` is thrown if there is none.
    /// - Returns: its length; 0 for one that did not come from the kernel.
    /// - Throws: `EMSGSIZE` if it did not fit, and the errors of the call, among them `ENOBUFS` for lost messages.
    func receive(into buffer: inout [UInt8], waits: Bool = true) throws(LinuxError) -> Int {
        var sender = sockaddr_nl()
        // With MSG_TRUNC the whole length is answered, whatever was stored.
        let flags = Int32(MSG_TRUNC) | (waits ? 0 : Int32(MSG_DONTWAIT))
        let count = try Syscall.call("recv", "cannot receive from rtnetlink") {
            // The kernel writes at most the buffer's and the address's bytes.
            unsafe buffer.withUnsafeMutableBytes { target in
                unsafe withUnsafeMutableBytes(of: &sender) { address in
                    var length = socklen_t(address.count)
                    return unsafe recvfrom(
                        descriptor.raw, target.baseAddress, target.count, flags,
                        address.baseAddress?.assumingMemoryBound(to: sockaddr.self), &length)
                }
            }
        }
        guard count <= buffer.count else {
            throw LinuxError(errno: EMSGSIZE, explanation: "an rtnetlink datagram of \(count) bytes was cut")
        }
        return sender.nl_pid == 0 ? count : 0
    }
}
