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
        for (name, type) in Self.flags where scanner.skip(name) { return (type, []) }
        for (name, type) in Self.numbers where scanner.skip(name) {
            let number = try scanner.expectInteger(bits: 32)
            try scanner.expect(")")
            return (type, .host(number, count: 4))
        }
        if scanner.skip("userspace(") { return (ActionAttribute.userspace, try userspace()) }
        if scanner.skip("set(") { return try set() }
        if scanner.skip("push_vlan(") { return (ActionAttribute.pushVLAN, try pushVLAN()) }
        if scanner.skip("push_mpls(") { return (ActionAttribute.pushMPLS, try mpls()) }
        if scanner.skip("add_mpls(") { return (ActionAttribute.addMPLS, try mpls()) }
        if scanner.skip("pop_mpls(eth_type=") {
            let type = try scanner.expectInteger(bits: 16)
            try scanner.expect(")")
            return (ActionAttribute.popMPLS, .bigEndian(type, count: 2))
        }
        if scanner.skip("push_eth(") { return (ActionAttribute.pushEthernet, try pushEthernet()) }
        if scanner.skip("push_nsh(") { return (ActionAttribute.pushNSH, try pushNSH()) }
        if scanner.skip("hash(") { return (ActionAttribute.hash, try hash()) }
        if scanner.skip("sample(sample=") { return (ActionAttribute.sample, try sample()) }
        if scanner.skip("clone(") { return (ActionAttribute.clone, try closedList()) }
        if scanner.skip("check_pkt_len(size=") {
            return (ActionAttribute.checkPacketLength, try checkPacketLength())
        }
        if scanner.skip("dec_ttl(le_1(") {
            var nested = AttributeBuilder()
            try nested.append(DecrementTTLAttribute.action, try closedList(), at: scanner)
            try scanner.expect(")")
            return (ActionAttribute.decrementTTL, nested.bytes)
        }
        if scanner.skip("psample(group=") { return (ActionAttribute.psample, try psample()) }
        if scanner.skip("ct") { return (ActionAttribute.ct, try connectionTracking()) }
        if isDropNext { throw scanner.error("expected no other action beside “drop”") }
        throw scanner.error("expected an action such as “output port”, “set(…)” or “drop”")
    }

    /// Longer names before those that they begin with.
    private static let flags: [(String, UInt16)] = [
        ("pop_vlan", ActionAttribute.popVLAN), ("pop_eth", ActionAttribute.popEthernet),
        ("pop_nsh()", ActionAttribute.popNSH), ("ct_clear", ActionAttribute.ctClear),
    ]

    private static let numbers: [(String, UInt16)] = [
        ("trunc(", ActionAttribute.trunc), ("meter(", ActionAttribute.meter), ("recirc(", ActionAttribute.recirc),
    ]

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

    /// A key attribute, written whole or with a mask.
    private mutating func set() throws(FlowTextError) -> (UInt16, [UInt8]) {
        if scanner.skip("nsh(") { return try setNSH() }
        let pair = try keys.attribute()
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
    private mutating func pushVLAN() throws(FlowTextError) -> [UInt8] {
        var tpid: UInt64 = 0x8100
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
        return .bigEndian(tpid, count: 2) + .bigEndian(vid | pcp << 13 | (cfi == 0 ? 0 : 0x1000), count: 2)
    }

    /// `label=100,tc=0,ttl=64,bos=1,eth_type=0x8847)` as both MPLS actions hold it.
    private mutating func mpls() throws(FlowTextError) -> [UInt8] {
        var entry: UInt64 = 0
        for (name, bits, shift) in [("label=", 20, 12), (",tc=", 3, 9), (",ttl=", 8, 0), (",bos=", 1, 8)] {
            try scanner.expect(name)
            entry |= try scanner.expectInteger(bits: bits) << UInt64(shift)
        }
        try scanner.expect(",eth_type=")
        let type = try scanner.expectInteger(bits: 16)
        try scanner.expect(")")
        return .bigEndian(entry, count: 4) + .bigEndian(type, count: 2) + [0, 0]
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

    private mutating func hash() throws(FlowTextError) -> [UInt8] {
        let algorithm: UInt64
        if scanner.skip("l4(") {
            algorithm = 0
        } else if scanner.skip("sym_l4(") {
            algorithm = 1
        } else {
            throw scanner.error("expected “l4(” or “sym_l4(”")
        }
        let basis = try scanner.expectInteger(bits: 32)
        try scanner.expect("))")
        return .host(algorithm, count: 4) + .host(basis, count: 4)
    }

    // MARK: Nested lists

    /// `50.0%,actions(1,2))`.
    private mutating func sample() throws(FlowTextError) -> [UInt8] {
        let start = scanner
        let digits = scanner.run(limit: 32) {
            ($0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9")) || $0 == UInt8(ascii: ".")
        }
        guard let percentage = Double(String(decoding: digits, as: UTF8.self)), (0...100).contains(percentage) else {
            throw start.error("expected a percentage from 0 to 100")
        }
        let probability = UInt64((Double(UInt32.max) * (percentage / 100) + 0.5).rounded(.down))
        try scanner.expect("%,actions(")
        var nested = AttributeBuilder()
        try nested.append(
            SampleAttribute.probability, .host(min(probability, UInt64(UInt32.max)), count: 4), at: scanner)
        try nested.append(SampleAttribute.actions, try closedList(), at: scanner)
        try scanner.expect(")")
        return nested.bytes
    }

    /// `200,gt(4),le(5))`.
    private mutating func checkPacketLength() throws(FlowTextError) -> [UInt8] {
        var nested = AttributeBuilder()
        let length = try scanner.expectInteger(bits: 16)
        try nested.append(CheckPacketLengthAttribute.packetLength, .host(length, count: 2), at: scanner)
        try scanner.expect(",gt(")
        try nested.append(CheckPacketLengthAttribute.ifGreater, try closedList(), at: scanner)
        try scanner.expect(",le(")
        try nested.append(CheckPacketLengthAttribute.ifLessEqual, try closedList(), at: scanner)
        try scanner.expect(")")
        return nested.bytes
    }

    private mutating func psample() throws(FlowTextError) -> [UInt8] {
        var nested = AttributeBuilder()
        let group = try scanner.expectInteger(bits: 32)
        try nested.append(PsampleAttribute.group, .host(group, count: 4), at: scanner)
        if scanner.skip(",cookie=") {
            _ = scanner.skip("0x")
            let start = scanner
            let cookie = scanner.hexBytes()
            guard (1...16).contains(cookie.count) else { throw start.error("expected a cookie of 1 to 16 bytes") }
            try nested.append(PsampleAttribute.cookie, cookie, at: scanner)
        }
        try scanner.expect(")")
        return nested.bytes
    }
}
