import Datapath
import Device
@testable import Doors
import Foundation
import OpenvSwitch
import Testing

extension DoorsTests {
    /// Holds docs/device.md to what the device does.
    @Suite struct DocumentTests {
        private let document: String
        private let lines: [String]

        init() throws {
            let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent()
            document = try String(contentsOf: root.appendingPathComponent("docs/device.md"), encoding: .utf8)
            lines = document.components(separatedBy: "\n")
        }

        private func hex(_ number: UInt32) -> String {
            let digits = String(number, radix: 16)
            return "0x" + String(repeating: "0", count: 8 - digits.count) + digits
        }

        private func hasRow(_ beginning: String) -> Bool { lines.contains { $0.hasPrefix(beginning) } }

        @Test func theExampleListsThePortsOfARealDatapath() throws {
            let parts = document.components(separatedBy: "```python\n")
            try #require(parts.count == 2)
            let script = try #require(parts[1].components(separatedBy: "```").first)
            let bed = try DoorBed()
            let (_, _) = try bed.bridge("eth0", "eth1")
            let client = try PythonClient(script, bed.path, prelude: false)
            #expect(client.text() == "br0\n  port 0: br0\n  port 1: eth0\n  port 2: eth1")
            #expect(client.exitCode == 0)
            #expect(bed.hasHandles(0))
        }

        @Test func everyCodeStatusFamilyAndGroupIsThere() {
            for code in IOControlCode.all + IOControlCode.netlink {
                #expect(hasRow("| `\(hex(code.rawValue))` | \(code.name) |"), "\(code.name)")
            }
            let statuses: [(IOStatus, String)] = [
                (.success, "success"), (.pending, "pending"), (.invalidParameter, "invalidParameter"),
                (.invalidDeviceRequest, "invalidDeviceRequest"), (.accessDenied, "accessDenied"),
                (.bufferTooSmall, "bufferTooSmall"), (.invalidLength, "invalidLength"),
                (.insufficientResources, "insufficientResources"), (.deviceBusy, "deviceBusy"),
                (.cancelled, "cancelled"), (.notFound, "notFound"), (.overflow, "overflow"),
            ]
            for (status, name) in statuses { #expect(hasRow("| `\(hex(status.rawValue))` | \(name) |"), "\(name)") }
            for family in Family.all {
                #expect(hasRow("| `\(family.name)` | \(family.id) | \(family.version) |"), "\(family.name)")
                let row = lines.first { $0.hasPrefix("| `\(family.name)` |") }
                #expect(row?.hasSuffix("| \(family.group?.rawValue ?? 0) |") == true, "\(family.name)")
            }
            for group in MulticastGroup.all {
                #expect(hasRow("| \(group.rawValue) `\(group.name)` |"), "\(group.name)")
            }
        }

        @Test func everyCommandIsThereAndNoOther() {
            let rows = CommandRule.all.map { rule in
                let ways = [(DeviceOperations.transact, "transact"), (.dump, "dump"), (.write, "write")]
                    .filter { rule.operations.contains($0.0) }.map(\.1).joined(separator: ", ")
                return "| `\(rule.family.name)` | \(rule.command) \(rule.name) | \(ways) "
                    + "| \(rule.isRead ? "read" : "change") | \(rule.isOfHandle ? "0" : "any") |"
            }
            for row in rows { #expect(hasRow(row), "\(row)") }
            let documented = lines.filter {
                $0.hasPrefix("| `ovs_") && ($0.hasSuffix("| 0 |") || $0.hasSuffix("| any |"))
            }
            #expect(documented.count == rows.count)
        }

        @Test func theSmallestBuffersAreThoseOfTheDocument() throws {
            let bed = try DoorBed()
            let client = try bed.raw()
            let inputs: [IOControlCode: [UInt8]] = [
                .transact: [UInt8](repeating: 0, count: 24), .dump: [UInt8](repeating: 0, count: 40),
            ]
            var checked = 0
            for code in IOControlCode.all + IOControlCode.netlink {
                let row = try #require(lines.first { $0.hasPrefix("| `\(hex(code.rawValue))`") })
                let least = try #require(Int(row.components(separatedBy: " | ")[4]))
                guard least > 0 else { continue }
                try client.send(1, code, inputs[code] ?? [], capacity: least - 1)
                let short = try #require(try client.answer()).header.result
                #expect(short.status == .invalidLength, "\(code.name)")
                #expect(short.information == UInt32(least), "\(code.name)")
                try client.send(1, code, inputs[code] ?? [], capacity: least)
                let enough = try #require(try client.answer()).header.result
                #expect(enough.status != .invalidLength, "\(code.name)")
                checked += 1
            }
            #expect(checked == 12)
        }

        @Test func thePathAndTheLimitsAreThose() {
            #expect(document.contains("`\(UnixSocketDoor.defaultPath)`"))
            #expect(hasRow("| 24 | 4 | largest input: \(DoorLimits.input) |"))
            #expect(hasRow("| 28 | 4 | largest output: \(DoorLimits.output) |"))
            #expect(hasRow("| 8 | 4 | version of this format: \(DoorGreeting.version) |"))
        }
    }
}
