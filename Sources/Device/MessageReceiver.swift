public import Datapath

/// Who takes a handle's upcalls and events at once, where there are no queues to read from.
///
/// Called by whoever delivers, packet threads included: it must not wait for a client. A message that is not taken is lost.
/// It is for the receiver to tell its client so.
public protocol MessageReceiver: AnyObject, Sendable {
    /// Takes one complete message.
    func receive(event message: RawSpan)
    /// Takes upcalls.
    /// - Returns: which of them were taken.
    func receive(_ upcalls: Upcalls) -> TakenUpcalls
}
