import Netlink
import OpenvSwitch
import Packets

/// Who takes upcalls from the packet threads: the device.
public protocol UpcallReceiver: AnyObject, Sendable {
    /// Hands over one complete message of family `ovs_packet`. Called on packet threads; it must not wait for a client.
    ///
    /// A port ID of 0 is nobody's; such a message is handed over only while `watchesAll` is true.
    func deliver(_ message: RawSpan, to portID: UInt32) -> UpcallResult
    /// Whether someone looks at every upcall, those included that no client takes. Called on packet threads.
    var watchesAll: Bool { get }
}

/// What became of an upcall.
public enum UpcallResult: Sendable {
    case delivered
    /// Nobody has that port ID (`ECONNREFUSED`).
    case noReceiver
    /// The receiver's queue is full (`EAGAIN`); the receiver will learn of it.
    case queueFull
}

/// Composes the messages of upcalls, in memory that is used again and again.
struct UpcallWriter {
    private var writer = MessageWriter(capacity: 70_000, limit: 70_000)

    /// What goes into one upcall beside the packet.
    struct Content {
        var command: UInt8
        var datapathIfindex: Int32
        var portID: UInt32
        /// The longest fragment that the packet was put together from; 0 if it is whole as it came.
        var maximumReceiveUnit: UInt16
        /// Length before truncation, if the packet was cut.
        var fullLength: Int?
        var hash: PacketHash
        /// Leave the packet's attribute without padding (`OVS_DP_F_UNALIGNED`).
        var isUnaligned: Bool
    }

    /// Composes a message and calls `body` with it.
    ///
    /// Attributes stand in the kernel's order, the packet last.
    /// - Parameter tunnelOptions: see `TunnelOptions.bytes`.
    /// - Returns: nil if the packet is longer than an attribute can be (65531 bytes).
    mutating func withMessage(
        _ content: Content, key: FlowKey, tunnelOptions: UnsafePointer<UInt8>, userdata: RawSpan?, actions: RawSpan?,
        packet: RawSpan,
        _ body: (RawSpan) -> UpcallResult
    ) -> UpcallResult? {
        writer.removeAll()
        do throws(NetlinkError) {
            let mark = try writer.begin(
                .packet, command: content.command, datapathIfindex: content.datapathIfindex)
            let nest = try writer.begin(nested: PacketAttribute.key)
            // At least as many as an 8-bit number says: see `TunnelOptions`.
            let options = unsafe RawSpan(
                _unsafeStart: tunnelOptions, byteCount: Int(key.tunnelOptionsLength))
            try key.write(tunnelOptions: options, to: &writer)
            try writer.end(nested: nest)
            if let userdata { try writer.append(PacketAttribute.userdata, bytes: userdata) }
            if let actions { try writer.append(PacketAttribute.actions, bytes: actions) }
            if content.maximumReceiveUnit != 0 {
                try writer.append(PacketAttribute.mru, content.maximumReceiveUnit)
            }
            if let length = content.fullLength {
                try writer.append(PacketAttribute.length, UInt32(truncatingIfNeeded: length))
            }
            try writer.append(PacketAttribute.hash, content.hash.rawValue)
            try writer.append(PacketAttribute.packet, bytes: packet)
            if content.isUnaligned {
                writer.truncate(to: writer.count - (netlinkAligned(packet.byteCount) - packet.byteCount))
            }
            writer.endUnpadded(message: mark)
        } catch { return nil }
        return body(writer.bytes.rawSpan)
    }
}
