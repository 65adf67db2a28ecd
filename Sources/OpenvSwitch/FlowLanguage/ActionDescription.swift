/// An action: a row of the table of actions (`ActionTable`). A class, so that to look at a row copies nothing.
package final class ActionDescription: Sendable {
    package let type: UInt16
    /// Its name in linux/openvswitch.h.
    package let constant: String
    /// What the text form and error messages call it.
    package let name: String
    package let payload: Payload
    /// The exact length of the payload, or nil if it varies.
    package let size: Int?
    /// The fields of a payload with a fixed layout.
    package let fields: [ActionField]
    /// What must be true where the action stands.
    package let rules: [Rule]
    /// What is known of the packet behind the action.
    package let effects: [Effect]
    package let text: TextForm
    /// The action as text, as it is printed.
    package let example: String
    package let support: Support
    /// A sentence for the reader of the documentation.
    package let meaning: String

    /// What the action holds.
    package enum Payload: Sendable {
        /// So many bytes with fields in them. Bytes without a field are padding.
        case fields(size: Int, [ActionField])
        /// The attributes of these rows.
        case nested(AttributeNest)
        /// A list of actions.
        case actions
        /// One key attribute.
        case key
        /// One key attribute with twice its length: the value and then the mask. In `OVS_KEY_ATTR_NSH` it is the attributes
        /// inside that have twice their length.
        case maskedKey
        /// One key attribute `OVS_KEY_ATTR_NSH`.
        case networkServiceHeader
    }

    /// What must be true of the packet, as far as the flow's key and the actions before this one tell.
    package enum Rule: Sendable {
        case ethernetHeader
        case noEthernetHeader
        case noVLANTag
        /// The packet has one of these EtherTypes where the action stands.
        case etherTypes([UInt16])
        /// The flow's key has one of these EtherTypes, whatever the actions before have made of the packet.
        case flowEtherTypes([UInt16])
        /// No action follows in the same list.
        case last
        /// A rule that no case says; the compiler has it in code.
        case other(String)
    }

    /// What the action changes in what is known of the packet.
    package enum Effect: Sendable {
        case ethernetHeader(Bool)
        case vlanTag(Bool)
        /// A change that no case says; the compiler has it in code.
        case other(String)
    }

    /// How the action is written.
    package enum TextForm: Sendable {
        /// By the number or the name of a port alone.
        case port
        /// By its name alone.
        case name
        /// By its name and empty parentheses.
        case emptyParentheses
        /// By its name and its only field in parentheses.
        case decimal, hexadecimal
        /// As the example shows; printer and parser have it in code.
        case own
    }

    /// Whether this datapath carries the action out.
    package enum Support: Sendable {
        case complete
        /// But for what the sentence says.
        case partial(String)
        /// It is refused when it is installed, after its contents have been found valid: with this error number and for
        /// this reason.
        case refused(Int32, String)
    }

    init(
        _ type: UInt16, _ constant: String, _ name: String, _ payload: Payload, rules: [Rule] = [],
        effects: [Effect] = [], text: TextForm = .own, example: String, support: Support = .complete,
        _ meaning: String
    ) {
        self.type = type
        self.constant = "OVS_ACTION_ATTR_" + constant
        self.name = name
        self.payload = payload
        if case .fields(let size, let fields) = payload {
            self.size = size
            self.fields = fields
        } else {
            size = nil
            fields = []
        }
        self.rules = rules
        self.effects = effects
        self.text = text
        self.example = example
        self.support = support
        self.meaning = meaning
    }

    /// The rows of the attributes inside.
    package var nest: AttributeNest? { if case .nested(let nest) = payload { nest } else { nil } }
}

extension ActionDescription.Rule {
    /// The rule as a sentence, for the documentation and for an error message where it is broken.
    package var sentence: String {
        switch self {
        case .ethernetHeader: "the packet must have an Ethernet header"
        case .noEthernetHeader: "the packet must have no Ethernet header"
        case .noVLANTag: "the packet must have no VLAN tag"
        case .etherTypes(let types): "the packet must be \(EtherType.names(types))"
        case .flowEtherTypes(let types): "the flow must be \(EtherType.names(types))"
        case .last: "it must be the last action of its list"
        case .other(let sentence): sentence
        }
    }
}

extension ActionDescription.Effect {
    /// The effect as a sentence.
    package var sentence: String {
        switch self {
        case .ethernetHeader(let isThere): "the packet has \(isThere ? "an" : "no") Ethernet header"
        case .vlanTag(let isThere): "the packet has \(isThere ? "a" : "no") VLAN tag"
        case .other(let sentence): sentence
        }
    }
}

extension EtherType {
    /// `IPv4, IPv6 or MPLS`.
    package static func names(_ types: [UInt16]) -> String {
        var names: [String] = []
        for type in types {
            let name =
                switch type {
                case ipv4: "IPv4"
                case ipv6: "IPv6"
                case arp: "ARP"
                case rarp: "RARP"
                case mplsUnicast, mplsMulticast: "MPLS"
                case nsh: "NSH"
                default: "0x" + String(type, radix: 16)
                }
            if names.last != name { names.append(name) }
        }
        return names.listed
    }
}

extension [String] {
    /// `a, b or c`.
    var listed: String {
        guard let last, count > 1 else { return first ?? "" }
        return dropLast().joined(separator: ", ") + " or " + last
    }
}
