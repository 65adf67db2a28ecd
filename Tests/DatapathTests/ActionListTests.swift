import Netlink
import OpenvSwitch
import Testing

@testable import Datapath

/// Lists in lists: how they are compiled, and what they must be.
@Suite struct ActionListTests {
    private let key: FlowKey = {
        var key = FlowKey()
        key.kind = 1
        key.etherType = EtherType.ipv4
        key.ipProtocol = IPProtocol.tcp
        return key
    }()

    private func compile(_ bytes: [UInt8]) throws -> [Instruction] {
        try ActionCompiler.compile(Attributes(bytes.rawSpan), for: key)
    }

    private func compile(_ text: String) throws -> [Instruction] {
        try compile(try ActionText.parseActions(text, portNumber: nil))
    }

    /// The error that a list is refused with; nil if it is taken.
    private func fault(_ bytes: [UInt8]) -> RequestError? {
        do {
            _ = try compile(bytes)
            return nil
        } catch { return error as? RequestError }
    }

    private func refused(_ bytes: [UInt8], errno: Int32 = Errno.invalid, _ words: String) {
        let error = fault(bytes)
        #expect(error?.errno == errno, "\(words)")
        #expect(error?.offset != nil, "\(words)")
        #expect(error?.message.contains(words) == true, "\(words): \(error?.message ?? "taken")")
    }

    /// Attributes behind each other.
    private func attributes(_ list: (UInt16, [UInt8])...) throws -> [UInt8] {
        var writer = MessageWriter()
        for (type, payload) in list { try writer.append(type, bytes: payload) }
        return writer.bytes
    }

    private func action(_ type: UInt16, _ list: (UInt16, [UInt8])...) throws -> [UInt8] {
        var writer = MessageWriter()
        for (type, payload) in list { try writer.append(type, bytes: payload) }
        return try attributes((type, writer.bytes))
    }

    @Test func aProgramIsFlat() throws {
        let steps = try compile("clone(1,clone(2),3),check_pkt_len(size=200,gt(4,5),le(6)),dec_ttl(le_1(7)),8")
        guard steps.count == 12, case .clone(4) = steps[0], case .output(1) = steps[1], case .clone(1) = steps[2],
            case .output(2) = steps[3], case .output(3) = steps[4], case .checkPacketLength(200, 2, 1) = steps[5],
            case .output(4) = steps[6], case .output(5) = steps[7], case .output(6) = steps[8],
            case .decrementTTL(1) = steps[9], case .output(7) = steps[10], case .output(8) = steps[11]
        else {
            Issue.record("\(steps)")
            return
        }
    }

    @Test func theOrderInsideSampleIsFree() throws {
        let probability = (SampleAttribute.probability, host(UInt32(7)))
        let actions = (SampleAttribute.actions, try [Action.output(1)].encoded())
        for bytes in [
            try action(ActionAttribute.sample, probability, actions),
            try action(ActionAttribute.sample, actions, probability),
        ] {
            let steps = try compile(bytes)
            guard steps.count == 2, case .sample(7, 1) = steps[0], case .output(1) = steps[1] else {
                Issue.record("\(steps)")
                return
            }
        }
    }

    @Test func listsMayBeEmpty() throws {
        #expect(try compile("sample(sample=50.0%,actions()),clone(),check_pkt_len(size=1,gt(),le())").count == 3)
        #expect(try compile(try action(ActionAttribute.decrementTTL, (DecrementTTLAttribute.action, []))).count == 1)
    }

    @Test func numbersAreTakenAsTheyAre() throws {
        let steps = try compile("hash(l4(5)),hash(sym_l4(6)),recirc(0x9),meter(3)")
        guard case .hash(.l4, basis: 5) = steps[0], case .hash(.symmetricL4, basis: 6) = steps[1],
            case .recirculate(9) = steps[2], case .meter(3) = steps[3]
        else {
            Issue.record("\(steps)")
            return
        }
    }

