import Netlink
import OpenvSwitch

// Label stacks pushed and popped. After the last label there is no telling what follows.

extension ActionCompiler {
    /// `OVS_ACTION_ATTR_PUSH_MPLS` and `OVS_ACTION_ATTR_ADD_MPLS`, which means the same if its flag says so.
    func pushMPLS(_ action: Attribute, _ current: inout Current) throws(RequestError) -> Instruction {
        guard let row = ActionTable.row(action.type) else { throw fault("the action is not known", action) }
        let entry: UInt32 = row.value(0, action)
        let etherType: UInt16 = row.value(1, action)
        if action.type == ActionAttribute.addMPLS {
            let tunnelFlags: UInt16 = row.value(2, action)
            guard tunnelFlags & Self.networkLayerTunnel != 0 else {
                return pushMPLSInFront(entry: entry, etherType: etherType, &current)
            }
            // With this flag it is as push_mpls, the rules of which hold then.
            try check(rules: ActionTable.row(ActionAttribute.pushMPLS)?.rules ?? [], action, current)
        }
        current.etherType = etherType
        current.labels += 1
        return .pushMPLS(entry: entry, etherType: etherType)
    }

    /// `OVS_MPLS_L3_TUNNEL_FLAG_MASK`: the entry goes between the Ethernet header and the network header.
    private static let networkLayerTunnel: UInt16 = 1

    /// `OVS_ACTION_ATTR_POP_MPLS`.
    func popMPLS(_ action: Attribute, _ current: inout Current) throws(RequestError) -> Instruction {
        let etherType = action.payload.loadBigEndian(at: 0, as: UInt16.self) ?? 0
        guard etherType != EtherType.transparentEthernet || !current.hasEthernet else {
            throw fault("a packet with an Ethernet header does not become an Ethernet frame", action)
        }
        if etherType == EtherType.transparentEthernet { current.hasEthernet = true }
        current.labels -= 1
        current.etherType = etherType.isMPLS && current.labels != 0 ? etherType : 0
        return .popMPLS(etherType: etherType)
    }
}
