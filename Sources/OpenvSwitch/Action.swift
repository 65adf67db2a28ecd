/// One action of a flow or of a packet execute, as a client builds it. `ActionTable` describes them.
///
/// What has no case here, and what could not be given back byte for byte, travels as `other`, so that reading and writing
/// loses nothing. Numbers are in host byte order.
public enum Action: Equatable, Sendable {
    /// Send the packet to a vport.
    case output(UInt32)
    /// Send the packet to a client.
    case userspace(UserspaceAction)
    /// Overwrite a header or a piece of metadata.
    case set(FieldValue)
    /// Overwrite the bits of a header that the mask has. Bits of the value outside the mask must be 0.
    case setMasked(FieldValue, mask: FieldValue)
    /// Put a VLAN tag in front. The TCI needs the bit 0x1000.
    case pushVLAN(tpid: UInt16, tci: UInt16)
    /// Take the outermost VLAN tag off.
    case popVLAN
    /// Carry actions out on a clone of the packet, with a probability of `probability` / (2³² − 1).
    case sample(probability: UInt32, [Action])
    /// Send the packet through the flow table once more, with this recirculation ID.
    case recirc(UInt32)
    /// Compute `dp_hash` from the packet's flow: algorithm 0 (`l4`) or 1 (`sym_l4`).
    case hash(algorithm: UInt32, basis: UInt32)
    /// Put an MPLS label stack entry in front of the network header: label (20 bits), traffic class (3), bottom of stack
    /// (1), TTL (8). The EtherType is that of the frame from then on, 0x8847 or 0x8848.
    case pushMPLS(entry: UInt32, etherType: UInt16)
    /// Take the outermost label stack entry off; the EtherType says what is behind it.
    case popMPLS(etherType: UInt16)
    /// Look for the packet's connection. The order of the fields counts: commit comes before NAT.
    case ct([CTField])
    /// Cut what the next output or userspace action sends to so many bytes.
    case truncate(UInt32)
    /// Put an Ethernet header in front of a packet that has none.
    case pushEthernet(source: UInt64, destination: UInt64)
    /// Take the Ethernet header off.
    case popEthernet
    /// Forget what connection tracking found.
    case ctClear
    /// Put a network service header in front.
    case pushNSH(NSHFields)
    /// Take the network service header off.
    case popNSH
    /// Draw from a meter, which may drop the packet.
    case meter(UInt32)
    /// Carry actions out on a clone of the packet.
    case clone([Action])
    /// Carry one of two lists out, by whether the packet is longer than so many bytes.
    case checkPacketLength(UInt16, ifGreater: [Action], ifLessEqual: [Action])
    /// Put a label stack entry in front: of the network header if `tunnelFlags` has bit 1, else of the whole packet.
    case addMPLS(entry: UInt32, etherType: UInt16, tunnelFlags: UInt16)
    /// Take one off the TTL; a packet whose TTL has expired goes through these actions and no further.
    case decrementTTL(ifExpired: [Action])
    /// Drop the packet, for this reason; must be the last action.
    case drop(UInt32)
    /// Send a sample of the packet to a psample group.
    case psample(group: UInt32, cookie: [UInt8]?)
    /// Any other action: its type, with the flag bits it was sent with, and its payload.
    case other(UInt16, [UInt8])
}

/// `OVS_ACTION_ATTR_USERSPACE`.
public struct UserspaceAction: Equatable, Sendable {
    /// The port ID that gets the upcall.
    public var portID: UInt32
    /// Given back in the upcall as it is.
    public var userdata: [UInt8]?
    public var egressTunnelPort: UInt32?
    /// Give the actions back in the upcall too.
    public var includesActions: Bool

    public init(
        portID: UInt32, userdata: [UInt8]? = nil, egressTunnelPort: UInt32? = nil, includesActions: Bool = false
    ) {
        self.portID = portID
        self.userdata = userdata
        self.egressTunnelPort = egressTunnelPort
        self.includesActions = includesActions
    }
}

/// One attribute of `OVS_ACTION_ATTR_CT`.
public enum CTField: Equatable, Sendable {
    case commit
    case forceCommit
    case zone(UInt16)
    case mark(UInt32, mask: UInt32)
    case labels(ConnectionLabels, mask: ConnectionLabels)
    case helper(String)
    /// Address translation; without fields that which the connection was committed with.
    case nat([NATField])
    case eventMask(UInt32)
    case timeout(String)
}

/// One attribute of `OVS_CT_ATTR_NAT`.
public enum NATField: Equatable, Sendable {
    case source
    case destination
    /// First address of a range: 4 or 16 bytes in wire order.
    case minimumAddress([UInt8])
    case maximumAddress([UInt8])
    /// First port of a range.
    case minimumPort(UInt16)
    case maximumPort(UInt16)
    case persistent
    case hash
    case random
}

/// A network service header (RFC 8300) as `OVS_KEY_ATTR_NSH` holds it, or a mask over one.
public struct NSHFields: Equatable, Sendable {
    public var flags: UInt8
    public var ttl: UInt8
    public var metadataType: UInt8
    /// See `NSHNextProtocol`.
    public var nextProtocol: UInt8
    /// Service path identifier (24 bits) and service index (8).
    public var path: UInt32
    /// The context of metadata type 1: 16 bytes.
    public var context: [UInt8]?
    /// The metadata of type 2.
    public var metadata: [UInt8]?

    public init(
        flags: UInt8 = 0, ttl: UInt8 = 63, metadataType: UInt8 = 1, nextProtocol: UInt8, path: UInt32,
        context: [UInt8]? = nil, metadata: [UInt8]? = nil
    ) {
        self.flags = flags
        self.ttl = ttl
        self.metadataType = metadataType
        self.nextProtocol = nextProtocol
        self.path = path
        self.context = context
        self.metadata = metadata
    }
}
