import CDeviceConformance
import Device
import Foundation
import Testing

/// A rule of docs/device.md.
struct Rule: CustomTestStringConvertible, Sendable {
    let index: Int

    var topic: String { unsafe String(cString: conformance_rule_topic(index)) }
    var words: String { unsafe String(cString: conformance_rule_name(index)) }
    var testDescription: String { "\(topic): \(words)" }

    /// The rules that can be checked here: only root can be somebody who may only read.
    static let all: [Rule] = (0..<conformance_rule_count()).map(Rule.init).filter { rule in
        getuid() == 0 || conformance_rule_needs(rule.index) & UInt32(CONFORMANCE_NEEDS_READING) == 0
    }

    private var isOfLegacyDevice: Bool { conformance_rule_needs(index) & UInt32(CONFORMANCE_NEEDS_LEGACY) != 0 }

    /// Checks the rule on a bed of its own, and records every failure.
    func check(_ transport: (ConformanceBed.Ways) -> conformance_transport) throws {
        let bed = try ConformanceBed()
        var (transport, functions) = unsafe (transport(isOfLegacyDevice ? bed.legacy : bed.netlink), bed.functions)
        let failures = Failures()
        // The pointers are used during the call.
        let expectations = withExtendedLifetime((bed, failures)) {
            unsafe conformance_check(
                index, &transport, &functions, { unsafe Failures.add($0, $1) },
                Unmanaged.passUnretained(failures).toOpaque())
        }
        for text in failures.texts { Issue.record(Comment(rawValue: text)) }
        // Each rule looks at something more than that nothing is left behind.
        #expect(expectations > 2)
    }
}

/// What a rule has reported.
private final class Failures {
    var texts: [String] = []

    static func add(_ context: UnsafeMutableRawPointer?, _ text: UnsafePointer<CChar>?) {
        guard let context = unsafe context, let text = unsafe text else { return }
        unsafe Unmanaged<Failures>.fromOpaque(context).takeUnretainedValue().texts.append(String(cString: text))
    }
}

/// Every rule on every way to the device.
@Suite(.serialized, .timeLimit(.minutes(3))) struct ConformanceTests {
    @Test(arguments: Rule.all) func inProcess(_ rule: Rule) throws {
        unsafe try rule.check { ways in unsafe ways.inProcess.functions }
    }

    @Test(arguments: Rule.all) func overTheUnixSocket(_ rule: Rule) throws {
        unsafe try rule.check { ways in unsafe ways.socket }
    }

    @Test(arguments: Rule.all) func throughTheCLibrary(_ rule: Rule) throws {
        unsafe try rule.check { ways in unsafe ways.library }
    }
}
