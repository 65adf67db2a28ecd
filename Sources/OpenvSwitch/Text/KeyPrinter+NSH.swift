/// A network service header (RFC 8300) as the text form sees it.
struct NSHText {
    var flags: UInt64 = 0
    var ttl: UInt64 = 0
    var mdtype: UInt64 = 0
    var np: UInt64 = 0
    /// The service path header: 24 bits of path identifier and 8 of index.
    var path: UInt64 = 0
    var context: [UInt64] = [0, 0, 0, 0]

    static let exact = NSHText(
        flags: 0xff, ttl: 0xff, mdtype: 0xff, np: 0xff, path: 0xffff_ffff,
        context: [UInt64](repeating: 0xffff_ffff, count: 4))

    mutating func read(base: [UInt8]) {
        flags = UInt64(base.field(0, 1)[0])
        ttl = UInt64(base.field(1, 1)[0])
        mdtype = UInt64(base.field(2, 1)[0])
        np = UInt64(base.field(3, 1)[0])
        path = base.field(4, 4).bigEndianValue
    }

    mutating func read(context bytes: [UInt8]) {
        context = (0..<4).map { bytes.field($0 * 4, 4).bigEndianValue }
    }

    /// Every field; the context only of metadata type 1.
    var text: String {
        var text = "flags=\(flags),ttl=\(ttl),mdtype=\(mdtype),np=\(np)"
        text += ",spi=0x\(String.hex(path >> 8)),si=\(path & 0xff)"
        if mdtype == 1 {
            for (index, word) in context.enumerated() { text += ",c\(index + 1)=0x\(String.hex(word))" }
        }
        return text
    }

    /// The fields whose mask is not zero.
    func text(mask: NSHText) -> String {
        var parts: [String] = []
        func byte(_ name: String, _ value: UInt64, _ mask: UInt64) {
            guard mask != 0 else { return }
            parts.append(
                mask == 0xff
                    ? "\(name)=\(value)" : "\(name)=0x\(String.hex(value, digits: 2))/0x\(String.hex(mask, digits: 2))")
        }
        func word(_ name: String, _ value: UInt64, _ mask: UInt64) {
            guard mask != 0 else { return }
            let text = "\(name)=0x\(String.hex(value))"
            parts.append(mask == 0xffff_ffff ? text : text + "/0x\(String.hex(mask, digits: 8))")
        }
        byte("flags", flags, mask.flags)
        byte("ttl", ttl, mask.ttl)
        byte("mdtype", mdtype, mask.mdtype)
        byte("np", np, mask.np)
        word("spi", path >> 8, mask.path >> 8 == 0xff_ffff ? 0xffff_ffff : mask.path >> 8)
        byte("si", path & 0xff, mask.path & 0xff)
        for (index, value) in context.enumerated() { word("c\(index + 1)", value, mask.context[index]) }
        return parts.joined(separator: ",")
    }
}

extension KeyPrinter {
    /// The attributes nested in `OVS_KEY_ATTR_NSH`.
    mutating func nsh(_ value: [UInt8], mask: [UInt8]?) {
        let masks = mask.map { TextAttributes($0) }
        var header = NSHText()
        var headerMask = NSHText.exact
        for attribute in TextAttributes(value).list {
            let found = masks?.first(attribute.type)
            guard checkLength(attribute, mask: found, expected: .nsh(attribute.type), namesType: true) else { continue }
            switch attribute.type {
            case NSHKeyAttribute.base:
                header.read(base: attribute.payload)
                if let found { headerMask.read(base: found) }
            case NSHKeyAttribute.md1:
                header.read(context: attribute.payload)
                if let found { headerMask.read(context: found) }
            default:
                break
            }
        }
        append(mask == nil ? header.text : header.text(mask: headerMask))
    }
}
