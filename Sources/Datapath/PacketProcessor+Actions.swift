import Netlink
import OpenvSwitch
import Packets
import Synchronization

// Actions. Lists are run where they stand in the flat program. A list that nothing follows needs no clone of its
// packet: the program simply goes on in it. So does a recirculation that is the last action, with the program of the
// flow it finds.

extension ProcessorState {
    /// Carries out a program.
    /// - Returns: 0, or the error number that ended it; the packet is dropped then.
    mutating func run(_ program: UnsafeMutablePointer<ActionProgram>, _ working: inout Working) -> Int32 {
        guard unsafe begin(program, &working) else { return 0 }
        return unsafe run(program, 0, program.pointee.count, &working)
    }

    /// Counts a program's instructions. False if the packet has gone too far: it is dropped then.
    @inline(__always)
    private mutating func begin(_ program: UnsafeMutablePointer<ActionProgram>, _ working: inout Working) -> Bool {
        instructions &+= unsafe program.pointee.count
        guard instructions > Working.Limit.instructions else { return true }
        countError(&working)
        return false
    }

    /// Carries out the instructions of a program from `start` up to `end`.
    private mutating func run(
        _ program: UnsafeMutablePointer<ActionProgram>, _ start: Int, _ end: Int, _ working: inout Working
    ) -> Int32 {
        var program = unsafe program
        var (index, end) = (start, end)
        /// The error of a flow that a recirculation has found is not the program's that it left.
        var hasLeft = false
        var result: Int32 = 0
        loop: while index < end {
            let step = unsafe program.pointee.instructions[index]
            index &+= 1
            switch step {
            case .output(let port):
                output(&working, to: port)
                working.truncation = .max
            case .userspace(let action):
                unsafe userspace(action, program, &working)
                working.truncation = .max
            case .truncate(let length): working.truncation = length
            case .drop: break loop
            case .fail:
                result = Errno.invalid
                break loop
            case .clearConnection: working.key.clearConnection()
            case .setPriority(let value, let mask):
                working.key.priority = working.key.priority & ~mask | value & mask
            case .setMark(let value, let mask):
                working.key.skbMark = working.key.skbMark & ~mask | value & mask
            case .hash(let algorithm, let basis):
                let hash = algorithm == .l4 ? flowHash(&working).value : FlowHash.symmetricHash(working.key)
                working.key.dpHash = FlowHash.datapathHash(hash, basis: basis)
            case .meter(let id):
                guard meterAdmits(&working, id) else { break loop }
            case .recirculate(let id):
                if index < end {
                    recirculateClone(id, &working)
                } else {
                    guard let next = unsafe recirculate(id, &working), unsafe begin(next, &working) else {
                        break loop
                    }
                    unsafe program = next
                    (index, end) = unsafe (0, next.pointee.count)
                    hasLeft = true
                }
            case .clone(let count):
                // If nothing follows the list, the program goes on in it.
                guard index &+ count < end else { continue }
                result = unsafe runClone(program, index, index &+ count, &working)
                guard result == 0 else { break loop }
                index &+= count
            case .sample(let probability, let count):
                let isChosen = probability == .max || (probability != 0 && nextRandom() <= probability)
                if isChosen {
                    guard index &+ count < end else { continue }
                    result = unsafe runClone(program, index, index &+ count, &working)
                    guard result == 0 else { break loop }
                }
                index &+= count
            case .checkPacketLength(let length, let greater, let lessEqual):
                let behind = index &+ greater &+ lessEqual
                let isLonger = exceeds(&working, Int(length))
                let list = isLonger ? index : index &+ greater
                let listEnd = isLonger ? index &+ greater : behind
                guard behind < end else {
                    (index, end) = (list, listEnd)
                    continue
                }
                result = unsafe runClone(program, list, listEnd, &working)
                guard result == 0 else { break loop }
                index = behind
            case .decrementTTL(let count):
                guard ownPacket(&working) else {
                    result = Errno.noMemory
                    break loop
                }
                switch HeaderEdit.decrementTTL(&working.packet, working.offsets, key: &working.key) {
                case .decremented: index &+= count
                case .expired: end = index &+ count
                case .absent:
                    result = Errno.invalid
                    break loop
                }
            case .pushEthernet, .popEthernet, .pushMPLSInFront, .pushNSH, .popNSH, .setNSH:
                result = unsafe encapsulate(step, program, &working)
                guard result == 0 else { break loop }
            default:
                result = edit(step, &working)
                guard result == 0 else { break loop }
            }
        }
        guard hasLeft, result != 0 else { return result }
        countError(&working)
        return 0
    }

