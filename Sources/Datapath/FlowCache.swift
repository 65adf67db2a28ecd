import OpenvSwitch
import Synchronization

/// What one packet thread remembers of its look-ups: an exact-match cache of flows, and behind it a cache of masks.
///
/// The flow cache holds pointers to flows that the control thread may free. Every removal of a flow raises a generation;
/// a thread that sees a new one at the start of a batch forgets what it remembered, and a flow is freed only after all
/// threads have begun a batch since its removal. A cached flow is compared with the packet's key before it is used, so
/// that a hash that collides costs time and nothing else.
@safe
struct FlowCache: ~Copyable {
    @safe
    private struct Entry {
        var hash: UInt32
        var generation: UInt32
        var flow: UnsafeMutablePointer<FlowEntry>?
    }

    private let entries: UnsafeMutablePointer<Entry>
    /// Hash (upper half) and mask index (lower half) of a look-up; a hash is never 0.
    private let maskEntries: UnsafeMutablePointer<UInt64>
    private var generation: UInt32 = 1
    private var seenGeneration: UInt64 = 0

    private static let size = 8192
    /// The largest mask cache a client may ask for.
    static let maximumMaskEntries = 4096

    init() {
        unsafe entries = .allocate(capacity: Self.size)
        unsafe entries.initialize(repeating: Entry(hash: 0, generation: 0, flow: nil), count: Self.size)
        unsafe maskEntries = .allocate(capacity: Self.maximumMaskEntries)
        unsafe maskEntries.initialize(repeating: 0, count: Self.maximumMaskEntries)
    }

    deinit {
        unsafe entries.deallocate()
        unsafe maskEntries.deallocate()
    }

    /// Forgets all flows if one was removed since the last batch.
    mutating func refresh(_ current: UInt64) {
        guard current != seenGeneration else { return }
        seenGeneration = current
        if generation == .max {
            unsafe entries.update(repeating: Entry(hash: 0, generation: 0, flow: nil), count: Self.size)
            generation = 0
        }
        generation += 1
    }

    /// The flow that was last found by a hash; nil if there is none. It must still be compared with the packet's key.
    @inline(__always)
    func candidate(_ hash: UInt32) -> UnsafeMutablePointer<FlowEntry>? {
        let entry = unsafe entries + Self.slot(hash)
        guard unsafe entry.pointee.hash == hash && entry.pointee.generation == generation else { return nil }
        return unsafe entry.pointee.flow
    }

    @inline(__always)
    private static func slot(_ hash: UInt32) -> Int { Int(truncatingIfNeeded: hash) & (size - 1) }

    /// Finds the flow for a packet in the masks, counts how it was found, and remembers it.
    /// - Parameters:
    ///   - key: the words of its key.
    ///   - options: see `TunnelOptions.bytes`.
    mutating func search(
        _ key: UnsafePointer<UInt64>, _ options: UnsafePointer<UInt8>, hash: UInt32,
        in datapath: UnsafeMutablePointer<DatapathEntry>, reader: Int
    ) -> UnsafeMutablePointer<FlowEntry>? {
        guard let flow = unsafe searchMasks(key, options, hash: hash, in: datapath, reader: reader) else { return nil }
        unsafe entries[Self.slot(hash)] = Entry(hash: hash, generation: generation, flow: flow)
        return unsafe flow
    }

    /// Looks in the mask that this hash matched last time, then in all masks in their order.
    private mutating func searchMasks(
        _ key: UnsafePointer<UInt64>, _ options: UnsafePointer<UInt8>, hash: UInt32,
        in datapath: UnsafeMutablePointer<DatapathEntry>,
        reader: Int
    ) -> UnsafeMutablePointer<FlowEntry>? {
        let masks = unsafe datapath.pointee.masks.load(ordering: .acquiring)
        let count = unsafe masks.pointee.count
        let counters = unsafe datapath.pointee.counters + reader
        let cacheSize = Int(unsafe datapath.pointee.maskCacheSize.load(ordering: .relaxed))
        let cacheSlot = cacheSize == 0 ? 0 : Int(truncatingIfNeeded: hash &>> 13) & (cacheSize - 1)
        var tried: UInt64 = 0
        var remembered = -1
        if cacheSize > 0 {
            let entry = unsafe maskEntries[cacheSlot]
            if entry &>> 32 == hash, entry & 0xffff_ffff < count {
                remembered = Int(truncatingIfNeeded: entry & 0xffff_ffff)
                tried += 1
                let table = unsafe masks.pointee.tables[remembered]
                if let flow = unsafe table.pointee.lookup(key, options) {
                    unsafe counters.pointee.cacheHit.add(1)
                    unsafe counters.pointee.maskHit.add(tried)
                    unsafe table.pointee.hits[reader].add(1)
                    return unsafe flow
                }
            }
        }
        for index in 0..<count where index != remembered {
            tried += 1
            let table = unsafe masks.pointee.tables[index]
            guard let flow = unsafe table.pointee.lookup(key, options) else { continue }
            unsafe counters.pointee.maskHit.add(tried)
            unsafe table.pointee.hits[reader].add(1)
            if cacheSize > 0 { unsafe maskEntries[cacheSlot] = UInt64(hash) &<< 32 | UInt64(truncatingIfNeeded: index) }
            return unsafe flow
        }
        unsafe counters.pointee.maskHit.add(tried)
        return nil
    }
}
