import Netlink
import OpenvSwitch
import Packets
import Testing

@testable import Datapath

/// Packets with label stacks, and what their hosts left undone on them, through a switch.
@Suite struct MPLSForwardingTests {
    /// A TCP segment of 20 bytes of payload, whose host is to cut it to pieces of 8 and to compute the checksums.
    private let frame: [UInt8] =
        [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0]
        + [0x45, 0, 0, 60, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]
        + [0x12, 0x67, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x18, 2, 0, 0, 0, 0, 0] + (1...20).map { UInt8($0) }

    private func offload(_ shift: Int = 0) -> Offload {
        var offload = Offload()
        offload.flags = Offload.needsChecksum
        offload.segmentation = Offload.tcpv4
        offload.segmentSize = 8
        offload.headerLength = UInt16(54 + shift)
        offload.checksumStart = UInt16(34 + shift)
        offload.checksumOffset = 16
        return offload
    }

    private func run(
        _ actions: [Action], _ frame: [UInt8], _ offload: Offload
    ) throws -> [(frame: [UInt8], offload: Offload)] {
        try KeepingPorts.run(actions.encoded(), frame, offload)
    }

    /// Whether these are the three segments of `frame` behind `entries`, with right checksums.
    private func expectSegments(
        _ result: [(frame: [UInt8], offload: Offload)], behind entries: [UInt8],
        _ location: SourceLocation = #_sourceLocation
    ) {
        #expect(result.count == 3, sourceLocation: location)
        var payload: [UInt8] = []
        for (segment, offload) in result {
            #expect(offload == Offload(), sourceLocation: location)
            #expect(Array(segment[..<12]) == Array(frame[..<12]), sourceLocation: location)
            #expect(Array(segment[12..<(14 + entries.count)]) == [0x88, 0x47] + entries, sourceLocation: location)
            let packet = Array(segment[(14 + entries.count)...])
            let header = Array(packet[..<20])
            #expect(InternetChecksum.checksum(header.rawSpan) == 0, sourceLocation: location)
            let message = Array(packet[20...])
            let sum =
                InternetChecksum.sum(message.rawSpan)
                + InternetChecksum.pseudoHeader(
                    source: 0x0a00_0001, destination: 0x0a00_0002, protocolNumber: 6, length: message.count)
            #expect(InternetChecksum.fold(sum) == 0xffff, sourceLocation: location)
            payload += message[20...]
        }
        #expect(payload == Array(1...20), sourceLocation: location)
    }

    private let push = Action.pushMPLS(entry: 0x64140, etherType: EtherType.mplsUnicast)
    private let entry: [UInt8] = [0, 6, 0x41, 0x40]

    @Test func withoutALabelASegmentStaysWhole() throws {
        let result = try run([.output(1)], frame, offload())
        #expect(result.map(\.frame) == [frame])
        #expect(result.first?.offload == offload())
    }

    /// A host does not find the TCP header behind a label stack that it did not make.
    @Test func aSegmentIsCutWhenALabelWasPushed() throws {
        expectSegments(try run([push, .output(1)], frame, offload()), behind: entry)
        let deep: [UInt8] = [0, 6, 0x40, 0x40] + entry
        let second = Action.pushMPLS(entry: 0x64040, etherType: EtherType.mplsUnicast)
        expectSegments(try run([push, second, .output(1)], frame, offload()), behind: deep)
    }

    @Test func aSegmentThatCameWithALabelIsCutToo() throws {
        let labelled = Array(frame[..<12]) + [0x88, 0x47] + entry + frame[14...]
        expectSegments(try run([.output(1)], labelled, offload(4)), behind: entry)
    }

    @Test func whenTheLastLabelIsPoppedItStaysWholeAgain() throws {
        let result = try run([push, .popMPLS(etherType: EtherType.ipv4), .output(1)], frame, offload())
        #expect(result.map(\.frame) == [frame])
        #expect(result.first?.offload == offload())
        let labelled = Array(frame[..<12]) + [0x88, 0x47] + entry + frame[14...]
        let popped = try run([.popMPLS(etherType: EtherType.ipv4), .output(1)], labelled, offload(4))
        #expect(popped.map(\.frame) == [frame])
        #expect(popped.first?.offload == offload())
    }

    /// What was queued before the label came stays as it was.
    @Test func outputsBeforeAndBehindAPush() throws {
        let result = try run([.output(1), push, .output(1)], frame, offload())
        #expect(result.first?.frame == frame)
        expectSegments(Array(result.dropFirst()), behind: entry)
    }

    @Test func aPartialChecksumIsCompletedBehindALabel() throws {
        var partial = offload()
        (partial.segmentation, partial.segmentSize) = (Offload.none, 0)
        var frame = frame
        let sum = InternetChecksum.pseudoHeader(
            source: 0x0a00_0001, destination: 0x0a00_0002, protocolNumber: 6, length: 40)
        let field = InternetChecksum.fold(sum)
        (frame[50], frame[51]) = (UInt8(field >> 8), UInt8(field & 0xff))
        let result = try run([push, .output(1)], frame, partial)
        let sent = try #require(result.first)
        #expect(result.count == 1 && !sent.offload.isChecksumPartial)
        let message = Array(sent.frame[38...])
        #expect(InternetChecksum.fold(InternetChecksum.sum(message.rawSpan) + sum) == 0xffff)
    }

    @Test func aStackThatIsCutOffIsDropped() throws {
        let short = Array(frame[..<12]) + [0x88, 0x47, 1, 2, 3]
        for actions in [[Action.popMPLS(etherType: EtherType.ipv4)], [.set(.mpls(1))]] {
            #expect(try run(actions + [.output(1)], short, Offload()).isEmpty)
        }
        #expect(try run([push, .output(1)], short, Offload()).map(\.frame.count) == [short.count + 4])
    }
}
