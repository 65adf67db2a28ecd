import CLinux
import Glibc
import LinuxSystem

/// Waits for several descriptors at once (epoll); each is known by a number.
struct DoorEpoll: Sendable {
    /// What to look for, or what has come.
    struct Events: OptionSet, Sendable {
        let rawValue: UInt32
        static let readable = Events(rawValue: EPOLLIN.rawValue)
        static let writable = Events(rawValue: EPOLLOUT.rawValue)
        /// The peer is gone. Never to be asked for.
        static let gone = Events(rawValue: EPOLLHUP.rawValue | EPOLLERR.rawValue)
    }

    private let descriptor: Descriptor

    /// Descriptors that one call of `wait` reports at most.
    private static let capacity = 64

    init() throws(LinuxError) {
        descriptor = Descriptor(try Syscall.call("epoll_create1") { epoll_create1(Int32(EPOLL_CLOEXEC)) })
    }

    /// Begins to look for events; the system ends it when the descriptor is closed.
    func add(_ other: Descriptor, id: UInt64, _ events: Events) throws(LinuxError) {
        try control(EPOLL_CTL_ADD, other, id, events)
    }

    /// Looks for other events from now on.
    func change(_ other: Descriptor, id: UInt64, _ events: Events) throws(LinuxError) {
        try control(EPOLL_CTL_MOD, other, id, events)
    }

    private func control(
        _ operation: Int32, _ other: Descriptor, _ id: UInt64, _ events: Events
    ) throws(LinuxError) {
        var event = unsafe epoll_event(events: events.rawValue, data: epoll_data_t(u64: id))
        try Syscall.call("epoll_ctl") { unsafe epoll_ctl(descriptor.raw, operation, other.raw, &event) }
    }

    /// Waits until something has come.
    /// - Parameter milliseconds: how long at most; -1 for ever.
    /// - Returns: the numbers of the descriptors, and what has come; empty after the time.
    func wait(milliseconds: Int32) -> [(id: UInt64, events: Events)] {
        unsafe withUnsafeTemporaryAllocation(of: epoll_event.self, capacity: Self.capacity) { buffer in
            let result = try? Syscall.call("epoll_wait") {
                unsafe epoll_wait(descriptor.raw, buffer.baseAddress, Int32(Self.capacity), milliseconds)
            }
            // The call has written so many entries. All descriptors were added with a number, never with a pointer.
            return (0..<min(result ?? 0, Self.capacity)).map { index in
                unsafe (buffer[index].data.u64, Events(rawValue: buffer[index].events))
            }
        }
    }
}
