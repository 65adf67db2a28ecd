public import OpenvSwitch
import Synchronization

/// A datapath as the control thread knows it: vports, flows and settings. Belongs to the switch's lock.
@safe
public final class Datapath {
    /// That of its LOCAL port.
    public internal(set) var name: String
    /// Interface index of the LOCAL port, what `ovs_header` carries; 0 without one.
    public private(set) var ifindex: Int32 = 0
    /// The order of creation, and the place in a dump.
    public let serial: UInt64
    let entry: UnsafeMutablePointer<DatapathEntry>
    let flows: FlowTable
    let meters: MeterTable
    private let shared: Switch
    /// Vports by number.
    private(set) var vports: [UInt16: Vport] = [:]
    public private(set) var features: UserFeatures = []
    public private(set) var maskCacheSize = DatapathEntry.defaultMaskCacheSize
    /// Upcall port IDs by packet thread; nil until a client has set them.
    public private(set) var perCPUPortIDs: [UInt32]?

    /// The features a client may ask for.
    public static let supportedFeatures: UserFeatures = [.unaligned, .vportPortIDs, .dispatchUpcallPerCPU]
    /// Number of the port that the host sees as the datapath itself.
    public static let localPort: UInt16 = 0

    init(name: String, serial: UInt64, shared: Switch) {
        self.name = name
        self.serial = serial
        self.shared = shared
        unsafe entry = .allocate(capacity: 1)
        unsafe entry.initialize(to: DatapathEntry(readerCount: shared.reclaimer.readerCount))
        flows = unsafe FlowTable(entry, shared)
        meters = unsafe MeterTable(entry, shared)
    }

    // MARK: Vports

    /// All vports by number.
    public var sortedVports: [Vport] { vports.values.sorted { $0.number < $1.number } }

    public func vport(_ number: UInt16) -> Vport? { vports[number] }

    /// The vport with the smallest number of at least `number`, or nil.
    public func vport(from number: UInt32) -> Vport? {
        vports.values.filter { UInt32($0.number) >= number }.min { $0.number < $1.number }
    }

    /// The lowest number of at least 1 that is free, or nil.
    var freePortNumber: UInt16? {
        var number: UInt16 = 1
        while vports[number] != nil {
            if number == FlowKey.noPort - 1 { return nil }
            number += 1
        }
        return number
    }

    /// Makes a vport known to the packet threads.
    func attach(_ device: PortDevice, number: UInt16, name: String, type: VportType, upcallPortIDs: [UInt32]) -> Vport {
        let port = UnsafeMutablePointer<PortEntry>.allocate(capacity: 1)
        unsafe port.initialize(
            to: PortEntry(
                number: number, token: device.token, takesOffloads: device.takesOffloads, datapath: entry,
                upcallPortIDs: upcallPortIDs, readerCount: shared.reclaimer.readerCount))
        let vport = unsafe Vport(
            number: number, name: name, type: type, device: device, upcallPortIDs: upcallPortIDs, entry: port)
        vports[number] = vport
        if number == Self.localPort {
            ifindex = device.ifindex
            unsafe entry.pointee.localIfindex.store(ifindex, ordering: .releasing)
        }
        growPortList(for: Int(number))
        let list = unsafe entry.pointee.ports.load(ordering: .relaxed)
        unsafe list.pointee.entries[Int(number)].store(port, ordering: .releasing)
        return vport
    }

    /// Hides a vport from the packet threads. When this returns none of them uses it.
    func detach(_ vport: Vport) {
        vports[vport.number] = nil
        if vport.number == Self.localPort { ifindex = 0 }
        let list = unsafe entry.pointee.ports.load(ordering: .relaxed)
        unsafe list.pointee.entries[Int(vport.number)].store(nil, ordering: .releasing)
        shared.reclaimer.waitForReaders()
        unsafe vport.entry.deinitialize(count: 1)
        unsafe vport.entry.deallocate()
    }

