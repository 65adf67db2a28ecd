import Device
import OpenvSwitch

@testable import Doors

/// `martlet/device-numbers.h`, made from the definitions that the device itself uses.
enum DeviceNumbers {
    /// A line of the header.
    struct Number {
        /// The declaration in Swift, `Type.name`.
        let swift: String
        /// The name in C.
        let name: String
        let text: String
        var comment = ""

        init(_ swift: String, _ name: String, _ value: some BinaryInteger, _ comment: String = "") {
            (self.swift, self.name, self.text, self.comment) = (swift, name, "\(value)u", comment)
        }

        /// In hexadecimal.
        init(_ swift: String, _ name: String, hex value: UInt32, _ comment: String = "") {
            let digits = String(value, radix: 16)
            let text = "0x" + String(repeating: "0", count: 8 - digits.count) + digits + "u"
            (self.swift, self.name, self.text, self.comment) = (swift, name, text, comment)
        }

        init(_ swift: String, _ name: String, string value: String, _ comment: String = "") {
            (self.swift, self.name, self.text, self.comment) = (swift, name, "\"\(value)\"", comment)
        }

        fileprivate var line: String {
            let definition = "#define \(name) \(text)"
            return comment.isEmpty ? definition : "/* \(comment) */\n" + definition
        }
    }

    struct Section {
        let title: String
        let numbers: [Number]
    }

    static var text: String {
        var lines = introduction
        for section in sections {
            lines += ["", "/* \(section.title) */", ""] + section.numbers.map(\.line)
        }
        return (lines + ["", "#endif"]).joined(separator: "\n") + "\n"
    }

    private static let introduction = [
        "/* The numbers and names that Martlet's device adds to <linux/openvswitch.h>.",
        " *",
        " * This file is made by scripts/make-device-numbers from the definitions in Sources/OpenvSwitch and Sources/Doors.",
        " * Do not edit it; a test fails if it is not up to date.",
        " */",
        "",
        "#ifndef MARTLET_DEVICE_NUMBERS_H",
        "#define MARTLET_DEVICE_NUMBERS_H",
    ]

    static var sections: [Section] {
        [
            Section(title: "The Unix socket.", numbers: socket),
            Section(title: "I/O controls.", numbers: composition),
            Section(title: "The codes. Where the input is a number, it is a u32 in host byte order.", numbers: codes),
            Section(title: "How an I/O control ends.", numbers: statuses),
            Section(title: "What a handle may do.", numbers: access),
            Section(title: "A handle's queues.", numbers: queues),
            Section(
                title: "Families: the nlmsg_type of their messages, and the version in genlmsghdr.", numbers: families),
            Section(title: "Multicast groups.", numbers: groups),
            Section(title: "Commands of the control family.", numbers: controlCommands),
            Section(
                title: "Attributes of the control family; each command has its own, and they begin at 0.",
                numbers: controlAttributes),
            Section(title: "Commands of the netdev family.", numbers: netdevCommands),
            Section(title: "Attributes of the netdev family.", numbers: netdevAttributes),
            Section(title: "Bits of MARTLET_NETDEV_ATTR_FLAGS.", numbers: interfaceFlags),
            Section(title: "Bits of MARTLET_NETDEV_ATTR_CHANGES.", numbers: interfaceChanges),
        ]
    }

    private static let socket = [
        Number(
            "UnixSocketDoor.defaultPath", "MARTLET_DEVICE_PATH", string: UnixSocketDoor.defaultPath,
            "Where a datapath listens unless it was told otherwise."),
        Number(
            "LegacyDoor.defaultPath", "MARTLET_LEGACY_DEVICE_PATH", string: LegacyDoor.defaultPath,
            "The same for the legacy device, which takes no Netlink."),
        Number("LegacyStatistics.size", "MARTLET_STATISTICS_SIZE", LegacyStatistics.size),
        Number(
            "DoorGreeting.magic", "MARTLET_GREETING_MAGIC",
            string: String(decoding: DoorGreeting.magic.dropLast(), as: UTF8.self),
            "The greeting begins with this and its zero: 8 bytes."),
        Number("DoorGreeting.version", "MARTLET_GREETING_VERSION", DoorGreeting.version),
        Number("DoorGreeting.size", "MARTLET_GREETING_SIZE", DoorGreeting.size, "Bytes of a greeting, at least."),
        Number("DoorRequest.size", "MARTLET_REQUEST_HEADER_SIZE", DoorRequest.size),
        Number("DoorAnswer.size", "MARTLET_ANSWER_HEADER_SIZE", DoorAnswer.size),
        Number(
            "DoorLimits.input", "MARTLET_LARGEST_INPUT", DoorLimits.input,
            "Of this version's device; the greeting tells that of the one at hand."),
        Number("DoorLimits.output", "MARTLET_LARGEST_OUTPUT", DoorLimits.output),
    ]

