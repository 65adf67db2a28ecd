import Synchronization

/// The meters of a datapath by their number: an open-addressed table that packet threads search without a lock.
///
/// The writer fills slots in place: meter first, then the number that makes readers look at it. A removed meter leaves
/// its number behind; when too many slots are used the writer makes a new table.
@safe
struct MeterSlots: ~Copyable {
    @safe
    struct Slot: ~Copyable {
        /// The meter's number and one; 0 if the slot was never used.
        let number = Atomic<UInt64>(0)
        /// nil where a meter was removed.
        let meter: Atomic<UnsafeMutablePointer<MeterEntry>?>

        init() { unsafe meter = Atomic(nil) }
    }

    /// A power of two.
    let capacity: Int
    private let slots: UnsafeMutablePointer<Slot>
    /// Slots whose number is set. The writer's; a counter, so that to change it is no access to what readers look at.
    let used = Counter()

    static func make(capacity: Int) -> UnsafeMutablePointer<MeterSlots> {
        let slots = UnsafeMutablePointer<Slot>.allocate(capacity: capacity)
        for index in 0..<capacity { unsafe (slots + index).initialize(to: Slot()) }
        let table = UnsafeMutablePointer<MeterSlots>.allocate(capacity: 1)
        unsafe table.initialize(to: MeterSlots(capacity: capacity, slots: slots))
        return unsafe table
    }

    private init(capacity: Int, slots: UnsafeMutablePointer<Slot>) {
        self.capacity = capacity
        unsafe self.slots = slots
    }

    /// Frees the table, not the meters.
    static func free(_ table: UnsafeMutablePointer<MeterSlots>) {
        unsafe table.pointee.slots.deinitialize(count: table.pointee.capacity)
        unsafe table.pointee.slots.deallocate()
        unsafe table.deinitialize(count: 1)
        unsafe table.deallocate()
    }

    /// The slot that has this number, or the one it would get. There is always one that was never used.
    @inline(__always)
    private func place(of id: UInt32) -> UnsafeMutablePointer<Slot> {
        let number = UInt64(id) + 1
        var index = Int(truncatingIfNeeded: (UInt64(id) &* 0x9e37_79b9_7f4a_7c15) &>> 40) & (capacity &- 1)
        while true {
            let found = unsafe slots[index].number.load(ordering: .acquiring)
            if found == number || found == 0 { return unsafe slots + index }
            index = (index &+ 1) & (capacity &- 1)
        }
    }

    /// The meter with this number, or nil.
    @inline(__always)
    func meter(_ id: UInt32) -> UnsafeMutablePointer<MeterEntry>? {
        unsafe place(of: id).pointee.meter.load(ordering: .acquiring)
    }

    /// Puts a meter in the place of its number, or takes it away. The writer's; at least one slot must stay free.
    /// - Returns: the meter that was there.
    func exchange(
        _ meter: UnsafeMutablePointer<MeterEntry>?, at id: UInt32
    ) -> UnsafeMutablePointer<MeterEntry>? {
        let slot = unsafe place(of: id)
        let old = unsafe slot.pointee.meter.exchange(meter, ordering: .acquiringAndReleasing)
        if unsafe slot.pointee.number.load(ordering: .relaxed) == 0 {
            unsafe slot.pointee.number.store(UInt64(id) + 1, ordering: .releasing)
            used.add(1)
        }
        return unsafe old
    }

    /// All meters. The writer's.
    var meters: [UnsafeMutablePointer<MeterEntry>] {
        var result: [UnsafeMutablePointer<MeterEntry>] = unsafe []
        for index in 0..<capacity {
            if let meter = unsafe slots[index].meter.load(ordering: .relaxed) { unsafe result.append(meter) }
        }
        return unsafe result
    }
}
