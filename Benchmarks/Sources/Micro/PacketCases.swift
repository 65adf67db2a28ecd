import Bed
import DPIF
import Datapath
import Netlink
import OpenvSwitch

extension Case {
    /// A packet in memory through the whole switch: extraction, a flow found in the exact-match cache, the actions, and
    /// what is queued given to a host that does nothing with it.
    static var actionCases: [Case] {
        [
            action("forward", "2", aim: 60),
            action("drop, no actions", "drop", outputs: 0),
            action("drop, with a reason", "", more: [.drop(0)], outputs: 0),
            action("forward to two", "2,3", outputs: 2),
            action("set Ethernet addresses", "set(eth(src=02:00:00:00:00:09,dst=02:00:00:00:00:0a)),2"),
            action("set IPv4 address and TTL", "set(ipv4(src=10.0.0.9,ttl=7)),2"),
            action("set TCP ports", "set(tcp(src=1,dst=2)),2"),
            action("set UDP ports", "set(udp(src=1,dst=2)),2", Frames.udp, udp),
            action("set SCTP ports", "set(sctp(src=1,dst=2)),2", Frames.sctp, "\(ipv4)(proto=132,frag=no),sctp()"),
            action(
                "set IPv6 address and hop limit", "set(ipv6(src=2001:db8::9,hlimit=7)),2", Frames.tcpOverIPv6,
                "\(link),eth_type(0x86dd),ipv6(proto=6,frag=no),tcp(),tcp_flags(0/0)"),
            action("set priority and mark", "set(skb_priority(5)),set(skb_mark(7)),2"),
            action("set MPLS label", "set(mpls(label=7,tc=0,ttl=9,bos=1)),2", Frames.mpls, mpls),
            action("set NSH TTL", "set(nsh(ttl=7)),2", Array(Frames.nsh), nsh),
            action("push VLAN tag", "push_vlan(vid=5,pcp=0),2"),
            action(
                "pop VLAN tag", "pop_vlan,2", Frames.taggedUDP,
                "\(link),eth_type(0x8100),vlan(vid=5,pcp=1),encap(eth_type(0x0800),ipv4(frag=no))"),
            action("push MPLS label", "push_mpls(label=20,tc=0,ttl=64,bos=1,eth_type=0x8847),2"),
            action("pop MPLS label", "pop_mpls(eth_type=0x800),2", Frames.mpls, mpls),
            action(
                "add MPLS label and Ethernet in front",
                "add_mpls(label=20,tc=0,ttl=64,bos=1,eth_type=0x8847),"
                    + "push_eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),2"),
            action("pop and push Ethernet", "pop_eth,push_eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),2"),
            action(
                "push NSH and Ethernet",
                "push_nsh(flags=0,ttl=63,mdtype=1,np=3,spi=0x5,si=255,c1=0x0,c2=0x0,c3=0x0,c4=0x0),"
                    + "push_eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),2"),
            action("pop Ethernet and NSH", "pop_eth,pop_nsh(),2", Frames.nsh, nsh),
            action("meter", "meter(1),2"),
            action("cut to 40 bytes", "trunc(40),2"),
            action("decrement TTL", "dec_ttl(le_1()),2"),
            action("clear connection", "ct_clear,2"),
            action("check length, longer", "check_pkt_len(size=40,gt(2),le(3))"),
            action("check length, not longer", "check_pkt_len(size=1500,gt(3),le(2))"),
            action("clone that changes the packet", "clone(push_vlan(vid=5,pcp=0),3),2", outputs: 2),
            action("sample always", "sample(sample=100.0%,actions(3)),2", outputs: 2),
            action("sample never", "sample(sample=0.0%,actions(3)),2"),
            action("hash and recirculate", "hash(l4(0)),recirc(0x7)", then: "2"),
            action("symmetric hash and recirculate", "hash(sym_l4(0)),recirc(0x7)", then: "2"),
            action("recirculate without hash", "recirc(0x7)", then: "2"),
            action(
                "many: sample, clone, meter, TTL, length",
                "sample(sample=100.0%,actions(3)),clone(push_vlan(vid=5,pcp=0),3),meter(1),"
                    + "dec_ttl(le_1()),check_pkt_len(size=1500,gt(drop),le(2))",
                outputs: 3),
        ]
    }

    /// Many flows and many packets.
    static var flowCases: [Case] {
        [
            learned("1000 flows", 1...1000),
            learned("20,000 flows", 1...20_000),
            // The order in which they were put in helps the processor to foresee where the next one stands.
            learned("20,000 flows in another order", 1...20_000) { $0 * 7919 % 20_000 + 1 },
            learned("1000 flows, hash and recirculate", 1...1000, "hash(l4(0)),recirc(0x7)"),
        ]
    }

