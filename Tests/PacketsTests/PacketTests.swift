import OpenvSwitch
import Packets
import Testing

@Suite struct PacketTests {
    /// A mutating call cannot stand inside the macro.
    func expect(_ expected: Bool, _ actual: Bool, _ location: SourceLocation = #_sourceLocation) {
        #expect(actual == expected, sourceLocation: location)
    }

    @Test func growingAndShrinking() throws {
        try withPacket([1, 2, 3, 4]) { packet, _ in
            let refused = [
                packet.removeFirst(5), packet.removeFirst(-1), packet.prepend(-1), packet.prepend(Packet.headroom),
                packet.prepend(Int.max),
            ]
            #expect(refused == [false, false, false, false, false])
            #expect(packet.array == [1, 2, 3, 4])
            expect(true, packet.removeFirst(1))
            #expect(packet.array == [2, 3, 4])
            expect(true, packet.prepend(1))
            #expect(packet.array == [1, 2, 3, 4])
            packet.truncate(to: 9)
            #expect(packet.length == 4)
            packet.truncate(to: 2)
            #expect(packet.array == [1, 2])
            packet.truncate(to: -1)
            #expect(packet.length == 0)
            // Room for the virtio-net header stays in front.
            expect(true, packet.prepend(Packet.headroom - 16))
            expect(false, packet.prepend(1))
        }
    }

    @Test func copies() throws {
        let offload = partialOffload(transport: 34, 6, segmentation: Offload.tcpv4, segmentSize: 5)
        try withPacket(Build.tcp4, offload: offload) { packet, other in
            expect(true, packet.prepend(20))
            expect(true, packet.removeFirst(22))
            other.copy(from: packet)
            #expect(other.array == Array(Build.tcp4[2...]))
            #expect(other.offload == offload)
            expect(true, other.assign([7, 8].raw))
            #expect(other.array == [7, 8])
            #expect(other.offload == Offload())
            #expect(packet.array == Array(Build.tcp4[2...]))
            expect(false, other.assign([UInt8](repeating: 0, count: Packet.maximumLength + 1).raw))
            #expect(other.array == [7, 8])
            expect(true, other.assign([UInt8](repeating: 9, count: Packet.maximumLength).raw))
            #expect(other.length == Packet.maximumLength)
            expect(false, other.prepend(1))
            other.setReceived(Int.max)
            #expect(other.length == Packet.maximumLength)
            other.setReceived(-1)
            #expect(other.length == 0)
        }
    }

    @Test func poolRunsOut() {
        var pool = PacketPool(capacity: 2)
        #expect(pool.available == 2)
        var taken = 0
        while pool.take() != nil, taken < 10 { taken += 1 }
        #expect(taken == 2)
        #expect(pool.available == 0)
        pool.reset()
        #expect(pool.available == 2)
    }

    @Test func aSlotThatIsHeldStays() throws {
        for capacity in [1, 3, 64, 65, 192, 256] {
            var pool = PacketPool(capacity: capacity)
            var slots: Set<UnsafeMutableRawPointer> = unsafe []
            var last: Packet?
            while let packet = pool.take() {
                last = packet
                #expect(unsafe slots.insert(packet.slot).inserted)
            }
            #expect(unsafe slots.count == capacity)
            let kept = try #require(last)
            pool.hold(kept)
            pool.reset()
            #expect(pool.available == capacity - 1)
            var taken = 0
            while let packet = pool.take() {
                taken += 1
                #expect(unsafe packet.slot != kept.slot)
            }
            #expect(taken == capacity - 1)
            // Released, it is free with the next reset and not before: it may be queued.
            pool.release(kept)
            #expect(pool.take()?.length == nil)
            pool.reset()
            #expect(pool.available == capacity)
        }
    }

    @Test func offsetsMoveWithTheHeaders() {
        var offload = Offload()
        offload.shift(by: 4)
        #expect(offload == Offload())
        offload.flags = Offload.needsChecksum
        (offload.checksumStart, offload.headerLength) = (34, 54)
        offload.shift(by: 4)
        #expect((offload.checksumStart, offload.headerLength) == (38, 58))
        offload.checksumStart = 2
        offload.shift(by: -4)
        #expect(offload.checksumStart == 65_534)

        var offsets = HeaderOffsets()
        offsets.shift(by: 4)
        #expect(offsets == HeaderOffsets())
        offsets = HeaderOffsets(network: 14, transport: 34)
        offsets.shift(by: -4)
        #expect(offsets == HeaderOffsets(network: 10, transport: 30))
    }
}
