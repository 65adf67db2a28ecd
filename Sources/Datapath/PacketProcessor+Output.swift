import OpenvSwitch
import Packets
import Synchronization

// Output: packets are queued for the ports they go to, and the slots they lie in are looked after.

extension ProcessorState {
    /// Queues the packet for a port. A port that does not exist drops it silently, as the kernel does. All ports are
    /// Ethernet, and drop a packet without Ethernet header.
    mutating func output(_ working: inout Working, to number: UInt16) {
        let ports = unsafe working.datapath.pointee.ports.load(ordering: .acquiring)
        guard let port = unsafe ports.pointee.entry(Int(number)) else { return }
        guard working.packet.networkType == 0 else {
            unsafe port.pointee.counters[reader].transmitDropped.add(1)
            return
        }
        if working.truncation < working.packet.length {
            unsafe outputTruncated(working, to: port)
        } else if unsafe (!port.pointee.takesOffloads || hidesTransport(working.key.etherType))
            && (working.packet.offload.isSegmented || working.packet.offload.isChecksumPartial)
        {
            unsafe outputCompleted(working, to: port)
        } else {
            working.queuedIn = queue.batch
            unsafe enqueue(working.packet, to: port)
        }
    }

    /// Whether hosts do not find the transport header behind a header of this EtherType.
    @inline(__always)
    private func hidesTransport(_ etherType: UInt16) -> Bool { etherType.isMPLS || etherType == EtherType.nsh }

    /// Queues a copy cut to the working packet's limit.
    private mutating func outputTruncated(_ working: borrowing Working, to port: UnsafeMutablePointer<PortEntry>) {
        guard var cut = takeCopy() else { return }
        cut.copy(from: working.packet)
        // What is cut off cannot be summed later.
        if !cut.offload.isSegmented { _ = ChecksumCompletion.complete(&cut) }
        cut.truncate(to: working.truncation)
        cut.offload = Offload()
        unsafe enqueue(cut, to: port)
    }

    /// Queues what the packet is on the wire: for a device that takes no work left undone, and of a packet with an MPLS
    /// label stack or a network service header, behind which a host does not find the headers that it would have to
    /// change.
    private mutating func outputCompleted(_ working: borrowing Working, to port: UnsafeMutablePointer<PortEntry>) {
        let segments = Segmentation.count(working.packet)
        for index in 0..<segments {
            guard var copy = takeCopy() else { return }
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
            unsafe enqueue(copy, to: port)
        }
    }

    @inline(__always)
    private mutating func enqueue(_ packet: Packet, to port: UnsafeMutablePointer<PortEntry>) {
        unsafe queue.append(packet, to: port, reader: reader)
        if queue.isFull { flushEarly() }
    }

    // MARK: Slots

    /// Makes the working packet one that may be changed: a copy if it is queued for a port, or is a clone. False if
    /// there is no slot.
    @inline(__always)
    mutating func ownPacket(_ working: inout Working) -> Bool {
        guard working.isClone || working.queuedIn == queue.batch else { return true }
        return copyPacket(&working)
    }

    private mutating func copyPacket(_ working: inout Working) -> Bool {
        guard var copy = takeCopy() else { return false }
        copy.copy(from: working.packet)
        release(&working)
        copies.hold(copy)
        if working.isClone { working.originQueuedIn = working.queuedIn }
        working.packet = copy
        working.queuedIn = 0
        working.isClone = false
        working.holdsCopy = true
        return true
    }

    /// Lets go of the slot that is held for a packet. It is free when what is queued has been transmitted.
    @inline(__always)
    mutating func release(_ working: inout Working) {
        if working.holdsCopy { copies.release(working.packet) }
    }

    /// A free slot; if there is none, after everything queued has been transmitted.
    private mutating func takeCopy() -> Packet? {
        if let packet = copies.take() { return packet }
        flushEarly()
        return copies.take()
    }

    /// Transmits what is queued in the middle of a batch and frees the copies, but for those of packets at work.
    private mutating func flushEarly() {
        let provider = shared.provider
        unsafe queue.flush(reader: reader) { unsafe provider.transmit($1, to: $0) }
        copies.reset()
    }
}
