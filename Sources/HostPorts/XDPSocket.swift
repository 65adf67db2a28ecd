import CLinux
import Glibc
import LinuxSystem
import Synchronization

/// An AF_XDP socket of one receive queue of an interface, with memory for frames of its own.
///
/// The memory (UMEM) has two parts: chunks that the kernel receives into, and chunks to transmit from. Each belongs to
/// one side, and the two know nothing of each other, so that one thread may receive while another transmits.
@safe
final class XDPSocket: @unchecked Sendable {  // immutable; who may use the sides is said at `XDPQueue`
    let descriptor: Descriptor
    /// What the packet threads use.
    let queue: XDPQueue
    private let memory: MappedMemory

    /// Bytes of a chunk: half a page, or a page where frames are longer.
    enum ChunkSize: Int {
        case half = 2048
        case page = 4096

        /// The kernel receives behind this many bytes (`XDP_PACKET_HEADROOM`).
        static let headroom = 256

        /// Bytes of the longest frame that is received whole.
        var longest: Int { rawValue - Self.headroom }

        /// The smaller one if frames of this MTU fit, tagged twice.
        init(mtu: Int) { self = mtu + 22 <= Self.half.longest ? .half : .page }
    }

    /// - Parameters:
    ///   - queue: the receive queue's number.
    ///   - count: chunks of each side, a power of two.
    ///   - isZeroCopy: whether the driver uses the memory itself.
    /// - Throws: an error whose sentence says what to do.
    init(
        ifindex: Int32, queue number: Int, chunk: ChunkSize, count: Int, isZeroCopy: Bool
    ) throws(LinuxError) {
        let descriptor = try Self.open()
        let memory = try MappedMemory(size: 2 * count * chunk.rawValue)
        var registration = xdp_umem_reg()
        registration.addr = unsafe UInt64(UInt(bitPattern: memory.base))
        registration.len = UInt64(memory.size)
        registration.chunk_size = UInt32(chunk.rawValue)
        do {
            try descriptor.setOption(Int32(CLINUX_SOL_XDP), XDP_UMEM_REG, to: registration)
        } catch {
            guard error.errno == ENOBUFS else { throw error }
            throw LinuxError(
                errno: ENOBUFS,
                explanation:
                    "an AF_XDP socket locks \(memory.size >> 20) MiB of memory, which is more than this process "
                    + "may: raise the limit (ulimit -l, LimitMEMLOCK=), or give it CAP_IPC_LOCK")
        }
        for ring in [XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_RX_RING, XDP_TX_RING] {
            try descriptor.setOption(
                Int32(CLINUX_SOL_XDP), ring, to: Int32(count), "cannot make the rings of an AF_XDP socket")
        }
        // A wish: one call takes as many frames as a large batch has.
        try? descriptor.setOption(Int32(CLINUX_SOL_XDP), Int32(CLINUX_XDP_MAX_TX_SKB_BUDGET), to: Int32(256))
        try? descriptor.setOption(SOL_SOCKET, SO_SNDBUFFORCE, to: Int32(4 << 20))
        let offsets = try Self.offsets(descriptor)
        let rings = Rings(descriptor.raw, offsets, UInt32(count))
        let receiving = unsafe XDPReceivingSide(
            memory.base, chunk: chunk, count: count, fill: try rings.fill(), ring: try rings.receive())
        let transmitting = unsafe XDPTransmittingSide(
            memory.base, descriptor.raw, chunk: chunk, first: count, count: count, completion: try rings.completion(),
            ring: try rings.transmit())
        try Self.bind(descriptor, ifindex, number, isZeroCopy)
        queue = XDPQueue(receiving, transmitting)
        self.descriptor = descriptor
        self.memory = memory
    }

    deinit { queue.deallocate() }

    /// What the kernel has counted since the socket was made (`XDP_STATISTICS`).
    func statistics() -> xdp_statistics {
        var statistics = xdp_statistics()
        var length = socklen_t(MemoryLayout<xdp_statistics>.size)
        // The kernel writes at most `length` bytes. If it cannot, the counters stay 0.
        _ = Syscall.raw {
            unsafe getsockopt(descriptor.raw, Int32(CLINUX_SOL_XDP), XDP_STATISTICS, &statistics, &length)
        }
        return statistics
    }

