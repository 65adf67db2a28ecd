import Glibc

/// What the system refused, or gave in a form that cannot be used: an error number, with words for people.
public struct LinuxError: Error, Equatable, Sendable {
    /// A positive Linux error number.
    public var errno: Int32
    /// The system call or request that failed, as its manual page is called; nil if `message` gives the reason itself.
    public var call: String?
    /// What could not be done and, where it is known, what to do. A clause for people; empty where the caller says it.
    public var message: String

    /// The error of a call.
    /// - Parameters:
    ///   - errno: a positive Linux error number; its words follow the message.
    ///   - call: the system call or request, as its manual page is called.
    ///   - message: what could not be done; may be empty.
    public init(errno: Int32, call: String, message: String) {
        self.errno = errno
        self.call = call
        self.message = message
    }

    /// An error that is known without a call, or better than the call says it.
    /// - Parameters:
    ///   - errno: a positive Linux error number, for programs.
    ///   - explanation: the whole sentence, reason included.
    public init(errno: Int32, explanation: String) {
        self.errno = errno
        call = nil
        message = explanation
    }
}

extension LinuxError: CustomStringConvertible {
    /// One sentence without its end: `cannot open x: Permission denied (open)`, or the explanation as it is.
    public var description: String {
        guard let call else { return message }
        // The text lies in memory of the C library that stays valid until this thread asks again.
        let reason = unsafe strerror(errno).map { unsafe String(cString: $0) } ?? "error \(errno)"
        return message.isEmpty ? "\(call): \(reason)" : "\(message): \(reason) (\(call))"
    }
}
