import OpenvSwitch

extension KeyCorpus {
    // MARK: VLAN tags in keys

    private static let inner = etherType(0x0800) + ipv4()

    private static func tagged(_ tci: UInt16, _ inside: [UInt8], tpid: UInt16 = 0x8100) -> [UInt8] {
        etherType(tpid) + vlan(tci) + encap(inside)
    }
    private static func single(_ tci: UInt16, _ inside: [UInt8]) -> [UInt8] { ethernet(0) + tagged(tci, inside) }
    private static func double(_ inside: [UInt8]) -> [UInt8] {
        ethernet(0) + tagged(0x1064, tagged(0x1065, inside), tpid: 0x88a8)
    }

    static let tags: [KeyCase] = [
        .takes(
            "a tag", single(0xf064, etherType(0x88cc)),
            key: {
                ($0.vlanTPID, $0.vlanTCI) = (0x8100, 0xf064)
                $0.etherType = 0x88cc
            },
            mask: {
                eth(&$0)
                ($0.vlanTPID, $0.etherType) = (.max, .max)
            }),
        .takes(
            "two tags", double(etherType(0x88cc)),
            key: {
                ($0.vlanTPID, $0.vlanTCI) = (0x88a8, 0x1064)
                ($0.innerVLANTPID, $0.innerVLANTCI) = (0x8100, 0x1065)
                $0.etherType = 0x88cc
            },
            mask: {
                eth(&$0)
                ($0.vlanTPID, $0.innerVLANTPID, $0.etherType) = (.max, .max, .max)
            }),
        .takes(
            "of a third tag only the TPID", double(etherType(0x8100)),
            key: {
                ($0.vlanTPID, $0.vlanTCI) = (0x88a8, 0x1064)
                ($0.innerVLANTPID, $0.innerVLANTCI) = (0x8100, 0x1065)
                $0.etherType = 0x8100
            }),
        .refuses(
            "a third tag", double(tagged(0x1066, inner)), [],
            "flow key: encap: a key has no more than two VLAN tags; of a third there is only the TPID (OVS_KEY_ATTR_ENCAP)",
            at: .key(1, 1, 1)),
        .takes("a tag of priority alone", single(0x1000, inner)),
        .takes("metadata may stand behind the tag", single(0x1001, priority() + inner)),
        .refuses(
            "a TPID without a tag", ethernet() + etherType(0x8100),
            "flow key: eth_type: a TPID as EtherType needs a VLAN and an ENCAP attribute beside it "
                + "(OVS_KEY_ATTR_ETHERTYPE)", at: .key(6)),
        .refuses(
            "a TPID without a tag behind a tag", single(0x1001, etherType(0x88a8)),
            "flow key: eth_type: a TPID as EtherType needs a VLAN and an ENCAP attribute beside it "
                + "(OVS_KEY_ATTR_ETHERTYPE)", at: .key(1, 6)),
        .refuses(
            "a tag without ENCAP", ethernet() + etherType(0x8100) + vlan(0x1001),
            "flow key: vlan: a VLAN attribute needs the TPID as EtherType and an ENCAP beside it (OVS_KEY_ATTR_VLAN)",
            at: .key(5)),
        .refuses(
            "ENCAP without a tag", ethernet() + etherType(0x8100) + encap(inner),
            "flow key: encap: an ENCAP attribute needs a VLAN attribute and a TPID as EtherType beside it "
                + "(OVS_KEY_ATTR_ENCAP)", at: .key(1)),
        .refuses(
            "a tag without a TPID", ethernet() + vlan(0x1001) + encap(inner),
            "flow key: encap: an ENCAP attribute needs a VLAN attribute and a TPID as EtherType beside it "
                + "(OVS_KEY_ATTR_ENCAP)", at: .key(1)),
        .refuses(
            "a tag with another EtherType", ethernet() + etherType(0x0800) + vlan(0x1001) + encap(inner),
            "flow key: encap: an ENCAP attribute needs a VLAN attribute and a TPID as EtherType beside it "
                + "(OVS_KEY_ATTR_ENCAP)", at: .key(1)),
        .refuses(
            "a tag without Ethernet header", tagged(0x1001, inner),
            "flow key: vlan: a packet without Ethernet header has no VLAN tag (OVS_KEY_ATTR_VLAN)", at: .key(5)),
        .refuses(
            "a tag that says there is none", single(0x0064, inner),
            "flow key: vlan: the VLAN TCI lacks the bit 0x1000 that says a tag is present (OVS_KEY_ATTR_VLAN)",
            at: .key(5)),
        .refuses(
            "a second tag that says there is none", single(0x1001, tagged(0x0064, inner)),
            "flow key: vlan: the VLAN TCI lacks the bit 0x1000 that says a tag is present (OVS_KEY_ATTR_VLAN)",
            at: .key(1, 5)),
        .takes(
            "a truncated tag", single(0, []), exactType, key: { $0.etherType = 0x8100 },
            mask: { $0.etherType = .max }),
        .takes(
            "a truncated second tag", single(0x1001, tagged(0, [], tpid: 0x88a8)), [],
            key: {
                ($0.vlanTPID, $0.vlanTCI) = (0x8100, 0x1001)
                $0.etherType = 0x88a8
            }),
        .refuses(
            "a truncated tag with something behind it", single(0, inner), [],
            "flow key: encap: a VLAN TCI of 0 is a truncated tag; its ENCAP must be empty (OVS_KEY_ATTR_ENCAP)",
            at: .key(1)),
        .refuses(
            "a truncated tag without a mask", single(0, []),
            "flow key: encap: an ENCAP that is empty needs a mask that leaves it out (OVS_KEY_ATTR_ENCAP)",
            at: .key(1)),
        .takes(
            "a tagged frame without EtherType", single(0x1001, []), tagged(0xffff, exactType, tpid: 0xffff),
            key: {
                ($0.vlanTPID, $0.vlanTCI) = (0x8100, 0x1001)
                $0.etherType = EtherType.ieee8022
            },
            mask: { ($0.vlanTPID, $0.etherType) = (.max, .max) }),
        .refuses(
            "a tagged frame without EtherType and without a mask", single(0x1001, []),
            "flow key: encap: an ENCAP that is empty needs a mask that leaves it out (OVS_KEY_ATTR_ENCAP)",
            at: .key(1)),
    ]