    private static let composition = [
        Number("IOControlCode.deviceType", "MARTLET_DEVICE_TYPE", IOControlCode.deviceType),
        Number(
            "", "MARTLET_CTL_CODE(function, method, access)",
            expression: "\\\n    (MARTLET_DEVICE_TYPE << 16 | (access) << 14 | (function) << 2 | (method))",
            "How a code is composed, for codes with names that are not below."),
        Number("DumpCursor.size", "MARTLET_CURSOR_SIZE", DumpCursor.size, "Bytes of a dump's cursor."),
        Number("Subscription.size", "MARTLET_SUBSCRIPTION_SIZE", Subscription.size, "Bytes of a subscription."),
    ]

    /// One code; the test compares the number with what the macro makes of its parts.
    private static func code(_ swift: String, _ name: String, _ code: IOControlCode, _ comment: String) -> Number {
        Number("IOControlCode.\(swift)", "MARTLET_IOCTL_\(name)", hex: code.rawValue, comment)
    }

    private static let codes = [
        code("getPortID", "GET_PORT_ID", .getPortID, "No input; output is the handle's port ID, a u32."),
        code("read", "READ", .read, "No input; output is the next piece of the dump that WRITE began."),
        code("readEvent", "READ_EVENT", .readEvent, "No input; output is one event, or nothing."),
        code("readPacket", "READ_PACKET", .readPacket, "No input; output is one upcall, or nothing."),
        code("write", "WRITE", .write, "Input is a message: the start of a dump, or a control command; no output."),
        code("transact", "TRANSACT", .transact, "Input is one or more requests; output is their answers."),
        code("dump", "DUMP", .dump, "Input is a cursor and a dump request; output is a cursor and messages."),
        code("subscribe", "SUBSCRIBE", .subscribe, "Input is struct martlet_subscription; no output."),
        code("pend", "PEND", .pend, "Input is a queue; no output. Ends when that queue is not empty."),
        code("cancel", "CANCEL", .cancel, "No input, no output. The pended request ends as cancelled."),
        code("getVersion", "GET_VERSION", .getVersion, "No input; output is the interface's version, a u32."),
        code(
            "getStatistics", "GET_STATISTICS", .getStatistics,
            "No input; output is struct martlet_statistics. Of the legacy device alone."),
        code("netlinkOpen", "NETLINK_OPEN", .netlinkOpen, "This and those below are of the Netlink door."),
        code("netlinkBind", "NETLINK_BIND", .netlinkBind, ""),
        code("netlinkSend", "NETLINK_SEND", .netlinkSend, ""),
        code("netlinkPull", "NETLINK_PULL", .netlinkPull, ""),
        code("netlinkForward", "NETLINK_FORWARD", .netlinkForward, ""),
        code("netlinkPack", "NETLINK_PACK", .netlinkPack, ""),
    ]

    private static func status(_ swift: String, _ name: String, _ status: IOStatus, _ comment: String = "") -> Number {
        Number("IOStatus.\(swift)", "MARTLET_STATUS_\(name)", hex: status.rawValue, comment)
    }

    private static let statuses = [
        status("success", "SUCCESS", .success),
        status("pending", "PENDING", .pending, "It has not ended yet."),
        status("invalidParameter", "INVALID_PARAMETER", .invalidParameter, "The input is none that this code takes."),
        status("invalidDeviceRequest", "INVALID_DEVICE_REQUEST", .invalidDeviceRequest, "There is no such code."),
        status("accessDenied", "ACCESS_DENIED", .accessDenied, "The handle may not."),
        status(
            "bufferTooSmall", "BUFFER_TOO_SMALL", .bufferTooSmall,
            "Nothing has changed; the information is the size that suffices."),
        status(
            "invalidLength", "INVALID_LENGTH", .invalidLength, "Input or output is shorter than the code demands."),
        status("insufficientResources", "INSUFFICIENT_RESOURCES", .insufficientResources, "Too many handles."),
        status("deviceBusy", "DEVICE_BUSY", .deviceBusy, "A request is pended on this handle already."),
        status("cancelled", "CANCELLED", .cancelled, "The request was cancelled, or its handle closed."),
        status("notFound", "NOT_FOUND", .notFound, "The device is gone."),
        status(
            "overflow", "OVERFLOW", .overflow,
            "The queue was full and messages were lost; the information is how many."),
    ]

    private static let access = [
        // What the greeting says; `Access` has no numbers of its own.
        Number("", "MARTLET_ACCESS_READ", greetingAccess(.read), "Requests that change nothing, and events."),
        Number("", "MARTLET_ACCESS_CHANGE", greetingAccess(.change), "Everything."),
    ]

