/// The queues of a port as the packet threads use them. A trivial value over memory that is the port's.
@safe
struct XDPQueues: BitwiseCopyable, @unchecked Sendable {
    // Allocated by `init`, freed by `deallocate`: two counts, and as many queues as the first one says.
    private let memory: UnsafeMutablePointer<Content>

    @safe
    private struct Content {
        var count: Int
        var transmitCount: Int
        var queues: UnsafeMutablePointer<XDPQueue>
    }

    /// - Parameter transmitCount: how many of them, the first ones, can transmit.
    init(_ sockets: [XDPSocket], transmitting transmitCount: Int) {
        unsafe memory = .allocate(capacity: 1)
        let queues = UnsafeMutablePointer<XDPQueue>.allocate(capacity: sockets.count)
        for index in sockets.indices { unsafe (queues + index).initialize(to: sockets[index].queue) }
        unsafe memory.initialize(to: Content(count: sockets.count, transmitCount: transmitCount, queues: queues))
    }

    /// Frees the memory; the port does.
    func deallocate() {
        unsafe memory.pointee.queues.deallocate()
        unsafe memory.deallocate()
    }

    /// As `PortTable` keeps it; 0 is none.
    @unsafe
    @inline(__always)
    init?(bits: UInt) {
        guard let memory = unsafe UnsafeMutablePointer<Content>(bitPattern: bits) else { return nil }
        unsafe self.memory = memory
    }
    var bits: UInt { unsafe UInt(bitPattern: memory) }

    @inline(__always)
    var count: Int { unsafe memory.pointee.count }
    @inline(__always)
    var transmitCount: Int { unsafe memory.pointee.transmitCount }

    /// A queue, by a number below `count`.
    @inline(__always)
    subscript(index: Int) -> XDPQueue {
        precondition(index >= 0 && index < count)
        return unsafe memory.pointee.queues[index]
    }
}
