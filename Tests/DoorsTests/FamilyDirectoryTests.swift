@testable import Doors
import Netlink
import OpenvSwitch
import Testing

/// What clients learn of the families: every byte of it.
@Suite struct FamilyDirectoryTests {
    private func answer(_ request: [UInt8]) throws -> FamilyDirectory.Answer {
        FamilyDirectory.answer(try Message(request.rawSpan), portID: 4711)
    }

    private func attribute(_ type: UInt16, _ payload: [UInt8]) -> [UInt8] { NetlinkTestClient.attribute(type, payload) }

    private func byName(_ name: String, _ flags: MessageFlags = .request) -> [UInt8] {
        NetlinkTestClient.familyRequest(attribute(2, Array(name.utf8) + [0]), flags)
    }

    /// A family as the interface's reference has it: numbers that are written out here, and none of the program's.
    struct Expected: Sendable {
        var name: String
        var id: UInt16
        var version: UInt32
        var maximum: UInt32
        /// Commands and their flags.
        var operations: [[UInt32]]
        var group: UInt32?

        func message(flags: UInt16 = 0) -> [UInt8] {
            func attribute(_ type: UInt16, _ payload: [UInt8]) -> [UInt8] {
                NetlinkTestClient.attribute(type, payload)
            }
            var body: [UInt8] = [1, 2, 0, 0]
            body += attribute(2, Array(name.utf8) + [0]) + attribute(1, hostBytes(id))
            body += attribute(3, hostBytes(version)) + attribute(4, hostBytes(UInt32(4)))
            body += attribute(5, hostBytes(maximum))
            var elements: [UInt8] = []
            for (index, operation) in operations.enumerated() {
                elements += attribute(
                    UInt16(index + 1), attribute(1, hostBytes(operation[0])) + attribute(2, hostBytes(operation[1])))
            }
            body += attribute(6, elements)
            if let group {
                let element = attribute(2, hostBytes(group)) + attribute(1, Array(name.utf8) + [0])
                body += attribute(7, attribute(1, element))
            }
            return hostBytes(UInt32(16 + body.count)) + hostBytes(UInt16(16), flags) + hostBytes(UInt32(7), 4711) + body
        }
    }

    private static let changing: [[UInt32]] = [[1, 0x1a], [2, 0x1a], [3, 0x0e], [4, 0x1a]]

    static let families = [
        Expected(name: "ovs_datapath", id: 1042, version: 2, maximum: 9, operations: changing, group: 1126),
        Expected(name: "ovs_vport", id: 1044, version: 1, maximum: 10, operations: changing, group: 1125),
        Expected(name: "ovs_flow", id: 1045, version: 1, maximum: 11, operations: changing, group: 1127),
        Expected(name: "ovs_packet", id: 1043, version: 1, maximum: 12, operations: [[3, 0x1a]], group: nil),
        Expected(
            name: "ovs_meter", id: 1049, version: 1, maximum: 9,
            operations: [[1, 0x0a], [2, 0x1a], [4, 0x0a], [3, 0x1a]], group: 1131),
        Expected(
            name: "ovs_ct_limit", id: 1048, version: 1, maximum: 1, operations: [[1, 0x1a], [2, 0x1a], [3, 0x0a]],
            group: 1132),
    ]

    @Test(arguments: families) func aFamilyIsFoundByNameAndByNumber(expected: Expected) throws {
        #expect(try answer(byName(expected.name)) == .reply(expected.message()))
        let byID = NetlinkTestClient.familyRequest(attribute(1, hostBytes(expected.id)))
        #expect(try answer(byID) == .reply(expected.message()))
        // A name counts more than a number.
        let both = NetlinkTestClient.familyRequest(
            attribute(1, hostBytes(UInt16(16))) + attribute(2, Array(expected.name.utf8) + [0]))
        #expect(try answer(both) == .reply(expected.message()))
        let other = NetlinkTestClient.familyRequest(
            attribute(1, hostBytes(expected.id)) + attribute(2, Array("nlctrl\0".utf8)))
        #expect(try answer(other) == .kernel)
    }

