import ArgumentParser
import HostPorts

/// `martlet monitor`.
struct MonitorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "monitor",
        abstract: "Print what happens in the datapath, one line for each event.",
        discussion: """
            Without --misses, --flows, --ports or --device it prints ports, interfaces, datapaths, flows and packets \
            that no flow matched. --device prints every call that a client makes: which handle, what it asked, what \
            it got; it needs the right to change the datapath.

              martlet monitor
              martlet monitor --ports --timeout 60
              martlet monitor --device --write calls.pcap

            --write keeps the Netlink messages as a capture of link type 253 (Netlink), which tshark and wireshark \
            open: requests are packets to the kernel, answers and events packets to the user.
            """)

    @OptionGroup var client: ClientOptions
    @Flag(help: "Packets that no flow matched, and those that actions sent to a client.")
    var misses = false
    @Flag(help: "Flows made, changed and deleted.")
    var flows = false
    @Flag(help: "Ports, interfaces and datapaths that come, change and go.")
    var ports = false
    @Flag(help: "Every I/O control that a client makes.")
    var device = false
    @Option(help: ArgumentHelp("Write the messages to a capture.", valueName: "file.pcap"))
    var write: String?
    @Option(help: ArgumentHelp("End after so many lines.", valueName: "n"))
    var count: Int?
    @Option(help: ArgumentHelp("End after so long.", valueName: "seconds"))
    var timeout: Double?

    func validate() throws {
        if let count, count < 1 { throw ValidationError("--count must be at least 1.") }
        if let timeout, !(timeout > 0 && timeout <= 1e9) {
            throw ValidationError("--timeout must be more than 0 seconds.")
        }
    }

    /// What is to be printed.
    var topics: Monitor.Topics {
        var topics: Monitor.Topics = []
        if misses { topics.insert(.misses) }
        if flows { topics.insert(.flows) }
        if ports { topics.insert(.ports) }
        if device { topics.insert(.device) }
        return topics.isEmpty ? [.misses, .flows, .ports] : topics
    }

    func run() async throws {
        // The first asks for an end behind a whole line; where nobody takes that line, the second ends it at once.
        let signals = Signals.untilEnd(first: true)
        try client.probe()
        let capture: NetlinkCapture?
        do { capture = try write.map { try NetlinkCapture(path: $0) } } catch let error as CaptureError {
            throw CommandError("cannot write \(error.path)", reason: Host.text(error.number))
        }
        let monitor = try Monitor(
            transport: client.transport, topics: topics, output: DescriptorOutput.standard, json: client.json,
            capture: capture)
        // Where nothing happens for long, this tells that it would be seen.
        try? DescriptorOutput.standardError.writeLine(
            "martlet: watching the datapath at \(client.path); Ctrl-C ends this")
        try await monitor.run(count: count, timeout: timeout.map { .seconds($0) }, signals: signals)
    }
}