    private func growPortList(for number: Int) {
        let old = unsafe entry.pointee.ports.load(ordering: .relaxed)
        guard unsafe number >= old.pointee.capacity else { return }
        var capacity = unsafe old.pointee.capacity
        while capacity <= number { capacity *= 2 }
        let new = unsafe PortList.make(capacity: capacity)
        for index in 0..<(unsafe old.pointee.capacity) {
            let port = unsafe old.pointee.entries[index].load(ordering: .relaxed)
            unsafe new.pointee.entries[index].store(port, ordering: .relaxed)
        }
        unsafe entry.pointee.ports.store(new, ordering: .releasing)
        shared.reclaimer.retire { unsafe PortList.free(old) }
    }

    /// Replaces the port IDs that get a vport's misses.
    public func setUpcallPortIDs(_ ids: [UInt32], of vport: Vport) {
        vport.upcallPortIDs = ids
        let new = unsafe PortIDList.make(ids)
        let old = unsafe vport.entry.pointee.upcallPortIDs.exchange(new, ordering: .acquiringAndReleasing)
        shared.reclaimer.retire { unsafe PortIDList.free(old) }
    }

    /// The device's counters, with the packets that the switch dropped on their way to it; zeros if it has gone.
    public func statistics(of vport: Vport) -> VportStatistics {
        var statistics = shared.provider.statistics(of: vport.device) ?? VportStatistics()
        // An internal port's counters are the host's view, in which what the switch sends is received.
        if vport.type == .internal {
            statistics.receiveDropped &+= vport.transmitDropped
            statistics.transmitErrors &+= vport.errors
        } else {
            statistics.transmitDropped &+= vport.transmitDropped
            statistics.receiveErrors &+= vport.errors
        }
        return statistics
    }

    // MARK: Settings

    public func setFeatures(_ features: UserFeatures) {
        self.features = features
        unsafe entry.pointee.features.store(features.rawValue, ordering: .releasing)
    }

    /// - Parameter size: 0 or a power of two up to 4096; the caller has checked.
    public func setMaskCacheSize(_ size: UInt32) {
        maskCacheSize = size
        unsafe entry.pointee.maskCacheSize.store(size, ordering: .releasing)
    }

    public func setPerCPUPortIDs(_ ids: [UInt32]) {
        perCPUPortIDs = ids
        let new = unsafe PortIDList.make(ids)
        let old = unsafe entry.pointee.perCPUPortIDs.exchange(new, ordering: .acquiringAndReleasing)
        shared.reclaimer.retire { unsafe PortIDList.free(old) }
    }

    // MARK: Statistics

    public var statistics: DatapathStatistics {
        var result = DatapathStatistics()
        for reader in 0..<(unsafe entry.pointee.readerCount) {
            let counters = unsafe entry.pointee.counters + reader
            result.hit &+= unsafe counters.pointee.hit.current
            result.missed &+= unsafe counters.pointee.missed.current
            result.lost &+= unsafe counters.pointee.lost.current
        }
        result.flows = UInt64(flows.count)
        return result
    }

    public var megaflowStatistics: MegaflowStatistics {
        var result = MegaflowStatistics()
        for reader in 0..<(unsafe entry.pointee.readerCount) {
            let counters = unsafe entry.pointee.counters + reader
            result.maskHit &+= unsafe counters.pointee.maskHit.current
            result.cacheHit &+= unsafe counters.pointee.cacheHit.current
        }
        result.masks = UInt32(truncatingIfNeeded: flows.maskCount)
        return result
    }

    /// Frees the memory, when no packet thread knows the datapath any more.
    func destroy() {
        flows.removeAll()
        meters.removeAll()
        let entry = unsafe entry
        shared.reclaimer.retire {
            unsafe entry.deinitialize(count: 1)
            unsafe entry.deallocate()
        }
    }
}
