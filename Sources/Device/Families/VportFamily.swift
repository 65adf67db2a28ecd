import Datapath
import Netlink
import OpenvSwitch

/// Family `ovs_vport`: ports of a datapath come, go and are set.
extension Device {
    func vport(
        _ request: borrowing Request, _ control: SwitchControl, _ output: inout MessageWriter
    ) throws(Refusal) {
        let set = try request.parse(VportMessage.policy)
        switch request.ovs.command {
        case Command.new: try newVport(request, set, control, &output)
        case Command.set: try setVport(request, set, control, &output)
        case Command.delete:
            let (datapath, vport) = try findVport(set, request, control)
            guard vport.number != Datapath.localPort else {
                throw .error(
                    RequestError(Errno.invalid, "port 0 goes only with its datapath: delete \(datapath.name)"))
            }
            let message = vportMessage(vport, of: datapath, command: Command.delete)
            try publish(message, of: .vport, request, &output)
            control.remove(vport, from: datapath)
        default:  // GET
            let (datapath, vport) = try findVport(set, request, control)
            try reply(vportMessage(vport, of: datapath, command: Command.get), request, &output)
        }
    }

    private func newVport(
        _ request: borrowing Request, _ set: AttributeSet, _ control: SwitchControl, _ output: inout MessageWriter
    ) throws(Refusal) {
        guard let name = set.string(VportAttribute.name), let rawType: UInt32 = set.integer(VportAttribute.type),
            let upcalls = set[VportAttribute.upcallPortID]
        else { throw .error(RequestError(Errno.invalid, "a new port needs a name, a type and an upcall port ID")) }
        let type = VportType(rawValue: rawType)
        let ifindex: UInt32? = set.integer(VportAttribute.ifindex)
        guard ifindex == nil || type == .internal else {
            throw .error(RequestError(Errno.notSupported, "only an internal port can be given an interface index"))
        }
        let wanted: UInt32? = set.integer(VportAttribute.portNumber)
        guard wanted ?? 0 < UInt32(FlowKey.noPort) else {
            throw .error(RequestError(Errno.fileTooBig, "the port number \(wanted ?? 0) is not less than 65535"))
        }
        let datapath = try findDatapath(ifindex: request.ovs.datapathIfindex, control)
        let number: UInt16
        do { number = try control.planPortNumber(wanted, in: datapath) } catch { throw .error(error) }
        guard type == .netdev || type == .internal else {
            let text =
                [.gre, .vxlan, .geneve].contains(type)
                ? "tunnel ports are not supported by this datapath yet" : "there is no port type \(rawType)"
            throw .error(RequestError(Errno.addressFamilyNotSupported, text))
        }
        let portIDs = try portIDs(upcalls)
        try request.requireRoomForEcho(Self.vportReplySize(name: name, portIDs: portIDs.count))

        let vport: Vport
        do {
            vport = try control.addVport(
                name: name, type: type, number: number, upcallPortIDs: portIDs,
                ifindex: ifindex.flatMap(Int32.init(exactly:)), to: datapath)
        } catch { throw .error(error) }
        try publish(vportMessage(vport, of: datapath, command: Command.new), of: .vport, request, &output)
    }

    private func setVport(
        _ request: borrowing Request, _ set: AttributeSet, _ control: SwitchControl, _ output: inout MessageWriter
    ) throws(Refusal) {
        let (datapath, vport) = try findVport(set, request, control)
        if let type: UInt32 = set.integer(VportAttribute.type), type != vport.type.rawValue {
            throw .error(RequestError(Errno.invalid, "a port's type cannot be changed"))
        }
        guard !set.contains(VportAttribute.options) else {
            throw .error(RequestError(Errno.notSupported, "this port's type has no options"))
        }
        var newPortIDs: [UInt32]?
        if let attribute = set[VportAttribute.upcallPortID] { newPortIDs = try portIDs(attribute) }
        try request.requireRoomForEcho(
            Self.vportReplySize(name: vport.name, portIDs: (newPortIDs ?? vport.upcallPortIDs).count))
        if let newPortIDs { datapath.setUpcallPortIDs(newPortIDs, of: vport) }
        try publish(vportMessage(vport, of: datapath, command: Command.set), of: .vport, request, &output)
    }

    private func portIDs(_ attribute: Attribute) throws(Refusal) -> [UInt32] {
        do { return try attribute.integers() } catch { throw .error(RequestError(invalid: error)) }
    }

    /// The port that a request names or numbers. A name wins over a number.
    private func findVport(
        _ set: AttributeSet, _ request: borrowing Request, _ control: SwitchControl
    ) throws(Refusal) -> (Datapath, Vport) {
        guard !set.contains(VportAttribute.ifindex) else {
            throw .error(RequestError(Errno.notSupported, "a port is not found by its interface index"))
        }
        let ifindex = request.ovs.datapathIfindex
        if let name = set.string(VportAttribute.name) {
            guard let (datapath, vport) = control.vport(named: name) else {
                throw .error(RequestError(Errno.noDevice, "\(name) is not a port"))
            }
            guard ifindex == 0 || control.datapath(ifindex: ifindex) === datapath else {
                throw .error(RequestError(Errno.noDevice, "\(name) is a port of another datapath"))
            }
            return (datapath, vport)
        }
        guard let wanted: UInt32 = set.integer(VportAttribute.portNumber) else {
            throw .error(RequestError(Errno.invalid, "a port is found by its name or its number"))
        }
        guard let number = UInt16(exactly: wanted), number < FlowKey.noPort else {
            throw .error(RequestError(Errno.fileTooBig, "the port number \(wanted) is not less than 65535"))
        }
        let datapath = try findDatapath(ifindex: ifindex, control)
        guard let vport = datapath.vport(number) else {
            throw .error(RequestError(Errno.noDevice, "\(datapath.name) has no port \(number)"))
        }
        return (datapath, vport)
    }

    /// What the device says of a vport.
    func vportMessage(_ vport: Vport, of datapath: Datapath, command: UInt8) -> VportMessage {
        var message = VportMessage(
            command: command, datapathIfindex: datapath.ifindex, portNumber: UInt32(vport.number), type: vport.type,
            name: vport.name)
        message.ifindex = UInt32(truncatingIfNeeded: vport.device.ifindex)
        message.stats = datapath.statistics(of: vport)
        message.upcallStats = vport.upcallStatistics
        // A client that does not know arrays sees the first.
        let isWhole = datapath.features.contains(.vportPortIDs) || vport.upcallPortIDs.count == 1
        message.upcallPortIDs = isWhole ? vport.upcallPortIDs : Array(vport.upcallPortIDs.prefix(1))
        return message
    }

    /// Bytes of a reply about a vport: the same whatever its numbers are.
    private static func vportReplySize(name: String, portIDs: Int) -> Int {
        // headers, number, type, interface index; name; statistics; upcall statistics; port IDs
        OVSHeader.attributesOffset + 3 * 8 + netlinkAligned(4 + name.utf8.count + 1) + 4 + VportStatistics.size
            + 4 + 2 * 12 + 4 + 4 * portIDs
    }
}
