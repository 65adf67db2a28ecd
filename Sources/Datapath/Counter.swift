import Synchronization

/// A counter with one writing thread that any thread may read: a plain load and store, no locked instruction.
struct Counter: ~Copyable {
    private let value = Atomic<UInt64>(0)

    @inline(__always)
    func add(_ amount: UInt64) {
        value.store(value.load(ordering: .relaxed) &+ amount, ordering: .relaxed)
    }

    @inline(__always)
    func set(_ new: UInt64) { value.store(new, ordering: .relaxed) }

    @inline(__always)
    func or(_ bits: UInt64) {
        let old = value.load(ordering: .relaxed)
        if old & bits != bits { value.store(old | bits, ordering: .relaxed) }
    }

    @inline(__always)
    var current: UInt64 { value.load(ordering: .relaxed) }
}
