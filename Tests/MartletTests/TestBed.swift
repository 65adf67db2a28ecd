import Datapath
import Device
import NetlinkSocket
import Synchronization

@testable import martlet

/// A switch in memory, a device in front of it, and the tools against it. Needs no privilege.
final class TestBed: Sendable {
    let host = MemoryPorts()
    let device: Device
    private let sw: Switch

    init() {
        sw = Switch(provider: host)
        device = Device(sw)
        host.attach(to: sw)
    }

    deinit {
        sw.shutDown()
        host.detach()
    }

    /// What a command printed.
    struct Result {
        /// What the command answered; nil if it threw.
        var isWhole: Bool?
        /// The words of the error that it threw.
        var error: String?
        var output: String
        var errors: String
    }

    /// Runs a command and catches what it prints.
    func run(_ options: DPCtl.Options = .init(), _ body: (DPCtl) throws -> Bool) -> Result {
        let output = MemoryOutput()
        let errors = MemoryOutput()
        var tool = DPCtl(transport: device, output: output, errors: errors)
        tool.options = options
        tool.host = DPCtl.HostView(now: { [host] in host.now }, counters: { _, _ in nil }, bringUp: { _ in 0 })
        do {
            let isWhole = try body(tool)
            return Result(isWhole: isWhole, output: output.text, errors: errors.text)
        } catch { return Result(error: "\(error)", output: output.text, errors: errors.text) }
    }

    /// Runs a command that stops at its first error.
    func run(_ options: DPCtl.Options = .init(), _ body: (DPCtl) throws -> Void) -> Result {
        run(options) { (tool: DPCtl) -> Bool in
            try body(tool)
            return true
        }
    }
}

/// Text kept in memory.
final class MemoryOutput: TextOutput {
    private let kept = Mutex("")

    func write(_ text: String) throws(OutputClosed) { kept.withLock { $0 += text } }

    var text: String { kept.withLock { $0 } }
    var lines: [String] { text.split(separator: "\n").map(String.init) }
}

/// An Ethernet frame with an IPv4 header in it that is good enough to be a key.
func frame(source: UInt8 = 9, destination: UInt8 = 10, length: Int = 98) -> [UInt8] {
    var frame: [UInt8] = [0x50, 0x54, 0, 0, 0, destination, 0x50, 0x54, 0, 0, 0, source, 0x08, 0x00]
    frame += [0x45, 0, 0, UInt8(length - 14), 0, 0, 0, 0, 64, 253, 0, 0, 10, 0, 0, source, 10, 0, 0, destination]
    frame += [UInt8](repeating: 0, count: max(length - frame.count, 0))
    return frame
}
