import DPIF
import Datapath
import Device
import Netlink
import NetlinkSocket
import OpenvSwitch
import Packets
import Testing

/// Packets that go through the flow table more than once, and the hash action.
@Suite struct RecirculationTests {
    private let bed = TestBed()

    private func actions(_ text: String) throws -> [UInt8] { try ActionText.parseActions(text, portNumber: nil) }

    private func key(of frame: [UInt8]) -> FlowKey {
        var key = FlowKey()
        key.inPort = 1
        _ = KeyExtraction.extract(frame.rawSpan, offload: Offload(), into: &key)
        return key
    }

    /// A flow for packets with this recirculation ID and, if it is given, this hash.
    private func put(
        _ dpif: NetlinkDPIF, recircID: UInt32, hash: (value: UInt32, mask: UInt32)? = nil, _ text: String,
        like frame: [UInt8] = Frames.ethernet(), _ change: (inout FlowMatch) -> Void = { _ in }
    ) throws {
        var match = FlowMatch(key: key(of: frame), mask: FlowMask())
        match.key.recircID = recircID
        match.mask.recircID = .max
        match.mask.kind = 0xff
        if match.key.vlanTCI != 0 { (match.mask.vlanTPID, match.mask.vlanTCI) = (.max, .max) }
        if match.key.innerVLANTCI != 0 { (match.mask.innerVLANTPID, match.mask.innerVLANTCI) = (.max, .max) }
        if let hash { (match.key.dpHash, match.mask.dpHash) = hash }
        change(&match)
        let bytes = try Keys.bytes(match)
        try dpif.putFlow(FlowPut(key: bytes.key, mask: bytes.mask, actions: try actions(text)))
    }

    private func tagged(_ frame: [UInt8], _ identifier: UInt8) -> [UInt8] {
        Array(frame[..<12]) + [0x81, 0x00, 0x00, identifier] + Array(frame[12...])
    }

    @Test func theSecondFlowGetsThePacket() throws {
        let (dpif, ports) = try bed.bridge("a", "b")
        try put(dpif, recircID: 0, "recirc(0x5)")
        try put(dpif, recircID: 5, "2")
        let frame = Frames.ethernet()
        for _ in 0..<3 { ports[0].send(frame) }
        #expect(ports[1].receiveAll() == [frame, frame, frame])
        // Every look-up is a hit.
        let information = try dpif.information()
        #expect(information.stats?.hit == 6)
        #expect(information.stats?.missed == 0)
        // And after the first packet the cache knows both.
        #expect(information.megaflowStats?.cacheHit == 4)
        var counted: [UInt64?] = []
        try dpif.dumpFlows { counted.append($0.stats?.packets) }
        #expect(counted == [3, 3])
    }

    @Test func aMissTellsOfItsRecirculation() throws {
        let (dpif, ports) = try bed.bridge("a", "b", upcalls: true)
        try put(dpif, recircID: 0, "set(skb_mark(0x7)),push_vlan(vid=5,pcp=0),hash(l4(3)),recirc(0x5)")
        let frame = Frames.ethernet()
        ports[0].send(frame)
        let upcall = try #require(try dpif.receiveUpcall())
        #expect(upcall.command == PacketCommand.miss)
        #expect(upcall.packet == tagged(frame, 5))
        let key = try FlowMatch.key(Attributes(upcall.key.rawSpan))
        // Metadata is kept, and headers are as they have become.
        #expect(key.recircID == 5)
        #expect(key.dpHash != 0)
        #expect(key.skbMark == 7)
        #expect(key.inPort == 1)
        #expect(key.vlanTCI == 0x1005)
        #expect(key.etherType == 0x1234)
        let statistics = try #require(try dpif.information().stats)
        #expect(statistics.hit == 1)
        #expect(statistics.missed == 1)
        // The client executes it with that key: the execution goes on from there.
        try put(dpif, recircID: 6, "2", like: tagged(frame, 5))
        try dpif.execute(PacketExecution(packet: upcall.packet, key: upcall.key, actions: try actions("1,recirc(0x6)")))
        #expect(ports[0].receiveAll() == [tagged(frame, 5)])
        #expect(ports[1].receiveAll() == [tagged(frame, 5)])
    }

