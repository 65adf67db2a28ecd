/// Prints action lists.
struct ActionPrinter {
    private(set) var text = ""
    private let portName: ((UInt32) -> String?)?
    private var depth = 0

    mutating func append(_ string: String) { text += string }

    init(portName: ((UInt32) -> String?)?) { self.portName = portName }

    /// Prints a list of actions, nested or not.
    mutating func list(_ bytes: [UInt8]) {
        guard !bytes.isEmpty else {
            text += "drop"
            return
        }
        guard depth < FlowText.maximumDepth else {
            text += "<nested too deep>"
            return
        }
        depth += 1
        defer { depth -= 1 }
        let attributes = TextAttributes(bytes)
        for (index, attribute) in attributes.list.enumerated() {
            if index > 0 { text += "," }
            action(attribute)
        }
        if !attributes.leftover.isEmpty {
            if attributes.leftover.count == bytes.count { text += "<empty>" }
            text += ",***\(attributes.leftover.count) leftover bytes*** (\(String.hexBytes(attributes.leftover)))"
        }
    }

    /// The exact length of an action's payload, or nil if it varies; -1 for an action that is unknown.
    private static func expectedLength(_ type: UInt16) -> Int? {
        switch type {
        case ActionAttribute.output, ActionAttribute.trunc, ActionAttribute.meter, ActionAttribute.recirc,
            ActionAttribute.pushVLAN, ActionAttribute.drop:
            4
        case ActionAttribute.popVLAN, ActionAttribute.popEthernet, ActionAttribute.popNSH, ActionAttribute.ctClear: 0
        case ActionAttribute.hash, ActionAttribute.pushMPLS, ActionAttribute.addMPLS: 8
        case ActionAttribute.popMPLS: 2
        case ActionAttribute.pushEthernet: 12
        case ActionAttribute.userspace, ActionAttribute.set, ActionAttribute.setMasked, ActionAttribute.sample,
            ActionAttribute.ct, ActionAttribute.clone, ActionAttribute.pushNSH, ActionAttribute.checkPacketLength,
            ActionAttribute.decrementTTL, ActionAttribute.psample:
            nil
        default: -1
        }
    }

    private mutating func action(_ attribute: TextAttribute) {
        let payload = attribute.payload
        if let expected = Self.expectedLength(attribute.type), payload.count != expected {
            text += "bad length \(payload.count), expected \(expected) for: action\(attribute.type)"
            if !payload.isEmpty { text += "(\(String.hexBytes(payload, separator: " ")))" }
            return
        }
        switch attribute.type {
        case ActionAttribute.output: text += port(payload)
        case ActionAttribute.trunc: text += "trunc(\(payload.hostValue))"
        case ActionAttribute.meter: text += "meter(\(payload.hostValue))"
        case ActionAttribute.recirc: text += "recirc(\(String.prefixedHex(payload.hostValue)))"
        case ActionAttribute.userspace: userspace(payload)
        case ActionAttribute.set: set(payload)
        case ActionAttribute.setMasked: setMasked(payload)
        case ActionAttribute.pushVLAN:
            let tpid = payload.field(0, 2).bigEndianValue
            text += "push_vlan("
            if tpid != 0x8100 { text += "tpid=0x\(String.hex(tpid, digits: 4))," }
            var printer = KeyPrinter(verbose: false)
            printer.vlan(payload.field(2, 2).bigEndianValue, mask: 0xffff)
            text += printer.text + ")"
        case ActionAttribute.popVLAN: text += "pop_vlan"
        case ActionAttribute.pushMPLS: mpls("push_mpls", payload)
        case ActionAttribute.addMPLS: mpls("add_mpls", payload)
        case ActionAttribute.popMPLS: text += "pop_mpls(eth_type=0x\(String.hex(payload.bigEndianValue)))"
        case ActionAttribute.pushEthernet:
            text += "push_eth(src=\(AddressText.ethernet(payload.field(0, 6)))"
            text += ",dst=\(AddressText.ethernet(payload.field(6, 6))))"
        case ActionAttribute.popEthernet: text += "pop_eth"
        case ActionAttribute.pushNSH: pushNSH(payload)
        case ActionAttribute.popNSH: text += "pop_nsh()"
        case ActionAttribute.hash:
            let algorithm = payload.field(0, 4).hostValue
            let basis = payload.field(4, 4).hostValue
            switch algorithm {
            case 0: text += "hash(l4(\(basis)))"
            case 1: text += "hash(sym_l4(\(basis)))"
            default: text += "hash(Unknown hash algorithm(\(algorithm)))"
            }
        case ActionAttribute.sample: sample(payload)
        case ActionAttribute.clone:
            text += "clone("
            list(payload)
            text += ")"
        case ActionAttribute.checkPacketLength: checkPacketLength(payload)
        case ActionAttribute.decrementTTL: decrementTTL(payload)
        case ActionAttribute.ct: connectionTracking(payload)
        case ActionAttribute.ctClear: text += "ct_clear"
        case ActionAttribute.psample: psample(payload)
        case ActionAttribute.drop: text += "drop"
        default: break  // Unknown types have no length that would be right.
        }
    }

    func port(_ bytes: [UInt8]) -> String {
        let number = UInt32(truncatingIfNeeded: bytes.hostValue)
        return portName?(number) ?? String(number)
    }

    // MARK: Headers

