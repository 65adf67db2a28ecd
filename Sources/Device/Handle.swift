import Datapath
public import Netlink
public import OpenvSwitch
import Synchronization

/// An open handle of the device (an *instance*): a port ID, two queues, and at most one pended request for each of them.
///
/// Handles are used from any thread. A pended request does not keep other calls waiting.
public final class Handle: Sendable {
    /// The handle's address: what `nlmsg_pid` names, and what a vport's upcalls are sent to. Never 0. One that the device
    /// gave is not used again.
    public let portID: UInt32
    public let access: Access
    let device: Device
    /// Who takes the handle's messages; nil if they wait in its queues.
    private let receiver: (any MessageReceiver)?
    let state: Mutex<State>

    struct State: ~Copyable {
        var isClosed = false
        /// Allocated by the subscription.
        var events: MessageQueue?
        var packets: MessageQueue?
        var groups: Set<MulticastGroup> = []
        /// Requests that wait for a queue.
        var pendedEvent: Pended?
        var pendedPacket: Pended?
        /// The dump that `write` began, for `read` to go on with.
        var writtenDump: WrittenDump?
        /// What `socketProperties` has said, such as `NETLINK_GENERIC`; 0 until then.
        var socketProtocol: UInt32 = 0

        /// Takes the request that waits for a queue out of the handle, to be completed without the lock.
        mutating func takePended(_ queue: QueueKind) -> Pended? {
            switch queue {
            case .event: pendedEvent.take()
            case .packet: pendedPacket.take()
            }
        }
    }

    /// A request that waits for a queue: how it is completed.
    typealias Pended = @Sendable (IOStatus) -> Void

    /// A dump of the older kind, whose place is kept here.
    struct WrittenDump {
        let request: [UInt8]
        var cursor: DumpCursor
    }

    /// Bytes that wait in a queue at most. An upcall takes up to 65 KiB; 4 MiB is what Open vSwitch asks of a socket.
    public static let queueCapacity = 4 << 20

    init(portID: UInt32, access: Access, device: Device, receiver: (any MessageReceiver)? = nil) {
        self.portID = portID
        self.access = access
        self.device = device
        self.receiver = receiver
        state = Mutex(State())
    }

    /// Whether the handle is a Netlink socket's: its messages go to a receiver, and not to queues.
    var isNetlinkSocket: Bool { receiver != nil }

    /// Whether the client is one of the Windows interface: only these say what protocol their sockets speak.
    var isOfWindowsClient: Bool { !isNetlinkSocket && state.withLock { $0.socketProtocol != 0 } }

    /// Carries out an I/O control.
    ///
    /// - Parameters:
    ///   - code: which one.
    ///   - input: what the code takes.
    ///   - output: the caller's buffer; what the control gives is appended to it, and its `limit` is the buffer's size.
    ///   - completion: called once if the result is `pending`, perhaps before this returns. Not called otherwise.
    public func control(
        _ code: IOControlCode, input: RawSpan, output: inout MessageWriter,
        completion: (@Sendable (IOStatus) -> Void)? = nil
    ) -> IOResult {
        let start = output.count
        let result = device.dispatch(code, input, &output, self, completion)
        return finish(code, input, &output, from: start, result)
    }

    /// What is done at the end of each I/O control.
    /// - Parameter start: where its output begins.
    func finish(
        _ code: IOControlCode, _ input: RawSpan, _ output: inout MessageWriter, from start: Int, _ result: IOResult
    ) -> IOResult {
        var result = result
        if result.status == .success {
            result.information = UInt32(clamping: output.count - start)
        } else {
            output.truncate(to: start)
        }
        device.trace(self, code, input, result, output.bytes.rawSpan.clamped(start..<output.count))
        return result
    }

    /// Closes the handle: cancels what is pended, leaves all groups and drops what is queued. May be called twice.
    public func close() {
        device.registry.remove(self)
        let pended = state.withLock { state -> [Pended] in
            state.isClosed = true
            state.events = nil
            state.packets = nil
            state.groups = []
            state.writtenDump = nil
            return QueueKind.allCases.compactMap { state.takePended($0) }
        }
        for complete in pended { complete(.cancelled) }
    }

    // MARK: Queues

