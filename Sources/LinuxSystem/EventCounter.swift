import CLinux
import Glibc

/// A counter that threads signal each other with; its descriptor is readable while it is not zero (`eventfd`).
public struct EventCounter: Sendable {
    /// What to wait for.
    public let descriptor: Descriptor

    /// Makes a counter that is zero.
    /// - Parameter blocking: whether `drain` waits for a signal.
    /// - Throws: the error of the call.
    public init(blocking: Bool = false) throws(LinuxError) {
        let flags = Int32(EFD_CLOEXEC) | (blocking ? 0 : Int32(EFD_NONBLOCK))
        descriptor = Descriptor(try Syscall.call("eventfd", "cannot make an event counter") { eventfd(0, flags) })
    }

    /// Adds one.
    public func signal() {
        var one: UInt64 = 1
        // Eight bytes, read during the call. The counter cannot overflow: every signal is followed by a drain.
        _ = Syscall.raw { unsafe write(descriptor.raw, &one, 8) }
    }

    /// Goes back to zero; waits for a signal first if the counter blocks.
    public func drain() {
        var count: UInt64 = 0
        // Eight bytes, written during the call.
        _ = Syscall.raw { unsafe read(descriptor.raw, &count, 8) }
    }
}
