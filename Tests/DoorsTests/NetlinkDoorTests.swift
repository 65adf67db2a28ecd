import Datapath
import Device
@testable import Doors
import Foundation
import LinuxSystem
import Netlink
import NetlinkSocket
import OpenvSwitch
import Testing

extension DoorsTests {
    /// What clients of the Netlink door do that mean well.
    @Suite struct NetlinkDoorTests {
        private static let kernel: UInt32 = 2
        private static let noRoom: UInt32 = 1

        private func get(_ ifindex: Int32, _ port: UInt32) -> VportMessage {
            VportMessage(command: Command.get, datapathIfindex: ifindex, portNumber: port)
        }

        private func vport(_ bytes: [UInt8]) throws -> VportMessage { try VportMessage(try Message(bytes.rawSpan)) }
        private func packet(_ bytes: [UInt8]) throws -> PacketMessage { try PacketMessage(try Message(bytes.rawSpan)) }
        private func datapath(_ bytes: [UInt8]) throws -> DatapathMessage {
            try DatapathMessage(try Message(bytes.rawSpan))
        }

        // MARK: Opening and binding

        @Test func openingTellsWhereAndWhatToSend() throws {
            let bed = try DoorBed()
            let clients = try (0..<2).map { _ in try NetlinkTestClient(bed, isBound: false) }
            for client in clients {
                #expect(number(client.opening, at: 0, as: UInt32.self) != 0)
                #expect(number(client.opening, at: 4, as: UInt32.self) == 0)
                var status = stat()
                #expect(unsafe stat("/proc/self/ns/net", &status) == 0)
                #expect(number(client.opening, at: 8, as: UInt64.self) == UInt64(status.st_dev))
                #expect(number(client.opening, at: 16, as: UInt64.self) == UInt64(status.st_ino))
                #expect(client.nonce.contains { $0 != 0 })
            }
            #expect(clients[0].nonce != clients[1].nonce)
            #expect(clients[0].opening[..<24] == clients[1].opening[..<24])
        }

        @Test func theHandleGetsTheSocketsPortID() throws {
            let bed = try DoorBed()
            let client = try NetlinkTestClient(bed)
            let before = number(client.raw.greeting, at: 16, as: UInt32.self) ?? 0
            #expect((1 << 30..<1 << 31).contains(before))
            #expect(client.portID != before)
            #expect(try client.control(.getPortID).output == hostBytes(client.portID))
            #expect(bed.device.openHandles == 1)
            // Binding is done once.
            try client.sendNonce(client.nonce)
            #expect(try client.control(.netlinkBind).result == IOResult(.invalidParameter))
            #expect(try client.control(.getPortID).output == hostBytes(client.portID))
        }

        @Test func onlyTheNonceOfTheConnectionBinds() throws {
            let bed = try DoorBed()
            let client = try NetlinkTestClient(bed, isBound: false)
            let other = try NetlinkTestClient(bed, isBound: false)
            func isRefused() throws -> Bool {
                try client.control(.netlinkBind).result == IOResult(.invalidParameter)
            }
            #expect(try isRefused())
            // Another's, one that is wrong in its last bit, one that is cut, one with more behind it.
            try client.sendNonce(other.nonce)
            #expect(try isRefused())
            try client.sendNonce(client.nonce.dropLast() + [client.nonce[15] ^ 1])
            #expect(try isRefused())
            try client.sendNonce(client.nonce.dropLast())
            #expect(try isRefused())
            try client.sendNonce(client.nonce + [0])
            #expect(try isRefused())
            // The right one in a message of another type.
            try client.sendDatagram(hostBytes(UInt32(32)) + hostBytes(UInt16(2), 0, 0, 0, 0, 0) + client.nonce)
            #expect(try isRefused())
            // Asking again makes an older nonce worthless.
            let again = try client.control(.netlinkOpen).output
            try client.sendNonce(client.nonce)
            #expect(try isRefused())
            try client.sendNonce(Array(again[24...]))
            #expect(try client.control(.netlinkBind).output == hostBytes(client.portID))
            #expect(try client.control(.getPortID).output == hostBytes(client.portID))
        }

