import Netlink
import OpenvSwitch
import Testing

/// What fuzzing flows has found.
@Suite struct FuzzFindTests {
    private let ip = ethernet() + etherType(0x0800) + ipv4()

    private func tunnel(_ options: [UInt8]) -> [UInt8] {
        attribute(16, attribute(1, [10, 0, 0, 1]) + attribute(2, [10, 0, 0, 2]) + attribute(4, [64]) + options)
    }

    private func tunnelMask(_ options: [UInt8]) -> [UInt8] { attribute(16, ones(4, 1) + options) }

    /// `ovs-dpctl` leaves a group policy of 0 out of the key and not out of the mask.
    @Test func aMaskMayHaveVXLANOptionsThatTheKeyLacks() throws {
        let match = try #require(accepted(tunnel([]) + ip, tunnelMask(attribute(11, ones(1, 4))) + ones(6, 2)))
        #expect(match.tunnelOptions == TunnelOptionsMatch())
    }

    /// All options end at the same place, as in the kernel.
    @Test func aShorterMaskCoversTheEndOfERSPANOptions() throws {
        let metadata: [UInt8] = [1, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0]
        let key = tunnel(attribute(15, metadata)) + ip
        let match = try #require(accepted(key, tunnelMask(attribute(15, [1, 2, 3, 4])) + ones(6, 2)))
        #expect(match.tunnelOptions.value == metadata)
        #expect(match.tunnelOptions.mask == [0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4])
    }

    @Test func aMaskOfGeneveOptionsIsAsLongAsTheKeys() {
        let key = tunnel(attribute(8, [1, 2, 0x80, 1, 0, 0, 0, 7])) + ip
        accepted(key, tunnelMask(ones(8, 8)) + ones(6, 2))
        refused(key, tunnelMask(ones(8, 4)) + ones(6, 2), "the mask has 4 bytes of options, and the key 8")
        refused(tunnel([]) + ip, tunnelMask(ones(8, 4)) + ones(6, 2), "the mask has 4 bytes of options, and the key 0")
    }

    /// A masked set of no bit at all is printed with empty parentheses, or with zeros, and is taken so.
    @Test(arguments: [
        ("skb_priority(0/0)", 2, 4), ("skb_mark(0/0)", 15, 4), ("ct_mark()", 24, 4), ("ct_label()", 25, 16),
        ("eth()", 4, 12), ("ipv4()", 7, 12), ("ipv6()", 8, 40), ("tcp()", 9, 4), ("udp()", 10, 4), ("sctp()", 17, 4),
    ])
    func aSetOfNoBitSurvivesItsText(text: String, type: UInt16, size: Int) throws {
        let set = attribute(11, attribute(type, [UInt8](repeating: 0, count: 2 * size)))
        let printed = ActionText.actions(set.rawSpan, portName: nil)
        #expect(printed == "set(\(text))")
        #expect(try ActionText.parseActions(printed, portNumber: nil) == set)
    }

    /// In a key, where it would mean a wildcard, ovs-dpctl takes no empty field of a connection either.
    @Test(arguments: ["ct_mark()", "ct_label()"])
    func aKeyHasNoEmptyFieldOfAConnection(text: String) {
        #expect(throws: FlowTextError.self) { try FlowText.parseKey(text + ",eth()", portNumber: nil) }
        #expect(throws: FlowTextError.self) {
            try ActionText.parseActions("set(\(text.dropLast()),1)", portNumber: nil)
        }
    }

    /// The place told was the one behind, which in an empty key is no part of it.
    @Test func whatIsMissingIsMissingInTheAttributeAroundIt() {
        for key in [[], attribute(3, [1, 0, 0, 0]), ethernet() + etherType(0x0800)] {
            guard case .failure(let error) = match(key) else {
                Issue.record("accepted")
                continue
            }
            #expect(error.offset == 24, "\(error)")
        }
    }
}
