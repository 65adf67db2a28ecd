import Datapath
import Packets

/// Packets that differ in their destination and their ports, made from one frame: an array of a million frames would be
/// measured, too.
///
/// The destinations come in an order in which nobody foresees the next one.
public struct Microflows: Sendable {
    /// How many destinations there are: 10.0.0.0 and those behind it.
    public let destinations: Int
    /// Whether each packet has another destination port than the 65,535 before it, so that the exact-match cache, whose
    /// 8192 places are those of hashes of the whole flow, has never seen it.
    public let missesCache: Bool
    private let frame: [UInt8] = Frames.udp
    private let step: Int

    public init(destinations: Int, missesCache: Bool) {
        self.destinations = destinations
        self.missesCache = missesCache
        // Coprime to the number of destinations, so that all have their turn.
        var step = max(destinations * 5 / 8, 1)
        while Self.greatestCommonDivisor(step, destinations) != 1 { step += 1 }
        self.step = step
    }

    public static func address(_ index: Int) -> UInt32 { 0x0a00_0000 + UInt32(truncatingIfNeeded: index) }

    /// Sends batches of 32 packets; each has to be forwarded, if nothing else is said.
    /// - Parameters:
    ///   - port: where they come from; port 1 if it is not said.
    ///   - position: where the row of packets goes on; begin with 0.
    public func send(
        batches: Int, from bed: Bed, port: PortReference? = nil, position: inout (destination: Int, packet: Int),
        mayMiss: Bool = false
    ) {
        let processor = bed.processor
        let port = port ?? bed.port
        var transmitted = 0
        for _ in 0..<batches {
            processor.beginBatch(now: 2000)
            for _ in 0..<32 {
                guard var packet = processor.takePacket() else { fatalError("the batch is full") }
                let fits = packet.assign(frame.rawSpan)
                precondition(fits, "the frame is too long")
                write(Self.address(position.destination), UInt16(truncatingIfNeeded: position.packet), &packet)
                processor.process(packet, from: port)
                position.destination += step
                if position.destination >= destinations { position.destination -= destinations }
                position.packet &+= 1
            }
            processor.finishBatch { _, packets in
                transmitted += packets.count
                return packets.count
            }
        }
        precondition(mayMiss || transmitted == batches * 32, "packets were lost")
    }

    /// Writes the destination, source port 0, and the destination port.
    @inline(__always)
    private func write(_ address: UInt32, _ port: UInt16, _ packet: inout Packet) {
        var bytes = packet.mutableBytes
        bytes.storeBytes(of: address.bigEndian, toByteOffset: 30, as: UInt32.self)
        bytes.storeBytes(of: 0, toByteOffset: 34, as: UInt16.self)
        if missesCache { bytes.storeBytes(of: port.bigEndian, toByteOffset: 36, as: UInt16.self) }
    }

    private static func greatestCommonDivisor(_ a: Int, _ b: Int) -> Int {
        b == 0 ? a : greatestCommonDivisor(b, a % b)
    }
}