        @Test func withoutASocketThereIsNoDoor() throws {
            let bed = try DoorBed()
            let client = try NetlinkTestClient(bed, isBound: false)
            let request = try client.request(DatapathMessage(command: Command.get, name: "br0"))
            for (code, input) in [
                (IOControlCode.netlinkSend, hostBytes(UInt32(0), 4096) + request),
                (.netlinkPull, hostBytes(UInt32(0), 4096, 0, 0, 0, 0) + request), (.netlinkForward, request),
                (.netlinkPack, []),
            ] { #expect(try client.control(code, input).result == IOResult(.invalidParameter)) }
            // The device itself knows none of this.
            let handle = try bed.device.open()
            for code in IOControlCode.netlink {
                var output = MessageWriter(limit: 4096)
                let result = handle.control(code, input: request.rawSpan, output: &output)
                #expect(result.status == .invalidDeviceRequest)
            }
            handle.close()
        }

        // MARK: Transactions

        @Test func familiesAreTold() throws {
            let bed = try DoorBed()
            let client = try NetlinkTestClient(bed)
            for expected in FamilyDirectoryTests.families {
                let name = NetlinkTestClient.attribute(2, Array(expected.name.utf8) + [0])
                let request = NetlinkTestClient.familyRequest(name, [.request, .ack])
                #expect(try client.send(request) == .init(consumed: UInt32(request.count)))
                let replies = try client.receiveAll()
                try #require(replies.count == 2)
                var reply = expected.message()
                reply.replaceSubrange(12..<16, with: hostBytes(client.portID))
                #expect(replies[0] == reply)
                #expect(errorNumber(replies[1]) == 0)
            }
            // In a list ours come first, then the kernel's and the end.
            let dump = NetlinkTestClient.familyRequest([], [.request, .dump])
            #expect(try client.send(dump) == .init(flags: Self.kernel))
            let list = try #require(try client.receive())
            #expect(try header(list).flags == .multi)
            #expect(try client.receive() == nil)
            #expect(try client.send(dump, flags: 5) == .init(consumed: 20))
            #expect(errorNumber(try client.receive() ?? []) == Errno.busy)
        }

        @Test func repliesEchoesAndAcknowledgements() throws {
            let bed = try DoorBed()
            let client = try NetlinkTestClient(bed)
            var new = DatapathMessage(command: Command.new, name: "br0")
            new.upcallPortID = 0
            // With an echo, the reply and nothing else.
            try client.send(client.request(new, .echo, sequence: 5))
            var replies = try client.receiveAll()
            try #require(replies.count == 1)
            let reply = try header(replies[0])
            #expect(
                reply
                    == MessageHeader(
                        length: UInt32(replies[0].count), type: MessageType(rawValue: 1042), sequence: 5,
                        portID: client.portID))
            let ifindex = try datapath(replies[0]).datapathIfindex
            // With both, the reply in front of the acknowledgement, each in a datagram of its own.
            bed.host.plug("a").send([])
            let port = VportMessage(
                command: Command.new, datapathIfindex: ifindex, type: .netdev, name: "a", upcallPortIDs: [0])
            try client.send(client.request(port, [.echo, .ack], sequence: 6))
            replies = try client.receiveAll()
            try #require(replies.count == 2)
            #expect(try header(replies[0]).type.rawValue == 1044)
            #expect(errorNumber(replies[1]) == 0)
            #expect(try header(replies[1]).sequence == 6)
            // With neither, success is silence; a GET has its reply.
            var set = VportMessage(command: Command.set, datapathIfindex: ifindex, portNumber: 1)
            set.upcallPortIDs = [5]
            try client.send(client.request(set))
            #expect(try client.receive() == nil)
            try client.send(client.request(set, .ack))
            #expect(errorNumber(try client.receive() ?? []) == 0)
            try client.send(client.request(get(ifindex, 1)))
            let answer = try #require(try client.receive())
            #expect(try vport(answer).upcallPortIDs == [5])
            #expect(try client.receive() == nil)
        }

        @Test func severalMessagesInOneDatagram() throws {
            let bed = try DoorBed()
            let (ifindex, _) = try bed.bridge("a", "b")
            let client = try NetlinkTestClient(bed)
            // One of them fails, which does not stop the others; the port IDs in them do not matter.
            var datagram = try client.request(get(ifindex, 1), sequence: 1)
            datagram += try client.request(get(ifindex, 9), sequence: 2)
            var third = try client.request(get(ifindex, 2), .ack, sequence: 3)
            third.replaceSubrange(12..<16, with: hostBytes(UInt32(0xdead)))
            datagram += third
            let whole = UInt32(datagram.count)
            let expected: [[UInt32]] = [[1044, 1], [2, 2], [1044, 3], [2, 3]]
            func answers() throws -> [[UInt32]] {
                try client.receiveAll().map { datagram in
                    let header = try header(datagram)
                    #expect(header.portID == client.portID)
                    #expect(header.length == UInt32(datagram.count))
                    return [UInt32(header.type.rawValue), header.sequence]
                }
            }
            #expect(try client.send(datagram) == .init(consumed: whole))
            #expect(try answers() == expected)
            // A length that lies, or a rest that is no message, ends it without a word.
            let lies = [
                hostBytes(UInt32(15)) + [UInt8](repeating: 0, count: 12), hostBytes(UInt32(0), 0, 0, 0, 0, 0),
                hostBytes(UInt32(25), 0x1_0414, 0, 0, 3, 0), hostBytes(UInt32.max, 0x1_0414, 0, 0, 3, 0), [1],
                [20, 0, 0, 0],
                [UInt8](repeating: 0, count: 15),
            ]
            for lie in lies {
                #expect(try client.send(datagram + lie) == .init(consumed: whole + UInt32(lie.count)))
                #expect(try answers() == expected)
                #expect(try client.send(lie) == .init(consumed: UInt32(lie.count)))
                #expect(try answers() == [])
            }
            #expect(try client.send([]) == .init())
            // What is the kernel's ends it too, and is named.
            for foreign in [UInt16(1), 15, 16, 17, 18, 22, 1023] {
                let message = hostBytes(UInt32(20)) + hostBytes(foreign, 1) + hostBytes(UInt32(4), 0, 0)
                #expect(try client.send(datagram + message + third) == .init(consumed: whole, flags: Self.kernel))
                #expect(try answers() == expected)
            }
        }

