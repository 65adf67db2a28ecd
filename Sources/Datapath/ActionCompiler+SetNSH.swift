import Netlink
import OpenvSwitch
import Packets

extension ActionCompiler {
    /// A set action of either kind with `OVS_KEY_ATTR_NSH`: in the masked form each attribute inside holds value and mask.
    ///
    /// Metadata type and next protocol are not set, whatever stands there.
    func setNSH(_ action: Attribute, _ field: Attribute, isMasked: Bool) throws(RequestError) -> Instruction {
        let nest = ActionTable.nsh
        let name = ActionTable.name(action.type)
        var value = NSHEdit()
        var mask = NSHEdit()
        var metadataType: UInt8 = 0
        var context: Int?
        var run = field.nested
        while let attribute = try run.nextOrInvalid() {
            let payload = attribute.payload
            switch attribute.type {
            case NSHKeyAttribute.base:
                try requireSize(8, attribute, isMasked, in: name)
                value.readBase(payload, at: 0)
                metadataType = payload.load(at: 2) ?? 0
                if isMasked { mask.readBase(payload, at: 8) } else { (mask.flags, mask.ttl, mask.path) = (3, 63, .max) }
            case NSHKeyAttribute.md1:
                try requireSize(16, attribute, isMasked, in: name)
                context = attribute.offset
                value.readContext(payload, at: 0)
                if isMasked {
                    mask.readContext(payload, at: 16)
                } else {
                    (mask.contextHigh, mask.contextLow) = (.max, .max)
                }
            case NSHKeyAttribute.md2: throw nest.fault("metadata of type 2 cannot be set", attribute, in: name)
            default: throw nest.fault("the attribute is not known", attribute, in: name)
            }
        }
        if !isMasked, let context, metadataType != NSHHeader.metadataType1 {
            throw RequestError(
                Errno.invalid, "flow actions: set: a context needs metadata type 1 (OVS_NSH_KEY_ATTR_MD1)",
                offset: context)
        }
        return .setNSH(value, mask: mask)
    }

    /// Checks the length of an attribute that holds a value, or a value and a mask, which has all the value's bits.
    private func requireSize(
        _ size: Int, _ attribute: Attribute, _ isMasked: Bool, in name: String
    ) throws(RequestError) {
        let payload = attribute.payload
        guard payload.byteCount == (isMasked ? 2 * size : size) else {
            throw ActionTable.nsh.fault(
                "the payload must be \(isMasked ? "a value and a mask of " : "")\(size) bytes", attribute, in: name)
        }
        guard !isMasked || payload.coversValue(of: size) else {
            throw ActionTable.nsh.fault("the value has bits that its mask has not", attribute, in: name)
        }
    }
}

extension NSHEdit {
    /// Reads a `struct ovs_nsh_key_base`.
    fileprivate mutating func readBase(_ payload: RawSpan, at offset: Int) {
        flags = payload.load(at: offset) ?? 0
        ttl = payload.load(at: offset + 1) ?? 0
        path = payload.loadBigEndian(at: offset + 4) ?? 0
    }

    /// Reads a `struct ovs_nsh_key_md1`.
    fileprivate mutating func readContext(_ payload: RawSpan, at offset: Int) {
        contextHigh = payload.loadBigEndian(at: offset) ?? 0
        contextLow = payload.loadBigEndian(at: offset + 8) ?? 0
    }
}
