import Datapath
import Synchronization

/// What the packet threads know of the open devices: a fixed table, read without a lock.
///
/// A token is a slot's index (16 bits) with the generation of the slot's tenant (the upper 32). When a device is closed
/// the generation goes on, so that a stale token finds nothing.
@safe
final class PortTable: @unchecked Sendable {
    /// The most devices that are open at once.
    static let capacity = 4096

    // Allocated for the table's life; the slots' shared words are atomic, and the rest of a slot is written only while
    // no packet thread looks at it (see `Slot`).
    private let slots: UnsafeMutablePointer<Slot>

    /// One device.
    struct Slot: ~Copyable {
        /// Generation (32 bits), kind (2 bits), descriptor (30 bits).
        let device = Atomic<UInt64>(PortTable.word(generation: 1, Endpoint.none))
        /// The queues of an AF_XDP port. Written before `device`.
        let queues = Atomic<UInt>(0)
        /// Generation whose frames are received; 0 if none are.
        let receiving = Atomic<UInt32>(0)
        /// Frames that came and could not be taken.
        let receiveErrors = Atomic<UInt64>(0)
        /// Where the frames belong. Written before `receiving` is set and after the worker let go of the port.
        var port: PortReference?
        /// Where the frames of packet sockets come. Written as `port` is.
        var lanes: Lanes?
    }

    /// A packet socket that frames come to.
    struct Lane: BitwiseCopyable {
        var descriptor: Int32
        /// Where they lie; nil if they wait in the socket's queue.
        var ring: PacketRing.Reader?
    }

    /// The packet sockets of a port; they are the port's, which lives until no packet thread uses it.
    @safe
    struct Lanes: BitwiseCopyable, @unchecked Sendable {
        let count: Int
        private let memory: UnsafeMutablePointer<Lane>

        init(_ lanes: [Lane]) {
            count = lanes.count
            unsafe memory = .allocate(capacity: max(lanes.count, 1))
            for index in lanes.indices { unsafe (memory + index).initialize(to: lanes[index]) }
        }

        func free() { unsafe memory.deallocate() }

        /// The lane of this number, or nil.
        @inline(__always)
        subscript(index: Int) -> Lane? { index >= 0 && index < count ? unsafe memory[index] : nil }
    }

    /// A device as the packet threads use it.
    struct Endpoint: Equatable {
        var descriptor: Int32
        var kind: Kind

        enum Kind: UInt8 {
            case packetSocket, tap
            /// AF_XDP sockets, and a packet socket beside them, which is the descriptor.
            case xdp
        }

        /// No device.
        static let none = Endpoint(descriptor: 0x3fff_ffff, kind: .packetSocket)
    }

    init() {
        unsafe slots = UnsafeMutablePointer<Slot>.allocate(capacity: Self.capacity)
        for index in 0..<Self.capacity { unsafe (slots + index).initialize(to: Slot()) }
    }

    deinit {
        unsafe slots.deinitialize(count: Self.capacity)
        unsafe slots.deallocate()
    }

    // MARK: Packet threads

    /// The device a token stands for; nil for a stale or made-up token.
    @inline(__always)
    func endpoint(_ token: UInt64) -> Endpoint? {
        let index = Self.index(token)
        guard index < Self.capacity else { return nil }
        // The index was checked.
        let word = unsafe slots[index].device.load(ordering: .acquiring)
        guard word >> 32 == token >> 32 else { return nil }
        let descriptor = Int32(truncatingIfNeeded: word & 0x3fff_ffff)
        guard descriptor != Endpoint.none.descriptor,
            let kind = Endpoint.Kind(rawValue: UInt8(truncatingIfNeeded: word >> 30 & 3))
        else { return nil }
        return Endpoint(descriptor: descriptor, kind: kind)
    }

    /// The queues of an AF_XDP port, for whose token `endpoint` has just said that it is one.
    @inline(__always)
    func queues(_ token: UInt64) -> XDPQueues? {
        let index = Self.index(token)
        guard index < Self.capacity else { return nil }
        // The index was checked. The queues live until the port is closed, which waits for the packet threads.
        return unsafe XDPQueues(bits: slots[index].queues.load(ordering: .relaxed))
    }

