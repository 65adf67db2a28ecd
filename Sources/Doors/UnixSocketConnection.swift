public import Device
import Dispatch
import Glibc
import LinuxSystem
import Netlink
public import NetlinkSocket
public import OpenvSwitch
import Synchronization

/// A handle of a device in another process.
///
/// May be used from several threads: each answer finds its request by the tag. Whoever waits for an answer receives for
/// all who wait; while a request is pended and nobody else receives, a dispatch source does.
public final class UnixSocketConnection: DeviceConnection {
    public let portID: UInt32
    /// What the handle may do.
    public let access: Access
    private let state: Mutex<State>
    /// What datagrams are received with; its lock is held by the one who receives.
    private let receiver: Mutex<Receiver>

    private struct State: ~Copyable {
        /// nil once the connection is closed.
        var socket: UnixSocket?
        /// Why there are no more answers; nil while there are.
        var end: IOStatus?
        var lastTag: UInt32 = 0
        /// Requests that have no answer yet.
        var waiting: [UInt32: Waiter] = [:]
        /// Answers that their threads have not fetched yet.
        var answers: [UInt32: Answer] = [:]
        var watch: ReceiveWatch?

        var pended: Int { waiting.values.count { if case .task = $0 { true } else { false } } }
    }

    private struct Receiver {
        var buffer: [UInt8]
        var spin = BriefSpin()
    }

    private enum Waiter {
        /// A thread that fetches the answer from `answers`.
        case thread
        /// A task that is resumed with the answer.
        case task(CheckedContinuation<IOStatus, Never>)
    }

    private struct Answer {
        let result: IOResult
        let output: [UInt8]
    }

    init(_ socket: UnixSocket, _ greeting: DoorGreeting, _ buffer: [UInt8]) {
        portID = greeting.portID
        access = greeting.access
        state = Mutex(State(socket: socket))
        receiver = Mutex(Receiver(buffer: buffer))
    }

    deinit { close() }

    // MARK: Requests

    public func control(_ code: IOControlCode, input: [UInt8], capacity: Int) throws(DeviceError) -> [UInt8] {
        // A pended request is `pend`'s: a thread would wait with it, perhaps for ever.
        guard code != .pend else { throw DeviceError(.invalidParameter) }
        let (tag, socket) = try begin(.thread)
        do { try send(code, input, capacity, tag, socket) } catch {
            state.withLock { _ = $0.waiting.removeValue(forKey: tag) }
            throw error
        }
        while true {
            let answer: Result<Answer, DeviceError>? = receiver.withLock { receiver in
                if let answer = fetch(tag) { return answer }
                let isReceived: Void? = receiver.spin.wait { [self] in
                    receive(&receiver.buffer, socket, waiting: false) ? () : nil
                }
                if isReceived == nil { receive(&receiver.buffer, socket, waiting: true) }
                return fetch(tag)
            }
            guard let answer else { continue }
            let (result, output) = try (answer.get().result, answer.get().output)
            guard result.status == .success else { throw DeviceError(result) }
            return output
        }
    }

    /// Gives a request its tag.
    private func begin(_ waiter: Waiter) throws(DeviceError) -> (UInt32, UnixSocket) {
        let result: Result<(UInt32, UnixSocket), DeviceError> = state.withLock { state in
            guard let socket = state.socket, state.end == nil else {
                return .failure(DeviceError(state.end ?? .cancelled))
            }
            // A request may be pended for as long as it takes the numbers to come round.
            repeat { state.lastTag &+= 1 } while state.waiting[state.lastTag] != nil
            state.waiting[state.lastTag] = waiter
            return .success((state.lastTag, socket))
        }
        return try result.get()
    }

    private func send(
        _ code: IOControlCode, _ input: [UInt8], _ capacity: Int, _ tag: UInt32, _ socket: UnixSocket
    ) throws(DeviceError) {
        guard input.count <= DoorLimits.input else {
            throw DeviceError(.invalidParameter, information: DoorLimits.input)
        }
        let header = DoorRequest(tag: tag, code: code, capacity: max(capacity, 0), inputLength: input.count)
        do { _ = try socket.send(header.bytes + input, waiting: true) } catch {
            finish(.notFound)
            throw DeviceError(state.withLock { $0.end } ?? .notFound)
        }
    }

    /// The answer to a request, or that there will be none; nil if it has not come yet.
    private func fetch(_ tag: UInt32) -> Result<Answer, DeviceError>? {
        state.withLock { state in
            if let answer = state.answers.removeValue(forKey: tag) { return .success(answer) }
            return state.end.map { .failure(DeviceError($0)) }
        }
    }

