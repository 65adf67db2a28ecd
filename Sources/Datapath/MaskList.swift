import Synchronization

/// Tables of masks in the order they are tried. Tables are appended in place; any other change is a new list.
@safe
struct MaskList: ~Copyable {
    /// How many tables there are, written after the table that it counts.
    let count: Atomic<Int>
    let capacity: Int
    /// In the same block of memory.
    let tables: UnsafeMutablePointer<UnsafeMutablePointer<MaskTable>>

    static func make(
        _ tables: [UnsafeMutablePointer<MaskTable>], capacity: Int = 0
    ) -> UnsafeMutablePointer<MaskList> {
        let capacity = max(unsafe tables.count, capacity)
        let start = MemoryLayout<MaskList>.stride
        let block = UnsafeMutableRawPointer.allocate(
            byteCount: start + capacity * MemoryLayout<UInt>.stride, alignment: 16)
        let memory = unsafe (block + start).bindMemory(to: UnsafeMutablePointer<MaskTable>.self, capacity: capacity)
        for index in unsafe tables.indices { unsafe (memory + index).initialize(to: tables[index]) }
        let list = unsafe block.bindMemory(to: MaskList.self, capacity: 1)
        unsafe list.initialize(to: MaskList(count: Atomic(tables.count), capacity: capacity, tables: memory))
        return unsafe list
    }

    /// Frees the list, not the tables.
    static func free(_ list: UnsafeMutablePointer<MaskList>) {
        unsafe list.deinitialize(count: 1)
        unsafe UnsafeMutableRawPointer(list).deallocate()
    }

    /// The tables. The writer's.
    var all: [UnsafeMutablePointer<MaskTable>] {
        unsafe Array(UnsafeBufferPointer(start: tables, count: count.load(ordering: .relaxed)))
    }

    /// Puts a table at the end, if there is room. The writer's.
    func append(_ table: UnsafeMutablePointer<MaskTable>) -> Bool {
        let last = count.load(ordering: .relaxed)
        guard last < capacity else { return false }
        // No reader looks at this place before it is counted.
        unsafe (tables + last).initialize(to: table)
        count.store(last + 1, ordering: .releasing)
        return true
    }
}

/// The masks of a datapath by the input port whose flows have them.
///
/// A packet is compared with the masks of its own port, and with those that do not have all of `in_port`. So what one
/// tenant's flows look like costs another tenant's packets nothing: Open vSwitch's megaflows always have the input port.
@safe
struct MaskLists: ~Copyable {
    typealias List = Atomic<UnsafeMutablePointer<MaskList>?>
    /// The masks that do not have all of `in_port`.
    let anyPort: Atomic<UnsafeMutablePointer<MaskList>>
    /// By the upper half of a port number, lists by the lower. A page stays once it is there.
    private let pages: UnsafeMutablePointer<Atomic<UnsafeMutablePointer<List>?>>
    private static let pageSize = 256

    init() {
        unsafe anyPort = Atomic(MaskList.make([]))
        unsafe pages = .allocate(capacity: Self.pageSize)
        for index in 0..<Self.pageSize { unsafe (pages + index).initialize(to: Atomic(nil)) }
    }

    deinit {
        unsafe MaskList.free(anyPort.load(ordering: .relaxed))
        for index in 0..<Self.pageSize {
            guard let page = unsafe pages[index].load(ordering: .relaxed) else { continue }
            for index in 0..<Self.pageSize {
                if let list = unsafe page[index].load(ordering: .relaxed) { unsafe MaskList.free(list) }
            }
            unsafe page.deinitialize(count: Self.pageSize)
            unsafe page.deallocate()
        }
        unsafe pages.deinitialize(count: Self.pageSize)
        unsafe pages.deallocate()
    }

    /// The masks in which a port has flows; nil if it has none.
    @inline(__always)
    subscript(port: UInt16) -> UnsafeMutablePointer<MaskList>? {
        guard let page = unsafe pages[Int(port &>> 8)].load(ordering: .acquiring) else { return nil }
        return unsafe page[Int(port & 0xff)].load(ordering: .acquiring)
    }

    /// The first port at or behind `port` that has masks of its own. The writer's.
    func portWithMasks(from port: Int) -> UInt16? {
        var port = port
        while port <= Int(UInt16.max) {
            guard unsafe pages[port >> 8].load(ordering: .relaxed) != nil else {
                port = (port | 0xff) + 1
                continue
            }
            let number = UInt16(truncatingIfNeeded: port)
            if unsafe self[number] != nil { return number }
            port += 1
        }
        return nil
    }

    /// Gives a port, or those without (nil), other masks.
    /// - Returns: the list it had, which readers may still see.
    func replace(_ port: UInt16?, _ list: UnsafeMutablePointer<MaskList>?) -> UnsafeMutablePointer<MaskList>? {
        guard let port else {
            return unsafe anyPort.exchange(list ?? MaskList.make([]), ordering: .acquiringAndReleasing)
        }
        return unsafe page(of: port)[Int(port & 0xff)].exchange(list, ordering: .acquiringAndReleasing)
    }

    private func page(of port: UInt16) -> UnsafeMutablePointer<List> {
        if let page = unsafe pages[Int(port >> 8)].load(ordering: .relaxed) { return unsafe page }
        let page = UnsafeMutablePointer<List>.allocate(capacity: Self.pageSize)
        for index in 0..<Self.pageSize { unsafe (page + index).initialize(to: Atomic(nil)) }
        unsafe pages[Int(port >> 8)].store(page, ordering: .releasing)
        return unsafe page
    }
}
