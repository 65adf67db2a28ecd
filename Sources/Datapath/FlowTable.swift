import OpenvSwitch
import Synchronization

/// The megaflows of a datapath: the writer's side.
///
/// The control thread, one at a time, changes it; packet threads search it at the same time through `FlowCache` and
/// `MaskTable`. What is taken out is freed by the `Reclaimer`.
@safe
final class FlowTable {
    private let datapath: UnsafeMutablePointer<DatapathEntry>
    private let shared: Switch
    private var tables: [UnsafeMutablePointer<MaskTable>] = unsafe []
    private var tableOf: [MaskIdentity: UnsafeMutablePointer<MaskTable>] = unsafe [:]
    private var byUFID: [UFID: Flow] = [:]
    private var byKey: [KeyIdentity: Flow] = [:]
    /// All flows in the order of their serials; nil where one was removed.
    private var ordered: [(serial: UInt64, flow: Flow?)] = []
    private var removedInOrder = 0
    private var nextSerial: UInt64 = 1
    /// Raised with every flow that comes or goes.
    private(set) var generation: UInt64 = 1
    private var lastReordered: UInt64 = 0

    /// More flows are refused with `ENOMEM`, so that no client can exhaust the process.
    static let maximumFlows = 1_000_000

    init(_ datapath: UnsafeMutablePointer<DatapathEntry>, _ shared: Switch) {
        unsafe self.datapath = datapath
        self.shared = shared
    }

    var count: Int { ordered.count - removedInOrder }
    var maskCount: Int { unsafe tables.count }

    // MARK: Finding

    func flow(ufid: UFID) -> Flow? { byUFID[ufid] }

    /// The flow without UFID that was made with exactly this key.
    func flow(unmaskedKey match: FlowMatch) -> Flow? { byKey[match.identity] }

    /// The first flow that a packet with this key would match.
    func flow(matching match: FlowMatch) -> Flow? {
        let options = TunnelOptions(match.tunnelOptions.value)
        var key = match.key
        let found = unsafe key.withWords { (key: UnsafePointer<UInt64>) -> UnsafeMutablePointer<FlowEntry>? in
            for index in unsafe tables.indices {
                if let entry = unsafe tables[index].pointee.lookup(key, options.bytes) { return unsafe entry }
            }
            return nil
        }
        guard let found = unsafe found else { return nil }
        return unsafe ordered[indexOfFirst(from: found.pointee.serial)].flow
    }

    /// The flow with the smallest serial of at least `serial`, or nil.
    func flow(from serial: UInt64) -> Flow? {
        var index = indexOfFirst(from: serial)
        while index < ordered.count {
            if let flow = ordered[index].flow { return flow }
            index += 1
        }
        return nil
    }

    private func indexOfFirst(from serial: UInt64) -> Int {
        var (low, high) = (0, ordered.count)
        while low < high {
            let middle = (low + high) / 2
            if ordered[middle].serial < serial { low = middle + 1 } else { high = middle }
        }
        return low
    }

    // MARK: Changing

    /// Puts a flow in. The caller has made sure that no flow has this identity.
    func insert(_ match: FlowMatch, ufid: UFID?, actions: [UInt8], instructions: [Instruction]) -> Flow {
        let program = unsafe ActionProgram.make(instructions, bytes: actions)
        let table = unsafe maskTable(for: MaskIdentity(mask: match.mask, tunnelOptions: match.tunnelOptions.mask))
        let entry = unsafe FlowEntry.make(
            serial: nextSerial, match: match, mask: table.pointee.mask, datapath: datapath, program: program,
            readerCount: shared.reclaimer.readerCount)
        let flow = unsafe Flow(
            serial: nextSerial, match: match, ufid: ufid, actions: actions, entry: entry, table: table)
        nextSerial += 1
        generation += 1
        if let ufid { byUFID[ufid] = flow } else { byKey[match.identity] = flow }
        ordered.append((flow.serial, flow))
        unsafe grow(table)
        unsafe table.pointee.slots.load(ordering: .relaxed).pointee.insert(entry)
        unsafe table.pointee.flowCount += 1
        return flow
    }

    /// Replaces a flow's actions. Packets under way finish with the old ones.
    func setActions(of flow: Flow, _ actions: [UInt8], _ instructions: [Instruction]) {
        let program = unsafe ActionProgram.make(instructions, bytes: actions)
        let old = unsafe flow.entry.pointee.program.exchange(program, ordering: .acquiringAndReleasing)
        flow.actions = actions
        shared.reclaimer.retire { unsafe ActionProgram.free(old) }
    }

