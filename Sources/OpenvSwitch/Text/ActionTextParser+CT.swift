extension ActionTextParser {
    /// What stands behind `ct`: nothing, or fields in parentheses.
    mutating func connectionTracking() throws(FlowTextError) -> [UInt8] {
        var isCommit = false
        var isForced = false
        var zone: UInt64 = 0
        var mark: (key: [UInt8], mask: [UInt8]) = ([], [])
        var labels = mark
        var helper: [UInt8] = []
        var timeout: [UInt8] = []
        var nat: [UInt8]?
        let start = scanner
        if scanner.skip("(") {
            while true {
                scanner.skipDelimiters()
                if scanner.skip(")") { break }
                if scanner.skip("commit") {
                    isCommit = true
                } else if scanner.skip("force_commit") {
                    isForced = true
                } else if scanner.skip("zone=") {
                    zone = try scanner.expectInteger(bits: 16)
                } else if scanner.skip("mark=") {
                    mark.key = .host(try scanner.expectInteger(bits: 32, base: 16), count: 4)
                    let mask = scanner.skip("/") ? try scanner.expectInteger(bits: 32, base: 16) : UInt64(UInt32.max)
                    mark.mask = .host(mask, count: 4)
                } else if scanner.skip("label=") {
                    labels = try keys.labels()
                } else if scanner.skip("helper=") {
                    helper = try name(maximum: 15)
                } else if scanner.skip("timeout=") {
                    timeout = try name(maximum: 31)
                } else if scanner.skip("nat") {
                    nat = try self.nat()
                } else {
                    throw scanner.error("expected a field of “ct” or “)”")
                }
            }
        }
        if isCommit, isForced { throw start.error("expected only one of “commit” and “force_commit”") }
        var nested = AttributeBuilder()
        if isCommit { try nested.append(CTAttribute.commit, [], at: scanner) }
        if isForced { try nested.append(CTAttribute.forceCommit, [], at: scanner) }
        if zone != 0 { try nested.append(CTAttribute.zone, .host(zone, count: 2), at: scanner) }
        if !mark.mask.isAllZero { try nested.append(CTAttribute.mark, mark.key + mark.mask, at: scanner) }
        if !labels.mask.isAllZero { try nested.append(CTAttribute.labels, labels.key + labels.mask, at: scanner) }
        if !helper.isEmpty { try nested.append(CTAttribute.helper, helper + [0], at: scanner) }
        if !timeout.isEmpty { try nested.append(CTAttribute.timeout, timeout + [0], at: scanner) }
        if let nat { try nested.append(CTAttribute.nat, nat, at: scanner) }
        return nested.bytes
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
            if let (_, found) = [("src", NATAttribute.source), ("dst", NATAttribute.destination)]
                .first(where: { scanner.skip($0.0) })
            {
                guard type == nil || type == found else { throw start.error("expected only one of “src” and “dst”") }
                type = found
                if scanner.skip("=") { range = try natRange() }
            } else if scanner.skip("persistent") {
                flags.insert(NATAttribute.persistent)
            } else if scanner.skip("hash") {
                flags.insert(NATAttribute.protoHash)
            } else if scanner.skip("random") {
                flags.insert(NATAttribute.protoRandom)
            } else {
                throw scanner.error("expected a field of “nat” or “)”")
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
