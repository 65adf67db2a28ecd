import Datapath
import Device
@testable import Doors
import Foundation
import Netlink
import NetlinkSocket
import OpenvSwitch
import Testing

extension DoorsTests {
    /// What clients of the Netlink door do that mean harm, have faults, or die.
    @Suite struct NetlinkHostileTests {
        /// Whether the door still serves.
        private func isServing(_ bed: DoorBed) throws -> Bool {
            let client = try NetlinkTestClient(bed)
            try client.send(client.request(DatapathMessage(command: Command.get, name: "br0"), .ack))
            return try client.receiveAll().count == 2
        }

        @Test func controlsThatAreCutAreRefused() throws {
            let bed = try DoorBed()
            let (ifindex, _) = try bed.bridge("a")
            let client = try NetlinkTestClient(bed)
            let unbound = try NetlinkTestClient(bed, isBound: false)
            // Without room for the output nothing is done.
            let sizes: [(IOControlCode, Int)] = [
                (.netlinkOpen, 40), (.netlinkBind, 4), (.netlinkSend, 32), (.netlinkPull, 24), (.netlinkForward, 4),
            ]
            let request = try client.request(
                VportMessage(command: Command.delete, datapathIfindex: ifindex, portNumber: 1), .ack)
            for (code, size) in sizes {
                for capacity in [0, size - 1] {
                    let input = hostBytes(UInt32(1), 4096) + request
                    #expect(
                        try client.control(code, input, capacity: capacity).result
                            == IOResult(.invalidLength, information: size))
                }
            }
            #expect(try client.receive() == nil)
            try unbound.sendNonce(unbound.nonce)
            #expect(
                try unbound.control(.netlinkBind, capacity: 3).result == IOResult(.invalidLength, information: 4))
            #expect(try unbound.control(.netlinkBind).result.status == .success)
            // An input that ends in the middle of what it must have.
            for count in 0..<8 {
                #expect(
                    try client.control(.netlinkSend, [UInt8](repeating: 0, count: count)).result
                        == IOResult(.invalidLength, information: 8))
            }
            for count in 0..<24 {
                #expect(
                    try client.control(.netlinkPull, [UInt8](repeating: 0, count: count)).result
                        == IOResult(.invalidLength, information: 24))
            }
            // A request that is cut anywhere is not carried out: its length lies.
            for count in 0..<request.count {
                #expect(try client.send(Array(request.prefix(count))) == .init(consumed: UInt32(count)))
            }
            #expect(try client.receive() == nil)
            try client.send(request)
            #expect(errorNumber(try client.receive() ?? []) == 0)
        }

        @Test func whoIsKilledInTheMiddleLeavesNothing() throws {
            let bed = try DoorBed()
            let (ifindex, ports) = try bed.bridge("a")
            try bed.fill(ifindex, 1...2000)
            #expect(bed.hasHandles(0))
            let script = """
                s, greeting = connect()
                request(s, 1, 0xAFC86040); opening = answer(s)[1]
                n = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 2)
                n.connect((struct.unpack_from("=I", opening)[0], 0))
                n.send(struct.pack("=IHHII", 32, 1, 0, 0, 0) + opening[24:])
                request(s, 2, 0xAFC86044); say(struct.unpack("=I", answer(s)[1])[0])
                request(s, 3, 0xAFC86004, struct.pack("=3I", 0, 101, 1)); answer(s)
                dump = struct.pack("=IHHIIBBHi", 24, 1045, 0x301, 1, 0, 3, 1, 0, int(sys.argv[2]))
                request(s, 4, 0xAFC86048, struct.pack("=2I", 1, 4096) + dump)
                head, data = answer(s)
                say(head[1], any(data[16:]), len(n.recv(65536)) > 3000)
                request(s, 5, 0xAFC8604C, struct.pack("=2I", 1, 4096) + data[16:] + dump)
                import time; time.sleep(60)
                """
            let client = try PythonClient(script, bed.path, "\(ifindex)")
            let portID = try #require(client.line().flatMap { UInt32($0) })
            #expect(client.line() == "0 True True")
            #expect(bed.device.openHandles == 1)
            let admin = try NetlinkTestClient(bed)
            var set = VportMessage(command: Command.set, datapathIfindex: ifindex, portNumber: 1)
            set.upcallPortIDs = [portID]
            try admin.send(admin.request(set, .ack))
            #expect(errorNumber(try admin.receive() ?? []) == 0)
            ports[0].send(DoorBed.frame(60))
            client.kill()
            #expect(bed.hasHandles(1))
            // Upcalls to its port ID are nobody's, and are counted.
            for _ in 0..<5 { ports[0].send(DoorBed.frame(60)) }
            try admin.send(admin.request(DatapathMessage(command: Command.get, datapathIfindex: ifindex)))
            let reply = try #require(try admin.receive())
            let statistics = try #require(try DatapathMessage(try Message(reply.rawSpan)).stats)
            #expect(statistics.missed == 6)
            #expect(statistics.lost == 5)
            #expect(try isServing(bed))
        }

        @Test func aSocketThatIsClosedIsNobodys() throws {
            let bed = try DoorBed()
            var client: NetlinkTestClient? = try NetlinkTestClient(bed)
            let portID = client?.portID ?? 0
            let (ifindex, ports) = try bed.bridge("a", upcalls: portID)
            // The connection stays, the socket goes.
            let connection = client?.raw
            try client?.join(.vport)
            client = nil
            for _ in 0..<5 { ports[0].send(DoorBed.frame(60)) }
            let admin = try NetlinkTestClient(bed)
            try admin.send(admin.request(DatapathMessage(command: Command.get, datapathIfindex: ifindex)))
            let reply = try #require(try admin.receive())
            #expect(try DatapathMessage(try Message(reply.rawSpan)).stats?.lost == 5)
            bed.host.unplug("a")
            // Its own requests find nobody either, which is no error.
            let input = hostBytes(UInt32(1), 4096)
            let request = try admin.request(DatapathMessage(command: Command.get, name: "br0"))
            try connection?.send(9, .netlinkSend, input + request)
            let answer = try #require(try connection?.answer())
            #expect(answer.header.result.status == .success)
            #expect(number(answer.output, at: 4, as: UInt32.self) == 0)
            #expect(bed.device.openHandles == 2)
        }

        @Test func strangersAtTheDoorsSocketDoNotMatter() throws {
            let bed = try DoorBed()
            _ = try bed.bridge("a")
            let waiting = try NetlinkTestClient(bed, isBound: false)
            let stranger = try NetlinkTestClient(bed, isBound: false)
            var random = Random(state: 0x2015_09)
            for round in 0..<3000 {
                // The queue is full for a moment now and then: that is the stranger's business.
                let count = Int.random(in: 1...200, using: &random)
                var datagram = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
                if round % 3 == 0, count >= 32 {
                    let header = hostBytes(UInt32(32)) + hostBytes(UInt16(1), 0, 0, 0, 0, 0)
                    datagram.replaceSubrange(0..<16, with: header)
                    if round % 2 == 0 { datagram = Array(datagram.prefix(32)) }
                }
                try stranger.sendDatagram(datagram)
            }
            #expect(try waiting.control(.netlinkBind).result == IOResult(.invalidParameter))
            try waiting.sendNonce(waiting.nonce)
            #expect(try waiting.control(.netlinkBind).output == hostBytes(waiting.portID))
            #expect(try stranger.receive() == nil)
            #expect(try isServing(bed))
        }

        @Test func threeThousandDatagramsOfGarbage() throws {
            let bed = try DoorBed()
            let (ifindex, _) = try bed.bridge("a")
            try bed.fill(ifindex, 1...50)
            var random = Random(state: 0x2016_11)
            let client = try NetlinkTestClient(bed)
            let good = try [
                client.request(DatapathMessage(command: Command.get, name: "br0"), .ack),
                client.request(VportMessage(command: Command.get, datapathIfindex: ifindex), .dump),
                client.request(FlowMessage(command: Command.get, datapathIfindex: ifindex), .dump),
                client.request(DoorBed.flow(ifindex, 7), [.echo, .ack]),
                NetlinkTestClient.familyRequest(NetlinkTestClient.attribute(2, Array("ovs_flow\0".utf8))),
                NetlinkTestClient.familyRequest([], [.request, .dump]),
            ]
            var answers = 0
            for round in 0..<3000 {
                var datagram: [UInt8] = []
                for _ in 0..<Int.random(in: 1...4, using: &random) {
                    datagram += good.randomElement(using: &random) ?? []
                }
                // Some bytes are others, mostly in headers; some are missing.
                for _ in 0..<Int.random(in: 0...6, using: &random) {
                    let most = min(datagram.count, Bool.random(using: &random) ? 24 : datagram.count)
                    datagram[Int.random(in: 0..<most, using: &random)] = UInt8.random(in: 0...255, using: &random)
                }
                if round % 5 == 0 { datagram.removeLast(Int.random(in: 0...datagram.count, using: &random)) }
                let options = hostBytes(UInt32.random(in: 0...7, using: &random), .random(in: 0...9000, using: &random))
                let cursor = hostBytes(UInt64.random(in: 0...60, using: &random), .random(in: 0...3, using: &random))
                let (code, input) =
                    [
                        (IOControlCode.netlinkSend, options + datagram), (.netlinkSend, options + datagram),
                        (.netlinkPull, options + cursor + datagram), (.netlinkForward, datagram),
                    ].randomElement(using: &random) ?? (.netlinkOpen, [])
                let (result, output) = try client.control(code, input)
                if code == .netlinkSend {
                    #expect(result == IOResult(.success, information: 32))
                    let consumed: UInt32 = number(output, at: 0) ?? 0
                    let flags: UInt32 = number(output, at: 4) ?? 0
                    #expect(flags & 2 != 0 ? consumed < datagram.count : consumed == datagram.count, "round \(round)")
                }
                answers += try client.receiveAll().count
            }
            #expect(answers > 3000)
            #expect(try isServing(bed))
            #expect(bed.hasHandles(1))
        }

        /// Two processes have the same socket, and different rights.
        private static let inheritance = """
            def bind(n):
                s, greeting = connect()
                request(s, 1, 0xAFC86040); opening = answer(s)[1]
                if n is None:
                    n = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 2)
                    n.connect((struct.unpack_from("=I", opening)[0], 0))
                n.send(struct.pack("=IHHII", 32, 1, 0, 0, 0) + opening[24:])
                request(s, 2, 0xAFC86044)
                return n, s, answer(s)[0][1]
            def delete(n, s):
                message = struct.pack("=IHHIIBBHiHHI", 32, 1044, 5, 1, 0, 2, 1, 0, int(sys.argv[2]), 8, 1, 99)
                request(s, 3, 0xAFC86048, struct.pack("=2I", 0, 4096) + message); answer(s)
                return struct.unpack_from("=i", n.recv(65536), 16)[0]
            n, s, status = bind(None)
            say("parent", status, delete(n, s))
            child = os.fork()
            if child == 0:
                if sys.argv[3] == "drop":
                    os.setgroups([]); os.setgid(65534); os.setuid(65534)
                _, t, status = bind(n)
                say("child", status, delete(n, t))
                os._exit(0)
            os.waitpid(child, 0)
            try: say("parent", delete(n, s))
            except OSError as error: say("parent", type(error).__name__)
            except struct.error: say("parent end")
            """

        @Test(.enabled(if: getuid() == 0, "becoming another user needs root"))
        func rightsAreNotInheritedWithTheSocket() throws {
            let bed = try DoorBed(UnixSocketDoor.Options(openForReading: true))
            let (ifindex, _) = try bed.bridge("a")
            func outcome(_ what: String) throws -> String {
                let text = try PythonClient(Self.inheritance, bed.path, "\(ifindex)", what).text()
                #expect(bed.hasHandles(0))
                return text
            }
            // A child of the same user shares the handle: there is no port 99 (ENODEV).
            #expect(try outcome("keep") == "parent 0 -19\nchild 0 -19\nparent -19")
            // One that has given up its rights may only read (EPERM), and the parent has lost the port ID to it.
            let lines = try outcome("drop").split(separator: "\n")
            #expect(lines.prefix(2) == ["parent 0 -19", "child 0 -1"])
            #expect(["parent end", "parent BrokenPipeError", "parent ConnectionResetError"].contains(lines.last ?? ""))
        }
    }
}
