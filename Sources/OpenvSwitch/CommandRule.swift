/// The I/O controls that a command may come by.
public struct DeviceOperations: OptionSet, Hashable, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// By `transact`.
    public static let transact = DeviceOperations(rawValue: 1)
    /// As a dump: by `dump`, or by `write` and then `read`.
    public static let dump = DeviceOperations(rawValue: 2)
    /// By `write`, to be carried out at once.
    public static let write = DeviceOperations(rawValue: 4)
}

/// What the device asks of a command before the command's own code sees it.
///
/// The table is the one of the Windows interface, but for what was listed there and did not work, and with what is new
/// here. docs/device.md has the same rows.
public struct CommandRule: Sendable {
    public let family: Family
    public let command: UInt8
    /// The command's name, such as `GET`.
    public let name: String
    public let operations: DeviceOperations
    /// Whether a handle with *read* may send it.
    public let isRead: Bool
    /// Whether `dp_ifindex` must be 0, as the command is none of a datapath.
    public let isOfHandle: Bool

    init(
        _ family: Family, _ command: UInt8, _ name: String, _ operations: DeviceOperations, isRead: Bool = false,
        isOfHandle: Bool = false
    ) {
        self.family = family
        self.command = command
        self.name = name
        self.operations = operations
        self.isRead = isRead
        self.isOfHandle = isOfHandle
    }

    /// All commands that a client may send.
    public static let all: [CommandRule] =
        [
            CommandRule(.control, ControlCommand.pendRequest, "PEND", .write, isRead: true, isOfHandle: true),
            CommandRule(
                .control, ControlCommand.pendPacketRequest, "PEND_PACKET", .write, isRead: true, isOfHandle: true),
            CommandRule(
                .control, ControlCommand.multicastSubscribe, "MC_SUBSCRIBE", .write, isRead: true, isOfHandle: true),
            CommandRule(.control, ControlCommand.packetSubscribe, "PACKET_SUBSCRIBE", .write, isOfHandle: true),
            CommandRule(.control, ControlCommand.socketProperties, "SOCK_PROP", .transact, isRead: true),
            CommandRule(.packet, PacketCommand.execute, "EXECUTE", .transact),
            CommandRule(.netdev, NetdevCommand.get, "GET", [.transact, .dump], isRead: true),
            CommandRule(.ctLimit, CTLimitCommand.set, "SET", .transact),
            CommandRule(.ctLimit, CTLimitCommand.delete, "DEL", .transact),
            CommandRule(.ctLimit, CTLimitCommand.get, "GET", .transact, isRead: true),
            CommandRule(.meter, MeterCommand.features, "FEATURES", .transact, isRead: true),
            CommandRule(.meter, MeterCommand.set, "SET", .transact),
            CommandRule(.meter, MeterCommand.delete, "DEL", .transact),
            CommandRule(.meter, MeterCommand.get, "GET", .transact, isRead: true),
        ]
        + [Family.datapath, .vport, .flow].flatMap { family in
            [
                CommandRule(family, Command.new, "NEW", .transact),
                CommandRule(family, Command.delete, "DEL", .transact),
                CommandRule(family, Command.get, "GET", [.transact, .dump], isRead: true),
                CommandRule(family, Command.set, "SET", .transact),
            ]
        }

    /// The rule for a command; nil if the family has no such command for clients to send.
    public static func of(_ family: Family, _ command: UInt8) -> CommandRule? {
        guard command < width else { return nil }
        return table[Int(family.id - Family.control.id) * width + Int(command)]
    }

    /// Commands that a row of the table has room for.
    private static let width = 8

    private static let table: [CommandRule?] = {
        let last = Family.all.map(\.id).max() ?? Family.control.id
        var table = [CommandRule?](repeating: nil, count: Int(last - Family.control.id + 1) * width)
        for rule in all { table[Int(rule.family.id - Family.control.id) * width + Int(rule.command)] = rule }
        return table
    }()
}
