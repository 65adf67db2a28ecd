import Netlink
import OpenvSwitch

/// The numbers that clients of the Netlink door know families and groups by.
///
/// The kernel gives numbers below 1024 to its own families. Ours are those of the device and 1024 more, so that a number
/// says whose the family is.
enum NetlinkNumbers {
    static let offset: UInt16 = 1024

    /// The families there are at this door.
    static let families: [Family] = [.datapath, .vport, .flow, .packet, .meter, .ctLimit]

    /// The family that a message type stands for; nil if it is none of ours.
    static func family(_ type: MessageType) -> Family? {
        guard type.rawValue >= offset else { return nil }
        return families.first { $0.id == type.rawValue - offset }
    }

    /// The message type that clients know a family by.
    static func id(_ family: Family) -> UInt16 { family.id + offset }

    /// The number that clients know a family's group by; nil if it has none here.
    static func groupID(_ family: Family) -> UInt32? {
        // As in the kernel, `ovs_packet` has no group: the device's own is for those who watch.
        guard family != .packet, let group = family.group else { return nil }
        return group.rawValue + UInt32(offset)
    }

    /// The type that clients know a message of the device by. Control types, such as `NLMSG_ERROR`, are everyone's.
    static func type(ofDevice type: MessageType) -> MessageType {
        type.rawValue < MessageType.firstFamily.rawValue ? type : MessageType(rawValue: type.rawValue &+ offset)
    }

    /// Gives all messages from `start` on the types that clients know them by.
    static func translate(_ messages: inout MessageWriter, from start: Int) {
        var offset = start
        while let header = MessageHeader(messages.bytes.rawSpan.clamped(from: offset)),
            header.length >= UInt32(MessageHeader.size)
        {
            messages.replace(type: type(ofDevice: header.type), at: offset)
            offset += netlinkAligned(Int(header.length))
        }
    }
}

/// Where the fields of a message header lie that the Netlink door changes.
extension MessageWriter {
    /// Overwrites the type in the header of the message that begins at `offset`.
    mutating func replace(type: MessageType, at offset: Int) {
        replace(at: offset + 4, with: type.rawValue)
    }

    /// Overwrites the port ID in the header of the message that begins at `offset`.
    mutating func replace(portID: UInt32, at offset: Int) {
        replace(at: offset + 12, with: portID)
    }
}

/// The bytes of integers in host byte order.
func hostBytes<T: FixedWidthInteger & BitwiseCopyable>(_ numbers: T...) -> [UInt8] {
    // Integers have no padding: every byte of the array is initialised.
    unsafe numbers.withUnsafeBytes { unsafe Array($0) }
}
