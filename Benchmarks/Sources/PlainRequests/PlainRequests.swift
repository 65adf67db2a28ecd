import DPIF
import Datapath
import Device
import Doors
import Glibc
import Netlink
import OpenvSwitch

/// What requests without Netlink save: the codes getPortID, subscribe and pend beside the messages of the control family
/// that do the same, in process and over the Unix socket.
///
/// Run by scripts/plain-requests. The two forms take turns in one run, so that what else the machine does meets them
/// alike. Nothing outside this process is touched, and no rights are needed.
@main
struct PlainRequests {
    static let rounds = 41
    static let requests = 2000

    static func main() throws {
        let host = MemoryPorts()
        let sw = Switch(provider: host)
        let device = Device(sw)
        host.attach(to: sw)
        guard let directory = mkdtemp(strdup("/tmp/plain-requests-XXXXXX")) else { throw Failure("no directory") }
        let path = String(cString: directory) + "/device.sock"
        let door = try UnixSocketDoor(device: device, path: path)
        defer {
            door.stop()
            rmdir(directory)
        }
        let ways: [any Way] = [try InProcess(device), try UnixSocket(path)]
        for way in ways {
            try way.send(.subscribe, Subscription(.event, group: .datapath).bytes, capacity: 0, output: 0)
        }
        // Something to read in every event queue: pend completes at once.
        _ = try NetlinkDPIF.create("br0", over: device)

        print("| request | input, bytes | in process, ns | | Unix socket, ns | |\n|---|---|---|---|---|---|")
        for pair in pairs { try measure(pair, ways) }
    }

    /// A request in its two forms.
    struct Pair {
        let plainName: String
        let netlinkName: String
        let plain: Form
        let netlink: Form
    }

    struct Form {
        let code: IOControlCode
        /// The input, for a handle with this port ID.
        let input: (UInt32) -> [UInt8]
        let capacity: Int
        /// Bytes of output that are expected.
        let output: Int
    }

    static var pairs: [Pair] {
        [
            Pair(
                plainName: "getPortID", netlinkName: "transact SOCK_PROP",
                plain: Form(code: .getPortID, input: { _ in [] }, capacity: 4, output: 4),
                netlink: Form(
                    code: .transact,
                    input: { portID in
                        control(ControlCommand.socketProperties, portID) { writer throws(NetlinkError) in
                            try writer.append(ControlAttribute.socketProtocol, UInt32(16))
                            try writer.append(ControlAttribute.socketPortID, portID)
                        }
                    }, capacity: 4096, output: 40)),
            Pair(
                plainName: "subscribe", netlinkName: "write MC_SUBSCRIBE",
                plain: Form(
                    code: .subscribe, input: { _ in Subscription(.event, group: .datapath).bytes }, capacity: 0,
                    output: 0),
                netlink: Form(
                    code: .write,
                    input: { portID in
                        control(ControlCommand.multicastSubscribe, portID) { writer throws(NetlinkError) in
                            try writer.append(ControlAttribute.multicastGroup, MulticastGroup.datapath.rawValue)
                            try writer.append(ControlAttribute.multicastJoin, bytes: [UInt8(1)].rawSpan)
                        }
                    }, capacity: 0, output: 0)),
            Pair(
                plainName: "pend", netlinkName: "write PEND",
                plain: Form(code: .pend, input: { _ in [0, 0, 0, 0] }, capacity: 0, output: 0),
                netlink: Form(
                    code: .write,
                    input: { portID in control(ControlCommand.pendRequest, portID) { _ throws(NetlinkError) in } },
                    capacity: 0, output: 0)),
        ]
    }

    /// A message of the control family.
    static func control(
        _ command: UInt8, _ portID: UInt32, _ attributes: (inout MessageWriter) throws(NetlinkError) -> Void
    ) -> [UInt8] {
        var writer = MessageWriter()
        do throws(NetlinkError) {
            let mark = try writer.begin(.control, command: command, flags: .request, sequence: 1, portID: portID)
            try attributes(&writer)
            writer.end(message: mark)
        } catch { fatalError("\(error)") }
        return writer.bytes
    }

    static func measure(_ pair: Pair, _ ways: [any Way]) throws {
        var plain = [[Double]](repeating: [], count: ways.count)
        var netlink = plain
        for _ in 0..<rounds {
            for (index, way) in ways.enumerated() {
                plain[index].append(try time(pair.plain, way))
                netlink[index].append(try time(pair.netlink, way))
            }
        }
        func row(_ name: String, _ form: Form, _ times: [[Double]], beside base: [[Double]]) -> String {
            let cells = times.indices.map { index in
                // The ratio of neighbours in time, not of medians from different moments.
                let ratio = middle(zip(times[index], base[index]).map { $0 / $1 })
                return "\(Int(middle(times[index]).rounded())) | × \((ratio * 100).rounded() / 100)"
            }
            return "| \(name) | \(form.input(0).count) | \(cells.joined(separator: " | ")) |"
        }
        print(row(pair.plainName, pair.plain, plain, beside: plain))
        print(row(pair.netlinkName, pair.netlink, netlink, beside: plain))
    }

    /// Nanoseconds that a request takes.
    private static func time(_ form: Form, _ way: any Way) throws -> Double {
        let input = form.input(way.portID)
        let duration = try ContinuousClock().measure {
            for _ in 0..<requests {
                try way.send(form.code, input, capacity: form.capacity, output: form.output)
            }
        }
        let nanoseconds = Double(duration.components.seconds) * 1e9 + Double(duration.components.attoseconds) / 1e9
        return nanoseconds / Double(requests)
    }

    private static func middle(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
}

struct Failure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// A way to the device, over which a request can be sent again and again.
protocol Way {
    var portID: UInt32 { get }
    /// - Throws: if the request does not succeed with so many bytes of output.
    func send(_ code: IOControlCode, _ input: [UInt8], capacity: Int, output: Int) throws
}

/// A handle in this process.
final class InProcess: Way {
    private let handle: Handle
    private var writer = MessageWriter(capacity: 4096)
    var portID: UInt32 { handle.portID }

    init(_ device: Device) throws { handle = try device.open() }

    func send(_ code: IOControlCode, _ input: [UInt8], capacity: Int, output: Int) throws {
        writer.removeAll()
        let result = handle.control(code, input: input.rawSpan, output: &writer) { _ in }
        guard result.status == .success, writer.count == output else {
            throw Failure("\(code.name): \(result.status.explanation), \(writer.count) bytes")
        }
    }
}

/// The door's bytes, written and read without a library, so that both forms have the same in front of them.
final class UnixSocket: Way {
    private let descriptor: Int32
    private var buffer = [UInt8](repeating: 0, count: 8192)
    private(set) var portID: UInt32 = 0

    init(_ path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, length) == 0 }
        }
        guard isConnected, recv(descriptor, &buffer, buffer.count, 0) >= 32 else { throw Failure("no door") }
        portID = buffer.withUnsafeBytes { $0.load(fromByteOffset: 16, as: UInt32.self) }
    }

    func send(_ code: IOControlCode, _ input: [UInt8], capacity: Int, output: Int) throws {
        let request = DoorRequest(tag: 1, code: code, capacity: capacity, inputLength: input.count).bytes + input
        guard Glibc.send(descriptor, request, request.count, 0) == request.count else { throw Failure("send") }
        let length = recv(descriptor, &buffer, buffer.count, 0)
        let status = buffer.withUnsafeBytes { $0.load(fromByteOffset: 4, as: UInt32.self) }
        guard length == DoorAnswer.size + output, status == 0 else {
            throw Failure("\(code.name): status \(status), \(length) bytes")
        }
    }
}
