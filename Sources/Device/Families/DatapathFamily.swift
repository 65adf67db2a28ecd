import Datapath
import Netlink
import OpenvSwitch

/// Family `ovs_datapath`: datapaths come, go and are set.
extension Device {
    func datapath(
        _ request: borrowing Request, _ control: SwitchControl, _ output: inout MessageWriter
    ) throws(Refusal) {
        let set = try request.parse(DatapathMessage.policy)
        switch request.ovs.command {
        case Command.new: try newDatapath(request, set, control, &output)
        case Command.set: try setDatapath(request, set, control, &output)
        case Command.delete:
            let datapath = try findDatapath(set, request, control)
            try publish(datapathMessage(datapath, command: Command.delete), of: .datapath, request, &output)
            control.remove(datapath)
        default:  // GET
            let datapath = try findDatapath(set, request, control)
            try reply(datapathMessage(datapath, command: Command.get), request, &output)
        }
    }

    private func newDatapath(
        _ request: borrowing Request, _ set: AttributeSet, _ control: SwitchControl, _ output: inout MessageWriter
    ) throws(Refusal) {
        guard let name = set.string(DatapathAttribute.name) else {
            throw .error(RequestError(Errno.invalid, "a new datapath needs a name"))
        }
        guard let upcalls = set[DatapathAttribute.upcallPortID] else {
            throw .error(RequestError(Errno.invalid, "a new datapath needs an upcall port ID (0 for none)"))
        }
        let portIDs: [UInt32]
        do { portIDs = try upcalls.integers() } catch { throw .error(RequestError(invalid: error)) }
        let settings = try DatapathSettings(set, request.handle)
        // The reply of a datapath that does not exist yet: its numbers take the same room whatever they are.
        var measure = DatapathMessage(command: Command.new, name: name)
        measure.stats = DatapathStatistics()
        measure.megaflowStats = MegaflowStatistics()
        measure.userFeatures = settings.features
        measure.masksCacheSize = 0
        measure.perCPUPortIDs = settings.perCPUPortIDs
        try request.requireRoomForEcho(size(of: measure))

        if let existing = control.datapath(named: name), request.message.genericVersion < 2 {
            // A client from before features: it must not get those that another one has set.
            existing.setFeatures([])
        }
        let datapath: Datapath
        do {
            datapath = try control.makeDatapath(
                name: name, upcallPortIDs: portIDs, ifindex: set.integer(DatapathAttribute.ifindex))
        } catch { throw .error(error) }
        settings.apply(to: datapath)
        try publish(datapathMessage(datapath, command: Command.new), of: .datapath, request, &output)
    }

    private func setDatapath(
        _ request: borrowing Request, _ set: AttributeSet, _ control: SwitchControl, _ output: inout MessageWriter
    ) throws(Refusal) {
        let datapath = try findDatapath(set, request, control)
        let settings = try DatapathSettings(set, request.handle)
        var measure = datapathMessage(datapath, command: Command.set)
        measure.perCPUPortIDs = settings.perCPUPortIDs ?? datapath.perCPUPortIDs
        try request.requireRoomForEcho(size(of: measure))
        settings.apply(to: datapath)
        try publish(datapathMessage(datapath, command: Command.set), of: .datapath, request, &output)
    }

    /// The datapath that a request names, or whose LOCAL port it gives.
    private func findDatapath(
        _ set: AttributeSet, _ request: borrowing Request, _ control: SwitchControl
    ) throws(Refusal) -> Datapath {
        if let name = set.string(DatapathAttribute.name) {
            guard let datapath = control.datapath(named: name) else {
                throw .error(RequestError(Errno.noDevice, "there is no datapath \(name)"))
            }
            return datapath
        }
        return try findDatapath(ifindex: request.ovs.datapathIfindex, control)
    }

    func findDatapath(ifindex: Int32, _ control: SwitchControl) throws(Refusal) -> Datapath {
        guard let datapath = control.datapath(ifindex: ifindex) else {
            throw .error(RequestError(Errno.noDevice, "there is no datapath with the interface index \(ifindex)"))
        }
        return datapath
    }

    /// What the device says of a datapath.
    func datapathMessage(_ datapath: Datapath, command: UInt8) -> DatapathMessage {
        var message = DatapathMessage(command: command, datapathIfindex: datapath.ifindex, name: datapath.name)
        message.stats = datapath.statistics
        message.megaflowStats = datapath.megaflowStatistics
        message.userFeatures = datapath.features
        message.masksCacheSize = datapath.maskCacheSize
        if datapath.features.contains(.dispatchUpcallPerCPU) { message.perCPUPortIDs = datapath.perCPUPortIDs }
        return message
    }
}

/// What a NEW or SET of a datapath asks for, checked as a whole before any of it is applied.
private struct DatapathSettings {
    /// A request without features sets them to none.
    let features: UserFeatures
    let maskCacheSize: UInt32?
    let perCPUPortIDs: [UInt32]?

    init(_ set: borrowing AttributeSet, _ handle: Handle) throws(Refusal) {
        features = UserFeatures(rawValue: set.integer(DatapathAttribute.userFeatures) ?? 0)
        let unknown = features.subtracting(Datapath.supportedFeatures)
        guard unknown.isEmpty else {
            let text = "the features 0x\(String(unknown.rawValue, radix: 16)) are not supported"
            throw .error(RequestError(Errno.notSupported, text))
        }
        // It offers that to every datapath, and would then receive nothing.
        guard !features.contains(.dispatchUpcallPerCPU) || !handle.isOfWindowsClient else {
            let text = "a client of the Windows interface (SOCK_PROP) receives upcalls by vport, and not by CPU"
            throw .error(RequestError(Errno.notSupported, text))
        }
        maskCacheSize = set.integer(DatapathAttribute.masksCacheSize)
        if let size = maskCacheSize, size & (size &- 1) != 0, size != 0 {
            throw .error(RequestError(Errno.invalid, "the mask cache's size \(size) is not a power of two"))
        }
        if features.contains(.dispatchUpcallPerCPU), let attribute = set[DatapathAttribute.perCPUPortIDs] {
            do { perCPUPortIDs = try attribute.integers() } catch { throw .error(RequestError(invalid: error)) }
        } else {
            perCPUPortIDs = nil
        }
    }

    func apply(to datapath: Datapath) {
        if let maskCacheSize { datapath.setMaskCacheSize(maskCacheSize) }
        datapath.setFeatures(features)
        if let perCPUPortIDs { datapath.setPerCPUPortIDs(perCPUPortIDs) }
    }
}

extension Message {
    fileprivate var genericVersion: UInt8 { (try? genericHeader().version) ?? 0 }
}
