import Netlink
import OpenvSwitch
import Packets
import Testing

@testable import Datapath

/// The rules for Ethernet and network service headers in a list of actions.
@Suite struct ActionCompilerEncapsulationTests {
    private func attribute(_ type: UInt16, _ payload: [UInt8]) -> [UInt8] {
        var writer = MessageWriter()
        try? writer.append(type, bytes: payload)
        return writer.bytes
    }

    private func compile(_ actions: [UInt8], for key: FlowKey) throws -> [Instruction] {
        try ActionCompiler.compile(Attributes(actions.rawSpan, baseOffset: 100), for: key)
    }

    private func accepted(_ actions: [[UInt8]], for key: FlowKey, _ location: SourceLocation = #_sourceLocation) {
        do {
            #expect(try compile(actions.flatMap { $0 }, for: key).count == actions.count, sourceLocation: location)
        } catch { Issue.record("refused: \(error)", sourceLocation: location) }
    }

    /// - Parameter at: the place of the attribute at fault in the list, if it is to be compared.
    private func refused(
        _ actions: [[UInt8]], for key: FlowKey, _ words: String, _ constant: String, at place: Int? = nil,
        _ location: SourceLocation = #_sourceLocation
    ) {
        do {
            _ = try compile(actions.flatMap { $0 }, for: key)
            Issue.record("it was taken", sourceLocation: location)
        } catch let error as RequestError {
            #expect(error.errno == Errno.invalid, sourceLocation: location)
            #expect(error.message.hasPrefix("flow actions: \(words)"), "\(error)", sourceLocation: location)
            #expect(error.message.hasSuffix("(\(constant))"), "\(error)", sourceLocation: location)
            if let place { #expect(error.offset == 100 + place, sourceLocation: location) }
        } catch { Issue.record("\(error)", sourceLocation: location) }
    }

    private func frame(_ etherType: UInt16 = 0x1234) -> FlowKey {
        var key = FlowKey()
        (key.kind, key.etherType) = (1, etherType)
        return key
    }
    private func bare(_ etherType: UInt16, next: UInt8 = 3) -> FlowKey {
        var key = FlowKey()
        key.etherType = etherType
        if etherType == EtherType.nsh { (key.nshMetadataType, key.nshNextProtocol) = (1, next) }
        return key
    }

    private var pushEthernet: [UInt8] {
        attribute(ActionAttribute.pushEthernet, [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2])
    }
    private var popEthernet: [UInt8] { attribute(ActionAttribute.popEthernet, []) }
    private var popNSH: [UInt8] { attribute(ActionAttribute.popNSH, []) }
    private var pushVLAN: [UInt8] { attribute(ActionAttribute.pushVLAN, [0x81, 0, 0x10, 5]) }
    private var popVLAN: [UInt8] { attribute(ActionAttribute.popVLAN, []) }

    private func base(_ type: UInt8) -> [UInt8] {
        attribute(NSHKeyAttribute.base, [2, 63, type, 3, 0x12, 0x34, 0x56, 0xff])
    }
    private let context = Array<UInt8>(1...16)
    private var md1: [UInt8] { attribute(NSHKeyAttribute.md1, context) }
    private func md2(_ count: Int) -> [UInt8] {
        attribute(NSHKeyAttribute.md2, [UInt8](repeating: 7, count: count))
    }
    private func pushNSH(_ attributes: [UInt8]...) -> [UInt8] {
        attribute(ActionAttribute.pushNSH, attribute(KeyAttribute.nsh, attributes.flatMap { $0 }))
    }

    // MARK: Ethernet

    @Test func anEthernetHeaderIsPushedWhereThereIsNone() throws {
        accepted([pushEthernet], for: bare(EtherType.ipv4))
        accepted([pushEthernet, popEthernet, pushEthernet], for: bare(0x1234))
        accepted([popEthernet, pushEthernet], for: frame())
        refused([pushEthernet], for: frame(), "push_eth: the packet must have no", "OVS_ACTION_ATTR_PUSH_ETH", at: 0)
        refused(
            [popEthernet, pushEthernet, pushEthernet], for: frame(), "push_eth: the packet must have no",
            "OVS_ACTION_ATTR_PUSH_ETH", at: 20)
        for count in [0, 6, 11, 13, 16] {
            refused(
                [attribute(ActionAttribute.pushEthernet, [UInt8](repeating: 2, count: count))],
                for: bare(EtherType.ipv4), "push_eth: the payload must be 12 bytes", "OVS_ACTION_ATTR_PUSH_ETH")
        }
        guard
            case .pushEthernet(0x0200_0000_0001, 0x0200_0000_0002) = try #require(
                compile(pushEthernet, for: bare(EtherType.ipv4)).first)
        else {
            Issue.record("other addresses")
            return
        }
    }

