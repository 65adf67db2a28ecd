import OpenvSwitch
import Synchronization

/// The megaflows of a datapath: the writer's side.
///
/// The control thread, one at a time, changes it; packet threads search it at the same time through `FlowCache` and
/// `MaskSearch`. What is taken out is freed by the `Reclaimer`. What a flow is stands in its `FlowEntry` alone; here are
/// only ways to find it.
@safe
final class FlowTable {
    private let datapath: UnsafeMutablePointer<DatapathEntry>
    private let shared: Switch
    private var places = FlowPlaces()
    /// Places of flows, by their UFID or their unmasked key.
    private var byIdentity = HashIndex()
    private var masks: [SharedMask] = []
    /// Indexes of `masks`.
    private var byMask = HashIndex()
    /// Raised with every flow that comes or goes.
    private(set) var generation: UInt64 = 1
    /// Random, so that nobody can foresee which keys have the same hash.
    private let seed = UInt64.random(in: 1...(.max))
    private let factors = HashFactors()
    private var lastReordered: UInt64 = 0
    /// The port with which the putting in order goes on; nil when it is done.
    private var reordering: Int?

    /// More flows are refused with `ENOMEM`, so that no client can exhaust the process.
    static let maximumFlows = 1_000_000

    init(_ datapath: UnsafeMutablePointer<DatapathEntry>, _ shared: Switch) {
        unsafe self.datapath = datapath
        self.shared = shared
    }

    var count: Int { places.count }
    /// Masks that differ, whatever the ports they are used for.
    var maskCount: Int { masks.count }

    // MARK: Finding

    func flow(ufid: UFID) -> Flow? {
        let place = byIdentity.find(hash(ufid)) { unsafe places[$0]?.pointee.ufid == ufid }
        return unsafe place.flatMap { unsafe places[$0] }.map(Flow.init)
    }

    /// The flow without UFID that was made with exactly this key.
    func flow(unmaskedKey match: FlowMatch) -> Flow? {
        var key = match.key
        let hash = hash(&key)
        let options = match.tunnelOptions.value
        let place = unsafe key.withWords { words in
            byIdentity.find(hash) { unsafe places[$0]?.pointee.hasKey(words, options: options) ?? false }
        }
        return unsafe place.flatMap { unsafe places[$0] }.map(Flow.init)
    }

    /// The first flow that a packet with this key would match.
    func flow(matching match: FlowMatch) -> Flow? {
        let options = TunnelOptions(match.tunnelOptions.value)
        var key = match.key
        let own = unsafe datapath.pointee.masks[key.inPort]
        let others = unsafe datapath.pointee.masks.anyPort.load(ordering: .relaxed)
        return unsafe key.withWords { (key: UnsafePointer<UInt64>) -> Flow? in
            if let own = unsafe own, let found = unsafe search(own, key, options.bytes) { return found }
            return unsafe search(others, key, options.bytes)
        }
    }

    private func search(
        _ list: UnsafeMutablePointer<MaskList>, _ key: UnsafePointer<UInt64>, _ options: UnsafePointer<UInt8>
    ) -> Flow? {
        for index in 0..<(unsafe list.pointee.count.load(ordering: .relaxed)) {
            if let entry = unsafe list.pointee.tables[index].pointee.lookup(key, options) { return unsafe Flow(entry) }
        }
        return nil
    }

    /// The flow at the first place of at least `place`, or nil.
    func flow(from place: UInt64) -> Flow? { unsafe places.first(from: place).map(Flow.init) }

    /// Mixes the bits of a number (the finalizer of SplitMix64).
    static func mix(_ number: UInt64) -> UInt64 {
        var number = number
        number = (number ^ number &>> 30) &* 0xbf58_476d_1ce4_e5b9
        number = (number ^ number &>> 27) &* 0x94d0_49bb_1331_11eb
        return number ^ number &>> 31
    }

    private func hash(_ ufid: UFID) -> UInt32 {
        var hasher = Hasher()
        hasher.combine(ufid)
        return UInt32(truncatingIfNeeded: hasher.finalize())
    }