        @Test func errorsComeInFourForms() throws {
            let bed = try DoorBed()
            let (ifindex, _) = try bed.bridge("a")
            let client = try NetlinkTestClient(bed)
            let request = try client.request(get(ifindex, 9), .ack, sequence: 8)
            let words = "br0 has no port 9"
            let attributes = NetlinkTestClient.attribute(1, Array(words.utf8) + [0])
            for flags in 0..<UInt32(4) {
                try client.send(request, flags: flags)
                let answer = try #require(try client.receive())
                let (isExtended, isCapped) = (flags & 1 != 0, flags & 2 != 0)
                let body =
                    hostBytes(-Errno.noDevice) + (isCapped ? Array(request[..<16]) : request)
                    + (isExtended ? attributes : [])
                let outer: UInt16 = (isCapped ? 0x100 : 0) | (isExtended ? 0x200 : 0)
                let expected =
                    hostBytes(UInt32(16 + body.count)) + hostBytes(UInt16(2), outer)
                    + hostBytes(UInt32(8), client.portID) + body
                #expect(answer == expected, "\(flags)")
                #expect(try client.receive() == nil)
            }
            // An acknowledgement is capped, whatever the options.
            let good = try client.request(get(ifindex, 1), .ack, sequence: 9)
            for flags in 0..<UInt32(4) {
                try client.send(good, flags: flags)
                let replies = try client.receiveAll()
                try #require(replies.count == 2)
                let expected =
                    hostBytes(UInt32(36)) + hostBytes(UInt16(2), 0x100) + hostBytes(UInt32(9), client.portID)
                    + hostBytes(UInt32(0)) + Array(good[..<16])
                #expect(replies[1] == expected)
            }
            // Where an attribute is at fault, its place is told.
            var flow = try DoorBed.flow(ifindex, 1)
            flow.actions = try [Action.drop(0), .output(1)].encoded()
            let bytes = try client.request(flow)
            try client.send(bytes, flags: 1)
            let answer = try #require(try client.receive())
            let error = try ErrorMessage(try Message(answer.rawSpan))
            #expect(error.error == -Errno.invalid)
            #expect(error.request.type.rawValue == 1045)
            #expect(error.message?.contains("drop") == true)
            #expect(error.offset.map { $0 > 24 && $0 < UInt32(bytes.count) } == true)
        }

        @Test func whatIsNoFamilyOfThisDoor() throws {
            let bed = try DoorBed()
            let client = try NetlinkTestClient(bed)
            func message(_ type: UInt16, _ flags: UInt16) -> [UInt8] {
                hostBytes(UInt32(24)) + hostBytes(type, flags) + hostBytes(UInt32(1), 0) + [3, 1, 0, 0, 0, 0, 0, 0]
            }
            // The families of the Windows interface are not here, and what is no request is skipped.
            for type in [UInt16(1024), 1041, 1046, 1047, 1050, .max] {
                try client.send(message(type, 1))
                #expect(errorNumber(try client.receive() ?? []) == Errno.noEntry)
                try client.send(message(type, 0x301))
                #expect(errorNumber(try client.receive() ?? []) == Errno.noEntry)
                try client.send(message(type, 0))
                #expect(try client.receive() == nil)
                try client.send(message(type, 4))
                #expect(errorNumber(try client.receive() ?? []) == 0)
            }
            for type in NetlinkNumbers.families.map({ NetlinkNumbers.id($0) }) {
                try client.send(message(type, 0))
                #expect(try client.receive() == nil)
                try client.send(message(type, 4))
                #expect(errorNumber(try client.receive() ?? []) == 0)
                // Each is there: whatever it says, it is an answer of its own.
                try client.send(message(type, 1))
                #expect(errorNumber(try client.receive() ?? []) != Errno.noEntry)
            }
            // A message that is too short for its family.
            try client.send(hostBytes(UInt32(20)) + hostBytes(UInt16(1042), 1) + hostBytes(UInt32(1), 0, 0))
            #expect(errorNumber(try client.receive() ?? []) == Errno.invalid)
        }

        @Test func eachMessageIsTracedAsATransaction() throws {
            let bed = try DoorBed()
            let (ifindex, _) = try bed.bridge("a")
            let client = try NetlinkTestClient(bed)
            let watcher = try EventSocket(bed.device)
            try watcher.join(.trace)
            try client.send(client.request(get(ifindex, 0)) + client.request(get(ifindex, 1)))
            try client.send(client.request(VportMessage(command: Command.get, datapathIfindex: ifindex), .dump))
            var seen: [String] = []
            while let bytes = try watcher.receive() {
                let set = try Policy([
                    ControlAttribute.traceCode: .u32, ControlAttribute.tracePortID: .u32,
                    ControlAttribute.traceInput: .any,
                ]).parse(try Message(bytes.rawSpan).attributes(at: OVSHeader.attributesOffset))
                let code: UInt32? = set.integer(ControlAttribute.traceCode)
                let portID: UInt32? = set.integer(ControlAttribute.tracePortID)
                #expect(portID == client.portID)
                var input = set.payload(ControlAttribute.traceInput) ?? []
                if code == IOControlCode.dump.rawValue { input.removeFirst(16) }
                seen.append("\(IOControlCode(rawValue: code ?? 0).name) \(try header(input).type.rawValue)")
            }
            #expect(seen == ["transact 20", "transact 20", "dump 20"])
        }

