import Netlink
import OpenvSwitch
import Packets

// Set actions: which field may be set where, and to what.

extension ActionCompiler {
    /// Compiles a set action of either kind: `OVS_ACTION_ATTR_SET` and `OVS_ACTION_ATTR_SET_MASKED`.
    func set(_ action: Attribute, isMasked: Bool, _ current: Current) throws(RequestError) -> Instruction {
        var run = action.nested
        guard let field = try run.nextOrInvalid() else { throw fail("set: there is no field", action) }
        guard run.rest.byteCount == 0 else { throw fail("set: there is more than one field", action) }

        if field.type == KeyAttribute.nsh { return try setNSH(field, isMasked: isMasked, current) }
        let payload = field.payload
        let count = isMasked ? payload.byteCount / 2 : payload.byteCount
        guard !isMasked || payload.byteCount % 2 == 0 else { throw fail("set: value and mask differ in length", field) }
        guard Self.settable.contains(field.type) else {
            throw fail("set: key attribute \(field.type) cannot be set by this datapath", field)
        }
        guard let value = FieldValue(attribute: field.type, payload.clamped(0..<count)) else {
            throw fail("set: key attribute \(field.type) has the wrong length", field)
        }
        let mask = isMasked ? FieldValue(attribute: field.type, payload.clamped(count..<(2 * count))) : nil
        if isMasked {
            for index in 0..<count {
                let byte: UInt8 = payload.load(at: index) ?? 0
                let maskByte: UInt8 = payload.load(at: count + index) ?? 0
                guard byte & ~maskByte == 0 else { throw fail("set: the value has bits that its mask has not", field) }
            }
        }
        return try instruction(value, mask, field, current)
    }

    private static let settable: Set<UInt16> = [
        KeyAttribute.priority, KeyAttribute.skbMark, KeyAttribute.ethernet, KeyAttribute.ipv4, KeyAttribute.ipv6,
        KeyAttribute.tcp, KeyAttribute.udp, KeyAttribute.sctp, KeyAttribute.mpls,
    ]

    private func instruction(
        _ value: FieldValue, _ mask: FieldValue?, _ field: Attribute, _ current: Current
    ) throws(RequestError) -> Instruction {
        switch (value, mask) {
        case (.priority(let value), let mask):
            if case .priority(let bits)? = mask { return .setPriority(value, mask: bits) }
            return .setPriority(value, mask: .max)
        case (.skbMark(let value), let mask):
            if case .skbMark(let bits)? = mask { return .setMark(value, mask: bits) }
            return .setMark(value, mask: .max)
        case (.ethernet(let source, let destination), let mask):
            guard current.hasEthernet else { throw fail("set(eth): the packet has no Ethernet header", field) }
            var bits: (UInt64, UInt64) = (.max, .max)
            if case .ethernet(let sourceBits, let destinationBits)? = mask { bits = (sourceBits, destinationBits) }
            return .setEthernet(
                source: source, sourceMask: bits.0 & 0xffff_ffff_ffff, destination: destination,
                destinationMask: bits.1 & 0xffff_ffff_ffff)
        case (.ipv4(let source, let destination, let proto, let tos, let ttl, let fragment), let mask):
            guard current.etherType == EtherType.ipv4 else { throw fail("set(ipv4): the flow is not IPv4", field) }
            var edit = IPv4Edit(source: .max, destination: .max, tos: .max, ttl: .max)
            if case .ipv4(
                let sourceBits, let destinationBits, let protoBits, let tosBits, let ttlBits, let fragmentBits)? =
                mask
            {
                guard protoBits == 0, fragmentBits == 0 else {
                    throw fail("set(ipv4): protocol and fragment cannot be set", field)
                }
                edit = IPv4Edit(source: sourceBits, destination: destinationBits, tos: tosBits, ttl: ttlBits)
            } else {
                try requireSame(proto, fragment, "ipv4", field)
            }
            return .setIPv4(IPv4Edit(source: source, destination: destination, tos: tos, ttl: ttl), mask: edit)
        case (
            .ipv6(let source, let destination, let label, let proto, let trafficClass, let hopLimit, let fragment),
            let mask
        ):
            guard current.etherType == EtherType.ipv6 else { throw fail("set(ipv6): the flow is not IPv6", field) }
            guard label & 0xfff0_0000 == 0 else { throw fail("set(ipv6): the label has more than 20 bits", field) }
            let all = IPv6Address(high: .max, low: .max)
            var edit = IPv6Edit(source: all, destination: all, label: 0xf_ffff, trafficClass: .max, hopLimit: .max)
            if case .ipv6(
                let sourceBits, let destinationBits, let labelBits, let protoBits, let classBits, let limitBits,
                let fragmentBits)? = mask
            {
                guard protoBits == 0, fragmentBits == 0 else {
                    throw fail("set(ipv6): protocol and fragment cannot be set", field)
                }
                edit = IPv6Edit(
                    source: sourceBits, destination: destinationBits, label: labelBits, trafficClass: classBits,
                    hopLimit: limitBits)
            } else {
                try requireSame(proto, fragment, "ipv6", field)
            }
            return .setIPv6(
                IPv6Edit(
                    source: source, destination: destination, label: label, trafficClass: trafficClass,
                    hopLimit: hopLimit), mask: edit)
        case (.tcp(let source, let destination), let mask):
            try requireTransport(IPProtocol.tcp, "tcp", field, current)
            if case .tcp(let sourceBits, let destinationBits)? = mask {
                return .setTCP(ports(source, destination, sourceBits, destinationBits))
            }
            return .setTCP(ports(source, destination, .max, .max))
        case (.udp(let source, let destination), let mask):
            try requireTransport(IPProtocol.udp, "udp", field, current)
            if case .udp(let sourceBits, let destinationBits)? = mask {
                return .setUDP(ports(source, destination, sourceBits, destinationBits))
            }
            return .setUDP(ports(source, destination, .max, .max))
        case (.sctp(let source, let destination), let mask):
            try requireTransport(IPProtocol.sctp, "sctp", field, current)
            if case .sctp(let sourceBits, let destinationBits)? = mask {
                return .setSCTP(ports(source, destination, sourceBits, destinationBits))
            }
            return .setSCTP(ports(source, destination, .max, .max))
        case (.mpls(let entry), let mask):
            guard current.etherType.isMPLS else { throw fail("set(mpls): the packet is not known to be MPLS", field) }
            if case .mpls(let bits)? = mask { return .setMPLS(entry, mask: bits) }
            return .setMPLS(entry, mask: .max)
        }
    }

    private func ports(
        _ source: UInt16, _ destination: UInt16, _ sourceMask: UInt16, _ destinationMask: UInt16
    ) -> PortsEdit {
        PortsEdit(
            source: source, sourceMask: sourceMask, destination: destination, destinationMask: destinationMask)
    }

    private func requireSame(
        _ proto: UInt8, _ fragment: UInt8, _ name: String, _ field: Attribute
    ) throws(RequestError) {
        guard proto == key.ipProtocol, fragment == key.fragment else {
            throw fail("set(\(name)): protocol and fragment must be those of the flow", field)
        }
    }

    private func requireTransport(
        _ proto: UInt8, _ name: String, _ field: Attribute, _ current: Current
    ) throws(RequestError) {
        let isIP = current.etherType == EtherType.ipv4 || current.etherType == EtherType.ipv6
        guard isIP, key.ipProtocol == proto else {
            throw fail("set(\(name)): the flow does not match the protocol exactly", field)
        }
    }
}
