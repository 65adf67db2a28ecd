import OpenvSwitch

/// Why a door cannot be opened or reached, in words for people.
public struct DoorError: Error, Equatable, Sendable {
    public enum Reason: Sendable {
        /// The path is empty, longer than a socket's address holds, or something that is no socket is there.
        case badPath
        /// Another process serves the path.
        case inUse
        /// No process serves the path.
        case notRunning
        /// This process may not.
        case accessDenied
        /// The device, or the system, has no room for another handle.
        case insufficientResources
        /// What serves the path does not speak as a door does.
        case notADoor
        /// The system refused a call.
        case system
    }

    public var reason: Reason
    public var message: String

    public init(_ reason: Reason, _ message: String) {
        self.reason = reason
        self.message = message
    }

    /// The status that says the same in one word.
    var status: IOStatus {
        switch reason {
        case .badPath: .invalidParameter
        case .inUse: .deviceBusy
        case .notRunning, .system: .notFound
        case .accessDenied: .accessDenied
        case .insufficientResources: .insufficientResources
        case .notADoor: .invalidDeviceRequest
        }
    }

    static func badPath(_ path: String) -> DoorError {
        let most = UnixSocketAddress.maximumLength
        return DoorError(.badPath, "\"\(path)\" cannot be the path of a socket: it must have 1 to \(most) bytes")
    }
}

extension DoorError: CustomStringConvertible {
    public var description: String { message }
}
