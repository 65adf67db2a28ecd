import Foundation
import Glibc
import HostPorts
import Netlink
import Testing

@testable import martlet

/// The program itself, as a process.
@Suite(.timeLimit(.minutes(2)), .serialized) struct ProgramTests {
    /// The program, which is built into the directory of these tests.
    private static let path = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
        .appending(path: "martlet").path
    private static let isRoot = geteuid() == 0 && FileManager.default.fileExists(atPath: "/dev/net/tun")

    private struct Outcome {
        var status: Int32
        var output: String
        var errors: String
    }

    private func run(
        _ arguments: [String], shell: String? = nil, environment: [String: String] = [:]
    ) throws -> Outcome {
        let process = Process()
        process.executableURL = URL(filePath: shell == nil ? Self.path : "/bin/sh")
        process.arguments = shell.map { ["-c", $0, "sh", Self.path] + arguments } ?? arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        let text = output.fileHandleForReading.readDataToEndOfFile()
        let words = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Outcome(
            status: process.terminationStatus, output: String(decoding: text, as: UTF8.self),
            errors: String(decoding: words, as: UTF8.self))
    }

    private func temporarySocket() -> String { "/tmp/martlet-\(UUID().uuidString.prefix(8)).sock" }

    @Test func tellsItsVersion() throws {
        #expect(try run(["version"]).output == "martlet \(Martlet.version)\n")
        #expect(try run(["--version"]).output == "\(Martlet.version)\n")
        #expect(try run(["version", "--json"]).output == "{\"version\":\"\(Martlet.version)\"}\n")
    }

    @Test func exitsWith64WhereItDoesNotUnderstand() throws {
        let outcome = try run(["dpctl", "frob"])
        #expect(outcome.status == 64 && outcome.output.isEmpty && outcome.errors.contains("frob"))
    }

    @Test(arguments: [["dpctl", "show"], ["dpctl", "add-dp", "br0"], ["monitor"]])
    func saysThatNoDatapathRuns(arguments: [String]) throws {
        let path = temporarySocket()
        for outcome in [
            try run(arguments + ["--socket", path]), try run(arguments, environment: ["MARTLET_SOCKET": path]),
        ] {
            #expect(outcome.status == 1 && outcome.output.isEmpty)
            #expect(outcome.errors.hasPrefix("martlet: no datapath is running at \(path)"), "\(outcome.errors)")
        }
    }

    @Test func endsQuietlyWhenNobodyReads() throws {
        let outcome = try run([], shell: #""$1" version | { exec 0<&-; sleep 0.2; }"#)
        #expect(outcome.errors.isEmpty, "\(outcome.errors)")
        let full = try run([], shell: #""$1" version > /dev/full"#)
        #expect(full.status == 1)
        #expect(full.errors == "martlet: writing the output failed (No space left on device)\n")
        let piped = try run([], shell: #"{ sleep 0.3; "$1" version; echo $? >&2; } | exec true"#)
        #expect(piped.errors == "0\n")
    }

    @Test func parsesCaptures() throws {
        let path = "/tmp/martlet-\(UUID().uuidString.prefix(8)).pcap"
        defer { try? FileManager.default.removeItem(atPath: path) }
        var writer = PcapWriter()
        writer.append(frame().rawSpan, time: 0)
        try PcapFile.save(writer.bytes, to: path)
        let outcome = try run(["parse-pcap", path])
        #expect(outcome.status == 0 && outcome.errors.isEmpty)
        #expect(outcome.output.hasPrefix("eth(src=50:54:00:00:00:09,dst=50:54:00:00:00:0a),eth_type(0x0800),ipv4("))
        for (file, words) in [("/nonexistent", "No such file or directory"), ("/tmp", "Is a directory")] {
            let failed = try run(["parse-pcap", file])
            #expect(failed.status == 1 && failed.output.isEmpty)
            #expect(failed.errors == "martlet: reading \(file) failed (\(words))\n")
        }
        #expect(try run(["parse-pcap"]).status == 64)
    }

    @Test func attachBecomesTheProgram() throws {
        // Any library that can be loaded will do: the program need not do anything with it.
        let library = try #require(
            ["/lib/x86_64-linux-gnu/libm.so.6", "/lib/aarch64-linux-gnu/libm.so.6"].first {
                FileManager.default.fileExists(atPath: $0)
            })
        let resolved = URL(filePath: library).resolvingSymlinksInPath().path
        func attach(_ arguments: String...) throws -> Outcome {
            try run(
                ["attach", "--library", library, "--socket", "/tmp/x y.sock"] + arguments,
                environment: ["LD_PRELOAD": ""])
        }
        let script = #"printf '%s|' "$LD_PRELOAD" "$MARTLET_SOCKET" "$0" "$@"; exit 7"#
        let outcome = try attach("--", "sh", "-c", script, "a", "--socket", "b c")
        #expect(outcome.output == "\(resolved)|/tmp/x y.sock|a|--socket|b c|")
        #expect(outcome.status == 7 && outcome.errors.isEmpty, "\(outcome.errors)")
        // It takes signals, whatever the threads of this process do with them.
        let signals = try attach("sed", "-En", "s/^Sig(Blk|Ign):.//p", "/proc/self/status").output
        let (blocked, ignored) = try #require(
            signals.wholeMatch(of: /(\w+)\n(\w+)\n/).map { (UInt64($0.1, radix: 16), UInt64($0.2, radix: 16)) })
        #expect(blocked == 0)
        #expect(ignored.map { $0 & 1 << UInt64(SIGPIPE - 1) } == 0)
        let missing = try attach("--", "no-such-program")
        #expect(missing.status == 127)
        #expect(
            missing.errors
                == "martlet: running no-such-program failed (No such file or directory): there is no such program in $PATH\n"
        )
        let notExecutable = try attach("/etc/passwd")
        #expect(notExecutable.status == 126)
        #expect(notExecutable.errors == "martlet: running /etc/passwd failed (Permission denied)\n")
        #expect(
            try attach("--env").output == """
                export LD_PRELOAD='\(resolved)'
                export MARTLET_SOCKET='/tmp/x y.sock'

                """)
    }

    @Test(.enabled(if: isRoot)) func runsAsADatapath() throws {
        let path = temporarySocket()
        // In a network namespace of its own, with tools that talk to it, and a service manager.
        let notify = "/tmp/martlet-\(UUID().uuidString.prefix(8)).notify"
        defer { try? FileManager.default.removeItem(atPath: notify) }
        let manager = try DatagramReceiver(notify)
        let script = """
            exec unshare -n sh -c '
                ip link add e0 type veth peer name e1
                "$1" run --workers 1 & run=$!
                n=0; until [ -S "$MARTLET_SOCKET" ] || [ $n -gt 100 ]; do n=$((n+1)); sleep 0.1; done
                "$1" dpctl add-dp br0 e0 vi0,type=internal && "$1" dpctl show | grep -v lookups
                "$1" dpctl add-if br0 e9; echo "add-if $?"
                "$1" run; echo "second $?"
                kill -TERM $run; wait $run; echo "run $?"
                ip -o link show up | grep -c e0
                ip -o link show | grep -cE "br0|vi0"
                [ -e "$MARTLET_SOCKET" ] && echo left
                exit 0' sh "$1"
            """
        let outcome = try run([], shell: script, environment: ["MARTLET_SOCKET": path, "NOTIFY_SOCKET": notify])
        #expect(
            outcome.output == """
                martlet: the datapath listens at \(path)
                system@br0:
                  flows: 0
                  masks: hit:0 total:0 hit/pkt:0.00
                  caches:
                    masks-cache: size:256
                  port 0: br0 (internal)
                  port 1: e0
                  port 2: vi0 (internal)
                add-if 1
                second 1
                run 0
                1
                0

                """)
        #expect(
            outcome.errors.contains("martlet: adding e9 to br0 failed (No such device): there is no interface e9\n"))
        #expect(outcome.errors.contains("martlet: another process"))
        #expect(manager.receive() == ["READY=1\nSTATUS=listening at \(path)", "STOPPING=1"])
    }

    @Test(.enabled(if: isRoot)) func runsAsASwitch() throws {
        let script = """
            exec unshare -n sh -c '
                ip link add e0 type veth peer name e1
                "$1" up sw0 e0 e99; echo "up $?"
                ip -o link show | grep -c sw0
                "$1" up sw0 e0 --match "t[0-9]" & up=$!
                n=0; until [ -S "$MARTLET_SOCKET" ] || [ $n -gt 100 ]; do n=$((n+1)); sleep 0.1; done
                sleep 0.5
                ip link add t5 type veth peer name x5; sleep 0.5
                "$1" dpctl show | grep port
                ip link del t5; sleep 0.5
                kill -INT $up; wait $up; echo "up $?"
                ip -o link show | grep -c sw0
                ip -o link show up | grep -c e0
                exit 0' sh "$1"
            """
        let outcome = try run([], shell: script, environment: ["MARTLET_SOCKET": temporarySocket()])
        #expect(
            outcome.output == """
                sw0: port 0: sw0 attached
                sw0: port 1: e0 attached
                up 1
                0
                sw0: port 0: sw0 attached
                sw0: port 1: e0 attached
                sw0: port 2: t5 attached
                  port 0: sw0 (internal)
                  port 1: e0
                  port 2: t5
                sw0: port 2: t5 detached
                up 0
                0
                0

                """)
        #expect(outcome.errors.hasPrefix("martlet: attaching e99 failed (No such device): there is no interface e99\n"))
        #expect(outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
    }

    @Test func notifiesOnlyWhereItCan() throws {
        #expect(!ServiceManager.notify("READY=1", socket: "relative"))
        #expect(!ServiceManager.notify("READY=1", socket: ""))
        #expect(!ServiceManager.notify("READY=1", socket: "/" + String(repeating: "x", count: 200)))
        #expect(!ServiceManager.notify("READY=1", socket: "/nonexistent/notify"))
        let name = "/tmp/martlet-\(UUID().uuidString.prefix(8)).notify"
        defer { try? FileManager.default.removeItem(atPath: name) }
        let receiver = try DatagramReceiver(name)
        #expect(ServiceManager.notify("READY=1", socket: name))
        #expect(receiver.receive() == ["READY=1"])
        let abstract = "@martlet-\(UUID().uuidString.prefix(8))"
        let other = try DatagramReceiver(abstract)
        #expect(ServiceManager.notify("STOPPING=1", socket: abstract))
        #expect(other.receive() == ["STOPPING=1"])
    }
}

/// A Unix datagram socket that receives texts.
private final class DatagramReceiver {
    private let descriptor: Int32

    /// - Parameter name: a path, or behind a `@` an abstract name.
    init(_ name: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(name.utf8)
        if bytes.first == UInt8(ascii: "@") { bytes[0] = 0 }
        try #require(bytes.count < MemoryLayout.size(ofValue: address.sun_path))
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        let length = socklen_t(2 + bytes.count)
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe bind(descriptor, $0, length) }
        }
        try #require(result == 0)
    }

    deinit { close(descriptor) }

    /// All texts that have come.
    func receive() -> [String] {
        var texts: [String] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = unsafe recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            guard count >= 0 else { return texts }
            texts.append(String(decoding: buffer.prefix(count), as: UTF8.self))
        }
    }
}
