import Datapath
import Device
@testable import Doors
import Foundation
import Netlink
import NetlinkSocket
import OpenvSwitch
import Testing

extension DoorsTests {
    /// Who may come in, and what may be done then. A child process gives up its rights for that.
    @Suite(.enabled(if: getuid() == 0, "becoming another user needs root")) struct AccessTests {
        /// Becomes a user, reads the greeting, asks for datapath br0, and asks for a new one.
        private static let script = """
            user, group, others = (eval(word) for word in sys.argv[2:5])
            os.setgroups(others); os.setgid(group); os.setuid(user)
            try:
                s, (magic, version, status, port, access, _, _) = connect()
            except OSError as error:
                say(type(error).__name__); sys.exit()
            say("status %x access %d" % (status, access))
            if status:
                say(len(s.recv(64))); sys.exit()
            def attribute(kind, data):
                return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)
            def transact(command, flags, *attributes):
                body = struct.pack("=BBHi", command, 2, 0, 0) + b"".join(attributes)
                request(s, 1, 0xAFC88416, struct.pack("=IHHII", 16 + len(body), 18, flags, 1, 0) + body)
                head, data = answer(s)
                kind, = struct.unpack_from("=H", data, 4)
                return struct.unpack_from("=i", data, 16)[0] if kind == 2 else "type %d" % kind
            say("get", transact(3, 1, attribute(1, b"br0\\0")))
            say("new", transact(1, 5, attribute(1, b"br1\\0"), attribute(2, bytes(4))))
            request(s, 2, 0xAFC86004, struct.pack("=3I", 1, 0, 1))
            say("packets %x" % answer(s)[0][1])
            request(s, 3, 0xAFC86004, struct.pack("=3I", 0, 101, 1))
            say("events %x" % answer(s)[0][1])
            """

        private func outcome(_ bed: DoorBed, user: Int, group: Int, others: String = "[]") throws -> [String] {
            let client = try PythonClient(Self.script, bed.path, "\(user)", "\(group)", others)
            return client.text().split(separator: "\n").map(String.init)
        }

        private static let everything = ["status 0 access 2", "get type 18", "new 0", "packets 0", "events 0"]
        private static let reading = ["status 0 access 1", "get type 18", "new -1", "packets c0000022", "events 0"]

        @Test func withoutRightsTheSystemRefuses() throws {
            let bed = try DoorBed(UnixSocketDoor.Options(group: 4242))
            _ = try bed.bridge()
            #expect(try outcome(bed, user: 65534, group: 65534) == ["PermissionError"])
            #expect(try outcome(bed, user: 0, group: 0) == Self.everything)
        }

        @Test func membersOfTheGroupMayChange() throws {
            let memberships = [(4242, "[]"), (65534, "[7, 4242, 8]"), (65534, "list(range(5000, 5200)) + [4242]")]
            for (group, others) in memberships {
                let bed = try DoorBed(UnixSocketDoor.Options(group: 4242))
                _ = try bed.bridge()
                #expect(try outcome(bed, user: 65534, group: group, others: others) == Self.everything)
            }
        }

        @Test func whoGotThroughTheFileIsStillAskedWhoItIs() throws {
            let bed = try DoorBed(UnixSocketDoor.Options(group: 4242))
            _ = try bed.bridge()
            try FileManager.default.setAttributes([.posixPermissions: 0o666], ofItemAtPath: bed.path)
            #expect(try outcome(bed, user: 65534, group: 65534) == ["status c0000022 access 0", "0"])
            #expect(bed.hasHandles(0))
        }

        @Test func othersReadWhereTheDoorIsOpenForReading() throws {
            let bed = try DoorBed(UnixSocketDoor.Options(group: 4242, openForReading: true))
            _ = try bed.bridge()
            #expect(try outcome(bed, user: 65534, group: 65534) == Self.reading)
            #expect(try outcome(bed, user: 65534, group: 65534, others: "[4242]") == Self.everything)
        }

        @Test func readersAreFewerThanOthers() throws {
            let bed = try DoorBed(
                UnixSocketDoor.Options(group: 4242, openForReading: true, maximumConnections: 4, maximumReaders: 2))
            let client = try PythonClient(
                """
                os.setgroups([]); os.setgid(65534); os.setuid(65534)
                held = [connect() for _ in range(3)]
                say(*("%x" % greeting[2] for _, greeting in held))
                held[0][0].close()
                while True:  # the door notices a little later
                    s, greeting = connect()
                    if greeting[2] == 0: break
                say("again"); sys.stdin.read()
                import time; time.sleep(60)
                """, bed.path)
            #expect(client.line() == "0 0 c000009a")
            #expect(client.line() == "again")
            // Who may change has room, until there is none at all.
            let held = try (0..<2).map { _ in try bed.transport.connect() }
            #expect(throws: DeviceError(.insufficientResources)) { _ = try bed.transport.connect() }
            client.kill()
            #expect(bed.hasHandles(2))
            #expect(try held[1].control(.getVersion, input: [], capacity: 4) == [1, 0, 0, 0])
        }

        @Test func theFileHasTheRightsOfItsOptions() throws {
            for (open, mode) in [(false, 0o660), (true, 0o666)] {
                let bed = try DoorBed(UnixSocketDoor.Options(group: 4242, openForReading: open))
                let attributes = try FileManager.default.attributesOfItem(atPath: bed.path)
                #expect(attributes[.posixPermissions] as? Int == mode)
                #expect(attributes[.groupOwnerAccountID] as? Int == 4242)
                #expect(bed.door.group == 4242)
            }
            let bed = try DoorBed()
            #expect(bed.door.group == getegid())
        }
    }
}
