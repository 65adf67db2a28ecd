extension KeyPrinter {
    /// The attributes nested in `OVS_KEY_ATTR_TUNNEL`. A mask that lacks an attribute wildcards it.
    mutating func tunnel(_ value: [UInt8], mask: [UInt8]?) {
        let masks = mask.map { TextAttributes($0) }
        var flags: UInt32 = 0
        var flagMask: UInt32 = 0
        for attribute in TextAttributes(value).list {
            let zero = [UInt8](repeating: 0, count: attribute.payload.count)
            let found = masks.map { $0.first(attribute.type) ?? zero }
            let payload = attribute.payload
            guard checkLength(attribute, mask: found, expected: .tunnel(attribute.type), namesType: true) else {
                continue
            }
            switch attribute.type {
            case TunnelKeyAttribute.id:
                flags |= 8
                if found != nil { flagMask |= 8 }
                field("tun_id", .hex64, payload, found)
            case TunnelKeyAttribute.dontFragment: flags |= 2
            case TunnelKeyAttribute.checksum: flags |= 4
            case TunnelKeyAttribute.oam: flags |= 1
            case TunnelKeyAttribute.pad: break
            case TunnelKeyAttribute.vxlanOptions:
                append("vxlan(")
                vxlanOptions(payload, mask: found)
                append("),")
            case TunnelKeyAttribute.geneveOptions:
                append("geneve(")
                if let found, found.count != payload.count {
                    append("value len \(payload.count) different from mask len \(found.count)")
                } else {
                    geneveOptions(payload, mask: found)
                }
                append("),")
            case TunnelKeyAttribute.erspanOptions:
                append("erspan(")
                erspanOptions(payload, mask: found)
                append("),")
            case TunnelKeyAttribute.ipv4InfoBridge where payload.count == 2:
                // In user space the number stands for the options of GTP-U.
                append("gtpu(")
                field("flags", .hex8, payload.field(0, 1), found?.field(0, 1))
                field("msgtype", .decimal8, payload.field(1, 1), found?.field(1, 1))
                dropComma()
                append("),")
            default:
                if let part = TunnelTable.row(attribute.type)?.fields.first {
                    field(part.name, part.form, payload, found)
                } else {
                    unknown(attribute, mask: found)
                }
            }
        }
        // A flag can be matched without being set, so the mask is read by itself.
        for attribute in masks?.list ?? [] {
            switch attribute.type {
            case TunnelKeyAttribute.dontFragment: flagMask |= 2
            case TunnelKeyAttribute.checksum: flagMask |= 4
            case TunnelKeyAttribute.oam: flagMask |= 1
            default: break
            }
        }
        if masks == nil {
            append("flags(\(FlagNames.tunnel.text(flags))),")
        } else if verbose || flagMask != 0 {
            append("flags(\(FlagNames.tunnel.text(flags, mask: flagMask, full: 0xf))),")
        }
        dropComma()
    }

    private mutating func vxlanOptions(_ value: [UInt8], mask: [UInt8]?) {
        let masks = mask.map { TextAttributes($0) }
        for attribute in TextAttributes(value).list {
            let zero = [UInt8](repeating: 0, count: attribute.payload.count)
            let found = masks.map { $0.first(attribute.type) ?? zero }
            guard checkLength(attribute, mask: found, expected: .vxlan(attribute.type), namesType: true) else {
                continue
            }
            guard attribute.type == VXLANExtension.gbp else {
                unknown(attribute, mask: found)
                continue
            }
            // The group policy: an identifier in the lower 16 bits, flags in the 8 above.
            let policy = attribute.payload.hostValue
            let policyMask = found?.hostValue
            append("gbp(")
            field(
                "id", .decimal16, .bigEndian(policy & 0xffff, count: 2),
                policyMask.map { .bigEndian($0 & 0xffff, count: 2) })
            field(
                "flags", .hex8, .bigEndian(policy >> 16 & 0xff, count: 1),
                policyMask.map { .bigEndian($0 >> 16 & 0xff, count: 1) })
            dropComma()
            append("),")
        }
        dropComma()
    }

    /// `struct erspan_metadata`: a version in host byte order, then an index (version 1) or a header (version 2).
    private mutating func erspanOptions(_ value: [UInt8], mask: [UInt8]?) {
        let version = value.field(0, 4).hostValue
        let versionByte = [UInt8].bigEndian(version & 0xff, count: 1)
        field("ver", .decimal8, versionByte, mask.map { .bigEndian($0.field(0, 4).hostValue & 0xff, count: 1) })
        if version == 1 {
            append("idx=" + String.prefixedHex(value.field(4, 4).bigEndianValue))
            if let mask { append("/" + String.prefixedHex(mask.field(4, 4).bigEndianValue)) }
            append(",")
        } else if version == 2 {
            let header = value.field(11, 1).bigEndianValue
            let headerMask = mask?.field(11, 1).bigEndianValue
            field(
                "dir", .decimal8, .bigEndian(header >> 3 & 1, count: 1),
                headerMask.map { .bigEndian($0 >> 3 & 1, count: 1) })
            field(
                "hwid", .hex8, .bigEndian(header >> 4, count: 1), headerMask.map { .bigEndian($0 >> 4, count: 1) })
        }
        dropComma()
    }

    /// Geneve options as they stand in the packet (RFC 8926, section 3.5).
    private mutating func geneveOptions(_ value: [UInt8], mask: [UInt8]?) {
        var offset = 0
        while offset < value.count {
            let left = value.count - offset
            guard left >= 4 else {
                append("opt len \(left) less than minimum 4")
                return
            }
            let dataSize = Int(value[offset + 3] & 0x1f) * 4
            guard 4 + dataSize <= left else {
                append("opt len \(4 + dataSize) greater than remaining \(left)")
                return
            }
            append("{")
            field("class", .hex16, value.field(offset, 2), mask?.field(offset, 2))
            field("type", .hex8, value.field(offset + 2, 1), mask?.field(offset + 2, 1))
            let lengthMask: [UInt8]? = mask.map {
                let bits = $0.field(offset + 3, 1)[0] & 0x1f
                return [bits == 0x1f ? 0xff : bits]
            }
            field("len", .decimal8, [UInt8(dataSize)], lengthMask)
            let data = value.field(offset + 4, dataSize)
            let dataMask = mask?.field(offset + 4, dataSize)
            if dataSize > 0, verbose || !(dataMask?.isAllZero ?? false) {
                append(String.hexNumber(data))
                if let dataMask, !dataMask.isAllOnes { append("/" + String.hexNumber(dataMask)) }
            } else {
                dropComma()
            }
            append("}")
            offset += 4 + dataSize
        }
    }
}