    /// What is wrong inside a list is wrong with its place in the whole.
    @Test func faultsInsideListsAreFound() throws {
        for outer in ["clone(output)", "sample(sample=50.0%,actions(output))", "dec_ttl(le_1(output))"] {
            let good = try ActionText.parseActions(outer.replacing("output", with: "7"), portNumber: nil)
            // The port is the only 7 there is; it becomes 65535.
            let place = try #require(good.lastIndex(of: 7))
            var bad = good
            (bad[place], bad[place + 1]) = (0xff, 0xff)
            #expect(fault(good) == nil)
            let error = fault(bad)
            #expect(error?.errno == Errno.invalid)
            #expect(error?.offset == place - 4, "\(outer)")
        }
        // Lengths that lie: of a list, and of an action in it.
        for size in [UInt8(0), 1, 3, 7, 9, 200] {
            #expect(fault([12, 0, UInt8(ActionAttribute.clone), 0, size, 0, 1, 0, 1, 0, 0, 0])?.errno == Errno.invalid)
        }
        #expect(fault([200, 0, UInt8(ActionAttribute.clone), 0, 8, 0, 1, 0, 1, 0, 0, 0])?.errno == Errno.invalid)
        for count in 1...3 {
            let bytes = try attributes((ActionAttribute.clone, [UInt8](repeating: 1, count: count)))
            #expect(fault(bytes)?.errno == Errno.invalid)
        }
    }

    private func nested(_ depth: Int, _ wrap: ([UInt8]) throws -> [UInt8]) throws -> [UInt8] {
        var bytes = try [Action.output(1)].encoded()
        for _ in 0..<depth { bytes = try wrap(bytes) }
        return bytes
    }

    @Test func sixteenLevelsAreAllowed() throws {
        let wraps: [([UInt8]) throws -> [UInt8]] = [
            { try attributes((ActionAttribute.clone, $0)) },
            {
                try action(
                    ActionAttribute.sample, (SampleAttribute.actions, $0),
                    (SampleAttribute.probability, host(UInt32(7))))
            },
            {
                try action(
                    ActionAttribute.checkPacketLength, (1, host(UInt16(7))), (CheckPacketLengthAttribute.ifGreater, []),
                    (CheckPacketLengthAttribute.ifLessEqual, $0))
            },
            {
                try action(
                    ActionAttribute.checkPacketLength, (1, host(UInt16(7))), (CheckPacketLengthAttribute.ifGreater, $0),
                    (CheckPacketLengthAttribute.ifLessEqual, []))
            },
            { try action(ActionAttribute.decrementTTL, (DecrementTTLAttribute.action, $0)) },
        ]
        for wrap in wraps {
            #expect(try compile(nested(16, wrap)).count == 17)
            refused(try nested(17, wrap), errno: Errno.overflow, "16 levels")
            refused(try nested(200, wrap), errno: Errno.overflow, "16 levels")
        }
        // Thousands of levels in the 64 KiB that a list may have end at the same place.
        var deep: [UInt8] = []
        while deep.count < 65_000 { deep = host(UInt16(deep.count + 4)) + host(ActionAttribute.clone) + deep }
        #expect(fault(deep)?.errno == Errno.overflow)
    }

    @Test func whatAListChangesEndsWithIt() throws {
        // A push in a list does not make the outer list's packet tagged, and a nested list knows what was pushed
        // before.
        let current = ActionCompiler.Current(key)
        #expect(!current.hasVLAN && current.hasEthernet && current.etherType == EtherType.ipv4)
        var tagged = key
        tagged.vlanTCI = 0x1005
        #expect(ActionCompiler.Current(tagged).hasVLAN)
        tagged.kind = 0
        #expect(!ActionCompiler.Current(tagged).hasEthernet)
        #expect(
            try compile("clone(push_vlan(vid=5,pcp=0),pop_vlan),set(ipv4(ttl=3)),clone(set(ipv4(ttl=4)))").count == 6)
    }

    @Test func upcallsFindTheListTheyStandIn() throws {
        let cookie: [UInt8] = [1, 2, 3]
        let inner = try [
            Action.output(1), .userspace(UserspaceAction(portID: 5, userdata: cookie, includesActions: true)),
        ].encoded()
        let bytes = try [Action.output(9)].encoded() + attributes((ActionAttribute.clone, inner))
        // Offsets count from the whole list's start, wherever it lies in a message.
        let steps = try ActionCompiler.compile(Attributes(bytes.rawSpan, baseOffset: 100), for: key)
        guard case .userspace(let step) = steps[3] else {
            Issue.record("\(steps)")
            return
        }
        #expect(Array(bytes[step.userdataStart..<(step.userdataStart + step.userdataCount)]) == cookie)
        #expect(Array(bytes[step.actionsStart..<(step.actionsStart + step.actionsCount)]) == inner)
    }

    @Test func aListAsLongAsAnAttributeCanBe() throws {
        let bytes = [[UInt8]](repeating: [4, 0, UInt8(ActionAttribute.clone), 0], count: 16_382).flatMap { $0 }
        #expect(try compile(bytes).count == 16_382)
    }
}
