import Datapath
import Device
@testable import Doors
import Foundation
import Netlink
import NetlinkSocket
import OpenvSwitch
import Testing

extension DoorsTests {
    /// What clients do that mean harm, have faults, or die.
    @Suite struct HostileTests {
        /// A dump of all flows, from the beginning.
        private func dumpRequest(_ ifindex: Int32) throws -> [UInt8] {
            var request = MessageWriter()
            try request.append(raw: DumpCursor.start.bytes)
            try FlowMessage(command: Command.get, datapathIfindex: ifindex).write(
                to: &request, flags: [.request, .root, .match])
            return request.bytes
        }

        @Test func theGreetingIsAsDocumented() throws {
            let bed = try DoorBed()
            let client = try bed.raw()
            let greeting = client.greeting
            try #require(greeting.count == 32)
            #expect(Array(greeting[..<8]) == Array("MARTLET\0".utf8))
            let numbers = (0..<6).map { greeting.rawSpan.load(at: 8 + 4 * $0, as: UInt32.self) ?? 0 }
            #expect(numbers[0] == 1)
            #expect(numbers[1] == 0)
            #expect(numbers[3...] == [2, 131_072, 196_608])
            try client.send(1, .getPortID)
            #expect(try client.answer()?.output == DoorRequest.input(numbers[2]))
        }

        @Test func aKilledClientThatWaitedLosesItsHandleAtOnce() throws {
            let bed = try DoorBed()
            let before = bed.device.openHandles
            let client = try PythonClient(
                """
                s, greeting = connect()
                request(s, 1, 0xAFC86004, struct.pack("=3I", 1, 0, 1))  # subscribe to packets
                say(answer(s)[0][1])
                request(s, 2, 0xAFC86008, struct.pack("=I", 1))  # pend
                request(s, 3, 0xAFC86010)  # get the version: the pended request has been taken by then
                say(answer(s)[0][0])
                s.recv(1)
                """, bed.path)
            #expect(client.line() == "0")
            #expect(client.line() == "3")
            #expect(bed.device.openHandles == before + 1)
            client.kill()
            #expect(bed.hasHandles(before))
        }

        @Test func aClientKilledInTheMiddleOfADumpLeavesNothing() throws {
            let bed = try DoorBed()
            let (ifindex, _) = try bed.bridge("a")
            try bed.fill(ifindex, 1...2000)
            #expect(bed.hasHandles(0))
            let client = try PythonClient(
                """
                s, greeting = connect()
                dump = struct.pack("=IHHIIBBHi", 24, 21, 0x301, 1, 0, 3, 1, 0, int(sys.argv[2]))
                request(s, 1, 0xAFC86002, bytes(16) + dump, 4096)
                head, data = answer(s)
                say(head[1], len(data) > 3000, any(data[:16]))
                for tag in range(200):  # answers that are never read
                    request(s, tag, 0xAFC86002, data[:16] + dump, 65536)
                    if tag == 5: say("busy")
                import time; time.sleep(60)
                """, bed.path, "\(ifindex)")
            #expect(client.line() == "0 True True")
            #expect(client.line() == "busy")
            #expect(bed.device.openHandles == 1)
            client.kill()
            #expect(bed.hasHandles(0))
            // The door serves on.
            let socket = try TransactionSocket(bed.transport)
            var count = 0
            try socket.dump(FlowMessage(command: Command.get, datapathIfindex: ifindex)) { _ throws(SocketError) in
                count += 1
            }
            #expect(count == 2000)
        }

