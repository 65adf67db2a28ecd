/// How an interface's frames reach an AF_XDP socket.
public enum XDPMode: String, Sendable, CaseIterable {
    /// The driver runs the program before it makes a packet of a frame, and the frame is copied to the socket.
    case native
    /// The host runs the program on packets it has made already. Works with any interface, and saves least.
    case generic
    /// As native, but the driver receives into the socket's memory and transmits from it.
    case zerocopy
}

/// Whether an interface shall be an AF_XDP port.
public enum XDPChoice: Equatable, Sendable {
    /// A packet socket.
    case none
    /// The best mode that works; a packet socket if none does.
    case best
    /// This mode, or the interface does not become a port.
    case only(XDPMode)
}

/// What became of an interface for which AF_XDP was asked.
public struct XDPOutcome: Equatable, Sendable {
    /// The interface.
    public var name: String
    /// The mode it is in; nil if it is a packet socket.
    public var mode: XDPMode?
    /// Number of receive queues that have an AF_XDP socket.
    public var queues: Int
    /// Why there is no better mode, a sentence without its end; nil where the best one works or one was asked for.
    public var reason: String?

    public init(name: String, mode: XDPMode?, queues: Int, reason: String? = nil) {
        self.name = name
        self.mode = mode
        self.queues = queues
        self.reason = reason
    }
}
