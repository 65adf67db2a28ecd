import OpenvSwitch
import Packets
import Synchronization

// Look-up of packets as they come in: some at once, so that the memory of one packet's flow is on its way to the processor
// while another's is asked for.

/// A packet whose key is known and whose flow is still to be found.
@safe
struct Admitted {
    var working: Working
    /// The flow in the exact-match cache under the packet's hash; nil if there is none, or it is another's.
    var flow: UnsafeMutablePointer<FlowEntry>?
    /// What to do with the packet, once the flow is found.
    var program: UnsafeMutablePointer<ActionProgram>?

    /// How many are looked up at once.
    static let most = 16
}

extension ProcessorState {
    /// Extracts a packet's key and puts the packet among those whose flows are to be found.
    mutating func admit(_ packet: Packet, from port: UnsafeMutablePointer<PortEntry>) {
        let place = unsafe admitted + admittedCount
        // A trivial value: what has not been initialized may be assigned to.
        unsafe place.pointee.working.begin(packet: packet, datapath: port.pointee.datapath, port: port)
        unsafe place.pointee.program = nil
        unsafe place.pointee.working.key.inPort = port.pointee.number
        guard
            let offsets = unsafe KeyExtraction.extract(
                packet.bytes, offload: packet.offload, into: &place.pointee.working.key)
        else {
            unsafe countError(&place.pointee.working)
            return
        }
        unsafe place.pointee.working.offsets = offsets
        unsafe place.pointee.working.hash = PacketHash(place.pointee.working.key, offsets)
        admittedCount &+= 1
        if admittedCount == Admitted.most { processAdmitted() }
    }

    /// Finds the flows of the packets admitted and carries out their actions.
    ///
    /// Each loop touches memory that the one before has told of, for all packets before the next loop needs any of it.
    mutating func processAdmitted() {
        let (admitted, count) = unsafe (admitted, admittedCount)
        guard count > 0 else { return }
        admittedCount = 0
        for index in 0..<count {
            unsafe admitted[index].flow = cache.candidate(admitted[index].working.lookupHash)
        }
        for index in 0..<count { unsafe findCached(&admitted[index]) }
        for index in 0..<count { unsafe complete(&admitted[index]) }
    }

    /// Sees whether the flow from the cache is the packet's, and counts the packet if it is.
    @inline(__always)
    private func findCached(_ packet: inout Admitted) {
        guard let flow = unsafe packet.flow else { return }
        unsafe packet.program = program(of: flow, for: &packet.working)
    }

    /// Carries out a packet's actions, after it has been looked for in the masks if it was not in the cache.
    @inline(__always)
    private mutating func complete(_ packet: inout Admitted) {
        if unsafe packet.program == nil {
            unsafe packet.program = search(&packet.working, hash: packet.working.lookupHash)
        }
        guard let program = unsafe packet.program else { return }
        let port = unsafe program.pointee.onlyOutput
        guard port < 0 else {
            output(&packet.working, to: UInt16(truncatingIfNeeded: port))
            return
        }
        recirculations = 0
        instructions = 0
        if unsafe run(program, &packet.working) != 0 { countError(&packet.working) }
        release(&packet.working)
    }

    /// Finds the program of the flow that a packet matches and counts the packet; if there is none, makes an upcall. For a
    /// packet that is at work already.
    mutating func lookup(_ working: inout Working, hash: UInt32) -> UnsafeMutablePointer<ActionProgram>? {
        if let flow = unsafe cache.candidate(hash), let program = unsafe program(of: flow, for: &working) {
            return unsafe program
        }
        return unsafe search(&working, hash: hash)
    }

    /// The program of a flow from the cache, if it is the packet's flow; the packet is counted then.
    @inline(__always)
    private func program(
        of flow: UnsafeMutablePointer<FlowEntry>, for working: inout Working
    ) -> UnsafeMutablePointer<ActionProgram>? {
        let (datapath, options) = unsafe (working.datapath, tunnelOptions.bytes)
        // First of all, as of a flow that was removed nothing else may be read.
        guard unsafe flow.pointee.isIn(datapath),
            unsafe working.key.withWords({ unsafe flow.pointee.matches($0, options) })
        else { return nil }
        let counters = unsafe datapath.pointee.counters + reader
        unsafe counters.pointee.cacheHit.add(1)
        unsafe counters.pointee.maskHit.add(1)
        return unsafe found(flow, working)
    }

    /// Looks for a packet's flow in the masks.
    private mutating func search(_ working: inout Working, hash: UInt32) -> UnsafeMutablePointer<ActionProgram>? {
        let (datapath, options) = unsafe (working.datapath, tunnelOptions.bytes)
        let flow = unsafe working.key.withWords {
            unsafe cache.search($0, options, hash: hash, in: datapath, reader: reader)
        }
        if let flow = unsafe flow { return unsafe found(flow, working) }
        unsafe datapath.pointee.counters[reader].missed.add(1)
        miss(&working)
        return nil
    }

    /// Counts a packet on its flow.
    @inline(__always)
    private func found(
        _ flow: UnsafeMutablePointer<FlowEntry>, _ working: borrowing Working
    ) -> UnsafeMutablePointer<ActionProgram> {
        unsafe working.datapath.pointee.counters[reader].hit.add(1)
        let counters = unsafe flow.pointee.counters + reader
        unsafe counters.pointee.packets.add(1)
        unsafe counters.pointee.bytes.add(UInt64(truncatingIfNeeded: working.packet.length))
        unsafe counters.pointee.used.set(now)
        if working.key.ipProtocol == IPProtocol.tcp, working.key.tcpFlags != 0 {
            let type = working.key.etherType
            if type == EtherType.ipv4 || type == EtherType.ipv6 {
                unsafe counters.pointee.tcpFlags.or(UInt64(working.key.tcpFlags))
            }
        }
        return unsafe flow.pointee.program.load(ordering: .acquiring)
    }
}
