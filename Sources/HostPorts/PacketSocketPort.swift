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
        let opening = try ReceivingSockets(ifindex: link.ifindex, count: max(count, 1))
        let guarding: IngressGuard
        do { guarding = try IngressGuard(name: name, ifindex: link.ifindex) } catch {
            _ = try? opening.finish()
            throw error
        }
        sockets = try opening.finish()
        do {
            output = try PacketSocket(ifindex: link.ifindex)
            try output.makePromiscuous()
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

/// Sockets with rings that are being opened on a thread of their own. For a ring, as for the guard of an interface, the
/// kernel waits until all its processors have passed through a quiet state; a new host's first frame should not have to
/// wait for both, one after the other.
private struct ReceivingSockets {
    private let thread: PlainThread
    private let outcome: Outcome

    private final class Outcome: Sendable {
        let result = Mutex<Result<[PacketSocket], LinuxError>>(.success([]))
    }

    init(ifindex: Int32, count: Int) throws(PortError) {
        let outcome = Outcome()
        self.outcome = outcome
        do throws(LinuxError) {
            // A thread is in the network namespace of the one that starts it.
            thread = try PlainThread(name: "martlet-open") {
                var sockets: [PacketSocket] = []
                do throws(LinuxError) {
                    for _ in 0..<count { sockets.append(try PacketSocket(ifindex: ifindex, hasRing: true)) }
                    let opened = sockets
                    outcome.result.withLock { $0 = .success(opened) }
                } catch { outcome.result.withLock { $0 = .failure(error) } }
            }
        } catch { throw PortError(error) }
    }

    /// The sockets. To be called once.
    func finish() throws(PortError) -> [PacketSocket] {
        thread.join()
        do { return try outcome.result.withLock { $0 }.get() } catch { throw PortError(error) }
    }
}
