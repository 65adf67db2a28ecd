import OpenvSwitch
import Packets
import Testing

@Suite struct SegmentationTests {
    /// Cuts a frame and gives back all segments, or nil if one of them was refused.
    func segments(_ frame: [UInt8], _ offload: Offload) throws -> [[UInt8]]? {
        try withPacket(frame, offload: offload) { packet, output in
            let count = Segmentation.count(packet)
            try #require(count >= 1 && count <= Packet.maximumLength)
            #expect(!Segmentation.writeSegment(count, of: packet, to: &output))
            #expect(!Segmentation.writeSegment(-1, of: packet, to: &output))
            var result: [[UInt8]] = []
            for index in 0..<count {
                guard Segmentation.writeSegment(index, of: packet, to: &output) else { return nil }
                #expect(output.offload == Offload())
                result.append(output.array)
            }
            #expect(packet.array == frame)
            return result
        }
    }

    @Test func theLongestSegmentIsKnownBefore() throws {
        for (payload, size) in [(3000, 1448), (1448, 1448), (100, 1448), (1449, 1448), (60_000, 1)] {
            let frame = Build.ethernet(
                EtherType.ipv4, tags: [(0x8100, 3)], Build.ipv4(6, Build.tcp([UInt8](repeating: 1, count: payload))))
            var offload = partialOffload(
                transport: 38, 6, segmentation: Offload.tcpv4, segmentSize: UInt16(size))
            let longest = try #require(try segments(frame, offload)).map(\.count).max()
            #expect(
                try withPacket(frame, offload: offload) { packet, _ in Segmentation.segmentLength(packet) } == longest)
            // A packet that is none of these is as long as it is.
            offload.segmentation = Offload.tcpv6
            #expect(
                try withPacket(frame, offload: offload) { packet, _ in Segmentation.segmentLength(packet) }
                    == frame.count)
            #expect(try withPacket(frame) { packet, _ in Segmentation.segmentLength(packet) } == frame.count)
        }
    }

    struct Shape: Sendable, CustomTestStringConvertible {
        var isIPv4: Bool
        var number: UInt8
        var tags: Int
        var labels: Int
        var isPartial: Bool
        var testDescription: String {
            "\(isIPv4 ? "IPv4" : "IPv6") \(number), \(tags) tags, \(labels) labels, partial \(isPartial)"
        }
    }

    static let shapes: [Shape] = [true, false].flatMap { isIPv4 in
        [6, 17].flatMap { number in
            [(0, 0), (1, 0), (2, 0), (0, 1), (0, 4), (2, 32)].flatMap { tags, labels in
                [true, false].map {
                    Shape(isIPv4: isIPv4, number: number, tags: tags, labels: labels, isPartial: $0)
                }
            }
        }
    }

    @Test(arguments: shapes)
    func reassembles(_ shape: Shape) throws {
        var random = SplitMix64(seed: 0x5eed_0005)
        let sizes = [(1, 1), (10, 3), (3000, 1448), (2896, 1448), (1448, 1448), (5, 1448), (60_000, 1400)]
        for (payloadLength, size) in sizes {
            let payload = random.bytes(payloadLength)
            let flags: UInt16 = 0x0f9  // FIN, PSH, ACK, URG, ECE, CWR
            let timestamps: [UInt8] = [1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8]
            let message =
                shape.number == 6
                ? Build.tcp(sequence: 0xffff_ff00, flags: flags, options: timestamps, payload)
                : Build.udp(payload)
            let chain = shape.isIPv4 ? [] : Build.extensionHeader(next: shape.number)
            let options: [UInt8] = shape.isIPv4 ? [1, 1, 1, 0] : []
            let packet =
                shape.isIPv4
                ? Build.ipv4(shape.number, identification: 0xfffe, options: options, message)
                : Build.ipv6(60, chain + message)
            let network = 14 + 4 * shape.tags + 4 * shape.labels
            let transport = network + (shape.isIPv4 ? 24 : 40 + chain.count)
            let left = shape.isPartial ? Build.partial(packet, transport: transport - network, shape.number) : packet
            let type = shape.isIPv4 ? EtherType.ipv4 : EtherType.ipv6
            let frame = Build.ethernet(
                shape.labels > 0 ? EtherType.mplsUnicast : type,
                tags: Array([(0x88a8, 5), (0x8100, 6)].suffix(shape.tags)),
                Build.mpls((0..<UInt32(shape.labels)).map { $0 }, left))
            var offload = partialOffload(
                transport: transport, shape.number,
                segmentation: shape.number == 17
                    ? Offload.udpSegments : (shape.isIPv4 ? Offload.tcpv4 : Offload.tcpv6) | Offload.ecn,
                segmentSize: UInt16(size))
            if !shape.isPartial { offload.flags = 0 }

            let result = try #require(try segments(frame, offload))
            #expect(result.count == (payloadLength + size - 1) / size)
            var joined: [UInt8] = []
            let headers = transport + (shape.number == 6 ? 32 : 8)
            for (index, segment) in result.enumerated() {
                #expect(segment.count - headers == (index < result.count - 1 ? size : payloadLength - joined.count))
                #expect(Array(segment[..<network]) == Array(frame[..<network]))
                #expect(Reference.isTransportValid(segment, network: network, transport: transport, shape.number))
                if shape.isIPv4 {
                    #expect(Reference.isIPv4Valid(segment, network: network))
                    #expect(Int(Reference.number(segment, network + 2, 2)) == segment.count - network)
                    #expect(Int(Reference.number(segment, network + 4, 2)) == (0xfffe + index) & 0xffff)
                } else {
                    #expect(Int(Reference.number(segment, network + 4, 2)) == segment.count - network - 40)
                }
                if shape.number == 6 {
                    let sequence = UInt32(Reference.number(segment, transport + 4, 4))
                    #expect(sequence == 0xffff_ff00 &+ UInt32(joined.count))
                    let isLast = index == result.count - 1
                    let expected = 0x070 | (index == 0 ? 0x080 : 0) | (isLast ? 0x009 : 0) as UInt64
                    #expect(Reference.number(segment, transport + 12, 2) & 0xfff == expected)
                } else {
                    #expect(Int(Reference.number(segment, transport + 4, 2)) == segment.count - transport)
                    #expect(Reference.number(segment, transport + 6, 2) != 0)
                }
                joined += segment[headers...]
            }
            #expect(joined == payload)
        }
    }

    @Test func behindARoutingHeader() throws {
        // Only the partial checksum knows the last destination.
        let last = IPv6Address(high: 0xfd77_0000_0000_0001, low: 0x77)
        let payload = [UInt8](repeating: 0x5a, count: 100)
        let chain = [6, 2, 0, 1, 0, 0, 0, 0] + Build.address(last)
        let message = Build.tcp(payload)
        // The sum over the pseudo header with the last destination.
        let direct = Build.partial(Build.ipv6(6, destination: last, message), transport: 40, 6)
        let frame = Build.ethernet(EtherType.ipv6, Build.ipv6(43, chain + Array(direct[40...])))
        let offload = partialOffload(
            transport: 54 + chain.count, 6, segmentation: Offload.tcpv6, segmentSize: 30)
        let result = try #require(try segments(frame, offload))
        #expect(result.count == 4)
        for segment in result {
            let arrived = Build.ethernet(
                EtherType.ipv6, Build.ipv6(6, destination: last, Array(segment[(54 + chain.count)...])))
            #expect(Reference.isTransportValid(arrived, network: 14, transport: 54, 6))
        }
    }

    @Test func wholePacketsCountAsOne() throws {
        try withPacket(Build.tcp4) { packet, output in
            #expect(Segmentation.count(packet) == 1)
            #expect(!Segmentation.writeSegment(0, of: packet, to: &output))
            packet.offload = partialOffload(transport: 34, 6, segmentation: Offload.tcpv4, segmentSize: 3)
            #expect(Segmentation.count(packet) == 4)
            var same = packet
            #expect(!Segmentation.writeSegment(0, of: packet, to: &same))
        }
    }

    @Test func wrongKindsAreRefused() throws {
        let udp4 = Build.ethernet(EtherType.ipv4, Build.ipv4(17, Build.udp(Array(1...50))))
        let tcp6 = Build.ethernet(EtherType.ipv6, Build.ipv6(6, Build.tcp(Array(1...50))))
        let first = Build.ethernet(EtherType.ipv4, Build.ipv4(6, fragment: 0x2000, Build.tcp(Array(1...50))))
        let later = Build.ethernet(EtherType.ipv4, Build.ipv4(6, fragment: 0x0001, Build.tcp(Array(1...50))))
        let tcp = Array(Build.tcp4[14...])
        let endless = Build.ethernet(EtherType.mplsUnicast, [UInt8](repeating: 0, count: 200))
        let deep = Build.ethernet(EtherType.mplsUnicast, Build.mpls((0..<33).map { $0 }, tcp))
        let version = Build.ethernet(EtherType.mplsUnicast, Build.mpls([1], [0x55] + tcp.dropFirst()))
        let bare = Build.ethernet(EtherType.mplsUnicast, Build.mpls([1], []))
        let cases: [([UInt8], UInt8)] = [
            (endless, Offload.tcpv4), (deep, Offload.tcpv4), (version, Offload.tcpv4), (bare, Offload.tcpv4),
            (Array(bare.dropLast()), Offload.tcpv4), (Array(bare[..<14]), Offload.tcpv4),
            (udp4, Offload.tcpv4), (tcp6, Offload.tcpv4), (Build.tcp4, Offload.tcpv6),
            (Build.tcp4, Offload.udpSegments),
            (udp4, Offload.udpFragments), (first, Offload.tcpv4), (later, Offload.tcpv4), (Build.arp(), Offload.tcpv4),
            (udp4, 2), (udp4, 0x7f), (udp4, Offload.ecn), ([], Offload.tcpv4), ([1, 2, 3], Offload.udpSegments),
        ]
        for (frame, segmentation) in cases {
            var offload = partialOffload(transport: 34, 6, segmentation: segmentation, segmentSize: 5)
            #expect(try segments(frame, offload) == nil, "\(segmentation)")
            offload.segmentSize = 0
            #expect(try segments(frame, offload) == nil, "\(segmentation)")
        }
    }

    @Test func segmentSizeOfZero() throws {
        #expect(try segments(Build.tcp4, partialOffload(transport: 34, 6, segmentation: Offload.tcpv4)) == nil)
    }

    @Test func hostileOffloads() throws {
        var random = SplitMix64(seed: 0x5eed_0006)
        let samples = Build.samples
        var written = 0
        for round in 0..<20_000 {
            // Mostly frames that are what their offload says, so that the cutting itself is reached.
            let fitting = [
                ("tcp4", Offload.tcpv4), ("tcp6", Offload.tcpv6), ("udp4 qinq", Offload.udpSegments),
                ("mpls vlan", Offload.tcpv4), ("mpls deep", Offload.udpSegments),
            ].randomElement(using: &random)
            let isFitting = !random.chance(4)
            let name = isFitting ? fitting?.0 : samples.randomElement(using: &random)?.name
            var frame = samples.first { $0.name == name }?.frame ?? []
            frame += random.bytes(random.below(40))
            for _ in 0..<random.below(4) { frame[random.below(frame.count)] = random.number() }
            frame = Array(frame[..<(frame.count - (random.chance(4) ? random.below(frame.count) : 0))])
            var offload = Offload()
            offload.flags = random.number() & 3
            offload.segmentation = isFitting ? fitting?.1 ?? 0 : random.number()
            offload.headerLength = random.number()
            offload.segmentSize = random.chance(8) ? random.number() : UInt16(random.below(30))
            offload.checksumStart = random.chance(4) ? random.number() : UInt16(random.below(frame.count + 2))
            offload.checksumOffset = random.chance(4) ? random.number() : UInt16(random.below(20))
            try withPacket(frame, offload: offload) { packet, output in
                let count = Segmentation.count(packet)
                if count < 1 || count > max(1, frame.count) { Issue.record("round \(round): \(count) segments") }
                for index in 0..<count where Segmentation.writeSegment(index, of: packet, to: &output) {
                    written += 1
                    if output.length > frame.count || output.offload != Offload() { Issue.record("round \(round)") }
                }
                packet.offload.segmentation = 0
                if ChecksumCompletion.complete(&packet), packet.offload.isChecksumPartial {
                    Issue.record("round \(round)")
                }
                if packet.array.count != frame.count { Issue.record("round \(round)") }
            }
        }
        #expect(written > 20_000)
    }

    @Test func anIPPacketCannotBeLongerThanItsLengthField() throws {
        let payload = [UInt8](repeating: 1, count: 65_700)
        let frame = Build.ethernet(EtherType.ipv4, Build.ipv4(6, Build.tcp(payload)))
        let whole = partialOffload(transport: 34, 6, segmentation: Offload.tcpv4, segmentSize: 65_535)
        #expect(try segments(frame, whole) == nil)
        let cut = partialOffload(transport: 34, 6, segmentation: Offload.tcpv4, segmentSize: 32_000)
        #expect(try segments(frame, cut)?.count == 3)
    }
}
