import OpenvSwitch

extension KeyCorpus {
    // MARK: What the mask is

    static let wildcards: [KeyCase] = [
        .takes("without a mask what the key does not name is not compared", ethernet(), mask: eth),
        .takes(
            "without a mask every field that the key names is exact",
            recircID() + dpHash() + priority() + inPort() + skbMark() + frameOfIPv4 + ipv4(proto: 6) + tcp()
                + tcpFlags(),
            mask: {
                eth(&$0)
                ($0.recircID, $0.dpHash, $0.priority, $0.inPort, $0.skbMark) = (.max, .max, .max, .max, .max)
                $0.etherType = .max
                ($0.ipv4Source, $0.ipv4Destination) = (.max, .max)
                ($0.ipProtocol, $0.ipTOS, $0.ipTTL, $0.fragment) = (.max, .max, .max, .max)
                ($0.transportSource, $0.transportDestination, $0.tcpFlags) = (.max, .max, .max)
            }),
        .takes(
            "of ICMP the eight bits that there are", frameOfIPv4 + ipv4(proto: 1) + icmp(),
            mask: {
                eth(&$0)
                $0.etherType = .max
                ($0.ipv4Source, $0.ipv4Destination) = (.max, .max)
                ($0.ipProtocol, $0.ipTOS, $0.ipTTL, $0.fragment) = (.max, .max, .max, .max)
                ($0.transportSource, $0.transportDestination) = (0xff, 0xff)
            }),
        .takes(
            "of a label stack the entries that there are", ethernet() + etherType(0x8847) + mpls(2),
            mask: {
                eth(&$0)
                $0.etherType = .max
                $0.mplsEntries = [.max, .max, 0]
                $0.mplsPresence = 3
            }),
        .takes(
            "the EtherType of a packet without Ethernet header", etherType(0x1234), mask: { $0.etherType = .max }),
        .takes("an empty mask compares nothing but tags and kind", inPort() + frameOfIPv4 + ipv4(), [], mask: { _ in }),
        .takes(
            "a field that the mask does not name is not compared", inPort() + frameOfIPv4 + ipv4(),
            exactType + attribute(7, [0xff, 0, 0, 0] + [UInt8](repeating: 0, count: 8)),
            mask: {
                $0.etherType = .max
                $0.ipv4Source = 0xff00_0000
            }),
        .takes(
            "bits of the key outside the mask are kept", ethernet(0) + etherType(0x0800) + ipv4(), exactType,
            key: {
                $0.etherType = 0x0800
                ($0.ipv4Source, $0.ipv4Destination, $0.ipTTL) = (0x0a0a_0a0a, 0x0a0a_0a0a, 64)
            }, mask: { $0.etherType = .max }),
        .takes(
            "any mask of a port is exact", inPort() + ethernet(), attribute(3, host(UInt32(0x10000))),
            mask: { $0.inPort = .max }),
        .takes("unless it is zero", inPort() + ethernet(), attribute(3, host(UInt32(0))), mask: { _ in }),
        .takes(
            "a port that no packet has", ethernet(0), ones(3, 4), key: { $0.etherType = EtherType.ieee8022 },
            mask: { $0.inPort = .max }),
        .takes(
            "any mask of an EtherType is exact, and allows its header", frameOfIPv4 + ipv4(),
            attribute(6, [0x80, 0]) + attribute(7, [UInt8](repeating: 0, count: 10) + [0xff, 0]),
            mask: {
                $0.etherType = .max
                $0.ipTTL = .max
            }),
        .takes("unless it is zero, too", frameOfIPv4 + ipv4(), attribute(6, [0, 0]), mask: { _ in }),
        .takes(
            "frames without an EtherType", ethernet(0), exactType, key: { $0.etherType = EtherType.ieee8022 },
            mask: { $0.etherType = .max }),
        .takes(
            "a mask of fewer label stack entries than the key", ethernet() + etherType(0x8847) + mpls(3),
            exactType + ones(21, 4),
            mask: {
                $0.etherType = .max
                $0.mplsEntries = [.max, 0, 0]
                $0.mplsPresence = 1
            }),
        .takes(
            "a mask of more", ethernet() + etherType(0x8847) + mpls(1), exactType + ones(21, 8),
            mask: {
                $0.etherType = .max
                $0.mplsEntries = [.max, .max, 0]
                $0.mplsPresence = 3
            }),
    ]

    @Sendable static func eth(_ mask: inout FlowMask) {
        (mask.ethernetSource, mask.ethernetDestination) = (0xffff_ffff_ffff, 0xffff_ffff_ffff)
    }
}
