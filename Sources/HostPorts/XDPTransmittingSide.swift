import CLinux
import Glibc
import LinuxSystem
import Packets

/// The chunks that frames are transmitted from, and the rings by which they go and come back. Used by one thread at a
/// time.
@safe
struct XDPTransmittingSide: ~Copyable {
    // The chunks from `first` on, `count` of them, belong to this side.
    private let memory: UnsafeMutableRawPointer
    private let descriptor: Int32
    private let chunkSize: Int
    private let first: UInt64
    private let count: Int
    private var completion: XDPRing<UInt64>
    private var ring: XDPRing<xdp_desc>
    /// Addresses of chunks that hold no frame: the first `freeCount` of `count` entries.
    private let free: UnsafeMutablePointer<UInt64>
    private var freeCount: Int
    /// Frames that were put in and are not published.
    private var unpublished = 0
    /// Whether the interface took none of what it was given last.
    private var isStalled = false

    /// How often a call is made again that did not take all.
    private static let retries = 16

    init(
        _ memory: UnsafeMutableRawPointer, _ descriptor: Int32, chunk: XDPSocket.ChunkSize, first: Int, count: Int,
        completion: consuming XDPRing<UInt64>, ring: consuming XDPRing<xdp_desc>
    ) {
        unsafe self.memory = memory
        self.descriptor = descriptor
        chunkSize = chunk.rawValue
        self.first = UInt64(first * chunk.rawValue)
        self.count = count
        self.completion = completion
        self.ring = ring
        unsafe free = .allocate(capacity: count)
        for index in 0..<count { unsafe (free + index).initialize(to: UInt64((first + index) * chunk.rawValue)) }
        freeCount = count
    }

    deinit { unsafe free.deallocate() }

    /// Whether a frame may go this way. What the host is to cut, or to give a CRC, and what is longer than a chunk, goes
    /// through the packet socket.
    @inline(__always)
    func takes(_ packet: Packet) -> Bool {
        packet.length <= chunkSize && !packet.offload.isSegmented
            && (!packet.offload.isChecksumPartial || packet.offload.checksumOffset != Self.sctpChecksum)
    }

    /// Where an SCTP header has its checksum, which is no Internet checksum.
    private static let sctpChecksum: UInt16 = 8

    /// Begins a batch.
    /// - Returns: false if the interface still takes nothing, so that no more is to be put in.
    @inline(__always)
    mutating func begin() -> Bool {
        if isStalled { isStalled = !wake() }
        return !isStalled
    }

    /// Copies a frame that `takes` has admitted to a free chunk, and completes its checksum there.
    /// - Returns: false if there is no free chunk, or the packet says that its checksum lies elsewhere.
    @inline(__always)
    mutating func put(_ packet: Packet) -> Bool {
        if freeCount == 0 { makeRoom() }
        let length = packet.length
        guard freeCount > 0, length <= chunkSize else { return false }
        let address = unsafe free[freeCount - 1]
        // The address is that of a chunk of this side, and the frame is not longer than that.
        let chunk = unsafe memory + Int(truncatingIfNeeded: address)
        unsafe chunk.copyMemory(from: packet.slot + packet.start, byteCount: length)
        if packet.offload.isChecksumPartial {
            let frame = unsafe MutableRawSpan(_unsafeStart: chunk, byteCount: length)
            guard Self.completeChecksum(frame, packet.offload) else { return false }
        }
        freeCount -= 1
        ring.put(xdp_desc(addr: address, len: UInt32(truncatingIfNeeded: length), options: 0))
        unpublished += 1
        return true
    }

    private static func completeChecksum(_ frame: consuming MutableRawSpan, _ offload: Offload) -> Bool {
        let start = Int(offload.checksumStart)
        let field = start + Int(offload.checksumOffset)
        guard field + 2 <= frame.byteCount else { return false }
        let checksum = InternetChecksum.checksum(frame.bytes.extracting(start..<frame.byteCount))
        let value = checksum == 0 ? 0xffff : checksum
        frame.storeBytes(of: value.bigEndian, toByteOffset: field, as: UInt16.self)
        return true
    }

    /// Takes back what the kernel is done with, and if that is nothing, has it go on.
    @inline(never)
    private mutating func makeRoom() {
        complete()
        guard freeCount == 0 else { return }
        ring.publish()
        _ = wake()
        complete()
    }

    /// Takes back the chunks whose frames the kernel has sent.
    @inline(__always)
    private mutating func complete() {
        let done = completion.filled
        guard done > 0 else { return }
        for _ in 0..<done {
            let address = completion.take() & ~UInt64(chunkSize - 1)
            // A chunk that is not this side's, or one more than there are, cannot have been sent.
            guard address >= first, address < first + UInt64(count * chunkSize), freeCount < count else { continue }
            unsafe free[freeCount] = address
            freeCount += 1
        }
        completion.release()
    }

    /// Sends what was put in.
    /// - Returns: how many frames were put in since the last call; 0 if the interface takes none, because it is down or
    ///   has gone. These few leave when it is back.
    @inline(__always)
    mutating func flush() -> Int {
        let put = unpublished
        guard put > 0 else { return 0 }
        unpublished = 0
        ring.publish()
        isStalled = !wake()
        complete()
        return isStalled ? 0 : put
    }

    /// Has the kernel take what is in the ring.
    private func wake() -> Bool {
        guard ring.wantsWakeup else { return true }
        var retries = Self.retries
        while true {
            let result = Syscall.raw { sendto(descriptor, nil, 0, Int32(MSG_DONTWAIT), nil, 0) }
            switch Int32(truncatingIfNeeded: -result) {
            case 0, EAGAIN:
                // One call takes a number of frames and no more. In zero-copy mode the driver takes them later.
                guard result < 0, ring.isPending, retries > 0 else { return true }
            case EBUSY, ENOBUFS:
                // The interface's queue is full. What it does not take now goes with the next frames.
                guard retries > 0 else { return true }
                sched_yield()
            default: return false
            }
            retries -= 1
        }
    }
}
