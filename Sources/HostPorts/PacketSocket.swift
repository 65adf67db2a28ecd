import CLinux
import Glibc
import LinuxSystem

/// A raw packet socket of one interface (`AF_PACKET`), with a virtio-net header in front of each frame in both
/// directions.
final class PacketSocket: Sendable {
    let descriptor: Descriptor
    /// Where frames that were received lie; nil if they wait in the socket's queue.
    let ring: PacketRing?
    private let ifindex: Int32

    /// Bytes of frames that wait in the socket; a 64 KiB segment counts with what the kernel allocated for it.
    private static let receiveBuffer: Int32 = 8 << 20
    private static let sendBuffer: Int32 = 4 << 20

    /// Opens a socket that transmits on an interface and does not receive yet.
    ///
    /// `PACKET_QDISC_BYPASS` stays off: that way a segment is dropped where the interface cannot cut it by itself.
    /// - Parameter hasRing: whether frames are to be received, over a ring if the kernel gives one.
    init(ifindex: Int32, hasRing: Bool = false) throws(LinuxError) {
        let descriptor = Descriptor(
            try Syscall.call("socket", "cannot open a packet socket") {
                socket(AF_PACKET, Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
            })
        let one: Int32 = 1
        try descriptor.setOption(
            SOL_PACKET, PACKET_VNET_HDR, to: one, "cannot take offloads over a packet socket")
        try descriptor.setOption(
            SOL_PACKET, PACKET_AUXDATA, to: one, "cannot take VLAN tags over a packet socket")
        try descriptor.setOption(
            SOL_PACKET, PACKET_IGNORE_OUTGOING, to: one, "cannot leave out the host's own frames")
        // The sizes are a wish: without CAP_NET_ADMIN in the first user namespace the host's limits stand.
        try? descriptor.setOption(SOL_SOCKET, SO_RCVBUFFORCE, to: Self.receiveBuffer)
        try? descriptor.setOption(SOL_SOCKET, SO_SNDBUFFORCE, to: Self.sendBuffer)
        try Self.bind(descriptor, ifindex, protocol: 0)
        ring = hasRing ? PacketRing(descriptor) : nil
        self.descriptor = descriptor
        self.ifindex = ifindex
    }

    /// Makes the interface promiscuous as long as the socket is open (`PACKET_MR_PROMISC`).
    func makePromiscuous() throws(LinuxError) {
        var membership = packet_mreq()
        membership.mr_ifindex = ifindex
        membership.mr_type = UInt16(PACKET_MR_PROMISC)
        try descriptor.setOption(
            SOL_PACKET, PACKET_ADD_MEMBERSHIP, to: membership, "cannot make the interface promiscuous")
    }

    /// Begins to receive the frames of every protocol.
    func beginReceiving() throws(LinuxError) {
        try Self.bind(descriptor, ifindex, protocol: UInt16(ETH_P_ALL))
    }

    /// Shares the frames of the interface with other sockets: each flow's go to one of them (`PACKET_FANOUT_HASH`). The
    /// socket must be receiving.
    /// - Parameter group: the number of the others' group; nil for a new one.
    /// - Returns: the number of the group.
    @discardableResult
    func share(group: UInt16?) throws(LinuxError) -> UInt16 {
        let kind = UInt32(PACKET_FANOUT_HASH) | (group == nil ? UInt32(PACKET_FANOUT_FLAG_UNIQUEID) : 0)
        try descriptor.setOption(
            SOL_PACKET, PACKET_FANOUT, to: UInt32(group ?? 0) | kind << 16, "cannot spread frames over workers")
        var value: UInt32 = 0
        var length = socklen_t(MemoryLayout<UInt32>.size)
        try Syscall.call("getsockopt", "cannot spread frames over workers") {
            // The kernel writes at most `length` bytes.
            unsafe getsockopt(descriptor.raw, SOL_PACKET, PACKET_FANOUT, &value, &length)
        }
        return UInt16(truncatingIfNeeded: value)
    }

    /// Begins to receive what a group of sockets leaves to this one.
    func beginReceiving(inGroup group: UInt16) throws(LinuxError) {
        // Until it is in the group it would get every frame, of which the others have had theirs.
        var nothing = sock_filter(code: UInt16(BPF_RET | BPF_K), jt: 0, jf: 0, k: 0)
        try unsafe withUnsafeMutablePointer(to: &nothing) { (filter) throws(LinuxError) in
            // The kernel copies the filter during the call.
            let program = unsafe sock_fprog(len: 1, filter: filter)
            try unsafe descriptor.setOption(
                SOL_SOCKET, SO_ATTACH_FILTER, to: program, "cannot spread frames over workers")
        }
        try beginReceiving()
        try share(group: group)
        try descriptor.setOption(SOL_SOCKET, SO_DETACH_FILTER, to: Int32(0), "cannot spread frames over workers")
    }

    /// Frames the kernel had to drop since the last call because the socket's buffer was full (`PACKET_STATISTICS`).
    func takeDropped() -> UInt64 {
        var statistics = tpacket_stats()
        var length = socklen_t(MemoryLayout<tpacket_stats>.size)
        // The kernel writes at most `length` bytes.
        let result = Syscall.raw {
            unsafe getsockopt(descriptor.raw, SOL_PACKET, PACKET_STATISTICS, &statistics, &length)
        }
        return result < 0 ? 0 : UInt64(statistics.tp_drops)
    }

    private static func bind(
        _ descriptor: Descriptor, _ ifindex: Int32, protocol number: UInt16
    ) throws(LinuxError) {
        var address = sockaddr_ll()
        address.sll_family = UInt16(AF_PACKET)
        address.sll_protocol = number.bigEndian
        address.sll_ifindex = ifindex
        try Syscall.call("bind", "cannot bind a packet socket to interface \(ifindex)") {
            // The address is read during the call.
            unsafe withUnsafeBytes(of: address) { bytes in
                unsafe Glibc.bind(
                    descriptor.raw, bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count))
            }
        }
    }
}
