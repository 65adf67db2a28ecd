import Netlink
import NetlinkSocket
import OpenvSwitch
import Synchronization

/// The names of datapaths by the interface index that messages carry.
final class DatapathNames: Sendable {
    private let socket: TransactionSocket
    private let names = Mutex<[Int32: String]>([:])

    init(_ transport: some DeviceTransport) throws(SocketError) {
        socket = try TransactionSocket(transport)
        refresh()
    }

    /// Port ID of the handle that asks.
    var portID: UInt32 { socket.portID }

    subscript(ifindex: Int32) -> String {
        if let name = names.withLock({ $0[ifindex] }) { return name }
        refresh()
        return names.withLock { $0[ifindex] } ?? "datapath \(ifindex)"
    }

    /// Takes note of a name that a message told.
    func learn(_ name: String, _ ifindex: Int32) { names.withLock { $0[ifindex] = name } }

    private func refresh() {
        _ = try? socket.dump(DatapathMessage(command: Command.get)) { message throws(SocketError) in
            if let datapath = try? DatapathMessage(message), let name = datapath.name {
                learn(name, datapath.datapathIfindex)
            }
        }
    }
}
