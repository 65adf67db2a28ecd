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

    /// Receives up to 32 frames from a device and gives them to the switch; fewer from a port whose packets take long.
    /// - Returns: false if there will never be another.
    mutating func receive(
        from endpoint: PortTable.Endpoint, _ token: UInt64, for port: PortReference, _ processor: PacketProcessor
    ) -> Bool {
        let most = processor.beginTurn(of: port)
        guard most > 0 else { return true }  // the poller will say it again
        while count < FrameBatch.capacity, let packet = processor.takePacket() {
            unsafe (free + count).initialize(to: packet)
            count += 1
        }
        // The slots beyond the port's share are out of reach during its turn.
        let kept = max(count - most, 0)
        count -= kept
        let usable = count
        defer {
            processor.endTurn(of: port, frames: usable - count)
            unsafe (free + count).update(from: free + usable, count: kept)
            count += kept
        }
        switch endpoint.kind {
        case .tap: return readFrames(endpoint.descriptor, token, for: port, processor)
        case .xdp where PortTable.source(token) > 0:
            takeFrames(token, for: port, processor)
            return true
        case .packetSocket, .xdp:
            guard let lane = table.lane(token) else { return true }
            guard let ring = lane.ring else {
                guard count > 0 else { return true }  // the batch is full; the poller will say it again
                return receiveMessages(lane.descriptor, most: count, token, for: port, processor) != -Int(EBADF)
            }
            return takeFrames(ring, lane.descriptor, token, for: port, processor)
        }
    }

    /// Forgets the slots, which the processor takes back.
    mutating func endBatch() { count = 0 }

    /// From a packet socket's queue, up to `most` frames, of as many free slots at least.
    /// - Returns: how many came, or the negative error number.
    private mutating func receiveMessages(
        _ descriptor: Int32, most: Int, _ token: UInt64, for port: PortReference, _ processor: PacketProcessor
    ) -> Int {
        for index in 0..<most { unsafe batch.prepareReceive(index, into: free[index]) }
        let received = batch.receive(descriptor, count: most)
        guard received > 0 else {
            // An error is the socket's, reported once: the interface went down (ENETDOWN), or a frame had an offload
            // that the virtio-net header has no word for (EINVAL), and is lost.
            if received == -Int(EINVAL) { table.countReceiveErrors(1, token) }
            return received
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
        return received
    }

    /// From a packet socket's ring.
    private mutating func takeFrames(
        _ ring: PacketRing.Reader, _ descriptor: Int32, _ token: UInt64, for port: PortReference,
        _ processor: PacketProcessor
    ) -> Bool {
        guard ring.content() != .nothing else {
            // The poller saw an error, which the socket tells once (ENETDOWN), or a frame that is in the queue already and
            // not yet in the ring.
            return FrameBatch.takeError(descriptor) != -Int(EBADF)
        }
        var used = 0
        while used < count {
            switch ring.content() {
            case .nothing:
                consume(used)
                return true
            case .frame:
                var packet = unsafe free[used]
                let (length, tag) = ring.copy(to: packet)
                ring.advance()
                guard length > Offload.wireSize else {
                    table.countReceiveErrors(1, token)
                    continue
                }
                used &+= 1
                Self.finish(&packet, length)
                if let tag { Self.insert(tag, &packet) }
                processor.process(packet, from: port)
            case .cut:
                ring.advance()
                table.countReceiveErrors(1, token)
            case .queued:
                consume(used)
                used = 0
                guard count > 0 else { return true }
                var run = 1
                while run < count, ring.content(ahead: run) == .queued { run &+= 1 }
                let received = receiveMessages(descriptor, most: run, token, for: port, processor)
                if received == -Int(EBADF) { return false }
                // A frame is in the queue before it is in the ring. If there is none, it has been lost on the way.
                if received == -Int(EAGAIN) {
                    ring.advance()
                    table.countReceiveErrors(1, token)
                }
                // After an error of the socket, which it tells once, they are still there.
                guard received > 0 else { return true }
                for _ in 0..<received { ring.advance() }
            }
        }
        consume(used)
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
    private static func insert(_ tag: VLANTag, _ packet: inout Packet) {
        guard packet.length >= 12, packet.prepend(4) else { return }
        let frame = unsafe packet.slot + packet.start
        // The frame has at least 16 bytes now; the addresses move to its new start.
        unsafe memmove(frame, frame + 4, 12)
        unsafe frame.storeBytes(of: tag.tpid.bigEndian, toByteOffset: 12, as: UInt16.self)
        unsafe frame.storeBytes(of: tag.tci.bigEndian, toByteOffset: 14, as: UInt16.self)
        packet.offload.shift(by: 4)
    }
}
