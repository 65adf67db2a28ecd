import Datapath
import Netlink
import OpenvSwitch
import Synchronization

/// Family `ovs_win_control`: properties of a handle, and the subscriptions of the older interface.
extension Device {
    /// `socketProperties`: a client says which protocol its socket speaks and verifies its port ID.
    func socketProperties(_ request: borrowing Request, _ output: inout MessageWriter) throws(Refusal) {
        guard request.ovs.command == ControlCommand.socketProperties else {
            throw .error(RequestError(Errno.notSupported, "this control command is not a transaction"))
        }
        let set = try request.parse(Self.socketPropertiesPolicy)
        let handle = request.handle
        if let portID: UInt32 = set.integer(ControlAttribute.socketPortID), portID != handle.portID {
            throw .error(RequestError(Errno.invalid, "the handle's port ID is \(handle.portID), not \(portID)"))
        }
        let number: UInt32 = set.integer(ControlAttribute.socketProtocol) ?? 0
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

    private static let socketPropertiesPolicy = Policy([
        ControlAttribute.socketProtocol: .u32, ControlAttribute.socketPortID: .u32,
    ])

    private static let subscribePolicy = Policy([
        ControlAttribute.multicastGroup: .u32, ControlAttribute.multicastJoin: .u8,
        ControlAttribute.packetSubscribe: .u8, ControlAttribute.packetPortID: .u32,
    ])

    /// The control commands that the older interface sends by `write`.
    func writeControl(
        _ message: Message, _ command: UInt8, _ handle: Handle, _ completion: (@Sendable (IOStatus) -> Void)?
    ) -> IOResult {
        switch command {
        case ControlCommand.pendRequest: return handle.pend(.event, completion)
        case ControlCommand.pendPacketRequest: return handle.pend(.packet, completion)
        case ControlCommand.multicastSubscribe:
            guard let set = try? Self.subscribePolicy.parse(message.attributes(at: OVSHeader.attributesOffset)),
                let group: UInt32 = set.integer(ControlAttribute.multicastGroup),
                let join: UInt8 = set.integer(ControlAttribute.multicastJoin)
            else { return IOResult(.invalidParameter) }
            return handle.subscribe(
                Subscription(.event, group: MulticastGroup(rawValue: group), join: join != 0))
        case ControlCommand.packetSubscribe:
            guard let set = try? Self.subscribePolicy.parse(message.attributes(at: OVSHeader.attributesOffset)),
                let join: UInt8 = set.integer(ControlAttribute.packetSubscribe),
                let portID: UInt32 = set.integer(ControlAttribute.packetPortID), portID == handle.portID
            else { return IOResult(.invalidParameter) }
            guard handle.access == .change else { return IOResult(.accessDenied) }
            return handle.subscribe(Subscription(.packet, join: join != 0))
        default: return IOResult(.invalidParameter)
        }
    }
}