    /// The number that a greeting has for an access, at byte 20.
    private static func greetingAccess(_ access: Access) -> UInt32 {
        DoorGreeting(.success, access: access).bytes[20..<24].enumerated().reduce(0) { number, byte in
            number | UInt32(byte.element) << UInt32(8 * byte.offset)
        }
    }

    private static let queues = [
        Number("QueueKind.event", "MARTLET_QUEUE_EVENT", QueueKind.event.rawValue, "Events of the groups joined."),
        Number(
            "QueueKind.packet", "MARTLET_QUEUE_PACKET", QueueKind.packet.rawValue, "Upcalls to the handle's port ID."),
    ]

    private static func family(_ swift: String, _ name: String, _ family: Family) -> [Number] {
        [
            Number("Family.\(swift)", "MARTLET_FAMILY_\(name)", family.id),
            Number("Family.\(swift)", "MARTLET_FAMILY_\(name)_NAME", string: family.name),
            Number("Family.\(swift)", "MARTLET_FAMILY_\(name)_VERSION", family.version),
        ]
    }

    private static let families: [Number] =
        family("control", "CONTROL", .control) + family("datapath", "DATAPATH", .datapath)
        + family("packet", "PACKET", .packet) + family("vport", "VPORT", .vport) + family("flow", "FLOW", .flow)
        + family("netdev", "NETDEV", .netdev) + family("meter", "METER", .meter)
        + family("ctLimit", "CT_LIMIT", .ctLimit)

    private static func group(_ swift: String, _ name: String, _ group: MulticastGroup, _ comment: String) -> Number {
        Number("MulticastGroup.\(swift)", "MARTLET_GROUP_\(name)", group.rawValue, comment)
    }

    private static let groups = [
        group("vport", "VPORT", .vport, "Vports made, changed and deleted."),
        group("datapath", "DATAPATH", .datapath, "Datapaths made, changed and deleted."),
        group("flow", "FLOW", .flow, "Flows made, changed and deleted by requests."),
        group("packet", "PACKET", .packet, "A copy of every upcall."),
        group("netdev", "NETDEV", .netdev, "Interfaces of the host: come, gone, changed."),
        group("trace", "TRACE", .trace, "Every I/O control on other handles; needs MARTLET_ACCESS_CHANGE."),
        group("meter", "METER", .meter, "Nothing is sent to it, as in the kernel."),
        group("ctLimit", "CT_LIMIT", .ctLimit, "Nothing is sent to it, as in the kernel."),
    ]

    private static func command(_ swift: String, _ name: String, _ value: UInt8, _ comment: String = "") -> Number {
        Number("ControlCommand.\(swift)", "MARTLET_CONTROL_CMD_\(name)", value, comment)
    }

    private static let controlCommands = [
        command("pendRequest", "PEND_REQUEST", ControlCommand.pendRequest),
        command("pendPacketRequest", "PEND_PACKET_REQUEST", ControlCommand.pendPacketRequest),
        command("multicastSubscribe", "MULTICAST_SUBSCRIBE", ControlCommand.multicastSubscribe),
        command("packetSubscribe", "PACKET_SUBSCRIBE", ControlCommand.packetSubscribe),
        command("eventNotify", "EVENT_NOTIFY", ControlCommand.eventNotify),
        command("readNotify", "READ_NOTIFY", ControlCommand.readNotify),
        command("socketProperties", "SOCKET_PROPERTIES", ControlCommand.socketProperties),
        command("trace", "TRACE", ControlCommand.trace, "From the device: an I/O control was carried out."),
    ]

    private static func attribute(_ swift: String, _ name: String, _ value: UInt16, _ comment: String) -> Number {
        Number("ControlAttribute.\(swift)", "MARTLET_CONTROL_ATTR_\(name)", value, comment)
    }

    private static let controlAttributes = [
        attribute("socketProtocol", "SOCKET_PROTOCOL", ControlAttribute.socketProtocol, "Of SOCKET_PROPERTIES: u32."),
        attribute("socketPortID", "SOCKET_PORT_ID", ControlAttribute.socketPortID, "Of SOCKET_PROPERTIES: u32."),
        attribute("multicastGroup", "MULTICAST_GROUP", ControlAttribute.multicastGroup, "Of MULTICAST_SUBSCRIBE: u32."),
        attribute(
            "multicastJoin", "MULTICAST_JOIN", ControlAttribute.multicastJoin,
            "Of MULTICAST_SUBSCRIBE: u8, 1 to join, 0 to leave."),
        attribute(
            "packetSubscribe", "PACKET_SUBSCRIBE", ControlAttribute.packetSubscribe,
            "Of PACKET_SUBSCRIBE: u8, 1 to subscribe, 0 to leave."),
        attribute(
            "packetPortID", "PACKET_PORT_ID", ControlAttribute.packetPortID,
            "Of PACKET_SUBSCRIBE: u32, the handle's port ID."),
        attribute(
            "tracePortID", "TRACE_PORT_ID", ControlAttribute.tracePortID,
            "Of TRACE: u32, port ID of the handle that made the call."),
        attribute("traceCode", "TRACE_CODE", ControlAttribute.traceCode, "Of TRACE: u32, the I/O control."),
        attribute("traceStatus", "TRACE_STATUS", ControlAttribute.traceStatus, "Of TRACE: u32."),
        attribute("traceInput", "TRACE_INPUT", ControlAttribute.traceInput, "Of TRACE: the input's bytes."),
        attribute("traceOutput", "TRACE_OUTPUT", ControlAttribute.traceOutput, "Of TRACE: the output's bytes."),
        attribute(
            "traceTime", "TRACE_TIME", ControlAttribute.traceTime,
            "Of TRACE: u64, milliseconds of the host's monotonic clock."),
    ]

