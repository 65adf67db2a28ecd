/// One packet in a slot of a `PacketPool`: where it lies, how long it is, and what its host left undone. It is an Ethernet
/// frame as a rule; `networkType` tells a packet that has no Ethernet header.
///
/// A trivial value that does not own its bytes: copying it copies no frame, and no reference is counted. It may be used
/// until the pool it came from is reset or gone; every access through it stays inside the slot.
///
///     slot                    start                                      slotSize
///      ├── headroom ──────────┤── frame (length) ──┤── tailroom ─────────┤
@safe
public struct Packet: BitwiseCopyable {
    /// First byte of the slot.
    public let slot: UnsafeMutableRawPointer
    // Of 32 bits, so that a packet fits into four registers. In memory it would be written field by field and read in larger
    // pieces soon after, for which a processor has to wait.
    @usableFromInline var frameStart: UInt32
    @usableFromInline var frameLength: UInt32
    public var offload: Offload
    /// The EtherType of what a packet without Ethernet header (an L3 packet) begins with; 0 for an Ethernet frame.
    public internal(set) var networkType: UInt16

    /// Bytes in front of a frame as received, for headers that are pushed and for the virtio-net header.
    public static let headroom = 128
    /// The longest frame a slot takes: a 64 KiB segment with its headers.
    public static let maximumLength = 65_792
    /// Bytes of a slot.
    public static let slotSize = headroom + maximumLength + 128

    /// An empty frame at the usual place of a slot.
    init(slot: UnsafeMutableRawPointer) {
        unsafe self.slot = slot
        frameStart = UInt32(Self.headroom)
        frameLength = 0
        offload = Offload()
        networkType = 0
    }

    /// First byte of the frame, from the start of the slot.
    @inlinable
    public internal(set) var start: Int {
        get { Int(frameStart) }
        // Less than a slot's size, as is the length.
        set { frameStart = UInt32(truncatingIfNeeded: newValue) }
    }

    /// Bytes of the frame.
    @inlinable
    public internal(set) var length: Int {
        get { Int(frameLength) }
        set { frameLength = UInt32(truncatingIfNeeded: newValue) }
    }

    /// The frame's bytes.
    @inlinable
    public var bytes: RawSpan {
        @_lifetime(borrow self)
        get {
            // `start` and `length` lie inside the slot: they are set only by the pool's receivers and by the pushes and
            // pops of this module, which check.
            let span = unsafe RawSpan(_unsafeStart: slot + start, byteCount: length)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// The frame's bytes, to be changed in place.
    @inlinable
    public var mutableBytes: MutableRawSpan {
        @_lifetime(&self)
        mutating get {
            let span = unsafe MutableRawSpan(_unsafeStart: slot + start, byteCount: length)
            return unsafe _overrideLifetime(span, mutating: &self)
        }
    }

    /// Adds `count` bytes to the front. The new bytes are not set. What the headroom does not hold is made room for by
    /// moving the frame.
    /// - Returns: false if the frame would be longer than `maximumLength`; nothing has changed then.
    public mutating func prepend(_ count: Int) -> Bool {
        guard count >= 0 && count <= Self.maximumLength - length else { return false }
        if start - count < Self.minimumStart { makeRoom(count) }
        start -= count
        length += count
        return true
    }

    /// Room for the virtio-net header, in front of every frame.
    private static let minimumStart = 16

    /// Moves the frame so that `count` bytes and the usual headroom lie in front.
    @inline(never)
    private mutating func makeRoom(_ count: Int) {
        // A frame that is longer by `count` is not too long for the slot, as the caller has checked.
        unsafe (slot + Self.headroom + count).copyMemory(from: slot + start, byteCount: length)
        start = Self.headroom + count
    }

    /// Takes `count` bytes off the front.
    /// - Returns: false if the frame is shorter.
    public mutating func removeFirst(_ count: Int) -> Bool {
        guard count >= 0 && count <= length else { return false }
        start += count
        length -= count
        return true
    }

    /// The slot's memory from the frame's usual place on, for a receiver to write a frame to. A virtio-net header is
    /// written in the `Offload.wireSize` bytes in front of it.
    public var receiveBuffer: UnsafeMutableRawBufferPointer {
        unsafe UnsafeMutableRawBufferPointer(start: slot + Self.headroom, count: Self.maximumLength)
    }

    /// Says that a frame of `count` bytes (at most `maximumLength`) has been written to `receiveBuffer`.
    public mutating func setReceived(_ count: Int, offload: Offload = Offload()) {
        start = Self.headroom
        length = min(max(count, 0), Self.maximumLength)
        self.offload = offload
        networkType = 0
    }

    /// Cuts the frame to at most `count` bytes.
    public mutating func truncate(to count: Int) { length = min(length, max(count, 0)) }

    /// Copies another packet's frame and offload into this slot.
    public mutating func copy(from other: Packet) {
        start = min(max(other.start, Self.minimumStart), Self.headroom)
        length = min(max(other.length, 0), Self.maximumLength)
        offload = other.offload
        networkType = other.networkType
        unsafe (slot + start).copyMemory(from: other.slot + other.start, byteCount: length)
    }

    /// Replaces the frame by a copy of `frame`, with nothing left undone.
    /// - Parameter networkType: as the property.
    /// - Returns: false if it is longer than `maximumLength`; nothing has changed then.
    public mutating func assign(_ frame: RawSpan, networkType: UInt16 = 0) -> Bool {
        guard frame.byteCount <= Self.maximumLength else { return false }
        start = Self.headroom
        length = frame.byteCount
        offload = Offload()
        self.networkType = networkType
        unsafe frame.withUnsafeBytes { source in
            if let base = source.baseAddress { unsafe (slot + start).copyMemory(from: base, byteCount: source.count) }
        }
        return true
    }
}
