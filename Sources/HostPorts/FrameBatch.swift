import CLinux
import Glibc
import LinuxSystem
import Packets

/// What one system call needs to move up to 32 frames: message headers, vectors and room for control messages.
///
/// It owns its memory alone, so that it may move to another thread; it is used by one at a time.
@safe
struct FrameBatch: ~Copyable, @unchecked Sendable {
    /// Frames per system call.
    static let capacity = 32
    /// Bytes for one message's control messages: one `struct tpacket_auxdata` with its header, and some.
    static let controlSize = 64

    // All three have `capacity` entries, and every method below stays inside them.
    private let headers: UnsafeMutablePointer<clinux_mmsghdr>
    private let vectors: UnsafeMutablePointer<iovec>
    private let control: UnsafeMutableRawPointer

    init() {
        unsafe headers = .allocate(capacity: Self.capacity)
        unsafe vectors = .allocate(capacity: Self.capacity)
        unsafe control = .allocate(byteCount: Self.capacity * Self.controlSize, alignment: 16)
        unsafe headers.initialize(repeating: clinux_mmsghdr(), count: Self.capacity)
        unsafe vectors.initialize(repeating: iovec(), count: Self.capacity)
        for index in 0..<Self.capacity {
            unsafe headers[index].header.msg_iov = vectors + index
            unsafe headers[index].header.msg_iovlen = 1
        }
    }

    deinit {
        unsafe headers.deallocate()
        unsafe vectors.deallocate()
        unsafe control.deallocate()
    }

    // MARK: Receiving

    /// Says where message `index` is to be written to: a packet's receive buffer with the virtio-net header in front.
    @inline(__always)
    func prepareReceive(_ index: Int, into packet: Packet) {
        let buffer = unsafe packet.receiveBuffer
        guard index >= 0, index < Self.capacity, let base = buffer.baseAddress else { return }
        // In front of a receive buffer lies the headroom, which holds the header.
        unsafe vectors[index].iov_base = base - Offload.wireSize
        unsafe vectors[index].iov_len = buffer.count + Offload.wireSize
        unsafe headers[index].header.msg_control = control + index * Self.controlSize
        unsafe headers[index].header.msg_controllen = Self.controlSize
        unsafe headers[index].header.msg_flags = 0
    }

    /// Receives up to `count` prepared messages without waiting.
    /// - Returns: how many came, or the negative error number.
    @inline(__always)
    func receive(_ descriptor: Int32, count: Int) -> Int {
        let count = min(count, Self.capacity)
        return Syscall.raw { unsafe clinux_recvmmsg(descriptor, headers, UInt32(count), Int32(MSG_DONTWAIT)) }
    }

    /// Asks a packet socket for an error that it has to tell (`SO_ERROR`). Frames that wait stay where they are.
    /// - Returns: 0, or the negative error number.
    static func takeError(_ descriptor: Int32) -> Int {
        var error: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        // The kernel writes at most `length` bytes.
        let result = Syscall.raw { unsafe getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length) }
        return result < 0 ? result : -Int(error)
    }

    /// The length of received message `index`, header included; nil if it did not fit.
    @inline(__always)
    func receivedLength(_ index: Int) -> Int? {
        guard index >= 0, index < Self.capacity else { return nil }
        let isCut = unsafe headers[index].header.msg_flags & Int32(MSG_TRUNC) != 0
        return isCut ? nil : unsafe Int(headers[index].length)
    }

    /// The VLAN tag that the kernel took out of received message `index`.
    @inline(__always)
    func vlanTag(_ index: Int) -> VLANTag? {
        guard index >= 0, index < Self.capacity else { return nil }
        // The kernel wrote at most `controlSize` bytes and says how many; PACKET_AUXDATA is the only one asked for.
        let dataOffset = (MemoryLayout<cmsghdr>.size + MemoryLayout<Int>.size - 1) & ~(MemoryLayout<Int>.size - 1)
        let needed = dataOffset + MemoryLayout<tpacket_auxdata>.size
        guard unsafe headers[index].header.msg_controllen >= needed else { return nil }
        let message = unsafe control + index * Self.controlSize
        let header = unsafe message.load(as: cmsghdr.self)
        guard header.cmsg_level == SOL_PACKET, header.cmsg_type == PACKET_AUXDATA else { return nil }
        let data = unsafe message.load(fromByteOffset: dataOffset, as: tpacket_auxdata.self)
        return VLANTag(status: data.tp_status, tpid: data.tp_vlan_tpid, tci: data.tp_vlan_tci)
    }

    // MARK: Transmitting

    /// Writes a packet's virtio-net header in front of its frame and says that message `index` is both.
    @inline(__always)
    func prepareTransmit(_ index: Int, _ packet: Packet) {
        guard index >= 0, index < Self.capacity else { return }
        let start = unsafe packet.slot + (packet.start - Offload.wireSize)
        // A frame never begins nearer to its slot's start than 16 bytes.
        unsafe packet.offload.storeVirtioNetHeader(at: start)
        unsafe vectors[index].iov_base = start
        unsafe vectors[index].iov_len = packet.length + Offload.wireSize
        unsafe headers[index].header.msg_control = nil
        unsafe headers[index].header.msg_controllen = 0
    }

    /// Transmits the prepared messages from `index` to `end` without waiting.
    /// - Returns: how many were taken, or the negative error number.
    @inline(__always)
    func transmit(_ descriptor: Int32, from index: Int, to end: Int) -> Int {
        guard index >= 0, index < end, end <= Self.capacity else { return 0 }
        return Syscall.raw {
            unsafe clinux_sendmmsg(descriptor, headers + index, UInt32(end - index), Int32(MSG_DONTWAIT))
        }
    }

    /// Reads one frame from a TAP device into a packet's receive buffer.
    /// - Returns: the bytes read, header included, or the negative error number.
    @inline(__always)
    static func read(_ descriptor: Int32, into packet: Packet) -> Int {
        let buffer = unsafe packet.receiveBuffer
        guard let base = buffer.baseAddress else { return 0 }
        // In front of a receive buffer lies the headroom, which holds the header.
        return Syscall.raw {
            unsafe Glibc.read(descriptor, base - Offload.wireSize, buffer.count + Offload.wireSize)
        }
    }

    /// Writes one packet to a TAP device.
    /// - Returns: the bytes written, or the negative error number.
    @inline(__always)
    static func write(_ descriptor: Int32, _ packet: Packet) -> Int {
        let start = unsafe packet.slot + (packet.start - Offload.wireSize)
        // A frame never begins nearer to its slot's start than 16 bytes.
        unsafe packet.offload.storeVirtioNetHeader(at: start)
        return Syscall.raw { unsafe Glibc.write(descriptor, start, packet.length + Offload.wireSize) }
    }
}
