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

    private mutating func action(_ attribute: TextAttribute) {
        let payload = attribute.payload
        guard let row = ActionTable.row(attribute.type), payload.count == row.size ?? payload.count else {
            text += "bad length \(payload.count), expected \(ActionTable.row(attribute.type)?.size ?? -1)"
            text += " for: action\(attribute.type)"
            if !payload.isEmpty { text += "(\(String.hexBytes(payload, separator: " ")))" }
            return
        }
        switch row.text {
        case .port: text += port(payload)
        case .name: text += row.name
        case .emptyParentheses: text += row.name + "()"
        case .decimal: text += "\(row.name)(\(row.value(0, payload)))"
        case .hexadecimal: text += "\(row.name)(\(String.prefixedHex(row.value(0, payload))))"
        case .own:
            let before = text
            text = ""
            contents(row, payload)
            // Of what may be empty the name alone is left.
            text = before + row.name + (text.isEmpty ? "" : "(\(text))")
        }
    }

    /// What stands in the parentheses behind an action's name.
    private mutating func contents(_ row: ActionDescription, _ payload: [UInt8]) {
        if let nest = row.nest { return attributes(row.type, nest, payload) }
        switch row.type {
        case ActionAttribute.set: set(payload)
        case ActionAttribute.setMasked: setMasked(payload)
        case ActionAttribute.pushVLAN:
            let tpid = row.value(0, payload)
            if tpid != EtherType.vlan { text += "tpid=0x\(String.hex(tpid, digits: 4))," }
            var printer = KeyPrinter(verbose: false)
            printer.vlan(row.value(1, payload), mask: 0xffff)
            text += printer.text
        case ActionAttribute.pushMPLS, ActionAttribute.addMPLS:
            var printer = KeyPrinter(verbose: false)
            printer.labelStackEntry(row.value(0, payload))
            text += "\(printer.text),eth_type=0x\(String.hex(row.value(1, payload)))"
        case ActionAttribute.popMPLS: text += "eth_type=0x\(String.hex(row.value(0, payload)))"
        case ActionAttribute.pushEthernet:
            text += "src=\(AddressText.ethernet(row.bytes(0, payload)))"
            text += ",dst=\(AddressText.ethernet(row.bytes(1, payload)))"
        case ActionAttribute.pushNSH: pushNSH(payload)
        case ActionAttribute.hash:
            let algorithm = row.value(0, payload)
            if let name = row.fields[0].names[algorithm] {
                text += "\(name)(\(row.value(1, payload)))"
            } else {
                text += "Unknown hash algorithm(\(algorithm))"
            }
        case ActionAttribute.clone: list(payload)
        default: break
        }
    }

    /// What stands in the parentheses of an action that holds attributes.
    private mutating func attributes(_ type: UInt16, _ nest: AttributeNest, _ payload: [UInt8]) {
        switch type {
        case ActionAttribute.userspace: userspace(nest, payload)
        case ActionAttribute.sample: sample(nest, payload)
        case ActionAttribute.checkPacketLength: checkPacketLength(nest, payload)
        case ActionAttribute.decrementTTL: decrementTTL(nest, payload)
        case ActionAttribute.ct: connectionTracking(nest, payload)
        case ActionAttribute.psample: psample(nest, payload)
        default: break
        }
    }

    func port(_ bytes: [UInt8]) -> String {
        let number = UInt32(truncatingIfNeeded: bytes.hostValue)
        return portName?(number) ?? String(number)
    }

    // MARK: Headers

    private mutating func set(_ payload: [UInt8]) {
        guard let attribute = TextAttributes(payload).list.first else {
            text += "<empty>"
            return
        }
        var printer = KeyPrinter(verbose: true)
        printer.checkedAttribute(attribute, mask: nil)
        text += printer.text
    }

    private mutating func setMasked(_ payload: [UInt8]) {
        guard let attribute = TextAttributes(payload).list.first else {
            text += "<empty>"
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
        text += printer.text
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
                text += "nsh(error)"
                return
            }
        }
        text += "nsh(\(header.text(mask: mask)))"
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
        text += header.text
        switch header.mdtype {
        case 1: break
        case 2: text += ",md2=" + String.hexNumber(metadata)
        default: text += ",<error: unknown mdtype>"
        }
    }

    // MARK: Nested lists

    private mutating func sample(_ nest: AttributeNest, _ payload: [UInt8]) {
        guard let inside = nest.text(payload), let probability = inside[SampleAttribute.probability]?.hostValue,
            let actions = inside[SampleAttribute.actions]
        else {
            text += "error"
            return
        }
        // Tenths of a percent, rounded. The divisor is odd, so no value lies half-way.
        let tenths = (probability * 1000 + UInt64(UInt32.max) / 2) / UInt64(UInt32.max)
        text += "\(nest.name(SampleAttribute.probability))=\(tenths / 10).\(tenths % 10)%,"
        list(actions, nest.name(SampleAttribute.actions))
    }

    private mutating func checkPacketLength(_ nest: AttributeNest, _ payload: [UInt8]) {
        let (size, gt, le) = (
            CheckPacketLengthAttribute.packetLength, CheckPacketLengthAttribute.ifGreater,
            CheckPacketLengthAttribute.ifLessEqual
        )
        guard let inside = nest.text(payload), let length = inside[size]?.hostValue, let greater = inside[gt],
            let lessEqual = inside[le]
        else {
            text += "error"
            return
        }
        text += "\(nest.name(size))=\(length),"
        list(greater, nest.name(gt))
        text += ","
        list(lessEqual, nest.name(le))
    }

    private mutating func decrementTTL(_ nest: AttributeNest, _ payload: [UInt8]) {
        guard let inside = nest.text(payload), let actions = inside[DecrementTTLAttribute.action] else {
            text += "error"
            return
        }
        list(actions, nest.name(DecrementTTLAttribute.action))
    }

    /// A list with its name, such as `gt(1,2)`.
    private mutating func list(_ bytes: [UInt8], _ name: String) {
        text += name + "("
        list(bytes)
        text += ")"
    }

    private mutating func psample(_ nest: AttributeNest, _ payload: [UInt8]) {
        let inside = nest.text(payload)
        let cookie = inside?[PsampleAttribute.cookie]
        guard let group = inside?[PsampleAttribute.group]?.hostValue, cookie?.isEmpty != true else {
            text += "error"
            return
        }
        text += "\(nest.name(PsampleAttribute.group))=\(group)"
        if let cookie { text += ",\(nest.name(PsampleAttribute.cookie))=0x" + String.hexBytes(cookie) }
    }
}
