import Netlink
import OpenvSwitch
import Testing

/// Messages of the families with random contents: what is written reads back equal.
@Suite struct TypedMessageTests {
    private func message<T>(
        _ bytes: [UInt8], _ read: (borrowing Message) throws(NetlinkError) -> T
    ) throws(NetlinkError) -> T {
        try read(Message(bytes.rawSpan))
    }

    private func header(_ bytes: [UInt8], _ family: Family, _ command: UInt8, _ ifindex: Int32) throws {
        let header = try message(bytes) { m throws(NetlinkError) in m.header }
        #expect(header.type == family.messageType)
        #expect(header.flags == [.request, .echo])
        #expect(header.sequence == 77)
        #expect(header.portID == 88)
        #expect(header.length == UInt32(bytes.count))
        let ovs = try message(bytes) { m throws(NetlinkError) in try OVSHeader(m) }
        #expect(ovs == OVSHeader(command: command, version: family.version, datapathIfindex: ifindex))
    }

    private func counters(_ random: inout SplitMix64) -> VportStatistics {
        var stats = VportStatistics()
        (stats.receivedPackets, stats.transmittedPackets) = (random.next(), random.next())
        (stats.receivedBytes, stats.transmittedBytes) = (random.next(), random.next())
        (stats.receiveErrors, stats.transmitErrors) = (random.next(), random.next())
        (stats.receiveDropped, stats.transmitDropped) = (random.next(), random.next())
        return stats
    }

    @Test func datapathMessagesComeBack() throws {
        var random = SplitMix64(seed: 11)
        for _ in 0..<500 {
            var value = DatapathMessage(
                command: random.number(), datapathIfindex: random.number(), name: random.maybe { $0.name() })
            value.upcallPortID = random.maybe { $0.number() }
            value.stats = random.maybe {
                var stats = DatapathStatistics()
                (stats.hit, stats.missed, stats.lost, stats.flows) = ($0.next(), $0.next(), $0.next(), $0.next())
                return stats
            }
            value.megaflowStats = random.maybe {
                var stats = MegaflowStatistics()
                (stats.maskHit, stats.masks, stats.cacheHit) = ($0.next(), $0.number(), $0.next())
                return stats
            }
            value.userFeatures = random.maybe { UserFeatures(rawValue: $0.number()) }
            value.masksCacheSize = random.maybe { UInt32($0.below(4097)) }
            value.perCPUPortIDs = random.maybe { random in (0...random.below(20)).map { _ in random.number() } }
            value.ifindex = random.maybe { Int32($0.below(Int(Int32.max))) }
            var writer = MessageWriter()
            try value.write(to: &writer, flags: [.request, .echo], sequence: 77, portID: 88)
            let bytes = writer.bytes
            #expect(try message(bytes) { m throws(NetlinkError) in try DatapathMessage(m) } == value)
            try header(bytes, .datapath, value.command, value.datapathIfindex)
        }
    }

    @Test func vportMessagesComeBack() throws {
        var random = SplitMix64(seed: 12)
        for _ in 0..<500 {
            var value = VportMessage(
                command: random.number(), datapathIfindex: random.number(), portNumber: random.maybe { $0.number() },
                type: random.maybe { VportType(rawValue: $0.number()) }, name: random.maybe { $0.name() },
                upcallPortIDs: random.maybe { random in (0...random.below(20)).map { _ in random.number() } })
            value.options = random.maybe { random in
                let payload = random.bytes(2)
                return attribute(1, payload)
            }
            value.stats = random.maybe { counters(&$0) }
            value.upcallStats = random.maybe { UpcallStatistics(success: $0.next(), fail: $0.next()) }
            value.ifindex = random.maybe { $0.number() }
            var writer = MessageWriter()
            try value.write(to: &writer, flags: [.request, .echo], sequence: 77, portID: 88)
            let bytes = writer.bytes
            #expect(try message(bytes) { m throws(NetlinkError) in try VportMessage(m) } == value)
            try header(bytes, .vport, value.command, value.datapathIfindex)
        }
    }

