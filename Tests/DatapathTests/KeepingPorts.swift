import Netlink
import OpenvSwitch
import Packets
import Synchronization
import Testing

@testable import Datapath

/// A host that takes offloads, and keeps what it is given.
final class KeepingPorts: PortProvider {
    private let kept = Mutex<[(frame: [UInt8], offload: Offload)]>([])
    private let references = Mutex<[String: PortReference]>([:])

    func takeAll() -> [(frame: [UInt8], offload: Offload)] {
        kept.withLock { kept in
            defer { kept = [] }
            return kept
        }
    }
    func reference(_ name: String) -> PortReference? { references.withLock { $0[name] } }
    var now: UInt64 { 1000 }
    func open(_ request: PortRequest) throws(PortError) -> PortDevice {
        PortDevice(token: 1, name: request.name, ifindex: 1, mtu: 1500, takesOffloads: true)
    }
    func start(_ device: PortDevice, for port: PortReference) { references.withLock { $0[device.name] = port } }
    func stop(_ device: PortDevice) {}
    func close(_ device: PortDevice) {}
    func statistics(of device: PortDevice) -> VportStatistics? { nil }
    func transmit(_ packets: UnsafeMutableBufferPointer<Packet>, to token: UInt64) -> Int {
        for index in 0..<packets.count {
            let packet = unsafe packets[index]
            let frame = packet.bytes.copyBytes()
            kept.withLock { $0.append((frame, packet.offload)) }
        }
        return packets.count
    }
    func interfaces() -> [HostInterface] { [] }
    func watchInterfaces(_ handler: @escaping @Sendable (HostInterfaceEvent) -> Void) {}

    /// Sends a frame through a flow with these actions, and gives what comes out at its port, whose number is 1.
    static func run(
        _ list: [UInt8], _ frame: [UInt8], _ offload: Offload = Offload()
    ) throws -> [(frame: [UInt8], offload: Offload)] {
        let host = KeepingPorts()
        let sw = Switch(provider: host, maximumThreads: 2)
        var key = FlowKey()
        key.inPort = 1
        _ = KeyExtraction.extract(frame.rawSpan, offload: offload, into: &key)
        var mask = FlowMask()
        for index in 0..<FlowMask.wordCount { mask.words[index] = .max }
        let match = FlowMatch(key: key, mask: mask)
        try sw.withControl { control throws(RequestError) in
            let datapath = try control.makeDatapath(name: "br0", upcallPortIDs: [0], ifindex: nil)
            _ = try control.addVport(name: "a", type: .netdev, number: 1, upcallPortIDs: [0], to: datapath)
            let instructions = try ActionCompiler.compile(Attributes(list.rawSpan), for: match.maskedKey)
            _ = datapath.flows.insert(match, ufid: nil, actions: list, instructions: instructions)
        }
        let processor = PacketProcessor(sw)
        let port = try #require(host.reference("a"))
        processor.beginBatch(now: 1)
        if var packet = processor.takePacket(), packet.assign(frame.rawSpan) {
            packet.offload = offload
            processor.process(packet, from: port)
        }
        unsafe processor.finishBatch { unsafe host.transmit($1, to: $0) }
        sw.shutDown()
        return host.takeAll()
    }
}
