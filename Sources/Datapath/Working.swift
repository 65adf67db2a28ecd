import OpenvSwitch
import Packets

/// A packet on its way through a program.
///
/// A list that is not the last of its program works on a clone: a value of its own that shares the packet's slot until
/// one of the two is changed.
@safe
struct Working {
    var packet: Packet
    /// Follows the packet through every change but pushes and pops, see `isKeyStale`.
    var key = FlowKey()
    var offsets = HeaderOffsets()
    /// The hash of the packet's flow; nil when a header that it covers has changed.
    var hash: PacketHash?
    private(set) var datapath: UnsafeMutablePointer<DatapathEntry>
    /// The port it came in on; nil if it came in on none.
    private(set) var port: UnsafeMutablePointer<PortEntry>?

    /// The batch of the transmit queue in which the slot was last queued for a port. While it is there, the slot must
    /// be copied before it is changed.
    var queuedIn: UInt64 = 0
    /// The slot is the packet's that this one is a clone of: it must be copied before it is changed.
    var isClone = false
    /// As `queuedIn`, of the slot that a clone shared before it was changed.
    var originQueuedIn: UInt64 = 0
    /// The slot is one of `ProcessorState.copies`, held for this packet.
    var holdsCopy = false
    /// Headers were pushed or popped, so that the key must be extracted anew before a look-up.
    var isKeyStale = false

    /// Lists under way whose packets this one is a clone of.
    var level = 0
    /// How often it went through the flow table again.
    var recirculations = 0

    /// What the next output or userspace action may send at most.
    var truncation = Int.max
    /// The longest fragment that the packet was put together from, without its Ethernet header; 0 if it is whole as it
    /// came.
    var maximumReceiveUnit: UInt16 = 0
    /// Who gets all upcalls of the packet; 0 for those whom vports and actions name.
    var upcallPortID: UInt32 = 0

    /// A packet whose key is still to be extracted.
    @inline(__always)
    init(packet: Packet, datapath: UnsafeMutablePointer<DatapathEntry>, port: UnsafeMutablePointer<PortEntry>?) {
        self.packet = packet
        unsafe self.datapath = datapath
        unsafe self.port = port
    }

    /// Makes it the work of another packet, as `init` would, without a copy of the whole.
    @inline(__always)
    mutating func begin(
        packet: Packet, datapath: UnsafeMutablePointer<DatapathEntry>, port: UnsafeMutablePointer<PortEntry>
    ) {
        self.packet = packet
        key.clear()
        offsets = HeaderOffsets()
        hash = nil
        unsafe self.datapath = datapath
        unsafe self.port = port
        queuedIn = 0
        isClone = false
        originQueuedIn = 0
        holdsCopy = false
        isKeyStale = false
        level = 0
        recirculations = 0
        truncation = .max
        maximumReceiveUnit = 0
        upcallPortID = 0
    }

    /// By which a flow is looked for, of a packet that has just come in.
    @inline(__always)
    var lookupHash: UInt32 { hash?.value ?? 0 }

    /// How far a packet may go. What goes further is dropped and counted as an error of its port.
    enum Limit {
        /// Clones of clones, each of which may hold a slot: 16 levels of lists (`Action.maximumDepth`), twice.
        static let levels = 32
        /// Look-ups behind each other. The kernel comes to 30: three at once, and three more for each of nine put off.
        static let recirculations = 32
        /// Look-ups of a packet and all its clones together.
        static let allRecirculations = 256
        /// Instructions of all the programs that a packet and its clones have begun: two lists of actions as long as an
        /// attribute can be.
        static let instructions = 32_768
    }
}

/// The hash of a packet's flow, as upcalls and executions carry it (`OVS_PACKET_ATTR_HASH`).
struct PacketHash: BitwiseCopyable {
    /// The hash in the lower 32 bits; bit 32: it was computed in software; bit 33: it covers the transport header.
    let rawValue: UInt64

    private static let software: UInt64 = 1 << 32
    private static let transport: UInt64 = 1 << 33

    /// Always inlined: for a call the key would be copied.
    @inline(__always)
    init(_ key: borrowing FlowKey, _ offsets: HeaderOffsets) {
        rawValue = UInt64(FlowHash.hash(key)) | Self.software | (offsets.transport >= 0 ? Self.transport : 0)
    }

    /// nil if a client's number does not say that it is a hash, or is 0, which is none.
    init?(rawValue: UInt64) {
        guard rawValue & (Self.software | Self.transport) != 0, UInt32(truncatingIfNeeded: rawValue) != 0 else {
            return nil
        }
        self.rawValue = rawValue
    }

    var value: UInt32 { UInt32(truncatingIfNeeded: rawValue) }
}

/// What a client says of a packet that it wants executed, beside the packet itself.
struct PacketMetadata {
    /// As `FlowMetadata.key`.
    var key: FlowKey
    /// As `Packet.networkType`.
    var networkType: UInt16
    /// As `FlowMetadata.tunnelOptions`.
    var tunnelOptions: [UInt8]
    var hash: PacketHash?
    /// As in `Working`.
    var maximumReceiveUnit: UInt16
    /// As in `Working`.
    var upcallPortID: UInt32
}
