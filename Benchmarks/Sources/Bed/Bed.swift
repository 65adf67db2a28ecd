public import DPIF
public import Datapath
public import Device
import Netlink
import NetlinkSocket
public import OpenvSwitch

/// A switch with a datapath and the ports 1, 2 and 3, which do nothing.
public final class Bed {
    public let host = NullPorts()
    public let sw: Switch
    public let device: Device
    public let dpif: NetlinkDPIF
    public let processor: PacketProcessor
    /// Port 1, where packets come from as a rule.
    public let port: PortReference

    public init() throws {
        sw = Switch(provider: host)
        device = Device(sw)
        dpif = try NetlinkDPIF.create("br0", over: device)
        for name in ["a", "b", "c"] { try dpif.addPort(name) }
        processor = PacketProcessor(sw)
        guard let port = host.references[2] else { fatalError("port a was not started") }
        self.port = port
        // It lets everything pass and has counted since the switch was made.
        try dpif.setMeter(1, MeterPut(countsBytes: true, band: MeterBand(type: 1, rate: .max, burst: .max)))
    }

    public func end() { sw.shutDown() }

    /// The port of this number. (The first device is the datapath's own.)
    public func port(_ number: Int) -> PortReference {
        guard let port = host.references[UInt64(number + 1)] else { fatalError("there is no port \(number)") }
        return port
    }

    /// Installs a flow whose key and actions are texts.
    public func install(_ key: String, _ actions: String) throws {
        let flow = try FlowText.parseKey(key, portNumber: nil)
        try dpif.putFlow(FlowPut(key: flow.key, mask: flow.mask, actions: try Self.actions(actions)))
    }

    /// The actions of a flow that forwards.
    public static func output(_ port: UInt32) throws -> [UInt8] { try [Action.output(port)].encoded() }

    public static func actions(_ text: String) throws -> [UInt8] {
        try ActionText.parseActions(text, portNumber: nil)
    }

    /// Installs flows, which are made as they are needed.
    public func install(_ count: Int, _ flow: (Int) throws -> FlowPut) throws {
        for first in stride(from: 0, to: count, by: Self.atOnce) {
            try operate((first..<min(first + Self.atOnce, count)).map { .putFlow(try flow($0)) })
        }
    }

    /// Carries requests out, a hundred at a time, as ovs-vswitchd gives them.
    /// - Throws: the error of the first that is refused.
    public func operate(_ operations: [Operation]) throws {
        for first in stride(from: 0, to: operations.count, by: Self.atOnce) {
            let some = Array(operations[first..<min(first + Self.atOnce, operations.count)])
            for error in try dpif.operate(some) where error != nil { throw error! }
        }
    }

    private static let atOnce = 100
}

extension FlowPut {
    /// A flow of UDP over IPv4 from port 1 that matches the destination address and, in the source port, the bits of a
    /// mask. What it does is an output.
    public static func udp(to address: UInt32, portMask: UInt16 = 0, ufid: UFID? = nil) throws -> FlowPut {
        var match = FlowMatch.udp(from: 1)
        match.key.ipv4Destination = address
        match.mask.ipv4Destination = .max
        match.mask.transportSource = portMask
        return FlowPut(match, actions: try Bed.output(2), ufid: ufid)
    }

    public init(_ match: FlowMatch, actions: [UInt8], ufid: UFID? = nil) {
        var (key, mask) = (MessageWriter(), MessageWriter())
        do throws(NetlinkError) {
            try match.key.write(to: &key)
            try match.key.write(mask: match.mask, to: &mask)
        } catch { fatalError("\(error)") }
        self.init(key: key.bytes, mask: mask.bytes, actions: actions, ufid: ufid)
    }
}

extension FlowMatch {
    /// UDP over IPv4 from a port, whatever its addresses and ports.
    public static func udp(from port: UInt16) -> FlowMatch {
        var match = FlowMatch(key: FlowKey(), mask: FlowMask())
        match.key.kind = 1
        match.key.inPort = port
        match.key.etherType = EtherType.ipv4
        match.key.ipProtocol = IPProtocol.udp
        match.mask.kind = 0xff
        match.mask.recircID = .max
        match.mask.inPort = .max
        match.mask.etherType = .max
        match.mask.ipProtocol = .max
        match.mask.fragment = .max
        return match
    }

    /// One of up to 8,192 megaflows from port 1, each with a mask of its own, whose masks a packet that matches none of
    /// them has all to be compared under: as from one rule that names two addresses and a port.
    public static func exploded(_ number: Int) -> FlowMatch {
        // All ones match no flow: each ends its prefix with a zero.
        func prefix(_ length: Int, of bits: Int) -> (value: UInt32, mask: UInt32) {
            let all: UInt32 = bits == 32 ? .max : 1 << UInt32(bits) - 1
            let mask = all & ~(all >> UInt32(length))
            return (mask & ~(1 << UInt32(bits - length)), mask)
        }
        var match = udp(from: 1)
        (match.key.ipv4Source, match.mask.ipv4Source) = prefix(number % 32 + 1, of: 32)
        (match.key.ipv4Destination, match.mask.ipv4Destination) = prefix(number / 32 % 32 + 1, of: 32)
        let source = prefix(number / 1024 % 8 + 1, of: 16)
        (match.key.transportSource, match.mask.transportSource) = (UInt16(source.value), UInt16(source.mask))
        return match
    }
}
