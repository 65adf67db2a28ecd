import Netlink
import OpenvSwitch
import Packets

// Set actions: which field may be set where, and to what.

extension ActionCompiler {
    /// Compiles a set action of either kind: `OVS_ACTION_ATTR_SET` and `OVS_ACTION_ATTR_SET_MASKED`.
    func set(_ action: Attribute, isMasked: Bool, _ current: Current) throws(RequestError) -> Instruction {
        var run = action.nested
        guard let field = try run.nextOrInvalid() else { throw fault("there is no key attribute", action) }
        let payload = field.payload
        guard action.payload.byteCount == netlinkAligned(Attribute.headerSize + payload.byteCount) else {
            throw fault("there must be exactly one key attribute, padded to 4 bytes", action)
        }
        guard let row = KeyTable.row(field.type) else { throw fault("it cannot be set", action, field: field) }
        try check(row.setting, isMasked: isMasked, action, field, current)
        if field.type == KeyAttribute.nsh { return try setNSH(action, field, isMasked: isMasked) }
        let count = isMasked ? payload.byteCount / 2 : payload.byteCount
        guard !isMasked || payload.byteCount % 2 == 0 else {
            throw fault("value and mask differ in length", action, field: field)
        }
        // Of a label stack it is the outermost entry that is set.
        if let size = field.type == KeyAttribute.mpls ? 4 : row.size, size != count {
            throw fault("the payload must be \(isMasked ? 2 * size : size) bytes", action, field: field)
        }
        guard !isMasked || payload.coversValue(of: count) else {
            throw fault("the value has bits that its mask has not", action, field: field)
        }
        guard let value = FieldValue(attribute: field.type, payload.clamped(0..<count)) else {
            throw fault("it cannot be set", action, field: field)
        }
        let mask = isMasked ? FieldValue(attribute: field.type, payload.clamped(count..<(2 * count))) : nil
        return try instruction(value, mask, action, field)
    }

    /// Checks that a key attribute may be set where the action stands.
    private func check(
        _ setting: KeyDescription.Setting, isMasked: Bool, _ action: Attribute, _ field: Attribute, _ current: Current
    ) throws(RequestError) {
        let isKept =
            switch setting {
            case .never: false
            case .anyPacket, .fails: true
            case .ethernetHeader: current.hasEthernet
            case .network(let type, let other): current.etherType == type || current.etherType == other
            case .transport(let proto):
                key.ipProtocol == proto
                    && (current.etherType == EtherType.ipv4 || current.etherType == EtherType.ipv6)
            case .tunnel: !isMasked
            }
        guard !isKept else { return }
        guard let rule = setting.rule else { throw fault("it cannot be set", action, field: field) }
        throw fault("it can be set only on \(rule)", action, field: field)
    }

