extension KeyTextParser {
    /// The attributes of a tunnel, in the order of the text.
    mutating func tunnel() throws(FlowTextError) -> KeyPair {
        var keys = AttributeBuilder()
        var masks = AttributeBuilder()
        try fieldList { parser throws(FlowTextError) in
            for row in TunnelTable.rows {
                guard let field = row.fields.first, parser.scanner.skip(field.name + "=") else { continue }
                let (key, mask) = try parser.value(field.form)
                try keys.append(row.type, key, at: parser.scanner)
                try masks.append(row.type, mask, at: parser.scanner)
                return true
            }
            if parser.scanner.skip("vxlan(gbp(") {
                let (key, mask) = try parser.groupPolicy()
                for (policy, isKey) in [(key, true), (mask, false)] where policy != 0 {
                    var option = AttributeBuilder()
                    try option.append(VXLANExtension.gbp, .host(policy, count: 4), at: parser.scanner)
                    if isKey {
                        try keys.append(TunnelKeyAttribute.vxlanOptions, option.bytes, at: parser.scanner)
                    } else {
                        try masks.append(TunnelKeyAttribute.vxlanOptions, option.bytes, at: parser.scanner)
                    }
                }
                return true
            }
            if parser.scanner.skip("geneve(") {
                let (key, mask) = try parser.geneveOptions()
                try keys.append(TunnelKeyAttribute.geneveOptions, key, at: parser.scanner)
                try masks.append(TunnelKeyAttribute.geneveOptions, mask, at: parser.scanner)
                return true
            }
            if parser.scanner.skip("erspan(") {
                let (key, mask) = try parser.erspanOptions()
                try keys.append(TunnelKeyAttribute.erspanOptions, key, at: parser.scanner)
                try masks.append(TunnelKeyAttribute.erspanOptions, mask, at: parser.scanner)
                return true
            }
            if parser.scanner.skip("gtpu(") {
                let (key, mask) = try parser.gtpOptions()
                try keys.append(TunnelKeyAttribute.ipv4InfoBridge, key, at: parser.scanner)
                try masks.append(TunnelKeyAttribute.ipv4InfoBridge, mask, at: parser.scanner)
                return true
            }
            if parser.scanner.skip("flags(") {
                let (flags, mask) = try parser.flags(.tunnel)
                try parser.scanner.expect(")")
                // `key` stands for the presence of the tunnel identifier, which is an attribute of its own.
                let types: [(UInt32, UInt16)] = [
                    (2, TunnelKeyAttribute.dontFragment), (4, TunnelKeyAttribute.checksum), (1, TunnelKeyAttribute.oam),
                ]
                for (bit, type) in types {
                    if flags & bit != 0 { try keys.append(type, [], at: parser.scanner) }
                    if mask & bit != 0 { try masks.append(type, [], at: parser.scanner) }
                }
                return true
            }
            return false
        }
        return KeyPair(type: KeyAttribute.tunnel, key: keys.bytes, mask: masks.bytes)
    }

    /// `id=10,flags=0))`, each of them optional, as the 32-bit word that carries them.
    private mutating func groupPolicy() throws(FlowTextError) -> (key: UInt64, mask: UInt64) {
        var key: UInt64 = 0
        var mask: UInt64 = 0
        if scanner.skip("id=") {
            let id = try value(.decimal16)
            key |= id.key.bigEndianValue
            mask |= id.mask.bigEndianValue
        }
        _ = scanner.skip(",")
        if scanner.skip("flags=") {
            let flags = try value(.hex8)
            key |= flags.key.bigEndianValue << 16
            mask |= flags.mask.bigEndianValue << 16
        }
        try scanner.expect("))")
        return (key, mask)
    }

    /// `flags=0x30,msgtype=255)`.
    private mutating func gtpOptions() throws(FlowTextError) -> (key: [UInt8], mask: [UInt8]) {
        var flags: (key: [UInt8], mask: [UInt8]) = ([0], [0])
        var messageType = flags
        if scanner.skip("flags=") { flags = try value(.hex8) }
        _ = scanner.skip(",")
        if scanner.skip("msgtype=") { messageType = try value(.decimal8) }
        try scanner.expect(")")
        return (flags.key + messageType.key, flags.mask + messageType.mask)
    }

    /// `ver=1,idx=0x7)` or `ver=2,dir=1,hwid=0x7)`. What the text does not name is exact in the mask.
    private mutating func erspanOptions() throws(FlowTextError) -> (key: [UInt8], mask: [UInt8]) {
        var key = [UInt8](repeating: 0, count: 12)
        var mask = [UInt8](repeating: 0xff, count: 12)
        let start = scanner
        try scanner.expect("ver=")
        let version = try value(.decimal8).key[0]
        key.replaceSubrange(0..<4, with: [UInt8].host(UInt64(version), count: 4))
        _ = scanner.skip(",")
        switch version {
        case 1:
            var index: (key: [UInt8], mask: [UInt8]) = (.init(repeating: 0, count: 4), .init(repeating: 0, count: 4))
            if scanner.skip("idx=") { index = try value(.unmasked32) }
            key.replaceSubrange(4..<8, with: index.key)
            mask.replaceSubrange(4..<8, with: index.mask)
        case 2:
            var direction: (key: [UInt8], mask: [UInt8]) = ([0], [0])
            var hardware = direction
            if scanner.skip("dir=") { direction = try value(.decimal8) }
            _ = scanner.skip(",")
            if scanner.skip("hwid=") { hardware = try value(.hex8) }
            key[11] = (direction.key[0] & 1) << 3 | (hardware.key[0] & 0xf) << 4
            mask[11] = 0x07 | (direction.mask[0] & 1) << 3 | (hardware.mask[0] & 0xf) << 4
        default:
            throw start.error("expected version 1 or 2")
        }
        try scanner.expect(")")
        return (key, mask)
    }

    /// Geneve options, each in braces, up to the closing parenthesis.
    private mutating func geneveOptions() throws(FlowTextError) -> (key: [UInt8], mask: [UInt8]) {
        var key: [UInt8] = []
        var mask: [UInt8] = []
        while scanner.skip("{") {
            let start = scanner
            var kind: (key: [UInt8], mask: [UInt8]) = ([0, 0], [0, 0])
            var type: (key: [UInt8], mask: [UInt8]) = ([0], [0])
            var length: UInt8 = 0
            var lengthMask: UInt8 = 0x1f
            if scanner.skip("class=") { kind = try value(.hex16) }
            _ = scanner.skip(",")
            if scanner.skip("type=") { type = try value(.hex8) }
            _ = scanner.skip(",")
            if scanner.skip("len=") {
                let lengthStart = scanner
                let (given, givenMask) = try value(.decimal8)
                guard given[0] <= 124, given[0] % 4 == 0 else {
                    throw lengthStart.error("expected a multiple of 4 up to 124")
                }
                length = given[0]
                lengthMask = givenMask[0] & 0x1f
            }
            var data = [UInt8](repeating: 0, count: Int(length))
            var dataMask = [UInt8](repeating: 0xff, count: Int(length))
            if scanner.skip(",") { data = try scanner.wideNumber(count: data.count) }
            if scanner.skip("/") { dataMask = try scanner.wideNumber(count: data.count) }
            try scanner.expect("}")
            guard key.count + 4 + data.count <= 252 else { throw start.error("expected at most 252 bytes of options") }
            key += kind.key + type.key + [length / 4] + data
            mask += kind.mask + type.mask + [lengthMask] + dataMask
        }
        try scanner.expect(")")
        return (key, mask)
    }
}
