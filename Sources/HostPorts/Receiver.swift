import Datapath
import Glibc
import Packets

/// Receives frames into the slots of a packet processor. One per worker.
@safe
struct Receiver: ~Copyable {
    private let table: PortTable
    private let batch = FrameBatch()
    // Slots of the batch that have been taken and not been used; the first `count` of `FrameBatch.capacity` entries.
    private let free: UnsafeMutablePointer<Packet>
    private var count = 0

    init(_ table: PortTable) {
        self.table = table
        unsafe free = .allocate(capacity: FrameBatch.capacity)
    }

    deinit { unsafe free.deallocate() }

    /// Receives up to 32 frames from a device and gives them to the switch.
    /// - Returns: false if there will never be another.
    mutating func receive(
        from endpoint: PortTable.Endpoint, _ token: UInt64, for port: PortReference, _ processor: PacketProcessor
    ) -> Bool {
        while count < FrameBatch.capacity, let packet = processor.takePacket() {
            unsafe (free + count).initialize(to: packet)
            count += 1
        }
        switch endpoint.kind {
        case .tap: return readFrames(endpoint.descriptor, token, for: port, processor)
        case .xdp where PortTable.source(token) > 0: takeFrames(token, for: port, processor)
        case .packetSocket, .xdp: return receiveMessages(endpoint.descriptor, token, for: port, processor)
        }
        return true
    }

    /// Forgets the slots, which the processor takes back.
    mutating func endBatch() { count = 0 }

    private mutating func receiveMessages(
        _ descriptor: Int32, _ token: UInt64, for port: PortReference, _ processor: PacketProcessor
    ) -> Bool {
        guard count > 0 else { return true }  // the batch is full; the poller will say it again
        for index in 0..<count { unsafe batch.prepareReceive(index, into: free[index]) }
        let received = batch.receive(descriptor, count: count)
        guard received > 0 else {
            // An error is the socket's, reported once: the interface went down (ENETDOWN), or a frame had an offload
            // that the virtio-net header has no word for (EINVAL), and is lost.
            if received == -Int(EINVAL) { table.countReceiveErrors(1, token) }
            return received != -Int(EBADF)
        }
        for index in 0..<received {
            var packet = unsafe free[index]
            guard let length = batch.receivedLength(index), length > Offload.wireSize else {
                table.countReceiveErrors(1, token)
                continue
            }
            Self.finish(&packet, length)
            if let tag = batch.vlanTag(index) { Self.insert(tag, &packet) }
            processor.process(packet, from: port)
        }
        consume(received)
        return true
    }

    private mutating func readFrames(
        _ descriptor: Int32, _ token: UInt64, for port: PortReference, _ processor: PacketProcessor
    ) -> Bool {
        var used = 0
        var isAlive = true
        while used < count {
            var packet = unsafe free[used]
            let length = FrameBatch.read(descriptor, into: packet)
            guard length > 0 else {
                isAlive = length != -Int(EBADFD) && length != -Int(EBADF)
                break
            }
            used += 1
            guard length > Offload.wireSize else { continue }
            Self.finish(&packet, length)
            processor.process(packet, from: port)
        }
        consume(used)
        return isAlive
    }

    /// Takes frames from the queue of an AF_XDP port that the token names.
    private mutating func takeFrames(_ token: UInt64, for port: PortReference, _ processor: PacketProcessor) {
        let number = PortTable.source(token) - 1
        guard let queues = table.queues(token), number >= 0, number < queues.count else { return }
        // This thread alone receives from the queue.
        let side = unsafe queues[number].receiving
        let frames = min(unsafe side.pointee.filled, count)
        guard frames > 0 else { return }
        for index in 0..<frames {
            var packet = unsafe free[index]
            guard unsafe side.pointee.take(&packet), packet.length > 0 else {
                table.countReceiveErrors(1, token)
                continue
            }
            packet.recognizePartialChecksum()
            processor.process(packet, from: port)
        }
        unsafe side.pointee.finish()
        consume(frames)
    }

    /// Takes the first `used` slots out.
    private mutating func consume(_ used: Int) {
        count -= used
        unsafe free.update(from: free + used, count: count)
    }

    /// Says what has been written to a packet's slot.
    /// - Parameter length: bytes with the virtio-net header.
    @inline(__always)
    private static func finish(_ packet: inout Packet, _ length: Int) {
        // The header was received in front of the buffer.
        let header = unsafe packet.slot + (Packet.headroom - Offload.wireSize)
        packet.setReceived(length - Offload.wireSize, offload: unsafe Offload(virtioNetHeader: header))
    }

    /// Puts a VLAN tag back between the addresses and the EtherType.
    private static func insert(_ tag: (tpid: UInt16, tci: UInt16), _ packet: inout Packet) {
        guard packet.length >= 12, packet.prepend(4) else { return }
        let frame = unsafe packet.slot + packet.start
        // The frame has at least 16 bytes now; the addresses move to its new start.
        unsafe memmove(frame, frame + 4, 12)
        unsafe frame.storeBytes(of: tag.tpid.bigEndian, toByteOffset: 12, as: UInt16.self)
        unsafe frame.storeBytes(of: tag.tci.bigEndian, toByteOffset: 14, as: UInt16.self)
        packet.offload.shift(by: 4)
    }
}