    private func hash(_ key: inout FlowKey) -> UInt32 {
        unsafe key.withWords { words in
            var hash = seed
            for index in 0..<FlowKey.wordCount { hash = unsafe Self.mix(hash ^ words[index]) }
            return UInt32(truncatingIfNeeded: hash)
        }
    }

    // MARK: Changing

    /// Puts a flow in. The caller has made sure that no flow has this identity.
    func insert(_ match: FlowMatch, ufid: UFID?, actions: [UInt8], instructions: [Instruction]) -> Flow {
        let program = unsafe ActionProgram.make(instructions, bytes: actions)
        let table = unsafe table(of: sharedMask(match), for: match.key.inPort)
        let place = places.free()
        let entry = unsafe FlowEntry.make(
            place: place, match: match, ufid: ufid, table: table, datapath: datapath, program: program,
            readerCount: shared.reclaimer.readerCount)
        unsafe places.set(place, entry)
        generation += 1
        var key = match.key
        byIdentity.insert(ufid.map { hash($0) } ?? hash(&key), place)
        unsafe grow(table)
        unsafe table.pointee.slots.load(ordering: .relaxed).pointee.insert(entry, hash: entry.pointee.hash)
        unsafe table.pointee.flowCount.add(1)
        return unsafe Flow(entry)
    }

    /// Replaces a flow's actions. Packets under way finish with the old ones.
    func setActions(of flow: Flow, _ actions: [UInt8], _ instructions: [Instruction]) {
        let program = unsafe ActionProgram.make(instructions, bytes: actions)
        let old = unsafe flow.entry.pointee.program.exchange(program, ordering: .acquiringAndReleasing)
        shared.reclaimer.retire { unsafe ActionProgram.free(old) }
    }

    func remove(_ flow: Flow) {
        let (entry, table) = unsafe (flow.entry, flow.table)
        generation += 1
        let place = unsafe entry.pointee.place
        var key = unsafe entry.pointee.key
        byIdentity.remove(flow.ufid.map { hash($0) } ?? hash(&key), place)
        places.remove(place)
        unsafe table.pointee.slots.load(ordering: .relaxed).pointee.remove(entry, hash: entry.pointee.hash)
        unsafe table.pointee.flowCount.add(.max)
        unsafe shared.removedFlows.add(entry, shared.reclaimer)
        if unsafe table.pointee.flowCount.current == 0 { unsafe removeTable(table) }
    }

    /// Takes all flows out at once.
    func removeAll() {
        generation += 1
        var tables: [UnsafeMutablePointer<MaskTable>] = unsafe []
        for mask in masks {
            unsafe tables.append(contentsOf: mask.tables.values)
            guard mask.isOfOnePort else { continue }
            let ports = unsafe Array(mask.tables.keys)
            for port in ports { unsafe replaceList(of: port, []) }
        }
        unsafe replaceList(of: nil, [])
        let removed = unsafe tables
        shared.removedFlows.retireAll(shared.reclaimer) {
            for index in unsafe removed.indices { unsafe MaskTable.freeWithFlows(removed[index]) }
        }
        masks = []
        byMask = HashIndex()
        byIdentity = HashIndex()
        places = FlowPlaces()
        reordering = nil
    }

    // MARK: Masks

    private func sharedMask(_ match: FlowMatch) -> SharedMask {
        let options = match.tunnelOptions.mask
        var mask = match.mask
        let hash = hash(&mask)
        let found = byMask.find(hash) {
            masks[Int($0)].mask == match.mask && masks[Int($0)].tunnelOptions == options
        }
        if let found { return masks[Int(found)] }
        let new = SharedMask(match.mask, tunnelOptions: options, hash: hash, factors: factors)
        new.place = masks.count
        byMask.insert(hash, UInt32(masks.count))
        masks.append(new)
        return new
    }

    /// The table of a mask for the flows of an input port.
    private func table(of mask: SharedMask, for inPort: UInt16) -> UnsafeMutablePointer<MaskTable> {
        let inPort = mask.isOfOnePort ? inPort : 0
        if let table = unsafe mask.tables[inPort] { return unsafe table }
        let table = UnsafeMutablePointer<MaskTable>.allocate(capacity: 1)
        let port = mask.isOfOnePort ? inPort : nil
        unsafe table.initialize(to: MaskTable(mask, inPort: port, readerCount: shared.reclaimer.readerCount))
        unsafe mask.tables[inPort] = table
        let list = unsafe list(of: port)
        if unsafe list?.pointee.append(table) != true {
            let all = unsafe list?.pointee.all ?? []
            unsafe replaceList(of: port, all + [table], capacity: max(all.count * 2, 4))
        }
        return unsafe table
    }

