import OpenvSwitch
import Synchronization

/// How a packet thread finds a flow that is not in its exact-match cache: in the mask that the packet's hash matched last
/// time, then in all masks of the packet's input port, then in those of all ports.
@safe
struct MaskSearch: ~Copyable {
    /// Tag (upper half) and mask (lower half) of a look-up. The mask is a place in the list of its port or, with
    /// `ofAnyPort`, in that of all ports.
    private let remembered: UnsafeMutablePointer<UInt64>
    private static let ofAnyPort: UInt32 = 1 << 31

    /// The largest mask cache a client may ask for.
    static let maximumCacheSize = 4096

    /// The word of a key in which `in_port` stands, and its lowest bit there.
    static let inPortPlace = (word: 2, shift: UInt64(48))

    init() {
        unsafe remembered = .allocate(capacity: Self.maximumCacheSize)
        unsafe remembered.initialize(repeating: 0, count: Self.maximumCacheSize)
    }

    deinit { unsafe remembered.deallocate() }

    /// Finds the flow for a packet and counts the masks that were tried for it.
    /// - Parameters:
    ///   - key: the words of its key.
    ///   - options: see `TunnelOptions.bytes`.
    func find(
        _ key: UnsafePointer<UInt64>, _ options: UnsafePointer<UInt8>, hash: UInt32,
        in datapath: UnsafeMutablePointer<DatapathEntry>, reader: Int
    ) -> UnsafeMutablePointer<FlowEntry>? {
        let inPort = unsafe UInt16(truncatingIfNeeded: key[Self.inPortPlace.word] &>> Self.inPortPlace.shift)
        let own = unsafe datapath.pointee.masks[inPort]
        let shared = unsafe datapath.pointee.masks.anyPort.load(ordering: .acquiring)
        let counters = unsafe datapath.pointee.counters + reader
        let cacheSize = Int(unsafe datapath.pointee.maskCacheSize.load(ordering: .relaxed))
        // The hash of a flow knows no ports.
        let tag = hash ^ UInt32(inPort) &* 0x9e37_79b1
        let slot = cacheSize == 0 ? 0 : Int(truncatingIfNeeded: tag &>> 13) & (cacheSize - 1)
        var tried: UInt64 = 0
        var known = UInt32.max
        if cacheSize > 0 {
            let entry = unsafe remembered[slot]
            if UInt32(truncatingIfNeeded: entry &>> 32) == tag {
                let place = UInt32(truncatingIfNeeded: entry)
                let list = unsafe place & Self.ofAnyPort != 0 ? shared : own
                let index = Int(place & ~Self.ofAnyPort)
                if let list = unsafe list, index < (unsafe list.pointee.count.load(ordering: .acquiring)) {
                    known = place
                    tried = 1
                    let table = unsafe list.pointee.tables[index]
                    if let flow = unsafe table.pointee.lookup(key, options) {
                        unsafe counters.pointee.cacheHit.add(1)
                        unsafe count(tried, of: inPort, in: datapath, reader: reader)
                        unsafe table.pointee.hits[reader].add(1)
                        return unsafe flow
                    }
                }
            }
        }
        var found: UnsafeMutablePointer<FlowEntry>?
        var place: UInt32 = 0
        if let own = unsafe own {
            unsafe found = search(own, key, options, but: known, reader: reader, &tried, &place)
        }
        if unsafe found == nil {
            place = Self.ofAnyPort
            unsafe found = search(shared, key, options, but: known, reader: reader, &tried, &place)
        }
        unsafe count(tried, of: inPort, in: datapath, reader: reader)
        if cacheSize > 0, unsafe found != nil { unsafe remembered[slot] = UInt64(tag) &<< 32 | UInt64(place) }
        return unsafe found
    }

    /// Looks in all tables of a list but the one that has been tried.
    /// - Parameter place: that of the list's first table; becomes that of the table with the flow.
    @inline(__always)
    private func search(
        _ list: UnsafeMutablePointer<MaskList>, _ key: UnsafePointer<UInt64>, _ options: UnsafePointer<UInt8>,
        but known: UInt32, reader: Int, _ tried: inout UInt64, _ place: inout UInt32
    ) -> UnsafeMutablePointer<FlowEntry>? {
        let count = unsafe list.pointee.count.load(ordering: .acquiring)
        let tables = unsafe list.pointee.tables
        var index = 0
        while index < count {
            let current = place &+ UInt32(truncatingIfNeeded: index)
            if current != known {
                tried &+= 1
                let table = unsafe tables[index]
                if let flow = unsafe table.pointee.lookup(key, options) {
                    unsafe table.pointee.hits[reader].add(1)
                    place = current
                    return unsafe flow
                }
            }
            index &+= 1
        }
        return nil
    }

    /// Counts tries for the datapath, and for the port that has to answer for them.
    @inline(__always)
    private func count(
        _ tried: UInt64, of inPort: UInt16, in datapath: UnsafeMutablePointer<DatapathEntry>, reader: Int
    ) {
        unsafe (datapath.pointee.counters + reader).pointee.maskHit.add(tried)
        let ports = unsafe datapath.pointee.ports.load(ordering: .acquiring)
        if let port = unsafe ports.pointee.entry(Int(inPort)) {
            unsafe port.pointee.counters[reader].masksTried.add(tried)
        }
    }
}
