import DPIF
import Datapath
import Device
import Netlink
import NetlinkSocket
import OpenvSwitch
import Testing

@Suite struct DumpTests {
    /// Makes flows that differ in their source address.
    private func fill(_ dpif: NetlinkDPIF, _ sources: some Sequence<UInt64>) throws {
        var operations: [Operation] = []
        for source in sources {
            let (key, mask) = try Keys.inPort(1, ethernetSource: source)
            operations.append(.putFlow(FlowPut(key: key, mask: mask, actions: try [Action.output(1)].encoded())))
        }
        #expect(try dpif.operate(operations).allSatisfy { $0 == nil })
    }

    /// The source address a flow matches; 0 if the record cannot be read.
    private func source(of message: borrowing Message) -> UInt64 {
        do {
            let key = try FlowMessage(message).key ?? []
            return try FlowMatch.key(Attributes(key.rawSpan)).ethernetSource
        } catch {
            Issue.record("a record cannot be read: \(error)")
            return 0
        }
    }

    private func exchange(_ dpif: NetlinkDPIF, old: UInt64, new: UInt64) {
        do {
            try dpif.deleteFlow(.key(try Keys.inPort(1, ethernetSource: old).key))
            try fill(dpif, [new])
        } catch { Issue.record("\(error)") }
    }

    @Test func tenThousandFlowsThroughFourKibibytes() throws {
        let bed = TestBed()
        let (dpif, _) = try bed.bridge("a")
        try fill(dpif, 1...10_000)
        #expect(try dpif.information().stats?.flows == 10_000)
        let socket = try TransactionSocket(bed.device)
        var seen: [UInt64] = []
        let request = FlowMessage(command: Command.get, datapathIfindex: dpif.ifindex)
        let isWhole = try socket.dump(request, capacity: 4096) { message throws(SocketError) in
            seen.append(source(of: message))
        }
        #expect(isWhole)
        #expect(seen == Array(1...10_000))
    }

