import ArgumentParser
import HostPorts
import LearningBridge

/// What `--xdp` says: interfaces, and the mode they shall have.
struct XDPRule: ExpressibleByArgument, Equatable {
    var interfaces: NamePattern
    /// `best` or a mode.
    var choice: XDPChoice

    /// - Parameter argument: `PATTERN` or `PATTERN=MODE`.
    init?(argument: String) {
        // An interface's name may have an equals sign; a mode has none.
        let end = argument.lastIndex(of: "=") ?? argument.endIndex
        let name = String(argument[..<end])
        guard !name.isEmpty else { return nil }
        interfaces = NamePattern(name)
        guard end < argument.endIndex else {
            choice = .best
            return
        }
        guard let mode = XDPMode(rawValue: String(argument[argument.index(after: end)...])) else { return nil }
        choice = .only(mode)
    }

    /// What the first rule that matches says of an interface.
    static func choice(for name: String, of rules: [XDPRule]) -> XDPChoice {
        rules.first { $0.interfaces.matches(name) }?.choice ?? .none
    }
}

/// What is printed of an interface for which AF_XDP was asked.
struct XDPLines: Sendable {
    let json: Bool

    func line(_ outcome: XDPOutcome) -> String {
        guard json else {
            guard let mode = outcome.mode else {
                return "martlet: \(outcome.name) is a packet socket and no AF_XDP port: \(outcome.reason ?? "")"
            }
            let queues = outcome.queues == 1 ? "1 queue" : "\(outcome.queues) queues"
            let reason = outcome.reason.map { "; it is not native because \($0)" } ?? ""
            return "martlet: \(outcome.name) is an AF_XDP port: \(mode.rawValue), \(queues)\(reason)"
        }
        var document: [String: JSON] = [
            "event": .string("xdp"), "port": .string(outcome.name),
            "mode": outcome.mode.map { .string($0.rawValue) } ?? .null,
            "queues": .integer(UInt64(clamping: outcome.queues)),
        ]
        document["reason"] = outcome.reason.map { .string($0) }
        return JSON.object(document).text
    }
}
