import Datapath

/// The interfaces a watcher knows, and the difference that a message makes.
struct InterfaceTable: Sendable {
    private(set) var interfaces: [Int32: HostInterface] = [:]

    /// Takes in what a message says of an interface.
    /// - Returns: the news in it, or nil if there is none.
    mutating func update(_ link: Link) -> HostInterfaceEvent? {
        let old = interfaces[link.ifindex]
        let new = HostInterface(link, old: old)
        interfaces[link.ifindex] = new
        guard let old else { return .added(new) }
        return old == new ? nil : .changed(new, from: old)
    }

    /// Takes out an interface.
    /// - Returns: the news in it, or nil if it was not known.
    mutating func remove(_ ifindex: Int32) -> HostInterfaceEvent? {
        interfaces.removeValue(forKey: ifindex).map { .removed($0) }
    }

    /// Takes in a whole list; what it does not name has gone.
    /// - Returns: the differences, those that have gone first, each in order of the index.
    mutating func replace(by links: [Link]) -> [HostInterfaceEvent] {
        let present = Set(links.map(\.ifindex))
        var events: [HostInterfaceEvent] = []
        for ifindex in interfaces.keys.sorted() where !present.contains(ifindex) {
            if let event = remove(ifindex) { events.append(event) }
        }
        for link in links.sorted(by: { $0.ifindex < $1.ifindex }) {
            if let event = update(link) { events.append(event) }
        }
        return events
    }
}
