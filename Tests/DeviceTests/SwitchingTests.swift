import DPIF
import Datapath
import Device
import Netlink
import NetlinkSocket
import OpenvSwitch
import Testing

@Suite struct SwitchingTests {
    @Test func aFlowForwards() throws {
        let bed = TestBed()
        let (dpif, ports) = try bed.bridge("a", "b")
        let (key, mask) = try Keys.inPort(1)
        try dpif.putFlow(FlowPut(key: key, mask: mask, actions: try [Action.output(2)].encoded()))
        let frame = Frames.ethernet()
        ports[0].send(frame)
        #expect(ports[1].receiveAll() == [frame])
        #expect(ports[0].receiveAll() == [])
        let statistics = try #require(try dpif.information().stats)
        #expect(statistics.hit == 1)
        #expect(statistics.missed == 0)
        var flows: [FlowMessage] = []
        #expect(try dpif.dumpFlows { flows.append($0) })
        #expect(flows.count == 1)
        #expect(flows.first?.stats == FlowStatistics(packets: 1, octets: UInt64(frame.count)))
        #expect(flows.first?.used != nil)
    }

    @Test func aMissMakesAnUpcallWithTheWholePacketAndItsKey() throws {
        let bed = TestBed()
        let (dpif, ports) = try bed.bridge("a", "b", upcalls: true)
        let frame = Frames.ethernet()
        ports[1].send(frame)
        let upcall = try #require(try dpif.receiveUpcall())
        #expect(upcall.command == PacketCommand.miss)
        #expect(upcall.packet == frame)
        #expect(upcall.datapathIfindex == dpif.ifindex)
        let key = try FlowMatch.key(Attributes(upcall.key.rawSpan))
        #expect(key.inPort == 2)
        #expect(key.etherType == 0x1234)
        #expect(key.ethernetSource == 0x02_00_00_00_00_01)
        #expect(try dpif.receiveUpcall() == nil)
        #expect(try dpif.information().stats?.missed == 1)
        #expect(try dpif.port(2).upcallStats == UpcallStatistics(success: 1, fail: 0))
    }

    @Test func aMissThatNobodyTakesIsCounted() throws {
        let bed = TestBed()
        let (dpif, ports) = try bed.bridge("a")
        ports[0].send(Frames.ethernet())
        #expect(try dpif.information().stats?.lost == 1)
        #expect(try dpif.port(1).upcallStats == UpcallStatistics(success: 0, fail: 0))
        // A port ID that no handle has: this failure is the port's too.
        try dpif.setUpcalls([4_000_000], ofPort: 1)
        ports[0].send(Frames.ethernet())
        #expect(try dpif.information().stats?.lost == 2)
        #expect(try dpif.port(1).upcallStats == UpcallStatistics(success: 0, fail: 1))
    }

    @Test func executeCarriesOutActions() throws {
        let bed = TestBed()
        let (dpif, ports) = try bed.bridge("a", "b")
        let frame = Frames.ethernet()
        let actions: [Action] = [
            .output(1), .pushVLAN(tpid: 0x8100, tci: 0x1005), .output(2), .popVLAN,
            .set(.ethernet(source: 0x0a, destination: 0x0b)), .output(1), .truncate(20), .output(2), .output(2),
        ]
        try dpif.execute(
            PacketExecution(packet: frame, key: try Keys.inPort(1).key, actions: try actions.encoded()))
        let tagged = Array(frame[0..<12]) + [0x81, 0x00, 0x00, 0x05] + Array(frame[12...])
        let rewritten = Frames.mac(0x0b) + Frames.mac(0x0a) + Array(frame[12...])
        // What was queued before is not touched by the edits that follow.
        #expect(ports[0].receiveAll() == [frame, rewritten])
        #expect(ports[1].receiveAll() == [tagged, Array(rewritten[0..<20]), rewritten])
    }

    @Test func anUnknownPortDropsSilently() throws {
        let bed = TestBed()
        let (dpif, ports) = try bed.bridge("a")
        try dpif.execute(
            PacketExecution(
                packet: Frames.ethernet(), key: try Keys.inPort(1).key,
                actions: try [Action.output(77), .output(1)].encoded()))
        #expect(ports[0].receiveAll().count == 1)
    }

    @Test func aUserspaceActionCarriesItsCookie() throws {
        let bed = TestBed()
        let (dpif, _) = try bed.bridge("a", upcalls: true)
        let cookie: [UInt8] = [1, 2, 3, 4, 5, 6, 7]
        let actions: [Action] = [
            .truncate(30),
            .userspace(UserspaceAction(portID: dpif.upcallPortID, userdata: cookie, includesActions: true)),
        ]
        let frame = Frames.ethernet()
        try dpif.execute(
            PacketExecution(packet: frame, key: try Keys.inPort(1).key, actions: try actions.encoded()))
        let upcall = try #require(try dpif.receiveUpcall())
        #expect(upcall.command == PacketCommand.action)
        #expect(upcall.userdata == cookie)
        #expect(upcall.packet == Array(frame[0..<30]))
        #expect(upcall.length == UInt32(frame.count))
        #expect(upcall.actions == (try actions.encoded()))
    }

