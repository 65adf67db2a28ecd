import CLinux
@testable import Doors
import Device
import Glibc
import LinuxSystem
import Netlink
import OpenvSwitch
import Testing

/// A client of the Netlink door that writes the controls' bytes itself: a connection, and a Netlink socket of its own.
final class NetlinkTestClient {
    let raw: RawClient
    /// What `netlinkOpen` has put out.
    let opening: [UInt8]
    let descriptor: Descriptor
    /// The port ID of the Netlink socket.
    let portID: UInt32
    private var tag: UInt32 = 0
    private var lastSequence: UInt32 = 0

    /// - Parameters:
    ///   - socket: the Netlink socket of another client, to be shared with it; nil for one of its own.
    ///   - receiveBuffer: bytes that wait in the socket's queue at most; the kernel doubles them.
    ///   - isBound: whether the socket is to be bound.
    init(
        _ bed: DoorBed, sharing other: NetlinkTestClient? = nil, receiveBuffer: Int32 = 1 << 20, isBound: Bool = true
    ) throws {
        raw = try bed.raw()
        try raw.send(0, .netlinkOpen)
        opening = try #require(try raw.answer()).output
        try #require(opening.count == 40)
        if let other {
            (descriptor, portID) = (other.descriptor, other.portID)
        } else {
            let type = Int32(SOCK_RAW.rawValue | SOCK_CLOEXEC.rawValue)
            descriptor = Descriptor(try Syscall.call("socket") { socket(AF_NETLINK, type, NETLINK_USERSOCK) })
            try descriptor.setOption(SOL_SOCKET, SO_RCVBUFFORCE, to: receiveBuffer)
            portID = try Self.connect(descriptor, to: number(opening, at: 0) ?? 0)
        }
        guard isBound else { return }
        try sendNonce(nonce)
        let (result, output) = try control(.netlinkBind)
        try #require(result.status == .success)
        try #require(output == hostBytes(portID))
    }

    var nonce: [UInt8] { Array(opening[24...]) }

