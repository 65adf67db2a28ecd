import Netlink

extension NSHFields {
    /// Reads the attributes of `OVS_KEY_ATTR_NSH`; nil if they are no header.
    /// - Parameters:
    ///   - part: in a masked set each attribute holds two headers: 0 the value, 1 the mask.
    ///   - count: 2 in a masked set, else 1.
    init?(_ attributes: Attributes, part: Int, of count: Int) {
        var run = attributes
        var hasBase = false
        self.init(nextProtocol: 0, path: 0)
        do {
            while let attribute = try run.next() {
                let size = attribute.payload.byteCount / count
                let payload = attribute.payload.clamped(part * size..<(part + 1) * size)
                switch attribute.type {
                case NSHKeyAttribute.base where attribute.payload.byteCount == 8 * count:
                    flags = payload.load(at: 0) ?? 0
                    ttl = payload.load(at: 1) ?? 0
                    metadataType = payload.load(at: 2) ?? 0
                    nextProtocol = payload.load(at: 3) ?? 0
                    path = payload.loadBigEndian(at: 4) ?? 0
                    hasBase = true
                case NSHKeyAttribute.md1 where attribute.payload.byteCount == 16 * count: context = payload.copyBytes()
                case NSHKeyAttribute.md2 where count == 1: metadata = payload.copyBytes()
                default: return nil
                }
            }
        } catch { return nil }
        guard hasBase else { return nil }
    }

    /// Writes the attributes of `OVS_KEY_ATTR_NSH`.
    /// - Parameter mask: for a masked set, what stands behind the value in each attribute.
    func write(mask: NSHFields?, to writer: inout MessageWriter) throws(NetlinkError) {
        try writer.append(NSHKeyAttribute.base, bytes: base + (mask?.base ?? []))
        if let context { try writer.append(NSHKeyAttribute.md1, bytes: context + (mask?.context ?? [])) }
        if let metadata { try writer.append(NSHKeyAttribute.md2, bytes: metadata) }
    }

    private var base: [UInt8] {
        [flags, ttl, metadataType, nextProtocol] + .bigEndian(UInt64(path), count: 4)
    }
}
