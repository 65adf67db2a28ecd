import DPIF
import Datapath
import Netlink
import NetlinkSocket
import OpenvSwitch
import Testing

/// Label stacks as a client sees them: flows put and dumped, misses, packets executed.
@Suite struct MPLSTests {
    private static let ip: [UInt8] =
        [0x45, 0, 0, 24, 0, 1, 0, 0, 64, 59, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2] + [0xab, 0xcd, 0xef, 0x01]

    /// A stack of these labels with traffic class 0 and TTL 64.
    private static func stack(_ labels: [UInt32], isEndless: Bool = false) -> [UInt8] {
        labels.enumerated().flatMap { index, label in
            let entry = label << 12 | (index == labels.count - 1 && !isEndless ? 0x100 : 0) | 64
            return (0..<4).map { UInt8(truncatingIfNeeded: entry >> UInt32(24 - 8 * $0)) }
        }
    }
    private static func frame(_ payload: [UInt8], type: UInt16 = 0x8847, tag: [UInt8] = []) -> [UInt8] {
        let plain = Frames.ethernet(type: type, payload: payload)
        return Array(plain[..<12]) + tag + plain[12...]
    }

    private static let bridges = "in_port(1),eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02)"

    @Test(arguments: [
        "eth_type(0x8847),mpls(label=100,tc=3,ttl=64,bos=1)",
        "eth_type(0x8848),mpls(label=100/0xff0ff,tc=0/0x0,ttl=64/0xf0,bos=0/1)",
        "eth_type(0x8847),mpls(label=1,tc=0,ttl=1,bos=0,label=2,tc=0,ttl=2,bos=1)",
        "eth_type(0x8847),mpls(label=1,tc=0,ttl=1,bos=0,label=2,tc=7,ttl=255,bos=0,label=1048575,tc=0,ttl=0,bos=0)",
        "eth_type(0x8100),vlan(vid=5,pcp=0),encap(eth_type(0x8847),mpls(label=100,tc=0,ttl=64,bos=1))",
    ])
    func aFlowComesBackAsItWasPut(headers: String) throws {
        let bed = TestBed()
        let (dpif, _) = try bed.bridge("a", "b")
        let actions =
            headers.contains("vlan")
            ? "pop_vlan,pop_mpls(eth_type=0x800),2"
            : "set(mpls(label=7,tc=1,ttl=9,bos=1)),push_mpls(label=8,tc=0,ttl=3,bos=0,eth_type=0x8847),"
                + "pop_mpls(eth_type=0x8848),set(mpls(label=0/0x0,tc=0/0,ttl=63/0xff,bos=0/0)),2"
        let flow = try FlowText.parseKey("\(Self.bridges),\(headers)", portNumber: nil)
        let list = try ActionText.parseActions(actions, portNumber: nil)
        try dpif.putFlow(FlowPut(key: flow.key, mask: flow.mask, actions: list))
        var flows: [FlowMessage] = []
        #expect(try dpif.dumpFlows { flows.append($0) })
        let dumped = try #require(flows.first)
        #expect(dumped.actions == list)
        let (key, mask) = try (#require(dumped.key), #require(dumped.mask))
        let match = try FlowMatch(key: Attributes(key.rawSpan), mask: Attributes(mask.rawSpan))
        var expected = try FlowMatch(key: Attributes(flow.key.rawSpan), mask: Attributes(flow.mask.rawSpan))
        // A mask that is dumped says of the tunnel at least that there is none.
        expected.mask.tunnelFamily = .max
        #expect(match == expected)
        #expect(try dpif.flow(.key(flow.key)).actions == list)
    }

    @Test func aMissHasTheStackInItsKey() throws {
        let bed = TestBed()
        let (dpif, ports) = try bed.bridge("a", upcalls: true)
        for count in 1...5 {
            let labels = (1...UInt32(count)).map { $0 }
            for tag: [UInt8] in [[], [0x81, 0, 0, 7], [0x88, 0xa8, 0, 7, 0x81, 0, 0, 8]] {
                ports[0].send(Self.frame(Self.stack(labels) + Self.ip, tag: tag))
                let upcall = try #require(try dpif.receiveUpcall())
                let key = try FlowMatch.key(Attributes(upcall.key.rawSpan))
                #expect(key.mplsPresence == [1, 3, 7, 7, 7][count - 1])
                for index in 0..<3 {
                    #expect(key.mplsEntries[index] >> 12 == (index < count ? UInt32(index + 1) : 0))
                }
                // The upcall's key, put as it is, is that of the packet's flow.
                try dpif.putFlow(FlowPut(key: upcall.key, actions: []))
                ports[0].send(Self.frame(Self.stack(labels) + Self.ip, tag: tag))
                #expect(try dpif.receiveUpcall() == nil)
                // To a key the stacks of four and of five labels are the same.
                try dpif.flushFlows()
            }
        }
    }

    /// Stacks that are cut off anywhere, or never end: a key that can be put, and that matches the packet.
    @Test func hostileStacksHaveAKeyToo() throws {
        let bed = TestBed()
        let (dpif, ports) = try bed.bridge("a", upcalls: true)
        let endless = Self.stack([UInt32](repeating: 3, count: 300), isEndless: true)
        for length in [0, 1, 3, 4, 5, 7, 8, 11, 12, 13, 100, 1200] {
            let frame = Self.frame(Array(endless[..<length]))
            ports[0].send(frame)
            let upcall = try #require(try dpif.receiveUpcall())
            #expect(upcall.packet == frame)
            try dpif.putFlow(FlowPut(key: upcall.key, actions: try [Action.output(1)].encoded()))
            ports[0].send(frame)
            #expect(try dpif.receiveUpcall() == nil)
            #expect(ports[0].receiveAll() == [frame])
            try dpif.flushFlows()
        }
    }

    @Test func labelsArePushedSetAndPopped() throws {
        let bed = TestBed()
        let (dpif, ports) = try bed.bridge("a", "b")
        let plain = Self.frame(Self.ip, type: 0x0800)
        func execute(_ actions: String, _ frame: [UInt8]) throws -> [[UInt8]] {
            try dpif.execute(
                PacketExecution(
                    packet: frame, key: try Keys.inPort(1).key,
                    actions: ActionText.parseActions(actions, portNumber: nil)))
            return ports[1].receiveAll()
        }
        let push = "push_mpls(label=100,tc=0,ttl=64,bos=1,eth_type=0x8847)"
        let pushed = Self.frame(Self.stack([100]) + Self.ip)
        #expect(try execute("\(push),2", plain) == [pushed])
        #expect(try execute("2,\(push),2,pop_mpls(eth_type=0x800),2", plain) == [plain, pushed, plain])
        #expect(
            try execute("\(push),push_vlan(vid=7,pcp=0),2", plain)
                == [Self.frame(Self.stack([100]) + Self.ip, tag: [0x81, 0, 0, 7])])
        let two = Self.frame(Self.stack([5, 6]) + Self.ip)
        #expect(
            try execute("pop_mpls(eth_type=0x8848),2", two) == [Self.frame(Self.stack([6]) + Self.ip, type: 0x8848)])
        #expect(
            try execute("set(mpls(label=9/0xfffff,tc=0/0x0,ttl=0/0x0,bos=0/0)),2", two)
                == [Self.frame(Self.stack([9, 6]) + Self.ip)])
        // A userspace action shows the packet and the key as they are by then.
        try dpif.receiveUpcalls()
        _ = try execute("\(push),userspace(pid=\(dpif.upcallPortID))", plain)
        let upcall = try #require(try dpif.receiveUpcall())
        #expect(upcall.packet == pushed)
        #expect(try FlowMatch.key(Attributes(upcall.key.rawSpan)).mplsEntries[0] == 100 << 12 | 0x140)
    }

    @Test(arguments: [
        ("pop_mpls(eth_type=0x800)", "pop_mpls: the packet must be MPLS"),
        ("push_vlan(vid=1,pcp=0),push_mpls(label=1,tc=0,ttl=1,bos=1,eth_type=0x8847)", "VLAN tag"),
        ("set(mpls(label=1,tc=0,ttl=1,bos=1))", "only on a packet whose EtherType is 0x8847 or 0x8848"),
    ])
    func whatCannotBeIsRefusedWithASentence(actions: String, words: String) throws {
        let bed = TestBed()
        let (dpif, _) = try bed.bridge("a")
        let flow = try FlowText.parseKey("\(Self.bridges),eth_type(0x0800),ipv4(src=1.2.3.4,frag=no)", portNumber: nil)
        let put = FlowPut(
            key: flow.key, mask: flow.mask, actions: try ActionText.parseActions(actions, portNumber: nil))
        do {
            try dpif.putFlow(put)
            Issue.record("it was taken")
        } catch {
            #expect(error.errno == Errno.invalid)
            #expect("\(error)".contains(words), "\(error)")
        }
    }
}
