import CCounters
import Glibc
import DPIF
import Datapath
import Device
import Netlink
import NetlinkSocket
import OpenvSwitch
import Packets

/// A host whose devices take every packet and do nothing with it, so that only the switch is measured.
final class NullPorts: PortProvider, @unchecked Sendable {
    // Sendable: everything here happens on one thread.
    var references: [UInt64: PortReference] = [:]
    var transmitted = 0
    private var nextToken: UInt64 = 1

    var now: UInt64 { 1000 }
    func open(_ request: PortRequest) throws(PortError) -> PortDevice {
        defer { nextToken += 1 }
        return PortDevice(
            token: nextToken, name: request.name, ifindex: Int32(nextToken), mtu: 1500, takesOffloads: true)
    }
    func start(_ device: PortDevice, for port: PortReference) { references[device.token] = port }
    func stop(_ device: PortDevice) { references[device.token] = nil }
    func close(_ device: PortDevice) {}
    func statistics(of device: PortDevice) -> VportStatistics? { nil }
    func transmit(_ packets: UnsafeMutableBufferPointer<Packet>, to token: UInt64) -> Int {
        transmitted += packets.count
        return packets.count
    }
    func interfaces() -> [HostInterface] { [] }
    func watchInterfaces(_ handler: @escaping @Sendable (HostInterfaceEvent) -> Void) {}
}

/// Measures what a packet costs on its way through the switch, and fails if it allocates, retains or releases.
///
/// With an argument only the cases whose names contain it.
@main struct HotPath {
    static let batch = 32
    static let batches = 40_000

    static func main() throws {
        let host = NullPorts()
        let sw = Switch(provider: host)
        let device = Device(sw)
        let dpif = try NetlinkDPIF.create("br0", over: device)
        for name in ["a", "b", "c"] { try dpif.addPort(name) }
        let processor = PacketProcessor(sw)
        guard let port = host.references[2] else { fatalError("port a was not started") }
        // The counters must count: an array of objects costs something.
        let before = (counters_allocations(), counters_references())
        counters_watch_references(true)
        var kept: [AnyObject] = []
        for _ in 0..<10 { kept.append(Probe()) }
        kept.append(contentsOf: kept)
        counters_watch_references(false)
        guard counters_allocations() > before.0, counters_references() > before.1 else {
            fatalError("the counters do not count: \(kept.count) objects made")
        }

        var isClean = true
        print("case                              ns/packet   allocations   retains+releases")
        let wanted = CommandLine.arguments.dropFirst().first ?? ""
        let scenarios = Scenario.all.filter { wanted.isEmpty || $0.name.contains(wanted) }
        guard !scenarios.isEmpty else { fatalError("no case has \(wanted) in its name") }
        for scenario in scenarios {
            try dpif.flushFlows()
            // It lets everything pass and has counted since the switch was made.
            try dpif.setMeter(1, MeterPut(countsBytes: true, band: MeterBand(type: 1, rate: .max, burst: .max)))
            try scenario.install(dpif)
            isClean = run(scenario, processor, port, host) && isClean
        }
        guard isClean else {
            print("a packet's way allocates or counts references")
            exit(1)
        }
    }

    final class Probe {}