    // MARK: Making

    private static func open() throws(LinuxError) -> Descriptor {
        do {
            return Descriptor(
                try Syscall.call("socket", "cannot open an AF_XDP socket") {
                    socket(
                        Int32(CLINUX_AF_XDP), Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue),
                        0)
                })
        } catch {
            guard error.errno == EAFNOSUPPORT else { throw error }
            throw LinuxError(
                errno: EAFNOSUPPORT, explanation: "this kernel has no AF_XDP sockets (CONFIG_XDP_SOCKETS)")
        }
    }

    private static func offsets(_ descriptor: Descriptor) throws(LinuxError) -> xdp_mmap_offsets {
        var offsets = xdp_mmap_offsets()
        var length = socklen_t(MemoryLayout<xdp_mmap_offsets>.size)
        try Syscall.call("getsockopt", "cannot map the rings of an AF_XDP socket") {
            // The kernel writes at most `length` bytes.
            unsafe getsockopt(descriptor.raw, Int32(CLINUX_SOL_XDP), XDP_MMAP_OFFSETS, &offsets, &length)
        }
        guard Int(length) == MemoryLayout<xdp_mmap_offsets>.size else {
            throw LinuxError(errno: EOPNOTSUPP, explanation: "AF_XDP needs Linux 5.4 or newer")
        }
        return offsets
    }

    private struct Rings {
        let descriptor: Int32
        let offsets: xdp_mmap_offsets
        let size: UInt32

        init(_ descriptor: Int32, _ offsets: xdp_mmap_offsets, _ size: UInt32) {
            self.descriptor = descriptor
            self.offsets = offsets
            self.size = size
        }

        func fill() throws(LinuxError) -> XDPRing<UInt64> {
            try XDPRing(descriptor, at: CLINUX_XDP_FILL_RING, offsets.fr, size: size)
        }
        func completion() throws(LinuxError) -> XDPRing<UInt64> {
            try XDPRing(descriptor, at: CLINUX_XDP_COMPLETION_RING, offsets.cr, size: size)
        }
        func receive() throws(LinuxError) -> XDPRing<xdp_desc> {
            try XDPRing(descriptor, at: Int64(CLINUX_XDP_RECEIVE_RING), offsets.rx, size: size)
        }
        func transmit() throws(LinuxError) -> XDPRing<xdp_desc> {
            try XDPRing(descriptor, at: CLINUX_XDP_TRANSMIT_RING, offsets.tx, size: size)
        }
    }

    private static let bindRetries = 30

    private static func bind(_ descriptor: Descriptor, _ address: sockaddr_xdp) -> Int32 {
        // The address is read during the call.
        unsafe withUnsafeBytes(of: address) { bytes in
            unsafe Glibc.bind(
                descriptor.raw, bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count))
        }
    }

    private static func bind(
        _ descriptor: Descriptor, _ ifindex: Int32, _ queue: Int, _ isZeroCopy: Bool
    ) throws(LinuxError) {
        var address = sockaddr_xdp()
        address.sxdp_family = UInt16(CLINUX_AF_XDP)
        address.sxdp_flags = UInt16(XDP_USE_NEED_WAKEUP | (isZeroCopy ? XDP_ZEROCOPY : XDP_COPY))
        address.sxdp_ifindex = UInt32(bitPattern: ifindex)
        address.sxdp_queue_id = UInt32(clamping: queue)
        do {
            try Syscall.call("bind", "cannot bind an AF_XDP socket to queue \(queue)") {
                // The kernel gives a queue back some milliseconds after its last socket was closed.
                for _ in 0..<bindRetries {
                    let result = bind(descriptor, address)
                    guard result < 0, errno == EBUSY else { return result }
                    usleep(10_000)
                }
                return bind(descriptor, address)
            }
        } catch {
            switch error.errno {
            case EOPNOTSUPP where isZeroCopy, EINVAL where isZeroCopy:
                throw LinuxError(
                    errno: EOPNOTSUPP, explanation: "the driver cannot use an AF_XDP socket's memory (zero-copy)")
            case EBUSY:
                throw LinuxError(
                    errno: EBUSY, explanation: "queue \(queue) has an AF_XDP socket already, of another program")
            default: throw error
            }
        }
    }
}
