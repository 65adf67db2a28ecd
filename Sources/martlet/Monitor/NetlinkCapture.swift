import Glibc
import HostPorts
import Netlink
import OpenvSwitch

/// A capture of Netlink messages in a file, written message by message.
///
/// Each message stands behind the 16 bytes of `LINKTYPE_NETLINK`, in network byte order: packet type, ARP hardware type
/// (824), ten bytes that are zero, protocol (`NETLINK_GENERIC`, 16). The capture begins with a message for each family
/// that tells its number and name, so that readers know them.
final class NetlinkCapture: Sendable {
    enum Direction: UInt16, Sendable {
        /// `PACKET_USER`: to the client.
        case toUser = 6
        /// `PACKET_KERNEL`: to the datapath.
        case toKernel = 7
    }

    private let descriptor: Int32

    /// Bytes in front of the first packet.
    private static let headerSize = 24

    /// Makes the file, in place of one that is there. Only its owner may read it.
    init(path: String) throws(CaptureError) {
        // The path is NUL-terminated during the call.
        descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw CaptureError(path: path, number: errno) }
        let number = DescriptorOutput.write(PcapWriter(linkType: .netlink).bytes, to: descriptor)
        guard number == 0 else {
            close(descriptor)
            throw CaptureError(path: path, number: number)
        }
        for family in Family.all { append(Self.announcement(of: family), direction: .toUser) }
    }

    deinit { close(descriptor) }

    /// Adds a message with the present time. What cannot be written, such as on a full disk, is left out.
    func append(_ message: [UInt8], direction: Direction) {
        var writer = PcapWriter(linkType: .netlink)
        writer.append((Self.cookedHeader(direction) + message).rawSpan, time: Host.realTime)
        // The writer begins with the header of a whole capture, which is in the file already.
        _ = DescriptorOutput.write(Array(writer.bytes.dropFirst(Self.headerSize)), to: descriptor)
    }

    static func cookedHeader(_ direction: Direction) -> [UInt8] {
        [0, UInt8(truncatingIfNeeded: direction.rawValue), 0x03, 0x38] + [UInt8](repeating: 0, count: 10)
            + [0, 16]
    }

    /// What the controller (`nlctrl`) would tell of a family.
    private static func announcement(of family: Family) -> [UInt8] {
        var writer = MessageWriter(capacity: 256)
        // Cannot fail: names are short.
        let message = FamilyMessage(family, id: family.id, groupID: family.group?.rawValue)
        try? message.write(to: &writer, flags: [], sequence: 0, portID: 0)
        return writer.bytes
    }
}

/// A capture could not be made.
struct CaptureError: Error {
    let path: String
    let number: Int32
}
