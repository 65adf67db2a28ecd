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
        guard let flow = unsafe masks.find(key, options, hash: hash, in: datapath, reader: reader) else { return nil }
        unsafe entries[Self.slot(hash)] = Entry(hash: hash, generation: generation, flow: flow)
        return unsafe flow
    }
}
