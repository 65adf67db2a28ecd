import OpenvSwitch
import Packets
import Testing

@Suite struct HeaderViewTests {
    @Test func fields() throws {
        let frame = Build.ethernet(
            0x0800, tags: [(0x8100, 0x7ffe)],
            Build.ipv4(
                6, tos: 3, ttl: 9, identification: 0xbeef, fragment: 0x6002, options: [1, 1, 1, 0],
                Build.tcp(sequence: 0x0102_0304, flags: 0xfff, options: [1, 1, 1, 1], [0xee])))
        var checked = 0
        if let ethernet = EthernetHeader(frame.raw) {
            #expect((ethernet.source, ethernet.destination) == (Build.source, Build.destination))
            #expect((ethernet.etherType, ethernet.payload.byteCount) == (0x8100, frame.count - 14))
            checked += 1
        }
        if let tag = VLANTag(frame.raw) {
            #expect((tag.tpid, tag.tci, tag.identifier, tag.priority) == (0x8100, 0x7ffe, 0xffe, 3))
            #expect((tag.isDropEligible, tag.nextType) == (true, 0x0800))
            checked += 1
        }
        if let ip = IPv4Header(frame.raw, at: 18) {
            #expect((ip.version, ip.headerLength, ip.tos, ip.totalLength) == (4, 24, 3, 49))
            #expect((ip.identification, ip.fragmentField, ip.fragmentOffset) == (0xbeef, 0x6002, 16))
            #expect((ip.hasMoreFragments, ip.isNotToBeFragmented, ip.ttl, ip.protocolNumber) == (true, true, 9, 6))
            #expect((ip.source, ip.destination, ip.payload.byteCount) == (Build.source4, Build.destination4, 25))
            #expect(ip.isChecksumValid == true)
            #expect(UInt64(ip.checksum) == Reference.number(frame, 28, 2))
            checked += 1
        }
        if let tcp = TCPHeader(frame.raw, at: 42) {
            #expect((tcp.sourcePort, tcp.destinationPort) == (4711, 80))
            #expect((tcp.sequence, tcp.acknowledgment) == (0x0102_0304, 2))
            #expect((tcp.headerLength, tcp.flags, tcp.window, tcp.checksum) == (24, 0xfff, 512, 0))
            #expect((tcp.urgentPointer, tcp.payload.byteCount) == (0, 1))
            checked += 1
        }
        let six = Build.ipv6(17, trafficClass: 0xab, label: 0xcdef1, hopLimit: 2, Build.udp([1, 2]))
        if let ip = IPv6Header(six.raw) {
            #expect((ip.version, ip.trafficClass, ip.flowLabel, ip.payloadLength) == (6, 0xab, 0xcdef1, 10))
            #expect((ip.nextHeader, ip.hopLimit, ip.source) == (17, 2, Build.source6))
            #expect((ip.destination, ip.payload.byteCount) == (Build.destination6, 10))
            checked += 1
        }
        if let udp = UDPHeader(six.raw, at: 40) {
            #expect((udp.sourcePort, udp.destinationPort, udp.length, udp.checksum) == (5353, 53, 10, 0))
            #expect(udp.payload.byteCount == 2)
            checked += 1
        }
        if let icmp = ICMPHeader(Build.icmp(type: 8, code: 4).raw) {
            #expect((icmp.type, icmp.code, icmp.checksum, icmp.restOfHeader) == (8, 4, 0, 0x0001_0002))
            #expect(icmp.body.byteCount == 0)
            checked += 1
        }
        if let sctp = SCTPHeader(Build.sctp([7]).raw) {
            #expect((sctp.sourcePort, sctp.destinationPort, sctp.verificationTag) == (7, 9, 0xcafe_f00d))
            #expect(sctp.checksum == Reference.crc32c([0, 7, 0, 9, 0xca, 0xfe, 0xf0, 0x0d, 0, 0, 0, 0, 7]))
            checked += 1
        }
        if let arp = ARPHeader(Build.arp(operation: 2).raw, at: 14) {
            #expect((arp.operation, arp.sourceMAC, arp.targetMAC) == (2, 0x0200_0000_0a0a, 0x0200_0000_0b0b))
            #expect((arp.sourceAddress, arp.targetAddress) == (Build.source4, Build.destination4))
            checked += 1
        }
        if let entry = MPLSEntry([0xff, 0x12, 0x34, 0x5b, 0x40, 0xaa].raw, at: 1) {
            #expect((entry.word, entry.label, entry.trafficClass) == (0x1234_5b40, 0x12345, 5))
            #expect((entry.isBottom, entry.ttl, entry.payload.byteCount) == (true, 64, 1))
            checked += 1
        }
        #expect(checked == 10)
    }