        @Test func aSlowReaderBlocksNobodyElse() throws {
            let bed = try DoorBed()
            let (ifindex, _) = try bed.bridge("a")
            try bed.fill(ifindex, 1...1000)
            let slow = try bed.raw(sendBuffer: 8 << 10)
            try slow.send(0, .subscribe, Subscription(.event, group: .netdev).bytes)
            #expect(try slow.answer()?.header.result.status == .success)
            try slow.send(1_000_000, .pend, DoorRequest.input(0))
            // It asks without reading until its requests have no room either: the door has stopped to take them.
            let dump = try dumpRequest(ifindex)
            var asked: UInt32 = 0
            var stillFull = 0
            while stillFull < 20, asked < 100_000 {
                let header = DoorRequest(tag: asked, code: .dump, capacity: 65_536, inputLength: dump.count)
                if try slow.send(header.bytes + dump, waiting: false) {
                    asked += 1
                    stillFull = 0
                } else {
                    stillFull += 1
                    usleep(5000)
                }
            }
            #expect(asked > 10)
            #expect(asked < 100_000)
            // The pended request is completed meanwhile; others are served.
            _ = bed.host.plug("b")
            let socket = try TransactionSocket(bed.transport)
            let start = Date()
            for _ in 0..<500 {
                #expect(
                    try socket.transact(VportMessage(command: Command.get, datapathIfindex: ifindex, portNumber: 1))
                        != nil)
            }
            #expect(Date().timeIntervalSince(start) < 10)
            // When it reads at last it gets everything, in order, and the completion once.
            var tags: [UInt32] = []
            var completions = 0
            while tags.count < Int(asked) || completions == 0 {
                let (header, output) = try #require(try slow.answer())
                #expect(header.result.status == .success)
                if header.tag == 1_000_000 {
                    completions += 1
                } else {
                    #expect(output.count > 60_000)
                    tags.append(header.tag)
                }
            }
            #expect(tags == Array(0..<asked))
            #expect(completions == 1)
            try slow.send(5, .getVersion)
            #expect(try slow.answer()?.header.tag == 5)
        }

        @Test func twoThousandDatagramsOfGarbage() throws {
            let bed = try DoorBed()
            _ = try bed.bridge("a")
            var random = Random(state: 0x2014_08)
            var client = try bed.raw()
            var closed = 0
            var answered = 0
            for round in 0..<2000 {
                let tag = UInt32.random(in: 0..<0x8000_0000, using: &random)
                let code: UInt32 =
                    random.next() % 4 == 0
                    ? UInt32.random(in: 0...UInt32.max, using: &random)
                    : ((IOControlCode.all + IOControlCode.netlink).randomElement(using: &random)?.rawValue ?? 0)
                let inputLength = Int.random(in: 0...200, using: &random)
                var input = (0..<inputLength).map { _ in UInt8.random(in: 0...255, using: &random) }
                if random.next() % 2 == 0, inputLength >= 24 {
                    // A header that is nearly sound, sometimes behind a cursor.
                    let at = code == IOControlCode.dump.rawValue && inputLength >= 40 ? 16 : 0
                    input[at] = UInt8(inputLength - at)
                    (input[at + 1], input[at + 2], input[at + 3]) = (0, 0, 0)
                    input[at + 4] = UInt8.random(in: 16...25, using: &random)
                    input[at + 5] = 0
                    (input[at + 12], input[at + 13], input[at + 14], input[at + 15]) = (0, 0, 0, 0)
                }
                let lies = random.next() % 8 == 0
                let length = lies ? UInt32.random(in: 0...UInt32.max, using: &random) : UInt32(inputLength)
                var datagram = DoorRequest.input(tag) + DoorRequest.input(code)
                let shift = UInt32.random(in: 0..<32, using: &random)
                datagram += DoorRequest.input(UInt32.random(in: 0...UInt32.max, using: &random) >> shift)
                datagram += DoorRequest.input(length) + input
                if random.next() % 8 == 0 { datagram = Array(datagram.prefix(Int.random(in: 0...20, using: &random))) }
                _ = try client.send(datagram)
                if datagram.count < 16 {
                    // Nobody can be answered: the connection ends.
                    #expect(try client.receive() == [], "round \(round)")
                    closed += 1
                    client = try bed.raw()
                    continue
                }
                // A marker behind it: by its answer the garbage has had its own, unless it was a request that pends.
                let marker = UInt32(0x8000_0000) + UInt32(round)
                try client.send(marker, .getVersion)
                var own = 0
                while let (header, _) = try client.answer(), header.tag != marker {
                    #expect(header.tag == tag, "round \(round)")
                    own += 1
                }
                let mayPend = [IOControlCode.pend.rawValue, IOControlCode.write.rawValue].contains(code)
                #expect(own == 1 || (own == 0 && mayPend), "round \(round)")
                answered += own
                // What it pended or began must not answer in a later round.
                if mayPend { client = try bed.raw() }
            }
            #expect(closed > 50)
            #expect(answered > 1000)
            let socket = try TransactionSocket(bed.transport)
            #expect(try socket.transact(DatapathMessage(command: Command.get, name: "br0")) != nil)
        }