    /// Changes a header.
    /// - Returns: 0 or an error number: `EINVAL` if the header is not there, `ENOMEM` if there is no free slot.
    private mutating func edit(_ step: Instruction, _ working: inout Working) -> Int32 {
        guard ownPacket(&working) else { return Errno.noMemory }
        return change(step, &working) ? 0 : Errno.invalid
    }

    /// Changes a header of a packet that may be changed. False if the header is not there.
    private func change(_ step: Instruction, _ working: inout Working) -> Bool {
        switch step {
        case .setEthernet(let source, let sourceMask, let destination, let destinationMask):
            return HeaderEdit.setEthernet(
                &working.packet, source: source, sourceMask: sourceMask, destination: destination,
                destinationMask: destinationMask, key: &working.key)
        case .setIPv4(let value, let mask):
            working.hash = nil
            return HeaderEdit.setIPv4(&working.packet, working.offsets, value: value, mask: mask, key: &working.key)
        case .setIPv6(let value, let mask):
            working.hash = nil
            return HeaderEdit.setIPv6(&working.packet, working.offsets, value: value, mask: mask, key: &working.key)
        case .setTCP(let ports):
            working.hash = nil
            return HeaderEdit.setTCPPorts(
                &working.packet, working.offsets, source: ports.source, sourceMask: ports.sourceMask,
                destination: ports.destination, destinationMask: ports.destinationMask, key: &working.key)
        case .setUDP(let ports):
            working.hash = nil
            return HeaderEdit.setUDPPorts(
                &working.packet, working.offsets, source: ports.source, sourceMask: ports.sourceMask,
                destination: ports.destination, destinationMask: ports.destinationMask, key: &working.key)
        case .setSCTP(let ports):
            working.hash = nil
            return HeaderEdit.setSCTPPorts(
                &working.packet, working.offsets, source: ports.source, sourceMask: ports.sourceMask,
                destination: ports.destination, destinationMask: ports.destinationMask, key: &working.key)
        case .pushVLAN(let tpid, let tci):
            working.isKeyStale = true
            return HeaderEdit.pushVLAN(&working.packet, &working.offsets, tpid: tpid, tci: tci, key: &working.key)
        case .popVLAN:
            // Without a tag there is nothing to take off, and the packet goes on.
            if HeaderEdit.popVLAN(&working.packet, &working.offsets, key: &working.key) { working.isKeyStale = true }
            return true
        case .setMPLS(let entry, let mask):
            return HeaderEdit.setMPLS(&working.packet, working.offsets, entry: entry, mask: mask, key: &working.key)
        case .pushMPLS(let entry, let etherType):
            working.isKeyStale = true
            return HeaderEdit.pushMPLS(
                &working.packet, &working.offsets, entry: entry, etherType: etherType, key: &working.key)
        case .popMPLS(let etherType):
            working.isKeyStale = true
            return HeaderEdit.popMPLS(&working.packet, &working.offsets, etherType: etherType, key: &working.key)
        case .output, .userspace, .truncate, .drop, .fail, .clearConnection, .setPriority, .setMark, .recirculate,
            .hash, .meter, .sample, .clone, .checkPacketLength, .decrementTTL, .pushEthernet, .popEthernet,
            .pushMPLSInFront, .pushNSH, .popNSH, .setNSH:
            return true
        }
    }