    @Test func anEthernetHeaderIsPoppedWithoutATag() {
        accepted([popEthernet], for: frame())
        accepted([pushVLAN, popVLAN, popEthernet], for: frame())
        refused([popEthernet], for: bare(EtherType.ipv4), "pop_eth: the packet must have an", "OVS_ACTION_ATTR_POP_ETH")
        refused(
            [popEthernet, popEthernet], for: frame(), "pop_eth: the packet must have an", "OVS_ACTION_ATTR_POP_ETH",
            at: 4)
        refused(
            [pushVLAN, popEthernet], for: frame(), "pop_eth: the packet must have no VLAN tag",
            "OVS_ACTION_ATTR_POP_ETH",
            at: 8)
        refused(
            [attribute(ActionAttribute.popEthernet, [0])], for: frame(), "pop_eth: there must be no payload",
            "OVS_ACTION_ATTR_POP_ETH")
        // What needs an Ethernet header finds none.
        for action in [pushVLAN, popVLAN] {
            do {
                _ = try compile(popEthernet + action, for: frame())
                Issue.record("it was taken")
            } catch { #expect("\(error)".contains("must have an Ethernet header")) }
        }
    }

    /// What a list inside does to the packet ends with the list.
    @Test func headersInAListStayThere() {
        let clone = attribute(ActionAttribute.clone, popEthernet)
        do {
            #expect(try compile(clone + popEthernet, for: frame()).count == 3)
        } catch { Issue.record("\(error)") }
        let nested = attribute(ActionAttribute.clone, popEthernet + popEthernet)
        refused([nested], for: frame(), "pop_eth: the packet must have an", "OVS_ACTION_ATTR_POP_ETH", at: 8)
    }

    // MARK: Push and pop of NSH

    @Test func aHeaderIsPushedInFrontOfAnyFrame() throws {
        for key in [frame(), frame(EtherType.arp), frame(EtherType.nsh)] { accepted([pushNSH(base(1), md1)], for: key) }
        for type in [EtherType.ipv4, EtherType.ipv6, EtherType.nsh, EtherType.mplsUnicast] {
            accepted([pushNSH(base(1), md1), pushNSH(base(2), md2(4)), pushEthernet], for: bare(type))
        }
        for type in [EtherType.arp, EtherType.mplsMulticast, 0x1234] {
            refused(
                [pushNSH(base(1), md1)], for: bare(type), "push_nsh: there is no next protocol",
                "OVS_ACTION_ATTR_PUSH_NSH")
        }
        // The frame is inside, with its tag.
        var tagged = frame()
        (tagged.vlanTPID, tagged.vlanTCI) = (EtherType.vlan, 0x1005)
        accepted([pushNSH(base(1), md1), pushEthernet, popEthernet], for: tagged)
        refused(
            [pushNSH(base(1), md1), popEthernet], for: frame(), "pop_eth: the packet must have an",
            "OVS_ACTION_ATTR_POP_ETH")
    }

    @Test func theInstructionNamesThePlaceOfTheMetadata() throws {
        let before = attribute(ActionAttribute.output, [1, 0, 0, 0])
        for (list, metadata) in [
            (before + pushNSH(base(1), md1), context), (before + pushNSH(md1, base(1)), context),
            (before + pushNSH(base(2), md2(5)), [7, 7, 7, 7, 7]), (before + pushNSH(md2(9), base(2), md2(1)), [7]),
        ] {
            guard case .pushNSH(let base, let start, let count) = try #require(compile(list, for: frame()).last) else {
                Issue.record("another instruction")
                continue
            }
            #expect(base.flags == 2 && base.ttl == 63 && base.path == 0x1234_56ff)
            #expect(Array(list[start..<(start + count)]) == metadata)
        }
    }

