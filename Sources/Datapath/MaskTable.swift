import OpenvSwitch
import Synchronization

/// All megaflows with the same mask: an open-addressed hash table that readers search without a lock.
///
/// The writer fills slots in place: entry first, then the hash that makes readers look at it. A removed entry leaves its
/// hash behind where searches have to go on past it; when too many slots are used the writer makes a new slot array.
@safe
struct MaskTable: ~Copyable {
    let identity: MaskIdentity
    let mask: MaskWords
    let slots: Atomic<UnsafeMutablePointer<SlotArray>>
    /// How often look-ups ended here, one counter for each reader; orders the masks.
    let hits: UnsafeMutablePointer<Counter>
    let readerCount: Int
    /// Flows in it. The writer's.
    var flowCount = 0

    init(mask identity: MaskIdentity, readerCount: Int) {
        self.identity = identity
        mask = MaskWords(identity.mask)
        unsafe slots = Atomic(SlotArray.make(capacity: 16))
        self.readerCount = readerCount
        unsafe hits = .allocate(capacity: readerCount)
        for index in 0..<readerCount { unsafe (hits + index).initialize(to: Counter()) }
    }

    deinit {
        mask.free()
        unsafe SlotArray.free(slots.load(ordering: .relaxed))
        unsafe hits.deinitialize(count: readerCount)
        unsafe hits.deallocate()
    }

    /// The flow that a packet's key matches under this mask, or nil. Options of a tunnel are not in the hash.
    /// - Parameters:
    ///   - key: its words.
    ///   - options: see `TunnelOptions.bytes`.
    @inline(__always)
    func lookup(_ key: UnsafePointer<UInt64>, _ options: UnsafePointer<UInt8>) -> UnsafeMutablePointer<FlowEntry>? {
        let hash = unsafe mask.hash(of: key)
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
    @inline(__always)
    func hash(of key: UnsafePointer<UInt64>) -> UInt32 {
        let key = unsafe key + first
        let count = count
        var hash: UInt64 = 0x9e37_79b9_7f4a_7c15
        var index = 0
        while index < count {
            hash = unsafe (hash ^ (key[index] & words[index])) &* 0xff51_afd7_ed55_8ccd
            hash ^= hash &>> 32
            index &+= 1
        }
        // A bit of the last word has reached only those above it and those that the shift gave. Slots are chosen by the lower
        // bits, and ports stand at the upper end of the word that is last for most flows: the upper half of a product has
        // something of every bit.
        let folded = UInt32(truncatingIfNeeded: (hash &* 0x9fb2_1c65_1e98_df25) &>> 32)
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
    let slots: UnsafeMutablePointer<Slot>
    /// Slots whose hash is set. The writer's.
    var used = 0

    static func make(capacity: Int) -> UnsafeMutablePointer<SlotArray> {
        let slots = UnsafeMutablePointer<Slot>.allocate(capacity: capacity)
        for index in 0..<capacity { unsafe (slots + index).initialize(to: Slot()) }
        let array = UnsafeMutablePointer<SlotArray>.allocate(capacity: 1)
        unsafe array.initialize(to: SlotArray(capacity: capacity, slots: slots))
        return unsafe array
    }

    static func free(_ array: UnsafeMutablePointer<SlotArray>) {
        unsafe array.pointee.slots.deinitialize(count: array.pointee.capacity)
        unsafe array.pointee.slots.deallocate()
        unsafe array.deinitialize(count: 1)
        unsafe array.deallocate()
    }

    /// Puts an entry in. The writer's; at least one slot must stay free.
    mutating func insert(_ entry: UnsafeMutablePointer<FlowEntry>) {
        let hash = unsafe entry.pointee.hash
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
        used += 1
    }

    /// Takes an entry out. The writer's.
    mutating func remove(_ entry: UnsafeMutablePointer<FlowEntry>) {
        let hash = unsafe entry.pointee.hash
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
            used -= 1
            index = (index - 1) & (capacity - 1)
        }
    }
}

/// The masks of a datapath in the order they are tried; never changed after it was made.
@safe
struct MaskList: ~Copyable {
    let count: Int
    let tables: UnsafeMutablePointer<UnsafeMutablePointer<MaskTable>>

    static func make(_ tables: [UnsafeMutablePointer<MaskTable>]) -> UnsafeMutablePointer<MaskList> {
        let memory = unsafe UnsafeMutablePointer<UnsafeMutablePointer<MaskTable>>.allocate(
            capacity: max(tables.count, 1))
        for index in unsafe tables.indices { unsafe (memory + index).initialize(to: tables[index]) }
        let list = UnsafeMutablePointer<MaskList>.allocate(capacity: 1)
        unsafe list.initialize(to: MaskList(count: unsafe tables.count, tables: memory))
        return unsafe list
    }

    /// Frees the list, not the tables.
    static func free(_ list: UnsafeMutablePointer<MaskList>) {
        unsafe list.pointee.tables.deallocate()
        unsafe list.deinitialize(count: 1)
        unsafe list.deallocate()
    }
}
