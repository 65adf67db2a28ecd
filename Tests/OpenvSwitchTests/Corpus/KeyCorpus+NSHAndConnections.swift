import OpenvSwitch

extension KeyCorpus {
    private static let frameOfNSH = ethernet(0) + etherType(0x894f)
    private static func sentence(_ fault: String) -> String { "flow key: nsh: \(fault) (OVS_KEY_ATTR_NSH)" }

    // MARK: Network service headers

    static let serviceHeaders: [KeyCase] = [
        .takes(
            "a header with its context", frameOfNSH + nsh(nshBase() + nshContext),
            key: {
                $0.etherType = 0x894f
                ($0.nshFlags, $0.nshTTL, $0.nshMetadataType, $0.nshNextProtocol) = (1, 63, 1, 3)
                $0.nshPath = 0x1234_5678
                $0.nshContext = [0x0102_0304, 0x0506_0708, 0x090a_0b0c, 0x0d0e_0f10]
            },
            mask: {
                eth(&$0)
                $0.etherType = .max
                ($0.nshFlags, $0.nshTTL, $0.nshMetadataType, $0.nshNextProtocol) = (.max, .max, .max, .max)
                $0.nshPath = .max
                $0.nshContext = [.max, .max, .max, .max]
            }),
        .takes(
            "one of metadata type 2, without it", frameOfNSH + nsh(nshBase(type: 2)),
            mask: {
                eth(&$0)
                $0.etherType = .max
                ($0.nshFlags, $0.nshTTL, $0.nshMetadataType, $0.nshNextProtocol) = (.max, .max, .max, .max)
                $0.nshPath = .max
            }),
        .takes("even an empty one", frameOfNSH + nsh([]), exactType),
        .takes("without Ethernet header", etherType(0x894f) + nsh(nshBase())),
        .takes(
            "part of it in the mask", frameOfNSH + nsh(nshBase() + nshContext),
            exactType + nsh(attribute(NSHKeyAttribute.base, [0, 0, 0xff, 0, 0xff, 0xff, 0xff, 0])),
            mask: {
                $0.etherType = .max
                ($0.nshMetadataType, $0.nshPath) = (.max, 0xffff_ff00)
            }),
        .takes(
            "the context in a mask, whatever the type", frameOfNSH + nsh(nshBase(type: 2)),
            exactType + nsh(nshContext),
            mask: {
                $0.etherType = .max
                $0.nshContext = [0x0102_0304, 0x0506_0708, 0x090a_0b0c, 0x0d0e_0f10]
            }),
        .refuses(
            "a context of another type", frameOfNSH + nsh(nshBase(type: 2) + nshContext),
            sentence("a context needs metadata type 1"), at: .key(28)),
        .refuses(
            "a context without a type", frameOfNSH + nsh(nshContext), sentence("a context needs metadata type 1"),
            at: .key(28)),
        .refuses(
            "metadata of type 2", frameOfNSH + nsh(nshBase(type: 2) + attribute(NSHKeyAttribute.md2, [1, 2, 3, 4])),
            sentence("a key cannot have metadata of type 2 (OVS_NSH_KEY_ATTR_MD2)"), at: .key(28, 3)),
        .refuses(
            "in the mask too", frameOfNSH + nsh(nshBase()), exactType + nsh(attribute(NSHKeyAttribute.md2, [1])),
            "flow mask: nsh: a key cannot have metadata of type 2 (OVS_NSH_KEY_ATTR_MD2) (OVS_KEY_ATTR_NSH)",
            at: .mask(28, 3)),
        .refuses(
            "a base of a wrong length", frameOfNSH + nsh(attribute(1, [0, 0, 1, 3])),
            sentence("OVS_NSH_KEY_ATTR_BASE must have 8 bytes"), at: .key(28, 1)),
        .refuses(
            "a context of a wrong length", frameOfNSH + nsh(nshBase() + attribute(2, [0])),
            sentence("OVS_NSH_KEY_ATTR_MD1 must have 16 bytes"), at: .key(28, 2)),
        .refuses(
            "an unknown attribute", frameOfNSH + nsh(nshBase() + attribute(4, [])),
            sentence("attribute 4 is not known"), at: .key(28, 4)),
        .refuses(
            "trailing bytes", frameOfNSH + nsh(nshBase() + [0]), sentence("there are bytes behind the last attribute"),
            at: .byteOfKey((frameOfNSH + nshBase()).count + 4)),
        .refuses(
            "a mask under any EtherType", frameOfNSH + nsh(nshBase()), nsh(nshBase()),
            "flow mask: nsh: the mask must not have it: it can be matched only if the EtherType is 0x894f, and exact in "
                + "the mask (OVS_KEY_ATTR_NSH)",
            at: .mask(28)),
    ]

    // MARK: Connections

