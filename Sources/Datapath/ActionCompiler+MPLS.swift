import Netlink
import OpenvSwitch

// Label stacks pushed and popped. After the last label there is no telling what follows.

extension ActionCompiler {
    /// `OVS_ACTION_ATTR_PUSH_MPLS` and `OVS_ACTION_ATTR_ADD_MPLS`, which means the same if its flag says so.
    func pushMPLS(_ action: Attribute, _ current: inout Current) throws(RequestError) -> Instruction {
        let name = action.type == ActionAttribute.addMPLS ? "add_mpls" : "push_mpls"
        guard action.payload.byteCount == 8, let entry: UInt32 = action.payload.loadBigEndian(at: 0),
            let etherType: UInt16 = action.payload.loadBigEndian(at: 4),
            let tunnelFlags: UInt16 = action.payload.load(at: 6)
        else { throw fail("\(name): the payload must be 8 bytes", action) }
        guard etherType.isMPLS else { throw fail("\(name): the EtherType is neither 0x8847 nor 0x8848", action) }
        if action.type == ActionAttribute.addMPLS, tunnelFlags & Self.networkLayerTunnel == 0 {
            return pushMPLSInFront(entry: entry, etherType: etherType, &current)
        }
        guard !current.hasVLAN else { throw fail("\(name): the packet has a VLAN tag", action) }
        switch current.etherType {
        case EtherType.ipv4, EtherType.ipv6, EtherType.arp, EtherType.rarp, EtherType.mplsUnicast,
            EtherType.mplsMulticast:
            break
        default: throw fail("\(name): the packet must be IPv4, IPv6, ARP, RARP or MPLS", action)
        }
        current.etherType = etherType
        current.labels += 1
        return .pushMPLS(entry: entry, etherType: etherType)
    }

    /// `OVS_MPLS_L3_TUNNEL_FLAG_MASK`: the entry goes between the Ethernet header and the network header.
    private static let networkLayerTunnel: UInt16 = 1

    /// `OVS_ACTION_ATTR_POP_MPLS`.
    func popMPLS(_ action: Attribute, _ current: inout Current) throws(RequestError) -> Instruction {
        guard action.payload.byteCount == 2, let etherType: UInt16 = action.payload.loadBigEndian(at: 0) else {
            throw fail("pop_mpls: the payload must be 2 bytes", action)
        }
        guard !current.hasVLAN else { throw fail("pop_mpls: the packet has a VLAN tag", action) }
        guard current.etherType.isMPLS else { throw fail("pop_mpls: the packet is not known to be MPLS", action) }
        guard etherType != EtherType.transparentEthernet || !current.hasEthernet else {
            throw fail("pop_mpls: a packet with an Ethernet header does not become an Ethernet frame", action)
        }
        if etherType == EtherType.transparentEthernet { current.hasEthernet = true }
        current.labels -= 1
        current.etherType = etherType.isMPLS && current.labels != 0 ? etherType : 0
        return .popMPLS(etherType: etherType)
    }
}
