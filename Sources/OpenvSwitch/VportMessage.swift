public import Netlink

/// A message of family `ovs_vport`: a request, a reply or a notification.
public struct VportMessage: Equatable, Sendable {
    public var command: UInt8
    /// Interface index of the datapath's LOCAL port; 0 in a look-up by name over all datapaths.
    public var datapathIfindex: Int32
    public var portNumber: UInt32?
    public var type: VportType?
    public var name: String?
    /// The contents of `OVS_VPORT_ATTR_OPTIONS`.
    public var options: [UInt8]?
    public var upcallPortIDs: [UInt32]?
    public var stats: VportStatistics?
    public var upcallStats: UpcallStatistics?
    public var ifindex: UInt32?

    /// Lengths that the kernel's policy demands.
    public static let policy = Policy([
        VportAttribute.portNumber: .u32,
        VportAttribute.type: .u32,
        VportAttribute.name: .string(maximum: 15),
        VportAttribute.options: .nested,
        VportAttribute.upcallPortID: .any,
        VportAttribute.stats: .atLeast(VportStatistics.size),
        VportAttribute.ifindex: .u32,
        VportAttribute.netnsID: .u32,
        VportAttribute.upcallStats: .nested,
    ])

    public init(
        command: UInt8, datapathIfindex: Int32 = 0, portNumber: UInt32? = nil, type: VportType? = nil,
        name: String? = nil, upcallPortIDs: [UInt32]? = nil
    ) {
        self.command = command
        self.datapathIfindex = datapathIfindex
        self.portNumber = portNumber
        self.type = type
        self.name = name
        self.upcallPortIDs = upcallPortIDs
    }

    /// - Throws: `truncated` if the headers are not there, and the policy's errors.
    public init(_ message: borrowing Message) throws(NetlinkError) {
        let header = try OVSHeader(message)
        let set = try Self.policy.parse(message.attributes(at: OVSHeader.attributesOffset))
        self.init(
            command: header.command, datapathIfindex: header.datapathIfindex,
            portNumber: set.integer(VportAttribute.portNumber),
            type: set.integer(VportAttribute.type, as: UInt32.self).map(VportType.init(rawValue:)),
            name: set.string(VportAttribute.name))
        options = set.payload(VportAttribute.options)
        if let attribute = set[VportAttribute.upcallPortID] { upcallPortIDs = try attribute.integers() }
        if let attribute = set[VportAttribute.stats] { stats = VportStatistics(attribute.payload) }
        if let attribute = set[VportAttribute.upcallStats] { upcallStats = try UpcallStatistics(attribute.nested) }
        ifindex = set.integer(VportAttribute.ifindex)
    }

    /// Writes the attributes that are not nil, in the kernel's order.
    /// - Throws: `noSpace`, `attributeTooLong`, `malformedString`.
    public func write(
        to writer: inout MessageWriter, flags: MessageFlags = [], sequence: UInt32 = 0, portID: UInt32 = 0
    ) throws(NetlinkError) {
        let mark = try writer.begin(
            .vport, command: command, datapathIfindex: datapathIfindex, flags: flags, sequence: sequence,
            portID: portID)
        if let portNumber { try writer.append(VportAttribute.portNumber, portNumber) }
        if let type { try writer.append(VportAttribute.type, type.rawValue) }
        if let name { try writer.append(VportAttribute.name, string: name) }
        if let ifindex { try writer.append(VportAttribute.ifindex, ifindex) }
        try stats?.write(to: &writer)
        if let upcallStats {
            let nest = try writer.begin(nested: VportAttribute.upcallStats)
            try writer.append(VportUpcallAttribute.success, upcallStats.success)
            try writer.append(VportUpcallAttribute.fail, upcallStats.fail)
            try writer.end(nested: nest)
        }
        if let upcallPortIDs { try writer.append(VportAttribute.upcallPortID, array: upcallPortIDs) }
        if let options { try writer.append(VportAttribute.options, bytes: options) }
        writer.end(message: mark)
    }
}

/// `OVS_VPORT_ATTR_UPCALL_STATS`: upcalls made for packets from a vport.
public struct UpcallStatistics: Equatable, Sendable {
    public var success: UInt64 = 0
    public var fail: UInt64 = 0

    public init(success: UInt64 = 0, fail: UInt64 = 0) {
        self.success = success
        self.fail = fail
    }

    /// - Throws: `payloadTooShort`, `payloadTooLong`, and the errors of a malformed run.
    init(_ attributes: Attributes) throws(NetlinkError) {
        var run = attributes
        while let attribute = try run.next() {
            switch attribute.type {
            case VportUpcallAttribute.success: success = try attribute.integer()
            case VportUpcallAttribute.fail: fail = try attribute.integer()
            default: break
            }
        }
    }
}
