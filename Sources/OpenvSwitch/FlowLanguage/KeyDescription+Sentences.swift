// The rules of a row as sentences, for the documentation and for error messages.

extension KeyDescription.Presence {
    /// When a key has the attribute.
    package var keyRule: String {
        switch self {
        case .metadata: "may be absent, which is 0; written always"
        case .freelyMasked: "may be absent"
        case .tunnel: "of a packet that came through a tunnel"
        case .ethernetHeader: "of a packet with an Ethernet header"
        case .vlanTag: "of a packet with a VLAN tag, and again inside ENCAP of one with two"
        case .etherType: "of every packet but IEEE 802.3 frames without a type"
        case .network(let type, let other): "needed if the EtherType is \(Self.types(type, other))"
        case .networkExtra(let type): "may be there if the EtherType is \(Self.types(type, type)); written always then"
        case .transport(let type, let other, let number):
            "needed if the EtherType is \(Self.types(type, other)) and the protocol \(number), but not of later fragments"
        case .neighbourDiscovery: "needed if the packet is ICMPv6 of type 135 or 136, but not of later fragments"
        case .connectionTuple(let type): "may be there if the EtherType is \(Self.types(type, type))"
        case .foreign: "refused"
        }
    }

    /// When a mask may have the attribute.
    package var maskRule: String {
        switch self {
        case .freelyMasked, .tunnel, .etherType: "it may always be matched"
        case .metadata, .ethernetHeader, .networkExtra: "it can be matched if the key has it"
        case .vlanTag: "it can be matched if the key has a tag at this level, together with ENCAP and the whole TPID"
        case .network(let type, let other):
            "it can be matched only if the EtherType is \(Self.types(type, other)), and exact in the mask"
        case .transport(_, _, let number):
            "it can be matched only if the IP protocol is \(number), and exact in the mask"
        case .neighbourDiscovery: "it can be matched only if the ICMPv6 type is 135 or 136, and exact in the mask"
        case .connectionTuple(let type):
            "it can be matched only if the EtherType is \(Self.types(type, type)), and exact in the mask"
                + (type == EtherType.ipv6 ? "; not in neighbour discovery" : "")
        case .foreign: "refused"
        }
    }

    private static func types(_ first: UInt16, _ second: UInt16) -> String {
        let names = [first, second].map { "0x" + String.hex($0, digits: 4) }
        return first == second ? names[0] : names.joined(separator: " or ")
    }
}

extension KeyDescription.Setting {
    /// Where a set action may write the attribute; nil if nowhere.
    package var rule: String? {
        switch self {
        case .never: nil
        case .anyPacket: "any packet"
        case .ethernetHeader: "a packet with an Ethernet header"
        case .network(let type, let other):
            "a packet whose EtherType is "
                + (type == other ? [type] : [type, other]).map { "0x" + String.hex($0, digits: 4) }
                .joined(separator: " or ")
        case .transport(let number): "an IP packet of protocol \(number)"
        case .tunnel: "any packet, without a mask; refused for now, as there are no tunnels yet"
        case .fails: "accepted, but a packet that comes to it is dropped"
        }
    }
}

extension FieldForm {
    /// What the field holds, in few words.
    package var words: String {
        switch self {
        case .ethernet: "MAC address"
        case .ipv4: "IPv4 address"
        case .ipv6: "IPv6 address"
        case .flowLabel: "20 bits, hexadecimal"
        case .decimal8, .decimal16: "decimal"
        case .hex8, .hex16, .hex64, .unmasked32: "hexadecimal"
        case .fragment: "`no` 0, `first` 1, `later` 2"
        case .etherType: "four hexadecimal digits"
        case .tcpFlags: "flags: `syn|ack`, masked `+syn-ack`"
        case .vlan: "`vid` (lowest 12 bits), `cfi` (1), `pcp` (3)"
        case .hostHex16, .hostHex32: "hexadecimal, host byte order"
        case .connectionState: "flags: `new|trk`, masked `+new-est`; host byte order"
        case .port: "number or name of a port; host byte order"
        case .labels: "hexadecimal, as one number"
        }
    }
}
