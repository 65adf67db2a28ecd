import DPIF
import Datapath
import Device
import Netlink
import OpenvSwitch
import Testing

/// The device beside the Netlink device.
@Suite struct LegacyDeviceTests {
    private func control(_ handle: LegacyHandle, _ code: IOControlCode, limit: Int = 4096) -> (IOResult, [UInt8]) {
        var output = MessageWriter(limit: limit)
        let result = handle.control(code, output: &output)
        return (result, output.bytes)
    }

    private func statistics(_ handle: LegacyHandle) throws -> LegacyStatistics {
        let (result, output) = control(handle, .getStatistics)
        #expect(result == IOResult(.success, information: 88))
        let statistics = LegacyStatistics(output.rawSpan)
        return try #require(statistics)
    }

    @Test func itAnswersItsThreeCodesAndNoOther() throws {
        let bed = TestBed()
        let legacy = LegacyDevice(beside: bed.device)
        let handle = try legacy.open()
        let (result, portID) = control(handle, .getPortID)
        #expect(result == IOResult(.success, information: 4))
        #expect(portID.rawSpan.load(at: 0) == handle.portID)
        #expect(control(handle, .getVersion).1 == [1, 0, 0, 0])
        for code in IOControlCode.all + IOControlCode.netlink where !IOControlCode.legacy.contains(code) {
            let (result, output) = control(handle, code)
            #expect(result == IOResult(.invalidDeviceRequest), "\(code.name)")
            #expect(output.isEmpty)
        }
        for (code, size) in [(IOControlCode.getPortID, 4), (.getVersion, 4), (.getStatistics, 88)] {
            #expect(control(handle, code, limit: size).0.status == .success)
            for limit in [0, size - 1] {
                let (result, output) = control(handle, code, limit: limit)
                #expect(result == IOResult(.invalidLength, information: size))
                #expect(output.isEmpty)
            }
        }
        // And the Netlink device does not know of statistics.
        var output = MessageWriter()
        let other = try bed.device.open()
        #expect(
            other.control(.getStatistics, input: RawSpan(), output: &output) == IOResult(.invalidDeviceRequest))
    }

    @Test func statisticsAreThoseOfTheSwitch() throws {
        let bed = TestBed()
        let legacy = LegacyDevice(beside: bed.device)
        let handle = try legacy.open()
        var expected = LegacyStatistics()
        expected.uptime = try statistics(handle).uptime
        expected.legacyHandles = 1
        #expect(try statistics(handle) == expected)

        let (dpif, ports) = try bed.bridge("a", "b")
        _ = try NetlinkDPIF.create("br1", over: bed.device)
        let second = try legacy.open()
        let (key, mask) = try Keys.inPort(1)
        try dpif.putFlow(FlowPut(key: key, mask: mask, actions: try [Action.output(2)].encoded()))
        for _ in 0..<3 { ports[0].send(Frames.ethernet()) }
        for _ in 0..<2 { ports[1].send(Frames.ethernet()) }
        let now = try statistics(handle)
        #expect(now.datapaths == 2 && now.vports == 4 && now.flows == 1 && now.masks == 1)
        #expect(now.hit == 3 && now.missed == 2 && now.lost == 2)
        #expect(now.legacyHandles == 2 && now.handles == UInt64(bed.device.openHandles) && now.handles > 0)
        #expect(now.uptime >= expected.uptime)
        second.close()
        second.close()
        #expect(try statistics(handle).legacyHandles == 1)
    }

    @Test func theBytesAreWhereTheyAreSaidToBe() {
        var statistics = LegacyStatistics()
        statistics.uptime = 1
        statistics.datapaths = 2
        statistics.vports = 3
        statistics.flows = 4
        statistics.masks = 5
        statistics.hit = 6
        statistics.missed = 7
        statistics.lost = 8
        statistics.handles = 9
        statistics.legacyHandles = 10
        let bytes = statistics.bytes
        #expect(bytes.count == LegacyStatistics.size)
        #expect(Array(bytes[..<8]) == [88, 0, 0, 0, 1, 0, 0, 0])
        for number in UInt64(1)...10 { #expect(bytes.rawSpan.load(at: Int(number) * 8) == number) }
        // A later version is longer; what is known of it is where it was.
        let longer = bytes + [1, 2, 3]
        #expect(LegacyStatistics(longer.rawSpan) == statistics)
        #expect(LegacyStatistics(longer.rawSpan.clamped(0..<87)) == nil)
    }

    @Test func handlesAreLimitedAndTheirNumbersAreNobodysElse() throws {
        let bed = TestBed()
        let legacy = LegacyDevice(beside: bed.device)
        var handles: [LegacyHandle] = []
        for _ in 0..<256 { handles.append(try legacy.open()) }
        #expect(throws: DeviceError(.insufficientResources, information: 256)) { _ = try legacy.open() }
        #expect(Set(handles.map(\.portID)).count == 256)
        for handle in handles { #expect((1 << 29..<1 << 30).contains(handle.portID)) }
        // The Netlink device has its own handles, and its own room.
        #expect(bed.device.openHandles == 0)
        _ = try bed.device.open()
        handles.removeLast(100)
        #expect(legacy.openHandles == 156)
        let again = try legacy.open()
        #expect(!handles.map(\.portID).contains(again.portID))
        handles = []
        again.close()
        #expect(legacy.openHandles == 0)
    }
}
