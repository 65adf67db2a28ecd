/// The names of the bits of a flag word, as the text form writes them.
struct FlagNames {
    /// Bit and name, from the lowest bit to the highest.
    let names: [(bit: UInt32, name: String)]
    /// The bits that a text may name.
    let allowed: UInt32

    private init(_ names: [(bit: UInt32, name: String)], allowed: UInt32? = nil) {
        self.names = names
        self.allowed = allowed ?? names.reduce(0) { $0 | $1.bit }
    }

    /// `OVS_KEY_ATTR_CT_STATE`.
    static let connectionState = FlagNames([
        (1, "new"), (2, "est"), (4, "rel"), (8, "rpl"), (16, "inv"), (32, "trk"), (64, "snat"), (128, "dnat"),
    ])
    /// `OVS_KEY_ATTR_TCP_FLAGS`.
    static let tcp = FlagNames([
        (1, "fin"), (2, "syn"), (4, "rst"), (8, "psh"), (16, "ack"), (32, "urg"), (64, "ece"), (128, "cwr"),
        (0x100, "ns"), (0x200, "[200]"), (0x400, "[400]"), (0x800, "[800]"),
    ])
    /// The flags of `OVS_KEY_ATTR_TUNNEL`, which are attributes of their own; the numbers mean nothing outside the
    /// text.
    static let tunnel = FlagNames([(1, "oam"), (2, "df"), (4, "csum"), (8, "key")])
    /// Why a packet goes to user space, in the cookie of `OVS_ACTION_ATTR_USERSPACE`.
    static let slowPath = FlagNames([
        (1, "cfm"), (2, "bfd"), (4, "lacp"), (8, "stp"), (16, "lldp"), (32, "action"), (64, "match"),
    ])

    func name(of bit: UInt32) -> String? { names.first { $0.bit == bit }?.name }

    /// `new|trk`; bits without a name as one number behind the names, no bits as `0`.
    func text(_ flags: UInt32, separator: String = "|") -> String {
        guard flags != 0 else { return "0" }
        var parts: [String] = []
        var unnamed = flags
        for (bit, name) in names where flags & bit != 0 {
            parts.append(name)
            unnamed &= ~bit
        }
        if unnamed != 0 { parts.append("0x" + String.hex(unnamed)) }
        return parts.joined(separator: separator)
    }

    /// `+new-est`, one word for each bit of `mask`; `0/0` without any, and as unmasked if `mask` is `full`.
    func text(_ flags: UInt32, mask: UInt32, full: UInt32) -> String {
        if mask == full { return text(flags) }
        guard mask != 0 else { return "0/0" }
        var result = ""
        for shift in UInt32(0)..<32 where mask & (1 << shift) != 0 {
            let bit: UInt32 = 1 << shift
            result += (flags & bit != 0 ? "+" : "-") + (name(of: bit) ?? "[Unknown]")
        }
        return result
    }
}
