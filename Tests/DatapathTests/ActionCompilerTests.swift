import Netlink
import OpenvSwitch
import Testing

@testable import Datapath

/// One case for each rule that a list of actions must keep.
@Suite struct ActionCompilerTests {
    private func compile(_ actions: [Action], for key: FlowKey) throws -> [Instruction] {
        let bytes = try actions.encoded()
        return try ActionCompiler.compile(Attributes(bytes.rawSpan), for: key)
    }

    private func refused(_ actions: [Action], for key: FlowKey, _ comment: Comment) {
        do {
            _ = try compile(actions, for: key)
            Issue.record("it was taken: \(comment)")
        } catch let error as RequestError {
            #expect(error.errno == Errno.invalid, comment)
            #expect(error.offset != nil, comment)
        } catch { Issue.record("\(error)") }
    }

    /// The error that a list is refused with; nil if it is taken.
    private func fault(_ actions: [Action], for key: FlowKey) -> RequestError? {
        do {
            _ = try compile(actions, for: key)
            return nil
        } catch { return error as? RequestError }
    }

    private var ethernet: FlowKey {
        var key = FlowKey()
        key.kind = 1
        key.etherType = 0x1234
        return key
    }

    private func ip(_ etherType: UInt16, _ proto: UInt8) -> FlowKey {
        var key = ethernet
        key.etherType = etherType
        key.ipProtocol = proto
        return key
    }

