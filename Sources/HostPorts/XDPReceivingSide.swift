import CLinux
import Packets

/// The chunks that the kernel receives into, and the rings by which they come and go. Used by one thread.
@safe
struct XDPReceivingSide: ~Copyable {
    // `count` chunks from here on belong to this side.
    private let memory: UnsafeMutableRawPointer
    private let chunkSize: UInt64
    private let size: UInt64
    private var fill: XDPRing<UInt64>
    private var ring: XDPRing<xdp_desc>

    init(
        _ memory: UnsafeMutableRawPointer, chunk: XDPSocket.ChunkSize, count: Int, fill: consuming XDPRing<UInt64>,
        ring: consuming XDPRing<xdp_desc>
    ) {
        unsafe self.memory = memory
        chunkSize = UInt64(chunk.rawValue)
        size = UInt64(count) * chunkSize
        self.fill = fill
        self.ring = ring
        for index in 0..<UInt64(count) { self.fill.put(index * chunkSize) }
        self.fill.publish()
    }

    /// Number of frames that have come.
    var filled: Int {
        @inline(__always) get { ring.filled }
    }

    /// Copies the next frame, of which `filled` has said that it is there, to a packet's slot, and gives its chunk back to
    /// the kernel.
    /// - Returns: false if the kernel described a frame that cannot be; its chunk is lost.
    @inline(__always)
    mutating func take(_ packet: inout Packet) -> Bool {
        let frame = ring.take()
        let length = UInt64(frame.len)
        // The whole frame lies in one chunk of this side. A chunk is shorter than a packet's slot.
        guard frame.addr < size, length <= chunkSize - frame.addr & (chunkSize - 1) else { return false }
        unsafe packet.receiveBuffer.baseAddress?.copyMemory(
            from: memory + Int(truncatingIfNeeded: frame.addr), byteCount: Int(truncatingIfNeeded: length))
        fill.put(frame.addr & ~(chunkSize - 1))
        packet.setReceived(Int(truncatingIfNeeded: length))
        return true
    }

    /// Lets the kernel have what was taken.
    @inline(__always)
    func finish() {
        fill.publish()
        ring.release()
    }
}