    /// Gives an event to the receiver, or appends it to the event queue and completes the request that waits for it.
    func deliver(event message: RawSpan) {
        if let receiver { return receiver.receive(event: message) }
        let pended = state.withLock { state -> Pended? in
            state.events?.append(message) == nil ? nil : state.takePended(.event)
        }
        pended?(.success)
    }

    /// Gives upcalls to the receiver, or appends them to the packet queue and completes the request that waits for it.
    func deliver(_ upcalls: Upcalls) -> TakenUpcalls {
        if let receiver { return receiver.receive(upcalls) }
        let (taken, pended) = state.withLock { state -> (TakenUpcalls, Pended?) in
            guard state.packets != nil else { return (TakenUpcalls(), nil) }
            let taken = upcalls.forEach { state.packets?.append($0) == true ? .delivered : .queueFull }
            return (taken, state.takePended(.packet))
        }
        pended?(.success)
        return taken
    }

    /// Moves the oldest message of a queue to the output.
    func read(_ queue: QueueKind, _ output: inout MessageWriter) -> IOResult {
        guard output.limit - output.count >= ErrorMessage.cappedSize else {
            return IOResult(.invalidLength, information: ErrorMessage.cappedSize)
        }
        return state.withLock { state in
            let result =
                switch queue {
                case .event: state.events?.moveFirst(to: &output)
                case .packet: state.packets?.moveFirst(to: &output)
                }
            return result ?? IOResult(.success)
        }
    }

    /// Waits for a queue: completes at once if it has something, else when it gets something.
    func pend(_ queue: QueueKind, _ completion: (@Sendable (IOStatus) -> Void)?) -> IOResult {
        state.withLock { state in
            let hasNews: Bool?
            switch queue {
            case .event: hasNews = state.events?.hasNews
            case .packet: hasNews = state.packets?.hasNews
            }
            guard let hasNews, !state.isClosed else { return IOResult(.invalidParameter) }
            let isBusy =
                switch queue {
                case .event: state.pendedEvent != nil
                case .packet: state.pendedPacket != nil
                }
            guard !isBusy else { return IOResult(.deviceBusy) }
            if hasNews { return IOResult(.success) }
            guard let completion else { return IOResult(.invalidParameter) }
            switch queue {
            case .event: state.pendedEvent = completion
            case .packet: state.pendedPacket = completion
            }
            return IOResult(.pending)
        }
    }

    /// Cancels the requests that wait for these queues, if there are any.
    func cancel(_ queues: [QueueKind]) -> IOResult {
        let pended = state.withLock { state in queues.compactMap { state.takePended($0) } }
        for complete in pended { complete(.cancelled) }
        return IOResult(.success)
    }

    /// Joins or leaves a queue. Joining twice is joining once. With a receiver there are groups, and no queues.
    func subscribe(_ subscription: Subscription) -> IOResult {
        var cancelled: Pended?
        let result: IOResult = state.withLock { state in
            guard !state.isClosed else { return IOResult(.invalidParameter) }
            switch (subscription.queue, subscription.join) {
            case (.packet, true):
                if receiver == nil, state.packets == nil {
                    state.packets = MessageQueue(capacity: Self.queueCapacity)
                }
            case (.packet, false):
                state.packets = nil
                cancelled = state.pendedPacket.take()
            case (.event, true):
                guard MulticastGroup.all.contains(subscription.group) else { return IOResult(.invalidParameter) }
                // What other clients do is the administrator's to see.
                guard subscription.group != .trace || access == .change else { return IOResult(.accessDenied) }
                if receiver == nil, state.events == nil {
                    state.events = MessageQueue(capacity: Self.queueCapacity)
                }
                state.groups.insert(subscription.group)
            case (.event, false):
                guard MulticastGroup.all.contains(subscription.group) else { return IOResult(.invalidParameter) }
                state.groups.remove(subscription.group)
                if state.groups.isEmpty {
                    state.events = nil
                    cancelled = state.pendedEvent.take()
                }
            }
            return IOResult(.success)
        }
        cancelled?(.cancelled)
        if result.status == .success, subscription.queue == .event {
            device.registry.setMembership(of: self, in: subscription.group, subscription.join)
        }
        return result
    }
}
