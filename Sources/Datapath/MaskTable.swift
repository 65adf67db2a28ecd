import OpenvSwitch
import Synchronization

/// The megaflows that have the same mask and, if the mask has all of `in_port`, the same input port: an open-addressed hash
/// table that readers search without a lock.
///
/// The writer fills slots in place: entry first, then the hash that makes readers look at it. A removed entry leaves its
/// hash behind where searches have to go on past it; when too many slots are used the writer makes a new slot array.
@safe
struct MaskTable: ~Copyable {
    let mask: MaskWords
    /// See `HashFactors`.
    let factors: UnsafePointer<UInt64>
    let slots: Atomic<UnsafeMutablePointer<SlotArray>>
    /// How often look-ups ended here, one counter for each reader; orders the masks.
    let hits: UnsafeMutablePointer<Counter>
    let readerCount: Int
    /// The port whose flows these are; nil if the mask does not have all of `in_port`.
    let inPort: UInt16?
    /// Owns the words of `mask`. The writer's, as is what follows: counters, so that to change them is no access to the
    /// whole table, which readers look at.
    let shared: SharedMask
    /// Flows in it.
    let flowCount = Counter()
    /// How often it was used of late; see `FlowTable.reorderMasks`.
    let score = Counter()
    /// The sum of `hits` when `score` was last renewed.
    let countedHits = Counter()

    init(_ shared: SharedMask, inPort: UInt16?, readerCount: Int) {
        self.shared = shared
        self.inPort = inPort
        mask = shared.words
        unsafe factors = shared.factors.words
        unsafe slots = Atomic(SlotArray.make(capacity: SlotArray.leastCapacity))
        self.readerCount = readerCount
        unsafe hits = .allocate(capacity: readerCount)
        for index in 0..<readerCount { unsafe (hits + index).initialize(to: Counter()) }
    }

    deinit {
        unsafe SlotArray.free(slots.load(ordering: .relaxed))
        unsafe hits.deinitialize(count: readerCount)
        unsafe hits.deallocate()
    }

    static func free(_ table: UnsafeMutablePointer<MaskTable>) {
        unsafe table.deinitialize(count: 1)
        unsafe table.deallocate()
    }

    /// Frees the table with all its flows.
    static func freeWithFlows(_ table: UnsafeMutablePointer<MaskTable>) {
        let array = unsafe table.pointee.slots.load(ordering: .relaxed)
        for index in 0..<(unsafe array.pointee.capacity) {
            if let entry = unsafe array.pointee.slots[index].entry.load(ordering: .relaxed) {
                unsafe ActionProgram.free(entry.pointee.program.load(ordering: .relaxed))
                unsafe FlowEntry.free(entry)
            }
        }
        unsafe free(table)
    }

    /// The flow that a packet's key matches under this mask, or nil. Options of a tunnel are not in the hash.
    /// - Parameters:
    ///   - key: its words.
    ///   - options: see `TunnelOptions.bytes`.
    @inline(__always)
    func lookup(_ key: UnsafePointer<UInt64>, _ options: UnsafePointer<UInt8>) -> UnsafeMutablePointer<FlowEntry>? {
        let hash = unsafe mask.hash(of: key, factors)
        let array = unsafe slots.load(ordering: .acquiring)
        let wrap = unsafe array.pointee.capacity &- 1
        var index = Int(truncatingIfNeeded: hash) & wrap
        while true {
            let found = unsafe array.pointee.slots[index].hash.load(ordering: .acquiring)
            if found == 0 { return nil }
            if found == hash, let entry = unsafe array.pointee.slots[index].entry.load(ordering: .acquiring),
                unsafe entry.pointee.matches(key, options)
            {
                return unsafe entry
            }
            index = (index &+ 1) & wrap
        }
    }

    /// What the readers have counted.
    var totalHits: UInt64 {
        var sum: UInt64 = 0
        for reader in 0..<readerCount { sum &+= unsafe hits[reader].current }
        return sum
    }
}

