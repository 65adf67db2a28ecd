import OpenvSwitch
import Synchronization

/// The switch: all datapaths of a host, what packet threads share, and the lock that lets one control request at a time in.
///
/// A switch is made with the `PortProvider` of the host it runs on. Control goes through `withControl`; packet threads come
/// with a `PacketProcessor` each and never wait for control.
public final class Switch: @unchecked Sendable {
    // Sendable: `control` is reached only under `lock`; `receiverReference` is set before the first port exists; the rest
    // is immutable or atomic.

    /// The host's devices, clock and interfaces.
    public let provider: any PortProvider

    let reclaimer: Reclaimer
    let removedFlows = RemovedFlows()
    private var receiverReference: (any UpcallReceiver)?
    private let lock = Mutex<Void>(())
    private var control: SwitchControl!

    /// - Parameters:
    ///   - provider: the host.
    ///   - maximumThreads: how many `PacketProcessor`s there will be at most (up to 62); each flow has counters for each.
    public init(provider: any PortProvider, maximumThreads: Int = 4) {
        self.provider = provider
        // One more reader for the packets that control requests execute.
        reclaimer = Reclaimer(readerCount: min(max(maximumThreads, 1), 62) + 1)
        control = SwitchControl(self)
    }

    /// Who takes upcalls; nil until a device is opened on the switch.
    var receiver: (any UpcallReceiver)? { receiverReference }

    /// Says who takes upcalls. Once, before the first datapath is made.
    public func setReceiver(_ receiver: any UpcallReceiver) { receiverReference = receiver }

    /// Runs `body` with the control side of the switch, alone.
    ///
    /// `body` must not let anything escape that is not `Sendable`: flows, vports and datapaths belong to the lock.
    @inlinable
    public func withControl<Success, Failure: Error>(
        _ body: (SwitchControl) throws(Failure) -> Success
    ) throws(Failure) -> Success {
        var result: Result<Success, Failure>?
        locked { control in
            do throws(Failure) { result = .success(try body(control)) } catch { result = .failure(error) }
        }
        return try result!.get()  // set whenever `locked` has returned
    }

    @usableFromInline
    func locked(_ body: (SwitchControl) -> Void) {
        lock.withLock { _ in
            body(control)
            reclaimer.collect()
        }
    }

    /// Deletes all datapaths, gives all devices back and refuses new ones.
    public func shutDown() {
        withControl { $0.shutDown() }
        lock.withLock { _ in reclaimer.waitForReaders() }
    }
}
