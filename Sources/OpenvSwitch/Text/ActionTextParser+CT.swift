extension ActionTextParser {
    /// What stands behind `ct`: nothing, or fields in parentheses.
    mutating func connectionTracking(_ nest: AttributeNest) throws(FlowTextError) -> [UInt8] {
        var inside: [UInt16: [UInt8]] = [:]
        let start = scanner
        if scanner.skip("(") {
            while true {
                scanner.skipDelimiters()
                if scanner.skip(")") { break }
                let row = nest.attributes.first {
                    !$0.name.isEmpty && scanner.skip($0.isNamedAlone ? $0.name : $0.name + "=")
                }
                guard let row else { throw scanner.error("expected a field of “ct” or “)”") }
                // What a field leaves as it is without it is not written.
                inside[row.type] = try field(row)
            }
        }
        if inside[CTAttribute.commit] != nil, inside[CTAttribute.forceCommit] != nil {
            throw start.error("expected only one of “commit” and “force_commit”")
        }
        var attributes = AttributeBuilder()
        for type in Self.order {
            if let payload = inside[type] { try attributes.append(type, payload, at: scanner) }
        }
        return attributes.bytes
    }

    /// The order in which the tool writes the fields.
    private static let order = [
        CTAttribute.commit, CTAttribute.forceCommit, CTAttribute.zone, CTAttribute.mark, CTAttribute.labels,
        CTAttribute.helper, CTAttribute.timeout, CTAttribute.nat,
    ]

    /// What stands behind a field's name: its payload, or nil if it says nothing.
    private mutating func field(_ row: AttributeDescription) throws(FlowTextError) -> [UInt8]? {
        switch (row.type, row.payload) {
        case (CTAttribute.zone, _):
            let zone = try scanner.expectInteger(bits: 16)
            return zone == 0 ? nil : .host(zone, count: 2)
        case (CTAttribute.mark, _):
            let mark = try scanner.expectInteger(bits: 32, base: 16)
            let mask = scanner.skip("/") ? try scanner.expectInteger(bits: 32, base: 16) : UInt64(UInt32.max)
            return mask == 0 ? nil : .host(mark, count: 4) + .host(mask, count: 4)
        case (CTAttribute.labels, _):
            let labels = try keys.labels()
            return labels.mask.isAllZero ? nil : labels.key + labels.mask
        case (CTAttribute.nat, _): return try nat()
        case (_, .string(let maximum)): return try name(maximum: maximum - 1) + [0]
        default: return []
        }
    }

    private mutating func name(maximum: Int) throws(FlowTextError) -> [UInt8] {
        let word = scanner.word
        guard (1...maximum).contains(word.count), !word.contains(0) else {
            throw scanner.error("expected a name of at most \(maximum) bytes")
        }
        scanner.advance(word.count)
        return Array(word)
    }

    /// What stands behind `nat`: nothing, or `(src=10.0.0.1-10.0.0.9:100-200,persistent,hash)`.
    private mutating func nat() throws(FlowTextError) -> [UInt8] {
        guard scanner.skip("(") else { return [] }
        let start = scanner
        var type: UInt16?
        var range = NATRange()
        var flags: Set<UInt16> = []
        while true {
            scanner.skipDelimiters()
            if scanner.skip(")") { break }
            let row = ActionTable.nat.attributes.first { !$0.name.isEmpty && scanner.skip($0.name) }
            switch row?.type {
            case let found? where found == NATAttribute.source || found == NATAttribute.destination:
                guard type == nil || type == found else { throw start.error("expected only one of “src” and “dst”") }
                type = found
                if scanner.skip("=") { range = try natRange() }
            case let flag?: flags.insert(flag)
            case nil: throw scanner.error("expected a field of “nat” or “)”")
            }
        }
        if flags.isSuperset(of: [NATAttribute.protoHash, NATAttribute.protoRandom]) {
            throw start.error("expected only one of “hash” and “random”")
        }
        var nested = AttributeBuilder()
        // Without a direction the existing translation is applied, and nothing else means anything.
        guard let type else { return [] }
        try nested.append(type, [], at: scanner)
        if !range.minimum.isEmpty { try nested.append(NATAttribute.ipMinimum, range.minimum, at: scanner) }
        if range.minimum.lexicographicallyPrecedes(range.maximum) {
            try nested.append(NATAttribute.ipMaximum, range.maximum, at: scanner)
        }
        if range.protoMinimum != 0 {
            try nested.append(NATAttribute.protoMinimum, .host(range.protoMinimum, count: 2), at: scanner)
            if range.protoMaximum > range.protoMinimum {
                try nested.append(NATAttribute.protoMaximum, .host(range.protoMaximum, count: 2), at: scanner)
            }
        }
        for flag in flags.sorted() { try nested.append(flag, [], at: scanner) }
        return nested.bytes
    }

    private struct NATRange {
        var minimum: [UInt8] = []
        var maximum: [UInt8] = []
        var protoMinimum: UInt64 = 0
        var protoMaximum: UInt64 = 0
    }

    /// Addresses of one family and ports, each a single one or a range.
    private mutating func natRange() throws(FlowTextError) -> NATRange {
        let start = scanner
        var range = NATRange()
        range.minimum = try natAddress()
        if scanner.skip("-") {
            range.maximum = try natAddress()
            let isAny = range.maximum.isAllZero
            guard range.maximum.count == range.minimum.count,
                isAny || !range.maximum.lexicographicallyPrecedes(range.minimum)
            else { throw start.error("expected a range of addresses in order") }
            if isAny { range.maximum = [] }
        }
        if scanner.skip(":") {
            range.protoMinimum = try scanner.expectInteger(bits: 16, base: 10)
            if scanner.skip("-") { range.protoMaximum = try scanner.expectInteger(bits: 16, base: 10) }
            guard range.protoMaximum == 0 || range.protoMaximum >= range.protoMinimum else {
                throw start.error("expected a range of ports in order")
            }
        }
        return range
    }

    private mutating func natAddress() throws(FlowTextError) -> [UInt8] {
        if scanner.skip("[") {
            guard let address = scanner.ipv6() else { throw scanner.error("expected an IPv6 address") }
            try scanner.expect("]")
            return address
        }
        if let address = scanner.ipv4() ?? scanner.ipv6() { return address }
        throw scanner.error("expected an address")
    }
}

extension AttributeDescription {
    /// Whether the name has no value behind it, or one in parentheses that may be left out.
    fileprivate var isNamedAlone: Bool { payload == .flag || payload == .nested }
}