    @Test func anEmptyListDrops() throws { #expect(try compile([], for: ethernet).isEmpty) }

    @Test func outputTakesPortsBelow65535() throws {
        #expect(try compile([.output(0), .output(65_534)], for: ethernet).count == 2)
        refused([.output(65_535)], for: ethernet, "port 65535")
        refused([.other(ActionAttribute.output, [1, 0])], for: ethernet, "two bytes")
        refused([.other(ActionAttribute.output, [1, 0, 0, 0, 0])], for: ethernet, "five bytes")
    }

    @Test func userspaceNeedsAPortID() throws {
        #expect(try compile([.userspace(UserspaceAction(portID: 5))], for: ethernet).count == 1)
        refused([.userspace(UserspaceAction(portID: 0))], for: ethernet, "port ID 0")
        refused([.other(ActionAttribute.userspace, [])], for: ethernet, "no port ID")
        // Inner types that are not known are ignored.
        let inner: [UInt8] = [8, 0, 1, 0, 7, 0, 0, 0, 4, 0, 99, 0]
        #expect(try compile([.other(ActionAttribute.userspace, inner)], for: ethernet).count == 1)
        do {
            _ = try compile([.other(ActionAttribute.userspace, [6, 0, 1, 0, 7, 0, 0, 0])], for: ethernet)
            Issue.record("a short port ID was taken")
        } catch let error as RequestError { #expect(error.errno == Errno.range) }
    }

    @Test func userdataIsFoundInTheProgramsBytes() throws {
        let action = Action.userspace(UserspaceAction(portID: 5, userdata: [9, 8, 7]))
        let bytes = try [Action.output(1), action].encoded()
        // Offsets count from the list's own start, wherever it lies in a message.
        let instructions = try ActionCompiler.compile(Attributes(bytes.rawSpan, baseOffset: 100), for: ethernet)
        guard case .userspace(let step) = instructions[1] else {
            Issue.record("\(instructions[1])")
            return
        }
        #expect(Array(bytes[step.userdataStart..<(step.userdataStart + step.userdataCount)]) == [9, 8, 7])
    }

    @Test func vlanTagsNeedTheirBitAndAKnownTPID() throws {
        #expect(try compile([.pushVLAN(tpid: 0x88a8, tci: 0x1001), .popVLAN], for: ethernet).count == 2)
        refused([.pushVLAN(tpid: 0x8100, tci: 0x0001)], for: ethernet, "no present bit")
        refused([.pushVLAN(tpid: 0x9100, tci: 0x1001)], for: ethernet, "another TPID")
        refused([.other(ActionAttribute.popVLAN, [0])], for: ethernet, "payload")
        var bare = ethernet
        bare.kind = 0
        refused([.pushVLAN(tpid: 0x8100, tci: 0x1001)], for: bare, "no Ethernet header")
        refused([.popVLAN], for: bare, "no Ethernet header")
    }

    @Test func truncationKeepsTheEthernetHeader() throws {
        #expect(try compile([.truncate(14)], for: ethernet).count == 1)
        refused([.truncate(13)], for: ethernet, "13 bytes")
    }

    @Test func theEgressTunnelPortIsFourBytes() throws {
        let action = UserspaceAction(portID: 5, egressTunnelPort: 3)
        #expect(try compile([.userspace(action)], for: ethernet).count == 1)
        let short: [UInt8] = [8, 0, 1, 0, 7, 0, 0, 0, 6, 0, 3, 0, 1, 0]
        #expect(fault([.other(ActionAttribute.userspace, short)], for: ethernet)?.errno == Errno.range)
    }

    @Test func dropIsLast() throws {
        #expect(try compile([.output(1), .drop(3)], for: ethernet).count == 2)
        refused([.drop(3), .output(1)], for: ethernet, "an action behind drop")
    }

    @Test func unknownActionsAndTrailingBytesAreRefused() throws {
        for type in [UInt16(26), 99, 0, 0x3fff] { refused([.other(type, [])], for: ethernet, "type \(type)") }
        // Known, and not there yet: said so by name.
        for (type, name) in [
            (ActionAttribute.ct, "ct:"), (ActionAttribute.ctClear, "ct_clear:"),
        ] {
            let error = fault([.other(type, [0, 0, 0, 0])], for: ethernet)
            #expect(error?.errno == Errno.invalid)
            #expect(error?.message.contains(name) == true, "\(name)")
        }
        #expect(fault([.other(ActionAttribute.psample, [])], for: ethernet)?.errno == Errno.notSupported)
        let bytes = try [Action.output(1)].encoded() + [0, 0]
        #expect(throws: RequestError.self) {
            _ = try ActionCompiler.compile(Attributes(bytes.rawSpan), for: FlowKey())
        }
    }

    @Test func headersAreSetOnlyWhereTheFlowHasThem() throws {
        let v4 = FieldValue.ipv4(source: 1, destination: 2, proto: 6, tos: 0, ttl: 9, fragment: 0)
        let v6 = FieldValue.ipv6(
            source: IPv6Address(high: 1, low: 2), destination: IPv6Address(high: 3, low: 4), label: 5, proto: 17,
            trafficClass: 0, hopLimit: 9, fragment: 0)
        let tcp4 = ip(EtherType.ipv4, IPProtocol.tcp)
        let udp6 = ip(EtherType.ipv6, IPProtocol.udp)
        #expect(try compile([.set(v4), .set(.tcp(source: 1, destination: 2))], for: tcp4).count == 2)
        #expect(try compile([.set(v6), .set(.udp(source: 1, destination: 2))], for: udp6).count == 2)
        #expect(try compile([.set(.sctp(source: 1, destination: 2))], for: ip(EtherType.ipv4, 132)).count == 1)
        #expect(try compile([.set(.priority(3)), .set(.skbMark(4))], for: ethernet).count == 2)
        #expect(try compile([.set(.ethernet(source: 1, destination: 2))], for: ethernet).count == 1)
        refused([.set(v4)], for: udp6, "IPv4 of an IPv6 flow")
        refused([.set(v6)], for: tcp4, "IPv6 of an IPv4 flow")
        refused([.set(.udp(source: 1, destination: 2))], for: tcp4, "UDP of a TCP flow")
        refused([.set(.tcp(source: 1, destination: 2))], for: ip(EtherType.ipv4, 0), "a wildcarded protocol")
        refused(
            [.set(.ipv4(source: 1, destination: 2, proto: 17, tos: 0, ttl: 9, fragment: 0))], for: tcp4,
            "another protocol")
        refused(
            [.set(.ipv4(source: 1, destination: 2, proto: 6, tos: 0, ttl: 9, fragment: 1))], for: tcp4,
            "another fragment type")
        var bare = tcp4
        bare.kind = 0
        refused([.set(.ethernet(source: 1, destination: 2))], for: bare, "no Ethernet header")
    }

    @Test func maskedSetsKeepTheirRules() throws {
        let tcp4 = ip(EtherType.ipv4, IPProtocol.tcp)
        func v4(_ source: UInt32, proto: UInt8 = 0, fragment: UInt8 = 0) -> FieldValue {
            .ipv4(source: source, destination: 0, proto: proto, tos: 0, ttl: 0, fragment: fragment)
        }
        #expect(try compile([.setMasked(v4(0x0a), mask: v4(0xff))], for: tcp4).count == 1)
        refused([.setMasked(v4(0x1ff), mask: v4(0xff))], for: tcp4, "bits outside the mask")
        refused([.setMasked(v4(0, proto: 0), mask: v4(0, proto: 0xff))], for: tcp4, "the protocol")
        refused([.setMasked(v4(0), mask: v4(0, fragment: 0xff))], for: tcp4, "the fragment type")
        // Value and mask, not three halves.
        let odd: [UInt8] = [13, 0, UInt8(KeyAttribute.priority), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        refused([.other(ActionAttribute.setMasked, odd)], for: tcp4, "an odd length")
    }

    @Test func onlySomeFieldsCanBeSet() throws {
        func set(_ type: UInt16, _ count: Int) throws -> [UInt8] {
            var writer = MessageWriter()
            try writer.append(type, bytes: [UInt8](repeating: 0, count: count))
            return writer.bytes
        }
        for (type, count) in [
            (KeyAttribute.vlan, 2), (KeyAttribute.etherType, 2), (KeyAttribute.inPort, 4), (KeyAttribute.arp, 24),
            (KeyAttribute.icmp, 2), (KeyAttribute.nd, 28), (KeyAttribute.dpHash, 4), (KeyAttribute.recircID, 4),
        ] {
            refused([.other(ActionAttribute.set, try set(type, count))], for: ethernet, "key attribute \(type)")
        }
        refused([.other(ActionAttribute.set, [])], for: ethernet, "no field")
        let two = try set(KeyAttribute.priority, 4) + set(KeyAttribute.skbMark, 4)
        refused([.other(ActionAttribute.set, two)], for: ethernet, "two fields")
        refused([.other(ActionAttribute.set, try set(KeyAttribute.priority, 3))], for: ethernet, "a short field")
    }
}
