import Datapath
import Netlink
import OpenvSwitch

/// Family `ovs_packet`: a client's packet is executed.
extension Device {
    func packet(_ request: borrowing Request, _ control: SwitchControl) throws(Refusal) {
        guard request.ovs.command == PacketCommand.execute else {
            throw .error(RequestError(Errno.notSupported, "ovs_packet has no command \(request.ovs.command)"))
        }
        let set = try request.parse(PacketMessage.policy)
        guard let frame = set[PacketAttribute.packet], let key = set[PacketAttribute.key],
            let actions = set[PacketAttribute.actions]
        else { throw .error(RequestError(Errno.invalid, "executing a packet needs the packet, its key and actions")) }
        do throws(RequestError) {
            let metadata = try FlowMetadata.read(key.nested)
            let execution = try control.planExecution(
                frame: frame.payload.copyBytes(), metadata: metadata, actions: actions.nested)
            guard let datapath = control.datapath(ifindex: request.ovs.datapathIfindex) else {
                throw RequestError(
                    Errno.noDevice, "there is no datapath with the interface index \(request.ovs.datapathIfindex)")
            }
            guard !request.flags.contains(.ack) || request.room >= ErrorMessage.cappedSize else { return }
            try control.execute(execution, in: datapath)
        } catch { throw .error(error) }
    }
}
