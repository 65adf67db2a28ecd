import Netlink
import OpenvSwitch
import Testing

/// What keys and masks are read into. Their rules one by one are in `KeyCorpus`.
@Suite struct FlowMatchTests {
    private let ip = ethernet() + etherType(0x0800)
    private let ip6 = ethernet() + etherType(0x86dd)

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

    @Test(arguments: [UInt16(0), 29, 30, 31, 33, 40, 63, 64, 100, 16383])
    func typesThatAreNotUsableAreRefused(type: UInt16) {
        let words = 29...31 ~= type ? "a datapath behind Netlink does not know the attribute" : "not known here"
        refused(ip + ipv4() + attribute(type, [0, 0, 0, 1]), nil, words)
        refused(ip + ipv4(), attribute(type, [0, 0, 0, 1]), words)
    }

    private static let sizes: [(UInt16, Int)] = [
        (2, 4), (3, 4), (4, 12), (5, 2), (6, 2), (7, 12), (8, 40), (9, 4), (10, 4), (11, 2), (12, 2), (13, 24),
        (14, 28),
        (15, 4), (17, 4), (18, 2), (19, 4), (20, 4), (22, 4), (23, 2), (24, 4), (25, 16), (26, 16), (27, 40), (32, 2),
    ]

    @Test(arguments: sizes) func everyAttributeHasOneLength(type: UInt16, length: Int) {
        let end = "\(length) bytes are needed (\(KeyTable.constant(type)))"
        // In a mask that is all zero every attribute is allowed, as it counts as absent.
        accepted(ip + ipv4(), attribute(type, [UInt8](repeating: 0, count: length)))
        refused(ip + ipv4(), attribute(type, [UInt8](repeating: 0, count: length - 1)), "too short, \(end)")
        refused(ip + ipv4(), attribute(type, [UInt8](repeating: 0, count: length + 1)), "wrong length, \(end)")
        refused(attribute(type, [UInt8](repeating: 0, count: length + 1)), nil, "wrong length, \(end)")
    }

    @Test func aLabelStackHasOneToThreeEntries() {
        let type = ethernet() + etherType(0x8847)
        let words = "one to three entries of four bytes (OVS_KEY_ATTR_MPLS)"
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

    // MARK: Masks

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

}