    // MARK: VLAN tags in masks

    private static func tagMask(_ tci: UInt16, _ inside: [UInt8] = exactType, type: UInt16 = 0xffff) -> [UInt8] {
        etherType(type) + vlan(tci) + encap(inside)
    }

    static let tagMasks: [KeyCase] = [
        .takes("without a tag in the mask the TCI is exact", single(0x1064, inner), [], mask: { _ in }),
        .takes(
            "any tag", single(0x1064, inner), tagMask(0x1000),
            mask: { ($0.vlanTPID, $0.vlanTCI, $0.etherType) = (.max, 0x1000, .max) }),
        .takes(
            "part of two tags", double(inner), tagMask(0xffff, tagMask(0x1fff)),
            mask: {
                ($0.vlanTPID, $0.innerVLANTPID, $0.innerVLANTCI, $0.etherType) = (.max, .max, 0x1fff, .max)
            }),
        .takes(
            "the first of two tags leaves the second exact", double(inner), tagMask(0x1fff, priority(0)),
            mask: { ($0.vlanTPID, $0.vlanTCI) = (.max, 0x1fff) }),
        .takes(
            "as Open vSwitch writes any second tag", double(inner), tagMask(0xffff, tagMask(0)),
            mask: {
                ($0.vlanTPID, $0.innerVLANTPID, $0.innerVLANTCI, $0.etherType) = (.max, .max, 0x1000, .max)
            }),
        .takes("an empty ENCAP is absent", single(0x1064, inner), encap([]), mask: { _ in }),
        .takes(
            "what is behind the tag is masked there", single(0x1064, inner),
            tagMask(0xffff, exactType + attribute(7, [UInt8](repeating: 0, count: 10) + [0xff, 0])),
            mask: { ($0.vlanTPID, $0.etherType, $0.ipTTL) = (.max, .max, .max) }),
        .refuses(
            "a header behind the tag under any EtherType", single(0x1064, inner), tagMask(0xffff, ones(7, 12)),
            "flow mask: ipv4: the mask must not have it: it can be matched only if the EtherType is 0x0800, and exact in "
                + "the mask (OVS_KEY_ATTR_IPV4)",
            at: .mask(1, 7)),
        .refuses(
            "a tag in the mask alone", ethernet() + inner, tagMask(0xffff),
            "flow mask: encap: an ENCAP in the mask needs a VLAN tag in the key (OVS_KEY_ATTR_ENCAP)", at: .mask(1)),
        .refuses(
            "a second tag in the mask alone", single(0x1064, inner), tagMask(0xffff, tagMask(0xffff)),
            "flow mask: encap: an ENCAP in the mask needs a VLAN tag in the key (OVS_KEY_ATTR_ENCAP)",
            at: .mask(1, 1)),
        .refuses(
            "a tag in the mask over a truncated one", single(0, []), tagMask(0xffff),
            "flow mask: encap: an ENCAP in the mask needs a VLAN tag in the key (OVS_KEY_ATTR_ENCAP)", at: .mask(1)),
        .refuses(
            "three tags in the mask", double(inner), tagMask(0xffff, tagMask(0xffff, encap(exactType))),
            "flow mask: encap: the key has no VLAN tag at this level (OVS_KEY_ATTR_ENCAP)", at: .mask(1, 1, 1)),
        .refuses(
            "part of a TPID", single(0x1064, inner), tagMask(0xffff, type: 0xfffe),
            "flow mask: eth_type: the TPID of a VLAN tag must be matched exactly (OVS_KEY_ATTR_ETHERTYPE)",
            at: .mask(6)),
        .refuses(
            "no TPID", single(0x1064, inner), vlan(0xffff) + encap(exactType),
            "flow mask: eth_type: the TPID of a VLAN tag must be matched exactly (OVS_KEY_ATTR_ETHERTYPE)",
            at: .mask(1)),
        .refuses(
            "part of a second TPID", double(inner), tagMask(0xffff, tagMask(0xffff, type: 0xff)),
            "flow mask: eth_type: the TPID of a VLAN tag must be matched exactly (OVS_KEY_ATTR_ETHERTYPE)",
            at: .mask(1, 6)),
        .refuses(
            "a TCI without the bit for presence", single(0x1064, inner), tagMask(0x0fff),
            "flow mask: vlan: the bit 0x1000 of a VLAN TCI must be matched (OVS_KEY_ATTR_VLAN)", at: .mask(5)),
        .refuses(
            "no TCI", single(0x1064, inner), exactType + encap(exactType),
            "flow mask: vlan: the bit 0x1000 of a VLAN TCI must be matched (OVS_KEY_ATTR_VLAN)", at: .mask(1)),
        .refuses(
            "a second TCI without the bit", double(inner), tagMask(0xffff, tagMask(0x0fff)),
            "flow mask: vlan: the bit 0x1000 of a VLAN TCI must be matched (OVS_KEY_ATTR_VLAN)", at: .mask(1, 5)),
        .refuses(
            "a TCI without ENCAP", single(0x1064, inner), exactType + vlan(0xffff),
            "flow mask: vlan: a VLAN mask needs an ENCAP beside it (OVS_KEY_ATTR_VLAN)", at: .mask(5)),
        .refuses(
            "a second TCI without ENCAP", double(inner), tagMask(0xffff, exactType + vlan(0xffff)),
            "flow mask: vlan: a VLAN mask needs an ENCAP beside it (OVS_KEY_ATTR_VLAN)", at: .mask(1, 5)),
        .takes("a TCI of zeros is absent", single(0x1064, inner), exactType + vlan(0), mask: { $0.etherType = .max }),
    ]
}
