import Netlink
import OpenvSwitch
import Packets

/// Who takes upcalls from the packet threads: the device.
public protocol UpcallReceiver: AnyObject, Sendable {
    /// Hands over complete messages of family `ovs_packet`, all of them for one port ID. Called on packet threads; it must
    /// not wait for a client.
    ///
    /// A port ID of 0 is nobody's; messages for it are handed over only while `watchesAll` is true.
    /// - Returns: which of them were taken.
    func deliver(_ upcalls: Upcalls, to portID: UInt32) -> TakenUpcalls
    /// Whether someone looks at every upcall, those included that no client takes. Called on packet threads.
    var watchesAll: Bool { get }
}

/// What became of an upcall.
public enum UpcallResult: Sendable {
    case delivered
    /// Nobody has that port ID (`ECONNREFUSED`).
    case noReceiver
    /// The receiver's queue is full (`EAGAIN`); the receiver will learn of it.
    case queueFull
}

/// Messages one behind the other, each on a four-byte boundary.
public struct Upcalls: ~Escapable, Sendable {
    public let bytes: RawSpan
    /// How many: at least one, and at most 64.
    public let count: Int

    /// The caller has composed the messages, so that their lengths are right.
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan, count: Int) {
        self.bytes = bytes
        self.count = count
    }

    /// Where the message that begins at `offset` ends, without its padding.
    public func end(of offset: Int) -> Int {
        let length: UInt32 = bytes.load(at: offset) ?? 0
        return offset + max(Int(length), MessageHeader.size)
    }

    /// Calls `body` for each message.
    /// - Returns: those for which it returned `delivered`.
    public func forEach(_ body: (RawSpan) -> UpcallResult) -> TakenUpcalls {
        var taken = TakenUpcalls()
        var offset = 0
        for index in 0..<count {
            let end = end(of: offset)
            if body(bytes.clamped(offset..<end)) == .delivered { taken.insert(index..<(index + 1)) }
            offset = netlinkAligned(end)
        }
        return taken
    }
}

/// Which of the messages of `Upcalls` were taken.
public struct TakenUpcalls: Equatable, Sendable {
    private var bits: UInt64 = 0
    /// Whether the receiver's queue is full, and its client told of everything that is lost until the next millisecond:
    /// for so long nothing more need be handed over.
    public var isQueueFull = false

    /// None.
    public init() {}

    /// - Parameter range: indices of messages, within 0..<64.
    public mutating func insert(_ range: Range<Int>) {
        for index in range { bits |= 1 << UInt64(index) }
    }

    public func contains(_ index: Int) -> Bool { bits >> UInt64(index) & 1 != 0 }
}

/// Composes the messages of upcalls, in memory that is used again and again, and gathers those that are for the same port
/// ID, so that they can be handed over together.
@safe
struct UpcallWriter: ~Copyable {
    private var writer = MessageWriter(capacity: 8192, limit: 70_000)
    /// Whom the messages are for.
    private(set) var portID: UInt32 = 0
    private var count = 0
    /// The counters that each message is to be counted in: those of a port, or nil, and those of a datapath.
    private let origins: UnsafeMutablePointer<Origin>

    /// Where the packet of a message was.
    @safe
    struct Origin {
        var port: UnsafeMutablePointer<PortEntry>?
        var datapath: UnsafeMutablePointer<DatapathEntry>
    }

    /// Messages that are gathered at most.
    private static let most = 64

    init() { unsafe origins = .allocate(capacity: Self.most) }

    deinit { unsafe origins.deallocate() }

    /// What goes into one upcall beside the packet.
    struct Content {
        var command: UInt8
        var datapathIfindex: Int32
        var portID: UInt32
        /// The longest fragment that the packet was put together from; 0 if it is whole as it came.
        var maximumReceiveUnit: UInt16
        /// Length before truncation, if the packet was cut.
        var fullLength: Int?
        var hash: PacketHash
        /// Leave the packet's attribute without padding (`OVS_DP_F_UNALIGNED`).
        var isUnaligned: Bool
    }

    var isEmpty: Bool { count == 0 }

