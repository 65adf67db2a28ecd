import Datapath
import Foundation
import Netlink
import OpenvSwitch
import Testing

@testable import martlet

@Suite struct DPCtlFlowTests {
    private let bed = TestBed()
    private static let ufid = "ufid:01234567-89ab-cdef-0123-456789abcdef"
    private static let flow = "in_port(1),eth(),eth_type(0x0800),ipv4(frag=no)"

    init() {
        for name in ["eth0", "eth1"] { _ = bed.host.plug(name) }
        _ = bed.run { try $0.addDatapath("br0", ["eth0", "eth1"]) }
    }

    private func dump(_ options: DPCtl.Options = .init()) -> [String] {
        bed.run(options) { try $0.dumpFlows([]) }.output.split(separator: "\n").map(String.init)
    }

    @Test func printsAFlowAsTheToolDoes() throws {
        let text =
            "recirc_id(0),in_port(2),eth(src=50:54:00:00:00:09,dst=50:54:00:00:00:0a),eth_type(0x0800),ipv4(frag=no)"
        var flow = FlowMessage(command: Command.get, datapathIfindex: 1)
        let (key, mask) = try FlowText.parseKey(text, portNumber: nil)
        (flow.key, flow.mask) = (key, mask)
        flow.actions = try ActionText.parseActions("3", portNumber: nil)
        flow.stats = FlowStatistics(packets: 4, octets: 392)
        flow.used = 9_180
        flow.tcpFlags = 0x1b
        flow.ufid = UFID(try UFIDText.parse(Self.ufid))
        let line = bed.run { (tool: DPCtl) -> Void in
            var tool = tool
            tool.host.now = { 10_000 }
            try tool.output.write(tool.line(flow, nil))
        }.output
        #expect(line == text + ", packets:4, bytes:392, used:0.820s, flags:SFP., actions:3")
    }

