import Datapath
import Device
@testable import Doors
import Foundation
import LinuxSystem
import Netlink
import NetlinkSocket
import OpenvSwitch
import Testing

/// All tests of this module, one after the other: some of them count what is open.
@Suite(.serialized, .timeLimit(.minutes(2))) struct DoorsTests {}

/// A switch in memory, its device, and a door to it in a directory of its own.
final class DoorBed {
    let host = MemoryPorts()
    let sw: Switch
    let device: Device
    let directory: String
    let path: String
    let door: UnixSocketDoor

    init(_ options: UnixSocketDoor.Options = UnixSocketDoor.Options()) throws {
        sw = Switch(provider: host, maximumThreads: 2)
        device = Device(sw)
        host.attach(to: sw)
        directory = try Self.makeDirectory()
        path = directory + "/device.sock"
        door = try UnixSocketDoor(device: device, path: path, options: options)
    }

    deinit {
        door.stop()
        sw.shutDown()
        host.detach()
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// A directory that everybody may enter.
    static func makeDirectory() throws -> String {
        let path = NSTemporaryDirectory() + "martlet-doors-" + UUID().uuidString.prefix(8)
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o755])
        return path
    }

    var transport: UnixSocketTransport { UnixSocketTransport(path: path) }

    /// A connection whose bytes the test writes itself.
    func raw(sendBuffer: Int32 = 1 << 20) throws -> RawClient { try RawClient(path, sendBuffer: sendBuffer) }

    /// Makes a datapath with these interfaces attached, numbered from 1.
    /// - Returns: the datapath's number.
    func bridge(_ interfaces: String..., upcalls: UInt32 = 0) throws -> (ifindex: Int32, ports: [MemoryPort]) {
        let socket = try TransactionSocket(transport)
        var request = DatapathMessage(command: Command.new, name: "br0")
        request.upcallPortID = 0
        let reply = try #require(try socket.transact(request, flags: .echo))
        let ifindex = try DatapathMessage(try Message(reply.rawSpan)).datapathIfindex
        let ports = interfaces.map { host.plug($0) }
        for name in interfaces {
            let port = VportMessage(
                command: Command.new, datapathIfindex: ifindex, type: .netdev, name: name, upcallPortIDs: [upcalls])
            _ = try socket.transact(port)
        }
        return (ifindex, ports)
    }

    /// Fills the flow table, a flow for each Ethernet source address.
    func fill(_ ifindex: Int32, _ sources: some Sequence<UInt64>) throws {
        let socket = try TransactionSocket(transport)
        var batch: [(message: any WritableMessage, flags: MessageFlags)] = []
        for source in sources { batch.append((try Self.flow(ifindex, source), .create)) }
        let results = try socket.transact(batch: batch)
        for result in results { _ = try result.get() }
    }

    static func flow(_ ifindex: Int32, _ source: UInt64) throws -> FlowMessage {
        var match = FlowMatch(key: FlowKey(), mask: FlowMask())
        match.key.kind = 1
        match.key.inPort = 1
        match.key.etherType = 0x1234
        match.key.ethernetSource = source
        match.mask.kind = 0xff
        match.mask.inPort = 0xffff
        match.mask.ethernetSource = 0xffff_ffff_ffff
        var key = MessageWriter()
        try match.key.write(to: &key)
        var mask = MessageWriter()
        try match.key.write(mask: match.mask, to: &mask)
        var flow = FlowMessage(command: Command.new, datapathIfindex: ifindex)
        flow.key = key.bytes
        flow.mask = mask.bytes
        flow.actions = try [Action.output(1)].encoded()
        return flow
    }

    /// A frame whose payload has so many bytes.
    static func frame(_ count: Int, _ filler: UInt8 = 0xab) -> [UInt8] {
        [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x12, 0x34] + [UInt8](repeating: filler, count: count)
    }

    /// Waits until the device has so many handles.
    /// - Returns: whether it has within `seconds`.
    func hasHandles(_ count: Int, within seconds: Double = 20) -> Bool {
        eventually(within: seconds) { device.openHandles == count }
    }
}

