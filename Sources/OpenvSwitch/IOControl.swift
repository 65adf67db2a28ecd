import Netlink

/// The code of an I/O control: device type, access, function and method, composed as `CTL_CODE` does.
public struct IOControlCode: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Device type of the Open vSwitch device.
    public static let deviceType: UInt32 = 45000

    init(function: UInt32, method: UInt32, access: UInt32) {
        rawValue = Self.deviceType << 16 | access << 14 | function << 2 | method
    }

    // The codes of the Windows interface.

    /// No input; output is the handle's port ID (u32). No Netlink.
    public static let getPortID = IOControlCode(function: 0x100, method: 0, access: 2)
    /// No input; output is the next piece of the dump that `write` began on this handle.
    public static let read = IOControlCode(function: 0x101, method: 2, access: 1)
    /// No input; output is one event, or nothing.
    public static let readEvent = IOControlCode(function: 0x102, method: 2, access: 1)
    /// No input; output is one upcall, or nothing.
    public static let readPacket = IOControlCode(function: 0x103, method: 2, access: 1)
    /// Input is one message, the start of a dump or a control command; no output.
    public static let write = IOControlCode(function: 0x104, method: 1, access: 1)
    /// Input is one request or several; output is their replies, errors and acknowledgements.
    public static let transact = IOControlCode(function: 0x105, method: 2, access: 2)

    // Martlet's own, in the range that is left to vendors.

    /// Input is a `DumpCursor` and a dump request; output is a `DumpCursor` and whole messages.
    public static let dump = IOControlCode(function: 0x800, method: 2, access: 1)
    /// Input is a `Subscription`; no output. No Netlink.
    public static let subscribe = IOControlCode(function: 0x801, method: 0, access: 1)
    /// Input is a `QueueKind` (u32); no output. Completes when that queue is not empty. No Netlink.
    public static let pend = IOControlCode(function: 0x802, method: 0, access: 1)
    /// Input is a `QueueKind` (u32), or nothing for both; no output. Completes what waits for it with `cancelled`. No
    /// Netlink.
    public static let cancel = IOControlCode(function: 0x803, method: 0, access: 1)
    /// No input; output is `DeviceVersion`. No Netlink.
    public static let getVersion = IOControlCode(function: 0x804, method: 0, access: 1)

    /// No input; output is `LegacyStatistics`. The legacy device answers it, the Netlink device does not. No Netlink.
    public static let getStatistics = IOControlCode(function: 0x820, method: 0, access: 1)

    // Of the Netlink door: the Unix-socket door answers them, the device does not know them. No Netlink but inside a
    // datagram.

    /// No input; output is how to prove which Netlink socket is the client's.
    public static let netlinkOpen = IOControlCode(function: 0x810, method: 0, access: 1)
    /// No input; output is the port ID (u32) of the client's Netlink socket, which the handle has from then on.
    public static let netlinkBind = IOControlCode(function: 0x811, method: 0, access: 1)
    /// Input is a datagram of the client; output is how far it was carried out. Replies go to the client's socket.
    public static let netlinkSend = IOControlCode(function: 0x812, method: 0, access: 1)
    /// Input is a `DumpCursor` and a dump request; output is a `DumpCursor`. The messages go to the client's socket.
    public static let netlinkPull = IOControlCode(function: 0x813, method: 0, access: 1)
    /// Input is a datagram, which goes to the client's socket as it is.
    public static let netlinkForward = IOControlCode(function: 0x814, method: 0, access: 1)
    /// No input, no output. From then on several upcalls may come to the client's socket in one datagram.
    public static let netlinkPack = IOControlCode(function: 0x815, method: 0, access: 1)

    /// The codes that the device answers.
    public static let all: [IOControlCode] = [
        .getPortID, .read, .readEvent, .readPacket, .write, .transact, .dump, .subscribe, .pend, .cancel, .getVersion,
    ]
    /// The codes that the legacy device answers.
    public static let legacy: [IOControlCode] = [.getPortID, .getVersion, .getStatistics]
    /// The codes of the Netlink door.
    public static let netlink: [IOControlCode] = [
        .netlinkOpen, .netlinkBind, .netlinkSend, .netlinkPull, .netlinkForward, .netlinkPack,
    ]

    /// The function number (12 bits).
    public var function: UInt32 { rawValue >> 2 & 0xfff }

    /// A name for people.
    public var name: String {
        switch self {
        case .getPortID: "getPortID"
        case .read: "read"
        case .readEvent: "readEvent"
        case .readPacket: "readPacket"
        case .write: "write"
        case .transact: "transact"
        case .dump: "dump"
        case .subscribe: "subscribe"
        case .pend: "pend"
        case .cancel: "cancel"
        case .getVersion: "getVersion"
        case .getStatistics: "getStatistics"
        case .netlinkOpen: "netlinkOpen"
        case .netlinkBind: "netlinkBind"
        case .netlinkSend: "netlinkSend"
        case .netlinkPull: "netlinkPull"
        case .netlinkForward: "netlinkForward"
        case .netlinkPack: "netlinkPack"
        default: "0x" + String(rawValue, radix: 16)
        }
    }
}

