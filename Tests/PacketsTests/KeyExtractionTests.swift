import OpenvSwitch
import Packets
import Testing

@Suite struct KeyExtractionTests {
    // MARK: Link layer

    @Test func ethernetFields() throws {
        let (key, offsets) = try #require(extract(Build.ethernet(0x1234, [])))
        #expect(key.kind == 1)
        #expect(key.ethernetSource == Build.source)
        #expect(key.ethernetDestination == Build.destination)
        #expect(key.etherType == 0x1234)
        #expect(offsets == HeaderOffsets(network: 14, transport: -1))
        #expect(extract(Array(Build.tcp4[..<13])) == nil)
    }

    @Test func callersFieldsStay() throws {
        var key = FlowKey()
        (key.recircID, key.dpHash, key.priority, key.skbMark, key.inPort) = (1, 2, 3, 4, 5)
        let frame = Build.tcp4
        let offsets = KeyExtraction.extract(frame.raw, offload: Offload(), into: &key)
        #expect(offsets != nil)
        #expect((key.recircID, key.dpHash, key.priority) == (1, 2, 3))
        #expect((key.skbMark, key.inPort, key.transportSource) == (4, 5, 4711))
    }

    @Test func oneTag() throws {
        let frame = Build.ethernet(EtherType.ipv4, tags: [(0x8100, 0x2064)], Build.ipv4(6, Build.tcp()))
        let (key, offsets) = try #require(extract(frame))
        #expect((key.vlanTPID, key.vlanTCI) == (0x8100, 0x3064))
        #expect((key.innerVLANTPID, key.innerVLANTCI) == (0, 0))
        #expect((key.etherType, key.transportDestination) == (EtherType.ipv4, 80))
        #expect(offsets == HeaderOffsets(network: 18, transport: 38))
    }

    @Test func priorityTag() throws {
        let (key, _) = try #require(extract(Build.ethernet(EtherType.ipv4, tags: [(0x8100, 0)], [])))
        #expect((key.vlanTPID, key.vlanTCI, key.etherType) == (0x8100, 0x1000, EtherType.ipv4))
    }

    @Test func twoTags() throws {
        let frame = Build.ethernet(
            EtherType.ipv6, tags: [(0x88a8, 0x0064), (0x8100, 0xe001)], Build.ipv6(17, Build.udp()))
        let (key, offsets) = try #require(extract(frame))
        #expect((key.vlanTPID, key.vlanTCI) == (0x88a8, 0x1064))
        #expect((key.innerVLANTPID, key.innerVLANTCI) == (0x8100, 0xf001))
        #expect((key.etherType, key.transportSource) == (EtherType.ipv6, 5353))
        #expect(offsets == HeaderOffsets(network: 22, transport: 62))
    }

    @Test func aThirdTagIsNotParsed() throws {
        let frame = Build.ethernet(
            EtherType.ipv4, tags: [(0x88a8, 1), (0x8100, 2), (0x8100, 3)], Build.ipv4(17, Build.udp()))
        let (key, offsets) = try #require(extract(frame))
        #expect((key.vlanTCI, key.innerVLANTCI, key.etherType) == (0x1001, 0x1002, 0x8100))
        #expect((key.ipv4Source, key.ipProtocol, offsets.transport) == (0, 0, -1))
    }

    @Test func aTagCutOffIsAnEtherType() throws {
        let frame = Build.ethernet(EtherType.ipv4, tags: [(0x8100, 0x0064), (0x88a8, 7)], [])
        for length in 14..<18 {
            let (key, _) = try #require(extract(Array(frame[..<length])))
            #expect((key.vlanTPID, key.vlanTCI, key.etherType) == (0, 0, 0x8100))
        }
        for length in 18..<22 {
            let (key, offsets) = try #require(extract(Array(frame[..<length])))
            #expect((key.vlanTPID, key.vlanTCI, key.etherType) == (0x8100, 0x1064, 0x88a8))
            #expect((key.innerVLANTPID, key.innerVLANTCI, offsets.network) == (0, 0, 18))
        }
        let (key, _) = try #require(extract(frame))
        #expect((key.innerVLANTPID, key.innerVLANTCI, key.etherType) == (0x88a8, 0x1007, EtherType.ipv4))
    }

