import Synchronization

/// Flows that have been taken out and that packet threads may still have in their caches.
///
/// A flow that is taken out is hidden at once: no table has it, and its entry says that it is in no datapath, which a
/// thread asks before it uses a flow from its cache. So the batches that begin after the removal do not use the flow, and
/// what hangs on it (program, table, mask) can be freed as soon as the batches from before are over. But the entry itself
/// must stay as long as any cache has a pointer to it. To have all threads forget all they know at each removal would cost
/// them more than the removal; therefore the entries are collected, and when there are many the generation is raised
/// once for all of them. A thread that begins a batch after that finds the new generation, and forgets its whole cache
/// before it looks at any flow in it; the entries are freed when all batches from before are over (`Reclaimer`). So no
/// cache is read that has one of them.
///
/// It belongs to control but for the generation.
@safe
final class RemovedFlows: @unchecked Sendable {
    // Sendable: packet threads touch only the atomic generation; the rest is under the switch's lock.

    /// A thread that finds another one than before forgets its cached flows.
    let generation = Atomic<UInt64>(1)
    private var entries: [UnsafeMutablePointer<FlowEntry>] = unsafe []

    /// As many flows stay in memory at most.
    static let capacity = 1024

    deinit { unsafe Self.free(entries) }

    /// Takes care of a flow that no table has any more.
    func add(_ entry: UnsafeMutablePointer<FlowEntry>, _ reclaimer: Reclaimer) {
        unsafe entry.pointee.leaveDatapath()
        let program = unsafe entry.pointee.program.load(ordering: .relaxed)
        reclaimer.retire { unsafe ActionProgram.free(program) }
        unsafe entries.append(entry)
        if unsafe entries.count >= Self.capacity { retire(reclaimer) }
    }

    /// Has flows freed that no table has any more, without `add`.
    func retireAll(_ reclaimer: Reclaimer, _ free: @escaping () -> Void) {
        _ = generation.add(1, ordering: .sequentiallyConsistent)
        reclaimer.retire(free)
    }

    private func retire(_ reclaimer: Reclaimer) {
        _ = generation.add(1, ordering: .sequentiallyConsistent)
        let retired = unsafe entries
        unsafe entries = []
        reclaimer.retire { unsafe Self.free(retired) }
    }

    private static func free(_ entries: [UnsafeMutablePointer<FlowEntry>]) {
        for index in unsafe entries.indices { unsafe FlowEntry.free(entries[index]) }
    }
}