    @Test func whatAPushMustHold() {
        let name = "OVS_ACTION_ATTR_PUSH_NSH"
        let one = "push_nsh: one OVS_KEY_ATTR_NSH is needed"
        refused([attribute(ActionAttribute.pushNSH, [])], for: frame(), one, name, at: 0)
        refused([attribute(ActionAttribute.pushNSH, attribute(27, base(1) + md1))], for: frame(), one, name, at: 0)
        let twice = attribute(KeyAttribute.nsh, base(1) + md1)
        refused([attribute(ActionAttribute.pushNSH, twice + twice)], for: frame(), one, name, at: 0)
        refused([pushNSH(md1)], for: frame(), "push_nsh: the attribute is missing", "OVS_NSH_KEY_ATTR_BASE", at: 4)
        refused([pushNSH(base(1))], for: frame(), "push_nsh: there are no metadata", "OVS_KEY_ATTR_NSH", at: 4)
        refused([pushNSH()], for: frame(), "push_nsh: the attribute is missing", "OVS_NSH_KEY_ATTR_BASE", at: 4)
        for list in [pushNSH(base(2), md1), pushNSH(base(1), md2(4)), pushNSH(base(0), md1)] {
            refused([list], for: frame(), "push_nsh: the metadata are not of the type", "OVS_KEY_ATTR_NSH", at: 4)
        }
        refused(
            [pushNSH(base(1), md1, md2(4))], for: frame(), "push_nsh: there are metadata of both types",
            "OVS_NSH_KEY_ATTR_MD2", at: 40)
        refused(
            [pushNSH(base(2), md2(4), md1)], for: frame(), "push_nsh: there are metadata of both types",
            "OVS_NSH_KEY_ATTR_MD1", at: 28)
        refused(
            [pushNSH(base(1), md1, attribute(4, []))], for: frame(), "push_nsh: the attribute is not known",
            "attribute 4", at: 40)
        refused(
            [pushNSH(attribute(0, []), base(1), md1)], for: frame(), "push_nsh: the attribute is not known",
            "attribute 0", at: 8)
        for count in [0, 7, 9, 16] {
            refused(
                [pushNSH(attribute(NSHKeyAttribute.base, [UInt8](repeating: 1, count: count)), md1)], for: frame(),
                "push_nsh: the payload must be 8 bytes", "OVS_NSH_KEY_ATTR_BASE", at: 8)
        }
        for count in [0, 15, 17, 32] {
            refused(
                [pushNSH(base(1), attribute(NSHKeyAttribute.md1, [UInt8](repeating: 1, count: count)))], for: frame(),
                "push_nsh: the payload must be 16 bytes", "OVS_NSH_KEY_ATTR_MD1", at: 20)
        }
        for count in [0, 248, 252, 1000] {
            refused(
                [pushNSH(base(2), md2(count))], for: frame(), "push_nsh: the ",
                "OVS_NSH_KEY_ATTR_MD2", at: 20)
        }
        for count in [1, 4, 5, 244, 247] { accepted([pushNSH(base(2), md2(count))], for: frame()) }
        // Attributes that are cut off.
        for list in [
            attribute(ActionAttribute.pushNSH, [1, 2, 3]), attribute(ActionAttribute.pushNSH, [40, 0, 28, 0]),
            attribute(ActionAttribute.pushNSH, attribute(KeyAttribute.nsh, base(1) + md1 + [1, 2])),
            attribute(ActionAttribute.pushNSH, attribute(KeyAttribute.nsh, base(1) + [20, 0, 2, 0])),
        ] {
            #expect(throws: RequestError.self) { try compile(list, for: frame()) }
        }
    }

    @Test func aHeaderIsPoppedWhereItIsTheFirst() {
        let name = "OVS_ACTION_ATTR_POP_NSH"
        for next in UInt8(1)...5 { accepted([popNSH], for: bare(EtherType.nsh, next: next)) }
        for next in [UInt8(0), 6, 0xff] {
            refused(
                [popNSH], for: bare(EtherType.nsh, next: next), "pop_nsh: the flow does not match a next protocol",
                name, at: 0)
        }
        refused([popNSH], for: bare(EtherType.ipv4), "pop_nsh: the packet must be NSH", name)
        var outer = bare(EtherType.nsh)
        outer.kind = 1
        refused([popNSH], for: outer, "pop_nsh: the packet must have no Ethernet header", name)
        accepted([popEthernet, popNSH], for: outer)
        refused([attribute(ActionAttribute.popNSH, [0])], for: bare(EtherType.nsh), "pop_nsh: there must be no", name)
        // Behind it there is an Ethernet header, or none.
        accepted([popNSH, pushVLAN, popVLAN, popEthernet], for: bare(EtherType.nsh))
        refused(
            [popNSH, pushEthernet], for: bare(EtherType.nsh), "push_eth: the packet must have no",
            "OVS_ACTION_ATTR_PUSH_ETH")
        accepted([popNSH, pushEthernet], for: bare(EtherType.nsh, next: 1))
    }

    // MARK: Set

