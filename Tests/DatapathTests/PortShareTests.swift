import Netlink
import OpenvSwitch
import Packets
import Testing

@testable import Datapath

/// Ports whose packets take long get fewer frames.
@Suite struct PortShareTests {
    @Test func ordinaryPortsAlwaysGetAWholeBatch() {
        var share = PortShare()
        var masks: UInt64 = 0
        for round in 0..<1000 {
            #expect(share.begin(masksTried: masks) == 32)
            let frames = round % 33
            share.end(frames: frames)
            masks += UInt64(frames * 16)
        }
    }

    @Test func aPortPaysForItsMasksAndIsForgiven() {
        var share = PortShare()
        #expect(share.begin(masksTried: 0) == 32)
        share.end(frames: 32)
        // Some turns are lost: what was used beyond one turn's worth.
        var masks: UInt64 = 32 * 1000
        var lost = 0
        while share.begin(masksTried: masks) == 0 { lost += 1 }
        #expect(lost == (32 * (1000 + PortShare.frameCost) - 1) / PortShare.turn - 1)
        // Then it has a few frames.
        var next = share.begin(masksTried: masks)
        #expect((1...4).contains(next))
        // When its packets are ordinary again it is as if nothing had been.
        for _ in 0..<20 {
            share.end(frames: next)
            masks += UInt64(next)
            next = share.begin(masksTried: masks)
        }
        #expect(next == 32)
    }

    @Test func debtIsBounded() {
        var share = PortShare()
        #expect(share.begin(masksTried: 0) == 32)
        share.end(frames: 32)
        var turns = 0
        while share.begin(masksTried: .max) == 0 { turns += 1 }
        #expect((100...200).contains(turns))
    }

    /// A thread with a port of many masks and ordinary ones, by a clock of masks: each gets about the same time, whenever
    /// the masks are counted.
    @Test(arguments: [17, 100, 512, 4096, 8192], [0, 16])
    func allPortsGetTheSameTime(masks: Int, delay: Int) {
        struct Port {
            var share = PortShare()
            var tried: UInt64 = 0
            var late: UInt64 = 0
            var time = 0
        }
        var ports = [Port](repeating: Port(), count: 3)
        for _ in 0..<20_000 {
            for index in 0..<3 {
                let frames = ports[index].share.begin(masksTried: ports[index].tried)
                ports[index].share.end(frames: frames)
                let each = index == 0 ? masks : 16
                ports[index].time += frames * (each + PortShare.frameCost)
                // Packets at the end of a turn may be looked up when it is over.
                let now = min(frames, delay)
                ports[index].tried += ports[index].late + UInt64((frames - now) * each)
                ports[index].late = UInt64(now * each)
            }
        }
        let expected = Double(ports[1].time)
        #expect(ports[1].time == ports[2].time)
        #expect(Double(ports[0].time) < expected * 1.05)
        #expect(Double(ports[0].time) > expected * 0.6)
    }

    /// Masks are counted for the port whose packets were compared under them.
    @Test func masksAreThePortsWhosePacketsTriedThem() throws {
        let host = ThreadsTests.CountingPorts()
        let sw = Switch(provider: host)
        try sw.withControl { control throws(RequestError) in
            let datapath = try control.makeDatapath(name: "br0", upcallPortIDs: [0], ifindex: nil)
            for (number, name) in [(UInt16(1), "a"), (2, "b")] {
                _ = try control.addVport(name: name, type: .netdev, number: number, upcallPortIDs: [0], to: datapath)
            }
            for bit in UInt64(0)..<32 {
                var match = FlowMatch(key: FlowKey(), mask: FlowMask())
                (match.key.inPort, match.mask.inPort) = (1, .max)
                (match.key.ethernetSource, match.mask.ethernetSource) = (1 << (bit + 8), 1 << (bit + 8))
                _ = datapath.insertFlow(match, ufid: nil, try CompiledActions(Attributes(RawSpan()), for: match))
            }
        }
        let (a, b) = (try #require(host.reference("a")), try #require(host.reference("b")))
        let processor = PacketProcessor(sw)
        func turn(_ port: PortReference) -> Int {
            processor.beginBatch(now: 1)
            let most = processor.beginTurn(of: port)
            for source in 0..<most {
                guard var packet = processor.takePacket() else { break }
                let frame: [UInt8] =
                    [2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, UInt8(source), 0x12, 0x34] + [UInt8](repeating: 0, count: 46)
                _ = packet.assign(frame.rawSpan)
                processor.process(packet, from: port)
            }
            processor.endTurn(of: port, frames: most)
            unsafe processor.finishBatch { $1.count }
            return most
        }
        var (ofA, ofB) = (0, 0)
        for _ in 0..<100 {
            ofA += turn(a)
            ofB += turn(b)
        }
        #expect(ofB == 3200)
        #expect(ofA < 2800 && ofA > 1600)
        sw.withControl { control in
            guard let datapath = control.datapath(named: "br0") else { return }
            // Port b's packets were compared under none.
            #expect(datapath.megaflowStatistics.maskHit == UInt64(ofA) * 32)
            #expect(datapath.megaflowStatistics.masks == 32)
        }
        sw.shutDown()
    }
}
