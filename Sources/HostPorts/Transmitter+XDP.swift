import Packets

extension Transmitter {
    /// To an AF_XDP port: through a socket that no other thread transmits through just now, or else, and for what such a
    /// socket does not take, through the packet socket. The order stays.
    func transmit(
        _ packets: UnsafeMutableBufferPointer<Packet>, _ queues: XDPQueues, packetSocket: Int32
    ) -> Int {
        var number = 0
        while number < queues.transmitCount, !queues[number].take() { number += 1 }
        guard number < queues.transmitCount else { return unsafe send(packets, packetSocket) }
        let queue = queues[number]
        defer { queue.give() }
        // The queue is taken.
        let side = unsafe queue.transmitting
        guard unsafe side.pointee.begin() else { return 0 }
        var taken = 0
        var next = 0
        while next < packets.count {
            if unsafe side.pointee.takes(packets[next]) {
                _ = unsafe side.pointee.put(packets[next])
                next += 1
                continue
            }
            let begin = next
            while next < packets.count, unsafe !side.pointee.takes(packets[next]) { next += 1 }
            taken += unsafe side.pointee.flush()
            taken += unsafe send(UnsafeMutableBufferPointer(rebasing: packets[begin..<next]), packetSocket)
        }
        taken += unsafe side.pointee.flush()
        return taken
    }
}
