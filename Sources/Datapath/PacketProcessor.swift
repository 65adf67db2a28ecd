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
public final class PacketProcessor {
    private var state: ProcessorState

    /// - Precondition: no more processors exist than the switch was made for (`Switch.init(maximumThreads:)`).
    public init(_ sw: Switch) {
        state = ProcessorState(sw)
    }

    /// Announces the thread as a reader of the switch. Call it when there is work, and `finishBatch` soon after.
    /// - Parameter now: milliseconds of the monotonic clock.
    public func beginBatch(now: UInt64) { state.begin(now: now) }

    /// An empty packet to receive a frame into, or nil when the batch is full.
    public func takePacket() -> Packet? { state.inputs.take() }

    /// Sends a frame through the switch: finds its flow and carries out the actions, or makes an upcall.
    public func process(_ packet: Packet, from port: PortReference) {
        unsafe state.process(packet, from: port.entry.assumingMemoryBound(to: PortEntry.self))
    }

    /// Transmits what the batch's packets have come to, and ends the batch.
    /// - Parameter transmit: called for each destination with the device's token and its packets in order; answers how many
    ///   it took. The rest is counted as dropped.
    public func finishBatch(_ transmit: (UInt64, UnsafeMutableBufferPointer<Packet>) -> Int) {
        unsafe state.finish(transmit)
    }

    /// Carries out a program on a frame that a client sent. Inside a batch.
    /// - Returns: 0 or a positive error number.
    func execute(
        _ packet: Packet, _ metadata: PacketMetadata, program: UnsafeMutablePointer<ActionProgram>,
        in datapath: UnsafeMutablePointer<DatapathEntry>, port: UnsafeMutablePointer<PortEntry>?
    ) -> Int32 {
        unsafe state.execute(packet, metadata, program: program, in: datapath, port: port)
    }
}

/// The state of a packet thread. A struct, so that a call into it checks for exclusive access once and not at each field.
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
    }

    deinit { shared.reclaimer.releaseReader(reader) }

    mutating func begin(now: UInt64) {
        self.now = now
        shared.reclaimer.begin(reader)
        cache.refresh(shared.removalGeneration.load(ordering: .sequentiallyConsistent))
    }

    mutating func finish(_ transmit: (UInt64, UnsafeMutableBufferPointer<Packet>) -> Int) {
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

    mutating func process(_ packet: Packet, from port: UnsafeMutablePointer<PortEntry>) {
        var working = unsafe Working(packet: packet, datapath: port.pointee.datapath, port: port)
        unsafe working.key.inPort = port.pointee.number
        guard let offsets = KeyExtraction.extract(packet.bytes, offload: packet.offload, into: &working.key) else {
            countError(&working)
            return
        }
        working.offsets = offsets
        recirculations = 0
        instructions = 0
        let hash = PacketHash(working.key, offsets)
        working.hash = hash
        guard let program = unsafe lookup(&working, hash: hash.value) else { return }
        if unsafe run(program, &working) != 0 { countError(&working) }
        release(&working)
    }

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

    /// Finds the program of the flow that a packet matches and counts the packet; if there is none, makes an upcall.
    @inline(__always)
    mutating func lookup(_ working: inout Working, hash: UInt32) -> UnsafeMutablePointer<ActionProgram>? {
        let counters = unsafe working.datapath.pointee.counters + reader
        let (datapath, options) = unsafe (working.datapath, tunnelOptions.bytes)
        let found = unsafe working.key.withWords {
            unsafe cache.lookup($0, options, hash: hash, in: datapath, reader: reader)
        }
        guard let flow = unsafe found else {
            unsafe counters.pointee.missed.add(1)
            miss(&working)
            return nil
        }
        unsafe counters.pointee.hit.add(1)
        unsafe count(working, on: flow)
        return unsafe flow.pointee.program.load(ordering: .acquiring)
    }

    @inline(__always)
    private func count(_ working: borrowing Working, on flow: UnsafeMutablePointer<FlowEntry>) {
        let counters = unsafe flow.pointee.counters + reader
        unsafe counters.pointee.packets.add(1)
        unsafe counters.pointee.bytes.add(UInt64(truncatingIfNeeded: working.packet.length))
        unsafe counters.pointee.used.set(now)
        guard working.key.ipProtocol == IPProtocol.tcp, working.key.tcpFlags != 0 else { return }
        let type = working.key.etherType
        if type == EtherType.ipv4 || type == EtherType.ipv6 {
            unsafe counters.pointee.tcpFlags.or(UInt64(working.key.tcpFlags))
        }
    }

    /// Counts a packet that is dropped for a fault of its own.
    func countError(_ working: inout Working) {
        if let port = unsafe working.port { unsafe port.pointee.counters[reader].errors.add(1) }
    }
}
