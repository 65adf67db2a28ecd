import Dispatch
import LinuxSystem

/// Calls a handler while a descriptor can be read: what lets a task wait without a thread.
struct ReceiveWatch {
    private let source: any DispatchSourceRead

    /// Whether the handler is called. At first it is not.
    var isActive = false {
        didSet {
            guard isActive != oldValue else { return }
            if isActive { source.resume() } else { source.suspend() }
        }
    }

    init(_ descriptor: Descriptor, _ handler: @escaping @Sendable () -> Void) {
        source = DispatchSource.makeReadSource(fileDescriptor: descriptor.raw, queue: .global())
        source.setEventHandler(handler: handler)
        // The descriptor stays open until the source has let go of it.
        source.setCancelHandler { withExtendedLifetime(descriptor) {} }
    }

    /// Ends the watch. It must be called: a source that sleeps cannot be let go.
    mutating func cancel() {
        source.cancel()
        isActive = true
    }
}
