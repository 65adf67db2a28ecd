import CLinux
import Glibc
import OpenvSwitch
import Synchronization

/// What other threads leave for the door's thread: completions of pended requests, and the wish to stop.
final class DoorMailbox: Sendable {
    /// The end of a pended request.
    struct Completion: Sendable {
        let connection: UInt64
        let tag: UInt32
        let status: IOStatus
    }

    private struct State {
        var completions: [Completion] = []
        var isStopping = false
    }

    private let state = Mutex(State())
    /// Readable while there is something in the mailbox (eventfd).
    let event: DoorDescriptor

    init() throws(DoorErrno) {
        event = DoorDescriptor(
            try DoorSyscall.call("eventfd") { eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK)) })
    }

    var isStopping: Bool { state.withLock { $0.isStopping } }

    /// Leaves a completion. Never waits for the door. A connection has at most one pended request, which bounds the list.
    func post(_ completion: Completion) {
        let isFirst = state.withLock { state in
            state.completions.append(completion)
            return state.completions.count == 1
        }
        if isFirst { signal() }
    }

    func stop() {
        state.withLock { $0.isStopping = true }
        signal()
    }

    /// Takes what has been left.
    func take() -> [Completion] {
        var count: UInt64 = 0
        // Eight bytes, written during the call. Before the list is taken, so that what comes meanwhile signals again.
        _ = try? DoorSyscall.call("read") { unsafe read(event.raw, &count, 8) }
        return state.withLock { state in
            defer { state.completions = [] }
            return state.completions
        }
    }

    private func signal() {
        var one: UInt64 = 1
        // Eight bytes, read during the call. The counter cannot overflow: each signal is followed by a `take`.
        _ = try? DoorSyscall.call("write") { unsafe write(event.raw, &one, 8) }
    }
}
