import OpenvSwitch
import Packets
import Testing

@Suite struct ChecksumTests {
    @Test func sumsOfAllLengths() {
        var random = SplitMix64(seed: 0x5eed_0003)
        for length in 0..<600 {
            let bytes = random.bytes(length)
            #expect(InternetChecksum.fold(InternetChecksum.sum(bytes.raw)) == Reference.sum(bytes), "\(length) bytes")
        }
        for length in [1, 8, 1500, 65_535] {
            let ones = [UInt8](repeating: 0xff, count: length)
            #expect(InternetChecksum.fold(InternetChecksum.sum(ones.raw)) == Reference.sum(ones), "\(length) bytes")
        }
        #expect(InternetChecksum.fold(InternetChecksum.sum([UInt8](repeating: 0, count: 99).raw)) == 0)
    }

    @Test func knownValues() {
        // RFC 1071, 3: the words 0001 f203 f4f5 f6f7 sum up to ddf2.
        let example: [UInt8] = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]
        #expect(InternetChecksum.checksum(example.raw) == ~0xddf2)
        #expect(InternetChecksum.fold(UInt64.max) == 0xffff)
        #expect(InternetChecksum.fold(0x1_0000) == 1)
        // RFC 1624, 4: the checksum dd2f after 5555 became 3285 is 0000.
        #expect(InternetChecksum.updated(0xdd2f, by: InternetChecksum.difference(from: 0x5555, to: 0x3285)) == 0)
        // The check value of CRC-32C, and RFC 3720, B.4: 32 bytes of zeros.
        #expect(CRC32C.checksum(Array("123456789".utf8).raw) == 0xe306_9283)
        #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32).raw) == 0x8a91_36aa)
    }

    @Test func pseudoHeaders() {
        let four = Build.ipv4(6, [1, 2, 3])
        #expect(
            InternetChecksum.fold(
                InternetChecksum.pseudoHeader(
                    source: Build.source4, destination: Build.destination4, protocolNumber: 6, length: 70_000))
                == Reference.sum(Reference.pseudoHeader(four, 6, 70_000)))
        let six = Build.ipv6(58, [1, 2, 3])
        #expect(
            InternetChecksum.fold(
                InternetChecksum.pseudoHeader(
                    source: Build.source6, destination: Build.destination6, protocolNumber: 58, length: 1234))
                == Reference.sum(Reference.pseudoHeader(six, 58, 1234)))
    }

    @Test func crcDifferences() {
        var random = SplitMix64(seed: 0x5eed_0004)
        for length in [4, 5, 12, 100, 1500, 65_000] {
            var bytes = random.bytes(length)
            let before = CRC32C.checksum(bytes.raw)
            if length < 2000 { #expect(before == Reference.crc32c(bytes)) }
            let change: UInt32 = random.number()
            for (index, byte) in Build.big(change).enumerated() { bytes[index] ^= byte }
            #expect(CRC32C.checksum(bytes.raw) == before ^ CRC32C.difference(of: change, followedBy: length - 4))
        }
        var bytes = random.bytes(40)
        let skipping = CRC32C.checksum(bytes.raw, zeroFieldAt: 8)
        bytes.replaceSubrange(8..<12, with: [0, 0, 0, 0])
        #expect(skipping == Reference.crc32c(bytes))
    }

    // MARK: Completion

    @Test func completion() throws {
        for (number, message): (UInt8, [UInt8]) in [
            (6, Build.tcp(Array(1...9))), (17, Build.udp(Array(1...200))), (17, Build.udp()),
        ] {
            let packet = Build.ipv4(number, message)
            let partial = Build.ethernet(EtherType.ipv4, Build.partial(packet, transport: 20, number))
            try withPacket(partial, offload: partialOffload(transport: 34, number)) { packet, _ in
                let done = ChecksumCompletion.complete(&packet)
                #expect(done)
                #expect(!packet.offload.isChecksumPartial)
                #expect(Reference.isTransportValid(packet.array, network: 14, transport: 34, number))
            }
            let whole = Build.ethernet(EtherType.ipv4, Build.completed(packet, transport: 20, number))
            try withPacket(whole) { packet, _ in
                #expect(ChecksumCompletion.complete(&packet))
                #expect(packet.array == whole)
            }
        }
    }

    @Test func completionOfZeroIsOnes() throws {
        var packet = Build.partial(Build.ipv4(17, Build.udp(source: 0)), transport: 20, 17)
        packet.replaceSubrange(20..<22, with: Build.big(~Reference.sum(Array(packet[20...]))))
        let frame = Build.ethernet(EtherType.ipv4, packet)
        try withPacket(frame, offload: partialOffload(transport: 34, 17)) { packet, _ in
            #expect(ChecksumCompletion.complete(&packet))
            #expect(Reference.number(packet.array, 40, 2) == 0xffff)
        }
    }

    @Test(arguments: [0, 1, 4])
    func completionOfSCTP(labels: Int) throws {
        let stack = Build.mpls((0..<UInt32(labels)).map { $0 }, Build.ipv4(132, Build.sctp(Array(1...33))))
        let right = Build.ethernet(labels > 0 ? EtherType.mplsUnicast : EtherType.ipv4, stack) + [0, 0, 0]
        var frame = right
        let transport = 34 + 4 * labels
        frame.replaceSubrange(transport + 8..<transport + 12, with: [1, 2, 3, 4])
        var offload = partialOffload(transport: transport, 6)
        offload.checksumOffset = 8
        try withPacket(frame, offload: offload) { packet, _ in
            #expect(ChecksumCompletion.complete(&packet))
            #expect(packet.array == right)
        }
    }

    @Test func completionOutsideTheFrame() throws {
        let frame = Build.tcp4
        let places: [(UInt16, UInt16)] = [
            (UInt16(frame.count + 1), 0), (UInt16(frame.count - 1), 0), (34, 65_535), (65_535, 65_535), (0, 63),
            (UInt16(frame.count), 0),
        ]
        for (start, field) in places {
            var offload = partialOffload(transport: 34, 6)
            (offload.checksumStart, offload.checksumOffset) = (start, field)
            try withPacket(frame, offload: offload) { packet, _ in
                #expect(!ChecksumCompletion.complete(&packet), "\(start) + \(field)")
                #expect(packet.array == frame)
                #expect(packet.offload == offload)
            }
        }
        // The last two bytes of the frame are inside it.
        var offload = partialOffload(transport: 34, 6)
        (offload.checksumStart, offload.checksumOffset) = (UInt16(frame.count - 2), 0)
        try withPacket(frame, offload: offload) { packet, _ in
            #expect(ChecksumCompletion.complete(&packet))
            #expect(packet.array.suffix(2) == frame.suffix(2).map { ~$0 })
        }
        try withPacket(frame, offload: partialOffload(transport: 34, 6, segmentation: Offload.tcpv4, segmentSize: 5)) {
            packet, _ in
            #expect(!ChecksumCompletion.complete(&packet))
            #expect(packet.array == frame)
        }
    }
}
