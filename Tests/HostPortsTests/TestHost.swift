import CLinux
import Foundation
import Glibc
import LinuxSystem
import Synchronization

@testable import Datapath
@testable import HostPorts

/// What the tests of ports need of the host, and the commands they run on it.
enum TestHost {
    struct Unfit: Error, CustomStringConvertible { var description: String }
    struct CommandFailed: Error, CustomStringConvertible { var description: String }

    /// Why the tests cannot run here; nil if they can.
    static let fault: String? = {
        guard geteuid() == 0 else { return "the tests of ports need root" }
        let name = "martlet-\(getpid())-probe"
        guard let result = try? run(["ip", "netns", "add", name]), result.status == 0 else {
            return "the tests of ports need network namespaces (ip netns add failed)"
        }
        _ = try? run(["ip", "netns", "del", name])
        return nil
    }()

    /// In continuous integration a test that cannot run fails; elsewhere it is skipped.
    static let shouldRun = fault == nil || ProcessInfo.processInfo.environment["CI"] != nil

    static func require() throws {
        if let fault { throw Unfit(description: fault) }
    }

    /// Runs a command and waits for it.
    @discardableResult
    static func run(_ arguments: [String]) throws -> (status: Int32, output: String) {
        let command = try Command(arguments)
        return command.finish()
    }

    /// Runs a command that must succeed.
    @discardableResult
    static func check(_ line: String) throws -> String {
        let result = try run(line.split(separator: " ").map(String.init))
        guard result.status == 0 else {
            throw CommandFailed(description: "\(line): status \(result.status): \(result.output)")
        }
        return result.output
    }

    /// Whether one of `count` echo requests is answered. (The usual command is not everywhere.)
    /// - Parameter size: bytes of payload; they are sent in one packet or not at all.
    static func pings(_ address: String, from namespace: TestNamespace, count: Int = 1, size: Int = 56) throws -> Bool {
        let script = """
            import os, select, socket, struct, sys, time
            s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
            s.setsockopt(socket.IPPROTO_IP, 10, 2)
            answered = 0
            for n in range(\(count)):
                body = struct.pack("!HH", os.getpid() & 0xffff, n) + b"p" * \(size)
                words = struct.unpack("!%dH" % (len(body) // 2), body)
                total = 0x0800 + sum(words)
                while total >> 16: total = (total & 0xffff) + (total >> 16)
                try: s.sendto(struct.pack("!BBH", 8, 0, ~total & 0xffff) + body, ("\(address)", 0))
                except OSError as error: print(error)
                end = time.monotonic() + 0.5
                while True:
                    left = end - time.monotonic()
                    if left <= 0 or not select.select([s], [], [], left)[0]: break
                    data = s.recv(65536)
                    if data[20] == 0 and data[24:] == body: answered += 1; break
            print("answered", answered, "of", \(count))
            sys.exit(0 if answered else 1)
            """
        return try run(["ip", "netns", "exec", namespace.name, "python3", "-c", script]).status == 0
    }

    /// Packet and Netlink sockets in the network namespace that this thread has entered.
    static func socketsOfNamespace() throws -> Int {
        try ["packet", "netlink"].reduce(0) { sum, table in
            let text = try String(contentsOfFile: "/proc/thread-self/net/\(table)", encoding: .utf8)
            return sum + text.split(separator: "\n").count - 1
        }
    }

    /// Descriptors of this process that hold BPF programs, or hold them on interfaces.
    static func programDescriptors() throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count {
            // One that is closed meanwhile is none.
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)"))?.contains("bpf") == true
        }
    }

    /// Waits until a condition holds.
    static func eventually(within seconds: Double = 20, _ condition: () throws -> Bool) rethrows -> Bool {
        let end = Date(timeIntervalSinceNow: seconds)
        while true {
            if try condition() { return true }
            if Date() > end { return false }
            usleep(2000)
        }
    }
}

/// A command that runs beside the test.
final class Command: @unchecked Sendable {  // used by one thread at a time
    let process = Process()
    private let pipe = Pipe()

