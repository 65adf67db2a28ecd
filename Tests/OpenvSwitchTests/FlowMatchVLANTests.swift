import Netlink
import OpenvSwitch
import Testing

/// The nesting of VLAN tags in keys and masks.
@Suite struct FlowMatchVLANTests {
    private let inner = etherType(0x0800) + ipv4()

    private func single(_ tci: UInt16, _ inside: [UInt8], tpid: UInt16 = 0x8100) -> [UInt8] {
        ethernet() + etherType(tpid) + vlan(tci) + encap(inside)
    }

    private func double(_ inside: [UInt8]) -> [UInt8] {
        single(0x1064, etherType(0x8100) + vlan(0x1065) + encap(inside), tpid: 0x88a8)
    }

    @Test func oneTag() throws {
        for tpid: UInt16 in [0x8100, 0x88a8] {
            let match = try #require(accepted(single(0xf064, inner, tpid: tpid)))
            #expect(match.key.vlanTPID == tpid)
            #expect(match.key.vlanTCI == 0xf064)
            #expect(match.key.innerVLANTCI == 0)
            #expect(match.key.etherType == 0x0800)
            #expect(match.mask.vlanTPID == 0xffff)
            #expect(match.mask.vlanTCI == 0xffff)
            #expect(match.mask.innerVLANTCI == 0xffff)
            #expect(match.mask.etherType == 0xffff)
        }
        // A priority tag has the TCI 0x1000.
        #expect(accepted(single(0x1000, inner))?.key.vlanTCI == 0x1000)
    }

    @Test func twoTags() throws {
        let match = try #require(accepted(double(inner)))
        #expect(match.key.vlanTPID == 0x88a8)
        #expect(match.key.vlanTCI == 0x1064)
        #expect(match.key.innerVLANTPID == 0x8100)
        #expect(match.key.innerVLANTCI == 0x1065)
        #expect(match.key.etherType == 0x0800)
        #expect(match.mask.innerVLANTPID == 0xffff)
    }

    @Test func aThirdTagIsOnlyAnEtherType() throws {
        let match = try #require(accepted(double(etherType(0x8100))))
        #expect(match.key.etherType == 0x8100)
        let third = etherType(0x8100) + vlan(0x1066) + encap(inner)
        refused(double(third), nil, "more than two VLAN tags")
        refused(double(third), [], "more than two VLAN tags")
        refused(double(etherType(0x8100) + vlan(0x1066)), [], "more than two VLAN tags")
    }

    @Test func anEncapWithoutEtherTypeIsOf8022() throws {
        #expect(accepted(single(0x1001, []))?.key.etherType == EtherType.ieee8022)
    }

    // MARK: Incomplete nesting

    @Test func aTPIDNeedsATagAndAnEncap() {
        refused(ethernet() + etherType(0x8100), nil, "needs a VLAN and an ENCAP attribute beside it (OVS_KEY_ATTR_ETHERTYPE)")
        refused(ethernet() + etherType(0x88a8), [], "needs a VLAN and an ENCAP attribute beside it (OVS_KEY_ATTR_ETHERTYPE)")
        refused(ethernet() + etherType(0x8100) + vlan(0x1001), nil, "ENCAP beside it")
        refused(ethernet() + etherType(0x8100) + encap(inner), nil, "(OVS_KEY_ATTR_ENCAP)")
        // The same on the second level.
        refused(
            single(0x1001, etherType(0x8100)), nil, "needs a VLAN and an ENCAP attribute beside it (OVS_KEY_ATTR_ETHERTYPE)")
        refused(single(0x1001, etherType(0x8100) + vlan(0x1002)), nil, "ENCAP beside it")
    }

    @Test func aTagNeedsATPID() {
        refused(ethernet() + vlan(0x1001) + encap(inner), nil, "TPID as EtherType")
        refused(ethernet() + etherType(0x0800) + vlan(0x1001) + encap(inner), nil, "TPID as EtherType")
        refused(ethernet() + etherType(0x0800) + ipv4() + vlan(0x1001), nil, "TPID as EtherType")
        refused(ethernet() + etherType(0x0800) + ipv4() + encap([]), nil, "TPID as EtherType")
    }

    @Test func aPacketWithoutEthernetHeaderHasNoTag() {
        refused(etherType(0x8100) + vlan(0x1001) + encap(inner), nil, "without Ethernet header has no VLAN tag")
        refused(etherType(0x8100) + vlan(0) + encap([]), [], "without Ethernet header has no VLAN tag")
        accepted(inner)
    }

    @Test func theBit0x1000SaysThatATagIsThere() {
        refused(single(0x0064, inner), nil, "lacks the bit 0x1000")
        accepted(single(0x1064, inner))
        refused(single(0x1001, etherType(0x8100) + vlan(0x0064) + encap(inner)), nil, "lacks the bit 0x1000")
    }

