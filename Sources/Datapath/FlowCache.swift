import OpenvSwitch
import Synchronization

/// What one packet thread remembers of its look-ups: an exact-match cache of flows, and behind it a cache of masks.
///
/// The flow cache holds pointers to flows that the control thread may free. A flow that was taken out is in no datapath and
/// therefore not used any more, but it stays in memory until its removal has raised a generation (`RemovedFlows`): a thread
/// that sees a new one at the start of a batch forgets what it remembered, and the flow is freed only after all threads
/// have begun a batch since. A cached flow is compared with the packet's key before it is used, so that a hash that
/// collides costs time and nothing else.
@safe
struct FlowCache: ~Copyable {
    @safe
    private struct Entry {
        var hash: UInt32
        var generation: UInt32
        var flow: UnsafeMutablePointer<FlowEntry>?
    }

    private let entries: UnsafeMutablePointer<Entry>
    private let masks = MaskSearch()
    private var generation: UInt32 = 1
    private var seenGeneration: UInt64 = 0

    private static let size = 8192

    init() {
        unsafe entries = .allocate(capacity: Self.size)
        unsafe entries.initialize(repeating: Entry(hash: 0, generation: 0, flow: nil), count: Self.size)
    }

    deinit { unsafe entries.deallocate() }

    /// Forgets all flows if some are going to be freed.
    mutating func refresh(_ current: UInt64) {
        guard current != seenGeneration else { return }
        seenGeneration = current
        if generation == .max {
            unsafe entries.update(repeating: Entry(hash: 0, generation: 0, flow: nil), count: Self.size)
            generation = 0
        }
        generation += 1
    }

    /// Finds the flow for a packet and counts how it was found.
    /// - Parameters:
    ///   - key: the words of its key.
    ///   - options: see `TunnelOptions.bytes`.
    @inline(__always)
    mutating func lookup(
        _ key: UnsafePointer<UInt64>, _ options: UnsafePointer<UInt8>, hash: UInt32,
        in datapath: UnsafeMutablePointer<DatapathEntry>,
        reader: Int
    ) -> UnsafeMutablePointer<FlowEntry>? {
        let slot = Int(truncatingIfNeeded: hash) & (Self.size - 1)
        let counters = unsafe datapath.pointee.counters + reader
        if unsafe entries[slot].hash == hash && entries[slot].generation == generation,
            let flow = unsafe entries[slot].flow,
            unsafe flow.pointee.isIn(datapath) && flow.pointee.matches(key, options)
        {
            unsafe counters.pointee.cacheHit.add(1)
            unsafe counters.pointee.maskHit.add(1)
            return unsafe flow
        }
        guard let flow = unsafe masks.find(key, options, hash: hash, in: datapath, reader: reader) else { return nil }
        unsafe entries[slot] = Entry(hash: hash, generation: generation, flow: flow)
        return unsafe flow
    }
}
