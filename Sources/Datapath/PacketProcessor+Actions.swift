import Netlink
import OpenvSwitch
import Packets
import Synchronization

extension ProcessorState {
    /// Carries out a program.
    /// - Returns: 0, or the error number that ended it; the packet is dropped then.
    mutating func run(_ program: UnsafeMutablePointer<ActionProgram>, _ working: inout Working) -> Int32 {
        let count = unsafe program.pointee.count
        var index = 0
        while index < count {
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
            case .drop: return 0
            case .setPriority(let value, let mask):
                working.key.priority = working.key.priority & ~mask | value & mask
            case .setMark(let value, let mask):
                working.key.skbMark = working.key.skbMark & ~mask | value & mask
            default:
                guard ownPacket(&working) else { return Errno.noMemory }
                guard edit(step, &working) else { return Errno.invalid }
            }
        }
        return 0
    }

    /// Changes a header. False if it is not there.
    private func edit(_ step: Instruction, _ working: inout Working) -> Bool {
        switch step {
        case .setEthernet(let source, let sourceMask, let destination, let destinationMask):
            return HeaderEdit.setEthernet(
                &working.packet, source: source, sourceMask: sourceMask, destination: destination,
                destinationMask: destinationMask, key: &working.key)
        case .setIPv4(let value, let mask):
            return HeaderEdit.setIPv4(&working.packet, working.offsets, value: value, mask: mask, key: &working.key)
        case .setIPv6(let value, let mask):
            return HeaderEdit.setIPv6(&working.packet, working.offsets, value: value, mask: mask, key: &working.key)
        case .setTCP(let ports):
            return HeaderEdit.setTCPPorts(
                &working.packet, working.offsets, source: ports.source, sourceMask: ports.sourceMask,
                destination: ports.destination, destinationMask: ports.destinationMask, key: &working.key)
        case .setUDP(let ports):
            return HeaderEdit.setUDPPorts(
                &working.packet, working.offsets, source: ports.source, sourceMask: ports.sourceMask,
                destination: ports.destination, destinationMask: ports.destinationMask, key: &working.key)
        case .setSCTP(let ports):
            return HeaderEdit.setSCTPPorts(
                &working.packet, working.offsets, source: ports.source, sourceMask: ports.sourceMask,
                destination: ports.destination, destinationMask: ports.destinationMask, key: &working.key)
        case .pushVLAN(let tpid, let tci):
            return HeaderEdit.pushVLAN(&working.packet, &working.offsets, tpid: tpid, tci: tci, key: &working.key)
        case .popVLAN:
            // Without a tag there is nothing to take off, and the packet goes on.
            _ = HeaderEdit.popVLAN(&working.packet, &working.offsets, key: &working.key)
            return true
        case .setMPLS(let entry, let mask):
            return HeaderEdit.setMPLS(&working.packet, working.offsets, entry: entry, mask: mask, key: &working.key)
        case .pushMPLS(let entry, let etherType):
            return HeaderEdit.pushMPLS(
                &working.packet, &working.offsets, entry: entry, etherType: etherType, key: &working.key)
        case .popMPLS(let etherType):
            return HeaderEdit.popMPLS(&working.packet, &working.offsets, etherType: etherType, key: &working.key)
        case .output, .userspace, .truncate, .drop, .setPriority, .setMark: return true
        }
    }

    // MARK: Output

    /// Queues the packet for a port. A port that does not exist drops it silently, as the kernel does.
    private mutating func output(_ working: inout Working, to number: UInt16) {
        let ports = unsafe working.datapath.pointee.ports.load(ordering: .acquiring)
        guard let port = unsafe ports.pointee.entry(Int(number)) else { return }
        if working.truncation < working.packet.length {
            unsafe outputTruncated(&working, to: port)
        } else if unsafe (!port.pointee.takesOffloads || working.key.etherType.isMPLS)
            && (working.packet.offload.isSegmented || working.packet.offload.isChecksumPartial)
        {
            unsafe outputCompleted(&working, to: port)
        } else {
            unsafe enqueue(working.packet, to: port, &working)
            working.isQueued = true
        }
    }

    /// Queues a copy cut to the working packet's limit.
    private mutating func outputTruncated(_ working: inout Working, to port: UnsafeMutablePointer<PortEntry>) {
        guard var cut = takeCopy(&working) else { return }
        cut.copy(from: working.packet)
        // What is cut off cannot be summed later.
        if !cut.offload.isSegmented { _ = ChecksumCompletion.complete(&cut) }
        cut.truncate(to: working.truncation)
        cut.offload = Offload()
        unsafe enqueue(cut, to: port, &working)
    }

    /// Queues what the packet is on the wire: for a device that takes no work left undone, and of a packet with an MPLS
    /// label stack, behind which a host does not find the headers that it would have to change.
    private mutating func outputCompleted(_ working: inout Working, to port: UnsafeMutablePointer<PortEntry>) {
        let segments = Segmentation.count(working.packet)
        for index in 0..<segments {
            guard var copy = takeCopy(&working) else { return }
            let isSound: Bool
            if working.packet.offload.isSegmented {
                isSound = Segmentation.writeSegment(index, of: working.packet, to: &copy)
            } else {
                copy.copy(from: working.packet)
                isSound = ChecksumCompletion.complete(&copy)
            }
            guard isSound else {
                unsafe port.pointee.counters[reader].errors.add(1)
                return
            }
            unsafe enqueue(copy, to: port, &working)
        }
    }

    @inline(__always)
    private mutating func enqueue(
        _ packet: Packet, to port: UnsafeMutablePointer<PortEntry>, _ working: inout Working
    ) {
        unsafe queue.append(packet, to: port, reader: reader)
        if queue.isFull { flushEarly(&working) }
    }

    // MARK: Slots

    /// Makes the working packet one that may be changed: a copy if it is queued for a port. False if there is no slot.
    @inline(__always)
    private mutating func ownPacket(_ working: inout Working) -> Bool {
        guard working.isQueued else { return true }
        return copyPacket(&working)
    }

    private mutating func copyPacket(_ working: inout Working) -> Bool {
        guard var copy = takeCopy(&working) else { return false }
        copy.copy(from: working.packet)
        working.packet = copy
        working.isQueued = false
        working.isCopy = true
        return true
    }

    /// A free slot; if there is none, after everything queued has been transmitted.
    private mutating func takeCopy(_ working: inout Working) -> Packet? {
        if let packet = copies.take() { return packet }
        flushEarly(&working)
        return copies.take()
    }

    /// Transmits what is queued in the middle of a batch and frees the copies, but for the packet at work.
    private mutating func flushEarly(_ working: inout Working) {
        let provider = shared.provider
        unsafe queue.flush(reader: reader) { unsafe provider.transmit($1, to: $0) }
        copies.reset()
        working.isQueued = false
        if working.isCopy, var kept = copies.take() {
            if unsafe kept.slot != working.packet.slot {
                kept.copy(from: working.packet)
            } else {
                kept = working.packet
            }
            working.packet = kept
        }
    }

    // MARK: Upcalls

    /// Makes the upcall of a packet that no flow matched.
    mutating func upcall(
        miss packet: Packet, key: FlowKey, offsets: HeaderOffsets, hash: UInt32,
        datapath: UnsafeMutablePointer<DatapathEntry>, port: UnsafeMutablePointer<PortEntry>
    ) {
        let features = unsafe UserFeatures(rawValue: datapath.pointee.features.load(ordering: .relaxed))
        let portID =
            features.contains(.dispatchUpcallPerCPU)
            ? unsafe perThreadPortID(datapath)
            : unsafe port.pointee.upcallPortIDs.load(ordering: .acquiring).pointee.choose(hash)
        let content = unsafe UpcallWriter.Content(
            command: PacketCommand.miss, datapathIfindex: datapath.pointee.localIfindex.load(ordering: .relaxed),
            portID: portID, fullLength: nil, hash: hash, hasTransport: offsets.transport >= 0,
            isUnaligned: features.contains(.unaligned))
        unsafe send(content, packet, key, limit: .max, userdata: nil, actions: nil, datapath, port)
    }

    private mutating func userspace(
        _ action: UserspaceInstruction, _ program: UnsafeMutablePointer<ActionProgram>, _ working: inout Working
    ) {
        let features = unsafe UserFeatures(rawValue: working.datapath.pointee.features.load(ordering: .relaxed))
        let content = unsafe UpcallWriter.Content(
            command: PacketCommand.action,
            datapathIfindex: working.datapath.pointee.localIfindex.load(ordering: .relaxed),
            portID: features.contains(.dispatchUpcallPerCPU) ? perThreadPortID(working.datapath) : action.portID,
            fullLength: nil, hash: working.hash, hasTransport: working.offsets.transport >= 0,
            isUnaligned: features.contains(.unaligned))
        let bytes = unsafe program.pointee.span
        let userdata = bytes.clamped(action.userdataStart..<(action.userdataStart + action.userdataCount))
        unsafe send(
            content, working.packet, working.key, limit: working.truncation,
            userdata: action.hasUserdata ? userdata : nil, actions: action.includesActions ? bytes : nil,
            working.datapath, working.port)
    }

    private func perThreadPortID(_ datapath: UnsafeMutablePointer<DatapathEntry>) -> UInt32 {
        unsafe datapath.pointee.perCPUPortIDs.load(ordering: .acquiring).pointee.choose(
            UInt32(truncatingIfNeeded: reader))
    }

    /// Sends an upcall: complete packets, one for each segment, each cut to `limit` bytes.
    private mutating func send(
        _ content: UpcallWriter.Content, _ packet: Packet, _ key: FlowKey, limit: Int, userdata: RawSpan?,
        actions: RawSpan?, _ datapath: UnsafeMutablePointer<DatapathEntry>, _ port: UnsafeMutablePointer<PortEntry>?
    ) {
        guard let receiver = shared.receiver, content.portID != 0 || receiver.watchesAll else {
            unsafe datapath.pointee.counters[reader].lost.add(1)
            return
        }
        let needsWork = packet.offload.isSegmented || packet.offload.isChecksumPartial
        for index in 0..<(needsWork ? Segmentation.count(packet) : 1) {
            var complete = packet
            if needsWork {
                scratch.reset()
                guard var copy = scratch.take() else { return }
                if packet.offload.isSegmented {
                    guard Segmentation.writeSegment(index, of: packet, to: &copy) else { return }
                } else {
                    copy.copy(from: packet)
                    guard ChecksumCompletion.complete(&copy) else { return }
                }
                complete = copy
            }
            var content = content
            if complete.length > limit {
                content.fullLength = complete.length
                complete.truncate(to: limit)
            }
            let result = upcalls.withMessage(
                content, key: key, userdata: userdata, actions: actions, packet: complete.bytes
            ) { receiver.deliver($0, to: content.portID) }
            if result == .delivered {
                if let port = unsafe port { unsafe port.pointee.counters[reader].upcallSuccess.add(1) }
            } else {
                // As in the kernel, a packet that was to go to nobody is lost, and no failed upcall.
                if let port = unsafe port, content.portID != 0 {
                    unsafe port.pointee.counters[reader].upcallFail.add(1)
                }
                unsafe datapath.pointee.counters[reader].lost.add(1)
            }
        }
    }
}
