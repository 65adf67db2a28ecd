import OpenvSwitch
import Packets
import Testing

@Suite struct HeaderEditTests {
    /// Runs an edit on a packet whose key and offsets come from its bytes, and gives back what became of all three.
    func edit(
        _ frame: [UInt8], offload: Offload = Offload(),
        _ change: (_ packet: inout Packet, _ offsets: inout HeaderOffsets, _ key: inout FlowKey) -> Bool
    ) throws -> (done: Bool, frame: [UInt8], key: FlowKey, offsets: HeaderOffsets, offload: Offload) {
        try withPacket(frame, offload: offload) { packet, _ in
            var (key, offsets) = try #require(extract(frame, offload: offload))
            let done = change(&packet, &offsets, &key)
            return (done, packet.array, key, offsets, packet.offload)
        }
    }

    /// The key says what the frame says.
    func expectKeyFollows(
        _ result: (done: Bool, frame: [UInt8], key: FlowKey, offsets: HeaderOffsets, offload: Offload),
        _ location: SourceLocation = #_sourceLocation
    ) throws {
        let (key, offsets) = try #require(extract(result.frame))
        #expect(result.key == key, sourceLocation: location)
        #expect(result.offsets == offsets, sourceLocation: location)
    }

    // MARK: TTL

    @Test func theTTLGoesDownByOne() throws {
        for ttl in [UInt8(2), 3, 64, 128, 255] {
            for tags in [[], [(tpid: UInt16(0x8100), tci: UInt16(3))]] {
                let network = 14 + 4 * tags.count
                let v4 = Build.ethernet(EtherType.ipv4, tags: tags, Build.ipv4(6, ttl: ttl, Build.tcp([1, 2, 3])))
                let v6 = Build.ethernet(
                    EtherType.ipv6, tags: tags, Build.ipv6(17, hopLimit: ttl, Build.udp([1, 2, 3])))
                for frame in [v4, v6] {
                    var outcome: HeaderEdit.TTLOutcome?
                    let result = try edit(frame) { packet, offsets, key in
                        outcome = HeaderEdit.decrementTTL(&packet, offsets, key: &key)
                        return true
                    }
                    #expect(outcome == .decremented)
                    #expect(result.key.ipTTL == ttl - 1)
                    try expectKeyFollows(result)
                    if frame == v4 { #expect(Reference.isIPv4Valid(result.frame, network: network)) }
                    // Nothing but TTL and checksum has changed.
                    let changed = frame.indices.filter { frame[$0] != result.frame[$0] }
                    let allowed = frame == v4 ? [network + 8, network + 10, network + 11] : [network + 7]
                    #expect(changed.allSatisfy(allowed.contains))
                }
            }
        }
    }

    @Test func aTTLThatHasExpiredStays() throws {
        func outcome(_ frame: [UInt8]) throws -> HeaderEdit.TTLOutcome? {
            var outcome: HeaderEdit.TTLOutcome?
            let result = try edit(frame) { packet, offsets, key in
                outcome = HeaderEdit.decrementTTL(&packet, offsets, key: &key)
                return true
            }
            #expect(result.frame == frame)
            return outcome
        }
        for ttl in [UInt8(0), 1] {
            #expect(try outcome(Build.ethernet(EtherType.ipv4, Build.ipv4(6, ttl: ttl, Build.tcp()))) == .expired)
            #expect(try outcome(Build.ethernet(EtherType.ipv6, Build.ipv6(6, hopLimit: ttl, Build.tcp()))) == .expired)
        }
        let whole4 = Build.ethernet(EtherType.ipv4, Build.ipv4(6, Build.tcp()))
        let whole6 = Build.ethernet(EtherType.ipv6, Build.ipv6(6, Build.tcp()))
        for length in 14..<34 { #expect(try outcome(Array(whole4[..<length])) == .absent) }
        for length in 14..<54 { #expect(try outcome(Array(whole6[..<length])) == .absent) }
        #expect(try outcome(Build.ethernet(EtherType.arp, Build.arp())) == .decremented)
    }

    // MARK: Ethernet and VLAN

    @Test func setEthernet() throws {
        let result = try edit(Build.tcp4) { packet, _, key in
            HeaderEdit.setEthernet(
                &packet, source: 0xffff_ffff_ffff, sourceMask: 0x0000_ffff_0000, destination: 0x0a0b_0c0d_0e0f,
                destinationMask: 0xffff_ffff_ffff, key: &key)
        }
        #expect(result.done)
        #expect(result.key.ethernetSource == 0x0200_ffff_0001)
        #expect(result.key.ethernetDestination == 0x0a0b_0c0d_0e0f)
        #expect(Array(result.frame[12...]) == Array(Build.tcp4[12...]))
        try expectKeyFollows(result)
    }

    @Test func pushAndPopVLAN() throws {
        let pushed = try edit(Build.tcp4, offload: partialOffload(transport: 34, 6)) { packet, offsets, key in
            HeaderEdit.pushVLAN(&packet, &offsets, tpid: 0x88a8, tci: 0x7005, key: &key)
        }
        #expect(pushed.done)
        // On the wire, the bit that says "present" is clear.
        #expect(pushed.frame == Array(Build.tcp4[..<12]) + [0x88, 0xa8, 0x60, 0x05] + Array(Build.tcp4[12...]))
        #expect(pushed.key.vlanTCI == 0x7005)
        #expect(pushed.offload.checksumStart == 38)
        try expectKeyFollows(pushed)

        let twice = try edit(pushed.frame) { packet, offsets, key in
            HeaderEdit.pushVLAN(&packet, &offsets, tpid: 0x8100, tci: 0x1fff, key: &key)
        }
        #expect((twice.key.vlanTCI, twice.key.innerVLANTCI, twice.offsets.network) == (0x1fff, 0x7005, 22))
        try expectKeyFollows(twice)

        let back = try edit(twice.frame, offload: partialOffload(transport: 42, 6)) { packet, offsets, key in
            HeaderEdit.popVLAN(&packet, &offsets, key: &key) && HeaderEdit.popVLAN(&packet, &offsets, key: &key)
        }
        #expect(back.done)
        #expect(back.frame == Build.tcp4)
        #expect(back.offload.checksumStart == 34)
        try expectKeyFollows(back)
    }

    @Test func popWithoutATagChangesNothing() throws {
        for frame in [Build.tcp4, Array(Build.ethernet(0x0800, tags: [(0x8100, 1)], [])[..<17])] {
            let result = try edit(frame) { packet, offsets, key in
                HeaderEdit.popVLAN(&packet, &offsets, key: &key)
            }
            #expect(!result.done)
            #expect(result.frame == frame)
            try expectKeyFollows(result)
        }
    }

    @Test func pushEndsWithTheSlot() throws {
        let frame = Build.tcp4 + [UInt8](repeating: 3, count: Packet.maximumLength - 402 - Build.tcp4.count)
        try withPacket(frame) { packet, _ in
            var offsets = HeaderOffsets(network: 14, transport: 34)
            var key = FlowKey()
            var pushed = 0
            while HeaderEdit.pushVLAN(&packet, &offsets, tpid: 0x8100, tci: 0x1001, key: &key) {
                pushed += 1
                try #require(pushed < 1000)
            }
            // More than the headroom holds, and no more than a packet may have; the slot has some bytes less.
            #expect(pushed > (Packet.headroom - 16) / 4 && pushed <= 100)
            #expect(packet.length == frame.count + 4 * pushed)
            #expect(Array(packet.array.suffix(frame.count - 12)) == Array(frame[12...]))
        }
    }

    @Test func shortFramesAreRefused() throws {
        try withPacket([UInt8](repeating: 0x81, count: 13)) { packet, _ in
            var offsets = HeaderOffsets()
            var key = FlowKey()
            #expect(
                !HeaderEdit.setEthernet(
                    &packet, source: 1, sourceMask: ~0, destination: 1, destinationMask: ~0, key: &key))
            #expect(!HeaderEdit.pushVLAN(&packet, &offsets, tpid: 0x8100, tci: 0x1001, key: &key))
            #expect(!HeaderEdit.popVLAN(&packet, &offsets, key: &key))
            #expect(packet.array == [UInt8](repeating: 0x81, count: 13))
        }
    }

    // MARK: Absent headers

    @Test func absentHeadersAreRefused() throws {
        let ip4 = IPv4Edit(source: ~0, destination: ~0, tos: 0xff, ttl: 0xff)
        let all = IPv6Address(high: ~0, low: ~0)
        let ip6 = IPv6Edit(source: all, destination: all, label: ~0, trafficClass: 0xff, hopLimit: 0xff)
        for (name, frame) in Build.samples {
            for length in 14...frame.count {
                let cut = Array(frame[..<length])
                let (key, offsets) = try #require(extract(cut))
                let four = try edit(cut) { packet, offsets, key in
                    HeaderEdit.setIPv4(&packet, offsets, value: ip4, mask: ip4, key: &key)
                }
                #expect(four.done == (key.etherType == EtherType.ipv4 && key.ipTTL != 0), "\(name) cut to \(length)")
                #expect(four.done || four.frame == cut, "\(name) cut to \(length)")
                let six = try edit(cut) { packet, offsets, key in
                    HeaderEdit.setIPv6(&packet, offsets, value: ip6, mask: ip6, key: &key)
                }
                #expect(six.done == (key.etherType == EtherType.ipv6 && key.ipTTL != 0), "\(name) cut to \(length)")
                for (number, set) in portEdits {
                    let result = try edit(cut) { packet, offsets, key in
                        set(&packet, offsets, 0xffff, 0xffff, 0xffff, 0xffff, &key)
                    }
                    let isThere = key.ipProtocol == number && offsets.transport >= 0
                    #expect(result.done == isThere, "\(name) cut to \(length)")
                    #expect(result.done || result.frame == cut, "\(name) cut to \(length)")
                }
            }
        }
    }

    @Test func offsetsThatLieAreRefused() throws {
        for offset in [-1, -20, Int.min, Int.max, 59, 64, 65_000] {
            let result = try edit(Build.tcp4) { packet, _, key in
                let lie = HeaderOffsets(network: offset, transport: offset)
                let mask = IPv4Edit(source: ~0, destination: ~0, tos: 0xff, ttl: 0xff)
                if HeaderEdit.setIPv4(&packet, lie, value: mask, mask: mask, key: &key) { return true }
                key.etherType = EtherType.ipv6
                if HeaderEdit.setIPv6(&packet, lie, value: IPv6Edit(), mask: IPv6Edit(label: 1), key: &key) {
                    return true
                }
                return portEdits.contains { number, set in
                    key.ipProtocol = number
                    return set(&packet, lie, 1, 0xffff, 2, 0xffff, &key)
                }
            }
            #expect(!result.done, "offset \(offset)")
            #expect(result.frame == Build.tcp4)
        }
        // The network header is there, the transport header is said to be at the very end.
        let end = Build.tcp4.count - 1
        let result = try edit(Build.tcp4) { packet, _, key in
            HeaderEdit.setIPv4(
                &packet, HeaderOffsets(network: 14, transport: end - 16), value: IPv4Edit(source: 1),
                mask: IPv4Edit(source: ~0), key: &key)
        }
        #expect(result.done)
        #expect(Array(result.frame[34...]) == Array(Build.tcp4[34...]))
    }

    typealias PortEdit = (
        _ packet: inout Packet, _ offsets: HeaderOffsets, _ source: UInt16, _ sourceMask: UInt16,
        _ destination: UInt16, _ destinationMask: UInt16, _ key: inout FlowKey
    ) -> Bool

    var portEdits: [(number: UInt8, set: PortEdit)] {
        [
            (
                6,
                {
                    HeaderEdit.setTCPPorts(
                        &$0, $1, source: $2, sourceMask: $3, destination: $4, destinationMask: $5, key: &$6)
                }
            ),
            (
                17,
                {
                    HeaderEdit.setUDPPorts(
                        &$0, $1, source: $2, sourceMask: $3, destination: $4, destinationMask: $5, key: &$6)
                }
            ),
            (
                132,
                {
                    HeaderEdit.setSCTPPorts(
                        &$0, $1, source: $2, sourceMask: $3, destination: $4, destinationMask: $5, key: &$6)
                }
            ),
        ]
    }

    // MARK: Checksums

    /// A random IP packet with right checksums, its L4 protocol and where L4 begins in it.
    func randomPacket(_ random: inout SplitMix64) -> (packet: [UInt8], number: UInt8, transport: Int, isIPv4: Bool) {
        let isIPv4 = random.chance(2)
        let number: UInt8 = [6, 17, 132, isIPv4 ? 1 : 58][random.below(4)]
        let payload = random.bytes(random.below(80))
        let message: [UInt8] =
            switch number {
            case 6:
                Build.tcp(
                    source: random.number(), destination: random.number(), sequence: random.number(),
                    options: random.bytes(4 * random.below(4)), payload)
            case 17: Build.udp(source: random.number(), destination: random.number(), payload)
            case 132: Build.sctp(source: random.number(), destination: random.number(), payload)
            default: Build.icmp(type: 128, code: 1, random.bytes(4) + payload)
            }
        if isIPv4 {
            let options = random.bytes(4 * random.below(4))
            let packet = Build.ipv4(
                number, tos: random.number(), ttl: random.number(), identification: random.number(), options: options,
                source: random.number(), destination: random.number(), message)
            let transport = 20 + options.count
            guard number == 6 || number == 17 else { return (packet, number, transport, true) }
            return (Build.completed(packet, transport: transport, number), number, transport, true)
        }
        let chain = random.chance(2) ? [] : Build.extensionHeader(next: number, extra: UInt8(random.below(3)))
        let packet = Build.ipv6(
            chain.isEmpty ? number : 60, trafficClass: random.number(), label: random.number(UInt32.self) & 0xfffff,
            hopLimit: random.number(), source: random.address(), destination: random.address(), chain + message)
        let transport = 40 + chain.count
        guard number != 132 else { return (packet, number, transport, false) }
        return (Build.completed(packet, transport: transport, number), number, transport, false)
    }

    /// An edit of a random packet with random values and masks: network header, ports, MAC addresses, tags.
    func randomEdit(
        _ random: inout SplitMix64, _ number: UInt8, _ packet: inout Packet, _ offsets: inout HeaderOffsets,
        _ key: inout FlowKey
    ) -> Bool {
        switch random.below(5) {
        case 0:
            return HeaderEdit.setEthernet(
                &packet, source: random.number(), sourceMask: random.mask(), destination: random.number(),
                destinationMask: random.mask(), key: &key)
        case 1 where key.vlanTCI == 0:
            return HeaderEdit.pushVLAN(&packet, &offsets, tpid: 0x8100, tci: random.number() | 0x1000, key: &key)
        case 1: return HeaderEdit.popVLAN(&packet, &offsets, key: &key)
        case 2:
            for (protocolNumber, set) in portEdits where protocolNumber == number {
                return set(
                    &packet, offsets, random.number(), random.mask(), random.number(), random.mask(), &key)
            }
            return true
        default: break
        }
        if key.etherType == EtherType.ipv4 {
            return HeaderEdit.setIPv4(
                &packet, offsets,
                value: IPv4Edit(
                    source: random.number(), destination: random.number(), tos: random.number(), ttl: random.number()),
                mask: IPv4Edit(
                    source: random.mask(), destination: random.mask(), tos: random.mask(), ttl: random.mask()),
                key: &key)
        }
        func addressMask() -> IPv6Address { IPv6Address(high: random.mask(), low: random.mask()) }
        return HeaderEdit.setIPv6(
            &packet, offsets,
            value: IPv6Edit(
                source: random.address(), destination: random.address(), label: random.number(),
                trafficClass: random.number(), hopLimit: random.number()),
            mask: IPv6Edit(
                source: addressMask(), destination: addressMask(), label: random.mask(), trafficClass: random.mask(),
                hopLimit: random.mask()),
            key: &key)
    }

    /// Random edits of random packets: afterwards every checksum is what computing it anew gives, and the key is what
    /// extracting it anew gives. With partial checksums, this holds once they have been completed.
    @Test(arguments: [false, true])
    func randomEdits(isPartial: Bool) throws {
        var random = SplitMix64(seed: 0x5eed_0002)
        for round in 0..<4000 {
            let (packet, number, transport, isIPv4) = randomPacket(&random)
            let isCompleted = isPartial && number != 132 && number != 1
            let left = isCompleted ? Build.partial(packet, transport: transport, number) : packet
            let frame = Build.ethernet(isIPv4 ? EtherType.ipv4 : EtherType.ipv6, left)
            let offload = isCompleted ? partialOffload(transport: 14 + transport, number) : Offload()
            let result = try edit(frame, offload: offload) { packet, offsets, key in
                for _ in 0...random.below(4) {
                    if !randomEdit(&random, number, &packet, &offsets, &key) { return false }
                }
                return ChecksumCompletion.complete(&packet)
            }
            #expect(result.done, "round \(round)")
            #expect(!result.offload.isChecksumPartial)
            let (key, offsets) = try #require(extract(result.frame))
            #expect(result.key == key && result.offsets == offsets, "round \(round)")
            let bytes = result.frame
            if isIPv4 {
                #expect(Reference.isIPv4Valid(bytes, network: offsets.network), "round \(round)")
            }
            if number == 6 || number == 17 || number == 58 {
                #expect(
                    Reference.isTransportValid(
                        bytes, network: offsets.network, transport: offsets.transport, number), "round \(round)")
            }
            if number == 17 {
                #expect(Reference.number(bytes, offsets.transport + 6, 2) != 0, "round \(round)")
            }
            if number == 132 {
                var message = Array(bytes[offsets.transport...])
                let stored = UInt32(Reference.number(message, 8, 4)).byteSwapped
                message.replaceSubrange(8..<12, with: [0, 0, 0, 0])
                #expect(stored == Reference.crc32c(message), "round \(round)")
            }
        }
    }

    @Test func untouchedBytesStay() throws {
        let packet = Build.ipv4(17, options: [1, 2, 3, 4], Build.udp([5, 6]))
        let frame = Build.ethernet(EtherType.ipv4, Build.completed(packet, transport: 24, 17))
        let result = try edit(frame) { packet, offsets, key in
            HeaderEdit.setIPv4(
                &packet, offsets, value: IPv4Edit(source: ~0, tos: 0xff, ttl: 7),
                mask: IPv4Edit(source: 0xff, ttl: 0xff), key: &key)
        }
        let changed = frame.indices.filter { frame[$0] != result.frame[$0] }
        // The TTL, the IPv4 checksum, the last byte of the source, the UDP checksum.
        #expect(Set(changed).isSubset(of: [22, 24, 25, 29, 44, 45]))
        #expect((result.frame[22], result.frame[29]) == (7, 0xff))
        try expectKeyFollows(result)
    }

    @Test func aUDPChecksumOfZeroStays() throws {
        let frame = Build.ethernet(EtherType.ipv4, Build.ipv4(17, Build.udp([1, 2, 3])))
        let result = try edit(frame) { packet, offsets, key in
            HeaderEdit.setIPv4(
                &packet, offsets, value: IPv4Edit(source: 7), mask: IPv4Edit(source: ~0), key: &key)
                && HeaderEdit.setUDPPorts(
                    &packet, offsets, source: 1, sourceMask: ~0, destination: 2, destinationMask: ~0, key: &key)
        }
        #expect(result.done)
        #expect(Reference.number(result.frame, 40, 2) == 0)
        #expect((result.key.transportSource, result.key.transportDestination) == (1, 2))
        try expectKeyFollows(result)
    }

    @Test func aUDPChecksumThatBecomesZeroIsSentAsOnes() throws {
        // Choose the source port so that the whole message sums up to 0xffff with a checksum of nothing.
        let packet = Build.completed(Build.ipv4(17, Build.udp(source: 0, [1, 2])), transport: 20, 17)
        let checksum = UInt16(Reference.number(packet, 26, 2))
        let frame = Build.ethernet(EtherType.ipv4, packet)
        let result = try edit(frame) { packet, offsets, key in
            HeaderEdit.setUDPPorts(
                &packet, offsets, source: checksum, sourceMask: ~0, destination: 0, destinationMask: 0, key: &key)
        }
        #expect(Reference.number(result.frame, 40, 2) == 0xffff)
        #expect(Reference.isTransportValid(result.frame, network: 14, transport: 34, 17))
        // The same by way of an address.
        let other = try edit(frame) { packet, offsets, key in
            let source = Build.source4 & 0xffff_0000 | UInt32(Build.source4 & 0xffff) &+ UInt32(checksum)
            return HeaderEdit.setIPv4(
                &packet, offsets, value: IPv4Edit(source: source), mask: IPv4Edit(source: ~0), key: &key)
        }
        #expect(Reference.number(other.frame, 40, 2) == 0xffff)
        #expect(Reference.isTransportValid(other.frame, network: 14, transport: 34, 17))
    }

    @Test func aWrongChecksumStaysWrong() throws {
        var sctp = Build.ethernet(EtherType.ipv4, Build.ipv4(132, Build.sctp(Array(1...40))))
        let right = sctp
        for index in 42..<46 { sctp[index] ^= [0xde, 0xad, 0xbe, 0xef][index - 42] }
        func set(_ frame: [UInt8]) throws -> [UInt8] {
            try edit(frame) { packet, offsets, key in
                HeaderEdit.setSCTPPorts(
                    &packet, offsets, source: 1, sourceMask: 0xff, destination: 0xffff, destinationMask: ~0, key: &key)
            }.frame
        }
        let (wrong, fixed) = (try set(sctp), try set(right))
        #expect((42..<46).map { wrong[$0] ^ fixed[$0] } == [0xde, 0xad, 0xbe, 0xef])
        #expect(wrong[34..<42] == fixed[34..<42])

        var tcp = Build.tcp4
        tcp[50] ^= 0x40
        let result = try edit(tcp) { packet, offsets, key in
            HeaderEdit.setTCPPorts(
                &packet, offsets, source: 1, sourceMask: ~0, destination: 2, destinationMask: ~0, key: &key)
        }
        #expect(!Reference.isTransportValid(result.frame, network: 14, transport: 34, 6))
    }

    @Test func sctpLeavesPaddingOut() throws {
        let packet = Build.ipv4(132, Build.sctp(Array(1...7)))
        let frame = Build.ethernet(EtherType.ipv4, packet) + [0, 0, 0, 0, 0, 0]
        let result = try edit(frame) { packet, offsets, key in
            HeaderEdit.setSCTPPorts(
                &packet, offsets, source: 1000, sourceMask: ~0, destination: 2000, destinationMask: ~0, key: &key)
        }
        let expected = Build.ipv4(132, Build.sctp(source: 1000, destination: 2000, Array(1...7)))
        #expect(result.frame == Build.ethernet(EtherType.ipv4, expected) + [0, 0, 0, 0, 0, 0])
    }

    @Test func laterFragmentsKeepTheirPayload() throws {
        let frame = Build.ethernet(EtherType.ipv4, Build.ipv4(6, fragment: 0x0003, Build.tcp(Array(1...9))))
        let result = try edit(frame) { packet, offsets, key in
            HeaderEdit.setIPv4(&packet, offsets, value: IPv4Edit(source: 7), mask: IPv4Edit(source: ~0), key: &key)
        }
        #expect(result.done)
        #expect(Array(result.frame[34...]) == Array(frame[34...]))
        #expect(Reference.isIPv4Valid(result.frame, network: 14))

        let six = Build.ethernet(
            EtherType.ipv6,
            Build.ipv6(44, Build.fragmentHeader(next: 6, offset: 5, more: false) + Build.tcp(Array(1...9))))
        let result6 = try edit(six) { packet, offsets, key in
            HeaderEdit.setIPv6(
                &packet, offsets, value: IPv6Edit(source: Build.destination6),
                mask: IPv6Edit(source: IPv6Address(high: ~0, low: ~0)), key: &key)
        }
        #expect(result6.done)
        #expect(Array(result6.frame[54...]) == Array(six[54...]))
        #expect(result6.key.ipv6Source == Build.destination6)
    }

    @Test(arguments: [(0, true), (1, false)] as [(UInt8, Bool)])
    func aRoutingHeaderGuardsTheDestination(segmentsLeft: UInt8, isCovered: Bool) throws {
        let chain = Build.extensionHeader(next: 6, extra: 2, fourth: segmentsLeft)
        let frame = Build.ethernet(
            EtherType.ipv6, Build.completed(Build.ipv6(43, chain + Build.tcp([1])), transport: 40 + chain.count, 6))
        let all = IPv6Address(high: ~0, low: ~0)
        let destination = try edit(frame) { packet, offsets, key in
            HeaderEdit.setIPv6(
                &packet, offsets, value: IPv6Edit(destination: Build.source6), mask: IPv6Edit(destination: all),
                key: &key)
        }
        #expect(destination.done)
        let transport = 54 + chain.count
        #expect(Reference.isTransportValid(destination.frame, network: 14, transport: transport, 6) == isCovered)
        #expect((Array(destination.frame[transport...]) == Array(frame[transport...])) == !isCovered)
        // The source is covered in either case.
        let source = try edit(frame) { packet, offsets, key in
            HeaderEdit.setIPv6(
                &packet, offsets, value: IPv6Edit(source: Build.destination6), mask: IPv6Edit(source: all), key: &key)
        }
        #expect(Reference.isTransportValid(source.frame, network: 14, transport: transport, 6))
    }

    @Test func aPartialChecksumIsThePseudoHeadersSum() throws {
        for number: UInt8 in [6, 17] {
            let message = number == 6 ? Build.tcp([1, 2, 3]) : Build.udp([1, 2, 3])
            let frame = Build.ethernet(
                EtherType.ipv4, Build.partial(Build.ipv4(number, message), transport: 20, number))
            let result = try edit(frame, offload: partialOffload(transport: 34, number)) { packet, offsets, key in
                HeaderEdit.setIPv4(
                    &packet, offsets, value: IPv4Edit(destination: 0x0102_0304), mask: IPv4Edit(destination: ~0),
                    key: &key)
                    && portEdits.contains { $0.number == number && $0.set(&packet, offsets, 9, ~0, 8, ~0, &key) }
            }
            #expect(result.done && result.offload.isChecksumPartial)
            let packet = Build.ipv4(
                number, destination: 0x0102_0304,
                number == 6
                    ? Build.tcp(source: 9, destination: 8, [1, 2, 3]) : Build.udp(source: 9, destination: 8, [1, 2, 3]))
            #expect(
                result.frame == Build.ethernet(EtherType.ipv4, Build.partial(packet, transport: 20, number)))
        }
    }

    @Test func aPartialChecksumElsewhereIsNotThisOne() throws {
        // The outer UDP checksum is complete; the one left undone is that of a packet inside.
        let frame = Build.ethernet(
            EtherType.ipv4, Build.completed(Build.ipv4(17, Build.udp(Array(1...60))), transport: 20, 17))
        let result = try edit(frame, offload: partialOffload(transport: 70, 6)) { packet, offsets, key in
            HeaderEdit.setIPv4(&packet, offsets, value: IPv4Edit(source: 7), mask: IPv4Edit(source: ~0), key: &key)
                && HeaderEdit.setUDPPorts(
                    &packet, offsets, source: 1, sourceMask: ~0, destination: 2, destinationMask: ~0, key: &key)
        }
        #expect(Reference.isTransportValid(result.frame, network: 14, transport: 34, 17))
    }
}