        @Test func lengthsThatLieAreRefused() throws {
            let bed = try DoorBed()
            let client = try bed.raw()
            for length in [0, 3, 5, 1 << 20, Int(UInt32.max)] {
                try client.send(9, .getVersion, [1, 2, 3, 4], length: length)
                let (header, output) = try #require(try client.answer())
                #expect(header.tag == 9)
                #expect(header.result == IOResult(.invalidParameter))
                #expect(output.isEmpty)
            }
            // One byte more than the door takes, and much more.
            for count in [(128 << 10) + 1, 300 << 10] {
                try client.send(10, .transact, [UInt8](repeating: 0, count: count))
                let (header, _) = try #require(try client.answer())
                #expect(header.tag == 10)
                #expect(header.result == IOResult(.invalidParameter, information: 128 << 10))
            }
            try client.send(11, .getVersion)
            #expect(try client.answer()?.output == [1, 0, 0, 0])
            // Fifteen bytes have no room for a tag and its request.
            _ = try client.send([UInt8](repeating: 0, count: 15))
            #expect(try client.receive() == [])
            #expect(bed.hasHandles(0))
        }

        @Test func connectionsLeaveNothingBehind() throws {
            let bed = try DoorBed()
            func descriptors() -> Int {
                (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? 0
            }
            /// Sockets of this process that the door has made: those with its path.
            func sockets() -> Int {
                // Whatever bytes the names of other sockets have.
                let bytes = FileManager.default.contents(atPath: "/proc/net/unix") ?? Data()
                let table = String(decoding: bytes, as: UTF8.self)
                return table.split(separator: "\n").count { $0.hasSuffix(bed.path) }
            }
            _ = try bed.transport.connect()
            #expect(bed.hasHandles(0))
            let (descriptorsBefore, socketsBefore) = (descriptors(), sockets())
            #expect(socketsBefore == 1)
            for round in 0..<200 {
                let connection = try bed.transport.connect()
                if round % 2 == 0 { _ = try connection.control(.getVersion, input: [], capacity: 4) }
                if round % 3 == 0 { connection.close() }
            }
            #expect(bed.hasHandles(0))
            #expect(eventually { sockets() == socketsBefore })
            // Other suites of this process may open descriptors of their own, but not as many.
            #expect(eventually { descriptors() < descriptorsBefore + 50 })
        }

        @Test func connectionsAreLimited() throws {
            let bed = try DoorBed(UnixSocketDoor.Options(maximumConnections: 3))
            let held = try (0..<3).map { _ in try bed.transport.connect() }
            #expect(throws: DeviceError(.insufficientResources)) { _ = try bed.transport.connect() }
            do throws(DoorError) {
                try bed.transport.probe()
                Issue.record("there is no room")
            } catch {
                #expect(error.reason == .insufficientResources)
                #expect(error.description == "the datapath at \(bed.path) has no room for another connection")
            }
            held[0].close()
            #expect(bed.hasHandles(2))
            _ = try bed.transport.connect()
            // Those that are connected have not noticed.
            #expect(try held[1].control(.getVersion, input: [], capacity: 4) == [1, 0, 0, 0])
        }
    }

    /// A sequence of numbers that is the same in every run (SplitMix64).
    struct Random: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var z = state
            z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
            z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
            return z ^ (z >> 31)
        }
    }
}
