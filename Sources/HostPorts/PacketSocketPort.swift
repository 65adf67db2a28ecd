import Datapath
import Glibc
import LinuxSystem
import Synchronization

/// The device of a `netdev` vport: an interface of the host, its frames taken by a packet socket and kept from the
/// host.
///
/// All that it does to the interface (promiscuity, the guard) ends with its descriptors.
final class PacketSocketPort: Sendable {
    let name: String
    let ifindex: Int32
    private let guarding: IngressGuard
    /// One for each worker that receives from it.
    private let sockets: [PacketSocket]
    /// For transmitting alone. Whoever waits for a socket to receive is asked about each packet that was transmitted
    /// through it, too, as the kernel tells that there is room again.
    private let output: PacketSocket
    /// Where its frames come, for the packet threads: one for each socket.
    let lanes: PortTable.Lanes
    private let dropped = Atomic<UInt64>(0)

    /// Attaches the interface.
    /// - Parameter sockets: over how many sockets its frames are spread, if the kernel can.
    /// - Throws: `EINVAL` if it is no Ethernet interface, `EBUSY` if someone else has its frames, `EOPNOTSUPP` if the
    ///   kernel is too old, and the errors of the calls.
    init(_ link: Link, name: String, sockets count: Int = 1) throws(PortError) {
        if link.isLoopback {
            throw PortError(errno: EINVAL, message: "\(name) is a loopback interface and cannot be a port")
        }
        guard link.isEthernet else {
            throw PortError(errno: EINVAL, message: "\(name) is not an Ethernet interface and cannot be a port")
        }
        if let master = link.master, master != 0 {
            throw PortError(errno: EBUSY, message: "\(name) belongs to interface \(master) (a bridge or bond)")
        }
        let guarding = try IngressGuard(name: name, ifindex: link.ifindex)
        do {
            output = try PacketSocket(ifindex: link.ifindex)
            try output.makePromiscuous()
            var sockets: [PacketSocket] = []
            for _ in 0..<max(count, 1) { sockets.append(try PacketSocket(ifindex: link.ifindex, hasRing: true)) }
            self.sockets = sockets
        } catch { throw PortError(error) }
        lanes = PortTable.Lanes(
            sockets.map { PortTable.Lane(descriptor: $0.descriptor.raw, ring: $0.ring?.reader) })
        self.guarding = guarding
        self.name = name
        ifindex = link.ifindex
    }

    deinit { lanes.free() }

    /// What is transmitted to.
    var descriptor: Int32 { output.descriptor.raw }

    /// What is received from.
    var descriptors: [Int32] { sockets.map { $0.descriptor.raw } }

    /// Begins to queue frames for the receivers. If the interface has just gone there are none. Where the kernel cannot
    /// spread them, all come to the first socket.
    func beginReceiving() {
        try? sockets[0].beginReceiving()
        guard sockets.count > 1, let group = try? sockets[0].share(group: nil) else { return }
        for socket in sockets.dropFirst() { try? socket.beginReceiving(inGroup: group) }
    }

    /// Frames dropped so far because the receivers were too slow.
    func receiveDropped() -> UInt64 {
        dropped.wrappingAdd(sockets.reduce(0) { $0 &+ $1.takeDropped() }, ordering: .relaxed).newValue
    }
}
