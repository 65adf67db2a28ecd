public import Datapath

/// Who takes a handle's upcalls and events at once, where there are no queues to read from.
public protocol MessageReceiver: AnyObject, Sendable {
    /// Takes one complete message. Called by whoever delivers it, packet threads included: it must not wait for a client.
    ///
    /// A message that is not taken is lost. It is for the receiver to tell its client so.
    func receive(_ message: RawSpan) -> UpcallResult
}