    @Test func replacingActionsKeepsStatisticsAndClearingForgetsThem() throws {
        let bed = TestBed()
        let (dpif, ports) = try bed.bridge("a", "b", "c")
        let (key, mask) = try Keys.inPort(1)
        try dpif.putFlow(FlowPut(key: key, mask: mask, actions: try [Action.output(2)].encoded()))
        ports[0].send(Frames.ethernet())
        try dpif.putFlow(FlowPut(key: key, mask: mask, actions: try [Action.output(3)].encoded(), mode: .modify))
        ports[0].send(Frames.ethernet())
        #expect(ports[1].receiveAll().count == 1)
        #expect(ports[2].receiveAll().count == 1)
        #expect(try dpif.flow(.key(key)).stats?.packets == 2)
        var put = FlowPut(key: key, mask: mask, actions: try [Action.output(3)].encoded(), mode: .modify)
        put.clearStatistics = true
        try dpif.putFlow(put)
        let cleared = try dpif.flow(.key(key))
        #expect(cleared.stats == nil)
        #expect(cleared.used == nil)
        ports[0].send(Frames.ethernet())
        let final = try dpif.deleteFlow(.key(key))
        #expect(final.stats?.packets == 1)
        // The packet threads' caches have forgotten the flow.
        ports[0].send(Frames.ethernet())
        #expect(ports[2].receiveAll().count == 1)
        #expect(try dpif.information().stats?.missed == 1)
    }

    @Test func creatingTwiceIsRefused() throws {
        let bed = TestBed()
        let (dpif, _) = try bed.bridge("a")
        let (key, mask) = try Keys.inPort(1)
        let put = FlowPut(key: key, mask: mask, actions: [])
        try dpif.putFlow(put)
        do {
            try dpif.putFlow(put)
            Issue.record("the flow was made twice")
        } catch { #expect(error.errno == Errno.exists) }
        // A narrower flow that the first one overlaps counts as there too.
        let narrow = try Keys.inPort(1, ethernetSource: 7)
        do {
            try dpif.putFlow(FlowPut(key: narrow.key, mask: narrow.mask, actions: []))
            Issue.record("the overlapping flow was taken")
        } catch { #expect(error.errno == Errno.exists) }
        do {
            try dpif.putFlow(FlowPut(key: narrow.key, mask: narrow.mask, actions: [], mode: .createOrModify))
            Issue.record("the overlapping flow was taken")
        } catch { #expect(error.errno == Errno.noEntry) }
    }

    @Test func portsComeAndGo() throws {
        let bed = TestBed()
        let (dpif, _) = try bed.bridge("a", "b")
        #expect(try dpif.ports().map(\.name) == ["br0", "a", "b"])
        #expect(try dpif.ports().map(\.portNumber) == [0, 1, 2])
        try dpif.deletePort(1)
        #expect(try dpif.ports().map(\.portNumber) == [0, 2])
        try dpif.addPort("a")
        #expect(try dpif.port(named: "a").portNumber == 1)
        try dpif.addPort("in0", type: .internal, number: 40_000)
        #expect(try dpif.port(40_000).name == "in0")
        let cases: [(String, VportType, UInt32?, Int32)] = [
            ("a", .netdev, nil, Errno.busy), ("nowhere", .netdev, nil, Errno.noDevice),
            ("in0", .internal, nil, Errno.exists), ("x", .internal, 40_000, Errno.busy),
            ("x", .internal, 65_535, Errno.fileTooBig), ("x", .vxlan, nil, Errno.addressFamilyNotSupported),
            ("x", VportType(rawValue: 105), nil, Errno.addressFamilyNotSupported),
        ]
        for (name, type, number, errno) in cases {
            do {
                try dpif.addPort(name, type: type, number: number)
                Issue.record("\(name) was taken")
            } catch { #expect(error.errno == errno, "\(name) \(type.rawValue)") }
        }
        do { try dpif.deletePort(0) } catch { #expect(error.errno == Errno.invalid) }
        do { try dpif.deletePort(99) } catch { #expect(error.errno == Errno.noDevice) }
        try dpif.delete()
        #expect(try NetlinkDPIF.datapaths(over: bed.device).isEmpty)
        // Internal interfaces have gone with it, attached ones are the host's again.
        #expect(bed.host.interfaces().map(\.name) == ["a", "b"])
    }

    @Test func countersAreTheDevicesOwn() throws {
        let bed = TestBed()
        let (dpif, ports) = try bed.bridge("a")
        let (key, mask) = try Keys.inPort(1)
        try dpif.putFlow(FlowPut(key: key, mask: mask, actions: try [Action.output(0)].encoded()))
        let frame = Frames.ethernet()
        ports[0].send(frame)
        let attached = try #require(try dpif.port(1).stats)
        #expect(attached.receivedPackets == 1)
        #expect(attached.receivedBytes == UInt64(frame.count))
        #expect(attached.transmittedPackets == 0)
        // To the host, what comes out of the switch at an internal port is received.
        let local = try #require(try dpif.port(0).stats)
        #expect(local.receivedPackets == 1)
        #expect(local.transmittedPackets == 0)
        #expect(bed.host.port("br0")?.receiveAll() == [frame])
    }

    @Test func hitsGoThroughTheCaches() throws {
        let bed = TestBed()
        let (dpif, ports) = try bed.bridge("a", "b")
        let (key, mask) = try Keys.inPort(1)
        try dpif.putFlow(FlowPut(key: key, mask: mask, actions: try [Action.output(2)].encoded()))
        for _ in 0..<10 { ports[0].send(Frames.ethernet()) }
        let information = try dpif.information()
        #expect(information.megaflowStats?.cacheHit == 9)
        #expect(information.megaflowStats?.maskHit == 10)
        #expect(information.megaflowStats?.masks == 1)
        try dpif.setMaskCacheSize(0)
        #expect(try dpif.information().masksCacheSize == 0)
        do {
            try dpif.setMaskCacheSize(3)
            Issue.record("3 is no power of two")
        } catch { #expect(error.errno == Errno.invalid) }
        do {
            try dpif.setMaskCacheSize(8192)
            Issue.record("8192 is too large")
        } catch { #expect(error.errno == Errno.range) }
    }
}