    func remove(_ flow: Flow) {
        generation += 1
        if let ufid = flow.ufid { byUFID[ufid] = nil } else { byKey[flow.match.identity] = nil }
        let index = indexOfFirst(from: flow.serial)
        if index < ordered.count, ordered[index].serial == flow.serial {
            ordered[index].flow = nil
            removedInOrder += 1
        }
        if removedInOrder > 64, removedInOrder > ordered.count / 2 {
            ordered.removeAll { $0.flow == nil }
            removedInOrder = 0
        }
        unlink(flow)
    }

    func removeAll() {
        for (_, flow) in ordered { if let flow { unlink(flow) } }
        generation += 1
        byUFID = [:]
        byKey = [:]
        ordered = []
        removedInOrder = 0
    }

    private func unlink(_ flow: Flow) {
        let (entry, table) = unsafe (flow.entry, flow.table)
        unsafe table.pointee.slots.load(ordering: .relaxed).pointee.remove(entry)
        // Packet threads forget their cached flows before this one is freed.
        _ = shared.removalGeneration.add(1, ordering: .sequentiallyConsistent)
        shared.reclaimer.retire { unsafe FlowEntry.free(entry) }
        unsafe table.pointee.flowCount -= 1
        if unsafe table.pointee.flowCount == 0 { unsafe removeTable(table) }
    }

    // MARK: Masks

    private func maskTable(for identity: MaskIdentity) -> UnsafeMutablePointer<MaskTable> {
        if let table = unsafe tableOf[identity] { return unsafe table }
        let table = UnsafeMutablePointer<MaskTable>.allocate(capacity: 1)
        unsafe table.initialize(to: MaskTable(mask: identity, readerCount: shared.reclaimer.readerCount))
        unsafe tableOf[identity] = table
        unsafe tables.append(table)
        publish()
        return unsafe table
    }

    private func removeTable(_ table: UnsafeMutablePointer<MaskTable>) {
        unsafe tableOf[table.pointee.identity] = nil
        unsafe tables.removeAll { unsafe $0 == table }
        publish()
        shared.reclaimer.retire {
            unsafe table.deinitialize(count: 1)
            unsafe table.deallocate()
        }
    }

    private func publish() {
        let list = unsafe MaskList.make(tables)
        let old = unsafe datapath.pointee.masks.exchange(list, ordering: .acquiringAndReleasing)
        shared.reclaimer.retire { unsafe MaskList.free(old) }
    }

    /// Makes sure a table has a slot to spare: at most three of four are used, those of removed flows included.
    private func grow(_ table: UnsafeMutablePointer<MaskTable>) {
        let old = unsafe table.pointee.slots.load(ordering: .relaxed)
        guard unsafe (old.pointee.used + 1) * 4 > old.pointee.capacity * 3 else { return }
        var living: [UnsafeMutablePointer<FlowEntry>] = unsafe []
        for index in 0..<(unsafe old.pointee.capacity) {
            if let entry = unsafe old.pointee.slots[index].entry.load(ordering: .relaxed) {
                unsafe living.append(entry)
            }
        }
        var capacity = 16
        while unsafe (living.count + 1) * 2 > capacity { capacity *= 2 }
        let new = unsafe SlotArray.make(capacity: capacity)
        for index in unsafe living.indices { unsafe new.pointee.insert(living[index]) }
        unsafe table.pointee.slots.store(new, ordering: .releasing)
        shared.reclaimer.retire { unsafe SlotArray.free(old) }
    }

    /// Puts the masks that look-ups end at most often first. Does nothing if it was done in the last four seconds.
    func reorderMasks(now: UInt64) {
        guard now &- lastReordered >= 4000, unsafe tables.count > 1 else { return }
        lastReordered = now
        var usage: [(hits: UInt64, table: UnsafeMutablePointer<MaskTable>)] = unsafe tables.map { table in
            var sum: UInt64 = 0
            for reader in 0..<(unsafe table.pointee.readerCount) {
                sum &+= unsafe table.pointee.hits[reader].current
            }
            return unsafe (sum, table)
        }
        unsafe usage.sort { unsafe $0.hits > $1.hits }
        let sorted = unsafe usage.map { unsafe $0.table }
        guard unsafe sorted != tables else { return }
        unsafe tables = sorted
        publish()
    }

    /// Frees everything at once, when no packet thread knows the datapath any more.
    func destroy() {
        removeAll()
    }
}

/// What a flow without UFID is found by: its unmasked key, and the options of its tunnel.
struct KeyIdentity: Hashable {
    let key: FlowKey
    let tunnelOptions: [UInt8]
}

/// What the flows of a mask table have in common.
struct MaskIdentity: Hashable {
    let mask: FlowMask
    let tunnelOptions: [UInt8]
}

extension FlowMatch {
    var identity: KeyIdentity { KeyIdentity(key: key, tunnelOptions: tunnelOptions.value) }
    var maskedIdentity: KeyIdentity { KeyIdentity(key: maskedKey, tunnelOptions: tunnelOptions.maskedValue) }
}