    /// Where a device's frames belong; nil if they are not to be received (any more).
    @inline(__always)
    func receiver(_ token: UInt64) -> PortReference? {
        let index = Self.index(token)
        guard index < Self.capacity else { return nil }
        // The index was checked; `port` does not change while `receiving` has this generation.
        guard unsafe slots[index].receiving.load(ordering: .acquiring) == Self.generation(token) else { return nil }
        return unsafe slots[index].port
    }

    /// The packet socket that a token names, of a device whose frames are received.
    @inline(__always)
    func lane(_ token: UInt64) -> Lane? {
        let index = Self.index(token)
        guard index < Self.capacity else { return nil }
        // As `port`.
        guard unsafe slots[index].receiving.load(ordering: .acquiring) == Self.generation(token) else { return nil }
        guard let lanes = unsafe slots[index].lanes else { return nil }
        return lanes[Self.source(token)]
    }

    /// Counts frames that came in on a device and could not be taken.
    func countReceiveErrors(_ count: UInt64, _ token: UInt64) {
        let index = Self.index(token)
        guard index < Self.capacity else { return }
        unsafe _ = slots[index].receiveErrors.wrappingAdd(count, ordering: .relaxed)
    }

    // MARK: Control

    /// Puts a device in a free slot.
    /// - Parameter queues: those of an AF_XDP port.
    /// - Returns: its token.
    func open(_ endpoint: Endpoint, queues: XDPQueues? = nil, at index: Int) -> UInt64 {
        precondition(index >= 0 && index < Self.capacity)
        let generation = unsafe UInt32(truncatingIfNeeded: slots[index].device.load(ordering: .relaxed) >> 32)
        unsafe slots[index].receiveErrors.store(0, ordering: .relaxed)
        unsafe slots[index].queues.store(queues?.bits ?? 0, ordering: .relaxed)
        unsafe slots[index].device.store(Self.word(generation: generation, endpoint), ordering: .releasing)
        return UInt64(generation) << 32 | UInt64(index)
    }

    /// Makes the token of a slot stale.
    func close(_ token: UInt64) {
        let index = Self.index(token)
        guard index < Self.capacity else { return }
        var next = Self.generation(token) &+ 1
        if next == 0 { next = 1 }
        unsafe slots[index].device.store(Self.word(generation: next, .none), ordering: .releasing)
    }

    func setReceiver(_ port: PortReference, lanes: Lanes?, _ token: UInt64) {
        let index = Self.index(token)
        guard index < Self.capacity else { return }
        unsafe slots[index].port = port
        unsafe slots[index].lanes = lanes
        unsafe slots[index].receiving.store(Self.generation(token), ordering: .releasing)
    }

    /// No frame is received any more from the next batch of the device's worker on.
    func clearReceiver(_ token: UInt64) {
        let index = Self.index(token)
        guard index < Self.capacity else { return }
        unsafe slots[index].receiving.store(0, ordering: .releasing)
    }

    /// Frames counted by `countReceiveErrors`.
    func receiveErrors(_ token: UInt64) -> UInt64 {
        let index = Self.index(token)
        guard index < Self.capacity else { return 0 }
        return unsafe slots[index].receiveErrors.load(ordering: .relaxed)
    }

    static func index(_ token: UInt64) -> Int { Int(token & 0xffff) }
    /// Which of a port's descriptors frames wait at: 0 for its own; else, of a packet-socket port, the number of another
    /// socket, and of an AF_XDP port a queue's number and one.
    static func source(_ token: UInt64) -> Int { Int(token >> 16 & 0xffff) }
    /// The token under which a worker waits at another of a port's descriptors.
    static func token(_ token: UInt64, source: Int) -> UInt64 { token | UInt64(source) << 16 }
    static func generation(_ token: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: token >> 32) }

    fileprivate static func word(generation: UInt32, _ endpoint: Endpoint) -> UInt64 {
        let descriptor = UInt64(UInt32(bitPattern: endpoint.descriptor) & 0x3fff_ffff)
        return UInt64(generation) << 32 | UInt64(endpoint.kind.rawValue) << 30 | descriptor
    }
}
