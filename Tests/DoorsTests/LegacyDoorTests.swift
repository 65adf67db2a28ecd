import Device
@testable import Doors
import Foundation
import Netlink
import NetlinkSocket
import OpenvSwitch
import Testing

extension DoorsTests {
    /// The legacy device through its socket.
    @Suite struct LegacyDoorTests {
        /// A door to the legacy device, beside that of a bed.
        private final class Bed {
            let netlink: DoorBed
            let device: LegacyDevice
            let path: String
            let door: LegacyDoor

            init(_ options: UnixSocketDoor.Options = UnixSocketDoor.Options()) throws {
                netlink = try DoorBed(options)
                device = LegacyDevice(beside: netlink.device)
                path = netlink.directory + "/legacy.sock"
                door = try LegacyDoor(device: device, path: path, options: options)
            }

            deinit { door.stop() }

            func raw() throws -> RawClient { try RawClient(path, sendBuffer: 1 << 20) }
        }

        @Test func itTellsWithoutNetlink() throws {
            let bed = try Bed()
            _ = try bed.netlink.bridge("a")
            let connection = try UnixSocketTransport(path: bed.path).connect()
            let portID = try connection.control(.getPortID, input: [], capacity: 4)
            #expect(portID == DoorRequest.input(connection.portID))
            #expect(try connection.control(.getVersion, input: [], capacity: 4) == [1, 0, 0, 0])
            let bytes = try connection.control(.getStatistics, input: [], capacity: 4096)
            let told = LegacyStatistics(bytes.rawSpan)
            let statistics = try #require(told)
            #expect(statistics.datapaths == 1 && statistics.vports == 2 && statistics.legacyHandles == 1)
            // A handle of it only reads, whoever holds it.
            #expect((connection as? UnixSocketConnection)?.access == .read)
        }

        @Test func theTwoDevicesAreKeptApart() throws {
            let bed = try Bed()
            let legacy = try bed.raw()
            for code in IOControlCode.all + IOControlCode.netlink where !IOControlCode.legacy.contains(code) {
                try legacy.send(1, code, [UInt8](repeating: 0, count: 64))
                let (header, output) = try #require(try legacy.answer())
                #expect(header.result == IOResult(.invalidDeviceRequest), "\(code.name)")
                #expect(output.isEmpty)
            }
            let netlink = try bed.netlink.raw()
            try netlink.send(1, .getStatistics)
            #expect(try netlink.answer()?.header.result == IOResult(.invalidDeviceRequest))
            // Handles of the one are none of the other.
            #expect(bed.netlink.device.openHandles == 1)
            #expect(bed.device.openHandles == 1)
            #expect(throws: DeviceError(.invalidDeviceRequest)) {
                let connection = try UnixSocketTransport(path: bed.path).connect()
                _ = try connection.control(.transact, input: [UInt8](repeating: 0, count: 24), capacity: 4096)
            }
        }

        @Test func faultyRequestsAreAnsweredAsAtTheOtherDoor() throws {
            let bed = try Bed()
            let client = try bed.raw()
            try client.send(1, .getVersion, [1, 2, 3, 4])  // no input is looked at
            #expect(try client.answer()?.header.result.status == .success)
            try client.send(2, .getVersion, [1, 2, 3, 4], length: 3)
            #expect(try client.answer()?.header.result == IOResult(.invalidParameter))
            try client.send(3, .getVersion, [UInt8](repeating: 0, count: (128 << 10) + 1))
            #expect(try client.answer()?.header.result == IOResult(.invalidParameter, information: 131_072))
            try client.send(4, .getStatistics, capacity: 87)
            #expect(try client.answer()?.header.result == IOResult(.invalidLength, information: 88))
            _ = try client.send([UInt8](repeating: 0, count: 15))
            #expect(try client.receive() == [])
            #expect(eventually { bed.device.openHandles == 0 })
        }

