import NetlinkSocket
import OpenvSwitch

/// Why a command failed, in words: what went wrong, why, and what to do.
struct CommandError: Error, Equatable {
    /// What went wrong, such as `opening datapath br0 failed`.
    var problem: String
    /// The error number's words, such as `No such device`.
    var reason: String?
    /// More about it, and what to do.
    var advice: String?
    /// The exit status.
    var status: Int32 = 1

    init(_ problem: String, reason: String? = nil, advice: String? = nil) {
        self.problem = problem
        self.reason = reason
        self.advice = advice
    }

    init(_ problem: String, _ error: SocketError) {
        self.problem = problem
        switch error {
        case .refused(let refusal):
            reason = Errno.text(refusal.errno)
            if !refusal.message.isEmpty, refusal.message != reason { advice = refusal.message }
        default: advice = "\(error)"
        }
    }
}

extension CommandError: CustomStringConvertible {
    var description: String {
        problem + (reason.map { " (\($0))" } ?? "") + (advice.map { ": \($0)" } ?? "")
    }
}

/// A command failed and has said why.
struct CommandFailed: Error {}
