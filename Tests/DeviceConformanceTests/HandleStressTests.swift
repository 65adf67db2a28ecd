import CDeviceConformance
import Datapath
@testable import Device
import Doors
import Foundation
import LinuxSystem
import OpenvSwitch
import Testing

/// Handles are opened, pended and dropped under load, and what they took is given back.
@Suite(.serialized, .timeLimit(.minutes(20))) struct HandleStressTests {
    /// Handles in all: 3000, or as many as `scripts/handle-stress` asks for.
    private static let wanted = ProcessInfo.processInfo.environment["MARTLET_STRESS_HANDLES"].flatMap { Int($0) }
    /// Handles at a time. With other suites beside it, fewer than Foundation's `Process` bears: when a process has more than
    /// some 1300 descriptors, it may read past the end of the list of them, and crash.
    private static let atOnce = wanted == nil ? 250 : 1000

    /// What a process holds.
    private struct Holdings: CustomStringConvertible {
        let descriptors: Int
        /// Bytes in memory.
        let resident: Int

        init() throws {
            descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
            let pages = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
            resident = Int(pages[1], radix: 10).map { $0 * 4096 } ?? 0
        }

        var description: String { "\(descriptors) descriptors, \(resident >> 10) KiB resident" }
    }

    @Test func handlesLeaveNothingBehind() throws {
        // Both ends of a connection are this process's.
        try #require(DescriptorLimit.raise() > 2 * Self.atOnce + 200, "ulimit -n must allow 2200 descriptors")
        let bed = try ConformanceBed()
        // The first wave takes what is kept for good: memory of the allocator and of the door.
        _ = try wave(bed, Self.atOnce)
        let before = try Holdings()
        var figures = stress_figures()
        let start = ContinuousClock.now
        var left = max((Self.wanted ?? 3000) - Self.atOnce, Self.atOnce)
        while left > 0 {
            let some = try wave(bed, min(left, Self.atOnce))
            figures.opened += some.opened
            figures.completed += some.completed
            figures.cancelled += some.cancelled
            figures.read += some.read
            figures.most = max(figures.most, some.most)
            left -= min(left, Self.atOnce)
        }
        let time = start.duration(to: .now)
        let after = try Holdings()
        #expect(figures.most == Self.atOnce)
        #expect(figures.completed > 0 && figures.cancelled > 0 && figures.read > 0)
        // Other suites of this process open descriptors and take memory of their own. The queues of a wave that were kept
        // would be more than twice as much.
        #expect(after.descriptors < before.descriptors + 50)
        #expect(after.resident < before.resident + 320 << 20)
        guard Self.wanted != nil else { return }
        let seconds = Double(time.components.seconds) + Double(time.components.attoseconds) / 1e18
        print(
            """
            \(figures.opened) handles, \(figures.most) at a time, \(Int(Double(figures.opened) / seconds)) a second
            pended requests: \(figures.completed) completed, \(figures.cancelled) cancelled; \(figures.read) messages read
            before: \(before)
            after:  \(after)
            """)
    }

    /// A wave of handles, and a look at what is left of it.
    private func wave(_ bed: ConformanceBed, _ count: Int) throws -> stress_figures {
        var figures = stress_figures()
        var functions = unsafe bed.functions
        withExtendedLifetime(bed) { unsafe conformance_stress(bed.netlink.path, &functions, count, &figures) }
        #expect(figures.failures == 0)
        #expect(figures.opened == count)
        #expect(isEmpty(bed))
        return figures
    }

    /// Clients that are killed cannot say goodbye.
    @Test func killedProcessesLeaveNothingBehind() throws {
        let bed = try ConformanceBed()
        let before = try Holdings()
        for _ in 0..<3 {
            let client = Process()
            let output = Pipe()
            client.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            client.arguments = ["python3", "-c", Self.client, bed.netlink.path]
            client.standardOutput = output
            try client.run()
            #expect(output.fileHandleForReading.availableData.starts(with: Data("ready".utf8)))
            #expect(bed.device.openHandles == 300)
            #expect(bed.device.registry.hasMembers(.netdev))
            // Events come while it dies.
            for number in 0..<20 {
                if number == 10 { kill(client.processIdentifier, SIGKILL) }
                _ = bed.host.plug("p\(number)")
            }
            client.waitUntilExit()
            #expect(isEmpty(bed))
            for number in 0..<20 { _ = bed.host.unplug("p\(number)") }
        }
        let after = try Holdings()
        #expect(after.descriptors < before.descriptors + 50)
    }

    private static let client = """
        import resource, socket, struct, sys, time
        resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
        handles = []
        for number in range(300):
            s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            s.connect(sys.argv[1])
            s.recv(64)
            for tag, code, data in [(1, 0xAFC86004, (0, 105, 1)), (2, 0xAFC86008, (0,))]:
                s.send(struct.pack("=%dI" % (4 + len(data)), tag, code, 0, 4 * len(data), *data))
            s.recv(64)
            handles.append(s)
        print("ready", flush=True)
        time.sleep(60)
        """

    /// Whether the device is as if nobody had ever come: within a while, as a door learns of the end of a connection later.
    private func isEmpty(_ bed: ConformanceBed) -> Bool {
        let end = Date(timeIntervalSinceNow: 20)
        while true {
            let isEmpty =
                bed.device.openHandles == 0
                && MulticastGroup.all.allSatisfy { !bed.device.registry.hasMembers($0) }
            if isEmpty || Date() > end { return isEmpty }
            usleep(1000)
        }
    }
}
