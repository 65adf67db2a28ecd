import CLinux
import Datapath
import Glibc
import LinuxSystem
import Packets
import Synchronization

/// A thread that receives from its ports, runs the switch on what came, and transmits the outcome.
///
/// Control calls come from one thread at a time; they hand nothing over but descriptors to wait on. The worker answers
/// a signal of control between two batches, which is how control knows that no batch uses a port any more.
final class PortWorker: Sendable {
    let table: PortTable
    let poller: Descriptor
    let control: EventCounter
    private let answer: EventCounter
    private let isEnding = Atomic<Bool>(false)
    private let thread = Mutex<PlainThread?>(nil)

    /// The token of the control descriptor; generations begin at 1, so it is no port's.
    static let controlToken: UInt64 = 0

    init(_ table: PortTable) throws(LinuxError) {
        self.table = table
        let poller = Descriptor(
            try Syscall.call("epoll_create1", "cannot wait for ports") { epoll_create1(Int32(EPOLL_CLOEXEC)) })
        let control = try EventCounter()
        let answer = try EventCounter(blocking: true)
        try Self.add(control.descriptor.raw, Self.controlToken, to: poller)
        self.poller = poller
        self.control = control
        self.answer = answer
    }

    // MARK: Control

    /// Starts the thread, unless it runs already.
    func run(_ sw: Switch, name: String) throws(LinuxError) {
        guard thread.withLock({ $0 == nil }) else { return }
        let started = try PlainThread(name: name) { [self] in loop(PacketProcessor(sw)) }
        thread.withLock { $0 = started }
    }

    /// Begins to wait for frames of a device.
    func add(_ descriptor: Int32, token: UInt64) throws(LinuxError) { try Self.add(descriptor, token, to: poller) }

    /// Ends waiting for frames of a device. When this returns the worker has finished the batch it was in.
    func remove(_ descriptor: Int32) {
        Self.remove(descriptor, from: poller)
        guard thread.withLock({ $0 != nil }) else { return }
        control.signal()
        answer.drain()
    }

    /// Ends the thread.
    func stop() {
        guard let thread = thread.withLock({ $0.take() }) else { return }
        isEnding.store(true, ordering: .releasing)
        control.signal()
        thread.join()
    }

    private static func add(
        _ descriptor: Int32, _ token: UInt64, to poller: Descriptor
    ) throws(LinuxError) {
        // Unsafe is only the union, of which epoll never looks at the member.
        var event = unsafe epoll_event()
        unsafe event.events = UInt32(EPOLLIN.rawValue)
        unsafe event.data.u64 = token
        // The event is copied during the call.
        try Syscall.call("epoll_ctl", "cannot wait for a port") {
            unsafe epoll_ctl(poller.raw, EPOLL_CTL_ADD, descriptor, &event)
        }
    }

    static func remove(_ descriptor: Int32, from poller: Descriptor) {
        // It fails where the descriptor was removed because its device had gone.
        _ = Syscall.raw { epoll_ctl(poller.raw, EPOLL_CTL_DEL, descriptor, nil) }
    }

    // MARK: The thread

    private func loop(_ processor: PacketProcessor) {
        let table = table
        let transmitter = Transmitter()
        var receiver = Receiver(table)
        let capacity = 64
        let events = UnsafeMutablePointer<epoll_event>.allocate(capacity: capacity)
        unsafe events.initialize(repeating: epoll_event(), count: capacity)
        defer { unsafe events.deallocate() }

        // The array has `capacity` entries, of which the first are valid after the call: as many as it answers.
        func wait(_ timeout: Int32) -> Int {
            Syscall.raw { unsafe epoll_wait(poller.raw, events, Int32(capacity), timeout) }
        }
        var spin = BriefSpin()
        var isBusy = false

        while !isEnding.load(ordering: .acquiring) {
            // Where frames have just come, more are likely to come soon.
            var soon: Int?
            if isBusy {
                soon = spin.wait {
                    let count = wait(0)
                    return count > 0 ? count : nil
                }
            }
            let count = soon ?? wait(-1)
            var isCalled = false
            var hasBegun = false
            for index in 0..<max(count, 0) {
                let token = unsafe events[index].data.u64
                guard token != Self.controlToken else {
                    isCalled = true
                    continue
                }
                guard let port = table.receiver(token), let endpoint = table.endpoint(token) else { continue }
                if !hasBegun {
                    processor.beginBatch(now: MonotonicClock.milliseconds)
                    hasBegun = true
                }
                if !receiver.receive(from: endpoint, token, for: port, processor) {
                    Self.remove(table.lane(token)?.descriptor ?? endpoint.descriptor, from: poller)
                }
            }
            isBusy = hasBegun
            if hasBegun {
                receiver.endBatch()
                unsafe processor.finishBatch { token, packets in
                    unsafe transmitter.transmit(packets, to: token, of: table)
                }
            }
            if isCalled {
                control.drain()
                answer.signal()
            }
        }
        // Whoever asked while the thread was ending waits no longer.
        answer.signal()
    }
}
