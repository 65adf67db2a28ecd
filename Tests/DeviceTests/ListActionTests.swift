import DPIF
import Datapath
import Device
import Netlink
import NetlinkSocket
import OpenvSwitch
import Packets
import Testing

/// What actions with lists do to packets.
@Suite struct ListActionTests {
    private let bed = TestBed()

    private func actions(_ text: String) throws -> [UInt8] { try ActionText.parseActions(text, portNumber: nil) }

    /// Executes actions on a frame and gives back what came out of each port.
    private func execute(
        _ dpif: NetlinkDPIF, _ ports: [MemoryPort], _ frame: [UInt8], _ text: String
    ) throws -> [[[UInt8]]] {
        try dpif.execute(PacketExecution(packet: frame, key: try Keys.inPort(1).key, actions: try actions(text)))
        return ports.map { $0.receiveAll() }
    }

    private func tagged(_ frame: [UInt8], _ identifier: UInt8) -> [UInt8] {
        Array(frame[..<12]) + [0x81, 0x00, 0x00, identifier] + Array(frame[12...])
    }

    // MARK: Clone

    @Test func whatACloneChangesStaysInside() throws {
        let (dpif, ports) = try bed.bridge("a", "b", "c")
        let frame = Frames.ethernet()
        let out = try execute(dpif, ports, frame, "clone(push_vlan(vid=5,pcp=0),1),2")
        #expect(out == [[tagged(frame, 5)], [frame], []])
    }

    /// The clone queues the slot it shares before it changes a copy: the packet must not change that slot either.
    @Test func whatACloneHasQueuedIsNotChangedAfterIt() throws {
        let (dpif, ports) = try bed.bridge("a", "b", "c")
        let frame = Frames.ethernet()
        let rewritten = Frames.mac(0x0b) + Frames.mac(0x0a) + Array(frame[12...])
        let set = "set(eth(src=00:00:00:00:00:0a,dst=00:00:00:00:00:0b))"
        for list in ["1", "1,push_vlan(vid=5,pcp=0),2", "clone(1,push_vlan(vid=5,pcp=0),2),pop_vlan"] {
            let out = try execute(dpif, ports, frame, "clone(\(list)),\(set),3")
            #expect(out[0] == [frame], "\(list)")
            #expect(out[1] == (list == "1" ? [] : [tagged(frame, 5)]), "\(list)")
            #expect(out[2] == [rewritten], "\(list)")
        }
    }

    @Test func clonesInClonesKeepTheirPackets() throws {
        let (dpif, ports) = try bed.bridge("a")
        let frame = Frames.ethernet()
        // Sixteen levels, none of them the last of its list: each pushes a tag and sends before and after the inner
        // one.
        var text = "1"
        for level in (1...16).reversed() { text = "clone(push_vlan(vid=\(level),pcp=0),1,\(text),pop_vlan,1),1" }
        let out = try execute(dpif, ports, frame, text)[0]
        var expected: [[UInt8]] = [frame]
        var deepest = frame
        var way: [[UInt8]] = []
        for level in 1...16 {
            way.append(deepest)
            deepest = tagged(deepest, UInt8(level))
            expected.insert(deepest, at: level - 1)
        }
        // Down: each level tagged; at the bottom once more; up: the tag off, then the outer packet as it was.
        let up = way.reversed().flatMap { [$0, $0] }
        #expect(out == Array(expected.dropLast()) + [deepest] + up)
    }

    /// Many more copies than there are slots, and the packets around them survive.
    @Test func packetsAtWorkSurviveAFlushInTheMiddle() throws {
        let (dpif, ports) = try bed.bridge("a", "b")
        let frame = Frames.ethernet()
        let inner = String(repeating: "clone(push_vlan(vid=9,pcp=0),1),", count: 500)
        let text =
            "push_vlan(vid=1,pcp=0),2,clone(push_vlan(vid=2,pcp=0),2,\(inner)pop_vlan,2),set(eth(src=00:00:00:00:00:0a)),2"
        let out = try execute(dpif, ports, frame, text)
        let one = tagged(frame, 1)
        let two = tagged(one, 2)
        #expect(out[0] == [[UInt8]](repeating: tagged(two, 9), count: 500))
        let rewritten = Array(one[..<6]) + Frames.mac(0x0a) + Array(one[12...])
        #expect(out[1] == [one, two, one, rewritten])
    }

    @Test func aMillionClones() throws {
        let (dpif, ports) = try bed.bridge("a", "b")
        let (key, mask) = try Keys.inPort(1)
        // As many as an action list can have, 64 times.
        let list = [[UInt8]](
            repeating: try ActionText.parseActions("clone(push_vlan(vid=9,pcp=0),7)", portNumber: nil), count: 3200
        ).flatMap { $0 }
        try dpif.putFlow(
            FlowPut(key: key, mask: mask, actions: list + (try actions("2"))))
        let frame = Frames.ethernet()
        for _ in 0..<320 { ports[0].send(frame) }
        #expect(ports[1].receiveAll() == [[UInt8]](repeating: frame, count: 320))
        #expect(try dpif.port(1).stats?.receiveErrors == 0)
    }

