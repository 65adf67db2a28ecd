import Synchronization

/// Frees what packet threads may still be looking at, when none of them can be any more.
///
/// Readers (packet threads) never wait and take no lock: at the start of a batch they announce the epoch they begin in, at
/// its end they announce that they hold nothing. The writer (the control thread, one at a time) unlinks an object, so that
/// no new reader finds it, and retires it in a new epoch. Every reader that announces this epoch or a later one began
/// after the unlinking; the object is freed once no reader with an earlier epoch is active.
@safe
final class Reclaimer: @unchecked Sendable {
    // Sendable: readers touch only the atomics; `retired` belongs to the writer.

    /// How many readers there can be.
    let readerCount: Int
    private let epoch = Atomic<UInt64>(1)
    /// The epoch each reader began its batch in; 0 while it holds nothing. One cache line each.
    private let readers: UnsafeMutablePointer<Atomic<UInt64>>
    private static let stride = 8
    private let claimed = Atomic<UInt64>(0)
    private var retired: [Retired] = []

    private struct Retired {
        let epoch: UInt64
        let free: () -> Void
    }

    init(readerCount: Int) {
        self.readerCount = min(max(readerCount, 1), 64)
        unsafe readers = .allocate(capacity: self.readerCount * Self.stride)
        for index in 0..<(self.readerCount * Self.stride) { unsafe (readers + index).initialize(to: Atomic(0)) }
    }

    deinit {
        for item in retired { item.free() }
        unsafe readers.deinitialize(count: readerCount * Self.stride)
        unsafe readers.deallocate()
    }

    // MARK: Readers

    /// A free reader's number, or nil if all are taken.
    func claimReader() -> Int? {
        while true {
            let taken = claimed.load(ordering: .acquiring)
            let index = (~taken).trailingZeroBitCount
            guard index < readerCount else { return nil }
            let (exchanged, _) = claimed.compareExchange(
                expected: taken, desired: taken | 1 << UInt64(index), ordering: .acquiringAndReleasing)
            if exchanged { return index }
        }
    }

    func releaseReader(_ index: Int) {
        end(index)
        _ = claimed.bitwiseAnd(~(1 << UInt64(index)), ordering: .acquiringAndReleasing)
    }

    /// A reader begins to look at shared objects. `index` is what `claimReader` gave.
    func begin(_ index: Int) {
        let now = epoch.load(ordering: .acquiring)
        unsafe readers[index * Self.stride].store(now, ordering: .sequentiallyConsistent)
        // No look at a shared object may happen before the announcement is seen.
        atomicMemoryFence(ordering: .sequentiallyConsistent)
    }

    /// A reader holds no shared object any more.
    func end(_ index: Int) {
        unsafe readers[index * Self.stride].store(0, ordering: .releasing)
    }

    // MARK: The writer

    /// Frees an unlinked object by `free` when no reader can see it any more.
    func retire(_ free: @escaping () -> Void) {
        retired.append(Retired(epoch: advance(), free: free))
        if retired.count & 63 == 0 { collect() }
    }

    /// Frees what no reader can see any more.
    func collect() {
        guard !retired.isEmpty else { return }
        let oldest = oldestActiveEpoch()
        let free = retired.prefix { $0.epoch <= oldest }
        guard !free.isEmpty else { return }
        let count = free.count
        let items = Array(free)
        retired.removeFirst(count)
        for item in items { item.free() }
    }

    /// Returns when every batch that had begun before this call has ended. The caller must not be in a batch itself.
    func waitForReaders() {
        let target = advance()
        while oldestActiveEpoch() < target {}
        collect()
    }

    private func advance() -> UInt64 {
        let new = epoch.add(1, ordering: .sequentiallyConsistent).newValue
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        return new
    }

    private func oldestActiveEpoch() -> UInt64 {
        var oldest = UInt64.max
        for index in 0..<readerCount {
            let active = unsafe readers[index * Self.stride].load(ordering: .sequentiallyConsistent)
            if active != 0 { oldest = min(oldest, active) }
        }
        return oldest
    }
}