    static func run(_ scenario: Scenario, _ processor: PacketProcessor, _ port: PortReference, _ host: NullPorts)
        -> Bool
    {
        // One run of bytes: taking an array out of an array would count references of its own.
        let bytes = scenario.frames.flatMap { $0 }
        let count = scenario.frames.count
        let length = bytes.count / count
        func once(_ first: Int) {
            processor.beginBatch(now: 2000)
            for index in 0..<batch {
                guard var packet = processor.takePacket() else { fatalError("the batch is full") }
                let start = (first + index) % count * length
                let fits = packet.assign(bytes.rawSpan.clamped(start..<(start + length)))
                precondition(fits, "the frame is too long")
                processor.process(packet, from: port)
            }
            processor.finishBatch { _, packets in packets.count }
        }
        for index in 0..<1000 { once(index * batch) }  // caches fill, lazy things happen
        let clock = ContinuousClock()
        var best = Duration.seconds(1000)
        var allocations: UInt64 = 0
        var references: UInt64 = 0
        for _ in 0..<5 {
            let start = (counters_allocations(), counters_references())
            counters_watch_references(true)
            let time = clock.measure { for index in 0..<(batches / 5) { once(index * batch) } }
            counters_watch_references(false)
            allocations += counters_allocations() - start.0
            references += counters_references() - start.1
            best = min(best, time)
        }
        let nanoseconds = Double(best.components.attoseconds) / 1e9 + Double(best.components.seconds) * 1e9
        let packets = Double(batches / 5 * batch)
        let all = Double(batches * batch)
        let perPacket = (Double(allocations) / all, Double(references) / all)
        print(
            scenario.name.padded(32), String(format(nanoseconds / packets)).padded(11),
            String(format(perPacket.0)).padded(13), format(perPacket.1))
        // A batch may count a few references; a packet none.
        return allocations == 0 && references <= UInt64(batches * 4)
    }

    static func format(_ value: Double) -> String {
        let scaled = Int((value * 100).rounded())
        return "\(scaled / 100).\(scaled % 100 < 10 ? "0" : "")\(scaled % 100)"
    }
}

extension String {
    func padded(_ width: Int) -> String { self + String(repeating: " ", count: max(width - count, 1)) }
}

/// Frames and the flows that forward them.
struct Scenario {
    let name: String
    let frames: [[UInt8]]
    let install: (NetlinkDPIF) throws -> Void

    static var all: [Scenario] {
        [
            Scenario(
                name: "one flow, forward", frames: [tcp(source: 1)], install: { try learned($0, 1, [.output(2)]) }),
            Scenario(
                name: "1000 flows, forward", frames: (1...1000).map { tcp(source: UInt64($0)) },
                install: { dpif in for index in 1...1000 { try learned(dpif, UInt64(index), [.output(2)]) } }),
            Scenario(
                name: "20000 flows, forward", frames: (1...20_000).map { tcp(source: UInt64($0)) },
                install: { dpif in for index in 1...20_000 { try learned(dpif, UInt64(index), [.output(2)]) } }),
            // The order in which they were put in helps the processor to foresee where the next one stands.
            Scenario(
                name: "20000 flows in another order",
                frames: (1...20_000).map { tcp(source: UInt64($0 * 7919 % 20_000 + 1)) },
                install: { dpif in for index in 1...20_000 { try learned(dpif, UInt64(index), [.output(2)]) } }),
            Scenario(
                name: "flood to two, tag one", frames: [tcp(source: 1)],
                install: { try learned($0, 1, [.output(2), .pushVLAN(tpid: 0x8100, tci: 0x1005), .output(3)]) }),
            Scenario(
                name: "rewrite addresses, forward", frames: [tcp(source: 1)],
                install: { dpif in
                    let value = FieldValue.ipv4(
                        source: 0x0a00_0001, destination: 0, proto: 0, tos: 0, ttl: 7, fragment: 0)
                    let mask = FieldValue.ipv4(
                        source: .max, destination: 0, proto: 0, tos: 0, ttl: 0xff, fragment: 0)
                    try learned(dpif, 1, [.setMasked(value, mask: mask), .output(2)])
                }),
            Scenario(
                name: "push label, forward", frames: [tcp(source: 1)],
                install: { try learned($0, 1, [.pushMPLS(entry: 0x1140, etherType: 0x8847), .output(2)]) }),
            Scenario(
                name: "push NSH and Ethernet, forward", frames: [tcp(source: 1)],
                install: { dpif in
                    let text =
                        "push_nsh(flags=0,ttl=63,mdtype=1,np=3,spi=0x5,si=255,c1=0x0,c2=0x0,c3=0x0,c4=0x0),"
                        + "push_eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),2"
                    try learned(dpif, 1, try ActionText.parseActions(text, portNumber: nil))
                }),
            Scenario(
                name: "pop Ethernet and NSH, forward", frames: [nsh + tcp(source: 1)],
                install: { dpif in
                    let flow = try FlowText.parseKey(
                        "in_port(1),eth(),eth_type(0x894f),nsh(np=3,spi=0x5)", portNumber: nil)
                    let actions = try ActionText.parseActions("pop_eth,pop_nsh(),2", portNumber: nil)
                    try dpif.putFlow(FlowPut(key: flow.key, mask: flow.mask, actions: actions))
                }),
            Scenario(
                name: "meter, forward", frames: [tcp(source: 1)],
                install: { try learned($0, 1, try ActionText.parseActions("meter(1),2", portNumber: nil)) }),
            Scenario(
                name: "hash, recirculate, forward", frames: [tcp(source: 1)],
                install: { dpif in
                    try learned(dpif, 1, try ActionText.parseActions("hash(l4(0)),recirc(0x7)", portNumber: nil))
                    try learned(dpif, 1, recircID: 7, try [Action.output(2)].encoded())
                }),
            Scenario(
                name: "1000 flows, recirculate, forward", frames: (1...1000).map { tcp(source: UInt64($0)) },
                install: { dpif in
                    for index in 1...1000 {
                        let actions = try ActionText.parseActions("hash(l4(0)),recirc(0x7)", portNumber: nil)
                        try learned(dpif, UInt64(index), actions)
                        try learned(dpif, UInt64(index), recircID: 7, try [Action.output(2)].encoded())
                    }
                }),
            Scenario(
                name: "sample, clone, check, meter", frames: [tcp(source: 1)],
                install: { dpif in
                    let text =
                        "sample(sample=10.0%,actions(3)),clone(push_vlan(vid=5,pcp=0),3),meter(1),"
                        + "dec_ttl(le_1()),check_pkt_len(size=1500,gt(drop),le(2))"
                    try learned(dpif, 1, try ActionText.parseActions(text, portNumber: nil))
                }),
        ]
    }

