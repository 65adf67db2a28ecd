import ArgumentParser

/// `martlet run`.
struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run the datapath in the foreground, empty, for other programs to control.",
        discussion: """
            It ends with SIGINT or SIGTERM; interfaces are then as they were before. A service manager that sets \
            NOTIFY_SOCKET is told when clients can connect.

              martlet run --group netdev
              martlet run --socket /tmp/martlet.sock --open-reading
            """)

    @OptionGroup var options: DaemonOptions

    func run() async throws {
        let signals = Signals.untilEnd()
        let output = DescriptorOutput.standard
        let doorOptions = try options.doorOptions()
        let path = Host.socketPath(options.socket)
        let legacyPath = try options.legacyPath(beside: path)
        let daemon = try Daemon(workers: options.workers, xdp: options.xdpOptions())
        defer { daemon.stop() }
        try daemon.openDoor(path: path, legacyPath: legacyPath, options: doorOptions)
        // Without a reader of its line the datapath is as useful.
        try? output.writeLine("martlet: the datapath listens at \(path)")
        if let legacyPath { try? output.writeLine("martlet: statistics without Netlink are at \(legacyPath)") }
        ServiceManager.notify("READY=1\nSTATUS=listening at \(path)")
        for await _ in signals { break }
        ServiceManager.notify("STOPPING=1")
    }
}
