public import Netlink

/// What a set action writes: one key attribute. Numbers are in host byte order, as in `FlowKey`.
public enum FieldValue: Equatable, Sendable {
    case priority(UInt32)
    case skbMark(UInt32)
    case ethernet(source: UInt64, destination: UInt64)
    /// `proto` and `fragment` must be those of the packet (set) or 0 with mask 0 (set masked).
    case ipv4(source: UInt32, destination: UInt32, proto: UInt8, tos: UInt8, ttl: UInt8, fragment: UInt8)
    case ipv6(
        source: IPv6Address, destination: IPv6Address, label: UInt32, proto: UInt8, trafficClass: UInt8,
        hopLimit: UInt8, fragment: UInt8)
    case tcp(source: UInt16, destination: UInt16)
    case udp(source: UInt16, destination: UInt16)
    case sctp(source: UInt16, destination: UInt16)
    /// The outermost label stack entry.
    case mpls(UInt32)
    /// What an output to a tunnel port is told: attributes (`OVS_TUNNEL_KEY_ATTR_*`).
    case tunnel([UInt8])
    case nsh(NSHFields)
    case ctMark(UInt32)
    case ctLabels(ConnectionLabels)

    /// The key attribute's type number.
    public var attribute: UInt16 {
        switch self {
        case .priority: KeyAttribute.priority
        case .skbMark: KeyAttribute.skbMark
        case .ethernet: KeyAttribute.ethernet
        case .ipv4: KeyAttribute.ipv4
        case .ipv6: KeyAttribute.ipv6
        case .tcp: KeyAttribute.tcp
        case .udp: KeyAttribute.udp
        case .sctp: KeyAttribute.sctp
        case .mpls: KeyAttribute.mpls
        case .tunnel: KeyAttribute.tunnel
        case .nsh: KeyAttribute.nsh
        case .ctMark: KeyAttribute.ctMark
        case .ctLabels: KeyAttribute.ctLabels
        }
    }

    /// Reads the payload of a key attribute; nil if the type has no case here or the length is not the type's.
    public init?(attribute: UInt16, _ payload: RawSpan) {
        func ports() -> (UInt16, UInt16)? {
            guard payload.byteCount == 4 else { return nil }
            return (payload.loadBigEndian(at: 0) ?? 0, payload.loadBigEndian(at: 2) ?? 0)
        }
        switch attribute {
        case KeyAttribute.priority, KeyAttribute.skbMark, KeyAttribute.ctMark:
            guard payload.byteCount == 4, let value: UInt32 = payload.load(at: 0) else { return nil }
            switch attribute {
            case KeyAttribute.priority: self = .priority(value)
            case KeyAttribute.skbMark: self = .skbMark(value)
            default: self = .ctMark(value)
            }
        case KeyAttribute.ctLabels:
            guard payload.byteCount == 16 else { return nil }
            self = .ctLabels(payload.connectionLabels(at: 0))
        case KeyAttribute.tunnel: self = .tunnel(payload.copyBytes())
        case KeyAttribute.nsh:
            guard let header = NSHFields(Attributes(payload), part: 0, of: 1) else { return nil }
            self = .nsh(header)
        case KeyAttribute.ethernet:
            guard payload.byteCount == 12 else { return nil }
            self = .ethernet(source: payload.mac(at: 0), destination: payload.mac(at: 6))
        case KeyAttribute.ipv4:
            guard payload.byteCount == 12 else { return nil }
            self = .ipv4(
                source: payload.loadBigEndian(at: 0) ?? 0, destination: payload.loadBigEndian(at: 4) ?? 0,
                proto: payload.load(at: 8) ?? 0, tos: payload.load(at: 9) ?? 0, ttl: payload.load(at: 10) ?? 0,
                fragment: payload.load(at: 11) ?? 0)
        case KeyAttribute.ipv6:
            guard payload.byteCount == 40 else { return nil }
            self = .ipv6(
                source: payload.ipv6Address(at: 0), destination: payload.ipv6Address(at: 16),
                label: payload.loadBigEndian(at: 32) ?? 0, proto: payload.load(at: 36) ?? 0,
                trafficClass: payload.load(at: 37) ?? 0, hopLimit: payload.load(at: 38) ?? 0,
                fragment: payload.load(at: 39) ?? 0)
        case KeyAttribute.tcp:
            guard let (source, destination) = ports() else { return nil }
            self = .tcp(source: source, destination: destination)
        case KeyAttribute.udp:
            guard let (source, destination) = ports() else { return nil }
            self = .udp(source: source, destination: destination)
        case KeyAttribute.sctp:
            guard let (source, destination) = ports() else { return nil }
            self = .sctp(source: source, destination: destination)
        case KeyAttribute.mpls:
            guard payload.byteCount == 4, let entry: UInt32 = payload.loadBigEndian(at: 0) else { return nil }
            self = .mpls(entry)
        default: return nil
        }
    }

    /// Writes the payload, without an attribute header.
    /// - Throws: `noSpace`.
    public func write(to writer: inout MessageWriter) throws(NetlinkError) {
        switch self {
        case .priority(let value), .skbMark(let value), .ctMark(let value): try writer.append(raw: value)
        case .ethernet(let source, let destination):
            try writer.append(mac: source)
            try writer.append(mac: destination)
        case .ipv4(let source, let destination, let proto, let tos, let ttl, let fragment):
            try writer.append(raw: source.bigEndian)
            try writer.append(raw: destination.bigEndian)
            for byte in [proto, tos, ttl, fragment] { try writer.append(raw: byte) }
        case .ipv6(let source, let destination, let label, let proto, let trafficClass, let hopLimit, let fragment):
            try writer.append(address: source)
            try writer.append(address: destination)
            try writer.append(raw: label.bigEndian)
            for byte in [proto, trafficClass, hopLimit, fragment] { try writer.append(raw: byte) }
        case .tcp(let source, let destination), .udp(let source, let destination), .sctp(let source, let destination):
            try writer.append(raw: source.bigEndian)
            try writer.append(raw: destination.bigEndian)
        case .mpls(let entry): try writer.append(raw: entry.bigEndian)
        case .tunnel(let attributes): try writer.append(raw: attributes)
        case .nsh(let header): try header.write(mask: nil, to: &writer)
        case .ctLabels(let labels): try writer.append(labels: labels)
        }
    }
}