    private func removeTable(_ table: UnsafeMutablePointer<MaskTable>) {
        let mask = unsafe table.pointee.shared
        let inPort = unsafe table.pointee.inPort
        unsafe mask.tables[inPort ?? 0] = nil
        var all = unsafe list(of: inPort)?.pointee.all ?? []
        unsafe all.removeAll { unsafe $0 == table }
        unsafe replaceList(of: inPort, all)
        shared.reclaimer.retire { unsafe MaskTable.free(table) }
        guard unsafe mask.tables.isEmpty else { return }
        byMask.remove(mask.hash, UInt32(mask.place))
        let last = masks.removeLast()
        guard last !== mask else { return }
        byMask.remove(last.hash, UInt32(last.place))
        last.place = mask.place
        masks[last.place] = last
        byMask.insert(last.hash, UInt32(last.place))
    }

    /// The masks of a port, or for nil those that do not have all of `in_port`.
    private func list(of port: UInt16?) -> UnsafeMutablePointer<MaskList>? {
        if let port { return unsafe datapath.pointee.masks[port] }
        return unsafe datapath.pointee.masks.anyPort.load(ordering: .relaxed)
    }

    private func replaceList(of port: UInt16?, _ tables: [UnsafeMutablePointer<MaskTable>], capacity: Int = 0) {
        let new = unsafe tables.isEmpty ? nil : MaskList.make(tables, capacity: capacity)
        guard let old = unsafe datapath.pointee.masks.replace(port, new) else { return }
        shared.reclaimer.retire { unsafe MaskList.free(old) }
    }

    /// Makes sure a table has a slot to spare: at most three of four are used, those of removed flows included.
    private func grow(_ table: UnsafeMutablePointer<MaskTable>) {
        let old = unsafe table.pointee.slots.load(ordering: .relaxed)
        guard unsafe (Int(old.pointee.used.current) + 1) * 4 > old.pointee.capacity * 3 else { return }
        unsafe table.pointee.slots.store(old.pointee.regrown(), ordering: .releasing)
        shared.reclaimer.retire { unsafe SlotArray.free(old) }
    }

    /// How many tables are put in order before another request has its turn.
    private static let reorderedAtOnce = 10_000

    /// Puts the masks of each port that its look-ups end at most often first; what happened of late counts most.
    ///
    /// Does nothing if it was done in the last four seconds. Call it often: of very many masks it takes some at a time.
    func reorderMasks(now: UInt64) {
        if reordering == nil {
            guard now &- lastReordered >= 4000, masks.count > 1 else { return }
            lastReordered = now
            reorder(nil)
            reordering = 0
        }
        var count = 0
        while let next = reordering, count < Self.reorderedAtOnce {
            guard let port = unsafe datapath.pointee.masks.portWithMasks(from: next) else {
                reordering = nil
                return
            }
            count += reorder(port)
            reordering = Int(port) + 1
        }
    }

    /// - Returns: the number of tables.
    @discardableResult
    private func reorder(_ port: UInt16?) -> Int {
        let tables = unsafe list(of: port)?.pointee.all ?? []
        for index in unsafe tables.indices {
            let table = unsafe tables[index]
            let hits = unsafe table.pointee.totalHits
            let recent = unsafe hits &- table.pointee.countedHits.current
            unsafe table.pointee.score.set(table.pointee.score.current / 2 &+ recent)
            unsafe table.pointee.countedHits.set(hits)
        }
        let isSorted = unsafe tables.indices.dropFirst().allSatisfy {
            unsafe tables[$0 - 1].pointee.score.current >= tables[$0].pointee.score.current
        }
        if !isSorted {
            unsafe replaceList(of: port, tables.sorted { unsafe $0.pointee.score.current > $1.pointee.score.current })
        }
        return unsafe tables.count
    }
}
