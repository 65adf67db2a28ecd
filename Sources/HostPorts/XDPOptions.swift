import Datapath
import Glibc

/// Which interfaces shall be AF_XDP ports, and who is told what became of them.
public struct XDPOptions: Sendable {
    private let choice: @Sendable (_ name: String) -> XDPChoice
    private let report: @Sendable (XDPOutcome) -> Void

    /// - Parameters:
    ///   - choice: whether an interface of this name shall be one, and how.
    ///   - report: is told of each that shall. Called while the interface is attached.
    public init(
        choice: @escaping @Sendable (_ name: String) -> XDPChoice = { _ in .none },
        report: @escaping @Sendable (XDPOutcome) -> Void = { _ in }
    ) {
        self.choice = choice
        self.report = report
    }

    /// Whether an interface of this name shall be one.
    func wants(_ name: String) -> Bool {
        if case .none = choice(name) { false } else { true }
    }

    /// Makes an AF_XDP port of a packet-socket port, if it shall be one.
    /// - Returns: nil if it is to remain what it is.
    /// - Throws: why it cannot be in the mode that was asked for.
    func attach(_ port: PacketSocketPort, _ link: Link) throws(PortError) -> XDPPort? {
        switch choice(port.name) {
        case .none: return nil
        case .only(let mode):
            let attached = try XDPPort(port, link, mode: mode)
            report(XDPOutcome(name: port.name, mode: mode, queues: attached.sockets.count))
            return attached
        case .best:
            var reasons: [String] = []
            for mode in [XDPMode.zerocopy, .native, .generic] {
                do {
                    let attached = try XDPPort(port, link, mode: mode)
                    // That a driver cannot use the socket's memory is the usual case, and no reason to do anything.
                    let reason = mode == .generic ? reasons.last : nil
                    report(XDPOutcome(name: port.name, mode: mode, queues: attached.sockets.count, reason: reason))
                    return attached
                } catch { reasons.append(error.message) }
            }
            // The reason against native mode is the one that someone can do something about.
            report(XDPOutcome(name: port.name, mode: nil, queues: 0, reason: reasons.dropFirst().first))
            return nil
        }
    }
}
