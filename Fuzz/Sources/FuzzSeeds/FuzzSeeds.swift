import Foundation
import Netlink
import OpenvSwitch
import Packets

// Writes the inputs that the fuzzers begin with: `FuzzSeeds Fuzz/Seeds`. They are small and stand in the repository; run it
// again when an input's form changes.

@main
struct FuzzSeeds {
    let root: URL

    static func main() throws {
        let root = CommandLine.arguments.dropFirst().first ?? "Fuzz/Seeds"
        let seeds = FuzzSeeds(root: URL(fileURLWithPath: root))
        try seeds.netlink()
        try seeds.keys()
        try seeds.messages()
        try seeds.text()
        try seeds.actions()
        try seeds.packets()
        try seeds.flows()
        try seeds.device()
        try seeds.host()
        try seeds.netlinkDoor()
    }

    /// Datagrams for the Netlink door, each behind what to do with it, options, and its length.
    private func netlinkDoor() throws {
        func step(_ what: UInt8, _ bytes: [UInt8]) -> [UInt8] { [what, 1] + host(UInt16(bytes.count)) + bytes }
        func request(_ bytes: [UInt8], _ flags: MessageFlags? = nil) -> [UInt8] {
            var bytes = bytes
            // The families' numbers at this door are 1024 higher.
            bytes[5] += 4
            if let flags { bytes.replaceSubrange(6..<8, with: host(flags.rawValue)) }
            return bytes
        }
        let all = requests.map { request($0.1) }
        for (index, (name, _)) in requests.enumerated() { try write("netlink-door", name, step(0, all[index])) }
        try write("netlink-door", "batch", step(0, all.joined() + all[0]))
        let get = try written { try DatapathMessage(command: Command.get, name: "br0").write(to: &$0, flags: .request) }
        let dump = request(get, [.request, .dump, .ack])
        try write(
            "netlink-door", "dump", step(0, all[0]) + step(0, dump) + step(5, [UInt8](repeating: 0, count: 16) + dump))
        let name: [UInt8] = host(UInt16(13)) + host(UInt16(2)) + Array("ovs_flow".utf8) + [0, 0, 0, 0]
        let family: [UInt8] =
            host(UInt32(36)) + host(UInt16(16)) + host(UInt16(5)) + host(UInt64(1)) + [3, 1, 0, 0] + name
        try write("netlink-door", "family", step(0, family))
        try write("netlink-door", "forward", step(6, family))
        try write(
            "netlink-door", "subscribe",
            step(7, host(UInt32(0)) + host(UInt32(101)) + host(UInt32(1))) + step(0, all[0]))
    }

    /// Captures, and datagrams of the Unix socket; the first byte chooses which.
    private func host() throws {
        let micro: [UInt8] =
            host(UInt32(0xa1b2_c3d4)) + host(UInt16(2)) + host(UInt16(4)) + host(UInt64(0))
            + host(UInt32(65_535)) + host(UInt32(1))
        let record: [UInt8] = host(UInt32(1)) + host(UInt32(2)) + host(UInt32(4)) + host(UInt32(60)) + [1, 2, 3, 4]
        try write("host", "capture", [0] + micro + record + record)
        let nano: [UInt8] = host(UInt32(0xa1b2_3c4d)) + Array(micro.dropFirst(4))
        try write("host", "capture-nano", [0] + nano + record)
        let request: [UInt8] = host(UInt32(7)) + host(UInt32(0xafc8_8416)) + host(UInt32(65_536)) + host(UInt32(4))
        try write("host", "request", [1] + request + [1, 2, 3, 4])
        let answer: [UInt8] = host(UInt32(7)) + host(UInt32(0)) + host(UInt32(4)) + host(UInt32(4))
        try write("host", "answer", [2] + answer + [1, 2, 3, 4])
        let greeting: [UInt8] =
            Array("MARTLET".utf8) + [0] + host(UInt32(1)) + host(UInt32(0)) + host(UInt32(3))
            + host(UInt32(2)) + host(UInt64(0))
        try write("host", "greeting", [3] + greeting)
    }

    private func write(_ target: String, _ name: String, _ bytes: [UInt8]) throws {
        let folder = root.appendingPathComponent(target)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try Data(bytes).write(to: folder.appendingPathComponent(name))
    }

