import CLinux
import Glibc
import LinuxSystem
import Synchronization

/// A ring of an AF_XDP socket, of which this process is the producer or the consumer and the kernel the other.
///
/// The kernel's index is taken for what it may be: how many entries there are is never more than the ring has, and an
/// entry is found under its index modulo the ring's size. So whatever the kernel writes, no access leaves the ring.
@safe
struct XDPRing<Entry: BitwiseCopyable>: ~Copyable {
    private let memory: MappedMemory
    // All three lie inside the mapping, as does the array of `size` entries; `init` has checked.
    private let producer: UnsafeMutablePointer<Atomic<UInt32>>
    private let consumer: UnsafeMutablePointer<Atomic<UInt32>>
    private let flags: UnsafeMutablePointer<Atomic<UInt32>>
    private let entries: UnsafeMutablePointer<Entry>
    /// Number of entries, a power of two.
    let size: UInt32
    /// Our own index, perhaps ahead of the one that the kernel sees.
    private var index: UInt32 = 0

    /// - Parameters:
    ///   - place: where to map it (`XDP_PGOFF_*`).
    ///   - offsets: where its parts are, as the kernel says.
    init(
        _ descriptor: Int32, at place: Int64, _ offsets: xdp_ring_offset, size: UInt32
    ) throws(LinuxError) {
        let bytes = Int(clamping: offsets.desc) + Int(size) * MemoryLayout<Entry>.stride
        for offset in [offsets.producer, offsets.consumer, offsets.flags] where offset > UInt64(bytes - 4) {
            throw LinuxError(errno: EPROTO, explanation: "the kernel describes an AF_XDP ring that cannot be")
        }
        let memory = try MappedMemory(descriptor, offset: Int(place), size: bytes)
        unsafe producer = (memory.base + Int(offsets.producer)).assumingMemoryBound(to: Atomic<UInt32>.self)
        unsafe consumer = (memory.base + Int(offsets.consumer)).assumingMemoryBound(to: Atomic<UInt32>.self)
        unsafe flags = (memory.base + Int(offsets.flags)).assumingMemoryBound(to: Atomic<UInt32>.self)
        unsafe entries = (memory.base + Int(offsets.desc)).assumingMemoryBound(to: Entry.self)
        self.memory = memory
        self.size = size
    }

    /// Whether the kernel wants to be told of new entries by a system call (`XDP_RING_NEED_WAKEUP`).
    @inline(__always)
    var wantsWakeup: Bool { unsafe flags.pointee.load(ordering: .relaxed) & UInt32(XDP_RING_NEED_WAKEUP) != 0 }

    // MARK: As the consumer

    /// Number of entries that the kernel has put in and we have not taken.
    @inline(__always)
    var filled: Int { Int(min(unsafe producer.pointee.load(ordering: .acquiring) &- index, size)) }

    /// Takes the next entry, of which `filled` has said that it is there.
    @inline(__always)
    mutating func take() -> Entry {
        defer { index &+= 1 }
        return unsafe entries[Int(index & (size &- 1))]
    }

    /// Gives back the places of all that was taken.
    @inline(__always)
    func release() { unsafe consumer.pointee.store(index, ordering: .releasing) }

    // MARK: As the producer

    /// Puts an entry in. The caller knows that there is room: it never has more entries about than the ring's size.
    @inline(__always)
    mutating func put(_ entry: Entry) {
        unsafe entries[Int(index & (size &- 1))] = entry
        index &+= 1
    }

    /// Lets the kernel see what was put in.
    @inline(__always)
    func publish() { unsafe producer.pointee.store(index, ordering: .releasing) }

    /// Whether the kernel has not yet taken all that it was let see.
    @inline(__always)
    var isPending: Bool { unsafe consumer.pointee.load(ordering: .acquiring) != index }
}