    // MARK: Lists and recirculation

    /// Carries out a list on a clone of the packet: what it changes ends with it.
    private mutating func runClone(
        _ program: UnsafeMutablePointer<ActionProgram>, _ start: Int, _ end: Int, _ working: inout Working
    ) -> Int32 {
        guard start < end else { return 0 }
        guard var clone = clone(&working) else { return 0 }
        let result = unsafe run(program, start, end, &clone)
        release(&clone, of: &working)
        return result
    }

    /// Sends a clone of the packet through the flow table once more.
    private mutating func recirculateClone(_ id: UInt32, _ working: inout Working) {
        guard var clone = clone(&working) else { return }
        if let next = unsafe recirculate(id, &clone), unsafe run(next, &clone) != 0 { countError(&clone) }
        release(&clone, of: &working)
    }

    /// A clone of a packet; nil if there are too many of them under way.
    private func clone(_ working: inout Working) -> Working? {
        guard working.level < Working.Limit.levels else {
            countError(&working)
            return nil
        }
        var clone = working
        clone.level &+= 1
        clone.isClone = true
        clone.holdsCopy = false
        return clone
    }

    /// Ends the work on a clone. If it has queued the slot that it shared, the packet must not change it any more.
    private mutating func release(_ clone: inout Working, of working: inout Working) {
        working.queuedIn = max(working.queuedIn, clone.isClone ? clone.queuedIn : clone.originQueuedIn)
        release(&clone)
    }

    /// Looks a packet up with another recirculation ID; makes an upcall if no flow matches.
    /// - Returns: the flow's program; nil if the packet's way has ended.
    private mutating func recirculate(_ id: UInt32, _ working: inout Working) -> UnsafeMutablePointer<ActionProgram>? {
        guard working.recirculations < Working.Limit.recirculations, recirculations < Working.Limit.allRecirculations
        else {
            countError(&working)
            return nil
        }
        working.recirculations &+= 1
        recirculations &+= 1
        if working.isKeyStale {
            guard extractKey(&working) else {
                countError(&working)
                return nil
            }
        }
        working.key.recircID = id
        let hash = FlowHash.lookupHash(flowHash(&working).value, working.key)
        return unsafe lookup(&working, hash: hash)
    }

    /// Extracts the key of a changed packet; metadata stays.
    private func extractKey(_ working: inout Working) -> Bool {
        var key = FlowKey(metadataOf: working.key)
        let packet = working.packet
        guard
            let offsets = KeyExtraction.extract(
                packet.bytes, networkType: packet.networkType, offload: packet.offload, into: &key)
        else { return false }
        working.key = key
        working.offsets = offsets
        working.isKeyStale = false
        return true
    }

    /// The hash of the packet's flow as it is now.
    func flowHash(_ working: inout Working) -> PacketHash {
        if let hash = working.hash { return hash }
        let hash = PacketHash(working.key, working.offsets)
        working.hash = hash
        return hash
    }

    // MARK: Decisions

    /// Whether a meter lets the packet pass. One that is not there does.
    private func meterAdmits(_ working: inout Working, _ id: UInt32) -> Bool {
        let slots = unsafe working.datapath.pointee.meters.load(ordering: .acquiring)
        guard let meter = unsafe slots.pointee.meter(id) else { return true }
        return unsafe meter.pointee.admits(length: working.packet.length, now: now, reader: reader)
    }

    /// Whether a packet is longer than so many bytes, all its headers included. Of one that stands for several it
    /// is enough that each of these is not.
    private func exceeds(_ working: inout Working, _ limit: Int) -> Bool {
        let packet = working.packet
        let length =
            working.maximumReceiveUnit == 0
            ? packet.length : Int(working.maximumReceiveUnit) &+ max(working.offsets.network, 0)
        guard length > limit else { return false }
        return !packet.offload.isSegmented || Segmentation.segmentLength(packet) > limit
    }
}
