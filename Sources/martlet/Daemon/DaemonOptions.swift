import ArgumentParser
import Doors
import HostPorts

/// The options of a process that holds the datapath.
struct DaemonOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Where clients connect.",
            discussion: "Without it $MARTLET_SOCKET counts, and without that \(Host.defaultSocket).",
            valueName: "path"))
    var socket: String?

    @Option(
        help: ArgumentHelp(
            "Where clients read statistics without Netlink.",
            discussion: """
                Without it \(LegacyDoor.defaultPath) if the datapath's socket is \(Host.defaultSocket), and nowhere \
                otherwise.
                """,
            valueName: "path"))
    var legacySocket: String?

    @Flag(help: "Do not serve statistics without Netlink.")
    var noLegacySocket = false

    @Option(help: ArgumentHelp("Members of this group may change the datapath too.", valueName: "name"))
    var group: String?

    @Flag(help: "Let everybody read the datapath.")
    var openReading = false

    @Option(help: ArgumentHelp("Threads that forward packets.", valueName: "n"))
    var workers: Int?

    @Option(
        name: .customLong("xdp"),
        help: ArgumentHelp(
            "Take an interface's frames through AF_XDP; may be given several times.",
            discussion: """
                The interface may be a pattern as for martlet up --match; the first that matches a port counts. The mode \
                is native, generic or zerocopy, and an interface that cannot do it is refused. Without a mode it is the \
                best that works; a line says which.
                """,
            valueName: "interface[=mode]"))
    var xdp: [XDPRule] = []

    /// At most as many as the switch has counters for.
    static let maximumWorkers = 60

    func validate() throws {
        if let workers, !(1...Self.maximumWorkers).contains(workers) {
            throw ValidationError("--workers must be 1 to \(Self.maximumWorkers).")
        }
        guard legacySocket == nil || !noLegacySocket else {
            throw ValidationError("--legacy-socket and --no-legacy-socket do not go together.")
        }
    }

    /// Which interfaces shall be AF_XDP ports; what becomes of them is printed.
    func xdpOptions(json: Bool = false) -> XDPOptions {
        guard !xdp.isEmpty else { return XDPOptions() }
        let lines = XDPLines(json: json)
        return XDPOptions(
            choice: { [xdp] name in XDPRule.choice(for: name, of: xdp) },
            report: { try? DescriptorOutput.standard.writeLine(lines.line($0)) })
    }

    /// Where the legacy device is to be served beside a datapath at `path`; nil for nowhere.
    func legacyPath(beside path: String) throws(CommandError) -> String? {
        if noLegacySocket { return nil }
        guard let legacySocket else { return path == Host.defaultSocket ? LegacyDoor.defaultPath : nil }
        guard Host.absolutePath(legacySocket) != Host.absolutePath(path) else {
            throw CommandError(
                "\(legacySocket) is the datapath's own socket", advice: "choose another path for --legacy-socket")
        }
        return legacySocket
    }

    func doorOptions() throws(CommandError) -> UnixSocketDoor.Options {
        guard let group else { return .init(openForReading: openReading) }
        guard let number = Host.group(group) else {
            throw CommandError("there is no group \(group)", advice: "groupadd \(group) makes one")
        }
        return .init(group: number, openForReading: openReading)
    }
}
