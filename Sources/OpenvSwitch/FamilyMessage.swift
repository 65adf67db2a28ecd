public import Netlink

/// A message of the generic-netlink controller (`nlctrl`) that tells of a family: `CTRL_CMD_NEWFAMILY`.
public struct FamilyMessage: WritableMessage {
    public var family: Family
    /// The number the family is known by: the message type of its messages.
    public var id: UInt16
    /// The number its group is known by; nil if it is to have none.
    public var groupID: UInt32?

    public init(_ family: Family, id: UInt16, groupID: UInt32?) {
        self.family = family
        self.id = id
        self.groupID = groupID
    }

    /// Attributes stand in the kernel's order.
    public func write(
        to writer: inout MessageWriter, flags: MessageFlags, sequence: UInt32, portID: UInt32
    ) throws(NetlinkError) {
        let mark = try writer.begin(
            MessageHeader(type: Controller.messageType, flags: flags, sequence: sequence, portID: portID))
        try writer.append(raw: [Controller.newFamily, Controller.version, 0, 0])
        try writer.append(Controller.Attribute.familyName, string: family.name)
        try writer.append(Controller.Attribute.familyID, id)
        try writer.append(Controller.Attribute.version, UInt32(family.version))
        // Bytes of the family's own header, `struct ovs_header`.
        try writer.append(Controller.Attribute.headerSize, UInt32(4))
        try writer.append(Controller.Attribute.maximumAttribute, UInt32(family.maximumAttribute))
        let operations = family.operations
        if !operations.isEmpty {
            try writer.append(nested: Controller.Attribute.operations) { writer throws(NetlinkError) in
                for (index, operation) in operations.enumerated() {
                    try writer.append(nested: UInt16(index + 1)) { writer throws(NetlinkError) in
                        try writer.append(Controller.OperationAttribute.command, UInt32(operation.command))
                        try writer.append(Controller.OperationAttribute.flags, operation.flags.rawValue)
                    }
                }
            }
        }
        if let groupID, let group = family.group {
            try writer.append(nested: Controller.Attribute.groups) { writer throws(NetlinkError) in
                try writer.append(nested: 1) { writer throws(NetlinkError) in
                    try writer.append(Controller.GroupAttribute.id, groupID)
                    try writer.append(Controller.GroupAttribute.name, string: group.name)
                }
            }
        }
        writer.end(message: mark)
    }
}

/// Numbers of the generic-netlink controller, the family `nlctrl` (`linux/genetlink.h`).
public enum Controller {
    /// `GENL_ID_CTRL`: the one family whose number is fixed.
    public static let messageType = MessageType.firstFamily
    /// The version that its messages carry.
    public static let version: UInt8 = 2
    /// `CTRL_CMD_NEWFAMILY`.
    public static let newFamily: UInt8 = 1
    /// `CTRL_CMD_GETFAMILY`.
    public static let getFamily: UInt8 = 3

    /// `CTRL_ATTR_*`.
    public enum Attribute {
        public static let familyID: UInt16 = 1
        public static let familyName: UInt16 = 2
        public static let version: UInt16 = 3
        public static let headerSize: UInt16 = 4
        public static let maximumAttribute: UInt16 = 5
        public static let operations: UInt16 = 6
        public static let groups: UInt16 = 7
    }

    /// `CTRL_ATTR_OP_*`.
    public enum OperationAttribute {
        public static let command: UInt16 = 1
        public static let flags: UInt16 = 2
    }

    /// `CTRL_ATTR_MCAST_GRP_*`.
    public enum GroupAttribute {
        public static let name: UInt16 = 1
        public static let id: UInt16 = 2
    }
}

/// A command that a family takes, as the controller tells of it.
public struct FamilyOperation: Equatable, Sendable {
    public var command: UInt8
    public var flags: Flags

    /// `GENL_*`: who may give a command, and how it is carried out.
    public struct Flags: OptionSet, Sendable {
        public let rawValue: UInt32
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        /// `GENL_CMD_CAP_DO`.
        public static let transaction = Flags(rawValue: 0x02)
        /// `GENL_CMD_CAP_DUMP`.
        public static let dump = Flags(rawValue: 0x04)
        /// `GENL_CMD_CAP_HASPOL`: its attributes have a policy.
        public static let hasPolicy = Flags(rawValue: 0x08)
        /// `GENL_UNS_ADMIN_PERM`: it is for the administrator of the network namespace.
        public static let administrator = Flags(rawValue: 0x10)
    }

    init(_ command: UInt8, _ flags: Flags = []) {
        self.command = command
        self.flags = flags.union([.transaction, .hasPolicy])
    }
}

extension Family {
    /// The commands that clients give, in the kernel's order; none for the families of the Windows interface.
    public var operations: [FamilyOperation] {
        switch self {
        case .datapath, .vport, .flow:
            [
                FamilyOperation(Command.new, .administrator), FamilyOperation(Command.delete, .administrator),
                FamilyOperation(Command.get, .dump), FamilyOperation(Command.set, .administrator),
            ]
        case .packet: [FamilyOperation(PacketCommand.execute, .administrator)]
        // OVS_METER_CMD_FEATURES, SET, GET, DEL.
        case .meter:
            [
                FamilyOperation(1), FamilyOperation(2, .administrator), FamilyOperation(4),
                FamilyOperation(3, .administrator),
            ]
        // OVS_CT_LIMIT_CMD_SET, DEL, GET.
        case .ctLimit: [FamilyOperation(1, .administrator), FamilyOperation(2, .administrator), FamilyOperation(3)]
        default: []
        }
    }
}
