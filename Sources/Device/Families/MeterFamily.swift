import Datapath
import Netlink
import OpenvSwitch

/// Family `ovs_meter`: meters come, go and are set. Every command has a reply, whether an echo was asked for or not.
extension Device {
    func meter(
        _ request: borrowing Request, _ control: SwitchControl, _ output: inout MessageWriter
    ) throws(Refusal) {
        let set = try request.parse(MeterMessage.policy)
        switch request.ovs.command {
        case MeterCommand.features:
            _ = try findDatapath(ifindex: request.ovs.datapathIfindex, control)
            var message = MeterMessage(command: MeterCommand.features, datapathIfindex: request.ovs.datapathIfindex)
            message.maximumMeters = UInt32(Datapath.maximumMeters)
            message.maximumBands = UInt32(Datapath.maximumBands)
            message.bands = [MeterBand(type: MeterBandType.drop)]
            try reply(message, request, &output)
        case MeterCommand.set: try setMeter(request, set, control, &output)
        case MeterCommand.delete:
            let id = try meterID(set)
            let datapath = try findDatapath(ifindex: request.ovs.datapathIfindex, control)
            // That there is none is no error.
            let answer =
                datapath.meter(id).map { meterMessage(id, $0.usage, request) }
                ?? MeterMessage(command: MeterCommand.delete, datapathIfindex: request.ovs.datapathIfindex)
            try request.requireRoom(size(of: answer))
            datapath.removeMeter(id)
            try reply(answer, request, &output)
        default:  // GET
            let id = try meterID(set)
            let datapath = try findDatapath(ifindex: request.ovs.datapathIfindex, control)
            guard let meter = datapath.meter(id) else {
                throw .error(RequestError(Errno.noEntry, "there is no meter \(id)"))
            }
            try reply(meterMessage(id, meter.usage, request), request, &output)
        }
    }

    private func setMeter(
        _ request: borrowing Request, _ set: AttributeSet, _ control: SwitchControl, _ output: inout MessageWriter
    ) throws(Refusal) {
        let id = try meterID(set)
        guard let bands = set[MeterAttribute.bands] else {
            throw .error(RequestError(Errno.invalid, "a meter needs bands"))
        }
        let configuration = MeterConfiguration(
            id: id, countsBytes: set.contains(MeterAttribute.kilobits),
            reportsWhenReplaced: !set.contains(MeterAttribute.clear), band: try band(bands))
        let datapath = try findDatapath(ifindex: request.ovs.datapathIfindex, control)
        do { try datapath.planMeter(id) } catch { throw .error(error) }
        let old = datapath.meter(id)
        let isReported = old?.configuration.reportsWhenReplaced ?? false
        let answer = meterMessage(id, isReported ? old?.usage : nil, request)
        try request.requireRoom(size(of: answer))
        datapath.setMeter(configuration, now: control.provider.now)
        try reply(answer, request, &output)
    }

    private func meterID(_ set: borrowing AttributeSet) throws(Refusal) -> UInt32 {
        guard let id: UInt32 = set.integer(MeterAttribute.id) else {
            throw .error(RequestError(Errno.invalid, "a meter is found by its number"))
        }
        return id
    }

    /// The one band that a meter may have; nil if it has none and only counts.
    private func band(_ attribute: Attribute) throws(Refusal) -> MeterConfiguration.Band? {
        func invalid(_ text: String) -> Refusal {
            .error(RequestError(Errno.invalid, text, offset: attribute.offset))
        }
        var run = attribute.nested
        var count = 0
        while let _ = try? run.next() { count += 1 }
        guard count <= Datapath.maximumBands else { throw invalid("a meter has at most one band") }
        let bands: [MeterBand]
        do { bands = try MeterBand.list(attribute.nested) } catch { throw .error(RequestError(error)) }
        guard let band = bands.first else { return nil }
        guard let type = band.type, let rate = band.rate, let burst = band.burst else {
            throw invalid("a band needs a type, a rate and a burst")
        }
        guard rate > 0 else { throw invalid("a band's rate must not be 0") }
        return MeterConfiguration.Band(type: type, rate: rate, burst: burst)
    }

    /// What the device says of a meter: all that it has counted, or only its number.
    private func meterMessage(_ id: UInt32, _ usage: MeterUsage?, _ request: borrowing Request) -> MeterMessage {
        var message = MeterMessage(
            command: request.ovs.command, datapathIfindex: request.ovs.datapathIfindex, id: id)
        if let usage {
            message.stats = usage.statistics
            message.used = usage.used
            message.bands = usage.bands.map { MeterBand(stats: $0) }
        }
        return message
    }
}
