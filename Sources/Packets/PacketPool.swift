/// The slots of one thread: memory for frames, given out one after the other and taken back all at once.
///
/// A batch takes slots as it receives and copies frames; when it has been transmitted, `reset` frees them together.
/// There is no count of references to keep right. A slot whose packet is still at work when the others are freed is
/// held: then `reset` passes it over.
@safe
public struct PacketPool: ~Copyable {
    private let memory: UnsafeMutableRawPointer
    public let capacity: Int
    /// A bit for each slot: given out, or beyond `capacity`.
    private var taken: InlineArray<4, UInt64>
    /// A bit for each slot: taken also after `reset`.
    private var held: InlineArray<4, UInt64>
    /// The first word of `taken` that may have a zero.
    private var first = 0

    /// The most slots a pool can have.
    public static let maximumCapacity = 256

    /// - Parameter capacity: number of slots, up to `maximumCapacity`.
    public init(capacity: Int) {
        precondition(capacity > 0 && capacity <= Self.maximumCapacity, "a pool has 1 to 256 slots")
        self.capacity = capacity
        unsafe memory = UnsafeMutableRawPointer.allocate(byteCount: capacity * Packet.slotSize, alignment: 64)
        held = InlineArray(repeating: 0)
        for slot in capacity..<Self.maximumCapacity { held[slot / 64] |= 1 << UInt64(slot % 64) }
        taken = held
    }

    deinit { unsafe memory.deallocate() }

    /// Slots that are not taken.
    public var available: Int {
        var count = 0
        for word in 0..<4 { count += (~taken[word]).nonzeroBitCount }
        return count
    }

    /// An empty packet in a free slot, or nil if all are taken.
    public mutating func take() -> Packet? {
        while first < 4 {
            let bit = (~taken[first]).trailingZeroBitCount
            guard bit < 64 else {
                first &+= 1
                continue
            }
            taken[first] |= 1 &<< UInt64(truncatingIfNeeded: bit)
            let slot = unsafe memory + (first &* 64 &+ bit) &* Packet.slotSize
            return unsafe Packet(slot: slot)
        }
        return nil
    }

    /// Keeps a packet's slot taken when the others are freed, until `release`. The packet must be of this pool.
    public mutating func hold(_ packet: Packet) {
        let slot = index(packet)
        held[slot / 64] |= 1 << UInt64(slot % 64)
    }

    /// Ends `hold`: the next `reset` frees the slot.
    public mutating func release(_ packet: Packet) {
        let slot = index(packet)
        held[slot / 64] &= ~(1 << UInt64(slot % 64))
    }

    private func index(_ packet: Packet) -> Int {
        let slot = unsafe (packet.slot - memory) / Packet.slotSize
        precondition(slot >= 0 && slot < capacity, "the packet is of another pool")
        return slot
    }

    /// Frees all slots that are not held.
    public mutating func reset() {
        taken = held
        first = 0
    }
}