    @Test func snap() throws {
        let arp = Array(Build.arp()[14...])
        let (key, offsets) = try #require(extract(Build.ethernet(36, [0xaa, 0xaa, 3, 0, 0, 0, 8, 6] + arp)))
        #expect((key.etherType, key.ipProtocol, offsets.network) == (EtherType.arp, 1, 22))
        // The control byte may be any, the organisation must be zero, the type must be one.
        #expect(extract(Build.ethernet(36, [0xaa, 0xaa, 0xff, 0, 0, 0, 8, 6] + arp))?.key.etherType == EtherType.arp)
        for header: [UInt8] in [
            [0xaa, 0xaa, 3, 0, 0, 1, 8, 6], [0xaa, 0xab, 3, 0, 0, 0, 8, 6], [0x42, 0x42, 3, 0, 0, 0, 8, 6],
            [0xaa, 0xaa, 3, 0, 0, 0, 5, 0xff],
        ] {
            let (key, _) = try #require(extract(Build.ethernet(36, header + arp)))
            #expect((key.etherType, key.ipv4Source) == (EtherType.ieee8022, 0))
        }
        #expect(extract(Build.ethernet(3, [0xaa, 0xaa, 3, 0, 0, 0, 8]))?.key.etherType == EtherType.ieee8022)
        #expect(extract(Build.ethernet(0x05ff, []))?.key.etherType == EtherType.ieee8022)
        #expect(extract(Build.ethernet(0x0600, []))?.key.etherType == 0x0600)
    }

    // MARK: IPv4