    @Test func flowMessagesComeBack() throws {
        var random = SplitMix64(seed: 13)
        for _ in 0..<500 {
            var value = FlowMessage(command: random.number(), datapathIfindex: random.number())
            value.key = random.maybe { _ in inPort() + ethernet() }
            value.mask = random.maybe { _ in [] }
            value.actions = random.maybe { $0.chance(2) ? [] : attribute(1, host(UInt32(3))) }
            value.ufid = random.maybe { UFID($0.bytes(1 + $0.below(16))) } ?? nil
            value.ufidFlags = random.maybe { UFIDFlags(rawValue: $0.number()) }
            value.stats = random.maybe { FlowStatistics(packets: $0.next(), octets: $0.next()) }
            value.tcpFlags = random.maybe { $0.number() }
            value.used = random.maybe { $0.next() }
            value.clear = random.chance(2)
            value.probe = random.chance(2)
            var writer = MessageWriter()
            try value.write(to: &writer, flags: [.request, .echo], sequence: 77, portID: 88)
            let bytes = writer.bytes
            #expect(try message(bytes) { m throws(NetlinkError) in try FlowMessage(m) } == value)
            try header(bytes, .flow, value.command, value.datapathIfindex)
        }
    }

    @Test func packetMessagesComeBack() throws {
        var random = SplitMix64(seed: 14)
        for _ in 0..<500 {
            var value = PacketMessage(
                command: random.number(), datapathIfindex: random.number(),
                packet: random.bytes(14 + random.below(100)),
                key: inPort(), actions: random.maybe { _ in attribute(5, []) })
            value.userdata = random.maybe { $0.bytes($0.below(50)) }
            value.mru = random.maybe { $0.number() }
            value.length = random.maybe { $0.number() }
            value.hash = random.maybe { $0.next() }
            value.upcallPortID = random.maybe { $0.number() }
            value.probe = random.chance(2)
            var writer = MessageWriter()
            try value.write(to: &writer, flags: [.request, .echo], sequence: 77, portID: 88)
            let bytes = writer.bytes
            #expect(try message(bytes) { m throws(NetlinkError) in try PacketMessage(m) } == value)
            try header(bytes, .packet, value.command, value.datapathIfindex)
        }
    }

    @Test func netdevMessagesComeBack() throws {
        var random = SplitMix64(seed: 15)
        for _ in 0..<500 {
            var value = NetdevMessage(command: random.number(), name: random.maybe { $0.name() })
            value.ifindex = random.maybe { $0.number() }
            value.mac = random.maybe { $0.mac() }
            value.mtu = random.maybe { $0.number() }
            value.flags = random.maybe { InterfaceFlags(rawValue: $0.number()) }
            value.portNumber = random.maybe { $0.number() }
            value.type = random.maybe { VportType(rawValue: $0.number()) }
            value.changes = random.maybe { InterfaceChanges(rawValue: $0.number()) }
            value.formerName = random.maybe { $0.name() }
            var writer = MessageWriter()
            try value.write(to: &writer, flags: [.request, .echo], sequence: 77, portID: 88)
            let bytes = writer.bytes
            #expect(try message(bytes) { m throws(NetlinkError) in try NetdevMessage(m) } == value)
            try header(bytes, .netdev, value.command, 0)
        }
    }

    // MARK: Refusals

    /// A message of 24 bytes of headers and these attributes.
    private func bytes(_ attributes: [UInt8], length: Int? = nil) -> [UInt8] {
        host(UInt32(length ?? attributes.count + 24)) + [UInt8](repeating: 0, count: 20) + attributes
    }

    private func fault<T>(_ attributes: [UInt8], _ read: (borrowing Message) throws(NetlinkError) -> T) -> NetlinkError?
    {
        do throws(NetlinkError) {
            _ = try message(bytes(attributes), read)
            return nil
        } catch { return error }
    }

