/// A field in the payload of a key attribute: where it stands there and in a `FlowKey`, and how it is written.
package struct KeyField: Sendable {
    /// As in `src` of `ipv4(src=10.0.0.1)`; empty if the attribute has this one field and its name stands for it.
    package let name: String
    /// Another name that the parser takes.
    let alias: String?
    package let form: FieldForm
    /// Offset in the payload, in bytes.
    package let offset: Int
    /// Where the value is kept; nil if this datapath has no use for it.
    let place: FieldPlace?
    /// What a key may hold; a mask may hold anything.
    let permitted: ClosedRange<UInt64>
    /// What is wrong with a value outside `permitted`.
    let fault: String
    /// `permitted` holds in a mask too.
    let isMaskBound: Bool
    /// The bits that make an exact mask.
    let exact: UInt64

    init(
        _ name: String, _ form: FieldForm, at offset: Int = 0, _ place: FieldPlace?, alias: String? = nil,
        permitted: ClosedRange<UInt64> = 0...(.max), fault: String = "", isMaskBound: Bool = false, exact: UInt64 = .max
    ) {
        self.name = name
        self.alias = alias
        self.form = form
        self.offset = offset
        self.place = place
        self.permitted = permitted
        self.fault = fault
        self.isMaskBound = isMaskBound
        self.exact = exact
    }
}

/// What a field holds, and with it how many bytes it has, in which order, and how it is written.
package enum FieldForm: Sendable {
    case ethernet, ipv4, ipv6
    /// An IPv6 flow label: 20 bits in a 32-bit field.
    case flowLabel
    case decimal8, hex8, decimal16, hex16, hex64
    /// `enum ovs_frag_type`: `no`, `first` or `later`.
    case fragment
    /// A 32-bit number that is printed whatever its mask.
    case unmasked32
    /// Four hexadecimal digits.
    case etherType
    /// Twelve bits with names.
    case tcpFlags
    /// Tag control information: `vid`, `pcp` and `cfi`.
    case vlan
    /// Numbers in host byte order.
    case hostHex16, hostHex32
    /// Eight bits with names, in a 32-bit number in host byte order.
    case connectionState
    /// A vport by number or name: 32 bits in host byte order, kept in 16.
    case port
    /// 128 bits, written as one number.
    case labels

    /// Bytes in the payload.
    package var size: Int {
        switch self {
        case .decimal8, .hex8, .fragment: 1
        case .decimal16, .hex16, .etherType, .tcpFlags, .vlan, .hostHex16: 2
        case .ipv4, .flowLabel, .unmasked32, .hostHex32, .connectionState, .port: 4
        case .ethernet: 6
        case .hex64: 8
        case .ipv6, .labels: 16
        }
    }

    /// Whether a mask that is not 0 stands for an exact one.
    var isPromoted: Bool {
        switch self {
        case .port, .etherType: true
        default: false
        }
    }

    /// Whether the number is in host byte order; else it is in network byte order.
    package var isHostOrder: Bool {
        switch self {
        case .hostHex16, .hostHex32, .connectionState, .port: true
        default: false
        }
    }
}
