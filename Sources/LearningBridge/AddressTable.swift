/// A MAC address in a VLAN: what a bridge learns.
struct Address: Hashable, Sendable {
    private let packed: UInt64

    init(mac: UInt64, vlan: UInt16) { packed = UInt64(vlan) << 48 | mac & 0xffff_ffff_ffff }

    /// 48-bit number in wire order.
    var mac: UInt64 { packed & 0xffff_ffff_ffff }
    /// The VLAN ID; 0 for frames without a tag.
    var vlan: UInt16 { UInt16(truncatingIfNeeded: packed >> 48) }
    /// The group bit: a multicast or the broadcast address.
    var isMulticast: Bool { packed & 0x0100_0000_0000 != 0 }
    /// One of the sixteen reserved addresses that bridges do not forward (IEEE 802.1D, 7.12.6).
    var isLinkLocal: Bool { mac & 0xffff_ffff_fff0 == 0x0180_c200_0000 }
}

/// The addresses a bridge has learned, in the order in which they were last heard.
///
/// Every call takes constant time but those that say otherwise.
struct AddressTable {
    struct Entry {
        let address: Address
        var port: UInt16
        var lastHeard: Duration
        // Neighbours in the order of `lastHeard`; -1 at the ends.
        fileprivate var older = -1
        fileprivate var newer = -1
    }

    /// What learning an address came to.
    struct Outcome: Equatable {
        enum Change: Equatable {
            case known
            case added
            case moved(from: UInt16)
        }
        var change: Change
        /// The address that had to make room.
        var replaced: Address?
    }

    let capacity: Int
    private var entries: [Entry] = []
    private var free: [Int] = []
    private var places: [Address: Int] = [:]
    private var oldest = -1
    private var newest = -1

    init(capacity: Int) { self.capacity = max(capacity, 1) }

    var count: Int { places.count }

    /// The port behind which an address is; nil if it is not known.
    func port(of address: Address) -> UInt16? { places[address].map { entries[$0].port } }

    /// All addresses, the one silent for longest first. Takes time for each.
    var all: [Entry] {
        var result: [Entry] = []
        var place = oldest
        while place >= 0 {
            result.append(entries[place])
            place = entries[place].newer
        }
        return result
    }

    /// The address silent for longest, if that is at least until `deadline`.
    func silent(until deadline: Duration) -> Entry? {
        guard oldest >= 0, entries[oldest].lastHeard <= deadline else { return nil }
        return entries[oldest]
    }

    /// Notes that an address was heard on a port.
    mutating func learn(_ address: Address, on port: UInt16, now: Duration) -> Outcome {
        if let place = places[address] {
            let old = entries[place].port
            entries[place].port = port
            renew(place, now)
            return Outcome(change: old == port ? .known : .moved(from: old))
        }
        var replaced: Address?
        if count == capacity, oldest >= 0 {
            replaced = entries[oldest].address
            remove(entries[oldest].address)
        }
        let entry = Entry(address: address, port: port, lastHeard: now)
        let place: Int
        if let reused = free.popLast() {
            place = reused
            entries[place] = entry
        } else {
            place = entries.count
            entries.append(entry)
        }
        places[address] = place
        append(place)
        return Outcome(change: .added, replaced: replaced)
    }

    /// Notes that a known address was heard; nothing happens if it is on another port or not known.
    mutating func refresh(_ address: Address, on port: UInt16, now: Duration) {
        guard let place = places[address], entries[place].port == port else { return }
        renew(place, now)
    }

    mutating func remove(_ address: Address) {
        guard let place = places.removeValue(forKey: address) else { return }
        unlink(place)
        free.append(place)
    }

    private mutating func renew(_ place: Int, _ now: Duration) {
        entries[place].lastHeard = now
        guard newest != place else { return }
        unlink(place)
        append(place)
    }

    private mutating func unlink(_ place: Int) {
        let (older, newer) = (entries[place].older, entries[place].newer)
        if older >= 0 { entries[older].newer = newer } else { oldest = newer }
        if newer >= 0 { entries[newer].older = older } else { newest = older }
    }

    private mutating func append(_ place: Int) {
        entries[place].older = newest
        entries[place].newer = -1
        if newest >= 0 { entries[newest].newer = place } else { oldest = place }
        newest = place
    }
}