        @Test func aSlowReaderBlocksNobodyElseAndLosesNothing() throws {
            let bed = try Bed()
            let slow = try bed.raw()
            var asked: UInt32 = 0
            var stillFull = 0
            while stillFull < 20, asked < 100_000 {
                let request = DoorRequest(tag: asked, code: .getStatistics, capacity: 4096, inputLength: 0)
                if try slow.send(request.bytes, waiting: false) {
                    asked += 1
                    stillFull = 0
                } else {
                    stillFull += 1
                    usleep(2000)
                }
            }
            #expect((11..<100_000).contains(asked))
            let other = try bed.raw()
            try other.send(1, .getVersion)
            #expect(try other.answer()?.output == [1, 0, 0, 0])
            for tag in 0..<asked {
                let (header, output) = try #require(try slow.answer())
                guard header.tag == tag, output.count == LegacyStatistics.size else {
                    Issue.record("answer \(header.tag) in place of \(tag)")
                    return
                }
            }
        }

        @Test func connectionsAreLimitedAndLeaveNothing() throws {
            let bed = try Bed(UnixSocketDoor.Options(maximumConnections: 3))
            var clients = try (0..<3).map { _ in try bed.raw() }
            #expect(throws: DeviceError(.insufficientResources)) {
                _ = try UnixSocketTransport(path: bed.path).connect()
            }
            clients.removeLast()
            #expect(eventually { bed.device.openHandles == 2 })
            _ = try UnixSocketTransport(path: bed.path).connect()
            clients = []
            #expect(eventually { bed.device.openHandles == 0 })
            for _ in 0..<100 { _ = try UnixSocketTransport(path: bed.path).connect() }
            #expect(eventually { bed.device.openHandles == 0 })
        }

        @Test func theFileComesAndGoes() throws {
            for (open, mode) in [(false, 0o660), (true, 0o666)] {
                let bed = try Bed(UnixSocketDoor.Options(group: 4242, openForReading: open))
                let attributes = try FileManager.default.attributesOfItem(atPath: bed.path)
                #expect(attributes[.posixPermissions] as? Int == mode)
                #expect(attributes[.groupOwnerAccountID] as? Int == 4242)
                // Who lives keeps its path.
                do throws(DoorError) {
                    _ = try LegacyDoor(device: bed.device, path: bed.path)
                    Issue.record("two doors at one path")
                } catch { #expect(error.reason == .inUse) }
                let client = try bed.raw()
                bed.door.stop()
                bed.door.stop()
                #expect(try client.receive() == [])
                #expect(bed.device.openHandles == 0)
                #expect(!FileManager.default.fileExists(atPath: bed.path))
                // The other door has not noticed.
                _ = try bed.netlink.transport.connect()
            }
        }

        @Test(.enabled(if: getuid() == 0, "becoming another user needs root")) func whoMayReadIsAskedHereToo() throws {
            let script = """
                os.setgroups([]); os.setgid(65534); os.setuid(65534)
                try:
                    s, (magic, version, status, port, access, _, _) = connect()
                except OSError as error:
                    say(type(error).__name__); sys.exit()
                say("status %x access %d" % (status, access))
                if status: sys.exit()
                request(s, 1, 0xAFC86080)
                (tag, status, information, length), data = answer(s)
                say(status, *struct.unpack_from("=2I", data))
                """
            let closed = try Bed(UnixSocketDoor.Options(group: 4242))
            #expect(try PythonClient(script, closed.path).text() == "PermissionError")
            let open = try Bed(UnixSocketDoor.Options(group: 4242, openForReading: true))
            #expect(try PythonClient(script, open.path).text() == "status 0 access 1\n0 88 1")
            // Who got through the file is still asked who it is.
            try FileManager.default.setAttributes([.posixPermissions: 0o666], ofItemAtPath: closed.path)
            #expect(try PythonClient(script, closed.path).text() == "status c0000022 access 0")
        }
    }
}