    @Test func aDumpListsAll() throws {
        let list = Self.families.flatMap { $0.message(flags: 2) }
        #expect(try answer(NetlinkTestClient.familyRequest([], [.request, .dump])) == .list(list))
        // What a dump is asked for besides does not matter.
        #expect(try answer(byName("ovs_flow", [.request, .dump, .ack])) == .list(list))
        #expect(list.count <= 4096)
    }

    @Test func theRestIsTheKernels() throws {
        for name in ["nlctrl", "ovs", "ovs_datapat", "ovs_datapath2", "ovs_win_control", "ovs_win_netdev"] {
            #expect(try answer(byName(name)) == .kernel, "\(name)")
        }
        for id in [UInt16(0), 16, 18, 1023, 1024, 1040, 1041, 1046, 1047, 1050, 0xffff] {
            #expect(try answer(NetlinkTestClient.familyRequest(attribute(1, hostBytes(id)))) == .kernel, "\(id)")
        }
        let name = attribute(2, Array("ovs_flow\0".utf8))
        // No request; another command; one of the two bits of a dump; and what the kernel refuses.
        #expect(try answer(NetlinkTestClient.familyRequest(name, [])) == .kernel)
        #expect(try answer(NetlinkTestClient.familyRequest(name, command: 10)) == .kernel)
        #expect(try answer(NetlinkTestClient.familyRequest(name, [.request, .root])) != .kernel)
        #expect(try answer(NetlinkTestClient.familyRequest([])) == .kernel)
        #expect(try answer(NetlinkTestClient.familyRequest(attribute(2, Array("ovs_flow".utf8)))) == .kernel)
        #expect(try answer(NetlinkTestClient.familyRequest(attribute(1, [0x12]))) == .kernel)
        #expect(try answer(NetlinkTestClient.familyRequest(attribute(2, []))) == .kernel)
        let long = attribute(2, [UInt8](repeating: 0x61, count: 40) + [0])
        #expect(try answer(NetlinkTestClient.familyRequest(long)) == .kernel)
        for length in 16..<20 {
            let short = hostBytes(UInt32(length)) + Array(byName("ovs_flow")[4..<length])
            #expect(try answer(short) == .kernel)
        }
    }
}

@Suite struct NetlinkNumbersTests {
    @Test func numbersGoThereAndBack() {
        for family in NetlinkNumbers.families {
            let type = NetlinkNumbers.type(ofDevice: family.messageType)
            #expect(type.rawValue == family.id + 1024)
            #expect(NetlinkNumbers.family(type) == family)
            #expect(NetlinkNumbers.family(family.messageType) == nil)
        }
        for type in [UInt16(0), 2, 3, 15] {
            #expect(NetlinkNumbers.type(ofDevice: MessageType(rawValue: type)).rawValue == type)
        }
        #expect(NetlinkNumbers.type(ofDevice: MessageType(rawValue: .max)).rawValue == 1023)
        for type in [UInt16(0), 1023, 1024, 1041, 1046, .max] {
            #expect(NetlinkNumbers.family(MessageType(rawValue: type)) == nil)
        }
    }

    @Test func allMessagesOfARunAreTranslated() throws {
        var writer = MessageWriter()
        try writer.append(raw: [9, 9, 9, 9])
        for type in [UInt16(21), 21, 3] {
            let mark = try writer.begin(MessageHeader(type: MessageType(rawValue: type), sequence: 1))
            try writer.append(raw: [1, 2, 3, 4, 5])
            writer.end(message: mark)
        }
        let before = writer.bytes
        NetlinkNumbers.translate(&writer, from: 4)
        var expected = before
        for offset in [8, 32] {
            (expected[offset], expected[offset + 1]) = (hostBytes(UInt16(1045))[0], hostBytes(UInt16(1045))[1])
        }
        #expect(writer.bytes == expected)
        // A length that lies ends the run.
        var lie = MessageWriter()
        try lie.append(raw: hostBytes(UInt32(0)) + [UInt8](repeating: 1, count: 28))
        NetlinkNumbers.translate(&lie, from: 0)
        #expect(lie.bytes == hostBytes(UInt32(0)) + [UInt8](repeating: 1, count: 28))
    }
}
