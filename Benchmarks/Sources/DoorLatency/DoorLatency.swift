import CKernelSocket
import DPIF
import Datapath
import Device
import Doors
import Glibc
import Netlink
import NetlinkSocket
import OpenvSwitch

/// How long one transaction takes on each way to a datapath, beside one with the kernel's own netlink.
///
/// Run by scripts/door-latency, which starts a datapath with the port that is asked for and preloads the library that
/// makes this program's netlink socket one of the Netlink door. All ways take turns in one run, so that what else the
/// machine does meets them alike.
@main
struct DoorLatency {
    static let rounds = 21
    static let transactions = 1000

    static func main() throws {
        guard CommandLine.arguments.count == 3 else {
            fatalError("usage: DoorLatency SOCKET PORT")
        }
        let port = CommandLine.arguments[2]
        let kernel = try NetlinkClient(
            "kernel: nlctrl GETFAMILY", ckernel_generic_netlink_socket(), GetFamily("nlctrl").bytes)
        let ways: [any Way] = [
            kernel,
            try InProcess("in process: vport GET", port),
            try UnixSocket("Unix socket: vport GET", CommandLine.arguments[1], port),
            try NetlinkClient("Netlink door: nlctrl GETFAMILY", attachedSocket(), GetFamily("ovs_vport").bytes),
            try NetlinkClient(
                "Netlink door: vport GET", attachedSocket(), vportRequest(port, family: try vportFamily())),
        ]
        var medians = [[Double]](repeating: [], count: ways.count)
        for _ in 0..<rounds {
            for (index, way) in ways.enumerated() {
                medians[index].append(try median(of: transactions) { try way.transact() })
            }
        }
        print("| transaction | median µs | times the kernel's |\n|---|---|---|")
        for (index, way) in ways.enumerated() {
            // The ratio of neighbours in time, not of medians from different moments.
            let ratio = middle(zip(medians[index], medians[0]).map { $0 / $1 })
            print("| \(way.name) | \(rounded(middle(medians[index]))) | \(rounded(ratio)) |")
        }
    }

    private static func median(of count: Int, _ body: () throws -> Void) throws -> Double {
        let clock = ContinuousClock()
        var times: [Double] = []
        times.reserveCapacity(count)
        for _ in 0..<count {
            let time = try clock.measure(body)
            times.append(Double(time.components.attoseconds) / 1e12 + Double(time.components.seconds) * 1e6)
        }
        return middle(times)
    }

    private static func middle(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

    private static func rounded(_ value: Double) -> Double { (value * 100).rounded() / 100 }

    private static func attachedSocket() -> Int32 {
        socket(AF_NETLINK, Int32(SOCK_RAW.rawValue), 16 /* NETLINK_GENERIC */)
    }

    /// The number that the door has given the vport family.
    private static func vportFamily() throws -> UInt16 {
        let client = try NetlinkClient("", attachedSocket(), GetFamily("ovs_vport").bytes)
        let reply = try client.exchange()
        let message = try Message(reply.rawSpan)
        var attributes = try message.attributes(at: 20)
        while let attribute = try attributes.next() {
            if attribute.type == 1, let id: UInt16 = attribute.payload.load(at: 0) { return id }
        }
        throw Failure("no family ovs_vport: is the library preloaded?")
    }
}

struct Failure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// A way to a datapath, over which a request can be sent again and again.
protocol Way {
    var name: String { get }
    func transact() throws
}

/// `CTRL_CMD_GETFAMILY` by name.
struct GetFamily {
    let bytes: [UInt8]

    init(_ name: String) {
        var writer = MessageWriter()
        do {
            let mark = try writer.begin(MessageHeader(type: MessageType(rawValue: 16), flags: .request, sequence: 1))
            try writer.append(raw: [3, 1, 0, 0])  // CTRL_CMD_GETFAMILY, version 1
            try writer.append(2, string: name)
            writer.end(message: mark)
        } catch { fatalError("\(error)") }
        bytes = writer.bytes
    }
}

/// A GET of the vport of this name, in any datapath.
func vportRequest(_ name: String, family: UInt16 = Family.vport.id) -> [UInt8] {
    var writer = MessageWriter()
    do {
        let mark = try writer.begin(.vport, command: Command.get, flags: .request, sequence: 1)
        try writer.append(VportAttribute.name, string: name)
        writer.end(message: mark)
    } catch { fatalError("\(error)") }
    var bytes = writer.bytes
    bytes[4] = UInt8(truncatingIfNeeded: family)
    bytes[5] = UInt8(truncatingIfNeeded: family >> 8)
    return bytes
}

/// A netlink socket: the kernel's, or one that the preloaded library has attached.
struct NetlinkClient: Way {
    let name: String
    let descriptor: Int32
    let request: [UInt8]

    init(_ name: String, _ descriptor: Int32, _ request: [UInt8]) throws {
        self.name = name
        self.descriptor = descriptor
        self.request = request
        guard descriptor >= 0 else { throw Failure("\(name): no socket") }
        try transact()
    }

    func transact() throws { _ = try exchange() }

    /// As Open vSwitch does it: the reply is there when `send` returns.
    func exchange() throws -> [UInt8] {
        guard send(descriptor, request, request.count, 0) == request.count else {
            throw Failure("\(name): send: \(String(cString: strerror(errno)))")
        }
        return try [UInt8](unsafeUninitializedCapacity: 4096) { buffer, count in
            let length = recv(descriptor, buffer.baseAddress, buffer.count, Int32(MSG_DONTWAIT))
            guard length > 36, buffer[4] != 2 else { throw Failure("\(name): no reply") }
            count = length
        }
    }
}

/// A handle of a device in another process.
struct UnixSocket: Way {
    let name: String
    let connection: any DeviceConnection
    let request: [UInt8]

    init(_ name: String, _ path: String, _ port: String) throws {
        self.name = name
        connection = try UnixSocketTransport(path: path).connect()
        request = vportRequest(port)
        try transact()
    }

    func transact() throws {
        let output = try connection.control(.transact, input: request, capacity: 4096)
        guard output.count > 36, output[4] != 2 else { throw Failure("\(name): refused") }
    }
}

/// A handle in this process, its datapath in memory.
final class InProcess: Way {
    let name: String
    private let host = MemoryPorts()
    private let handle: Handle
    private let request: [UInt8]
    private var output = MessageWriter(capacity: 4096, limit: 4096)

    init(_ name: String, _ port: String) throws {
        self.name = name
        let sw = Switch(provider: host)
        let device = Device(sw)
        host.attach(to: sw)
        _ = host.plug(port)
        try NetlinkDPIF.create("br0", over: device).addPort(port)
        handle = try device.open()
        request = vportRequest(port)
        try transact()
    }

    func transact() throws {
        output.removeAll()
        let request = request
        let result = handle.control(.transact, input: request.rawSpan, output: &output)
        guard result.status == .success, output.count > 36, output.bytes[4] != 2 else {
            throw Failure("\(name): refused")
        }
    }
}
