public import Glibc

/// The one way to the system: a call is repeated when a signal interrupts it, and its error number becomes a value.
public enum Syscall {
    /// Makes a call, for the way of packets: nothing is thrown and nothing allocated.
    /// - Parameter body: makes the call once, and answers as the C library does: negative, with `errno`, on an error.
    /// - Returns: the call's result, or the negative error number.
    @inlinable
    @inline(__always)
    public static func raw<Result: BinaryInteger>(_ body: () -> Result) -> Int {
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
    ///   - purpose: what could not be done, a clause for people; evaluated only on an error. Empty where the caller
    ///     says it.
    ///   - body: as for `raw`.
    /// - Returns: the call's result, which is not negative.
    /// - Throws: the error number with name and purpose.
    @inlinable
    @discardableResult
    public static func call<Result: BinaryInteger>(
        _ name: StaticString, _ purpose: @autoclosure () -> String = "", _ body: () -> Result
    ) throws(LinuxError) -> Int {
        let result = raw(body)
        guard result >= 0 else {
            throw LinuxError(errno: Int32(truncatingIfNeeded: -result), call: "\(name)", message: purpose())
        }
        return result
    }
}
