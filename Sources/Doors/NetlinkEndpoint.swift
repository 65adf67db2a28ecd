import Datapath
import Device
import LinuxSystem
import Netlink
import OpenvSwitch
import Synchronization

/// A client's Netlink socket, as the door sends to it: replies, and from any thread upcalls and events.
final class NetlinkEndpoint: MessageReceiver {
    /// The port ID of the client's socket.
    let portID: UInt32
    private let socket: NetlinkUserSocket
    private let mailbox: DoorMailbox
    /// Messages lost since the client was last told.
    private let untold = Atomic<UInt64>(0)
    /// When the last of them was lost, in nanoseconds.
    private let lastLoss = Atomic<UInt64>(0)

    /// Nanoseconds for which nothing must have been lost before there is taken to be room again. A notice is small: without
    /// this, one would find room behind every message that does not.
    private static let calm: UInt64 = 1_000_000

    init(portID: UInt32, socket: NetlinkUserSocket, mailbox: DoorMailbox) {
        self.portID = portID
        self.socket = socket
        self.mailbox = mailbox
    }

    /// Sends an upcall or an event; its loss is remembered.
    func receive(_ message: RawSpan) -> UpcallResult {
        let result = send(message)
        if result == .queueFull { remember(lost: 1) }
        return result
    }

    /// Sends one message of the device, with the type that clients know it by.
    func send(_ message: RawSpan) -> UpcallResult {
        guard let header = MessageHeader(message), tellOfLossFirst() else { return .queueFull }
        var halves = InlineArray<8, UInt16>(repeating: 0)
        for index in 0..<8 { halves[index] = message.load(at: 2 * index) ?? 0 }
        halves[2] = NetlinkNumbers.type(ofDevice: header.type).rawValue
        return unsafe socket.send(halves.span.bytes, message.clamped(from: MessageHeader.size), to: portID)
    }

    /// Sends a datagram as it is.
    func forward(_ datagram: RawSpan) -> UpcallResult {
        tellOfLossFirst() ? socket.send(datagram, to: portID) : .queueFull
    }

    /// Whether the client is still to be told of a loss.
    var hasUntoldLoss: Bool { untold.load(ordering: .relaxed) > 0 }

    /// Tells the client of a loss in front of the next message, once there is room again.
    /// - Returns: false if there is none.
    private func tellOfLossFirst() -> Bool {
        guard hasUntoldLoss, MonotonicClock.nanoseconds > lastLoss.load(ordering: .relaxed) + Self.calm else {
            return true
        }
        return tellOfLoss()
    }

    /// Tells the client of a loss, if there is one to tell of.
    /// - Returns: false if there is no room for that.
    @discardableResult
    func tellOfLoss() -> Bool {
        let lost = untold.exchange(0, ordering: .relaxed)
        guard lost > 0 else { return true }
        let notice = Self.notice
        guard socket.send(notice.rawSpan, to: portID) != .queueFull else {
            remember(lost: lost)
            return false
        }
        return true
    }

    private func remember(lost: UInt64) {
        lastLoss.store(MonotonicClock.nanoseconds, ordering: .relaxed)
        // Also if nothing follows, the client is to learn of it: the door's thread sees to that.
        if untold.add(lost, ordering: .relaxed).oldValue == 0 { mailbox.postLoss() }
    }

    /// A message of type `NLMSG_OVERRUN`, a header and nothing more.
    private static let notice =
        hostBytes(UInt32(MessageHeader.size)) + hostBytes(MessageType.overrun.rawValue, 0, 0, 0, 0, 0)
}