    @Sendable private static func ip(_ key: inout FlowKey) {
        key.etherType = 0x0800
        (key.ipv4Source, key.ipv4Destination, key.ipTTL) = (0x0a0a_0a0a, 0x0a0a_0a0a, 64)
    }
    private static let solicitation = frameOfIPv6 + ipv6(proto: 58) + icmpv6(135) + nd()
    private static func tuple(_ version: Int, _ type: String, _ end: String = "") -> String {
        "it can be matched only if the EtherType is \(type), and exact in the mask\(end) "
            + "(OVS_KEY_ATTR_CT_ORIG_TUPLE_IPV\(version))"
    }
    private static let tuple4 = tuple(4, "0x0800")
    private static let tuple6 = tuple(6, "0x86dd", "; not in neighbour discovery")

    static let connections: [KeyCase] = [
        .takes(
            "a connection",
            ctState(0xff) + ctZone(0x1234) + ctMark(0x5678_9abc) + ctLabels(1) + ctTuple4()
                + ethernet(0) + etherType(0x0800) + ipv4(),
            key: {
                ip(&$0)
                ($0.ctState, $0.ctZone, $0.ctMark) = (0xff, 0x1234, 0x5678_9abc)
                $0.ctLabels = ConnectionLabels(high: 0x0100_0000_0000_0000, low: 0)
                ($0.ctOriginalIPv4Source, $0.ctOriginalIPv4Destination) = (0x0a00_0001, 0x0a00_0002)
                ($0.ctOriginalSourcePort, $0.ctOriginalDestinationPort) = (0x1234, 0x5678)
                $0.ctOriginalProtocol = 6
            },
            mask: {
                eth(&$0)
                $0.etherType = .max
                ($0.ipv4Source, $0.ipv4Destination) = (.max, .max)
                ($0.ipProtocol, $0.ipTOS, $0.ipTTL, $0.fragment) = (.max, .max, .max, .max)
                ($0.ctState, $0.ctZone, $0.ctMark) = (0xff, .max, .max)
                $0.ctLabels = ConnectionLabels(high: .max, low: .max)
                ($0.ctOriginalIPv4Source, $0.ctOriginalIPv4Destination) = (.max, .max)
                ($0.ctOriginalSourcePort, $0.ctOriginalDestinationPort) = (.max, .max)
                $0.ctOriginalProtocol = 0xff
            }),
        .takes(
            "one over IPv6", ctTuple6() + ethernet(0) + etherType(0x86dd) + ipv6(), exactType + ctTuple6(proto: 0xff),
            key: {
                $0.etherType = 0x86dd
                let address = IPv6Address(high: 0x2020_2020_2020_2020, low: 0x2020_2020_2020_2020)
                ($0.ipv6Source, $0.ipv6Destination) = (address, address)
                ($0.ipv6Label, $0.ipProtocol, $0.ipTTL) = (5, 59, 64)
                $0.ctOriginalIPv6Source = IPv6Address(high: 0x0102_0304_0506_0708, low: 0x090a_0b0c_0d0e_0f10)
                $0.ctOriginalIPv6Destination = IPv6Address(high: 0x1112_1314_1516_1718, low: 0x191a_1b1c_1d1e_1f20)
                ($0.ctOriginalSourcePort, $0.ctOriginalDestinationPort) = (0x1234, 0x5678)
                $0.ctOriginalProtocol = 17
            }),
        .takes("a tuple in the mask alone", frameOfIPv4 + ipv4(), exactType + ctTuple4()),
        .takes("a tuple of another family, under a mask without it", ctTuple6() + frameOfIPv4 + ipv4(), exactType),
        .refuses(
            "a tuple of another family in the mask", ctTuple6() + frameOfIPv4 + ipv4(), exactType + ctTuple6(),
            "flow mask: ct_tuple6: the mask must not have it: \(tuple6)", at: .mask(27)),
        .refuses(
            "the same without a mask", ctTuple4() + frameOfIPv6 + ipv6(),
            "flow key: ct_tuple4: without a mask it is matched: \(tuple4)",
            at: .key(26)),
        .refuses(
            "a tuple under any EtherType", ctTuple4() + frameOfIPv4 + ipv4(), ctTuple4(),
            "flow mask: ct_tuple4: the mask must not have it: \(tuple4)", at: .mask(26)),
        .takes("a tuple of neighbour discovery, under a mask without it", ctTuple6() + solicitation, exactType),
        .refuses(
            "a tuple of neighbour discovery in the mask", ctTuple6() + solicitation, exactType + ctTuple6(),
            "flow mask: ct_tuple6: the mask must not have it: \(tuple6)",
            at: .mask(27)),
        .refuses(
            "without a mask", ctTuple6() + solicitation,
            "flow key: ct_tuple6: without a mask it is matched: \(tuple6)",
            at: .key(27)),
        .refuses(
            "a tuple of the bytes that count, without padding",
            attribute(KeyAttribute.ctOrigTupleIPv4, [UInt8](repeating: 0, count: 13)) + frameOfIPv4 + ipv4(),
            "flow key: ct_tuple4: the payload is too short, 16 bytes are needed (OVS_KEY_ATTR_CT_ORIG_TUPLE_IPV4)",
            at: .key(26)),
    ]
}
