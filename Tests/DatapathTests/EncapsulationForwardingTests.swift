import Netlink
import OpenvSwitch
import Packets
import Testing

@testable import Datapath

/// What hosts left undone on a packet is finished where its headers are put behind others.
@Suite struct EncapsulationForwardingTests {
    /// A TCP segment of 20 bytes of payload, whose host is to cut it to pieces of 8 and to compute the checksums.
    ///
    /// Taken for an IPv4 packet, as a frame behind an MPLS label may be, it has a TCP header too.
    private let frame: [UInt8] =
        [0x45, 0, 0, 0, 0, 2, 0x40, 0, 0, 6, 0, 1, 8, 0]
        + [0x45, 0, 0, 60, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 80, 2]
        + [0x12, 0x67, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x18, 2, 0, 0, 0, 0, 0] + (1...20).map { UInt8($0) }

    private func offload(isWhole: Bool = false) -> Offload {
        var offload = Offload()
        offload.flags = Offload.needsChecksum
        offload.segmentation = isWhole ? Offload.none : Offload.tcpv4
        offload.segmentSize = isWhole ? 0 : 8
        offload.headerLength = 54
        offload.checksumStart = 34
        offload.checksumOffset = 16
        return offload
    }

    private func actions(_ text: String) throws -> [UInt8] { try ActionText.parseActions(text, portNumber: nil) }

    private let nsh: [UInt8] = [0x0f, 0xc6, 1, 3, 0, 0, 5, 255] + [UInt8](repeating: 0, count: 16)
    private let pushNSH = "push_nsh(flags=0,ttl=63,mdtype=1,np=3,spi=0x5,si=255,c1=0x0,c2=0x0,c3=0x0,c4=0x0)"
    private let pushEthernet = "push_eth(src=02:00:00:00:00:0a,dst=02:00:00:00:00:0b)"
    private let label = "add_mpls(label=100,tc=0,ttl=64,bos=1,eth_type=0x8847)"
    private let entry: [UInt8] = [0, 6, 0x41, 0x40]
    private func outer(_ type: UInt16) -> [UInt8] {
        [2, 0, 0, 0, 0, 0xb, 2, 0, 0, 0, 0, 0xa, UInt8(type >> 8), UInt8(type & 0xff)]
    }

    /// Whether these are the three segments of `frame`, less its first bytes, behind `headers`, with right checksums.
    private func expectSegments(
        _ result: [(frame: [UInt8], offload: Offload)], behind headers: [UInt8], from network: Int = 0,
        _ location: SourceLocation = #_sourceLocation
    ) {
        #expect(result.count == 3, sourceLocation: location)
        var payload: [UInt8] = []
        for (segment, offload) in result {
            #expect(offload == Offload(), sourceLocation: location)
            let link = Array(frame[network..<14])
            guard segment.count > headers.count + link.count + 40 else {
                Issue.record("a segment of \(segment.count) bytes", sourceLocation: location)
                continue
            }
            #expect(Array(segment[..<(headers.count + link.count)]) == headers + link, sourceLocation: location)
            let packet = Array(segment[(headers.count + link.count)...])
            #expect(Int(packet[2]) << 8 | Int(packet[3]) == packet.count, sourceLocation: location)
            let header = Array(packet[..<20])
            #expect(InternetChecksum.checksum(header.rawSpan) == 0, sourceLocation: location)
            #expect(isRight(Array(packet[20...])), sourceLocation: location)
            payload += packet[40...]
        }
        #expect(payload == Array(1...20), sourceLocation: location)
    }

    /// Whether the checksum of a TCP message between the two addresses is right.
    private func isRight(_ message: [UInt8]) -> Bool {
        let sum =
            InternetChecksum.sum(message.rawSpan)
            + InternetChecksum.pseudoHeader(
                source: 0x0a00_0001, destination: 0x0a00_5002, protocolNumber: 6, length: message.count)
        return InternetChecksum.fold(sum) == 0xffff
    }

    @Test func segmentsBehindOtherHeaders() throws {
        func run(_ text: String) throws -> [(frame: [UInt8], offload: Offload)] {
            try KeepingPorts.run(actions("\(text),1"), frame, offload())
        }
        expectSegments(try run("\(pushNSH),\(pushEthernet)"), behind: outer(EtherType.nsh) + nsh)
        expectSegments(try run("\(label),\(pushEthernet)"), behind: outer(0x8847) + entry)
        let md2 = "push_nsh(flags=0,ttl=63,mdtype=2,np=3,spi=0x5,si=255,md2=0x01020304)"
        expectSegments(
            try run("\(md2),\(pushEthernet)"),
            behind: outer(EtherType.nsh) + [0x0f, 0xc3, 2, 3, 0, 0, 5, 255, 1, 2, 3, 4])
        // Headers of all kinds in each other.
        expectSegments(
            try run("\(label),\(pushNSH),\(pushNSH),\(pushEthernet),push_vlan(vid=5,pcp=0)"),
            behind: Array(outer(0x8100)) + [0, 5, 0x89, 0x4f] + nsh.replacing(3, 4) + nsh.replacing(3, 5) + entry)
        // The IP packet alone, without its Ethernet header.
        expectSegments(
            try run("pop_eth,\(pushNSH),\(pushEthernet)"), behind: outer(EtherType.nsh) + nsh.replacing(3, 1), from: 14)
        expectSegments(
            try run("pop_eth,\(pushNSH),\(pushNSH),\(pushEthernet)"),
            behind: outer(EtherType.nsh) + nsh.replacing(3, 4) + nsh.replacing(3, 1), from: 14)
        expectSegments(try run("pop_eth,\(label),\(pushEthernet)"), behind: outer(0x8847) + entry, from: 14)
    }

