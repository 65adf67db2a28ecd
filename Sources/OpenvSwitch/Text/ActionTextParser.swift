import Netlink

/// Parses the text of action lists.
struct ActionTextParser {
    /// Reads what stands in `set(…)`, and holds the scanner.
    var keys: KeyTextParser
    private var depth = 0

    init(keys: KeyTextParser) { self.keys = keys }

    var scanner: TextScanner {
        get { keys.scanner }
        _modify { yield &keys.scanner }
    }

    /// A whole action list.
    mutating func whole() throws(FlowTextError) -> [UInt8] {
        let bytes = try list()
        guard scanner.isAtEnd else { throw scanner.error("expected an action") }
        return bytes
    }

    /// Actions with delimiters between them, up to the end or a closing parenthesis, which is left.
    private mutating func list() throws(FlowTextError) -> [UInt8] {
        depth += 1
        defer { depth -= 1 }
        guard depth < FlowText.maximumDepth else { throw scanner.error("expected actions nested less deep") }
        var actions = AttributeBuilder()
        scanner.skipDelimiters()
        if isDropNext {
            scanner.advance(4)
            scanner.skipDelimiters()
            if scanner.isAtEnd || scanner.isNext(")") { return [] }
            throw scanner.error("expected nothing behind “drop”")
        }
        while !scanner.isAtEnd, !scanner.isNext(")") {
            let (type, payload) = try action()
            try actions.append(type, payload, at: scanner)
            guard scanner.isAtWordEnd else { throw scanner.error("expected “,” behind an action") }
            scanner.skipDelimiters()
        }
        return actions.bytes
    }

    private var isDropNext: Bool {
        var ahead = scanner
        return ahead.skipIgnoringCase("drop") && ahead.isAtWordEnd
    }

    /// A list in parentheses of which the opening one has been read.
    private mutating func closedList() throws(FlowTextError) -> [UInt8] {
        let bytes = try list()
        try scanner.expect(")")
        return bytes
    }

    private mutating func action() throws(FlowTextError) -> (UInt16, [UInt8]) {
        if let port = try port() { return (ActionAttribute.output, .host(port, count: 4)) }
        guard let row = row() else {
            if isDropNext { throw scanner.error("expected no other action beside “drop”") }
            throw scanner.error("expected an action such as “output port”, “set(…)” or “drop”")
        }
        switch row.text {
        case .name: return (row.type, [])
        case .emptyParentheses:
            try scanner.expect("()")
            return (row.type, [])
        case .decimal, .hexadecimal:
            try scanner.expect("(")
            let number = try scanner.expectInteger(bits: row.fields[0].form.size * 8)
            try scanner.expect(")")
            return (row.type, row.payload([number]))
        case .port, .own: break
        }
        // What has nothing in parentheses need not have them.
        if row.type == ActionAttribute.ct { return (row.type, try connectionTracking(ActionTable.ct)) }
        try scanner.expect("(")
        switch row.type {
        case ActionAttribute.set: return try set()
        // Its type is of two bytes; the flag says that attributes are inside, without which the kernel refuses it.
        case ActionAttribute.psample:
            return (row.type | Attribute.nestedFlag, try psample(ActionTable.psample))
        default: return (row.type, try contents(row))
        }
    }

    /// What stands behind an action's name and the parenthesis, up to the closing one.
    private mutating func contents(_ row: ActionDescription) throws(FlowTextError) -> [UInt8] {
        switch row.type {
        case ActionAttribute.userspace: return try userspace(ActionTable.userspace)
        case ActionAttribute.pushVLAN: return try pushVLAN(row)
        case ActionAttribute.pushMPLS, ActionAttribute.addMPLS: return try mpls(row)
        case ActionAttribute.popMPLS:
            try scanner.expect("eth_type=")
            let type = try scanner.expectInteger(bits: 16)
            try scanner.expect(")")
            return row.payload([type])
        case ActionAttribute.pushEthernet: return try pushEthernet()
        case ActionAttribute.pushNSH: return try pushNSH()
        case ActionAttribute.hash: return try hash(row)
        case ActionAttribute.sample: return try sample(ActionTable.sample)
        case ActionAttribute.clone: return try closedList()
        case ActionAttribute.checkPacketLength: return try checkPacketLength(ActionTable.checkPacketLength)
        case ActionAttribute.decrementTTL: return try decrementTTL(ActionTable.decrementTTL)
        default: throw scanner.error("expected another action")
        }
    }