/// How an I/O control ended. A failure here is one of the call; a request that the datapath refuses is a success of the
/// call whose output is an `NLMSG_ERROR`.
public struct IOStatus: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    public static let success = IOStatus(rawValue: 0)
    /// The request is pended; it completes later.
    public static let pending = IOStatus(rawValue: 0x103)
    /// Input that is no request this code takes.
    public static let invalidParameter = IOStatus(rawValue: 0xC000_000D)
    /// The code is not known.
    public static let invalidDeviceRequest = IOStatus(rawValue: 0xC000_0010)
    /// The peer's credentials do not allow it.
    public static let accessDenied = IOStatus(rawValue: 0xC000_0022)
    /// The output buffer is too small. Nothing has changed; `information` is the size that suffices.
    public static let bufferTooSmall = IOStatus(rawValue: 0xC000_0023)
    /// Input or output is shorter than the code demands.
    public static let invalidLength = IOStatus(rawValue: 0xC023_0014)
    /// Too many handles.
    public static let insufficientResources = IOStatus(rawValue: 0xC000_009A)
    /// A request for this queue is pended on this handle already.
    public static let deviceBusy = IOStatus(rawValue: 0x8000_0011)
    /// The pended request was cancelled, or its handle closed.
    public static let cancelled = IOStatus(rawValue: 0xC000_0120)
    /// The device is gone.
    public static let notFound = IOStatus(rawValue: 0xC000_0225)
    /// Events or packets were lost because the queue was full. Reported once; the next call reads on.
    public static let overflow = IOStatus(rawValue: 0x8000_0005)

    /// A sentence for people.
    public var explanation: String {
        switch self {
        case .success: "done"
        case .pending: "the request is pended"
        case .invalidParameter: "the request is not one this I/O control takes"
        case .invalidDeviceRequest: "there is no such I/O control"
        case .accessDenied: "this needs root or membership in the group of the device's socket"
        case .bufferTooSmall: "the output buffer is too small"
        case .invalidLength: "input or output is shorter than this I/O control demands"
        case .insufficientResources: "the device has no more handles"
        case .deviceBusy: "a request for this queue is pended on this handle already"
        case .cancelled: "the request was cancelled"
        case .notFound: "the device is gone"
        case .overflow: "the queue was full and messages were lost"
        default: "status 0x" + String(rawValue, radix: 16)
        }
    }
}

/// Where a dump goes on. Bytes for the client to bring back, 16 on the wire in host byte order; all zero begins a dump,
/// and all zero in an answer says that the dump is complete.
///
/// The device keeps nothing between the calls. Bringing the same cursor twice gives the same place twice.
public struct DumpCursor: Equatable, Hashable, Sendable {
    /// The record that comes next.
    public var position: UInt64
    /// The table's generation when the dump began; another one now means that the dump is interrupted.
    public var generation: UInt64

    public static let size = 16
    public static let start = DumpCursor(position: 0, generation: 0)

    public init(position: UInt64, generation: UInt64) {
        self.position = position
        self.generation = generation
    }

    /// Whether this is the cursor of a dump that has not begun, or is complete.
    public var isZero: Bool { position == 0 && generation == 0 }

    public init?(_ bytes: RawSpan) {
        guard let position: UInt64 = bytes.load(at: 0), let generation: UInt64 = bytes.load(at: 8) else { return nil }
        self.init(position: position, generation: generation)
    }
}

/// Which of a handle's two queues.
public enum QueueKind: UInt32, Sendable, CaseIterable {
    /// Multicast: events.
    case event = 0
    /// Unicast: upcalls.
    case packet = 1
}

/// Joining or leaving a queue: 12 bytes in host byte order.
public struct Subscription: Equatable, Sendable {
    public var queue: QueueKind
    /// The group to join or leave; without meaning for packets.
    public var group: MulticastGroup
    public var join: Bool

    public static let size = 12

    public init(_ queue: QueueKind, group: MulticastGroup = MulticastGroup(rawValue: 0), join: Bool = true) {
        self.queue = queue
        self.group = group
        self.join = join
    }

    public init?(_ bytes: RawSpan) {
        guard bytes.byteCount == Self.size, let kind: UInt32 = bytes.load(at: 0), let queue = QueueKind(rawValue: kind),
            let group: UInt32 = bytes.load(at: 4), let join: UInt32 = bytes.load(at: 8), join <= 1
        else { return nil }
        self.init(queue, group: MulticastGroup(rawValue: group), join: join == 1)
    }

    public var bytes: [UInt8] { hostBytes([queue.rawValue, group.rawValue, join ? 1 : 0]) }
}

extension DumpCursor {
    public var bytes: [UInt8] {
        hostBytes([position, generation])
    }
}

func hostBytes<T: FixedWidthInteger & BitwiseCopyable>(_ values: [T]) -> [UInt8] {
    unsafe values.withUnsafeBytes { unsafe Array($0) }
}
