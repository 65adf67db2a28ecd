import OpenvSwitch

@testable import Datapath
@testable import HostPorts

/// The switch under the ports of a test: frames of each port go to the other. The one place that knows how the datapath
/// is told to do so.
final class TestSwitch: @unchecked Sendable {
    // Sendable: the datapath is touched by the test's thread alone, before frames flow.
    let ports: LinuxPorts
    private let sw: Switch
    private let datapath: Datapath

    init(workers: Int = 1) throws {
        ports = try LinuxPorts(workers: workers)
        sw = Switch(provider: ports)
        datapath = Datapath(name: "test", serial: 1, shared: sw)
        try ports.attach(to: sw)
    }

    deinit { ports.shutdown() }

    /// Starts both ports, each forwarding to the other.
    func connect(_ a: PortDevice, _ b: PortDevice) {
        let number = datapath.freePortNumber ?? 1
        let first = attach(a, number)
        let second = attach(b, number + 1)
        forward(from: number, to: number + 1)
        forward(from: number + 1, to: number)
        ports.start(a, for: first)
        ports.start(b, for: second)
    }

    private func attach(_ device: PortDevice, _ number: UInt16) -> PortReference {
        let vport = datapath.attach(device, number: number, name: device.name, type: .netdev, upcallPortIDs: [0])
        return unsafe PortReference(UnsafeMutableRawPointer(vport.entry))
    }

    private func forward(from source: UInt16, to destination: UInt16) {
        var match = FlowMatch(key: FlowKey(), mask: FlowMask())
        match.key.inPort = source
        match.mask.inPort = 0xffff
        _ = datapath.flows.insert(match, ufid: nil, actions: [], instructions: [.output(port: destination)])
    }

    func openInterface(_ name: String) throws(PortError) -> PortDevice {
        try ports.open(PortRequest(name: name, type: .netdev))
    }

    func openInternal(_ name: String, ifindex: Int32? = nil) throws(PortError) -> PortDevice {
        try ports.open(PortRequest(name: name, type: .internal, ifindex: ifindex))
    }
}

/// Two hosts, each in its namespace (10.0.0.1 on `a0`, 10.0.0.2 on `b0`), and the switch's namespace with `sa` and
/// `sb`.
final class TwoHosts: Sendable {
    let a: TestNamespace
    let b: TestNamespace
    let s: TestNamespace

    init() throws {
        try TestHost.require()
        a = try TestNamespace()
        b = try TestNamespace()
        s = try TestNamespace()
        try a.connect("a0", to: "sa", in: s)
        try b.connect("b0", to: "sb", in: s)
        try a.ip("addr add 10.0.0.1/24 dev a0")
        try b.ip("addr add 10.0.0.2/24 dev b0")
    }

    /// Runs `body` in the switch's namespace, with both interfaces attached and connected.
    func attached<Result>(
        workers: Int = 1, _ body: (TestSwitch, PortDevice, PortDevice) throws -> Result
    ) throws -> Result {
        try s.enter {
            let sw = try TestSwitch(workers: workers)
            defer { sw.ports.shutdown() }
            let sa = try sw.openInterface("sa")
            let sb = try sw.openInterface("sb")
            sw.connect(sa, sb)
            return try body(sw, sa, sb)
        }
    }
}
