import Datapath
import Device
@testable import Doors
import Foundation
import Netlink
import NetlinkSocket
import OpenvSwitch
import Synchronization
import Testing

extension DoorsTests {
    /// How a door comes and goes.
    @Suite struct LifeTests {
        private func reason(_ body: () throws(DoorError) -> Void) -> DoorError? {
            do throws(DoorError) {
                try body()
                return nil
            } catch { return error }
        }

        @Test func stoppingEndsThoseWhoWait() async throws {
            let bed = try DoorBed()
            let connections = try (0..<5).map { _ in try bed.transport.connect() }
            for connection in connections {
                _ = try connection.control(.subscribe, input: Subscription(.event, group: .netdev).bytes, capacity: 0)
            }
            let tasks = connections.map { connection in
                Task { () -> DeviceError? in
                    do throws(DeviceError) {
                        try await connection.pend(.event)
                        return nil
                    } catch { return error }
                }
            }
            try await Task.sleep(for: .milliseconds(20))
            bed.door.stop()
            bed.door.stop()
            for task in tasks { #expect(await task.value == DeviceError(.notFound)) }
            #expect(bed.device.openHandles == 0)
            #expect(!FileManager.default.fileExists(atPath: bed.path))
            #expect(throws: DeviceError(.notFound)) { try connections[0].control(.getVersion, input: [], capacity: 4) }
            #expect(throws: DeviceError(.notFound)) { _ = try bed.transport.connect() }
            let error = reason { () throws(DoorError) in try bed.transport.probe() }
            #expect(error?.reason == .notRunning)
            #expect(error?.message == "no datapath is running at \(bed.path): start one with `martlet run`")
        }

        @Test func stoppingFromSeveralThreads() throws {
            let bed = try DoorBed()
            let door = bed.door
            let connection = try bed.transport.connect()
            DispatchQueue.concurrentPerform(iterations: 8) { _ in door.stop() }
            #expect(bed.device.openHandles == 0)
            #expect(throws: DeviceError(.notFound)) { try connection.control(.getVersion, input: [], capacity: 4) }
        }

        @Test func clientsThatAreBusySeeTheEndToo() throws {
            let bed = try DoorBed()
            let (door, transport) = (bed.door, bed.transport)
            let ends = Ends()
            for _ in 0..<4 {
                Thread {
                    do throws(DeviceError) {
                        let connection = try transport.connect()
                        while true { _ = try connection.control(.getVersion, input: [], capacity: 4) }
                    } catch { ends.add(error.status) }
                }.start()
            }
            #expect(bed.hasHandles(4))
            usleep(20_000)
            door.stop()
            #expect(eventually { ends.all.count == 4 })
            #expect(ends.all.allSatisfy { $0 == .notFound })
        }

        /// How the calls of several threads ended.
        private final class Ends: Sendable {
            private let statuses = Mutex<[IOStatus]>([])
            var all: [IOStatus] { statuses.withLock { $0 } }
            func add(_ status: IOStatus) { statuses.withLock { $0.append(status) } }
        }

        @Test func aSocketLeftBehindIsReplaced() throws {
            let directory = try DoorBed.makeDirectory()
            defer { try? FileManager.default.removeItem(atPath: directory) }
            let path = directory + "/device.sock"
            let client = try PythonClient(
                """
                s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                s.bind(path); s.listen(); say("listening"); s.accept()[0].recv(1)
                """, path)
            #expect(client.line() == "listening")
            let host = MemoryPorts()
            let sw = Switch(provider: host)
            let device = Device(sw)
            // Whoever lives keeps its path.
            let error = reason { () throws(DoorError) in _ = try UnixSocketDoor(device: device, path: path) }
            #expect(error?.reason == .inUse)
            client.kill()
            let probed = reason { () throws(DoorError) in try UnixSocketTransport(path: path).probe() }
            #expect(probed?.reason == .notRunning)
            // Of several that find it left behind, one wins, and serves.
            let doors = Mutex<[UnixSocketDoor]>([])
            let refusals = Mutex<[DoorError.Reason]>([])
            DispatchQueue.concurrentPerform(iterations: 6) { _ in
                do throws(DoorError) {
                    let door = try UnixSocketDoor(device: device, path: path)
                    doors.withLock { $0.append(door) }
                } catch { refusals.withLock { $0.append(error.reason) } }
            }
            #expect(doors.withLock { $0.count } == 1)
            #expect(refusals.withLock { $0 } == [.inUse, .inUse, .inUse, .inUse, .inUse])
            try UnixSocketTransport(path: path).probe()
            doors.withLock { $0 }.first?.stop()
            #expect(!FileManager.default.fileExists(atPath: path))
        }

        @Test func aSecondServerIsRefusedInWords() throws {
            let bed = try DoorBed()
            let error = reason { () throws(DoorError) in _ = try UnixSocketDoor(device: bed.device, path: bed.path) }
            #expect(error?.reason == .inUse)
            #expect(
                error?.message
                    == "another process (process \(getpid())) serves \(bed.path): stop it or choose another path")
            // The first has not been disturbed.
            _ = try bed.transport.connect()
        }