    /// A flow as the learning bridge makes them, on IPv4.
    static func learned(_ dpif: NetlinkDPIF, _ source: UInt64, _ actions: [Action]) throws {
        try learned(dpif, source, try actions.encoded())
    }

    /// The same for packets that have gone through the table before.
    static func learned(_ dpif: NetlinkDPIF, _ source: UInt64, recircID: UInt32 = 0, _ actions: [UInt8]) throws {
        var match = FlowMatch(key: FlowKey(), mask: FlowMask())
        match.key.kind = 1
        match.key.recircID = recircID
        match.mask.recircID = .max
        match.key.inPort = 1
        match.key.etherType = EtherType.ipv4
        match.key.ethernetSource = source
        match.key.ethernetDestination = 0xff
        // The key must be complete; only what the mask names counts.
        match.key.ipProtocol = 255
        match.mask.kind = 0xff
        match.mask.inPort = .max
        match.mask.etherType = .max
        match.mask.ethernetSource = 0xffff_ffff_ffff
        match.mask.ethernetDestination = 0xffff_ffff_ffff
        var key = MessageWriter()
        try match.key.write(to: &key)
        var mask = MessageWriter()
        try match.key.write(mask: match.mask, to: &mask)
        try dpif.putFlow(FlowPut(key: key.bytes, mask: mask.bytes, actions: actions))
    }

    /// An Ethernet header and a network service header, in front of a frame.
    static let nsh: [UInt8] =
        [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x89, 0x4f, 0x0f, 0xc6, 1, 3, 0, 0, 5, 255]
        + [UInt8](repeating: 0, count: 16)

    /// A TCP segment of 64 bytes.
    static func tcp(source: UInt64) -> [UInt8] {
        func mac(_ number: UInt64) -> [UInt8] {
            (0..<6).map { UInt8(truncatingIfNeeded: number >> UInt64(8 * (5 - $0))) }
        }
        let ip: [UInt8] = [0x45, 0, 0, 50, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 2, 10, 0, 0, 3]
        let segment: [UInt8] =
            [0x30, 0x39, 0, 80] + [UInt8](repeating: 0, count: 8) + [0x50, 0x10, 0, 100, 0, 0, 0, 0]
        return mac(0xff) + mac(source) + [0x08, 0x00] + ip + segment + [UInt8](repeating: 0x55, count: 10)
    }
}
