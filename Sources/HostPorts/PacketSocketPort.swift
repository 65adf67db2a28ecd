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
    private let socket: PacketSocket
    private let dropped = Atomic<UInt64>(0)

    /// Attaches the interface.
    /// - Throws: `EINVAL` if it is no Ethernet interface, `EBUSY` if someone else has its frames, `EOPNOTSUPP` if the
    ///   kernel is too old, and the errors of the calls.
    init(_ link: Link, name: String) throws(PortError) {
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
            let socket = try PacketSocket(ifindex: link.ifindex)
            try socket.makePromiscuous()
            self.socket = socket
        } catch { throw PortError(error) }
        self.guarding = guarding
        self.name = name
        ifindex = link.ifindex
    }

    var descriptor: Int32 { socket.descriptor.raw }

    /// Takes received frames out of the socket's ring, as long as the port is open; nil without a ring.
    var ring: PacketRing.Reader? { socket.ring?.reader }

    /// Begins to queue frames for the receiver. If the interface has just gone there are none.
    func beginReceiving() { try? socket.beginReceiving() }

    /// Frames dropped so far because the receiver was too slow.
    func receiveDropped() -> UInt64 {
        dropped.wrappingAdd(socket.takeDropped(), ordering: .relaxed).newValue
    }
}
