import Datapath
import Netlink
import OpenvSwitch

/// Family `ovs_win_netdev`: the interfaces of the host.
extension Device {
    func netdev(
        _ request: borrowing Request, _ control: SwitchControl, _ interfaces: [HostInterface],
        _ output: inout MessageWriter
    ) throws(Refusal) {
        guard request.ovs.command == NetdevCommand.get else {
            throw .error(RequestError(Errno.notSupported, "ovs_win_netdev has no command \(request.ovs.command)"))
        }
        let set = try request.parse(NetdevMessage.policy)
        guard let name = set.string(NetdevAttribute.name) else {
            throw .error(RequestError(Errno.invalid, "an interface is found by its name"))
        }
        guard let interface = interfaces.first(where: { $0.name == name }) else {
            throw .error(RequestError(Errno.noDevice, "there is no interface \(name)"))
        }
        try reply(netdevMessage(interface, NetdevCommand.get, control), request, &output)
    }

    /// The event that news of an interface is.
    func netdevEvent(_ event: HostInterfaceEvent, _ control: SwitchControl) -> NetdevMessage {
        let (command, interface, former): (UInt8, HostInterface, HostInterface?) =
            switch event {
            case .added(let interface): (NetdevCommand.new, interface, nil)
            case .changed(let interface, let former): (NetdevCommand.set, interface, former)
            case .removed(let interface): (NetdevCommand.delete, interface, nil)
            }
        var message = netdevMessage(interface, command, control)
        message.changes = InterfaceChanges(event)
        if let former, former.name != interface.name { message.formerName = former.name }
        return message
    }

    /// What the device says of an interface, and of the vport it is.
    func netdevMessage(_ interface: HostInterface, _ command: UInt8, _ control: SwitchControl) -> NetdevMessage {
        var message = NetdevMessage(command: command, name: interface.name)
        message.ifindex = UInt32(truncatingIfNeeded: interface.ifindex)
        message.mac = interface.mac
        message.mtu = interface.mtu
        var flags: InterfaceFlags = []
        if interface.isUp { flags.insert(.up) }
        if interface.hasCarrier { flags.insert(.carrier) }
        if interface.isEthernet { flags.insert(.ethernet) }
        if let (_, vport) = control.vport(named: interface.name) {
            message.portNumber = UInt32(vport.number)
            message.type = vport.type
            if vport.type == .netdev { flags.insert(.promiscuous) }
        }
        message.flags = flags
        return message
    }
}

extension InterfaceChanges {
    /// What news of an interface tells of. One that comes, and one that goes, does so with its link.
    init(_ event: HostInterfaceEvent) {
        self = []
        switch event {
        case .added(let interface):
            insert(.created)
            if interface.isUp { insert(.connected) }
            if interface.hasCarrier { insert(.linkUp) }
        case .removed(let interface):
            insert(.deleted)
            if interface.isUp { insert(.disconnected) }
            if interface.hasCarrier { insert(.linkDown) }
        case .changed(let interface, let former):
            if interface.isUp != former.isUp { insert(interface.isUp ? .connected : .disconnected) }
            if interface.hasCarrier != former.hasCarrier { insert(interface.hasCarrier ? .linkUp : .linkDown) }
            if interface.mac != former.mac { insert(.macAddress) }
            if interface.mtu != former.mtu { insert(.mtu) }
            if interface.name != former.name { insert(.renamed) }
        }
    }
}