    /// The key holds two tags; that of a packet with three must be extracted anew.
    @Test func theKeyIsExtractedAnewWhenHeadersChange() throws {
        let (dpif, ports) = try bed.bridge("a", "b", "c", upcalls: true)
        let twice = tagged(tagged(Frames.ethernet(), 1), 2)
        try put(dpif, recircID: 0, "push_vlan(vid=3,pcp=0),recirc(0x5)", like: twice)
        ports[0].send(twice)
        let upcall = try #require(try dpif.receiveUpcall())
        let three = try FlowMatch.key(Attributes(upcall.key.rawSpan))
        #expect(three.etherType == EtherType.vlan)
        #expect(three.vlanTCI == 0x1003)
        #expect(three.innerVLANTCI == 0x1002)
        // And back: the third tag moves up into the key.
        try put(dpif, recircID: 5, "pop_vlan,pop_vlan,recirc(0x6)", like: upcall.packet)
        ports[0].send(twice)
        let last = try #require(try dpif.receiveUpcall())
        let one = try FlowMatch.key(Attributes(last.key.rawSpan))
        #expect(one.vlanTCI == 0x1001)
        #expect(one.innerVLANTCI == 0)
        #expect(one.etherType == 0x1234)
    }

    @Test func beforeOtherActionsItWorksOnAClone() throws {
        let (dpif, ports) = try bed.bridge("a", "b", "c")
        try put(dpif, recircID: 0, "2,recirc(0x5),3,set(eth(src=00:00:00:00:00:0a)),2")
        try put(dpif, recircID: 5, "2,push_vlan(vid=5,pcp=0),2")
        let frame = Frames.ethernet()
        ports[0].send(frame)
        let rewritten = Array(frame[..<6]) + Frames.mac(0x0a) + Array(frame[12...])
        #expect(ports[1].receiveAll() == [frame, frame, tagged(frame, 5), rewritten])
        #expect(ports[2].receiveAll() == [frame])
    }

    /// What fails in the flow that a recirculation finds is not the error of the list that it was in.
    @Test func aFlowsErrorIsItsOwn() throws {
        let (dpif, ports) = try bed.bridge("a", "b")
        let frame = Frames.ethernet(type: 0x0800, payload: IP.v4(protocolNumber: 17, payload: []))
        try put(dpif, recircID: 5, "2,set(udp(src=1,dst=2)),2", like: frame) { match in
            match.mask.etherType = 0xffff
            match.mask.ipProtocol = 0xff
        }
        for (index, text) in ["recirc(0x5)", "recirc(0x5),1", "clone(recirc(0x5)),1"].enumerated() {
            try dpif.execute(PacketExecution(packet: frame, key: try Keys.inPort(1).key, actions: try actions(text)))
            #expect(ports[1].receiveAll() == [frame])
            #expect(ports[0].receiveAll() == (index == 0 ? [] : [frame]))
            #expect(try dpif.port(1).stats?.receiveErrors == UInt64(index + 1))
        }
    }

    // MARK: Bounds

    @Test func aFlowThatFindsItselfForEverIsBounded() throws {
        let (dpif, ports) = try bed.bridge("a", "b")
        try put(dpif, recircID: 0, "recirc(0x5)")
        try put(dpif, recircID: 5, "2,recirc(0x5)")
        let frame = Frames.ethernet()
        ports[0].send(frame)
        // 32 look-ups behind the first, each of which sends once; then the packet is dropped and counted.
        #expect(ports[1].receiveAll().count == 32)
        #expect(try dpif.port(1).stats?.receiveErrors == 1)
        #expect(try dpif.information().stats?.hit == 33)
        // The next packet begins anew.
        ports[0].send(frame)
        #expect(ports[1].receiveAll().count == 32)
    }

    @Test func aLoopOfClonesIsBounded() throws {
        let (dpif, ports) = try bed.bridge("a", "b")
        try put(dpif, recircID: 0, "recirc(0x5),2")
        try put(dpif, recircID: 5, "set(eth(src=00:00:00:00:00:0a)),recirc(0x5),set(eth(src=00:00:00:00:00:0b)),2")
        let frame = Frames.ethernet()
        ports[0].send(frame)
        let out = ports[1].receiveAll()
        let inner = Array(frame[..<6]) + Frames.mac(0x0b) + Array(frame[12...])
        #expect(out == [[UInt8]](repeating: inner, count: 32) + [frame])
        #expect(try dpif.port(1).stats?.receiveErrors == 1)
    }

    @Test func aTreeOfRecirculationsIsBounded() throws {
        let (dpif, ports) = try bed.bridge("a", "b")
        try put(dpif, recircID: 0, "recirc(0x5)")
        try put(dpif, recircID: 5, "recirc(0x5),recirc(0x5),recirc(0x5)")
        let frame = Frames.ethernet()
        for round in 1...3 {
            ports[0].send(frame)
            #expect(try dpif.information().stats?.hit == UInt64(round * 257))
        }
        #expect(try #require(try dpif.port(1).stats).receiveErrors > 0)
    }

