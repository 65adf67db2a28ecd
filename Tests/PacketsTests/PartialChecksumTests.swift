import OpenvSwitch
import Packets
import Testing

@Suite struct PartialChecksumTests {
    /// What `recognizePartialChecksum` makes of a frame.
    private func recognize(_ frame: [UInt8]) throws -> (offload: Offload, frame: [UInt8]) {
        try withPacket(frame) { packet, _ in
            packet.recognizePartialChecksum()
            return (packet.offload, packet.array)
        }
    }

    private let tags: [[(tpid: UInt16, tci: UInt16)]] = [
        [], [(0x8100, 5)], [(0x88a8, 7), (0x8100, 9)],
    ]

    @Test(arguments: [6, 17] as [UInt8])
    func partialChecksumsAreRecognized(number: UInt8) throws {
        for size in [0, 1, 2, 100, 1400] {
            let payload = [UInt8](repeating: 0xa5, count: size)
            let message = number == 6 ? Build.tcp(payload) : Build.udp(payload)
            let header = Build.extensionHeader(next: number)
            for (type, packet, transport) in [
                (EtherType.ipv4, Build.ipv4(number, message), 20),
                (EtherType.ipv4, Build.ipv4(number, options: [1, 1, 1, 0], message), 24),
                (EtherType.ipv6, Build.ipv6(number, message), 40),
            ] {
                for tags in tags {
                    let partial = Build.ethernet(
                        type, tags: tags, Build.partial(packet, transport: transport, number))
                    let found = try recognize(partial)
                    #expect(
                        found.offload == partialOffload(transport: 14 + 4 * tags.count + transport, number),
                        "\(number), \(size) bytes, \(tags.count) tags")
                    #expect(found.frame == partial)
                    let whole = Build.ethernet(
                        type, tags: tags, Build.completed(packet, transport: transport, number))
                    #expect(try recognize(whole).offload == Offload(), "\(number), \(size) bytes, \(tags.count) tags")
                }
            }
            // Behind an extension header. The reference's pseudo header has the first header's number.
            var packet = Build.ipv6(0, header + message)
            let sum = Reference.sum(Reference.pseudoHeader(packet, number, message.count))
            let field = 48 + Reference.checksumField(number)
            packet.replaceSubrange(field..<field + 2, with: Build.big(sum))
            #expect(
                try recognize(Build.ethernet(EtherType.ipv6, packet)).offload
                    == partialOffload(transport: 62, number))
        }
    }

    @Test func completingARightChecksumGivesTheSame() throws {
        // The ports are chosen so that the right checksum is that of the pseudo header.
        var found = 0
        for source in UInt16(0)...UInt16.max {
            let packet = Build.ipv4(17, Build.udp(source: source))
            let whole = Build.completed(packet, transport: 20, 17)
            guard whole == Build.partial(packet, transport: 20, 17) else { continue }
            found += 1
            let frame = Build.ethernet(EtherType.ipv4, whole)
            try withPacket(frame) { packet, _ in
                packet.recognizePartialChecksum()
                #expect(packet.offload.isChecksumPartial)
                #expect(ChecksumCompletion.complete(&packet))
                #expect(packet.array == frame)
            }
        }
        #expect(found > 0)
    }

    @Test func whatNoHostLeavesUndoneIsLeft() throws {
        let udp = Build.udp([1, 2, 3])
        let partial = Build.partial(Build.ipv4(17, udp), transport: 20, 17)
        let frames = [
            // Padded, cut off, without a checksum, a fragment, another version, another protocol.
            Build.ethernet(EtherType.ipv4, partial) + [0],
            Build.ethernet(EtherType.ipv4, partial).dropLast(),
            Build.ethernet(EtherType.ipv4, Build.ipv4(17, udp)),
            Build.ethernet(EtherType.ipv4, Build.partial(Build.ipv4(17, fragment: 0x2000, udp), transport: 20, 17)),
            Build.ethernet(EtherType.ipv4, Build.partial(Build.ipv4(17, fragment: 0x0003, udp), transport: 20, 17)),
            Build.ethernet(EtherType.ipv4, [0x55] + partial.dropFirst()),
            Build.ethernet(EtherType.ipv4, [0x44] + partial.dropFirst()),
            Build.ethernet(EtherType.ipv4, Build.ipv4(1, Build.icmp(type: 8, code: 0))),
            Build.ethernet(EtherType.mplsUnicast, partial),
            Build.ethernet(EtherType.ipv6, Build.partial(Build.ipv6(17, udp), transport: 40, 17)) + [0],
            Build.ethernet(
                EtherType.ipv4, tags: [(0x8100, 1), (0x8100, 2), (0x8100, 3)], partial),
            Build.arp(), [], [UInt8](repeating: 8, count: 13),
        ]
        for (index, frame) in frames.enumerated() {
            let found = try recognize(Array(frame))
            #expect(found.offload == Offload(), "frame \(index)")
            #expect(found.frame == Array(frame), "frame \(index)")
        }
    }

    @Test func sctpIsCompletedAtOnce() throws {
        for (type, network) in [(EtherType.ipv4, 20), (EtherType.ipv6, 40)] {
            let message = Build.sctp(Array(1...33))
            let right = Build.ethernet(type, network == 20 ? Build.ipv4(132, message) : Build.ipv6(132, message))
            #expect(try recognize(right) == (Offload(), right))
            var frame = right
            frame.replaceSubrange(14 + network + 8..<14 + network + 12, with: [0, 0, 0, 0])
            let found = try recognize(frame)
            #expect(!found.offload.isChecksumPartial)
            #expect(found.frame == right)
        }
    }

    @Test func noBytesTrap() throws {
        var random = SplitMix64(seed: 0x5eed_0a0f)
        for (_, sample) in Build.samples {
            for length in 0...sample.count { _ = try recognize(Array(sample.prefix(length))) }
            for _ in 0..<50 {
                var frame = sample
                for _ in 0..<3 where !frame.isEmpty {
                    let place: UInt32 = random.number()
                    let byte: UInt8 = random.number()
                    frame[Int(place) % frame.count] = byte
                }
                let found = try recognize(frame)
                if found.offload.isChecksumPartial {
                    #expect(Int(found.offload.checksumStart + found.offload.checksumOffset) + 2 <= frame.count)
                }
            }
        }
    }
}