    /// A host finds the TCP header behind another Ethernet header, and behind the same one again.
    @Test func whatIsInFrontAgainStaysWhole() throws {
        for text in ["pop_eth,\(pushEthernet)", "\(label),pop_mpls(eth_type=0x6558),pop_eth,\(pushEthernet)"] {
            let result = try KeepingPorts.run(actions("\(text),1"), frame, offload())
            #expect(result.map(\.frame) == [outer(0x0800) + frame[14...]], "\(text)")
            #expect(result.first?.offload == offload(), "\(text)")
        }
    }

    @Test func checksumsBehindOtherHeaders() throws {
        var frame = frame
        let sum = InternetChecksum.pseudoHeader(
            source: 0x0a00_0001, destination: 0x0a00_5002, protocolNumber: 6, length: 40)
        let field = InternetChecksum.fold(sum)
        (frame[50], frame[51]) = (UInt8(field >> 8), UInt8(field & 0xff))
        for (text, size) in [("\(pushNSH),\(pushEthernet)", 38), ("\(label),\(pushEthernet)", 18)] {
            let result = try KeepingPorts.run(actions("\(text),1"), frame, offload(isWhole: true))
            let sent = try #require(result.first)
            #expect(result.count == 1 && !sent.offload.isChecksumPartial, "\(text)")
            #expect(isRight(Array(sent.frame[(size + 34)...])), "\(text)")
        }
    }

    /// An SCTP packet gets its CRC32c and no ones' complement sum wherever its header is.
    @Test func theCRCBehindOtherHeaders() throws {
        var frame = Array(frame[..<34]) + [0, 7, 0, 9, 1, 2, 3, 4, 0, 0, 0, 0] + (1...20).map { UInt8($0) }
        (frame[17], frame[23]) = (UInt8(frame.count - 14), 132)
        var offload = Offload()
        (offload.flags, offload.checksumStart, offload.checksumOffset) = (Offload.needsChecksum, 34, 8)
        var crc = ~UInt32(0)
        for byte in frame[34...] {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc % 2 == 1 ? crc / 2 ^ 0x82f6_3b78 : crc / 2 }
        }
        crc = ~crc
        let expected = (0..<4).map { UInt8(truncatingIfNeeded: crc >> (8 * UInt32($0))) }
        for text in ["\(pushNSH),\(pushEthernet)", "\(label),\(pushEthernet)", "pop_eth,\(label),\(pushEthernet)"] {
            let sent = try #require(try KeepingPorts.run(actions("\(text),1"), frame, offload).first?.frame)
            #expect(Array(sent[(sent.count - 24)..<(sent.count - 20)]) == expected, "\(text)")
        }
    }

    /// Of a packet that stands for several, each must be short enough, with the headers in front.
    @Test func lengthsOfSegments() throws {
        // 24 of NSH, 14 of Ethernet, 40 of IP and TCP, 8 of payload.
        for (limit, isShort) in [(85, false), (86, true)] {
            let list = "\(pushNSH),check_pkt_len(size=\(limit),gt(drop),le(\(pushEthernet),1))"
            let result = try KeepingPorts.run(actions(list), frame, offload())
            #expect(result.count == (isShort ? 3 : 0), "\(limit)")
        }
        for (limit, isShort) in [(97, false), (98, true)] {
            let list = "\(pushNSH),check_pkt_len(size=\(limit),gt(drop),le(\(pushEthernet),1))"
            #expect(try KeepingPorts.run(actions(list), frame).count == (isShort ? 1 : 0), "\(limit)")
        }
    }

    /// What was queued before stays as it was.
    @Test func outputsBetweenTheHeaders() throws {
        let outputs = try KeepingPorts.run(actions("1,clone(\(pushNSH),\(pushEthernet),1),1"), frame).map(\.frame)
        #expect(outputs == [frame, outer(EtherType.nsh) + nsh + frame, frame])
    }
}

extension [UInt8] {
    fileprivate func replacing(_ index: Int, _ byte: UInt8) -> [UInt8] {
        var copy = self
        copy[index] = byte
        return copy
    }
}