/// A mask that flows have, as control knows it: one object for all its tables.
@safe
final class SharedMask {
    let mask: FlowMask
    /// The mask of a tunnel's options.
    let tunnelOptions: [UInt8]
    let words: MaskWords
    /// The mask has all of `in_port`, so that it has a table for each port.
    let isOfOnePort: Bool
    /// By the input port; under 0 if it has but one.
    var tables: [UInt16: UnsafeMutablePointer<MaskTable>] = unsafe [:]
    /// Where `FlowTable` has it.
    var place = 0
    let hash: UInt32
    let factors: HashFactors

    init(_ mask: FlowMask, tunnelOptions: [UInt8], hash: UInt32, factors: HashFactors) {
        self.factors = factors
        self.mask = mask
        self.tunnelOptions = tunnelOptions
        self.hash = hash
        words = MaskWords(mask)
        isOfOnePort = mask.inPort == .max
    }

    deinit { words.free() }
}

/// A random odd number for each word of a key, by which hashes are computed, so that nobody can foresee which keys have the
/// same one.
@safe
final class HashFactors {
    let words: UnsafePointer<UInt64>
    private let memory: UnsafeMutablePointer<UInt64>

    init() {
        unsafe memory = .allocate(capacity: FlowKey.wordCount)
        for index in 0..<FlowKey.wordCount { unsafe (memory + index).initialize(to: UInt64.random(in: 0...(.max)) | 1) }
        unsafe words = UnsafePointer(memory)
    }

    deinit { unsafe memory.deallocate() }
}

/// The words of a mask, from the first that is not zero to the last: all that is compared under it.
@safe
struct MaskWords {
    /// Where they begin in a key.
    var first: Int { Int(firstWord) }
    var count: Int { Int(wordCount) }
    private let firstWord: UInt16
    private let wordCount: UInt16
    private let words: UnsafeMutablePointer<UInt64>

    /// Owned by whoever made it, who calls `free`.
    init(_ mask: FlowMask) {
        let range = mask.significantWords
        (firstWord, wordCount) = (UInt16(range.lowerBound), UInt16(range.count))
        unsafe words = .allocate(capacity: max(range.count, 1))
        let all = mask.words.span
        for index in range { unsafe (words + (index - range.lowerBound)).initialize(to: all[index]) }
    }

    func free() { unsafe words.deallocate() }

    /// Hash of a key's words under the mask; never 0.
    ///
    /// A sum of products, none of which waits for another, so that a word costs little more than its loads.
    /// - Parameter factors: see `HashFactors`.
    @inline(__always)
    func hash(of key: UnsafePointer<UInt64>, _ factors: UnsafePointer<UInt64>) -> UInt32 {
        let key = unsafe key + first
        let factors = unsafe factors + first
        let count = count
        var sum: UInt64 = 0
        var index = 0
        while index < count {
            unsafe sum &+= (key[index] & words[index]) &* factors[index]
            index &+= 1
        }
        // A bit of a product reaches only those above it; slots are chosen by the lower bits.
        sum = (sum ^ sum &>> 32) &* 0xff51_afd7_ed55_8ccd
        sum = (sum ^ sum &>> 33) &* 0xc4ce_b9fe_1a85_ec53
        let folded = UInt32(truncatingIfNeeded: sum &>> 32)
        return folded == 0 ? 1 : folded
    }

    /// Whether a key has these bits under the mask.
    /// - Parameter masked: as many words as the mask's.
    @inline(__always)
    func matches(_ key: UnsafePointer<UInt64>, _ masked: UnsafePointer<UInt64>) -> Bool {
        let key = unsafe key + first
        let count = count
        var difference: UInt64 = 0
        var index = 0
        while index < count {
            difference |= unsafe (key[index] & words[index]) ^ masked[index]
            index &+= 1
        }
        return difference == 0
    }
}

/// The slots of a mask table. There is always an empty one, so that every search ends.
@safe
struct SlotArray: ~Copyable {
    @safe
    struct Slot: ~Copyable {
        /// Hash of the entry; 0 if the slot was never used.
        let hash = Atomic<UInt32>(0)
        /// nil where an entry was removed.
        let entry: Atomic<UnsafeMutablePointer<FlowEntry>?>