    @Test func aWrongIPv4ChecksumIsNoticed() {
        var packet = Build.ipv4(6, Build.tcp())
        packet[8] ^= 1
        let isValid = if let ip = IPv4Header(packet.raw) { ip.isChecksumValid } else { true }
        #expect(!isValid)
    }

    struct Views {
        var ipv4, ipv6, tcp, udp, icmp, sctp, arp, vlan, mpls: Bool
    }

    /// Which views there are at an offset.
    func views(_ bytes: [UInt8], _ offset: Int) -> Views {
        let raw = bytes.raw
        return Views(
            ipv4: IPv4Header(raw, at: offset) != nil, ipv6: IPv6Header(raw, at: offset) != nil,
            tcp: TCPHeader(raw, at: offset) != nil, udp: UDPHeader(raw, at: offset) != nil,
            icmp: ICMPHeader(raw, at: offset) != nil, sctp: SCTPHeader(raw, at: offset) != nil,
            arp: ARPHeader(raw, at: offset) != nil, vlan: VLANTag(raw, at: offset) != nil,
            mpls: MPLSEntry(raw, at: offset) != nil)
    }

    /// Every view refuses every offset at which its header would not lie inside the bytes.
    @Test func bounds() {
        let bytes = [UInt8](repeating: 0x55, count: 100)  // IPv4: 20 bytes, TCP: 20 bytes
        let offsets = [Int.min, -1, 0, 50, 60, 61, 72, 73, 80, 81, 88, 89, 92, 93, 96, 97, 100, 101, Int.max]
        for offset in offsets {
            func fits(_ count: Int) -> Bool { offset >= 0 && offset <= 100 - count }
            #expect(views(bytes, offset).ipv4 == fits(20), "\(offset)")
            #expect(views(bytes, offset).tcp == fits(20), "\(offset)")
            #expect(views(bytes, offset).ipv6 == fits(40), "\(offset)")
            #expect(views(bytes, offset).udp == fits(8), "\(offset)")
            #expect(views(bytes, offset).icmp == fits(8), "\(offset)")
            #expect(views(bytes, offset).sctp == fits(12), "\(offset)")
            #expect(views(bytes, offset).mpls == fits(4), "\(offset)")
            #expect(!views(bytes, offset).arp, "\(offset)")
            #expect(!views(bytes, offset).vlan, "\(offset)")
        }
        let arp = Array(Build.arp()[14...])
        for length in 0...28 { #expect(views(Array(arp[..<length]), 0).arp == (length == 28)) }
        let tag: [UInt8] = [0x81, 0, 0, 1, 8, 0]
        for length in 0...6 { #expect(views(Array(tag[..<length]), 0).vlan == (length == 6)) }
    }

    @Test func lengthFields() {
        var packet = Build.ipv4(6, [])
        for words: UInt8 in 0...15 {
            packet[0] = 0x40 | words
            #expect(views(packet, 0).ipv4 == (words == 5))
        }
        var segment = Build.tcp([1, 2, 3, 4, 5])
        for words: UInt8 in 0...15 {
            segment[12] = words << 4
            #expect(views(segment, 0).tcp == (words == 5 || words == 6))
        }
    }
}
