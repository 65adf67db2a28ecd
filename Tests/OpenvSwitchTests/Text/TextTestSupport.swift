import Foundation
import OpenvSwitch

/// A small generator with a seed, so that every run of a test sees the same values.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

/// The rows of a file made by `scripts/make-text-fixtures`, cut into columns.
func fixture(_ name: String, file: String = #filePath) throws -> [[String]] {
    let directory = URL(fileURLWithPath: file).deletingLastPathComponent().deletingLastPathComponent()
    let url = directory.appendingPathComponent("Fixtures").appendingPathComponent(name)
    let lines = try String(contentsOf: url, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false)
    return lines.filter { !$0.hasPrefix("#") }.dropLast().map { line in
        line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
    }
}

/// The bytes of a column: hexadecimal, `-` for an attribute that is absent, `.` for one that is empty.
func bytes(_ column: String) -> [UInt8]? {
    if column == "-" { return nil }
    let digits = Array(column.utf8)
    return stride(from: 0, to: digits.count - 1, by: 2).map { index in
        UInt8(String(decoding: digits[index...index + 1], as: UTF8.self), radix: 16) ?? 0
    }
}

func hex(_ bytes: [UInt8]) -> String { bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }

/// The ports that the tool saw when the fixtures were made.
func portName(_ number: UInt32) -> String? { number == 0 ? "ovs-system" : number < 10 ? "port\(number)" : nil }
func portNumber(_ name: String) -> UInt32? { (0..<10).first { portName($0) == name } }

func printKey(_ key: [UInt8], _ mask: [UInt8]?, verbose: Bool, names: Bool = false) -> String {
    let name: ((UInt32) -> String?)? = names ? { portName($0) } : nil
    // The views live no longer than the arrays they look at.
    let keyBytes = unsafe key.span.bytes
    if let mask {
        let maskBytes = unsafe mask.span.bytes
        return FlowText.key(keyBytes, mask: maskBytes, verbose: verbose, portName: name)
    }
    return FlowText.key(keyBytes, mask: nil, verbose: verbose, portName: name)
}

func printActions(_ actions: [UInt8], names: Bool = false) -> String {
    let name: ((UInt32) -> String?)? = names ? { portName($0) } : nil
    let actionBytes = unsafe actions.span.bytes
    return ActionText.actions(actionBytes, portName: name)
}
