/// Parses the text of key attributes.
struct KeyTextParser {
    var scanner: TextScanner
    let portNumber: ((String) -> UInt32?)?
    private var depth = 0

    init(scanner: TextScanner, portNumber: ((String) -> UInt32?)?) {
        self.scanner = scanner
        self.portNumber = portNumber
    }

    /// A whole flow: attributes with delimiters between them, and perhaps a flow identifier before them.
    mutating func flow() throws(FlowTextError) -> (key: AttributeBuilder, mask: AttributeBuilder) {
        var key = AttributeBuilder()
        var mask = AttributeBuilder()
        while true {
            scanner.skipDelimiters()
            if scanner.isAtEnd { return (key, mask) }
            if try scanner.ufid() != nil {
                scanner.skipDelimiters()
                if scanner.isAtEnd { return (key, mask) }
            }
            let pair = try attribute()
            try key.append(pair.type, pair.key, at: scanner)
            try mask.append(pair.type, pair.mask, at: scanner)
        }
    }

    /// One attribute: a name and what stands in parentheses behind it.
    mutating func attribute() throws(FlowTextError) -> KeyPair {
        depth += 1
        defer { depth -= 1 }
        guard depth < FlowText.maximumDepth else { throw scanner.error("expected attributes nested less deep") }

        for row in KeyTable.rows where !row.name.isEmpty && scanner.skip(row.name + "(") {
            switch row.payload {
            case .fields(_, let fields):
                guard let field = fields.first, field.name.isEmpty else { return try self.fields(row) }
                if field.form == .vlan { return try vlan() }
                let (key, mask) = try single(row.type, field.form)
                try scanner.expect(")")
                return KeyPair(type: row.type, key: key, mask: mask)
            case .labelStack: return try mpls()
            case .keys: return try encap()
            case .nested: return try row.type == KeyAttribute.tunnel ? tunnel() : nsh()
            case .none: break
            }
        }
        throw scanner.error("expected a key attribute such as “in_port(”")
    }

    // MARK: Attributes with one value

    private mutating func single(
        _ type: UInt16, _ form: FieldForm
    ) throws(FlowTextError) -> (key: [UInt8], mask: [UInt8]) {
        switch form {
        // As in ovs-dpctl, without a mask.
        case .hostHex32 where type == KeyAttribute.recircID:
            return (.host(try scanner.expectInteger(bits: 32), count: 4), .init(repeating: 0xff, count: 4))
        case .hostHex16, .hostHex32: return try hostNumber(bits: form.size * 8)
        case .labels: return try labels()
        case .connectionState:
            let (flags, mask) = try flags(.connectionState)
            return (.host(UInt64(flags), count: 4), .host(UInt64(mask), count: 4))
        case .tcpFlags:
            let (flags, mask) = try flags(.tcp)
            return (.bigEndian(UInt64(flags), count: 2), .bigEndian(UInt64(mask), count: 2))
        case .port: return try port()
        default: return try value(form)
        }
    }

    /// `5` or `5/0xff`, in host byte order.
    mutating func hostNumber(bits: Int) throws(FlowTextError) -> (key: [UInt8], mask: [UInt8]) {
        let (key, mask) = try number(bits: bits)
        return (.host(key, count: bits / 8), .host(mask, count: bits / 8))
    }

    /// `5` or `5/0xff`. Without a mask all bits count.
    private mutating func number(bits: Int) throws(FlowTextError) -> (key: UInt64, mask: UInt64) {
        let key = try scanner.expectInteger(bits: bits)
        if scanner.skip("/") { return (key, try scanner.expectInteger(bits: bits)) }
        return (key, bits >= 64 ? .max : (1 << UInt64(bits)) - 1)
    }

    /// A 128-bit connection label, with or without a mask, as the attribute holds it.
    mutating func labels() throws(FlowTextError) -> (key: [UInt8], mask: [UInt8]) {
        let key = try scanner.wideNumber(count: 16)
        let mask = scanner.skip("/") ? try scanner.wideNumber(count: 16) : [UInt8](repeating: 0xff, count: 16)
        return (key.swappedToNetworkOrder, mask.swappedToNetworkOrder)
    }

