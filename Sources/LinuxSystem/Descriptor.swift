import Glibc

/// An open descriptor, closed when nobody holds it any more.
///
/// Whoever is in a call with it holds it, so that its number is not used again meanwhile. That is why it is a class:
/// a connection's descriptor is held by every thread that waits on it.
public final class Descriptor: Sendable {
    /// The number that system calls take. Valid as long as this object is held.
    public let raw: Int32

    /// Takes over a descriptor, which nobody else may close.
    /// - Parameter result: what a call that opens a descriptor has answered.
    public init(_ result: Int) { raw = Int32(truncatingIfNeeded: result) }

    deinit {
        // Linux has released the descriptor even where the call is interrupted; it must not be repeated.
        _ = Glibc.close(raw)
    }

    /// Sets a socket option to an integer or a structure of C (`setsockopt`).
    /// - Parameters:
    ///   - level: the protocol, such as `SOL_SOCKET`.
    ///   - option: the option's number.
    ///   - value: exactly the bytes that the option takes.
    ///   - purpose: what could not be done, a clause for people; evaluated only on an error.
    /// - Throws: the error of the call.
    public func setOption<Value: BitwiseCopyable>(
        _ level: Int32, _ option: Int32, to value: Value, _ purpose: @autoclosure () -> String = ""
    ) throws(LinuxError) {
        try Syscall.call("setsockopt", purpose()) {
            // The option is copied during the call, from exactly the value's bytes.
            unsafe withUnsafeBytes(of: value) { bytes in
                unsafe setsockopt(raw, level, option, bytes.baseAddress, socklen_t(bytes.count))
            }
        }
    }
}
