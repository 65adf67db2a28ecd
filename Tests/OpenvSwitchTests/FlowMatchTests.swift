import Netlink
import OpenvSwitch
import Testing

/// The rules for keys and masks, each with a case that is accepted and one that is not.
@Suite struct FlowMatchTests {
    private let ip = ethernet() + etherType(0x0800)
    private let ip6 = ethernet() + etherType(0x86dd)
    private let exactType = ones(6, 2)

    // MARK: Fields

    @Test func everyFieldIsReadFromItsPlace() throws {
        let key =
            recircID(0x01020304) + dpHash(0x05060708) + priority(0x090a0b0c) + inPort(0xfffe) + skbMark(0x0d0e0f10)
            + attribute(4, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]) + etherType(0x0800)
            + attribute(7, [10, 0, 0, 1, 192, 168, 1, 2, 6, 0x2e, 63, 1]) + attribute(9, [0x12, 0x34, 0x56, 0x78])
            + tcpFlags(0xfff)
        let match = try #require(accepted(key))
        #expect(match.key.recircID == 0x01020304)
        #expect(match.key.dpHash == 0x05060708)
        #expect(match.key.priority == 0x090a0b0c)
        #expect(match.key.inPort == 0xfffe)
        #expect(match.key.skbMark == 0x0d0e0f10)
        #expect(match.key.kind == 1)
        #expect(match.key.ethernetSource == 0x010203040506)
        #expect(match.key.ethernetDestination == 0x0708090a0b0c)
        #expect(match.key.etherType == 0x0800)
        #expect(match.key.ipv4Source == 0x0a000001)
        #expect(match.key.ipv4Destination == 0xc0a80102)
        #expect(match.key.ipProtocol == 6)
        #expect(match.key.ipTOS == 0x2e)
        #expect(match.key.ipTTL == 63)
        #expect(match.key.fragment == 1)
        #expect(match.key.transportSource == 0x1234)
        #expect(match.key.transportDestination == 0x5678)
        #expect(match.key.tcpFlags == 0xfff)
    }

    @Test func everyFieldOfIPv6AndNDIsReadFromItsPlace() throws {
        let addresses = (1...32).map { UInt8($0) }
        let key =
            ip6 + attribute(8, addresses + big(UInt32(0xabcde)) + [58, 0x70, 255, 0]) + extensionHeaders(0x0123)
            + attribute(12, [136, 0]) + attribute(14, (1...28).map { UInt8($0) })
        let match = try #require(accepted(key))
        #expect(match.key.ipv6Source == IPv6Address(high: 0x0102030405060708, low: 0x090a0b0c0d0e0f10))
        #expect(match.key.ipv6Destination == IPv6Address(high: 0x1112131415161718, low: 0x191a1b1c1d1e1f20))
        #expect(match.key.ipv6Label == 0xabcde)
        #expect(match.key.ipTOS == 0x70)
        #expect(match.key.ipTTL == 255)
        #expect(match.key.ipv6ExtensionHeaders == 0x0123)
        #expect(match.key.transportSource == 136)
        #expect(match.key.ndTarget == IPv6Address(high: 0x0102030405060708, low: 0x090a0b0c0d0e0f10))
        #expect(match.key.ndSourceMAC == 0x111213141516)
        #expect(match.key.ndTargetMAC == 0x1718191a1b1c)
    }

    @Test func everyFieldOfARPIsReadFromItsPlace() throws {
        for type: UInt16 in [0x0806, 0x8035] {
            let payload: [UInt8] = [10, 0, 0, 1, 10, 0, 0, 2, 0, 255, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 0]
            let match = try #require(accepted(ethernet() + etherType(type) + attribute(13, payload)))
            #expect(match.key.ipv4Source == 0x0a000001)
            #expect(match.key.ipv4Destination == 0x0a000002)
            #expect(match.key.ipProtocol == 255)
            #expect(match.key.arpSourceMAC == 0x010203040506)
            #expect(match.key.arpTargetMAC == 0x0708090a0b0c)
        }
    }

    @Test func everyEntryOfALabelStackIsReadFromItsPlace() throws {
        for type: UInt16 in [0x8847, 0x8848] {
            for count in 1...3 {
                let payload = (1...UInt8(4 * count)).map { $0 }
                let match = try #require(accepted(ethernet() + etherType(type) + attribute(21, payload)))
                let expected: [UInt32] = [0x01020304, 0x05060708, 0x090a0b0c]
                for index in 0..<3 {
                    #expect(match.key.mplsEntries[index] == (index < count ? expected[index] : 0))
                    #expect(match.mask.mplsEntries[index] == (index < count ? .max : 0))
                }
                #expect(match.key.mplsPresence == [1, 3, 7][count - 1])
                #expect(match.mask.mplsPresence == [1, 3, 7][count - 1])
            }
        }
    }

    // MARK: Attributes

    @Test(arguments: [UInt16(0), 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 33, 40, 63, 64, 100, 16383])
    func typesThatAreNotUsableAreRefused(type: UInt16) {
        let words = type == 0 ? "not known here" : "not known here in attribute \(type) "
        refused(ip + ipv4() + attribute(type, [0, 0, 0, 1]), nil, words)
        refused(ip + ipv4(), attribute(type, [0, 0, 0, 1]), words)
    }

    @Test func markedTypesAreTheSameTypes() {
        accepted(ip + attribute(7 | 0x8000, [UInt8](repeating: 0, count: 12)))
        accepted(ip + attribute(7 | 0x4000, [UInt8](repeating: 0, count: 12)))
    }

    @Test func noAttributeMayStandTwice() {
        accepted(ip + ipv4() + priority())
        refused(ip + ipv4() + priority() + priority(), nil, "stands twice in attribute 2")
        refused(ip + ipv4(), skbMark() + skbMark(), "stands twice in attribute 15")
        // Beside and inside ENCAP.
        let inner = etherType(0x0800) + ipv4()
        accepted(priority() + ethernet() + etherType(0x8100) + vlan(0x1001) + encap(inner))
        refused(
            priority() + ethernet() + etherType(0x8100) + vlan(0x1001) + encap(inner + priority()), nil,
            "both beside and inside ENCAP (key attribute 2)")
    }

    @Test(arguments: [
        (UInt16(2), 4), (3, 4), (4, 12), (5, 2), (6, 2), (7, 12), (8, 40), (9, 4), (10, 4), (11, 2), (12, 2), (13, 24),
        (14, 28),
        (15, 4), (17, 4), (18, 2), (19, 4), (20, 4), (32, 2),
    ]) func everyAttributeHasOneLength(type: UInt16, length: Int) {
        // In a mask that is all zero every attribute is allowed, as it counts as absent.
        accepted(ip + ipv4(), attribute(type, [UInt8](repeating: 0, count: length)))
        refused(
            ip + ipv4(), attribute(type, [UInt8](repeating: 0, count: length - 1)), "too short in attribute \(type) ")
        refused(
            ip + ipv4(), attribute(type, [UInt8](repeating: 0, count: length + 1)), "wrong length in attribute \(type) "
        )
        let key = attribute(type, [UInt8](repeating: 0, count: length + 1))
        refused(key, nil, "wrong length in attribute \(type) ")
    }

    @Test func aLabelStackHasOneToThreeEntries() {
        let type = ethernet() + etherType(0x8847)
        let words = "one to three entries of four bytes (key attribute 21)"
        for length in [0, 1, 3, 5, 6, 7, 9, 11, 13, 16, 20, 4000] {
            refused(type + ones(21, length), nil, words)
            // A mask of nothing is absent, whatever its length.
            if length > 0 { refused(type + mpls(1), exactType + ones(21, length), words) }
            accepted(type + mpls(1), exactType + attribute(21, [UInt8](repeating: 0, count: length)))
        }
        for length in [4, 8, 12] { accepted(type + ones(21, length), exactType + ones(21, length)) }
    }

    @Test func trailingBytesAreRefused() {
        refused(ip + ipv4() + [0], nil, "behind the last attribute")
        refused(ip + ipv4(), [0, 0], "behind the last attribute")
        refused(ip + ipv4() + host(UInt16(3)) + host(UInt16(2)), nil, "smaller than its own header")
        refused(ip + ipv4() + host(UInt16(9)) + host(UInt16(2)), nil, "end too early")
    }

    // MARK: Values

    @Test func aKeyNeedsAnEthernetHeaderOrAnEtherType() throws {
        refused([], nil, "either an Ethernet header or an EtherType")
        refused(inPort() + priority(), nil, "either an Ethernet header or an EtherType")
        let bare = try #require(accepted(etherType(0x0800) + ipv4()))
        #expect(bare.key.kind == 0)
        #expect(bare.mask.kind == 0xff)
    }

    @Test func etherTypesBeginAt0x0600() throws {
        refused(ethernet() + etherType(0x05ff), nil, "less than 0x0600")
        #expect(accepted(ethernet() + etherType(0x0600))?.key.etherType == 0x0600)
    }

    @Test func aFrameWithoutEtherTypeIsOf8022() throws {
        let match = try #require(accepted(ethernet()))
        #expect(match.key.etherType == EtherType.ieee8022)
        #expect(match.mask.etherType == 0)
        #expect(accepted(ethernet(), ones(6, 2))?.mask.etherType == 0xffff)
    }

    @Test func portNumbersAreLessThan65535() throws {
        #expect(accepted(inPort(65534) + ip + ipv4())?.key.inPort == 65534)
        refused(inPort(65535) + ip + ipv4(), nil, "port number is not less than 65535 (key attribute 3)")
        refused(inPort(.max) + ip + ipv4(), nil, "port number")
        #expect(accepted(ip + ipv4())?.key.inPort == FlowKey.noPort)
    }

    @Test func fragmentsAreNoneFirstOrLater() {
        for fragment in UInt8(0)...2 { #expect(accepted(ip + ipv4(fragment: fragment))?.key.fragment == fragment) }
        refused(ip + ipv4(fragment: 3), nil, "fragment type is greater than 2 (key attribute 7)")
        for fragment in UInt8(0)...2 { #expect(accepted(ip6 + ipv6(fragment: fragment))?.key.fragment == fragment) }
        refused(ip6 + ipv6(fragment: 255), nil, "fragment type is greater than 2 (key attribute 8)")
        // A mask may have any bits.
        accepted(ip + ipv4(), exactType + ones(7, 12))
    }

    @Test func flowLabelsHave20Bits() {
        accepted(ip6 + ipv6(label: 0xfffff))
        refused(ip6 + ipv6(label: 0x100000), nil, "more than 20 bits (key attribute 8)")
        refused(ip6 + ipv6(label: 0x8000_0000), nil, "more than 20 bits")
        #expect(accepted(ip6 + ipv6(), exactType + ones(8, 40))?.mask.ipv6Label == .max)
    }

    @Test func arpOperationsHaveEightBits() {
        let type = ethernet() + etherType(0x0806)
        accepted(type + arp(operation: 255))
        refused(type + arp(operation: 256), nil, "ARP operation is greater than 255 (key attribute 13)")
        accepted(type + arp(), exactType + ones(13, 24))
    }

    // MARK: Required attributes

    @Test func protocolsDemandTheirAttributes() {
        let missing = "missing that the protocol demands"
        for type: UInt16 in [0x0806, 0x8035] {
            refused(ethernet() + etherType(type), nil, "\(missing) (key attribute 13)")
            accepted(ethernet() + etherType(type) + arp())
        }
        refused(ip, nil, "\(missing) (key attribute 7)")
        refused(ip + ipv6(), nil, missing)
        refused(ip6, nil, "\(missing) (key attribute 8)")
        accepted(ip6 + ipv6())
        accepted(ip6 + ipv6() + extensionHeaders())
        for type: UInt16 in [0x8847, 0x8848] {
            refused(ethernet() + etherType(type), nil, "\(missing) (key attribute 21)")
            accepted(ethernet() + etherType(type) + mpls(1))
        }
        accepted(ethernet() + etherType(0x1234))
        for (network, ports) in [(ip + ipv4(proto: 17), 10), (ip6 + ipv6(proto: 17), 10)] {
            refused(network, nil, "\(missing) (key attribute \(ports))")
            accepted(network + udp())
        }
        for network in [ip + ipv4(proto: 132), ip6 + ipv6(proto: 132)] {
            refused(network, nil, "\(missing) (key attribute 17)")
            accepted(network + sctp())
        }
        for network in [ip + ipv4(proto: 6), ip6 + ipv6(proto: 6)] {
            refused(network, nil, missing)
            refused(network + tcp(), nil, "\(missing) (key attribute 18)")
            refused(network + tcpFlags(), nil, "\(missing) (key attribute 9)")
            accepted(network + tcp() + tcpFlags())
        }
        refused(ip + ipv4(proto: 1), nil, "\(missing) (key attribute 11)")
        accepted(ip + ipv4(proto: 1) + icmp())
        refused(ip6 + ipv6(proto: 58), nil, "\(missing) (key attribute 12)")
        accepted(ip6 + ipv6(proto: 58) + icmpv6(128))
        for type in UInt8(135)...136 {
            refused(ip6 + ipv6(proto: 58) + icmpv6(type), nil, "\(missing) (key attribute 14)")
            accepted(ip6 + ipv6(proto: 58) + icmpv6(type) + nd())
        }
        // ICMP belongs to IPv4, ICMPv6 to IPv6.
        accepted(ip + ipv4(proto: 58))
        accepted(ip6 + ipv6(proto: 1))
    }

    @Test func laterFragmentsHaveNoPorts() {
        for proto in [UInt8(6), 17, 132, 1] { accepted(ip + ipv4(proto: proto, fragment: 2)) }
        for proto in [UInt8(6), 17, 132, 58] { accepted(ip6 + ipv6(proto: proto, fragment: 2)) }
        refused(ip + ipv4(proto: 17, fragment: 1), nil, "missing")
        accepted(ip + ipv4(proto: 17, fragment: 1) + udp())
    }

    @Test func keysThisDatapathDoesNotSupportAreRefused() {
        refused(ethernet() + etherType(0x894f), nil, "NSH keys are not supported")
        let tunnel = attribute(16, attribute(1, [10, 0, 0, 1]) + attribute(2, [10, 0, 0, 2]) + attribute(4, [64]))
        refused(tunnel + ip + ipv4(), nil, "tunnel keys are not supported")
        refused(attribute(16, []) + ip + ipv4(), nil, "tunnel keys are not supported")
    }

    /// User space sends a tunnel mask with every flow, so that it never matches packets from tunnels.
    @Test func aTunnelMaskIsAllowed() {
        accepted(ip + ipv4(), attribute(16, attribute(1, [255, 255, 255, 255]) + attribute(4, [0])))
    }

    // MARK: Masks

    private let unexpected = "the mask has an attribute that the key does not allow"

    @Test func aSuperfluousAttributeIsAnErrorOnlyWithoutAMask() {
        let key = ethernet() + etherType(0x0806) + arp() + udp()
        refused(key, nil, "\(unexpected) (key attribute 10)")
        accepted(key, ones(13, 24) + exactType)
        refused(key, exactType + ones(10, 4), "\(unexpected) (key attribute 10)")
    }

    @Test func headersMayBeMaskedOnlyUnderAnExactType() {
        for (key, type, length) in [
            (ip + ipv4(), UInt16(7), 12), (ip6 + ipv6(), 8, 40), (ethernet() + etherType(0x0806) + arp(), 13, 24),
            (ethernet() + etherType(0x8847) + mpls(2), 21, 8), (ethernet() + etherType(0x8848) + mpls(1), 21, 4),
        ] {
            accepted(key, exactType + ones(type, length))
            refused(key, ones(type, length), "\(unexpected) (key attribute \(type))")
            refused(
                ethernet() + etherType(0x1234), exactType + ones(type, length), "\(unexpected) (key attribute \(type))")
        }
    }

    /// As in the kernel, a mask names the entries that a packet must have or must not have.
    @Test func theMaskOfALabelStackMayBeShorterOrLongerThanTheKey() throws {
        func matches(_ entries: [UInt32], _ match: FlowMatch) -> Bool {
            var key = match.key
            key.mplsEntries = [0, 0, 0]
            for (index, entry) in entries.enumerated() { key.mplsEntries[index] = entry }
            key.mplsPresence = [0, 1, 3, 7][entries.count]
            return key.masked(by: match.mask) == match.maskedKey
        }
        let type = ethernet() + etherType(0x8847)
        let (a, b, c): (UInt32, UInt32, UInt32) = (0x1040, 0x2040, 0x3140)
        let shorter = try #require(accepted(type + attribute(21, big(a) + big(b)), exactType + ones(21, 4)))
        #expect(matches([a, b], shorter) && matches([a], shorter) && matches([a, c, b], shorter))
        #expect(!matches([b, b], shorter))
        let longer = try #require(accepted(type + attribute(21, big(a)), exactType + ones(21, 8)))
        #expect(matches([a], longer))
        #expect(!matches([a, b], longer) && !matches([a, 0], longer) && !matches([b], longer))
        let none = try #require(accepted(type + attribute(21, big(a)), exactType))
        #expect(matches([c, b, a], none))
        let ttl = try #require(accepted(type + attribute(21, big(a)), exactType + attribute(21, [0, 0, 0, 0xff])))
        #expect(matches([b], ttl) && !matches([b + 1], ttl))
    }

    @Test func portsMayBeMaskedOnlyUnderAnExactProtocol() {
        let proto = attribute(7, [UInt8](repeating: 0, count: 8) + [0xff, 0, 0, 0])
        let partly = attribute(7, [UInt8](repeating: 0, count: 8) + [0xfe, 0, 0, 0])
        for (number, key, type, length) in [
            (UInt8(6), tcp() + tcpFlags(), UInt16(9), 4), (6, tcp() + tcpFlags(), 18, 2), (17, udp(), 10, 4),
            (132, sctp(), 17, 4),
            (1, icmp(), 11, 2),
        ] {
            accepted(ip + ipv4(proto: number) + key, exactType + proto + ones(type, length))
            refused(
                ip + ipv4(proto: number) + key, exactType + partly + ones(type, length),
                "\(unexpected) (key attribute \(type))")
            refused(
                ip + ipv4(proto: number) + key, exactType + ones(type, length), "\(unexpected) (key attribute \(type))")
            refused(
                ip + ipv4(proto: 47), exactType + proto + ones(type, length), "\(unexpected) (key attribute \(type))")
        }
        let proto6 = attribute(8, [UInt8](repeating: 0, count: 36) + [0xff, 0, 0, 0])
        let icmp6 = ip6 + ipv6(proto: 58) + icmpv6()
        accepted(icmp6, exactType + proto6 + ones(12, 2))
        refused(icmp6, exactType + ones(12, 2), "\(unexpected) (key attribute 12)")
    }

    @Test func neighbourDiscoveryMayBeMaskedOnlyUnderAnExactICMPType() {
        let proto = attribute(8, [UInt8](repeating: 0, count: 36) + [0xff, 0, 0, 0])
        let key = ip6 + ipv6(proto: 58) + icmpv6(135) + nd()
        accepted(key, exactType + proto + attribute(12, [0xff, 0]) + ones(14, 28))
        refused(
            key, exactType + proto + attribute(12, [0xfe, 0xff]) + ones(14, 28), "\(unexpected) (key attribute 14)")
        refused(key, exactType + proto + ones(14, 28), "\(unexpected) (key attribute 14)")
    }

    @Test func otherAttributesMayBeMaskedOnlyIfTheKeyHasThem() {
        for (attribute, type, length) in [
            (priority(), UInt16(2), 4), (skbMark(), 15, 4), (dpHash(), 19, 4), (recircID(), 20, 4),
        ] {
            accepted(attribute + ip + ipv4(), ones(type, length))
            refused(ip + ipv4(), ones(type, length), "\(unexpected) (key attribute \(type))")
        }
        accepted(ip + ipv4(), ones(4, 12))
        refused(etherType(0x0800) + ipv4(), ones(4, 12), "\(unexpected) (key attribute 4)")
        accepted(ip6 + ipv6() + extensionHeaders(), exactType + ones(32, 2))
        refused(ip6 + ipv6(), exactType + ones(32, 2), "\(unexpected) (key attribute 32)")
    }

    @Test func portAndTypeMayAlwaysBeMasked() throws {
        let match = try #require(accepted(ethernet(), ones(3, 4) + exactType))
        #expect(match.key.inPort == FlowKey.noPort)
        #expect(match.mask.inPort == 0xffff)
    }

    @Test func anyMaskOfPortOrTypeIsPromotedToAFullOne() throws {
        let match = try #require(
            accepted(inPort() + ip + ipv4(), attribute(3, host(UInt32(0x10000))) + attribute(6, [0, 1])))
        #expect(match.mask.inPort == 0xffff)
        #expect(match.mask.etherType == 0xffff)
        // Promoted, the type allows the header.
        accepted(ip + ipv4(), attribute(6, [0x80, 0]) + ones(7, 12))
        let none = try #require(accepted(inPort() + ip + ipv4(), attribute(3, host(UInt32(0))) + attribute(6, [0, 0])))
        #expect(none.mask.inPort == 0)
        #expect(none.mask.etherType == 0)
    }

    @Test func aMaskOfZerosIsAbsent() throws {
        let zeros =
            attribute(10, [0, 0, 0, 0]) + attribute(13, [UInt8](repeating: 0, count: 24)) + attribute(2, [0, 0, 0, 0])
        let match = try #require(accepted(ip + ipv4(), zeros))
        let none = try #require(accepted(ip + ipv4(), []))
        #expect(match == none)
    }

    @Test func aMaskThatWildcardsEverythingLeavesKindAndTags() throws {
        let match = try #require(accepted(inPort() + priority() + ip + ipv4(), []))
        var expected = FlowMask()
        expected.kind = 0xff
        expected.vlanTCI = 0xffff
        expected.innerVLANTCI = 0xffff
        #expect(match.mask == expected)
    }

    @Test func withoutAMaskWhatTheKeyNamesIsExact() throws {
        let match = try #require(accepted(inPort() + ip + ipv4(proto: 6) + tcp() + tcpFlags()))
        var expected = FlowMask()
        expected.kind = 0xff
        expected.vlanTCI = 0xffff
        expected.innerVLANTCI = 0xffff
        expected.inPort = 0xffff
        expected.ethernetSource = .max
        expected.ethernetDestination = .max
        expected.etherType = 0xffff
        expected.ipv4Source = .max
        expected.ipv4Destination = .max
        expected.ipProtocol = 0xff
        expected.ipTOS = 0xff
        expected.ipTTL = 0xff
        expected.fragment = 0xff
        expected.transportSource = .max
        expected.transportDestination = .max
        expected.tcpFlags = .max
        #expect(match.mask == expected)
        #expect(match.maskedKey == match.key)
    }

    @Test func theExactMaskIsThatOfAllOnes() throws {
        let protocols: [([UInt8], [UInt8])] = [
            (ethernet() + etherType(0x8847) + mpls(2), ones(4, 12) + exactType + ones(21, 8)),
            (ethernet() + etherType(0x0806) + arp(), ones(4, 12) + exactType + ones(13, 24)),
            (ip + ipv4(proto: 1) + icmp(), ones(4, 12) + exactType + ones(7, 12) + ones(11, 2)),
            (ip + ipv4(proto: 17) + udp(), ones(4, 12) + exactType + ones(7, 12) + ones(10, 4)),
            (ip + ipv4(proto: 132) + sctp(), ones(4, 12) + exactType + ones(7, 12) + ones(17, 4)),
            (
                ip6 + ipv6(proto: 58) + extensionHeaders() + icmpv6(135) + nd(),
                ones(4, 12) + exactType + ones(8, 40) + ones(32, 2) + ones(12, 2) + ones(14, 28)
            ),
            (
                recircID() + dpHash() + priority() + skbMark() + inPort() + ethernet(),
                ones(20, 4) + ones(19, 4) + ones(2, 4) + ones(15, 4) + ones(3, 4) + ones(4, 12)
            ),
        ]
        for (key, mask) in protocols { #expect(try #require(accepted(key)) == #require(accepted(key, mask))) }
    }

    @Test func theKeyIsKeptAsGivenAndMaskedForMatching() throws {
        let match = try #require(
            accepted(ip + ipv4(), exactType + attribute(7, [255, 255, 0, 0] + [UInt8](repeating: 0, count: 8))))
        #expect(match.key.ipv4Source == 0x0a0a0a0a)
        #expect(match.maskedKey.ipv4Source == 0x0a0a0000)
        #expect(match.maskedKey.ipv4Destination == 0)
    }

    @Test func aKeyAloneIsReadByTheSameRules() throws {
        let key = inPort() + ip + ipv4(proto: 17) + udp()
        #expect(try FlowMatch.key(Attributes(key.rawSpan)) == #require(accepted(key)).key)
        // A superfluous attribute is nothing a key alone is refused for.
        let more = key + sctp()
        #expect(throws: Never.self) { try FlowMatch.key(Attributes(more.rawSpan)) }
        let less = inPort() + ip + ipv4(proto: 17)
        #expect(throws: RequestError.self) { try FlowMatch.key(Attributes(less.rawSpan)) }
    }

    @Test func metadataOfAPacketNeedsNoHeaders() throws {
        let bytes = recircID(5) + dpHash(6) + priority(7) + inPort(8) + skbMark(9)
        let key = try FlowMetadata(Attributes(bytes.rawSpan)).key
        #expect(key.recircID == 5)
        #expect(key.dpHash == 6)
        #expect(key.priority == 7)
        #expect(key.inPort == 8)
        #expect(key.skbMark == 9)
        #expect(try FlowMetadata(Attributes([UInt8]().rawSpan)).key.inPort == FlowKey.noPort)
        let bad = inPort(70_000)
        #expect(throws: RequestError.self) { try FlowMetadata(Attributes(bad.rawSpan)) }
    }

    @Test func errorsTellThePlaceInTheRequest() throws {
        guard case .failure(let key) = match(inPort(70_000) + ip + ipv4()) else {
            Issue.record("accepted")
            return
        }
        #expect(key.offset == 28)
        #expect(key.message.hasPrefix("flow key: "))
        guard case .failure(let mask) = match(ip + ipv4(), exactType + vlan(0x1fff)) else {
            Issue.record("accepted")
            return
        }
        #expect(mask.offset == 508)
        #expect(mask.message.hasPrefix("flow mask: "))
        guard case .failure(let length) = match(ip + ipv4() + attribute(15, [1])) else {
            Issue.record("accepted")
            return
        }
        #expect(length.offset == 28 + 16 + 8 + 16)
        guard case .failure(let unexpected) = match(ip + ipv4(), exactType + ones(10, 4)) else {
            Issue.record("accepted")
            return
        }
        #expect(unexpected.offset == 508)
    }
}