    /// Composes a message behind those that have been gathered.
    ///
    /// Attributes stand in the kernel's order, the packet last.
    /// - Parameter tunnelOptions: see `TunnelOptions.bytes`.
    /// - Returns: false if there is no room for it behind others, or those are for another port ID; or if the packet is
    ///   longer than an attribute can be (65531 bytes). Nothing has changed then.
    mutating func append(
        _ content: Content, from origin: Origin, key: FlowKey, tunnelOptions: UnsafePointer<UInt8>, userdata: RawSpan?,
        actions: RawSpan?, packet: RawSpan
    ) -> Bool {
        guard count == 0 || (content.portID == portID && count < Self.most) else { return false }
        let start = writer.count
        do throws(NetlinkError) {
            let mark = try writer.begin(
                .packet, command: content.command, datapathIfindex: content.datapathIfindex)
            let nest = try writer.begin(nested: PacketAttribute.key)
            // At least as many as an 8-bit number says: see `TunnelOptions`.
            let options = unsafe RawSpan(
                _unsafeStart: tunnelOptions, byteCount: Int(key.tunnelOptionsLength))
            try key.write(tunnelOptions: options, to: &writer)
            try writer.end(nested: nest)
            if let userdata { try writer.append(PacketAttribute.userdata, bytes: userdata) }
            if let actions { try writer.append(PacketAttribute.actions, bytes: actions) }
            if content.maximumReceiveUnit != 0 {
                try writer.append(PacketAttribute.mru, content.maximumReceiveUnit)
            }
            if let length = content.fullLength {
                try writer.append(PacketAttribute.length, UInt32(truncatingIfNeeded: length))
            }
            try writer.append(PacketAttribute.hash, content.hash.rawValue)
            try writer.append(PacketAttribute.packet, bytes: packet)
            if content.isUnaligned {
                writer.truncate(to: writer.count - (netlinkAligned(packet.byteCount) - packet.byteCount))
            }
            writer.endUnpadded(message: mark)
            writer.pad()
        } catch {
            writer.truncate(to: start)
            return false
        }
        portID = content.portID
        unsafe (origins + count).initialize(to: origin)
        count += 1
        return true
    }

    /// Hands over what has been gathered, if anything, and says of each message whether it was taken.
    /// - Returns: whether the receiver's queue is full.
    mutating func flush(
        to receiver: any UpcallReceiver, _ note: (_ origin: Origin, _ portID: UInt32, _ isTaken: Bool) -> Void
    ) -> Bool {
        guard count > 0 else { return false }
        let taken = receiver.deliver(Upcalls(writer.bytes.rawSpan, count: count), to: portID)
        for index in 0..<count { unsafe note(origins[index], portID, taken.contains(index)) }
        writer.removeAll()
        count = 0
        return taken.isQueueFull
    }
}

/// The upcalls of a batch, gathered for each port ID.
@safe
struct UpcallBatch: ~Copyable {
    /// What is gathered for one port ID each; those in front are in use.
    private let writers: UnsafeMutablePointer<UpcallWriter>
    private var used = 0
    /// Port IDs whose queue was full, and when, in milliseconds; each has its place.
    private var full = InlineArray<8, (portID: UInt32, time: UInt64)>(repeating: (0, 0))

    /// Port IDs for which upcalls are gathered at the same time.
    private static let most = 8

    init() {
        unsafe writers = .allocate(capacity: Self.most)
        for index in 0..<Self.most { unsafe (writers + index).initialize(to: UpcallWriter()) }
    }

    deinit {
        unsafe writers.deinitialize(count: Self.most)
        unsafe writers.deallocate()
    }

    /// The writer that gathers for a port ID; nil if all gather for others.
    mutating func writer(for portID: UInt32) -> UnsafeMutablePointer<UpcallWriter>? {
        for index in 0..<used where unsafe writers[index].portID == portID { return unsafe writers + index }
        guard used < Self.most else { return nil }
        used += 1
        return unsafe writers + (used - 1)
    }

    /// Whether nothing has been gathered yet.
    var isEmpty: Bool {
        for index in 0..<used where unsafe !writers[index].isEmpty { return false }
        return true
    }

    /// The place of a port ID in `full`, which others share.
    private func place(of portID: UInt32) -> Int { Int(portID) % full.count }

    /// Whether a port ID's queue was full in this millisecond. Where packets come faster than a client can take them, most
    /// upcalls find it so, and each would be composed for nothing.
    func isFull(_ portID: UInt32, now: UInt64) -> Bool {
        let last = full[place(of: portID)]
        return last.portID == portID && last.time == now
    }

    /// Hands over what has been gathered, and says of each message whether it was taken.
    /// - Parameter now: milliseconds of the monotonic clock.
    mutating func flush(
        to receiver: any UpcallReceiver, now: UInt64,
        _ note: (_ origin: UpcallWriter.Origin, _ portID: UInt32, _ isTaken: Bool) -> Void
    ) {
        for index in 0..<used where unsafe writers[index].flush(to: receiver, note) {
            let portID = unsafe writers[index].portID
            full[place(of: portID)] = (portID, now)
        }
        used = 0
    }
}
