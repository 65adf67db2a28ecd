import ArgumentParser
import Doors
import NetlinkSocket

/// How a tool reaches the datapath.
struct ClientOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The datapath's socket.",
            discussion: "Without it $MARTLET_SOCKET counts, and without that \(Host.defaultSocket).",
            valueName: "path"))
    var socket: String?

    @Flag(help: "Print JSON: one document in one line.")
    var json = false

    /// Where the datapath's socket is.
    var path: String { Host.socketPath(socket) }

    /// The way to the datapath.
    var transport: any DeviceTransport { UnixSocketTransport(path: path) }

    /// Connects and leaves again, so that a datapath that cannot be reached is told of in words.
    func probe() throws(CommandError) {
        do { try UnixSocketTransport(path: path).probe() } catch {
            throw CommandError(error.message)
        }
    }
}
