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
                packet.removeFirst(5), packet.removeFirst(-1), packet.prepend(-1), packet.prepend(Int.max),
                packet.prepend(Packet.maximumLength - 3),
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
        }
    }

    /// What the headroom does not hold is made room for in the slot, which leaves some for the virtio-net header.
    @Test func aFrameMovesWhenTheHeadroomIsUsedUp() throws {
        for count in [Packet.headroom - 16, Packet.headroom - 15, 128, 252, 1000, 65_000, Packet.maximumLength - 4] {
            try withPacket([1, 2, 3, 4]) { packet, _ in
                expect(true, packet.prepend(count))
                #expect(packet.length == count + 4)
                #expect(Array(packet.array.suffix(4)) == [1, 2, 3, 4])
                #expect(packet.start >= 16 && packet.start + packet.length <= Packet.slotSize)
                expect(true, packet.removeFirst(count))
                #expect(packet.array == [1, 2, 3, 4])
            }
        }
        // Byte by byte through the whole slot.
        try withPacket([7]) { packet, _ in
            while packet.prepend(255) { #expect(packet.start >= 16 && packet.start + packet.length <= Packet.slotSize) }
            #expect(packet.length > Packet.maximumLength - 255)
            #expect(packet.array.last == 7)
        }
        // A frame from which much was taken lies far back.
        try withPacket([UInt8](repeating: 5, count: 60_000) + [6]) { packet, _ in
            expect(true, packet.removeFirst(60_000))
            expect(true, packet.prepend(65_000))
            #expect(packet.array.last == 6)
        }
    }

    /// A frame grows to the longest that there may be, wherever in its slot it lies.
    @Test func theLongestFrame() throws {
        for taken in [0, 1, 100, 60_000] {
            let rest = Packet.maximumLength - 200 - taken
            try withPacket([UInt8](repeating: 5, count: taken + rest - 1) + [6]) { packet, _ in
                expect(true, packet.removeFirst(taken))
                expect(false, packet.prepend(taken + 201))
                #expect(packet.length == rest)
                expect(true, packet.prepend(taken + 200))
                #expect(packet.length == Packet.maximumLength && packet.array.last == 6)
                #expect(packet.start >= 16 && packet.start + packet.length <= Packet.slotSize)
            }
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
