import Netlink
import OpenvSwitch
import Testing

@testable import Datapath

/// The rules for label stacks in a list of actions: what the packet is known to be at each place.
@Suite struct ActionCompilerMPLSTests {
    private func compile(_ actions: [Action], for key: FlowKey) throws -> [Instruction] {
        let bytes = try actions.encoded()
        return try ActionCompiler.compile(Attributes(bytes.rawSpan), for: key)
    }

    private func accepted(
        _ actions: [Action], for key: FlowKey, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        do {
            let count = try compile(actions, for: key).count
            #expect(count == actions.count, sourceLocation: sourceLocation)
        } catch { Issue.record("refused: \(error)", sourceLocation: sourceLocation) }
    }

    private func refused(
        _ actions: [Action], for key: FlowKey, _ words: String, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        do {
            _ = try compile(actions, for: key)
            Issue.record("it was taken", sourceLocation: sourceLocation)
        } catch let error as RequestError {
            #expect(error.errno == Errno.invalid, sourceLocation: sourceLocation)
            #expect(error.offset != nil, sourceLocation: sourceLocation)
            #expect(error.message.contains(words), "\(error)", sourceLocation: sourceLocation)
        } catch { Issue.record("\(error)", sourceLocation: sourceLocation) }
    }

    private func frame(_ etherType: UInt16, labels: Int = 0) -> FlowKey {
        var key = FlowKey()
        key.kind = 1
        key.etherType = etherType
        if etherType.isMPLS { key.mplsPresence = [0, 1, 3, 7][labels] }
        return key
    }

    private let push = Action.pushMPLS(entry: 0x64140, etherType: EtherType.mplsUnicast)
    private func pop(_ type: UInt16) -> Action { .popMPLS(etherType: type) }
    private func add(_ flags: UInt16, type: [UInt8] = [0x88, 0x47]) -> Action {
        var flagBytes = MessageWriter()
        try? flagBytes.append(raw: flags)
        return .other(ActionAttribute.addMPLS, [0, 6, 0x41, 0x40] + type + flagBytes.bytes)
    }
    private let v4 = Action.setMasked(
        .ipv4(source: 0, destination: 0, proto: 0, tos: 0, ttl: 1, fragment: 0),
        mask: .ipv4(source: 0, destination: 0, proto: 0, tos: 0, ttl: 0xff, fragment: 0))
    private let set = Action.set(.mpls(0x1140))

    @Test func pushesNeedAKnownNetworkHeader() {
        for type in [EtherType.ipv4, EtherType.ipv6, EtherType.arp, EtherType.rarp] {
            accepted([push], for: frame(type))
            accepted([add(1)], for: frame(type))
        }
        for type in [EtherType.mplsUnicast, EtherType.mplsMulticast] { accepted([push], for: frame(type, labels: 1)) }
        for type in [
            UInt16(0), 0x1234, EtherType.vlan, EtherType.nsh, EtherType.ieee8022, EtherType.transparentEthernet,
        ] {
            refused([push], for: frame(type), "push_mpls: the packet must be IPv4, IPv6, ARP, RARP or MPLS")
            refused([add(1)], for: frame(type), "add_mpls: the packet must be IPv4")
        }
        accepted([push, push, push, push], for: frame(EtherType.ipv4))
        accepted([.pushMPLS(entry: 0, etherType: EtherType.mplsMulticast)], for: frame(EtherType.ipv4))
        for type in [EtherType.ipv4, 0, 0x8846, 0x8849] {
            refused(
                [.pushMPLS(entry: 0, etherType: type)], for: frame(EtherType.ipv4),
                "the EtherType must be 0x8847 or 0x8848")
        }
        refused([add(1, type: [8, 0])], for: frame(EtherType.ipv4), "the EtherType must be 0x8847 or 0x8848")
    }

