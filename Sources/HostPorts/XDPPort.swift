import CLinux
import Datapath
import Glibc
import LinuxSystem

/// The device of a `netdev` vport whose frames come through AF_XDP sockets, one for each receive queue.
///
/// It is a packet-socket port, too: what the sockets cannot take whole, in either direction, goes through the packet
/// socket (see `XDPProgram` and `XDPTransmittingSide.takes`). So frames with work left undone travel through this port
/// as through any other, and what the interface becomes while it is a port (other MTU, more queues) needs no care.
final class XDPPort: Sendable {
    let port: PacketSocketPort
    let mode: XDPMode
    let sockets: [XDPSocket]
    let queues: XDPQueues
    private let program: XDPProgram
    /// Whether the driver counts frames that found no room in a socket as dropped by itself.
    private let countsDrops: Bool

    /// More receive queues than this share what memory there is for frames.
    private static let queuesWithFullRings = 4
    /// Frames that wait in one direction of a queue at most.
    private static let frames = 2048
    /// The most queues that get a socket; frames of others come through the packet socket.
    static let maximumQueues = 64

    /// Attaches the interface in one mode.
    /// - Parameter port: the interface, attached as a packet-socket port.
    /// - Throws: why it cannot be, a sentence that says what to do. The packet-socket port is as before.
    init(_ port: PacketSocketPort, _ link: Link, mode: XDPMode) throws(PortError) {
        let name = port.name
        let chunk = XDPSocket.ChunkSize(mtu: Int(link.mtu ?? 1500))
        let count = Self.queues("rx", of: name)
        var frames = Self.frames
        while frames > 128, frames * count > Self.frames * Self.queuesWithFullRings { frames /= 2 }
        var sockets: [XDPSocket] = []
        do {
            for queue in 0..<count {
                sockets.append(
                    try XDPSocket(
                        ifindex: link.ifindex, queue: queue, chunk: chunk, count: frames, isZeroCopy: mode == .zerocopy)
                )
            }
        } catch { throw PortError(errno: error.errno, message: "\(name): \(error)") }
        program = try XDPProgram(
            name: name, ifindex: link.ifindex, isGeneric: mode == .generic, queues: count, longest: chunk.longest)
        // What is transmitted through a socket goes to the transmit queue of its number.
        queues = XDPQueues(sockets, transmitting: min(Self.queues("tx", of: name), count))
        self.sockets = sockets
        self.port = port
        self.mode = mode
        countsDrops = mode != .generic && link.kind == "veth"
    }

    deinit { queues.deallocate() }

    /// Begins to queue frames for the receivers.
    func beginReceiving() {
        port.beginReceiving()
        // If the kernel has no memory for an entry, the queue's frames come through the packet socket.
        for (queue, socket) in sockets.enumerated() { try? program.set(socket.descriptor.raw, for: queue) }
    }

    /// Frames that came and were dropped: because the receiver was too slow, and for other reasons.
    func receiveLosses() -> (dropped: UInt64, errors: UInt64) {
        var dropped = port.receiveDropped()
        var errors: UInt64 = 0
        for socket in sockets {
            let statistics = socket.statistics()
            if !countsDrops { dropped &+= statistics.rx_dropped &+ statistics.rx_ring_full }
            errors &+= statistics.rx_invalid_descs
        }
        return (dropped, errors)
    }

    /// Frames to be transmitted that the kernel did not understand.
    func transmitErrors() -> UInt64 { sockets.reduce(0) { $0 &+ $1.statistics().tx_invalid_descs } }

    /// Number of an interface's queues that a socket can have.
    /// - Parameter direction: `rx` or `tx`.
    static func queues(_ direction: String, of name: String) -> Int {
        var count = 0
        // The path is NUL-terminated text, read during the call.
        while unsafe access("/sys/class/net/\(name)/queues/\(direction)-\(count)", F_OK) == 0, count < maximumQueues {
            count += 1
        }
        return max(count, 1)
    }
}
