import DPIF
import Datapath
import Device
import Netlink
import NetlinkSocket
import OpenvSwitch
import Testing

/// Families `ovs_meter` and `ovs_ct_limit`.
@Suite struct MeterFamilyTests {
    private let bed = TestBed()

    /// One request through a handle.
    private func transact(_ handle: Handle, _ bytes: [UInt8], limit: Int = 65_536) -> (IOResult, [UInt8]) {
        var output = MessageWriter(limit: limit)
        let result = handle.control(.transact, input: bytes.rawSpan, output: &output)
        return (result, output.bytes)
    }

    private func request(
        _ family: Family, _ command: UInt8, _ ifindex: Int32, _ body: (inout MessageWriter) throws -> Void = { _ in }
    ) throws -> [UInt8] {
        var writer = MessageWriter()
        let mark = try writer.begin(family, command: command, datapathIfindex: ifindex, flags: .request, sequence: 7)
        try body(&writer)
        writer.end(message: mark)
        return writer.bytes
    }

    /// The error number of an answer, 0 if it is none.
    private func errno(_ answer: (IOResult, [UInt8])) throws -> Int32 {
        #expect(answer.0.status == .success)
        let bytes = answer.1
        let message = try Message(bytes.rawSpan)
        guard message.header.type == .error else { return 0 }
        return -(try ErrorMessage(message).error)
    }

    private let drop = MeterBand(type: MeterBandType.drop, rate: 1000, burst: 100)