    @Test func anErrorInAListEndsTheOuterOne() throws {
        let (dpif, ports) = try bed.bridge("a", "b")
        // The key says UDP, the packet has no ports: the execution fails where they are to be set.
        let frame = Frames.ethernet(type: 0x0800, payload: IP.v4(protocolNumber: 17, payload: []))
        do {
            _ = try execute(dpif, ports, frame, "1,clone(set(udp(src=1,dst=2)),1),2")
            Issue.record("it was carried out")
        } catch { #expect((error as? SocketError)?.errno == Errno.invalid) }
        #expect(ports[0].receiveAll() == [frame])
        #expect(ports[1].receiveAll() == [])
    }

    @Test func truncationGoesIntoListsAndStays() throws {
        let (dpif, ports) = try bed.bridge("a", "b")
        let frame = Frames.ethernet()
        let out = try execute(dpif, ports, frame, "trunc(20),clone(1,1),2,2")
        #expect(out == [[Array(frame[..<20]), frame], [Array(frame[..<20]), frame]])
    }

    // MARK: Sample

    @Test func probabilityDecides() throws {
        let (dpif, ports) = try bed.bridge("a", "b")
        let (key, mask) = try Keys.inPort(1)
        let frame = Frames.ethernet()
        func share(_ probability: UInt32, _ rest: String) throws -> Int {
            var nested = MessageWriter()
            try nested.append(SampleAttribute.probability, probability)
            try nested.append(SampleAttribute.actions, bytes: try actions("2"))
            var list = MessageWriter()
            try list.append(ActionAttribute.sample, bytes: nested.bytes)
            try dpif.putFlow(
                FlowPut(
                    key: key, mask: mask, actions: list.bytes + (try actions(rest)), mode: .createOrModify))
            for _ in 0..<4000 { ports[0].send(frame) }
            #expect(ports[0].receiveAll().count == (rest == "1" ? 4000 : 0))
            return ports[1].receiveAll().count
        }
        for rest in ["", "1"] {
            #expect(try share(0, rest) == 0)
            #expect(try share(.max, rest) == 4000)
            #expect(try share(1, rest) < 5)
            // Six standard deviations.
            #expect(abs(try share(.max / 2, rest) - 2000) < 190)
            #expect(abs(try share(.max / 10, rest) - 400) < 115)
        }
    }

    @Test func whatASampleChangesStaysInside() throws {
        let (dpif, ports) = try bed.bridge("a", "b")
        let frame = Frames.ethernet()
        let out = try execute(dpif, ports, frame, "sample(sample=100.0%,actions(push_vlan(vid=5,pcp=0),1)),2")
        #expect(out == [[tagged(frame, 5)], [frame]])
    }

    // MARK: check_pkt_len

    @Test func lengthDecides() throws {
        let (dpif, ports) = try bed.bridge("a", "b", "c")
        for rest in ["", ",3"] {
            for (payload, port) in [(86, 1), (87, 0), (0, 1), (1000, 0)] {
                let frame = Frames.ethernet(payload: [UInt8](repeating: 1, count: payload))
                let out = try execute(dpif, ports, frame, "check_pkt_len(size=100,gt(1),le(2))\(rest)")
                #expect(out[port] == [frame])
                #expect(out[1 - port] == [])
                #expect(out[2] == (rest.isEmpty ? [] : [frame]))
            }
        }
        // Changes stay inside either list; an empty one does nothing.
        let frame = Frames.ethernet()
        #expect(
            try execute(dpif, ports, frame, "check_pkt_len(size=10,gt(push_vlan(vid=5,pcp=0),1),le()),2")
                == [[tagged(frame, 5)], [frame], []])
        #expect(
            try execute(dpif, ports, frame, "check_pkt_len(size=10,gt(),le(push_vlan(vid=5,pcp=0),1)),2")
                == [[], [frame], []])
    }

    @Test func ofASegmentedPacketTheSegmentsCount() throws {
        let (dpif, ports) = try bed.bridge("a", "b", "c")
        var key = FlowKey()
        key.inPort = 1
        let frame = Frames.ethernet(
            type: 0x0800,
            payload: IP.v4(protocolNumber: 6, payload: IP.tcp(payload: [UInt8](repeating: 7, count: 9000))))
        _ = KeyExtraction.extract(frame.rawSpan, offload: Offload(), into: &key)
        var match = FlowMatch(key: key, mask: FlowMask())
        match.mask.inPort = 0xffff
        let bytes = try Keys.bytes(match)
        // Headers have 54 bytes, a segment 1000 more.
        var offload = Offload()
        (offload.segmentation, offload.segmentSize, offload.flags) = (Offload.tcpv4, 1000, Offload.needsChecksum)
        (offload.checksumStart, offload.checksumOffset) = (34, 16)
        for (size, port) in [(1054, 2), (1053, 1), (9054, 2)] {
            try dpif.putFlow(
                FlowPut(
                    key: bytes.key, mask: bytes.mask, actions: try actions("check_pkt_len(size=\(size),gt(2),le(3))"),
                    mode: .createOrModify))
            ports[0].send(frame, offload: offload)
            #expect(ports[port].receiveAll().count == 9, "\(size)")
            #expect(ports[3 - port].receiveAll() == [], "\(size)")
        }
        // The longest fragment that a packet was put together from counts for the packet.
        for (mru, port) in [(UInt16(86), 2), (87, 1)] {
            var packet = PacketExecution(
                packet: frame, key: bytes.key, actions: try actions("check_pkt_len(size=100,gt(2),le(3))"))
            packet.mru = mru
            try dpif.execute(packet)
            #expect(ports[port].receiveAll() == [frame], "\(mru)")
            #expect(ports[3 - port].receiveAll() == [], "\(mru)")
        }
    }

    // MARK: dec_ttl

    @Test func theTTLGoesDownAndTheChecksumWithIt() throws {
        let (dpif, ports) = try bed.bridge("a", "b")
        for ttl in [UInt8(2), 64, 255] {
            let v4 = Frames.ethernet(type: 0x0800, payload: IP.v4(protocolNumber: 200, ttl: ttl, payload: [1, 2, 3]))
            let lower4 = Frames.ethernet(
                type: 0x0800, payload: IP.v4(protocolNumber: 200, ttl: ttl - 1, payload: [1, 2, 3]))
            #expect(try execute(dpif, ports, v4, "1,dec_ttl(le_1(1)),2") == [[v4], [lower4]])
            let v6 = Frames.ethernet(type: 0x86dd, payload: IP.v6(nextHeader: 200, hopLimit: ttl, payload: [1, 2, 3]))
            let lower6 = Frames.ethernet(
                type: 0x86dd, payload: IP.v6(nextHeader: 200, hopLimit: ttl - 1, payload: [1, 2, 3]))
            #expect(try execute(dpif, ports, v6, "1,dec_ttl(le_1(1)),2") == [[v6], [lower6]])
        }
        let other = Frames.ethernet()
        #expect(try execute(dpif, ports, other, "dec_ttl(le_1(1)),2") == [[], [other]])
    }

    @Test func anExpiredPacketGetsItsListAndNothingElse() throws {
        let (dpif, ports) = try bed.bridge("a", "b", "c")
        for ttl in [UInt8(0), 1] {
            let v4 = Frames.ethernet(type: 0x0800, payload: IP.v4(protocolNumber: 200, ttl: ttl, payload: []))
            let v6 = Frames.ethernet(type: 0x86dd, payload: IP.v6(nextHeader: 200, hopLimit: ttl, payload: []))
            for frame in [v4, v6] {
                #expect(
                    try execute(dpif, ports, frame, "dec_ttl(le_1(push_vlan(vid=5,pcp=0),1)),2")
                        == [[tagged(frame, 5)], [], []])
                #expect(try execute(dpif, ports, frame, "dec_ttl(le_1()),2") == [[], [], []])
                // In a list, only that list ends.
                #expect(try execute(dpif, ports, frame, "clone(dec_ttl(le_1(1)),2),3") == [[frame], [], [frame]])
            }
        }
        // A header that is cut off is an error.
        let short = Frames.ethernet(type: 0x0800, payload: [0x45, 0])
        do {
            _ = try execute(dpif, ports, short, "dec_ttl(le_1(1)),2")
            Issue.record("it was carried out")
        } catch { #expect((error as? SocketError)?.errno == Errno.invalid) }
    }
}

