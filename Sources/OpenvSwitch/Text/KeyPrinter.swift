/// Prints key attributes with their masks.
struct KeyPrinter {
    /// Whether wildcarded fields are printed too.
    let verbose: Bool
    private(set) var text = ""
    private var depth = 0

    init(verbose: Bool) { self.verbose = verbose }

    /// Prints a run of attributes. A mask that is nil or empty means that every field is exact.
    mutating func attributes(_ key: [UInt8], mask maskBytes: [UInt8]?, portName: ((UInt32) -> String?)?) {
        guard !key.isEmpty else {
            text += "<empty>"
            return
        }
        guard depth < FlowText.maximumDepth else {
            text += "<nested too deep>"
            return
        }
        depth += 1
        defer { depth -= 1 }

        let attributes = TextAttributes(key)
        let masks: TextAttributes? = if let maskBytes, !maskBytes.isEmpty { TextAttributes(maskBytes) } else { nil }
        var hasEtherType = false
        var hasPacketType = false
        var isFirst = true
        for attribute in attributes.list {
            let found = masks?.first(attribute.type)
            if attribute.type == KeyAttribute.packetType { hasPacketType = true }
            guard checkLength(attribute, mask: found, expected: .key(attribute.type), namesType: false) else {
                continue
            }
            if attribute.type == KeyAttribute.etherType { hasEtherType = true }
            let length = PayloadLength.key(attribute.type)
            let isWildcard = masks != nil && (found.map { Self.isWildcard(attribute.type, $0) } ?? true)
            let isNested = if case .nested = length { true } else { false }

            if verbose || !isWildcard || isNested {
                let mask = found ?? (masks == nil ? nil : Self.zeroMask(of: attribute))
                if !isFirst { text += "," }
                self.attribute(attribute, mask: mask, portName: portName)
                isFirst = false
            } else if attribute.type == KeyAttribute.ethernet, !hasPacketType {
                // Its presence tells an Ethernet packet from a bare layer 3 one, so it shows even when wildcarded. The
                // tool does not count it as a field: if it is the first, no comma follows.
                if !isFirst { text += "," }
                text += "eth()"
            } else if attribute.type == KeyAttribute.packetType {
                hasPacketType = false
            }
        }
        leftover(attributes, all: key)
        if !hasEtherType, let mask = masks?.first(KeyAttribute.etherType), mask.count >= 2 {
            text += ",eth_type(0/0x\(String.hex(mask.field(0, 2).bigEndianValue, digits: 4)))"
        }
    }

    /// Prints one attribute whose length is checked first. Without a mask every field is exact.
    mutating func checkedAttribute(_ attribute: TextAttribute, mask: [UInt8]?) {
        if checkLength(attribute, mask: mask, expected: .key(attribute.type), namesType: false) {
            self.attribute(attribute, mask: mask, portName: nil)
        }
    }

    private mutating func leftover(_ attributes: TextAttributes, all: [UInt8]) {
        guard !attributes.leftover.isEmpty else { return }
        if attributes.leftover.count == all.count { text += "<empty>" }
        text += ",***\(attributes.leftover.count) leftover bytes*** (\(String.hexBytes(attributes.leftover)))"
    }

    // MARK: One attribute

    /// The lengths of `attribute` and `mask` are those of its type.
    private mutating func attribute(_ attribute: TextAttribute, mask: [UInt8]?, portName: ((UInt32) -> String?)?) {
        let value = attribute.payload
        let isExact = mask.map { Self.isExact(attribute.type, $0) } ?? true
        guard let row = KeyTable.row(attribute.type), !row.name.isEmpty else {
            unnamed(attribute, isExact ? nil : mask)
            return
        }
        text += row.name + "("
        switch row.payload {
        case .fields(_, let fields):
            if let field = fields.first, field.name.isEmpty {
                single(row, field.form, value, mask, isExact, portName)
            } else {
                self.fields(fields, value, mask)
            }
        case .keys: if !value.isEmpty { attributes(value, mask: mask, portName: nil) }
        case .labelStack: guard mpls(value, isExact ? nil : mask) else { return }
        case .nested:
            if attribute.type == KeyAttribute.tunnel { tunnel(value, mask: mask) } else { nsh(value, mask: mask) }
        case .none: break
        }
        text += ")"
    }