    /// A port by number, or by name up to the closing parenthesis.
    private mutating func port() throws(FlowTextError) -> (key: [UInt8], mask: [UInt8]) {
        let start = scanner.position
        let name = scanner.run { $0 != UInt8(ascii: ")") }
        let number = portNumber?(String(decoding: name, as: UTF8.self))
        let end = scanner.position
        scanner.rewind(to: start)
        let first = name.first ?? 0
        let isNumeric =
            name.allSatisfy { AddressText.hexDigit($0) != nil || "x/ -+".utf8.contains($0) }
            && (AddressText.hexDigit(first).map { $0 < 10 } ?? (first == UInt8(ascii: "-")))
        if !isNumeric || number != nil {
            guard let number else { throw scanner.error("expected the number or the name of a port") }
            scanner.rewind(to: end)
            return (.host(UInt64(number), count: 4), .init(repeating: 0xff, count: 4))
        }
        return try hostNumber(bits: 32)
    }

    /// Flags in one of three forms: `0x2/0x12`, `+syn-ack`, `syn|ack`. The last is exact.
    mutating func flags(
        _ names: FlagNames, separators: [String] = ["|"]
    ) throws(FlowTextError) -> (flags: UInt32, mask: UInt32) {
        let start = scanner.position
        if let flags = try scanner.integer(bits: 32), scanner.skip("/"), let mask = try scanner.integer(bits: 32) {
            guard (flags | mask) & ~UInt64(names.allowed) == 0 else {
                scanner.rewind(to: start)
                throw scanner.error("expected only known flags")
            }
            return (UInt32(flags), UInt32(mask))
        }
        scanner.rewind(to: start)
        if scanner.isNext("+") || scanner.isNext("-") { return try signedFlags(names) }

        var flags: UInt32 = 0
        while !scanner.isNext(")") {
            let wordStart = scanner.position
            if let number = try scanner.integer(bits: 32) {
                guard number & ~UInt64(names.allowed) == 0 else {
                    scanner.rewind(to: wordStart)
                    throw scanner.error("expected only known flags")
                }
                flags |= UInt32(number)
            } else if let (bit, _) = names.names.first(where: { flag in
                var ahead = scanner
                return ahead.skip(flag.name) && (ahead.isNext(")") || separators.contains { ahead.skip($0) })
            }) {
                scanner.advance(names.name(of: bit)?.utf8.count ?? 0)
                flags |= bit
            } else {
                throw scanner.error("expected a flag such as “\(names.names[0].name)”")
            }
            _ = separators.contains { scanner.skip($0) }
        }
        return (flags, .max)
    }

    private mutating func signedFlags(_ names: FlagNames) throws(FlowTextError) -> (flags: UInt32, mask: UInt32) {
        var flags: UInt32 = 0
        var mask: UInt32 = 0
        while !scanner.isNext(")") {
            let isSet = scanner.skip("+")
            guard isSet || scanner.skip("-") else { throw scanner.error("expected “+” or “-” and a flag") }
            let found = names.names.first { flag in
                var ahead = scanner
                return ahead.skip(flag.name) && (ahead.isNext("+") || ahead.isNext("-") || ahead.isNext(")"))
            }
            guard let found else { throw scanner.error("expected a flag such as “\(names.names[0].name)”") }
            guard mask & found.bit == 0 else { throw scanner.error("expected every flag at most once") }
            scanner.advance(found.name.utf8.count)
            if isSet { flags |= found.bit }
            mask |= found.bit
        }
        return (flags, mask)
    }

    // MARK: Attributes with fields

    /// Reads `name=value` fields with commas between them, up to the closing parenthesis. A comma may stand before it
    /// too.
    /// - Parameter field: reads the field that comes next, or answers false if it knows none that does.
    mutating func fieldList(
        _ field: (inout KeyTextParser) throws(FlowTextError) -> Bool
    ) throws(FlowTextError) {
        while !scanner.skip(")") {
            guard try field(&self) else { throw scanner.error("expected a field or “)”") }
            if !scanner.skip(",") {
                try scanner.expect(")")
                return
            }
        }
    }

