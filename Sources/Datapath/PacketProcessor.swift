import OpenvSwitch
public import Packets
import Synchronization

/// Carries packets through the switch: one for each packet thread.
///
/// A batch is: `beginBatch`, then for each frame `takePacket` and `process`, then `finishBatch`, which transmits. Within a
/// batch nothing is allocated, retained or locked, as long as packets find flows; a packet that finds none, or meets a
/// userspace action, takes its receiver's queue lock.
///
/// Not `Sendable`: it belongs to the thread that uses it.
@safe
public final class PacketProcessor {
    /// The only pointer to it, so that no access needs to be checked for being exclusive.
    private let state: UnsafeMutablePointer<ProcessorState>

    /// - Precondition: no more processors exist than the switch was made for (`Switch.init(maximumThreads:)`).
    public init(_ sw: Switch) {
        unsafe state = .allocate(capacity: 1)
        unsafe state.initialize(to: ProcessorState(sw))
    }

    deinit {
        unsafe state.deinitialize(count: 1)
        unsafe state.deallocate()
    }

    /// Announces the thread as a reader of the switch. Call it when there is work, and `finishBatch` soon after.
    /// - Parameter now: milliseconds of the monotonic clock.
    public func beginBatch(now: UInt64) { unsafe state.pointee.begin(now: now) }

    /// An empty packet to receive a frame into, or nil when the batch is full.
    public func takePacket() -> Packet? { unsafe state.pointee.inputs.take() }

    /// Sends a frame through the switch: finds its flow and carries out the actions, or makes an upcall. That happens
    /// later in the batch, for some packets together and in the order in which they came.
    public func process(_ packet: Packet, from port: PortReference) {
        unsafe state.pointee.admit(packet, from: port.entry.assumingMemoryBound(to: PortEntry.self))
    }

    /// Begins a port's turn in a batch.
    /// - Returns: how many of its frames should be processed, 0 to 32, so that all ports have the same share of the
    ///   thread's time: the fewer, the more masks its packets have been compared under.
    public func beginTurn(of port: PortReference) -> Int {
        let counters = unsafe port.entry.assumingMemoryBound(to: PortEntry.self).pointee.counters + state.pointee.reader
        return unsafe counters.pointee.share.begin(masksTried: counters.pointee.masksTried.current)
    }

    /// Ends a port's turn, in which so many frames were processed.
    public func endTurn(of port: PortReference, frames: Int) {
        let counters = unsafe port.entry.assumingMemoryBound(to: PortEntry.self).pointee.counters + state.pointee.reader
        unsafe counters.pointee.share.end(frames: frames)
    }

    /// Transmits what the batch's packets have come to, and ends the batch.
    /// - Parameter transmit: called for each destination with the device's token and its packets in order; answers how many
    ///   it took. The rest is counted as dropped.
    public func finishBatch(_ transmit: (UInt64, UnsafeMutableBufferPointer<Packet>) -> Int) {
        unsafe state.pointee.finish(transmit)
    }

    /// Carries out a program on a frame that a client sent. Inside a batch.
    /// - Returns: 0 or a positive error number.
    func execute(
        _ packet: Packet, _ metadata: PacketMetadata, program: UnsafeMutablePointer<ActionProgram>,
        in datapath: UnsafeMutablePointer<DatapathEntry>, port: UnsafeMutablePointer<PortEntry>?
    ) -> Int32 {
        unsafe state.pointee.execute(packet, metadata, program: program, in: datapath, port: port)
    }
}

/// The state of a packet thread.
@safe
struct ProcessorState: ~Copyable {
    let shared: Switch
    let reader: Int
    /// Slots for frames as received.
    var inputs = PacketPool(capacity: 64)
    /// Slots for copies: frames changed after they were queued for a port, and segments.
    var copies = PacketPool(capacity: 192)
    /// One slot for what goes into an upcall.
    var scratch = PacketPool(capacity: 1)
    var queue = TransmitQueue()
    var cache = FlowCache()
    /// Packets whose flows are still to be found.
    let admitted: UnsafeMutablePointer<Admitted>
    var admittedCount = 0
    var upcalls = UpcallBatch()
    /// Of the packet at work.
    let tunnelOptions = TunnelOptions()
    /// Milliseconds of the monotonic clock when the batch began.
    var now: UInt64 = 0
    /// How often the packet at work, with all its clones, has gone through the flow table again.
    var recirculations = 0
    /// Instructions of the programs that they have begun.
    var instructions = 0
    /// State of the generator of random numbers (xorshift64*); never 0.
    private var random: UInt64

    init(_ sw: Switch) {
        shared = sw
        guard let index = sw.reclaimer.claimReader() else {
            preconditionFailure("more packet threads than the switch was made for")
        }
        reader = index
        random = UInt64.random(in: 1...(.max))
        unsafe admitted = .allocate(capacity: Admitted.most)
    }

    deinit {
        unsafe admitted.deallocate()
        shared.reclaimer.releaseReader(reader)
    }

    mutating func begin(now: UInt64) {
        self.now = now
        shared.reclaimer.begin(reader)
        cache.refresh(shared.removedFlows.generation.load(ordering: .sequentiallyConsistent))
    }

    mutating func finish(_ transmit: (UInt64, UnsafeMutableBufferPointer<Packet>) -> Int) {
        processAdmitted()
        if !upcalls.isEmpty { flushUpcalls() }
        unsafe queue.flush(reader: reader, transmit)
        inputs.reset()
        copies.reset()
        shared.reclaimer.end(reader)
    }

    /// A random number: cheap, and no secret.
    mutating func nextRandom() -> UInt32 {
        random ^= random &>> 12
        random ^= random &<< 25
        random ^= random &>> 27
        return UInt32(truncatingIfNeeded: (random &* 0x2545_f491_4f6c_dd1d) &>> 32)
    }

    // MARK: A packet

    mutating func execute(
        _ packet: Packet, _ metadata: PacketMetadata, program: UnsafeMutablePointer<ActionProgram>,
        in datapath: UnsafeMutablePointer<DatapathEntry>, port: UnsafeMutablePointer<PortEntry>?
    ) -> Int32 {
        var working = unsafe Working(packet: packet, datapath: datapath, port: port)
        working.key = metadata.key
        tunnelOptions.set(metadata.tunnelOptions)
        guard
            let offsets = KeyExtraction.extract(
                packet.bytes, networkType: packet.networkType, offload: packet.offload, into: &working.key)
        else { return Errno.invalid }
        working.offsets = offsets
        recirculations = 0
        instructions = 0
        working.hash = metadata.hash ?? PacketHash(working.key, offsets)
        working.maximumReceiveUnit = metadata.maximumReceiveUnit
        working.upcallPortID = metadata.upcallPortID
        let result = unsafe run(program, &working)
        release(&working)
        return result
    }

    /// Counts a packet that is dropped for a fault of its own.
    func countError(_ working: inout Working) {
        if let port = unsafe working.port { unsafe port.pointee.counters[reader].errors.add(1) }
    }
}
