import ArgumentParser
import Glibc

/// The command line.
@main
struct Martlet: AsyncParsableCommand {
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "martlet",
        abstract: "An Open vSwitch datapath that needs no kernel module.",
        discussion: """
            A learning switch over two interfaces and every virtual machine's that comes:

              martlet up br0 eth1 eth2 --match 'vnet*'

            A datapath for other programs, and a look at it:

              martlet run &
              martlet dpctl add-dp br0 eth1 eth2
              martlet dpctl show -s
              martlet monitor

            Completions for the shell: martlet --generate-completion-script bash (zsh, fish).
            """,
        version: version,
        subcommands: [
            RunCommand.self, UpCommand.self, DPCtlCommand.self, MonitorCommand.self, AttachCommand.self,
            ParsePcapCommand.self, VersionCommand.self,
        ])

    static func main() async {
        // A reader that goes away is an error of the write, and not the end of a datapath.
        _ = signal(SIGPIPE, SIG_IGN)
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch let error as CommandError {
            try? DescriptorOutput.standardError.writeLine("martlet: \(error)")
            Glibc.exit(error.status)
        } catch is CommandFailed {
            Glibc.exit(1)
        } catch let error as OutputClosed {
            guard error.number != EPIPE else { Glibc.exit(0) }
            let words = CommandError("writing the output failed", reason: Host.text(error.number))
            try? DescriptorOutput.standardError.writeLine("martlet: \(words)")
            Glibc.exit(1)
        } catch {
            exit(withError: error)
        }
    }
}

/// `martlet version`.
struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "version", abstract: "Print the version.")
    @Flag(help: "Print JSON: one document in one line.")
    var json = false

    func run() throws {
        let output = DescriptorOutput.standard
        try json
            ? output.writeLine(.object(["version": .string(Martlet.version)]))
            : output.writeLine("martlet \(Martlet.version)")
    }
}
