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
    /// Whether the client takes datagrams of several upcalls.
    private let isPacking = Atomic<Bool>(false)
    /// The number of the last such datagram.
    private let lastPack = Atomic<UInt32>(0)

    /// Bytes of a datagram of several upcalls at most: so many the kernel keeps in one piece of memory of its usual size.
    private static let packSize = 3584
    private static let packRoom = packSize - MessageHeader.size

    /// Nanoseconds for which nothing must have been lost before there is taken to be room again. A notice is small: without
    /// this, one would find room behind every message that does not.
    private static let calm: UInt64 = 1_000_000

    init(portID: UInt32, socket: NetlinkUserSocket, mailbox: DoorMailbox) {
        self.portID = portID
        self.socket = socket
        self.mailbox = mailbox
    }

    /// Says whether several upcalls may come in one datagram.
    func setPacking(_ isPacking: Bool) { self.isPacking.store(isPacking, ordering: .relaxed) }

    /// Sends an event; its loss is remembered.
    func receive(event message: RawSpan) {
        if send(message) == .queueFull { remember(lost: 1) }
    }

    /// Sends upcalls: a datagram for each, or as many in one as go into it if the client takes that. A loss is remembered.
    func receive(_ upcalls: Upcalls) -> TakenUpcalls {
        var lost: UInt64 = 0
        var taken: TakenUpcalls
        if isPacking.load(ordering: .relaxed) {
            taken = sendPacks(upcalls, &lost)
        } else {
            taken = upcalls.forEach { message in
                let result = send(message)
                if result == .queueFull { lost += 1 }
                return result
            }
        }
        if lost > 0 {
            remember(lost: lost)
            // The client is told once nothing has been lost for `calm`, and so of what is lost until then.
            taken.isQueueFull = true
        }
        return taken
    }

    /// Sends upcalls, as many in one datagram as go into it.
    /// - Parameter lost: is increased by those for which there was no room.
    private func sendPacks(_ upcalls: Upcalls, _ lost: inout UInt64) -> TakenUpcalls {
        var taken = TakenUpcalls()
        var (offset, index) = (0, 0)
        while index < upcalls.count {
            // The first message, and those behind it that have room beside it.
            let start = offset
            let first = index
            repeat {
                offset = netlinkAligned(upcalls.end(of: offset))
                index += 1
            } while index < upcalls.count && upcalls.end(of: offset) - start <= Self.packRoom
            let range = start..<min(offset, upcalls.bytes.byteCount)
            let result =
                index - first == 1
                ? send(upcalls.bytes.clamped(start..<upcalls.end(of: start))) : sendPack(upcalls.bytes.clamped(range))
            switch result {
            case .delivered: taken.insert(first..<index)
            case .queueFull: lost += UInt64(index - first)
            case .noReceiver: break
            }
        }
        return taken
    }

    /// Sends messages of the device in one datagram, behind a header of their own.
    /// - Parameter messages: at most `packRoom` bytes.
    private func sendPack(_ messages: RawSpan) -> UpcallResult {
        guard tellOfLossFirst() else { return .queueFull }
        let size = MessageHeader.size + messages.byteCount
        return unsafe withUnsafeTemporaryAllocation(byteCount: Self.packSize, alignment: 8) { pack in
            // All of it is written before it is read, and nothing behind `size`.
            let header = MessageHeader(
                length: UInt32(MessageHeader.size), type: .noop,
                sequence: lastPack.add(1, ordering: .relaxed).newValue)
            unsafe pack.storeBytes(of: header.length, as: UInt32.self)
            unsafe pack.storeBytes(of: UInt32(header.type.rawValue), toByteOffset: 4, as: UInt32.self)
            unsafe pack.storeBytes(of: header.sequence, toByteOffset: 8, as: UInt32.self)
            unsafe pack.storeBytes(of: header.portID, toByteOffset: 12, as: UInt32.self)
            unsafe messages.withUnsafeBytes {
                unsafe UnsafeMutableRawBufferPointer(rebasing: pack[MessageHeader.size...]).copyMemory(from: $0)
            }
            var offset = MessageHeader.size
            while offset + MessageHeader.size <= size {
                let length = unsafe pack.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
                let type = unsafe pack.loadUnaligned(fromByteOffset: offset + 4, as: UInt16.self)
                unsafe pack.storeBytes(
                    of: NetlinkNumbers.type(ofDevice: MessageType(rawValue: type)).rawValue, toByteOffset: offset + 4,
                    as: UInt16.self)
                offset += netlinkAligned(max(Int(length), MessageHeader.size))
            }
            return unsafe socket.send(
                RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: pack[..<size])), to: portID)
        }
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