        @Test func aRequestMayBeAsLargeAsTheDoorTakes() throws {
            let bed = try DoorBed()
            let (ifindex, _) = try bed.bridge("a")
            let client = try NetlinkTestClient(bed)
            // A frame that makes the request as large as can be; its reply is an error with all of it inside.
            var request = try client.request(get(ifindex, 9))
            request += [UInt8](repeating: 0xee, count: DoorLimits.input - 8 - request.count)
            request.replaceSubrange(0..<4, with: hostBytes(UInt32(request.count)))
            #expect(try client.send(request, flags: 0) == .init(consumed: UInt32(request.count)))
            let answer = try #require(try client.receive())
            #expect(errorNumber(answer) == Errno.noDevice)
            #expect(Array(answer[20...]) == request)
        }

        // MARK: Dumps

        /// The Ethernet sources of the flows in a datagram, and whether the dump ends in it.
        private func flows(_ datagram: [UInt8]) throws -> (sources: [UInt64], isDone: Bool) {
            var sources: [UInt64] = []
            var messages = MessageSequence(datagram.rawSpan)
            while let message = try messages.next() {
                let header = message.header
                #expect(header.flags.contains(.multi))
                if header.type == .done { return (sources, true) }
                #expect(header.type.rawValue == 1045)
                let key = try FlowMessage(message).key ?? []
                sources.append(try FlowMatch.key(Attributes(key.rawSpan)).ethernetSource)
            }
            return (sources, false)
        }

        @Test func twoThousandFlowsInPieces() throws {
            let bed = try DoorBed()
            let (ifindex, _) = try bed.bridge("a")
            try bed.fill(ifindex, 1...2000)
            let client = try NetlinkTestClient(bed)
            let before = try client.request(get(ifindex, 1))
            let request = try client.request(
                FlowMessage(command: Command.get, datapathIfindex: ifindex), [.dump, .ack], sequence: 77)
            // The dump goes on behind a message, and another is refused while it does.
            let datagram = before + request + request
            let progress = try client.send(datagram)
            #expect(progress.consumed == UInt32(datagram.count))
            #expect(progress.flags == 4)
            #expect(progress.dump == [UInt32(before.count), UInt32(request.count)])
            var datagrams = try client.receiveAll()
            try #require(datagrams.count == 3)
            #expect(try header(datagrams[0]).type.rawValue == 1044)
            #expect(errorNumber(datagrams[2]) == Errno.busy)
            #expect(try client.send(request, flags: 1 | 4) == .init(consumed: UInt32(request.count)))
            #expect(errorNumber(try client.receive() ?? []) == Errno.busy)
            var (sources, isDone) = try flows(datagrams[1])
            #expect(datagrams[1].count <= 4096)
            var cursor = progress.cursor
            var pieces = 1
            while !cursor.isZero {
                #expect(!isDone)
                let pulled = try client.pull(request, cursor)
                #expect(pulled.flags == 0)
                datagrams = try client.receiveAll()
                try #require(datagrams.count == 1)
                #expect(datagrams[0].count <= 4096)
                #expect(try header(datagrams[0]).sequence == 77)
                #expect(try header(datagrams[0]).portID == client.portID)
                let piece = try flows(datagrams[0])
                sources += piece.sources
                (isDone, cursor) = (piece.isDone, pulled.cursor)
                pieces += 1
            }
            #expect(isDone)
            #expect(pieces > 20)
            #expect(sources == Array(1...2000))
        }

        @Test func aShortDumpIsCompleteAtOnceAndAnotherMayFollow() throws {
            let bed = try DoorBed()
            let (ifindex, _) = try bed.bridge("a")
            let client = try NetlinkTestClient(bed)
            let request = try client.request(
                VportMessage(command: Command.get, datapathIfindex: ifindex), [.dump, .ack])
            let progress = try client.send(request + request)
            #expect(progress.flags == 4)
            #expect(progress.dump == [UInt32(request.count), UInt32(request.count)])
            #expect(progress.cursor.isZero)
            let datagrams = try client.receiveAll()
            #expect(datagrams.count == 2)
            for datagram in datagrams {
                var types: [UInt16] = []
                var messages = MessageSequence(datagram.rawSpan)
                while let message = try messages.next() { types.append(message.header.type.rawValue) }
                #expect(types == [1044, 1044, 3])
            }
        }

        @Test func piecesHaveTheSizeThatIsAskedForWithinBounds() throws {
            let bed = try DoorBed()
            let (ifindex, _) = try bed.bridge("a")
            try bed.fill(ifindex, 1...2000)
            let client = try NetlinkTestClient(bed)
            let request = try client.request(FlowMessage(command: Command.get, datapathIfindex: ifindex), .dump)
            for (asked, least, most) in [(0, 3800, 4096), (9000, 8700, 9000), (1 << 31, 32_400, 32_768)] {
                try client.send(request, piece: UInt32(asked))
                let piece = try #require(try client.receive())
                #expect((least...most).contains(piece.count))
            }
        }