    // MARK: Pending

    public func pend(_ queue: QueueKind) async throws(DeviceError) {
        let status = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                pend(queue, continuation)
                // A task that was cancelled before the request was sent has not cancelled it.
                if Task.isCancelled { cancelPended(queue) }
            }
        } onCancel: {
            cancelPended(queue)
        }
        guard status == .success else { throw DeviceError(status) }
    }

    private func pend(_ queue: QueueKind, _ continuation: CheckedContinuation<IOStatus, Never>) {
        let tag: UInt32
        let socket: UnixSocket
        do { (tag, socket) = try begin(.task(continuation)) } catch {
            return continuation.resume(returning: error.status)
        }
        do { try send(.pend, DoorRequest.input(queue.rawValue), 0, tag, socket) } catch {
            // `send` has ended the connection, and with it all that waited.
            return
        }
        state.withLock { state in
            guard state.pended > 0 else { return }
            if state.watch == nil {
                state.watch = ReceiveWatch(socket.descriptor) { [weak self] in self?.receiveAvailable(socket) }
            }
            state.watch?.isActive = true
        }
    }

    /// Asks the device to cancel the request that waits for a queue, if there is one. Its answer is not waited for.
    private func cancelPended(_ queue: QueueKind) {
        let request = state.withLock { state -> (UInt32, UnixSocket)? in
            guard let socket = state.socket, state.end == nil, state.pended > 0 else { return nil }
            repeat { state.lastTag &+= 1 } while state.waiting[state.lastTag] != nil
            // Nobody waits for this tag: the answer is dropped.
            return (state.lastTag, socket)
        }
        guard let (tag, socket) = request else { return }
        try? send(.cancel, DoorRequest.input(queue.rawValue), 0, tag, socket)
    }

    /// Receives what is there, for those who wait without a thread.
    private func receiveAvailable(_ socket: UnixSocket) {
        receiver.withLock { receiver in
            while state.withLock({ $0.pended > 0 }), receive(&receiver.buffer, socket, waiting: false) {}
        }
    }

    // MARK: Answers

    /// Receives one datagram and gives it to the one who waits for it.
    /// - Returns: false if there was none, or there will be none any more.
    @discardableResult
    private func receive(_ buffer: inout [UInt8], _ socket: UnixSocket, waiting: Bool) -> Bool {
        let length: Int
        do {
            let received = try socket.receive(&buffer, waiting: waiting)
            guard let received else { return false }
            length = received
        } catch {
            finish(.notFound)
            return false
        }
        // 0 is the end of the connection. Bytes that are no answer come from no door, and the rest means nothing then.
        guard length > 0, length <= buffer.count, let header = DoorAnswer(buffer.rawSpan.clamped(0..<length)) else {
            finish(.notFound)
            return false
        }
        let task = state.withLock { state -> CheckedContinuation<IOStatus, Never>? in
            guard let waiter = state.waiting.removeValue(forKey: header.tag) else { return nil }
            switch waiter {
            case .task(let continuation):
                if state.pended == 0 { state.watch?.isActive = false }
                return continuation
            case .thread:
                let output = buffer.rawSpan.clamped(DoorAnswer.size..<length).copyBytes()
                state.answers[header.tag] = Answer(result: header.result, output: output)
                return nil
            }
        }
        task?.resume(returning: header.result.status)
        return true
    }

    /// Ends the connection: whoever waits gets the status, and so does every later call. The first status counts.
    private func finish(_ status: IOStatus) {
        let tasks = state.withLock { state -> [CheckedContinuation<IOStatus, Never>] in
            let end = state.end ?? status
            state.end = end
            if let socket = state.socket.take() {
                // Wakes a thread that receives. The number stays taken until that thread has let go of it.
                _ = shutdown(socket.descriptor.raw, Int32(SHUT_RDWR))
            }
            state.watch?.cancel()
            state.watch = nil
            let tasks = state.waiting.values.compactMap { waiter -> CheckedContinuation<IOStatus, Never>? in
                if case .task(let continuation) = waiter { continuation } else { nil }
            }
            state.waiting = [:]
            return tasks
        }
        let end = state.withLock { $0.end } ?? status
        for task in tasks { task.resume(returning: end) }
    }

    /// Closes the handle. Whoever waits gets `cancelled`.
    public func close() { finish(.cancelled) }
}
