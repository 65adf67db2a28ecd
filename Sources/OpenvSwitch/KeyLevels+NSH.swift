import Netlink

/// Network service headers in keys and masks (`nsh_key_put_from_nlattr`).
extension KeyLevels {
    func readNSH(_ nsh: Attribute, into key: inout FlowKey) throws(RequestError) {
        var hasContext = false
        var run = nsh.nested
        while let attribute = try next(&run, in: nsh) {
            guard let row = KeyWire.nsh.row(attribute.type), let name = NSHTable.row(attribute.type)?.constant else {
                throw fail("attribute \(attribute.type) is not known", KeyAttribute.nsh, offset: attribute.offset)
            }
            guard attribute.type != NSHKeyAttribute.md2 else {
                throw fail("a key cannot have metadata of type 2 (\(name))", KeyAttribute.nsh, offset: attribute.offset)
            }
            guard attribute.payload.byteCount == row.size else {
                throw fail(
                    "\(name) must have \(row.size) bytes", KeyAttribute.nsh, offset: attribute.offset)
            }
            if attribute.type == NSHKeyAttribute.md1 { hasContext = true }
            _ = KeyWire.nsh.read(row, attribute.payload, isMask: isMask, into: &key)
        }
        guard isMask || !hasContext || key.nshMetadataType == 1 else {
            throw fail("a context needs metadata type 1", KeyAttribute.nsh)
        }
    }

    /// The mask of a key without one. Only what the key names is exact.
    func fillExactNSH(_ mask: inout FlowMask) {
        guard let nsh = attribute(KeyAttribute.nsh) else { return }
        var run = nsh.nested
        while let attribute = try? run.next() {
            if let row = KeyWire.nsh.row(attribute.type) { KeyWire.nsh.setExact(row, in: &mask) }
        }
    }

    /// The next attribute inside another.
    @_lifetime(copy run)
    func next(_ run: inout Attributes, in outer: Attribute) throws(RequestError) -> Attribute? {
        do { return try run.next() } catch {
            throw fail(error.code.explanation, outer.type, offset: error.offset)
        }
    }
}