        @Test func aFileOfSomebodyElseIsNotTouched() throws {
            let directory = try DoorBed.makeDirectory()
            defer { try? FileManager.default.removeItem(atPath: directory) }
            let path = directory + "/notes"
            try "keep me".write(toFile: path, atomically: false, encoding: .utf8)
            let sw = Switch(provider: MemoryPorts())
            let device = Device(sw)
            let error = reason { () throws(DoorError) in _ = try UnixSocketDoor(device: device, path: path) }
            #expect(error?.reason == .badPath)
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "keep me")
            #expect(reason { () throws(DoorError) in try UnixSocketTransport(path: path).probe() } != nil)

            for bad in ["", String(repeating: "x", count: 108), "a\0b"] {
                let server = reason { () throws(DoorError) in _ = try UnixSocketDoor(device: device, path: bad) }
                #expect(server?.reason == .badPath)
                let client = reason { () throws(DoorError) in try UnixSocketTransport(path: bad).probe() }
                #expect(client?.reason == .badPath)
                #expect(throws: DeviceError(.invalidParameter)) { _ = try UnixSocketTransport(path: bad).connect() }
            }
            let missing = directory + "/missing/device.sock"
            let refusal = reason { () throws(DoorError) in _ = try UnixSocketDoor(device: device, path: missing) }
            #expect(refusal?.reason == .system)
            #expect(refusal?.message == "cannot make the socket \(missing): open: No such file or directory")
        }

        @Test func aFileThatHasTakenTheSocketsPlaceStays() throws {
            let bed = try DoorBed()
            try FileManager.default.removeItem(atPath: bed.path)
            try "mine".write(toFile: bed.path, atomically: false, encoding: .utf8)
            bed.door.stop()
            #expect(try String(contentsOfFile: bed.path, encoding: .utf8) == "mine")
        }

        @Test func whatIsNoDoorIsToldFromOne() throws {
            let directory = try DoorBed.makeDirectory()
            defer { try? FileManager.default.removeItem(atPath: directory) }
            let speeches = [
                ("SEQPACKET", "b'hello'"), ("STREAM", "b'hello'"), ("SEQPACKET", "b'MARTLET\\0' + b'\\2' * 24"),
            ]
            for (index, (kind, speech)) in speeches.enumerated() {
                let path = directory + "/\(index)"
                let server = try PythonClient(
                    """
                    s = socket.socket(socket.AF_UNIX, socket.SOCK_\(kind))
                    s.bind(path); s.listen(); say("listening")
                    peer = s.accept()[0]; peer.send(\(speech)); peer.recv(1)
                    """, path)
                #expect(server.line() == "listening")
                #expect(throws: DeviceError(.invalidDeviceRequest)) {
                    _ = try UnixSocketTransport(path: path).connect()
                }
                server.kill()
            }
        }

        @Test func answersThatAreNoneEndTheConnection() throws {
            let directory = try DoorBed.makeDirectory()
            defer { try? FileManager.default.removeItem(atPath: directory) }
            let path = directory + "/liar"
            let greeting = DoorGreeting(.success, portID: 1, access: .change).bytes
            let server = try PythonClient(
                """
                s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                s.bind(path); s.listen(); say("listening")
                for lie in [b"short", struct.pack("=4I", 1, 0, 0, 99) + b"less", bytes(200000), b""]:
                    peer = s.accept()[0]
                    peer.send(bytes(\(greeting)))
                    peer.recv(100)
                    # Answers nobody has asked for are passed over.
                    peer.send(struct.pack("=4I", 77, 0, 0, 0))
                    peer.send(lie)
                    peer.recv(100)
                """, path)
            #expect(server.line() == "listening")
            for _ in 0..<4 {
                let connection = try UnixSocketTransport(path: path).connect()
                #expect(throws: DeviceError(.notFound)) { try connection.control(.getVersion, input: [], capacity: 4) }
                #expect(throws: DeviceError(.notFound)) { try connection.control(.getVersion, input: [], capacity: 4) }
            }
            server.kill()
        }
    }
}
