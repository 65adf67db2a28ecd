import Netlink
public import NetlinkSocket
public import OpenvSwitch

/// News of a datapath's ports and of its host's interfaces, as they happen.
public final class PortWatcher: Sendable {
    /// What has happened.
    public enum Event: Equatable, Sendable {
        /// A port was added, in whichever datapath.
        case portAdded(VportMessage)
        case portChanged(VportMessage)
        case portDeleted(VportMessage)
        case interfaceAdded(NetdevMessage)
        case interfaceChanged(NetdevMessage)
        case interfaceDeleted(NetdevMessage)
        /// So many events were lost: look at ports and interfaces anew.
        case lost(UInt32)
    }

    private let socket: EventSocket

    init(_ transport: some DeviceTransport) throws(SocketError) {
        socket = try EventSocket(transport)
        try socket.join(.vport)
        try socket.join(.netdev)
    }

    /// The next event; waits for it.
    /// - Throws: `device(cancelled)` if the task was cancelled or the watcher closed.
    public func next() async throws(SocketError) -> Event {
        while true {
            do {
                if let event = try Self.event(try await socket.next()) { return event }
            } catch {
                guard case .lost(let count) = error else { throw error }
                return .lost(count)
            }
        }
    }

    /// The oldest event; nil if none waits.
    public func receive() throws(SocketError) -> Event? {
        do {
            while let message = try socket.receive() {
                if let event = try Self.event(message) { return event }
            }
            return nil
        } catch {
            guard case .lost(let count) = error else { throw error }
            return .lost(count)
        }
    }

    public func close() { socket.close() }

    /// Reads an event; nil for one this watcher does not tell of.
    private static func event(_ bytes: [UInt8]) throws(SocketError) -> Event? {
        do throws(NetlinkError) {
            let message = try Message(bytes.rawSpan)
            switch message.header.type {
            case Family.vport.messageType:
                let vport = try VportMessage(message)
                switch vport.command {
                case Command.new: return .portAdded(vport)
                case Command.set: return .portChanged(vport)
                case Command.delete: return .portDeleted(vport)
                default: return nil
                }
            case Family.netdev.messageType:
                let netdev = try NetdevMessage(message)
                switch netdev.command {
                case NetdevCommand.new: return .interfaceAdded(netdev)
                case NetdevCommand.set: return .interfaceChanged(netdev)
                case NetdevCommand.delete: return .interfaceDeleted(netdev)
                default: return nil
                }
            default: return nil
            }
        } catch { throw .malformed(error) }
    }
}
