public import Netlink

/// `enum ovs_vport_type`. Open: a newer peer may send other numbers.
public struct VportType: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// An interface of the host (`OVS_VPORT_TYPE_NETDEV`).
    public static let netdev = VportType(rawValue: 1)
    /// A port that the datapath makes and the host sees as an interface (`OVS_VPORT_TYPE_INTERNAL`).
    public static let `internal` = VportType(rawValue: 2)
    public static let gre = VportType(rawValue: 3)
    public static let vxlan = VportType(rawValue: 4)
    public static let geneve = VportType(rawValue: 5)
}

/// `struct ovs_vport_stats`: counters since the device was made; 64 bytes, host byte order.
public struct VportStatistics: Equatable, Sendable {
    public var receivedPackets: UInt64 = 0
    public var transmittedPackets: UInt64 = 0
    public var receivedBytes: UInt64 = 0
    public var transmittedBytes: UInt64 = 0
    public var receiveErrors: UInt64 = 0
    public var transmitErrors: UInt64 = 0
    public var receiveDropped: UInt64 = 0
    public var transmitDropped: UInt64 = 0

    public static let size = 64
    public init() {}
}

extension VportStatistics {
    /// Reads the 64 bytes of the attribute; nil if there are fewer.
    public init?(_ bytes: RawSpan) {
        guard bytes.byteCount >= Self.size else { return nil }
        func counter(_ index: Int) -> UInt64 { bytes.load(at: index * 8) ?? 0 }
        receivedPackets = counter(0)
        transmittedPackets = counter(1)
        receivedBytes = counter(2)
        transmittedBytes = counter(3)
        receiveErrors = counter(4)
        transmitErrors = counter(5)
        receiveDropped = counter(6)
        transmitDropped = counter(7)
    }

    /// Writes `OVS_VPORT_ATTR_STATS`.
    /// - Throws: `noSpace`.
    public func write(to writer: inout MessageWriter) throws(NetlinkError) {
        try writer.append(
            VportAttribute.stats,
            [
                receivedPackets, transmittedPackets, receivedBytes, transmittedBytes, receiveErrors, transmitErrors,
                receiveDropped, transmitDropped,
            ])
    }
}