    private func host<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
        (0..<MemoryLayout<T>.size).map { UInt8(truncatingIfNeeded: value.littleEndian >> ($0 * 8)) }
    }

    /// The key of a frame.
    private func key(_ frame: [UInt8]) -> FlowKey {
        var key = FlowKey()
        key.inPort = 1
        _ = KeyExtraction.extract(frame.rawSpan, offload: Offload(), into: &key)
        return key
    }

    private func written(_ body: (inout MessageWriter) throws -> Void) throws -> [UInt8] {
        var writer = MessageWriter()
        try body(&writer)
        return writer.bytes
    }

    private let requests: [(String, [UInt8])] = {
        var result: [(String, [UInt8])] = []
        func add(_ name: String, _ body: (inout MessageWriter) throws -> Void) {
            var writer = MessageWriter()
            try? body(&writer)
            result.append((name, writer.bytes))
        }
        var datapath = DatapathMessage(command: Command.new, name: "br0")
        datapath.upcallPortID = 1
        datapath.userFeatures = [.vportPortIDs]
        datapath.masksCacheSize = 256
        add("datapath") { try datapath.write(to: &$0, flags: [.request, .echo]) }
        var vport = VportMessage(
            command: Command.new, datapathIfindex: 4, type: .netdev, name: "p1", upcallPortIDs: [1, 2])
        vport.stats = VportStatistics()
        add("vport") { try vport.write(to: &$0, flags: [.request, .echo]) }
        var flow = FlowMessage(command: Command.new, datapathIfindex: 4)
        flow.ufid = UFID([1, 2, 3, 4])
        flow.key = []
        flow.actions = []
        flow.stats = FlowStatistics(packets: 1, octets: 60)
        add("flow") { try flow.write(to: &$0, flags: [.request, .create]) }
        let packet = PacketMessage(
            command: PacketCommand.execute, datapathIfindex: 4, packet: [UInt8](repeating: 1, count: 14), key: [],
            actions: [])
        add("packet") { try packet.write(to: &$0, flags: .request) }
        var netdev = NetdevMessage(command: NetdevCommand.get, name: "p2")
        netdev.mac = 0x0200_0000_0001
        add("netdev") { try netdev.write(to: &$0, flags: .request) }
        var meter = MeterMessage(command: MeterCommand.set, datapathIfindex: 4, id: 1)
        meter.countsBytes = true
        meter.bands = [MeterBand(type: MeterBandType.drop, rate: 1000, burst: 100)]
        add("meter") { try meter.write(to: &$0, flags: .request) }
        let limits = CTLimitMessage(
            command: CTLimitCommand.set,
            zoneLimits: [ZoneLimit(zone: ZoneLimit.defaultZone, limit: 5), ZoneLimit(zone: 7, limit: 9)])
        add("ct-limit") { try limits.write(to: &$0, flags: .request) }
        return result
    }()

    // MARK: Targets

    private func netlink() throws {
        for (name, bytes) in requests { try write("netlink", name, [0] + bytes) }
        let request = requests[0].1
        let error = ErrorMessage(
            error: -22, request: MessageHeader(length: UInt32(request.count), type: MessageType(rawValue: 18)),
            message: "no",
            offset: 24)
        try write("netlink", "error", [1] + written { try error.write(answering: request.rawSpan, to: &$0) })
        try write("netlink", "done", [3] + written { try $0.appendDone(sequence: 1, portID: 1) })
        try write(
            "netlink", "nested",
            [2]
                + written {
                    for type in UInt16(1)..<12 { try $0.append(type, bytes: [UInt8](repeating: 1, count: Int(type))) }
                    try $0.append(nested: 12) { writer throws(NetlinkError) in try writer.append(1, string: "name") }
                })
    }

    private func keys() throws {
        for (name, frame) in Frames.all {
            let key = key(frame)
            let keyBytes = try written { try key.write(to: &$0) }
            try write("flow-key", "\(name)-exact", host(UInt16(keyBytes.count) | 0x8000) + keyBytes)
            guard let exact = try? FlowMatch(key: Attributes(keyBytes.rawSpan), mask: nil) else { continue }
            let maskBytes = try written { try key.write(mask: exact.mask, to: &$0) }
            try write("flow-key", "\(name)-masked", host(UInt16(keyBytes.count)) + keyBytes + maskBytes)
        }
    }

    private func messages() throws {
        for (name, bytes) in requests { try write("messages", name, bytes) }
    }

    private func text() throws {
        let flows = [
            "in_port(1),eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),eth_type(0x0800),ipv4(src=10.0.0.1/255.0.0.0,proto=6,frag=no)",
            "eth_type(0x8100),vlan(vid=10,pcp=1),encap(eth_type(0x86dd),ipv6(src=::1,label=0/0xf,frag=first))",
            "tunnel(tun_id=0x1,src=1.1.1.1,dst=2.2.2.2,ttl=64,geneve({class=0x102,type=0x80,len=4,0xa/0xff}),flags(-df+csum))",
            "ct_state(+new-est),ct_label(0x1/0xff),ct_tuple4(src=1.2.3.4,dst=1.2.3.5,proto=6,tp_src=1,tp_dst=2)",
            "ufid:00000001-00000002-00000003-00000004,recirc_id(0x1),mpls(label=100,tc=3,ttl=64,bos=1),tcp_flags(+syn-ack)",
        ]
        for (index, text) in flows.enumerated() { try write("text", "flow-\(index)", [2] + Array(text.utf8)) }
        let actions = [
            "set(ipv4(ttl=63)),push_vlan(vid=10,pcp=0),3", "userspace(pid=7,slow_path(match)),drop",
            "ct(commit,zone=5,mark=0x1/0xff,nat(src=10.0.0.1-10.0.0.9:100-200,random)),recirc(0x1)",
            "sample(sample=50.0%,actions(clone(1),2)),check_pkt_len(size=200,gt(4),le(5)),hash(l4(0))",
            "push_nsh(flags=0,ttl=63,mdtype=1,np=3,spi=0x1,si=255,c1=0x1,c2=0x2,c3=0x3,c4=0x4),pop_nsh()",
        ]
        for (index, text) in actions.enumerated() {
            try write("text", "actions-\(index)", [3] + Array(text.utf8))
            if let bytes = try? ActionText.parseActions(text, portNumber: nil) {
                try write("text", "action-bytes-\(index)", [1] + bytes)
            }
        }
        for (name, frame) in Frames.all.prefix(4) {
            let key = key(frame)
            let bytes = try written { try key.write(to: &$0) }
            try write("text", "key-bytes-\(name)", [12] + host(UInt16(bytes.count)) + bytes + bytes)
        }
    }

    private static func text(_ text: String) -> [Action] {
        guard let bytes = try? ActionText.parseActions(text, portNumber: nil) else { fatalError(text) }
        guard let actions = try? [Action](Attributes(bytes.rawSpan)) else { fatalError(text) }
        return actions
    }

    private let lists: [(String, [Action])] = [
        ("output", [.output(0), .truncate(60), .output(0)]),
        ("vlan", [.pushVLAN(tpid: 0x8100, tci: 0x1064), .popVLAN, .popVLAN, .output(0)]),
        (
            "set4",
            [
                .set(.ethernet(source: 1, destination: 2)),
                .setMasked(
                    .ipv4(source: 1, destination: 0, proto: 0, tos: 4, ttl: 63, fragment: 0),
                    mask: .ipv4(source: 0xff, destination: 0, proto: 0, tos: 0xfc, ttl: 0xff, fragment: 0)),
                .set(.tcp(source: 1, destination: 2)), .output(0),
            ]
        ),
        ("udp", [.setMasked(.udp(source: 1, destination: 0), mask: .udp(source: 0xff, destination: 0)), .output(0)]),
        ("userspace", [.userspace(UserspaceAction(portID: 1, userdata: [1, 2, 3], includesActions: true)), .drop(1)]),
        (
            "lists",
            Self.text(
                "sample(sample=50.0%,actions(clone(push_vlan(vid=1,pcp=0),0),0)),check_pkt_len(size=60,gt(0),le()),0")
        ),
        ("ttl", Self.text("0,dec_ttl(le_1(0)),clone(set(eth(src=00:00:00:00:00:0a)),0),0")),
        ("recirculate", Self.text("hash(l4(1)),recirc(0x1),hash(sym_l4(2)),meter(1),recirc(0x2)")),
        (
            "mpls",
            [
                .pushMPLS(entry: 0x1140, etherType: 0x8847), .set(.mpls(0x2140)), .output(0),
                .popMPLS(etherType: 0x0800), .output(0),
            ]
        ),
        (
            "nsh",
            Self.text(
                "push_nsh(flags=0,ttl=63,mdtype=2,np=3,spi=0x1,si=255,md2=0x01020304),recirc(0x1),"
                    + "push_eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),0,pop_eth")
        ),
        ("pop-nsh", Self.text("set(nsh(ttl=3/0x3f)),pop_eth,pop_nsh(),0")),
        (
            "bare",
            Self.text(
                "pop_eth,add_mpls(label=1,tc=0,ttl=1,bos=1,eth_type=0x8847),pop_mpls(eth_type=0x6558),userspace(pid=1)")
        ),
        ("mark", [.set(.skbMark(1)), .setMasked(.priority(1), mask: .priority(3)), .output(0)]),
    ]

    private func actions() throws {
        for (name, list) in lists {
            for (frameName, frame) in Frames.all
            where ["tcp", "udp", "qinq", "tcp6", "mpls", "nsh"].contains(frameName) {
                try write("actions", "\(name)-\(frameName)", [UInt8(frame.count)] + frame + list.encoded())
            }
        }
    }

    private func packets() throws {
        for (name, frame) in Frames.all {
            // No offload; values; all edits but those of label stacks; no pushes and pops; an Ethernet frame.
            let values: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8]
            let frame = host(UInt32(0)) + [0xff] + frame
            try write("packets", name, Frames.zeros(10) + values + [0xff, 0] + frame)
            let segments: UInt8 = name.hasPrefix("tcp6") ? 4 : name.hasPrefix("udp") ? 5 : 1
            let start = UInt16(name == "tcp6" ? 54 : name == "mpls" ? 38 : 34)
            let offload: [UInt8] = [1, segments] + host(UInt16(0)) + host(UInt16(3)) + host(start) + host(UInt16(16))
            try write("packets", "\(name)-segments", offload + values + [0, 0] + frame)
            try write("packets", "\(name)-partial", [1, 0] + offload.dropFirst(2) + values + [2, 0] + frame)
            guard ["tcp", "tcp6", "udp", "llc", "mpls", "mpls-vlan", "nsh"].contains(name) else { continue }
            try write("packets", "\(name)-stack", Frames.zeros(10) + values + [0, 7] + frame)
            try write("packets", "\(name)-stack-segments", offload + values + [0, 1] + frame)
            // Pushed: NSH, Ethernet, NSH, a label; popped: Ethernet, NSH, set, NSH.
            for (order, steps) in [0o6313, 0o45422].enumerated() {
                let pushed = host(UInt32(steps)) + frame.dropFirst(4)
                try write("packets", "\(name)-pushes-\(order)", Frames.zeros(10) + values + [0, 0] + pushed)
                try write("packets", "\(name)-pushes-segments-\(order)", offload + values + [0, 0] + pushed)
            }
            let kind: UInt8 = name == "tcp6" ? 1 : name.hasPrefix("mpls") ? 4 : name == "nsh" ? 3 : 0
            let bare = host(UInt32(0o2131)) + [kind] + frame.dropFirst(19)
            try write("packets", "\(name)-bare", Frames.zeros(10) + values + [0xf9, 0] + bare)
        }
    }

    /// Programs for `FuzzFlows`: any bytes are one, so each way is begun with a shape and random steps behind it.
    private func flows() throws {
        var state: UInt64 = 1
        func random() -> UInt8 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 33)
        }
        for etherType in UInt8(0)..<16 {
            for tags in [UInt8(0), 5, 0x4e] {
                // The shape; a flow of it; a frame of it on each of two ports; then anything.
                let shape: [UInt8] = [0, etherType, tags, etherType, 0, 0]
                let flow: [UInt8] = [4, 255, 0, 0, 0, 1] + [3, 0, 1, 26, 5, 33, 1, 0, 2, 0, 0]
                let frames: [UInt8] = [21, 0, 0, 0, 1, 22, 0, 0, 0, 2]
                let steps = (0..<120).map { _ in random() }
                try write("flows", "\(etherType)-\(tags)", shape + flow + frames + shape + steps)
            }
        }
    }

    /// The steps of `FuzzDevice`.
    private func device() throws {
        let frame = Frames.all[0].bytes
        let send: [UInt8] = [13, 0, UInt8(frame.count)] + frame
        let output = try [Action.output(0), .output(1)].encoded()
        let flow: [UInt8] = [29, 1, UInt8(frame.count)] + frame + [0, UInt8(output.count)] + output
        try write("device", "miss", send + [7] + host(UInt16(4096)) + host(UInt16(0)))
        try write("device", "forward", flow + send + send)
        for family in UInt8(0)..<8 {
            try write("device", "dump-\(family)", flow + [32, family] + host(UInt16(100)) + Frames.zeros(16))
        }
        let subscribe = Subscription(.event, group: .flow).bytes
        try write(
            "device", "events",
            [7] + host(UInt16(64)) + host(UInt16(12)) + subscribe + flow + [2] + host(UInt16(4096)) + host(UInt16(0)))
        for (name, request) in requests {
            try write("device", "transact-\(name)", [5] + host(UInt16(4096)) + host(UInt16(request.count)) + request)
        }
        var last = DatapathMessage(command: Command.new, name: "br1")
        last.upcallPortID = 1
        last.ifindex = .max
        let request = try written { try last.write(to: &$0, flags: .request) }
        let transact: [UInt8] = [5] + host(UInt16(4096)) + host(UInt16(request.count)) + request
        try write("device", "ifindex", transact + [17, 18] + transact)
        let masked: [UInt8] =
            [29, 1, UInt8(frame.count)] + frame + [128] + host(UInt64(0xff)) + [UInt8(output.count)] + output
        try write("device", "masked", masked + send + [32, 4] + host(UInt16(500)) + Frames.zeros(16))
        try write("device", "unplug", flow + [17] + send + [18] + send + [16])
        let attributes = try written { try $0.append(VportAttribute.name, string: "p1") }
        try write(
            "device", "vport", [26, 3, Command.get] + host(UInt16(attributes.count)) + attributes + host(UInt16(4096)))
    }
}
