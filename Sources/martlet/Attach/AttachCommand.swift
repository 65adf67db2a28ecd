import ArgumentParser
import Glibc

/// `martlet attach`.
struct AttachCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "attach",
        abstract: "Run a program of Open vSwitch on this datapath instead of the kernel's.",
        discussion: """
            The program is an ordinary one, such as ovs-vswitchd or ovs-dpctl. A library that is loaded into it takes \
            what it would say to the kernel's datapath to Martlet.

              martlet attach -- ovs-dpctl show
              martlet attach -- /usr/share/openvswitch/scripts/ovs-ctl start

            For all programs that a shell starts from then on:

              eval "$(martlet attach --env)"

            The exit status is the program's; 127 if there is no such program, 126 if it cannot be run.
            """)

    @Option(
        help: ArgumentHelp(
            "The datapath's socket.",
            discussion: "Without it $MARTLET_SOCKET counts, and without that \(Host.defaultSocket).",
            valueName: "path"))
    var socket: String?
    @Option(
        help: ArgumentHelp(
            "The library to load.",
            discussion: "Without it \(AttachLibrary.fileName) is looked for beside martlet and in ../lib.",
            valueName: "path"))
    var library: String?
    @Flag(name: .customLong("env"), help: "Print the environment that a program needs, as commands for a shell.")
    var printsEnvironment = false
    @Argument(
        parsing: .captureForPassthrough, help: ArgumentHelp("The program, and its arguments.", valueName: "command"))
    var command: [String] = []

    /// The command line of the program.
    var program: [String] { command.first == "--" ? Array(command.dropFirst()) : command }

    func validate() throws {
        // What stands in front of the program is ours; all behind its name is the program's.
        if ["-h", "--help"].contains(command.first) { throw CleanExit.helpRequest(self) }
        if let option = command.first, option.hasPrefix("-"), option != "--" {
            throw ValidationError("Unknown option '\(option)'")
        }
        if printsEnvironment, !program.isEmpty {
            throw ValidationError("--env takes no command: it prints, and runs nothing.")
        }
        if !printsEnvironment, program.isEmpty { throw ValidationError("There is no command to run.") }
    }

    func run() throws {
        let library = try AttachLibrary.find(library)
        let environment = AttachEnvironment(
            library: library, socket: Host.absolutePath(Host.socketPath(socket)),
            preloaded: Host.environment(AttachEnvironment.preload))
        guard !printsEnvironment else {
            for line in environment.shellLines { try DescriptorOutput.standard.writeLine(line) }
            return
        }
        for (name, value) in environment.variables { Host.setEnvironment(name, value) }
        throw Self.failure(of: program[0], Host.replaceProcess(with: program))
    }

    /// Why a program could not be run.
    private static func failure(of program: String, _ error: HostError) -> CommandError {
        let isMissing = error.number == ENOENT
        var failure = CommandError("running \(program) failed", reason: Host.text(error.number))
        if isMissing, !program.contains("/") { failure.advice = "there is no such program in $PATH" }
        failure.status = isMissing ? 127 : 126
        return failure
    }
}