/// Network headers for tests.
enum IP {
    static func v4(protocolNumber: UInt8, ttl: UInt8 = 64, payload: [UInt8]) -> [UInt8] {
        let length = UInt16(20 + payload.count)
        var header: [UInt8] =
            [0x45, 0, UInt8(length >> 8), UInt8(length & 0xff), 0, 1, 0, 0, ttl, protocolNumber, 0, 0]
            + [10, 0, 0, 1, 10, 0, 0, 2]
        let checksum = InternetChecksum.checksum(header.rawSpan)
        (header[10], header[11]) = (UInt8(checksum >> 8), UInt8(checksum & 0xff))
        return header + payload
    }

    static func v6(nextHeader: UInt8, hopLimit: UInt8, payload: [UInt8]) -> [UInt8] {
        [0x60, 0, 0, 0, 0, UInt8(payload.count), nextHeader, hopLimit]
            + [0xfd] + [UInt8](repeating: 0, count: 14) + [1] + [0xfd] + [UInt8](repeating: 0, count: 14) + [2]
            + payload
    }

    static func tcp(source: UInt16 = 1000, destination: UInt16 = 80, payload: [UInt8]) -> [UInt8] {
        [UInt8(source >> 8), UInt8(source & 0xff), UInt8(destination >> 8), UInt8(destination & 0xff)]
            + [UInt8](repeating: 0, count: 8) + [0x50, 0x10, 0, 100, 0, 0, 0, 0] + payload
    }
}
