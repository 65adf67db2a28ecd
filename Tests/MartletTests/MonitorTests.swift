import Datapath
import DPIF
import Device
import Foundation
import HostPorts
import Netlink
import NetlinkSocket
import OpenvSwitch
import Synchronization
import Testing

@testable import martlet

@Suite(.timeLimit(.minutes(1))) struct MonitorTests {
    private let bed = TestBed()

    /// Runs a monitor until it has printed so many lines of what `body` does.
    private func monitor(
        _ topics: Monitor.Topics, count: Int, json: Bool = false, capture: NetlinkCapture? = nil,
        _ body: () throws -> Void
    ) async throws -> [String] {
        let output = MemoryOutput()
        let monitor = try Monitor(
            transport: bed.device, topics: topics, output: output, json: json, capture: capture)
        try body()
        try await monitor.run(count: count, timeout: .seconds(30))
        return output.lines
    }

    /// Takes the time of day off a line.
    private func words(_ lines: [String]) -> [String] { lines.map { String($0.drop { $0 != " " }.dropFirst()) } }

    @Test func printsPortsInterfacesAndDatapaths() async throws {
        let lines = try await monitor(.ports, count: 11) {
            _ = bed.host.plug("eth0", mac: 0x0a00_0000_0001)
            _ = bed.run { try $0.addDatapath("br0", ["eth0,port_no=4", "vi0,type=internal"]) }
            bed.host.setCarrier("eth0", false)
            _ = bed.run { try $0.deleteInterfaces("br0", ["vi0"]) }
            bed.host.change("eth0") { ($0.name, $0.mtu) = ("lan0", 9000) }
            bed.host.unplug("lan0")
            _ = bed.run { try $0.deleteDatapath("br0") }
        }
        #expect(
            words(lines) == [
                "interface added: eth0 ifindex 1 mac 0a:00:00:00:00:01 mtu 1500 up carrier",
                "datapath added: br0",
                "port added: br0 port 4: eth0",
                "port added: br0 port 1: vi0 (internal)",
                "interface changed: eth0 ifindex 1 mac 0a:00:00:00:00:01 mtu 1500 up no-carrier port 4 (link down)",
                "port deleted: br0 port 1: vi0 (internal)",
                "port changed: br0 port 4: lan0",
                "interface changed: lan0 ifindex 1 mac 0a:00:00:00:00:01 mtu 9000 up no-carrier port 4 (renamed, mtu)"
                    + " was eth0",
                "port deleted: br0 port 4: lan0",
                "interface deleted: lan0 ifindex 1 mac 0a:00:00:00:00:01 mtu 9000 up no-carrier",
                "datapath deleted: br0",
            ])
        // A time of day with milliseconds stands in front.
        #expect(lines.allSatisfy { $0.prefix { $0 != " " }.wholeMatch(of: /\d\d:\d\d:\d\d\.\d\d\d/) != nil })
    }

    @Test func printsFlowsAndMisses() async throws {
        let eth0 = bed.host.plug("eth0")
        _ = bed.run { try $0.addDatapath("br0", ["eth0"]) }
        let dpif = try NetlinkDPIF.open("br0", over: bed.device)
        try dpif.receiveUpcalls()
        try dpif.setUpcalls([dpif.upcallPortID], ofPort: 1)
        let action = "userspace(pid=\(dpif.upcallPortID),userdata(0123456789abcdef))"
        let lines = try await monitor([.flows, .misses], count: 5) {
            eth0.send(frame())
            _ = bed.run { try $0.addFlow(["in_port(1),eth()", action]) }
            eth0.send(frame())
            _ = bed.run { try $0.modifyFlow(["in_port(1),eth()", "drop"]) }
            _ = bed.run { try $0.deleteFlow(["in_port(1),eth()"]) }
        }
        let printed = words(lines)
        #expect(printed[0].hasPrefix("miss: br0 98 bytes recirc_id(0),"))
        #expect(printed[0].contains("in_port(1)") && printed[0].contains("eth(src=50:54:00:00:00:09,"))
        #expect(printed[1] == "flow added: br0 in_port(1),eth(),eth_type(0/0x0000), actions:\(action)")
        #expect(printed[2].hasPrefix("action: br0 98 bytes ") && printed[2].hasSuffix(", userdata:0123456789abcdef"))
        #expect(printed[3] == "flow changed: br0 in_port(1),eth(),eth_type(0/0x0000), actions:drop")
        #expect(
            printed[4] == "flow deleted: br0 in_port(1),eth(),eth_type(0/0x0000), packets:1, bytes:98, actions:drop")
        dpif.close()
    }

    @Test func printsMissesThatNobodyTakes() async throws {
        let eth0 = bed.host.plug("eth0")
        _ = bed.run { try $0.addDatapath("br0", ["eth0"]) }
        let lines = try await monitor(.misses, count: 1) { eth0.send(frame()) }
        #expect(words(lines)[0].hasPrefix("miss: br0 98 bytes "))
        eth0.send(frame())
        let shown = bed.run(.init(statistics: true)) { try $0.show([]) }.output
        // Lost, watched or not, and no failed upcall.
        #expect(shown.contains("missed:2 lost:2") && !shown.contains("errors:1\n"))
    }

    @Test func printsCalls() async throws {
        _ = bed.host.plug("eth0")
        let lines = try await monitor(.device, count: 8) {
            let dpif = try NetlinkDPIF.create("br0", over: bed.device)
            try dpif.addPort("eth0")
            #expect(throws: SocketError.self) { try dpif.addPort("eth9") }
            _ = try dpif.ports()
            try dpif.putFlow(FlowPut(key: try FlowText.parseKey("in_port(1),eth()", portNumber: nil).key, actions: []))
            try dpif.receiveUpcalls()
            #expect(try dpif.receiveUpcall() == nil)
            _ = try dpif.operate([.deleteFlow(.key([])), .deleteFlow(.key([]))])
        }
        let printed = words(lines).map { line in
            // The handle's number is the device's to give.
            line.replacing(/handle \d+/, with: "handle N").replacing(/\d+ bytes/, with: "N bytes")
        }
        #expect(
            printed.prefix(7) == [
                "call: handle N transact ovs_datapath NEW ECHO -> ovs_datapath NEW N bytes",
                "call: handle N transact ovs_vport NEW ECHO -> ovs_vport NEW N bytes",
                "call: handle N transact ovs_vport NEW ECHO -> ENODEV: there is no interface eth9",
                "call: handle N dump ovs_vport GET DUMP -> 2 records, complete",
                "call: handle N transact ovs_flow NEW CREATE -> done",
                "call: handle N subscribe join packets -> done",
                "call: handle N readPacket -> nothing",
            ])
        #expect(
            printed.last?.hasPrefix("call: handle N transact ovs_flow DEL ACK; ovs_flow DEL ACK -> E") == true,
            "\(printed.last ?? "")")
    }

    @Test func tellsADumpInSteps() async throws {
        for index in 0..<40 { _ = bed.host.plug("eth\(index)") }
        _ = bed.run { try $0.addDatapath("br0", (0..<40).map { "eth\($0)" }) }
        let socket = try TransactionSocket(bed.device)
        let dpif = try NetlinkDPIF.open("br0", over: bed.device)
        let lines = try await monitor(.device, count: 3) {
            let request = VportMessage(command: Command.get, datapathIfindex: dpif.ifindex)
            try socket.dump(request, capacity: 3000) { _ in }
        }
        let counts = lines.compactMap { line in
            line.firstMatch(of: /-> (\d+) records?, more to come/).flatMap { Int($0.1) }
        }
        #expect(counts.count >= 2 && counts.allSatisfy { $0 > 1 && $0 < 41 })
    }

    @Test func writesJSON() async throws {
        let lines = try await monitor([.ports, .device], count: 4, json: true) {
            _ = bed.host.plug("eth0")
            _ = bed.run { try $0.addDatapath("br0", ["eth0"]) }
        }
        let documents = try lines.map { line in
            try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
        }
        let events = documents.compactMap { $0["event"] as? String }
        #expect(events == ["interface-added", "datapath-added", "call", "port-added"])
        #expect(documents.allSatisfy { ($0["time"] as? Double ?? 0) > 1_500_000_000 })
        #expect((documents[3]["port"] as? [String: Any])?["name"] as? String == "eth0")
        let request = try #require((documents[2]["requests"] as? [String])?.first)
        #expect(request.hasSuffix("6272300008000200000000000800050003000000"), "\(request)")
    }

    @Test func writesACapture() async throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "martlet-\(UUID().uuidString).pcap").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        _ = try await monitor([.ports, .device], count: 2, capture: try NetlinkCapture(path: path)) {
            _ = bed.run { try $0.addDatapath("br0", []) }
        }
        let bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
        let (linkType, packets) = try Self.packets(bytes)
        #expect(linkType == 253)
        // The families, the notification, the request and its reply.
        #expect(packets.count == Family.all.count + 3)
        #expect(packets.allSatisfy { $0.dropFirst(2).prefix(14) == [3, 0x38, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16] })
        #expect(packets.map { $0[1] }.suffix(3) == [6, 7, 6])
        for packet in packets {
            let message = Array(packet.dropFirst(16))
            #expect(MessageHeader(message.rawSpan)?.length == UInt32(message.count))
        }
        let names = packets.prefix(Family.all.count).map { String(decoding: $0, as: UTF8.self) }
        #expect(zip(names, Family.all).allSatisfy { $0.contains($1.name) })
        #expect(throws: CaptureError.self) { try NetlinkCapture(path: "/nonexistent/capture.pcap") }
    }

    /// The link type and the packets of a capture.
    private static func packets(_ bytes: [UInt8]) throws -> (UInt32, [[UInt8]]) {
        let span = bytes.rawSpan
        var packets: [[UInt8]] = []
        var offset = 24
        while let length: UInt32 = span.load(at: offset + 8) {
            packets.append(Array(bytes.dropFirst(offset + 16).prefix(Int(length))))
            offset += 16 + Int(length)
        }
        #expect(offset == bytes.count)
        return (try #require(span.load(at: 20) as UInt32?), packets)
    }

    /// A monitor of the device that has so many transactions to tell of.
    private func monitor(after transactions: Int, _ output: any TextOutput) throws -> Monitor {
        _ = bed.run { try $0.addDatapath("br0", []) }
        let monitor = try Monitor(transport: bed.device, topics: .device, output: output)
        let socket = try TransactionSocket(bed.device)
        for _ in 0..<transactions { _ = try socket.transact(DatapathMessage(command: Command.get, name: "br0")) }
        return monitor
    }

    @Test func tellsOfLoss() async throws {
        let output = MemoryOutput()
        // More than the queue holds.
        let monitor = try monitor(after: 30_000, output)
        let running = Task { try await monitor.run() }
        // A line tells one transaction, or how many were lost.
        func told() -> Int {
            output.lines.reduce(0) { $0 + ($1.firstMatch(of: /lost: (\d+) events/).flatMap { Int($0.1) } ?? 1) }
        }
        while told() < 30_000 { try await Task.sleep(for: .milliseconds(20)) }
        running.cancel()
        try await running.value
        let lost = output.lines.filter { $0.contains("lost: ") }
        #expect(lost.count == 1 && told() == 30_000)
    }

    @Test func endsInTime() async throws {
        let output = MemoryOutput()
        let monitor = try Monitor(transport: bed.device, topics: .ports, output: output)
        let time = try await ContinuousClock().measure { try await monitor.run(timeout: .milliseconds(50)) }
        #expect(time >= .milliseconds(50) && time < .seconds(20) && output.text.isEmpty)
        #expect(bed.device.openHandles <= 2)
    }

    /// Also where there is always one more event to be printed.
    @Test func endsInTimeWhereEventsNeverCease() async throws {
        let output = SlowOutput()
        let monitor = try monitor(after: 2000, output)
        try await monitor.run(timeout: .milliseconds(20))
        #expect((1..<2000).contains(output.count))
    }

    @Test func printsAnyMessage() throws {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            let bytes = (0..<Int.random(in: 0...80, using: &generator)).map { _ in
                UInt8.random(in: 0...255, using: &generator)
            }
            let words = MessageWords(bytes)
            #expect(!words.request.isEmpty && !words.answer.isEmpty)
        }
        #expect(MessageWords([]).request == "0 bytes")
    }
}

/// Output that takes a line in ten milliseconds.
private final class SlowOutput: TextOutput {
    private let lines = Atomic(0)
    var count: Int { lines.load(ordering: .relaxed) }

    func write(_ text: String) {
        usleep(10_000)
        lines.add(1, ordering: .relaxed)
    }
}