    // MARK: Truncated tags

    @Test func aTruncatedTagHasATCIOfZeroAndAnEmptyEncap() throws {
        let match = try #require(accepted(single(0, []), ones(6, 2)))
        #expect(match.key.vlanTCI == 0)
        #expect(match.key.etherType == 0x8100)
        #expect(match.mask.etherType == 0xffff)
        refused(single(0, inner), [], "its ENCAP must be empty")
        refused(single(0, []), nil, "needs a mask")
        let second = try #require(accepted(single(0x1001, etherType(0x88a8) + vlan(0) + encap([])), []))
        #expect(second.key.vlanTCI == 0x1001)
        #expect(second.key.innerVLANTCI == 0)
        #expect(second.key.etherType == 0x88a8)
    }

    // MARK: Masks

    private func maskOf(_ tci: UInt16, _ inside: [UInt8], type: UInt16 = 0xffff) -> [UInt8] {
        etherType(type) + vlan(tci) + encap(inside)
    }

    @Test func aVLANMaskMayNarrowTheTCI() throws {
        let any = try #require(accepted(single(0x1064, inner), maskOf(0x1000, ones(6, 2))))
        #expect(any.mask.vlanTCI == 0x1000)
        #expect(any.mask.vlanTPID == 0xffff)
        #expect(any.mask.etherType == 0xffff)
        #expect(any.maskedKey.vlanTCI == 0x1000)
        let exact = try #require(accepted(single(0x1064, inner), []))
        #expect(exact.mask.vlanTCI == 0xffff)
        #expect(exact.mask.innerVLANTCI == 0xffff)
        let two = try #require(accepted(double(inner), maskOf(0xffff, maskOf(0x1fff, ones(6, 2)))))
        #expect(two.mask.vlanTCI == 0xffff)
        #expect(two.mask.innerVLANTCI == 0x1fff)
        #expect(two.mask.innerVLANTPID == 0xffff)
        // Open vSwitch, when it does not look at the second tag.
        let any2 = try #require(accepted(double(inner), maskOf(0xffff, maskOf(0, ones(6, 2)))))
        #expect(any2.mask.innerVLANTCI == 0x1000)
        #expect(any2.mask.innerVLANTPID == 0xffff)
        #expect(any2.maskedKey.innerVLANTCI == 0x1000)
    }

    @Test func theMaskOfATagMustBeWhole() {
        refused(
            single(0x1064, inner), maskOf(0xffff, ones(6, 2), type: 0xfffe),
            "TPID of a VLAN tag must be matched exactly")
        refused(single(0x1064, inner), vlan(0xffff) + encap(ones(6, 2)), "TPID of a VLAN tag must be matched exactly")
        refused(single(0x1064, inner), maskOf(0x0fff, ones(6, 2)), "bit 0x1000 of a VLAN TCI must be matched")
        refused(
            single(0x1064, inner), etherType(0xffff) + encap(ones(6, 2)), "bit 0x1000 of a VLAN TCI must be matched")
        refused(single(0x1064, inner), etherType(0xffff) + vlan(0xffff), "needs an ENCAP beside it")
        refused(double(inner), maskOf(0xffff, maskOf(0x0fff, ones(6, 2))), "bit 0x1000")
        refused(double(inner), maskOf(0xffff, vlan(0xffff)), "needs an ENCAP beside it")
    }

    @Test func aMaskMayNotHaveMoreTagsThanTheKey() {
        refused(ethernet() + inner, maskOf(0xffff, ones(6, 2)), "needs a VLAN tag in the key")
        refused(single(0x1064, inner), maskOf(0xffff, maskOf(0xffff, ones(6, 2))), "needs a VLAN tag in the key")
        refused(single(0, []), maskOf(0xffff, ones(6, 2)), "needs a VLAN tag in the key")
        refused(double(inner), maskOf(0xffff, maskOf(0xffff, encap(ones(6, 2)))), "no VLAN tag at this level")
    }

    @Test func anEmptyEncapInAMaskIsAbsent() throws {
        let match = try #require(accepted(single(0x1064, inner), encap([])))
        #expect(match.mask.vlanTCI == 0xffff)
        #expect(match.mask.vlanTPID == 0)
    }

    @Test func headersAreMaskedInsideTheInnermostEncap() throws {
        let match = try #require(accepted(single(0x1064, inner), maskOf(0xffff, ones(6, 2) + ones(7, 12))))
        #expect(match.mask.ipv4Source == .max)
        refused(single(0x1064, inner), maskOf(0xffff, ones(7, 12)), "only with an exact EtherType, and one that has it (OVS_KEY_ATTR_IPV4)")
    }
}