    private mutating func fields(_ row: KeyDescription) throws(FlowTextError) -> KeyPair {
        let zeros = [UInt8](repeating: 0, count: row.size ?? 0)
        var pair = KeyPair(type: row.type, key: zeros, mask: zeros)
        try fieldList { parser throws(FlowTextError) in
            for field in row.fields
            where parser.scanner.skip(field.name + "=")
                || (field.alias.map { parser.scanner.skip($0 + "=") } ?? false)
            {
                let (key, mask) = try parser.value(field.form)
                let range = field.offset..<field.offset + field.form.size
                pair.key.replaceSubrange(range, with: key)
                pair.mask.replaceSubrange(range, with: mask)
                return true
            }
            return false
        }
        return pair
    }

    /// A value with or without a mask, as the payload holds them. Without a mask every bit counts.
    mutating func value(_ form: FieldForm) throws(FlowTextError) -> (key: [UInt8], mask: [UInt8]) {
        switch form {
        case .ethernet: return try address("an Ethernet address", 6) { $0.ethernet() }
        case .ipv4: return try address("an IPv4 address", 4) { $0.ipv4() }
        case .ipv6: return try address("an IPv6 address", 16) { $0.ipv6() }
        case .flowLabel:
            let (key, mask) = try number(bits: 20)
            return (.bigEndian(key, count: 4), .bigEndian(mask, count: 4))
        case .decimal8, .hex8, .decimal16, .hex16, .hex64, .unmasked32, .etherType, .tcpFlags, .vlan:
            let (key, mask) = try number(bits: form.size * 8)
            return (.bigEndian(key, count: form.size), .bigEndian(mask, count: form.size))
        case .hostHex16, .hostHex32, .connectionState, .port: return try hostNumber(bits: form.size * 8)
        case .labels: return try labels()
        case .fragment:
            let word = String(decoding: scanner.word, as: UTF8.self)
            guard let value = ["no", "first", "later"].firstIndex(of: word) else {
                throw scanner.error("expected “no”, “first” or “later”")
            }
            scanner.advance(word.utf8.count)
            return ([UInt8(value)], [0xff])
        }
    }

    private mutating func address(
        _ what: String, _ count: Int, _ read: (inout TextScanner) -> [UInt8]?
    ) throws(FlowTextError) -> (key: [UInt8], mask: [UInt8]) {
        guard let key = read(&scanner) else { throw scanner.error("expected \(what)") }
        guard scanner.skip("/") else { return (key, .init(repeating: 0xff, count: count)) }
        guard let mask = read(&scanner) else { throw scanner.error("expected \(what) as mask") }
        return (key, mask)
    }

    /// A tag; its bit for "present" is set and exact unless the text says otherwise.
    private mutating func vlan() throws(FlowTextError) -> KeyPair {
        var key: UInt64 = 0x1000
        var mask: UInt64 = 0x1000
        try fieldList { parser throws(FlowTextError) in
            for (name, bits, shift) in [("vid=", 12, 0), ("pcp=", 3, 13), ("cfi=", 1, 12)]
            where parser.scanner.skip(name) {
                try parser.bitField(bits: bits, shift: shift, key: &key, mask: &mask)
                return true
            }
            return false
        }
        return KeyPair(type: KeyAttribute.vlan, key: .bigEndian(key, count: 2), mask: .bigEndian(mask, count: 2))
    }

    private mutating func bitField(
        bits: Int, shift: Int, key: inout UInt64, mask: inout UInt64
    ) throws(FlowTextError) {
        let (value, valueMask) = try number(bits: bits)
        let field: UInt64 = ((1 << UInt64(bits)) - 1) << UInt64(shift)
        key = key & ~field | value << UInt64(shift)
        mask = mask & ~field | valueMask << UInt64(shift)
    }

