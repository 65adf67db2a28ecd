/// Stand-in until the switch lands: frames from a port go to the one port it was wired to.
public final class Switch: Sendable {
    public init() {}

    /// A port whose frames go to the device with `token`. Its eight bytes are never freed.
    public static func wire(to token: UInt64) -> PortReference {
        let entry = UnsafeMutableRawPointer.allocate(byteCount: 8, alignment: 8)
        unsafe entry.storeBytes(of: token, as: UInt64.self)
        return unsafe PortReference(entry)
    }
}

public import Packets

/// One per thread; not Sendable.
public final class PacketProcessor {
    private var pool = PacketPool(capacity: 128)
    private var tokens: [UInt64] = []
    private var packets: [Packet] = []

    public init(_ sw: Switch) {
        tokens.reserveCapacity(128)
        packets.reserveCapacity(128)
    }

    public func beginBatch(now: UInt64) { pool.reset() }

    public func takePacket() -> Packet? { pool.take() }

    public func process(_ packet: Packet, from port: PortReference) {
        tokens.append(unsafe port.entry.load(as: UInt64.self))
        packets.append(packet)
    }

    public func finishBatch(_ transmit: (UInt64, UnsafeMutableBufferPointer<Packet>) -> Int) {
        unsafe packets.withUnsafeMutableBufferPointer { buffer in
            var start = 0
            while start < buffer.count {
                var end = start + 1
                while end < buffer.count, tokens[end] == tokens[start] { end += 1 }
                _ = unsafe transmit(tokens[start], UnsafeMutableBufferPointer(rebasing: buffer[start..<end]))
                start = end
            }
        }
        tokens.removeAll(keepingCapacity: true)
        packets.removeAll(keepingCapacity: true)
        pool.reset()
    }
}