    /// An attribute that the text form has no name for.
    private mutating func unnamed(_ attribute: TextAttribute, _ mask: [UInt8]?) {
        switch attribute.type {
        case 0: text += "unspec("
        case KeyAttribute.tunnelInfo: text += "<error: kernel-only tunnel_info>("
        default: text += "key\(attribute.type)("
        }
        text += String.hexBytes(attribute.payload, separator: " ")
        if let mask { text += "/" + String.hexBytes(mask, separator: " ") }
        text += ")"
    }

    /// The value of an attribute with one field, for which its name stands.
    private mutating func single(
        _ row: KeyDescription, _ form: FieldForm, _ value: [UInt8], _ mask: [UInt8]?, _ isExact: Bool,
        _ portName: ((UInt32) -> String?)?
    ) {
        switch form {
        case .connectionState: connectionState(value, mask, isExact)
        case .labels: labels(value, mask: mask, always: verbose)
        case .port: inPort(value, mask, isExact, portName)
        case .vlan: vlan(value.bigEndianValue, mask: mask?.bigEndianValue ?? 0xffff)
        case .tcpFlags: tcpFlags(value, mask, isExact)
        case .etherType:
            text += "0x" + String.hex(value.bigEndianValue, digits: 4)
            if !isExact, let mask { text += "/0x" + String.hex(mask.bigEndianValue, digits: 4) }
        default:
            // Of a connection, what is wildcarded has no number.
            let isConnection = row.type == KeyAttribute.ctMark || row.type == KeyAttribute.ctZone
            if !isConnection || verbose || !(mask?.isAllZero ?? true) { number(value, mask, isExact) }
        }
    }

    private mutating func number(_ value: [UInt8], _ mask: [UInt8]?, _ isExact: Bool) {
        text += String.prefixedHex(value.hostValue)
        if !isExact, let mask { text += "/" + String.prefixedHex(mask.hostValue) }
    }

    private mutating func connectionState(_ value: [UInt8], _ mask: [UInt8]?, _ isExact: Bool) {
        let flags = UInt32(truncatingIfNeeded: value.hostValue)
        if verbose {
            number(value, mask, isExact)
        } else if !isExact, let mask {
            let bits = UInt32(truncatingIfNeeded: mask.hostValue)
            text += FlagNames.connectionState.text(flags, mask: bits, full: .max)
        } else {
            text += FlagNames.connectionState.text(flags)
        }
    }

    private mutating func tcpFlags(_ value: [UInt8], _ mask: [UInt8]?, _ isExact: Bool) {
        let flags = UInt32(truncatingIfNeeded: value.bigEndianValue)
        if !isExact, let mask {
            let bits = UInt32(truncatingIfNeeded: mask.bigEndianValue) & 0xfff
            text += FlagNames.tcp.text(flags, mask: bits, full: 0xfff)
        } else {
            text += FlagNames.tcp.text(flags)
        }
    }

    private mutating func inPort(
        _ value: [UInt8], _ mask: [UInt8]?, _ isExact: Bool, _ portName: ((UInt32) -> String?)?
    ) {
        let number = UInt32(truncatingIfNeeded: value.hostValue)
        if isExact {
            text += portName?(number) ?? String(number)
        } else {
            text += "\(number)/" + String.prefixedHex(mask?.hostValue ?? 0)
        }
    }

    /// A 128-bit connection label with its mask, which is left out if exact.
    mutating func labels(_ value: [UInt8], mask: [UInt8]?, always: Bool) {
        guard always || !(mask?.isAllZero ?? true) else { return }
        text += String.hexNumber(value.swappedToNetworkOrder)
        if let mask, !mask.isAllOnes { text += "/" + String.hexNumber(mask.swappedToNetworkOrder) }
    }

