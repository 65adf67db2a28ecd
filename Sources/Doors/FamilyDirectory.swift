import Netlink
import OpenvSwitch

/// How clients of the Netlink door find the families: what the kernel's controller (`nlctrl`) says, for ours.
enum FamilyDirectory {
    /// What becomes of a message to the controller.
    enum Answer: Equatable {
        /// One message.
        case reply([UInt8])
        /// Messages of a dump, to be followed by those of the kernel's families.
        case list([UInt8])
        /// It is for the kernel.
        case kernel
    }

    /// The longest name of a family (`GENL_NAMSIZ`, without its NUL).
    private static let policy = Policy([
        Controller.Attribute.familyID: .u16, Controller.Attribute.familyName: .string(maximum: 15),
    ])

    /// - Parameters:
    ///   - message: a message of type `Controller.messageType`.
    ///   - portID: that of the client's socket.
    static func answer(_ message: Message, portID: UInt32) -> Answer {
        // What is no sound GETFAMILY of one of ours, the kernel answers as it always does.
        guard message.header.flags.contains(.request), let generic = try? message.genericHeader(),
            generic.command == Controller.getFamily
        else { return .kernel }
        var writer = MessageWriter(capacity: 2048)
        do throws(NetlinkError) {
            if message.header.flags.isSuperset(of: .dump) {
                for family in NetlinkNumbers.families { try write(family, .multi, message, portID, &writer) }
                return .list(writer.bytes)
            }
            let set = try policy.parse(message.attributes(at: MessageHeader.size + GenericHeader.size))
            guard let family = family(set) else { return .kernel }
            try write(family, [], message, portID, &writer)
            return .reply(writer.bytes)
        } catch { return .kernel }
    }

    /// The family asked for. As in the kernel, a name counts more than a number.
    private static func family(_ set: borrowing AttributeSet) -> Family? {
        if let name = set.string(Controller.Attribute.familyName) {
            return NetlinkNumbers.families.first { $0.name == name }
        }
        let id: UInt16? = set.integer(Controller.Attribute.familyID)
        return id.flatMap { NetlinkNumbers.family(MessageType(rawValue: $0)) }
    }

    private static func write(
        _ family: Family, _ flags: MessageFlags, _ message: Message, _ portID: UInt32, _ writer: inout MessageWriter
    ) throws(NetlinkError) {
        let answer = FamilyMessage(
            family, id: NetlinkNumbers.id(family), groupID: NetlinkNumbers.groupID(family))
        try answer.write(to: &writer, flags: flags, sequence: message.header.sequence, portID: portID)
    }
}
