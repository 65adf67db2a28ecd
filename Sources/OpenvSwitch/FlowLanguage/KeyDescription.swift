/// A key attribute: a row of the table of keys (`KeyTable`).
package struct KeyDescription: Sendable {
    package let type: UInt16
    /// Its name in linux/openvswitch.h.
    package let constant: String
    /// What the text form calls it; empty if it has no name there.
    package let name: String
    package let payload: Payload
    package let presence: Presence
    package let setting: Setting
    /// A sentence for the reader of the documentation.
    package let meaning: String

    /// What the attribute holds.
    package enum Payload: Sendable {
        /// So many bytes with fields in them. Bytes without a field are padding.
        case fields(size: Int, [KeyField])
        /// One to three MPLS label stack entries of four bytes, the outermost first.
        case labelStack
        /// The attributes of these rows.
        case nested([AttributeDescription])
        /// Key attributes: what stands behind a VLAN tag.
        case keys
        /// Nothing that ever comes over Netlink.
        case none
    }

    /// When a key has the attribute, and when a mask may have it.
    package enum Presence: Sendable, BitwiseCopyable {
        /// It may be absent, which is 0, and is always in what the datapath writes. A mask may have it if the key has it.
        case metadata
        /// As metadata, but a mask may have it without the key.
        case freelyMasked
        /// A packet from a tunnel has it; in a mask it may always be.
        case tunnel
        /// A packet with an Ethernet header has it.
        case ethernetHeader
        /// A packet with a VLAN tag has it, once for each of two tags.
        case vlanTag
        /// All packets but IEEE 802.3 frames without a type have it; a mask may always have it.
        case etherType
        /// Packets of these EtherTypes must have it; a mask may have it if the EtherType is exact in the mask.
        case network(UInt16, UInt16)
        /// Packets of this EtherType may have it; a mask may have it if the key has it.
        case networkExtra(UInt16)
        /// Packets of an IP protocol over one of these EtherTypes must have it, unless they are later fragments; a mask may
        /// have it if the protocol is exact in the mask.
        case transport(UInt16, UInt16, protocol: UInt8)
        /// ICMPv6 of the types 135 and 136 must have it; a mask may have it if the type is exact in the mask.
        case neighbourDiscovery
        /// Packets of this EtherType may have it, if their connection is known; a mask may have it if the EtherType is
        /// exact in the mask, even if the key has none.
        case connectionTuple(UInt16)
        /// It belongs to another datapath: a request that has it is refused.
        case foreign
    }

    /// Whether a set action may write it.
    package enum Setting: Sendable {
        case never
        /// On any packet.
        case anyPacket
        /// On a packet with an Ethernet header.
        case ethernetHeader
        /// On packets of these EtherTypes.
        case network(UInt16, UInt16)
        /// On packets of this IP protocol.
        case transport(UInt8)
        /// The packet's own value is not what is set but what a tunnel port is told.
        case tunnel
        /// It can be installed, but a packet that comes to it is dropped.
        case fails
    }

    init(
        _ type: UInt16, _ constant: String, _ name: String, _ payload: Payload, _ presence: Presence,
        set setting: Setting = .never, _ meaning: String
    ) {
        self.type = type
        self.constant = constant
        self.name = name
        self.payload = payload
        self.presence = presence
        self.setting = setting
        self.meaning = meaning
    }

    /// The fields of an attribute with a fixed layout.
    package var fields: [KeyField] { if case .fields(_, let fields) = payload { fields } else { [] } }

    /// The exact length of the payload, or nil if it varies.
    package var size: Int? {
        switch payload {
        case .fields(let size, _): size
        case .none: 0
        case .labelStack, .nested, .keys: nil
        }
    }
}

extension KeyDescription.Presence {
    /// Whether a key must have the attribute, judged by its other fields.
    func isDemanded(by key: FlowKey) -> Bool {
        switch self {
        case .network(let type, let other): key.etherType == type || key.etherType == other
        case .transport(let type, let other, let number):
            (key.etherType == type || key.etherType == other) && key.fragment != Fragment.later
                && key.ipProtocol == number
        case .neighbourDiscovery: key.isNeighbourDiscovery
        default: false
        }
    }

    /// Whether a mask over a key may have the attribute.
    /// - Parameter isInKey: whether the key has it.
    func isAllowed(in mask: FlowMask, over key: FlowKey, isInKey: Bool) -> Bool {
        switch self {
        case .freelyMasked, .tunnel, .etherType: true
        case .metadata, .ethernetHeader, .vlanTag, .networkExtra: isInKey
        case .network: isDemanded(by: key) && mask.etherType == .max
        case .transport: isDemanded(by: key) && mask.ipProtocol == .max
        case .neighbourDiscovery: isDemanded(by: key) && mask.transportSource == 0xff
        case .connectionTuple(let type):
            // As in the kernel, where the tuple of IPv6 shares its place with the fields of neighbour discovery.
            key.etherType == type && mask.etherType == .max
                && !(type == EtherType.ipv6 && key.isNeighbourDiscovery)
        case .foreign: false
        }
    }

    /// Whether the datapath writes the attribute when it writes this key or a mask over it.
    func isWritten(for key: FlowKey) -> Bool {
        switch self {
        case .metadata, .freelyMasked, .tunnel: true
        case .ethernetHeader: key.kind != 0
        case .networkExtra(let type): key.etherType == type
        case .connectionTuple(let type): key.ctOriginalProtocol != 0 && key.etherType == type
        case .network, .transport, .neighbourDiscovery: isDemanded(by: key)
        // These have an order of their own.
        case .vlanTag, .etherType, .foreign: false
        }
    }
}

extension FlowKey {
    /// Whether the packet is a neighbour solicitation or advertisement, by its type alone.
    var isNeighbourDiscovery: Bool {
        etherType == EtherType.ipv6 && fragment != Fragment.later && ipProtocol == IPProtocol.icmpv6
            && (transportSource == 135 || transportSource == 136)
    }
}