    @Test func printsMoreAndNames() throws {
        #expect(bed.run { try $0.addFlow(["br0", Self.ufid + "," + Self.flow, "2"]) }.isWhole == true)
        #expect(dump() == [Self.flow + ", packets:0, bytes:0, used:never, actions:2"])
        #expect(
            dump(.init(names: true)) == [
                "in_port(eth0),eth(),eth_type(0x0800),ipv4(frag=no), packets:0, bytes:0, used:never, actions:eth1"
            ])
        let more = try #require(dump(.init(more: true)).first)
        #expect(more.hasPrefix(Self.ufid + ", "))
        #expect(more.contains("in_port(eth0)") && more.contains("ipv4(src=0.0.0.0/0.0.0.0,"))
        #expect(more.hasSuffix(", packets:0, bytes:0, used:never, dp:ovs, actions:eth1"))
        let numbers = try #require(dump(.init(more: true, names: false)).first)
        #expect(numbers.contains("in_port(1)") && numbers.hasSuffix("actions:2"))
        #expect(bed.run(.init(more: true)) { try $0.getFlow([Self.ufid]) }.output == more + "\n")
    }

    @Test func countsPackets() throws {
        _ = bed.run { try $0.addFlow([Self.flow, "eth1"]) }
        let eth0 = try #require(bed.host.port("eth0"))
        let eth1 = try #require(bed.host.port("eth1"))
        for _ in 0..<4 { eth0.send(frame()) }
        #expect(eth1.receiveAll().count == 4)
        bed.host.advanceClock(by: 5_000)
        let line = try #require(dump().first)
        #expect(line.hasPrefix(Self.flow + ", packets:4, bytes:392, used:5."))
        #expect(line.hasSuffix("s, actions:2"))
    }

    @Test func modifiesFlows() throws {
        let missing = bed.run { try $0.modifyFlow([Self.flow, "2"]) }
        #expect(missing.error?.hasPrefix("updating flow table (No such file or directory)") == true)
        #expect(dump().isEmpty)
        #expect(bed.run(.init(mayCreate: true)) { try $0.modifyFlow([Self.flow, "2"]) }.isWhole == true)
        try #require(bed.host.port("eth0")).send(frame())

        let changed = bed.run(.init(statistics: true)) { try $0.modifyFlow([Self.flow, "drop"]) }
        #expect(changed.output.hasPrefix("packets:1, bytes:98, used:0."))
        #expect(dump().first?.contains("packets:1, bytes:98") == true)
        #expect(dump().first?.hasSuffix("actions:drop") == true)

        // What is printed with --clear is what was before.
        let cleared = bed.run(.init(statistics: true, clear: true)) { try $0.modifyFlow([Self.flow, "1"]) }
        #expect(cleared.output.hasPrefix("packets:1, bytes:98"))
        #expect(dump() == [Self.flow + ", packets:0, bytes:0, used:never, actions:1"])
        try #require(bed.host.port("eth0")).send(frame())
        _ = bed.run(.init(clear: true, mayCreate: true)) { try $0.modifyFlow([Self.flow, "2"]) }
        #expect(dump() == [Self.flow + ", packets:0, bytes:0, used:never, actions:2"])
    }

    @Test func refusesAFlowThatIsThere() {
        _ = bed.run { try $0.addFlow([Self.flow, "2"]) }
        let again = bed.run { try $0.addFlow([Self.flow, "1"]) }
        #expect(again.error?.hasPrefix("updating flow table (File exists)") == true)
        #expect(dump().count == 1)
    }

    @Test func deletesFlows() throws {
        _ = bed.run { try $0.addFlow([Self.flow, "2"]) }
        #expect(bed.run { try $0.addFlow([Self.ufid + ",in_port(2),eth(),eth_type(0x0806),arp()", "1"]) }.error == nil)
        try #require(bed.host.port("eth0")).send(frame())
        let deleted = bed.run(.init(statistics: true)) { try $0.deleteFlow(["br0", Self.flow]) }
        #expect(deleted.output.hasPrefix("packets:1, bytes:98, used:0."))
        let gone = bed.run { try $0.deleteFlow([Self.flow]) }
        #expect(gone.error == "deleting flow (No such file or directory): Perhaps you need to specify a UFID?")
        // A flow with a UFID is not found by its key.
        #expect(bed.run { try $0.deleteFlow(["in_port(2),eth(),eth_type(0x0806),arp()"]) }.error != nil)
        let identified = bed.run { try $0.deleteFlow([Self.ufid]) }
        #expect(identified.isWhole == true, "\(identified)")
        #expect(dump().isEmpty)

        for port in 1...2 { _ = bed.run { try $0.addFlow(["in_port(\(port)),eth()", "0"]) } }
        #expect(dump().count == 2)
        #expect(bed.run { try $0.deleteFlows(nil) }.isWhole == true)
        #expect(dump().isEmpty)
    }

    @Test func saysWhatIsWrongWithAText() {
        for (key, actions, beginning) in [
            ("in_port(", "1", "parsing flow key (Invalid argument): "),
            ("in_port(nope),eth()", "1", "parsing flow key (Invalid argument): "),
            ("ufid:xyz,in_port(1)", "1", "parsing flow key (Invalid argument): "),
            (Self.flow, "frobnicate", "parsing actions (Invalid argument): "),
            (Self.flow, "set(", "parsing actions (Invalid argument): "),
            ("", "1", "parsing flow key"),
        ] {
            let refused = bed.run { try $0.addFlow([key, actions]) }
            let error = refused.error ?? ""
            // An empty key is a sound text and no flow of the datapath's.
            #expect(error.hasPrefix(beginning) || key.isEmpty && error.hasPrefix("updating flow table"), "\(refused)")
        }
        #expect(dump().isEmpty)
        let nonsense = bed.run { try $0.getFlow(["nonsense"]) }
        #expect(nonsense.error?.hasPrefix("parsing flow ufid (Invalid argument)") == true)
        #expect(bed.run { try $0.getFlow([Self.ufid]) }.error?.hasPrefix("getting flow (No such file") == true)
        for count in [0, 1, 4] {
            let refused = bed.run { try $0.addFlow([String](repeating: "x", count: count)) }
            #expect(refused.error == "'add-flow' takes 2 or 3 arguments")
        }
        #expect(bed.run { try $0.dumpFlows(["filter=tcp"]) }.error?.hasPrefix("filter= is not supported") == true)
        #expect(bed.run { try $0.dumpFlows(["br0", "br0"]) }.error == "dump-flows takes one datapath")
    }

    @Test func takesTheOnlyDatapath() {
        #expect(bed.run { try $0.dumpFlows(["system@br0"]) }.isWhole == true)
        _ = bed.run { try $0.addDatapath("br1", []) }
        #expect(bed.run { try $0.dumpFlows([]) }.error == "multiple datapaths, specify one: br0, br1")
        #expect(bed.run { try $0.dumpFlows(["br1"]) }.isWhole == true)
        for name in ["br0", "br1"] { _ = bed.run { try $0.deleteDatapath(name) } }
        #expect(bed.run { try $0.deleteFlows(nil) }.error?.hasPrefix("no datapaths exist") == true)
    }

    @Test func writesJSON() throws {
        _ = bed.run { try $0.addFlow([Self.ufid + "," + Self.flow, "2"]) }
        try #require(bed.host.port("eth0")).send(frame())
        bed.host.advanceClock(by: 1_000)
        let text = bed.run(.init(json: true)) { try $0.dumpFlows([]) }.output
        let flows = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]])
        let flow = try #require(flows.first)
        #expect(flows.count == 1 && text.hasSuffix("]\n") && text.filter { $0 == "\n" }.count == 1)
        #expect(Set(flow.keys) == ["actions", "bytes", "flags", "match", "packets", "ufid", "used"])
        #expect(flow["match"] as? String == Self.flow && flow["actions"] as? String == "2")
        #expect(flow["packets"] as? Int == 1 && flow["bytes"] as? Int == 98 && flow["ufid"] as? String == Self.ufid)
        #expect(try #require(flow["used"] as? Double) >= 1 && flow["flags"] is NSNull)
        #expect(
            bed.run(.init(json: true)) { try $0.addFlow(["in_port(2),eth()", "1"]) }.output
                == #"{"datapath":"br0","statistics":{"bytes":0,"flags":null,"packets":0,"used":null}}"# + "\n")
    }

    @Test func writesTheSameJSONTwice() throws {
        let show = { self.bed.run(.init(json: true)) { try $0.show([]) }.output }
        let text = show()
        #expect(text == show())
        let datapaths = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]])
        let ports = try #require(datapaths.first?["ports"] as? [[String: Any]])
        #expect(ports.compactMap { $0["name"] as? String } == ["br0", "eth0", "eth1"])
        #expect(ports.compactMap { $0["type"] as? String } == ["internal", "system", "system"])
        #expect(text.hasPrefix(#"[{"cache":{"hit":0},"caches":{"masks-cache":256},"datapath":"br0","flows":0,"#))
    }
}