    private func set(_ attributes: [UInt8]..., isMasked: Bool) -> [UInt8] {
        attribute(
            isMasked ? ActionAttribute.setMasked : ActionAttribute.set,
            attribute(KeyAttribute.nsh, attributes.flatMap { $0 }))
    }

    @Test func setOfTheWholeHeader() throws {
        guard
            case .setNSH(let value, let mask) = try #require(
                compile(set(base(1), md1, isMasked: false), for: frame(EtherType.nsh)).first)
        else {
            Issue.record("another instruction")
            return
        }
        #expect(
            value
                == NSHEdit(
                    flags: 2, ttl: 63, path: 0x1234_56ff, contextHigh: 0x0102_0304_0506_0708,
                    contextLow: 0x090a_0b0c_0d0e_0f10))
        #expect(mask == NSHEdit(flags: 3, ttl: 63, path: .max, contextHigh: .max, contextLow: .max))
        // Only what is there is set.
        guard
            case .setNSH(_, let part) = try #require(
                compile(set(base(2), isMasked: false), for: bare(EtherType.nsh)).first)
        else {
            Issue.record("another instruction")
            return
        }
        #expect(part == NSHEdit(flags: 3, ttl: 63, path: .max))
        accepted([set(isMasked: false)], for: frame(EtherType.nsh))
    }

    @Test func setUnderAMask() throws {
        let base = attribute(NSHKeyAttribute.base, [0, 5, 0, 0, 0, 0, 0x50, 0xfe] + [0, 0x3f, 0, 0, 0, 0, 0xf0, 0xff])
        let context = attribute(
            NSHKeyAttribute.md1,
            [UInt8](repeating: 0, count: 15) + [9] + [UInt8](repeating: 0, count: 15) + [0x0f])
        guard
            case .setNSH(let value, let mask) = try #require(
                compile(set(base, context, isMasked: true), for: frame(EtherType.nsh)).first)
        else {
            Issue.record("another instruction")
            return
        }
        #expect(value == NSHEdit(ttl: 5, path: 0x50fe, contextLow: 9))
        #expect(mask == NSHEdit(ttl: 0x3f, path: 0xf0ff, contextLow: 0x0f))
    }

    @Test func whatASetMustHold() {
        let nsh = frame(EtherType.nsh)
        for isMasked in [false, true] {
            let factor = isMasked ? 2 : 1
            for type in [EtherType.ipv4, 0, EtherType.mplsUnicast] {
                refused(
                    [set(isMasked: isMasked)], for: frame(type),
                    "set: it can be set only on a packet whose EtherType is 0x894f", "OVS_KEY_ATTR_NSH",
                    at: 4)
            }
            for count in [0, 7, 9, 8 * (3 - factor), 24] {
                refused(
                    [set(attribute(NSHKeyAttribute.base, [UInt8](repeating: 0, count: count)), isMasked: isMasked)],
                    for: nsh, "set: the payload must be", "OVS_NSH_KEY_ATTR_BASE", at: 8)
            }
            for count in [0, 15, 16 * (3 - factor), 33] {
                refused(
                    [set(attribute(NSHKeyAttribute.md1, [UInt8](repeating: 0, count: count)), isMasked: isMasked)],
                    for: nsh, "set: the payload must be", "OVS_NSH_KEY_ATTR_MD1", at: 8)
            }
            refused(
                [set(md2(8), isMasked: isMasked)], for: nsh, "set: metadata of type 2", "OVS_NSH_KEY_ATTR_MD2",
                at: 8)
            refused(
                [set(attribute(4, []), isMasked: isMasked)], for: nsh, "set: the attribute is not known",
                "attribute 4", at: 8)
        }
        refused([set(base(2), md1, isMasked: false)], for: nsh, "set: a context needs", "OVS_NSH_KEY_ATTR_MD1")
        refused([set(md1, isMasked: false)], for: nsh, "set: a context needs", "OVS_NSH_KEY_ATTR_MD1", at: 8)
        for index in 0..<8 {
            var payload = [UInt8](repeating: 0, count: 16)
            payload[index] = 1
            refused(
                [set(attribute(NSHKeyAttribute.base, payload), isMasked: true)], for: nsh,
                "set: the value has bits", "OVS_NSH_KEY_ATTR_BASE", at: 8)
        }
        for index in 0..<16 {
            var payload = [UInt8](repeating: 0, count: 32)
            payload[index] = 1
            refused(
                [set(attribute(NSHKeyAttribute.md1, payload), isMasked: true)], for: nsh,
                "set: the value has bits", "OVS_NSH_KEY_ATTR_MD1", at: 8)
        }
    }
}
