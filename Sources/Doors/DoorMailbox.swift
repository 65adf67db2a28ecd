import LinuxSystem
import OpenvSwitch
import Synchronization

/// What other threads leave for the door's thread: completions of pended requests, the news that a
/// Netlink client lost messages, and the wish to stop.
final class DoorMailbox: Sendable {
    /// The end of a pended request.
    struct Completion: Sendable {
        let connection: UInt64
        let tag: UInt32
        let status: IOStatus
    }

    private struct State {
        var completions: [Completion] = []
        var hasLoss = false
        var isStopping = false
    }

    private let state = Mutex(State())
    /// Readable while there is something in the mailbox.
    let event: EventCounter

    init() throws(LinuxError) {
        event = try EventCounter()
    }

    var isStopping: Bool { state.withLock { $0.isStopping } }

    /// Leaves a completion. Never waits for the door. A handle pends at most two requests, which bounds the list.
    func post(_ completion: Completion) {
        let isFirst = state.withLock { state in
            state.completions.append(completion)
            return state.completions.count == 1
        }
        if isFirst { event.signal() }
    }

    /// Leaves the news that a Netlink client lost messages and is to be told of it.
    func postLoss() {
        let isFirst = state.withLock { state in
            defer { state.hasLoss = true }
            return !state.hasLoss
        }
        if isFirst { event.signal() }
    }

    func stop() {
        state.withLock { $0.isStopping = true }
        event.signal()
    }

    /// Takes what has been left.
    func take() -> (completions: [Completion], hasLoss: Bool) {
        // Before the state is taken, so that what comes meanwhile signals again.
        event.drain()
        return state.withLock { state in
            defer { (state.completions, state.hasLoss) = ([], false) }
            return (state.completions, state.hasLoss)
        }
    }
}
