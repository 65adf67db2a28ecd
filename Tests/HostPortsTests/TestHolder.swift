import Foundation
import Glibc
import LinuxSystem
import Testing

@testable import Datapath
@testable import HostPorts

/// A second process that holds an interface until it is killed: this test program again, with one test.
@Suite struct TestHolder {
    private static let wish = ProcessInfo.processInfo.environment["MARTLET_TEST_HOLD"]

    static var executable: String? { try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") }

    /// The arguments of this process, with the filter for the one test below.
    static var arguments: [String] {
        var arguments = Array(CommandLine.arguments.dropFirst())
        while let index = arguments.firstIndex(where: { $0 == "--filter" || $0 == "--skip" }) {
            arguments.removeSubrange(index..<min(index + 2, arguments.count))
        }
        return arguments + ["--filter", "TestHolder"]
    }

    @Test func hold() throws {
        guard Self.wish != nil else {
            // The first process only needs to know how to start the second.
            #expect(FileManager.default.isExecutableFile(atPath: Self.executable ?? ""))
            return
        }
        let words = (Self.wish ?? "").split(separator: " ").map(String.init)
        try #require(words.count == 2)
        let thread = try PlainThread(name: "holder") {
            do {
                try TestNamespace.enterOnThisThread(words[0])
                let sw = try TestSwitch()
                _ = try sw.openInterface(words[1])
                print("holding \(words[1])")
                fflush(nil)
                withExtendedLifetime(sw) { _ = sleep(60) }
            } catch { print("cannot hold: \(error)") }
        }
        thread.join()
    }
}