    @Test func flowsThatStayAreGivenOnceWhateverElseComesAndGoes() throws {
        let bed = TestBed()
        let (dpif, _) = try bed.bridge("a")
        try fill(dpif, 1...3000)
        let socket = try TransactionSocket(bed.device)
        var seen: [UInt64: Int] = [:]
        var steps = 0
        let request = FlowMessage(command: Command.get, datapathIfindex: dpif.ifindex)
        let isWhole = try socket.dump(request, capacity: 4096) { message in
            seen[source(of: message), default: 0] += 1
            steps += 1
            // Every tenth record, an even flow goes and a new one comes.
            if steps % 10 == 0 { exchange(dpif, old: UInt64(steps / 10 * 2), new: UInt64(1_000_000 + steps)) }
        }
        #expect(!isWhole)
        for source in stride(from: UInt64(1), through: 3000, by: 2) { #expect(seen[source] == 1, "flow \(source)") }
        #expect(seen.values.allSatisfy { $0 == 1 })
    }

    @Test func anyStepCanBeRepeated() throws {
        let bed = TestBed()
        let (dpif, _) = try bed.bridge("a")
        try fill(dpif, 1...100)
        let handle = try bed.device.open()
        defer { handle.close() }
        var cursor = DumpCursor.start
        var total = 0
        repeat {
            let first = try step(handle, dpif, cursor)
            let second = try step(handle, dpif, cursor)
            #expect(first == second)
            total += try count(first)
            let next = DumpCursor(first.rawSpan)
            cursor = try #require(next)
        } while !cursor.isZero
        #expect(total == 100)
    }

    @Test func aRecordThatDoesNotFitIsNotLost() throws {
        let bed = TestBed()
        let (dpif, _) = try bed.bridge("a")
        try fill(dpif, 1...3)
        let handle = try bed.device.open()
        defer { handle.close() }
        let input = try request(dpif, .start)
        var output = MessageWriter(limit: 80)
        let result = handle.control(.dump, input: input.rawSpan, output: &output)
        #expect(result.status == .bufferTooSmall)
        #expect(output.count == 0)
        // What it says is enough suffices for one record at a time.
        var larger = MessageWriter(limit: Int(result.information))
        let again = handle.control(.dump, input: input.rawSpan, output: &larger)
        #expect(again.status == .success)
        #expect(try count(larger.bytes) == 1)
    }

    @Test func anUnknownDatapathEndsTheDumpWithItsError() throws {
        let bed = TestBed()
        let socket = try TransactionSocket(bed.device)
        do {
            try socket.dump(FlowMessage(command: Command.get, datapathIfindex: 99)) { _ throws(SocketError) in }
            Issue.record("a dump of nothing")
        } catch { #expect(error.errno == Errno.noDevice) }
        do {
            try socket.dump(FlowMessage(command: Command.new, datapathIfindex: 99)) { _ throws(SocketError) in }
            Issue.record("NEW cannot be dumped")
        } catch { #expect(error.errno == Errno.notSupported) }
    }

    @Test func theOlderPairKeepsItsPlaceInTheHandle() throws {
        let bed = TestBed()
        let (dpif, _) = try bed.bridge("a")
        try fill(dpif, 1...200)
        let handle = try bed.device.open()
        defer { handle.close() }
        let input = Array(try request(dpif, .start)[DumpCursor.size...])
        var none = MessageWriter()
        let written = handle.control(.write, input: input.rawSpan, output: &none)
        #expect(written.status == .success)
        var total = 0
        var isDone = false
        for _ in 0..<1000 {
            var output = MessageWriter(limit: 4096)
            let piece = handle.control(.read, input: RawSpan(), output: &output)
            #expect(piece.status == .success)
            if output.count == 0 { break }
            var messages = MessageSequence(output.bytes.rawSpan)
            while let message = try messages.next() {
                if message.header.type == .done { isDone = true } else { total += 1 }
            }
        }
        #expect(isDone)
        #expect(total == 200)
        // A transaction's GET without the dump flags is no dump.
        var writer = MessageWriter()
        try FlowMessage(command: Command.get, datapathIfindex: dpif.ifindex).write(to: &writer, flags: .request)
        let bytes = writer.bytes
        let refused = handle.control(.write, input: bytes.rawSpan, output: &none)
        #expect(refused.status == .invalidParameter)
    }

    @Test func portsDatapathsAndInterfacesAreDumped() throws {
        let bed = TestBed()
        let (dpif, _) = try bed.bridge("a", "b")
        let other = try NetlinkDPIF.create("br1", over: bed.device)
        #expect(try NetlinkDPIF.datapaths(over: bed.device).map(\.name) == ["br0", "br1"])
        #expect(try other.ports().map(\.name) == ["br1"])
        let interfaces = try dpif.interfaces()
        #expect(interfaces.map(\.name) == ["br0", "a", "b", "br1"])
        #expect(interfaces[1].portNumber == 1)
        #expect(interfaces[1].flags == [.up, .carrier, .ethernet, .promiscuous])
    }

    private func request(_ dpif: NetlinkDPIF, _ cursor: DumpCursor) throws -> [UInt8] {
        var writer = MessageWriter()
        try writer.append(raw: cursor.bytes)
        try FlowMessage(command: Command.get, datapathIfindex: dpif.ifindex).write(
            to: &writer, flags: [.request, .root, .match], sequence: 7)
        return writer.bytes
    }

    private func step(_ handle: Handle, _ dpif: NetlinkDPIF, _ cursor: DumpCursor) throws -> [UInt8] {
        let input = try request(dpif, cursor)
        var output = MessageWriter(limit: 1000)
        let result = handle.control(.dump, input: input.rawSpan, output: &output)
        #expect(result.status == .success)
        return output.bytes
    }

    /// Records in an answer, its cursor and the end of the dump left out.
    private func count(_ output: [UInt8]) throws -> Int {
        var total = 0
        var messages = MessageSequence(output.rawSpan.clamped(DumpCursor.size..<output.count))
        while let message = try messages.next() {
            if message.header.type == .done { break }
            #expect(message.header.sequence == 7)
            #expect(message.header.flags.contains(.multi))
            total += 1
        }
        return total
    }
}