    /// Lists as long as can be, one behind the other: all that a packet may make of it is what four of them do. Found by
    /// fuzzing: a packet that found 200 lists of upcalls took 20 seconds.
    @Test(arguments: ["", "3"]) func longListsAreBounded(behind: String) throws {
        let (dpif, ports) = try bed.bridge("a", "b", "c")
        let list = String(repeating: "2,", count: 8000)
        try put(dpif, recircID: 0, "recirc(0x5)")
        try put(dpif, recircID: 5, list + "recirc(0x5)" + (behind.isEmpty ? "" : ",\(behind)"))
        for round in 1...2 {
            let lost = ports[1].lost
            ports[0].send(Frames.ethernet())
            #expect(ports[1].receiveAll().count + Int(ports[1].lost - lost) == 4 * 8000)
            // What stands behind a recirculation is the packet's own still.
            #expect(ports[2].receiveAll().count == (behind.isEmpty ? 0 : 4))
            #expect(try dpif.port(1).stats?.receiveErrors == UInt64(round))
        }
    }

    // MARK: Hash

    @Test func theHashIsTheFlowsAndNeverZero() throws {
        let (dpif, ports) = try bed.bridge("a", upcalls: true)
        func hash(_ frame: [UInt8], _ text: String, hash given: UInt64? = nil) throws -> UInt32 {
            var packet = PacketExecution(
                packet: frame, key: try Keys.inPort(1).key, actions: try actions(text + ",recirc(0x9)"))
            packet.hash = given
            try dpif.execute(packet)
            let upcall = try #require(try dpif.receiveUpcall())
            return try FlowMatch.key(Attributes(upcall.key.rawSpan)).dpHash
        }
        _ = ports
        func tcp(_ source: UInt16, _ destination: UInt16) -> [UInt8] {
            Frames.ethernet(
                type: 0x0800,
                payload: IP.v4(
                    protocolNumber: 6, payload: IP.tcp(source: source, destination: destination, payload: [])))
        }
        let first = try hash(tcp(1, 2), "hash(l4(0))")
        #expect(first != 0)
        #expect(try hash(tcp(1, 2), "hash(l4(0))") == first)
        #expect(try hash(tcp(1, 2), "hash(l4(1))") != first)
        #expect(try hash(tcp(2, 1), "hash(l4(0))") != first)
        #expect(try hash(tcp(1, 3), "hash(l4(0))") != first)
        // A packet whose ports were set has the hash of a packet with those ports.
        #expect(try hash(tcp(7, 7), "set(tcp(src=1,dst=2)),hash(l4(0))") == first)
        // The client's own hash is taken, until a header changes; without its bits it is none.
        let given = try hash(tcp(1, 2), "hash(l4(0))", hash: 0x3_1234_5678)
        #expect(given != first)
        #expect(try hash(tcp(5, 6), "hash(l4(0))", hash: 0x1_1234_5678) == given)
        #expect(try hash(tcp(7, 7), "set(tcp(src=1,dst=2)),hash(l4(0))", hash: 0x3_1234_5678) == first)
        #expect(try hash(tcp(1, 2), "hash(l4(0))", hash: 0x1234_5678) == first)
        #expect(try hash(tcp(1, 2), "hash(l4(0))", hash: 0x3_0000_0000) == first)
        #expect(try hash(tcp(1, 2), "hash(sym_l4(0))") == hash(tcp(2, 1), "hash(sym_l4(0))"))
    }