    private func instruction(
        _ value: FieldValue, _ mask: FieldValue?, _ action: Attribute, _ field: Attribute
    ) throws(RequestError) -> Instruction {
        switch (value, mask) {
        case (.priority(let value), let mask):
            if case .priority(let bits)? = mask { return .setPriority(value, mask: bits) }
            return .setPriority(value, mask: .max)
        case (.skbMark(let value), let mask):
            if case .skbMark(let bits)? = mask { return .setMark(value, mask: bits) }
            return .setMark(value, mask: .max)
        case (.ethernet(let source, let destination), let mask):
            var bits: (UInt64, UInt64) = (.max, .max)
            if case .ethernet(let sourceBits, let destinationBits)? = mask { bits = (sourceBits, destinationBits) }
            return .setEthernet(
                source: source, sourceMask: bits.0 & 0xffff_ffff_ffff, destination: destination,
                destinationMask: bits.1 & 0xffff_ffff_ffff)
        case (.ipv4(let source, let destination, let proto, let tos, let ttl, let fragment), let mask):
            var edit = IPv4Edit(source: .max, destination: .max, tos: .max, ttl: .max)
            if case .ipv4(
                let sourceBits, let destinationBits, let protoBits, let tosBits, let ttlBits, let fragmentBits)? =
                mask
            {
                guard protoBits == 0, fragmentBits == 0 else {
                    throw fault("protocol and fragment type cannot be set", action, field: field)
                }
                edit = IPv4Edit(source: sourceBits, destination: destinationBits, tos: tosBits, ttl: ttlBits)
            } else {
                try requireSame(proto, fragment, action, field)
            }
            return .setIPv4(IPv4Edit(source: source, destination: destination, tos: tos, ttl: ttl), mask: edit)
        case (
            .ipv6(let source, let destination, let label, let proto, let trafficClass, let hopLimit, let fragment),
            let mask
        ):
            guard label & 0xfff0_0000 == 0 else {
                throw fault("the flow label has more than 20 bits", action, field: field)
            }
            let all = IPv6Address(high: .max, low: .max)
            var edit = IPv6Edit(source: all, destination: all, label: 0xf_ffff, trafficClass: .max, hopLimit: .max)
            if case .ipv6(
                let sourceBits, let destinationBits, let labelBits, let protoBits, let classBits, let limitBits,
                let fragmentBits)? = mask
            {
                guard protoBits == 0, fragmentBits == 0 else {
                    throw fault("protocol and fragment type cannot be set", action, field: field)
                }
                guard labelBits & 0xfff0_0000 == 0 else {
                    throw fault("the mask of the flow label has more than 20 bits", action, field: field)
                }
                edit = IPv6Edit(
                    source: sourceBits, destination: destinationBits, label: labelBits, trafficClass: classBits,
                    hopLimit: limitBits)
            } else {
                try requireSame(proto, fragment, action, field)
            }
            return .setIPv6(
                IPv6Edit(
                    source: source, destination: destination, label: label, trafficClass: trafficClass,
                    hopLimit: hopLimit), mask: edit)
        case (.tcp(let source, let destination), let mask):
            if case .tcp(let sourceBits, let destinationBits)? = mask {
                return .setTCP(ports(source, destination, sourceBits, destinationBits))
            }
            return .setTCP(ports(source, destination, .max, .max))
        case (.udp(let source, let destination), let mask):
            if case .udp(let sourceBits, let destinationBits)? = mask {
                return .setUDP(ports(source, destination, sourceBits, destinationBits))
            }
            return .setUDP(ports(source, destination, .max, .max))
        case (.sctp(let source, let destination), let mask):
            if case .sctp(let sourceBits, let destinationBits)? = mask {
                return .setSCTP(ports(source, destination, sourceBits, destinationBits))
            }
            return .setSCTP(ports(source, destination, .max, .max))
        case (.mpls(let entry), let mask):
            if case .mpls(let bits)? = mask { return .setMPLS(entry, mask: bits) }
            return .setMPLS(entry, mask: .max)
        case (.tunnel, _):
            try TunnelKey.validate(action.nested)
            throw fault("tunnels are not there yet", action, field: field)
        case (.nsh, _): throw fault("this datapath does not set it yet", action, field: field)
        // As in the kernel it is installed; only a ct action sets these.
        case (.ctMark, _), (.ctLabels, _): return .fail
        }
    }

    private func ports(
        _ source: UInt16, _ destination: UInt16, _ sourceMask: UInt16, _ destinationMask: UInt16
    ) -> PortsEdit {
        PortsEdit(
            source: source, sourceMask: sourceMask, destination: destination, destinationMask: destinationMask)
    }

    private func requireSame(
        _ proto: UInt8, _ fragment: UInt8, _ action: Attribute, _ field: Attribute
    ) throws(RequestError) {
        guard proto == key.ipProtocol, fragment == key.fragment else {
            throw fault("protocol and fragment type must be those of the flow", action, field: field)
        }
    }
}

extension RawSpan {
    /// Whether the mask that stands behind a value of `count` bytes has all the value's bits.
    func coversValue(of count: Int) -> Bool {
        for index in 0..<count {
            let value: UInt8 = load(at: index) ?? 0
            let mask: UInt8 = load(at: count + index) ?? 0
            if value & ~mask != 0 { return false }
        }
        return true
    }
}
