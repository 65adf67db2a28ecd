import Netlink

/// The text form of flow keys and masks: what `ovs-dpctl` prints and takes.
///
/// It works on the attributes themselves, in the order in which they stand in the message, and knows nothing of what
/// makes them a valid key. No bytes and no text trap; attributes that are unknown, of a wrong length or malformed are
/// printed as such.
public enum FlowText {
    /// How deep attributes and lists may be nested in a text that is parsed, and how deep they are printed.
    static let maximumDepth = 32

    /// The text of a flow key and its mask, such as `in_port(2),eth(),eth_type(0x0800),ipv4(frag=no)`.
    /// - Parameters:
    ///   - key: the payload of `OVS_FLOW_ATTR_KEY`.
    ///   - mask: the payload of `OVS_FLOW_ATTR_MASK`; nil or empty if every field is exact.
    ///   - verbose: print wildcarded fields too, as `ovs-dpctl -m` does.
    ///   - portName: the name of a port by its number, or nil to print numbers.
    public static func key(
        _ key: RawSpan, mask: RawSpan?, verbose: Bool, portName: ((UInt32) -> String?)?
    ) -> String {
        var printer = KeyPrinter(verbose: verbose)
        let maskBytes: [UInt8]? = if let mask { mask.copyBytes() } else { nil }
        printer.attributes(key.copyBytes(), mask: maskBytes, portName: portName)
        return printer.text
    }

    /// The attributes that a text describes.
    ///
    /// The text may begin with a UFID, which is skipped. Attributes stand in the result in the order of the text; each
    /// has a mask, which is exact where the text gives none, and zero for the fields that the text leaves out. Numbers
    /// are decimal, octal with a leading 0 or hexadecimal with `0x`. Unlike `ovs-dpctl`, this refuses a number that
    /// does not fit its field instead of cutting it, takes `nsh(…)`, and takes `ct_tuple6` as it is printed.
    /// - Parameter portNumber: the number of a port by its name, or nil to take numbers only.
    /// - Returns: the payloads of `OVS_FLOW_ATTR_KEY` and `OVS_FLOW_ATTR_MASK`.
    /// - Throws: the first fault in the text.
    public static func parseKey(
        _ text: String, portNumber: ((String) -> UInt32?)?
    ) throws(FlowTextError) -> (key: [UInt8], mask: [UInt8]) {
        var parser = KeyTextParser(scanner: TextScanner(text), portNumber: portNumber)
        let pair = try parser.flow()
        return (pair.key.bytes, pair.mask.bytes)
    }
}