    @Test func metersComeAndGo() throws {
        let (dpif, _) = try bed.bridge("a")
        let features = try dpif.meterFeatures()
        #expect(features.maximumMeters == 200_000)
        #expect(features.maximumBands == 1)
        func gone(_ id: UInt32) {
            do throws(SocketError) {
                _ = try dpif.meter(id)
                Issue.record("meter \(id) is there")
            } catch { #expect(error.errno == Errno.noEntry) }
        }
        for id in [UInt32(0), 1, 1021, .max] {
            gone(id)
            #expect(try dpif.setMeter(id, MeterPut(countsBytes: true, band: drop)) == nil)
            #expect(try dpif.meter(id).bands == [FlowStatistics()])
        }
        // Numbers that would share a place in the kernel do not here.
        #expect(try dpif.setMeter(1 + 1024, MeterPut(countsBytes: true, band: nil)) == nil)
        #expect(try dpif.meter(1 + 1024).bands == [])
        #expect(try dpif.deleteMeter(1) != nil)
        #expect(try dpif.deleteMeter(1) == nil)
        gone(1)
        #expect(try dpif.meter(1021).all == FlowStatistics())
    }

    @Test func packetsAboveTheRateAreDroppedAndCounted() throws {
        let (dpif, ports) = try bed.bridge("a", "b")
        let (key, mask) = try Keys.inPort(1)
        let actions = try ActionText.parseActions("clone(meter(5),2),meter(6),1", portNumber: nil)
        try dpif.putFlow(FlowPut(key: key, mask: mask, actions: actions))
        let frame = Frames.ethernet()
        // A meter that is not there does nothing.
        ports[0].send(frame)
        #expect(ports[1].receiveAll().count == 1)
        #expect(ports[0].receiveAll().count == 1)
        try dpif.setMeter(5, MeterPut(countsBytes: false, band: MeterBand(type: 1, rate: 1, burst: 10)))
        for _ in 0..<100 { ports[0].send(frame) }
        let passed = ports[1].receiveAll().count
        #expect((10...12).contains(passed))
        // What the meter drops is the clone alone.
        #expect(ports[0].receiveAll().count == 100)
        let usage = try dpif.meter(5)
        #expect(usage.all == FlowStatistics(packets: 100, octets: UInt64(100 * frame.count)))
        #expect(usage.bands.first?.packets == UInt64(100 - passed))
        #expect(usage.used != 0)
        // A dropped packet is no error.
        #expect(try dpif.port(1).stats?.receiveErrors == 0)
        // Time fills the bucket.
        bed.host.advanceClock(by: 5000)
        for _ in 0..<100 { ports[0].send(frame) }
        #expect((5...7).contains(ports[1].receiveAll().count))
        // Another meter in its place begins anew, and the reply has what the old one had counted.
        let replaced = try dpif.setMeter(5, MeterPut(countsBytes: true, band: MeterBand(type: 1, rate: 1, burst: 1)))
        #expect(replaced?.all.packets == 200)
        #expect(try dpif.meter(5).all.packets == 0)
        ports[0].send(frame)
        ports[0].send(frame)
        // A kilobit holds one packet of 64 bytes and not two.
        #expect(ports[1].receiveAll().count == 1)
        #expect(try dpif.deleteMeter(5)?.all.packets == 2)
        ports[0].send(frame)
        #expect(ports[1].receiveAll().count == 1)
    }

    @Test func aMeterThatWasClearedIsReplacedInSilence() throws {
        let (dpif, _) = try bed.bridge("a")
        let handle = try bed.device.open()
        func set(clear: Bool) throws -> MeterMessage {
            var message = MeterMessage(command: MeterCommand.set, datapathIfindex: dpif.ifindex, id: 3)
            message.bands = []
            message.clear = clear
            var writer = MessageWriter()
            try message.write(to: &writer, flags: .request)
            let answer = transact(handle, writer.bytes).1
            return try MeterMessage(try Message(answer.rawSpan))
        }
        #expect(try set(clear: true).stats == nil)
        #expect(try set(clear: false).stats == nil)
        let replaced = try set(clear: false)
        #expect(replaced.id == 3)
        #expect(replaced.stats == FlowStatistics())
        #expect(replaced.datapathIfindex == dpif.ifindex)
    }

    @Test func theReplyHasTheKernelsOrder() throws {
        let (dpif, _) = try bed.bridge("a")
        try dpif.setMeter(9, MeterPut(countsBytes: true, band: drop))
        let handle = try bed.device.open()
        let answer = transact(
            handle,
            try request(.meter, MeterCommand.get, dpif.ifindex) { try $0.append(MeterAttribute.id, UInt32(9)) }
        ).1
        let message = try Message(answer.rawSpan)
        var run = try message.attributes(at: OVSHeader.attributesOffset)
        var types: [UInt16] = []
        while let attribute = try run.next() { types.append(attribute.type) }
        #expect(types == [MeterAttribute.id, MeterAttribute.stats, MeterAttribute.used, MeterAttribute.bands])
        #expect(message.header.sequence == 7)
    }

    @Test func requestsAreChecked() throws {
        let (dpif, _) = try bed.bridge("a")
        let handle = try bed.device.open()
        let id: (inout MessageWriter) throws -> Void = { try $0.append(MeterAttribute.id, UInt32(4)) }
        func bands(_ list: [[(UInt16, [UInt8])]]) -> (inout MessageWriter) throws -> Void {
            { writer in
                try id(&writer)
                var nested = MessageWriter()
                for band in list {
                    var inner = MessageWriter()
                    for (type, payload) in band { try inner.append(type, bytes: payload) }
                    try nested.append(0, bytes: inner.bytes)
                }
                try writer.append(MeterAttribute.bands, bytes: nested.bytes)
            }
        }
        let (type, rate, burst): ((UInt16, [UInt8]), (UInt16, [UInt8]), (UInt16, [UInt8])) = (
            (BandAttribute.type, [1, 0, 0, 0]), (BandAttribute.rate, [9, 0, 0, 0]), (BandAttribute.burst, [9, 0, 0, 0])
        )
        let cases: [(String, UInt8, Int32, (inout MessageWriter) throws -> Void, Int32)] = [
            ("features", MeterCommand.features, 0, { _ in }, 0),
            ("features of nothing", MeterCommand.features, 12_345, { _ in }, Errno.noDevice),
            ("set", MeterCommand.set, 0, bands([[type, rate, burst]]), 0),
            ("set, any type", MeterCommand.set, 0, bands([[(BandAttribute.type, [99, 0, 0, 0]), rate, burst]]), 0),
            ("set, no bands", MeterCommand.set, 0, bands([]), 0),
            (
                "set, no ID", MeterCommand.set, 0, { try $0.append(MeterAttribute.bands, bytes: [UInt8]()) },
                Errno.invalid
            ),
            ("set, BANDS missing", MeterCommand.set, 0, id, Errno.invalid),
            ("set, two bands", MeterCommand.set, 0, bands([[type, rate, burst], [type]]), Errno.invalid),
            ("set, no type", MeterCommand.set, 0, bands([[rate, burst]]), Errno.invalid),
            ("set, no rate", MeterCommand.set, 0, bands([[type, burst]]), Errno.invalid),
            ("set, no burst", MeterCommand.set, 0, bands([[type, rate]]), Errno.invalid),
            (
                "set, rate 0", MeterCommand.set, 0, bands([[type, (BandAttribute.rate, [0, 0, 0, 0]), burst]]),
                Errno.invalid
            ),
            (
                "set, short rate", MeterCommand.set, 0, bands([[type, (BandAttribute.rate, [9, 0]), burst]]),
                Errno.range
            ),
            ("set, no datapath", MeterCommand.set, 12_345, bands([[type, rate, burst]]), Errno.noDevice),
            ("set, bad before no datapath", MeterCommand.set, 12_345, bands([[type]]), Errno.invalid),
            ("get, no ID", MeterCommand.get, 0, { _ in }, Errno.invalid),
            ("get, short ID", MeterCommand.get, 0, { try $0.append(MeterAttribute.id, UInt16(4)) }, Errno.range),
            ("get, no datapath", MeterCommand.get, 12_345, id, Errno.noDevice),
            ("delete", MeterCommand.delete, 0, id, 0),
            ("get", MeterCommand.get, 0, id, Errno.noEntry),
            ("delete once more", MeterCommand.delete, 0, id, 0),
            ("delete, no ID", MeterCommand.delete, 0, { _ in }, Errno.invalid),
            ("command 0", 0, 0, id, Errno.notSupported), ("command 5", 5, 0, id, Errno.notSupported),
        ]
        for (name, command, ifindex, body, expected) in cases {
            let bytes = try request(.meter, command, ifindex == 0 ? dpif.ifindex : ifindex, body)
            #expect(try errno(transact(handle, bytes)) == expected, "\(name)")
        }
    }

    @Test func changingNeedsTheAdministrator() throws {
        let (dpif, _) = try bed.bridge("a")
        let reader = try bed.device.open(.read)
        try dpif.setMeter(4, MeterPut(countsBytes: true, band: drop))
        for (command, expected) in [
            (MeterCommand.features, 0), (MeterCommand.get, 0), (MeterCommand.set, Errno.notPermitted),
            (MeterCommand.delete, Errno.notPermitted),
        ] {
            let bytes = try request(.meter, command, dpif.ifindex) { try $0.append(MeterAttribute.id, UInt32(4)) }
            #expect(try errno(transact(reader, bytes)) == expected)
        }
        for (command, expected) in [
            (CTLimitCommand.get, 0), (CTLimitCommand.set, Errno.notPermitted),
            (CTLimitCommand.delete, Errno.notPermitted),
        ] {
            let bytes = try request(.ctLimit, command, 0) {
                try $0.append(CTLimitAttribute.zoneLimit, bytes: ZoneLimit(zone: 1).bytes)
            }
            #expect(try errno(transact(reader, bytes)) == expected)
        }
    }

    @Test func aBufferThatIsTooSmallChangesNothing() throws {
        let (dpif, _) = try bed.bridge("a")
        let handle = try bed.device.open()
        try dpif.setMeter(4, MeterPut(countsBytes: true, band: drop))
        let delete = try request(.meter, MeterCommand.delete, dpif.ifindex) {
            try $0.append(MeterAttribute.id, UInt32(4))
        }
        let (result, output) = transact(handle, delete, limit: 40)
        #expect(result.status == .bufferTooSmall)
        #expect(output.isEmpty)
        #expect(try dpif.meter(4).all == FlowStatistics())
        #expect(transact(handle, delete, limit: Int(result.information)).0.status == .success)
    }

    @Test func theDatapathTakesItsMetersWithIt() throws {
        let (dpif, _) = try bed.bridge("a")
        for id in UInt32(0)..<100 { try dpif.setMeter(id, MeterPut(countsBytes: true, band: drop)) }
        try dpif.delete()
        let again = try NetlinkDPIF.create("br0", over: bed.device)
        do throws(SocketError) {
            _ = try again.meter(5)
            Issue.record("the meter is still there")
        } catch { #expect(error.errno == Errno.noEntry) }
    }

    // MARK: Limits of connections

    private func limits(_ command: UInt8, _ list: [ZoneLimit]?) throws -> CTLimitMessage {
        let handle = try bed.device.open()
        defer { handle.close() }
        var writer = MessageWriter()
        try CTLimitMessage(command: command, zoneLimits: list).write(to: &writer, flags: .request, sequence: 7)
        let answer = transact(handle, writer.bytes).1
        return try CTLimitMessage(try Message(answer.rawSpan))
    }

    @Test func zonesHaveLimits() throws {
        let zone = ZoneLimit.defaultZone
        #expect(try limits(CTLimitCommand.get, nil).zoneLimits == [ZoneLimit(zone: zone)])
        let set = try limits(
            CTLimitCommand.set,
            [
                ZoneLimit(zone: 7, limit: 70), ZoneLimit(zone: 3, limit: 30), ZoneLimit(zone: 65_536, limit: 1),
                ZoneLimit(zone: -2, limit: 1), ZoneLimit(zone: zone, limit: 5), ZoneLimit(zone: 65_535, limit: 9),
            ])
        #expect(set == CTLimitMessage(command: CTLimitCommand.set))
        let all = [
            ZoneLimit(zone: zone, limit: 5), ZoneLimit(zone: 3, limit: 30), ZoneLimit(zone: 7, limit: 70),
            ZoneLimit(zone: 65_535, limit: 9),
        ]
        #expect(try limits(CTLimitCommand.get, nil).zoneLimits == all)
        // A zone without a limit of its own has the default; one that cannot be is passed over.
        let some = try limits(
            CTLimitCommand.get,
            [ZoneLimit(zone: 7), ZoneLimit(zone: 70_000), ZoneLimit(zone: 8), ZoneLimit(zone: zone)])
        #expect(
            some.zoneLimits == [
                ZoneLimit(zone: 7, limit: 70), ZoneLimit(zone: 8, limit: 5), ZoneLimit(zone: zone, limit: 5),
            ])
        let deleted = try limits(
            CTLimitCommand.delete, [ZoneLimit(zone: 7), ZoneLimit(zone: 1000), ZoneLimit(zone: zone)])
        #expect(deleted.zoneLimits == nil)
        #expect(
            try limits(CTLimitCommand.get, nil).zoneLimits
                == [ZoneLimit(zone: zone), ZoneLimit(zone: 3, limit: 30), ZoneLimit(zone: 65_535, limit: 9)])
        #expect(try limits(CTLimitCommand.get, []).zoneLimits == [])
    }