    /// A VLAN tag control information.
    mutating func vlan(_ tci: UInt64, mask: UInt64) {
        if verbose || tci & 0xfff != 0 || mask & 0xfff != 0 {
            text += "vid=\(tci & 0xfff)"
            if mask & 0xfff != 0xfff { text += "/0x" + String.hex(mask & 0xfff) }
            text += ","
        }
        if verbose || tci & 0xe000 != 0 || mask & 0xe000 != 0 {
            text += "pcp=\(tci >> 13 & 7)"
            if mask & 0xe000 != 0xe000 { text += "/0x" + String.hex(mask >> 13 & 7) }
            text += ","
        }
        if tci & 0x1000 == 0 { text += "cfi=0," }
        text.dropComma()
    }

    /// One label stack entry, exact.
    mutating func labelStackEntry(_ entry: UInt64) {
        text += "label=\(entry >> 12),tc=\(entry >> 9 & 7),ttl=\(entry & 0xff),bos=\(entry >> 8 & 1)"
    }

    /// - Returns: false if the lengths are wrong, which leaves the text without its closing parenthesis.
    private mutating func mpls(_ value: [UInt8], _ mask: [UInt8]?) -> Bool {
        guard !value.isEmpty, value.count % 4 == 0 else {
            text += "(bad key length \(value.count))"
            return false
        }
        if let mask, mask.count != value.count {
            text += "(key length \(value.count) != mask length \(mask.count))"
            return false
        }
        for offset in stride(from: 0, to: value.count, by: 4) {
            let entry = value.field(offset, 4).bigEndianValue
            if let mask = mask?.field(offset, 4).bigEndianValue {
                text += "label=\(entry >> 12)/0x\(String.hex(mask >> 12))"
                text += ",tc=\(entry >> 9 & 7)/\(String.hex(mask >> 9 & 7))"
                text += ",ttl=\(entry & 0xff)/0x\(String.hex(mask & 0xff))"
                text += ",bos=\(entry >> 8 & 1)/\(String.hex(mask >> 8 & 1))"
            } else {
                labelStackEntry(entry)
            }
            text += ","
        }
        text.dropComma()
        return true
    }

    // MARK: Fields

    private mutating func fields(_ fields: [KeyField], _ value: [UInt8], _ mask: [UInt8]?) {
        for field in fields {
            let part = value.field(field.offset, field.form.size)
            self.field(field.name, field.form, part, mask?.field(field.offset, field.form.size))
        }
        text.dropComma()
    }

    /// Prints `name=value[/mask],` unless the field is wildcarded and the printer not verbose.
    mutating func field(_ name: String, _ form: FieldForm, _ value: [UInt8], _ mask: [UInt8]?) {
        let isEmpty = mask?.isAllZero ?? false
        var isFull = mask?.isAllOnes ?? true
        let number = value.bigEndianValue
        let maskNumber = mask?.bigEndianValue ?? 0
        switch form {
        case .unmasked32:
            text += "\(name)=0x\(String.hex(number)),"
            return
        case .fragment:
            // An enumeration: a partial mask means nothing.
            if isEmpty { return }
            let names = ["no", "first", "later"]
            text +=
                isFull
                ? "\(name)=\(number < 3 ? names[Int(number)] : "<error>"),"
                : "error: partial mask not supported for frag (\(String.prefixedHex(maskNumber))),"
            return
        // As ovs-dpctl prints it: without a mask only if all is printed.
        case .hex64: if !verbose, isEmpty || mask == nil { return }
        default:
            if !verbose, isEmpty { return }
        }
        text += name + "="
        var maskText: String { "/" + String.prefixedHex(maskNumber) }
        switch form {
        case .ethernet:
            text += AddressText.ethernet(value)
            if !isFull, let mask { text += "/" + AddressText.ethernet(mask) }
        case .ipv4:
            text += AddressText.ipv4(value)
            if !isFull, let mask { text += "/" + AddressText.ipv4(mask) }
        case .ipv6:
            text += AddressText.ipv6(value)
            if !isFull, let mask { text += "/" + AddressText.ipv6(mask) }
        case .flowLabel:
            isFull = mask == nil || maskNumber & 0xfffff == 0xfffff
            text += String.prefixedHex(number)
            if !isFull { text += maskText }
        case .decimal8, .decimal16:
            text += String(number)
            if !isFull { text += maskText }
        case .hex8, .hex16:
            text += String.prefixedHex(number)
            if !isFull { text += maskText }
        case .hex64:
            text += "0x" + String.hex(number)
            if !isFull { text += maskText }
        case .fragment, .unmasked32, .etherType, .tcpFlags, .vlan, .hostHex16, .hostHex32, .connectionState, .port,
            .labels:
            break  // printed whole, not among other fields
        }
        text += ","
    }