    @Test func ipv4TCP() throws {
        let (key, offsets) = try #require(
            extract(Build.ethernet(EtherType.ipv4, Build.ipv4(6, tos: 0xb9, ttl: 3, Build.tcp(flags: 0xa12)))))
        #expect((key.ipv4Source, key.ipv4Destination) == (Build.source4, Build.destination4))
        #expect((key.ipProtocol, key.ipTOS, key.ipTTL, key.fragment) == (6, 0xb9, 3, Fragment.none))
        #expect((key.transportSource, key.transportDestination, key.tcpFlags) == (4711, 80, 0xa12))
        #expect(offsets == HeaderOffsets(network: 14, transport: 34))
    }

    @Test func ipv4Options() throws {
        let options = [UInt8](repeating: 1, count: 40)
        let (key, offsets) = try #require(
            extract(Build.ethernet(EtherType.ipv4, Build.ipv4(17, options: options, Build.udp()))))
        #expect((key.transportSource, key.transportDestination, offsets.transport) == (5353, 53, 74))
    }

    @Test func ipv4Fragments() throws {
        let datagram = Build.udp([1])
        let first = try #require(extract(Build.ethernet(EtherType.ipv4, Build.ipv4(17, fragment: 0x2000, datagram))))
        #expect((first.key.fragment, first.key.transportSource, first.offsets.transport) == (Fragment.first, 5353, 34))
        for field: UInt16 in [0x0001, 0x2001, 0x1fff] {
            let (key, offsets) = try #require(
                extract(Build.ethernet(EtherType.ipv4, Build.ipv4(17, fragment: field, datagram))))
            #expect((key.fragment, key.ipProtocol, key.transportSource) == (Fragment.later, 17, 0))
            #expect(offsets.transport == -1)
        }
        var offload = Offload()
        offload.segmentation = Offload.udpFragments
        let whole = Build.ethernet(EtherType.ipv4, Build.ipv4(17, datagram))
        #expect(extract(whole, offload: offload)?.key.fragment == Fragment.first)
        let whole6 = Build.ethernet(EtherType.ipv6, Build.ipv6(17, datagram))
        #expect(extract(whole6, offload: offload)?.key.fragment == Fragment.first)
        offload.segmentation = Offload.udpSegments
        #expect(extract(whole, offload: offload)?.key.fragment == Fragment.none)
    }

    @Test func ipv4WithALyingHeaderLength() throws {
        var frame = Build.tcp4
        for words: UInt8 in [0, 4, 13, 15] {
            frame[14] = 0x40 | words
            let (key, offsets) = try #require(extract(Array(frame[..<64])))
            // 13 words fit into the 50 bytes of the packet only just not.
            #expect((key.ipv4Source, key.ipProtocol, key.ipTTL, key.etherType) == (0, 0, 0, EtherType.ipv4))
            #expect((key.transportSource, offsets) == (0, HeaderOffsets(network: 14, transport: -1)))
        }
    }

    @Test func tcpWithALyingDataOffset() throws {
        var frame = Build.tcp4
        for words: UInt8 in [0, 4, 8, 15] {
            frame[14 + 20 + 12] = words << 4
            let (key, offsets) = try #require(extract(frame))
            #expect((key.ipProtocol, key.transportSource, key.tcpFlags, offsets.transport) == (6, 0, 0, -1))
        }
    }

    @Test func icmp() throws {
        let (key, offsets) = try #require(
            extract(Build.ethernet(EtherType.ipv4, Build.ipv4(1, Build.icmp(type: 3, code: 13)))))
        #expect((key.transportSource, key.transportDestination, offsets.transport) == (3, 13, 34))
    }

    @Test func sctp() throws {
        let (key, _) = try #require(extract(Build.ethernet(EtherType.ipv4, Build.ipv4(132, Build.sctp()))))
        #expect((key.ipProtocol, key.transportSource, key.transportDestination) == (132, 7, 9))
    }

    @Test func otherProtocolsHaveNoTransport() throws {
        let (key, offsets) = try #require(extract(Build.ethernet(EtherType.ipv4, Build.ipv4(47, Build.tcp()))))
        #expect((key.ipProtocol, key.transportSource, offsets.transport) == (47, 0, -1))
    }

    // MARK: ARP

    @Test func arp() throws {
        for (type, operation): (UInt16, UInt16) in [(EtherType.arp, 2), (EtherType.rarp, 3), (EtherType.arp, 255)] {
            let (key, _) = try #require(extract(Build.arp(operation: operation, type: type)))
            #expect((key.etherType, key.ipProtocol) == (type, UInt8(operation)))
            #expect((key.ipv4Source, key.ipv4Destination) == (Build.source4, Build.destination4))
            #expect((key.arpSourceMAC, key.arpTargetMAC) == (0x0200_0000_0a0a, 0x0200_0000_0b0b))
        }
        let wide = try #require(extract(Build.arp(operation: 0x101)))
        #expect((wide.key.ipProtocol, wide.key.ipv4Source) == (0, Build.source4))
        // Other hardware, protocol or address lengths: nothing is parsed.
        for offset in 14..<20 {
            var frame = Build.arp()
            frame[offset] ^= 0x10
            let (key, _) = try #require(extract(frame))
            #expect((key.ipProtocol, key.ipv4Source, key.arpSourceMAC, key.arpTargetMAC) == (0, 0, 0, 0))
        }
    }

    // MARK: IPv6

    @Test func ipv6() throws {
        let (key, offsets) = try #require(
            extract(
                Build.ethernet(
                    EtherType.ipv6,
                    Build.ipv6(6, trafficClass: 0xa5, label: 0xfedcb, hopLimit: 9, Build.tcp(flags: 0x102)))))
        #expect((key.ipv6Source, key.ipv6Destination) == (Build.source6, Build.destination6))
        #expect((key.ipTOS, key.ipv6Label, key.ipTTL, key.ipProtocol) == (0xa5, 0xfedcb, 9, 6))
        #expect((key.transportSource, key.transportDestination, key.tcpFlags) == (4711, 80, 0x102))
        #expect((key.ipv6ExtensionHeaders, key.fragment) == (0, Fragment.none))
        #expect(offsets == HeaderOffsets(network: 14, transport: 54))
    }

    @Test func ipv6Extensions() throws {
        let chain =
            Build.extensionHeader(next: 60) + Build.extensionHeader(next: 43, extra: 2)
            + Build.extensionHeader(next: 51) + Build.authentication(next: 17)
        let (key, offsets) = try #require(extract(Build.ethernet(EtherType.ipv6, Build.ipv6(0, chain + Build.udp()))))
        #expect((key.ipProtocol, key.transportSource, offsets.transport) == (17, 5353, 54 + chain.count))
        #expect(key.ipv6ExtensionHeaders == 64 | 8 | 32 | 4)
    }

    @Test(
        arguments: [
            // First header, the chain behind it, the bits.
            (59, [], 1), (50, [], 2), (51, [6], 4), (60, [6], 8), (43, [6], 32), (0, [6], 64),
            (0, [60, 43, 51, 60, 6], 64 | 8 | 32 | 4),  // the order of RFC 8200
            (60, [60, 60, 6], 8 | 128),  // three destination headers
            (43, [43, 6], 32 | 128 | 256), (51, [51, 6], 4 | 128 | 256),
            (60, [0, 6], 8 | 256),  // hop-by-hop is not the first
            (0, [0, 6], 64 | 128 | 256), (51, [43, 6], 4 | 32 | 256), (43, [60, 6], 32 | 8 | 256),
            (0, [59], 64 | 1), (51, [50], 4 | 2),
        ] as [(UInt8, [UInt8], UInt16)])
    func extensionBits(first: UInt8, following: [UInt8], bits: UInt16) throws {
        var chain: [UInt8] = []
        var current = first
        for next in following {
            chain += current == 51 ? Build.authentication(next: next) : Build.extensionHeader(next: next)
            current = next
        }
        let (key, _) = try #require(extract(Build.ethernet(EtherType.ipv6, Build.ipv6(first, chain + Build.tcp()))))
        #expect(key.ipv6ExtensionHeaders == bits)
        #expect(key.ipProtocol == current)
        #expect(key.transportDestination == (current == 6 ? 80 : 0))
    }

    @Test func ipv6Fragments() throws {
        let first = try #require(
            extract(
                Build.ethernet(
                    EtherType.ipv6,
                    Build.ipv6(44, Build.fragmentHeader(next: 17, offset: 0, more: true) + Build.udp()))))
        #expect((first.key.fragment, first.key.ipProtocol, first.key.transportSource) == (Fragment.first, 17, 5353))
        #expect((first.key.ipv6ExtensionHeaders, first.offsets.transport) == (16, 62))
        let later = try #require(
            extract(
                Build.ethernet(
                    EtherType.ipv6,
                    Build.ipv6(44, Build.fragmentHeader(next: 17, offset: 1, more: true) + Build.udp()))))
        #expect((later.key.fragment, later.key.ipProtocol, later.key.transportSource) == (Fragment.later, 44, 0))
        #expect(later.offsets.transport == -1)
    }

    @Test func ipv6BrokenChain() throws {
        // The last extension header says more bytes than there are, or is cut off.
        let long = Build.extensionHeader(next: 60, extra: 200)[..<8] + Build.extensionHeader(next: 6) + Build.tcp()
        let (key, offsets) = try #require(extract(Build.ethernet(EtherType.ipv6, Build.ipv6(0, Array(long)))))
        #expect((key.ipProtocol, key.transportSource, offsets.transport) == (59, 0, -1))
        #expect(key.ipv6Source == Build.source6)
    }

    @Test(
        arguments: [
            // First header, what the frame has of it, protocol, fragment.
            (0, [6, 0], 6, Fragment.none), (0, [6], 59, Fragment.none), (0, [], 59, Fragment.none),
            (60, [17, 255], 17, Fragment.none), (51, [58, 4], 58, Fragment.none),
            (0, [60, 0], 59, Fragment.none),  // the second is not there at all
            (43, [6, 0, 0, 0], 6, Fragment.none), (43, [6, 0, 0], 59, Fragment.none),
            (44, [6], 59, Fragment.none), (44, [6, 0, 0], 59, Fragment.first), (44, [6, 0, 0, 0], 6, Fragment.first),
            (44, [6, 0, 0, 8], 44, Fragment.later),
        ] as [(UInt8, [UInt8], UInt8, UInt8)])
    func ipv6ExtensionHeaderCutOff(first: UInt8, rest: [UInt8], number: UInt8, fragment: UInt8) throws {
        let (key, offsets) = try #require(extract(Build.ethernet(EtherType.ipv6, Build.ipv6(first, rest))))
        #expect((key.ipProtocol, key.fragment) == (number, fragment))
        #expect((key.transportSource, key.transportDestination, offsets.transport) == (0, 0, -1))
        #expect((key.ipv6Source, key.ipTTL) == (Build.source6, 64))
    }

    @Test func ipv6EndlessChainEnds() throws {
        for (count, number) in [(32, 6), (33, 59), (2000, 59)] as [(Int, UInt8)] {
            let chain = (1...count).flatMap { Build.extensionHeader(next: $0 == count ? 6 : 60) } + Build.tcp()
            let (key, offsets) = try #require(extract(Build.ethernet(EtherType.ipv6, Build.ipv6(60, chain))))
            #expect((key.ipProtocol, offsets.transport) == (number, number == 6 ? 54 + 8 * count : -1))
        }
    }

    // MARK: Neighbour discovery

    func neighbour(_ message: [UInt8]) throws -> FlowKey {
        try #require(extract(Build.ethernet(EtherType.ipv6, Build.ipv6(58, message)))).key
    }

    @Test func neighbourDiscovery() throws {
        let options = Build.linkAddress(1, 0xa1) + Build.linkAddress(2, 0xa2)
        for type: UInt8 in [135, 136] {
            let key = try neighbour(Build.neighbour(type: type, options: options))
            #expect((key.transportSource, key.transportDestination) == (UInt16(type), 0))
            #expect((key.ndTarget, key.ndSourceMAC, key.ndTargetMAC) == (Build.destination6, 0xa1, 0xa2))
        }
        // Not with another code or type, or without the target.
        for message in [
            Build.neighbour(code: 1, options: options), Build.neighbour(type: 134, options: options),
            Array(Build.neighbour(options: [])[..<23]),
        ] {
            let key = try neighbour(message)
            #expect((key.ndTarget, key.ndSourceMAC) == (IPv6Address(high: 0, low: 0), 0))
            #expect(key.transportSource == UInt16(message[0]))
        }
    }

    @Test func neighbourOptions() throws {
        let other: [UInt8] = [14, 2] + [UInt8](repeating: 7, count: 14)
        let skipped = try neighbour(Build.neighbour(options: other + Build.linkAddress(1, 0xa1)))
        #expect((skipped.ndTarget, skipped.ndSourceMAC) == (Build.destination6, 0xa1))
        let twice = try neighbour(Build.neighbour(options: Build.linkAddress(1, 0xa1) + Build.linkAddress(1, 0xa2)))
        #expect((twice.ndTarget, twice.ndSourceMAC) == (IPv6Address(high: 0, low: 0), 0))
        for length: UInt8 in [0, 9] {
            let bad = Build.linkAddress(1, 0xa1) + [2, length, 0, 0, 0, 0, 0, 1] + Build.linkAddress(2, 0xa2)
            let key = try neighbour(Build.neighbour(options: bad))
            #expect((key.ndTarget, key.ndSourceMAC, key.ndTargetMAC) == (Build.destination6, 0xa1, 0))
        }
        // A link-layer address of another size than Ethernet's is passed over.
        let wide = try neighbour(Build.neighbour(options: [1, 2] + [UInt8](repeating: 5, count: 14)))
        #expect((wide.ndTarget, wide.ndSourceMAC) == (Build.destination6, 0))
    }

    // MARK: MPLS

    func entries(_ key: FlowKey) -> [UInt32] {
        let entries = key.mplsEntries
        return [entries[0], entries[1], entries[2]]
    }

    @Test(arguments: [EtherType.mplsUnicast, EtherType.mplsMulticast])
    func labelStacks(type: UInt16) throws {
        let ip = Build.ipv4(6, Build.tcp())
        for count in 1...6 {
            let stack = Build.mpls((1...UInt32(count)).map { $0 }, ip)
            let (key, offsets) = try #require(extract(Build.ethernet(type, stack)))
            #expect(key.etherType == type)
            let expected = (0..<3).map { $0 < count ? UInt32(Reference.number(stack, 4 * $0, 4)) : 0 }
            #expect(entries(key) == expected)
            #expect(key.mplsPresence == [1, 3, 7, 7, 7, 7][count - 1])
            // What is behind the stack is not looked at.
            #expect((key.ipProtocol, key.ipTTL, key.transportSource) == (0, 0, 0))
            #expect(offsets == HeaderOffsets(network: 14, transport: -1))
        }
        let tagged = Build.ethernet(type, tags: [(0x88a8, 5), (0x8100, 6)], Build.mpls([7], ip))
        let (key, offsets) = try #require(extract(tagged))
        #expect((key.vlanTCI, key.innerVLANTCI, key.mplsEntries[0]) == (0x1005, 0x1006, 0x7b40))
        #expect(offsets.network == 22)
        let snap = Build.ethernet(
            100, [0xaa, 0xaa, 3, 0, 0, 0] + Build.big(type) + Build.mpls([7], ip))
        #expect(extract(snap)?.key.mplsEntries[0] == 0x7b40)
    }

    @Test func whatIsBehindTheBottomOfTheStackIsNoEntry() throws {
        let frame = Build.ethernet(
            EtherType.mplsUnicast, [0, 0, 0x10, 1, 0, 0, 0x21, 2] + [UInt8](repeating: 0xee, count: 9))
        let (key, _) = try #require(extract(frame))
        #expect(entries(key) == [0x1001, 0x2102, 0])
        #expect(key.mplsPresence == 3)
    }

    /// Entries that are cut off are zero; a stack without a whole entry has one of zeros.
    @Test func labelStacksCutOff() throws {
        let frame = Build.ethernet(EtherType.mplsUnicast, [UInt8](repeating: 0x22, count: 20))
        for length in 14...frame.count {
            let (key, _) = try #require(extract(Array(frame[..<length])))
            let whole = min((length - 14) / 4, 3)
            #expect(entries(key) == (0..<3).map { $0 < whole ? 0x2222_2222 : 0 })
            #expect(key.mplsPresence == [1, 1, 3, 7][whole])
        }
    }

    // MARK: Hostile frames

    @Test func everyTruncation() throws {
        for (name, frame) in Build.samples {
            let whole = try #require(extract(frame))
            var before = 0
            for length in 0...frame.count {
                guard let (key, offsets) = extract(Array(frame[..<length])) else {
                    #expect(length < 14, "\(name)")
                    continue
                }
                #expect(length >= 14)
                #expect(isSane(key, offsets, Array(frame[..<length])), "\(name) cut to \(length)")
                // A field is there in full or not at all, and stays when more bytes come.
                let pairs: [(UInt64, UInt64)] = [
                    (key.ethernetSource, whole.key.ethernetSource),
                    (UInt64(key.vlanTCI), UInt64(whole.key.vlanTCI)),
                    (UInt64(key.innerVLANTCI), UInt64(whole.key.innerVLANTCI)),
                    (key.words[6] >> 32, whole.key.words[6] >> 32),
                    (UInt64(key.tcpFlags), UInt64(whole.key.tcpFlags)),
                    (UInt64(key.ipTTL), UInt64(whole.key.ipTTL)),
                    (UInt64(key.ipv6Label), UInt64(whole.key.ipv6Label)),
                    (key.words[7] >> 32, whole.key.words[7] >> 32),
                    (key.words[7] & 0xffff_ffff, whole.key.words[7] & 0xffff_ffff),
                    (key.words[8] >> 8, whole.key.words[8] >> 8),
                    (key.words[9], whole.key.words[9]), (key.words[10], whole.key.words[10]),
                    (key.words[11], whole.key.words[11]), (key.words[13], whole.key.words[13]),
                    (key.words[14], whole.key.words[14]),
                ]
                #expect(pairs.allSatisfy { $0 == 0 || $0 == $1 }, "\(name) cut to \(length)")
                let present = pairs.count { $0.0 != 0 }
                #expect(present >= before, "\(name) cut to \(length)")
                before = present
            }
            #expect(extract(frame)?.key == whole.key)
        }
    }

    /// What holds for the key of any frame whatsoever.
    func isSane(_ key: FlowKey, _ offsets: HeaderOffsets, _ frame: [UInt8]) -> Bool {
        guard key.kind == 1, key.fragment <= 2, key.tcpFlags <= 0xfff, key.ipv6Label <= 0xfffff else { return false }
        guard offsets.network >= 14, offsets.network <= frame.count else { return false }
        guard key.ethernetDestination == Reference.number(frame, 0, 6) else { return false }
        guard key.etherType >= 0x600 || key.etherType == EtherType.ieee8022 else { return false }
        guard (key.vlanTCI == 0) == (key.vlanTPID == 0), key.vlanTCI == 0 || key.vlanTCI & 0x1000 != 0 else {
            return false
        }
        guard (key.innerVLANTCI == 0) == (key.innerVLANTPID == 0), key.innerVLANTCI == 0 || key.vlanTCI != 0 else {
            return false
        }
        if key.etherType.isMPLS {
            guard [1, 3, 7].contains(key.mplsPresence), offsets.transport == -1 else { return false }
            let count = max(1, min((frame.count - offsets.network) / 4, key.mplsPresence.nonzeroBitCount))
            guard key.mplsPresence.nonzeroBitCount == count else { return false }
        }
        if offsets.transport < 0 {
            return offsets.transport == -1 && key.words[6] >> 32 == 0 && key.tcpFlags == 0
        }
        guard offsets.transport >= offsets.network + 20, offsets.transport + 8 <= frame.count else { return false }
        guard key.fragment != Fragment.later else { return false }
        switch key.ipProtocol {
        case 6, 17, 132: return key.words[6] >> 32 == Reference.number(frame, offsets.transport, 4)
        case 1, 58:
            return key.transportSource == UInt16(frame[offsets.transport])
                && key.transportDestination == UInt16(frame[offsets.transport + 1])
        default: return false
        }
    }

    @Test func randomFrames() {
        var random = SplitMix64(seed: 0x5eed_0001)
        let samples = Build.samples
        var deep = 0
        for round in 0..<100_000 {
            var frame: [UInt8]
            if random.chance(4) {
                frame = random.bytes(random.below(120))
                if frame.count >= 14, random.chance(2) {
                    let type = [0x0800, 0x86dd, 0x8100, 0x88a8, 0x0806, 0x8847, 0x0024][random.below(7)]
                    (frame[12], frame[13]) = (UInt8(type >> 8), UInt8(type & 0xff))
                }
            } else {
                frame = samples[random.below(samples.count)].frame
                for _ in 0..<random.below(6) {
                    frame[random.chance(2) ? 12 + random.below(frame.count - 12) : random.below(frame.count)] =
                        random.number()
                }
                frame = Array(frame[..<(frame.count - (random.chance(2) ? random.below(frame.count) : 0))])
            }
            guard let (key, offsets) = extract(frame) else {
                // Only a network service header may be the end of a frame.
                let isNSH = zip(frame, frame.dropFirst()).contains { $0 == 0x89 && $1 == 0x4f }
                if frame.count >= 14, !isNSH { Issue.record("round \(round): dropped") }
                continue
            }
            if offsets.transport > 0 { deep += 1 }
            if !isSane(key, offsets, frame) { Issue.record("round \(round): \(frame)") }
        }
        // The frames must reach the inner parsers for this test to mean something.
        #expect(deep > 10_000)
    }
}