    /// One to three label stack entries; a field that comes again begins the next entry.
    private mutating func mpls() throws(FlowTextError) -> KeyPair {
        var entries: [(key: UInt64, mask: UInt64)] = [(0, 0)]
        var seen: Set<String> = []
        try fieldList { parser throws(FlowTextError) in
            let start = parser.scanner
            for (name, bits, shift) in [("label=", 20, 12), ("tc=", 3, 9), ("ttl=", 8, 0), ("bos=", 1, 8)]
            where parser.scanner.skip(name) {
                if !seen.insert(name).inserted {
                    guard entries.count < 3 else { throw start.error("expected at most three label stack entries") }
                    entries.append((0, 0))
                    seen = [name]
                }
                var (key, mask) = entries.removeLast()
                try parser.bitField(bits: bits, shift: shift, key: &key, mask: &mask)
                entries.append((key, mask))
                return true
            }
            return false
        }
        return KeyPair(
            type: KeyAttribute.mpls, key: entries.flatMap { [UInt8].bigEndian($0.key, count: 4) },
            mask: entries.flatMap { [UInt8].bigEndian($0.mask, count: 4) })
    }

    /// What stands behind a VLAN tag.
    private mutating func encap() throws(FlowTextError) -> KeyPair {
        var key = AttributeBuilder()
        var mask = AttributeBuilder()
        while true {
            scanner.skipDelimiters()
            if scanner.skip(")") { break }
            let pair = try attribute()
            try key.append(pair.type, pair.key, at: scanner)
            try mask.append(pair.type, pair.mask, at: scanner)
        }
        return KeyPair(type: KeyAttribute.encap, key: key.bytes, mask: mask.bytes)
    }

    /// A network service header: nested attributes, the context only in a key of metadata type 1.
    private mutating func nsh() throws(FlowTextError) -> KeyPair {
        let (key, mask) = try nshFields()
        var keys = AttributeBuilder()
        var masks = AttributeBuilder()
        try keys.append(NSHKeyAttribute.base, key.field(0, 8), at: scanner)
        if key.field(2, 1) == [1] { try keys.append(NSHKeyAttribute.md1, key.field(8, 16), at: scanner) }
        try masks.append(NSHKeyAttribute.base, mask.field(0, 8), at: scanner)
        try masks.append(NSHKeyAttribute.md1, mask.field(8, 16), at: scanner)
        return KeyPair(type: KeyAttribute.nsh, key: keys.bytes, mask: masks.bytes)
    }

    /// The fields of a network service header: eight bytes of its base and sixteen of its context.
    mutating func nshFields() throws(FlowTextError) -> (key: [UInt8], mask: [UInt8]) {
        var key = [UInt8](repeating: 0, count: 24)
        var mask = key
        try fieldList { parser throws(FlowTextError) in
            if parser.scanner.skip("spi=") {
                let start = parser.scanner
                let value = try parser.scanner.expectInteger(bits: 32)
                let valueMask = parser.scanner.skip("/") ? try parser.scanner.expectInteger(bits: 32) : 0xff_ffff
                guard value <= 0xff_ffff else { throw start.error("expected a number of 24 bits") }
                key.replaceSubrange(4..<7, with: [UInt8].bigEndian(value, count: 3))
                mask.replaceSubrange(4..<7, with: [UInt8].bigEndian(valueMask & 0xff_ffff, count: 3))
                return true
            }
            if parser.scanner.skip("si=") {
                let (value, valueMask) = try parser.number(bits: 8)
                (key[7], mask[7]) = (UInt8(truncatingIfNeeded: value), UInt8(truncatingIfNeeded: valueMask))
                return true
            }
            for (start, row) in zip([0, 8], NSHTable.rows) {
                for field in row.fields where !field.name.isEmpty && parser.scanner.skip(field.name + "=") {
                    let (value, valueMask) = try parser.value(field.form)
                    let range = start + field.offset..<start + field.offset + field.form.size
                    key.replaceSubrange(range, with: value)
                    mask.replaceSubrange(range, with: valueMask)
                    return true
                }
            }
            return false
        }
        return (key, mask)
    }
}