        @Test func aRecordThatIsLongerThanAPieceIsAPiece() throws {
            let bed = try DoorBed()
            let (ifindex, _) = try bed.bridge("a")
            let client = try NetlinkTestClient(bed)
            var flow = try DoorBed.flow(ifindex, 1)
            flow.actions = try (0..<2000).map { _ in Action.output(1) }.encoded()
            try client.send(client.request(flow, .ack))
            #expect(errorNumber(try client.receive() ?? []) == 0)
            let request = try client.request(FlowMessage(command: Command.get, datapathIfindex: ifindex), .dump)
            let progress = try client.send(request)
            let piece = try #require(try client.receive())
            #expect(piece.count > 16_000)
            #expect(try flows(piece).sources == [1])
            #expect(progress.flags == 4)
        }

        @Test func dumpsThatCannotBe() throws {
            let bed = try DoorBed()
            let (ifindex, _) = try bed.bridge("a")
            let client = try NetlinkTestClient(bed)
            // There is no such datapath: the error is in the end of the dump.
            let nowhere = try client.request(FlowMessage(command: Command.get, datapathIfindex: 999), .dump)
            #expect(try client.send(nowhere).flags == 4)
            let done = try #require(try client.receive())
            #expect(try header(done).type == .done)
            #expect(number(done, at: 16, as: Int32.self) == -Errno.noDevice)
            // Not a command to dump.
            let new = try client.request(DatapathMessage(command: Command.new, name: "x"), .dump)
            #expect(try client.send(new) == .init(consumed: UInt32(new.count)))
            let answer = try #require(try client.receive())
            #expect(errorNumber(answer) == Errno.notSupported)
            #expect(Array(answer[20..<(20 + new.count)]) == new)
            // What is pulled must be a dump of ours.
            let get = try client.request(get(ifindex, 1))
            let cursor = DumpCursor(position: 1, generation: 1)
            for request in [
                [], get, Array(nowhere.dropLast()), NetlinkTestClient.familyRequest([], [.request, .dump]),
            ] {
                let (result, _) = try client.control(.netlinkPull, hostBytes(UInt32(0), 4096) + cursor.bytes + request)
                #expect(result == IOResult(.invalidParameter))
            }
            #expect(try client.pull(new, cursor).cursor.isZero)
            #expect(errorNumber(try client.receive() ?? []) == Errno.notSupported)
            #expect(try client.receive() == nil)
        }