    /// The row of the action whose name comes next, which is stepped over.
    private mutating func row() -> ActionDescription? {
        let start = scanner.position
        let name = scanner.run { $0 == UInt8(ascii: "_") || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) }
        if let row = Self.rows[String(decoding: name, as: UTF8.self)] { return row }
        scanner.rewind(to: start)
        return nil
    }

    /// The rows by their names. Which of the two set actions it is shows in the mask; a port has no name, and drop is an
    /// empty list.
    private static let rows: [String: ActionDescription] = {
        let others = [ActionAttribute.output, ActionAttribute.setMasked, ActionAttribute.drop]
        let rows = ActionTable.rows.filter { !others.contains($0.type) }
        return Dictionary(uniqueKeysWithValues: rows.map { ($0.name, $0) })
    }()

    /// A port by number or name, or nil if none comes next. A name wins over an action of the same name.
    mutating func port() throws(FlowTextError) -> UInt64? {
        let word = scanner.word
        let start = scanner.position
        if let first = word.first, (AddressText.hexDigit(first).map { $0 < 10 }) ?? (first == UInt8(ascii: "-")) {
            let number = try scanner.integer(bits: 32)
            if number != nil, scanner.isAtWordEnd { return number }
            scanner.rewind(to: start)
        }
        guard let number = keys.portNumber?(String(decoding: word, as: UTF8.self)) else { return nil }
        scanner.advance(word.count)
        return UInt64(number)
    }

    // MARK: Headers

    /// `ct_mark()` or `ct_label()`: so ovs-dpctl prints a field of a connection of which no bit is set.
    private mutating func emptyConnectionField() -> KeyPair? {
        for row in KeyTable.rows where row.type == KeyAttribute.ctMark || row.type == KeyAttribute.ctLabels {
            guard case .fields(let size, _) = row.payload, scanner.skip(row.name + "()") else { continue }
            let zero = [UInt8](repeating: 0, count: size)
            return KeyPair(type: row.type, key: zero, mask: zero)
        }
        return nil
    }

    /// A key attribute, written whole or with a mask.
    private mutating func set() throws(FlowTextError) -> (UInt16, [UInt8]) {
        if scanner.skip("nsh(") { return try setNSH() }
        let pair = if let pair = emptyConnectionField() { pair } else { try keys.attribute() }
        try scanner.expect(")")
        var inner = AttributeBuilder()
        switch pair.type {
        // A tunnel is never written through a mask.
        case KeyAttribute.tunnel, KeyAttribute.encap: break
        default:
            guard pair.mask.isAllOnes else {
                try inner.append(pair.type, pair.key + pair.mask, at: scanner)
                return (ActionAttribute.setMasked, inner.bytes)
            }
        }
        try inner.append(pair.type, pair.key, at: scanner)
        return (ActionAttribute.set, inner.bytes)
    }

    /// With a mask, value and mask stand in the attributes inside the network service header.
    private mutating func setNSH() throws(FlowTextError) -> (UInt16, [UInt8]) {
        let (key, mask) = try keys.nshFields()
        try scanner.expect(")")
        var header = AttributeBuilder()
        var inner = AttributeBuilder()
        let isWhole = mask.isAllOnes
        for (type, offset, size) in [(NSHKeyAttribute.base, 0, 8), (NSHKeyAttribute.md1, 8, 16)] {
            let value = key.field(offset, size)
            try header.append(type, isWhole ? value : value + mask.field(offset, size), at: scanner)
        }
        try inner.append(KeyAttribute.nsh, header.bytes, at: scanner)
        return (isWhole ? ActionAttribute.set : ActionAttribute.setMasked, inner.bytes)
    }

    /// `[tpid=0x88a8,]vid=10,pcp=0[,cfi=0])`.
    private mutating func pushVLAN(_ row: ActionDescription) throws(FlowTextError) -> [UInt8] {
        var tpid = UInt64(EtherType.vlan)
        if scanner.skip("tpid=") {
            tpid = try scanner.expectInteger(bits: 16)
            try scanner.expect(",")
        }
        try scanner.expect("vid=")
        let vid = try scanner.expectInteger(bits: 12)
        try scanner.expect(",pcp=")
        let pcp = try scanner.expectInteger(bits: 3)
        let cfi = scanner.skip(",cfi=") ? try scanner.expectInteger(bits: 32) : 1
        try scanner.expect(")")
        return row.payload([tpid, vid | pcp << 13 | (cfi == 0 ? 0 : UInt64(FlowKey.vlanPresent))])
    }

    /// `label=100,tc=0,ttl=64,bos=1,eth_type=0x8847)` as both MPLS actions hold it.
    private mutating func mpls(_ row: ActionDescription) throws(FlowTextError) -> [UInt8] {
        var entry: UInt64 = 0
        for (name, bits, shift) in [("label=", 20, 12), (",tc=", 3, 9), (",ttl=", 8, 0), (",bos=", 1, 8)] {
            try scanner.expect(name)
            entry |= try scanner.expectInteger(bits: bits) << UInt64(shift)
        }
        try scanner.expect(",eth_type=")
        let type = try scanner.expectInteger(bits: 16)
        try scanner.expect(")")
        return row.payload([entry, type])
    }

    private mutating func pushEthernet() throws(FlowTextError) -> [UInt8] {
        try scanner.expect("src=")
        guard let source = scanner.ethernet() else { throw scanner.error("expected an Ethernet address") }
        try scanner.expect(",dst=")
        guard let destination = scanner.ethernet() else { throw scanner.error("expected an Ethernet address") }
        if scanner.skip(",type=") { _ = try scanner.expectInteger(bits: 16) }
        try scanner.expect(")")
        return source + destination
    }

    /// A network service header; what the text leaves out has a default.
    private mutating func pushNSH() throws(FlowTextError) -> [UInt8] {
        var base: [UInt8] = [0, 63, 1, 3, 0, 0, 0, 255]
        var context = [UInt8](repeating: 0, count: 16)
        var metadata: [UInt8] = []
        let fields: [(String, Int)] = [("flags=", 0), ("ttl=", 1), ("mdtype=", 2), ("np=", 3), ("si=", 7)]
        while true {
            scanner.skipDelimiters()
            if scanner.skip(")") { break }
            if let (_, offset) = fields.first(where: { scanner.skip($0.0) }) {
                let start = scanner
                base[offset] = UInt8(truncatingIfNeeded: try scanner.expectInteger(bits: 8))
                guard base[2] == 1 || base[2] == 2 else { throw start.error("expected metadata type 1 or 2") }
            } else if scanner.skip("spi=") {
                base.replaceSubrange(4..<7, with: [UInt8].bigEndian(try scanner.expectInteger(bits: 24), count: 3))
            } else if base[2] == 1, let index = (0..<4).first(where: { scanner.skip("c\($0 + 1)=") }) {
                let word = try scanner.expectInteger(bits: 32)
                context.replaceSubrange(index * 4..<index * 4 + 4, with: [UInt8].bigEndian(word, count: 4))
            } else if base[2] == 2, scanner.skip("md2=0") {
                // Without the `x` it is a lone zero, which is how no metadata is printed.
                guard scanner.skip("x") else { continue }
                let start = scanner
                var digits = scanner.run { AddressText.hexDigit($0) != nil }.map { AddressText.hexDigit($0) ?? 0 }
                if digits.count % 2 != 0 { digits.insert(0, at: 0) }
                metadata = stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
                guard metadata.count <= 248 else { throw start.error("expected at most 248 bytes of metadata") }
                while metadata.count % 4 != 0 { metadata.append(0) }
            } else {
                throw scanner.error("expected a field of the header or “)”")
            }
        }
        var nested = AttributeBuilder()
        try nested.append(NSHKeyAttribute.base, base, at: scanner)
        if base[2] == 1 { try nested.append(NSHKeyAttribute.md1, context, at: scanner) }
        if base[2] == 2, !metadata.isEmpty { try nested.append(NSHKeyAttribute.md2, metadata, at: scanner) }
        var header = AttributeBuilder()
        try header.append(KeyAttribute.nsh, nested.bytes, at: scanner)
        return header.bytes
    }

    /// `l4(0))`.
    private mutating func hash(_ row: ActionDescription) throws(FlowTextError) -> [UInt8] {
        let names = row.fields[0].names
        guard let (algorithm, _) = names.first(where: { scanner.skip($0.value + "(") }) else {
            throw scanner.error("expected \(names.values.sorted().map { "“\($0)(”" }.listed)")
        }
        let basis = try scanner.expectInteger(bits: 32)
        try scanner.expect("))")
        return row.payload([algorithm, basis])
    }

    // MARK: Attributes inside

    /// `sample=50.0%,actions(1,2))`.
    private mutating func sample(_ nest: AttributeNest) throws(FlowTextError) -> [UInt8] {
        try scanner.expect(nest.name(SampleAttribute.probability) + "=")
        let start = scanner
        let digits = scanner.run(limit: 32) {
            ($0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9")) || $0 == UInt8(ascii: ".")
        }
        guard let percentage = Double(String(decoding: digits, as: UTF8.self)), (0...100).contains(percentage) else {
            throw start.error("expected a percentage from 0 to 100")
        }
        let probability = UInt64((Double(UInt32.max) * (percentage / 100) + 0.5).rounded(.down))
        try scanner.expect("%,")
        var inside = AttributeBuilder()
        try inside.append(
            SampleAttribute.probability, .host(min(probability, UInt64(UInt32.max)), count: 4), at: scanner)
        try list(SampleAttribute.actions, of: nest, &inside)
        try scanner.expect(")")
        return inside.bytes
    }

    /// `size=200,gt(4),le(5))`.
    private mutating func checkPacketLength(_ nest: AttributeNest) throws(FlowTextError) -> [UInt8] {
        let size = CheckPacketLengthAttribute.packetLength
        var inside = AttributeBuilder()
        try scanner.expect(nest.name(size) + "=")
        try inside.append(size, .host(try scanner.expectInteger(bits: 16), count: 2), at: scanner)
        try scanner.expect(",")
        try list(CheckPacketLengthAttribute.ifGreater, of: nest, &inside)
        try scanner.expect(",")
        try list(CheckPacketLengthAttribute.ifLessEqual, of: nest, &inside)
        try scanner.expect(")")
        return inside.bytes
    }

    /// `le_1(1,2))`.
    private mutating func decrementTTL(_ nest: AttributeNest) throws(FlowTextError) -> [UInt8] {
        var inside = AttributeBuilder()
        try list(DecrementTTLAttribute.action, of: nest, &inside)
        try scanner.expect(")")
        return inside.bytes
    }

    /// A list with its name, such as `gt(1,2)`.
    private mutating func list(
        _ type: UInt16, of nest: AttributeNest, _ inside: inout AttributeBuilder
    ) throws(FlowTextError) {
        try scanner.expect(nest.name(type) + "(")
        try inside.append(type, try closedList(), at: scanner)
    }

    /// `group=12,cookie=0x0102)`.
    private mutating func psample(_ nest: AttributeNest) throws(FlowTextError) -> [UInt8] {
        var inside = AttributeBuilder()
        try scanner.expect(nest.name(PsampleAttribute.group) + "=")
        try inside.append(PsampleAttribute.group, .host(try scanner.expectInteger(bits: 32), count: 4), at: scanner)
        if scanner.skip(",\(nest.name(PsampleAttribute.cookie))=") {
            _ = scanner.skip("0x")
            let start = scanner
            let cookie = scanner.hexBytes()
            guard (1...16).contains(cookie.count) else { throw start.error("expected a cookie of 1 to 16 bytes") }
            try inside.append(PsampleAttribute.cookie, cookie, at: scanner)
        }
        try scanner.expect(")")
        return inside.bytes
    }
}
