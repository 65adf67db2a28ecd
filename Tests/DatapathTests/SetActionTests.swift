import Netlink
import OpenvSwitch
import Packets
import Synchronization
import Testing

@testable import Datapath

/// Every field that an action can set, from its Netlink attribute to the frame that goes out.
@Suite struct SetActionTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var frame: [UInt8]
        var action: Action
        /// What the action makes of the frame's key.
        var change: @Sendable (inout FlowKey) -> Void
        var testDescription: String { name }
    }

    // MARK: Frames

    private static func big<T: FixedWidthInteger>(_ value: T) -> [UInt8] {
        (0..<T.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> (T.bitWidth - 8 - 8 * $0)) }
    }
    private static func ethernet(_ type: UInt16, _ payload: [UInt8]) -> [UInt8] {
        big(UInt16(0x0200)) + big(UInt32(2)) + big(UInt16(0x0200)) + big(UInt32(1)) + big(type) + payload
    }
    /// An IPv4 packet with a right header checksum.
    private static func ipv4(_ number: UInt8, fragment: UInt16 = 0, _ payload: [UInt8]) -> [UInt8] {
        var header: [UInt8] =
            [0x45, 0x2e] + big(UInt16(20 + payload.count)) + [0, 7] + big(fragment) + [64, number, 0, 0]
        header += [10, 0, 0, 1, 10, 0, 0, 2]
        header.replaceSubrange(10..<12, with: big(InternetChecksum.checksum(header.rawSpan)))
        return header + payload
    }
    private static func ipv6(_ number: UInt8, _ payload: [UInt8]) -> [UInt8] {
        big(UInt32(0x62e1_2345)) + big(UInt16(payload.count)) + [number, 64] + big(UInt64(0xfd00_0000_0000_0000))
            + big(UInt64(1)) + big(UInt64(0xfd00_0000_0000_0000)) + big(UInt64(2)) + payload
    }
    /// Sets the checksum of the message at the end of a frame.
    private static func completed(_ frame: [UInt8], transport: Int, field: Int) -> [UInt8] {
        var frame = frame
        frame.replaceSubrange(transport + field..<transport + field + 2, with: big(~transportSum(frame)))
        return frame
    }
    /// The sum of a frame's message and its pseudo header: 0xffff if the checksum in it is right.
    private static func transportSum(_ frame: [UInt8]) -> UInt16 {
        var key = FlowKey()
        guard let offsets = KeyExtraction.extract(frame.rawSpan, offload: Offload(), into: &key), offsets.transport > 0
        else { return 0 }
        let message = Array(frame[offsets.transport...])
        let pseudo =
            key.etherType == EtherType.ipv4
            ? InternetChecksum.pseudoHeader(
                source: key.ipv4Source, destination: key.ipv4Destination, protocolNumber: key.ipProtocol,
                length: message.count)
            : InternetChecksum.pseudoHeader(
                source: key.ipv6Source, destination: key.ipv6Destination, protocolNumber: key.ipProtocol,
                length: message.count)
        return InternetChecksum.fold(pseudo + InternetChecksum.sum(message.rawSpan))
    }

    private static let payload: [UInt8] = [0xde, 0xad, 0xbe, 0xef, 1, 2, 3]
    private static let tcp: [UInt8] =
        [0x12, 0x67, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x18, 2, 0, 0, 0, 0, 0] + payload
    private static let udp: [UInt8] = [0x14, 0xe9, 0, 53, 0, 15, 0, 0] + payload
    private static let icmpv6: [UInt8] = [128, 0, 0, 0, 0, 1, 0, 2] + payload
    private static let sctp: [UInt8] = {
        var bytes: [UInt8] = [0, 7, 0, 9, 0xca, 0xfe, 0xf0, 0x0d, 0, 0, 0, 0] + payload
        bytes.replaceSubrange(8..<12, with: big(CRC32C.checksum(bytes.rawSpan).byteSwapped))
        return bytes
    }()
    private static let tcp4 = completed(ethernet(0x0800, ipv4(6, tcp)), transport: 34, field: 16)
    private static let udp4 = completed(ethernet(0x0800, ipv4(17, udp)), transport: 34, field: 6)
    private static let sctp4 = ethernet(0x0800, ipv4(132, sctp))
    private static let tcp6 = completed(ethernet(0x86dd, ipv6(6, tcp)), transport: 54, field: 16)
    private static let udp6 = completed(ethernet(0x86dd, ipv6(17, udp)), transport: 54, field: 6)
    private static let icmp6 = completed(ethernet(0x86dd, ipv6(58, icmpv6)), transport: 54, field: 2)
    private static let mpls = ethernet(0x8847, [0, 6, 0x40, 0x40, 0, 0x0c, 0x81, 0x3f] + ipv4(6, tcp))
    private static let other = ethernet(0x1234, payload)

    // MARK: Cases

    private static func v4(
        _ source: UInt32, _ destination: UInt32, proto: UInt8 = 0, tos: UInt8, ttl: UInt8
    ) -> FieldValue {
        .ipv4(source: source, destination: destination, proto: proto, tos: tos, ttl: ttl, fragment: 0)
    }
    private static func v6(
        _ source: UInt64, _ destination: UInt64, label: UInt32, proto: UInt8 = 0, tos: UInt8, ttl: UInt8
    ) -> FieldValue {
        .ipv6(
            source: IPv6Address(high: source, low: source), destination: IPv6Address(high: 0, low: destination),
            label: label, proto: proto, trafficClass: tos, hopLimit: ttl, fragment: 0)
    }

    static let cases: [Case] = [
        Case(name: "priority", frame: other, action: .set(.priority(7))) { $0.priority = 7 },
        Case(name: "priority, masked", frame: other, action: .setMasked(.priority(0x50), mask: .priority(0xf0))) {
            $0.priority = 0x51
        },
        Case(name: "skb_mark", frame: other, action: .set(.skbMark(7))) { $0.skbMark = 7 },
        Case(name: "skb_mark, masked", frame: other, action: .setMasked(.skbMark(0x50), mask: .skbMark(0xf0))) {
            $0.skbMark = 0x52
        },
        Case(
            name: "eth", frame: other, action: .set(.ethernet(source: 0x0a0b_0c0d_0e0f, destination: 0x0102_0304_0506))
        ) { ($0.ethernetSource, $0.ethernetDestination) = (0x0a0b_0c0d_0e0f, 0x0102_0304_0506) },
        Case(
            name: "eth, masked", frame: udp4,
            action: .setMasked(
                .ethernet(source: 0x0a00, destination: 0), mask: .ethernet(source: 0xff00, destination: 0))
        ) { $0.ethernetSource = 0x0200_0000_0a01 },
        Case(name: "ipv4, TCP", frame: tcp4, action: .set(v4(0x0102_0304, 0xfffe_fdfc, proto: 6, tos: 0xb8, ttl: 1))) {
            ($0.ipv4Source, $0.ipv4Destination, $0.ipTOS, $0.ipTTL) = (0x0102_0304, 0xfffe_fdfc, 0xb8, 1)
        },
        Case(
            name: "ipv4, masked, UDP", frame: udp4,
            action: .setMasked(v4(0, 0x0900, tos: 4, ttl: 0), mask: v4(0, 0xff00, tos: 0xfc, ttl: 0))
        ) { ($0.ipv4Destination, $0.ipTOS) = (0x0a00_0902, 0x06) },
        Case(
            name: "ipv4, TTL alone", frame: sctp4,
            action: .setMasked(v4(0, 0, tos: 0, ttl: 63), mask: v4(0, 0, tos: 0, ttl: 0xff))
        ) { $0.ipTTL = 63 },
        Case(name: "ipv6, TCP", frame: tcp6, action: .set(v6(1, 2, label: 0xfffff, proto: 6, tos: 0, ttl: 255))) {
            $0.ipv6Source = IPv6Address(high: 1, low: 1)
            $0.ipv6Destination = IPv6Address(high: 0, low: 2)
            ($0.ipv6Label, $0.ipTOS, $0.ipTTL) = (0xfffff, 0, 255)
        },
        Case(name: "ipv6, UDP", frame: udp6, action: .set(v6(1, 2, label: 0, proto: 17, tos: 1, ttl: 1))) {
            $0.ipv6Source = IPv6Address(high: 1, low: 1)
            $0.ipv6Destination = IPv6Address(high: 0, low: 2)
            ($0.ipv6Label, $0.ipTOS, $0.ipTTL) = (0, 1, 1)
        },
        Case(
            name: "ipv6, masked, ICMPv6", frame: icmp6,
            action: .setMasked(
                v6(0x0f, 0x0f, label: 0x0000f, tos: 0, ttl: 0), mask: v6(0xff, 0xff, label: 0x000ff, tos: 0, ttl: 0))
        ) {
            $0.ipv6Source = IPv6Address(high: 0xfd00_0000_0000_000f, low: 0x0f)
            $0.ipv6Destination.low = 0x0f
            $0.ipv6Label = 0x1230f
        },
        Case(name: "tcp", frame: tcp4, action: .set(.tcp(source: 1, destination: 65535))) {
            ($0.transportSource, $0.transportDestination) = (1, 65535)
        },
        Case(
            name: "tcp, masked, IPv6", frame: tcp6,
            action: .setMasked(.tcp(source: 0, destination: 0x0100), mask: .tcp(source: 0, destination: 0xff00))
        ) { $0.transportDestination = 0x0150 },
        Case(name: "udp", frame: udp4, action: .set(.udp(source: 0, destination: 7))) {
            ($0.transportSource, $0.transportDestination) = (0, 7)
        },
        Case(
            name: "udp, masked, IPv6", frame: udp6,
            action: .setMasked(.udp(source: 0x00aa, destination: 0), mask: .udp(source: 0x00ff, destination: 0))
        ) { $0.transportSource = 0x14aa },
        Case(name: "sctp", frame: sctp4, action: .set(.sctp(source: 3, destination: 4))) {
            ($0.transportSource, $0.transportDestination) = (3, 4)
        },
        Case(
            name: "sctp, masked", frame: sctp4,
            action: .setMasked(.sctp(source: 0x0100, destination: 0), mask: .sctp(source: 0xff00, destination: 0))
        ) { $0.transportSource = 0x0107 },
        Case(name: "mpls", frame: mpls, action: .set(.mpls(0xfffff_e01))) { $0.mplsEntries[0] = 0xfffff_e01 },
        Case(name: "mpls, masked", frame: mpls, action: .setMasked(.mpls(0x0e20), mask: .mpls(0x0eff))) {
            $0.mplsEntries[0] = 0x64e20
        },
    ]

    // MARK: Execution

    /// Executes actions on a frame.
    /// - Returns: the frame that came out at the local port, and the key that the datapath had at the end.
    private func execute(_ actions: [Action], _ frame: [UInt8]) throws -> [[UInt8]] {
        let host = MemoryPorts()
        let sw = Switch(provider: host, maximumThreads: 2)
        defer {
            sw.shutDown()
            host.detach()
        }
        host.attach(to: sw)
        let list = try actions.encoded()
        try sw.withControl { control throws(RequestError) in
            let datapath = try control.makeDatapath(name: "br0", upcallPortIDs: [0], ifindex: nil)
            var metadata = FlowKey()
            (metadata.priority, metadata.skbMark, metadata.inPort) = (1, 2, FlowKey.noPort)
            let execution = try control.planExecution(
                frame: frame, metadata: FlowMetadata(key: metadata), actions: Attributes(list.rawSpan))
            try control.execute(execution, in: datapath)
        }
        return host.port("br0")?.receiveAll() ?? []
    }

    private func key(_ frame: [UInt8]) throws -> FlowKey {
        var key = FlowKey()
        _ = try #require(KeyExtraction.extract(frame.rawSpan, offload: Offload(), into: &key))
        return key
    }

    @Test(arguments: cases)
    func theFieldIsSetAndEveryChecksumRight(_ test: Case) throws {
        let result = try execute([test.action, .output(0)], test.frame)
        let frame = try #require(result.first)
        #expect(result.count == 1)
        #expect(frame.count == test.frame.count)
        var expected = try key(test.frame)
        test.change(&expected)
        // Priority and mark are not in the frame.
        (expected.priority, expected.skbMark) = (0, 0)
        #expect(try key(frame) == expected)
        #expect(Array(frame.suffix(7)) == Self.payload)
        switch expected.ipProtocol {
        case IPProtocol.tcp, IPProtocol.udp, IPProtocol.icmpv6: #expect(Self.transportSum(frame) == 0xffff)
        case IPProtocol.sctp:
            var message = Array(frame[34...])
            let stored = Array(message[8..<12])
            message.replaceSubrange(8..<12, with: [0, 0, 0, 0])
            #expect(stored == Self.big(CRC32C.checksum(message.rawSpan).byteSwapped))
        default: break
        }
        if expected.etherType == EtherType.ipv4 {
            let header = Array(frame[14..<34])
            #expect(InternetChecksum.checksum(header.rawSpan) == 0)
        }
    }

    /// Priority and mark are seen by the upcall that follows.
    @Test func metadataIsSetInTheKey() throws {
        final class Receiver: UpcallReceiver {
            let messages = Mutex<[[UInt8]]>([])
            var watchesAll: Bool { false }
            func deliver(_ upcalls: Upcalls, to portID: UInt32) -> TakenUpcalls {
                upcalls.forEach { message in
                    let bytes = message.copyBytes()
                    messages.withLock { $0.append(bytes) }
                    return .delivered
                }
            }
        }
        for test in Self.cases.prefix(4) {
            let host = MemoryPorts()
            let sw = Switch(provider: host, maximumThreads: 2)
            let receiver = Receiver()
            sw.setReceiver(receiver)
            let list = try [test.action, .userspace(UserspaceAction(portID: 9))].encoded()
            try sw.withControl { control throws(RequestError) in
                let datapath = try control.makeDatapath(name: "br0", upcallPortIDs: [0], ifindex: nil)
                var metadata = FlowKey()
                (metadata.priority, metadata.skbMark, metadata.inPort) = (1, 2, FlowKey.noPort)
                let execution = try control.planExecution(
                    frame: test.frame, metadata: FlowMetadata(key: metadata), actions: Attributes(list.rawSpan))
                try control.execute(execution, in: datapath)
            }
            sw.shutDown()
            let message = try #require(receiver.messages.withLock { $0.first })
            let upcall = try PacketMessage(Message(message.rawSpan))
            let key = try FlowMatch.key(Attributes(upcall.key.rawSpan))
            var expected = FlowKey()
            (expected.priority, expected.skbMark) = (1, 2)
            test.change(&expected)
            #expect((key.priority, key.skbMark) == (expected.priority, expected.skbMark), "\(test.name)")
        }
    }

    @Test func aUDPChecksumOfZeroStays() throws {
        var frame = Self.udp4
        (frame[40], frame[41]) = (0, 0)
        let actions: [Action] = [
            .set(Self.v4(1, 2, proto: 17, tos: 0, ttl: 9)), .set(.udp(source: 3, destination: 4)), .output(0),
        ]
        let result = try #require(try execute(actions, frame).first)
        #expect(Array(result[40..<42]) == [0, 0])
        #expect(try (key(result).ipv4Source, key(result).transportSource) == (1, 3))
    }

    /// A later fragment has payload where another packet has its ports and checksum.
    @Test func laterFragmentsKeepTheirPayload() throws {
        let frame = Self.ethernet(0x0800, Self.ipv4(17, fragment: 0x0010, Self.udp))
        let set = FieldValue.ipv4(source: 1, destination: 2, proto: 17, tos: 0, ttl: 9, fragment: Fragment.later)
        let result = try #require(try execute([.set(set), .output(0)], frame).first)
        #expect(Array(result[34...]) == Self.udp)
        #expect(try key(result).ipv4Source == 1)
        let header = Array(result[14..<34])
        #expect(InternetChecksum.checksum(header.rawSpan) == 0)
        // Ports that are not there cannot be set: the packet is dropped, and whoever executes is told so.
        #expect(throws: RequestError.self) {
            try execute([.set(.udp(source: 1, destination: 2)), .output(0)], frame)
        }
    }
}
