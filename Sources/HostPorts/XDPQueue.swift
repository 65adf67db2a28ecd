import Synchronization

/// The two sides of an AF_XDP socket as the packet threads use them: one worker receives; whoever has `take`n the queue
/// transmits.
///
/// A trivial value over memory that is the socket's.
@safe
struct XDPQueue: BitwiseCopyable {
    // Allocated by `init`, freed by `deallocate`.
    private let receivingSide: UnsafeMutablePointer<XDPReceivingSide>
    private let transmittingSide: UnsafeMutablePointer<XDPTransmittingSide>
    private let isTaken: UnsafeMutablePointer<Atomic<Bool>>

    init(_ receiving: consuming XDPReceivingSide, _ transmitting: consuming XDPTransmittingSide) {
        unsafe receivingSide = .allocate(capacity: 1)
        unsafe transmittingSide = .allocate(capacity: 1)
        unsafe isTaken = .allocate(capacity: 1)
        unsafe receivingSide.initialize(to: receiving)
        unsafe transmittingSide.initialize(to: transmitting)
        unsafe isTaken.initialize(to: Atomic(false))
    }

    /// Frees the memory; the socket does.
    func deallocate() {
        unsafe receivingSide.deinitialize(count: 1).deallocate()
        unsafe transmittingSide.deinitialize(count: 1).deallocate()
        unsafe isTaken.deinitialize(count: 1).deallocate()
    }

    /// The worker's side.
    @inline(__always)
    var receiving: UnsafeMutablePointer<XDPReceivingSide> { unsafe receivingSide }

    /// The transmitter's side, for which the caller has taken the queue.
    @inline(__always)
    var transmitting: UnsafeMutablePointer<XDPTransmittingSide> { unsafe transmittingSide }

    /// Takes the queue for transmitting.
    /// - Returns: false if another thread has it. Nobody waits: there is another way to transmit.
    @inline(__always)
    func take() -> Bool {
        unsafe isTaken.pointee.compareExchange(expected: false, desired: true, ordering: .acquiring).exchanged
    }

    /// Gives the queue back.
    @inline(__always)
    func give() { unsafe isTaken.pointee.store(false, ordering: .releasing) }
}
