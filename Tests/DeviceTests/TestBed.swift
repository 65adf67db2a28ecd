import DPIF
import Datapath
import Device
import Netlink
import NetlinkSocket
import OpenvSwitch

/// A switch in memory with its device: what most tests here start from.
final class TestBed {
    let host = MemoryPorts()
    let sw: Switch
    let device: Device

    init() {
        sw = Switch(provider: host, maximumThreads: 2)
        device = Device(sw)
        host.attach(to: sw)
    }

    deinit {
        sw.shutDown()
        host.detach()
    }

    /// A datapath with these interfaces attached, numbered from 1.
    func bridge(_ interfaces: String..., upcalls: Bool = false) throws -> (NetlinkDPIF, [MemoryPort]) {
        let dpif = try NetlinkDPIF.create("br0", over: device)
        if upcalls { try dpif.receiveUpcalls() }
        let ports = interfaces.map { host.plug($0) }
        for name in interfaces { try dpif.addPort(name) }
        return (dpif, ports)
    }
}

/// Frames for tests.
enum Frames {
    static func ethernet(
        source: UInt64 = 0x02_00_00_00_00_01, destination: UInt64 = 0x02_00_00_00_00_02, type: UInt16 = 0x1234,
        payload: [UInt8] = [UInt8](repeating: 0xab, count: 50)
    ) -> [UInt8] {
        mac(destination) + mac(source) + [UInt8(type >> 8), UInt8(type & 0xff)] + payload
    }

    static func mac(_ number: UInt64) -> [UInt8] {
        (0..<6).map { UInt8(truncatingIfNeeded: number >> UInt64(8 * (5 - $0))) }
    }
}

/// Keys and masks for tests, as a client writes them.
enum Keys {
    /// A key that matches on the input port alone.
    static func inPort(_ number: UInt16, ethernetSource: UInt64? = nil) throws -> (key: [UInt8], mask: [UInt8]) {
        var match = FlowMatch(key: FlowKey(), mask: FlowMask())
        match.key.kind = 1
        match.key.inPort = number
        match.key.etherType = 0x1234
        match.mask.kind = 0xff
        match.mask.inPort = 0xffff
        if let ethernetSource {
            match.key.ethernetSource = ethernetSource
            match.mask.ethernetSource = 0xffff_ffff_ffff
        }
        return try bytes(match)
    }

    static func bytes(_ match: FlowMatch) throws -> (key: [UInt8], mask: [UInt8]) {
        var key = MessageWriter()
        try match.key.write(to: &key)
        var mask = MessageWriter()
        try match.key.write(mask: match.mask, to: &mask)
        return (key.bytes, mask.bytes)
    }
}

/// A small random generator with a seed, so that a failure can be repeated.
struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
