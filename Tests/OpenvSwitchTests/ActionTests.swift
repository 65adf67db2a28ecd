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
        (.hash(algorithm: 1, basis: 2), attribute(8, host(UInt32(1)) + host(UInt32(2)))),
        (.meter(3), attribute(19, host(UInt32(3)))),
        (.ctClear, attribute(16, [])), (.popEthernet, attribute(15, [])), (.popNSH, attribute(18, [])),
        (
            .pushEthernet(source: 0x010203040506, destination: 0x0708090a0b0c),
            attribute(14, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
        ),
        (
            .addMPLS(entry: 0x01020304, etherType: 0x8847, tunnelFlags: 1),
            attribute(22, [1, 2, 3, 4, 0x88, 0x47] + host(UInt16(1)))
        ),
        (
            .sample(probability: 7, [.popVLAN]),
            attribute(6, attribute(1, host(UInt32(7))) + attribute(2, attribute(5, [])))
        ),
        (.clone([.clone([]), .output(1)]), attribute(20, attribute(20, []) + attribute(1, host(UInt32(1))))),
        (
            .checkPacketLength(100, ifGreater: [.popVLAN], ifLessEqual: []),
            attribute(21, attribute(1, host(UInt16(100))) + attribute(2, attribute(5, [])) + attribute(3, []))
        ),
        (.decrementTTL(ifExpired: [.drop(1)]), attribute(23, attribute(1, attribute(24, host(UInt32(1)))))),
        // The kernel takes it with the flag NLA_F_NESTED only.
        (
            .psample(group: 3, cookie: [1, 2]),
            attribute(25 | 0x8000, attribute(1, host(UInt32(3))) + attribute(2, [1, 2]))
        ),
        (
            .pushNSH(NSHFields(flags: 1, nextProtocol: 3, path: 0x01020304, context: [UInt8](1...16))),
            attribute(17, attribute(28, attribute(1, [1, 63, 1, 3, 1, 2, 3, 4]) + attribute(2, [UInt8](1...16))))
        ),
        (
            .pushNSH(NSHFields(metadataType: 2, nextProtocol: 3, path: 4, metadata: [9, 9, 9, 9])),
            attribute(17, attribute(28, attribute(1, [0, 63, 2, 3, 0, 0, 0, 4]) + attribute(3, [9, 9, 9, 9])))
        ),
        (
            .setMasked(
                .nsh(NSHFields(ttl: 5, metadataType: 0, nextProtocol: 0, path: 0)),
                mask: .nsh(NSHFields(ttl: 7, metadataType: 0, nextProtocol: 0, path: 0))),
            attribute(11, attribute(28, attribute(1, [0, 5, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0])))
        ),
        (.set(.tunnel(attribute(4, [64]))), attribute(3, attribute(16, attribute(4, [64])))),
        (.set(.ctMark(5)), attribute(3, attribute(24, host(UInt32(5))))),
        (
            .set(.ctLabels(ConnectionLabels(high: 0x0102030405060708, low: 9))),
            attribute(3, attribute(25, [1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 9]))
        ),
        (
            .ct([
                .commit, .zone(5), .mark(1, mask: 2), .helper("ftp"), .eventMask(3), .timeout("tp"),
                .nat([
                    .source, .minimumAddress([10, 0, 0, 1]), .maximumAddress([10, 0, 0, 9]), .minimumPort(1),
                    .maximumPort(2), .persistent, .hash, .random,
                ]),
            ]),
            attribute(
                12,
                attribute(1, []) + attribute(2, host(UInt16(5))) + attribute(3, host(UInt32(1)) + host(UInt32(2)))
                    + attribute(5, [102, 116, 112, 0]) + attribute(8, host(UInt32(3))) + attribute(9, [116, 112, 0])
                    + attribute(
                        6,
                        attribute(1, []) + attribute(3, [10, 0, 0, 1]) + attribute(4, [10, 0, 0, 9])
                            + attribute(5, host(UInt16(1))) + attribute(6, host(UInt16(2))) + attribute(7, [])
                            + attribute(8, []) + attribute(9, [])))
        ),
        (
            .ct([
                .forceCommit, .labels(ConnectionLabels(high: 1, low: 2), mask: ConnectionLabels(high: 3, low: 4)),
                .nat([]),
            ]),
            attribute(
                12,
                attribute(7, []) + attribute(4, big(UInt64(1)) + big(UInt64(2)) + big(UInt64(3)) + big(UInt64(4)))
                    + attribute(6, []))
        ),
    ]

    @Test func anActionIsWrittenAndReadByteForByte() throws {
        for (action, bytes) in Self.forms {
            #expect(try [action].encoded() == bytes)
            #expect(try decode(bytes) == [action])
        }
    }

    /// Random lists of every action, well-formed or not quite.
    @Test func listsComeBackAsTheyWere() throws {
        var source = RandomAttributes(seed: 21)
        var (kept, all) = (0, 0)
        for _ in 0..<5000 {
            let bytes = source.actions()
            let actions = try decode(bytes)
            #expect(try actions.encoded() == bytes)
            all += actions.count
            kept += actions.count { if case .other = $0 { true } else { false } }
        }
        // Those whose padding is not 0, and labels that are two bytes short.
        #expect(kept * 20 < all, "\(kept) of \(all)")
    }

    /// What has no case, or is marked in a way that a case does not write, is kept with its flags.
    @Test func whatACaseCannotHoldIsKept() throws {
        let bytes = [
            attribute(20 | 0x8000, []), attribute(25, attribute(1, host(UInt32(1)))), attribute(99 | 0xc000, [1]),
            attribute(6, attribute(2, []) + attribute(1, host(UInt32(1)))),
            // Padding inside that is not 0.
            attribute(20, host(UInt16(6)) + host(UInt16(10)) + [8, 0, 1, 0]),
        ]
        for bytes in bytes {
            let actions = try decode(bytes)
            guard case .other = actions[0] else {
                Issue.record("\(actions)")
                continue
            }
            #expect(try actions.encoded() == bytes)
        }
        // Lists in lists are followed so far and no further.
        let deep = (0..<1000).reduce([UInt8]()) { list, _ in attribute(20, list) }
        #expect(try decode(deep).encoded() == deep)
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
            Action.other(99, long), .userspace(UserspaceAction(portID: 1, userdata: Array(long.dropLast(8)))),
        ] {
            do throws(NetlinkError) {
                _ = try [action].encoded()
                Issue.record("written")
            } catch { #expect(error.code == .attributeTooLong) }
        }
    }

    @Test func fieldsNeedTheirLength() {
        let lengths: [UInt16: Int] = [2: 4, 15: 4, 24: 4, 25: 16, 4: 12, 7: 12, 8: 40, 9: 4, 10: 4, 17: 4, 21: 4]
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