        init() { unsafe entry = Atomic(nil) }
    }

    /// A power of two.
    let capacity: Int
    /// In the same block of memory.
    let slots: UnsafeMutablePointer<Slot>
    /// Slots whose hash is set. The writer's.
    let used = Counter()

    /// Of a table that begins. Small, as a client who explodes the masks has as many tables as flows.
    static let leastCapacity = 4

    static func make(capacity: Int) -> UnsafeMutablePointer<SlotArray> {
        let start = (MemoryLayout<SlotArray>.size + 15) & ~15
        let block = UnsafeMutableRawPointer.allocate(
            byteCount: start + capacity * MemoryLayout<Slot>.stride, alignment: 16)
        let slots = unsafe (block + start).bindMemory(to: Slot.self, capacity: capacity)
        for index in 0..<capacity { unsafe (slots + index).initialize(to: Slot()) }
        let array = unsafe block.bindMemory(to: SlotArray.self, capacity: 1)
        unsafe array.initialize(to: SlotArray(capacity: capacity, slots: slots))
        return unsafe array
    }

    static func free(_ array: UnsafeMutablePointer<SlotArray>) {
        unsafe array.pointee.slots.deinitialize(count: array.pointee.capacity)
        unsafe array.deinitialize(count: 1)
        unsafe UnsafeMutableRawPointer(array).deallocate()
    }

    /// Puts an entry in. The writer's; at least one slot must stay free.
    func insert(_ entry: UnsafeMutablePointer<FlowEntry>, hash: UInt32) {
        var index = Int(truncatingIfNeeded: hash) & (capacity - 1)
        while true {
            let found = unsafe slots[index].hash.load(ordering: .relaxed)
            if found == 0 { break }
            // Where an entry with this hash was removed, readers look already.
            if found == hash, unsafe slots[index].entry.load(ordering: .relaxed) == nil {
                unsafe slots[index].entry.store(entry, ordering: .releasing)
                return
            }
            index = (index + 1) & (capacity - 1)
        }
        unsafe slots[index].entry.store(entry, ordering: .releasing)
        unsafe slots[index].hash.store(hash, ordering: .releasing)
        used.add(1)
    }

    /// Takes an entry out. The writer's.
    func remove(_ entry: UnsafeMutablePointer<FlowEntry>, hash: UInt32) {
        var index = Int(truncatingIfNeeded: hash) & (capacity - 1)
        while true {
            let found = unsafe slots[index].hash.load(ordering: .relaxed)
            if found == 0 { return }
            if unsafe slots[index].entry.load(ordering: .relaxed) == entry { break }
            index = (index + 1) & (capacity - 1)
        }
        unsafe slots[index].entry.store(nil, ordering: .releasing)
        // In front of a slot that was never used, no search has to go on past this one, nor past those before it that have
        // no entry. A reader that is between them ends its search at the same place.
        guard unsafe slots[(index + 1) & (capacity - 1)].hash.load(ordering: .relaxed) == 0 else { return }
        while unsafe slots[index].hash.load(ordering: .relaxed) != 0,
            unsafe slots[index].entry.load(ordering: .relaxed) == nil
        {
            unsafe slots[index].hash.store(0, ordering: .releasing)
            used.add(.max)
            index = (index - 1) & (capacity - 1)
        }
    }

    /// An array with the same entries, each at least twice as many slots as entries, and room for one more.
    borrowing func regrown() -> UnsafeMutablePointer<SlotArray> {
        var living = 0
        for index in 0..<capacity where unsafe slots[index].entry.load(ordering: .relaxed) != nil { living += 1 }
        var larger = Self.leastCapacity
        while (living + 1) * 2 > larger { larger *= 2 }
        let new = unsafe SlotArray.make(capacity: larger)
        for index in 0..<capacity {
            guard let entry = unsafe slots[index].entry.load(ordering: .relaxed) else { continue }
            unsafe new.pointee.insert(entry, hash: slots[index].hash.load(ordering: .relaxed))
        }
        return unsafe new
    }
}