        @Test func whatFindsNoRoomIsTold() throws {
            let bed = try DoorBed()
            let (ifindex, _) = try bed.bridge("a")
            try bed.fill(ifindex, 1...2000)
            let client = try NetlinkTestClient(bed, receiveBuffer: 32 << 10)
            let request = try client.request(FlowMessage(command: Command.get, datapathIfindex: ifindex), .dump)
            var cursor = try client.send(request).cursor
            var pieces = 1
            var flags: UInt32 = 0
            while flags == 0, pieces < 100 {
                let before = cursor
                (flags, cursor) = try client.pull(request, cursor)
                if flags == 0 { pieces += 1 } else { #expect(cursor == before) }
            }
            #expect(flags == Self.noRoom)
            // Nor is there room for another dump, for a large reply, or for a datagram of the kernel's.
            #expect(try client.send(request) == .init(consumed: UInt32(request.count), flags: Self.noRoom))
            let refused = try client.request(get(ifindex, 9)) + [UInt8](repeating: 0, count: 8000)
            var large = refused
            large.replaceSubrange(0..<4, with: hostBytes(UInt32(large.count)))
            #expect(try client.send(large).flags == Self.noRoom)
            let datagram = [UInt8](repeating: 5, count: 8000)
            #expect(try client.control(.netlinkForward, datagram).output == hostBytes(Self.noRoom))
            // The dump goes on where it was, and nothing is missing.
            var sources = try client.receiveAll().flatMap { try flows($0).sources }
            while !cursor.isZero {
                (flags, cursor) = try client.pull(request, cursor)
                #expect(flags == 0)
                sources += try client.receiveAll().flatMap { try flows($0).sources }
            }
            #expect(sources == Array(1...2000))
        }

        @Test func forwardedDatagramsComeAsTheyAre() throws {
            let bed = try DoorBed()
            let client = try NetlinkTestClient(bed)
            for count in [16, 17, 5000, 60_000] {
                let datagram = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
                #expect(try client.control(.netlinkForward, datagram).output == hostBytes(UInt32(0)))
                #expect(try client.receive() == datagram)
            }
            for count in [0, 15] {
                let (result, _) = try client.control(.netlinkForward, [UInt8](repeating: 0, count: count))
                #expect(result == IOResult(.invalidLength, information: 16))
            }
        }

        // MARK: Events and upcalls

        @Test func eventsComeToThoseWhoHaveJoined() throws {
            let bed = try DoorBed()
            let (ifindex, _) = try bed.bridge("a")
            let (requester, member, other) = (
                try NetlinkTestClient(bed), try NetlinkTestClient(bed), try NetlinkTestClient(bed)
            )
            try requester.join(.vport)
            try member.join(.vport)
            try other.join(.flow)
            for name in ["b", "c"] { _ = bed.host.plug(name) }
            func new(_ name: String) -> VportMessage {
                VportMessage(
                    command: Command.new, datapathIfindex: ifindex, type: .netdev, name: name, upcallPortIDs: [0])
            }
            // With an echo the requester has it once, as its reply.
            try requester.send(requester.request(new("b"), .echo, sequence: 3))
            let event = try #require(try member.receive())
            #expect(try header(event).type.rawValue == 1044)
            #expect(try header(event).sequence == 3)
            #expect(try header(event).portID == requester.portID)
            #expect(try vport(event).name == "b")
            #expect(try requester.receiveAll() == [event])
            // Without, as an event, in front of the acknowledgement.
            try requester.send(requester.request(new("c"), .ack, sequence: 4))
            let answers = try requester.receiveAll()
            #expect(answers.count == 2)
            #expect(errorNumber(answers[1]) == 0)
            #expect(try member.receiveAll() == [answers[0]])
            // An event that nobody has asked for; and none after leaving.
            bed.host.unplug("c")
            let gone = try #require(try member.receive(milliseconds: 1000))
            #expect(try vport(gone).command == Command.delete)
            #expect(try header(gone).sequence == 0)
            #expect(try header(gone).portID == 0)
            let (result, _) = try member.control(.subscribe, Subscription(.event, group: .vport, join: false).bytes)
            #expect(result.status == .success)
            bed.host.unplug("b")
            _ = try requester.receive(milliseconds: 1000)
            #expect(try member.receive() == nil)
            #expect(try other.receive() == nil)
        }

        @Test func upcallsGoToThePortIDAtOnce() throws {
            let bed = try DoorBed()
            let client = try NetlinkTestClient(bed)
            let (ifindex, ports) = try bed.bridge("a", upcalls: client.portID)
            for count in [50, 1500, 60_000, 65_000] {
                let frame = DoorBed.frame(count)
                ports[0].send(frame)
                let upcall = try #require(try client.receive())
                let header = try header(upcall)
                #expect(header == MessageHeader(length: UInt32(upcall.count), type: MessageType(rawValue: 1043)))
                let packet = try self.packet(upcall)
                #expect(packet.command == PacketCommand.miss)
                #expect(packet.datapathIfindex == ifindex)
                #expect(packet.packet == frame)
            }
            // Those that a request causes are there before its answer.
            var metadata = MessageWriter()
            try metadata.append(KeyAttribute.inPort, UInt32(1))
            let action = Action.userspace(UserspaceAction(portID: client.portID, userdata: [1, 2, 3]))
            let execute = PacketMessage(
                command: PacketCommand.execute, datapathIfindex: ifindex, packet: DoorBed.frame(60),
                key: metadata.bytes, actions: try [action].encoded())
            try client.send(client.request(execute, .ack))
            let datagrams = try client.receiveAll()
            try #require(datagrams.count == 2)
            #expect(try packet(datagrams[0]).command == PacketCommand.action)
            #expect(errorNumber(datagrams[1]) == 0)
            // The queue of packets, and waiting, are for those without a socket.
            #expect(try client.control(.subscribe, Subscription(.packet).bytes).result.status == .success)
            #expect(try client.control(.readPacket).output.isEmpty)
            #expect(try client.control(.pend, hostBytes(UInt32(1))).result == IOResult(.invalidParameter))
            ports[0].send(DoorBed.frame(60))
            #expect(try client.receive() != nil)
        }

        // MARK: Upcalls together

        /// Requests that make an upcall each for a client, of frames of these lengths, in one datagram.
        private func executions(
            _ client: NetlinkTestClient, for receiver: NetlinkTestClient, _ ifindex: Int32, _ lengths: [Int]
        ) throws -> [UInt8] {
            var metadata = MessageWriter()
            try metadata.append(KeyAttribute.inPort, UInt32(1))
            let action = Action.userspace(UserspaceAction(portID: receiver.portID))
            var datagram: [UInt8] = []
            for (number, length) in lengths.enumerated() {
                let execute = PacketMessage(
                    command: PacketCommand.execute, datapathIfindex: ifindex,
                    packet: DoorBed.frame(length, UInt8(truncatingIfNeeded: number)), key: metadata.bytes,
                    actions: try [action].encoded())
                datagram += try client.request(execute)
            }
            return datagram
        }

        /// The messages of a datagram: of several behind a header of their own, or the only one.
        private func messages(_ datagram: [UInt8]) throws -> [PacketMessage] {
            guard try header(datagram).type == .noop else { return [try packet(datagram)] }
            #expect(try header(datagram).length == 16)
            #expect(datagram.count <= 3584)
            var messages: [PacketMessage] = []
            var offset = 16
            while offset < datagram.count {
                let length = Int(number(datagram, at: offset, as: UInt32.self) ?? 0)
                #expect(number(datagram, at: offset + 4, as: UInt16.self) == 1043)
                try #require(length >= 16 && offset + length <= datagram.count)
                messages.append(try packet(Array(datagram[offset..<(offset + length)])))
                offset += (length + 3) & ~3
            }
            #expect(messages.count > 1)
            return messages
        }

        @Test func upcallsComeTogetherToThoseWhoAsk() throws {
            let bed = try DoorBed()
            let client = try NetlinkTestClient(bed)
            let receiver = try NetlinkTestClient(bed)
            let (ifindex, ports) = try bed.bridge("a", upcalls: receiver.portID)
            let lengths = [60, 61, 62, 63] + [Int](repeating: 100, count: 30) + [1500, 3200, 3400, 3600, 60_000, 60]
            let datagram = try executions(client, for: receiver, ifindex, lengths)
            // Unasked, one by one.
            try client.send(datagram)
            #expect(try receiver.receiveAll().map { try header($0).type.rawValue } == lengths.map { _ in 1043 })
            #expect(try receiver.control(.netlinkPack, [1, 2, 3], capacity: 0).result == IOResult(.success))
            try client.send(datagram)
            let together = try receiver.receiveAll()
            #expect(together.count < lengths.count / 2)
            let all = try together.flatMap(messages)
            // A frame has its Ethernet header besides.
            #expect(all.map { $0.packet.count - 14 } == lengths)
            for (number, message) in all.enumerated() {
                #expect(message.packet == DoorBed.frame(lengths[number], UInt8(number)))
                #expect(message.command == PacketCommand.action && message.datapathIfindex == ifindex)
            }
            // Each such datagram has a number of its own.
            let numbers = try together.map { try header($0) }.filter { $0.type == .noop }.map(\.sequence)
            #expect(numbers.count > 1 && Set(numbers).count == numbers.count)
            // One is alone.
            ports[0].send(DoorBed.frame(60))
            #expect(try receiver.receiveAll().map { try header($0).type.rawValue } == [1043])
            // They are there before what is behind them is acknowledged.
            let other = try executions(receiver, for: receiver, ifindex, [60, 60, 60])
            try receiver.send(other + receiver.request(get(ifindex, 0), .ack))
            let types = try receiver.receiveAll().map { try header($0).type.rawValue }
            #expect(types.count == 3 && types.last == 2 && types.contains(1))
        }

        @Test func upcallsComeAloneToProcessesThatShareASocket() throws {
            let bed = try DoorBed()
            let client = try NetlinkTestClient(bed)
            let parent = try NetlinkTestClient(bed)
            let (ifindex, _) = try bed.bridge("a")
            let datagram = try executions(client, for: parent, ifindex, [60, 60, 60])
            #expect(try parent.control(.netlinkPack).result.status == .success)
            try client.send(datagram)
            #expect(try parent.receiveAll().count == 1)
            var child: NetlinkTestClient? = try NetlinkTestClient(bed, sharing: parent)
            try client.send(datagram)
            #expect(try parent.receiveAll().count == 3)
            #expect(try child?.control(.netlinkPack).result == IOResult(.deviceBusy))
            #expect(try parent.control(.netlinkPack).result == IOResult(.deviceBusy))
            child = nil
            // When the door has seen that it has gone.
            while try parent.control(.netlinkPack).result.status != .success { usleep(1000) }
            try client.send(datagram)
            #expect(try parent.receiveAll().count == 1)
        }

        @Test func upcallsTogetherAreLostTogetherAndCounted() throws {
            let bed = try DoorBed()
            let client = try NetlinkTestClient(bed)
            let receiver = try NetlinkTestClient(bed, receiveBuffer: 16 << 10)
            let (ifindex, _) = try bed.bridge("a")
            #expect(try receiver.control(.netlinkPack).result.status == .success)
            let datagram = try executions(client, for: receiver, ifindex, [Int](repeating: 100, count: 200))
            try client.send(datagram)
            let lost = try statistics(client, ifindex).lost
            let received = try receiveUntilSilence(receiver)
            #expect(received.contains(where: isOverrun))
            let taken = try received.filter { !isOverrun($0) }.flatMap(messages).count
            #expect(taken > 30 && lost > 30)
            #expect(UInt64(taken) + lost == 200)
        }

        private func statistics(_ client: NetlinkTestClient, _ ifindex: Int32) throws -> DatapathStatistics {
            try client.send(client.request(DatapathMessage(command: Command.get, datapathIfindex: ifindex)))
            let reply = try #require(try client.receive())
            return try #require(try datapath(reply).stats)
        }

        private func isOverrun(_ datagram: [UInt8]) -> Bool {
            datagram == hostBytes(UInt32(16)) + hostBytes(UInt16(4), 0, 0, 0, 0, 0)
        }

        /// What comes until nothing has come for a while, in which loss would have been told of.
        private func receiveUntilSilence(_ client: NetlinkTestClient) throws -> [[UInt8]] {
            var datagrams: [[UInt8]] = []
            while let datagram = try client.receive(milliseconds: 300) { datagrams.append(datagram) }
            return datagrams
        }

        /// Fills the queue of a client's socket, so that not even the smallest datagram finds room.
        private func fill(_ client: NetlinkTestClient) throws {
            let datagram = [UInt8](repeating: 1, count: 16)
            while try client.control(.netlinkForward, datagram).output == hostBytes(UInt32(0)) {}
        }

        @Test func lossIsCountedAndToldOnce() throws {
            let bed = try DoorBed()
            let client = try NetlinkTestClient(bed, receiveBuffer: 128 << 10)
            let observer = try NetlinkTestClient(bed)
            let (ifindex, ports) = try bed.bridge("a", upcalls: client.portID)
            // As many as there is room for, and what is over.
            for number in 0..<100 { ports[0].send(DoorBed.frame(10_000, UInt8(number))) }
            let lost = try statistics(observer, ifindex).lost
            #expect(lost > 0)
            let first = try receiveUntilSilence(client)
            #expect(UInt64(first.count { !isOverrun($0) }) + lost == 100)
            #expect(first.contains(where: isOverrun))
            // A hundred losses while there is no room for anything; then nothing follows. The reader learns of it all the
            // same, but only once.
            try fill(client)
            for _ in 0..<100 { ports[0].send(DoorBed.frame(10)) }
            #expect(try statistics(observer, ifindex).lost == lost + 100)
            #expect(try receiveUntilSilence(client).count(where: isOverrun) == 1)
            ports[0].send(DoorBed.frame(10_000, 7))
            let next = try #require(try client.receive())
            #expect(try packet(next).packet == DoorBed.frame(10_000, 7))
            #expect(try statistics(observer, ifindex).lost == lost + 100)
        }

        @Test func lossIsToldInFrontOfWhatFollows() throws {
            let bed = try DoorBed()
            let client = try NetlinkTestClient(bed, receiveBuffer: 64 << 10)
            let (_, ports) = try bed.bridge("a", upcalls: client.portID)
            try fill(client)
            ports[0].send(DoorBed.frame(100, 1))
            usleep(2000)
            var datagrams = try client.receiveAll()
            ports[0].send(DoorBed.frame(100, 2))
            datagrams += try client.receiveAll()
            let last = datagrams.removeLast()
            #expect(try packet(last).packet == DoorBed.frame(100, 2))
            #expect(datagrams.last.map(isOverrun) == true)
        }

        @Test func aReaderThatIsAlwaysTooSlowGetsMessagesAndFewNotices() throws {
            let bed = try DoorBed()
            let client = try NetlinkTestClient(bed, receiveBuffer: 64 << 10)
            let (_, ports) = try bed.bridge("a", upcalls: client.portID)
            var notices = 0
            var upcalls = 0
            for _ in 0..<5000 {
                for _ in 0..<3 { ports[0].send(DoorBed.frame(1000)) }
                guard let datagram = try client.receive() else { continue }
                if isOverrun(datagram) { notices += 1 } else { upcalls += 1 }
            }
            #expect(upcalls > 4000)
            #expect(notices > 0)
            #expect(notices < 1000)
        }

        @Test func eventsThatAreLostAreTold() throws {
            let bed = try DoorBed()
            let client = try NetlinkTestClient(bed, receiveBuffer: 16 << 10)
            try client.join(.netdev)
            try fill(client)
            for index in 0..<50 { _ = bed.host.plug("e\(index)") }
            #expect(try receiveUntilSilence(client).count(where: isOverrun) == 1)
        }

        // MARK: Sharing

        @Test func aSocketMayHaveSeveralConnections() throws {
            let bed = try DoorBed()
            let parent = try NetlinkTestClient(bed)
            var child: NetlinkTestClient? = try NetlinkTestClient(bed, sharing: parent)
            #expect(bed.device.openHandles == 1)
            let (ifindex, ports) = try bed.bridge("a", upcalls: parent.portID)
            try child?.join(.vport)
            try child?.send(parent.request(get(ifindex, 1), sequence: 1))
            try parent.send(parent.request(get(ifindex, 1), sequence: 2))
            #expect(try parent.receiveAll().map { try header($0).sequence } == [1, 2])
            // The handle stays as long as one of them does, with all it has.
            child = nil
            #expect(try parent.control(.getPortID).output == hostBytes(parent.portID))
            ports[0].send(DoorBed.frame(60))
            #expect(try parent.receiveAll().count == 1)
            bed.host.unplug("a")
            #expect(try parent.receive(milliseconds: 1000) != nil)
            let another = try NetlinkTestClient(bed, sharing: parent)
            #expect(bed.hasHandles(1))
            withExtendedLifetime(another) {}
        }

        @Test func handlesCloseWithTheLastConnection() throws {
            let bed = try DoorBed()
            do {
                let parent = try NetlinkTestClient(bed)
                let children = try (0..<3).map { _ in try NetlinkTestClient(bed, sharing: parent) }
                #expect(bed.device.openHandles == 1)
                withExtendedLifetime(children) {}
            }
            #expect(bed.hasHandles(0))
            // The port ID is free again.
            let client = try NetlinkTestClient(bed)
            #expect(bed.device.openHandles == 1)
            bed.door.stop()
            #expect(bed.device.openHandles == 0)
            #expect(try client.raw.receive() == [])
        }
    }
}
