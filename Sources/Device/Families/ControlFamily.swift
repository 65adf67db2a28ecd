import Datapath
import Netlink
import OpenvSwitch
import Synchronization

/// Family `ovs_win_control`: properties of a handle, and the subscriptions of the older interface.
extension Device {
    /// `socketProperties`: a client says which protocol its socket speaks and verifies its port ID.
    func socketProperties(_ request: borrowing Request, _ output: inout MessageWriter) throws(Refusal) {
        // The rules let no other command come as a transaction.
        let set: AttributeSet
        do { set = try Self.socketPropertiesPolicy.parse(whole: request.attributes) } catch {
            throw .error(RequestError(invalid: error))
        }
        let handle = request.handle
        if let portID: UInt32 = set.integer(ControlAttribute.socketPortID), portID != handle.portID {
            throw .error(RequestError(Errno.invalid, "the handle's port ID is \(handle.portID), not \(portID)"))
        }
        let number: UInt32 = set.integer(ControlAttribute.socketProtocol) ?? 0
        guard [0, SocketProtocol.netfilter, SocketProtocol.generic].contains(number) else {
            let text = "there is no protocol \(number) here, but NETLINK_GENERIC (16) and NETLINK_NETFILTER (12)"
            throw .error(RequestError(Errno.protocolNotSupported, text))
        }
        try request.requireRoom(OVSHeader.attributesOffset + 16)
        let current = handle.state.withLock { state in
            if number != 0 { state.socketProtocol = number }
            return state.socketProtocol
        }
        do throws(NetlinkError) {
            let mark = try output.begin(
                .control, command: ControlCommand.socketProperties, flags: .multi,
                sequence: request.message.header.sequence, portID: handle.portID)
            try output.append(ControlAttribute.socketPortID, handle.portID)
            try output.append(ControlAttribute.socketProtocol, current)
            output.end(message: mark)
        } catch { throw .error(RequestError(error)) }
    }

    // In the Windows interface integers have exactly their size.

    private static let socketPropertiesPolicy = Policy([
        ControlAttribute.socketProtocol: .exactly(4), ControlAttribute.socketPortID: .exactly(4),
    ])

    private static let multicastPolicy = Policy(
        [ControlAttribute.multicastGroup: .exactly(4), ControlAttribute.multicastJoin: .exactly(1)],
        required: [ControlAttribute.multicastGroup, ControlAttribute.multicastJoin])

    private static let packetPolicy = Policy(
        [ControlAttribute.packetSubscribe: .exactly(1), ControlAttribute.packetPortID: .exactly(4)],
        required: [ControlAttribute.packetSubscribe, ControlAttribute.packetPortID])

    /// The control commands that the older interface sends by `write`. The rules have let them through.
    func writeControl(
        _ message: Message, _ command: UInt8, _ handle: Handle, _ completion: (@Sendable (IOStatus) -> Void)?
    ) -> IOResult {
        switch command {
        case ControlCommand.pendRequest: return handle.pend(.event, completion)
        case ControlCommand.pendPacketRequest: return handle.pend(.packet, completion)
        case ControlCommand.multicastSubscribe:
            guard let attributes = try? message.attributes(at: OVSHeader.attributesOffset),
                let set = try? Self.multicastPolicy.parse(whole: attributes),
                let group: UInt32 = set.integer(ControlAttribute.multicastGroup),
                let join: UInt8 = set.integer(ControlAttribute.multicastJoin)
            else { return IOResult(.invalidParameter) }
            return handle.subscribe(
                Subscription(.event, group: MulticastGroup(rawValue: group), join: join != 0))
        case ControlCommand.packetSubscribe:
            guard let attributes = try? message.attributes(at: OVSHeader.attributesOffset),
                let set = try? Self.packetPolicy.parse(whole: attributes),
                let join: UInt8 = set.integer(ControlAttribute.packetSubscribe),
                let portID: UInt32 = set.integer(ControlAttribute.packetPortID), portID == handle.portID
            else { return IOResult(.invalidParameter) }
            return handle.subscribe(Subscription(.packet, join: join != 0))
        default: return IOResult(.invalidParameter)
        }
    }
}

/// Protocols of Netlink that a handle can be told it speaks; nothing depends on it but `Handle.isOfWindowsClient`.
enum SocketProtocol {
    /// `NETLINK_NETFILTER`.
    static let netfilter: UInt32 = 12
    /// `NETLINK_GENERIC`.
    static let generic: UInt32 = 16
}

extension Policy {
    /// Reads attributes of which none may be cut short, and behind which there may be nothing.
    @_lifetime(copy attributes)
    fileprivate func parse(whole attributes: Attributes) throws(NetlinkError) -> AttributeSet {
        var run = attributes
        while let _ = try run.next() {}
        return try parse(attributes)
    }
}
