import CDevice
import Device
import Foundation
import OpenvSwitch
import Testing

@testable import Doors

@Suite struct DeviceNumbersTests {
    private let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// With `MARTLET_UPDATE_DOCUMENTS` the header is written anew.
    @Test func theHeaderIsWhatTheDefinitionsSay() throws {
        let place = root.appending(path: "Sources/CDevice/include/martlet/device-numbers.h")
        let text = DeviceNumbers.text
        if ProcessInfo.processInfo.environment["MARTLET_UPDATE_DOCUMENTS"] != nil {
            try text.write(to: place, atomically: true, encoding: .utf8)
        }
        let header = try String(contentsOf: place, encoding: .utf8)
        #expect(header == text, "device-numbers.h is not up to date: run scripts/make-device-numbers")
        let names = DeviceNumbers.sections.flatMap(\.numbers).map(\.name)
        #expect(Set(names).count == names.count)
    }

    /// What the compiler has read from the header.
    @Test func theCompilerReadsTheNumbers() {
        #expect(MARTLET_IOCTL_TRANSACT == IOControlCode.transact.rawValue)
        #expect(MARTLET_IOCTL_PEND == IOControlCode.pend.rawValue)
        #expect(MARTLET_STATUS_OVERFLOW == IOStatus.overflow.rawValue)
        #expect(MARTLET_STATUS_INVALID_LENGTH == IOStatus.invalidLength.rawValue)
        #expect(MARTLET_DEVICE_PATH == UnixSocketDoor.defaultPath)
        #expect(MARTLET_FAMILY_DATAPATH_NAME == OVS_DATAPATH_FAMILY)
        #expect(MARTLET_FAMILY_DATAPATH_VERSION == UInt32(OVS_DATAPATH_VERSION))
        #expect(MARTLET_GROUP_PACKET == MulticastGroup.packet.rawValue)
        #expect(MemoryLayout<martlet_subscription>.size == Subscription.size)
        #expect(MemoryLayout<martlet_cursor>.size == DumpCursor.size)
        #expect(MemoryLayout<martlet_message>.size == 24)
    }

    /// The families that the kernel has too have its names and versions.
    @Test func familiesAreTheKernels() {
        let kernel: [(Family, String, Int32)] = [
            (.datapath, OVS_DATAPATH_FAMILY, OVS_DATAPATH_VERSION), (.vport, OVS_VPORT_FAMILY, OVS_VPORT_VERSION),
            (.flow, OVS_FLOW_FAMILY, OVS_FLOW_VERSION), (.packet, OVS_PACKET_FAMILY, OVS_PACKET_VERSION),
            (.meter, OVS_METER_FAMILY, OVS_METER_VERSION), (.ctLimit, OVS_CT_LIMIT_FAMILY, OVS_CT_LIMIT_VERSION),
        ]
        for (family, name, version) in kernel {
            #expect(family.name == name)
            #expect(Int32(family.version) == version)
        }
        #expect(Family.all.count == kernel.count + 2)  // control, netdev
    }

    @Test func standardNumbersAreTheKernels() {
        for number in StandardNumbers.all {
            #expect(number.value == number.standard, "\(number.swift)")
        }
    }

    /// Whatever number the sources declare has a line in the header, or is compared with the kernel's.
    @Test func noNumberIsLeftOut() throws {
        let listed = Set(DeviceNumbers.sections.flatMap(\.numbers).map(\.swift)).subtracting([""])
        let standard = Set(StandardNumbers.all.map(\.swift))
        #expect(listed.isDisjoint(with: standard))
        let declared = try Set(declarations())
        #expect(declared.count > 250, "the declarations are not found any more")
        let known = listed.union(standard).union(StandardNumbers.newer)
        #expect(declared.subtracting(known) == [], "these have no line in DeviceNumbers.swift or StandardNumbers.swift")
        // What stands in the lists is there: the search sees all that it is made for.
        #expect(known.subtracting(declared).filter { !$0.hasPrefix("Door") && !$0.hasPrefix("UnixSocket") } == [])
    }

    /// `Type.name` of every constant with a number in the vocabulary's interface types.
    private func declarations() throws -> [String] {
        let types = Set(
            (DeviceNumbers.sections.flatMap(\.numbers).map(\.swift) + StandardNumbers.all.map(\.swift)
                + StandardNumbers.newer).compactMap { $0.split(separator: ".").first.map(String.init) })
        // No numbers of the interface: lists, and the highest of those that are listed.
        let others: Set = ["all", "netlink", "maximum", "start"]
        let sources = root.appending(path: "Sources/OpenvSwitch")
        var found: [String] = []
        for name in try FileManager.default.contentsOfDirectory(atPath: sources.path()).sorted() {
            guard name.hasSuffix(".swift") else { continue }
            let text = try String(contentsOf: sources.appending(path: name), encoding: .utf8)
            var type: String?
            for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
                if let match = line.firstMatch(of: /^(?:public )?(?:enum|struct|extension) (\w+)/) {
                    type = String(match.1)
                }
                guard let type, types.contains(type),
                    let match = line.firstMatch(of: /^    (?:public static let|case) `?(\w+)`?(?:: \w+)? =/),
                    !others.contains(String(match.1))
                else { continue }
                found.append("\(type).\(match.1)")
            }
        }
        return found
    }

    /// A type of numbers in one of the two files that has no list is new.
    @Test func noTypeIsLeftOut() throws {
        let listed = Set(
            (DeviceNumbers.sections.flatMap(\.numbers).map(\.swift) + StandardNumbers.all.map(\.swift)
                + StandardNumbers.newer).compactMap { $0.split(separator: ".").first.map(String.init) })
        for file in ["Commands", "IOControl", "Family", "AttributeTypes"] {
            let text = try String(
                contentsOf: root.appending(path: "Sources/OpenvSwitch/\(file).swift"), encoding: .utf8)
            for match in text.matches(of: /(?m)^public (?:enum|struct) (\w+)/) {
                #expect(listed.contains(String(match.1)), "\(file).swift: \(match.1) is in no list")
            }
        }
    }
}
