/// The slots of one thread: memory for frames, given out one after the other and taken back all at once.
///
/// A batch takes slots as it receives and copies frames; when it has been transmitted, `reset` frees them together.
/// There is no count of references to keep right. A slot whose packet is still at work when the others are freed is
/// held: then `reset` passes it over.
@safe
public struct PacketPool: ~Copyable {
    private let memory: UnsafeMutableRawPointer
    public let capacity: Int
    /// A bit for each slot: given out, or beyond `capacity`. As many words as `held` has. (An inline array would be copied
    /// for each index that is no constant.)
    private let taken: UnsafeMutablePointer<UInt64>
    /// A bit for each slot: taken also after `reset`.
    private let held: UnsafeMutablePointer<UInt64>
    /// The first word of `taken` that may have a zero.
    private var first = 0

    private static let words = 4
    /// The most slots a pool can have.
    public static let maximumCapacity = 64 * words

    /// - Parameter capacity: number of slots, up to `maximumCapacity`.
    public init(capacity: Int) {
        precondition(capacity > 0 && capacity <= Self.maximumCapacity, "a pool has 1 to 256 slots")
        self.capacity = capacity
        unsafe memory = UnsafeMutableRawPointer.allocate(byteCount: capacity * Packet.slotSize, alignment: 64)
        unsafe taken = .allocate(capacity: Self.words)
        unsafe held = .allocate(capacity: Self.words)
        unsafe held.initialize(repeating: 0, count: Self.words)
        for slot in capacity..<Self.maximumCapacity { unsafe held[slot / 64] |= 1 << UInt64(slot % 64) }
        unsafe taken.initialize(from: held, count: Self.words)
    }

    deinit {
        unsafe memory.deallocate()
        unsafe taken.deallocate()
        unsafe held.deallocate()
    }

    /// Slots that are not taken.
    public var available: Int {
        var count = 0
        for word in 0..<Self.words { count += unsafe (~taken[word]).nonzeroBitCount }
        return count
    }

    /// An empty packet in a free slot, or nil if all are taken.
    public mutating func take() -> Packet? {
        while first < Self.words {
            let bit = unsafe (~taken[first]).trailingZeroBitCount
            guard bit < 64 else {
                first &+= 1
                continue
            }
            unsafe taken[first] |= 1 &<< UInt64(truncatingIfNeeded: bit)
            let slot = unsafe memory + (first &* 64 &+ bit) &* Packet.slotSize
            return unsafe Packet(slot: slot)
        }
        return nil
    }

    /// Keeps a packet's slot taken when the others are freed, until `release`. The packet must be of this pool.
    public mutating func hold(_ packet: Packet) {
        let slot = index(packet)
        unsafe held[slot / 64] |= 1 << UInt64(slot % 64)
    }

    /// Ends `hold`: the next `reset` frees the slot.
    public mutating func release(_ packet: Packet) {
        let slot = index(packet)
        unsafe held[slot / 64] &= ~(1 << UInt64(slot % 64))
    }

    private func index(_ packet: Packet) -> Int {
        let slot = unsafe (packet.slot - memory) / Packet.slotSize
        precondition(slot >= 0 && slot < capacity, "the packet is of another pool")
        return slot
    }

    /// Frees all slots that are not held.
    public mutating func reset() {
        unsafe taken.update(from: held, count: Self.words)
        first = 0
    }
}
