import DPIF
import Datapath
import Netlink
import NetlinkSocket
import OpenvSwitch
import Packets
import Testing

/// Packets without Ethernet header and network service headers as a client sees them: flows put and dumped, misses,
/// packets executed.
@Suite struct EncapsulationTests {
    private let bed = TestBed()

    private static let ip: [UInt8] =
        [0x45, 0, 0, 24, 0, 1, 0, 0, 64, 59, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2] + [0xab, 0xcd, 0xef, 0x01]
    private static let frame = Frames.ethernet(type: 0x0800, payload: ip)
    private static let nsh: [UInt8] = [0x0f, 0xc6, 1, 3, 0, 0x12, 0x34, 255] + Array(1...16)
    private static let pushNSH =
        "push_nsh(flags=0,ttl=63,mdtype=1,np=3,spi=0x1234,si=255,c1=0x1020304,c2=0x5060708,c3=0x90a0b0c,c4=0xd0e0f10)"
    private static let pushEthernet = "push_eth(src=02:00:00:00:00:0a,dst=02:00:00:00:00:0b)"
    private static func outer(_ type: UInt16, _ payload: [UInt8]) -> [UInt8] {
        Frames.ethernet(source: 0x02_00_00_00_00_0a, destination: 0x02_00_00_00_00_0b, type: type, payload: payload)
    }

    private func actions(_ text: String) throws -> [UInt8] { try ActionText.parseActions(text, portNumber: nil) }
    private func put(_ dpif: NetlinkDPIF, _ flow: String, _ list: String) throws {
        let match = try FlowText.parseKey(flow, portNumber: nil)
        try dpif.putFlow(FlowPut(key: match.key, mask: match.mask, actions: actions(list)))
    }
    private func key(_ bytes: [UInt8]) throws -> FlowKey { try FlowMatch.key(Attributes(bytes.rawSpan)) }

    /// The key that extraction gives a packet that came in on port 1.
    private func extracted(_ bytes: [UInt8], networkType: UInt16, recircID: UInt32) throws -> FlowKey {
        var key = FlowKey()
        (key.inPort, key.recircID) = (1, recircID)
        let found = KeyExtraction.extract(bytes.rawSpan, networkType: networkType, offload: Offload(), into: &key)
        try #require(found != nil)
        return key
    }

    private let all = "in_port(1),eth(),eth_type(0x0800),ipv4(frag=no)"

    // MARK: Forwarding

    @Test func aFrameTravelsInNSHAndComesOut() throws {
        let (dpif, ports) = try bed.bridge("a", "b", "c")
        try put(dpif, all, "\(Self.pushNSH),\(Self.pushEthernet),2")
        ports[0].send(Self.frame)
        let inside = Self.outer(EtherType.nsh, Self.nsh + Self.frame)
        #expect(ports[1].receiveAll() == [inside])
        try put(dpif, "in_port(2),eth(),eth_type(0x894f),nsh(np=3,spi=0x1234)", "pop_eth,pop_nsh(),3")
        ports[1].send(inside)
        #expect(ports[2].receiveAll() == [Self.frame])
        // The next hop: one less on its way, and another service index.
        try put(
            dpif, "in_port(3),eth(),eth_type(0x894f),nsh(ttl=63,np=3,si=255)",
            "set(nsh(flags=0,ttl=62/0x3f,spi=0/0x0,si=254/0xff)),set(eth(dst=02:00:00:00:00:0c)),1")
        ports[2].send(inside)
        var next = inside
        (next[5], next[14], next[15], next[21]) = (0x0c, 0x0f, 0x86, 254)
        #expect(ports[0].receiveAll() == [next])
    }

