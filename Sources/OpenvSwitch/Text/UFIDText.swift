import Netlink

/// The text of a flow's identifier: `ufid:` and 32 hexadecimal digits in the grouping of a UUID.
public enum UFIDText {
    /// The text of `OVS_FLOW_ATTR_UFID`, read as four 32-bit words in host byte order. Missing bytes read as zero,
    /// further ones are left out.
    public static func format(_ ufid: RawSpan) -> String {
        let bytes = ufid.copyBytes()
        let digits = Array((0..<4).map { String.hex(bytes.field($0 * 4, 4).hostValue, digits: 8) }.joined().utf8)
        let groups = [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map { String(decoding: digits[$0], as: UTF8.self) }
        return "ufid:" + groups.joined(separator: "-")
    }

    /// The 16 bytes of the identifier that a text names.
    /// - Throws: `FlowTextError` if the text is not `ufid:` and a UUID.
    public static func parse(_ text: String) throws(FlowTextError) -> [UInt8] {
        var scanner = TextScanner(text)
        scanner.skipDelimiters()
        guard let bytes = try scanner.ufid() else { throw scanner.error("expected “ufid:”") }
        scanner.skipDelimiters()
        guard scanner.isAtEnd else { throw scanner.error("expected nothing behind the flow identifier") }
        return bytes
    }
}
