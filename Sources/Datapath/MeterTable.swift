import OpenvSwitch
import Synchronization

/// The meters of a datapath: the writer's side.
///
/// The control thread, one at a time, changes it; packet threads find meters at the same time through `MeterSlots`.
/// What is taken out is freed by the `Reclaimer`.
@safe
final class MeterTable {
    private let datapath: UnsafeMutablePointer<DatapathEntry>
    private let shared: Switch
    private(set) var count = 0

    init(_ datapath: UnsafeMutablePointer<DatapathEntry>, _ shared: Switch) {
        unsafe self.datapath = datapath
        self.shared = shared
    }

    private var slots: UnsafeMutablePointer<MeterSlots> {
        unsafe datapath.pointee.meters.load(ordering: .relaxed)
    }

    /// What a meter is and what it has counted; nil if there is none with this number.
    func meter(_ id: UInt32) -> (configuration: MeterConfiguration, usage: MeterUsage)? {
        guard let meter = unsafe slots.pointee.meter(id) else { return nil }
        return unsafe (meter.pointee.configuration, meter.pointee.usage)
    }

    /// Makes a meter, in the place of one that has its number.
    func set(_ configuration: MeterConfiguration, now: UInt64) {
        grow()
        let meter = UnsafeMutablePointer<MeterEntry>.allocate(capacity: 1)
        unsafe meter.initialize(
            to: MeterEntry(configuration, now: now, readerCount: shared.reclaimer.readerCount))
        let old = unsafe slots.pointee.exchange(meter, at: configuration.id)
        if let old = unsafe old { unsafe retire(old) } else { count += 1 }
    }

    func remove(_ id: UInt32) {
        guard unsafe slots.pointee.meter(id) != nil, let old = unsafe slots.pointee.exchange(nil, at: id) else {
            return
        }
        count -= 1
        unsafe retire(old)
    }

    func removeAll() {
        let meters = unsafe slots.pointee.meters
        unsafe replaceSlots(MeterSlots.make(capacity: 16))
        for index in unsafe meters.indices { unsafe retire(meters[index]) }
        count = 0
    }

    private func retire(_ meter: UnsafeMutablePointer<MeterEntry>) {
        shared.reclaimer.retire {
            unsafe meter.deinitialize(count: 1)
            unsafe meter.deallocate()
        }
    }

    /// Makes sure that there is a slot to spare: at most three of four are used, those of removed meters included.
    private func grow() {
        guard unsafe (Int(slots.pointee.used.current) + 1) * 4 > slots.pointee.capacity * 3 else { return }
        let meters = unsafe slots.pointee.meters
        var capacity = 16
        while unsafe (meters.count + 1) * 2 > capacity { capacity *= 2 }
        let new = unsafe MeterSlots.make(capacity: capacity)
        for index in unsafe meters.indices {
            _ = unsafe new.pointee.exchange(meters[index], at: meters[index].pointee.configuration.id)
        }
        unsafe replaceSlots(new)
    }

    private func replaceSlots(_ new: UnsafeMutablePointer<MeterSlots>) {
        let old = unsafe datapath.pointee.meters.exchange(new, ordering: .acquiringAndReleasing)
        shared.reclaimer.retire { unsafe MeterSlots.free(old) }
    }
}
