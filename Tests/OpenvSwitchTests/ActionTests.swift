import Netlink
import OpenvSwitch
import Testing

@Suite struct ActionTests {
    private func decode(_ bytes: [UInt8]) throws(NetlinkError) -> [Action] { try [Action](Attributes(bytes.rawSpan)) }

    private static let forms: [(Action, [UInt8])] = [
        (.output(3), attribute(1, host(UInt32(3)))),
        (.popVLAN, attribute(5, [])),
        (.pushVLAN(tpid: 0x88a8, tci: 0x1064), attribute(4, [0x88, 0xa8, 0x10, 0x64])),
        (
            .pushMPLS(entry: 0x01020304, etherType: 0x8848),
            attribute(9, [1, 2, 3, 4, 0x88, 0x48, 0, 0])
        ),
        (.popMPLS(etherType: 0x86dd), attribute(10, [0x86, 0xdd])),
        (.set(.mpls(0x01020304)), attribute(3, attribute(21, [1, 2, 3, 4]))),
        (.setMasked(.mpls(0x40), mask: .mpls(0xff)), attribute(11, attribute(21, [0, 0, 0, 0x40, 0, 0, 0, 0xff]))),
        (.truncate(100), attribute(13, host(UInt32(100)))),
        (.drop(7), attribute(24, host(UInt32(7)))),
        (.recirc(1), attribute(7, [1, 0, 0, 0])),
        (.set(.priority(5)), attribute(3, attribute(2, host(UInt32(5))))),
        (.set(.skbMark(6)), attribute(3, attribute(15, host(UInt32(6))))),
        (
            .set(.ethernet(source: 0x010203040506, destination: 0x0708090a0b0c)),
            attribute(3, attribute(4, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]))
        ),
        (
            .set(.ipv4(source: 0x0a000001, destination: 0x0a000002, proto: 6, tos: 4, ttl: 63, fragment: 1)),
            attribute(3, attribute(7, [10, 0, 0, 1, 10, 0, 0, 2, 6, 4, 63, 1]))
        ),
        (
            .setMasked(.tcp(source: 0x1234, destination: 0), mask: .tcp(source: 0xffff, destination: 0)),
            attribute(11, attribute(9, [0x12, 0x34, 0, 0, 0xff, 0xff, 0, 0]))
        ),
        (.set(.udp(source: 1, destination: 2)), attribute(3, attribute(10, [0, 1, 0, 2]))),
        (.set(.sctp(source: 1, destination: 2)), attribute(3, attribute(17, [0, 1, 0, 2]))),
        (.userspace(UserspaceAction(portID: 9)), attribute(2, attribute(1, host(UInt32(9))))),
        (
            .userspace(UserspaceAction(portID: 9, userdata: [1, 2, 3], egressTunnelPort: 4, includesActions: true)),
            attribute(
                2,
                attribute(1, host(UInt32(9))) + attribute(2, [1, 2, 3]) + attribute(3, host(UInt32(4)))
                    + attribute(4, []))
        ),
    ]

    @Test func anActionIsWrittenAndReadByteForByte() throws {
        for (action, bytes) in Self.forms {
            #expect(try [action].encoded() == bytes)
            #expect(try decode(bytes) == [action])
        }
    }

    private func field(_ random: inout SplitMix64) -> FieldValue {
        switch random.below(9) {
        case 0: .priority(random.number())
        case 1: .skbMark(random.number())
        case 2: .ethernet(source: random.mac(), destination: random.mac())
        case 3:
            .ipv4(
                source: random.number(), destination: random.number(), proto: random.number(), tos: random.number(),
                ttl: random.number(), fragment: random.number())
        case 4:
            .ipv6(
                source: random.address(), destination: random.address(), label: random.number(), proto: random.number(),
                trafficClass: random.number(), hopLimit: random.number(), fragment: random.number())
        case 5: .tcp(source: random.number(), destination: random.number())
        case 6: .udp(source: random.number(), destination: random.number())
        case 7: .mpls(random.number())
        default: .sctp(source: random.number(), destination: random.number())
        }
    }

    private func action(_ random: inout SplitMix64) -> Action {
        switch random.below(11) {
        case 0: return .output(random.number())
        case 1:
            return .userspace(
                UserspaceAction(
                    portID: random.number(), userdata: random.maybe { $0.bytes($0.below(60)) },
                    egressTunnelPort: random.maybe { $0.number() }, includesActions: random.chance(2)))
        case 2: return .set(field(&random))
        case 3:
            let value = field(&random)
            while true {
                let mask = field(&random)
                if mask.attribute == value.attribute { return .setMasked(value, mask: mask) }
            }
        case 4: return .pushVLAN(tpid: random.number(), tci: random.number())
        case 5: return .popVLAN
        case 6: return .truncate(random.number())
        case 7: return .drop(random.number())
        case 8: return .pushMPLS(entry: random.number(), etherType: random.number())
        case 9: return .popMPLS(etherType: random.number())
        default:
            let type = UInt16(
                [0, 6, 7, 8, 12, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 25, 26, 99, 16383][random.below(19)])
            return .other(type, random.bytes(random.below(40)))
        }
    }

    @Test func listsComeBackAsTheyWere() throws {
        var random = SplitMix64(seed: 21)
        for _ in 0..<2000 {
            let actions = (0..<random.below(10)).map { _ in action(&random) }
            let bytes = try actions.encoded()
            let again = try decode(bytes)
            #expect(again == actions)
            #expect(try again.encoded() == bytes)
        }
    }

    private static let malformed: [(UInt16, [UInt8])] = [
        (1, [1, 2, 3]), (1, [1, 2, 3, 4, 5]), (4, [1, 2, 3]), (5, [1]), (13, []), (24, [1]),
        (9, [1, 2, 3, 4, 0x88, 0x47]), (9, [1, 2, 3, 4, 0x88, 0x47, 0, 1]), (10, [1]), (10, [1, 2, 3]), (3, []),
        (3, [1, 2, 3]), (11, [1]), (2, []), (2, [5, 0, 1, 0, 9]), (99, [1, 2, 3]),
    ]

    /// What is not of the expected form is kept as bytes, so that nothing is lost.
    @Test func malformedActionsAreKeptAsBytes() throws {
        for (type, payload) in Self.malformed {
            let bytes = attribute(type, payload)
            #expect(try decode(bytes) == [.other(type, payload)])
            #expect(try [Action.other(type, payload)].encoded() == bytes)
        }
    }

    @Test func malformedSetsAreKeptAsBytes() throws {
        let bad: [[UInt8]] = [
            attribute(2, host(UInt32(1))) + attribute(15, host(UInt32(1))),  // two fields
            attribute(2, [1, 2, 3]),  // the wrong length
            attribute(5, [0, 1]),  // a field that has no case
            attribute(2, host(UInt32(1))) + [0],  // trailing bytes
        ]
        for payload in bad {
            #expect(try decode(attribute(3, payload)) == [.other(3, payload)])
            #expect(try decode(attribute(11, payload)) == [.other(11, payload)])
        }
        let odd = attribute(9, [1, 2, 3, 4, 5, 6, 7])
        #expect(try decode(attribute(11, odd)) == [.other(11, odd)])
    }

    @Test func malformedUserspaceActionsAreKeptAsBytes() throws {
        let bad: [[UInt8]] = [
            attribute(2, [1, 2]),  // no port ID
            attribute(1, [1, 2]),  // too short
            attribute(1, host(UInt32(1))) + attribute(9, []),  // not known
            attribute(1, host(UInt32(1))) + attribute(3, [1]),
            attribute(1, host(UInt32(1))) + [1, 2],
        ]
        for payload in bad { #expect(try decode(attribute(2, payload)) == [.other(2, payload)]) }
    }

    @Test func aMalformedListIsAnError() {
        let bad: [([UInt8], NetlinkError.Code)] = [
            ([1, 2, 3], .trailingBytes), (host(UInt16(3)) + [1, 0], .lengthTooSmall),
            (host(UInt16(9)) + [1, 0], .truncated),
            (attribute(5, []) + [1], .trailingBytes),
        ]
        for (bytes, code) in bad {
            do throws(NetlinkError) {
                _ = try decode(bytes)
                Issue.record("read")
            } catch { #expect(error.code == code) }
        }
    }

    @Test func anActionTooLongForAnAttributeIsRefused() {
        let long = [UInt8](repeating: 1, count: 65_532)
        for action in [
            Action.other(7, long), .userspace(UserspaceAction(portID: 1, userdata: Array(long.dropLast(8)))),
        ] {
            do throws(NetlinkError) {
                _ = try [action].encoded()
                Issue.record("written")
            } catch { #expect(error.code == .attributeTooLong) }
        }
    }

    @Test func fieldsNeedTheirLength() {
        let lengths: [UInt16: Int] = [2: 4, 15: 4, 4: 12, 7: 12, 8: 40, 9: 4, 10: 4, 17: 4, 21: 4]
        for (type, length) in lengths {
            let bytes = [UInt8](repeating: 1, count: length + 1)
            #expect(bytes.withSpan { FieldValue(attribute: type, $0.clamped(0..<length)) }?.attribute == type)
            #expect(bytes.withSpan { FieldValue(attribute: type, $0) } == nil)
            #expect(bytes.withSpan { FieldValue(attribute: type, $0.clamped(0..<(length - 1))) } == nil)
        }
        let bytes = [UInt8](repeating: 1, count: 4)
        for type in [UInt16(0), 1, 3, 5, 6, 11, 19, 99] {
            #expect(bytes.withSpan { FieldValue(attribute: type, $0) } == nil)
        }
    }
}