    init(_ arguments: [String], environment: [String: String] = [:]) throws {
        process.executableURL = URL(fileURLWithPath: arguments[0].hasPrefix("/") ? arguments[0] : "/usr/bin/env")
        process.arguments = arguments[0].hasPrefix("/") ? Array(arguments.dropFirst()) : arguments
        var all = ProcessInfo.processInfo.environment
        all["PATH"] = (all["PATH"] ?? "") + ":/usr/sbin:/sbin:/usr/bin:/bin"
        all.merge(environment) { $1 }
        process.environment = all
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
    }

    /// Reads until a line of the output contains `text`, or the output ends.
    func waitFor(_ text: String) -> Bool {
        var seen = ""
        while true {
            let data = pipe.fileHandleForReading.availableData
            if data.isEmpty { return false }
            seen += String(decoding: data, as: UTF8.self)
            if seen.contains(text) { return true }
        }
    }

    func finish() -> (status: Int32, output: String) {
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: data, as: UTF8.self))
    }

    func kill(_ signal: Int32) {
        if process.isRunning { _ = Glibc.kill(process.processIdentifier, signal) }
        process.waitUntilExit()
    }

    deinit { kill(SIGKILL) }
}

/// A network namespace that is removed with the object; the name carries the process ID, and what a process that was
/// killed left behind is removed by the next one.
final class TestNamespace: Sendable {
    let name: String
    private static let counter = Atomic<Int>(0)
    private static let swept: Void = {
        signal(SIGINT) { _ in
            // Not a place for much: the shell does the work of those that are left.
            _ = unsafe system("for n in $(ip netns list | grep -o '^martlet-'$PPID'-[^ ]*'); do ip netns del $n; done")
            _exit(130)
        }
        for line in ((try? TestHost.run(["ip", "netns", "list"]).output) ?? "").split(separator: "\n") {
            let name = line.prefix { $0 != " " }
            let parts = name.split(separator: "-")
            guard parts.count >= 3, parts[0] == "martlet", let process = Int32(parts[1]) else { continue }
            if Glibc.kill(process, 0) != 0 { _ = try? TestHost.run(["ip", "netns", "del", String(name)]) }
        }
    }()

    init() throws {
        Self.swept
        let number = Self.counter.wrappingAdd(1, ordering: .relaxed).newValue
        name = "martlet-\(getpid())-\(number)"
        try TestHost.check("ip netns add \(name)")
        try TestHost.check("ip -n \(name) link set lo up")
        for key in ["all", "default"] {
            // No frames but those of the test.
            _ = try? ip("netns exec \(name) sysctl -qw net.ipv6.conf.\(key).disable_ipv6=1", raw: true)
        }
    }

    deinit { _ = try? TestHost.run(["ip", "netns", "del", name]) }

    /// Runs `ip` on the namespace.
    @discardableResult
    func ip(_ line: String, raw: Bool = false) throws -> String {
        try TestHost.check(raw ? "ip \(line)" : "ip -n \(name) \(line)")
    }

    /// A pair of virtual Ethernet interfaces, one end here and one in `other`, both up.
    func connect(_ here: String, to there: String, in other: TestNamespace) throws {
        try ip("link add \(here) type veth peer name \(there) netns \(other.name)")
        try ip("link set \(here) up")
        try other.ip("link set \(there) up")
    }

    /// Runs `body` inside the namespace, which the threads it starts inherit. The thread goes back afterwards.
    func enter<Result>(_ body: () throws -> Result) throws -> Result {
        let home = Descriptor(
            try Syscall.call("open", "cannot open the namespace") {
                unsafe open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
            })
        try Self.enterOnThisThread(name)
        defer { precondition(clinux_enter_network_namespace(home.raw) == 0) }
        return try body()
    }

    static func enterOnThisThread(_ name: String) throws {
        let file = Descriptor(
            try Syscall.call("open", "cannot open the namespace") {
                unsafe open("/run/netns/\(name)", O_RDONLY | O_CLOEXEC)
            })
        try Syscall.call("setns", "cannot enter the namespace") { clinux_enter_network_namespace(file.raw) }
    }
}