    private mutating func mpls(_ name: String, _ payload: [UInt8]) {
        var printer = KeyPrinter(verbose: false)
        printer.labelStackEntry(payload.field(0, 4).bigEndianValue)
        text += "\(name)(\(printer.text),eth_type=0x\(String.hex(payload.field(4, 2).bigEndianValue)))"
    }

    private mutating func set(_ payload: [UInt8]) {
        guard let attribute = TextAttributes(payload).list.first else {
            text += "set(<empty>)"
            return
        }
        var printer = KeyPrinter(verbose: true)
        printer.checkedAttribute(attribute, mask: nil)
        text += "set(\(printer.text))"
    }

    private mutating func setMasked(_ payload: [UInt8]) {
        guard let attribute = TextAttributes(payload).list.first else {
            text += "set(<empty>)"
            return
        }
        if attribute.type == KeyAttribute.nsh {
            setMaskedNSH(attribute.payload)
            return
        }
        var printer = KeyPrinter(verbose: false)
        let half = attribute.payload.count / 2
        // No key that can be set with a mask is longer than that of IPv6.
        if half <= 40 {
            printer.checkedAttribute(
                TextAttribute(type: attribute.type, payload: attribute.payload.field(0, half)),
                mask: attribute.payload.field(half, half))
        } else {
            printer.checkedAttribute(attribute, mask: nil)
        }
        text += "set(\(printer.text))"
    }

    /// In a masked set the attributes inside the network service header hold value and mask, not the header itself.
    private mutating func setMaskedNSH(_ payload: [UInt8]) {
        var header = NSHText()
        var mask = NSHText.exact
        for attribute in TextAttributes(payload).list {
            let half = attribute.payload.count / 2
            let value = attribute.payload.field(0, half)
            let valueMask = attribute.payload.field(half, half)
            switch attribute.type {
            case NSHKeyAttribute.base where attribute.payload.count == 16:
                header.read(base: value)
                mask.read(base: valueMask)
            case NSHKeyAttribute.md1 where attribute.payload.count == 32:
                header.read(context: value)
                mask.read(context: valueMask)
            default:
                text += "set(nsh(error))"
                return
            }
        }
        text += "set(nsh(\(header.text(mask: mask))))"
    }

    /// The payload is one key attribute, whose attributes are the header.
    private mutating func pushNSH(_ payload: [UInt8]) {
        var header = NSHText()
        header.ttl = 63
        var metadata: [UInt8] = []
        let key = TextAttributes(payload).first(KeyAttribute.nsh) ?? []
        for attribute in TextAttributes(key).list {
            switch (attribute.type, attribute.payload.count) {
            case (NSHKeyAttribute.base, 8): header.read(base: attribute.payload)
            case (NSHKeyAttribute.md1, 16): header.read(context: attribute.payload)
            case (NSHKeyAttribute.md2, _): metadata = attribute.payload
            default: break
            }
        }
        text += "push_nsh(" + header.text
        switch header.mdtype {
        case 1: break
        case 2: text += ",md2=" + String.hexNumber(metadata)
        default: text += ",<error: unknown mdtype>"
        }
        text += ")"
    }

    // MARK: Nested lists

    private mutating func sample(_ payload: [UInt8]) {
        let attributes = TextPolicy.parse(
            payload, [SampleAttribute.probability: .u32, SampleAttribute.actions: .any])
        guard let attributes, let probability = attributes[SampleAttribute.probability]?.hostValue,
            let actions = attributes[SampleAttribute.actions]
        else {
            text += "sample(error)"
            return
        }
        // Tenths of a percent, rounded. The divisor is odd, so no value lies half-way.
        let tenths = (probability * 1000 + UInt64(UInt32.max) / 2) / UInt64(UInt32.max)
        text += "sample(sample=\(tenths / 10).\(tenths % 10)%,actions("
        list(actions)
        text += "))"
    }

    private mutating func checkPacketLength(_ payload: [UInt8]) {
        let attributes = TextPolicy.parse(
            payload,
            [
                CheckPacketLengthAttribute.packetLength: .u16, CheckPacketLengthAttribute.ifGreater: .any,
                CheckPacketLengthAttribute.ifLessEqual: .any,
            ])
        guard let attributes, let length = attributes[CheckPacketLengthAttribute.packetLength]?.hostValue,
            let greater = attributes[CheckPacketLengthAttribute.ifGreater],
            let lessOrEqual = attributes[CheckPacketLengthAttribute.ifLessEqual]
        else {
            text += "check_pkt_len(error)"
            return
        }
        text += "check_pkt_len(size=\(length),gt("
        list(greater)
        text += "),le("
        list(lessOrEqual)
        text += "))"
    }

    private mutating func decrementTTL(_ payload: [UInt8]) {
        let attributes = TextPolicy.parse(payload, [DecrementTTLAttribute.action: .any])
        guard let actions = attributes?[DecrementTTLAttribute.action] else {
            text += "dec_ttl(error)"
            return
        }
        text += "dec_ttl(le_1("
        list(actions)
        text += "))"
    }

    private mutating func psample(_ payload: [UInt8]) {
        let attributes = TextPolicy.parse(
            payload,
            [PsampleAttribute.group: .u32, PsampleAttribute.cookie: TextPolicy(kind: .bytes(1...16), isOptional: true)])
        guard let attributes, let group = attributes[PsampleAttribute.group]?.hostValue else {
            text += "psample(error)"
            return
        }
        text += "psample(group=\(group)"
        if let cookie = attributes[PsampleAttribute.cookie] { text += ",cookie=0x" + String.hexBytes(cookie) }
        text += ")"
    }
}
