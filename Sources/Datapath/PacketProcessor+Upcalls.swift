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
                content.portID = perThreadPortID(working)
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
        var content = content(PacketCommand.action, working, flowHash(&working), features)
        if content.portID == 0 {
            content.portID = features.contains(.dispatchUpcallPerCPU) ? perThreadPortID(working) : action.portID
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

    private func perThreadPortID(_ working: borrowing Working) -> UInt32 {
        unsafe working.datapath.pointee.perCPUPortIDs.load(ordering: .acquiring).pointee.choose(
            UInt32(truncatingIfNeeded: reader))
    }

    /// Sends an upcall: complete packets, one for each segment, each cut to `limit` bytes.
    private mutating func send(
        _ content: UpcallWriter.Content, _ working: borrowing Working, limit: Int, userdata: RawSpan?, actions: RawSpan?
    ) {
        let packet = working.packet
        let lost = unsafe working.datapath.pointee.counters + reader
        guard let receiver = shared.receiver, content.portID != 0 || receiver.watchesAll else {
            unsafe lost.pointee.lost.add(1)
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
            let result = unsafe upcalls.withMessage(
                content, key: working.key, tunnelOptions: tunnelOptions.bytes, userdata: userdata, actions: actions,
                packet: complete.bytes
            ) { receiver.deliver($0, to: content.portID) }
            if result == .delivered {
                if let port = unsafe working.port { unsafe port.pointee.counters[reader].upcallSuccess.add(1) }
            } else {
                // As in the kernel, a packet that was to go to nobody is lost, and no failed upcall.
                if let port = unsafe working.port, content.portID != 0 {
                    unsafe port.pointee.counters[reader].upcallFail.add(1)
                }
                unsafe lost.pointee.lost.add(1)
            }
        }
    }
}