/// Asks again and again until the answer is yes.
/// - Returns: whether it was within `seconds`.
func eventually(within seconds: Double = 20, _ condition: () -> Bool) -> Bool {
    let end = Date(timeIntervalSinceNow: seconds)
    while !condition() {
        guard Date() < end else { return condition() }
        usleep(2000)
    }
    return true
}

/// A client that writes the door's bytes itself, sound or not.
final class RawClient {
    let socket: UnixSocket
    let greeting: [UInt8]

    init(_ path: String, sendBuffer: Int32) throws {
        socket = try UnixSocket(blocking: true)
        socket.setSendBuffer(bytes: sendBuffer)
        try socket.connect(try #require(UnixSocketAddress(path)))
        greeting = try Self.receive(socket) ?? []
    }

    /// - Returns: false if there is no room.
    func send(_ bytes: [UInt8], waiting: Bool = true) throws -> Bool {
        try socket.send(bytes, waiting: waiting)
    }

    /// Sends a request; `length` lies about its input.
    func send(
        _ tag: UInt32, _ code: IOControlCode, _ input: [UInt8] = [], capacity: Int = 4096, length: Int? = nil
    ) throws {
        let header = DoorRequest(tag: tag, code: code, capacity: capacity, inputLength: length ?? input.count)
        _ = try send(header.bytes + input)
    }

    /// The next datagram; empty at the end of the connection. It waits for a second, then it is nil.
    func receive(seconds: Int32 = 1) throws -> [UInt8]? { try Self.receive(socket, seconds: seconds) }

    /// The next answer; nil at the end of the connection, or after a second.
    func answer() throws -> (header: DoorAnswer, output: [UInt8])? {
        guard let bytes = try receive(), let header = DoorAnswer(bytes.rawSpan) else { return nil }
        return (header, Array(bytes[DoorAnswer.size...]))
    }

    private static func receive(_ socket: UnixSocket, seconds: Int32 = 1) throws -> [UInt8]? {
        guard try socket.waitReadable(milliseconds: seconds * 1000) else { return nil }
        var buffer = [UInt8](repeating: 0, count: 256 << 10)
        let length = try socket.receive(&buffer, waiting: true) ?? 0
        return Array(buffer.prefix(length))
    }
}

/// A Python process: a client that is no part of this program, and can be killed.
final class PythonClient {
    private let process = Process()
    private let output = Pipe()
    private var rest: [UInt8] = []

    /// What every script begins with: `connect` and `request` speak to the door.
    static let prelude = """
        import os, socket, struct, sys
        path = sys.argv[1]
        def connect():
            s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            s.connect(path)
            return s, struct.unpack("=8s6I", s.recv(64))
        def request(s, tag, code, data=b"", capacity=65536):
            s.send(struct.pack("=4I", tag, code, capacity, len(data)) + data)
        def answer(s):
            data = s.recv(262144)
            return struct.unpack_from("=4I", data), data[16:]
        def say(*words):
            print(*words, flush=True)

        """

    init(_ script: String, _ arguments: String..., prelude: Bool = true) throws {
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", "-c", (prelude ? Self.prelude : "") + script] + arguments
        process.standardOutput = output
        process.standardInput = FileHandle.nullDevice
        try process.run()
    }

    /// The next line the script says; nil when it has ended.
    func line() -> String? {
        while true {
            if let end = rest.firstIndex(of: 10) {
                defer { rest.removeSubrange(...end) }
                return String(decoding: rest[..<end], as: UTF8.self)
            }
            let data = output.fileHandleForReading.availableData
            if data.isEmpty { return nil }
            rest += data
        }
    }

    /// All that the script says, when it has ended.
    func text() -> String {
        var lines: [String] = []
        while let line = line() { lines.append(line) }
        process.waitUntilExit()
        return lines.joined(separator: "\n")
    }

    var exitCode: Int32 {
        process.waitUntilExit()
        return process.terminationStatus
    }

    /// Ends the process without a chance to say goodbye.
    func kill() {
        Foundation.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }
}
