import Netlink
import OpenvSwitch
import Packets
import Synchronization

// Upcalls: packets that go to clients.

extension ProcessorState {
    /// Makes the upcall of a packet that no flow matched.
    mutating func miss(_ working: inout Working) {
        let features = features(of: working)
        let hash = flowHash(&working)
        var content = content(PacketCommand.miss, working, hash, features)
        if content.portID == 0 {
            if features.contains(.dispatchUpcallPerCPU) {
                content.portID = handlerPortID(working, hash)
            } else if let port = unsafe working.port {
                let portIDs = unsafe port.pointee.upcallPortIDs.load(ordering: .acquiring)
                content.portID = unsafe portIDs.pointee.choose(hash.value)
            }
        }
        send(content, working, limit: .max, userdata: nil, actions: nil)
    }

    /// Makes the upcall of a userspace action.
    mutating func userspace(
        _ action: UserspaceInstruction, _ program: UnsafeMutablePointer<ActionProgram>, _ working: inout Working
    ) {
        let features = features(of: working)
        let hash = flowHash(&working)
        var content = content(PacketCommand.action, working, hash, features)
        if content.portID == 0 {
            content.portID = features.contains(.dispatchUpcallPerCPU) ? handlerPortID(working, hash) : action.portID
        }
        let bytes = unsafe program.pointee.span
        let userdata = bytes.clamped(action.userdataStart..<(action.userdataStart + action.userdataCount))
        let actions = bytes.clamped(action.actionsStart..<(action.actionsStart + action.actionsCount))
        send(
            content, working, limit: working.truncation, userdata: action.hasUserdata ? userdata : nil,
            actions: action.includesActions ? actions : nil)
    }

    private func features(of working: borrowing Working) -> UserFeatures {
        unsafe UserFeatures(rawValue: working.datapath.pointee.features.load(ordering: .relaxed))
    }

    /// An upcall to whom the packet's client has named, if it has.
    private func content(
        _ command: UInt8, _ working: borrowing Working, _ hash: PacketHash, _ features: UserFeatures
    ) -> UpcallWriter.Content {
        unsafe UpcallWriter.Content(
            command: command, datapathIfindex: working.datapath.pointee.localIfindex.load(ordering: .relaxed),
            portID: working.upcallPortID, maximumReceiveUnit: working.maximumReceiveUnit, fullLength: nil, hash: hash,
            isUnaligned: features.contains(.unaligned))
    }

    /// One of the port IDs of all handlers. The kernel takes that of the processor, on which a flow's packets stay; a few
    /// packet threads would leave most handlers without work, so that here it is the flow that chooses.
    private func handlerPortID(_ working: borrowing Working, _ hash: PacketHash) -> UInt32 {
        unsafe working.datapath.pointee.perCPUPortIDs.load(ordering: .acquiring).pointee.choose(hash.value)
    }

    /// Sends an upcall: complete packets, one for each segment, each cut to `limit` bytes.
    private mutating func send(
        _ content: UpcallWriter.Content, _ working: borrowing Working, limit: Int, userdata: RawSpan?, actions: RawSpan?
    ) {
        let packet = working.packet
        guard let receiver = shared.receiver, content.portID != 0 || receiver.watchesAll else {
            unsafe working.datapath.pointee.counters[reader].lost.add(1)
            return
        }
        let needsWork = packet.offload.isSegmented || packet.offload.isChecksumPartial
        let count = needsWork ? Segmentation.count(packet) : 1
        let origin = unsafe UpcallWriter.Origin(port: working.port, datapath: working.datapath)
        guard !upcalls.isFull(content.portID, now: now) || receiver.watchesAll else {
            for _ in 0..<count { Self.count(origin, content.portID, isTaken: false, reader) }
            return
        }
        for index in 0..<count {
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
            while true {
                if let writer = unsafe upcalls.writer(for: content.portID),
                    unsafe writer.pointee.append(
                        content, from: origin, key: working.key, tunnelOptions: tunnelOptions.bytes, userdata: userdata,
                        actions: actions, packet: complete.bytes)
                {
                    break
                }
                // Without others beside it, it is too long.
                guard !upcalls.isEmpty else {
                    Self.count(origin, content.portID, isTaken: false, reader)
                    break
                }
                flushUpcalls()
            }
        }
    }

    /// Hands over the upcalls that have been gathered. At the end of a batch at the latest.
    @inline(never)
    mutating func flushUpcalls() {
        guard let receiver = shared.receiver else { return }
        let reader = reader
        upcalls.flush(to: receiver, now: now) { Self.count($0, $1, isTaken: $2, reader) }
    }

    private static func count(_ origin: UpcallWriter.Origin, _ portID: UInt32, isTaken: Bool, _ reader: Int) {
        if isTaken {
            if let port = unsafe origin.port { unsafe port.pointee.counters[reader].upcallSuccess.add(1) }
        } else {
            // As in the kernel, a packet that was to go to nobody is lost, and no failed upcall.
            if let port = unsafe origin.port, portID != 0 {
                unsafe port.pointee.counters[reader].upcallFail.add(1)
            }
            unsafe (origin.datapath.pointee.counters + reader).pointee.lost.add(1)
        }
    }
}