    // MARK: Lengths and masks

    /// Prints what is wrong with the length of an attribute or its mask, and their bytes.
    /// - Parameter namesType: begin with `key` and the type.
    /// - Returns: whether the lengths are right.
    mutating func checkLength(
        _ attribute: TextAttribute, mask: [UInt8]?, expected: PayloadLength, namesType: Bool
    ) -> Bool {
        guard case .exact(let length) = expected else { return true }
        let isBadKey = attribute.payload.count != length
        let isBadMask = mask.map { $0.count != length } ?? false
        guard isBadKey || isBadMask else { return true }
        if namesType { text += "key\(attribute.type)" }
        if isBadKey { text += "(bad key length \(attribute.payload.count), expected \(length))(" }
        text += String.hexBytes(attribute.payload, separator: " ")
        if let mask {
            text += "/"
            if isBadMask { text += "(bad mask length \(mask.count), expected \(length))(" }
            text += String.hexBytes(mask, separator: " ")
        }
        text += ")"
        return false
    }

    /// Prints an attribute whose type has no name, and a comma.
    mutating func unknown(_ attribute: TextAttribute, mask: [UInt8]?) {
        text += "key\(attribute.type)(" + String.hexBytes(attribute.payload, separator: " ")
        if let mask { text += "/" + String.hexBytes(mask, separator: " ") }
        text += "),"
    }

    mutating func append(_ string: String) { text += string }
    mutating func dropComma() { text.dropComma() }

    /// A mask that wildcards every field of `attribute`.
    private static func zeroMask(of attribute: TextAttribute) -> [UInt8] {
        switch attribute.type {
        // An empty mask would mean an exact one; one attribute that matches nothing wildcards all the others.
        case KeyAttribute.encap: .host(4, count: 2) + .host(0x3fff, count: 2)
        // What a tunnel's mask lacks is wildcarded.
        case KeyAttribute.tunnel: []
        case KeyAttribute.nsh:
            .host(12, count: 2) + .host(UInt64(NSHKeyAttribute.base), count: 2) + .host(0, count: 8)
                + .host(20, count: 2) + .host(UInt64(NSHKeyAttribute.md1), count: 2) + .host(0, count: 16)
        default: [UInt8](repeating: 0, count: attribute.payload.count)
        }
    }

    private static func isWildcard(_ type: UInt16, _ mask: [UInt8]) -> Bool {
        significant(type, mask)?.allSatisfy { $0.bits & $0.byte == 0 } ?? false
    }

    private static func isExact(_ type: UInt16, _ mask: [UInt8]) -> Bool {
        significant(type, mask)?.allSatisfy { $0.bits & $0.byte == $0.bits } ?? false
    }

    /// The bytes of a mask with the bits of each that count, or nil for a type of which nothing is known.
    private static func significant(_ type: UInt16, _ mask: [UInt8]) -> [(byte: UInt8, bits: UInt8)]? {
        if case .unknown = PayloadLength.key(type) { return nil }
        if [0, KeyAttribute.encap, KeyAttribute.tunnelInfo].contains(type) { return nil }
        var result = mask.map { (byte: $0, bits: UInt8(0xff)) }
        guard let row = KeyTable.row(type), result.count == row.size else { return result }
        // Bytes behind the fields are padding.
        let end = row.fields.map { $0.offset + $0.form.size }.max() ?? result.count
        result.removeLast(result.count - end)
        for field in row.fields {
            for (index, bits) in field.form.significantBits { result[field.offset + index].bits = bits }
        }
        return result
    }
}

extension FieldForm {
    /// The bits that count of the bytes of which not all do.
    fileprivate var significantBits: [(index: Int, bits: UInt8)] {
        switch self {
        case .tcpFlags: [(0, 0x0f)]
        case .flowLabel: [(0, 0), (1, 0x0f)]
        default: []
        }
    }
}
