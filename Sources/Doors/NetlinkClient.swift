import Device

/// A client's Netlink socket that has been bound: its handle, and the connections that share it. Belongs to the door's
/// thread.
final class NetlinkClient {
    let endpoint: NetlinkEndpoint
    let handle: Handle
    /// The user that bound it.
    let user: UInt32
    /// Those that have bound it: a process and its forked children, which have the same socket.
    var connections: [DoorConnection] = []

    init(endpoint: NetlinkEndpoint, handle: Handle, user: UInt32) {
        self.endpoint = endpoint
        self.handle = handle
        self.user = user
    }
}

/// What a connection of the Unix-socket door is to the Netlink door.
enum NetlinkBinding {
    /// It has not asked for the door.
    case none
    /// It has a nonce; the port ID is that of the socket from which the nonce came, once it has.
    case opened(NetlinkNonce, portID: UInt32?)
    /// Its Netlink socket is known.
    case bound(NetlinkClient)
}
