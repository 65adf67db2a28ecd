import DPIF
import NetlinkSocket
import OpenvSwitch

/// The commands of `martlet dpctl`: those of `ovs-dpctl`, with its output.
///
/// Each command is a method that takes the command's arguments as they were given. A command that can go on after an
/// error says so on the error output and goes on; it answers false in the end.
struct DPCtl: Sendable {
    let transport: any DeviceTransport
    let output: any TextOutput
    let errors: any TextOutput
    var options = Options()
    var host = HostView()

    struct Options: Sendable {
        /// `-s`.
        var statistics = false
        /// `-m`.
        var more = false
        /// `--names`, `--no-names`; nil: as `more` says.
        var names: Bool?
        /// `--clear`.
        var clear = false
        /// `--may-create`.
        var mayCreate = false
        var json = false

        var printsNames: Bool { names ?? more }
    }

    /// What a command asks of the host, beside the datapath.
    struct HostView: Sendable {
        /// Milliseconds of the datapath's monotonic clock.
        var now: @Sendable () -> UInt64 = { Host.monotonicMilliseconds }
        var counters: @Sendable (String, UInt32) -> Host.InterfaceCounters? = {
            Host.counters($0, ifindex: $1)
        }
        /// Brings an interface up.
        /// - Returns: an error number, or 0.
        var bringUp: @Sendable (String) -> Int32 = { name in
            do throws(HostError) {
                try Host.setUp(name, true)
                return 0
            } catch { return error.number }
        }
    }

    // MARK: Finding datapaths

    /// A datapath's name without the type in front of it.
    static func name(_ argument: String) throws(CommandError) -> String {
        guard let at = argument.firstIndex(of: "@") else { return argument }
        let type = argument[..<at]
        guard type == "system" else {
            throw CommandError(
                "there are no datapaths of type \(type)", advice: "give the name alone, or system@NAME")
        }
        return String(argument[argument.index(after: at)...])
    }

    /// Opens the datapath that an argument names.
    func open(_ argument: String) throws(CommandError) -> NetlinkDPIF {
        let name = try Self.name(argument)
        do { return try NetlinkDPIF.open(name, over: transport) } catch {
            throw CommandError("opening datapath \(argument) failed", error)
        }
    }

    /// Opens the datapath that an argument names, or the only one if there is none.
    func openOnly(_ argument: String?) throws(CommandError) -> NetlinkDPIF {
        if let argument { return try open(argument) }
        let names = try datapaths().compactMap(\.name)
        guard let name = names.first else {
            throw CommandError("no datapaths exist", advice: "martlet dpctl add-dp makes one")
        }
        guard names.count == 1 else {
            throw CommandError("multiple datapaths, specify one", advice: names.joined(separator: ", "))
        }
        return try open(name)
    }

    func datapaths() throws(CommandError) -> [DatapathMessage] {
        do { return try NetlinkDPIF.datapaths(over: transport) } catch {
            throw CommandError("listing the datapaths failed", error)
        }
    }

    /// Ports by number and by name.
    struct PortNames {
        private(set) var names: [UInt32: String] = [:]
        private(set) var numbers: [String: UInt32] = [:]

        init(_ ports: [VportMessage]) {
            for port in ports {
                guard let number = port.portNumber, let name = port.name else { continue }
                names[number] = name
                numbers[name] = number
            }
        }
    }

    func portNames(_ dpif: NetlinkDPIF) throws(CommandError) -> PortNames {
        PortNames(try ports(dpif))
    }

    /// All ports by number.
    func ports(_ dpif: NetlinkDPIF) throws(CommandError) -> [VportMessage] {
        do { return try dpif.ports().sorted { $0.portNumber ?? 0 < $1.portNumber ?? 0 } } catch {
            throw CommandError("listing the ports of \(dpif.name) failed", error)
        }
    }

    /// Says on the error output what went wrong.
    func complain(_ error: CommandError) throws(OutputClosed) { try errors.writeLine("martlet: \(error)") }

    /// Tells of something done, where a JSON document is asked for; otherwise it is done in silence.
    func confirm(_ members: [String: JSON]) throws(OutputClosed) {
        if options.json { try output.writeLine(.object(members)) }
    }
}
