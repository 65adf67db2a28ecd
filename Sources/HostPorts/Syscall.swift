import CLinux
import Glibc

/// The one way to the system: a call is repeated when a signal interrupts it, and its error number becomes a value.
enum Syscall {
    /// Makes a call, for the way of packets.
    /// - Returns: the call's result, or the negative error number.
    @inline(__always)
    static func raw<Result: BinaryInteger>(_ body: () -> Result) -> Int {
        while true {
            let result = body()
            if result >= 0 { return Int(truncatingIfNeeded: result) }
            let number = errno
            if number != EINTR { return -Int(number) }
        }
    }

    /// Makes a call.
    /// - Parameters:
    ///   - name: the call, as its manual page is called.
    ///   - purpose: what it is wanted for, a clause for people; evaluated only on an error.
    /// - Throws: the error number with name and purpose.
    @discardableResult
    static func call<Result: BinaryInteger>(
        _ name: StaticString, _ purpose: @autoclosure () -> String, _ body: () -> Result
    ) throws(LinuxError) -> Int {
        let result = raw(body)
        guard result >= 0 else {
            throw LinuxError(errno: Int32(truncatingIfNeeded: -result), call: "\(name)", message: purpose())
        }
        return result
    }

    /// Sets a socket option to an integer or a structure of C.
    static func setOption<Value: BitwiseCopyable>(
        _ descriptor: borrowing Descriptor, _ level: Int32, _ option: Int32, to value: Value,
        _ purpose: @autoclosure () -> String
    ) throws(LinuxError) {
        let raw = descriptor.raw
        try call("setsockopt", purpose()) {
            // The option is copied during the call, from exactly the value's bytes.
            unsafe withUnsafeBytes(of: value) { bytes in
                unsafe setsockopt(raw, level, option, bytes.baseAddress, socklen_t(bytes.count))
            }
        }
    }
}

/// An open descriptor, closed when it is no longer held.
struct Descriptor: ~Copyable, Sendable {
    let raw: Int32

    /// - Parameter result: what a call that opens a descriptor answered.
    init(_ result: Int) { raw = Int32(truncatingIfNeeded: result) }

    deinit {
        // Linux has released the descriptor even where the call is interrupted; it must not be repeated.
        _ = Glibc.close(raw)
    }

    /// A counter that can be waited on (eventfd).
    /// - Parameter blocking: whether a read waits for the counter to be more than zero.
    static func event(blocking: Bool = false) throws(LinuxError) -> Descriptor {
        let flags = Int32(EFD_CLOEXEC) | (blocking ? 0 : Int32(EFD_NONBLOCK))
        return Descriptor(try Syscall.call("eventfd", "cannot make an event counter") { eventfd(0, flags) })
    }

    /// Adds one to an event counter.
    func signal() {
        var one: UInt64 = 1
        // Eight bytes, read during the call. The counter cannot overflow: every signal is followed by a drain.
        _ = Syscall.raw { unsafe write(raw, &one, 8) }
    }

    /// Takes an event counter back to zero; waits for a signal if the counter blocks.
    func drain() {
        var count: UInt64 = 0
        // Eight bytes, written during the call.
        _ = Syscall.raw { unsafe read(raw, &count, 8) }
    }
}
