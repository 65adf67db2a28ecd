internal import Glibc
public import Datapath

/// A system call that failed: which one, with what error number, and what it was wanted for.
public struct LinuxError: Error, Equatable, Sendable {
    /// A positive Linux error number.
    public var errno: Int32
    /// The system call or request, as its manual page is called.
    public var call: String
    /// What was wanted and, where it is known, what to do. A clause for people.
    public var message: String

    public init(errno: Int32, call: String, message: String) {
        self.errno = errno
        self.call = call
        self.message = message
    }
}

extension LinuxError: CustomStringConvertible {
    public var description: String {
        // The text lies in memory of the C library that stays valid until this thread asks again.
        let reason = unsafe strerror(errno).map { unsafe String(cString: $0) } ?? "error \(errno)"
        return "\(message): \(reason) (\(call))"
    }
}

extension PortError {
    /// The same number, with the whole description as its sentence.
    public init(_ error: LinuxError) { self.init(errno: error.errno, message: error.description) }
}
