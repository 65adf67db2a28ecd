import Datapath
import Netlink
import OpenvSwitch

/// Family `ovs_packet`: a client's packet is executed.
extension Device {
    func packet(_ request: borrowing Request, _ control: SwitchControl) throws(Refusal) {
        let set = try request.parse(PacketMessage.policy)
        guard let frame = set[PacketAttribute.packet], let key = set[PacketAttribute.key],
            let actions = set[PacketAttribute.actions]
        else { throw .error(RequestError(Errno.invalid, "executing a packet needs the packet, its key and actions")) }
        let execution: SwitchControl.Execution
        do throws(RequestError) {
            execution = try control.planExecution(
                frame: frame.payload.copyBytes(), metadata: FlowMetadata(key.nested), actions: actions.nested,
                hash: set.integer(PacketAttribute.hash), maximumReceiveUnit: set.integer(PacketAttribute.mru) ?? 0,
                upcallPortID: set.integer(PacketAttribute.upcallPortID) ?? 0)
        } catch { throw .error(error) }
        let datapath = try findDatapath(ifindex: request.ovs.datapathIfindex, control)
        try request.requireRoom(0)
        do { try control.execute(execution, in: datapath) } catch { throw .error(error) }
    }
}