    private static let netdevCommands = [
        Number("NetdevCommand.get", "MARTLET_NETDEV_CMD_GET", NetdevCommand.get),
        Number("NetdevCommand.new", "MARTLET_NETDEV_CMD_NEW", NetdevCommand.new, "Event: an interface has come."),
        Number("NetdevCommand.delete", "MARTLET_NETDEV_CMD_DEL", NetdevCommand.delete, "Event: it has gone."),
        Number(
            "NetdevCommand.set", "MARTLET_NETDEV_CMD_SET", NetdevCommand.set,
            "Event: it has changed: link, address, MTU, name."),
    ]

    private static func netdev(_ swift: String, _ name: String, _ value: UInt16, _ comment: String) -> Number {
        Number("NetdevAttribute.\(swift)", "MARTLET_NETDEV_ATTR_\(name)", value, comment)
    }

    private static let netdevAttributes = [
        netdev("portNumber", "PORT_NO", NetdevAttribute.portNumber, "u32: the vport's number if the interface is one."),
        netdev("type", "TYPE", NetdevAttribute.type, "u32: OVS_VPORT_TYPE_*."),
        netdev("name", "NAME", NetdevAttribute.name, "String."),
        netdev("macAddress", "MAC_ADDRESS", NetdevAttribute.macAddress, "6 bytes."),
        netdev("mtu", "MTU", NetdevAttribute.mtu, "u32."),
        netdev("flags", "FLAGS", NetdevAttribute.flags, "u32: MARTLET_NETDEV_FLAG_*."),
        netdev("ifindex", "IFINDEX", NetdevAttribute.ifindex, "u32."),
        netdev(
            "changes", "CHANGES", NetdevAttribute.changes,
            "Of an event: u32, what has happened: MARTLET_NETDEV_CHANGE_*."),
        netdev(
            "formerName", "FORMER_NAME", NetdevAttribute.formerName,
            "Of an event with MARTLET_NETDEV_CHANGE_RENAMED: the name before."),
    ]

    private static func flag(_ swift: String, _ name: String, _ value: InterfaceFlags, _ comment: String) -> Number {
        Number("InterfaceFlags.\(swift)", "MARTLET_NETDEV_FLAG_\(name)", value.rawValue, comment)
    }

    private static let interfaceFlags = [
        flag("up", "UP", .up, "It is administratively up."),
        flag("promiscuous", "PROMISCUOUS", .promiscuous, "It takes frames for all addresses."),
        flag("carrier", "CARRIER", .carrier, "The link is there."),
        flag("ethernet", "ETHERNET", .ethernet, "It is Ethernet and may become a vport."),
    ]

    private static func change(_ swift: String, _ name: String, _ value: InterfaceChanges, _ comment: String) -> Number
    {
        Number("InterfaceChanges.\(swift)", "MARTLET_NETDEV_CHANGE_\(name)", value.rawValue, comment)
    }

    private static let interfaceChanges = [
        change("connected", "CONNECTED", .connected, "It was switched on."),
        change("disconnected", "DISCONNECTED", .disconnected, "It was switched off."),
        change("linkUp", "LINK_UP", .linkUp, "The link has come."),
        change("linkDown", "LINK_DOWN", .linkDown, "The link has gone."),
        change("macAddress", "MAC_ADDRESS", .macAddress, "It has another MAC address."),
        change("mtu", "MTU", .mtu, "It has another MTU."),
        change("created", "CREATED", .created, "It has come."),
        change("deleted", "DELETED", .deleted, "It has gone, or moved to another network namespace."),
        change("renamed", "RENAMED", .renamed, "It has another name."),
    ]
}

extension DeviceNumbers.Number {
    init(_ swift: String, _ name: String, expression: String, _ comment: String) {
        (self.swift, self.name, self.text, self.comment) = (swift, name, expression, comment)
    }
}