    @Test func limitRequestsAreChecked() throws {
        let handle = try bed.device.open()
        for (command, expected) in [
            (CTLimitCommand.set, Errno.invalid), (CTLimitCommand.delete, Errno.invalid), (CTLimitCommand.get, 0),
            (UInt8(0), Errno.notSupported), (4, Errno.notSupported),
        ] {
            #expect(try errno(transact(handle, try request(.ctLimit, command, 0))) == expected)
        }
        // Bytes behind the last whole limit are passed over.
        let bytes = try request(.ctLimit, CTLimitCommand.set, 0) {
            try $0.append(CTLimitAttribute.zoneLimit, bytes: ZoneLimit(zone: 1, limit: 2).bytes + [1, 2, 3])
        }
        #expect(try errno(transact(handle, bytes)) == 0)
        #expect(try limits(CTLimitCommand.get, nil).zoneLimits?.last == ZoneLimit(zone: 1, limit: 2))
        // More limits than an attribute holds cannot be told at once, and can zone by zone.
        let many = (0..<5400).map { ZoneLimit(zone: Int32($0), limit: 1) }
        _ = try limits(CTLimitCommand.set, many)
        _ = try limits(CTLimitCommand.set, many.map { ZoneLimit(zone: $0.zone + 10_000, limit: 1) })
        #expect(
            try errno(transact(handle, try request(.ctLimit, CTLimitCommand.get, 0), limit: 200_000))
                == Errno.messageSize)
        #expect(try limits(CTLimitCommand.get, many).zoneLimits?.count == 5400)
    }
}