    private static let link = "recirc_id(0),in_port(1),eth()"
    private static let ipv4 = link + ",eth_type(0x0800),ipv4"
    private static let tcp = ipv4 + "(proto=6,frag=no),tcp(),tcp_flags(0/0)"
    private static let udp = ipv4 + "(proto=17,frag=no),udp()"
    private static let mpls = link + ",eth_type(0x8847),mpls(label=20,tc=0,ttl=64,bos=1)"
    private static let nsh = link + ",eth_type(0x894f),nsh(np=3,spi=0x5)"

    /// One flow.
    /// - Parameters:
    ///   - more: actions that have no text.
    ///   - then: what becomes of the packet after it was recirculated.
    ///   - outputs: how many packets leave for each that comes.
    private static func action(
        _ name: String, _ actions: String, _ frame: [UInt8] = Frames.tcp(), _ key: String = tcp, more: [Action] = [],
        aim: Double? = nil, then: String? = nil, outputs: Int = 1
    ) -> Case {
        Case(name: name, group: .actions, aim: aim) {
            let bed = try Bed()
            let flow = try FlowText.parseKey(key, portNumber: nil)
            let bytes = try (actions.isEmpty ? [] : Bed.actions(actions)) + more.encoded()
            try bed.dpif.putFlow(FlowPut(key: flow.key, mask: flow.mask, actions: bytes))
            if let then { try bed.install(key.replacing("recirc_id(0)", with: "recirc_id(0x7)"), then) }
            return forwarding(bed, [frame], outputs: outputs)
        }
    }

    /// Flows as the learning bridge makes them, each with a packet.
    private static func learned(
        _ name: String, _ numbers: ClosedRange<Int>, _ actions: String = "2", order: @escaping (Int) -> Int = { $0 }
    ) -> Case {
        Case(name: name, group: .flows) {
            let bed = try Bed()
            let first = try Bed.actions(actions)
            let second = try Bed.actions("2")
            try bed.install(numbers.count) { flow(numbers.lowerBound + $0, recircID: 0, first) }
            if actions != "2" { try bed.install(numbers.count) { flow(numbers.lowerBound + $0, recircID: 7, second) } }
            return forwarding(bed, numbers.map { Frames.tcp(source: UInt64(order($0))) }, outputs: 1)
        }
    }

    private static func flow(_ source: Int, recircID: UInt32, _ actions: [UInt8]) -> FlowPut {
        var match = FlowMatch(key: FlowKey(), mask: FlowMask())
        match.key.kind = 1
        match.key.recircID = recircID
        match.mask.recircID = .max
        match.key.inPort = 1
        match.key.etherType = EtherType.ipv4
        match.key.ethernetSource = UInt64(source)
        match.key.ethernetDestination = 0xff
        // The key must be complete; only what the mask names counts.
        match.key.ipProtocol = 255
        match.mask.kind = 0xff
        match.mask.inPort = .max
        match.mask.etherType = .max
        match.mask.ethernetSource = 0xffff_ffff_ffff
        match.mask.ethernetDestination = 0xffff_ffff_ffff
        return FlowPut(match, actions: actions)
    }

    /// Sends frames of one length in turn, in batches of 32.
    /// - Parameter outputs: how many packets must leave for each that comes.
    static func forwarding(_ bed: Bed, _ frames: [[UInt8]], outputs: Int) -> Prepared {
        // One run of bytes: taking an array out of an array would count references of its own.
        let bytes = frames.flatMap { $0 }
        let count = frames.count
        let length = bytes.count / count
        let (processor, port) = (bed.processor, bed.port)
        let next = Box(0)
        return Prepared(
            body: { packets in
                var index = next.value
                var transmitted = 0
                for _ in 0..<(packets / 32) {
                    processor.beginBatch(now: 2000)
                    for _ in 0..<32 {
                        guard var packet = processor.takePacket() else { fatalError("the batch is full") }
                        let start = index * length
                        let fits = packet.assign(bytes.rawSpan.clamped(start..<(start + length)))
                        precondition(fits, "the frame is too long")
                        processor.process(packet, from: port)
                        index = index + 1 == count ? 0 : index + 1
                    }
                    processor.finishBatch { _, packets in
                        transmitted += packets.count
                        return packets.count
                    }
                }
                next.value = index
                precondition(transmitted == packets * outputs, "the actions do something else")
            },
            end: { bed.end() })
    }
}
