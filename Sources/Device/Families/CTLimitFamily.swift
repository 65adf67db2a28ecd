import Datapath
import Netlink
import OpenvSwitch

/// Family `ovs_ct_limit`: limits of connections by zone. They are the switch's; the datapath in a request does not
/// matter. Every command has a reply, whether an echo was asked for or not.
extension Device {
    func ctLimit(
        _ request: borrowing Request, _ control: SwitchControl, _ output: inout MessageWriter
    ) throws(Refusal) {
        let command = request.ovs.command
        let set = try request.parse(CTLimitMessage.policy)
        var listed: [ZoneLimit]?
        if let attribute = set[CTLimitAttribute.zoneLimit] { listed = ZoneLimit.list(attribute.payload) }
        var answer = CTLimitMessage(command: command, datapathIfindex: request.ovs.datapathIfindex)
        if command == CTLimitCommand.get {
            answer.zoneLimits = listed?.compactMap { control.zoneLimits.limit(of: $0.zone) } ?? control.zoneLimits.all
            try reply(answer, request, &output)
            return
        }
        guard let listed else {
            throw .error(RequestError(Errno.invalid, "zones and their limits are needed"))
        }
        try request.requireRoom(size(of: answer))
        for limit in listed {
            if command == CTLimitCommand.set {
                control.zoneLimits.set(limit)
            } else {
                control.zoneLimits.remove(limit.zone)
            }
        }
        try reply(answer, request, &output)
    }
}
