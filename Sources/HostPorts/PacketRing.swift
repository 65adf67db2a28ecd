import CLinux
import Datapath
import Glibc
import LinuxSystem
import Packets
import Synchronization

/// The frames that a packet socket has received, in memory that the kernel shares (`PACKET_RX_RING`, `TPACKET_V2`):
/// they are taken without a system call.
///
/// A frame up to `largestFrame` bytes lies in the ring whole. Of a longer one, a segment that is still to be cut, the
/// ring has the beginning; whole it waits in the socket's queue (`PACKET_COPY_THRESH`), from where it is received as
/// without a ring. Both are in one order.
///
/// Version 3 of the interface would hand over blocks of frames, but a block that is not full only after a millisecond or
/// more.
final class PacketRing: Sendable {
    let reader: Reader
    private let size: Int

    /// Bytes of all rings. The kernel does not count them against the process, so that someone must.
    private static let allRings = Atomic<Int>(0)
    /// Where there is more than this, further rings are small.
    private static let generousTotal = 256 << 20
    /// Bytes of a place in the ring, the kernel's header included.
    private static let placeSize = 2048
    /// Frames that wait at most. What the worker sleeps or is kept from its processor must find room here.
    private static let mostPlaces = 2048
    private static let placesBeyondTotal = 256
    private static let fewestPlaces = 128
    private static let blockSize = 1 << 16

    /// Gives a socket a ring, as large as the system has memory for. The socket must have been told of its virtio-net
    /// header, and not of a protocol.
    /// - Returns: nil if the kernel gives none; frames are received from the socket's queue then.
    init?(_ descriptor: borrowing Descriptor) {
        let isCrowded = Self.allRings.load(ordering: .relaxed) >= Self.generousTotal
        var places = isCrowded ? Self.placesBeyondTotal : Self.mostPlaces
        do {
            try descriptor.setOption(SOL_PACKET, PACKET_VERSION, to: Int32(TPACKET_V2.rawValue))
            try descriptor.setOption(SOL_PACKET, PACKET_COPY_THRESH, to: Int32(1))
        } catch { return nil }
        while true {
            var request = tpacket_req()
            request.tp_block_size = UInt32(Self.blockSize)
            request.tp_block_nr = UInt32(places * Self.placeSize / Self.blockSize)
            request.tp_frame_size = UInt32(Self.placeSize)
            request.tp_frame_nr = UInt32(places)
            if (try? descriptor.setOption(SOL_PACKET, PACKET_RX_RING, to: request)) != nil { break }
            guard places > Self.fewestPlaces else { return nil }
            places /= 2
        }
        size = places * Self.placeSize
        // The kernel keeps the memory as long as the mapping or the socket is there.
        let memory = unsafe mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor.raw, 0)
        guard let memory = unsafe memory, unsafe memory != MAP_FAILED else {
            // Without a mapping nobody would empty it.
            try? descriptor.setOption(SOL_PACKET, PACKET_RX_RING, to: tpacket_req())
            return nil
        }
        Self.allRings.add(size, ordering: .relaxed)
        reader = unsafe Reader(memory: memory, places: places, placeSize: Self.placeSize)
    }

    deinit {
        reader.free()
        Self.allRings.subtract(size, ordering: .relaxed)
    }

    /// Takes frames out of a ring; one thread at a time. It may be used as long as its ring is there.
    @safe
    struct Reader: BitwiseCopyable, @unchecked Sendable {
        private let memory: UnsafeMutableRawPointer
        /// The place of the next frame. The receiving thread's.
        private let position: UnsafeMutablePointer<Int>
        private let places: Int
        private let placeSize: Int

        fileprivate init(memory: UnsafeMutableRawPointer, places: Int, placeSize: Int) {
            unsafe self.memory = memory
            self.places = places
            self.placeSize = placeSize
            unsafe position = .allocate(capacity: 1)
            unsafe position.initialize(to: 0)
        }

        fileprivate func free() {
            unsafe munmap(memory, places * placeSize)
            unsafe position.deallocate()
        }

        /// What stands at a place of the ring.
        enum Content: Equatable {
            /// Nothing yet.
            case nothing
            /// A frame.
            case frame
            /// The beginning of a frame that waits in the socket's queue.
            case queued
            /// The beginning of a frame for which the queue had no room.
            case cut
        }

        /// What stands `ahead` places behind the next one.
        @inline(__always)
        func content(ahead: Int = 0) -> Content {
            guard ahead < places else { return .nothing }
            let place = unsafe place(ahead)
            let status = unsafe status(place).pointee.load(ordering: .acquiring)
            if status & UInt32(TP_STATUS_USER) == 0 { return .nothing }
            if status & UInt32(TP_STATUS_COPY) != 0 { return .queued }
            let header = unsafe place.load(as: tpacket2_hdr.self)
            return header.tp_snaplen < header.tp_len ? .cut : .frame
        }

        /// Copies the next frame into a packet's slot.
        /// - Returns: its length with the virtio-net header in front, and the VLAN tag that the kernel has taken out.
        @inline(__always)
        func copy(to packet: Packet) -> (length: Int, tag: VLANTag?) {
            let place = unsafe place(0)
            let header = unsafe place.load(as: tpacket2_hdr.self)
            let start = Int(header.tp_mac) &- Offload.wireSize
            let length = Int(header.tp_snaplen) &+ Offload.wireSize
            // The kernel keeps to its place; what it says is checked all the same.
            guard start >= MemoryLayout<tpacket2_hdr>.size, start &+ length <= placeSize else { return (0, nil) }
            let buffer = unsafe packet.receiveBuffer
            // A receive buffer is longer than a place, and in front of it lies the headroom.
            unsafe (buffer.baseAddress.unsafelyUnwrapped - Offload.wireSize).copyMemory(
                from: place + start, byteCount: length)
            return (
                length, VLANTag(status: header.tp_status, tpid: header.tp_vlan_tpid, tci: header.tp_vlan_tci)
            )
        }

        /// Gives the next place back to the kernel.
        @inline(__always)
        func advance() {
            unsafe status(place(0)).pointee.store(UInt32(TP_STATUS_KERNEL), ordering: .releasing)
            let next = unsafe position.pointee &+ 1
            unsafe position.pointee = next == places ? 0 : next
        }

        @inline(__always)
        private func place(_ ahead: Int) -> UnsafeMutableRawPointer {
            var index = unsafe position.pointee &+ ahead
            if index >= places { index &-= places }
            // Both are less than `places`.
            return unsafe memory + index &* placeSize
        }

        /// The first word of a place, by which kernel and reader hand it to each other.
        @inline(__always)
        private func status(_ place: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Atomic<UInt32>> {
            unsafe place.assumingMemoryBound(to: Atomic<UInt32>.self)
        }
    }
}

/// A VLAN tag that the kernel has taken out of a frame.
struct VLANTag: BitwiseCopyable {
    /// Tag protocol identifier, as a number.
    var tpid: UInt16
    /// Tag control information, as a number.
    var tci: UInt16

    /// From what the kernel says beside a frame (`TP_STATUS_VLAN_VALID`, `TP_STATUS_VLAN_TPID_VALID`); nil for no tag.
    @inline(__always)
    init?(status: UInt32, tpid: UInt16, tci: UInt16) {
        guard status & UInt32(TP_STATUS_VLAN_VALID) != 0 else { return nil }
        self.tpid = status & UInt32(TP_STATUS_VLAN_TPID_VALID) != 0 ? tpid : UInt16(ETH_P_8021Q)
        self.tci = tci
    }
}