    private static func connect(_ descriptor: Descriptor, to portID: UInt32) throws -> UInt32 {
        var address = sockaddr_nl()
        address.nl_family = sa_family_t(AF_NETLINK)
        address.nl_pid = portID
        return try unsafe withUnsafeMutablePointer(to: &address) { pointer in
            try unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                var length = socklen_t(MemoryLayout<sockaddr_nl>.size)
                try Syscall.call("connect") { unsafe Glibc.connect(descriptor.raw, pointer, length) }
                try Syscall.call("getsockname") { unsafe getsockname(descriptor.raw, pointer, &length) }
            }
            return unsafe pointer.pointee.nl_pid
        }
    }

    // MARK: The Netlink socket

    func sendNonce(_ nonce: [UInt8]) throws {
        try sendDatagram(hostBytes(UInt32(16 + nonce.count)) + hostBytes(UInt16(1), 0, 0, 0, 0, 0) + nonce)
    }

    /// Sends to the door's own socket.
    func sendDatagram(_ bytes: [UInt8]) throws {
        try Syscall.call("send") {
            unsafe bytes.withUnsafeBytes { unsafe Glibc.send(descriptor.raw, $0.baseAddress, $0.count, 0) }
        }
    }

    /// The oldest datagram of the socket's queue; nil if there is none.
    func receive(milliseconds: Int32 = 0) throws -> [UInt8]? {
        guard try UnixSocket(descriptor).waitReadable(milliseconds: milliseconds) else { return nil }
        var buffer = [UInt8](repeating: 0, count: 256 << 10)
        let length = try UnixSocket(descriptor).receive(&buffer, waiting: false) ?? 0
        return Array(buffer.prefix(length))
    }

    func receiveAll() throws -> [[UInt8]] {
        var datagrams: [[UInt8]] = []
        while let datagram = try receive() { datagrams.append(datagram) }
        return datagrams
    }

    // MARK: The connection

    func control(
        _ code: IOControlCode, _ input: [UInt8] = [], capacity: Int = 4096
    ) throws -> (result: IOResult, output: [UInt8]) {
        tag += 1
        try raw.send(tag, code, input, capacity: capacity)
        let (header, output) = try #require(try raw.answer())
        try #require(header.tag == tag)
        return (header.result, output)
    }

    /// What `netlinkSend` puts out.
    struct Progress: Equatable {
        var consumed: UInt32 = 0
        var flags: UInt32 = 0
        var dump: [UInt32] = [0, 0]
        var cursor = DumpCursor.start
    }

    @discardableResult
    func send(_ datagram: [UInt8], flags: UInt32 = 1, piece: UInt32 = 4096) throws -> Progress {
        let (result, output) = try control(.netlinkSend, hostBytes(flags, piece) + datagram)
        try #require(result == IOResult(.success, information: 32))
        let numbers = (0..<4).map { number(output, at: 4 * $0, as: UInt32.self) ?? 0 }
        let rest = Array(output[16...])
        return Progress(
            consumed: numbers[0], flags: numbers[1], dump: [numbers[2], numbers[3]],
            cursor: DumpCursor(rest.rawSpan) ?? .start)
    }

    /// What `netlinkPull` puts out.
    func pull(
        _ request: [UInt8], _ cursor: DumpCursor, flags: UInt32 = 1, piece: UInt32 = 4096
    ) throws -> (flags: UInt32, cursor: DumpCursor) {
        let (result, output) = try control(.netlinkPull, hostBytes(flags, piece) + cursor.bytes + request)
        try #require(result == IOResult(.success, information: 24))
        let rest = Array(output[8...])
        return (number(output, at: 0) ?? 0, DumpCursor(rest.rawSpan) ?? .start)
    }

    /// Joins a group.
    func join(_ group: MulticastGroup) throws {
        let (result, _) = try control(.subscribe, Subscription(.event, group: group).bytes)
        try #require(result.status == .success)
    }

    // MARK: Messages

    /// A request as a Netlink client writes it.
    func request(
        _ message: some WritableMessage, _ flags: MessageFlags = [], sequence: UInt32? = nil
    ) throws -> [UInt8] {
        lastSequence += 1
        var writer = MessageWriter()
        try message.write(
            to: &writer, flags: flags.union(.request), sequence: sequence ?? lastSequence, portID: portID)
        let type = number(writer.bytes, at: 4, as: UInt16.self) ?? 0
        writer.replace(at: 4, with: hostBytes(type + 1024))
        return writer.bytes
    }

    /// A request for a family of `nlctrl`.
    static func familyRequest(
        _ attributes: [UInt8], _ flags: MessageFlags = .request, command: UInt8 = 3, sequence: UInt32 = 7
    ) -> [UInt8] {
        hostBytes(UInt32(20 + attributes.count)) + hostBytes(UInt16(16), flags.rawValue) + hostBytes(sequence, 0)
            + [command, 1, 0, 0] + attributes
    }

    /// An attribute with its padding.
    static func attribute(_ type: UInt16, _ payload: [UInt8]) -> [UInt8] {
        hostBytes(UInt16(4 + payload.count), type) + payload + [UInt8](repeating: 0, count: -payload.count & 3)
    }
}

/// The header of the message that a datagram begins with.
func header(_ datagram: [UInt8]) throws -> MessageHeader {
    let header = MessageHeader(datagram.rawSpan)
    return try #require(header)
}

/// The error that a datagram tells of; nil if it is another message.
func errorNumber(_ datagram: [UInt8]) -> Int32? {
    MessageHeader(datagram.rawSpan)?.type == .error ? number(datagram, at: 16, as: Int32.self).map { -$0 } : nil
}

/// The number at a place in bytes; nil behind their end.
func number<T: FixedWidthInteger & BitwiseCopyable>(_ bytes: [UInt8], at offset: Int, as: T.Type = T.self) -> T? {
    bytes.rawSpan.load(at: offset)
}