    @Test func flowsAreSharedOutByTheirHash() throws {
        // What a bond does: the first flow hashes, those behind it take a fourth each.
        let (dpif, ports) = try bed.bridge("a", "b", "c", "d", "e")
        let frame = Frames.ethernet(type: 0x0800, payload: IP.v4(protocolNumber: 6, payload: IP.tcp(payload: [])))
        try put(dpif, recircID: 0, "hash(l4(0)),recirc(0x1)", like: frame)
        for index in UInt32(0)..<4 { try put(dpif, recircID: 1, hash: (index, 3), "\(index + 2)", like: frame) }
        var seen: [UInt16: Int] = [:]
        for round in 0..<2 {
            for source in UInt16(1)...800 {
                let payload = IP.tcp(source: source, payload: [])
                ports[0].send(Frames.ethernet(type: 0x0800, payload: IP.v4(protocolNumber: 6, payload: payload)))
                let taken = try #require(ports.indices.first { !ports[$0].receiveAll().isEmpty })
                if round == 0 { seen[source] = taken } else { #expect(seen[source] == taken) }
            }
        }
        for port in 1...4 { #expect((120...280).contains(seen.values.count { $0 == port })) }
        #expect(try dpif.information().stats?.missed == 0)
    }

    // MARK: Executions

    @Test func upcallsOfAnExecutionGoWhereItSays() throws {
        let (dpif, _) = try bed.bridge("a", upcalls: true)
        let other = try NetlinkDPIF.open("br0", over: bed.device)
        try other.receiveUpcalls()
        let frame = Frames.ethernet()
        var packet = PacketExecution(
            packet: frame, key: try Keys.inPort(1).key,
            actions: try actions(
                "userspace(pid=\(dpif.upcallPortID)),clone(userspace(pid=\(dpif.upcallPortID))),recirc(0x8)"))
        try dpif.execute(packet)
        for command in [PacketCommand.action, PacketCommand.action, PacketCommand.miss] {
            #expect(try dpif.receiveUpcall()?.command == command)
        }
        packet.upcallPortID = other.upcallPortID
        packet.hash = 0x3_1234_5678
        packet.mru = 1400
        try dpif.execute(packet)
        #expect(try dpif.receiveUpcall() == nil)
        for command in [PacketCommand.action, PacketCommand.action, PacketCommand.miss] {
            let upcall = try #require(try other.receiveUpcall())
            #expect(upcall.command == command)
            #expect(upcall.hash == 0x3_1234_5678)
            #expect(upcall.mru == 1400)
        }
        // 0 is nobody: those whom the actions name.
        packet.upcallPortID = 0
        packet.mru = 0
        try dpif.execute(packet)
        let upcall = try #require(try dpif.receiveUpcall())
        #expect(upcall.mru == nil)
        #expect(try other.receiveUpcall() == nil)
    }

    @Test func anUpcallFromAListHasThatList() throws {
        let (dpif, _) = try bed.bridge("a", upcalls: true)
        let inner = try [Action.userspace(UserspaceAction(portID: dpif.upcallPortID, includesActions: true))].encoded()
        var list = MessageWriter()
        try list.append(ActionAttribute.output, UInt32(1))
        try list.append(ActionAttribute.clone, bytes: inner)
        try dpif.execute(
            PacketExecution(packet: Frames.ethernet(), key: try Keys.inPort(1).key, actions: list.bytes))
        #expect(try dpif.receiveUpcall()?.actions == inner)
    }

    /// Lists, loops and pieces of both with random contents, on frames of all kinds: nothing traps and nothing leaks.
    @Test func randomProgramsEnd() throws {
        let (dpif, ports) = try bed.bridge("a", "b")
        var random = SplitMix64(seed: 99)
        func list(_ depth: Int) -> String {
            (0..<(random.next() % 4)).map { _ in
                switch random.next() % (depth < 8 ? 13 : 8) {
                case 0: "2"
                case 1: "push_vlan(vid=\(random.next() % 4000),pcp=0)"
                case 2: "pop_vlan"
                case 3: "recirc(\(random.next() % 4))"
                case 4: "hash(l4(1))"
                case 5: "set(eth(src=00:00:00:00:00:0a))"
                case 6: "trunc(20)"
                case 7: "meter(1)"
                case 8: "clone(\(list(depth + 1)))"
                case 9: "sample(sample=50.0%,actions(\(list(depth + 1))))"
                case 10: "check_pkt_len(size=80,gt(\(list(depth + 1))),le(\(list(depth + 1))))"
                case 11: "dec_ttl(le_1(\(list(depth + 1))))"
                default: "1"
                }
            }.joined(separator: ",")
        }
        let frames = [
            Frames.ethernet(), Frames.ethernet(payload: [UInt8](repeating: 1, count: 1000)),
            Frames.ethernet(type: 0x0800, payload: IP.v4(protocolNumber: 6, ttl: 1, payload: IP.tcp(payload: [1, 2]))),
        ]
        for round in 0..<300 {
            if round % 10 == 0 {
                try dpif.flushFlows()
                for id in UInt32(0)..<4 { try put(dpif, recircID: id, list(0)) { $0.mask.kind = 0xff } }
            }
            for frame in frames { ports[0].send(frame) }
            _ = ports.map { $0.receiveAll() }
        }
        // All slots are free again: copies in plenty, and all of them right.
        try dpif.flushFlows()
        let text = String(repeating: "clone(push_vlan(vid=9,pcp=0),2),", count: 400) + "2"
        try put(dpif, recircID: 0, text)
        ports[0].send(frames[0])
        let out = ports[1].receiveAll()
        #expect(out == [[UInt8]](repeating: tagged(frames[0], 9), count: 400) + [frames[0]])
    }
}
