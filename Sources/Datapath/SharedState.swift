import OpenvSwitch
import Synchronization

// What the packet threads see: plain memory, linked by atomic pointers, written by the control thread alone and freed by
// the `Reclaimer`. No class stands on the way of a packet, so that nothing is retained or released there.

/// A datapath as the packet threads see it.
@safe
struct DatapathEntry: ~Copyable {
    /// Interface index of the LOCAL port, which names the datapath in upcalls.
    let localIfindex: Atomic<Int32>
    let masks = MaskLists()
    /// The vports by number.
    let ports: Atomic<UnsafeMutablePointer<PortList>>
    let meters: Atomic<UnsafeMutablePointer<MeterSlots>>
    /// `UserFeatures`.
    let features = Atomic<UInt32>(0)
    /// Upcall port IDs by packet thread, for `dispatchUpcallPerCPU`.
    let perCPUPortIDs: Atomic<UnsafeMutablePointer<PortIDList>>
    /// Entries of each thread's mask cache: 0 or a power of two.
    let maskCacheSize: Atomic<UInt32>
    /// One for each reader.
    let counters: UnsafeMutablePointer<DatapathCounters>
    let readerCount: Int

    /// Entries of a mask cache unless a client says otherwise (`MC_DEFAULT_HASH_ENTRIES`).
    static let defaultMaskCacheSize: UInt32 = 256

    init(readerCount: Int) {
        self.readerCount = readerCount
        localIfindex = Atomic(0)
        maskCacheSize = Atomic(Self.defaultMaskCacheSize)
        unsafe ports = Atomic(PortList.make(capacity: 16))
        unsafe meters = Atomic(MeterSlots.make(capacity: 16))
        unsafe perCPUPortIDs = Atomic(PortIDList.make([]))
        unsafe counters = .allocate(capacity: readerCount)
        for index in 0..<readerCount { unsafe (counters + index).initialize(to: DatapathCounters()) }
    }

    deinit {
        unsafe PortList.free(ports.load(ordering: .relaxed))
        unsafe MeterSlots.free(meters.load(ordering: .relaxed))
        unsafe PortIDList.free(perCPUPortIDs.load(ordering: .relaxed))
        unsafe counters.deinitialize(count: readerCount)
        unsafe counters.deallocate()
    }
}

/// Counters of one packet thread for one datapath.
struct DatapathCounters: ~Copyable {
    let hit = Counter()
    let missed = Counter()
    let lost = Counter()
    let maskHit = Counter()
    let cacheHit = Counter()
}

/// A vport as the packet threads see it.
@safe
struct PortEntry: ~Copyable {
    let number: UInt16
    let token: UInt64
    let takesOffloads: Bool
    let datapath: UnsafeMutablePointer<DatapathEntry>
    /// Who gets this port's misses.
    let upcallPortIDs: Atomic<UnsafeMutablePointer<PortIDList>>
    /// One for each reader.
    let counters: UnsafeMutablePointer<PortCounters>
    let readerCount: Int

    init(
        number: UInt16, token: UInt64, takesOffloads: Bool, datapath: UnsafeMutablePointer<DatapathEntry>,
        upcallPortIDs: [UInt32], readerCount: Int
    ) {
        self.number = number
        self.token = token
        self.takesOffloads = takesOffloads
        unsafe self.datapath = datapath
        unsafe self.upcallPortIDs = Atomic(PortIDList.make(upcallPortIDs))
        self.readerCount = readerCount
        unsafe counters = .allocate(capacity: readerCount)
        for index in 0..<readerCount { unsafe (counters + index).initialize(to: PortCounters()) }
    }

    deinit {
        unsafe PortIDList.free(upcallPortIDs.load(ordering: .relaxed))
        unsafe counters.deinitialize(count: readerCount)
        unsafe counters.deallocate()
    }
}

/// Counters of one packet thread for one vport.
struct PortCounters: ~Copyable {
    let upcallSuccess = Counter()
    let upcallFail = Counter()
    /// Packets that the device did not take.
    let transmitDropped = Counter()
    /// Packets dropped because a header was not there, no buffer was free, or they went too far: `Working.Limit`.
    let errors = Counter()
    /// Masks that packets from the port were compared under.
    let masksTried = Counter()
    /// The thread's own.
    var share = PortShare()
    /// Where the port stands in the thread's `TransmitQueue`.
    let batchPlace = Counter()
}

/// Upcall port IDs; never changed after it was made.
@safe
struct PortIDList: ~Copyable {
    let count: Int
    let ids: UnsafeMutablePointer<UInt32>

    static func make(_ ids: [UInt32]) -> UnsafeMutablePointer<PortIDList> {
        let memory = UnsafeMutablePointer<UInt32>.allocate(capacity: max(ids.count, 1))
        for (index, id) in ids.enumerated() { unsafe (memory + index).initialize(to: id) }
        let list = UnsafeMutablePointer<PortIDList>.allocate(capacity: 1)
        unsafe list.initialize(to: PortIDList(count: ids.count, ids: memory))
        return unsafe list
    }

    static func free(_ list: UnsafeMutablePointer<PortIDList>) {
        unsafe list.pointee.ids.deallocate()
        unsafe list.deinitialize(count: 1)
        unsafe list.deallocate()
    }

    /// The ID that a hash chooses; 0 if there is none.
    func choose(_ hash: UInt32) -> UInt32 {
        guard count > 0 else { return 0 }
        return unsafe count == 1 ? ids[0] : ids[Int(hash % UInt32(truncatingIfNeeded: count))]
    }
}

/// Vports by number. Its entries change in place; it is replaced when it has to grow.
@safe
struct PortList: ~Copyable {
    let capacity: Int
    let entries: UnsafeMutablePointer<Atomic<UnsafeMutablePointer<PortEntry>?>>

    static func make(capacity: Int) -> UnsafeMutablePointer<PortList> {
        let entries = UnsafeMutablePointer<Atomic<UnsafeMutablePointer<PortEntry>?>>.allocate(capacity: capacity)
        for index in 0..<capacity { unsafe (entries + index).initialize(to: Atomic(nil)) }
        let list = UnsafeMutablePointer<PortList>.allocate(capacity: 1)
        unsafe list.initialize(to: PortList(capacity: capacity, entries: entries))
        return unsafe list
    }

    static func free(_ list: UnsafeMutablePointer<PortList>) {
        unsafe list.pointee.entries.deinitialize(count: list.pointee.capacity)
        unsafe list.pointee.entries.deallocate()
        unsafe list.deinitialize(count: 1)
        unsafe list.deallocate()
    }

    @inline(__always)
    func entry(_ number: Int) -> UnsafeMutablePointer<PortEntry>? {
        guard number < capacity else { return nil }
        return unsafe entries[number].load(ordering: .acquiring)
    }
}