    @Test func flowsComeBackAsTheyWerePut() throws {
        let (dpif, _) = try bed.bridge("a", "b")
        for (flow, list) in [
            (all, "\(Self.pushNSH),\(Self.pushNSH),\(Self.pushEthernet),2"),
            (
                "in_port(1),eth(),eth_type(0x894f),nsh(mdtype=1,np=3)",
                "set(nsh(ttl=7)),pop_eth,pop_nsh(),push_vlan(vid=5,pcp=0),2"
            ),
            ("in_port(1),eth_type(0x894f),nsh(mdtype=2,np=1)", "pop_nsh(),\(Self.pushEthernet),2"),
            ("in_port(1),eth_type(0x8847),mpls(label=1,tc=0,ttl=1,bos=1)", "pop_mpls(eth_type=0x6558),pop_eth"),
            (
                "in_port(2),eth(),eth_type(0x1234)",
                "add_mpls(label=1,tc=0,ttl=1,bos=1,eth_type=0x8847),\(Self.pushEthernet),1"
            ),
        ] {
            let match = try FlowText.parseKey(flow, portNumber: nil)
            let bytes = try actions(list)
            try dpif.putFlow(FlowPut(key: match.key, mask: match.mask, actions: bytes))
            var flows: [FlowMessage] = []
            #expect(try dpif.dumpFlows { flows.append($0) })
            let dumped = try #require(flows.first)
            #expect(dumped.actions == bytes, "\(list)")
            let (key, mask) = try (#require(dumped.key), #require(dumped.mask))
            let again = try FlowMatch(key: Attributes(key.rawSpan), mask: Attributes(mask.rawSpan))
            var first = try FlowMatch(key: Attributes(match.key.rawSpan), mask: Attributes(match.mask.rawSpan))
            // The mask of a dump always has a tunnel attribute, which makes the absence of a tunnel exact.
            first.mask.tunnelFamily = again.mask.tunnelFamily
            #expect(again == first, "\(flow)")
            try dpif.flushFlows()
        }
    }

    /// A header that is cut off or wrong is the packet's end, and an error of its port.
    @Test func hostileHeadersAreDroppedAndCounted() throws {
        let (dpif, ports) = try bed.bridge("a", upcalls: true)
        let header = Self.nsh + Self.frame
        var errors: UInt64 = 0
        for length in 0..<24 {
            ports[0].send(Self.outer(EtherType.nsh, Array(header[..<length])))
            errors += 1
        }
        for (index, byte) in [(0, UInt8(0x4f)), (1, 0xc5), (1, 0xc7), (1, 0xff), (2, 0), (2, 3), (2, 0x11)] {
            var wrong = header
            wrong[index] = byte
            ports[0].send(Self.outer(EtherType.nsh, wrong))
            errors += 1
        }
        #expect(try dpif.receiveUpcall() == nil)
        #expect(try dpif.port(1).stats?.receiveErrors == errors)
        let statistics = try #require(try dpif.information().stats)
        #expect(statistics.hit == 0 && statistics.missed == 0)
        ports[0].send(Self.outer(EtherType.nsh, header))
        let upcall = try #require(try dpif.receiveUpcall())
        #expect(try key(upcall.key).nshPath == 0x1234ff)
    }

    // MARK: Recirculation

    /// After each push and pop the packet is looked up with the key that it has then.
    @Test func theNextLookUpSeesThePacketAsItIs() throws {
        let (dpif, ports) = try bed.bridge("a", "b", upcalls: true)
        let arp = Frames.ethernet(
            type: EtherType.arp,
            payload: [0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2])
        let label = "add_mpls(label=100,tc=0,ttl=64,bos=1,eth_type=0x8847)"
        let entry: [UInt8] = [0, 6, 0x41, 0x40]
        let cases: [(frame: [UInt8], list: String, packet: [UInt8], type: UInt16)] = [
            (Self.frame, "pop_eth", Self.ip, EtherType.ipv4),
            (arp, "pop_eth", Array(arp[14...]), EtherType.arp),
            (Self.frame, "pop_eth,\(Self.pushEthernet)", Self.outer(0x0800, Self.ip), 0),
            (Self.frame, Self.pushNSH, Self.nsh + Self.frame, EtherType.nsh),
            (
                Self.frame, "\(Self.pushNSH),\(Self.pushEthernet)", Self.outer(EtherType.nsh, Self.nsh + Self.frame),
                0
            ),
            (Self.frame, label, entry + Self.frame, 0x8847),
            (Self.frame, "\(label),\(Self.pushEthernet)", Self.outer(0x8847, entry + Self.frame), 0),
            (Self.frame, "\(label),pop_mpls(eth_type=0x6558)", Self.frame, 0),
            (Self.frame, "pop_eth,\(label)", entry + Self.ip, 0x8847),
            (Self.outer(EtherType.nsh, Self.nsh + Self.frame), "pop_eth", Self.nsh + Self.frame, EtherType.nsh),
            (Self.outer(EtherType.nsh, Self.nsh + arp), "pop_eth,pop_nsh()", arp, 0),
        ]
        for (index, (frame, list, packet, type)) in cases.enumerated() {
            let id = UInt32(index + 1)
            let network: String
            switch UInt16(frame[12]) << 8 | UInt16(frame[13]) {
            case EtherType.ipv4: network = "eth_type(0x0800),ipv4(frag=no)"
            case EtherType.arp: network = "eth_type(0x0806),arp(op=1)"
            default: network = "eth_type(0x894f),nsh(np=3)"
            }
            try put(dpif, "recirc_id(0),in_port(1),eth(),\(network)", "\(list),recirc(\(id))")
            ports[0].send(frame)
            let upcall = try #require(try dpif.receiveUpcall(), "\(list)")
            #expect(upcall.packet == packet, "\(list)")
            #expect(try key(upcall.key) == extracted(packet, networkType: type, recircID: id), "\(list)")
            // Put as it is, the key matches; and the client executes the packet with it.
            let output = try actions(type == 0 ? "2" : "\(Self.pushEthernet),2")
            try dpif.putFlow(FlowPut(key: upcall.key, actions: output))
            let sent = type == 0 ? packet : Self.outer(type, packet)
            ports[0].send(frame)
            #expect(ports[1].receiveAll() == [sent], "\(list)")
            try dpif.execute(PacketExecution(packet: upcall.packet, key: upcall.key, actions: output))
            #expect(ports[1].receiveAll() == [sent], "\(list)")
            try dpif.flushFlows()
        }
    }

    /// What a popped header brings to light is looked at when the packet is looked up, and not before.
    @Test func anUnsoundHeaderInsideIsAnError() throws {
        let (dpif, ports) = try bed.bridge("a", "b", upcalls: true)
        var header = Self.nsh
        header[3] = 4  // NSH in NSH
        try put(dpif, "in_port(1),eth(),eth_type(0x894f),nsh(np=4)", "pop_eth,pop_nsh(),recirc(0x1)")
        ports[0].send(Self.outer(EtherType.nsh, header + [1, 2, 3]))
        #expect(try dpif.receiveUpcall() == nil)
        #expect(try dpif.port(1).stats?.receiveErrors == 1)
        try dpif.flushFlows()
        try put(dpif, "in_port(1),eth(),eth_type(0x894f),nsh(np=4)", "pop_eth,pop_nsh(),\(Self.pushEthernet),2")
        ports[0].send(Self.outer(EtherType.nsh, header + [1, 2, 3]))
        #expect(ports[1].receiveAll() == [Self.outer(EtherType.nsh, [1, 2, 3])])
    }

    // MARK: Packets without Ethernet header

    @Test func aPacketWithoutEthernetHeaderIsExecuted() throws {
        let (dpif, ports) = try bed.bridge("a", "b", upcalls: true)
        let arp: [UInt8] = [0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2]
        let v6: [UInt8] =
            [0x60, 0, 0, 0, 0, 0, 59, 64, 0xfd] + [UInt8](repeating: 0, count: 15) + [0xfd]
            + [UInt8](repeating: 1, count: 15)
        let packets: [(type: UInt16, bytes: [UInt8])] = [
            (EtherType.ipv4, Self.ip), (EtherType.ipv6, v6), (EtherType.arp, arp),
            (EtherType.mplsUnicast, [0, 6, 0x41, 0x40] + Self.ip), (EtherType.nsh, Self.nsh + Self.frame),
            (0x1234, Self.ip), (EtherType.ipv4, [UInt8](repeating: 0, count: 14)),
        ]
        for (type, bytes) in packets {
            // Of the key, only the EtherType and that there are no MAC addresses count.
            let metadata = try FlowText.parseKey(
                "recirc_id(9),in_port(1),eth_type(0x\(String(type, radix: 16)))", portNumber: nil
            ).key
            func execute(_ list: String) throws {
                try dpif.execute(PacketExecution(packet: bytes, key: metadata, actions: actions(list)))
            }
            try execute("\(Self.pushEthernet),2")
            #expect(ports[1].receiveAll() == [Self.outer(type, bytes)], "\(type)")
            try execute("userspace(pid=\(dpif.upcallPortID))")
            let upcall = try #require(try dpif.receiveUpcall())
            #expect(upcall.packet == bytes)
            #expect(try key(upcall.key) == extracted(bytes, networkType: type, recircID: 9), "\(type)")
            try execute("recirc(0x3)")
            let miss = try #require(try dpif.receiveUpcall())
            #expect(miss.command == PacketCommand.miss && miss.packet == bytes)
            #expect(try key(miss.key) == extracted(bytes, networkType: type, recircID: 3), "\(type)")
            // Only the first bytes of it.
            try execute("trunc(14),userspace(pid=\(dpif.upcallPortID)),\(Self.pushEthernet),2")
            let short = try #require(try dpif.receiveUpcall())
            #expect(short.packet == Array(bytes[..<14]))
            #expect(ports[1].receiveAll() == [Self.outer(type, bytes)], "\(type)")
            // Its length is that of the packet.
            try execute("check_pkt_len(size=\(bytes.count),gt(\(Self.pushEthernet),1),le(\(Self.pushEthernet),2))")
            #expect(ports[0].receiveAll().isEmpty && ports[1].receiveAll().count == 1)
            try execute("check_pkt_len(size=\(bytes.count - 1),gt(\(Self.pushEthernet),1),le(\(Self.pushEthernet),2))")
            #expect(ports[0].receiveAll().count == 1 && ports[1].receiveAll().isEmpty)
        }
    }

    /// All ports are Ethernet.
    @Test func anOutputWithoutEthernetHeaderIsDroppedAndCounted() throws {
        let (dpif, ports) = try bed.bridge("a", "b")
        try put(dpif, all, "2,pop_eth,2,trunc(14),2,\(Self.pushEthernet),2")
        ports[0].send(Self.frame)
        #expect(ports[1].receiveAll() == [Self.frame, Self.outer(0x0800, Self.ip)])
        #expect(try dpif.port(2).stats?.transmitDropped == 2)
        #expect(try dpif.port(1).stats?.receiveErrors == 0)
    }

    @Test func setActionsWithoutEthernetHeader() throws {
        let (dpif, ports) = try bed.bridge("a", "b")
        var tcp: [UInt8] = [0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]
        tcp += [0, 1, 0, 2] + [UInt8](repeating: 0, count: 8) + [0x50, 0, 0, 1, 0, 0, 0, 0]
        let key = "in_port(1),eth_type(0x0800)"
        let metadata = try FlowText.parseKey(key, portNumber: nil).key
        let set = "set(ipv4(src=1.2.3.4,ttl=9)),set(tcp(src=80)),dec_ttl(le_1())"
        try dpif.execute(
            PacketExecution(packet: tcp, key: metadata, actions: actions("\(set),\(Self.pushEthernet),2")))
        // The same actions on the frame.
        try dpif.execute(
            PacketExecution(
                packet: Self.outer(0x0800, tcp), key: try Keys.inPort(1).key, actions: actions("\(set),2")))
        let sent = ports[1].receiveAll()
        #expect(sent.count == 2 && sent[0] == sent[1])
        #expect(sent[0] != Self.outer(0x0800, tcp))
        // A header that it does not have is not set.
        do {
            try dpif.execute(
                PacketExecution(packet: tcp, key: metadata, actions: actions("set(eth(src=02:00:00:00:00:01)),2")))
            Issue.record("it was taken")
        } catch let error as SocketError { #expect(error.errno == Errno.invalid) }
    }

    @Test func whatCannotBeExecuted() throws {
        let (dpif, _) = try bed.bridge("a")
        func errno(_ packet: [UInt8], _ type: UInt16) throws -> Int32? {
            let key = try FlowText.parseKey("in_port(1),eth_type(0x\(String(type, radix: 16)))", portNumber: nil).key
            do {
                try dpif.execute(PacketExecution(packet: packet, key: key, actions: []))
                return nil
            } catch { return error.errno }
        }
        #expect(try errno(Self.ip, EtherType.ipv4) == nil)
        #expect(try errno(Array(Self.ip[..<13]), EtherType.ipv4) == Errno.range)
        #expect(try errno(Array(Self.nsh[..<23]), EtherType.nsh) == Errno.invalid)
        #expect(try errno(Self.ip, EtherType.vlan) == Errno.invalid)
        #expect(try errno(Self.ip, 0x5ff) == Errno.invalid)
    }

    /// The packet that a host left unfinished goes to a client in pieces, without its Ethernet header too.
    @Test func upcallsAreComplete() throws {
        let (dpif, ports) = try bed.bridge("a", upcalls: true)
        var frame = Frames.ethernet(
            type: 0x0800, payload: [0x45, 0, 0, 60, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2])
        frame += [0x12, 0x67, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x18, 2, 0, 0, 0, 0, 0] + (1...20).map { UInt8($0) }
        var offload = Offload()
        (offload.flags, offload.segmentation, offload.segmentSize) = (Offload.needsChecksum, Offload.tcpv4, 8)
        (offload.headerLength, offload.checksumStart, offload.checksumOffset) = (54, 34, 16)
        for (list, size) in [("pop_eth", 0), (Self.pushNSH, 38), ("\(Self.pushNSH),\(Self.pushEthernet)", 52)] {
            try put(dpif, all, "\(list),userspace(pid=\(dpif.upcallPortID))")
            ports[0].send(frame, offload: offload)
            var payload: [UInt8] = []
            while let upcall = try dpif.receiveUpcall() {
                let packet = Array(upcall.packet[size...])
                let header = Array(packet[..<20])
                #expect(InternetChecksum.checksum(header.rawSpan) == 0)
                let message = Array(packet[20...])
                let sum = InternetChecksum.pseudoHeader(
                    source: 0x0a00_0001, destination: 0x0a00_0002, protocolNumber: 6, length: message.count)
                #expect(InternetChecksum.fold(InternetChecksum.sum(message.rawSpan) + sum) == 0xffff, "\(list)")
                payload += packet[40...]
            }
            #expect(payload == Array(1...20), "\(list)")
            try dpif.flushFlows()
        }
    }

    // MARK: Refusals

    @Test(arguments: [
        ("push_eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02)", "push_eth: the packet must have no Ethernet header"),
        ("push_vlan(vid=1,pcp=0),pop_eth", "pop_eth: the packet must have no VLAN tag"),
        ("pop_eth,pop_eth", "pop_eth: the packet must have an Ethernet header"),
        ("pop_nsh()", "pop_nsh: the packet must be NSH"),
        ("push_nsh(flags=0,mdtype=2)", "push_nsh: there are no metadata"),
        ("set(nsh(ttl=3))", "set: it can be set only on a packet whose EtherType is 0x894f"),
    ])
    func whatCannotBeIsRefusedWithASentence(list: String, words: String) throws {
        let (dpif, _) = try bed.bridge("a")
        do {
            try put(dpif, all, list)
            Issue.record("it was taken")
        } catch let error as SocketError {
            #expect(error.errno == Errno.invalid)
            #expect("\(error)".contains("flow actions: \(words)"), "\(error)")
        }
    }
}