    @Test(arguments: 16..<24) func allMessagesNeedTheirHeaders(length: Int) {
        let short = bytes([], length: length)
        do throws(NetlinkError) {
            _ = try message(short) { m throws(NetlinkError) in try OVSHeader(m) }
            Issue.record("read")
        } catch { #expect(error.code == .truncated) }
    }

    @Test func namesHaveFifteenBytes() {
        let fifteen = [UInt8](repeating: 0x61, count: 15)
        for name in [fifteen + [0], [0x61, 0]] {
            #expect(fault(attribute(1, name)) { m throws(NetlinkError) in try DatapathMessage(m) } == nil)
            #expect(fault(attribute(3, name)) { m throws(NetlinkError) in try VportMessage(m) } == nil)
        }
        for name in [fifteen + [0x61, 0], fifteen + [0x61], [], [0]] {
            #expect(fault(attribute(1, name)) { m throws(NetlinkError) in try DatapathMessage(m) }?.errno == 22)
            #expect(fault(attribute(3, name)) { m throws(NetlinkError) in try VportMessage(m) }?.errno == 22)
        }
        let behind = [UInt8](repeating: 0x61, count: 3) + [0] + fifteen
        #expect(fault(attribute(1, behind)) { m throws(NetlinkError) in try DatapathMessage(m) }?.errno == 34)
    }

    @Test func lengthsAreThoseOfThePolicies() {
        let tooShort = NetlinkError(.payloadTooShort, at: 24, attribute: 2)
        #expect(fault(attribute(2, [1, 2, 3])) { m throws(NetlinkError) in try DatapathMessage(m) } == tooShort)
        #expect(fault(attribute(2, [1, 2, 3])) { m throws(NetlinkError) in try VportMessage(m) } == tooShort)
        #expect(
            fault(attribute(7, host(UInt32(4097)))) { m throws(NetlinkError) in try DatapathMessage(m) }?.errno == 34)
        #expect(fault(attribute(9, host(Int32(-1)))) { m throws(NetlinkError) in try DatapathMessage(m) }?.errno == 34)
        #expect(
            fault(attribute(8, [1, 2])) { m throws(NetlinkError) in try DatapathMessage(m) }?.code
                == .payloadLengthMismatch)
        #expect(fault(attribute(5, [])) { m throws(NetlinkError) in try VportMessage(m) }?.errno == 22)
        #expect(fault(attribute(6, [1])) { m throws(NetlinkError) in try FlowMessage(m) }?.errno == 34)
        #expect(fault(attribute(9, [])) { m throws(NetlinkError) in try FlowMessage(m) }?.errno == 34)
        #expect(fault(attribute(1, [1, 2])) { m throws(NetlinkError) in try FlowMessage(m) }?.errno == 34)
        #expect(
            fault(attribute(4, [1, 2, 3])) { m throws(NetlinkError) in try NetdevMessage(m) }?.code == .payloadTooShort)
    }

    @Test func aPacketNeedsFrameAndKey() {
        let packet = attribute(1, [UInt8](repeating: 0, count: 14))
        let key = attribute(2, [])
        #expect(fault(packet + key) { m throws(NetlinkError) in try PacketMessage(m) } == nil)
        #expect(
            fault(packet) { m throws(NetlinkError) in try PacketMessage(m) }
                == NetlinkError(.missingAttribute, at: 24, attribute: 2))
        #expect(
            fault(key) { m throws(NetlinkError) in try PacketMessage(m) }
                == NetlinkError(.missingAttribute, at: 24, attribute: 1))
    }

    /// A packet to execute has an Ethernet header's length; what an upcall brings may be less, if it was cut or has none.
    @Test func onlyAPacketToExecuteHasALeastLength() throws {
        for (command, least) in [(PacketCommand.execute, 14), (PacketCommand.miss, 0), (PacketCommand.action, 0)] {
            for length in [0, 1, 13, 14] {
                let value = PacketMessage(
                    command: command, datapathIfindex: 1, packet: [UInt8](repeating: 0, count: length), key: [])
                var writer = MessageWriter()
                try value.write(to: &writer)
                var error: NetlinkError?
                do throws(NetlinkError) {
                    let read = try message(writer.bytes) { m throws(NetlinkError) in try PacketMessage(m) }
                    #expect(read == value)
                } catch let fault { error = fault }
                #expect((error == nil) == (length >= least))
                if let error { #expect(error.errno == Errno.range && error.attribute == PacketAttribute.packet) }
            }
        }
    }

    @Test func meterMessagesComeBack() throws {
        var random = SplitMix64(seed: 17)
        for _ in 0..<500 {
            var value = MeterMessage(
                command: random.number(), datapathIfindex: random.number(), id: random.maybe { $0.number() })
            value.countsBytes = random.below(2) == 0
            value.clear = random.below(2) == 0
            value.stats = random.maybe { FlowStatistics(packets: $0.next(), octets: $0.next()) }
            value.used = random.maybe { $0.next() }
            value.maximumMeters = random.maybe { $0.number() }
            value.maximumBands = random.maybe { $0.number() }
            value.bands = random.maybe { random in
                (0..<random.below(4)).map { _ in
                    MeterBand(
                        type: random.maybe { $0.number() }, rate: random.maybe { $0.number() },
                        burst: random.maybe { $0.number() },
                        stats: random.maybe { FlowStatistics(packets: $0.next(), octets: $0.next()) })
                }
            }
            var writer = MessageWriter()
            try value.write(to: &writer, flags: [.request, .echo], sequence: 77, portID: 88)
            let bytes = writer.bytes
            #expect(try message(bytes) { m throws(NetlinkError) in try MeterMessage(m) } == value)
            try header(bytes, .meter, value.command, value.datapathIfindex)
        }
    }

    @Test func limitMessagesComeBack() throws {
        var random = SplitMix64(seed: 18)
        for _ in 0..<500 {
            var value = CTLimitMessage(command: random.number(), datapathIfindex: random.number())
            value.zoneLimits = random.maybe { random in
                (0..<random.below(40)).map { _ in
                    ZoneLimit(zone: random.number(), limit: random.number(), count: random.number())
                }
            }
            var writer = MessageWriter()
            try value.write(to: &writer, flags: [.request, .echo], sequence: 77, portID: 88)
            let bytes = writer.bytes
            #expect(try message(bytes) { m throws(NetlinkError) in try CTLimitMessage(m) } == value)
            try header(bytes, .ctLimit, value.command, value.datapathIfindex)
        }
        var writer = MessageWriter()
        let most = CTLimitMessage(command: 3, zoneLimits: (0..<5460).map { ZoneLimit(zone: $0) })
        try most.write(to: &writer)
        let tooMany = CTLimitMessage(command: 3, zoneLimits: (0..<5461).map { ZoneLimit(zone: $0) })
        #expect(throws: NetlinkError.self) { try tooMany.write(to: &writer) }
    }

    @Test func metersAndTheirBandsKeepThePolicies() throws {
        let read: (borrowing Message) throws(NetlinkError) -> Void = { m throws(NetlinkError) in _ = try MeterMessage(m)
        }
        let rate = attribute(BandAttribute.rate, host(UInt32(5)))
        // Elements may have any type, and bytes behind the last are passed over.
        let bands = bytes(attribute(4, attribute(0, rate) + attribute(77, rate + [1, 2]) + [9, 9]))
        #expect(
            try message(bands) { m throws(NetlinkError) in try MeterMessage(m).bands }
                == [MeterBand(rate: 5), MeterBand(rate: 5)])
        #expect(fault(attribute(4, attribute(0, attribute(BandAttribute.rate, [1, 2]))), read)?.errno == 34)
        #expect(fault(attribute(4, attribute(0, attribute(BandAttribute.stats, [1]))), read)?.errno == 34)
        #expect(fault(attribute(4, [1, 2]), read)?.errno == 34)
        #expect(fault(attribute(2, [1]), read)?.errno == 34)
        #expect(fault(attribute(1, [1, 2, 3]), read)?.errno == 34)
        #expect(fault(attribute(3, [1, 2, 3]), read)?.errno == 34)
    }

    /// As in the kernel: an identifier of more than 16 bytes counts as none.
    @Test func identifiersHaveOneToSixteenBytes() throws {
        #expect(UFID([]) == nil)
        #expect(UFID([UInt8](repeating: 1, count: 17)) == nil)
        #expect(UFID([1])?.bytes == [1])
        let long = bytes(attribute(9, [UInt8](repeating: 1, count: 17)))
        #expect(try message(long) { m throws(NetlinkError) in try FlowMessage(m).ufid } == nil)
        let sixteen = bytes(attribute(9, [UInt8](repeating: 1, count: 16)))
        #expect(try message(sixteen) { m throws(NetlinkError) in try FlowMessage(m).ufid?.bytes.count } == 16)
    }

    @Test func statisticsOfAnotherLengthAreNone() {
        let zeros = [UInt8](repeating: 0, count: 65)
        #expect(zeros.withSpan { DatapathStatistics($0) } == nil)
        #expect(zeros.withSpan { MegaflowStatistics($0.clamped(0..<31)) } == nil)
        #expect(zeros.withSpan { FlowStatistics($0.clamped(0..<15)) } == nil)
        #expect(zeros.withSpan { VportStatistics($0.clamped(0..<63)) } == nil)
        #expect(zeros.withSpan { VportStatistics($0) } != nil)
    }
}
