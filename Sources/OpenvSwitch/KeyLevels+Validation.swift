import Netlink

/// Which attributes a key must have, and which a mask may have.
extension KeyLevels {
    /// Checks that the key has what its protocol demands, and that the mask names nothing the key cannot have.
    /// - Parameters:
    ///   - maskLevels: where the mask's attributes stand: those of the key, if there is no mask.
    ///   - maskAttributes: those that the mask names.
    func validate(
        key: FlowKey, mask: FlowMask?, maskLevels: borrowing KeyLevels, maskAttributes: KeyAttributeSet
    ) throws(RequestError) {
        var expected: KeyAttributeSet = []
        var allowed = present
        allowed.subtract([.ipv4, .ipv6, .tcp, .tcpFlags, .udp, .sctp, .icmp, .icmpv6, .arp, .nd, .mpls])
        allowed.formUnion([.tunnel, .inPort, .etherType])
        let exactType = mask?.etherType == 0xffff
        let exactProtocol = mask?.ipProtocol == 0xff

        func expect(_ types: KeyAttributeSet, allowedIf exact: Bool) {
            expected.formUnion(types)
            if exact { allowed.formUnion(types) }
        }
        let hasTransport = key.fragment != Fragment.later
        switch key.etherType {
        case EtherType.arp, EtherType.rarp:
            expect(.arp, allowedIf: exactType)
        case EtherType.mplsUnicast, EtherType.mplsMulticast:
            expect(.mpls, allowedIf: exactType)
        case EtherType.nsh:
            throw fail("NSH keys are not supported by this datapath yet", KeyAttribute.nsh)
        case EtherType.ipv4:
            expect(.ipv4, allowedIf: exactType)
            if hasTransport {
                expectPorts(key.ipProtocol)
                if key.ipProtocol == IPProtocol.icmp {
                    expect(.icmp, allowedIf: exactProtocol)
                }
            }
        case EtherType.ipv6:
            expect(.ipv6, allowedIf: exactType)
            if hasTransport {
                expectPorts(key.ipProtocol)
                if key.ipProtocol == IPProtocol.icmpv6 {
                    expect(.icmpv6, allowedIf: exactProtocol)
                    if key.transportSource == 135 || key.transportSource == 136 {
                        expect(.nd, allowedIf: mask?.transportSource == 0xff)
                    }
                }
            }
        default: break
        }
        func expectPorts(_ protocolNumber: UInt8) {
            switch protocolNumber {
            case IPProtocol.udp: expect(.udp, allowedIf: exactProtocol)
            case IPProtocol.sctp: expect(.sctp, allowedIf: exactProtocol)
            case IPProtocol.tcp:
                expect([.tcp, .tcpFlags], allowedIf: exactProtocol)
            default: break
            }
        }

        let missing = expected.subtracting(present)
        guard missing.isEmpty else { throw fail("an attribute is missing that the protocol demands", missing.first) }
        guard mask != nil else { return }
        let unexpected = maskAttributes.subtracting(allowed)
        guard unexpected.isEmpty else {
            throw maskLevels.fail("the mask has an attribute that the key does not allow", unexpected.first)
        }
    }
}