    @Test func payloadsHaveOneLength() {
        for count in [0, 4, 6, 7, 9, 12] {
            let bytes: [UInt8] = Array([0, 0, 0, 0, 0x88, 0x47, 1, 1, 0, 0, 0, 0].prefix(count))
            refused(
                [.other(ActionAttribute.pushMPLS, bytes)], for: frame(EtherType.ipv4),
                "push_mpls: the payload must be 8 bytes")
            refused([.other(ActionAttribute.addMPLS, bytes)], for: frame(EtherType.ipv4), "add_mpls: the payload must")
        }
        for count in [0, 1, 3, 4] {
            let bytes = [UInt8](repeating: 8, count: count)
            refused(
                [.other(ActionAttribute.popMPLS, bytes)], for: frame(EtherType.mplsUnicast, labels: 1),
                "pop_mpls: the payload must")
        }
    }

    /// Without the flag 1 the label is put in front of the Ethernet header, whatever the frame is.
    @Test func addingInFrontOfTheFrame() throws {
        for flags in [UInt16(0), 2, 0xfffe] {
            guard
                case .pushMPLSInFront(0x64140, 0x8847) = try #require(
                    try compile([add(flags)], for: frame(0x1234)).first)
            else {
                Issue.record("flags \(flags)")
                continue
            }
        }
        for flags in [UInt16(1), 3, 0xffff] {
            guard
                case .pushMPLS(0x64140, 0x8847) = try #require(
                    try compile([add(flags)], for: frame(EtherType.ipv4)).first)
            else {
                Issue.record("flags \(flags)")
                continue
            }
        }
        let frame = frame(EtherType.ipv4)
        refused([add(0), .popVLAN], for: frame, "pop_vlan: the packet must have an Ethernet header")
        refused([add(0), v4], for: frame, "whose EtherType is 0x0800")
        // The stack has one label, whatever the frame has.
        let labelled = self.frame(EtherType.mplsUnicast, labels: 3)
        accepted([add(0), set, pop(EtherType.mplsUnicast)], for: labelled)
        refused([add(0), pop(EtherType.mplsUnicast), set], for: labelled, notKnownForSet)
        accepted([add(0), add(0), pop(EtherType.mplsUnicast), set], for: labelled)
        // A tag is inside; and behind the last label there is an Ethernet header again.
        var tagged = frame
        (tagged.vlanTPID, tagged.vlanTCI) = (EtherType.vlan, 0x1005)
        accepted([add(0), pop(EtherType.transparentEthernet), .popVLAN], for: tagged)
        accepted([add(0), push, add(1)], for: tagged)
    }

    @Test func aVLANTagIsInTheWay() {
        var tagged = frame(EtherType.ipv4)
        (tagged.vlanTPID, tagged.vlanTCI) = (EtherType.vlan, 0x1005)
        refused([push], for: tagged, "push_mpls: the packet must have no VLAN tag")
        refused([add(1)], for: tagged, "add_mpls: the packet must have no VLAN tag")
        accepted([.popVLAN, push], for: tagged)
        accepted([.popVLAN, push, .pushVLAN(tpid: 0x8100, tci: 0x1005)], for: tagged)
        refused(
            [push, .pushVLAN(tpid: 0x8100, tci: 0x1005), pop(EtherType.ipv4)], for: frame(EtherType.ipv4),
            "pop_mpls: the packet must have no VLAN tag")
        refused([.pushVLAN(tpid: 0x8100, tci: 0x1005), push], for: frame(EtherType.ipv4), "must have no VLAN tag")
        accepted([push, .pushVLAN(tpid: 0x8100, tci: 0x1005), set, .popVLAN, pop(0x0800)], for: frame(EtherType.ipv4))
    }

    @Test func popsNeedALabel() {
        accepted([pop(EtherType.ipv4)], for: frame(EtherType.mplsUnicast, labels: 1))
        accepted([push, pop(EtherType.ipv4)], for: frame(EtherType.ipv4))
        for type in [EtherType.ipv4, EtherType.ipv6, 0, 0x1234] {
            refused([pop(EtherType.ipv4)], for: frame(type), "pop_mpls: the packet must be MPLS")
        }
        refused(
            [pop(EtherType.transparentEthernet)], for: frame(EtherType.mplsUnicast, labels: 1),
            "does not become an Ethernet frame")
        var bare = frame(EtherType.mplsUnicast, labels: 1)
        bare.kind = 0
        accepted([pop(EtherType.transparentEthernet)], for: bare)
    }

    /// As many labels are known to be there as the key names and the list pushed.
    @Test func whatIsBehindTheLastLabelIsNotKnown() {
        let notKnown = "the packet must be MPLS"
        refused([pop(0x8847), pop(0x8847)], for: frame(0x8847, labels: 1), notKnown)
        accepted([pop(0x8847), pop(0x8847)], for: frame(0x8847, labels: 2))
        refused([pop(0x8847), pop(0x8847), pop(0x0800)], for: frame(0x8847, labels: 2), notKnown)
        accepted([pop(0x8847), pop(0x8848), pop(0x0800)], for: frame(0x8847, labels: 3))
        accepted([push, pop(0x8847), pop(0x0800)], for: frame(0x8847, labels: 1))
        // A key that names no label does not say how many there are.
        accepted([pop(0x8847), pop(0x8847), pop(0x8847)], for: frame(0x8847, labels: 0))
        // To another type: neither labels nor any other header may be set or popped any more.
        refused([pop(0x0800), pop(0x8847)], for: frame(0x8847, labels: 3), notKnown)
        refused([pop(0x0800), set], for: frame(0x8847, labels: 3), notKnownForSet)
        refused([pop(0x0800), v4], for: frame(0x8847, labels: 1), "set only on a packet whose EtherType is 0x0800")
        refused([pop(0x0800), push], for: frame(0x8847, labels: 1), "must be IPv4")
        accepted(
            [
                pop(0x0800), .set(.ethernet(source: 1, destination: 2)), .pushVLAN(tpid: 0x8100, tci: 0x1001),
                .output(1),
            ],
            for: frame(0x8847, labels: 1))
    }

    @Test func headersBehindAPushedLabelCannotBeSet() {
        accepted([v4, push], for: frame(EtherType.ipv4))
        refused([push, v4], for: frame(EtherType.ipv4), "set only on a packet whose EtherType is 0x0800")
        var tcp = frame(EtherType.ipv4)
        tcp.ipProtocol = IPProtocol.tcp
        refused([push, .set(.tcp(source: 1, destination: 2))], for: tcp, "set only on an IP packet of protocol 6")
        refused(
            [push, pop(EtherType.ipv4), v4], for: frame(EtherType.ipv4),
            "set only on a packet whose EtherType is 0x0800")
    }

    @Test func labelsAreSetWhereThereIsOne() throws {
        accepted([set], for: frame(0x8847, labels: 1))
        accepted([set], for: frame(0x8848, labels: 0))
        accepted([push, set], for: frame(EtherType.ipv6))
        refused([set], for: frame(EtherType.ipv4), notKnownForSet)
        accepted([.setMasked(.mpls(0x40), mask: .mpls(0xff))], for: frame(0x8847, labels: 1))
        refused(
            [.setMasked(.mpls(0x140), mask: .mpls(0xff))], for: frame(0x8847, labels: 1), "bits that its mask has not")
        guard
            case .setMPLS(0x40, let mask) = try compile(
                [.setMasked(.mpls(0x40), mask: .mpls(0xff))], for: frame(0x8847))[0],
            case .setMPLS(0x1140, .max) = try compile([set], for: frame(0x8847))[0]
        else {
            Issue.record("another instruction")
            return
        }
        #expect(mask == 0xff)
        // One entry, not a stack.
        var two = MessageWriter()
        try two.append(KeyAttribute.mpls, bytes: [UInt8](repeating: 0, count: 8))
        refused([.other(ActionAttribute.set, two.bytes)], for: frame(0x8847, labels: 2), "the payload must be 4 bytes")
    }
    private let notKnownForSet = "set: it can be set only on a packet whose EtherType is 0x8847 or 0x8848"
}
