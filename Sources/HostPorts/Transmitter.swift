import Glibc
import Packets

/// Hands packets to the host, up to 32 by one system call. One per thread.
struct Transmitter: ~Copyable, Sendable {
    private let batch = FrameBatch()

    /// How often a full queue is tried again before the rest of the packets is dropped.
    private static let retries = 4

    /// Transmits packets in order to the device that a token stands for.
    /// - Returns: how many were taken.
    func transmit(_ packets: UnsafeMutableBufferPointer<Packet>, to token: UInt64, of table: PortTable) -> Int {
        guard let endpoint = table.endpoint(token) else { return 0 }
        switch endpoint.kind {
        case .tap: return unsafe write(packets, endpoint.descriptor)
        case .packetSocket: return unsafe send(packets, endpoint.descriptor)
        case .xdp:
            guard let queues = table.queues(token) else { return 0 }
            return unsafe transmit(packets, queues, packetSocket: endpoint.descriptor)
        }
    }

    /// To a packet socket.
    func send(_ packets: UnsafeMutableBufferPointer<Packet>, _ descriptor: Int32) -> Int {
        var taken = 0
        var next = 0
        var retries = Self.retries
        while next < packets.count {
            let count = min(FrameBatch.capacity, packets.count - next)
            for index in 0..<count { unsafe batch.prepareTransmit(index, packets[next + index]) }
            next += count
            var sent = 0
            while sent < count {
                let result = batch.transmit(descriptor, from: sent, to: count)
                if result > 0 {
                    sent += result
                    taken += result
                    continue
                }
                switch Verdict(result, retries: &retries) {
                case .again: continue
                case .skip: sent += 1
                case .giveUp: return taken
                }
            }
        }
        return taken
    }

    /// To a TAP device.
    private func write(_ packets: UnsafeMutableBufferPointer<Packet>, _ descriptor: Int32) -> Int {
        var taken = 0
        var next = 0
        var retries = Self.retries
        while next < packets.count {
            let result = unsafe FrameBatch.write(descriptor, packets[next])
            if result > 0 {
                next += 1
                taken += 1
                continue
            }
            switch Verdict(result, retries: &retries) {
            case .again: continue
            case .skip: next += 1
            case .giveUp: return taken
            }
        }
        return taken
    }

    /// What becomes of a packet that was not taken.
    private enum Verdict {
        case again, skip, giveUp

        /// - Parameters:
        ///   - result: the negative error number.
        ///   - retries: how many are left.
        init(_ result: Int, retries: inout Int) {
            switch Int32(truncatingIfNeeded: -result) {
            case EAGAIN, ENOBUFS, ENOMEM, ENETDOWN:
                // A queue is full; or the interface is down, or was, which a socket reports once more.
                guard retries > 0 else {
                    self = .giveUp
                    return
                }
                retries -= 1
                sched_yield()
                self = .again
            case EIO, EBADF, EBADFD, ENXIO, ENODEV:
                // The TAP device is down, or the device has gone.
                self = .giveUp
            default:
                // This packet cannot go: longer than the MTU (EMSGSIZE), an offload that the kernel refuses (EINVAL).
                self = .skip
            }
        }
    }
}
