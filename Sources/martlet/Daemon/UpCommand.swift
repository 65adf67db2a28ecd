import ArgumentParser
import DPIF
import Device
import LearningBridge
import NetlinkSocket
import OpenvSwitch
import Synchronization

/// `martlet up`.
struct UpCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "up",
        abstract: "Run a learning switch: datapath and controller in one process.",
        discussion: """
            The switch gets an interface of its own name, which is its port on the host: give it an address to be \
            part of the network. It ends with SIGINT or SIGTERM; interfaces are then as they were before.

              martlet up br0 eth1 eth2
              martlet up br0 eth1 --match 'vnet*'
              ip addr add 192.0.2.1/24 dev br0

            While it runs, martlet dpctl and martlet monitor look into it.
            """)

    @Argument(help: "The switch's name.")
    var bridge: String
    @Argument(help: "Interfaces to attach; each must be there.")
    var ports: [String] = []
    @Option(
        name: .customLong("match"),
        help: ArgumentHelp(
            "Attach interfaces whose names match as they come: * any text, ? any character, [a-z] one of a set.",
            valueName: "pattern"))
    var pattern: String?
    @Option(help: ArgumentHelp("How long a silent address is remembered.", valueName: "seconds"))
    var age: Double = 300
    @Option(help: ArgumentHelp("How long a flow is kept that no packet hits.", valueName: "seconds"))
    var idle: Double = 10
    @Flag(help: "Do not let other programs in.")
    var noSocket = false
    @Flag(help: "Print JSON: one document in one line for each event.")
    var json = false
    @OptionGroup var options: DaemonOptions

    func validate() throws {
        for (name, value) in [("--age", age), ("--idle", idle)] where !(value > 0 && value <= 1e9) {
            throw ValidationError("\(name) must be more than 0 seconds.")
        }
        guard !noSocket || options.legacySocket == nil else {
            throw ValidationError("--no-socket and --legacy-socket do not go together.")
        }
    }

    func run() async throws {
        let signals = Signals.untilEnd()
        let doorOptions = try options.doorOptions()
        let path = Host.socketPath(options.socket)
        let legacyPath = try options.legacyPath(beside: path)
        let daemon = try Daemon(workers: options.workers, xdp: options.xdpOptions(json: json))
        let raised = RaisedInterfaces()
        defer {
            raised.lower()
            daemon.stop()
        }
        let datapath: NetlinkDPIF
        do { datapath = try NetlinkDPIF.create(bridge, over: daemon.device) } catch {
            throw CommandError("making the datapath \(bridge) failed", error)
        }
        if !noSocket { try daemon.openDoor(path: path, legacyPath: legacyPath, options: doorOptions) }

        var configuration = LearningBridge.Configuration(ports: ports, pattern: pattern.map { NamePattern($0) })
        configuration.ageingTime = .seconds(age)
        configuration.flowIdleTime = .seconds(idle)
        let lines = BridgeLines(bridge: bridge, json: json)
        let learning = LearningBridge(datapath: datapath, configuration: configuration) { event in
            if case .portAttached(let name, _) = event { raised.raise(name) }
            // A line that nobody reads is no reason to stop forwarding.
            if let line = lines.line(event) { try? DescriptorOutput.standard.writeLine(line) }
        }
        ServiceManager.notify("READY=1\nSTATUS=switch \(bridge)")
        defer { ServiceManager.notify("STOPPING=1") }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                do { try await learning.run() } catch let error as LearningBridgeError {
                    throw Self.words(error)
                } catch let error as SocketError { throw CommandError("the switch \(bridge) has stopped", error) }
            }
            group.addTask { for await _ in signals { break } }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    static func words(_ error: LearningBridgeError) -> CommandError {
        switch error {
        case .cannotAttach(let name, let error): CommandError("attaching \(name) failed", error)
        default: CommandError("\(error)")
        }
    }
}

/// What `martlet up` prints of a bridge.
struct BridgeLines: Sendable {
    let bridge: String
    let json: Bool

    /// The line of an event; nil for one that is not told.
    func line(_ event: LearningBridge.Event) -> String? {
        switch event {
        case .portAttached(let name, let number):
            json ? port("attached", name, number) : "\(bridge): port \(number): \(name) attached"
        case .portDetached(let name, let number):
            json ? port("detached", name, number) : "\(bridge): port \(number): \(name) detached"
        case .attachFailed(let name, let error): problem("attaching \(name) failed", error)
        case .operationFailed(let error): problem("an operation failed", error)
        case .upcallsLost(let count): lost("packets", count)
        case .eventsLost(let count): lost("events", count)
        case .addressLearned, .addressMoved, .addressAged: nil
        }
    }

    private func port(_ event: String, _ name: String, _ number: UInt16) -> String {
        JSON.object([
            "event": .string(event), "datapath": .string(bridge), "port": .string(name), "number": .number(number),
        ]).text
    }

    private func problem(_ what: String, _ error: SocketError) -> String {
        let words = CommandError(what, error).description
        return json
            ? JSON.object(["event": "failed", "datapath": .string(bridge), "message": .string(words)]).text
            : "\(bridge): \(words)"
    }

    private func lost(_ what: String, _ count: UInt32) -> String {
        guard json else { return "\(bridge): lost \(count) \(what)" }
        return JSON.object([
            "event": "lost", "datapath": .string(bridge), "what": .string(what), "count": .number(count),
        ]).text
    }
}

/// Interfaces that were down and have been brought up, to be put down in the end.
private final class RaisedInterfaces: Sendable {
    private let names = Mutex<Set<String>>([])

    func raise(_ name: String) {
        guard (try? Host.setUp(name, true)) == false else { return }
        names.withLock { _ = $0.insert(name) }
    }

    func lower() {
        for name in names.withLock({ $0 }) { _ = try? Host.setUp(name, false) }
    }
}
