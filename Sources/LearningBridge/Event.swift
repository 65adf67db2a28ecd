public import NetlinkSocket

extension LearningBridge {
    /// What a bridge tells of while it runs. A MAC address is a 48-bit number in wire order.
    public enum Event: Equatable, Sendable {
        /// The bridge serves a port: one it has attached, or one it found.
        case portAttached(name: String, number: UInt16)
        case portDetached(name: String, number: UInt16)
        /// An interface that the pattern names could not be attached.
        case attachFailed(name: String, SocketError)
        case addressLearned(mac: UInt64, vlan: UInt16, port: UInt16)
        case addressMoved(mac: UInt64, vlan: UInt16, from: UInt16, to: UInt16)
        /// An address was forgotten because it was silent.
        case addressAged(mac: UInt64, vlan: UInt16, port: UInt16)
        case upcallsLost(UInt32)
        /// Ports and interfaces are read anew.
        case eventsLost(UInt32)
        /// The datapath refused to install, change or delete a flow, or to execute a packet.
        case operationFailed(SocketError)
    }

    /// An address that the bridge has learned.
    public struct LearnedAddress: Equatable, Sendable {
        /// 48-bit number in wire order.
        public var mac: UInt64
        /// The VLAN ID; 0 for frames without a tag.
        public var vlan: UInt16
        public var port: UInt16
        /// Time since a packet came from it, as far as the bridge has looked.
        public var age: Duration
    }
}

/// Why a bridge could not start, or had to stop.
public enum LearningBridgeError: Error, Equatable, Sendable {
    /// An interface named in the configuration is not there or cannot become a port.
    case cannotAttach(name: String, SocketError)
    /// The datapath is gone.
    case datapathDeleted(name: String)
    case alreadyRunning
}

extension LearningBridgeError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .cannotAttach(let name, let error): "cannot attach \(name): \(error)"
        case .datapathDeleted(let name): "the datapath \(name) has been deleted"
        case .alreadyRunning: "the bridge is running already"
        }
    }
}
