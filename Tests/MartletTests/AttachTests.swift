import Foundation
import Testing

@testable import martlet

@Suite struct AttachTests {
    @Test func theLibraryComesInFrontOfOthers() {
        func preload(_ before: String?) -> String {
            AttachEnvironment(library: "/l.so", socket: "/s", preloaded: before).variables[0].value
        }
        #expect(preload(nil) == "/l.so")
        #expect(preload("") == "/l.so")
        #expect(preload("/a.so") == "/l.so:/a.so")
        #expect(preload("/a.so /b.so::/c.so") == "/l.so:/a.so:/b.so:/c.so")
        // Attaching what is attached already changes nothing.
        #expect(preload("/l.so:/a.so") == "/l.so:/a.so")
        #expect(preload("/a.so:/l.so") == "/l.so:/a.so")
    }

    /// What a shell makes of a line is what was meant, whatever is in it.
    @Test(arguments: [
        "/run/martlet/device.sock", "a b", "it's", "''", "$HOME `id` $(id)", "back\\slash", "\"", "new\nline", "*", "",
        "-n", "ü",
    ])
    func shellsReadBackWhatWasWritten(text: String) throws {
        let environment = AttachEnvironment(library: "/l.so", socket: text, preloaded: nil)
        #expect(environment.shellLines.count == 2)
        let process = Process()
        process.executableURL = URL(filePath: "/bin/sh")
        let script =
            environment.shellLines.joined(separator: "\n") + "\nprintf '%s,%s' \"$LD_PRELOAD\" \"$MARTLET_SOCKET\""
        process.arguments = ["-c", script]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let bytes = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        #expect(String(decoding: bytes, as: UTF8.self) == "/l.so,\(text)")
    }

    @Test func whereThereIsNoLibraryItSaysSo() throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "martlet \(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let missing = #expect(throws: CommandError.self) { _ = try AttachLibrary.find("/nonexistent/l.so") }
        #expect(missing?.description == "loading /nonexistent/l.so failed (No such file or directory)")
        #expect(missing?.status == 1)
        // The loader would take the space for the end of the path.
        let library = directory.appending(path: "l.so")
        try Data().write(to: library)
        let unnameable = #expect(throws: CommandError.self) { _ = try AttachLibrary.find(library.path) }
        #expect(unnameable?.advice == "its path must have neither space nor colon")
        let link = FileManager.default.temporaryDirectory.appending(path: "\(UUID().uuidString).so")
        try FileManager.default.createSymbolicLink(atPath: link.path, withDestinationPath: "/proc/self/exe")
        defer { try? FileManager.default.removeItem(at: link) }
        #expect(try AttachLibrary.find(link.path).hasSuffix(".xctest"))
    }
}
